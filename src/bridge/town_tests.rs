//! A bridge with a real store between a recording channel and a scripted ticket system.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;

use crate::{
    bridge::{
        address_book::AddressBook,
        circuit::Circuits,
        context::{AccountRules, Api, Bridge, Mailbox, Parts, Telegram},
        control, filing, intake,
        outcome::{self, Outcome},
    },
    channel::{
        Channel, OpenError, Opened, Parcel, SendError, Sent,
        intake::{Cursor, Intake, Source},
    },
    config::{
        Limits, Timing,
        mailbox::{Receipt, Unverified},
    },
    model::{
        account::Account,
        attachment::{Attachment, Whereabouts},
        conversation::TicketStatus,
        delivery::{Content, Delivery, Letter, Note},
        ids::{
            AccountName, ApiName, AttachmentId, BlobId, BotId, ChatId, ChatMessageId, MailAddress, MailId,
            MailboxName, TicketId, TicketMessageId, UserId,
        },
        inbound::{ChatOrigin, Identity, Inbound, MailOrigin, Message, Origin, Sender, Verdict, What},
        job::{Job, Task},
    },
    runtime::{
        backoff::Backoff,
        byte_stream::{self, ByteStream},
        clock::{Clock, Timestamp},
    },
    store::{Options, Store, change::Change},
    text::templates::Templates,
    ticket_api::{
        Access, ApiError, Attachments, Capabilities, Catalog, Created, Files, Found, Look, LookIn, NewReply,
        NewTicket, PageMark, Reopen, Scope, Ticket, TicketApi, TicketAttachment, TicketLine, TicketPage,
        Upload,
    },
};

pub(crate) const BOT: BotId = BotId(1);
pub(crate) const ANN: ChatId = ChatId(100);
pub(crate) const GROUP: ChatId = ChatId(-500);
pub(crate) const ADMINS: ChatId = ChatId(-900);

/// The ticket system: what it was asked, and what it answers.
pub(crate) struct Desk {
    name: ApiName,
    capabilities: Capabilities,
    /// Every call that writes, in order, with the names of its files.
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) stage_errors: Mutex<VecDeque<ApiError>>,
    pub(crate) reply_errors: Mutex<VecDeque<ApiError>>,
    pub(crate) reopen_errors: Mutex<VecDeque<ApiError>>,
    /// Files that arrived, under the names that the desk gave them.
    pub(crate) kept: Mutex<Vec<String>>,
    pub(crate) created: Mutex<Vec<NewTicket>>,
    pub(crate) replies: Mutex<Vec<(TicketId, String)>>,
    pub(crate) closes: Mutex<Vec<TicketId>>,
    /// Errors of the calls to come; a success where there is none.
    pub(crate) create_errors: Mutex<VecDeque<ApiError>>,
    pub(crate) close_errors: Mutex<VecDeque<ApiError>>,
    pub(crate) list_errors: Mutex<VecDeque<ApiError>>,
    pub(crate) status: Mutex<HashMap<TicketId, TicketStatus>>,
    pub(crate) finds: Mutex<VecDeque<Found>>,
}

impl Desk {
    fn new(name: &ApiName) -> Self {
        let capabilities = Capabilities {
            max_attachment_bytes: 1000,
            max_subject: 80,
            attachments: Attachments::After,
            drops_files: false,
            binds_staged: false,
            download: true,
            close: crate::ticket_api::Close::Call,
            reopen: Reopen::ReplyWhileResolved,
            list: true,
            active_list: false,
            desk_mails_customers: false,
        };
        Self {
            name: name.clone(),
            capabilities,
            calls: Mutex::default(),
            stage_errors: Mutex::default(),
            reply_errors: Mutex::default(),
            reopen_errors: Mutex::default(),
            kept: Mutex::default(),
            created: Mutex::default(),
            replies: Mutex::default(),
            closes: Mutex::default(),
            create_errors: Mutex::default(),
            close_errors: Mutex::default(),
            list_errors: Mutex::default(),
            status: Mutex::default(),
            finds: Mutex::default(),
        }
    }

    pub(crate) fn set(&self, ticket: &str, status: TicketStatus) {
        self.status.lock().unwrap().insert(TicketId::new(ticket), status);
    }
}

