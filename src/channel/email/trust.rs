//! What the name in From is worth, by the words of the servers that we trust (RFC 8601).
//!
//! 1. Own servers write their Received lines on top; the first line that none of them wrote, and all
//!    below it, came with the mail.
//! 2. Above that line, Authentication-Results of a configured id are believed, all together.
//! 3. SPF, DKIM or DMARC must have passed for a domain that is aligned with From's.

use std::net::IpAddr;

use super::{
    auth_results::{AuthResults, Outcome},
    headers::Headers,
    settings::TrustSettings,
};
use crate::model::inbound::Verdict;

/// Which servers are ours, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    ids: Vec<String>,
    networks: Vec<Network>,
    /// Names that write Received lines.
    names: Vec<String>,
    /// Names that the operator gave for that: believed without a look at who handed over to them.
    sure_names: Vec<String>,
}

/// What the trusted part of a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assessment {
    pub(super) verdict: Verdict,
    pub(super) spam: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Loopback, RFC 1918, RFC 3927, RFC 4193 and RFC 4291 link-local.
const PRIVATE: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

impl Trust {
    pub(super) fn new(settings: &TrustSettings) -> Self {
        let ids: Vec<String> = settings.authserv_ids.iter().map(|id| id.to_lowercase()).collect();
        let mut names: Vec<String> = ids.iter().filter(|id| *id != "-").cloned().collect();
        let mut networks: Vec<Network> = Vec::new();
        let mut sure_names = Vec::new();
        for own in &settings.received_by {
            match Network::parse(own) {
                Some(network) => networks.push(network),
                None => sure_names.push(own.to_lowercase()),
            }
        }
        if networks.is_empty() {
            networks = PRIVATE.iter().filter_map(|network| Network::parse(network)).collect();
        }
        names.extend(sure_names.iter().cloned());
        Self { ids, networks, names, sure_names }
    }

    /// `from` are the domains of the addresses in From.
    pub(super) fn assess(&self, headers: &Headers, from: &[&str]) -> Assessment {
        let ours = self.own_part(headers);
        let spam = ours.iter().any(|(name, value)| {
            let value = value.trim_start().to_lowercase();
            matches!(*name, "x-spam-flag" | "x-spam-status" | "x-spam") && value.starts_with("yes")
        });
        Assessment { verdict: self.verdict(&ours, from), spam }
    }

    fn verdict(&self, ours: &[(&str, &str)], from: &[&str]) -> Verdict {
        let mut believed: Vec<Outcome> = Vec::new();
        let mut any = false;
        let all = ours.iter().filter(|(name, _)| *name == "authentication-results");
        for (nth, (_, value)) in all.enumerate() {
            let results = AuthResults::parse(value);
            let known = match &results.id {
                Some(id) => self.ids.iter().any(|known| known == id),
                None => nth == 0 && self.ids.iter().any(|known| known == "-"),
            };
            if known {
                any = true;
                believed.extend(results.outcomes);
            }
        }
        match from {
            _ if !any => Verdict::None,
            [domain] if !domain.is_empty() => judge(&believed, domain),
            [] | [_] => Verdict::Fail("there is no usable From address".to_owned()),
            _ => Verdict::Fail("there are several From addresses".to_owned()),
        }
    }

    /// The fields above the first Received line that none of our servers wrote.
    fn own_part<'a>(&self, headers: &'a Headers) -> Vec<(&'a str, &'a str)> {
        let mut handed_over_by = Peer::Unknown;
        let mut first = true;
        let mut part = Vec::new();
        for (name, value) in headers.iter() {
            if name == "received" {
                let line = ReceivedLine::parse(value);
                if !self.wrote(&line, handed_over_by, first) {
                    break;
                }
                handed_over_by = self.peer(&line);
                first = false;
            }
            part.push((name, value));
        }
        part
    }

    /// A line is ours if the one who handed the mail to the line above was ours, or if it bears our name
    /// where no stranger can have put it.
    fn wrote(&self, line: &ReceivedLine, handed_over_by: Peer, first: bool) -> bool {
        let named = is_of(&line.by, &self.names) || line.by_address().is_some_and(|by| self.is_ours(by));
        let sure = is_of(&line.by, &self.sure_names);
        match handed_over_by {
            _ if sure => true,
            Peer::Ours => true,
            Peer::Stranger => false,
            Peer::Unknown if first => named || matches!(self.peer(line), Peer::Ours),
            Peer::Unknown => named,
        }
    }

    /// One foreign address suffices: the peer chooses the name that it gives itself, and may give itself
    /// a private one (`from [203.0.113.9] (helo=[10.0.0.1])`), but cannot hide its own.
    fn peer(&self, line: &ReceivedLine) -> Peer {
        match line.peers.as_slice() {
            [] => Peer::Unknown,
            peers if peers.iter().all(|peer| self.is_ours(*peer)) => Peer::Ours,
            _ => Peer::Stranger,
        }
    }

    fn is_ours(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }
}

