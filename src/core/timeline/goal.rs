//! What a window is to show, as long as it does not.

use crate::core::command::{Call, Start};
use crate::core::records::Held;
use crate::core::types::Conversation;

/// What was looked for, and was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// nothing was at or after this time
    Time(u64),
    /// this position was newer than the newest; `tried`: as in [`Goal::Around`]
    Position { seq: u64, tried: bool },
}

/// How long what says where it goes is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// it has not begun to wait
    Fresh,
    Until(u64),
    /// it has waited for long enough, or what it waited for is there
    Over,
}

/// Where the first message at or after a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// at this position
    At(u64),
    /// all messages are older
    Nothing,
}

/// What a window is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// the newest end; `instead`: of what was looked for
    Latest { instead: Option<Missed> },
    /// what was on screen, and its middle
    Range { lo: u64, hi: u64, mid: u64 },
    /// this position
    Around {
        seq: u64,
        /// a page around it was asked for
        tried: bool,
        /// until when a pull is waited for that may bring it
        until: Option<u64>,
        /// the one under way when it began to wait
        pull: Option<u64>,
    },
    /// The first message at or after this time.
    AtTime {
        ms: u64,
        /// what a page has said of it; none: none has
        found: Option<Found>,
    },
    /// The first message that the account has not read.
    FirstUnread {
        /// the position that a page was asked for around
        tried: Option<u64>,
        /// until when the list is waited for
        patience: Patience,
    },
}

impl Goal {
    pub const LATEST: Goal = Goal::Latest { instead: None };

    /// This position, of which nothing was asked yet.
    pub fn around(seq: u64) -> Goal {
        Goal::Around {
            seq,
            tried: false,
            until: None,
            pull: None,
        }
    }

    /// What the app asks for, by `start` or `jump`.
    pub fn of(to: Start) -> Goal {
        match to {
            Start::Latest => Goal::LATEST,
            Start::Around(seq) => Goal::around(seq.0),
            Start::At(ms) => Goal::AtTime { ms, found: None },
            Start::FirstUnread => Goal::FirstUnread {
                tried: None,
                patience: Patience::Fresh,
            },
        }
    }

    /// The same goal from its beginning: what was tried for it does not count.
    fn anew(self) -> Goal {
        match self {
            // Something may have come since that was the latest for want of anything later.
            Goal::Latest {
                instead: Some(Missed::Time(ms)),
            }
            | Goal::AtTime { ms, .. } => Goal::AtTime { ms, found: None },
            Goal::Latest {
                instead: Some(Missed::Position { seq, .. }),
            }
            | Goal::Around { seq, .. } => Goal::around(seq),
            Goal::Latest { instead: None } => Goal::LATEST,
            Goal::Range { lo, hi, mid } => Goal::Range { lo, hi, mid },
            Goal::FirstUnread { .. } => Goal::of(Start::FirstUnread),
        }
    }

    /// A page around this position is asked for.
    fn try_around(&mut self, at: u64) {
        match self {
            Goal::Around { seq, tried, .. } => *tried |= *seq == at,
            Goal::FirstUnread { tried, .. } => *tried = Some(at),
            Goal::Latest { .. } | Goal::Range { .. } | Goal::AtTime { .. } => {}
        }
    }

    /// What was tried brought nothing that lasts.
    fn try_again(&mut self) {
        match self {
            Goal::Around { tried, .. }
            | Goal::Latest {
                instead: Some(Missed::Position { tried, .. }),
            } => *tried = false,
            Goal::FirstUnread { tried, .. } => *tried = None,
            Goal::Latest { .. } | Goal::Range { .. } | Goal::AtTime { .. } => {}
        }
    }

    /// Until when it waits for what may say where it goes.
    pub fn until(&self) -> Option<u64> {
        match self {
            Goal::Around { until, .. } => *until,
            Goal::FirstUnread {
                patience: Patience::Until(until),
                ..
            } => Some(*until),
            _ => None,
        }
    }

    /// The oldest position that it is about to show; `None`: not known.
    pub fn needs_from(
        &self,
        want: usize,
        held: &Held,
        state: Option<&Conversation>,
    ) -> Option<u64> {
        match self {
            Goal::Latest { .. } => held.newest_from(want),
            Goal::Range { lo, .. } | Goal::Around { seq: lo, .. } => Some(*lo),
            Goal::AtTime { .. } => None,
            Goal::FirstUnread { .. } => match state.and_then(first_unread) {
                Some(seq) => Some(seq),
                None => held.newest_from(want),
            },
        }
    }
}

