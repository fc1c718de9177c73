//! HostUp's refusals in every dress, and what each means.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::problem::{Failure, Kind, Right};
use crate::ticket_api::ApiError;
use crate::ticket_api::answers::Answer;

fn failure(right: Right, status: u16, body: &Value) -> Failure {
    let response = axum::http::Response::builder().status(StatusCode::from_u16(status).unwrap());
    let response = reqwest::Response::from(response.body(body.to_string()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    Failure::of(right, &runtime.block_on(Answer::read(response, 1 << 16)))
}

fn problem(status: u16, code: &str) -> Value {
    json!({
        "type": format!("https://developer.hostup.se/errors/{code}"), "title": "Title", "status": status,
        "detail": "What happened.", "code": code, "instance": "/api/v2/support/tickets", "requestId": "req_1",
        "timestamp": "2026-01-31T12:00:00Z", "errors": [], "extensions": {},
    })
}

fn word(error: &ApiError) -> &'static str {
    match error {
        ApiError::Retry { .. } => "retry",
        ApiError::Unknown { may_still_run: true, .. } => "may still run",
        ApiError::Unknown { .. } => "unknown",
        ApiError::Refused(_) => "refused",
        ApiError::Unauthorized(_) => "unauthorized",
        ApiError::NotFound(_) => "not found",
        ApiError::Locked(_) | ApiError::Unsupported(_) => "never by an answer alone",
    }
}

#[test]
fn the_code_decides() {
    for (status, code, of_read, of_write) in [
        (400, "invalid_request", "refused", "refused"),
        (401, "unauthorized", "unauthorized", "unauthorized"),
        (403, "forbidden", "unauthorized", "unauthorized"),
        (404, "ticket_not_found", "not found", "not found"),
        (409, "ticket_closed", "refused", "refused"),
        (429, "rate_limited", "retry", "retry"),
        (500, "internal_error", "retry", "unknown"),
        (502, "external_provider_failed", "retry", "may still run"),
        (503, "upstream_unavailable", "retry", "may still run"),
        (424, "upstream_timeout", "retry", "may still run"),
    ] {
        let body = problem(status, code);
        assert_eq!(word(&failure(Right::ReadSupport, status, &body).error), of_read, "{code}");
        assert_eq!(word(&failure(Right::WriteSupport, status, &body).error), of_write, "{code}");
    }
}

#[test]
fn the_customer_reads_what_is_wrong_with_each_field() {
    let mut body = problem(400, "invalid_request");
    body["errors"] = json!([
        {"pointer": "/subject", "detail": "The subject is too long.", "code": "too_long"},
        {"pointer": "/message", "detail": "A message is required."}]);
    let found = failure(Right::WriteSupport, 400, &body);
    let ApiError::Refused(words) = &found.error else { panic!("{found:?}") };
    assert_eq!(words, "The subject is too long. A message is required.");
    assert!(found.mentions("/subject") && !found.mentions("departmentslug"));
    for errors in [json!(null), json!([]), json!([[]])] {
        body["errors"] = errors;
        let ApiError::Refused(words) = failure(Right::WriteSupport, 400, &body).error else { panic!() };
        assert_eq!(words, "What happened.");
    }
}

#[test]
fn what_is_forbidden_names_the_scope() {
    for (right, scope) in [
        (Right::ReadSupport, "read:support"),
        (Right::WriteSupport, "write:support"),
        (Right::ReadAccount, "read:account"),
    ] {
        for body in [problem(403, "forbidden"), json!({})] {
            let found = failure(right, 403, &body);
            let ApiError::Unauthorized(why) = &found.error else { panic!("{found:?}") };
            assert!(why.contains(scope), "{why}");
            assert_eq!(found.kind, Kind::Forbidden);
        }
    }
}

#[test]
fn where_the_call_went_to_is_no_word_of_the_refusal() {
    let mut body = problem(403, "forbidden");
    body["instance"] = json!("/api/v2/services");
    assert!(!failure(Right::WriteSupport, 403, &body).mentions("service"));
}

#[test]
fn a_problem_may_lack_all_but_its_status() {
    for (body, words) in [
        (json!({"title": "Bad Request", "status": 400, "code": "invalid_request"}), "Bad Request"),
        (json!({"code": "invalid_request", "errors": {"detail": "Too long."}}), "Too long."),
        (json!({"code": "invalid_request", "errors": "none", "detail": null}), "invalid_request"),
        (json!({"detail": "Nope."}), "Nope."),
    ] {
        let ApiError::Refused(said) = failure(Right::WriteSupport, 400, &body).error else {
            panic!("{body}")
        };
        assert_eq!(said, words);
    }
    for nothing in [json!({}), json!([]), json!(null)] {
        assert_eq!(word(&failure(Right::WriteSupport, 400, &nothing).error), "refused", "{nothing}");
        assert_eq!(word(&failure(Right::WriteSupport, 404, &nothing).error), "not found", "{nothing}");
        assert_eq!(word(&failure(Right::WriteSupport, 500, &nothing).error), "unknown", "{nothing}");
    }
}
