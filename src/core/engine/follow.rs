//! Following, and being followed (R15): what the other clients of the account say, and what is said to them.

use super::Engine;
use crate::core::command::Call;
use crate::core::cx::BEGINS;
use crate::core::error::{Error, ErrorCode};
use crate::core::fault::Fault;
use crate::core::follow::{self, Asker, Reply, Signal, Stands, What};
use crate::core::io::Effect;
use crate::core::jobs::{Job, Own};
use crate::core::json;
use crate::core::map::Map;
use crate::core::net::Request;
use crate::core::purpose::{Purpose, Wants};
use crate::core::reads::ReadOp;
use crate::core::records::{self, MetaRecord, Name, Stamp, Wish};
use crate::core::standing::Phase;
use crate::core::storage::{Answer, Key, Read, StoreError, Table, Write};
use crate::core::timeline::Ended;
use crate::core::tx::{Commit, CommitDelta, ConversationDelta, Delta};
use crate::core::types::Message;
use crate::core::wire;
use std::rc::Rc;

/// ms of silence, beyond those of a request, after which the writer does not answer any more (R14).
const ANSWERS: u64 = 10_000;

/// What a fetch is answered with that the writer had to let go of.
const VOID: &str = "void";

/// A message as an app is told it.
fn read_told(text: &str, conversation: &Rc<str>) -> Option<Rc<Message>> {
    let answer = wire::answer::answer(&format!("{{\"message\":{text}}}"), conversation);
    let message = answer.ok().and_then(|answer| answer.message);
    debug_assert!(message.is_some(), "{text}");
    message
}

impl Engine {
    // ------------------------------------------------------------ what is heard

