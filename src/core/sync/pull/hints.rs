//! Notifications, and what they are worth: one that brings nothing, again and again, is obeyed more and more slowly.

/// Chains in a row that were asked for by notifications and brought nothing, before those count as lies: a replica may
/// lag, and of several notifications one pull brings all.
const BELIEVED: u32 = 10;
/// ms between two chains after that, twice as many after each that brings nothing, and at most. A server may notify of
/// what is nobody's message, as that somebody writes one: a message among these is not to be late by more.
const PACE: (u64, u64) = (100, 1_000);

/// Whether notifications say the truth.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// one has come since the last chain began
    pending: bool,
    /// the chain under way was asked for by one
    followed: bool,
    /// such chains in a row that have brought nothing
    vain: u32,
}

impl Hints {
    /// One has come.
    pub fn on_hint(&mut self) {
        self.pending = true;
    }

    /// A chain begins.
    pub fn on_begin(&mut self) {
        self.followed = std::mem::take(&mut self.pending);
    }

    /// A chain has ended, and has brought so many events.
    pub fn on_end(&mut self, events: u64) {
        if events > 0 {
            self.vain = 0;
        } else if std::mem::take(&mut self.followed) {
            self.vain = self.vain.saturating_add(1);
        }
    }

    /// A push was applied: the channel says the truth.
    pub fn on_push_applied(&mut self) {
        self.vain = 0;
    }

    /// ms between the beginnings of two chains, up to `most`: what a client without notifications waits.
    pub fn pace(&self, most: u64) -> u64 {
        let (least, slowest) = PACE;
        match self.vain.checked_sub(BELIEVED) {
            Some(more) => (least << more.min(16)).min(slowest).min(most),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many chains, each asked for by a notification.
    fn follow(hints: &mut Hints, chains: u32, events: u64) {
        for _ in 0..chains {
            hints.on_hint();
            hints.on_begin();
            hints.on_end(events);
        }
    }

    #[test]
    fn what_brings_nothing_is_followed_twice_as_seldom_each_time_and_once_a_second_at_least() {
        let mut hints = Hints::default();
        follow(&mut hints, BELIEVED - 1, 0);
        assert_eq!(hints.pace(5_000), 0);
        follow(&mut hints, 1, 0);
        assert_eq!(hints.pace(5_000), 100);
        follow(&mut hints, 2, 0);
        assert_eq!(hints.pace(5_000), 400);
        follow(&mut hints, 100, 0);
        assert_eq!(hints.pace(5_000), 1_000);
        assert_eq!(hints.pace(500), 500, "no more seldom than the timer");
        follow(&mut hints, 1, 3);
        assert_eq!(hints.pace(5_000), 0, "it said the truth once");
        follow(&mut hints, 100, 0);
        hints.on_push_applied();
        assert_eq!(hints.pace(5_000), 0, "a push says it too");
    }

    #[test]
    fn a_chain_that_nobody_notified_of_says_nothing_of_notifications() {
        let mut hints = Hints::default();
        for _ in 0..100 {
            hints.on_begin();
            hints.on_end(0);
        }
        assert_eq!(hints.pace(5_000), 0);
    }
}
