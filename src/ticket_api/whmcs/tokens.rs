//! OAuth tokens of Keliweb's façade: stored before they are used, renewed by one caller at a time.
//!
//! An access token lives for an hour, a refresh token for ten days, and a refresh brings a new pair
//! (<https://apiv2.keliweb.it/docs/auth/v2/refresh-token>). The old refresh token may die with it, so the new
//! one must be on disk before anything relies on it.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};

use crate::config::whmcs::Keliweb;
use crate::model::ids::ApiName;
use crate::runtime::{Clock, Secret, Timestamp};
use crate::ticket_api::ApiError;
use crate::ticket_api::answers::{Answer, Call, error_of, words};
use crate::ticket_api::calls::Calls;
use crate::ticket_api::decoding::{first, integer};

/// A token that ends sooner than this is not begun with.
const MARGIN: Duration = Duration::from_secs(60);
/// Where the server does not say (its pages do).
const USUAL_LIFE: i64 = 3600;
const MAX_ANSWER: usize = 64 * 1024;

/// The tokens of all users of one API.
pub(super) struct Tokens {
    dir: PathBuf,
    api: ApiName,
    clock: Clock,
    slots: SyncMutex<HashMap<String, Arc<Mutex<Slot>>>>,
}

/// Who logs in.
pub(super) struct User<'a> {
    pub(super) name: &'a str,
    pub(super) password: &'a Secret,
}

/// A token to send.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) token: Secret,
    /// It replaced one that was refused, and was not accepted yet.
    pub(super) on_trial: bool,
}

#[derive(Default)]
struct Slot {
    is_read: bool,
    pair: Option<Pair>,
    on_trial: bool,
}

#[derive(Clone)]
struct Pair {
    access: Secret,
    refresh: Option<Secret>,
    ends: Timestamp,
}

impl Tokens {
    /// `dir` is made when the first token is stored.
    pub(super) fn new(dir: PathBuf, api: ApiName, clock: Clock) -> Self {
        Self { dir, api, clock, slots: SyncMutex::default() }
    }

    /// A token that has some time to live: the one at hand, or a new one.
    pub(super) async fn bearer(
        &self,
        calls: &Calls,
        own: &Keliweb,
        user: &User<'_>,
    ) -> Result<Bearer, ApiError> {
        let slot = self.slot(user.name);
        let mut slot = slot.lock().await;
        if !slot.is_read {
            slot.pair = self.stored(user.name).await;
            slot.is_read = true;
        }
        let limit = self.clock.now().plus(MARGIN);
        if let Some(pair) = slot.pair.as_ref().filter(|pair| pair.ends > limit) {
            return Ok(Bearer { token: pair.access.clone(), on_trial: slot.on_trial });
        }
        let token = self.renew(&mut slot, calls, own, user).await?;
        slot.on_trial = false;
        Ok(Bearer { token, on_trial: false })
    }

    /// After a refusal of `refused`: a new token is at hand, unless somebody else got one meanwhile.
    pub(super) async fn refused(
        &self,
        refused: &Bearer,
        calls: &Calls,
        own: &Keliweb,
        user: &User<'_>,
    ) -> Result<(), ApiError> {
        let slot = self.slot(user.name);
        let mut slot = slot.lock().await;
        if slot.pair.as_ref().is_some_and(|pair| pair.access == refused.token) {
            self.renew(&mut slot, calls, own, user).await?;
            slot.on_trial = true;
        }
        Ok(())
    }

    /// A token was heeded.
    pub(super) async fn accepted(&self, bearer: &Bearer, user: &User<'_>) {
        if bearer.on_trial {
            self.slot(user.name).lock().await.on_trial = false;
        }
    }

    /// Even a new token was refused: the next call begins anew.
    pub(super) async fn forget(&self, user: &User<'_>) {
        let slot = self.slot(user.name);
        let mut slot = slot.lock().await;
        (slot.pair, slot.on_trial) = (None, false);
    }

    /// By the refresh token, else by the password; stored before it is used.
    async fn renew(
        &self,
        slot: &mut MutexGuard<'_, Slot>,
        calls: &Calls,
        own: &Keliweb,
        user: &User<'_>,
    ) -> Result<Secret, ApiError> {
        let refresh = slot.pair.as_ref().and_then(|pair| pair.refresh.clone());
        let refreshed = match refresh {
            Some(refresh) => {
                let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
                match self.grant(calls, own, &fields).await {
                    Err(ApiError::Unauthorized(_)) => None, // It is dead.
                    granted => Some(granted?),
                }
            }
            None => None,
        };
        let pair = match refreshed {
            Some(pair) => pair,
            None => {
                let password = user.password.expose();
                let fields = [("grant_type", "password"), ("username", user.name), ("password", password)];
                self.grant(calls, own, &fields).await?
            }
        };
        let access = pair.access.clone();
        let (path, body) = (self.path(user.name), written(&pair));
        let stored = tokio::task::spawn_blocking(move || write(&path, &body)).await;
        stored.map_err(io::Error::other).flatten().map_err(|error| ApiError::Retry {
            after: None,
            reason: format!("the new token cannot be stored: {error}"),
        })?;
        slot.pair = Some(pair);
        Ok(access)
    }

