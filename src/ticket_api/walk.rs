//! A walk through all pages of an account's tickets that ends, whatever the server does with page numbers.

use super::{Access, ApiError, PageMark, Scope, TicketApi, TicketLine};
use crate::model::ids::TicketId;

/// One walk. An API that says neither how many pages there are nor heeds their number shows the same page
/// again and again: that is the end, too.
pub struct Walk {
    scope: Scope,
    next: Option<PageMark>,
    pages: u32,
    most: u32,
    ended: bool,
    previous: Vec<TicketId>,
}

impl Walk {
    /// At most `most` pages; more are an error, as half a look is none.
    pub fn new(scope: Scope, most: u32) -> Self {
        Self { scope, next: None, pages: 0, most, ended: false, previous: Vec::new() }
    }

    /// The next page's lines; `None` after the last.
    pub async fn next(
        &mut self,
        api: &dyn TicketApi,
        account: &Access,
    ) -> Result<Option<Vec<TicketLine>>, ApiError> {
        if self.ended {
            return Ok(None);
        }
        if self.pages >= self.most {
            let reason = format!("the account has more than {} pages of tickets", self.most);
            return Err(ApiError::Retry { after: None, reason });
        }
        let page = api.tickets(account, self.scope, self.next.as_ref()).await?;
        self.pages = self.pages.saturating_add(1);
        let ids: Vec<TicketId> = page.tickets.iter().map(|line| line.ticket.clone()).collect();
        if ids.is_empty() || ids == self.previous {
            self.ended = true;
            return Ok(None);
        }
        self.ended = page.next.is_none();
        self.next = page.next;
        self.previous = ids;
        Ok(Some(page.tickets))
    }
}
