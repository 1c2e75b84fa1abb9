//! Sending (DESIGN.md, "Sending"): first in, first out per conversation; retried under the same
//! `clientId` until the server answers, across reloads; a final refusal makes a message `failed` and
//! does not hold up the next. Also read marks, edits and recalls.

use std::rc::Rc;

use super::command::{Call, TimelineId};
use super::engine::{Asked, Engine, Job};
use super::fault::Fault;
use super::json;
use super::map::Map;
use super::net::{Error, ErrorCode, Request};
use super::protocol;
use super::records::{Local, LocalState};
use super::types::Seq;

/// Backoff of a message's delivery: full jitter, from 1 s, at most 1 min.
const RETRY: (u64, u64) = (1_000, 60_000);

/// A conversation's delivery.
#[derive(Debug, Default)]
struct Lane {
    /// the message under way, by its order; a mark, by its seq
    busy: Option<u64>,
    /// not before this
    retry: u64,
    /// not before this, whatever happens: `Retry-After`
    obey: u64,
    failures: u32,
}

/// Deliveries under way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// the place of the next own message
    pub next_order: u64,
    /// shown, and on their way into the database
    pub fresh: Vec<Rc<Local>>,
    /// the message that is being sent, by conversation
    pub sending: Map<Rc<str>, u64>,
    lanes: Map<Rc<str>, Lane>,
    marks: Map<Rc<str>, Lane>,
    /// the marks that the server took, until its state says so
    told: Map<Rc<str>, u64>,
}

impl Outbox {
    /// The account has left: what it had read there says nothing if it comes back.
    pub fn forget_marks(&mut self, conversation: &str) {
        self.told.remove(conversation);
    }

    /// The network is back: only a `Retry-After` is waited out.
    pub fn try_again(&mut self) {
        for lane in self.lanes.values_mut().chain(self.marks.values_mut()) {
            lane.retry = lane.obey;
        }
    }
}

impl Engine {
    // ------------------------------------------------------------ own messages

    pub(super) fn send(
        &mut self,
        call: Call,
        conversation: Rc<str>,
        body: String,
        client_id: String,
    ) {
        // One that is too long would not be taken back, as with a body.
        if client_id.is_empty() || client_id.len() > protocol::MAX_NAME {
            let error = Error::new(
                ErrorCode::Invalid,
                format!(
                    "send: a clientId has from 1 to {} bytes",
                    protocol::MAX_NAME
                ),
            );
            return self.reject(call, &error);
        }
        // There already: the same answer, nothing sent.
        let known = self
            .delivered
            .contains(&(conversation.clone(), client_id.clone()))
            || self
                .db
                .outbox
                .values()
                .any(|l| l.conversation == conversation && l.client_id == client_id);
        if known {
            return self.accepted(call, &client_id);
        }
        let order = self.outbox.next_order;
        self.outbox.next_order += 1;
        let local = Rc::new(Local {
            order,
            after: self.newest_known(&conversation),
            conversation,
            client_id,
            body: body.into(),
            created_at: self.now.wall,
            state: LocalState::Queued,
            attempted: false,
            message: None,
            error: None,
        });
        let twice = self
            .outbox
            .fresh
            .iter()
            .any(|l| l.conversation == local.conversation && l.client_id == local.client_id);
        if !twice {
            self.outbox.fresh.push(local.clone());
            self.shown.outbox = true;
            self.touch_timelines(&local.conversation);
        }
        if Fault::SendResolvesAtOnce.on() {
            self.accepted(call, &local.client_id);
        }
        self.push(Job::PutLocal { local, call });
    }

    /// The newest position that anything was said of (R8).
    fn newest_known(&self, conversation: &str) -> Option<u64> {
        let state = self.db.list.get(conversation);
        let last = state.and_then(|state| state.last_seq).map(|seq| seq.0);
        self.db.held(conversation).seen.max(last)
    }

    fn accepted(&mut self, call: Call, client_id: &str) {
        let mut ok = String::from("{");
        json::field(&mut ok, "clientId");
        json::string(&mut ok, client_id);
        json::field(&mut ok, "key");
        json::string(&mut ok, &format!("c:{client_id}"));
        ok.push('}');
        self.resolve(call, &ok);
    }

    pub(super) fn put(&mut self, local: &Rc<Local>, call: Call) {
        self.outbox.fresh.retain(|fresh| fresh.order != local.order);
        self.shown.outbox = true;
        self.touch_timelines(&local.conversation);
        if !Fault::SendResolvesAtOnce.on() {
            self.accepted(call, &local.client_id);
        }
    }

