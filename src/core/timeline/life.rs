//! What moves a timeline on in its life ([`Lifecycle`]).
//!
//! ```text
//!            the account leaves, comes back
//!      Open ◀──────────────────────────────▶ Removed
//!       ▲ │                                     ▲
//!       │ │ the last subscriber goes            │ a subscriber comes
//!       │ ▼  the account leaves, comes back     │
//!    Released ◀────────────────────────▶ ReleasedRemoved
//! ```
//!
//! In each of them it may be closed for good.

use super::goal::Reload;
use super::state::{Lifecycle, Timeline};
use super::trouble::closed;
use crate::core::command::{Call, Start};
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::tx::ConversationDelta;

impl Timeline {
    /// The last subscriber has gone. The facade waits with that until no method of the timeline runs; a call that runs
    /// all the same would wait for ever.
    pub(super) fn release(&mut self, cx: &mut Cx) {
        if self.life == Lifecycle::Open {
            let error = Error::new(ErrorCode::Aborted, "the timeline was let go");
            self.end_calls(cx, &error);
            self.life = Lifecycle::Released;
        }
    }

    /// It has a subscriber again. Answers whether it is looked at from now on, and was not.
    pub(super) fn attach(&mut self, now: u64) -> bool {
        match self.life {
            Lifecycle::ReleasedRemoved => {
                self.life = Lifecycle::Removed;
                self.reload = None;
                self.dirty = true;
                false
            }
            Lifecycle::Released => {
                self.life = Lifecycle::Open;
                self.since = now;
                self.ask(now);
                // It has not followed what was committed meanwhile: the same window is read again.
                self.clear();
                true
            }
            Lifecycle::Open | Lifecycle::Removed | Lifecycle::Closed => false,
        }
    }

    /// It is closed for good. It may be shown once more.
    pub(super) fn close(&mut self, cx: &mut Cx) {
        debug_assert!(self.life != Lifecycle::Closed, "it is closed once");
        self.end_calls(cx, &closed());
        self.life = Lifecycle::Closed;
        self.rows.end();
    }

    /// A jump: what callers have waited for until here is overtaken.
    pub(super) fn jump(&mut self, cx: &mut Cx, call: Call, to: Start) {
        let overtaken = Error::new(ErrorCode::Aborted, "overtaken by a jump");
        self.end_calls(cx, &overtaken);
        self.reload = Some(Reload::asked(to, self.sizes.page, vec![call]));
        self.since = cx.now.mono;
        self.ask(cx.now.mono);
    }

    /// Answers all calls with this error.
    pub(super) fn end_calls(&mut self, cx: &mut Cx, error: &Error) {
        for call in self.take_calls() {
            cx.out.reject(call, error);
        }
    }

    /// Shows what was committed. `change`: what the commit did to its conversation; `list`: the commit changed the
    /// state of some conversation.
    pub(super) fn on_commit(
        &mut self,
        cx: &mut Cx,
        change: Option<&ConversationDelta>,
        list: bool,
    ) {
        let state = cx.db.state(&self.conversation);
        let listed = state.is_some();
        self.wake |= self.trouble.look_at(state) || list;
        match self.life {
            Lifecycle::Removed | Lifecycle::ReleasedRemoved if listed => self.come_back(),
            Lifecycle::Released if !listed && change.is_some_and(|change| change.removed) => {
                self.life = Lifecycle::ReleasedRemoved;
            }
            _ => {}
        }
        let Some(change) = change else { return };
        if self.life != Lifecycle::Open {
            return self.take_versions(change);
        }
        self.wake = true;
        self.dirty = true;
        if change.removed && !listed {
            self.life = Lifecycle::Removed;
            self.end_calls(cx, &Error::left());
            self.reload = None;
            return;
        }
        self.take(change, cx.db);
    }

    /// The account is in the conversation again.
    pub(super) fn come_back(&mut self) {
        match self.life {
            Lifecycle::Removed => {
                self.life = Lifecycle::Open;
                self.clear();
            }
            Lifecycle::ReleasedRemoved => self.life = Lifecycle::Released,
            Lifecycle::Open | Lifecycle::Released | Lifecycle::Closed => {}
        }
    }
}
