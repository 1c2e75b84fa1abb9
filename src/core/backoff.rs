//! When what has failed may be tried again, and how much may be asked for at a time (R14).

use super::error::{Error, ErrorCode};
use super::fault::Fault;

/// ms between tries of what may succeed unchanged: the first wait is below this, none is above that.
const QUICK: (u64, u64) = (1_000, 60_000);
/// The same where the server refuses for good: slow, but on (docs/rules.md, R14).
const SLOW: (u64, u64) = (10_000, 300_000);
/// The same while the browser says that there is no network: a hint forbids nothing.
const HINTED: (u64, u64) = (5_000, 60_000);
/// ms that any wait has at least, so that no error makes a loop.
const LEAST: u64 = 100;
/// Successes that are needed, at most, before more is asked for.
const MOST_NEEDED: u32 = 64;

/// Backoff with full jitter. What the client chose itself is ended by [`Backoff::forgive`]; what the
/// server asked for (`Retry-After`) by a person alone ([`Backoff::urge`]). All times are monotonic ms.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    /// when it failed last: [`Backoff::forgive`] leaves a short wait after this
    failed: u64,
    /// not before this: the client's choice
    chosen: u64,
    /// not before this: the server has asked for it
    asked: u64,
}

impl Backoff {
    /// It failed once more. `random`: any number. `hinted`: the browser says that there is no network.
    pub fn fail(&mut self, now: u64, error: &Error, random: u64, hinted: bool) {
        let waits = match error.retryable() {
            // This device's own store: nothing tells that there is room on its disk again.
            _ if matches!(error.code, ErrorCode::Quota | ErrorCode::Storage) => QUICK,
            true if hinted => HINTED,
            true => QUICK,
            false => SLOW,
        };
        self.fail_within(now, error, random, waits);
    }

    /// The same with waits of its own, in ms: the first is below `base`, none is above `cap`.
    pub fn fail_within(&mut self, now: u64, error: &Error, random: u64, (base, cap): (u64, u64)) {
        let cap = if Fault::NoBackoff.on() { 1 } else { cap };
        let limit = base.saturating_mul(1 << self.failures.min(16)).min(cap);
        self.failures = self.failures.saturating_add(1);
        self.failed = now;
        self.chosen = now.saturating_add(LEAST).saturating_add(random % limit);
        self.heed(now, error);
    }

    /// The same, as if the error were the network's: the request is tried again unchanged, at the quick pace.
    pub fn fail_unchanged(&mut self, now: u64, error: &Error, random: u64, hinted: bool) {
        let error = Error {
            code: ErrorCode::Network,
            ..error.clone()
        };
        self.fail(now, &error, random, hinted);
    }

    /// Takes note of the error's `Retry-After`, and counts no failure.
    pub fn heed(&mut self, now: u64, error: &Error) {
        if !Fault::RetryAfterIsIgnored.on() {
            self.asked = self.asked.max(now.saturating_add(error.wait()));
        }
    }

    /// Nothing is tried before `until`: the client's own choice, which [`Backoff::forgive`] ends.
    pub fn hold(&mut self, until: u64) {
        self.chosen = self.chosen.max(until);
    }

    /// Sets how many failures in a row there were: the next wait is that after `failures`.
    pub fn begin_at(&mut self, failures: u32) {
        self.failures = failures;
    }

    /// A try succeeded. A `Retry-After` that is not over still holds.
    pub fn succeed(&mut self) {
        self.failures = 0;
        self.chosen = 0;
    }

    /// Ends the wait that the client chose itself. After failures in a row a short wait is left: what calls
    /// this may itself follow from a failure, and the two would make a loop. The failures still count, so
    /// that the wait after the next one is longer.
    pub fn forgive(&mut self) {
        let moment = match self.failures {
            n @ 2.. if !Fault::ForgivenAtOnce.on() => LEAST << (n - 2).min(3),
            _ => 0,
        };
        self.chosen = self.chosen.min(self.failed.saturating_add(moment));
    }

    /// A person asks: both waits end, the client's and the server's (R14).
    pub fn urge(&mut self) {
        self.chosen = 0;
        self.asked = 0;
    }

    /// When it may be tried again; 0: at once.
    pub fn ready_at(&self) -> u64 {
        self.chosen.max(self.asked)
    }

    /// When the client's own wait is over; 0: there is none.
    pub fn chosen_until(&self) -> u64 {
        self.chosen
    }

