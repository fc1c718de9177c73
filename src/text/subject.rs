//! Subjects: without the prefixes of replies, with or without a ticket's number, made from a text, cut to fit.

use std::sync::LazyLock;

use regex::Regex;

/// Characters of a subject made from a text.
const MAX_SUBJECT_CHARS: usize = 80;
/// Lines of a text that are looked at for a subject.
const MAX_LINES: usize = 50;

/// `subject` without reply and forward prefixes in the languages of the usual programs and without
/// ticket numbers like `[#789]`; blank if nothing else stood there.
pub fn strip_prefixes(subject: &str) -> String {
    let without_number = NUMBER.replace_all(subject, " ");
    let mut rest = without_number.trim();
    while let Some(found) = PREFIX.find(rest) {
        rest = rest.get(found.end()..).unwrap_or_default().trim_start();
    }
    one_line(rest)
}

/// Whether the subject says that a mail was passed on, whose quote is then what it is about.
pub fn is_forward(subject: &str) -> bool {
    FORWARD.is_match(subject)
}

/// The number in the last `[#789]`; a hint only, since anyone can write it.
pub fn ticket_number_in(subject: &str) -> Option<String> {
    NUMBER
        .captures_iter(subject)
        .last()
        .and_then(|found| found.get(1))
        .map(|number| number.as_str().to_owned())
}

/// A new ticket's subject: the first meaningful line without its greeting, cut at a word to 80 characters;
/// with files only, their kind (`Photo`, `2 files: a.pdf, …`) and the sender.
///
/// `files` are names or kinds as a person would read them.
pub fn subject_from_text(text: &str, files: &[&str], sender: &str) -> String {
    let mut greeting_only = None;
    for line in text.lines().take(MAX_LINES) {
        let line = one_line(line);
        let line = line.trim_start_matches(['>', '*', '#', '-', '•', ' ']);
        let meaning = GREETING.replace(line, "");
        let meaning = meaning.trim_start_matches([',', '!', '.', ' ', ':', '-', '–', '—']).trim();
        if meaning.chars().any(char::is_alphanumeric) {
            return cut_at_word(&capitalized(meaning), MAX_SUBJECT_CHARS);
        }
        if greeting_only.is_none() && line.chars().any(char::is_alphanumeric) {
            greeting_only = Some(cut_at_word(line, MAX_SUBJECT_CHARS));
        }
    }
    let from = |what: String| cut_at_word(&one_line(&format!("{what} from {sender}")), MAX_SUBJECT_CHARS);
    match (files, greeting_only) {
        ([], Some(greeting)) => greeting,
        ([], None) => from("Message".to_owned()),
        ([one], _) => from(capitalized(one)),
        ([first, ..], _) => from(format!("{} files: {}, …", files.len(), cut_at_word(&one_line(first), 30))),
    }
}

/// `subject` in one line of at most `max_utf16` UTF-16 units, cut with an ellipsis.
pub fn single_line(subject: &str, max_utf16: usize) -> String {
    let line = one_line(subject);
    if line.chars().map(char::len_utf16).sum::<usize>() <= max_utf16 {
        return line;
    }
    let mut units = 0;
    let kept = line.chars().take_while(|c| {
        units += c.len_utf16();
        units < max_utf16
    });
    let mut kept: String = kept.collect::<String>().trim_end().to_owned();
    if max_utf16 > 0 {
        kept.push('…');
    }
    kept
}

fn one_line(text: &str) -> String {
    // Control characters and direction overrides could fake the rest of a line or a header.
    let plain =
        text.chars().map(|c| if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) { ' ' } else { c });
    plain.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    // An address or a command must stay as it was written.
    let word = text.split_whitespace().next().unwrap_or_default();
    match chars.next() {
        Some(first) if word.chars().all(char::is_alphabetic) => first.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// At most `max` characters, cut after a word where there is one in the second half, with an ellipsis.
fn cut_at_word(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let head: String = text.chars().take(max.saturating_sub(1)).collect();
    let next_is_space = text.chars().nth(max.saturating_sub(1)).is_some_and(char::is_whitespace);
    let cut = match head.rsplit_once(' ') {
        Some((words, _)) if !next_is_space && words.chars().count() >= max / 2 => words,
        _ => &head,
    };
    format!("{}…", cut.trim_end_matches([' ', ',', ';', ':', '-', '.']))
}

#[expect(clippy::expect_used, reason = "constants; each test uses them")]
fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("a valid pattern")
}

const FORWARD_WORDS: &str =
    "fwd?|fw|wg|tr|rv|enc|i|vs|vl|doorst|vb|pd|пересл|ilt|továbbítás|转发|轉寄|転送|전달";
const REPLY_WORDS: &str = "re|aw|antw(?:ort)?|antwort|rép?|ref|sv|vs|res|rif|r|odp|ynt|atb|ad|na|bls|hv|отв?|на|vá|回复|回覆|答复|返信|답장|automatic reply";

static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[#\s?([A-Za-z0-9-]{1,32})\]"));

/// `Re:`, `AW :`, `Re[2]:`, `RE (2):`, `回复：`.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"(?i)^(?:{REPLY_WORDS}|{FORWARD_WORDS})\s?(?:[\[(]\d{{1,3}}[\])])?\s?[:：]\s*"))
});

/// Letters that also mean “reply” (Swedish and Finnish VS) don't count.
static FORWARD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^\s*(?:fwd?|fw|wg|tr|rv|enc|vb|doorst|пересл|ilt|转发|轉寄|転送)\s?[:：]")
});

