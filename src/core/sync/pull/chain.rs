//! A pull and its `hasMore` chain, while it is under way; and where it has no end.

use super::super::scope::conversation::Pieces;
use crate::core::error::Error;
use crate::core::json;
use crate::core::limits::Limits;
use crate::core::wire::batch::FeedBatch;

/// A chain under way. Made anew for each.
#[derive(Debug)]
pub(super) struct Chain {
    /// the request that it waits for: a pull, or an acknowledgement
    pub request: u64,
    /// what it has still to ask for
    pub pieces: Pieces,
    /// it is about all that is not backed off from: the timer begins anew at its end
    pub broad: bool,
    /// the notification channel was ready when it began, and has brought all that came since
    pub unbroken: bool,
    /// it began after the list's last page (R11)
    pub after_list: bool,
    /// somebody has asked during it
    pub again: bool,
    /// the last answer leads on
    pub more: bool,
    /// events applied
    pub applied: u64,
    /// deliveries that are to be acknowledged before it goes on
    pub acking: Vec<String>,
    /// why some of the last batch is not acknowledged
    pub stuck: Option<Error>,
    /// some of it is
    pub moved: bool,
    /// it asks for all because one was refused that the account has perhaps left
    pub left_asked: bool,
    /// conversations in a row that were too much alone
    pub alone: u32,
    /// whether it leads nowhere
    pub endless: Endless,
}

/// Finds that a chain leads nowhere.
#[derive(Debug)]
pub(super) struct Endless {
    /// batches in a row that have more and bring nothing
    empty: u32,
    /// batches in a row that have more and change nothing
    known: u32,
    /// of both, how many are too many
    most: (u32, u32),
    circle: CursorCycle,
}

impl Endless {
    /// `before`: chains in a row that had no end. Each makes the next one be given up sooner.
    pub fn new(limits: &Limits, before: u32) -> Endless {
        let less = before.min(5);
        Endless {
            empty: 0,
            known: 0,
            most: (limits.empty >> less, limits.known >> less),
            circle: CursorCycle::default(),
        }
    }

    /// A batch has more, and brings nothing.
    pub fn on_empty(&mut self) {
        self.empty += 1;
    }

    /// A batch is committed. `empty`: it had no events. `progress`: something of it was not known. `more`: the
    /// chain goes on.
    pub fn on_applied(&mut self, empty: bool, progress: bool, more: bool) {
        if !empty {
            self.empty = 0;
        }
        if progress {
            self.known = 0;
        } else if more {
            self.known += 1;
        }
    }

    /// Why the chain is to be given up after this answer, if so.
    pub fn why(&mut self, parts: &[FeedBatch]) -> Option<&'static str> {
        if self.empty > self.most.0 {
            return Some("batches without end that bring nothing");
        }
        let circle = self.circle.closes(parts);
        circle.then_some("batches that have more, and come back to a cursor that was left")
    }

    /// Whether it brings what is known, without end.
    pub fn brings_what_is_known(&self) -> bool {
        self.known > self.most.1
    }
}

/// Finds that a chain comes back to cursors that it had, by one of its cursors at a time (Brent): one
/// kept for twice as long as the one before.
#[derive(Debug, Default)]
struct CursorCycle {
    kept: String,
    /// batches since it was kept, and after how many another is
    age: u32,
    term: u32,
}

impl CursorCycle {
    /// Whether these cursors, where the chain goes on, are those kept.
    fn closes(&mut self, parts: &[FeedBatch]) -> bool {
        let mut cursors = String::new();
        for part in parts.iter().filter(|part| part.batch.has_more) {
            if let Some(id) = part.feed.conversation() {
                json::string(&mut cursors, id);
            }
            if let Some(cursor) = &part.batch.cursor {
                json::string(&mut cursors, cursor);
            }
        }
        if cursors.is_empty() {
            return false;
        }
        if cursors == self.kept {
            return true;
        }
        self.age += 1;
        if self.age > self.term {
            self.kept = cursors;
            self.age = 0;
            self.term = 2 * self.term + 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::irregular::Irregular;
    use crate::core::types::Feed;
    use crate::core::wire::batch::Batch;

    /// A batch that has more and leads to this cursor.
    fn to(cursor: &str) -> [FeedBatch; 1] {
        let batch = Batch {
            account: None,
            events: Vec::new(),
            cursor: Some(cursor.to_owned()),
            has_more: true,
            overflow: None,
            irregular: Irregular::default(),
        };
        [FeedBatch {
            feed: Feed::Account,
            asked: None,
            batch,
        }]
    }

    /// After how many batches a chain is found to lead nowhere, whose cursors are these for ever.
    fn found(lead_in: u32, circle: u32, before: u32) -> Option<u32> {
        let mut endless = Endless::new(&Limits::default(), before);
        (0..1_000).find(|n| {
            let at = if *n < lead_in {
                *n
            } else {
                lead_in + (n - lead_in) % circle
            };
            endless.why(&to(&format!("c{at}"))).is_some()
        })
    }

    #[test]
    fn a_circle_of_any_length_is_found_wherever_it_begins() {
        for lead_in in [0, 1, 5, 30] {
            for circle in [1, 2, 3, 10, 50] {
                let at = found(lead_in, circle, 0);
                let soon = 4 * (lead_in + circle) + 2;
                assert!(
                    at.is_some_and(|at| at <= soon),
                    "{lead_in} {circle}: {at:?}"
                );
            }
        }
    }

    #[test]
    fn a_chain_that_moves_on_is_no_circle() {
        assert_eq!(found(1_000, 1, 0), None);
    }

    #[test]
    fn less_is_taken_of_what_leads_nowhere_each_time() {
        let limits = Limits::default();
        let batches = |before| {
            let mut endless = Endless::new(&limits, before);
            (0..).find(|_| {
                endless.on_empty();
                endless.why(&[]).is_some()
            })
        };
        assert_eq!(batches(0), Some(limits.empty));
        assert_eq!(batches(1), Some(limits.empty / 2));
        assert_eq!(batches(9), batches(5));
    }
}
