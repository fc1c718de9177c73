//! What each word of the bridge means: plain data and pure rules, no I/O.
//!
//! | word | meaning |
//! |---|---|
//! | account | a customer account at one ticket API: [`account::Account`] |
//! | link | the proof that a chat or an address belongs to an account: [`account::Link`], [`account::LinkCode`] |
//! | mailbox | one inbound folder with the SMTP identity that answers for it: [`ids::MailboxName`] |
//! | conversation | the mapping between one ticket and one place: [`conversation::Conversation`] |
//! | place | where in a channel a conversation lives: [`place::Place`] |
//! | cursor | how far a source has been read: [`cursor::Cursor`] |
//! | inbound | a normalized customer message: [`inbound::Inbound`] |
//! | staff message | an answer from the desk: [`staff_message::StaffMessage`] |
//! | attachment | a file and where its bytes lie: [`attachment::Attachment`] |
//! | job, step, lane | a durable piece of work, its parts, its queue: [`job::Job`], [`job::StepRecord`], [`job::Lane`] |
//! | delivery | something on its way to a place: [`delivery::Delivery`] |
//! | formatted | a text with its entities: [`formatted::Formatted`] |
//! | button | what a person may press under a message, signed: [`button::Action`] |
//! | marker | the word that lets us find our own text again: [`marker::Marker`] |
//! | thread token | the signed word that names a conversation in a mail: [`thread_token::ThreadToken`] |
//! | sealed | an account's key as it is stored: [`sealed::Sealed`], [`sealed::SealingKey`] |
//! | instance secret | what signs all of these: [`secret::InstanceSecret`] |

pub mod account;
pub mod attachment;
pub mod button;
pub mod conversation;
pub mod cursor;
pub mod delivery;
pub mod formatted;
pub mod ids;
pub mod inbound;
pub mod job;
pub mod marker;
pub mod place;
pub mod sealed;
pub mod secret;
pub mod staff_message;
pub mod thread_token;
