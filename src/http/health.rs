//! Health for supervisors and metrics for Prometheus: alive, ready and why not.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use crate::{
    bridge::{
        circuit::{Guarded, Trouble},
        context::Bridge,
    },
    runtime::telemetry::Metrics,
    store::rows,
};

/// Something that does not work now.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// `store`, `ticket API desk`, `mailbox support`, …
    pub what: String,
    /// RFC 3339.
    pub since: Option<String>,
    pub why: String,
    /// It has not said yet from where on it takes things in: what comes before that counts as old.
    #[serde(skip)]
    pub starting: bool,
}

/// What the sources say of themselves: those in trouble.
pub type Sources = Arc<dyn Fn() -> Vec<Reason> + Send + Sync>;

/// What health is told from. Cheap to clone.
#[derive(Clone)]
pub struct Doctor {
    pub bridge: Bridge,
    pub sources: Sources,
    pub metrics: Option<Metrics>,
}

#[derive(Serialize)]
struct Report {
    /// Whether messages can be taken in. A ticket system that is down does not change that.
    ready: bool,
    reasons: Vec<Reason>,
    live: usize,
    parked: usize,
    dead: usize,
    /// Seconds since the oldest job under way was accepted.
    oldest_seconds: u64,
}

pub fn router(doctor: Doctor) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(doctor)
}

async fn ready(State(doctor): State<Doctor>) -> Response {
    let report = report(&doctor);
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

async fn metrics(State(doctor): State<Doctor>) -> Response {
    let Some(metrics) = &doctor.metrics else { return StatusCode::NOT_FOUND.into_response() };
    let report = report(&doctor);
    let number = |number: usize| u32::try_from(number).map_or(f64::from(u32::MAX), f64::from);
    metrics::gauge!("jobs", "state" => "live").set(number(report.live));
    metrics::gauge!("jobs", "state" => "parked").set(number(report.parked));
    metrics::gauge!("jobs", "state" => "dead").set(number(report.dead));
    let oldest = u32::try_from(report.oldest_seconds).unwrap_or(u32::MAX);
    metrics::gauge!("oldest_job_seconds").set(f64::from(oldest));
    metrics::gauge!("ready").set(if report.ready { 1.0 } else { 0.0 });
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, metrics.render()).into_response()
}

fn report(doctor: &Doctor) -> Report {
    let bridge = &doctor.bridge;
    let store = match &*bridge.store.health().borrow() {
        rows::Health::Ok => None,
        rows::Health::Broken { since, why } => Some(Reason {
            what: "store".to_owned(),
            since: Some(since.to_string()),
            why: why.clone(),
            starting: false,
        }),
    };
    let mut reasons: Vec<Reason> = (doctor.sources)();
    let ready = store.is_none() && !reasons.iter().any(|reason| reason.starting);
    reasons.splice(..0, store);
    reasons.extend(bridge.circuits.troubles().into_iter().map(circuit));
    let depth = bridge.store.depth();
    Report {
        ready,
        reasons,
        live: depth.live,
        parked: depth.parked,
        dead: depth.dead,
        oldest_seconds: depth.oldest.map_or(0, |oldest| bridge.now().since(oldest).as_secs()),
    }
}

fn circuit(trouble: Trouble) -> Reason {
    let what = match trouble.guarded {
        Guarded::Api(api) => format!("ticket API {api}"),
        Guarded::Keys(api) => format!("ticket API {api}, keys of accounts"),
        Guarded::Account(api, account) => format!("ticket API {api}, account {account}"),
    };
    Reason { what, since: Some(trouble.since.to_string()), why: trouble.why, starting: false }
}
