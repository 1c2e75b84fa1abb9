//! Read marks on their way: the newest of each conversation, until the server has taken it.

use std::rc::Rc;

use super::places::Places;
use crate::core::backoff::Backoff;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::jobs::Own;
use crate::core::map::{Map, order};
use crate::core::net::Request;
use crate::core::purpose::Purpose;
use crate::core::types::Seq;

/// A conversation's mark.
#[derive(Debug, Default)]
struct Mark {
    under_way: bool,
    backoff: Backoff,
}

/// The read marks that are under way or wait for a backoff. Which marks are to be told is stored.
#[derive(Debug, Default)]
pub(in crate::core) struct Marks {
    of: Map<Rc<str>, Mark>,
    /// those that the server took, until its state says so
    taken: Map<Rc<str>, u64>,
}

impl Marks {
    /// Whether a mark at this position goes forward, as far as the server has been told.
    pub fn is_forward(&self, conversation: &str, seq: u64) -> bool {
        self.taken.get(conversation) < Some(&seq)
    }

    /// What the server says of what was read there, or that the account has left, is newer than what
    /// it was told.
    pub fn forget(&mut self, conversation: &str) {
        self.taken.remove(conversation);
    }

    // ------------------------------------------------------------ driving

    /// What was on its way is void.
    pub(super) fn restart(&mut self) {
        for mark in self.of.values_mut() {
            mark.under_way = false;
        }
    }

    pub(super) fn try_again(&mut self) {
        for mark in self.of.values_mut() {
            mark.backoff.forgive();
        }
    }

    fn places(&self, cx: &Cx) -> Places {
        let under_way = self.of.values().filter(|mark| mark.under_way);
        Places::left(cx.config.limits.marks, under_way.map(|mark| &mark.backoff))
    }

    /// When each mark may leave that waits for nothing but its time.
    fn next(&self, cx: &Cx, offline: bool, places: &Places) -> Vec<(u64, Rc<str>, u64)> {
        if offline {
            return Vec::new();
        }
        let new = Mark::default();
        let next = |(id, seq): (&Rc<str>, &u64)| {
            let mark = self.of.get(id).unwrap_or(&new);
            let may = !mark.under_way && places.has(&mark.backoff);
            may.then(|| (mark.backoff.ready_at(), id.clone(), *seq))
        };
        cx.db.marks().iter().filter_map(next).collect()
    }

    pub(super) fn due(&self, cx: &Cx, offline: bool) -> Option<u64> {
        let next = self.next(cx, offline, &self.places(cx));
        next.iter().map(|(at, ..)| *at).min()
    }

    pub(super) fn drive(&mut self, cx: &mut Cx, offline: bool) {
        let mut places = self.places(cx);
        let next = self.next(cx, offline, &places);
        // Who has waited for longest goes first.
        for i in order(next.len(), &|a, b| next[a].0 < next[b].0) {
            let (at, conversation, seq) = next[i].clone();
            let mark = self.of.or_default(conversation.clone());
            if at > cx.now.mono || !places.take(&mark.backoff) {
                continue;
            }
            mark.under_way = true;
            let call = Request::MarkRead {
                conversation: conversation.to_string(),
                seq: Seq(seq),
            };
            cx.request(call, Purpose::Mark { conversation, seq });
        }
    }

    // ------------------------------------------------------------ what comes of it

    pub fn on_answer(
        &mut self,
        cx: &mut Cx,
        conversation: Rc<str>,
        seq: u64,
        result: Result<String, Error>,
    ) {
        match result {
            Ok(_) => {
                self.taken.insert(conversation.clone(), seq);
                cx.jobs.push_own(Own::MarkDone { conversation, seq });
            }
            Err(error) if error.retryable() || error.code == ErrorCode::Unauthorized => {
                self.on_not_done(cx, conversation, &error);
            }
            Err(error) => {
                cx.out.error_event(&error);
                cx.jobs.push_own(Own::MarkDone { conversation, seq });
            }
        }
    }

    /// The server did not take the mark: it is tried again, after a backoff.
    pub fn on_not_done(&mut self, cx: &mut Cx, conversation: Rc<str>, error: &Error) {
        let mark = self.of.or_default(conversation);
        cx.postpone(&mut mark.backoff, error);
        mark.under_way = false;
    }

    /// That it was taken, or never will be, is stored.
    pub fn on_done(&mut self, conversation: &Rc<str>) {
        self.of.remove(conversation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cx::Rest;
    use crate::core::jobs::Job;

    #[test]
    fn a_mark_goes_only_forward() {
        let (mut marks, mut rest) = (Marks::default(), Rest::new(""));
        assert!(marks.is_forward("c", 5));
        marks.on_answer(&mut rest.cx(), "c".into(), 5, Ok(String::new()));
        assert!(rest.jobs.pop().is_some(), "that it is done is stored");
        assert!(!marks.is_forward("c", 5));
        assert!(marks.is_forward("c", 6));
        // What the server says is newer than what it was told.
        marks.forget("c");
        assert!(marks.is_forward("c", 3));
    }

    #[test]
    fn a_mark_that_is_refused_is_told_and_not_tried_again() {
        let (mut marks, mut rest) = (Marks::default(), Rest::new(""));
        let error = Error::from_status(403, "no", None);
        marks.on_answer(&mut rest.cx(), "c".into(), 5, Err(error));
        assert_eq!(rest.out.told.events.len(), 1);
        assert!(matches!(
            rest.jobs.pop(),
            Some(Job::Own(Own::MarkDone { .. }))
        ));
        let error = Error::from_status(503, "busy", None);
        marks.on_answer(&mut rest.cx(), "c".into(), 6, Err(error));
        assert!(rest.jobs.is_empty(), "it is tried again");
        assert_eq!(rest.out.told.events.len(), 1);
    }
}
