//! Sample data for every template: the list of their names and of the variables that each takes.
//!
//! Numbers of tickets are texts without `#`; sizes, times and durations are texts as a person reads them.
//! An optional variable is given as null (`None`) where there is nothing; a variable that is missing is an error.

use serde_json::{Value, json};

/// The variables of one template (in all its formats), with values as they might be.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: &'static str,
    values: Value,
    /// Those of the variables that may be null.
    pub optional: &'static [&'static str],
}

impl Sample {
    /// Every variable has a value.
    pub fn full(&self) -> Value {
        self.values.clone()
    }

    /// Optional variables are null, switches are turned.
    pub fn sparse(&self) -> Value {
        let mut values = self.values.clone();
        for (name, value) in values.as_object_mut().into_iter().flatten() {
            if self.optional.contains(&name.as_str()) {
                *value = Value::Null;
            } else if let Value::Bool(switch) = value {
                *switch = !*switch;
            }
        }
        values
    }
}

fn sample(name: &'static str, values: Value, optional: &'static [&'static str]) -> Sample {
    Sample { name, values, optional }
}

/// All templates, sorted by who reads them.
pub fn samples() -> Vec<Sample> {
    [chat_samples(), mail_samples(), ticket_samples(), alert_samples()].concat()
}

/// What goes to customers in Telegram.
fn chat_samples() -> Vec<Sample> {
    vec![
        sample(
            "ask_closed",
            json!({
                "number": "789", "subject": "Server in rack 12 is down", "wait": "10 minutes",
            }),
            &["wait"],
        ),
        sample(
            "ask_resolved",
            json!({
                "number": "789", "subject": "Server in rack 12 is down", "wait": "10 minutes",
            }),
            &["wait"],
        ),
        sample(
            "ask_silent",
            json!({
                "number": "789", "subject": "Server in rack 12 is down", "since": "5 May 2025, 10:31",
                "wait": "10 minutes",
            }),
            &["wait"],
        ),
        sample(
            "attachment_refused",
            json!({
                "file": "report.pdf", "reason": "the ticket system says that the category does not exist",
                "text_filed": true, "number": "789",
            }),
            &[],
        ),
        sample("button_close", json!({}), &[]),
        sample("button_discard", json!({}), &[]),
        sample("button_it_is_there", json!({}), &[]),
        sample("button_keep_open", json!({}), &[]),
        sample("button_new_instead", json!({}), &[]),
        sample("button_new_ticket", json!({}), &[]),
        sample("button_no", json!({}), &[]),
        sample("button_release", json!({}), &[]),
        sample("button_send_again", json!({}), &[]),
        sample("button_thanks", json!({}), &[]),
        sample("button_this_ticket", json!({ "number": "789" }), &[]),
        sample("button_yes", json!({}), &[]),
        sample("choice_expired", json!({}), &[]),
        sample("choice_made_new", json!({ "number": "789" }), &["number"]),
        sample("choice_made_thanks", json!({ "number": "789" }), &[]),
        sample("choice_made_ticket", json!({ "number": "789" }), &[]),
        sample("close_confirm", json!({ "number": "789", "subject": "Server in rack 12 is down" }), &[]),
        sample(
            "close_failed",
            json!({
                "number": "789", "reason": "the ticket system says that the category does not exist",
                "url": "https://panel.example.com/tickets/789",
            }),
            &["url"],
        ),
        sample("close_kept", json!({ "number": "789" }), &[]),
        sample("closed", json!({ "number": "789", "subject": "Server in rack 12 is down" }), &[]),
        sample("closed_by_staff", json!({ "number": "789", "subject": "Server in rack 12 is down" }), &[]),
        sample("command_unknown", json!({ "command": "/foo" }), &[]),
        sample("commands", json!({}), &[]),
        sample(
            "could_not_file",
            json!({
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "reason": "the ticket system says that the category does not exist", "parked": false,
                "url": "https://panel.example.com/tickets/789",
            }),
            &["excerpt", "url"],
        ),
        sample("edit_too_late", json!({ "number": "789", "status": "Resolved" }), &[]),
        sample("empty_message", json!({}), &[]),
        sample(
            "file_from_telegram_too_large",
            json!({
                "file": "report.pdf", "limit": "10 MB", "text_filed": true, "number": "789",
            }),
            &["file"],
        ),
        sample("file_not_available", json!({ "file": "report.pdf", "number": "789" }), &["file", "number"]),
        sample(
            "file_too_large",
            json!({
                "file": "report.pdf", "size": "12.3 MB", "limit": "10 MB", "text_filed": true,
                "number": "789",
            }),
            &[],
        ),
        sample("filed_after_all", json!({ "number": "789" }), &[]),
        sample("follow_on", json!({ "all": true, "account": "acme" }), &[]),
        sample("help", json!({ "account": "acme" }), &["account"]),
        sample(
            "how_to_link",
            json!({
                "panel_url": "https://panel.example.com/support", "by_mail": true,
            }),
            &["panel_url"],
        ),
        sample("link_burned_in_group", json!({}), &[]),
        sample("link_confirm", json!({ "account": "acme", "is_group": true }), &[]),
        sample("link_declined", json!({}), &[]),
        sample("link_group_admins_only", json!({}), &[]),
        sample("link_invalid", json!({}), &[]),
        sample("link_mail_sent", json!({ "address": "ann@acme.example", "valid_for": "30 minutes" }), &[]),
        sample("link_too_many_attempts", json!({ "wait": "10 minutes" }), &[]),
        sample("linked", json!({ "account": "acme" }), &[]),
        sample("new_cancelled", json!({ "number": "789" }), &["number"]),
        sample("new_started", json!({}), &[]),
        sample("no_tickets", json!({}), &[]),
        sample("not_linked", json!({}), &[]),
        sample("nothing_to_cancel", json!({}), &[]),
        sample("nothing_to_close", json!({}), &[]),
        sample("quiet_on", json!({ "number": "789" }), &[]),
        sample("reply_filed", json!({ "number": "789" }), &[]),
        sample("reply_reopened", json!({ "number": "789" }), &[]),
        sample(
            "staff_file_failed",
            json!({
                "file": "report.pdf", "number": "789",
                "reason": "the ticket system says that the category does not exist",
                "url": "https://panel.example.com/tickets/789",
            }),
            &["url"],
        ),
        sample(
            "staff_file_too_large",
            json!({
                "file": "report.pdf", "size": "12.3 MB", "number": "789",
                "url": "https://panel.example.com/tickets/789",
            }),
            &["url"],
        ),
        sample(
            "staff_message",
            json!({
                "number": "789", "subject": "Server in rack 12 is down", "author": "Eve (Support)",
                "text": "Hello Ann,\n\nwe restarted the server <web-1> & it answers again.\n  uptime: 3 min",
            }),
            &["subject", "author"],
        ),
        sample(
            "staff_message_in_panel",
            json!({
                "number": "789", "url": "https://panel.example.com/tickets/789",
            }),
            &["url"],
        ),
        sample("ticket_gone", json!({ "number": "789" }), &[]),
        sample("ticket_opened", json!({ "number": "789", "subject": "Server in rack 12 is down" }), &[]),
        sample(
            "tickets",
            json!({
                "tickets": [{"number": "789", "status": "Open", "subject": "Server in rack 12 is down", "current": true}, {"number": "456", "status": "Resolved", "subject": "Invoice of April", "current": false}],
                "more": 3,
            }),
            &["more"],
        ),
        sample("unknown_kind", json!({ "kind": "a poll" }), &[]),
        sample("unlinked_done", json!({ "account": "acme" }), &[]),
        sample("waiting", json!({}), &[]),
    ]
}

/// What goes to customers by mail.
fn mail_samples() -> Vec<Sample> {
    vec![
        sample(
            "link_code",
            json!({
                "account": "acme", "bot": "@example_bot", "code": "K7Q3-M2XA",
                "link_url": "https://t.me/example_bot?start=K7Q3M2XA", "valid_for": "30 minutes",
            }),
            &["link_url"],
        ),
        sample(
            "mail_filed_after_all",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "number": "789", "sender": "Example Support",
            }),
            &["original_subject"],
        ),
        sample(
            "mail_receipt",
            json!({
                "subject": "Re: [#789] Server down", "name": "Ann Example", "number": "789",
                "ticket_subject": "Server in rack 12 is down",
                "url": "https://panel.example.com/tickets/789", "sender": "Example Support",
            }),
            &["name", "url"],
        ),
        sample(
            "mail_refused_attachment",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "number": "789",
                "files": [{"name": "virus.exe", "size": "1.2 MB", "reason": "this kind of file is not accepted"}],
                "sender": "Example Support",
            }),
            &["original_subject"],
        ),
        sample(
            "mail_refused_closed_new_ticket",
            json!({
                "subject": "Re: [#789] Server down", "closed_number": "456", "number": "789",
                "sender": "Example Support",
            }),
            &[],
        ),
        sample(
            "mail_refused_could_not_file",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31",
                "reason": "the ticket system says that the category does not exist", "parked": false,
                "url": "https://panel.example.com/tickets/789", "sender": "Example Support",
            }),
            &["original_subject", "url"],
        ),
        sample(
            "mail_refused_empty",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "sender": "Example Support",
            }),
            &["original_subject"],
        ),
        sample(
            "mail_refused_ticket_gone",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "number": "789", "sender": "Example Support",
            }),
            &["original_subject"],
        ),
        sample(
            "mail_refused_too_large",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "limit": "10 MB", "number": "789",
                "sender": "Example Support",
            }),
            &["original_subject", "number"],
        ),
        sample(
            "mail_refused_unlinked_sender",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "address": "ann@acme.example",
                "url": "https://panel.example.com/tickets/789", "sender": "Example Support",
            }),
            &["original_subject", "url"],
        ),
        sample(
            "mail_staff",
            json!({
                "language": "en", "number": "789",
                "text": "Hello Ann,\n\nwe restarted the server <web-1> & it answers again.\n  uptime: 3 min",
                "files_left_out": [{"name": "dump.zip", "size": "48.0 MB"}],
                "url": "https://panel.example.com/tickets/789", "author": "Eve (Support)",
                "sender": "Example Support", "subject": "Server in rack 12 is down",
            }),
            &["files_left_out", "url", "author"],
        ),
        sample(
            "mail_waiting",
            json!({
                "subject": "Re: [#789] Server down", "original_subject": "Server down",
                "date": "5 May 2025, 10:31", "sender": "Example Support",
            }),
            &["original_subject"],
        ),
    ]
}

