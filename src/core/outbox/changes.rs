//! Edits and recalls: neither optimistic nor stored. They leave once it is known that this client may
//! change something (R9), or never.

use crate::core::command::Call;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::fault::Fault;
use crate::core::net::Change;
use crate::core::purpose::Purpose;

/// ms in which a call settles that nothing can be done for (R14).
const SETTLED: u64 = 10_000;

/// An edit or a recall that has not left.
#[derive(Debug)]
struct Waiting {
    call: Call,
    change: Change,
    /// when it is given up (monotonic ms)
    until: u64,
}

/// The edits and recalls that have not left.
#[derive(Debug, Default)]
pub(in crate::core) struct Changes {
    waiting: Vec<Waiting>,
}

impl Changes {
    /// One more edit or recall, for this call.
    pub fn add(&mut self, cx: &mut Cx, offline: bool, call: Call, change: Change) {
        let until = cx.now.mono.saturating_add(SETTLED);
        self.waiting.push(Waiting {
            call,
            change,
            until,
        });
        self.drive(cx, offline);
    }

    /// Those that may leave do, and those that never may are refused.
    pub(super) fn drive(&mut self, cx: &mut Cx, offline: bool) {
        for waiting in std::mem::take(&mut self.waiting) {
            let refused = cx.standing.why_not(offline);
            let late = waiting.until <= cx.now.mono;
            let late = late.then(|| Error::new(ErrorCode::Timeout, "nothing was sent in time"));
            let may = cx.standing.may_request() || Fault::EditLeavesUnfenced.on();
            if let Some(error) = refused.or(late.filter(|_| !may)) {
                cx.out.reject(waiting.call, &error);
            } else if may {
                let (call, change) = (waiting.call, waiting.change);
                let conversation = change.conversation().clone();
                cx.request(change.into(), Purpose::Change { call, conversation });
            } else {
                self.waiting.push(waiting);
            }
        }
    }

    /// When the next one is given up.
    pub(super) fn due(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// Nobody waits for this one any more. Answers whether it was here.
    pub fn drop_call(&mut self, of: Call) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.call != of);
        self.waiting.len() < before
    }

    /// Those that have not left, to be asked of another client.
    pub fn take(&mut self) -> Vec<(Call, Change)> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting
            .map(|waiting| (waiting.call, waiting.change))
            .collect()
    }

    /// Lets go of all of them. Answers the calls that wait for them.
    pub fn take_calls(&mut self) -> Vec<Call> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|waiting| waiting.call).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cx::Rest;

    fn recall(changes: &mut Changes, rest: &mut Rest, offline: bool, call: Call) {
        let change = Change::Recall {
            conversation: "c".into(),
            message: "m".into(),
        };
        changes.add(&mut rest.cx(), offline, call, change);
    }

    #[test]
    fn an_edit_leaves_once_the_fence_is_known_to_be_good() {
        let (mut changes, mut rest) = (Changes::default(), Rest::new(""));
        rest.standing.unsure = true;
        recall(&mut changes, &mut rest, false, 1);
        assert_eq!(rest.requests().len(), 0);
        assert_eq!(changes.due(), Some(SETTLED));
        rest.standing.unsure = false;
        changes.drive(&mut rest.cx(), false);
        assert_eq!(rest.requests().len(), 1);
        assert_eq!((changes.due(), rest.results().len()), (None, 0));
    }

    #[test]
    fn an_edit_that_cannot_leave_is_refused_in_time() {
        let (mut changes, mut rest) = (Changes::default(), Rest::new(""));
        rest.standing.unsure = true;
        recall(&mut changes, &mut rest, false, 1);
        rest.now.mono = SETTLED;
        changes.drive(&mut rest.cx(), false);
        recall(&mut changes, &mut rest, true, 2);
        let codes: Vec<bool> = ["timeout", "offline"]
            .iter()
            .zip(rest.results())
            .map(|(code, result)| result.contains(code))
            .collect();
        assert_eq!(codes, [true, true]);
        assert_eq!(rest.requests().len(), 0);
    }

    #[test]
    fn who_lets_go_of_an_edit_hears_nothing_of_it() {
        let (mut changes, mut rest) = (Changes::default(), Rest::new(""));
        rest.standing.unsure = true;
        recall(&mut changes, &mut rest, false, 1);
        assert!(changes.drop_call(1) && !changes.drop_call(1));
        assert_eq!(changes.take_calls().len(), 0);
        assert_eq!(rest.results().len(), 0);
    }
}
