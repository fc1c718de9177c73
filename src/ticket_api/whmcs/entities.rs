//! Takes back what PHP's `htmlspecialchars` made of a text (<https://www.php.net/htmlspecialchars>).

use std::borrow::Cow;

/// The longest entity that is looked for, without its `&`: `#1114111;`.
const LONGEST: usize = 9;

/// The text with `&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;`, `&nbsp;` and numbers turned back, once. What is
/// no such entity stays as it is.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('&');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let entity = part.split_once(';').filter(|(name, _)| name.len() < LONGEST);
        match entity.and_then(|(name, rest)| Some((meaning(name)?, rest))) {
            Some((meant, rest)) => {
                plain.push(meant);
                plain.push_str(rest);
            }
            None => {
                plain.push('&');
                plain.push_str(part);
            }
        }
    }
    Cow::Owned(plain)
}

fn meaning(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => return number(name.strip_prefix('#')?),
    })
}

fn number(digits: &str) -> Option<char> {
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    char::from_u32(number.ok()?).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_php_escaped_is_read_once_and_the_rest_is_left() {
        for (escaped, plain) in [
            ("a &lt;b&gt; &amp; &quot;c&quot; it&#039;s", "a <b> & \"c\" it's"),
            ("&amp;lt;", "&lt;"),
            ("&#39;&#x27;&apos;", "'''"),
            ("Q&A; R&D &unknown; &", "Q&A; R&D &unknown; &"),
            ("a && b; &#0; &#xD800;", "a && b; &#0; &#xD800;"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(unescape(escaped), plain);
        }
    }
}