    /// When the wait is over that the server asked for; 0: there is none.
    pub fn asked_until(&self) -> u64 {
        self.asked
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// How much is asked for at a time (R14). What was too much is halved, down to one. After enough successes it is
/// doubled; each time that a doubled one is too much again, twice as many successes are needed for the next.
#[derive(Clone, Debug)]
pub(super) struct Portion {
    most: u32,
    /// successes in a row at `most`
    good: u32,
    /// successes after which it grows
    need: u32,
    /// it was doubled, and nothing of that size has come yet
    trying: bool,
}

/// A count as the `u32` that a portion takes; what is larger is `u32::MAX`.
pub(super) fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Default for Portion {
    fn default() -> Self {
        Portion {
            most: u32::MAX,
            good: 0,
            need: 1,
            trying: false,
        }
    }
}

impl Portion {
    /// How much to ask for where `wanted` would be; at least 1.
    pub fn limit(&self, wanted: u32) -> u32 {
        wanted.min(self.most).max(1)
    }

    /// `asked` was too much. Answers whether less can be asked for: false at 1.
    pub fn too_much(&mut self, asked: u32) -> bool {
        if asked <= 1 || Fault::TooMuchStaysTooMuch.on() {
            return false;
        }
        self.most = self.most.min(asked / 2);
        self.good = 0;
        if std::mem::take(&mut self.trying) {
            self.need = self.need.saturating_mul(2).min(MOST_NEEDED);
        }
        true
    }

    /// `asked` was asked for, and came.
    pub fn fits(&mut self, asked: u32) {
        if asked < self.most {
            return;
        }
        if std::mem::take(&mut self.trying) {
            self.need = (self.need / 2).max(1);
        }
        self.good += 1;
        if self.good >= self.need {
            self.most = self.most.saturating_mul(2);
            self.good = 0;
            self.trying = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Error {
        Error::new(ErrorCode::Network, "no answer")
    }

    #[test]
    fn it_waits_longer_each_time_up_to_a_minute_and_begins_anew_after_a_success() {
        let mut b = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            b.fail(0, &network(), u64::MAX, false);
            waits.push(b.ready_at());
        }
        assert!(waits.iter().all(|wait| *wait <= 60_100));
        let mut longest = 0;
        for random in (0..1 << 20).step_by(997) {
            b.fail(0, &network(), random, false);
            longest = longest.max(b.ready_at());
        }
        assert!(longest > 50_000, "{longest}");
        b.succeed();
        b.fail(0, &network(), 999, false);
        assert_eq!((b.ready_at(), b.failures()), (1_099, 1));
    }

    #[test]
    fn what_the_server_asked_for_outlives_all_but_a_person() {
        let mut b = Backoff::default();
        let busy = Error::from_status(503, "busy", Some(30_000));
        b.fail(1_000, &busy, 0, false);
        b.forgive();
        b.succeed();
        assert_eq!(b.ready_at(), 31_000);
        b.urge();
        assert_eq!(b.ready_at(), 0);
    }

    #[test]
    fn what_is_forgiven_at_each_failure_is_no_loop() {
        let mut b = Backoff::default();
        let (mut now, mut tries) = (0, 0);
        while now < 60_000 {
            tries += 1;
            b.fail(now, &network(), 700, true);
            b.forgive();
            now = b.ready_at();
        }
        assert!(tries < 80, "{tries}");
    }

    #[test]
    fn no_time_is_beyond_all_numbers() {
        let mut b = Backoff::default();
        for after in [u64::MAX, 1 << 53, 86_400_000] {
            b.fail(1_000, &Error::from_status(503, "", Some(after)), 7, false);
            assert_eq!(b.ready_at(), 601_000, "ten minutes at most");
        }
        for _ in 0..100 {
            b.fail(u64::MAX - 1, &network(), u64::MAX, true);
        }
        assert_eq!(b.ready_at(), u64::MAX);
    }

    #[test]
    fn what_is_too_much_is_halved_down_to_one_and_grows_again() {
        let mut p = Portion::default();
        assert_eq!(p.limit(500), 500);
        let mut asked = 500;
        let mut seen = Vec::new();
        while p.too_much(asked) {
            asked = p.limit(500);
            seen.push(asked);
        }
        assert_eq!(seen, [250, 125, 62, 31, 15, 7, 3, 1]);
        for _ in 0..9 {
            p.fits(p.limit(500));
        }
        assert_eq!(p.limit(500), 500);
    }

    #[test]
    fn what_is_too_much_each_time_is_tried_ever_less_often() {
        let mut p = Portion::default();
        let mut failures = 0;
        for _ in 0..1_000 {
            let asked = p.limit(500);
            if asked > 100 {
                failures += 1;
                p.too_much(asked);
            } else {
                p.fits(asked);
            }
        }
        assert!(failures < 30, "{failures}");
        assert!(p.limit(500) > 50, "{}", p.limit(500));
    }

    #[test]
    fn a_smaller_portion_proves_nothing_of_a_greater() {
        let mut p = Portion::default();
        p.too_much(100);
        for _ in 0..10 {
            p.fits(3);
        }
        assert_eq!((p.limit(100), p.limit(3)), (50, 3));
    }
}