    /// It could not be stored, so it was not accepted: it is not shown any more.
    pub(super) fn put_failed(&mut self, local: &Rc<Local>, call: Call, error: &Error) {
        self.outbox.fresh.retain(|fresh| fresh.order != local.order);
        self.shown.outbox = true;
        self.touch_timelines(&local.conversation);
        self.reject(call, error);
    }

    pub(super) fn retried(&mut self, client_id: &str, call: Call) {
        let named = |l: &&Rc<Local>| l.client_id == client_id;
        let locals: Vec<Rc<Local>> = self.db.outbox.values().filter(named).cloned().collect();
        for local in locals {
            if let Some(lane) = self.outbox.lanes.get_mut(&local.conversation) {
                lane.retry = lane.obey;
            }
            self.touch_timelines(&local.conversation);
        }
        self.resolve(call, "null");
    }

    pub(super) fn discarded(&mut self, _client_id: &str, call: Call, dropped: bool) {
        self.resolve(call, if dropped { "true" } else { "false" });
        self.touch_all_timelines();
    }

    /// When something here is due.
    pub(super) fn outbox_due(&self) -> Option<u64> {
        if !self.may_request() {
            return None;
        }
        let waits = |lane: Option<&Lane>| match lane {
            Some(lane) => lane.busy.is_none().then_some(lane.retry),
            None => Some(0),
        };
        let messages = self
            .unsent()
            .filter_map(|l| waits(self.outbox.lanes.get(&l.conversation)));
        let marks = self
            .db
            .marks
            .keys()
            .filter_map(|id| waits(self.outbox.marks.get(id)));
        messages.chain(marks).min()
    }

    /// The next message of each conversation.
    fn unsent(&self) -> impl Iterator<Item = &Rc<Local>> {
        let mut begun: Vec<&Rc<str>> = Vec::new();
        self.db
            .outbox
            .values()
            .filter(|l| l.state == LocalState::Queued)
            .filter(|l| !Fault::NewestGoesFirst.on() || self.is_newest(l))
            .filter(move |l| {
                let first = !begun.contains(&&l.conversation);
                if first {
                    begun.push(&l.conversation);
                }
                first
            })
    }

    pub(super) fn drive_outbox(&mut self) {
        if !self.may_request() {
            return;
        }
        let now = self.now.mono;
        let unsent: Vec<Rc<Local>> = self.unsent().cloned().collect();
        for local in unsent {
            let lane = self.outbox.lanes.or_default(local.conversation.clone());
            if lane.busy.is_some() || now < lane.retry {
                continue;
            }
            lane.busy = Some(local.order);
            if local.attempted {
                self.attempt(local.order);
            } else {
                // Before the request leaves: from here on it may be delivered (discard says false).
                self.push(Job::Attempt { order: local.order });
            }
        }
        let marks: Vec<(Rc<str>, u64)> = self
            .db
            .marks
            .iter()
            .map(|(id, seq)| (id.clone(), *seq))
            .collect();
        for (conversation, seq) in marks {
            let lane = self.outbox.marks.or_default(conversation.clone());
            if lane.busy.is_some() || now < lane.retry {
                continue;
            }
            lane.busy = Some(seq);
            let call = Request::MarkRead {
                conversation: conversation.to_string(),
                seq: Seq(seq),
            };
            self.request(call, Asked::Mark { conversation, seq });
        }
    }

    pub(super) fn attempt(&mut self, order: u64) {
        let Some(local) = self.db.outbox.get(&order).cloned() else {
            return self.settled(order);
        };
        if !self.may_request() {
            return self.lane_free(&local.conversation);
        }
        self.outbox
            .sending
            .insert(local.conversation.clone(), order);
        self.shown.outbox = true;
        self.touch_timelines(&local.conversation);
        let client_id = match Fault::RetriedUnderAnotherName.on() {
            true => format!("{}-{}", local.client_id, self.now.mono),
            false => local.client_id.clone(),
        };
        let call = Request::Send {
            conversation: local.conversation.to_string(),
            client_id,
            body: local.body.to_string(),
        };
        self.request(
            call,
            Asked::Send {
                order,
                conversation: local.conversation.clone(),
            },
        );
    }

    fn lane_free(&mut self, conversation: &Rc<str>) {
        self.outbox.sending.remove(conversation);
        self.outbox.lanes.or_default(conversation.clone()).busy = None;
        self.shown.outbox = true;
        self.touch_timelines(conversation);
    }

    pub(super) fn delivered(
        &mut self,
        order: u64,
        conversation: Rc<str>,
        result: Result<String, Error>,
    ) {
        match result.and_then(|text| protocol::answer(&text, &conversation)) {
            Ok(message) => self.push(Job::Sent { order, message }),
            // A final refusal. What breaks the protocol, or the token, says nothing of the message.
            Err(error) if error.is_refusal() && !Fault::RefusalHoldsUp.on() => {
                self.push(Job::Failed { order, error })
            }
            Err(error) => {
                self.later(&conversation, &error);
                self.lane_free(&conversation);
            }
        }
    }

