//! Updates by webhook, posted over real HTTP.

use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::{
    channel::{
        intake::{Begin, IntakeStopped, Request},
        telegram::{Settings, Telegram},
    },
    runtime::{clock::Clock, http_client::http_client, tls},
    sandbox::telegram::{Options, TelegramStandIn},
    spool::Spool,
};

struct Door {
    server: TelegramStandIn,
    webhook: Webhook,
    requests: mpsc::Receiver<Request>,
    client: Client,
    url: String,
}

impl Door {
    async fn new() -> Self {
        let server = TelegramStandIn::start(Options::default()).await.unwrap();
        let tls = tls::client_config(None).unwrap();
        let settings = Settings::new(Secret::new(server.token()), server.base_url());
        let bot = Telegram::new(settings, &tls, Clock::real()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (intake, requests) = Intake::new(Spool::open(folder.path(), 1_000_000).unwrap(), 4);
        let url = "https://bridge.example/telegram/hook".parse().unwrap();
        let webhook = bot.webhook(
            intake,
            WebhookSettings { url, path: "/telegram/hook".to_owned(), secret: Secret::new("s3cret") },
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/telegram/hook", listener.local_addr().unwrap());
        let router = webhook.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = http_client(&tls, Duration::from_secs(5)).unwrap();
        Self { server, webhook, requests, client, url }
    }

    async fn opens(&mut self) {
        let webhook = self.webhook.clone();
        tokio::spawn(async move { webhook.run(&Shutdown::new()).await });
        let Some(Request::Begin { answer, .. }) = self.requests.recv().await else { panic!() };
        let _ = answer.send(Ok(Begin { cursor: None, reread: None }));
        let set = self.server.wait_until(|server| server.webhook(), Duration::from_secs(5)).await.unwrap();
        assert_eq!(set.secret_token.as_deref(), Some("s3cret"));
        assert_eq!(set.max_connections, 1, "more would break the order");
    }

    async fn post(&self, secret: &str) -> u16 {
        let update = json!({
            "update_id": 9,
            "message": { "message_id": 1, "date": 1, "text": "hello", "chat": { "id": 5, "type": "private" } },
        });
        let request = self.client.post(&self.url).header(SECRET_HEADER, secret).json(&update);
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn an_update_is_answered_with_200_only_when_it_is_durable() {
    let mut door = Door::new().await;
    assert_eq!(door.post("s3cret").await, 503, "nothing can be taken in yet");
    door.opens().await;
    let bridge = async |requests: &mut mpsc::Receiver<Request>, result| {
        let Some(Request::Accept { items, cursor, answer, .. }) = requests.recv().await else { panic!() };
        assert_eq!(items[0].message().unwrap().text, "hello");
        assert_eq!(cursor.0, r#"{"next":10}"#);
        let _ = answer.send(result);
    };
    let mut requests = std::mem::replace(&mut door.requests, mpsc::channel(1).1);
    let stopped = Err(IntakeStopped("the disk is full".to_owned()));
    let (status, ()) = tokio::join!(door.post("s3cret"), bridge(&mut requests, stopped));
    assert_eq!(status, 503);
    let (status, ()) = tokio::join!(door.post("s3cret"), bridge(&mut requests, Ok(())));
    assert_eq!(status, 200);
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_turned_away() {
    let mut door = Door::new().await;
    door.opens().await;
    assert_eq!(door.post("guess").await, 401);
    let bare = door.client.post(&door.url).body("{}").send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert!(door.requests.try_recv().is_err());
}
