//! Calls into code that may never come back, each on a thread of its own, with a time limit.

use crate::error::VaultError;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many calls may be under way at once; more wait for a place. One that hangs keeps its place for as long as it hangs: a module that
/// is stuck takes this many threads and no more.
pub(crate) const CALLS_MAX: usize = 16;

/// Makes calls that are given up after a while. A call that was given up goes on until it returns, and then what
/// it brings is dropped.
pub(crate) struct BoundedCalls {
    places: Arc<Places>,
    /// How long a call may take, and as long again wait for its place, in milliseconds.
    call_ms_max: u64,
}

impl BoundedCalls {
    pub(crate) fn new(call_ms_max: u64) -> BoundedCalls {
        BoundedCalls { places: Arc::default(), call_ms_max }
    }

    /// Makes the call and waits for it. `doing` says what it does, for errors.
    ///
    /// # Errors
    /// [`VaultError::ModuleTooSlow`] when it takes too long, [`VaultError::ModuleStuck`] when so many others do that
    /// it finds no place in time;
    /// those of the call.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        call: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let limit = Duration::from_millis(self.call_ms_max);
        let place = Place::take(&self.places, limit).ok_or(VaultError::ModuleStuck { doing })?;
        let (done, waiting) = sync_channel(1);
        let started = thread::Builder::new().name("pkcs11".to_owned()).spawn(move || {
            let _place = place;
            // Nobody waits any more when it was given up.
            let _ = done.send(call());
        });
        started.map_err(|error| VaultError::Module { doing, reason: format!("no thread for it: {error}") })?;
        match waiting.recv_timeout(limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(VaultError::ModuleTooSlow { doing, call_ms_max: self.call_ms_max }),
            Err(RecvTimeoutError::Disconnected) => {
                Err(VaultError::Module { doing, reason: "the call broke off".to_owned() })
            }
        }
    }
}

/// How many calls are under way, and who waits for one to end.
#[derive(Default)]
struct Places {
    under_way: Mutex<usize>,
    freed: Condvar,
}

impl Places {
    // A number cannot be half changed.
    fn under_way(&self) -> MutexGuard<'_, usize> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the calls under way.
struct Place(Arc<Places>);

impl Place {
    fn take(places: &Arc<Places>, wait_max: Duration) -> Option<Place> {
        let begun = Instant::now();
        let mut under_way = places.under_way();
        while *under_way >= CALLS_MAX {
            let left = wait_max.checked_sub(begun.elapsed())?;
            under_way = places.freed.wait_timeout(under_way, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *under_way += 1;
        Some(Place(Arc::clone(places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.under_way() -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// A call that hangs until its sender is dropped.
    fn hanging() -> (Sender<()>, impl FnOnce() -> Result<(), VaultError> + Send + 'static) {
        let (release, held) = channel::<()>();
        (release, move || {
            let _ = held.recv();
            Ok(())
        })
    }

    #[test]
    fn a_call_that_hangs_is_given_up_and_the_error_says_which() {
        let calls = BoundedCalls::new(20);
        let (_release, hangs) = hanging();
        let error = calls.run("wrap a data key", hangs).unwrap_err();
        assert!(error.to_string().contains("wrap a data key took longer than 20 ms"), "{error}");
        assert_eq!(BoundedCalls::new(60_000).run("add", || Ok(1 + 1)).unwrap(), 2);
    }

    #[test]
    fn calls_that_hang_take_a_limited_number_of_threads_and_give_them_back() {
        let calls = BoundedCalls::new(1);
        let mut releases = Vec::new();
        for _ in 0..CALLS_MAX {
            let (release, hangs) = hanging();
            assert!(matches!(calls.run("hang", hangs), Err(VaultError::ModuleTooSlow { .. })));
            releases.push(release);
        }
        assert!(matches!(calls.run("look", || Ok(())), Err(VaultError::ModuleStuck { doing: "look" })));
        releases.clear();
        let patient = BoundedCalls { places: Arc::clone(&calls.places), call_ms_max: 60_000 };
        patient.run("look", || Ok(())).unwrap();
    }

    #[test]
    fn a_call_that_panics_is_an_error_and_gives_its_place_back() {
        let calls = BoundedCalls::new(60_000);
        let broke = calls.run("break", || -> Result<(), VaultError> { std::panic::resume_unwind(Box::new(())) });
        assert!(matches!(broke, Err(VaultError::Module { doing: "break", .. })));
        while *calls.places.under_way() > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn more_calls_at_once_than_places_wait_and_are_all_made() {
        let calls = BoundedCalls::new(60_000);
        thread::scope(|scope| {
            for _ in 0..4 * CALLS_MAX {
                scope.spawn(|| calls.run("look", || Ok(())).unwrap());
            }
        });
    }
}
