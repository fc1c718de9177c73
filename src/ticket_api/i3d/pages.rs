//! Lists of tickets in parts: by numbers in a request header, or by a token where the server gives one.

use crate::ticket_api::PageMark;

/// The results that a list gives unasked, hence surely gives.
const SURE_RESULTS: usize = 25;

/// Where a list goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Start(usize),
    Token(String),
}

impl Place {
    pub(super) fn of(mark: Option<&PageMark>) -> Self {
        let mark = mark.map_or("", |mark| mark.0.as_str());
        match mark.strip_prefix("token:") {
            Some(token) => Self::Token(token.to_owned()),
            None => Self::Start(mark.parse().unwrap_or(0)),
        }
    }

    /// A token tells; else fewer results than were asked for are the last ones. A server may give fewer than
    /// asked for, but surely as many as it gives unasked.
    pub(super) fn next(&self, rows: usize, page_size: u32, token: Option<&str>) -> Option<PageMark> {
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        let sure = usize::try_from(page_size).unwrap_or(SURE_RESULTS).min(SURE_RESULTS);
        match (self, token) {
            _ if rows == 0 => None,
            (_, Some(token)) => Some(PageMark(format!("token:{token}"))),
            (Self::Start(start), None) if rows >= sure => Some(PageMark((start + rows).to_string())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_fewer_results_than_asked_for_or_none() {
        let mark = |text: &str| Some(PageMark(text.to_owned()));
        let next = |from: &str, rows, size, token| Place::of(mark(from).as_ref()).next(rows, size, token);
        assert_eq!(Place::of(None), Place::Start(0));
        assert_eq!(next("25", 25, 25, None), mark("50"));
        assert_eq!([next("25", 24, 25, None), next("25", 0, 25, Some("x"))], [None, None]);
        assert_eq!(
            next("0", 30, 100, None),
            mark("30"),
            "the server may give fewer than 100, but not than 25"
        );
        assert_eq!(next("0", 24, 100, None), None);
        assert_eq!(next("6", 3, 3, None), mark("9"));
    }

    #[test]
    fn a_token_of_the_server_goes_before_numbers() {
        let first = Place::of(None).next(2, 25, Some(" abc ")).unwrap();
        assert_eq!(Place::of(Some(&first)), Place::Token("abc".to_owned()));
        assert_eq!(Place::of(Some(&first)).next(25, 25, None), None);
    }
}