impl Desk {
    fn called(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// Reads what comes inside of a call, as a server does.
async fn names(files: Files) -> String {
    let mut names = Vec::new();
    match files {
        Files::None => {}
        Files::Staged(staged) => names.extend(staged.into_iter().map(|file| file.id.to_string())),
        Files::Inside(uploads) => {
            for upload in uploads {
                let content = byte_stream::collect(upload.content, 1 << 20).await.unwrap();
                names.push(format!("{}={}", upload.name, String::from_utf8_lossy(&content)));
            }
        }
    }
    format!("{names:?}").replace('"', "")
}

fn next_error(errors: &Mutex<VecDeque<ApiError>>) -> Result<(), ApiError> {
    errors.lock().unwrap().pop_front().map_or(Ok(()), Err)
}

#[async_trait]
impl TicketApi for Desk {
    fn name(&self) -> &ApiName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, _: &Access, ticket: &NewTicket, files: Files) -> Result<Created, ApiError> {
        let files = names(files).await;
        self.called(format!("create {files}"));
        next_error(&self.create_errors)?;
        let mut created = self.created.lock().unwrap();
        created.push(ticket.clone());
        let ticket = TicketId::new(created.len().to_string());
        self.status.lock().unwrap().insert(ticket.clone(), TicketStatus::Open);
        Ok(Created { ticket, message: None })
    }

    async fn reply(
        &self,
        _: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        files: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        let files = names(files).await;
        self.called(format!("reply {ticket} {files}"));
        next_error(&self.reply_errors)?;
        self.replies.lock().unwrap().push((ticket.clone(), reply.text.clone()));
        Ok(None)
    }

    async fn upload(
        &self,
        _: &Access,
        _: &TicketId,
        _: Option<&TicketMessageId>,
        file: Upload,
    ) -> Result<Option<AttachmentId>, ApiError> {
        self.called(format!("upload {}", file.name));
        Ok(None)
    }

    async fn account_of(&self, address: &MailAddress) -> Result<Option<String>, ApiError> {
        Ok((address.as_str() == "zoe@zeta.example").then(|| "77".to_owned()))
    }

    async fn stage(
        &self,
        _: &Access,
        ticket: Option<&TicketId>,
        file: Upload,
    ) -> Result<AttachmentId, ApiError> {
        let to = ticket.map_or(String::new(), |ticket| format!(" to {ticket}"));
        self.called(format!("stage {}{to}", file.name));
        next_error(&self.stage_errors)?;
        Ok(AttachmentId::new(format!("s-{}", file.name)))
    }

    async fn unstage(&self, _: &Access, staged: &AttachmentId) -> Result<(), ApiError> {
        self.called(format!("unstage {staged}"));
        Ok(())
    }

    async fn reopen(&self, _: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        self.called(format!("reopen {ticket}"));
        next_error(&self.reopen_errors)?;
        self.status.lock().unwrap().insert(ticket.clone(), TicketStatus::Open);
        Ok(())
    }

    async fn close(&self, _: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        self.closes.lock().unwrap().push(ticket.clone());
        next_error(&self.close_errors)?;
        self.status.lock().unwrap().insert(ticket.clone(), TicketStatus::Closed);
        Ok(())
    }

    async fn ticket(&self, _: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        let status = self.status.lock().unwrap().get(ticket).copied();
        let status = status.ok_or_else(|| ApiError::NotFound("no such ticket".to_owned()))?;
        Ok(Ticket {
            ticket: ticket.clone(),
            subject: String::new(),
            status,
            created: None,
            change: None,
            text: String::new(),
            messages: Vec::new(),
            attachments: self.kept.lock().unwrap().iter().map(|name| kept(name)).collect(),
            shows_messages: true,
            merged_into: None,
            server_date: None,
        })
    }

    async fn tickets(&self, _: &Access, _: Scope, _: Option<&PageMark>) -> Result<TicketPage, ApiError> {
        next_error(&self.list_errors)?;
        let status = self.status.lock().unwrap();
        let line = |(ticket, status): (&TicketId, &TicketStatus)| TicketLine {
            ticket: ticket.clone(),
            subject: format!("about {ticket}"),
            status: *status,
            created: None,
            change: None,
        };
        Ok(TicketPage { tickets: status.iter().map(line).collect(), next: None, server_date: None })
    }

    async fn download(&self, _: &Access, _: &TicketId, _: &AttachmentId) -> Result<ByteStream, ApiError> {
        Err(ApiError::Unsupported("files"))
    }

    async fn catalog(&self, _: &Access) -> Result<Catalog, ApiError> {
        Ok(Catalog::default())
    }

    async fn find_by_marker(&self, _: &Access, look: Look<'_>) -> Result<Found, ApiError> {
        if let Some(found) = self.finds.lock().unwrap().pop_front() {
            return Ok(found);
        }
        let marked = |text: &str| look.markers.iter().any(|marker| text.contains(marker.as_str()));
        Ok(match look.place {
            LookIn::NewTickets { is_known, .. } => {
                let created = self.created.lock().unwrap();
                let tickets =
                    (1..).map(|number: usize| TicketId::new(number.to_string())).zip(created.iter());
                let mut unknown = tickets.filter(|(ticket, _)| !is_known(ticket));
                let found = unknown.find(|(_, new)| marked(&new.text));
                found.map_or(Found::Absent, |(ticket, _)| Found::Ticket(Created { ticket, message: None }))
            }
            LookIn::Replies(ticket) => {
                let replies = self.replies.lock().unwrap();
                let found = replies.iter().any(|(of, text)| of == ticket && marked(text));
                if found { Found::Reply(None) } else { Found::Absent }
            }
        })
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        local
    }
}

fn kept(name: &str) -> TicketAttachment {
    TicketAttachment {
        id: AttachmentId::new(name),
        message: None,
        name: name.to_owned(),
        mime: None,
        size: None,
        created: None,
    }
}

/// Knows who the admins of groups are, and files whose id is their content.
struct Chats(HashSet<UserId>);

#[async_trait]
impl Channel for Chats {
    async fn send(&self, _: Parcel) -> Result<Sent, SendError> {
        Ok(Sent::Done)
    }