/// A window that is wanted, for the first time or again: by an opening, a jump, an overflow.
#[derive(Clone, Debug)]
pub(super) struct Reload {
    pub goal: Goal,
    /// the app has named the goal: what is shown does not stand for it
    pub asked: bool,
    /// messages
    pub want: usize,
    pub fetch: Option<u64>,
    /// pages asked for
    pub pages: u32,
    /// jumps that it answers
    pub calls: Vec<Call>,
}

impl Reload {
    /// What the client is to show by itself.
    pub fn own(goal: Goal, want: usize) -> Reload {
        Reload {
            goal,
            asked: false,
            want,
            fetch: None,
            pages: 0,
            calls: Vec::new(),
        }
    }

    pub fn latest(want: usize) -> Reload {
        Reload::own(Goal::LATEST, want)
    }

    /// What the app asks for.
    pub fn asked(to: Start, want: usize, calls: Vec<Call>) -> Reload {
        Reload {
            asked: true,
            calls,
            ..Reload::own(Goal::of(to), want)
        }
    }

    /// The same, once its segments have gone.
    pub fn anew(self) -> Reload {
        Reload {
            goal: self.goal.anew(),
            fetch: None,
            pages: 0,
            ..self
        }
    }

    /// What was wanted is not to be had: `goal` takes its place.
    pub fn give_up(&mut self, goal: Goal, want: usize) {
        self.goal = goal;
        self.want = want;
        self.fetch = None;
    }

    /// A page is on its way. `around`: this position.
    pub fn asks(&mut self, around: Option<u64>) {
        self.pages += 1;
        if let Some(seq) = around {
            self.goal.try_around(seq);
        }
    }

    /// The pages that were asked for do not count.
    pub fn try_again(&mut self) {
        self.pages = 0;
        self.goal.try_again();
    }

    /// A trim that has passed the page left nothing of it: what there is now is asked for.
    pub fn was_trimmed(&mut self) {
        self.goal.try_again();
    }
}

/// From where on the account has not read; `None`: it has read all.
pub(super) fn first_unread(state: &Conversation) -> Option<u64> {
    let unread = state.unread > 0;
    unread.then(|| state.read_seq.map_or(0, |read| read.0.saturating_add(1)))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::types::Seq;

    #[test]
    fn what_the_app_asked_for_is_looked_for_anew_once_the_segments_have_gone() {
        let missed = |missed| Goal::Latest {
            instead: Some(missed),
        };
        let position = Missed::Position {
            seq: 5,
            tried: true,
        };
        let tried = Goal::Around {
            seq: 5,
            tried: true,
            until: Some(9),
            pull: Some(1),
        };
        let found = Goal::AtTime {
            ms: 7,
            found: Some(Found::Nothing),
        };
        for (goal, anew) in [
            (Goal::LATEST, Goal::LATEST),
            (missed(Missed::Time(7)), Goal::of(Start::At(7))),
            (missed(position), Goal::around(5)),
            (tried, Goal::around(5)),
            (found, Goal::of(Start::At(7))),
        ] {
            let mut reload = Reload::asked(Start::Latest, 10, vec![3]);
            (reload.goal, reload.pages, reload.fetch) = (goal, 4, Some(2));
            let reload = reload.anew();
            assert_eq!(reload.goal, anew, "{goal:?}");
            assert_eq!((reload.pages, reload.fetch), (0, None));
            assert_eq!((reload.asked, reload.calls), (true, vec![3]));
        }
    }

    #[test]
    fn a_page_around_another_position_does_not_count_as_tried() {
        let tried = |goal: Goal, at| {
            let mut reload = Reload::own(goal, 10);
            reload.asks(Some(at));
            reload.goal
        };
        let is_tried = |goal| matches!(goal, Goal::Around { tried: true, .. });
        assert!(is_tried(tried(Goal::around(5), 5)));
        assert!(!is_tried(tried(Goal::around(5), 6)));
        let mut reload = Reload::own(tried(Goal::around(5), 5), 10);
        reload.try_again();
        assert!(!is_tried(reload.goal));
    }

    #[test]
    fn the_first_unread_is_the_one_behind_what_was_read() {
        let mut state = Conversation::new("c".into());
        assert_eq!(first_unread(&state), None);
        state.unread = 2;
        assert_eq!(first_unread(&state), Some(0));
        state.read_seq = Some(Seq(4));
        assert_eq!(first_unread(&state), Some(5));
    }
}
