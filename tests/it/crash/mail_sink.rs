//! A mail server that takes what the bridge sends, and fails as told around the final dot.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong with one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFault {
    /// Received whole and held; not kept unless the sender still waits after this.
    HoldBefore(Duration),
    /// Kept, and the reply held back.
    Hang(Duration),
    /// Kept, then the connection is cut.
    LoseAnswer,
    /// Cut at the final dot, and not kept.
    Cut,
    /// Refused for now.
    Busy,
}

#[derive(Clone)]
pub struct MailSink {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    kept: Mutex<Vec<Vec<u8>>>,
    next: Mutex<VecDeque<MailFault>>,
    chance: Mutex<Option<(f64, StdRng)>>,
    /// Mails whose final dot is unanswered.
    open: AtomicUsize,
    calls: AtomicUsize,
    faults: AtomicUsize,
    after_commit: AtomicUsize,
}

impl MailSink {
    pub async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                let state = serving.clone();
                tokio::spawn(async move { state.serve(line).await });
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn next(&self, fault: MailFault) {
        self.state.next.lock().unwrap().push_back(fault);
    }

    pub fn rate(&self, probability: f64, seed: u64) {
        *self.state.chance.lock().unwrap() = Some((probability, StdRng::seed_from_u64(seed)));
    }

    pub fn stop(&self) {
        self.state.next.lock().unwrap().clear();
        *self.state.chance.lock().unwrap() = None;
    }

    /// Whether a mail is being taken at this moment.
    pub fn is_open(&self) -> bool {
        self.state.open.load(Ordering::SeqCst) > 0
    }

    /// Mails offered, those faulted, and of these how many were kept nevertheless.
    pub fn counts(&self) -> (usize, usize, usize) {
        let state = &self.state;
        let [calls, faults, after] = [&state.calls, &state.faults, &state.after_commit];
        (calls.load(Ordering::SeqCst), faults.load(Ordering::SeqCst), after.load(Ordering::SeqCst))
    }

    /// Every mail that was taken, as it came, oldest first.
    pub fn kept(&self) -> Vec<Vec<u8>> {
        self.state.kept.lock().unwrap().clone()
    }
}

struct OpenMail<'a>(&'a AtomicUsize);

impl Drop for OpenMail<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    async fn serve(&self, line: TcpStream) -> Option<()> {
        let mut line = BufStream::new(line);
        say(&mut line, "220 sink").await?;
        loop {
            let command = read_line(&mut line).await?;
            let verb = command.get(..4).map(str::to_ascii_uppercase).unwrap_or_default();
            match verb.as_str() {
                "EHLO" => say(&mut line, "250-sink\r\n250 8BITMIME").await?,
                "DATA" => {
                    say(&mut line, "354 go on").await?;
                    let mail = read_mail(&mut line).await?;
                    self.take(mail, &mut line).await?;
                }
                "QUIT" => return say(&mut line, "221 bye").await,
                _ => say(&mut line, "250 ok").await?,
            }
        }
    }

    async fn take(&self, mail: Vec<u8>, line: &mut BufStream<TcpStream>) -> Option<()> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let _open = OpenMail(&self.open);
        self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault();
        if fault.is_some() {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            Some(MailFault::Cut) => return None,
            Some(MailFault::Busy) => return say(line, "451 try again").await,
            Some(MailFault::HoldBefore(wait)) => {
                // Nothing is to come now but the end of the connection.
                let ended = tokio::time::timeout(wait, line.fill_buf()).await;
                if ended.is_ok() {
                    return None;
                }
            }
            _ => {}
        }
        self.kept.lock().unwrap().push(mail);
        if matches!(fault, Some(MailFault::LoseAnswer | MailFault::Hang(_))) {
            self.after_commit.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            Some(MailFault::LoseAnswer) => None,
            Some(MailFault::Hang(wait)) => {
                let ended = tokio::time::timeout(wait, line.fill_buf()).await;
                if ended.is_ok() { None } else { say(line, "250 kept").await }
            }
            _ => say(line, "250 kept").await,
        }
    }

    fn fault(&self) -> Option<MailFault> {
        if let Some(fault) = self.next.lock().unwrap().pop_front() {
            return Some(fault);
        }
        let mut chance = self.chance.lock().unwrap();
        let (probability, dice) = chance.as_mut()?;
        if !dice.random_bool(*probability) {
            return None;
        }
        let all = [MailFault::LoseAnswer, MailFault::Cut, MailFault::Busy];
        all.get(dice.random_range(0..all.len())).copied()
    }
}

async fn say(line: &mut BufStream<TcpStream>, words: &str) -> Option<()> {
    line.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
    line.flush().await.ok()
}

async fn read_line(line: &mut BufStream<TcpStream>) -> Option<String> {
    let mut text = Vec::new();
    let read = line.read_until(b'\n', &mut text).await.ok()?;
    (read > 0).then(|| String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// Until the line with the single dot; dots that were doubled (RFC 5321, 4.5.2) are undone.
async fn read_mail(line: &mut BufStream<TcpStream>) -> Option<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let mut text = Vec::new();
        if line.read_until(b'\n', &mut text).await.ok()? == 0 {
            return None;
        }
        if text == b".\r\n" {
            return Some(mail);
        }
        mail.extend_from_slice(text.strip_prefix(b".").unwrap_or(&text));
    }
}
