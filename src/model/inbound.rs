//! What reaches us from a channel, in our words.

use serde::{Deserialize, Serialize};

use super::{
    attachment::Attachment,
    ids::{BlobId, BotId, ChatId, ChatMessageId, MailAddress, MailId, MailboxName, UserId},
    place::Place,
    thread_token::FoundToken,
};
use crate::runtime::clock::Timestamp;

/// One thing that a person (or a robot) did at one place of a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// What makes it the same item when it is seen again.
    pub identity: Identity,
    /// When its sender sent it, by the channel's word.
    pub sent: Timestamp,
    pub sender: Sender,
    pub origin: Origin,
    pub what: What,
}

/// What makes an inbound the same item when it is seen again. The marker is
/// made of `key`, so it must come from the item alone, never from our state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Names the message: for Telegram bot/chat/message (an album: bot/chat/media group,
    /// an edit: with its edit date); for a mail the hash of design §5.
    pub key: String,
    /// Further keys by which a second delivery of the same item is known:
    /// Telegram's update id (48 h only), a mail's mailbox/UIDVALIDITY/UID.
    pub also: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// As the person calls themselves; never trusted for anything.
    pub name: String,
    /// Telegram `@username`, or the mail address.
    pub handle: Option<String>,
    /// BCP 47, where the channel tells.
    pub language: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Origin {
    Chat(ChatOrigin),
    Mail(Box<MailOrigin>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatOrigin {
    pub bot: BotId,
    pub chat: ChatId,
    pub message: ChatMessageId,
    /// A forum topic, in groups that have them.
    pub topic: Option<ChatMessageId>,
    pub user: UserId,
    /// Whether the chat is one person's with the bot.
    pub private: bool,
    pub media_group: Option<String>,
    pub forwarded: bool,
    pub reply_to: Option<ChatMessageId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MailOrigin {
    pub mailbox: MailboxName,
    /// The mail's own, or one that we made from its identity where it had none.
    pub message_id: MailId,
    /// In-Reply-To and References, nearest first, at most ten.
    pub refers_to: Vec<MailId>,
    pub from: MailAddress,
    pub to: Vec<MailAddress>,
    pub cc: Vec<MailAddress>,
    pub subject: String,
    pub verdict: Verdict,
    /// Why no automatic mail may answer it, if it is a robot's.
    pub automatic: Option<Automatic>,
    /// Words of a thread token's form found in headers, addresses and the quote; to be verified.
    pub tokens: Vec<FoundToken>,
    /// Flagged as spam by the server that we trust.
    pub spam: bool,
    /// The whole mail in the spool.
    pub raw: BlobId,
}

/// What the From address is worth, by the servers that we trust (design §7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// SPF, DKIM or DMARC passed and is aligned with the From domain.
    Pass,
    /// Checked, and none passed.
    Fail(String),
    /// No header of a trusted server.
    None,
}

/// RFC 3834 and its relatives: what kind of robot wrote a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Automatic {
    /// Auto-Submitted, X-Auto-Response-Suppress, out of office …
    Reply,
    /// A delivery status notification or its like.
    Bounce,
    /// A mailing list or newsletter.
    List,
    /// A mail that this bridge sent itself.
    Ours,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    Message(Message),
    /// The new content of a message sent before.
    Edit(Message),
    /// `/name argument`
    Command {
        name: String,
        argument: String,
    },
    /// A pressed button: the signed data it carried and the message it stood under.
    Button {
        data: String,
        callback: String,
        under: ChatMessageId,
    },
    /// A group became a supergroup.
    ChatMoved {
        to: ChatId,
    },
    /// The person blocked the bot, or it was removed from the group.
    BotRemoved,
    /// The person started the bot again, or it was added to a group.
    BotAdded,
    /// A delivery failed: which of our mails, and whether for good.
    Bounced {
        mail: Option<MailId>,
        recipient: Option<MailAddress>,
        permanent: bool,
        reason: String,
    },
    /// An item that cannot be read: why, and where its raw copy lies.
    Unreadable {
        reason: String,
        raw: Option<BlobId>,
    },
    /// Nothing for us; accepted only so that the cursor moves past it.
    Ignored {
        reason: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What is new in it, as plain text.
    pub text: String,
    /// What was trimmed as quote and signature; kept, never filed twice.
    pub quoted: Option<String>,
    pub files: Vec<Attachment>,
    /// Parts that cannot be passed on, each told to the customer and the staff.
    pub left_out: Vec<LeftOut>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// File name, or the kind of content ("a poll").
    pub name: String,
    pub size: Option<u64>,
    pub why: LeftOutWhy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeftOutWhy {
    /// Larger than `limit` bytes, by Telegram's, the mail's or the ticket API's rule.
    TooLarge { limit: u64 },
    /// The ticket system refused it, with its words.
    Refused(String),
    /// Gone at its source.
    NotAvailable,
    /// A kind of content that has no form in a ticket.
    Unsupported,
}

impl Inbound {
    pub fn place(&self) -> Place {
        match &self.origin {
            Origin::Chat(chat) => Place::Chat { bot: chat.bot, chat: chat.chat },
            Origin::Mail(mail) => Place::Mail { mailbox: mail.mailbox.clone(), address: mail.from.clone() },
        }
    }

    pub fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Message(message) | What::Edit(message) => Some(message),
            _ => None,
        }
    }
}
