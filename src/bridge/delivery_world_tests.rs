//! A bridge for tests: a real store, a desk that gives out files, and channels that record and fail as they are told.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::*;
use crate::{
    bridge::{
        address_book::AddressBook,
        alerts::{self, Tell},
        circuit::Circuits,
        context::{Api, Mailbox, Parts, Telegram},
        outcome, recipients,
    },
    channel::{
        Channel, Composed, OpenError, Opened, OutgoingFile, OutgoingMail, Parcel, Refusal, SendError, Sent,
    },
    config::{
        Limits, Timing,
        mailbox::{Receipt, Unverified},
    },
    model::{
        account::{Account, Link},
        attachment::{Attachment, Whereabouts},
        button::Action,
        conversation::TicketStatus,
        delivery::{AlertKind, Note},
        formatted::Formatted,
        ids::{
            AccountName, ApiName, AttachmentId, BotId, ChatId, ChatMessageId, ConversationId, JobId,
            MailAddress, MailId, MailboxName, TicketId, TicketMessageId,
        },
        job::{Lane, NewJob, State, Task},
        staff_message::StaffMessage,
    },
    runtime::{
        backoff::Backoff,
        byte_stream::{self, ByteStream},
        clock::Clock,
    },
    spool::Spool,
    store::{
        Options, Store,
        change::{Change, Key},
    },
    text::templates::Templates,
    ticket_api::{
        Access, ApiError, Attachments, Capabilities, Catalog, Created, Files, Found, Look, NewReply,
        NewTicket, PageMark, Reopen, Scope, Ticket, TicketApi, TicketPage, Upload,
    },
};

pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(crate) const BOT: BotId = BotId(1);
pub(crate) const ALICE: ChatId = ChatId(10);
pub(crate) const ADMINS: ChatId = ChatId(-5);

// ---- the channel

/// What the channel does with the next thing it is given; after the last: takes it.
pub(crate) enum Next {
    Take,
    Unknown,
    Refuse(Refusal),
    Retry(Option<Duration>),
    Moved(ChatId),
    /// Never answers: the process is killed.
    Hang,
}

#[derive(Default)]
pub(crate) struct Recorder {
    next: Mutex<VecDeque<Next>>,
    /// One line for each thing that it was given, whatever became of it.
    seen: Mutex<Vec<String>>,
    pub(crate) buttons: Mutex<Vec<Vec<Vec<crate::model::button::Button>>>>,
    pub(crate) mails: Mutex<Vec<OutgoingMail>>,
    spool: Mutex<Option<Spool>>,
    pub(crate) was_sent: Mutex<Option<bool>>,
    hung: Notify,
}