    async fn grant(&self, calls: &Calls, own: &Keliweb, grant: &[(&str, &str)]) -> Result<Pair, ApiError> {
        let client = [("client_id", own.client_id.as_str()), ("client_secret", own.client_secret.expose())];
        let fields: Vec<_> = grant.iter().take(1).chain(&client).chain(grant.iter().skip(1)).collect();
        let asked = self.clock.now();
        // Asked again it is just another token, so this is no call that must not be repeated.
        let request = calls.client().post(own.oauth_url.clone()).form(&fields);
        let answer = calls.answer(Call::Read, request, MAX_ANSWER).await?;
        let body = answer.json().unwrap_or_default();
        let access = body.get("access_token").and_then(Value::as_str).filter(|_| answer.status.is_success());
        let Some(access) = access else { return Err(refusal(&answer, &body)) };
        let life = body.get("expires_in").and_then(integer).and_then(|life| u64::try_from(life).ok());
        let life = Duration::from_secs(life.unwrap_or(USUAL_LIFE.unsigned_abs()));
        let refresh = body.get("refresh_token").and_then(Value::as_str).map(Secret::new);
        Ok(Pair { access: Secret::new(access), refresh, ends: asked.plus(life) })
    }

    fn slot(&self, user: &str) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(user.to_owned()).or_default())
    }

    /// What was stored, if it can be read; else the password brings another pair.
    async fn stored(&self, user: &str) -> Option<Pair> {
        let text = tokio::fs::read(self.path(user)).await.ok()?;
        let body: Value = serde_json::from_slice(&text).ok()?;
        let word = |key| body.get(key).and_then(Value::as_str).map(Secret::new);
        let ends = Timestamp::from_millis(body.get("ends").and_then(integer)?);
        Some(Pair { access: word("access")?, refresh: word("refresh"), ends })
    }

    /// Users' names are addresses, which may hold what no file name can.
    fn path(&self, user: &str) -> PathBuf {
        let digest = Sha256::digest(format!("{}\n{user}", self.api));
        self.dir.join(format!("{}.json", data_encoding::HEXLOWER.encode(digest.as_slice())))
    }
}

fn written(pair: &Pair) -> String {
    let refresh = pair.refresh.as_ref().map(Secret::expose);
    json!({"access": pair.access.expose(), "refresh": refresh, "ends": pair.ends.as_millis()}).to_string()
}

/// All or nothing, and for the owner's eyes.
fn write(path: &Path, body: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let new = path.with_extension("new");
    // One that a crash left may have other rights.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(body.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(dir)?.sync_all()
}

/// OAuth's own words (RFC 6749 §5.2) mean that these credentials will not do; all else may pass.
fn refusal(answer: &Answer, body: &Value) -> ApiError {
    let said = first(body, &["error_description", "message", "error"]).and_then(Value::as_str).map(words);
    match error_of(Call::Read, answer, said) {
        ApiError::Refused(said) if !answer.status.is_success() => ApiError::Unauthorized(said),
        ApiError::Refused(reason) | ApiError::NotFound(reason) => {
            let reason = format!("no token is given: {reason}; check oauth_url");
            ApiError::Retry { after: answer.retry_after, reason }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tokens(dir: &Path) -> Tokens {
        Tokens::new(
            dir.join("tokens"),
            ApiName::new("keliweb"),
            Clock::stopped_at(Timestamp::from_secs(1_000)),
        )
    }

    #[tokio::test]
    async fn what_is_stored_is_read_again_by_that_user_alone_and_by_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path());
        let ends = Timestamp::from_secs(4_600);
        let pair = Pair { access: Secret::new("a1"), refresh: Some(Secret::new("r1")), ends };
        let path = tokens.path("me@example.com");
        for _ in 0..2 {
            write(&path, &written(&pair)).unwrap();
        }
        let read = tokens.stored("me@example.com").await.unwrap();
        assert_eq!((read.access.expose(), read.ends), ("a1", ends));
        assert_eq!(read.refresh.unwrap().expose(), "r1");
        assert!(tokens.stored("you@example.com").await.is_none());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.path().join("tokens")).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(dir.path().join("tokens")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_damaged_file_is_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path());
        for damaged in ["", "{", "{\"access\":\"a\"}", "[]"] {
            write(&tokens.path("me"), damaged).unwrap();
            assert!(tokens.stored("me").await.is_none(), "{damaged}");
        }
    }
}