static GREETING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^(?:(?:hi|hello|hey|hiya|dear|good (?:morning|afternoon|evening|day)|greetings|hallo|hej|hei|moin|servus|",
        r"grüß gott|guten (?:tag|morgen|abend)|sehr geehrte(?:r|s)?|liebe(?:r|s)?|bonjour|bonsoir|salut|cher|chère|",
        r"hola|buen(?:os|as)? (?:días|dias|tardes|noches)|estimad[oa]s?|ciao|buongiorno|buonasera|salve|gentile|",
        r"goede(?:n)?(?:morgen|middag|avond|dag)|beste|geachte|olá|oi|bom dia|boa (?:tarde|noite)|prezad[oa]s?|",
        r"cześć|dzień dobry|witam|szanown[ia] państwo|ahoj|dobrý den|привет|здравствуйте|добрый (?:день|вечер)|",
        r"доброе утро|вітаю|добрий день|merhaba|selam|iyi günler|sayın|god (?:dag|morgon|kväll)|kära|kære|",
        r"hyvää päivää|terve|szia|jó napot|bună(?: ziua)?|γεια σας|你好|您好|こんにちは|안녕하세요)\b",
        // The name after it ends with a comma, an exclamation mark or the line; without one only known words go.
        r"(?:\s+(?:there|all|team|everyone|support|sir|madam|or|and|sirs|zusammen|damen|und|herren|leute|",
        r"à tous|madame|monsieur|messieurs|equipo|allemaal|todos))*",
        r"(?:(?:\s+(?-i:\p{Lu})[^\s,!.?:]{0,20}){0,4}\s*[,!]|\s+[^\s,!.?:]{1,20}\s*[,!]|",
        r"(?:\s+(?-i:\p{Lu})[^\s,!.?:]{0,20}){1,3}\s*$|\s*[.:]?)\s*)+"
    ))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_numbers_go() {
        for (subject, expected) in [
            ("Re: AW: [#789] Server down", "Server down"),
            ("RE: Re[2]: FW: Fwd: x", "x"),
            ("SV: VS: Antw: Rép : RV: WG: Odp: Ynt: Server", "Server"),
            ("回复：服务器", "服务器"),
            ("[#12] [#TCK-1] Invoice", "Invoice"),
            ("Re: [EXTERNAL] Invoice", "[EXTERNAL] Invoice"),
            ("Regarding: x", "Regarding: x"),
            ("Re:\r\n Server\tdown", "Server down"),
            ("Re: [#789]", ""),
        ] {
            assert_eq!(strip_prefixes(subject), expected, "{subject}");
        }
    }

    #[test]
    fn a_number_is_found_in_its_brackets_only() {
        assert_eq!(ticket_number_in("Re: [#789] Server"), Some("789".into()));
        assert_eq!(ticket_number_in("x [#1] [#TCK-22]"), Some("TCK-22".into()));
        assert_eq!(ticket_number_in("#789 [789] [#]"), None);
    }

    #[test]
    fn a_forward_is_known() {
        assert!(is_forward("FW: x") && is_forward("WG : x") && is_forward("Fwd: Re: x"));
        assert!(!is_forward("Re: Fwd") && !is_forward("VS: x"));
    }

    #[test]
    fn a_subject_is_the_first_line_that_means_something() {
        for (text, expected) in [
            ("Hello,\n\nmy server is down since noon", "My server is down since noon"),
            ("Hi there! The mail queue is stuck.", "The mail queue is stuck."),
            ("Guten Tag Frau Meier,\nder Server läuft nicht", "Der Server läuft nicht"),
            ("Bonjour Monsieur, ma facture est fausse", "Ma facture est fausse"),
            ("Sehr geehrte Damen und Herren,\n\nbitte kündigen", "Bitte kündigen"),
            ("Hi Anna\nport 25 blocked", "Port 25 blocked"),
            ("Здравствуйте, сервер не отвечает", "Сервер не отвечает"),
            ("Hello my server is down, please help", "My server is down, please help"),
            ("hi anna, port 25 is blocked", "Port 25 is blocked"),
            ("Hi", "Hi"),
            ("History of the machine?", "History of the machine?"),
            ("Hello my server is down", "My server is down"),
            ("https://a.example is slow", "https://a.example is slow"),
        ] {
            assert_eq!(subject_from_text(text, &[], "Ann"), expected, "{text}");
        }
    }

    #[test]
    fn a_long_line_is_cut_at_a_word() {
        let subject = subject_from_text(&"server ".repeat(40), &[], "Ann");
        assert!(subject.chars().count() <= 80 && subject.ends_with("server…"), "{subject}");
        let unbroken = subject_from_text(&"ü".repeat(200), &[], "Ann");
        assert_eq!(unbroken.chars().count(), 80);
    }

    #[test]
    fn files_alone_are_named_with_their_sender() {
        assert_eq!(subject_from_text("", &["photo"], "Ann Example"), "Photo from Ann Example");
        assert_eq!(subject_from_text(" \n", &["log.txt", "b"], "Ann"), "2 files: log.txt, … from Ann");
        assert_eq!(subject_from_text("...", &[], "Ann"), "Message from Ann");
    }

    #[test]
    fn a_single_line_fits_in_utf16_units() {
        assert_eq!(single_line("a\r\nBcc: b", 100), "a Bcc: b");
        assert_eq!(single_line("😀😀😀", 5), "😀😀…");
        assert_eq!(single_line("😀😀", 4), "😀😀");
        assert_eq!(single_line("abc", 0), "");
        for max in 0..9 {
            assert!(single_line("a😀b😀 c", max).encode_utf16().count() <= max);
        }
    }
}
