//! The queue in the admin API: what waits for a person, what it holds, and the decisions about it.

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use super::{admin_api::Refused, rows};
use crate::{
    bridge::{
        admin::{self, Verdict},
        context::Bridge,
    },
    model::{
        ids::{BlobId, JobId},
        inbound::{Origin, What},
        job::{self, Remote, StepRecord, StepState, Task},
    },
    store::rows::Summary,
};

pub(super) fn routes() -> Router<Bridge> {
    Router::new()
        .route("/admin/queue", get(list))
        .route("/admin/queue/{id}", get(show))
        .route("/admin/queue/{id}/raw", get(raw))
        .route("/admin/queue/{id}/retry", post(retry))
        .route("/admin/queue/{id}/discard", post(discard))
}

#[derive(Deserialize)]
struct Filter {
    /// Also what is under way or waits by itself.
    #[serde(default)]
    all: bool,
    #[serde(default = "hundred")]
    most: usize,
}

fn hundred() -> usize {
    100
}

async fn list(
    State(bridge): State<Bridge>,
    Query(filter): Query<Filter>,
) -> Result<Json<rows::Queue>, Refused> {
    let depth = bridge.store.depth();
    let summaries: Vec<Summary> =
        if filter.all { bridge.store.summaries(filter.most)? } else { admin::waiting(&bridge)? };
    let mut jobs = Vec::new();
    for summary in summaries.into_iter().take(filter.most) {
        if let Some((job, _)) = bridge.store.job(summary.id)? {
            jobs.push(row(&bridge, &job));
        } else {
            jobs.push(damaged(&summary));
        }
    }
    Ok(Json(rows::Queue { live: depth.live, parked: depth.parked, dead: depth.dead, jobs }))
}

async fn show(State(bridge): State<Bridge>, Path(id): Path<u64>) -> Result<Json<rows::JobDetail>, Refused> {
    let (job, steps) = known(&bridge, id)?;
    let unreadable =
        |error: serde_json::Error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    Ok(Json(rows::JobDetail {
        row: row(&bridge, &job),
        lane: format!("{:?}", job.lane),
        key: job.key.clone(),
        excerpt: admin::about(&bridge, &job).excerpt,
        raw: raw_copy(&job, &steps).is_some(),
        steps: serde_json::to_value(&steps).map_err(unreadable)?,
        task: serde_json::to_value(&job.task).map_err(unreadable)?,
    }))
}

/// The raw mail or update, as it came.
async fn raw(State(bridge): State<Bridge>, Path(id): Path<u64>) -> Result<Response, Refused> {
    let (job, steps) = known(&bridge, id)?;
    let blob =
        raw_copy(&job, &steps).ok_or_else(|| Refused::unknown(format_args!("raw copy of job {id}")))?;
    let (size, content) = bridge.spool.stream(&blob).await.map_err(gone)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
    ];
    Ok((headers, Body::from_stream(content)).into_response())
}

#[derive(Deserialize, Default)]
struct Retry {
    /// The call of unknown outcome did happen: go on behind it.
    #[serde(default)]
    it_is_there: bool,
}

async fn retry(
    State(bridge): State<Bridge>,
    Path(id): Path<u64>,
    Json(retry): Json<Retry>,
) -> Result<Json<rows::Job>, Refused> {
    decide(&bridge, id, if retry.it_is_there { Verdict::ItIsThere } else { Verdict::SendAgain }).await
}

async fn discard(State(bridge): State<Bridge>, Path(id): Path<u64>) -> Result<Json<rows::Job>, Refused> {
    if bridge.store.job(JobId(id))?.is_none() {
        let aside = admin::waiting(&bridge)?.into_iter().find(|summary| summary.id == JobId(id));
        if let Some(summary) = aside
            && admin::decide(&bridge, JobId(id), Verdict::Discard, Vec::new()).await?
        {
            tracing::info!(job.id = id, "A damaged job was discarded from outside.");
            return Ok(Json(damaged(&summary)));
        }
    }
    decide(&bridge, id, Verdict::Discard).await
}

async fn decide(bridge: &Bridge, id: u64, verdict: Verdict) -> Result<Json<rows::Job>, Refused> {
    let (job, _) = known(bridge, id)?;
    if !admin::decide(bridge, JobId(id), verdict, Vec::new()).await? {
        let error = format!("job {id} is {}: it waits for nobody's decision", state(&job.state));
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    tracing::info!(job.id = id, ?verdict, "A job was decided about from outside.");
    Ok(Json(row(bridge, &known(bridge, id)?.0)))
}

fn gone(error: impl std::fmt::Display) -> Refused {
    Refused::new(StatusCode::NOT_FOUND, error.to_string())
}

fn known(bridge: &Bridge, id: u64) -> Result<(job::Job, Vec<StepRecord>), Refused> {
    bridge.store.job(JobId(id))?.ok_or_else(|| Refused::unknown(format_args!("job {id}")))
}

fn row(bridge: &Bridge, job: &job::Job) -> rows::Job {
    let about = admin::about(bridge, job);
    let (why, since) = match &job.state {
        job::State::Parked { why, since } | job::State::Dead { why, since } => (why.clone(), Some(*since)),
        job::State::Waiting { why, until } => (format!("{why:?} until {until}").to_lowercase(), None),
        job::State::Done { at } => (String::new(), Some(*at)),
        job::State::Ready => (String::new(), None),
    };
    rows::Job {
        id: job.id.0,
        state: state(&job.state).to_owned(),
        held: admin::is_held(job),
        what: about.what,
        who: about.who,
        account: about.account,
        why,
        accepted: job.accepted.to_string(),
        since: since.map(|since| since.to_string()),
    }
}

/// Its content is gone; all that is left to do is to discard it.
fn damaged(summary: &Summary) -> rows::Job {
    let (why, since) = match &summary.state {
        job::State::Parked { why, since } | job::State::Dead { why, since } => (why.clone(), Some(*since)),
        job::State::Waiting { .. } | job::State::Ready | job::State::Done { .. } => (String::new(), None),
    };
    rows::Job {
        id: summary.id.0,
        state: state(&summary.state).to_owned(),
        held: false,
        what: "an item whose content is damaged".to_owned(),
        who: "a customer".to_owned(),
        account: None,
        why,
        accepted: summary.accepted.to_string(),
        since: since.map(|since| since.to_string()),
    }
}

fn state(state: &job::State) -> &'static str {
    match state {
        job::State::Ready => "ready",
        job::State::Waiting { .. } => "waiting",
        job::State::Parked { .. } => "parked",
        job::State::Dead { .. } => "dead",
        job::State::Done { .. } => "done",
    }
}

/// Where the bytes lie that the job came as, or that it sends.
fn raw_copy(job: &job::Job, steps: &[StepRecord]) -> Option<BlobId> {
    let of = |inbound: &crate::model::inbound::Inbound| match (&inbound.what, &inbound.origin) {
        (What::Unreadable { raw, .. }, _) => raw.clone(),
        (_, Origin::Mail(mail)) => Some(mail.raw.clone()),
        (_, Origin::Chat(_)) => None,
    };
    match &job.task {
        Task::File(filing) => filing.messages.first().and_then(|arrived| of(&arrived.inbound)),
        Task::Control(inbound) => of(inbound),
        Task::Deliver(_) => steps.iter().find_map(|record| match &record.state {
            StepState::Done(Remote::Composed { raw, .. }) => Some(raw.clone()),
            _ => None,
        }),
    }
}
