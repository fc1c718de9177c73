//! A tap between the bridge and a desk: it passes each request on as it came, and keeps what it carried.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ticket_bridge::sandbox::desk::DeskStandIn;
use ticket_bridge::sandbox::faults::{Dialect, Faults, Line, Served, serve};

/// It stops with this value.
pub struct Tap {
    pipe: Pipe,
    served: Served,
}

/// A request as it went over the wire, whatever became of it.
#[derive(Clone)]
pub struct Heard {
    /// Method, path and query.
    pub line: String,
    /// The line, the headers and the body.
    pub carried: String,
    /// The answer's body, if one came.
    pub answer: Bytes,
}

#[derive(Clone)]
struct Pipe {
    desk: String,
    client: reqwest::Client,
    heard: Arc<Mutex<Vec<Heard>>>,
}

const MOST: usize = 64 * 1024 * 1024;
/// The tap has no faults of its own, so that nobody asks for these.
const NO_FAULTS: Dialect = Dialect { call: |_| String::new(), refusal: |status, _| status.into_response() };

impl Tap {
    pub async fn before(desk: &DeskStandIn) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let pipe = Pipe { desk: address(desk), client, heard: Arc::default() };
        let router = Router::new().fallback(pass_on).with_state(pipe.clone());
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let served = serve(at, router, Faults::default(), NO_FAULTS).await.unwrap();
        Self { pipe, served }
    }

    /// A `bot.toml` that knew the desk knows the tap instead.
    pub fn instead_of_the_desk(&self, text: &str) -> String {
        text.replace(&self.pipe.desk, &self.served.address().to_string())
    }

    /// In the order in which they came.
    pub fn heard(&self) -> Vec<Heard> {
        self.pipe.heard.lock().unwrap().clone()
    }
}

async fn pass_on(
    State(pipe): State<Pipe>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let number = pipe.keeps(format!("{} {}", parts.method, parts.uri), &parts.headers, &body);
    let url = format!("http://{}{}", pipe.desk, parts.uri);
    let sent = pipe.client.request(parts.method, url).headers(end_to_end(parts.headers)).body(body);
    let answered = async {
        let answer = sent.send().await?;
        let (status, headers) = (answer.status(), end_to_end(answer.headers().clone()));
        Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
    };
    let Ok((status, headers, answer)) = answered.await else {
        line.cut(); // as the desk did
        return StatusCode::BAD_GATEWAY.into_response();
    };
    pipe.heard.lock().unwrap()[number].answer = answer.clone();
    (status, headers, Body::from(answer)).into_response()
}

impl Pipe {
    fn keeps(&self, line: String, headers: &HeaderMap, body: &Bytes) -> usize {
        let mut carried = format!("{line}\n");
        for (name, value) in headers {
            carried += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        carried += &String::from_utf8_lossy(body);
        let mut heard = self.heard.lock().unwrap();
        heard.push(Heard { line, carried, answer: Bytes::new() });
        heard.len() - 1
    }
}

/// Without those that are between two neighbours only (RFC 9110, 7.6.1).
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::HOST] {
        headers.remove(name);
    }
    headers
}

fn address(desk: &DeskStandIn) -> String {
    desk.base_url().split('/').nth(2).unwrap().to_owned()
}
