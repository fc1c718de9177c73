//! What an answer, or none, means: status and body → [`ApiError`].

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::ApiError;
use super::server_clock::http_date;
use crate::runtime::Timestamp;
use crate::runtime::http_client::{self, BodyError, HttpError, Sent};

/// Bytes kept of the body of an error.
const MOST_OF_AN_ERROR: usize = 64 * 1024;
/// A server that asks for more is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The customary header with the point in time when calls are taken again.
const RATE_LIMIT_RESET: &str = "x-ratelimit-reset";
/// Characters of a server's words that a person is shown.
const LONGEST_WORDS: usize = 500;

/// Whether a call that ended without a clear answer may simply be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
}

/// A complete HTTP answer of any status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Body,
    pub retry_after: Option<Duration>,
    /// The server's `Date`.
    pub date: Option<Timestamp>,
    pub headers: HeaderMap,
    /// Where a redirect points to, without its path and query.
    redirect: Option<String>,
}

#[derive(Debug)]
pub enum Body {
    Whole(Bytes),
    TooLarge {
        max: usize,
    },
    /// The connection ended within it.
    Broken(String),
}

// === impl Answer ===

impl Answer {
    /// Reads the body: `most` bytes of a success, 64 KiB of anything else.
    pub async fn read(response: Response, most: usize) -> Self {
        let status = response.status();
        let most = if status.is_success() { most } else { MOST_OF_AN_ERROR };
        let mut answer = Self::head(&response);
        answer.body = match http_client::read_capped(response, most).await {
            Ok(bytes) => Body::Whole(bytes),
            Err(BodyError::TooLarge { max }) => Body::TooLarge { max },
            Err(error @ BodyError::Broken(_)) => Body::Broken(chain(&error)),
        };
        answer
    }

    /// The answer without its body.
    pub fn head(response: &Response) -> Self {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let date = header(header::DATE).and_then(http_date);
        let location = header(header::LOCATION).and_then(|url| response.url().join(url).ok());
        Self {
            status: response.status(),
            body: Body::Whole(Bytes::new()),
            retry_after: header(header::RETRY_AFTER)
                .and_then(|value| retry_after(value, date))
                .or_else(|| limit_reset(response.status(), response.headers().get(RATE_LIMIT_RESET)?, date?)),
            date,
            headers: response.headers().clone(),
            redirect: location.map(|url| url.origin().ascii_serialization()),
        }
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.bytes()).ok()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A whole answer with nothing in it.
    pub fn is_empty(&self) -> bool {
        matches!(&self.body, Body::Whole(bytes) if bytes.trim_ascii().is_empty())
    }

    fn bytes(&self) -> &[u8] {
        if let Body::Whole(bytes) = &self.body { bytes } else { &[] }
    }

    /// A page of something that stands in front of the API: a proxy, a firewall.
    fn is_foreign(&self) -> bool {
        !self.bytes().trim_ascii().is_empty() && self.json().is_none()
    }
}

/// What an answer that is no decoded success means. `words` is the refusal in the API's own form, if the
/// answer has that form.
///
/// Certain are: a refusal in the API's own form below 500, a redirect, and every 4xx but 408 and 499, which
/// proxies write while the call may still run. What is certain, but no word about this message (a redirect, a
/// proxy's page, a method that is not allowed), is [`ApiError::Retry`]: a setting is wrong, the message is not.
pub fn error_of(call: Call, answer: &Answer, words: Option<String>) -> ApiError {
    let status = answer.status.as_u16();
    let after = answer.retry_after;
    let reason = match &words {
        Some(words) => format!("HTTP {status}: {words}"),
        None => format!("HTTP {status}{}", hint(answer)),
    };
    match status {
        429 => ApiError::Retry { after, reason: "HTTP 429: too many calls".to_owned() },
        408 | 499 => unknown(call, true, after, reason),
        300..=399 => ApiError::Retry { after, reason: redirected(answer) },
        401 => ApiError::Unauthorized(reason),
        413 => ApiError::Refused(words.unwrap_or_else(|| "it is too large".to_owned())),
        400..=499 if words.is_none() && answer.is_foreign() => ApiError::Retry { after, reason },
        403 => ApiError::Unauthorized(reason),
        404 | 410 => ApiError::NotFound(reason),
        400 | 409 | 422 => {
            let words = words.or_else(|| problem(answer));
            ApiError::Refused(words.unwrap_or_else(|| format!("HTTP {status}, without a reason")))
        }
        0..=499 => match (words, &answer.body) {
            (Some(words), _) => ApiError::Refused(words),
            (None, _) if (400..=499).contains(&status) => ApiError::Retry { after, reason },
            (None, Body::Broken(why)) => unknown(call, true, after, why.clone()),
            (None, Body::TooLarge { max }) => {
                unknown(call, false, after, format!("the answer is larger than {max} bytes"))
            }
            (None, Body::Whole(_)) => {
                unknown(call, false, after, format!("HTTP {status}, but the answer cannot be understood"))
            }
        },
        500 | 503 => unknown(call, false, after, reason),
        _ => unknown(call, true, after, reason),
    }
}

