//! Who may use the page: only a browser that shows it, on this machine.
//!
//! A page of somebody else must neither read the scene (by a name of its own that resolves to this machine)
//! nor act in it (by a form that it sends here).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Stage;

/// Only a script of this page can set it: for others it takes a permission that is never given.
pub(super) const TOKEN_HEADER: &str = "x-scene-token";

const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                                connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
                                frame-ancestors 'none'";

pub(super) struct Guard {
    hosts: [String; 2],
    token: String,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: String) -> Self {
        Self { hosts: [address.to_string(), format!("localhost:{}", address.port())], token }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the request was meant for this page, and by it when it changes something.
    fn admits(&self, method: &Method, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = text(header::HOST).unwrap_or_default();
        if !self.hosts.iter().any(|own| own == host) {
            return false;
        }
        if method == Method::GET || method == Method::HEAD {
            return true;
        }
        let own_origin = text(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"));
        let token = text(HeaderName::from_static(TOKEN_HEADER)).unwrap_or_default();
        own_origin && bool::from(token.as_bytes().ct_eq(self.token.as_bytes()))
    }
}

/// Turns strangers away, and tells the browser what the page may do.
pub(super) async fn stand(State(stage): State<Arc<Stage>>, request: Request, next: Next) -> Response {
    if !stage.guard.admits(request.method(), request.headers()) {
        let text = "This page is only for browsers on this machine; open the address that the demo printed.";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    // A file or a mail brings a stricter one of its own.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CONTENT_SECURITY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