    async fn open(&self, file: &Attachment) -> Result<Opened, OpenError> {
        match &file.at {
            Whereabouts::Telegram { file_id } => {
                let content = byte_stream::whole(file_id.clone());
                Ok(Opened { size: Some(file_id.len() as u64), content })
            }
            _ => Err(OpenError::Gone("no files here".to_owned())),
        }
    }

    async fn is_chat_admin(&self, _: ChatId, user: UserId) -> Result<bool, SendError> {
        Ok(self.0.contains(&user))
    }
}

pub(crate) struct Town {
    pub(crate) bridge: Bridge,
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Clock,
    pub(crate) dir: TempDir,
    /// Everything that was to be sent, in order.
    pub(crate) sent: Vec<Delivery>,
    intake: Intake,
    numbers: i64,
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The account `acme`; a mailbox `support` that goes by sender; the group's admin is the user 7.
    pub(crate) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        Self::build(|_| {}, change).await
    }

    /// A desk that can do other things.
    pub(crate) async fn at(desk: impl FnOnce(&mut Capabilities)) -> Self {
        Self::build(desk, |_| {}).await
    }

    async fn build(able: impl FnOnce(&mut Capabilities), change: impl FnOnce(&mut Parts)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::stopped_at(Timestamp::from_secs(1_750_000_000));
        let options = Options {
            dir: dir.path().join("data"),
            clock: clock.clone(),
            after_loss: false,
            spool_bytes: 100_000_000,
            most_jobs: 1000,
        };
        let (store, spool, secret) = Store::open(options).unwrap();
        let (api, account) = (ApiName::new("desk"), AccountName::new("acme"));
        let mut desk = Desk::new(&api);
        able(&mut desk.capabilities);
        let desk = Arc::new(desk);
        let chats: Arc<dyn Channel> = Arc::new(Chats(HashSet::from([UserId(7)])));
        let limits = Limits::default();
        let timing = Timing::default();
        let mailbox = Mailbox {
            channel: chats.clone(),
            address: MailAddress::new("support@example.com"),
            sender: "Example Support".to_owned(),
            account: None,
            new_tickets: Default::default(),
            unverified: Unverified::Quarantine,
            receipt: Receipt::First,
            admin_chat: None,
        };
        let telegram = Telegram {
            channel: chats,
            bot: BOT,
            username: Arc::new("example_bot".to_owned().into()),
            admin_chat: Some(ADMINS),
            unlinked: None,
        };
        let backoff = Backoff::new(timing.retry_min, timing.retry_max).unwrap();
        let mut parts = Parts {
            store,
            spool: spool.clone(),
            secret,
            clock: clock.clone(),
            templates: Templates::new(None, "en").unwrap(),
            apis: HashMap::from([(
                api.clone(),
                Api {
                    port: desk.clone(),
                    settle: timing.settle,
                    poll: timing.poll_hot,
                    panel: None,
                    keys: None,
                },
            )]),
            telegram: Some(telegram),
            mailboxes: HashMap::from([(MailboxName::new("support"), mailbox)]),
            accounts: HashMap::from([(account.clone(), AccountRules::default())]),
            addresses: AddressBook::default(),
            sealing: None,
            hints: Default::default(),
            language: "en".to_owned(),
            timing,
            limits,
            circuits: Circuits::new(backoff),
        };
        change(&mut parts);
        let bridge = Bridge::new(parts);
        let emails = vec!["*@acme.example".to_owned()];
        let acme = Account { name: account, api, remote: "123".to_owned(), emails, key: None };
        bridge.store.apply(vec![Change::Account(acme)]).await.unwrap();
        bridge.addresses.reload(&bridge.store).unwrap();
        bridge.know_keys().unwrap();
        let (intake, requests) = Intake::new(spool, 8);
        tokio::spawn(intake::run(bridge.clone(), requests));
        intake.begin(source()).await.unwrap();
        Self { bridge, desk, clock, dir, sent: Vec::new(), intake, numbers: 10 }
    }

