//! The sync, for the other parts: what it asks of them is carried out here.

use super::Engine;
use crate::core::command::Call;
use crate::core::cx::Cx;
use crate::core::events::Event;
use crate::core::fault::Fault;
use crate::core::net::{Error, Notice};
use crate::core::purpose::PullContext;
use crate::core::sync::{Syncing, Wake, is_undecided};
use crate::core::tx::CommitDelta;
use crate::core::wire::batch::FeedBatch;
use crate::core::wire::list::ListPage;
use std::rc::Rc;

impl Engine {
    /// Lets those go on whom the sync's input concerns.
    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Nobody => {}
            Wake::Reloads => self.timelines.wake_reloads(),
            Wake::Timelines => self.timelines.wake(),
            Wake::TryAgain => {
                self.try_sends_again();
                self.timelines.try_again();
            }
        }
    }

    /// Gives the sync an input, and lets those go on whom it concerns.
    fn tell_sync(&mut self, input: impl FnOnce(&mut Syncing, &mut Cx) -> Wake) {
        let (parts, mut cx) = self.split();
        let wake = input(parts.sync, &mut cx);
        self.wake(wake);
    }

    // ------------------------------------------------------------ asking

    /// Something may be new.
    pub(super) fn ask_pull(&mut self, delay: u64) {
        let (parts, cx) = self.split();
        parts.sync.ask(&cx, delay);
    }

    /// `Client.sync()`: its call settles once a pull has caught up and the owed list is paid.
    pub(super) fn sync(&mut self, call: Call) {
        if self.standing.follows() {
            return self.ask_to_sync(call);
        }
        self.tell_sync(|sync, cx| sync.on_call(cx, call));
    }

    /// Whether of some conversations only another pull says whether they are the account's (R11).
    pub(super) fn undecided(&self) -> bool {
        is_undecided(&self.config, &self.db)
    }

    /// Whether the owed list is on its way, and nothing has gone wrong with it.
    pub(super) fn list_comes(&self) -> bool {
        self.sync.does_list_come(&self.db)
    }

    /// Whether the server is known to be out of reach: at the last try no pull found it, and the next
    /// is not due. What the browser says of it is only a hint (R14).
    pub(super) fn known_offline(&self) -> bool {
        let network = &self.standing.network;
        network.do_pulls_fail() && self.sync.is_resting(self.now.mono)
            || Fault::HintForbids.on() && network.hints_offline()
    }

    // ------------------------------------------------------------ driving

    pub(super) fn sync_due(&mut self) -> Option<u64> {
        let (parts, cx) = self.split();
        parts.sync.due(&cx)
    }

    pub(super) fn drive_sync(&mut self) {
        self.tell_sync(|sync, cx| sync.drive(cx));
    }

    // ------------------------------------------------------------ answers

    pub(super) fn on_reached(&mut self) {
        self.tell_sync(|sync, cx| sync.on_reached(cx, true));
    }

    pub(super) fn on_unreached(&mut self, error: &Error) {
        self.tell_sync(|sync, cx| sync.on_unreached(cx, error));
    }

    /// Whether an answer is of this account.
    pub(super) fn check_account(&mut self, account: Option<&Rc<str>>) -> Result<(), Error> {
        let (parts, mut cx) = self.split();
        parts.sync.check_account(&mut cx, account)
    }

    pub(super) fn on_pull_answer(
        &mut self,
        request: u64,
        asked: &PullContext,
        result: Result<String, Error>,
    ) {
        self.tell_sync(|sync, cx| sync.on_pulled(cx, request, asked, result));
    }

    pub(super) fn on_acknowledged(
        &mut self,
        request: u64,
        ack: (bool, u32),
        result: Result<String, Error>,
    ) {
        self.out.answered(result.as_ref().err());
        self.tell_sync(|sync, cx| sync.on_acknowledged(cx, request, ack, result));
    }

    pub(super) fn on_list_answer(
        &mut self,
        asked: (Option<String>, u64, u32),
        result: Result<String, Error>,
    ) {
        self.tell_sync(|sync, cx| sync.on_listed(cx, asked, result));
    }

    pub(super) fn on_notice(&mut self, listen: u64, notice: Notice) {
        self.tell_sync(|sync, cx| sync.on_notice(cx, listen, notice));
    }

    // ------------------------------------------------------------ jobs

    pub(super) fn on_batch_applied(&mut self, batches: &[FeedBatch], changes: &CommitDelta) {
        self.tell_sync(|sync, cx| sync.on_applied(cx, batches, changes));
    }

    pub(super) fn on_push_applied(&mut self, batches: &[FeedBatch]) {
        let (parts, mut cx) = self.split();
        parts.sync.on_push_applied(&mut cx, batches);
    }

    pub(super) fn on_push_missed(&mut self) {
        let (parts, mut cx) = self.split();
        parts.sync.on_push_missed(&mut cx);
    }

    pub(super) fn on_suspects_removed(&mut self) {
        self.tell_sync(|sync, cx| sync.on_suspects_removed(cx));
    }

    pub(super) fn on_list_applied(&mut self, page: ListPage) {
        self.tell_sync(|sync, cx| sync.on_list_applied(cx, page));
    }

    pub(super) fn on_list_failed(&mut self, error: &Error) {
        self.tell_sync(|sync, cx| sync.on_list_failed(cx, error.clone()));
    }

    pub(super) fn on_batch_void(&mut self) {
        let (parts, cx) = self.split();
        parts.sync.on_void(&cx);
    }

    pub(super) fn on_pull_failed(&mut self, error: &Error) {
        self.tell_sync(|sync, cx| sync.on_pull_failed(cx, error.clone()));
    }

    pub(super) fn on_sync_overflow(&mut self) {
        let (parts, mut cx) = self.split();
        parts.sync.on_overflow(&mut cx);
    }

    /// The database is new, or this client's no more.
    pub(super) fn restart_sync(&mut self) {
        self.names.forget();
        let (parts, mut cx) = self.split();
        parts.sync.restart(&mut cx);
    }

    // ------------------------------------------------------------ what the browser says

    pub(super) fn close_channel(&mut self) {
        let (parts, mut cx) = self.split();
        parts.sync.close_channel(&mut cx);
    }

    pub(super) fn on_network(&mut self, online: bool) {
        self.tell_sync(|sync, cx| sync.on_network(cx, online));
    }

    pub(super) fn on_visibility(&mut self, hidden: bool) {
        self.on_looked_at();
        self.tell_sync(|sync, cx| sync.on_visibility(cx, hidden));
    }

    pub(super) fn on_freeze(&mut self) {
        self.standing.frozen = true;
        self.close_channel();
    }

    pub(super) fn on_resume(&mut self) {
        if std::mem::take(&mut self.standing.frozen) {
            self.doubt_fence();
            self.on_looked_at();
            self.reconnect();
        }
    }

    /// The machine slept.
    pub(super) fn on_wake(&mut self) {
        self.tell_sync(|sync, cx| sync.on_wake(cx));
    }

    pub(super) fn reconnect(&mut self) {
        self.tell_sync(|sync, cx| sync.on_return(cx));
    }

    // ------------------------------------------------------------ journals

    /// R7, R11: what is committed is kept for whoever asked before.
    pub(super) fn keep_journals(&mut self, events: &[Event]) {
        let (parts, cx) = self.split();
        parts.sync.on_committed(&cx, events);
        if Fault::NoJournal.on() {
            return;
        }
        let (parts, mut cx) = self.split();
        parts.timelines.keep_journals(&mut cx, events);
    }
}
