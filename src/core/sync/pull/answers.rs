//! What comes of a pull's answer: a batch job, less asked for, an acknowledgement, the chain's next
//! request, its end, or its failure.

use super::super::conversation_limit::too_many_conversations;
use super::super::scope::{self, mailbox};
use super::patience::AT_ONCE;
use super::{Course, Pull, State};
use crate::core::backoff::small;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::events::Event;
use crate::core::failures::Question;
use crate::core::fault::Fault;
use crate::core::jobs::Job;
use crate::core::json;
use crate::core::net::Request;
use crate::core::purpose::{PullContext, Purpose};
use crate::core::tx::CommitDelta;
use crate::core::types::Feed;
use crate::core::wire::batch::{FeedBatch, PullAnswer};
use std::rc::Rc;

/// Requests that acknowledge one push: where less and less fits into one the rest comes again.
const PUSH_ACKS: u32 = 8;
/// Conversations in a row that are too much, each alone, before it is the server that takes none.
const ALONE: u32 = 8;

impl Pull {
    /// A request of the chain is answered.
    pub fn on_answer(
        &mut self,
        cx: &mut Cx,
        request: u64,
        asked: &PullContext,
        result: Result<String, Error>,
    ) -> Course {
        self.state = match std::mem::take(&mut self.state) {
            State::Waiting(chain) if chain.request == request => State::Running(chain),
            state => state,
        };
        if !self.is_awaited(request) {
            return Course::GoesOn;
        }
        let answer = result.and_then(|text| scope::read(cx.config.scope, &text, asked));
        let own = answer.and_then(|answer| {
            for part in &answer.parts {
                self.check_account(cx, part.batch.account.as_ref())?;
            }
            Ok(answer)
        });
        let error = match own {
            Ok(answer) => return self.on_batches(cx, asked, answer),
            Err(error) => error,
        };
        if self.is_wait_ended(cx, asked, &error) {
            return Course::GoesOn;
        }
        match self.ask_for_less(cx, asked, &error) {
            Some(course) => course,
            None => {
                self.conversations.on_failure(asked);
                self.fail_told(cx, error)
            }
        }
    }

    fn is_awaited(&self, request: u64) -> bool {
        let awaited = matches!(&self.state, State::Running(chain) if chain.request == request);
        debug_assert!(awaited, "who asks no more has aborted its request");
        awaited
    }

