//! The custodians who have come to open a split key, until they are enough.

use crate::error::VaultError;
use crate::split::{CustodianKey, SplitKek};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a custodian who has come is remembered while the others are missing, in milliseconds; then his key is
/// wiped, and he has to come again.
pub const CUSTODIAN_WAIT_MS_MAX: u64 = 10 * 60 * 1000;
/// How long a custodian waits after the first wrong passphrase, in milliseconds; twice as long after each
/// further one,
pub const WRONG_WAIT_MS_MIN: u64 = 1_000;
/// up to this.
pub const WRONG_WAIT_MS_MAX: u64 = 5 * 60 * 1000;
/// How many wrong passphrases of one custodian a process takes, between two right ones. Then only a restart
/// helps.
pub const WRONG_TRIES_MAX: u32 = 30;

/// Who has come, and who was wrong.
#[derive(Default)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
    /// One passphrase is judged at a time: each takes much memory, and guesses at once would evade the waits.
    judging: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// By version.
    waiting: BTreeMap<u32, Waiting>,
    /// By the name in small letters.
    wrong: BTreeMap<String, Wrong>,
}

/// Who waits for one version.
struct Waiting {
    identity: Vec<u8>,
    come: Vec<Come>,
}

struct Come {
    key: CustodianKey,
    at: Instant,
}

/// A custodian's wrong tries since he was right last.
struct Wrong {
    tries: u32,
    next_at: Instant,
}

impl Arrivals {
    /// Nobody else is judged until the guard goes.
    pub(crate) fn judge_alone(&self) -> MutexGuard<'_, ()> {
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether that custodian may try now.
    pub(crate) fn may_try(&self, name: &str, now: Instant) -> Result<(), VaultError> {
        match self.state().wrong.get(&name.to_ascii_lowercase()) {
            Some(wrong) if wrong.tries >= WRONG_TRIES_MAX => Err(VaultError::NoMoreTries),
            Some(wrong) if now < wrong.next_at => {
                let wait = wrong.next_at.duration_since(now);
                Err(VaultError::TriesTooFast { wait_s: wait.as_secs() + 1 })
            }
            _ => Ok(()),
        }
    }

    /// He was wrong: the next try has to wait.
    pub(crate) fn was_wrong(&self, name: &str, now: Instant) {
        let mut state = self.state();
        let wrong = state.wrong.entry(name.to_ascii_lowercase()).or_insert(Wrong { tries: 0, next_at: now });
        let wait_ms = WRONG_WAIT_MS_MIN.saturating_mul(1 << wrong.tries.min(20)).min(WRONG_WAIT_MS_MAX);
        wrong.tries += 1;
        wrong.next_at = now + Duration::from_millis(wait_ms);
    }

    /// He was right in everything that he has a part in: his wrong tries are forgotten. One passphrase of an older
    /// key must not buy him more tries at a newer one.
    pub(crate) fn was_right(&self, name: &str) {
        self.state().wrong.remove(&name.to_ascii_lowercase());
    }

    /// He was right for one key: he waits for the others. With a quorum, `open` is called with their keys, and then they
    /// wait no more.
    pub(crate) fn came<T>(
        &self,
        split: &SplitKek,
        key: CustodianKey,
        now: Instant,
        open: impl FnOnce(&mut dyn Iterator<Item = &CustodianKey>) -> Result<T, VaultError>,
    ) -> Result<Option<T>, VaultError> {
        let mut state = self.state();
        let fresh = || Waiting { identity: split.identity().to_vec(), come: Vec::new() };
        let waiting = state.waiting.entry(split.version()).or_insert_with(fresh);
        if waiting.identity != split.identity() {
            // The file was replaced since: a custodian of the old one has to come again.
            *waiting = fresh();
        }
        waiting.come.retain(|come| come.key.position != key.position);
        waiting.come.push(Come { key, at: now });
        if waiting.come.len() < split.quorum() {
            return Ok(None);
        }
        let opened = open(&mut waiting.come.iter().map(|come| &come.key));
        state.waiting.remove(&split.version());
        opened.map(Some)
    }

    /// Who has come for that file, by their places in it.
    pub(crate) fn who_came(&self, split: &SplitKek) -> Vec<usize> {
        let state = self.state();
        let waiting = state.waiting.get(&split.version()).filter(|waiting| waiting.identity == split.identity());
        let mut places: Vec<_> =
            waiting.into_iter().flat_map(|waiting| &waiting.come).map(|come| come.key.position).collect();
        places.sort_unstable();
        places
    }

    /// Wipes the keys of those who have waited too long. Answers how many there were.
    pub(crate) fn forget_late(&self, now: Instant) -> usize {
        let wait_max = Duration::from_millis(CUSTODIAN_WAIT_MS_MAX);
        let mut forgotten = 0;
        for waiting in self.state().waiting.values_mut() {
            let before = waiting.come.len();
            waiting.come.retain(|come| now.saturating_duration_since(come.at) < wait_max);
            forgotten += before - waiting.come.len();
        }
        forgotten
    }

    // A panic elsewhere cannot leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn waits_after_wrong_passphrases_grow_to_their_limit_and_then_no_more_is_taken() {
        let (arrivals, mut now) = (Arrivals::default(), Instant::now());
        let mut waits_s = Vec::new();
        for _ in 0..WRONG_TRIES_MAX {
            arrivals.may_try("ada", now).unwrap();
            arrivals.was_wrong("Ada", now);
            let Err(VaultError::TriesTooFast { wait_s }) = arrivals.may_try("ADA", now) else { break };
            waits_s.push(wait_s - 1);
            now += Duration::from_secs(wait_s);
        }
        assert_eq!(waits_s[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(waits_s.len(), usize::try_from(WRONG_TRIES_MAX).unwrap() - 1);
        let later = now + Duration::from_secs(1_000_000);
        assert!(matches!(arrivals.may_try("ada", later), Err(VaultError::NoMoreTries)), "waiting does not help");
        arrivals.may_try("grace", now).unwrap();
        arrivals.was_right("ada");
        arrivals.may_try("ada", now).unwrap();
    }
}
