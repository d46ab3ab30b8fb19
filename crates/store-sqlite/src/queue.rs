//! The bounded queue between callers and the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Waiting jobs. Many push, one takes everything that waits.
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Condvar,
    jobs_max: usize,
}

struct Inner<T> {
    jobs: VecDeque<T>,
    open: bool,
    taker_sleeps: bool,
}

/// Why a job was not taken; it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// As many wait as may.
    Full,
    /// Nothing is taken any more.
    Closed,
}

impl<T> Queue<T> {
    /// An empty queue for at most `jobs_max` waiting jobs.
    pub(crate) fn new(jobs_max: usize) -> Queue<T> {
        let inner = Inner { jobs: VecDeque::new(), open: true, taker_sleeps: false };
        Queue { inner: Mutex::new(inner), arrived: Condvar::new(), jobs_max }
    }

    /// Adds a job at the end.
    pub(crate) fn push(&self, job: T) -> Result<(), NotQueued> {
        self.push_below(job, self.jobs_max)
    }

    /// Adds a job that is not urgent: only while the queue is at most half full.
    pub(crate) fn push_idle(&self, job: T) -> Result<(), NotQueued> {
        self.push_below(job, self.jobs_max / 2)
    }

    /// Moves up to `jobs_max` jobs to the end of `into`, waiting for the first one. `false` when the
    /// queue is closed and empty.
    pub(crate) fn take(&self, into: &mut Vec<T>, jobs_max: usize) -> bool {
        let mut inner = self.lock();
        while inner.jobs.is_empty() {
            if !inner.open {
                return false;
            }
            inner.taker_sleeps = true;
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.taker_sleeps = false;
        let count = inner.jobs.len().min(jobs_max.max(1));
        into.extend(inner.jobs.drain(..count));
        true
    }

    /// Takes no more jobs; those that wait are still given out.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.arrived.notify_all();
    }

    /// Takes no more jobs, and drops those that wait.
    pub(crate) fn abandon(&self) {
        let dropped = {
            let mut inner = self.lock();
            inner.open = false;
            std::mem::take(&mut inner.jobs)
        };
        // Outside the lock: dropping a job wakes its caller.
        drop(dropped);
    }

    fn push_below(&self, job: T, limit: usize) -> Result<(), NotQueued> {
        let mut inner = self.lock();
        if !inner.open {
            return Err(NotQueued::Closed);
        }
        if inner.jobs.len() >= limit {
            return Err(NotQueued::Full);
        }
        inner.jobs.push_back(job);
        let wake = std::mem::take(&mut inner.taker_sleeps);
        drop(inner);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // A panic while the lock is held leaves a whole queue: every change is one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_no_more_and_half_of_it_is_for_urgent_jobs_only() {
        let queue = Queue::new(4);
        assert_eq!(queue.push_idle(1), Ok(()));
        assert_eq!(queue.push_idle(2), Ok(()));
        assert_eq!(queue.push_idle(3), Err(NotQueued::Full));
        assert_eq!(queue.push(3), Ok(()));
        assert_eq!(queue.push(4), Ok(()));
        assert_eq!(queue.push(5), Err(NotQueued::Full));
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, 3));
        assert_eq!(taken, [1, 2, 3]);
    }

    #[test]
    fn a_closed_queue_gives_out_what_waits_and_then_ends() {
        let queue = Queue::new(4);
        assert_eq!(queue.push(1), Ok(()));
        queue.close();
        assert_eq!(queue.push(2), Err(NotQueued::Closed));
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, 8));
        assert_eq!(taken, [1]);
        assert!(!queue.take(&mut taken, 8));
    }
}