    /// Another client says something.
    pub(super) fn on_heard(&mut self, bytes: &[u8]) {
        if !self.standing.shares || self.standing.phase == Phase::Closed {
            return;
        }
        match Signal::read(bytes) {
            Ok(signal) => self.on_signal(signal),
            // Of another version, or not what was said: what is stored tells.
            Err(_) if self.standing.follows() => self.load_again(),
            Err(_) => {}
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        let me = self.out.me;
        match signal {
            Signal::Delta(delta) => {
                if !self.is_outdone_by(delta.stamp().epoch) {
                    self.on_delta(*delta);
                }
            }
            Signal::Stands(stands) => {
                if !self.is_outdone_by(stands.epoch) {
                    self.on_stands(stands);
                }
            }
            Signal::Gone { epoch } => {
                if self.follow.on_gone(self.now.mono, epoch) {
                    self.out.told.status = true;
                }
            }
            Signal::Hello { from, needs } if from != me => {
                self.follow.audience.on_hello(self.now.mono, from, needs);
                self.follow.tell_again();
            }
            Signal::Ask { from, ask, what } if from != me && self.standing.promoted => {
                self.on_ask((from, ask), what);
            }
            Signal::Drop { from, ask } => {
                if let Some(call) = self.follow.audience.drop((from, ask)) {
                    self.abort(call);
                }
            }
            Signal::Begun { to, ask } if to == me => self.on_begun(ask),
            Signal::Reply {
                to,
                ask,
                stands,
                result,
            } if to == me && !self.is_outdone_by(stands.epoch) => {
                let stamp = stands.stamp;
                self.on_stands(*stands);
                self.follow.add_reply(Reply { ask, stamp, result });
            }
            Signal::Wish { stamp, key, value } => self.on_wish_told(stamp, key, &value),
            Signal::Opened { conversation, at } if self.standing.promoted => {
                self.jobs.push(Job::Opened { conversation, at });
            }
            Signal::Hello { .. }
            | Signal::Ask { .. }
            | Signal::Begun { .. }
            | Signal::Reply { .. }
            | Signal::Opened { .. } => {}
        }
    }

    /// Whether a newer writer has spoken, or an older one: neither is followed by one that writes.
    fn is_outdone_by(&mut self, epoch: u64) -> bool {
        if !self.standing.promoted {
            return false;
        }
        if epoch > self.fence.epoch() {
            self.on_store_error(StoreError::Fenced);
            return false;
        }
        true
    }

    /// A commit, which is taken over as by the one that has made it.
    fn on_delta(&mut self, delta: Delta) {
        self.follow.hear_of(delta.stamp());
        self.out.told.status = true;
        if self.standing.phase != Phase::Ready || self.reads.is_loading() {
            return self.follow.keep(delta);
        }
        if delta.base == self.db.stamp() || Fault::DeltaOfAnyBase.on() {
            self.take_over(delta.commit);
        }
        // Else it is known, or one before it is lacking: what is stored is read.
    }

    pub(super) fn take_over(&mut self, commit: Commit) {
        let changes = self.db.apply(commit);
        // What is wished for stands behind what is stored.
        self.out.told.all_own |= changes.outbox;
        self.show_changes(&changes);
    }

    fn on_stands(&mut self, stands: Stands) {
        let before = self.follow.leader().cloned();
        let new = self.follow.on_stands(stands);
        self.out.told.status = true;
        let now = self.follow.leader();
        let sending = now.map_or(&[][..], |s| &s.sending);
        if self.outbox.set_sending(sending) {
            self.out.told.outbox = true;
            self.out.told.all_own = true;
        }
        let failed = before.as_ref().is_some_and(|s| s.why_not.is_some());
        match now {
            Some(s) if failed && s.why_not.is_none() => self.timelines.try_again(),
            _ => self.timelines.wake(),
        }
        if new {
            self.ask_again();
            self.follow.hurry();
        }
    }

    /// The writer is at it: that takes as long as it takes. It is asked now and then whether it still is.
    fn on_begun(&mut self, ask: u64) {
        self.out.asks.on_begun(self.now.mono, ask);
        let longest = self.config.request_timeout.saturating_add(ANSWERS);
        let until = self.now.mono.saturating_add(longest);
        self.out.requests.progressed(ask, until);
    }

    /// Another client writes now: what was asked is asked again, by its name.
    fn ask_again(&mut self) {
        let until = self.now.mono.saturating_add(BEGINS);
        if Fault::AskIsNotRepeated.on() {
            return;
        }
        let again = self.out.asks.again(self.now.mono);
        again
            .iter()
            .for_each(|(ask, _)| self.out.requests.progressed(*ask, until));
        self.ask_these(again);
    }

    fn ask_these(&mut self, asks: Vec<(u64, What)>) {
        let from = self.out.me;
        for (ask, what) in asks {
            self.out.tell(&Signal::Ask { from, ask, what });
        }
    }

    // ------------------------------------------------------------ as a follower

    /// What is stored is read again, unless it is being read.
    fn load_again(&mut self) {
        if !self.store_is_busy() && !self.reads.is_loading() {
            self.load();
        }
    }

    /// Whether this client may read what it lacks: a hidden one only notes it, unless somebody waits.
    fn may_catch_up(&self) -> bool {
        self.standing.hidden_since.is_none() || self.follow.waits_for_commit()
    }

    /// What is said and answered. Answers whether that may let a part go on.
    pub(super) fn drive_follow(&mut self) -> bool {
        let ended = self.timelines.take_ended();
        if !self.standing.shares || self.standing.phase != Phase::Ready {
            return false;
        }
        self.out.told.status |= self.follow.end_move(self.now.mono);
        let mut any = self.take_replies();
        // Also where it reads what is stored, because nothing was heard of a commit.
        self.answer_fetches(ended);
        if self.standing.promoted {
            any |= self.serve();
            self.tell_where_it_stands();
        } else if self.standing.follows() {
            self.greet();
            self.remind();
            let still = self.out.asks.still(self.now.mono);
            if !Fault::AskIsNotRepeated.on() {
                self.ask_these(still);
            }
            self.look_for_a_writer();
            let lacks = self.follow.lacks(self.db.stamp());
            if lacks && self.may_catch_up() && !Fault::GapIsNotReadAgain.on() {
                self.load_again();
            }
        }
        let calls = std::mem::take(&mut self.out.replies);
        for (call, result) in calls {
            if let Some(asker) = self.follow.audience.on_call_done(call) {
                self.reply(asker, result);
            }
        }
        any
    }

    fn take_replies(&mut self) -> bool {
        let mut any = false;
        while let Some(reply) = self.follow.next_reply(self.db.stamp()) {
            any = true;
            self.on_reply(reply);
        }
        any
    }

    /// What the writer has answered, as of what is here.
    fn on_reply(&mut self, reply: Reply) {
        self.out.asks.end(reply.ask);
        let Some(asked) = self.out.requests.take_answered(self.now.mono, reply.ask) else {
            return;
        };
        match asked {
            Purpose::Sync { call } => match reply.result {
                Ok(_) => self.out.resolve(call, "null"),
                Err(error) => self.out.reject(call, &error),
            },
            Purpose::Change { call, conversation } => match reply.result {
                Ok(text) => {
                    if let Some(message) = read_told(&text, &conversation)
                        && !Fault::AnswerIsNotShown.on()
                    {
                        self.show_changed(message);
                    }
                    self.out.resolve(call, &text);
                }
                Err(error) => self.out.reject(call, &error),
            },
            Purpose::History { fetch } => match reply.result {
                Ok(found) if found == VOID => {
                    let (parts, mut cx) = self.split();
                    parts.timelines.on_fetch_void(&mut cx, fetch);
                }
                Ok(found) => {
                    if !found.is_empty() {
                        self.timelines.on_found_at(fetch, found.parse().ok());
                    }
                    self.on_fetch_done(fetch, None);
                }
                Err(error) => self.on_fetch_done(fetch, Some(&error)),
            },
            _ => {}
        }
    }

    /// A message as an edit or a recall has left it. Where no commit says so, because nobody holds it or this
    /// client writes no more, a list may show it all the same (R3).
    fn show_changed(&mut self, message: Rc<Message>) {
        let conversation = message.conversation.clone();
        self.timelines.journal_update(&message);
        let mut changes = CommitDelta::default();
        let change = ConversationDelta {
            updated: vec![message],
            ..ConversationDelta::default()
        };
        changes.conversations.insert(conversation, change);
        let (parts, mut cx) = self.split();
        parts.timelines.on_commit(&mut cx, &changes);
    }

    /// The writer has not answered in time.
    pub(super) fn on_no_reply(&mut self, ask: u64) {
        let Some(asked) = self.out.abort_request(ask) else {
            return;
        };
        let what =
            "no client of this account has answered: reload the page, or close other tabs of it";
        let error = Error::new(ErrorCode::Timeout, what);
        match asked {
            Purpose::Sync { call } => self.out.reject(call, &error),
            Purpose::Change { call, .. } => self.out.reject(call, &error.of_a_change()),
            Purpose::History { fetch } => self.on_fetch_done(fetch, Some(&error)),
            _ => {}
        }
    }

    /// Says that it follows, and what it needs.
    fn greet(&mut self) {
        let mut needs = self.timelines.needed_from(&self.db);
        // What it asks for comes, wherever it lies.
        for conversation in self.out.asks.conversations() {
            needs.insert(conversation.clone(), 0);
        }
        if !self.follow.greets(self.now.mono, &needs) {
            return;
        }
        let from = self.out.me;
        self.out.tell(&Signal::Hello { from, needs });
    }

    /// Wishes that wait for long are asked for once more, and whether they still do is looked up.
    fn remind(&mut self) {
        let wait = !self.db.wishes().is_empty();
        if self.follow.reminds(self.now.mono, wait) && !Fault::NobodyRemindsOfWishes.on() {
            self.reads.want_wishes();
            let (_, mut cx) = self.split();
            cx.ask(What::Grant, Purpose::Grant);
        }
    }

    /// A writer that does not begin what it is asked for is stuck: a visible client takes its place.
    fn look_for_a_writer(&mut self) {
        if self.stuck_at().is_some_and(|at| at <= self.now.mono) {
            self.follow.on_stuck(self.now.mono);
            self.out.effect(Effect::Stuck);
        }
    }

    fn stuck_at(&self) -> Option<u64> {
        let since = self.out.asks.waits_since()?;
        let visible = self.standing.hidden_since.is_none();
        visible.then(|| self.follow.stuck_at(since))
    }

    /// When something here is due.
    pub(super) fn follow_due(&self) -> Option<u64> {
        let moves = self.follow.moves_until().filter(|at| *at > self.now.mono);
        if !self.standing.follows() {
            return moves;
        }
        let hello = self.follow.hello_at();
        let still = self.out.asks.still_at();
        let reminds = self.follow.reminds_at();
        [Some(hello), self.stuck_at(), still, reminds, moves]
            .into_iter()
            .flatten()
            .min()
    }

    /// The timer came late: nobody was asked in vain.
    pub(super) fn follow_slept(&mut self) {
        self.out.asks.put_off(self.now.mono);
    }

    /// The app or the browser says that this client is looked at again.
    pub(super) fn look_again(&mut self) {
        self.follow.hurry();
    }

    // ------------------------------------------------------------ as the writer

    /// The bytes of a commit for those that follow; none where nobody does.
    pub(super) fn delta_of(&self, commit: &Commit, writes: &[Write]) -> Option<Vec<u8>> {
        let heard = self.standing.shares && self.follow.audience.is_there(self.now.mono);
        heard.then(|| follow::delta(commit, self.db.stamp(), writes))
    }

    fn on_ask(&mut self, asker: Asker, what: What) {
        use follow::Asked::{Answered, Begun, Waits};
        match self.follow.audience.on_ask(asker, what) {
            Waits => {}
            Begun => self.tell_begun(asker),
            Answered(result) => self.tell_reply(asker, result),
        }
    }

    fn tell_begun(&mut self, (to, ask): Asker) {
        self.out.tell(&Signal::Begun { to, ask });
    }

    fn tell_reply(&mut self, (to, ask): Asker, result: Result<String, Error>) {
        let stands = Box::new(self.follow.says(self.stands()));
        self.out.tell(&Signal::Reply {
            to,
            ask,
            stands,
            result,
        });
    }

    fn reply(&mut self, asker: Asker, result: Result<String, Error>) {
        self.follow.audience.keep(asker, result.clone());
        self.tell_reply(asker, result);
    }

    /// What others ask for is begun, as soon as this client may ask the backend.
    fn serve(&mut self) -> bool {
        let why_not = self.why_not();
        let may = self.standing.may_request() || why_not.is_some();
        if !may || !self.follow.audience.waits() {
            return false;
        }
        while let Some((asker, what)) = self.follow.audience.next() {
            self.tell_begun(asker);
            match what {
                What::Sync => {
                    let call = self.follow.audience.call(asker);
                    self.sync(call);
                }
                What::Edit {
                    conversation,
                    message,
                    client_id,
                    body,
                } => {
                    let request = Request::Edit {
                        conversation: conversation.clone(),
                        message,
                        client_id,
                        body,
                    };
                    let call = self.follow.audience.call(asker);
                    self.change_message(call, conversation.into(), request);
                }
                What::Recall {
                    conversation,
                    message,
                } => {
                    let request = Request::Recall {
                        conversation: conversation.clone(),
                        message,
                    };
                    let call = self.follow.audience.call(asker);
                    self.change_message(call, conversation.into(), request);
                }
                What::Update {
                    conversation,
                    message,
                } => match read_told(&message, &conversation.into()) {
                    Some(message) => {
                        let call = self.follow.audience.call(asker);
                        self.jobs.push_own(Own::Update { call, message });
                    }
                    None => self.reply(asker, Ok(message)),
                },
                What::Fetch { .. } if let Some(error) = &why_not => {
                    self.reply(asker, Err(error.clone()));
                }
                What::Fetch {
                    conversation,
                    wants,
                    limit,
                } => self.fetch_for(asker, &conversation, wants, limit),
                What::Corrupt {
                    mut blocks,
                    indexes,
                    states,
                    meta,
                } => {
                    blocks.retain(|(id, lo)| self.db.held(id).block(*lo).is_some());
                    self.jobs.push(Job::Corrupt {
                        blocks,
                        indexes,
                        states,
                        meta,
                    });
                    self.reply(asker, Ok(String::new()));
                }
                What::Grant => {
                    self.reads.want_wishes();
                    self.reply(asker, Ok(String::new()));
                }
            }
        }
        true
    }

    fn fetch_for(&mut self, asker: Asker, conversation: &Rc<str>, wants: Wants, limit: u32) {
        // It is not to be let go before that client has said from where on it needs it (R13).
        let now = self.now.mono;
        self.follow
            .audience
            .needs_all_of(now, asker.0, conversation);
        let (parts, mut cx) = self.split();
        let fetches = parts.timelines.fetches_mut();
        let fetch = fetches.ask(&mut cx, conversation, wants, limit as usize);
        self.follow.audience.fetch(fetch, asker);
    }

    /// Pages that others have asked for are committed, or could not be had.
    fn answer_fetches(&mut self, ended: Vec<Ended>) {
        for (fetch, outcome, void) in ended {
            for asker in self.follow.audience.on_fetch_done(fetch) {
                let result = match &outcome {
                    Err(error) => Err(error.clone()),
                    Ok(_) if void => Ok(VOID.to_owned()),
                    Ok(None) => Ok(String::new()),
                    Ok(Some(found)) => Ok(found.map_or("none".to_owned(), |seq| seq.to_string())),
                };
                self.reply(asker, result);
            }
        }
    }

    /// Where this client stands, told where that has changed and somebody follows.
    fn tell_where_it_stands(&mut self) {
        if !self.follow.audience.is_there(self.now.mono) {
            return;
        }
        let stands = self.stands();
        if let Some(stands) = self.follow.tells(stands) {
            self.out.tell(&Signal::Stands(stands));
        }
    }

    pub(super) fn stands(&self) -> Stands {
        let status = self.status();
        let needs = self.follow.audience.needs(self.now.mono);
        let behind = needs.filter(|(id, _)| self.sync.is_behind(id));
        Stands {
            stamp: self.db.stamp(),
            epoch: self.fence.epoch(),
            number: 0,
            connection: status.connection.to_owned(),
            caught_up: status.caught_up,
            pulling: status.pulling,
            last_synced: status.last_synced,
            applied: status.applied,
            error: status.error.cloned(),
            why_not: self.why_not(),
            list_comes: self.list_comes(),
            pull: self.sync.under_way(),
            behind: behind.map(|(id, _)| id.clone()).collect(),
            sending: self.sending(),
        }
    }

    fn sending(&self) -> Vec<Name> {
        let outbox = self.db.outbox().values();
        let sending = outbox.filter(|l| self.outbox.lanes.is_sending(l));
        sending.map(|l| l.name()).collect()
    }

    // ------------------------------------------------------------ wishes

    /// What is wished for is written, all of it in one transaction.
    pub(super) fn store_wishes(&mut self) {
        let op = self.out.number();
        let me = self.out.me;
        // The clock may have gone back since another client's: it stands behind that all the same.
        let last = self.db.last_wish().map_or(0, |at| at.saturating_add(1));
        let writes = self.outbox.wishes.store(op, me, self.now.wall.max(last));
        self.out.effect(Effect::Wish { op, writes });
    }

    pub(super) fn on_wished(&mut self, op: u64, result: Result<(), StoreError>) {
        let (parts, mut cx) = self.split();
        for (key, wish) in parts.outbox.on_wished(&mut cx, op, &result) {
            self.on_wish_stored(key, wish);
        }
        if let Err(error) = result {
            self.on_store_error(error);
        }
    }

    fn on_wish_stored(&mut self, key: Key, wish: Wish) {
        let value = records::write_wish(&wish);
        self.db.add_wish(key.clone(), wish);
        self.out.told.outbox = true;
        self.out.told.all_own = true;
        if self.standing.promoted {
            return self.reads.want_wishes();
        }
        if self.standing.shares {
            let stamp = self.db.stamp();
            self.out.tell(&Signal::Wish { stamp, key, value });
            let (_, mut cx) = self.split();
            cx.ask(What::Grant, Purpose::Grant);
        }
    }

    /// Another client has stored a wish: it is shown, and the writer takes it up. Who knows of newer commits
    /// than that one reads whether they have taken it up; who reads what is stored may have begun before.
    fn on_wish_told(&mut self, stamp: Stamp, key: Key, value: &[u8]) {
        let late = stamp < self.db.stamp() && !self.db.wishes().contains_key(&key);
        if Fault::GrantFromTheSignal.on()
            && self.standing.promoted
            && let Ok(wish) = records::read_wish(value)
        {
            self.db.add_wish(key, wish);
            return self.grant_wishes();
        }
        if self.standing.promoted || late || self.reads.is_loading() {
            return self.reads.want_wishes();
        }
        if let Ok(wish) = records::read_wish(value)
            && self.standing.phase == Phase::Ready
            && self.db.add_wish(key, wish)
        {
            self.out.told.outbox = true;
            self.out.told.all_own = true;
        }
    }

    /// What is wished for is read: what others say of it may be late.
    pub(super) fn read_wishes(&mut self) {
        let table = Table::Wishes;
        let key = records::stamp_key();
        let stamp = Read::Range {
            table: Table::Meta,
            lo: key.clone(),
            hi: key,
        };
        self.ask_store(
            ReadOp::Wishes,
            vec![Read::All { table }, Read::Keys { table }, stamp],
        );
    }

    /// When wishes are to be read, by who may know of them.
    pub(super) fn wishes_at(&self) -> Option<u64> {
        let may = self.standing.promoted || self.standing.follows();
        self.reads.wishes_at().filter(|_| may)
    }

    /// They are read, as of the commit that is the newest then.
    pub(super) fn on_wishes_read(&mut self, wishes: Map<Key, Rc<Wish>>, stamp: &Answer) {
        let stamp = stamp.values.first().map(|value| records::read_meta(value));
        let stamp = match stamp {
            Some(Ok(MetaRecord::Stamp(stamp))) => stamp,
            _ => Stamp::default(),
        };
        if self.standing.promoted {
            self.db.set_wishes(wishes);
            self.out.told.outbox = true;
            self.out.told.all_own = true;
            return self.grant_wishes();
        }
        // Those that are lacking a later commit has taken up: that is to be read.
        self.follow.hear_of(stamp);
        if stamp == self.db.stamp() {
            self.db.set_wishes(wishes);
            self.out.told.outbox = true;
            self.out.told.all_own = true;
        }
    }

    /// What is wished for is taken up, in order.
    pub(super) fn grant_wishes(&mut self) {
        let queued = |job: &Job| matches!(job, Job::Own(Own::Grant { .. }));
        let wishes = self.db.wishes();
        if wishes.is_empty() || self.jobs.iter().any(queued) {
            return;
        }
        let all = wishes.iter().map(|(key, wish)| (key.clone(), wish.clone()));
        let wishes = all.collect();
        self.jobs.push_own(Own::Grant { wishes });
    }

    // ------------------------------------------------------------ a change of writer

    /// This client writes from here on: what it has asked the one before it does itself.
    pub(super) fn do_what_was_asked(&mut self) {
        for (ask, what) in self.out.asks.again(self.now.mono) {
            if Fault::PromotedForgetsItsAsks.on() {
                continue;
            }
            let asked = self.out.requests.remove(ask);
            self.out.asks.end(ask);
            let call = match asked {
                Some(Purpose::Sync { call } | Purpose::Change { call, .. }) => call,
                Some(Purpose::Grant) => {
                    self.reads.want_wishes();
                    continue;
                }
                _ => continue,
            };
            match what {
                What::Sync => self.sync(call),
                What::Edit {
                    conversation,
                    message,
                    client_id,
                    body,
                } => {
                    let request = Request::Edit {
                        conversation: conversation.clone(),
                        message,
                        client_id,
                        body,
                    };
                    self.change_message(call, conversation.into(), request);
                }
                What::Recall {
                    conversation,
                    message,
                } => {
                    let request = Request::Recall {
                        conversation: conversation.clone(),
                        message,
                    };
                    self.change_message(call, conversation.into(), request);
                }
                What::Update {
                    conversation,
                    message,
                } => match read_told(&message, &conversation.into()) {
                    Some(message) => self.jobs.push_own(Own::Update { call, message }),
                    None => self.out.resolve(call, &message),
                },
                What::Fetch { .. } | What::Corrupt { .. } | What::Grant => {}
            }
        }
    }

    /// This client writes no more: what it was to do for its app it wishes for, or asks the next one for.
    pub(super) fn hand_over(&mut self) {
        if self.standing.phase != Phase::Ready {
            return;
        }
        let (parts, mut cx) = self.split();
        if !Fault::FencedOwnIsDropped.on() {
            parts.outbox.wish_for_jobs(&mut cx);
        }
        for job in self.jobs.take(|_| true) {
            match job {
                Job::Own(Own::Update { call, message }) if call < follow::OTHERS => {
                    self.ask_to_update(call, &message);
                }
                job => self.job_void(job),
            }
        }
        if !self.standing.shares {
            return;
        }
        // Also where it is about to sleep: they are asked again when it wakes.
        for call in self.sync.take_calls() {
            self.ask_to_sync(call);
        }
        for (call, conversation, request) in self.outbox.changes.take() {
            self.ask_to_change(call, conversation, request);
        }
    }

    /// `sync()` of a client that follows.
    pub(super) fn ask_to_sync(&mut self, call: Call) {
        if call < follow::OTHERS {
            let (_, mut cx) = self.split();
            cx.ask(What::Sync, Purpose::Sync { call });
        }
    }

    /// An edit or a recall of a client that follows.
    pub(super) fn ask_to_change(&mut self, call: Call, conversation: Rc<str>, request: Request) {
        if call >= follow::OTHERS {
            return;
        }
        let what = match request {
            Request::Edit {
                conversation,
                message,
                client_id,
                body,
            } => What::Edit {
                conversation,
                message,
                client_id,
                body,
            },
            Request::Recall {
                conversation,
                message,
            } => What::Recall {
                conversation,
                message,
            },
            _ => return debug_assert!(false, "an edit or a recall"),
        };
        let (_, mut cx) = self.split();
        cx.ask(what, Purpose::Change { call, conversation });
    }

    /// An edit or a recall that the server has done is stored by the next writer, and shown then (R9).
    fn ask_to_update(&mut self, call: Call, message: &Message) {
        let mut text = String::new();
        json::message(&mut text, message);
        if !self.standing.shares {
            return self.out.resolve(call, &text);
        }
        let conversation = message.conversation.clone();
        let what = What::Update {
            conversation: conversation.to_string(),
            message: text,
        };
        let (_, mut cx) = self.split();
        cx.ask(what, Purpose::Change { call, conversation });
    }

    /// What each client needs, this one's lists and those of all that follow (R13).
    pub(super) fn needed_from(&self) -> Map<Rc<str>, u64> {
        let mut needed = self.timelines.needed_from(&self.db);
        if Fault::NeedsOfOthersAreIgnored.on() {
            return needed;
        }
        for (id, lo) in self.follow.audience.needs(self.now.mono) {
            let at = needed.or_insert_with(id.clone(), || lo);
            *at = lo.min(*at);
        }
        needed
    }

    /// What is shown of the sync while the work moves: as the writer before has said it.
    pub(super) fn is_moving(&self) -> bool {
        self.follow
            .moves_until()
            .is_some_and(|until| self.now.mono < until)
    }

    /// Why a client that waits for the others to go cannot do this.
    pub(super) fn waits_for_others(&self) -> Option<Error> {
        let leads = self.standing.promoted || self.standing.holds;
        let waits = !self.standing.shares && !leads;
        waits.then(|| {
            let what = "another client has this account, and this one waits (ifOpen: \"wait\")";
            Error::new(ErrorCode::Offline, what)
        })
    }
}
