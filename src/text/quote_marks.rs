//! The lines by which mail programs, in many languages, announce a quote or a signature.

use std::sync::LazyLock;

use regex::Regex;

/// Our own line above which a reply belongs; any text between the marks counts, so that it may be translated.
pub const REPLY_SEPARATOR: &str = "##- Please type your reply above this line -##";

/// How an announcement must look for what follows it to be taken for a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcement {
    /// It can be nothing else: our separator, `-----Original Message-----`, a block of From/Sent/To/Subject.
    Certain,
    /// “On … wrote:” with an address or a time of day; believed also where no `>` follows.
    Attribution,
    /// “… wrote:” without; believed only if a quoted line follows.
    Weak,
}

/// What stands at the start of `lines`, and how many of them belong to it.
pub(super) fn announcement(lines: &[&str]) -> Option<(Announcement, usize)> {
    let first = lines.first()?;
    if is_separator(first) {
        return Some((Announcement::Certain, 1));
    }
    if ORIGINAL.is_match(first) {
        return Some((Announcement::Certain, 1));
    }
    if is_header_block(lines) {
        return Some((Announcement::Certain, 1));
    }
    attribution(lines)
}

pub(super) fn is_separator(line: &str) -> bool {
    let line = line.trim_matches(['>', ' ', '\t', '*', '_', '|']);
    line.len() > 8 && line.starts_with("##-") && line.ends_with("-##")
}

/// A mail passed on is what the customer wants to show us: nothing of it is a quote to trim.
pub(super) fn is_forward(line: &str) -> bool {
    FORWARD.is_match(line)
}

/// “Sent from my iPhone” and its kin: a line that a program wrote.
pub(super) fn is_mobile_signature(line: &str) -> bool {
    line.chars().count() <= 120 && MOBILE.is_match(line)
}

/// A line that the writer's own words would have if the answers stand between the quoted lines of a
/// program that marks nothing (Outlook).
pub(super) fn says_inline(text: &str) -> bool {
    INLINE.is_match(text)
}

fn attribution(lines: &[&str]) -> Option<(Announcement, usize)> {
    let first = lines.first()?.trim();
    if first.is_empty() || first.starts_with('>') || !ATTRIBUTION_START.is_match(first) {
        return None;
    }
    let mut joined = String::new();
    // Programs wrap at 72 to 78 columns; a name, an address and a date take at most four lines.
    for (count, line) in lines.iter().take(4).enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('>') || joined.len() + line.len() > 500 {
            return None;
        }
        joined.push_str(line);
        joined.push(' ');
        if ATTRIBUTION.is_match(joined.trim()) && joined.contains(|c: char| c.is_ascii_digit() || c == '@') {
            let strong = joined.contains('@') || TIME_OF_DAY.is_match(&joined);
            let kind = if strong { Announcement::Attribution } else { Announcement::Weak };
            return Some((kind, count + 1));
        }
    }
    None
}

/// From, and within the next lines two of Sent, To, Subject; each in any of the languages.
fn is_header_block(lines: &[&str]) -> bool {
    if !lines.first().is_some_and(|line| FROM.is_match(line)) {
        return false;
    }
    let next = lines.iter().skip(1).filter(|line| !line.trim().is_empty()).take(7);
    let (mut sent, mut to, mut subject) = (false, false, false);
    for line in next {
        sent |= SENT.is_match(line);
        to |= TO.is_match(line);
        subject |= SUBJECT.is_match(line);
    }
    usize::from(sent) + usize::from(to) + usize::from(subject) >= 2
}

/// A pattern that is a constant of this file.
#[expect(clippy::expect_used, reason = "constants; the corpus test uses each")]
fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("a valid pattern")
}

fn label(words: &str) -> Regex {
    pattern(&format!(r"(?i)^[\s>*_|]*(?:{words})[\s*_]*[:：]"))
}

static FROM: LazyLock<Regex> = LazyLock::new(|| {
    label(
        "from|von|de|da|van|från|fra|od|lähettäjä|от|від|kimden|feladó|de la|από|发件人|寄件者|差出人|보낸 사람",
    )
});

static SENT: LazyLock<Regex> = LazyLock::new(|| {
    label(concat!(
        "sent|date|gesendet|datum|envoyé(?: le)?|enviado(?: el| em)?|fecha|inviato|data|verzonden|skickat|sendt|",
        "dato|wysłano|wysłane|odesláno|lähetetty|päivämäärä|отправлено|дата|надіслано|gönderildi|tarih|elküldve|",
        "dátum|trimis|στάλθηκε|发送时间|日期|送信日時|日付|보낸 날짜"
    ))
});

