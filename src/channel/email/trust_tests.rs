//! A table of headers and what they are worth.

use super::*;

const BORDER: &str = "Received: from mail.evil.example (evil [203.0.113.9]) by mx.example.com (Postfix); now";
const FOREIGN: &str = "Received: from laptop ([198.51.100.2]) by mail.evil.example; now";

fn assess(trust: &TrustSettings, lines: &[&str]) -> Assessment {
    let raw = format!("{}\r\n\r\n", lines.join("\r\n"));
    Trust::new(trust).assess(&Headers::read(raw.as_bytes()), &["acme.example"])
}

fn settings(ids: &[&str], received_by: &[&str]) -> TrustSettings {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    TrustSettings { authserv_ids: owned(ids), received_by: owned(received_by) }
}

#[track_caller]
fn check(lines: &[&str], passes: Option<bool>) {
    let verdict = assess(&settings(&["mx.example.com"], &[]), lines).verdict;
    let found = match &verdict {
        Verdict::Pass => Some(true),
        Verdict::Fail(_) => Some(false),
        Verdict::None => None,
    };
    assert_eq!(found, passes, "{verdict:?} for {lines:#?}");
}

#[test]
fn a_pass_must_be_aligned_with_from() {
    for (results, passes) in [
        ("dmarc=pass header.from=acme.example", true),
        ("dmarc=pass header.from=other.example", false),
        ("spf=pass smtp.mailfrom=bounce@mail.acme.example", true),
        ("spf=pass smtp.mailfrom=evil.example; dkim=pass header.d=evil.example", false),
        ("dkim=pass header.i=@acme.example", true),
        ("dkim=pass header.d=evil.example; dkim=pass header.d=acme.example", true),
        ("dkim=pass header.d=notacme.example", false),
        ("dkim=pass header.d=example", false),
        ("spf=softfail smtp.mailfrom=acme.example; dkim=none", false),
        ("dmarc=fail header.from=acme.example; spf=pass smtp.mailfrom=acme.example", false),
        ("iprev=pass policy.iprev=1.2.3.4", false),
        ("none", false),
    ] {
        let line = format!("Authentication-Results: mx.example.com; {results}");
        check(&[&line, BORDER, FOREIGN], Some(passes));
        check(&[BORDER, &line, FOREIGN], Some(passes));
    }
}

#[test]
fn the_attackers_own_results_are_not_believed() {
    let forged = "Authentication-Results: mx.example.com; dmarc=pass header.from=acme.example";
    check(&[BORDER, FOREIGN, forged], None);
    check(&[forged.replace("mx.example.com", "mx.evil.example").as_str(), BORDER], None);
    // A forged line in our name stands below the one by which the stranger handed over.
    let in_our_name = "Received: from inner ([10.0.0.1]) by mx.example.com; then";
    check(&[BORDER, in_our_name, forged, FOREIGN], None);
    let exim = "Received: from [203.0.113.9] (helo=[10.0.0.1]) by mx.example.com with esmtp; now";
    check(&[exim, in_our_name, forged, FOREIGN], None);
    // Where the border did not strip it, its own word contradicts.
    let fail = "Authentication-Results: mx.example.com; dmarc=fail header.from=acme.example";
    check(&[fail, BORDER, forged, FOREIGN], Some(false));
    let spf = "Authentication-Results: mx.example.com; spf=fail smtp.mailfrom=acme.example";
    let forged_spf = "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=acme.example";
    check(&[BORDER, spf, forged_spf, FOREIGN], Some(false));
    let unsigned = "Authentication-Results: mx.example.com; dkim=none";
    let forged_dkim = "Authentication-Results: mx.example.com; dkim=pass header.d=acme.example";
    check(&[BORDER, unsigned, forged_dkim, FOREIGN], Some(false));
}

#[test]
fn several_headers_of_the_own_servers_count_together() {
    check(
        &[
            "Received: from mx.example.com by store.example.com with LMTP id 1; now",
            "Authentication-Results: mx.example.com; spf=fail smtp.mailfrom=list.example",
            "Authentication-Results: mx.example.com; dkim=pass header.d=acme.example",
            BORDER,
        ],
        None,
    );
    check(
        &[
            "Received: from mx (mx.example.com [10.1.2.3]) by store.internal with LMTP id 1; now",
            "Authentication-Results: mx.example.com; spf=fail smtp.mailfrom=list.example",
            BORDER,
            "Authentication-Results: mx.example.com; dkim=pass header.d=acme.example",
            FOREIGN,
        ],
        Some(true),
    );
    // A local hand-over names no address; then the name must be ours.
    check(
        &[
            "Received: from mx.example.com by imap.mx.example.com with LMTP id 1; now",
            BORDER,
            "Authentication-Results: mx.example.com; dkim=pass header.d=acme.example",
            FOREIGN,
        ],
        Some(true),
    );
}

#[test]
fn microsoft_writes_no_id_and_only_the_topmost_counts() {
    let trust = settings(&["-"], &["outlook.example"]);
    let top = "Authentication-Results: spf=pass (sender IP is 1.2.3.4) smtp.mailfrom=acme.example; dmarc=pass action=none header.from=acme.example";
    let hop =
        "Received: from A.outlook.example (2603:10a6::1) by B.outlook.example (2603:10a6::2) with HTTPS; now";
    let next = "Received: from C.other.example (2a01::1) by A.outlook.example; now";
    assert_eq!(assess(&trust, &[hop, next, top, FOREIGN]).verdict, Verdict::Pass);
    let bad = "Authentication-Results: spf=fail smtp.mailfrom=acme.example";
    assert!(matches!(assess(&trust, &[hop, bad, next, top]).verdict, Verdict::Fail(_)));
}

#[test]
fn own_networks_replace_the_private_ones() {
    let trust = settings(&["mx.example.com"], &["203.0.113.0/24", "2001:db8::/32"]);
    let pass = "Authentication-Results: mx.example.com; dkim=pass header.d=acme.example";
    let relay = "Received: from relay (relay [203.0.113.7]) by mx.example.com; now";
    let relay6 = "Received: from relay (relay [IPv6:2001:db8::7]) by relay.example.net; now";
    assert_eq!(assess(&trust, &[relay, relay6, BORDER, pass]).verdict, Verdict::Pass);
    let private = "Received: from inner ([10.0.0.1]) by mx.example.com; now";
    assert_eq!(assess(&trust, &[private, FOREIGN, pass]).verdict, Verdict::None);
}

#[test]
fn spam_is_what_our_server_calls_so() {
    let trust = settings(&["mx.example.com"], &[]);
    assert!(assess(&trust, &["X-Spam-Flag: YES", BORDER]).spam);
    assert!(assess(&trust, &[BORDER, "X-Spam-Status: Yes, score=9.1", FOREIGN]).spam);
    assert!(!assess(&trust, &[BORDER, FOREIGN, "X-Spam-Flag: YES"]).spam);
    assert!(!assess(&trust, &["X-Spam-Status: No, score=0.1", BORDER]).spam);
}

#[test]
fn several_senders_are_none() {
    let raw = "Authentication-Results: mx.example.com; dmarc=pass header.from=acme.example\r\n\r\n";
    let trust = Trust::new(&settings(&["mx.example.com"], &[]));
    let headers = Headers::read(raw.as_bytes());
    assert!(matches!(trust.assess(&headers, &["acme.example", "b.example"]).verdict, Verdict::Fail(_)));
    assert!(matches!(trust.assess(&headers, &[]).verdict, Verdict::Fail(_)));
}
