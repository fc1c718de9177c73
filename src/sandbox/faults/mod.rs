//! Named faults for every stand-in: an answer lost after the work was done, a cut, a hang, nonsense.
//!
//! A stand-in is served by [`serve`], which puts the fault layer around its router. A cut is a real one:
//! each connection carries a [`Line`], and cutting it resets the TCP connection before another byte of an
//! answer leaves.

mod by_body;
mod line;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use by_body::{BY_BODY, ReadAhead};
pub use line::{Line, Lines};

/// The name that stands for every call in [`Faults::next`].
pub const ANY_CALL: &str = "*";

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Handled, then the connection is reset without a byte of the answer.
    LoseAnswer,
    /// The connection is reset before the call is handled.
    CutBefore,
    /// Received whole, but handled only after this long. A caller who has hung up by then takes it along.
    HoldBefore(Duration),
    /// Handled at once, then the answer is held back this long: longer than the caller's patience, it is a
    /// time-out after the commit.
    Hang(Duration),
    /// Not handled; answered with this status in the stand-in's own error form.
    Status(u16),
    /// Not handled; a page of HTML with status 200.
    Garbage,
    /// Not handled; status 200 and no body.
    Empty,
    /// Not handled; 429 with `Retry-After` in seconds.
    RetryAfter(u32),
    /// Handled, then answered with 500.
    AnswerThen500,
}

impl Fault {
    /// The name under which [`FaultCounts::by_fault`] counts it.
    pub fn name(self) -> &'static str {
        match self {
            Fault::LoseAnswer => "lose-answer",
            Fault::CutBefore => "cut-before",
            Fault::HoldBefore(_) => "hold-before",
            Fault::Hang(_) => "hang",
            Fault::Status(_) => "status",
            Fault::Garbage => "garbage",
            Fault::Empty => "empty",
            Fault::RetryAfter(_) => "retry-after",
            Fault::AnswerThen500 => "answer-then-500",
        }
    }

    fn lets_the_call_happen(self) -> bool {
        matches!(self, Fault::LoseAnswer | Fault::Hang(_) | Fault::AnswerThen500)
    }
}

/// What happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Calls that passed the layer, faulted or not (spared ones excluded).
    pub calls: usize,
    /// Faults put in, by [`Fault::name`].
    pub by_fault: BTreeMap<&'static str, usize>,
    /// Faults after which the call had nevertheless succeeded: the caller cannot know it.
    pub after_commit: usize,
}

impl FaultCounts {
    /// All faults put in.
    pub fn total(&self) -> usize {
        self.by_fault.values().sum()
    }
}

/// The handle that decides which call fails, and how; clones share one state.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

/// A call that is being handled, until this is dropped.
struct OpenCall {
    faults: Faults,
    call: String,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut plan = self.faults.plan();
        if let Some(open) = plan.open.get_mut(&self.call) {
            *open = open.saturating_sub(1);
        }
    }
}

#[derive(Default)]
struct Plan {
    open: BTreeMap<String, usize>,
    queued: HashMap<String, VecDeque<Fault>>,
    chance: Option<Chance>,
    spared: Vec<String>,
    counts: FaultCounts,
}

struct Chance {
    faults: Vec<Fault>,
    probability: f64,
    seed: u64,
    dice: HashMap<String, StdRng>,
}

impl Faults {
    /// Queues a fault for the next call of this name ([`ANY_CALL`] for whichever comes); several form a row.
    pub fn next(&self, call: &str, fault: Fault) {
        self.plan().queued.entry(call.to_owned()).or_default().push_back(fault);
    }

    /// Faults each call with this probability by one of `faults`. The dice are thrown per call name, so the
    /// n-th call of a name fails the same way for the same seed, however the calls mix.
    pub fn rate(&self, faults: &[Fault], probability: f64, seed: u64) {
        let faults = faults.to_vec();
        let probability = probability.clamp(0.0, 1.0);
        self.plan().chance = Some(Chance { faults, probability, seed, dice: HashMap::new() });
    }

    /// Leaves calls of this name out of [`rate`](Self::rate) and out of the count of calls.
    pub fn spare(&self, call: &str) {
        self.plan().spared.push(call.to_owned());
    }

    /// No more faults: neither queued nor by chance. The counts stay.
    pub fn stop(&self) {
        let mut plan = self.plan();
        plan.queued.clear();
        plan.chance = None;
    }

    /// How many were put in so far.
    pub fn counts(&self) -> FaultCounts {
        self.plan().counts.clone()
    }

    /// The names of the calls that were received and are not answered yet, spared ones included.
    pub fn open_calls(&self) -> Vec<String> {
        let plan = self.plan();
        plan.open.iter().filter(|(_, open)| **open > 0).map(|(call, _)| call.clone()).collect()
    }

    fn opens(&self, call: &str) -> OpenCall {
        *self.plan().open.entry(call.to_owned()).or_default() += 1;
        OpenCall { faults: self.clone(), call: call.to_owned() }
    }

