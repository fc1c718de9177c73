//! Which language to answer in, of those that have templates.

/// The best of `available` for what a client asks: a BCP-47 tag (Telegram's `language_code`, a mail's
/// Content-Language) or a list with weights (`de-AT, de;q=0.9, en;q=0.5`, RFC 9110 §12.5.4). A tag
/// that is not available is shortened from its end (RFC 4647 §3.4, lookup); then `default` is taken.
pub fn choose<'a>(wanted: Option<&str>, available: &[&'a str], default: &'a str) -> &'a str {
    let mut wanted = ranges(wanted.unwrap_or_default());
    // Stable, so that equal weights keep the order in which they were asked.
    wanted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    wanted.iter().find_map(|(tag, _)| lookup(tag, available)).unwrap_or(default)
}

/// Ranges of a list that are read; the rest is noise.
const MAX_RANGES: usize = 16;

fn ranges(list: &str) -> Vec<(&str, f32)> {
    let ranges = list.split(',').take(MAX_RANGES).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().filter(|tag| !tag.is_empty())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        weight.ok().filter(|weight| *weight > 0.0).map(|weight| (tag, weight))
    });
    ranges.collect()
}

fn lookup<'a>(tag: &str, available: &[&'a str]) -> Option<&'a str> {
    let tag = tag.replace('_', "-");
    let mut tag = tag.as_str();
    loop {
        let same = |known: &&&str| known.replace('_', "-").eq_ignore_ascii_case(tag);
        if let Some(known) = available.iter().find(same) {
            return Some(known);
        }
        tag = tag.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_available_language_is_taken() {
        let available = ["en", "de", "pt-BR", "zh-Hant"];
        for (wanted, expected) in [
            (Some("de-AT"), "de"),
            (Some("DE"), "de"),
            (Some("pt_br"), "pt-BR"),
            (Some("pt"), "en"),
            (Some("zh-Hant-TW"), "zh-Hant"),
            (Some("fr, de;q=0.5, en;q=0.7"), "en"),
            (Some("fr;q=1, de"), "de"),
            (Some("de;q=0"), "en"),
            (Some("*"), "en"),
            (Some(" ,;q=, de;q=x"), "en"),
            (None, "en"),
        ] {
            assert_eq!(choose(wanted, &available, "en"), expected, "{wanted:?}");
        }
    }
}