    /// What can be applied is applied. A conversation that has failed alone is backed off from alone.
    fn on_batches(&mut self, cx: &mut Cx, asked: &PullContext, mut answer: PullAnswer) -> Course {
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "an answer is a chain's");
            return Course::GoesOn;
        };
        let (db, now) = (cx.db, cx.now.mono);
        for part in answer.parts.iter().filter(|part| is_stuck(part)) {
            let what = "events came with the cursor that was asked with: they come again at each pull; give the cursor that is behind them";
            warn(cx, part.feed.conversation(), what);
        }
        // Where it leaves one out the chain makes progress: the next request names it, so it does not come again.
        let parts = &mut answer.parts;
        let leads_on = self.conversations.leave_out_again(db, asked, parts);
        tell(cx, &mut answer);
        for part in &answer.parts {
            if let Feed::Conversation(id) = &part.feed {
                cx.out
                    .fared(&Question::of(cx.config.scope.pull(), id), None);
            }
        }
        // Events of unknown type bring nothing.
        let known = |part: &FeedBatch| part.batch.events.len() > part.batch.unknown();
        let nothing = !answer.parts.iter().any(known);
        if let Some((since, wait)) = asked.waits {
            // A server that answers at once with nothing is not asked in a loop.
            let soon = now < since.saturating_add(wait / 2);
            let in_vain = nothing && now <= since.saturating_add(AT_ONCE);
            if self.patience.note(in_vain) {
                warn_of_waiting(cx, wait, "was answered at once, with nothing");
            }
            let pause = match nothing && soon {
                true => cx.config.fallback_poll_interval,
                false => 0,
            };
            self.patience.kept(now, pause);
        }
        self.conversations.on_answer(asked, &answer);
        chain.alone = 0;
        let has_more = answer.more || answer.parts.iter().any(|part| part.batch.has_more);
        if has_more {
            self.events.fits(asked.limit);
        }
        self.conversations.size.fits(small(asked.ids().len()));
        chain.more = has_more;
        if cx.config.scope.has_pieces() {
            let fares = &self.conversations;
            chain.pieces.go_on(asked, &answer, fares, (db, now));
            chain.more = chain.pieces.has_more();
        }
        if nothing && has_more && !leads_on && !cx.config.scope.acknowledges() {
            chain.endless.on_empty();
        }
        if let Some(why) = chain.endless.why(&answer.parts) {
            return self.give_up(cx, why);
        }
        let events = answer.parts.iter().flat_map(|part| &part.batch.events);
        let ids = events.filter_map(|e| e.event().map(Event::conversation));
        if let Some(error) = too_many_conversations(cx, ids) {
            return self.fail_told(cx, error);
        }
        self.on_failed_alone(cx, asked, answer.failed);
        let parts = answer.parts;
        if Fault::AcknowledgedBeforeItsCommit.on() {
            self.acknowledge_pushed(cx, &parts);
        }
        let pushed = false;
        cx.jobs.push(Job::Batch { parts, pushed });
        Course::GoesOn
    }

    // ------------------------------------------------------------ conversations that fail alone

    fn on_failed_alone(&mut self, cx: &mut Cx, asked: &PullContext, failed: Vec<(Rc<str>, Error)>) {
        let now = cx.now.mono;
        let told_to_wait = self.conversations.is_any_told_to_wait(now);
        // Once in a chain: what is refused then as well is backed off from.
        let may_ask = self.chain().is_some_and(|chain| !chain.left_asked);
        for (id, error) in failed {
            let refused = matches!(error.code, ErrorCode::Forbidden | ErrorCode::NotFound);
            let refused = refused && asked.only.is_some();
            let is_known = cx.db.cursors().contains_key(&id) || cx.db.list().contains_key(&id);
            if refused && !is_known {
                // A notification has named a conversation that is not the account's, or not any more.
                self.conversations.forget(&id);
            } else if refused
                && !told_to_wait
                && may_ask
                && let State::Running(chain) = &mut self.state
            {
                // The account may have left it. A request that names it is only refused; one for all says so.
                chain.left_asked = true;
                chain.pieces.ask_for_all(&self.conversations, cx.db, now);
                chain.broad = true;
                chain.more = true;
            } else {
                self.on_conversation_failed(cx, id, error);
            }
        }
    }

    /// One conversation could not be pulled: it is backed off from, alone.
    fn on_conversation_failed(&mut self, cx: &mut Cx, id: Rc<str>, error: Error) {
        // Nor does the chain under way ask for it again.
        if let Some(chain) = self.chain() {
            chain.pieces.leave(&id);
        }
        let question = Question::of(cx.config.scope.pull(), &id);
        cx.out.fared(&question, Some(&error));
        let random = cx.out.random(u64::MAX);
        let new = self
            .conversations
            .fail(cx.now.mono, id, error.clone(), random);
        if new {
            cx.out.failure_event(&error);
        }
    }

    // ------------------------------------------------------------ too much, and too long

    /// The answer was too much for the server, the network or this client: less is asked for. `None`: that does not
    /// help, and the chain has failed. An answer that was late makes the next chain ask for less, not this one.
    fn ask_for_less(&mut self, cx: &mut Cx, asked: &PullContext, error: &Error) -> Option<Course> {
        let (late, may) = (error.code == ErrorCode::Timeout, cx.standing.may_request());
        let ids = asked.ids();
        let pieces = cx.config.scope.has_pieces();
        let several = pieces && ids.len() > 1;
        // One conversation among them may make the server fail for all.
        let failing = several && error.status >= Some(500) && self.backoff.failures() > 1;
        if !error.asks_for_less() && !failing {
            return None;
        }
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "an answer is a chain's");
            return None;
        };
        let names = asked.names_more() && ids.len() < 2 && !late;
        if names && may && chain.pieces.blames_names() {
            // It asks for one conversation and names others, which may be what is too much. They are left out.
            self.conversations.name_no_others();
            chain.pieces.take_back(asked);
            self.request(cx, None);
            return Some(Course::GoesOn);
        }
        let less = match several {
            true => self.conversations.size.too_much(small(ids.len())),
            false => self.events.too_much(asked.limit),
        };
        if let ([id], false, true) = (&ids[..], less, pieces) {
            // It is too much alone: the others go on without it.
            if !late {
                chain.pieces.take_back_rest(asked);
            }
            self.on_conversation_failed(cx, id.clone(), error.clone());
            if !late {
                return self.go_on_without(cx);
            }
        }
        if !less || late || failing || !may {
            return None;
        }
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "a conversation that fails alone ends no chain");
            return None;
        };
        chain.pieces.split(asked);
        cx.out.log("debug", &format!("less is asked for: {error}"));
        self.request(cx, None);
        Some(Course::GoesOn)
    }

    /// `None`: it is not those conversations, each is too much for the server. That has not gone well.
    fn go_on_without(&mut self, cx: &mut Cx) -> Option<Course> {
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "only a running chain goes on");
            return None;
        };
        chain.more = chain.pieces.has_more();
        chain.alone += 1;
        if chain.alone >= ALONE {
            return None;
        }
        if chain.more && cx.standing.may_request() {
            self.request(cx, None);
            return Some(Course::GoesOn);
        }
        Some(self.go_on(cx))
    }

    /// Whether a request that waited at the server was ended while it waited, as proxies do. That proves no outage: a
    /// plain pull finds out, at a random moment within a second, so that not all clients ask at once.
    fn is_wait_ended(&mut self, cx: &mut Cx, asked: &PullContext, error: &Error) -> bool {
        let Some((since, wait)) = asked.waits else {
            return false;
        };
        if error.code == ErrorCode::Unauthorized || error.retry_after.is_some() {
            return false;
        }
        let now = cx.now.mono;
        let lasted = now.saturating_sub(since);
        let pause = cx.config.fallback_poll_interval;
        self.patience.ended(now, lasted, wait, pause);
        let endless = error.code == ErrorCode::Timeout;
        if self.patience.note(endless || lasted <= AT_ONCE) {
            let how = match endless {
                true => "had no answer, also after it".to_owned(),
                false => format!("was refused at once ({error})"),
            };
            warn_of_waiting(cx, wait, &how);
        }
        if error.asks_for_less() && error.code != ErrorCode::Timeout {
            self.events.too_much(asked.limit);
        }
        let message = format!("a pull that waited was ended: {error}");
        cx.out.log("debug", &message);
        self.state = State::Idle;
        let delay = cx.out.random(AT_ONCE);
        self.ask(cx, delay, Vec::new());
        true
    }

    // ------------------------------------------------------------ its commit

    /// Its batches are committed.
    pub fn on_applied(
        &mut self,
        cx: &mut Cx,
        parts: &[FeedBatch],
        changes: &CommitDelta,
    ) -> Course {
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "what is committed is a chain's");
            return Course::GoesOn;
        };
        let events: usize = parts.iter().map(|part| part.batch.events.len()).sum();
        chain.applied += events as u64;
        cx.out.told.status = true;
        // All deliveries of a batch may be known already. Only its commit tells.
        let empty = changes.events == 0;
        if empty && chain.more && cx.config.scope.acknowledges() {
            chain.endless.on_empty();
        }
        for part in parts {
            self.overflows.note(part);
        }
        // After an overflow what is known already counts as new. A server could go on with overflows for ever.
        let progress = changes.is_progress() && changes.overflow.is_none();
        chain.endless.on_applied(empty, progress, chain.more);
        chain.acking = self.refused.order(mailbox::deliveries(parts));
        (chain.stuck, chain.moved) = (None, false);
        self.acknowledge_next(cx)
    }

    /// The batch was void: its request's cursor is not the applied one (R1).
    pub fn on_void(&mut self, cx: &Cx) {
        self.ask_anew(cx);
    }

    /// The chain is over before its end.
    fn ask_anew(&mut self, cx: &Cx) {
        self.state = State::Idle;
        self.ask(cx, 0, Vec::new());
    }

    /// The chain's deliveries are acknowledged, as many at a time as the server takes.
    fn acknowledge_next(&mut self, cx: &mut Cx) -> Course {
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "a chain acknowledges");
            return Course::GoesOn;
        };
        if chain.acking.is_empty() {
            return self.go_on(cx);
        }
        if !cx.standing.may_request() {
            // It comes again, and is acknowledged then (R10).
            self.ask_anew(cx);
            return Course::GoesOn;
        }
        let count = self.acks.limit(small(chain.acking.len()));
        let deliveries = chain.acking[..count as usize].to_vec();
        let pushed = false;
        let call = Request::Acknowledge { deliveries, pushed };
        chain.request = cx.request(call, Purpose::Ack { pushed, count });
        Course::GoesOn
    }

    /// Deliveries of the chain are acknowledged, or not: then they come again.
    pub fn on_acknowledged(
        &mut self,
        cx: &mut Cx,
        request: u64,
        count: u32,
        result: Result<String, Error>,
    ) -> Course {
        if !self.is_awaited(request) {
            return Course::GoesOn;
        }
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "what is awaited is a chain's");
            return Course::GoesOn;
        };
        let Err(error) = result else {
            self.acks.fits(count);
            let count = chain.acking.len().min(count as usize);
            let done: Vec<String> = chain.acking.drain(..count).collect();
            self.refused.on_acknowledged(&done);
            chain.moved = true;
            return self.acknowledge_next(cx);
        };
        // Perhaps one delivery of these is refused. Fewer at a time find it, and the others are acknowledged.
        let (late, odd) = (error.code == ErrorCode::Timeout, error.is_refusal());
        let less = (error.asks_for_less() || odd) && self.acks.too_much(count);
        if less && !late {
            return self.acknowledge_next(cx);
        }
        if odd && count == 1 && !chain.acking.is_empty() {
            cx.out.failure_event(&error);
            let delivery = chain.acking.remove(0);
            if !self.refused.on_refused(delivery) {
                // They come again, and are acknowledged where the server takes one of them.
                chain.acking.clear();
            }
            chain.stuck = Some(error);
            return self.acknowledge_next(cx);
        }
        self.fail(cx, error)
    }

    /// What was pushed is committed: it is acknowledged beside the chain.
    pub fn acknowledge_pushed(&mut self, cx: &mut Cx, parts: &[FeedBatch]) {
        let mut deliveries = match self.refused.is_all() {
            // They come with a pull, which tries one.
            true => Vec::new(),
            false => mailbox::deliveries(parts),
        };
        let mut requests = 0;
        while !deliveries.is_empty() && requests < PUSH_ACKS && cx.standing.may_request() {
            requests += 1;
            let count = self.acks.limit(small(deliveries.len()));
            let rest = deliveries.split_off(count as usize);
            let pushed = true;
            let call = Request::Acknowledge { deliveries, pushed };
            cx.request(call, Purpose::Ack { pushed, count });
            deliveries = rest;
        }
    }

    /// Pushed deliveries are acknowledged, or not: then they come again.
    pub fn on_push_acknowledged(&mut self, cx: &mut Cx, count: u32, result: Result<String, Error>) {
        let Err(error) = result else {
            return self.acks.fits(count);
        };
        if error.asks_for_less() || error.is_refusal() {
            self.acks.too_much(count);
        }
        let message = format!("an acknowledgement was lost: {error}");
        cx.out.log("debug", &message);
    }

    // ------------------------------------------------------------ its end

    /// The chain goes on, or has ended. Its last request counts as a success only here: committed, and acknowledged
    /// where the scope asks for that.
    fn go_on(&mut self, cx: &mut Cx) -> Course {
        if let Some(chain) = self.chain()
            && chain.more
            && !chain.moved
            && let Some(error) = chain.stuck.take()
        {
            // Nothing of it is acknowledged: the next would be the same.
            return self.fail(cx, error);
        }
        self.backoff.succeed();
        self.error = None;
        self.told = None;
        let question = Question::new(cx.config.scope.pull());
        cx.out.fared(&question, None);
        let State::Running(chain) = &mut self.state else {
            debug_assert!(false, "a chain goes on");
            return Course::GoesOn;
        };
        if chain.more {
            if chain.endless.brings_what_is_known() {
                return self.give_up(cx, "batches without end that bring what is known");
            }
            match cx.standing.may_request() {
                true => self.request(cx, None),
                false => self.ask_anew(cx),
            }
            return Course::GoesOn;
        }
        // R11: conversations that this chain proves to be gone are removed before "caught up" is told.
        let whole = chain.pieces.is_full() && self.conversations.error().is_none();
        let suspects = !cx.db.meta().owed && !cx.db.meta().suspects.is_empty();
        let paid = whole && chain.after_list && suspects;
        let unnamed = match whole {
            true => chain.pieces.take_unnamed(cx.db),
            false => Vec::new(),
        };
        if paid || !unnamed.is_empty() {
            cx.jobs.push(Job::Suspects { paid, unnamed });
            return Course::GoesOn;
        }
        self.end(cx)
    }

    /// All that the chain brings is committed.
    pub fn end(&mut self, cx: &mut Cx) -> Course {
        cx.out.told.status = true;
        let State::Running(chain) = std::mem::take(&mut self.state) else {
            debug_assert!(false, "only a chain ends");
            return Course::GoesOn;
        };
        if chain.broad {
            self.timed_from = cx.now.mono;
        }
        self.hints.on_end(chain.applied);
        if let Some(of) = self.overflows.on_chain_ended() {
            let what = "3 pulls in a row brought an overflow: the server does not know the cursor that it gave, or keeps its events for too short a time";
            warn(cx, of, what);
        }
        self.endless = 0;
        self.error = self.conversations.error().cloned();
        let all = chain.pieces.is_full() && self.error.is_none();
        self.caught_up |= all;
        self.last_synced = Some(cx.now.wall);
        Course::Ended {
            unbroken: chain.unbroken,
            all,
            again: chain.again,
        }
    }

    /// The chain is given up: it has no end. What it has brought stays. Each chain in a row that has no end is followed
    /// by a longer backoff.
    fn give_up(&mut self, cx: &mut Cx, why: &str) -> Course {
        self.backoff.begin_at(self.endless);
        self.endless = self.endless.saturating_add(1);
        self.fail_told(cx, Error::new(ErrorCode::Protocol, why))
    }

    /// The chain has failed for what its answers say: the app's log is told as well.
    fn fail_told(&mut self, cx: &mut Cx, error: Error) -> Course {
        let question = Question::new(cx.config.scope.pull());
        cx.out.fared(&question, Some(&error));
        self.fail(cx, error)
    }

    /// The chain has failed, or what it has brought could not be stored. The next one is tried after a backoff.
    pub fn fail(&mut self, cx: &mut Cx, error: Error) -> Course {
        self.state = State::Idle;
        self.plan_after_failure(cx.now.mono);
        cx.fail(&mut self.backoff, &error);
        for call in self.calls.take_all() {
            cx.out.reject(call, &error);
        }
        if error.is_no_answer() {
            cx.standing.network.on_pull_without_answer();
        }
        if !self.told.as_ref().is_some_and(|told| told.is_same(&error)) {
            cx.out.failure_event(&error);
            self.told = Some(error.clone());
        }
        self.error = Some(error.clone());
        cx.out.told.status = true;
        Course::Failed(error)
    }
}

