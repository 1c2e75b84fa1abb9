//! What follows from a job: done, void, or failed.

use super::Engine;
use crate::core::block::BlockId;
use crate::core::error::Error;
use crate::core::events::Event;
use crate::core::fault::Fault;
use crate::core::irregular::Irregular;
use crate::core::jobs::{Job, Own};
use crate::core::json;
use crate::core::missed::Stretch;
use crate::core::tx::{CommitDelta, ConversationDelta};
use crate::core::types::{Direction, Message, Overflow};
use std::rc::Rc;

/// Messages of a conversation that are told of those that were missed: the newest.
const MISSED: usize = 1_000;

impl Engine {
    // ------------------------------------------------------------ jobs

    /// Shows what a job has committed: in one frame, all stores together.
    pub(super) fn show(&mut self, job: &Job, changes: &CommitDelta, events: &[Event]) {
        self.keep_journals(events);
        if let Job::Own(Own::Update { message, .. }) = job {
            self.timelines.journal_update(message);
        }
        if let Job::Evict { .. } = job {
            self.out.storage_event(
                "evicted",
                "old messages of conversations not opened lately were let go",
            );
        }
        self.show_changes(changes);
        self.out
            .tell_irregular(job.place(), job.asked(), &changes.irregular);
        self.compare(job, changes, events);
    }

    /// What the server has said must fit what it has said before: the app's log is told of what does not.
    fn compare(&mut self, job: &Job, changes: &CommitDelta, events: &[Event]) {
        let gone = |change: &ConversationDelta| {
            change.removed || change.cleared || change.trimmed.is_some()
        };
        let (db, now) = (&self.db, self.now.mono);
        let sync = &mut self.sync;
        sync.awaited.on_commit(db, now, changes, events);
        let anew = changes.overflow.is_some() || changes.conversations.values().any(gone);
        if anew {
            // Names may be given again, also in what came with it.
            return self.names.forget();
        }
        self.names.begin();
        let mut irregular = Irregular::default();
        let mut said = |m: &Rc<Message>| self.names.note(m, &mut irregular);
        events.iter().filter_map(Event::message).for_each(&mut said);
        match job {
            Job::Page { page, .. } => {
                page.messages.iter().for_each(said);
                for conversation in changes.conversations.keys() {
                    sync.awaited.on_page(db, now, conversation);
                }
            }
            Job::Own(Own::Update { message: m, .. }) => said(m),
            Job::Own(Own::Sent {
                message: Some(m), ..
            }) => {
                said(m);
                sync.awaited
                    .note_message(db, now, &m.conversation, Some(m.seq.0));
            }
            _ => {}
        }
        self.out
            .tell_irregular(job.place(), job.asked(), &irregular);
    }

    /// Shows what a commit has changed, whoever made it.
    pub(super) fn show_changes(&mut self, changes: &CommitDelta) {
        for (key, message) in &changes.synced {
            if !Fault::KeyIsNotTaken.on() {
                self.timelines.keep_key(key, message);
            }
        }
        for id in changes.read.keys() {
            self.outbox.marks.forget(id);
        }
        if changes.outbox {
            let (parts, mut cx) = self.split();
            parts.outbox.lanes.abort_vanished(&mut cx);
        }
        self.out.told.conversations |= changes.list;
        self.out.told.outbox |= changes.outbox || !changes.synced.is_empty();
        if let Some(overflow) = &changes.overflow {
            self.on_overflow(overflow);
        }
        for (id, change) in &changes.conversations {
            if change.removed || change.cleared || change.kept {
                self.discard_fetches(Some(id));
            }
            if change.removed && !self.db.list().contains_key(id) {
                self.on_left(id);
            }
        }
        let (parts, cx) = self.split();
        parts.doubts.on_commit(&cx, changes);
        let (parts, mut cx) = self.split();
        parts.timelines.on_commit(&mut cx, changes);
        if self.listening.contains("messages") {
            // An own echo may come once more after an overflow.
            let mut others: Vec<&Rc<Message>> = changes.messages.iter().collect();
            others.retain(|m| !self.is_echo(m) && !self.missed.was_told(m));
            self.tell_messages("messages", &others, self.is_caught_up());
        }
        if self.listening.contains("updates") {
            let updates: Vec<&Rc<Message>> = changes.updates.iter().collect();
            self.tell_messages("updates", &updates, self.is_caught_up());
        }
    }

