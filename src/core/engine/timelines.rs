//! Timelines: what they see of the other parts, and what follows from what happens to them.

use std::rc::Rc;

use super::Engine;
use crate::core::command::TimelineId;
use crate::core::error::Error;
use crate::core::map::Set;
use crate::core::snapshot::locals;
use crate::core::standing::Phase;
use crate::core::timeline::Outlook;

impl Engine {
    /// How the sync stands for the timelines, now.
    pub(super) fn outlook(&self) -> Outlook {
        if self.standing.follows() {
            return self.outlook_of_the_writer();
        }
        let behind = |id: &&Rc<str>| self.sync.is_behind(id);
        let conversations = self.timelines.iter().map(|t| t.conversation());
        let mut all = Set::new();
        all.add_all(conversations.filter(behind).cloned());
        Outlook {
            why_not: self.why_not(),
            list_comes: self.list_comes(),
            pull: self.sync.under_way(),
            behind: all,
            waits: self.sync.is_waiting(),
        }
    }

    /// The same, as the client that writes has told it.
    fn outlook_of_the_writer(&self) -> Outlook {
        let Some(stands) = self.follow.leader() else {
            return Outlook::default();
        };
        let mut behind = Set::new();
        behind.add_all(stands.behind.iter().cloned());
        Outlook {
            why_not: stands.why_not.clone(),
            list_comes: stands.list_comes,
            pull: stands.pull,
            behind,
            waits: false,
        }
    }

    /// Lets each timeline go on that can, and notes the blocks that they want.
    pub(super) fn drive_timelines(&mut self, look: &Outlook) {
        let read = !self.reads.has_wanted();
        let (parts, mut cx) = self.split();
        let wanted = parts.timelines.drive(&mut cx, look, read);
        self.reads.want(wanted);
    }

    /// Calls settle that nothing goes on with (R14). Answers whether there were any.
    pub(super) fn settle_timelines(&mut self, look: &Outlook) -> bool {
        if self.standing.phase != Phase::Ready {
            return false;
        }
        let (parts, mut cx) = self.split();
        parts.timelines.settle(&mut cx, look)
    }

    /// When something of them is due.
    pub(super) fn timelines_due(&mut self, look: &Outlook) -> Option<u64> {
        let asks = self.standing.may_ask() && !self.is_evicting();
        let (parts, cx) = self.split();
        let settle = parts.timelines.settle_due(&cx);
        let due = parts.timelines.due(&cx, look).filter(|_| asks);
        settle.into_iter().chain(due).min()
    }

    // ------------------------------------------------------------ what is asked for them

    /// A page or changes were answered, or not.
    pub(super) fn on_history_answer(&mut self, fetch: u64, result: Result<String, Error>) {
        let Some(asked) = self.timelines.fetches().get(fetch) else {
            debug_assert!(false, "a fetch that is over has aborted its request");
            return;
        };
        let answer = result.and_then(|text| asked.read(&text));
        let answer =
            answer.and_then(|answer| self.check_account(answer.account()).map(|()| answer));
        self.out.answered(answer.as_ref().err());
        let (parts, mut cx) = self.split();
        parts.timelines.on_answer(&mut cx, fetch, answer);
    }

    /// An overflow or a removal discards what was asked for before (R7). `None`: of every conversation.
    pub(super) fn discard_fetches(&mut self, conversation: Option<&Rc<str>>) {
        let (parts, mut cx) = self.split();
        parts.timelines.discard(&mut cx, conversation);
    }

    /// A page is committed, void, or could not be had.
    pub(super) fn on_fetch_done(&mut self, fetch: u64, error: Option<&Error>) {
        let (parts, mut cx) = self.split();
        parts.timelines.on_fetch_done(&mut cx, fetch, error);
    }

    // ------------------------------------------------------------ showing

    /// Hands over what of them has changed.
    pub(super) fn show_timelines(&mut self) {
        for id in self.timelines.to_show() {
            let Some(conversation) = self.timelines.get(id).map(|t| t.conversation().clone())
            else {
                continue;
            };
            let locals = locals(&self.db, &self.outbox, Some(&conversation));
            let writes = self.outbox.writes_to(&conversation);
            let held = self.db.held(&conversation);
            if let Some(t) = self.timelines.lay_out(id, &held, locals, writes) {
                self.shown.timeline(id, &t.view(&held), false);
            }
        }
    }

    /// Ends one for good, and hands that over.
    pub(super) fn close_timeline(&mut self, id: TimelineId) {
        let (parts, mut cx) = self.split();
        if let Some(t) = parts.timelines.close(&mut cx, id) {
            let held = self.db.held(t.conversation());
            self.shown.timeline(id, &t.view(&held), true);
        }
    }
}
