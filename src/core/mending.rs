//! What a client that follows could not read, and its writer could not put right yet: a full disk, or one that fails,
//! is asked again until it is done (R14, R15).

use super::backoff::Backoff;
use super::error::Error;
use super::jobs::Job;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mending {
    later: Vec<Job>,
    backoff: Backoff,
}

impl Mending {
    /// It could not be done. `random`: any number.
    pub fn try_later(&mut self, now: u64, job: Job, error: &Error, random: u64) {
        debug_assert!(job.call().is_some(), "somebody waits for it");
        self.later.push(job);
        self.backoff.fail_unchanged(now, error, random, false);
    }

    pub fn succeed(&mut self) {
        self.backoff.succeed();
    }

    /// When the next try is due; `None`: nothing is left to do.
    pub fn at(&self) -> Option<u64> {
        (!self.later.is_empty()).then_some(self.backoff.ready_at())
    }

    /// What is to be tried now.
    pub fn take_due(&mut self, now: u64) -> Vec<Job> {
        match self.at() {
            Some(at) if at <= now => std::mem::take(&mut self.later),
            _ => Vec::new(),
        }
    }

    /// Another client writes: who has asked asks that one.
    pub fn let_go(&mut self) {
        *self = Mending::default();
    }
}