    /// The chat belongs to `acme` from now on.
    pub(crate) async fn link(&mut self, chat: ChatId) {
        let link = crate::model::account::Link {
            place: crate::model::place::Place::Chat { bot: BOT, chat },
            account: AccountName::new("acme"),
            since: self.clock.now(),
            follows_all: false,
            paused: false,
            language: None,
        };
        self.bridge.store.apply(vec![Change::Link(link)]).await.unwrap();
    }

    /// Several at once, in one batch.
    pub(crate) async fn write(&mut self, chat: ChatId, texts: &[&str]) {
        let items = texts.iter().map(|text| self.item(chat, chat_what(text))).collect();
        self.take(items).await;
    }

    pub(crate) async fn press(&mut self, chat: ChatId, data: &str) {
        self.press_as(chat, UserId(chat.0.abs()), data).await;
    }

    pub(crate) async fn press_as(&mut self, chat: ChatId, user: UserId, data: &str) {
        self.press_under(chat, user, ChatMessageId(self.numbers + 1), data).await;
    }

    /// A button of this very message.
    pub(crate) async fn press_under(&mut self, chat: ChatId, user: UserId, under: ChatMessageId, data: &str) {
        self.numbers += 1;
        let callback = format!("callback-{}", self.numbers);
        let what = What::Button { data: data.to_owned(), callback, under };
        let mut item = self.item(chat, what);
        if let Origin::Chat(origin) = &mut item.origin {
            origin.user = user;
        }
        self.take(vec![item]).await;
    }

    /// Journaled, and not worked on yet.
    pub(crate) async fn journal(&mut self, items: Vec<Inbound>) {
        let cursor = Cursor(self.numbers.to_string());
        self.intake.accept(source(), items, cursor).await.unwrap();
    }

    /// Another process, or a reopened store, has the source now.
    pub(crate) async fn lose_lease(&self) {
        self.bridge.store.take_source(&intake::source_key(&source())).await.unwrap();
    }

    pub(crate) async fn try_take(&mut self, items: Vec<Inbound>) -> bool {
        let cursor = Cursor(self.numbers.to_string());
        let taken = self.intake.accept(source(), items, cursor).await.is_ok();
        self.settle().await;
        taken
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }

    pub(crate) async fn take(&mut self, items: Vec<Inbound>) {
        let cursor = Cursor(self.numbers.to_string());
        self.intake.accept(source(), items, cursor).await.unwrap();
        self.settle().await;
    }

    /// Runs every lane that is due until none is; what is to be sent counts as sent.
    pub(crate) async fn settle(&mut self) {
        loop {
            let claims = self.bridge.store.claim(16);
            if claims.is_empty() {
                return;
            }
            for mut claim in claims {
                if let Some(damaged) = claim.damaged.clone() {
                    let outcome = crate::bridge::damaged::outcome(&self.bridge, &damaged).unwrap();
                    outcome::settle(&self.bridge, claim, outcome).await.unwrap();
                    continue;
                }
                let job = claim.jobs[0].clone();
                let outcome = match &job.task {
                    Task::Control(inbound) => {
                        control::run(&self.bridge, &mut claim, &job, inbound).await.unwrap()
                    }
                    Task::File(filing) => filing::run(&self.bridge, &mut claim, &job, filing).await.unwrap(),
                    Task::Deliver(delivery) => {
                        self.sent.push(delivery.clone());
                        Outcome::done()
                    }
                };
                outcome::settle(&self.bridge, claim, outcome).await.unwrap();
            }
        }
    }