/// What the lack of an answer means.
pub fn unanswered(call: Call, error: &HttpError) -> ApiError {
    match error.sent {
        Sent::No => ApiError::Retry { after: None, reason: chain(error) },
        Sent::Maybe => unknown(call, true, None, chain(error)),
    }
}

/// What it means that the answer to a read says too little: it is made again.
pub fn undecodable(what: &str) -> ApiError {
    ApiError::Retry { after: None, reason: what.to_owned() }
}

/// What it means that the answer to a write says too little: it was made, or was not.
pub fn not_understood(what: &str) -> ApiError {
    ApiError::Unknown { may_still_run: false, after: None, reason: what.to_owned() }
}

/// A server's words on one line, short enough for a message.
pub fn words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect()
}

/// An error and what caused it.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn unknown(call: Call, may_still_run: bool, after: Option<Duration>, reason: String) -> ApiError {
    match call {
        Call::Read => ApiError::Retry { after, reason },
        Call::Write => ApiError::Unknown { may_still_run, after, reason },
    }
}

fn hint(answer: &Answer) -> &'static str {
    if answer.is_foreign() { ", and not in the API's form: something in front of it answered" } else { "" }
}

fn redirected(answer: &Answer) -> String {
    let to = answer.redirect.as_deref().unwrap_or("nowhere");
    format!("HTTP {}: it redirects to {to}, which is never followed; check base_url", answer.status.as_u16())
}

/// The reasons in a problem document (RFC 9457), as web frameworks write one before the API sees the call.
fn problem(answer: &Answer) -> Option<String> {
    let body = answer.json()?;
    let errors = body.get("errors").and_then(Value::as_object);
    let reasons: Vec<&str> = errors
        .into_iter()
        .flat_map(|errors| errors.values())
        .filter_map(|reasons| reasons.as_array()?.first()?.as_str())
        .collect();
    let text = if reasons.is_empty() {
        ["detail", "title", "message"].iter().find_map(|key| body.get(key)?.as_str())?.to_owned()
    } else {
        reasons.join(" ")
    };
    Some(words(&text)).filter(|text| !text.is_empty())
}