impl Recorder {
    pub(crate) fn then(&self, next: impl IntoIterator<Item = Next>) {
        self.next.lock().unwrap().extend(next);
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Channel for Recorder {
    async fn send(&self, parcel: Parcel) -> Result<Sent, SendError> {
        let line = match parcel {
            Parcel::Text { chat, text, buttons, reply_to, .. } => {
                assert!(text.len_utf16() <= 4096 && !text.text.trim().is_empty());
                self.buttons.lock().unwrap().push(buttons);
                let reply = reply_to.map_or(String::new(), |to| format!(" re {to}"));
                format!("{chat}{reply}: {}", text.text.trim())
            }
            Parcel::Edit { chat, message, text, .. } => format!("{chat} edit {message}: {}", text.text),
            Parcel::File { chat, file, caption, .. } => {
                let bytes = byte_stream::collect(file.content, 1 << 20).await.unwrap();
                let bytes = String::from_utf8(bytes.to_vec()).unwrap();
                format!("{chat} file {} {bytes} {}", file.name, caption.trim()).trim().to_owned()
            }
            Parcel::ButtonAnswer { callback, text } => format!("answer {callback}: {text}"),
            Parcel::Mail { raw, to } => format!("mail {raw} to {to:?}"),
        };
        let message = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(line);
            ChatMessageId(i64::try_from(seen.len()).unwrap())
        };
        let next = self.next.lock().unwrap().pop_front().unwrap_or(Next::Take);
        let reason = || "as told".to_owned();
        match next {
            Next::Take => Ok(Sent::ChatMessage(message)),
            Next::Unknown => Err(SendError::Unknown { reason: reason() }),
            Next::Refuse(what) => Err(SendError::Refused { reason: reason(), what }),
            Next::Retry(after) => Err(SendError::Retry { after, reason: reason() }),
            Next::Moved(to) => Err(SendError::Moved { to }),
            Next::Hang => {
                self.hung.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn compose(&self, mail: &OutgoingMail, files: Vec<OutgoingFile>) -> Result<Composed, SendError> {
        let mut whole = mail.text.clone();
        for file in files {
            let bytes = byte_stream::collect(file.content, 1 << 20).await.unwrap();
            whole.push_str(&format!("\n{} {}", file.name, String::from_utf8_lossy(&bytes)));
        }
        let spool = self.spool.lock().unwrap().clone().unwrap();
        let raw = spool.put(Bytes::from(whole)).await.unwrap();
        self.mails.lock().unwrap().push(mail.clone());
        Ok(Composed { raw, mail: MailId::new(format!("{}@bridge.example", mail.key.len())) })
    }

    async fn was_sent(&self, _mail: &MailId) -> Option<bool> {
        *self.was_sent.lock().unwrap()
    }

    async fn open(&self, _file: &Attachment) -> Result<Opened, OpenError> {
        Err(OpenError::Gone("nothing is sent in here".into()))
    }
}

// ---- the desk, which only gives out files

pub(crate) struct Desk {
    name: ApiName,
    capabilities: Capabilities,
    files: HashMap<AttachmentId, &'static str>,
}

impl Desk {
    fn nothing<T>() -> Result<T, ApiError> {
        Err(ApiError::Unsupported("anything but files"))
    }
}

#[async_trait]
impl TicketApi for Desk {
    fn name(&self) -> &ApiName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, _: &Access, _: &NewTicket, _: Files) -> Result<Created, ApiError> {
        Self::nothing()
    }

    async fn reply(
        &self,
        _: &Access,
        _: &TicketId,
        _: &NewReply,
        _: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        Self::nothing()
    }

    async fn upload(
        &self,
        _: &Access,
        _: &TicketId,
        _: Option<&TicketMessageId>,
        _: Upload,
    ) -> Result<Option<AttachmentId>, ApiError> {
        Self::nothing()
    }

    async fn close(&self, _: &Access, _: &TicketId) -> Result<(), ApiError> {
        Self::nothing()
    }

    async fn ticket(&self, _: &Access, _: &TicketId) -> Result<Ticket, ApiError> {
        Self::nothing()
    }

    async fn tickets(&self, _: &Access, _: Scope, _: Option<&PageMark>) -> Result<TicketPage, ApiError> {
        Self::nothing()
    }

    async fn download(&self, _: &Access, _: &TicketId, id: &AttachmentId) -> Result<ByteStream, ApiError> {
        let file = self.files.get(id).ok_or_else(|| ApiError::NotFound("no such file".into()))?;
        Ok(byte_stream::whole(*file))
    }

    async fn catalog(&self, _: &Access) -> Result<Catalog, ApiError> {
        Self::nothing()
    }

    async fn find_by_marker(&self, _: &Access, _: Look<'_>) -> Result<Found, ApiError> {
        Self::nothing()
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        local
    }
}

// ---- the world

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) telegram: Arc<Recorder>,
    pub(crate) mail: Arc<Recorder>,
    pub(crate) desk_mails: bool,
    pub(crate) downloads: bool,
    bridge: Option<Bridge>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Turn {
    Idle,
    Ran,
    /// The process would be dead now.
    Killed,
}

impl World {
    pub(crate) async fn new() -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::stopped_at(START),
            telegram: Arc::default(),
            mail: Arc::default(),
            desk_mails: true,
            downloads: true,
            bridge: None,
        };
        world.open();
        let emails = vec!["*@acme.example".into()];
        let account = Account { name: acme(), api: desk(), remote: "7".into(), emails, key: None };
        world.bridge().store.apply(vec![Change::Account(account), Change::Link(link())]).await.unwrap();
        world
    }

    pub(crate) fn bridge(&self) -> &Bridge {
        self.bridge.as_ref().unwrap()
    }

