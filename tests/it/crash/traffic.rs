//! Who writes what while the bridge dies: customers in chats and by mail, staff at the desk. Each text carries
//! a word that nothing else contains, each file bytes of its own.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use ticket_bridge::sandbox::desk::{MessageId, Status, TicketId};
use ticket_bridge::sandbox::post_office::{CustomerMail, Verdict, mail};
use ticket_bridge::sandbox::telegram::{FileKind, Person, SentFile};
use tokio::time::sleep;

use super::ground::{ACCOUNTS, Ground, MAIL_SERVER, SUPPORT};

/// A customer with one way to write.
pub struct Customer {
    pub seat: Seat,
    pub account: i64,
    /// In the order of writing.
    pub said: Vec<Said>,
}

pub enum Seat {
    Chat(Person),
    Mail { address: String, written: Vec<Vec<u8>> },
}

/// One message of a customer.
pub struct Said {
    /// Stands once in its text, if it has one.
    pub token: String,
    pub has_text: bool,
    /// Each file's own word, in its bytes.
    pub files: Vec<String>,
    /// Its message ids in the chat.
    pub ids: Vec<i64>,
}

/// One answer of staff.
pub struct Answer {
    pub token: String,
    pub ticket: TicketId,
    pub message: MessageId,
    /// The word in the bytes of the file that came with it.
    pub file: Option<String>,
}

pub struct Crowd {
    pub customers: Vec<Customer>,
    pub answers: Vec<Answer>,
    dice: StdRng,
    count: u32,
}

impl Crowd {
    /// Seats so many in Telegram (of each account) and as many by mail as half of them.
    pub async fn gather(ground: &Ground, chats: usize, dice: StdRng) -> Self {
        let people: Vec<Person> =
            (0..chats).map(|number| ground.telegram.person(&format!("Chat{number}"), "en")).collect();
        let mut customers = Vec::new();
        for (index, account) in ACCOUNTS.iter().enumerate() {
            let own: Vec<&Person> = people.iter().skip(index).step_by(ACCOUNTS.len()).collect();
            if index > 0 {
                ground.link(&own, account).await;
            }
            let seat = |person: &&Person| Customer {
                seat: Seat::Chat((*person).clone()),
                account: account.id,
                said: Vec::new(),
            };
            customers.extend(own.iter().map(seat));
        }
        for number in 0..chats.div_ceil(2) {
            let account = &ACCOUNTS[number % ACCOUNTS.len()];
            let address = format!("Writer{number} <writer{number}@{}>", account.domain);
            let seat = Seat::Mail { address, written: Vec::new() };
            customers.push(Customer { seat, account: account.id, said: Vec::new() });
        }
        Self { customers, answers: Vec::new(), dice, count: 0 }
    }

    /// Customers' messages and staff's answers so far.
    pub fn spoken(&self) -> usize {
        self.answers.len() + self.customers.iter().map(|customer| customer.said.len()).sum::<usize>()
    }

    /// Writes until `due` are spoken, over about this time.
    pub async fn speaks(&mut self, ground: &Ground, due: usize, over: Duration) {
        let missing = due.saturating_sub(self.spoken()).max(1);
        let pause = over / u32::try_from(missing).unwrap() * 2;
        while self.spoken() < due {
            let wait = self.dice.random_range(Duration::ZERO..=pause);
            sleep(wait).await;
            if self.dice.random_bool(0.2) {
                self.staff_answers(ground);
            } else {
                self.customer_writes(ground).await;
            }
        }
    }

    async fn customer_writes(&mut self, ground: &Ground) {
        let who = self.dice.random_range(0..self.customers.len());
        let by_mail = matches!(self.customers[who].seat, Seat::Mail { .. });
        if by_mail {
            self.mails(ground, who).await;
        } else {
            // People write in bursts: what comes close together may be joined.
            for _ in 0..self.dice.random_range(1..=2) {
                self.chats(who);
            }
        }
    }

    fn chats(&mut self, who: usize) {
        let token = self.token('c');
        let kind = self.dice.random_range(0..100);
        let Seat::Chat(person) = &self.customers[who].seat else { return };
        let person = person.clone();
        let text = format!("My order {token} has not come yet.");
        let (ids, has_text, files) = match kind {
            0..6 => {
                person.says("/new");
                (vec![person.says(&text)], true, Vec::new())
            }
            6..14 => (vec![person.says(&token)], true, Vec::new()), // short enough for a greeting
            14..26 => {
                let word = self.token('f');
                let file = file_of(&word, &mut self.dice);
                let captioned = kind < 20;
                let id =
                    person.sends_document(&format!("{word}.bin"), file, if captioned { &text } else { "" });
                (vec![id], captioned, vec![word])
            }
            26..36 => {
                let words: Vec<String> =
                    (0..self.dice.random_range(2..=3)).map(|_| self.token('f')).collect();
                let files = words.iter().map(|word| {
                    let bytes = file_of(word, &mut self.dice);
                    SentFile::new(FileKind::Photo, "photo.jpg", bytes.into())
                });
                let files = files.collect();
                (person.sends_album(files, &text), true, words)
            }
            36..46 => {
                let last = ground_message(&self.customers[who]);
                let id = last.map_or_else(|| person.says(&text), |last| person.replies_to(last, &text));
                (vec![id], true, Vec::new())
            }
            _ => (vec![person.says(&text)], true, Vec::new()),
        };
        self.customers[who].said.push(Said { token, has_text, files, ids });
    }