/// Seconds or an HTTP date (RFC 9110 §10.2.3).
fn retry_after(value: &str, date: Option<Timestamp>) -> Option<Duration> {
    let seconds = value.trim().parse().ok().map(Duration::from_secs);
    let wait = seconds.or_else(|| Some(http_date(value)?.since(date?)));
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

/// The wait until the point in time that a refused call was told. It says nothing with any other answer, and
/// numbers have no agreed meaning there.
fn limit_reset(status: StatusCode, value: &header::HeaderValue, date: Timestamp) -> Option<Duration> {
    let reset: jiff::Timestamp = value.to_str().ok()?.trim().parse().ok()?;
    let wait = Timestamp::from(reset).since(date).min(LONGEST_WAIT);
    (status == StatusCode::TOO_MANY_REQUESTS).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        let body = Body::Whole(Bytes::from_static(body.as_bytes()));
        Answer { status, body, retry_after: None, date: None, headers: HeaderMap::new(), redirect: None }
    }

    /// One word for each kind of error, for tables.
    fn kind(error: &ApiError) -> &'static str {
        match error {
            ApiError::Retry { .. } => "retry",
            ApiError::Unknown { may_still_run: true, .. } => "may still run",
            ApiError::Unknown { may_still_run: false, .. } => "unknown",
            ApiError::Refused(_) => "refused",
            ApiError::Unauthorized(_) => "unauthorized",
            ApiError::NotFound(_) => "not found",
            ApiError::Locked(_) | ApiError::Unsupported(_) => "never by a status alone",
        }
    }

    const PAGE: &str = "<html><h1>Blocked</h1></html>";

    #[test]
    fn every_answer_to_a_write_is_certain_or_unknown() {
        for (status, body, expected) in [
            (200, "", "unknown"),
            (200, PAGE, "unknown"),
            (201, "{", "unknown"),
            (302, "", "retry"),
            (304, PAGE, "retry"),
            (400, "", "refused"),
            (400, "{}", "refused"),
            (400, PAGE, "retry"),
            (401, PAGE, "unauthorized"),
            (403, "", "unauthorized"),
            (403, PAGE, "retry"),
            (404, "", "not found"),
            (404, PAGE, "retry"),
            (405, "", "retry"),
            (408, "{}", "may still run"),
            (409, "{}", "refused"),
            (410, "{}", "not found"),
            (413, PAGE, "refused"),
            (415, "", "retry"),
            (422, "{}", "refused"),
            (429, "", "retry"),
            (499, "", "may still run"),
            (500, "{}", "unknown"),
            (501, "", "may still run"),
            (502, PAGE, "may still run"),
            (503, PAGE, "unknown"),
            (504, "", "may still run"),
            (520, PAGE, "may still run"),
            (526, "", "may still run"),
        ] {
            let answer = answer(status, body);
            assert_eq!(kind(&error_of(Call::Write, &answer, None)), expected, "{status} {body:?}");
            let read = kind(&error_of(Call::Read, &answer, None));
            assert!(!["unknown", "may still run"].contains(&read), "a read of {status} is {read}");
        }
    }

    #[test]
    fn a_refusal_in_the_apis_own_form_is_certain_below_500() {
        let words = || Some("Nope.".to_owned());
        for (status, expected) in [
            (200, "refused"),
            (201, "refused"),
            (400, "refused"),
            (402, "refused"),
            (403, "unauthorized"),
            (404, "not found"),
            (429, "retry"),
            (500, "unknown"),
            (502, "may still run"),
        ] {
            let answer = answer(status, r#"{"succeeded":false}"#);
            assert_eq!(kind(&error_of(Call::Write, &answer, words())), expected, "{status}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_leaves_open_only_what_the_status_does_not_settle() {
        for (status, expected) in [(201, "may still run"), (400, "refused"), (302, "retry"), (500, "unknown")]
        {
            let answer = Answer { body: Body::Broken("cut".to_owned()), ..answer(status, "") };
            assert_eq!(kind(&error_of(Call::Write, &answer, None)), expected, "{status}");
        }
        let large = Answer { body: Body::TooLarge { max: 9 }, ..answer(200, "") };
        assert_eq!(kind(&error_of(Call::Write, &large, None)), "unknown");
    }

    #[test]
    fn retry_after_is_carried_along_as_seconds_or_date_and_bounded() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(retry_after("7", None), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:00 GMT", date), Some(Duration::from_secs(23)));
        assert_eq!(retry_after("86400", None), Some(LONGEST_WAIT));
        assert_eq!(retry_after("soon", date), None);
        for status in [429, 503] {
            let answer = Answer { retry_after: Some(Duration::from_secs(7)), ..answer(status, "") };
            let error = error_of(Call::Write, &answer, None);
            let (ApiError::Retry { after, .. } | ApiError::Unknown { after, .. }) = error else { panic!() };
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn the_reset_of_a_limit_counts_where_calls_are_refused() {
        let date = Timestamp::from_secs(1_769_860_800);
        let reset = |status, value| limit_reset(status, &header::HeaderValue::from_static(value), date);
        let refused = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(reset(refused, "2026-01-31T12:00:40.000Z"), Some(Duration::from_secs(40)));
        assert_eq!(reset(refused, "2027-01-31T12:00:40Z"), Some(LONGEST_WAIT));
        assert_eq!(reset(refused, "2026-01-31T11:00:00Z"), Some(Duration::ZERO));
        assert_eq!(reset(refused, "60"), None);
        assert_eq!(reset(StatusCode::NOT_FOUND, "2026-01-31T12:00:40.000Z"), None);
    }

    #[test]
    fn the_words_of_a_web_framework_reach_the_customer() {
        let body =
            r#"{"title":"One or more validation errors occurred.","errors":{"Subject":["Too long."]}}"#;
        let ApiError::Refused(words) = error_of(Call::Write, &answer(400, body), None) else { panic!() };
        assert_eq!(words, "Too long.");
    }

    #[test]
    fn words_are_one_short_line() {
        assert_eq!(words("a\r\n b\t\u{7}c"), "a b c");
        assert_eq!(words(&"ä".repeat(900)).chars().count(), LONGEST_WORDS);
    }
}