    fn open(&mut self) {
        let options = Options {
            dir: self.dir.path().join("state"),
            clock: self.clock.clone(),
            after_loss: false,
            spool_bytes: 1 << 30,
            most_jobs: 1000,
        };
        let (store, spool, secret) = Store::open(options).unwrap();
        *self.mail.spool.lock().unwrap() = Some(spool.clone());
        self.bridge = Some(Bridge::new(self.parts(store, spool, secret)));
    }

    fn parts(&self, store: Store, spool: Spool, secret: crate::model::secret::InstanceSecret) -> Parts {
        let files = [("f1", "one"), ("f2", "two")];
        let port = Desk {
            name: desk(),
            capabilities: Capabilities {
                max_attachment_bytes: 1 << 20,
                max_subject: 100,
                attachments: Attachments::After,
                drops_files: false,
                binds_staged: false,
                download: self.downloads,
                close: crate::ticket_api::Close::Call,
                reopen: Reopen::Never,
                list: true,
                active_list: false,
                desk_mails_customers: self.desk_mails,
            },
            files: files.into_iter().map(|(id, bytes)| (AttachmentId::new(id), bytes)).collect(),
        };
        let api = Api {
            port: Arc::new(port),
            settle: Duration::from_secs(60),
            poll: Timing::default().poll_hot,
            panel: None,
            keys: None,
        };
        let telegram = Telegram {
            channel: self.telegram.clone(),
            bot: BOT,
            username: std::sync::Arc::default(),
            admin_chat: Some(ADMINS),
            unlinked: None,
        };
        let mailbox = Mailbox {
            channel: self.mail.clone(),
            address: MailAddress::new("support@desk.example"),
            sender: "Support".into(),
            account: None,
            new_tickets: Default::default(),
            unverified: Unverified::Quarantine,
            receipt: Receipt::Never,
            admin_chat: None,
        };
        Parts {
            store,
            spool,
            secret,
            clock: self.clock.clone(),
            templates: Templates::new(None, "en").unwrap(),
            apis: HashMap::from([(desk(), api)]),
            telegram: Some(telegram),
            mailboxes: HashMap::from([(MailboxName::new("support"), mailbox)]),
            accounts: HashMap::new(),
            addresses: AddressBook::default(),
            sealing: None,
            hints: Default::default(),
            language: "en".into(),
            timing: Timing::default(),
            limits: Limits::default(),
            circuits: Circuits::new(Backoff::new(Duration::from_secs(1), Duration::from_secs(60)).unwrap()),
        }
    }

    /// Killed and started again.
    pub(crate) fn restart(&mut self) {
        self.bridge = None;
        *self.mail.spool.lock().unwrap() = None;
        self.open();
    }

    /// One turn of one lane, as the scheduler makes it.
    pub(crate) async fn turn(&self) -> Turn {
        let bridge = self.bridge();
        let Some(mut claim) = bridge.store.claim(1).pop() else { return Turn::Idle };
        if let Some(outcome) = digested(bridge, &mut claim).await.unwrap() {
            outcome::settle(bridge, claim, outcome).await.unwrap();
            return Turn::Ran;
        }
        let job = claim.jobs[0].clone();
        let Task::Deliver(delivery) = &job.task else { panic!("{job:?}") };
        let ended = tokio::select! {
            ended = run(bridge, &mut claim, &job, delivery) => ended.unwrap(),
            () = self.telegram.hung.notified() => return Turn::Killed,
            () = self.mail.hung.notified() => return Turn::Killed,
        };
        outcome::settle(bridge, claim, ended).await.unwrap();
        Turn::Ran
    }

    /// Runs, through kills and waits, until nothing is left to do; how often it was killed.
    pub(crate) async fn drain(&mut self) -> u32 {
        let mut killed = 0;
        for _ in 0..200 {
            match self.turn().await {
                Turn::Ran => {}
                Turn::Killed => {
                    killed += 1;
                    self.restart();
                }
                Turn::Idle if self.bridge().store.depth().live == 0 => return killed,
                Turn::Idle => self.clock.advance(Duration::from_secs(30)),
            }
        }
        panic!("it does not end: {:?}", self.bridge().store.summaries(50));
    }

