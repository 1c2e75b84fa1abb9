//! The notification channel.
//!
//! ```text
//!  Closed ──drive──▶ Opening ──Ready──▶ Ready
//!     ▲                 │ closed          │ closed, or the client sleeps
//!     └── its backoff ──┴─────────────────┘
//! ```

use crate::core::backoff::Backoff;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::io::Effect;
use crate::core::options::Notify;

/// ms after which a channel counts as one that works.
const LASTING: u64 = 10_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// opening, under this number
    Opening(u64),
    /// Notifications come. `since`: when it became ready.
    Ready { listen: u64, since: u64 },
}

/// The channel's state.
#[derive(Debug, Default)]
pub(super) struct Channel {
    state: State,
    /// What is pushed now follows what was pulled: nothing is missing between (scope "mailbox").
    unbroken: bool,
    backoff: Backoff,
}

impl Channel {
    /// Whether notifications come.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether there is one, or is about to be.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Whether the open one has this number: what an earlier one still says is ignored.
    pub fn is(&self, number: u64) -> bool {
        match self.state {
            State::Closed => false,
            State::Opening(listen) | State::Ready { listen, .. } => listen == number,
        }
    }

    /// Whether what is pushed follows what was pulled.
    pub fn is_unbroken(&self) -> bool {
        self.unbroken
    }

    /// Whether there is a channel, whenever requests may be sent.
    pub fn is_used(cx: &Cx) -> bool {
        cx.config.notify == Notify::Socket && cx.config.can_listen
    }

    /// When it is to be opened.
    pub fn open_at(&self, cx: &Cx) -> Option<u64> {
        let wanted = Channel::is_used(cx) && cx.standing.may_request() && !self.is_open();
        wanted.then(|| self.backoff.ready_at())
    }

    pub fn open(&mut self, cx: &mut Cx) {
        debug_assert!(!self.is_open(), "one channel at a time");
        let listen = cx.out.number();
        self.state = State::Opening(listen);
        cx.out.effect(Effect::Listen { listen });
    }

    pub fn close(&mut self, cx: &mut Cx) {
        self.unbroken = false;
        cx.out.told.status |= self.is_ready();
        if self.is_open() {
            cx.out.effect(Effect::Unlisten);
        }
        self.state = State::Closed;
    }

    /// Notifications come.
    pub fn on_ready(&mut self, now: u64) {
        self.unbroken = false;
        match self.state {
            State::Opening(listen) | State::Ready { listen, .. } => {
                self.state = State::Ready { listen, since: now };
            }
            State::Closed => debug_assert!(false, "only an open channel becomes ready"),
        }
    }

    /// It is closed. One that was up for a while begins anew; one that flaps is backed off from.
    /// `spread`: ms over which it is opened again, where all clients have lost theirs.
    pub fn on_closed(&mut self, cx: &mut Cx, why: &Error, spread: u64) {
        let now = cx.now.mono;
        self.unbroken = false;
        self.judge(now);
        self.state = State::Closed;
        self.on_failure(cx, why);
        let spread = cx.out.random(spread);
        self.backoff.hold(now.saturating_add(spread));
    }

    /// What comes over it is of before: another one takes its place, at once. Where that one is to be replaced as soon
    /// as it is ready it is backed off from: each makes a pull, and that pull may be what it is replaced for.
    pub fn renew(&mut self, cx: &mut Cx) {
        self.judge(cx.now.mono);
        self.close(cx);
        let why = Error::new(ErrorCode::Network, "the notification channel begins anew");
        self.on_failure(cx, &why);
        if self.backoff.failures() < 2 {
            self.backoff.forgive();
        }
    }

    /// Whether it has worked shows when it is over.
    fn judge(&mut self, now: u64) {
        if let State::Ready { since, .. } = self.state
            && now.saturating_sub(since) > LASTING
        {
            self.backoff.succeed();
        }
    }

    /// A channel could not be opened, or was closed: it is backed off from. That one connects proves nothing: it may
    /// close at once.
    pub fn on_failure(&mut self, cx: &mut Cx, why: &Error) {
        cx.fail(&mut self.backoff, why);
    }

    /// A chain has ended that began while the channel was ready, or not.
    pub fn on_chain_ended(&mut self, unbroken: bool) {
        self.unbroken = unbroken && self.is_ready();
    }

    /// Something is missing between what was pulled and what is pushed.
    pub fn on_break(&mut self) {
        self.unbroken = false;
    }

    /// No backoff that only the client chose is waited out.
    pub fn forgive(&mut self) {
        self.backoff.forgive();
    }
}