    /// Tells what was missed, once its blocks are there: the newest of each conversation.
    pub(super) fn tell_missed(&mut self) {
        if !self.listening.contains("messages") {
            return self.missed.forget();
        }
        while let Some(stretch) = self.missed.next() {
            let Ok(messages) = self.read_missed(stretch) else {
                let first = self.missed.first_ones(self.config.limits.missed);
                let lacking = first.filter_map(|stretch| self.read_missed(stretch).err());
                let lacking: Vec<BlockId> = lacking.flatten().collect();
                return self.reads.want(lacking);
            };
            let messages = self.missed.tell(messages);
            let others = messages.iter().filter(|m| !self.is_echo(m));
            let others: Vec<&Rc<Message>> = others.collect();
            self.tell_messages("messages", &others, false);
        }
    }

    /// The newest messages there, or the blocks that must be read first.
    fn read_missed(&self, (id, range): &Stretch) -> Result<Vec<Rc<Message>>, Vec<BlockId>> {
        let most = self.config.limits.items.min(MISSED);
        self.db.read_messages(id, *range, most, Direction::Older)
    }

    fn tell_messages(&mut self, event: &str, messages: &[&Rc<Message>], live: bool) {
        if messages.is_empty() {
            return;
        }
        let mut detail = String::from("{\"messages\":[");
        for m in messages {
            json::next(&mut detail);
            json::message(&mut detail, m);
        }
        detail.push_str("],\"live\":");
        json::flag(&mut detail, live);
        detail.push('}');
        self.out.event(event, &detail);
    }

    /// An overflow of these conversations is committed (R4): what was asked for before it is void.
    fn on_overflow(&mut self, overflow: &Overflow) {
        self.on_sync_overflow();
        let mut detail = String::from("{\"conversations\":");
        match overflow {
            Overflow::All => {
                detail.push_str("\"all\"");
                self.discard_fetches(None);
            }
            Overflow::Of(ids) => {
                detail.push('[');
                for id in ids {
                    json::next(&mut detail);
                    json::string(&mut detail, id);
                    self.discard_fetches(Some(id));
                }
                detail.push(']');
            }
        }
        detail.push('}');
        self.out.event("overflow", &detail);
    }

    /// The account has left it.
    fn on_left(&mut self, conversation: &Rc<str>) {
        self.outbox.marks.forget(conversation);
        self.sync.forget(conversation);
        let mut detail = String::from("{\"conversation\":");
        json::string(&mut detail, conversation);
        detail.push('}');
        self.out.event("removed", &detail);
    }

    /// Whether this client wrote it.
    pub(super) fn is_echo(&self, m: &Message) -> bool {
        m.client_id.as_ref().is_some_and(|client_id| {
            let name = (m.conversation.clone(), client_id.clone());
            self.db.left_names().contains_key(&name) || self.db.own_named(&name).is_some()
        })
    }

    pub(super) fn on_job_done(&mut self, job: Job, changes: CommitDelta) {
        match job {
            Job::Batch {
                parts,
                pushed: false,
            } => self.on_batch_applied(&parts, &changes),
            Job::Batch { parts, .. } => self.on_push_applied(&parts),
            Job::Page { fetch, page } => {
                self.timelines.on_found(fetch, &page);
                self.on_fetch_done(fetch, None);
            }
            Job::Changes { fetch, .. } | Job::Gone { fetch } => self.on_fetch_done(fetch, None),
            Job::List { page, .. } => self.on_list_applied(page),
            Job::Suspects { .. } => self.on_suspects_removed(),
            Job::Opened { .. } => {}
            Job::Restore { .. } => {
                self.restoring.succeed();
                self.outbox.on_stored(&self.db);
            }
            Job::Own(Own::Tell { call, .. }) => self.on_told(call, &changes.told),
            Job::Own(own) => {
                let (parts, mut cx) = self.split();
                let granted = matches!(own, Own::Grant { .. });
                parts.outbox.on_done(&mut cx, own, changes.outbox);
                if granted {
                    self.granting.succeed();
                    // Others were stored since it began.
                    self.grant_wishes();
                }
            }
            Job::Doubt { conversation } => self.on_doubt_tried(&conversation),
            Job::Corrupt { call, .. } => {
                self.mending.succeed();
                if let Some(call) = call {
                    self.out.resolve(call, "");
                }
            }
            Job::Evict { .. } | Job::End { .. } => {}
        }
    }

