//! Compares both sides at the end: what was written, and what stands in tickets, chats and mailboxes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use mail_parser::MessageParser;
use regex::Regex;
use regex::bytes::Regex as BytesRegex;
use ticket_bridge::model::attachment::Attachment;
use ticket_bridge::model::delivery::Content;
use ticket_bridge::model::job::{Job, Task};
use ticket_bridge::sandbox::desk::{Author, TicketId};

use super::ground::{ACCOUNTS, Ground, Left, Parked};
use super::traffic::{Answer, Crowd, Customer, Said, Seat};

static WORDS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"z[cs]\d{6}x[0-9a-f]{4}z").unwrap());
static FILES: LazyLock<BytesRegex> = LazyLock::new(|| BytesRegex::new(r"zf\d{6}x[0-9a-f]{4}z").unwrap());

/// Where each word of customers stands at the desk, and each word of staff at the customers'.
#[derive(Default)]
pub struct Sides {
    /// Word → its places, each a ticket and a rank within it.
    texts: HashMap<String, Vec<(TicketId, usize)>>,
    files: HashMap<String, Vec<TicketId>>,
    /// Words of customers by ticket, in their order there.
    tickets: BTreeMap<TicketId, Vec<String>>,
    account_of: HashMap<TicketId, i64>,
    /// Word → the customers (by number) who have it, in order of receipt.
    received: HashMap<String, Vec<(usize, usize)>>,
    /// Received by somebody who is no customer of ours, or by nobody's address.
    strays: Vec<String>,
}

/// The verdict.
#[derive(Default)]
pub struct Tally {
    pub said: usize,
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    pub misplaced: Vec<String>,
    pub misordered: Vec<String>,
    /// Staff's words that a customer has more than once.
    pub received_again: usize,
    pub parked: usize,
}

impl Sides {
    pub fn look(ground: &Ground, crowd: &Crowd) -> Self {
        let mut sides = Self::default();
        for account in &ACCOUNTS {
            for ticket in ground.desk.tickets(account.id) {
                sides.account_of.insert(ticket.id, account.id);
                let replies = ticket.messages.iter().filter(|message| message.author == Author::Customer);
                let texts = std::iter::once(&ticket.description).chain(replies.map(|reply| &reply.text));
                let words = texts
                    .flat_map(|text| words_in(&without_notes(text)))
                    .filter(|word| word.starts_with("zc"));
                let words: Vec<String> = words.collect();
                for (rank, word) in words.iter().enumerate() {
                    sides.texts.entry(word.clone()).or_default().push((ticket.id, rank));
                }
                sides.tickets.insert(ticket.id, words);
                for file in ticket.attachments.iter().filter(|file| file.author == Author::Customer) {
                    let word = file_word(&file.bytes).unwrap_or_else(|| file.name.clone());
                    sides.files.entry(word).or_default().push(ticket.id);
                }
            }
        }
        sides.receipts(ground, crowd);
        sides
    }

    fn receipts(&mut self, ground: &Ground, crowd: &Crowd) {
        let mails: Vec<(String, Vec<String>)> = ground.sink.kept().iter().map(|raw| read(raw)).collect();
        for (number, customer) in crowd.customers.iter().enumerate() {
            let words: Vec<String> = match &customer.seat {
                Seat::Chat(person) => {
                    let messages = ground.telegram.messages_in(person.chat_id());
                    messages
                        .iter()
                        .flat_map(|message| {
                            let file = message.file.as_ref().and_then(|file| file_word(&file.bytes));
                            words_in(message.words()).into_iter().chain(file)
                        })
                        .collect()
                }
                Seat::Mail { address, .. } => {
                    let own = mails.iter().filter(|(to, _)| address.contains(&format!("<{to}>")));
                    own.flat_map(|(_, words)| words.clone()).collect()
                }
            };
            for (rank, word) in words.into_iter().enumerate() {
                self.received.entry(word).or_default().push((number, rank));
            }
        }
        let known = |to: &str| {
            crowd.customers.iter().any(|customer| {
                matches!(&customer.seat, Seat::Mail { address, .. } if address.contains(&format!("<{to}>")))
            })
        };
        self.strays = mails.iter().filter(|(to, _)| !known(to)).map(|(to, _)| to.clone()).collect();
    }

