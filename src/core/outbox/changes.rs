//! Edits and recalls: neither optimistic nor stored. They leave once it is known that this client may
//! change something (R9), or never.

use std::rc::Rc;

use crate::core::command::Call;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::fault::Fault;
use crate::core::net::Request;
use crate::core::purpose::Purpose;

/// ms in which a call settles that nothing can be done for (R14).
const SETTLED: u64 = 10_000;

/// An edit or a recall that has not left.
#[derive(Debug)]
struct Change {
    call: Call,
    conversation: Rc<str>,
    request: Request,
    /// when it is given up (monotonic ms)
    until: u64,
}

/// The edits and recalls that have not left.
#[derive(Debug, Default)]
pub(in crate::core) struct Changes {
    waiting: Vec<Change>,
}

impl Changes {
    /// One more edit or recall, for this call.
    pub fn add(
        &mut self,
        cx: &mut Cx,
        offline: bool,
        call: Call,
        conversation: Rc<str>,
        request: Request,
    ) {
        let until = cx.now.mono.saturating_add(SETTLED);
        self.waiting.push(Change {
            call,
            conversation,
            request,
            until,
        });
        self.drive(cx, offline);
    }

    /// Those that may leave do, and those that never may are refused.
    pub(super) fn drive(&mut self, cx: &mut Cx, offline: bool) {
        for change in std::mem::take(&mut self.waiting) {
            let refused = cx.standing.why_not(offline);
            let late = change.until <= cx.now.mono;
            let late = late.then(|| Error::new(ErrorCode::Timeout, "nothing was sent in time"));
            let may = cx.standing.may_request() || Fault::EditLeavesUnfenced.on();
            if let Some(error) = refused.or(late.filter(|_| !may)) {
                cx.out.reject(change.call, &error);
            } else if may {
                let (call, conversation) = (change.call, change.conversation);
                cx.request(change.request, Purpose::Change { call, conversation });
            } else {
                self.waiting.push(change);
            }
        }
    }

    /// When the next one is given up.
    pub(super) fn due(&self) -> Option<u64> {
        self.waiting.iter().map(|change| change.until).min()
    }

    /// Nobody waits for this one any more. Answers whether it was here.
    pub fn drop_call(&mut self, of: Call) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|change| change.call != of);
        self.waiting.len() < before
    }

    /// Those that have not left, to be asked of another client.
    pub fn take(&mut self) -> Vec<(Call, Rc<str>, Request)> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting
            .map(|change| (change.call, change.conversation, change.request))
            .collect()
    }

    /// Lets go of all of them. Answers the calls that wait for them.
    pub fn take_calls(&mut self) -> Vec<Call> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|change| change.call).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cx::Rest;

    fn recall(changes: &mut Changes, rest: &mut Rest, offline: bool, call: Call) {
        let request = Request::Recall {
            conversation: "c".into(),
            message: "m".into(),
        };
        changes.add(&mut rest.cx(), offline, call, "c".into(), request);
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
