//! Calls that only their body names: the body is read ahead, up to a bound, and still reaches the stand-in whole.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures::{StreamExt, stream};

use super::Dialect;

/// What [`Dialect::call`] answers where the head does not name the call: the body is read and it is asked again.
pub const BY_BODY: &str = "named by the body";

/// The body as far as it was read ahead, an extension of the request in the second question.
#[derive(Clone, Debug)]
pub struct ReadAhead(pub Bytes);

/// The most bytes that are read ahead.
const MOST: usize = 64 * 1024 * 1024;

/// The call's name, and the request to hand on.
pub(super) async fn name(dialect: Dialect, request: Request) -> (String, Request) {
    let name = (dialect.call)(&request);
    if name != BY_BODY {
        return (name, request);
    }
    let (mut request, ahead) = read_ahead(request).await;
    request.extensions_mut().insert(ReadAhead(ahead));
    ((dialect.call)(&request), request)
}

/// The request with its body in memory up to the bound; what lies behind the bound still streams, and a body
/// that broke off is still broken.
pub(super) async fn read_ahead(request: Request) -> (Request, Bytes) {
    let (parts, body) = request.into_parts();
    let mut rest = body.into_data_stream();
    let mut ahead = Vec::new();
    let mut broken = None;
    while ahead.len() < MOST {
        match rest.next().await {
            Some(Ok(chunk)) => ahead.extend_from_slice(&chunk),
            Some(Err(error)) => {
                broken = Some(Err(error));
                break;
            }
            None => return with_body(parts, Body::from, ahead.into()),
        }
    }
    let behind = stream::iter(broken).chain(rest);
    with_body(parts, |ahead| Body::from_stream(stream::once(async { Ok(ahead) }).chain(behind)), ahead.into())
}

fn with_body(
    parts: axum::http::request::Parts,
    body: impl FnOnce(Bytes) -> Body,
    ahead: Bytes,
) -> (Request, Bytes) {
    (Request::from_parts(parts, body(ahead.clone())), ahead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    const DIALECT: Dialect = Dialect {
        call: |request| match request.extensions().get::<ReadAhead>() {
            Some(ReadAhead(body)) => String::from_utf8_lossy(body).into_owned(),
            None if request.uri().path() == "/head" => "head".to_owned(),
            None => BY_BODY.to_owned(),
        },
        refusal: |status, _| status.into_response(),
    };

    fn request(path: &str, body: Body) -> Request {
        Request::builder().uri(path).body(body).unwrap()
    }

    async fn arrives(request: Request) -> Option<Bytes> {
        axum::body::to_bytes(request.into_body(), usize::MAX).await.ok()
    }

    #[tokio::test]
    async fn a_body_names_its_call_and_arrives_whole() {
        let chunks = ["action", "=Open"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
        let body = Body::from_stream(stream::iter(chunks));
        let (name, request) = name(DIALECT, request("/api", body)).await;
        assert_eq!(name, "action=Open");
        assert_eq!(arrives(request).await.unwrap(), "action=Open");
    }

    #[tokio::test]
    async fn a_head_that_names_its_call_leaves_the_body_unread() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(name(DIALECT, request("/head", never)).await.0, "head");
    }

    #[tokio::test]
    async fn a_body_that_broke_off_is_still_broken() {
        let chunks = [Ok(Bytes::from("half")), Err(std::io::Error::other("cut"))];
        let (name, request) = name(DIALECT, request("/api", Body::from_stream(stream::iter(chunks)))).await;
        assert_eq!(name, "half");
        assert!(arrives(request).await.is_none());
    }
}