    pub(crate) async fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    pub(crate) fn item(&mut self, chat: ChatId, what: What) -> Inbound {
        self.numbers += 1;
        Inbound {
            identity: Identity { key: format!("tg/{BOT}/{chat}/{}", self.numbers), also: Vec::new() },
            sent: self.clock.now(),
            sender: Sender { name: "Ann".to_owned(), handle: Some("@ann".to_owned()), language: None },
            origin: Origin::Chat(ChatOrigin {
                bot: BOT,
                chat,
                message: ChatMessageId(self.numbers),
                topic: None,
                user: UserId(chat.0.abs()),
                private: chat.0 > 0,
                media_group: None,
                forwarded: false,
                reply_to: None,
            }),
            what,
        }
    }

    pub(crate) fn mail(&mut self, from: &str, verdict: Verdict, what: What) -> Inbound {
        self.numbers += 1;
        Inbound {
            identity: Identity { key: format!("mail/{}", self.numbers), also: Vec::new() },
            sent: self.clock.now(),
            sender: Sender { name: "Carl".to_owned(), handle: None, language: None },
            origin: Origin::Mail(Box::new(MailOrigin {
                mailbox: MailboxName::new("support"),
                message_id: MailId::new(format!("{}@there", self.numbers)),
                refers_to: Vec::new(),
                from: MailAddress::new(from),
                to: Vec::new(),
                cc: Vec::new(),
                subject: "Server down".to_owned(),
                verdict,
                automatic: None,
                tokens: Vec::new(),
                spam: false,
                raw: BlobId::new("none"),
            })),
            what,
        }
    }

    /// The notes to a chat, newest last.
    pub(crate) fn notes(&self, chat: ChatId) -> Vec<&Note> {
        let to = self.sent.iter().filter(|delivery| delivery.to.chat() == Some(chat));
        to.filter_map(|delivery| match &delivery.content {
            Content::Note(note) => Some(note),
            _ => None,
        })
        .collect()
    }

    /// The newest text that a chat got; pop-ups without a text are none.
    pub(crate) fn said(&self, chat: ChatId) -> String {
        let mut texts = self.notes(chat).into_iter().map(|note| note.text.text.clone());
        texts.rfind(|text| !text.is_empty()).unwrap_or_default()
    }

    pub(crate) fn alerts(&self) -> Vec<&crate::model::delivery::Alert> {
        let alert = |delivery: &'_ Delivery| matches!(delivery.content, Content::Alert(_));
        let alerts = self.sent.iter().filter(|delivery| alert(delivery));
        alerts
            .filter_map(|delivery| match &delivery.content {
                Content::Alert(alert) => Some(alert),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn letters(&self) -> Vec<&Letter> {
        self.sent
            .iter()
            .filter_map(|delivery| match &delivery.content {
                Content::Letter(letter) => Some(letter),
                _ => None,
            })
            .collect()
    }

    /// The data of the newest button with this label.
    pub(crate) fn button(&self, label: &str) -> String {
        let rows = self.sent.iter().filter_map(|delivery| match &delivery.content {
            Content::Note(note) => Some(&note.buttons),
            Content::Alert(alert) => Some(&alert.buttons),
            _ => None,
        });
        let found = rows.flatten().flatten().rfind(|button| button.label == label);
        found.unwrap_or_else(|| panic!("no button {label}")).data.clone()
    }

    /// Jobs that wait for a person.
    pub(crate) fn aside(&self) -> Vec<Job> {
        let waiting = crate::bridge::admin::waiting(&self.bridge).unwrap();
        waiting
            .iter()
            .filter_map(|summary| self.bridge.store.job(summary.id).unwrap())
            .map(|(job, _)| job)
            .collect()
    }
}

pub(crate) fn chat_what(text: &str) -> What {
    match text.strip_prefix('/') {
        Some(command) => {
            let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
            What::Command { name: name.to_owned(), argument: argument.to_owned() }
        }
        None => message(text),
    }
}

pub(crate) fn message(text: &str) -> What {
    What::Message(Message { text: text.to_owned(), ..Message::default() })
}

fn source() -> Source {
    Source::Telegram { bot: BOT, api_url: "https://api.telegram.org".to_owned() }
}