    /// What has not arrived yet.
    pub fn missing(&self, crowd: &Crowd) -> usize {
        let of_customers = crowd.customers.iter().flat_map(|customer| &customer.said);
        let said = of_customers.filter(|said| !self.has(said)).count();
        said + crowd.answers.iter().filter(|answer| !self.was_received(answer)).count()
    }

    fn has(&self, said: &Said) -> bool {
        (!said.has_text || self.texts.contains_key(&said.token))
            && said.files.iter().all(|file| self.files.contains_key(file))
    }

    fn was_received(&self, answer: &Answer) -> bool {
        self.received.contains_key(&answer.token)
            && answer.file.as_ref().is_none_or(|file| self.received.contains_key(file))
    }

    pub fn judge(&self, ground: &Ground, crowd: &Crowd, left: &Left) -> Tally {
        let mut tally = Tally { said: crowd.spoken(), parked: left.parked.len(), ..Tally::default() };
        let owners = self.owners(crowd, &mut tally);
        for (number, customer) in crowd.customers.iter().enumerate() {
            for said in &customer.said {
                self.judge_said(ground, customer, said, left, &mut tally);
            }
            self.judge_order(customer, number, &owners, &mut tally);
        }
        self.judge_answers(ground, crowd, &owners, left, &mut tally);
        for stray in &self.strays {
            tally.misplaced.push(format!("a mail went to {stray}, who wrote nothing"));
        }
        for parked in left.parked.iter().filter(|parked| !may_be_parked(ground, parked)) {
            tally.lost.push(format!("parked although it could be known: {}", named(ground, &parked.job)));
        }
        for job in left.live.iter().chain(&left.dead) {
            tally.lost.push(format!("not done: {}", named(ground, job)));
        }
        tally
    }

    /// Whose each ticket is: of who wrote its first word. Nobody else may stand in it.
    fn owners(&self, crowd: &Crowd, tally: &mut Tally) -> HashMap<TicketId, usize> {
        let who: HashMap<&str, usize> = crowd
            .customers
            .iter()
            .enumerate()
            .flat_map(|(number, customer)| {
                customer.said.iter().map(move |said| (said.token.as_str(), number))
            })
            .collect();
        let files: HashMap<&str, usize> = crowd
            .customers
            .iter()
            .enumerate()
            .flat_map(|(number, customer)| {
                customer.said.iter().flat_map(|said| &said.files).map(move |file| (file.as_str(), number))
            })
            .collect();
        let mut all: BTreeMap<TicketId, Vec<(usize, &str)>> = BTreeMap::new();
        for (ticket, words) in &self.tickets {
            let words = words.iter().filter_map(|word| Some((*who.get(word.as_str())?, word.as_str())));
            all.entry(*ticket).or_default().extend(words);
        }
        for (file, tickets) in &self.files {
            for ticket in tickets {
                let owner = files.get(file.as_str()).map(|owner| (*owner, file.as_str()));
                all.entry(*ticket).or_default().extend(owner);
            }
        }
        let mut owners = HashMap::new();
        for (ticket, words) in all {
            let Some((owner, _)) = words.first().copied() else {
                tally.doubled.push(format!("ticket {ticket} holds nothing that anybody wrote"));
                continue;
            };
            owners.insert(ticket, owner);
            for (other, word) in words.iter().filter(|(other, _)| *other != owner) {
                tally
                    .misplaced
                    .push(format!("{word} of customer {other} stands in ticket {ticket} of {owner}"));
            }
            let account = crowd.customers[owner].account;
            if self.account_of.get(&ticket) != Some(&account) {
                tally
                    .misplaced
                    .push(format!("ticket {ticket} of customer {owner} is not in account {account}"));
            }
        }
        owners
    }