static TO: LazyLock<Regex> = LazyLock::new(|| {
    label(
        "to|an|à|a|para|aan|till|til|do|komu|vastaanottaja|кому|kime|címzett|către|προς|收件人|收件者|宛先|받는 사람",
    )
});

static SUBJECT: LazyLock<Regex> = LazyLock::new(|| {
    label(concat!(
        "subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|předmět|aihe|тема|konu|tárgy|",
        "subiect|θέμα|主题|主題|主旨|件名|제목"
    ))
});

static ORIGINAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^[\s>*]*[-_]{2,}\s*(?:original message|reply message|ursprüngliche nachricht|originalnachricht|",
        r"original-nachricht|message d['’]origine|message d['’]origine|message original|mensaje original|",
        r"mensagem original|messaggio originale|oorspronkelijk bericht|originele bericht|ursprungligt meddelande|",
        r"originalmeddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|wiadomość oryginalna|",
        r"původní zpráva|исходное сообщение|пересылаемое сообщение|orijinal mesaj|eredeti üzenet|mesajul original|",
        r"原始邮件|原始郵件|元のメッセージ|원본 메일)\s*[-_]*\s*$"
    ))
});

static FORWARD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^\s*(?:[-_]{2,}\s*(?:forwarded (?:message|by)|weitergeleitete nachricht|message transféré|",
        r"message transmis|mensaje reenviado|mensagem encaminhada|messaggio inoltrato|doorgestuurd bericht|",
        r"vidarebefordrat meddelande|videresendt|przekazana wiadomość|пересылаемое сообщение|",
        r"перенаправленное сообщение|iletilmiş mesaj|转发的?邮件|転送)|begin forwarded message|",
        r"anfang der weitergeleiteten|début du message (?:réexpédié|transféré)|inicio del mensaje reenviado|",
        r"inizio messaggio inoltrato|begin doorgestuurd bericht)"
    ))
});

static ATTRIBUTION_START: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^(?:on|am|le|el|il|op|em|a|no|den|på|w dniu|dnia|dne|în|pe data|la|στις|\S{1,20},? \d|\d|.{0,80}[<(]?\S+@\S+|",
        r".{0,60}\b(?:wrote|schrieb|skrev|schreef|kirjoitti|пишет|написал)\b|.{0,40}のメール)"
    ))
});

static ATTRIBUTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)(?:\b(?:wrote|writes|schrieb|schreef|skrev|kirjoitti|escribió|escreveu|ha scritto|a écrit|a scris|",
        r"napisał(?:a|\(a\))?|pisze|napsal(?:a|\(a\))?|пишет|писал(?:а)?|написал(?:а|\(а\))?|пише|yazdı|írta|έγραψε)",
        r"(?:\s*[:：]|\b.{1,160}[:：])|(?:写道|寫道|書きました|작성)\s*[:：]?|のメール\s*[:：]|",
        r"^\d{4}[-/]\d\d?[-/]\d\d?.{1,120}<\S+@\S+>\s*[:：])$"
    ))
});

static TIME_OF_DAY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{1,2}\s?[:.h]\s?\d{2}\b"));

static MOBILE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^\s*(?:(?:sent|gesendet|envoyé|enviado|inviato|verzonden|verstuurd|skickat|sendt|wysłano|wysłane|",
        r"odesláno|lähetetty|отправлено|надіслано|trimis|küldve)\s+(?:from|by|with|using|via|von|mit|depuis|de|do|da|",
        r"desde|dal|vanaf|met|från|fra|z|ze|iphonesta|с|из|з|din)\b.{2,80}|",
        r"von meinem .{2,40} gesendet\.?|diese nachricht wurde von meinem .{2,60} gesendet.*|",
        r".{2,40}['’]?(?:den|dan|mdan|umdan) gönderildi|iPhoneから送信|从我的.{2,20}发送|发自我的.{2,20}|나의 .{2,20}에서 보냄|",
        r"get outlook for (?:ios|android|mac).*|outlook (?:für|pour|para|per|voor|för|til|dla) (?:ios|android).*|",
        r"(?:télécharger|holen sie sich|obtener|scarica|download) outlook (?:pour|für|para|per|voor) .{2,40}|",
        r"yahoo mail: search, organize, conquer.*)\s*$"
    ))
});

static INLINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:in-?line|in(?:to)? (?:the|your) (?:text|mail|message|quote)|(?:my )?(?:answers?|comments?|replies|reply) ",
        r"(?:are |is |see )?(?:below|in (?:red|blue|green|bold|color|colour))|see (?:my )?(?:answers? |comments? )?below|",
        r"in (?:red|rot|rosso|rojo|rouge|rood|rött|czerwono)|(?:antworten?|kommentare?|anmerkungen) (?:(?:siehe|stehen|sind) )?",
        r"(?:unten|im text|direkt|rot|blau)|(?:siehe|s\.) (?:unten|text)|im text (?:unten|markiert)|rot markiert|",
        r"(?:voir|réponses?|cf\.?) .{0,20}ci-dessous|dans le texte|en rouge|(?:respuestas?|ver) .{0,12}abajo|",
        r"(?:risposte|vedi) .{0,12}sotto|zie (?:mijn )?(?:antwoord(?:en)? )?(?:hieronder|onder)|se nedan)\b"
    ))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&*FROM, &*SENT, &*TO, &*SUBJECT, &*ORIGINAL, &*FORWARD, &*MOBILE, &*INLINE] {
            assert!(!pattern.is_match("hello"));
        }
        assert!(!ATTRIBUTION.is_match("hello") && !TIME_OF_DAY.is_match("hello"));
        assert!(!ATTRIBUTION_START.is_match("hello"));
    }

    #[test]
    fn attributions_are_known_in_many_languages() {
        for line in [
            "On Mon, May 5, 2025 at 10:31 AM Support <s@x.example> wrote:",
            "On 05/05/2025 10:31, Support wrote:",
            "Am Mo., 5. Mai 2025 um 10:31 Uhr schrieb Support <s@x.example>:",
            "Am 05.05.25 um 10:31 schrieb Support:",
            "Le lun. 5 mai 2025 à 10:31, Support <s@x.example> a écrit\u{a0}:",
            "El lun, 5 may 2025 a las 10:31, Support (<s@x.example>) escribió:",
            "Il giorno lun 5 mag 2025 alle ore 10:31 Support <s@x.example> ha scritto:",
            "Op ma 5 mei 2025 om 10:31 schreef Support <s@x.example>:",
            "Em seg., 5 de mai. de 2025 às 10:31, Support <s@x.example> escreveu:",
            "Den mån 5 maj 2025 kl 10:31 skrev Support <s@x.example>:",
            "man. 5. maj 2025 kl. 10.31 skrev Support <s@x.example>:",
            "ma 5. toukok. 2025 klo 10.31 Support (s@x.example) kirjoitti:",
            "pon., 5 maj 2025 o 10:31 Support <s@x.example> napisał(a):",
            "W dniu 5.05.2025 o 10:31, Support pisze:",
            "po 5. 5. 2025 v 10:31 odesílatel Support <s@x.example> napsal:",
            "пн, 5 мая 2025 г. в 10:31, Support <s@x.example>:  пишет:",
            "5 May 2025 Pzt, saat 10:31 tarihinde Support <s@x.example> şunu yazdı:",
            "2025年5月5日(月) 10:31 Support <s@x.example> のメール:",
            "Support <s@x.example> 于2025年5月5日周一 10:31写道：",
            "2025-05-05 10:31 GMT+02:00 Support <s@x.example>:",
            "Support <s@x.example> wrote:",
        ] {
            assert_eq!(announcement(&[line]), Some((Announcement::Attribution, 1)), "{line}");
        }
    }

    #[test]
    fn mobile_signatures_are_known() {
        for line in [
            "Sent from my iPhone",
            "Von meinem iPhone gesendet",
            "Envoyé de mon iPhone",
            "Enviado desde mi iPhone",
            "Inviato da iPhone",
            "Verstuurd vanaf mijn iPhone",
            "Skickat från min iPhone",
            "Sendt fra min iPhone",
            "Wysłane z iPhone'a",
            "Отправлено с iPhone",
            "Get Outlook for iOS (https://aka.ms/o0ukef)",
            "Sent from Mail for Windows",
            "Gesendet mit der GMX Mail App",
            "发自我的iPhone",
        ] {
            assert!(is_mobile_signature(line), "{line}");
        }
        assert!(!is_mobile_signature(
            "The invoice was sent from my account to the wrong address, see the log"
        ));
    }
}
