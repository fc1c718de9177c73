//! Fifty thousand accounts at one ticket API: what a start reads, and what the watch makes of its budget.

use async_trait::async_trait;

use super::*;
use crate::{
    bridge::{address_book::AddressBook, context::Api, hints::Hints, town_tests::Town},
    config::Timing,
    model::{
        account::Account,
        ids::{AttachmentId, MailAddress, TicketMessageId},
    },
    runtime::{byte_stream::ByteStream, clock::Clock, secret::Secret},
    store::{change::Change, rows::TicketWatch},
    ticket_api::{
        Access, ApiError, Attachments, Capabilities, Catalog, Created, Files, Found, Look, NewReply,
        NewTicket, PageMark, Reopen, Scope, Ticket, TicketPage, answers::Call, budget::Budget,
    },
};

const CROWD: usize = 50_000;
const HOT: usize = 10;
const PER_SECOND: f64 = 5.0;
const LOOKS: usize = 110;

/// Has no tickets, and writes down whom it was asked about, and when.
struct Desk {
    name: ApiName,
    capabilities: Capabilities,
    clock: Clock,
    budget: Budget,
    asked: Mutex<Vec<(Timestamp, String)>>,
}

impl Desk {
    async fn asked(&self, account: &Access) -> Result<(), ApiError> {
        let _permit = self.budget.permit(Call::Read, Duration::from_secs(600)).await.unwrap();
        self.asked.lock().unwrap().push((self.clock.now(), account.remote.clone()));
        Ok(())
    }
}

const NEVER: ApiError = ApiError::Unsupported("what a watch does not do");

#[async_trait]
impl TicketApi for Desk {
    fn name(&self) -> &ApiName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, _: &Access, _: &NewTicket, _: Files) -> Result<Created, ApiError> {
        Err(NEVER)
    }

    async fn reply(
        &self,
        _: &Access,
        _: &TicketId,
        _: &NewReply,
        _: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        Err(NEVER)
    }

    async fn close(&self, _: &Access, _: &TicketId) -> Result<(), ApiError> {
        Err(NEVER)
    }

    async fn ticket(&self, account: &Access, _: &TicketId) -> Result<Ticket, ApiError> {
        self.asked(account).await?;
        Err(ApiError::NotFound("no ticket".to_owned()))
    }

    async fn tickets(
        &self,
        account: &Access,
        _: Scope,
        _: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        self.asked(account).await?;
        Ok(TicketPage { tickets: Vec::new(), next: None, server_date: None })
    }

    async fn download(&self, _: &Access, _: &TicketId, _: &AttachmentId) -> Result<ByteStream, ApiError> {
        Err(NEVER)
    }

    async fn catalog(&self, _: &Access) -> Result<Catalog, ApiError> {
        Err(NEVER)
    }

    async fn find_by_marker(&self, _: &Access, _: Look<'_>) -> Result<Found, ApiError> {
        Err(NEVER)
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        local
    }
}

fn name(number: usize) -> AccountName {
    AccountName::new(format!("account-{number:05}"))
}

fn account(number: usize) -> Account {
    Account {
        name: name(number),
        api: ApiName::new("desk"),
        remote: number.to_string(),
        emails: vec![format!("*@c{number}.example"), format!("boss{number}@mail.example")],
        key: None,
    }
}

