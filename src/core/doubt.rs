//! How often a conversation is in doubt (R14, "One bad item"): a server that sends what cannot be read
//! with every batch must not have it revalidated with every batch.

use std::rc::Rc;

use super::cx::Cx;
use super::fault::Fault;
use super::jobs::Job;
use super::limits::Limits;
use super::map::{Map, Set};
use super::tx::CommitDelta;

/// A conversation that was in doubt.
#[derive(Debug)]
struct Doubt {
    /// ms until the conversation may be in doubt again, if this doubt brings something
    wait: u64,
    raised: u64,
    /// the conversation is not in doubt again before this (monotonic ms)
    not_before: u64,
    /// its revalidation has brought something that was missing
    brought: bool,
}

/// The doubts that were raised since the client was made. What is pending is stored.
#[derive(Debug, Default)]
pub(super) struct Doubts(Map<Rc<str>, Doubt>);

impl Doubts {
    /// When this conversation may be in doubt again, where that is later than now.
    fn rests_until(&self, conversation: &str, now: u64) -> Option<u64> {
        let doubt = self.0.get(conversation)?;
        (doubt.not_before > now).then_some(doubt.not_before)
    }

    /// The conversations that may not be in doubt again yet.
    pub fn resting(&self, now: u64) -> Set<Rc<str>> {
        let mut resting = Set::new();
        let rests = self.0.iter().filter(|(_, doubt)| doubt.not_before > now);
        resting.add_all(rests.map(|(id, _)| id.clone()));
        resting
    }

    /// It is in doubt from now on. It may be so again after a minute at the earliest, and after twice as long
    /// each time.
    fn raise(&mut self, conversation: &Rc<str>, now: u64, limits: &Limits) {
        let wait = match self.0.get(conversation) {
            // Long ago: as if for the first time.
            Some(old) if now < old.not_before.saturating_add(limits.doubt_rest) => {
                old.wait.saturating_mul(2).min(limits.doubt_rest)
            }
            _ => limits.doubt_wait,
        };
        let wait = if Fault::DoubtsNeverRest.on() { 0 } else { wait };
        let not_before = now.saturating_add(wait);
        let doubt = Doubt {
            wait,
            raised: now,
            not_before,
            brought: false,
        };
        self.0.insert(conversation.clone(), doubt);
    }

    /// Some of it was revalidated. A doubt that brings nothing is not raised again there for an hour.
    fn revalidated(&mut self, conversation: &str, brought: bool, now: u64, limits: &Limits) {
        let Some(doubt) = self.0.get_mut(conversation) else {
            return;
        };
        doubt.brought |= brought;
        doubt.not_before = match doubt.brought {
            true => doubt.raised.saturating_add(doubt.wait),
            false if Fault::DoubtsNeverRest.on() => now,
            false => now.saturating_add(limits.doubt_rest),
        };
    }

    // ------------------------------------------------------------ driving

    /// What a commit says of doubts.
    pub fn on_commit(&mut self, cx: &Cx, changes: &CommitDelta) {
        let (now, limits) = (cx.now.mono, &cx.config.limits);
        for id in &changes.doubted {
            self.raise(id, now, limits);
        }
        for (id, change) in &changes.conversations {
            if let Some(brought) = change.revalidated {
                self.revalidated(id, brought, now, limits);
            }
        }
    }

    /// Takes up the pending doubts of the conversations that are shown, where they may be in doubt again.
    pub fn drive<'a>(&self, cx: &mut Cx, shown: impl Iterator<Item = &'a Rc<str>>) {
        if !cx.standing.may_request() {
            return;
        }
        for id in shown {
            let rests = self.rests_until(id, cx.now.mono).is_some();
            let queued =
                |job: &Job| matches!(job, Job::Doubt { conversation } if conversation == id);
            if is_pending(cx, id) && !rests && !cx.jobs.iter().any(queued) {
                let conversation = id.clone();
                cx.jobs.push(Job::Doubt { conversation });
            }
        }
    }

    /// When the next of those doubts may be taken up.
    pub fn due<'a>(&self, cx: &Cx, shown: impl Iterator<Item = &'a Rc<str>>) -> Option<u64> {
        if !cx.standing.may_request() {
            return None;
        }
        let pending = shown.filter(|id| is_pending(cx, id));
        pending
            .filter_map(|id| self.rests_until(id, cx.now.mono))
            .min()
    }

    /// A pending doubt was tried. If it is pending all the same it rests, or it would be tried in a loop.
    pub fn on_tried(&mut self, cx: &Cx, conversation: &Rc<str>) {
        if is_pending(cx, conversation) {
            self.raise(conversation, cx.now.mono, &cx.config.limits);
        }
    }
}

/// Whether a doubt is stored there that is to be taken up.
fn is_pending(cx: &Cx, conversation: &str) -> bool {
    let held = cx.db.histories().get(conversation);
    held.is_some_and(|held| held.is_doubtful(cx.db.meta()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    #[test]
    fn a_doubt_that_brings_something_comes_again_twice_as_seldom_each_time() {
        let (mut doubts, limits) = (Doubts::default(), Limits::default());
        let c: Rc<str> = "c".into();
        let mut now = 5;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60].map(|n| n * MINUTE) {
            assert_eq!(doubts.rests_until("c", now), None);
            doubts.raise(&c, now, &limits);
            doubts.revalidated("c", true, now + 10, &limits);
            doubts.revalidated("c", false, now + 20, &limits);
            assert_eq!(doubts.rests_until("c", now), Some(now + wait));
            now += wait;
        }
        // Long after it is the first time again.
        doubts.raise(&c, now + 3 * HOUR, &limits);
        let next = now + 3 * HOUR + MINUTE;
        assert_eq!(doubts.rests_until("c", now + 3 * HOUR), Some(next));
        assert_eq!(doubts.rests_until("d", now), None);
    }

    #[test]
    fn a_doubt_that_brings_nothing_rests_for_an_hour() {
        let (mut doubts, limits) = (Doubts::default(), Limits::default());
        doubts.raise(&"c".into(), 5, &limits);
        doubts.revalidated("c", false, 10, &limits);
        assert_eq!(doubts.rests_until("c", 10 + HOUR - 1), Some(10 + HOUR));
        assert_eq!(doubts.resting(10 + HOUR).len(), 0);
    }
}