    fn decide(&self, call: &str) -> Option<Fault> {
        let mut plan = self.plan();
        let spared = plan.spared.iter().any(|name| name == call);
        if !spared {
            plan.counts.calls += 1;
        }
        let fault = match plan.queued(call) {
            Some(fault) => Some(fault),
            None if spared => None,
            None => plan.chance.as_mut().and_then(|chance| chance.throw(call)),
        }?;
        *plan.counts.by_fault.entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    fn count_commit(&self) {
        self.plan().counts.after_commit += 1;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.plan().counts).finish()
    }
}

impl Plan {
    fn queued(&mut self, call: &str) -> Option<Fault> {
        [call, ANY_CALL].into_iter().find_map(|name| self.queued.get_mut(name)?.pop_front())
    }
}

impl Chance {
    fn throw(&mut self, call: &str) -> Option<Fault> {
        let seed = self.seed;
        let dice = self.dice.entry(call.to_owned()).or_insert_with(|| {
            let mut hasher = DefaultHasher::new();
            (seed, call).hash(&mut hasher);
            StdRng::seed_from_u64(hasher.finish())
        });
        if self.faults.is_empty() || !dice.random_bool(self.probability) {
            return None;
        }
        let choice = dice.random_range(0..self.faults.len());
        self.faults.get(choice).copied()
    }
}

/// How one stand-in names its calls and words its errors.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// The call's name for [`Faults::next`], from the request's head; [`BY_BODY`] where only the body tells, and
    /// then it is asked once more, with the body as the extension [`ReadAhead`].
    pub call: fn(&Request) -> String,
    /// An error answer in the stand-in's own form; for 429 with the seconds to wait.
    pub refusal: fn(StatusCode, Option<u32>) -> Response,
}

/// A served stand-in. Dropping it stops it and cuts every connection.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    open: CancellationToken,
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.open.cancel();
    }
}

/// Serves `router` at `at` (port 0 for any) with the fault layer around it, until the result is dropped.
pub async fn serve(at: SocketAddr, router: Router, faults: Faults, dialect: Dialect) -> io::Result<Served> {
    let listener = TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    let open = CancellationToken::new();
    let lines = Lines::new(listener, open.clone());
    let service = router
        .layer(middleware::from_fn_with_state((faults, dialect), inject))
        .into_make_service_with_connect_info::<Line>();
    let closed = open.clone().cancelled_owned();
    tokio::spawn(axum::serve(lines, service).with_graceful_shutdown(closed).into_future());
    Ok(Served { address, open })
}

async fn inject(
    State((faults, dialect)): State<(Faults, Dialect)>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let (name, request) = by_body::name(dialect, request).await;
    let _open = faults.opens(&name);
    let Some(fault) = faults.decide(&name) else {
        return next.run(request).await;
    };
    if let Fault::HoldBefore(wait) = fault {
        // Once its body is read, a connection that ends ends this future, too.
        let (request, _) = by_body::read_ahead(request).await;
        tokio::time::sleep(wait).await;
        return next.run(request).await;
    }
    if fault == Fault::CutBefore {
        line.cut();
        return StatusCode::NO_CONTENT.into_response();
    }
    if !fault.lets_the_call_happen() {
        swallow(request.into_body()).await;
        return instead(fault, dialect);
    }
    let answer = next.run(request).await;
    if answer.status().is_success() {
        faults.count_commit();
    }
    match fault {
        Fault::LoseAnswer => line.cut(),
        Fault::Hang(wait) => tokio::time::sleep(wait).await,
        _ => return (dialect.refusal)(StatusCode::INTERNAL_SERVER_ERROR, None),
    }
    answer
}

fn instead(fault: Fault, dialect: Dialect) -> Response {
    const PAGE: &str = "<!DOCTYPE html><html><head><title>One moment</title></head><body><h1>Checking your \
                        browser</h1></body></html>";
    match fault {
        Fault::Garbage => ([(header::CONTENT_TYPE, "text/html; charset=UTF-8")], PAGE).into_response(),
        Fault::RetryAfter(seconds) => {
            let mut answer = (dialect.refusal)(StatusCode::TOO_MANY_REQUESTS, Some(seconds));
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            answer
        }
        Fault::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (dialect.refusal)(status, None)
        }
        _ => StatusCode::OK.into_response(),
    }
}

