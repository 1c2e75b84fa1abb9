//! Following, and being followed (R15): what the other clients of the account say, and what is said to them.

use super::Engine;
use crate::core::cx::BEGINS;
use crate::core::error::{Error, ErrorCode};
use crate::core::fault::Fault;
use crate::core::follow::{Reply, Signal, Stands, What};
use crate::core::io::Effect;
use crate::core::jobs::Job;
use crate::core::purpose::Purpose;
use crate::core::standing::Phase;
use crate::core::tx::{Commit, CommitDelta, ConversationDelta, Delta};
use crate::core::types::Message;
use crate::core::wire;
use std::rc::Rc;

/// ms of silence, beyond those of a request, after which the writer does not answer any more (R14).
const ANSWERS: u64 = 10_000;

/// The answer to a fetch that the writer had to let go of.
pub(super) const VOID: &str = "\"void\"";

impl Engine {
    // ------------------------------------------------------------ what is heard

    /// Another client says something.
    pub(super) fn on_heard(&mut self, bytes: &[u8]) {
        if !self.standing.shares() || self.standing.phase == Phase::Closed {
            return;
        }
        match Signal::read(bytes) {
            Ok(signal) => self.on_signal(signal),
            // Of another version, or garbled: the database is read instead.
            Err(_) if self.standing.follows() => self.load_again(),
            Err(_) => {}
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        let me = self.out.me;
        match signal {
            Signal::Delta(delta) => {
                if !self.is_rivalled_by(delta.stamp().epoch) {
                    self.follow.on_heard(self.now.mono);
                    self.on_delta(*delta);
                }
            }
            Signal::Stands(stands) => {
                if !self.is_rivalled_by(stands.epoch) {
                    self.on_stands(stands);
                }
            }
            Signal::Gone { epoch } => {
                if self.follow.on_gone(self.now.mono, epoch) {
                    self.out.told.status = true;
                }
            }
            Signal::Hello { from, needs } if from != me => {
                let new = self.follow.audience.on_hello(self.now.mono, from, needs);
                self.follow.tell_again();
                // Its token may be good, where those of all that were there before are not.
                if new && self.standing.promoted && self.standing.needs_auth {
                    self.out.effect(Effect::Refused);
                }
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
            } if to == me && !self.is_rivalled_by(stands.epoch) => {
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

    /// Whether what another writer says is ignored: a client that writes follows none. Where the other one has a higher
    /// epoch, the store is asked whose the account is: a writer of a database that is gone proves nothing.
    fn is_rivalled_by(&mut self, epoch: u64) -> bool {
        if self.standing.promoted && epoch > self.fence.epoch() {
            self.fence.doubt(&mut self.standing);
        }
        self.standing.promoted
    }

    /// The writer has committed: this client takes the commit over with the writer's own code.
    fn on_delta(&mut self, delta: Delta) {
        self.follow.hear_of(delta.stamp());
        self.out.told.status = true;
        let waits = self.reads.is_loading() || self.missed.next().is_some();
        if self.standing.phase != Phase::Ready || waits {
            return self.follow.keep(delta, self.config.limits.kept);
        }
        if delta.base == self.db.stamp() || Fault::DeltaOfAnyBase.on() {
            self.take_over(delta.commit);
        }
        // Else the commit is known, or one before it is lacking: then `drive_follow` has the database read.
    }

    /// The commits that were kept are taken over, once what was missed before them is told: of two messages of a
    /// conversation the older one is told first.
    pub(super) fn take_kept(&mut self) {
        if self.standing.phase != Phase::Ready || self.reads.is_loading() {
            return;
        }
        while self.missed.next().is_none()
            && let Some(delta) = self.follow.next_delta(self.db.stamp())
        {
            self.take_over(delta.commit);
        }
    }

    pub(super) fn take_over(&mut self, commit: Commit) {
        let changes = self.db.take_over(commit);
        // Own messages that are wished for stand behind those in the outbox, which has changed.
        self.out.told.all_own |= changes.outbox;
        self.show_changes(&changes);
    }

    fn on_stands(&mut self, stands: Stands) {
        self.follow.on_heard(self.now.mono);
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

    /// The writer has begun what it was asked for. There is no limit to how long that takes, but it is asked again now
    /// and then (`Asks`).
    fn on_begun(&mut self, ask: u64) {
        self.follow.on_heard(self.now.mono);
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
        let again = self.out.asks.begin_anew(self.now.mono);
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

    /// What is stored is read again, unless it is being read, or waits for that because it could not be.
    fn load_again(&mut self) {
        let waits = self.reads.load_at().is_some();
        if !waits && !self.store_is_busy() && !self.reads.is_loading() {
            self.load();
        }
    }

    /// Whether this client may read what it lacks: a hidden one only notes it, unless somebody waits.
    fn may_catch_up(&self) -> bool {
        self.is_seen() || self.follow.waits_for_commit()
    }

    /// Says and answers what is due between the clients. Answers whether a part may go on by that.
    pub(super) fn drive_follow(&mut self) -> bool {
        let ended = self.timelines.take_ended();
        if !self.standing.shares() || self.standing.phase != Phase::Ready {
            return false;
        }
        self.out.told.status |= self.follow.end_move(self.now.mono);
        let mut any = self.take_replies();
        // Also while it reads the database again because of an uncertain commit.
        self.answer_fetches(ended);
        if self.standing.promoted {
            any |= self.serve();
            self.tell_where_it_stands();
        } else if self.standing.follows() {
            self.greet();
            self.remind();
            let due = self.out.asks.take_due(self.now.mono);
            if !Fault::AskIsNotRepeated.on() {
                self.ask_these(due);
            }
            self.look_for_a_writer();
            // Commits that wait until the missed messages are told are here, and not lacking.
            let waits = self.missed.next().is_some();
            let lacks = self.follow.lacks(self.db.stamp()) && !waits;
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

    /// The writer has answered, and the commit that its answer names is here.
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
            Purpose::Tell { call } => match reply.result {
                Ok(text) => self.out.resolve(call, &text),
                Err(error) => self.out.reject(call, &error),
            },
            Purpose::Change { call, conversation } => match reply.result {
                Ok(text) => {
                    if let Some(message) = wire::answer::told(&text, &conversation)
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
            Purpose::Sync { call } | Purpose::Tell { call } => self.out.reject(call, &error),
            Purpose::Change { call, .. } => self.out.reject(call, &error.of_a_change()),
            Purpose::History { fetch } => self.on_fetch_done(fetch, Some(&error)),
            _ => {}
        }
    }

    /// Says that it follows, and what it needs.
    fn greet(&mut self) {
        let mut needs = self.timelines.needed_from(&self.db);
        // What it has asked for is needed as well, wherever in the conversation it lies.
        for conversation in self.out.asks.conversations() {
            needs.insert(conversation.clone(), 0);
        }
        if !self.follow.greets(self.now.mono, self.is_seen(), &needs) {
            return;
        }
        let from = self.out.me;
        self.out.tell(&Signal::Hello { from, needs });
    }

    /// The writer is reminded of wishes that have waited for long. This client reads them too: they may be taken up.
    fn remind(&mut self) {
        let wait = !self.db.wishes().is_empty();
        if self.follow.reminds(self.now.mono, wait) && !Fault::NobodyRemindsOfWishes.on() {
            self.reads.want_wishes();
            let (_, mut cx) = self.split();
            cx.ask(What::Grant, Purpose::Grant);
        }
    }

    /// Whether its page is looked at.
    fn is_seen(&self) -> bool {
        self.standing.hidden_since.is_none()
    }

    /// A writer that does not begin what it is asked for, or does not answer, is stuck: a visible client takes its
    /// place.
    fn look_for_a_writer(&mut self) {
        if self.stuck_at().is_some_and(|at| at <= self.now.mono) {
            self.follow.on_stuck(self.now.mono);
            self.out.effect(Effect::Stuck);
        }
    }

    fn stuck_at(&self) -> Option<u64> {
        let asked = self.out.asks.waits_since();
        let greeted = self.follow.unheard_since();
        let greeted = greeted.filter(|_| !Fault::SilenceIsNotStuck.on());
        let since = asked.into_iter().chain(greeted).min()?;
        let brief = self.config.brief;
        let may = self.is_seen() || brief;
        may.then(|| self.follow.stuck_at(since, brief))
    }

    /// When something here is due.
    pub(super) fn follow_due(&self) -> Option<u64> {
        let moves = self.follow.moves_until().filter(|at| *at > self.now.mono);
        if !self.standing.follows() {
            return moves;
        }
        let hello = self.follow.greets_at(self.is_seen());
        let asks = self.out.asks.due_at();
        let reminds = self.follow.reminds_at();
        [Some(hello), self.stuck_at(), asks, reminds, moves]
            .into_iter()
            .flatten()
            .min()
    }

    /// This client slept: the writer and the store may have answered meanwhile.
    pub(super) fn on_slept(&mut self) {
        self.out.asks.put_off(self.now.mono);
        self.outbox.wishes.put_off(self.now.mono);
        self.follow.put_off(self.now.mono);
    }

    /// The app or the browser says that this client is looked at again.
    pub(super) fn on_looked_at(&mut self) {
        self.follow.hurry();
    }

    /// Whether the work moves: until it has moved, the sync is shown as the writer before has said that it stands.
    pub(super) fn is_moving(&self) -> bool {
        let until = self.follow.moves_until();
        self.standing.shares() && until.is_some_and(|until| self.now.mono < until)
    }

    /// Why a client that waits for the others to go cannot do this.
    pub(super) fn waits_for_others(&self) -> Option<Error> {
        let waits = !self.standing.shares();
        waits.then(|| {
            let what = "another client has this account, and this one waits (ifOpen: \"wait\")";
            Error::new(ErrorCode::Offline, what)
        })
    }
}
