//! What went wrong with a timeline: what is shown of it, and when it asks again by itself.

use std::rc::Rc;

use crate::core::backoff::Backoff;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::types::Conversation;

/// ms between tries of what a timeline asks for by itself: the first wait is below this, none is above that.
const RETRY: (u64, u64) = (1_000, 30_000);
/// The same where the server refuses.
const REFUSED: (u64, u64) = (2_000, 300_000);

/// A conversation's state, if it is in the list.
type State = Option<Rc<Conversation>>;

/// The error that is shown, the backoff, and what the server refuses.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// the error that is shown
    error: Option<Error>,
    /// it is a load's, and was not laid out yet: a window that comes does not end it
    of_load: bool,
    backoff: Backoff,
    /// it asks again by itself, once the backoff is over
    waits: bool,
    /// why it asks later
    reason: Option<Error>,
    /// the server refused: not asked again by itself before the conversation's state is another one
    refused: Option<State>,
}

impl Trouble {
    // ------------------------------------------------------------ what is shown

    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// What failed last. `of_load`: a load, and not the window.
    pub fn show(&mut self, error: Error, of_load: bool) {
        self.error = Some(error);
        self.of_load = of_load;
    }

    /// Whether what has failed with the window is another error than the one that is shown.
    pub fn is_another(&self, error: &Error) -> bool {
        let same = self.error.as_ref().map(|e| e.code) == Some(error.code);
        !self.of_load && !same
    }

    /// The error was laid out: from here on a window that comes says that all is well.
    pub fn was_seen(&mut self) {
        self.of_load = false;
    }

    /// The window that was wanted comes: what went wrong with it is over. Answers whether an error was shown.
    pub fn is_over(&mut self) -> bool {
        let shown = self.error.is_some();
        if !self.of_load {
            self.error = None;
        }
        shown
    }

    // ------------------------------------------------------------ when it asks again

    /// What failed for want of a network may go on. What was refused was no matter of the network, and
    /// a `Retry-After` is obeyed.
    pub fn try_again(&mut self) {
        if self.refused.is_none() {
            self.forgive();
        }
    }

    /// The app asks: what the client has put off by itself it does not put off any longer.
    pub fn ask(&mut self, now: u64) {
        if self.refused.is_none() {
            self.forgive();
        } else if !self.waits(now) {
            self.refused = None;
        }
        self.error = None;
        self.of_load = false;
    }

    fn forgive(&mut self) {
        self.backoff.forgive();
        self.waits = self.backoff.ready_at() > 0;
    }

    /// The window is there: from here on nothing is put off.
    pub fn went_well(&mut self) {
        self.is_over();
        self.reason = None;
        self.refused = None;
        self.waits = false;
        self.backoff = Backoff::default();
    }

    /// A page is there.
    pub fn on_page(&mut self) {
        self.goes_on();
        self.reason = None;
    }

    /// Nothing is left that it asks for by itself.
    pub fn has_all(&mut self) {
        self.backoff.succeed();
        self.reason = None;
        self.waits = false;
    }

    /// What it asks for by itself goes on: the next failure counts as the first.
    pub fn goes_on(&mut self) {
        self.backoff.begin_at(0);
    }

    /// What has failed is asked for again later, by itself; what was refused when the conversation's
    /// state is another one, or when the app asks, and not before its backoff.
    pub fn put_off(&mut self, cx: &mut Cx, conversation: &Rc<str>, error: &Error) {
        let waits = match error.is_refusal() {
            true => REFUSED,
            false => RETRY,
        };
        let random = cx.out.random(u64::MAX);
        self.backoff.fail_within(cx.now.mono, error, random, waits);
        self.waits = true;
        self.refused = error
            .is_refusal()
            .then(|| cx.db.state(conversation).cloned());
        self.reason = Some(error.clone());
    }

    /// Nobody waits for what was refused, and no call is there for which a refusal would be final: it is tried
    /// again, slowly, and what is shown stays as it is. Where the account is not in the conversation, the
    /// refusal says no more than the list: it is tried when that changes.
    pub fn refusal_passes(&mut self) {
        self.refused = self.refused.take().filter(Option::is_none);
    }

    /// What was refused may be allowed now, once the conversation's own state has changed. Answers whether it
    /// may.
    pub fn look_at(&mut self, state: Option<&Rc<Conversation>>) -> bool {
        let changed = self.refused.as_ref();
        let changed = changed.is_some_and(|was| was.as_ref() != state);
        if changed {
            self.refused = None;
        }
        changed
    }

    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// When it asks again by itself; 0: it does not wait.
    pub fn retry(&self) -> u64 {
        if self.waits {
            self.backoff.ready_at()
        } else {
            0
        }
    }

    /// Whether it waits before it asks.
    pub fn waits(&self, now: u64) -> bool {
        now < self.retry()
    }

    /// A wait that is over does not wake it: it goes on when something else does.
    pub fn end_wait(&mut self, now: u64) {
        self.waits &= self.retry() > now;
    }

    /// It asks: the wait is over.
    pub fn stop_waiting(&mut self) {
        self.waits = false;
    }

    /// What it waits for is said by somebody else: it obeys a `Retry-After`, and has no timer besides.
    pub fn wait_for_others(&mut self, now: u64) {
        self.waits = self.backoff.asked_until() > now;
    }

    /// Why it was put off.
    pub fn reason(&self) -> Option<&Error> {
        self.reason.as_ref()
    }

    /// Why a call cannot have a page now.
    pub fn why_not(&self, now: u64) -> Option<Error> {
        let later = match self.refused {
            Some(_) => self.retry(),
            None => self.backoff.asked_until(),
        };
        let mut error = self.reason.clone().filter(|_| now < later)?;
        error.retry_after = Some(later - now);
        Some(error)
    }
}

/// Whether an error is about whatever is asked for of this conversation's history, and not about the one
/// page.
pub(super) fn is_for_all(error: &Error) -> bool {
    let barred = matches!(error.code, ErrorCode::Forbidden | ErrorCode::NotFound);
    barred || error.retry_after.is_some()
}

/// A page that brings nothing and says that there is more.
pub(super) fn circle() -> Error {
    let what = "a page that moves nothing and claims more";
    Error::new(ErrorCode::Protocol, what)
}

/// The timeline is gone for good.
pub(super) fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the timeline is closed")
}
