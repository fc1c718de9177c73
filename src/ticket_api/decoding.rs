//! Reads JSON as ticket systems write it: a string for a number, an object for a list of one, null for nothing.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::runtime::Timestamp;

/// The first of these keys that holds something.
pub fn first<'a>(object: &'a Value, keys: &[impl AsRef<str>]) -> Option<&'a Value> {
    keys.iter().filter_map(|key| object.get(key.as_ref())).find(|value| !value.is_null())
}

/// An id: a number or a word.
pub fn id(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// A text, with `\n` as its line ends.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace("\r\n", "\n")),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A boolean, also as 0 and 1 or as a word.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The items of a list; an object that stands for a list of one is that one, and nothing is an empty list.
pub fn list(value: Option<&Value>) -> Vec<&Value> {
    let is_item = |item: &&Value| match item {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    match value {
        Some(Value::Array(items)) => items.iter().filter(is_item).collect(),
        Some(object @ Value::Object(_)) => Some(object).filter(is_item).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// An object, also as a list of one.
pub fn one(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(_) => Some(value),
        Value::Array(items) => items.first().filter(|item| item.is_object()),
        _ => None,
    }
}

/// A point in time: ISO 8601, or Unix seconds. One without an offset is read in `zone`, if there is one.
/// Times before 1970 are placeholders for “never” (.NET writes year 1).
pub fn time(value: &Value, zone: Option<&TimeZone>) -> Option<Timestamp> {
    let time = match value {
        Value::Number(number) => Timestamp::from_secs(number.as_i64()?),
        Value::String(text) => {
            let text = text.trim();
            let absolute = text.parse::<jiff::Timestamp>().ok();
            let local = || text.parse::<DateTime>().ok()?.to_zoned(zone?.clone()).ok();
            absolute.or_else(|| local().map(|zoned| zoned.timestamp()))?.into()
        }
        _ => return None,
    };
    Some(time).filter(|time| *time > Timestamp::EPOCH)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_come_in_any_dress() {
        assert_eq!(id(&json!(7)), Some("7".to_owned()));
        assert_eq!(id(&json!(" tkt_7 ")), Some("tkt_7".to_owned()));
        assert_eq!([id(&json!("")), id(&json!(null)), id(&json!({}))], [None, None, None]);
        assert_eq!(
            [integer(&json!("3")), integer(&json!(3)), integer(&json!("Open"))],
            [Some(3), Some(3), None]
        );
        for yes in [json!(true), json!(1), json!("True"), json!("1")] {
            assert_eq!(flag(&yes), Some(true), "{yes}");
        }
        assert_eq!([flag(&json!(0)), flag(&json!(null)), flag(&json!("x"))], [Some(false), None, None]);
        assert_eq!(text(&json!("a\r\nb\n")), Some("a\nb\n".to_owned()));
    }

    #[test]
    fn lists_may_be_missing_single_or_hold_nothing() {
        for none in [json!(null), json!(""), json!([]), json!({}), json!([[]]), json!([null])] {
            assert!(list(Some(&none)).is_empty(), "{none}");
        }
        assert!(list(None).is_empty());
        assert_eq!(list(Some(&json!({"id": 1}))), [&json!({"id": 1})]);
        assert_eq!(list(Some(&json!([{"id": 1}, {"id": 2}]))).len(), 2);
        assert_eq!(one(&json!([{"id": 1}])), Some(&json!({"id": 1})));
        assert_eq!(one(&json!(1)), None);
    }

    #[test]
    fn the_first_key_with_something_in_it_counts() {
        let object = json!({"b": null, "c": 3, "d": 4});
        assert_eq!(first(&object, &["a", "b", "c", "d"]), Some(&json!(3)));
        assert_eq!(first(&object, &["a"]), None);
    }

    #[test]
    fn times_with_and_without_an_offset() {
        let noon = Some(Timestamp::from_millis(1_769_860_800_500));
        let zone = TimeZone::UTC;
        let utc = Some(&zone);
        for text in ["2026-01-31T12:00:00.5Z", "2026-01-31T14:00:00.5000000+02:00"] {
            assert_eq!(time(&json!(text), None), noon, "{text}");
        }
        for text in ["2026-01-31T12:00:00.5", "2026-01-31 12:00:00.5000000"] {
            assert_eq!(time(&json!(text), utc), noon, "{text}");
            assert_eq!(time(&json!(text), None), None, "{text}");
        }
        assert_eq!(time(&json!("0001-01-01T00:00:00"), utc), None);
        assert_eq!(time(&json!(1_769_860_800), None), Some(Timestamp::from_secs(1_769_860_800)));
        assert_eq!(time(&json!("soon"), utc), None);
    }
}
