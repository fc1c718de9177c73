//! Every wait and every limit, each with the source of its number.

use std::time::Duration;

use super::file::Table;
use super::values::ByteSize;

/// A table of the file in which each key has a default: its type, how it is read, and what it is when unset.
macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $key:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$about])* pub $key: $type,)* }

        impl Default for $name {
            fn default() -> $name { $name { $($key: $default,)* } }
        }

        impl $name {
            pub(super) fn read(table: &Table<'_>) -> $name {
                let unset = $name::default();
                let read = $name { $($key: table.or(stringify!($key), unset.$key),)* };
                read.check(table);
                table.finish();
                read
            }
        }
    };
}

settings! {
    /// `[timing]`: how long the bridge waits for what. Tests and the demo shorten these and nothing else.
    Timing {
        // Joining what belongs together. Telegram gives no count of an album's members; they arrive within
        // tenths of a second. The other numbers are how people type (field experience of helpdesks).
        /// An album is complete when no member came for so long.
        album_quiet: Duration = secs(1),
        /// An album is taken as complete after so long whatever comes.
        album_most: Duration = secs(8),
        /// A short first message ("Hi") waits so long for the one that says what it is about.
        short_first_wait: Duration = secs(8),
        /// What the same sender adds within this time becomes one reply.
        burst: Duration = secs(2),
        /// Edits within this time become one revision.
        edit_gather: Duration = secs(10),

        // Unknown outcomes.
        /// Only a look that begins so long after an unknown attempt may find that it surely did not happen:
        /// twice the usual 30 s within which servers end a request.
        settle: Duration = secs(60),
        /// A ticket dated so long before the attempt still counts as its possible result.
        clock_skew: Duration = mins(15),
        /// A job that fails by itself holds its lane so long, then is parked.
        held_lane: Duration = mins(15),
        /// After a parked create, later messages wait so long for an admin's decision.
        parked_create_wait: Duration = mins(10),
        /// A Telegram send of unknown outcome is repeated, once, after this.
        telegram_unknown_again: Duration = secs(30),
        /// A mail of unknown outcome is sent again, once, after this: RFC 5321 4.5.3.2.6 has the client wait
        /// 10 minutes for the answer to the final dot.
        smtp_unknown_again: Duration = mins(10),
        /// The first wait after a failed call; doubles from here, with jitter.
        retry_min: Duration = secs(2),
        /// The longest wait between two tries.
        retry_max: Duration = mins(15),

        // What people are told.
        /// A customer in Telegram whose message is not filed yet is told after this.
        waiting_notice: Duration = mins(2),
        /// The same by mail, where such a notice is a nuisance sooner.
        waiting_notice_mail: Duration = hours(4),
        /// A question that we asked is decided for the customer after this.
        ask_timeout: Duration = mins(10),
        /// Admins are told of transient trouble that lasts so long.
        trouble_notice: Duration = mins(3),
        /// Admins are told when intake stood so long: Telegram drops updates after 24 h
        /// (core.telegram.org/bots/api#getting-updates).
        intake_stall_notice: Duration = hours(1),
        /// The same sender is refused by mail for the same reason only once in this time.
        refusal_mail_again: Duration = days(1),
        /// The time over which `limits.auto_mail_per_recipient` counts.
        auto_mail_window: Duration = hours(3),
        /// An address that bounced gets no mail for so long (Zammad's number).
        suppress_bounced: Duration = days(60),
        /// A link code can be used for so long.
        link_code_valid: Duration = hours(1),

        // The state of tickets.
        /// A status read longer ago is read again before a Telegram message goes to its ticket.
        status_fresh: Duration = secs(60),
        /// A ticket silent for so long is asked about before it gets a new message.
        silent_after: Duration = days(7),
        /// An unanswered question about a ticket resolved less than this ago means that ticket.
        resolved_recent: Duration = hours(48),
        /// Tickets with recent activity are looked at so often.
        poll_hot: Duration = secs(15),
        /// Activity within this time makes a ticket hot.
        hot_for: Duration = hours(1),
        /// Warm tickets are looked at so often.
        poll_warm: Duration = mins(2),
        /// Activity within this time makes a ticket warm.
        warm_for: Duration = days(3),
        /// All others are looked at at least so often.
        poll_cold: Duration = mins(30),
        /// After a staff message its ticket is read again after each of these: desks post files after texts.
        files_recheck: Vec<Duration> = vec![secs(15), mins(2), mins(10)],
        /// A call to a ticket API ends after this.
        api_call: Duration = secs(30),

        // Telegram.
        /// How long getUpdates waits on the server. Servers cap it at 50 s.
        telegram_poll: Duration = secs(50),
        /// Any other call ends after this, files excepted.
        telegram_call: Duration = secs(30),
        /// A file may take so long in either direction.
        telegram_file: Duration = mins(5),

        // Mail.
        /// A read or write on an IMAP connection ends after this (chatmail/core, src/net.rs).
        imap_timeout: Duration = secs(60),
        /// IDLE is renewed so often: RFC 2177 says 29 min at most, home routers forget sooner.
        idle_renew: Duration = mins(5),
        /// Servers without IDLE are asked so often; a Maildir, too, beside being watched.
        imap_poll: Duration = secs(60),
        /// The first wait before a reconnect; doubles from here.
        imap_reconnect_min: Duration = secs(2),
        /// The longest wait before a reconnect.
        imap_reconnect_max: Duration = secs(80),
        /// One login in this time, after a burst of `limits.imap_login_burst`: providers lock accounts.
        imap_logins_per: Duration = mins(1),
        /// After UIDVALIDITY changed, mail older than the newest known minus this is skipped and reported.
        uidvalidity_look_back: Duration = hours(48),
        /// A step of an SMTP dialogue ends after this; RFC 5321 4.5.3.2 asks for 5 min.
        smtp_timeout: Duration = mins(5),

        // The process.
        /// On stop, the step in hand may take so long.
        stop_within: Duration = secs(10),
        /// Done jobs and the identities of mails are kept so long, against doubles.
        keep_done: Duration = days(30),
        /// Ids of Telegram updates are kept so long: unconfirmed ones live 24 h there.
        keep_updates: Duration = hours(48),
    }
}