/// Reads the rest of a request, so that its sender gets to see the answer.
async fn swallow(body: Body) {
    let mut rest = body.into_data_stream();
    while let Some(Ok(_)) = rest.next().await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    const DIALECT: Dialect = Dialect {
        call: |request| request.uri().path().trim_start_matches('/').to_owned(),
        refusal: |status, wait| (status, format!("refused {wait:?}")).into_response(),
    };

    struct Shop {
        served: Served,
        faults: Faults,
        sold: Arc<AtomicUsize>,
    }

    async fn shop() -> Shop {
        let faults = Faults::default();
        let sold = Arc::new(AtomicUsize::new(0));
        let counter = sold.clone();
        let sell = move |_: String| {
            let sale = counter.fetch_add(1, Ordering::SeqCst) + 1;
            async move { format!("sold {sale}") }
        };
        let router = Router::new().route("/sell", post(sell));
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        Shop { served: serve(at, router, faults.clone(), DIALECT).await.unwrap(), faults, sold }
    }

    impl Shop {
        /// Everything that arrives for one sale, byte for byte, or how the connection ended.
        async fn buys(&self) -> io::Result<String> {
            let mut line = TcpStream::connect(self.served.address()).await?;
            let request =
                "POST /sell HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\none";
            line.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            line.read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        }

        fn sold(&self) -> usize {
            self.sold.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_lost_answer_is_a_reset_after_the_work() {
        let shop = shop().await;
        shop.faults.next("sell", Fault::LoseAnswer);
        assert_eq!(shop.buys().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(shop.sold(), 1);
        assert!(shop.buys().await.unwrap().ends_with("sold 2"));
        assert_eq!(shop.faults.counts().after_commit, 1);
    }

    #[tokio::test]
    async fn a_cut_before_is_a_reset_without_the_work() {
        let shop = shop().await;
        shop.faults.next(ANY_CALL, Fault::CutBefore);
        assert_eq!(shop.buys().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(shop.sold(), 0);
        assert_eq!(shop.faults.counts().after_commit, 0);
        assert_eq!(shop.faults.counts().by_fault.get("cut-before"), Some(&1));
    }

    #[tokio::test]
    async fn refusals_and_nonsense_come_without_the_work() {
        let shop = shop().await;
        shop.faults.next("sell", Fault::Status(503));
        shop.faults.next("sell", Fault::RetryAfter(7));
        shop.faults.next("sell", Fault::Garbage);
        shop.faults.next("sell", Fault::Empty);
        assert!(shop.buys().await.unwrap().starts_with("HTTP/1.1 503"));
        let throttled = shop.buys().await.unwrap();
        assert!(throttled.contains("retry-after: 7") && throttled.ends_with("refused Some(7)"));
        assert!(shop.buys().await.unwrap().contains("<html>"));
        assert!(shop.buys().await.unwrap().ends_with("\r\n\r\n"));
        assert_eq!(shop.sold(), 0);
    }

    #[tokio::test]
    async fn work_done_behind_a_500_or_a_hang_counts_as_committed() {
        let shop = shop().await;
        shop.faults.next("sell", Fault::AnswerThen500);
        shop.faults.next("sell", Fault::Hang(Duration::from_secs(600)));
        assert!(shop.buys().await.unwrap().starts_with("HTTP/1.1 500"));
        let patience = Duration::from_millis(200);
        assert!(tokio::time::timeout(patience, shop.buys()).await.is_err());
        assert_eq!((shop.sold(), shop.faults.counts().after_commit), (2, 2));
    }

    #[tokio::test]
    async fn a_held_call_is_open_and_ends_with_its_caller() {
        let shop = shop().await;
        shop.faults.next("sell", Fault::HoldBefore(Duration::from_secs(600)));
        let patience = Duration::from_millis(200);
        assert!(tokio::time::timeout(patience, shop.buys()).await.is_err());
        let gone = async {
            while !shop.faults.open_calls().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it stays open");
        assert_eq!(shop.sold(), 0);
        shop.faults.next("sell", Fault::HoldBefore(Duration::from_millis(1)));
        assert!(shop.buys().await.unwrap().ends_with("sold 1"));
    }

    #[test]
    fn the_same_seed_fails_the_same_calls() {
        let run = |seed: u64, order: &[&str]| {
            let faults = Faults::default();
            faults.rate(&[Fault::LoseAnswer, Fault::Status(500)], 0.3, seed);
            let all: Vec<_> = order.iter().map(|call| (*call, faults.decide(call))).collect();
            let of = |name| all.iter().filter(|(call, _)| *call == name).map(|(_, f)| *f).collect::<Vec<_>>();
            (of("a"), of("b"))
        };
        let alternating = ["a", "b"].repeat(100);
        let in_rows = [["a"; 100], ["b"; 100]].concat();
        assert_eq!(run(1, &alternating), run(1, &in_rows));
        assert_ne!(run(1, &alternating), run(2, &alternating));
        let faulted = run(1, &alternating).0.iter().flatten().count();
        assert!((15..45).contains(&faulted), "{faulted} of 100");
    }

    #[tokio::test]
    async fn dropping_the_server_cuts_who_waits() {
        let shop = shop().await;
        shop.faults.next("sell", Fault::Hang(Duration::from_secs(600)));
        let address = shop.served.address();
        let drop_when_sold = async {
            while shop.sold() == 0 {
                tokio::task::yield_now().await;
            }
            shop.served.open.cancel();
        };
        let (ended, ()) = tokio::join!(shop.buys(), drop_when_sold);
        assert!(ended.is_err());
        drop(shop);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