/// What goes to staff, inside tickets.
fn ticket_samples() -> Vec<Sample> {
    vec![
        sample(
            "note_attachment_missing",
            json!({
                "file": "report.pdf", "size": "12.3 MB",
                "reason": "the ticket system says that the category does not exist",
            }),
            &["size"],
        ),
        sample("note_edited", json!({ "time": "5 May 2025, 10:31" }), &[]),
        sample("note_files_only", json!({ "count": 2 }), &[]),
        sample(
            "note_forwarded",
            json!({
                "from": "Carl <carl@other.example>", "time": "5 May 2025, 10:31",
            }),
            &["from", "time"],
        ),
        sample(
            "note_goes_on_from",
            json!({
                "number": "789", "subject": "Server in rack 12 is down", "status": "Resolved",
            }),
            &["subject"],
        ),
        sample(
            "note_may_be_preceded",
            json!({
                "time": "5 May 2025, 10:31",
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
            }),
            &["excerpt"],
        ),
        sample("note_may_belong_to", json!({ "number": "789", "why": "the answer was cut off" }), &[]),
        sample(
            "note_mentions_closed",
            json!({
                "number": "789", "subject": "Server in rack 12 is down",
            }),
            &["subject"],
        ),
        sample("note_original_time", json!({ "time": "5 May 2025, 10:31" }), &[]),
        sample(
            "note_sender_not_verified",
            json!({
                "address": "ann@acme.example", "verdict": "SPF softfail, no DKIM",
            }),
            &[],
        ),
        sample("note_shortened", json!({ "size": "12.3 MB", "file": "report.pdf" }), &["file"]),
        sample(
            "provenance_mail",
            json!({
                "name": "Ann Example", "address": "ann@acme.example", "markers": ["tb-k7q3m2xa4bcde"],
            }),
            &["name"],
        ),
        sample(
            "provenance_telegram",
            json!({
                "username": "ann_example", "name": "Ann Example", "group": "Acme admins",
                "markers": ["tb-k7q3m2xa4bcde"],
            }),
            &["username", "group"],
        ),
    ]
}