#[derive(Clone, Copy)]
enum Peer {
    Ours,
    Stranger,
    /// The line names no address: a local hand-over, or nothing above it yet.
    Unknown,
}

/// `from … by …` (RFC 5321 §4.4).
struct ReceivedLine {
    by: String,
    /// Every address that stands after `from`.
    peers: Vec<IpAddr>,
}

impl ReceivedLine {
    fn parse(value: &str) -> Self {
        let lower = value.to_lowercase();
        let (from, rest) = match lower.strip_prefix("by ") {
            Some(rest) => ("", rest),
            None => lower.split_once(" by ").unwrap_or((&lower, "")),
        };
        let by = rest.split_whitespace().next().unwrap_or_default().trim_matches(['[', ']', ';', '(', ')']);
        let words = from.split(|c: char| c.is_whitespace() || "()[],;=".contains(c));
        Self { by: by.trim_end_matches('.').to_owned(), peers: words.filter_map(address).collect() }
    }

    fn by_address(&self) -> Option<IpAddr> {
        address(&self.by)
    }
}

fn address(word: &str) -> Option<IpAddr> {
    let address: IpAddr = word.trim_start_matches("ipv6:").parse().ok()?;
    Some(address.to_canonical())
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(&self, other: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let shift = width - u32::from(self.bits);
        ours.checked_shr(shift).unwrap_or(0) == theirs.checked_shr(shift).unwrap_or(0)
    }
}

fn judge(outcomes: &[Outcome], from: &str) -> Verdict {
    let said: Vec<String> = outcomes.iter().map(Outcome::to_string).collect();
    let fail = || {
        let said = if said.is_empty() { "nothing was checked".to_owned() } else { said.join(", ") };
        Verdict::Fail(said.chars().take(300).collect())
    };
    if outcomes.iter().any(|outcome| outcome.method == "dmarc" && outcome.result == "fail") {
        return fail();
    }
    let passed = outcomes.iter().any(|outcome| {
        outcome.result == "pass"
            && outcome.domain().is_some_and(|domain| match outcome.method.as_str() {
                "dmarc" => domain == from,
                "spf" | "dkim" => aligned(domain, from),
                _ => false,
            })
            && !contradicted(outcome, outcomes)
    });
    if passed { Verdict::Pass } else { fail() }
}

/// One server checks SPF and DMARC once for a mail: a second answer is somebody else's. Of DKIM there may
/// be as many answers as signatures, but not “none” beside a pass.
fn contradicted(outcome: &Outcome, all: &[Outcome]) -> bool {
    all.iter().any(|other| {
        other.method == outcome.method
            && match outcome.method.as_str() {
                "dkim" => other.result == "none",
                _ => other.result != "pass" && other.is_same_identity(outcome),
            }
    })
}

/// RFC 7489 §3.1, relaxed, without a list of public suffixes: one is the other or a subdomain of it, and
/// neither a mere top-level domain.
fn aligned(domain: &str, from: &str) -> bool {
    let below = |long: &str, short: &str| {
        short.contains('.') && long.strip_suffix(short).is_some_and(|rest| rest.ends_with('.'))
    };
    domain == from && from.contains('.') || below(domain, from) || below(from, domain)
}

fn is_of(host: &str, names: &[String]) -> bool {
    names
        .iter()
        .any(|name| host == name || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
