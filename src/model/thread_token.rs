//! The thread token: the signed word that names a conversation in a mail.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{ids::ConversationId, marker::base32, secret::InstanceSecret};

/// 24 characters of lower-case base32: 40 bits of the conversation's number and
/// 80 bits of signature. It stands in Message-ID, in the reply address where one
/// is configured (local part ≤ 64 octets, RFC 5321 §4.5.3.1.1), and in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadToken(String);

/// A word of a token's form as it came in a mail; worth nothing until verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FoundToken(String);

impl ThreadToken {
    pub fn of(secret: &InstanceSecret, conversation: ConversationId) -> Self {
        let number = number_bytes(conversation);
        let mac = secret.sign("thread", &number);
        let mut token = number.to_vec();
        token.extend(mac.iter().take(10));
        Self(base32().encode(&token))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FoundToken {
    /// Words of a token's form in `text`, at most ten.
    pub fn all_in(text: &str) -> Vec<Self> {
        #[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
        static FORM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)\b[a-z2-7]{24}\b").expect("valid"));
        let mut found: Vec<Self> = Vec::new();
        for word in FORM.find_iter(text) {
            let token = Self(word.as_str().to_lowercase());
            if found.len() < 10 && !found.contains(&token) {
                found.push(token);
            }
        }
        found
    }

    /// The conversation that the token names, if this instance signed it.
    pub fn verify(&self, secret: &InstanceSecret) -> Option<ConversationId> {
        let bytes = base32().decode(self.0.as_bytes()).ok()?;
        let (number, tag) = bytes.split_at_checked(5)?;
        let id = number.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
        (tag.len() == 10 && secret.verifies("thread", number, tag)).then_some(ConversationId(id))
    }
}

/// The low 40 bits: a bridge that founds a thousand conversations a second needs 34 years for them.
fn number_bytes(conversation: ConversationId) -> [u8; 5] {
    let [_, _, _, a, b, c, d, e] = conversation.0.to_be_bytes();
    [a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_upper_case_and_names_its_conversation() {
        let secret = InstanceSecret::new([1; 32], None);
        let token = ThreadToken::of(&secret, ConversationId(123_456));
        assert_eq!(token.as_str().len(), 24);
        let mail = format!("<x.{}@mail.example>", token.as_str().to_uppercase());
        let found = FoundToken::all_in(&mail);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].verify(&secret), Some(ConversationId(123_456)));
    }

    #[test]
    fn a_token_of_another_instance_or_with_another_number_is_worth_nothing() {
        let secret = InstanceSecret::new([1; 32], None);
        let other = InstanceSecret::new([2; 32], None);
        let token = ThreadToken::of(&other, ConversationId(5));
        assert_eq!(FoundToken::all_in(token.as_str())[0].verify(&secret), None);
        let rotated = InstanceSecret::new([3; 32], Some([2; 32]));
        assert_eq!(FoundToken::all_in(token.as_str())[0].verify(&rotated), Some(ConversationId(5)));
        let forged = format!("b{}", token.as_str().get(1..).unwrap());
        assert_eq!(FoundToken::all_in(&forged)[0].verify(&other), None);
    }
}