async fn crowded() -> (Town, Arc<Desk>) {
    let mut made = None;
    let town = Town::with(|parts| {
        let capabilities = Capabilities {
            max_attachment_bytes: 1000,
            max_subject: 80,
            attachments: Attachments::None,
            drops_files: false,
            binds_staged: false,
            download: false,
            close: crate::ticket_api::Close::Call,
            reopen: Reopen::Never,
            list: true,
            active_list: false,
            desk_mails_customers: false,
        };
        let desk = Arc::new(Desk {
            name: ApiName::new("desk"),
            capabilities,
            clock: parts.clock.clone(),
            budget: Budget::new(parts.clock.clone(), PER_SECOND, 8),
            asked: Mutex::default(),
        });
        made = Some(desk.clone());
        let poll = Timing::default().poll_hot;
        let api = Api { port: desk, settle: Duration::from_secs(60), poll, panel: None, keys: None };
        parts.apis.insert(ApiName::new("desk"), api);
        parts.hints = Hints::new([(ApiName::new("desk"), Secret::new("shared"))]);
    })
    .await;
    let store = &town.bridge.store;
    let all: Vec<Change> = (0..CROWD).map(|number| Change::Account(account(number))).collect();
    for changes in all.chunks(500) {
        store.apply(changes.to_vec()).await.unwrap();
    }
    let hot = (CROWD - HOT..CROWD).map(|number| {
        Change::Watch(TicketWatch {
            api: ApiName::new("desk"),
            account: name(number),
            ticket: TicketId::new(format!("t{number}")),
            conversation: None,
            change: None,
            looked: town.clock.now(),
            active: town.clock.now(),
            again: Vec::new(),
            closed: true,
        })
    });
    store.apply(hot.collect()).await.unwrap();
    (town, made.unwrap())
}

#[tokio::test]
async fn fifty_thousand_accounts_are_found_by_address_and_watched_within_the_budget() {
    let (town, desk) = crowded().await;
    let bridge = town.bridge.clone();
    let book = AddressBook::of(&bridge.store).unwrap();
    for number in [0, 1, CROWD / 2, CROWD - 1] {
        let of = |address: String| book.account_of(&MailAddress::new(&address));
        assert_eq!(of(format!("ann@c{number}.example")), Some(name(number)));
        assert_eq!(of(format!("boss{number}@mail.example")), Some(name(number)));
        assert_eq!(book.account_of_remote(&ApiName::new("desk"), &number.to_string()), Some(name(number)));
    }
    assert_eq!(book.account_of(&MailAddress::new("ann@elsewhere.example")), None);

    let (shutdown, began) = (Shutdown::new(), town.clock.now());
    let (hint, hints) = mpsc::channel(8);
    let watch = tokio::spawn(run(bridge, ApiName::new("desk"), hints, shutdown.clone()));
    let mut hinted = None;
    for _ in 0..100_000 {
        let looks = desk.asked.lock().unwrap().len();
        if looks >= LOOKS {
            break;
        }
        if looks >= LOOKS / 2 && hinted.is_none() {
            // Cold, and not even known to the agenda yet.
            hint.send((name(1), TicketId::new("7"))).await.unwrap();
            hinted = Some(looks);
        }
        town.clock.advance(Duration::from_millis(20));
        // What a look finds is committed by another thread.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    shutdown.trigger();
    watch.await.unwrap();

    let asked = desk.asked.lock().unwrap();
    assert!(asked.len() >= LOOKS, "only {} looks", asked.len());
    for (at, (when, _)) in asked.iter().enumerate() {
        // A second's worth may have been saved up.
        let allowed = when.since(began).as_secs_f64() * PER_SECOND + PER_SECOND + 1.0;
        assert!((at as f64) < allowed, "{at} looks in {:?}", when.since(began));
    }
    let looks_at = |number: usize| asked.iter().filter(|(_, remote)| *remote == number.to_string()).count();
    for number in CROWD - HOT..CROWD {
        assert!(looks_at(number) >= 2, "account {number} is hot");
    }
    let cold = asked.iter().filter(|(_, remote)| remote.parse::<usize>().unwrap() < CROWD - HOT).count();
    assert!(cold >= LOOKS / 2, "the cold ones get what is left: {cold}");
    let found = asked.iter().position(|(_, remote)| remote == "1").expect("the hint was served");
    assert!(found <= hinted.unwrap() + 4 * SIDE_BY_SIDE, "after those in hand, before all that are due");
}
