//! A staff file's bytes, streamed from the ticket system that keeps them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;

use crate::{
    bridge::{
        context::Bridge,
        steps::{self, Interrupted},
    },
    channel::OutgoingFile,
    model::{
        attachment::{Attachment, Whereabouts},
        conversation::Conversation,
    },
    runtime::{byte_stream, clock::Timestamp},
    store::StoreError,
};

/// A file on its way from the ticket system to a channel.
pub(super) struct Fetched {
    pub(super) file: OutgoingFile,
    pub(super) broke: Broke,
}

/// Whether the source broke off, so that a failed send is not held against the channel.
#[derive(Clone, Default)]
pub(super) struct Broke(Arc<AtomicBool>);

impl Broke {
    pub(super) fn off(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a file cannot be had now.
pub(super) enum FetchError {
    Again { after: Option<Duration>, why: String, outage: bool },
    Outage { until: Timestamp },
    Never(String),
    Store(StoreError),
}

/// Whether the ticket system gives out files at all; else they are named, with the way to the panel.
pub(super) fn can_be_had(bridge: &Bridge, conversation: &Conversation) -> bool {
    bridge.apis.get(&conversation.api).is_none_or(|api| api.port.capabilities().download)
}

pub(super) async fn fetch(
    bridge: &Bridge,
    conversation: Option<&Conversation>,
    file: &Attachment,
) -> Result<Fetched, FetchError> {
    let gone = |why: &str| FetchError::Never(why.to_owned());
    let Some(conversation) = conversation else { return Err(gone("its conversation is missing")) };
    let Whereabouts::Ticket { api, account, ticket, attachment } = &file.at else {
        return Err(gone("it is not at the ticket system"));
    };
    let Some(api) = bridge.apis.get(api) else { return Err(gone("its ticket system is not configured")) };
    let account = bridge.store.account(account).map_err(FetchError::Store)?;
    let Some(account) = account else { return Err(gone("its account is not configured any more")) };
    let access = bridge.access(&account);
    let download = api.port.download(&access, ticket, attachment);
    let content = steps::read(bridge, conversation, download)
        .await
        .map_err(|interrupted| failed(bridge, conversation, interrupted))?;
    // A page of a firewall with status 200, or nothing at all, must not go out as the file.
    let content = match file.size {
        Some(size) => byte_stream::exactly(size, content),
        None => content,
    };
    let broke = Broke::default();
    let seen = broke.clone();
    let content = content.inspect(move |chunk| {
        if chunk.is_err() {
            seen.0.store(true, Ordering::Relaxed);
        }
    });
    let file = OutgoingFile {
        name: file.name.clone(),
        mime: file.mime.clone(),
        size: file.size,
        content: content.boxed(),
    };
    Ok(Fetched { file, broke })
}

fn failed(bridge: &Bridge, conversation: &Conversation, interrupted: Interrupted) -> FetchError {
    let outage = bridge.circuits.is_open(&conversation.api, &conversation.account);
    match interrupted {
        Interrupted::Again { after, why } => FetchError::Again { after, why, outage },
        Interrupted::Look { why, .. } => FetchError::Again { after: None, why, outage },
        Interrupted::Outage { until } => FetchError::Outage { until },
        Interrupted::CannotKnow { why } | Interrupted::Refused(why) => FetchError::Never(why),
        Interrupted::Locked => FetchError::Never("the ticket is closed".to_owned()),
        Interrupted::NotFound => FetchError::Never("it is no longer at the ticket system".to_owned()),
        Interrupted::Unsupported(what) => {
            FetchError::Never(format!("the ticket system has no way of {what}"))
        }
        Interrupted::Store(error) => FetchError::Store(error),
    }
}