    fn on_doubt_tried(&mut self, conversation: &Rc<str>) {
        let (parts, cx) = self.split();
        parts.doubts.on_tried(&cx, conversation);
    }

    /// What the job was made for is over: it is decided anew.
    pub(super) fn on_job_void(&mut self, job: Job) {
        match job {
            Job::Batch { pushed: false, .. } => self.on_batch_void(),
            // The push does not follow what is applied: a pull brings what lies between.
            Job::Batch { .. } => self.on_push_missed(),
            Job::Page { fetch, .. } | Job::Changes { fetch, .. } | Job::Gone { fetch } => {
                self.on_fetch_done(fetch, None);
            }
            Job::List { .. } => {}
            Job::Evict { .. } => self.on_eviction_failed(),
            Job::Own(own) => {
                let (parts, mut cx) = self.split();
                parts.outbox.on_void(&mut cx, own);
            }
            // Whoever has found it asks the client that writes.
            Job::Corrupt { call: Some(_), .. } => {}
            Job::Suspects { .. }
            | Job::Opened { .. }
            | Job::Corrupt { .. }
            | Job::Doubt { .. }
            | Job::Restore { .. }
            | Job::End { .. } => debug_assert!(false, "this is always done"),
        }
    }

    /// Nothing of it was stored (R9): the cursor stays.
    pub(super) fn on_job_failed(&mut self, job: Job, error: &Error) {
        match job {
            Job::Batch { pushed: false, .. } => self.on_pull_failed(error),
            // Nothing was acknowledged and the cursor stays, so a pull brings it again.
            Job::Batch { .. } => self.on_push_missed(),
            Job::Page { fetch, .. } | Job::Changes { fetch, .. } | Job::Gone { fetch } => {
                self.on_fetch_done(fetch, Some(error));
            }
            Job::List { .. } => self.on_list_failed(error),
            // The wishes stay stored, and are taken up later.
            Job::Own(Own::Grant { .. }) => self.on_not_granted(error),
            Job::Own(own) => {
                let (parts, mut cx) = self.split();
                parts.outbox.on_failed(&mut cx, own, error);
            }
            Job::Restore { .. } => self.on_not_restored(job, error),
            Job::Suspects { .. } => self.on_pull_failed(error),
            Job::Opened { .. } | Job::Evict { .. } | Job::End { .. } => {}
            Job::Corrupt {
                blocks,
                mut indexes,
                states,
                meta,
                call,
            } => {
                // The records could not be dropped on disk. Nothing of them is shown or built upon here.
                indexes.extend(blocks.into_iter().map(|(id, _)| id));
                for conversation in &indexes {
                    self.forget_held(conversation);
                }
                if call.is_some() {
                    let job = Job::Corrupt {
                        blocks: Vec::new(),
                        indexes,
                        states,
                        meta,
                        call,
                    };
                    let random = self.out.random(u64::MAX);
                    self.mending.try_later(self.now.mono, job, error, random);
                }
            }
            Job::Doubt { conversation } => self.on_doubt_tried(&conversation),
        }
    }

    /// Wishes could not be read, or taken up. That is tried again after a backoff: a disk that fails is not asked in a
    /// loop.
    pub(super) fn on_not_granted(&mut self, error: &Error) {
        let random = self.out.random(u64::MAX);
        self.granting
            .fail_unchanged(self.now.mono, error, random, false);
        self.reads.want_wishes_at(self.granting.ready_at());
    }

    /// What was kept over a lost database could not be written. Nothing else is written before it, and it is tried
    /// again after a backoff.
    pub(super) fn on_not_restored(&mut self, restore: Job, error: &Error) {
        let random = self.out.random(u64::MAX);
        let now = self.now.mono;
        self.restoring.fail_unchanged(now, error, random, false);
        if self.restoring.failures() > 1 {
            // Jobs that somebody waits for fail rather than wait behind it, those of a pull or a page too.
            for job in self.jobs.take(Job::holds_somebody_up) {
                self.on_job_failed(job, error);
            }
        }
        self.jobs.push_first(restore);
    }
}
