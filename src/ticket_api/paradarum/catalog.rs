//! The properties that a ticket may be about.

use reqwest::Method;

use super::{About, Call, Paradarum, is_last, wire};
use crate::ticket_api::{Access, ApiError};

impl Paradarum {
    pub(super) async fn properties(&self, account: &Access) -> Result<Vec<(String, String)>, ApiError> {
        let mut properties: Vec<(String, String)> = Vec::new();
        for page in 1..=self.common.max_pages {
            let request = self.request(Method::GET, &self.settings.properties_path, account)?;
            let asked = self.ask(Call::Read, About::Ticket, self.paged(request, page)).await;
            let list = match asked {
                Ok((list, _)) => list,
                // The account has none, or this API has no such list: tickets do without.
                Err(ApiError::NotFound(_)) => break,
                Err(error) => return Err(error),
            };
            let rows: Vec<_> =
                list.rows().unwrap_or_default().into_iter().filter_map(wire::property).collect();
            let before = properties.len();
            let last = is_last(&list, page, rows.len());
            for row in rows {
                if !properties.contains(&row) {
                    properties.push(row);
                }
            }
            if last || properties.len() == before {
                break;
            }
        }
        Ok(properties)
    }
}