    pub(crate) async fn enqueue(&self, jobs: Vec<NewJob>) -> Vec<Option<JobId>> {
        self.bridge().store.enqueue(jobs, Vec::new()).await.unwrap()
    }

    /// A conversation founded from a place, and a staff message on its way.
    pub(crate) async fn answered(&self, founder: Option<Place>, staff: &StaffMessage) -> Conversation {
        let conversation = self.converse(founder).await;
        let jobs = recipients::deliver(self.bridge(), &conversation, staff).unwrap();
        self.enqueue(jobs).await;
        conversation
    }

    pub(crate) async fn converse(&self, founder: Option<Place>) -> Conversation {
        let id = self.bridge().store.next_conversation();
        let conversation = Conversation {
            id,
            api: desk(),
            account: acme(),
            ticket: Some(TicketId::new("789")),
            subject: "Server down".into(),
            founder: founder.clone(),
            last_writer: founder,
            participants: Vec::new(),
            mails: Vec::new(),
            status: TicketStatus::Open,
            status_read: START,
            active: START,
            successor: None,
            predecessor: None,
            quiet: Vec::new(),
            create_parked: None,
        };
        self.bridge().store.apply(vec![Change::NewConversation(conversation.clone())]).await.unwrap();
        conversation
    }

    pub(crate) fn find(&self, key: &Key) -> Option<ConversationId> {
        self.bridge().store.find(key).unwrap()
    }

    pub(crate) fn to_alice(&self) -> Vec<String> {
        let prefix = ALICE.to_string();
        self.telegram.seen().into_iter().filter(|line| line.starts_with(&prefix)).collect()
    }

    pub(crate) fn to_admins(&self) -> Vec<String> {
        let prefix = ADMINS.to_string();
        self.telegram.seen().into_iter().filter(|line| line.starts_with(&prefix)).collect()
    }
}

pub(crate) fn acme() -> AccountName {
    AccountName::new("acme")
}

pub(crate) fn desk() -> ApiName {
    ApiName::new("desk")
}

pub(crate) fn alice() -> Place {
    Place::Chat { bot: BOT, chat: ALICE }
}

pub(crate) fn bob() -> Place {
    Place::Mail { mailbox: MailboxName::new("support"), address: MailAddress::new("bob@acme.example") }
}

pub(crate) fn link() -> Link {
    Link {
        place: alice(),
        account: acme(),
        since: START.minus(Duration::from_secs(60)),
        follows_all: false,
        paused: false,
        language: None,
    }
}

pub(crate) fn staff(text: &str, files: &[&str]) -> StaffMessage {
    let file = |id: &&str| Attachment {
        name: format!("{id}.txt"),
        mime: "text/plain".into(),
        size: Some(3),
        at: Whereabouts::Ticket {
            api: desk(),
            account: acme(),
            ticket: TicketId::new("789"),
            attachment: AttachmentId::new(*id),
        },
    };
    StaffMessage {
        ticket: TicketId::new("789"),
        id: Some(TicketMessageId::new("m1")),
        author: Some("Eve".into()),
        text: text.into(),
        in_panel_only: false,
        sent: Some(START),
        files: files.iter().map(file).collect(),
    }
}

pub(crate) fn note(text: &str) -> Note {
    Note { text: Formatted::plain(text), ..Note::default() }
}

pub(crate) fn noted(key: &str, note: Note) -> NewJob {
    let delivery = Delivery { to: alice(), conversation: None, content: Content::Note(note) };
    NewJob { lane: Lane::Chat(ALICE), key: key.into(), task: Task::Deliver(delivery), state: State::Ready }
}

pub(crate) fn alert(bridge: &Bridge, number: u32, actions: Vec<(&'static str, Action)>) -> NewJob {
    let told = Tell {
        kind: if actions.is_empty() { AlertKind::NewTicket } else { AlertKind::Parked },
        template: "alert_new_ticket",
        values: serde_json::json!({
            "number": number.to_string(), "subject": "s", "who": "Ann", "account": "acme",
            "channel": "Telegram", "excerpt": null, "files": null, "url": null,
        }),
        line: format!("#{number} s (new)"),
        about: Some((desk(), TicketId::new(number.to_string()))),
        actions,
    };
    alerts::tell(bridge, None, None, format!("alert/filed/file/{number}"), told).unwrap()
}