    fn later(&mut self, conversation: &Rc<str>, error: &Error) {
        let failures = self.outbox.lanes.or_default(conversation.clone()).failures;
        let wait = self
            .backoff(failures, RETRY.0, RETRY.1)
            .max(error.retry_after.unwrap_or(0));
        let now = self.now.mono;
        let lane = self.outbox.lanes.or_default(conversation.clone());
        lane.failures += 1;
        lane.retry = now + wait;
        lane.obey = now + error.retry_after.unwrap_or(0);
    }

    /// Its outcome is stored, or it was discarded before its request left: the next one's turn.
    pub(super) fn settled(&mut self, order: u64) {
        let busy = self.outbox.lanes.keys().find(|id| {
            let lane = self.outbox.lanes.get(*id);
            lane.is_some_and(|lane| lane.busy == Some(order))
        });
        let Some(conversation) = busy.cloned() else {
            return;
        };
        if let Some(lane) = self.outbox.lanes.get_mut(&conversation) {
            lane.failures = 0;
            lane.retry = lane.obey;
        }
        self.lane_free(&conversation);
    }

    /// Its outcome could not be stored: the server will say it again.
    pub(super) fn try_later(&mut self, order: u64, error: &Error) {
        if let Some(local) = self.db.outbox.get(&order).cloned() {
            self.later(&local.conversation, error);
            self.lane_free(&local.conversation);
        } else {
            self.settled(order);
        }
    }

    // ------------------------------------------------------------ edits, recalls

    /// Not optimistic, not stored.
    pub(super) fn change_message(&mut self, call: Call, conversation: Rc<str>, request: Request) {
        if !self.promoted {
            let error = Error::new(
                ErrorCode::Offline,
                "another tab's client has this account: edit there",
            );
            return self.reject(call, &error);
        }
        if let Some(error) = self.why_not() {
            return self.reject(call, &error);
        }
        self.request(request, Asked::Change { call, conversation });
    }

    pub(super) fn changed(
        &mut self,
        call: Call,
        conversation: Rc<str>,
        result: Result<String, Error>,
    ) {
        match result.and_then(|text| protocol::answer(&text, &conversation)) {
            Ok(message) => self.push(Job::Update { call, message }),
            Err(error) => self.reject(call, &error),
        }
    }

    // ------------------------------------------------------------ read marks

    pub(super) fn mark_read(
        &mut self,
        call: Call,
        conversation: Rc<str>,
        seq: Option<Seq>,
        timeline: Option<TimelineId>,
    ) {
        let seq = seq.map(|seq| seq.0).or_else(|| {
            timeline
                .and_then(|id| self.timelines.get(&id))
                .and_then(|t| t.newest_on_screen())
        });
        match seq {
            // Only forward.
            Some(seq) if self.outbox.told.get(&conversation) >= Some(&seq) => {
                self.resolve(call, "null")
            }
            Some(seq) => self.push(Job::Mark {
                conversation,
                seq,
                call,
            }),
            // Nothing is on screen: nothing was read.
            None => self.resolve(call, "null"),
        }
    }

    pub(super) fn marked(
        &mut self,
        conversation: Rc<str>,
        seq: u64,
        result: Result<String, Error>,
    ) {
        match result {
            Ok(_) => {
                self.outbox.told.insert(conversation.clone(), seq);
                self.push(Job::MarkDone { conversation, seq });
            }
            Err(error) if error.retryable() || error.code == ErrorCode::Unauthorized => {
                self.mark_later(conversation, &error);
            }
            Err(error) => {
                self.error_event(&error);
                self.push(Job::MarkDone { conversation, seq });
            }
        }
    }

    /// The mark is tried again, after a backoff.
    pub(super) fn mark_later(&mut self, conversation: Rc<str>, error: &Error) {
        let failures = self.outbox.marks.or_default(conversation.clone()).failures;
        let wait = self
            .backoff(failures, RETRY.0, RETRY.1)
            .max(error.retry_after.unwrap_or(0));
        let now = self.now.mono;
        let lane = self.outbox.marks.or_default(conversation);
        lane.failures += 1;
        lane.retry = now + wait;
        lane.obey = now + error.retry_after.unwrap_or(0);
        lane.busy = None;
    }

    pub(super) fn mark_done(&mut self, conversation: &Rc<str>) {
        self.outbox.marks.remove(conversation);
    }
}
