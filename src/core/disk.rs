//! The disk (R13, R14): what is evicted where it is full, and how often in vain; and what is
//! evicted where there are more than `maxMessages`.

use super::fault::Fault;
use super::limits::Limits;

/// Messages that an eviction lets go of at least, where the disk is full.
const LEAST: u64 = 256;
/// Doublings of the wait after evictions in vain, at most.
const DOUBLINGS: u32 = 7;

/// How full the disk is, as far as commits have shown.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// evictions for the job that is to be committed
    evictions: u32,
    /// nothing more is evicted before this (monotonic ms): the disk stayed full whatever was evicted
    not_before: u64,
    /// how often in a row that was so
    in_vain: u32,
    /// how many messages there have to be before it is worth another look for what can go
    crowded: u64,
}

impl Disk {
    // ------------------------------------------------------------ a full disk

    /// A commit other than an eviction was done: there is room again.
    pub fn on_commit(&mut self) {
        if std::mem::take(&mut self.evictions) > 0 {
            self.in_vain = 0;
        }
    }

    /// A commit found the disk full. How many of `messages` are evicted for it; `None`: it fails.
    pub fn make(&mut self, now: u64, messages: u64, limits: &Limits) -> Option<u64> {
        let may = self.not_before <= now || Fault::EvictsInVain.on();
        if !may || self.evictions >= limits.evictions {
            return None;
        }
        self.evictions += 1;
        Some((messages / 10).max(LEAST))
    }

    /// The job fails: what was evicted for it has made no room. Another eviction would cost more than it
    /// brings, so none is made for a while, twice as long each time.
    pub fn give_up(&mut self, now: u64, limits: &Limits) {
        if std::mem::take(&mut self.evictions) > 0 {
            let wait = limits.room_again << self.in_vain.min(DOUBLINGS);
            self.not_before = now.saturating_add(wait);
            self.in_vain += 1;
        }
    }

    /// The job is let go of: whether the evictions made room is not known.
    pub fn forget(&mut self) {
        self.evictions = 0;
    }

    // ------------------------------------------------------------ more than are to be kept

    /// A timeline needs fewer messages than before: what could not go may go now.
    pub fn look_again(&mut self) {
        self.crowded = 0;
    }

    /// How many of `messages` are to go because there are more than `most`; `None`: none, or it is too soon to
    /// look. Where nearly all of them are shown an eviction finds little that can go: then not every commit
    /// looks for some. `evicting`: some are going already.
    pub fn excess(&mut self, messages: u64, most: u64, evicting: bool) -> Option<u64> {
        if messages <= most {
            self.crowded = 0;
        }
        if messages <= most || messages < self.crowded || evicting {
            return None;
        }
        let slack = most / 20;
        self.crowded = messages.saturating_add(slack + 1);
        Some(messages - most + slack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_room_is_tried_ever_less_often() {
        let limits = Limits::default();
        let mut room = Disk::default();
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..10 {
            for _ in 0..limits.evictions {
                assert!(room.make(now, 0, &limits).is_some());
            }
            assert_eq!(room.make(now, 0, &limits), None, "it gives up");
            room.give_up(now, &limits);
            waits.push((room.not_before - now) / limits.room_again);
            assert_eq!(room.make(room.not_before - 1, 0, &limits), None);
            now = room.not_before;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        // One that made room: the next one begins anew.
        assert_eq!(room.make(now, 100_000, &limits), Some(10_000));
        room.on_commit();
        assert!(room.make(now, 0, &limits).is_some());
        room.give_up(now, &limits);
        assert_eq!(room.not_before - now, limits.room_again);
    }

    #[test]
    fn where_nothing_can_go_it_is_not_looked_for_at_each_commit() {
        let mut room = Disk::default();
        assert_eq!(room.excess(100, 100, false), None);
        assert_eq!(room.excess(110, 100, false), Some(15));
        assert_eq!(room.excess(111, 100, false), None);
        assert_eq!(room.excess(116, 100, true), None);
        assert_eq!(room.excess(116, 100, false), Some(21));
        room.look_again();
        assert_eq!(room.excess(117, 100, false), Some(22));
    }
}
