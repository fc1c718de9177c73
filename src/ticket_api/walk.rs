//! A walk through all pages of an account's tickets that ends, whatever the server does with page numbers.

use super::{Access, ApiError, TicketApi, TicketLine};
use crate::model::ids::TicketId;

/// One walk. An API that says neither how many pages there are nor heeds their number shows the same page
/// again and again: that is the end, too.
pub struct Walk {
    next: u32,
    most: u32,
    previous: Vec<TicketId>,
}

impl Walk {
    /// At most `most` pages; more are an error, as half a look is none.
    pub fn new(most: u32) -> Self {
        Self { next: 1, most, previous: Vec::new() }
    }

    /// The next page's lines; `None` after the last.
    pub async fn next(
        &mut self,
        api: &dyn TicketApi,
        account: &Access,
    ) -> Result<Option<Vec<TicketLine>>, ApiError> {
        if self.next == 0 {
            return Ok(None);
        }
        if self.next > self.most {
            let reason = format!("the account has more than {} pages of tickets", self.most);
            return Err(ApiError::Retry { after: None, reason });
        }
        let page = api.tickets(account, self.next).await?;
        let ids: Vec<TicketId> = page.tickets.iter().map(|line| line.ticket.clone()).collect();
        if ids.is_empty() || ids == self.previous {
            self.next = 0;
            return Ok(None);
        }
        self.next = if page.last { 0 } else { self.next.saturating_add(1) };
        self.previous = ids;
        Ok(Some(page.tickets))
    }
}