/// It says what is new, and that it is to be asked for again.
fn is_stuck(part: &FeedBatch) -> bool {
    let batch = &part.batch;
    let brings = batch.events.len() > batch.unknown() || batch.overflow.is_some();
    brings && batch.cursor.is_some() && batch.cursor == part.asked
}

/// Tells the app's log of what the server does wrong, and can be gone on with. The log tells the same once.
fn warn(cx: &mut Cx, conversation: Option<&Rc<str>>, what: &str) {
    let mut message = String::from(cx.config.scope.pull());
    if let Some(id) = conversation {
        message.push('(');
        json::string(&mut message, id);
        message.push(')');
    }
    message.push_str(": ");
    message.push_str(what);
    cx.out.log("warn", &message);
}

/// A server that does not wait as it is asked to: nothing is new sooner than by the timer.
fn warn_of_waiting(cx: &mut Cx, wait: u64, how: &str) {
    let message = format!(
        "a pull with wait={wait} (ms) {how}, 3 times in a row: hold it until something is new, for `wait` ms at most, or set sync.notify to \"poll\""
    );
    warn(cx, None, &message);
}

/// Tells what of an answer was not as it has to be.
fn tell(cx: &mut Cx, answer: &mut PullAnswer) {
    match answer.parts.first_mut() {
        Some(part) => part.batch.irregular.append(&answer.irregular),
        None => cx.out.tell_irregular("batch", None, &answer.irregular),
    }
    if let Some(kind) = answer
        .parts
        .iter()
        .find_map(|part| part.batch.unknown_type())
    {
        cx.out.unknown_event(kind);
    }
}