/// What goes to the admin group.
fn alert_samples() -> Vec<Sample> {
    vec![
        sample(
            "alert_answered",
            json!({
                "number": "789", "author": "Eve (Support)", "time": "5 May 2025, 10:31",
                "subject": "Server in rack 12 is down", "who": "Ann Example (@ann_example)",
                "account": "acme", "channel": "Telegram",
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "files": 2, "url": "https://panel.example.com/tickets/789",
            }),
            &["author", "excerpt", "files", "url"],
        ),
        sample(
            "alert_closed",
            json!({
                "number": "789", "by_customer": true, "subject": "Server in rack 12 is down",
                "who": "Ann Example (@ann_example)", "account": "acme", "channel": "Telegram",
                "url": "https://panel.example.com/tickets/789",
            }),
            &["url"],
        ),
        sample(
            "alert_dead",
            json!({
                "what": "reply to #789", "who": "Ann Example (@ann_example)", "account": "acme",
                "channel": "Telegram", "why": "the answer was cut off", "customer_told": true,
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "kept_until": "4 June 2025", "job": "4711",
                "url": "https://panel.example.com/tickets/789",
            }),
            &["excerpt", "url"],
        ),
        sample(
            "alert_digest",
            json!({
                "total": 42, "since": "5 May 2025, 10:31",
                "kinds": [{"name": "mailboxes in trouble", "count": 2, "trouble": true}, {"name": "new tickets", "count": 40, "trouble": false}],
                "newest": ["#789 Server in rack 12 is down", "#788 Invoice"],
            }),
            &["newest"],
        ),
        sample(
            "alert_files_late",
            json!({
                "number": "789", "count": 2, "delay": "2 min", "who": "Ann Example (@ann_example)",
                "account": "acme", "channel": "Telegram", "url": "https://panel.example.com/tickets/789",
            }),
            &["url"],
        ),
        sample(
            "alert_lost_state",
            json!({
                "missing": "the watermark says 120 items, the store has 80",
                "reread_from": "3 May 2025, 10:31",
            }),
            &[],
        ),
        sample(
            "alert_new_ticket",
            json!({
                "number": "789", "subject": "Server in rack 12 is down",
                "who": "Ann Example (@ann_example)", "account": "acme", "channel": "Telegram",
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "files": 2, "url": "https://panel.example.com/tickets/789",
            }),
            &["excerpt", "files", "url"],
        ),
        sample(
            "alert_parked",
            json!({
                "what": "reply to #789", "who": "Ann Example (@ann_example)", "account": "acme",
                "channel": "Telegram", "why": "the answer was cut off",
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "number": "789", "job": "4711", "url": "https://panel.example.com/tickets/789",
            }),
            &["excerpt", "number", "url"],
        ),
        sample(
            "alert_quarantined",
            json!({
                "mailbox": "support", "from": "Carl <carl@other.example>",
                "subject": "Server in rack 12 is down", "why": "the answer was cut off",
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "account": "acme", "kept_until": "4 June 2025",
            }),
            &["excerpt", "account"],
        ),
        sample(
            "alert_reply",
            json!({
                "number": "789", "subject": "Server in rack 12 is down", "reopened": true,
                "who": "Ann Example (@ann_example)", "account": "acme", "channel": "Telegram",
                "excerpt": "Since noon the server does not answer any more.\nPing works, SSH does not.",
                "files": 2, "url": "https://panel.example.com/tickets/789",
            }),
            &["excerpt", "files", "url"],
        ),
        sample(
            "alert_skipped",
            json!({
                "mailbox": "support", "count": 2, "before": "1 May 2025", "why": "the answer was cut off",
                "command": "/foo",
            }),
            &[],
        ),
        sample(
            "alert_source_stopped",
            json!({
                "source": "Mailbox support",
                "reason": "the ticket system says that the category does not exist",
                "deadline": "6 May 2025, 10:31", "todo": "check host and port in bot.toml",
            }),
            &["deadline"],
        ),
        sample(
            "alert_trouble",
            json!({
                "what": "reply to #789", "since": "5 May 2025, 10:31", "error": "connection refused",
                "meaning": "mails stay on the server and are fetched later",
                "todo": "check host and port in bot.toml",
            }),
            &["todo"],
        ),
        sample(
            "alert_trouble_over",
            json!({
                "what": "reply to #789", "since": "5 May 2025, 10:31", "until": "5 May 2025, 10:50",
                "backlog": 12,
            }),
            &["backlog"],
        ),
    ]
}