    fn judge_said(&self, ground: &Ground, customer: &Customer, said: &Said, left: &Left, tally: &mut Tally) {
        let is_parked = left.parked.iter().any(|parked| asks(&parked.job, said));
        let text = if said.has_text { self.texts.get(&said.token).map_or(0, Vec::len) } else { 1 };
        let counts = said.files.iter().map(|file| (file, self.files.get(file).map_or(0, Vec::len)));
        for (word, count) in std::iter::once((&said.token, text)).chain(counts) {
            match count {
                0 if is_parked => {} // Judged as such.
                0 => {
                    tally.lost.push(format!("{word} is in no ticket\n{}", self.known(ground, customer, said)))
                }
                1 => {}
                times => {
                    let known = self.known(ground, customer, said);
                    tally.doubled.push(format!("{word} is in tickets {times} times\n{known}"));
                }
            }
        }
    }

    fn judge_order(
        &self,
        customer: &Customer,
        number: usize,
        owners: &HashMap<TicketId, usize>,
        tally: &mut Tally,
    ) {
        let ranks: HashMap<&str, usize> =
            customer.said.iter().enumerate().map(|(rank, said)| (said.token.as_str(), rank)).collect();
        for (ticket, words) in self.tickets.iter().filter(|(ticket, _)| owners.get(ticket) == Some(&number)) {
            let order: Vec<usize> =
                words.iter().filter_map(|word| ranks.get(word.as_str()).copied()).collect();
            if !order.is_sorted() {
                tally.misordered.push(format!("ticket {ticket} of customer {number}: {words:?}"));
            }
        }
    }

    fn judge_answers(
        &self,
        ground: &Ground,
        crowd: &Crowd,
        owners: &HashMap<TicketId, usize>,
        left: &Left,
        tally: &mut Tally,
    ) {
        let mut last: HashMap<TicketId, (usize, &str)> = HashMap::new();
        let mut answers: Vec<&Answer> = crowd.answers.iter().collect();
        answers.sort_by_key(|answer| answer.message);
        for answer in answers {
            let Some(owner) = owners.get(&answer.ticket) else { continue };
            let nobody_knows_the_ticket = self.tickets.get(&answer.ticket).is_some_and(|words| {
                let said =
                    |word: &String| crowd.customers[*owner].said.iter().find(|said| said.token == *word);
                let first = words.first().and_then(said);
                first.is_some_and(|said| left.parked.iter().any(|parked| asks(&parked.job, said)))
            });
            if nobody_knows_the_ticket {
                continue;
            }
            for word in std::iter::once(&answer.token).chain(&answer.file) {
                let receipts = self.received.get(word).map_or(&[][..], Vec::as_slice);
                let own = receipts.iter().filter(|(who, _)| who == owner).count();
                if own == 0 && !left.parked.iter().any(|parked| says(&parked.job, word)) {
                    let key = format!("staff/desk/{}/{}", answer.ticket, answer.message);
                    let log = ground.log_about(&[key]).join("\n      ");
                    let known = format!("{}      {log}\n", of_ticket(ground, answer.ticket));
                    tally.lost.push(format!("{word} of staff did not reach customer {owner}\n{known}"));
                }
                tally.received_again += own.saturating_sub(1);
                for (other, _) in receipts.iter().filter(|(who, _)| who != owner) {
                    tally.misplaced.push(format!(
                        "{word} of staff in ticket {} of customer {owner} reached customer {other}",
                        answer.ticket
                    ));
                }
            }
            let first = self.received.get(&answer.token).and_then(|all| all.first());
            if let Some((_, rank)) = first {
                if let Some((before, word)) = last.get(&answer.ticket).filter(|(before, _)| before > rank) {
                    tally.misordered.push(format!(
                        "ticket {}: {word} (place {before}) was received after {} (place {rank})",
                        answer.ticket, answer.token
                    ));
                }
                last.insert(answer.ticket, (*rank, &answer.token));
            }
        }
    }

