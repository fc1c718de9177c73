//! What a request is made of: the account's key, its header, the address, and ids that may stand in a path.

use reqwest::header::HeaderValue;
use url::Url;

use super::common::Common;
use super::{Access, ApiError};
use crate::runtime::Secret;

/// The key that calls for this account bear: its own, else the API's.
pub fn key<'a>(common: &'a Common, account: &'a Access) -> Result<&'a Secret, ApiError> {
    let key = account.key.as_ref().or(common.key.as_ref());
    key.ok_or_else(|| ApiError::Unauthorized("no key is configured".to_owned()))
}

/// A header's value that holds a key, and is never shown.
pub fn secret_value(text: &str) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| ApiError::Unauthorized("the key holds what no header can".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `base_url` with a path that begins with a slash.
pub fn address(common: &Common, path: &str) -> Url {
    let mut url = common.base_url.clone();
    let path = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// An id of letters, digits, `-` and `_`: any other might lead to another path.
pub fn plain_id(id: &str) -> Result<&str, ApiError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !id.is_empty() && id.bytes().all(plain) { Ok(id) } else { Err(no_such_id(id)) }
}

/// What an id means that this ticket system cannot have given.
pub fn no_such_id(id: &str) -> ApiError {
    ApiError::NotFound(format!("no id of this ticket system: {id:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::ApiName;

    #[test]
    fn paths_are_appended_and_ids_stay_within_them() {
        for base in ["https://desk.example/api/v2", "https://desk.example/api/v2/"] {
            let common = Common::new(ApiName::new("desk"), base.parse().unwrap());
            assert_eq!(address(&common, "/tickets").as_str(), "https://desk.example/api/v2/tickets");
        }
        assert!(["7", "tkt_7-a"].into_iter().all(|id| plain_id(id).is_ok()));
        for id in ["", "..", "../7", "7/close", "7?x=1", "7#", "%2e%2e", "é"] {
            assert!(matches!(plain_id(id), Err(ApiError::NotFound(_))), "{id}");
        }
    }

    #[test]
    fn an_own_key_goes_before_the_common_one_and_none_is_shown() {
        let mut common = Common::new(ApiName::new("desk"), "https://desk.example".parse().unwrap());
        let mut account = Access { remote: "1".to_owned(), key: None };
        assert!(matches!(key(&common, &account), Err(ApiError::Unauthorized(_))));
        common.key = Some(Secret::new("common"));
        assert_eq!(key(&common, &account).unwrap().expose(), "common");
        account.key = Some(Secret::new("own"));
        assert_eq!(key(&common, &account).unwrap().expose(), "own");
        assert!(!format!("{:?}", secret_value("own").unwrap()).contains("own"));
        assert!(matches!(secret_value("o\nwn"), Err(ApiError::Unauthorized(_))));
    }
}
