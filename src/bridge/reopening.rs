//! A closed ticket is opened again before its reply, or known to stay closed.

use crate::{
    bridge::{
        filing::Work,
        steps::{self, Interrupted, Standing},
        uploads,
    },
    model::{
        ids::TicketId,
        job::{Remote, Step},
    },
    store::Claim,
};

impl Work<'_> {
    /// Whether the ticket is open again. Opening it twice does no harm, so that an unknown outcome is
    /// simply called again.
    pub(super) async fn reopen(&self, claim: &mut Claim, ticket: &TicketId) -> Result<bool, Interrupted> {
        if let Standing::Done(_) = steps::standing(self.bridge, claim, &Step::Reopen) {
            return Ok(true);
        }
        let Some(api) = self.bridge.apis.get(&self.conversation.api) else { return Ok(true) };
        let call = api.port.reopen(&self.access, ticket);
        let made = |()| (Remote::Nothing, Vec::new());
        match steps::call_again(self.bridge, claim, &self.conversation, Step::Reopen, call, made).await {
            Err(Interrupted::Locked) => {
                self.keep_closed(claim).await?;
                Ok(false)
            }
            done => done.map(|_| true),
        }
    }

    /// It would not be opened, or was locked all the same: from now on another ticket is the only way.
    pub(super) async fn keep_closed(&self, claim: &mut Claim) -> Result<(), Interrupted> {
        uploads::skip(self.bridge, claim, Step::Reopen, "it stays closed".to_owned()).await.map(|_| ())
    }

    pub(super) fn stays_closed(&self, claim: &Claim) -> bool {
        let standing = steps::standing(self.bridge, claim, &Step::Reopen);
        matches!(standing, Standing::Done(Remote::Skipped(why)) if why != Remote::IT_IS_THERE)
    }

    pub(super) fn was_opened(claim: &Claim) -> bool {
        claim.steps.iter().any(|record| record.step == Step::Reopen)
    }
}