settings! {
    /// `[limits]`: how much the bridge takes in, holds and sends.
    Limits {
        // What comes in.
        /// A larger mail is not fetched whole. Common providers take up to 25 MB, 35 MB in base64.
        mail_bytes: ByteSize = ByteSize::mb(35),
        /// Of a larger mail the header and so much are kept.
        oversize_keep: ByteSize = ByteSize::kib(64),
        /// Parts of one mail; real ones have fewer than a hundred.
        mail_parts: u32 = 1000,
        /// How deep parts of a mail may be nested.
        mail_depth: u32 = 100,
        /// The header of one mail; Postfix's header_size_limit is 100 KiB a line.
        mail_header: ByteSize = ByteSize::kib(256),
        /// A larger file cannot be fetched from Telegram (core.telegram.org/bots/api#getfile); an own Bot API
        /// server takes 2 GB.
        telegram_download: ByteSize = ByteSize::mb(20),

        // What is held.
        /// Bytes of mail that are parsed at one time, all mailboxes together.
        bytes_in_flight: ByteSize = ByteSize::mib(64),
        /// Jobs that are worked on at one time. Messages to one ticket system take an equal share of them at
        /// most: half with one system, a third with two.
        jobs_in_memory: u32 = 64,
        /// When the spool is full, mail stays on its server and updates with Telegram.
        spool_bytes: ByteSize = ByteSize::mb(10_000),

        // What goes out.
        /// Messages a second over all chats (core.telegram.org/bots/faq#broadcasting-to-users).
        telegram_per_second: u32 = 30,
        /// Messages a second in one chat (same page).
        telegram_chat_per_second: u32 = 1,
        /// Messages a minute in one group (same page).
        telegram_group_per_minute: u32 = 20,
        /// A larger file cannot be sent (core.telegram.org/bots/api#sending-files).
        telegram_upload: ByteSize = ByteSize::mb(50),
        /// Automatic mails to one recipient in `timing.auto_mail_window`, against loops.
        auto_mail_per_recipient: u32 = 10,
        /// … and of those with the same subject.
        auto_mail_same_subject: u32 = 2,
        /// Refusals by mail in an hour, all senders together.
        refusal_mails_per_hour: u32 = 60,
        /// Refusals in an hour to one chat that nobody linked.
        unlinked_refusals_per_hour: u32 = 3,
        /// Link codes that one chat may try in an hour.
        link_attempts_per_hour: u32 = 5,
        /// Logins at once after a rest, see `timing.imap_logins_per`.
        imap_login_burst: u32 = 2,
    }
}

impl Timing {
    /// Pairs that only make sense in one order.
    fn check(&self, table: &Table<'_>) {
        let pairs = [
            ("album_quiet", self.album_quiet, "album_most", self.album_most),
            ("retry_min", self.retry_min, "retry_max", self.retry_max),
            ("poll_hot", self.poll_hot, "poll_warm", self.poll_warm),
            ("poll_warm", self.poll_warm, "poll_cold", self.poll_cold),
            ("hot_for", self.hot_for, "warm_for", self.warm_for),
            ("imap_reconnect_min", self.imap_reconnect_min, "imap_reconnect_max", self.imap_reconnect_max),
        ];
        for (shorter, short, longer, long) in pairs {
            if short > long {
                table.wrong(shorter, format!("{short:?} is longer than {longer}, which is {long:?}"));
            }
        }
    }
}

impl Limits {
    fn check(&self, table: &Table<'_>) {
        if self.mail_bytes > self.spool_bytes {
            table.wrong("spool_bytes", "is smaller than mail_bytes: the largest mail would never fit");
        }
    }
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn mins(n: u64) -> Duration {
    secs(n * 60)
}

const fn hours(n: u64) -> Duration {
    mins(n * 60)
}

const fn days(n: u64) -> Duration {
    hours(n * 24)
}