    /// What both sides know about a message.
    fn known(&self, ground: &Ground, customer: &Customer, said: &Said) -> String {
        let mut known = String::new();
        let mut tickets: Vec<TicketId> =
            self.texts.get(&said.token).into_iter().flatten().map(|(ticket, _)| *ticket).collect();
        tickets.extend(said.files.iter().filter_map(|file| self.files.get(file)).flatten());
        tickets.sort();
        tickets.dedup();
        for ticket in tickets {
            known += &of_ticket(ground, ticket);
        }
        let keys = match &customer.seat {
            Seat::Chat(person) => said.ids.iter().map(|id| format!("/{}/{id}", person.chat_id())).collect(),
            Seat::Mail { address, .. } => vec![said.token.clone(), address.clone()],
        };
        let lines = ground.log_about(&keys);
        let _ = writeln!(known, "    log lines about {keys:?}: {}", lines.len());
        for line in lines.iter().take(12) {
            let _ = writeln!(known, "      {line}");
        }
        known
    }
}

/// Every call that changed the ticket.
fn of_ticket(ground: &Ground, ticket: TicketId) -> String {
    let mut known = String::new();
    let calls = ground.desk.calls();
    let changes = calls.iter().filter(|call| call.ticket == Some(ticket) && call.name != "detail");
    for call in changes {
        let _ = writeln!(known, "    desk: {} {} {} → {}", call.at, call.name, ticket, call.status);
    }
    known
}

fn named(ground: &Ground, job: &Job) -> String {
    let mut known = format!("{} {:?} {:?}\n    {:?}\n", job.key, job.state, job.progress, job.task);
    known.truncate(known.floor_char_boundary(1500));
    known.push('\n');
    let id = format!("job.id={}", job.id);
    for line in ground.log_about(&[id]).iter().rev().take(8).rev() {
        let _ = writeln!(known, "      {line}");
    }
    known
}

/// A channel offers no way to look: a send that was repeated and is unknown again cannot be known. Nor can a
/// create where the desk lists no tickets.
fn may_be_parked(ground: &Ground, parked: &Parked) -> bool {
    match parked.job.task {
        Task::Deliver(_) => parked.job.progress.repeats > 0,
        Task::File(_) => !ground.desk.dialect().lists_tickets() && parked.creating,
        _ => false,
    }
}

/// Whether this message, or one of its files, is in the job.
fn asks(job: &Job, said: &Said) -> bool {
    let Task::File(filing) = &job.task else { return false };
    let messages = filing.messages.iter().filter_map(|arrived| arrived.inbound.message());
    let mut messages = messages.filter(|message| {
        let named = |file: &Attachment| said.files.iter().any(|word| file.name.contains(word.as_str()));
        message.text.contains(&said.token) || message.files.iter().any(named)
    });
    messages.next().is_some()
}

/// Whether a text of staff with this word, or the file that is named by it, is in this job.
fn says(job: &Job, word: &str) -> bool {
    let Task::Deliver(delivery) = &job.task else { return false };
    let Content::Staff(staff) = &delivery.content else { return false };
    staff.text.contains(word) || staff.files.iter().any(|file| file.name.contains(word))
}

/// Our notes may quote what stands, or may stand, in another ticket.
fn without_notes(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("[An earlier message of this customer")).collect()
}

fn words_in(text: &str) -> Vec<String> {
    WORDS.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

fn file_word(bytes: &[u8]) -> Option<String> {
    FILES.find(bytes).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned())
}

/// Whom a mail is to, and the words of its text and files.
fn read(raw: &[u8]) -> (String, Vec<String>) {
    let Some(mail) = MessageParser::default().parse(raw) else { return (String::new(), Vec::new()) };
    let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default().to_owned();
    let text = mail.body_text(0).unwrap_or_default();
    let words = words_in(&text).into_iter().filter(|word| word.starts_with("zs"));
    let files = mail.attachments().filter_map(|part| file_word(part.contents()));
    (to, words.chain(files).collect())
}