    async fn mails(&mut self, ground: &Ground, who: usize) {
        let token = self.token('c');
        let kind = self.dice.random_range(0..100);
        let Seat::Mail { address, written } = &self.customers[who].seat else { return };
        let text = format!("Dear support,\n\nmy order {token} has not come yet.\n");
        let last = written.last().cloned();
        let answered =
            || ground.sink.kept().into_iter().rev().find(|raw| is_to(raw, address)).or(last.clone());
        let new = || mail().from(address).to(SUPPORT).subject("An order is missing").text(&text);
        let mut letter = match (kind, &last) {
            (0..35, _) | (_, None) => new(),
            (35..70, Some(last)) => mail().from(address).to(SUPPORT).in_reply_to(last).text(&text),
            _ => answered().map_or_else(new, |raw| {
                mail().from(address).to(SUPPORT).in_reply_to(&raw).quoting(&raw).text(&text)
            }),
        };
        let mut files = Vec::new();
        if self.dice.random_bool(0.2) {
            let word = self.token('f');
            let bytes = file_of(&word, &mut self.dice);
            letter = letter.attach(&format!("{word}.bin"), "application/octet-stream", bytes);
            files.push(word);
        }
        let raw = finished(letter);
        ground.post.deliver(&raw).await.unwrap();
        let customer = &mut self.customers[who];
        if let Seat::Mail { written, .. } = &mut customer.seat {
            written.push(raw);
        }
        customer.said.push(Said { token, has_text: true, files, ids: Vec::new() });
    }

    fn staff_answers(&mut self, ground: &Ground) {
        let account = &ACCOUNTS[self.dice.random_range(0..ACCOUNTS.len())];
        let open: Vec<TicketId> = ground
            .desk
            .tickets(account.id)
            .iter()
            .filter(|ticket| ticket.status != Status::Closed)
            .map(|ticket| ticket.id)
            .collect();
        if open.is_empty() {
            return;
        }
        // Mostly one of the newest, as at a desk; also one that the bridge does not know of yet.
        let from = open.len().saturating_sub(8);
        let ticket = open[self.dice.random_range(from..open.len())];
        let token = self.token('s');
        let message = ground.desk.staff_replies(ticket, &format!("We are looking for {token} now.")).unwrap();
        // A desk that does not give files out has them told by name.
        let gives_files = ground.desk.dialect().gives_out_files();
        let file = (gives_files && self.dice.random_bool(0.15)).then(|| {
            let word = self.token('f');
            let bytes = file_of(&word, &mut self.dice);
            ground.desk.staff_attaches(ticket, Some(message), &format!("{word}.bin"), bytes).unwrap();
            word
        });
        self.answers.push(Answer { token, ticket, message, file });
    }

    /// A word like `zc00017x3fz`: who it is of, its number, and something that makes it unlike all others.
    fn token(&mut self, kind: char) -> String {
        self.count += 1;
        format!("z{kind}{:06}x{:04x}z", self.count, self.dice.random::<u16>())
    }
}

/// What a customer's Telegram reply answers: an own message, which is as good as any of its ticket.
fn ground_message(customer: &Customer) -> Option<i64> {
    customer.said.iter().rev().find_map(|said| said.ids.first()).copied()
}

fn is_to(raw: &[u8], address: &str) -> bool {
    let bare = address.rsplit_once('<').map_or(address, |(_, bare)| bare.trim_end_matches('>'));
    let head = String::from_utf8_lossy(&raw[..raw.len().min(4000)]).into_owned();
    head.lines().any(|line| line.starts_with("To:") && line.contains(bare))
}

fn finished(letter: CustomerMail) -> Vec<u8> {
    letter.authenticated_by(MAIL_SERVER, Verdict::Pass).build().unwrap()
}

fn file_of(word: &str, dice: &mut StdRng) -> Vec<u8> {
    // The look of a picture, so that it passes as a photo, too.
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE0];
    bytes.extend_from_slice(word.as_bytes());
    let rest = dice.random_range(100..20_000);
    bytes.extend((0..rest).map(|_| dice.random_range(128..=255u8)));
    bytes
}
