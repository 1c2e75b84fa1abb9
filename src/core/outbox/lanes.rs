//! Own messages on their way to the server: one lane a conversation, one message at a time in it.
//!
//! A message that the server fails over (5xx) often enough lets the next one of its conversation try:
//! only so is it known whether the server takes another. If it does, what waited before it has failed;
//! if it takes none, all wait.

use std::rc::Rc;

use super::places::Places;
use crate::core::backoff::Backoff;
use crate::core::cx::{Cx, silence};
use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::jobs::Own;
use crate::core::map::{Map, order};
use crate::core::net::Request;
use crate::core::purpose::Purpose;
use crate::core::records::{Local, LocalState, Name};
use crate::core::types::Message;

/// ms between two tries that the user asks for.
const FORCED: u64 = 1_000;
/// Doublings of a send's time limit, at most: 16 times 15 s.
const MAX_PATIENCE: u32 = 4;

/// What the lane's first message is at.
#[derive(Debug, Default)]
enum Turn {
    #[default]
    Free,
    /// this message's try is being counted (R9)
    Counting(String),
    /// its request has left, or what came of it is being stored
    Sending { client_id: String, request: u64 },
}

/// A conversation's delivery.
#[derive(Debug, Default)]
struct Lane {
    turn: Turn,
    /// the message whose next try is counted already
    counted: Option<String>,
    backoff: Backoff,
    /// the next try passes this message, if it is the first: the server may take another
    passes: Option<String>,
    /// the next try is the user's
    forced: bool,
    /// when the user's last one left
    forced_at: Option<u64>,
}

impl Lane {
    /// Whose turn it is.
    fn client_id(&self) -> Option<&str> {
        match &self.turn {
            Turn::Free => None,
            Turn::Counting(client_id) | Turn::Sending { client_id, .. } => Some(client_id),
        }
    }

    fn is_free(&self) -> bool {
        matches!(self.turn, Turn::Free)
    }

    /// This message's turn begins. Answers whether its try is counted already.
    fn begin(&mut self, client_id: &str, now: u64) -> bool {
        debug_assert!(self.is_free(), "one message at a time (R8)");
        if std::mem::take(&mut self.forced) {
            self.forced_at = Some(now);
        }
        self.turn = Turn::Counting(client_id.to_owned());
        self.counted.take_if(|id| id == client_id).is_some()
    }

    /// Its request has left.
    fn sent(&mut self, client_id: &str, request: u64) {
        debug_assert_eq!(self.client_id(), Some(client_id), "it is its turn");
        self.turn = Turn::Sending {
            client_id: client_id.to_owned(),
            request,
        };
    }

    /// The user wants it to go now: no backoff is waited out, but at most one try a second leaves (R14).
    fn urge(&mut self, now: u64) {
        let last = self.forced_at.map(|at| at.saturating_add(FORCED));
        self.forced = true;
        self.backoff.urge();
        self.backoff.hold(now.max(last.unwrap_or(0)));
    }

    /// What was on its way is void.
    fn restart(&mut self) {
        self.turn = Turn::Free;
        self.counted = None;
    }
}

/// The lanes, by conversation.
#[derive(Debug, Default)]
pub(in crate::core) struct Lanes {
    of: Map<Rc<str>, Lane>,
}

impl Lanes {
    fn lane(&mut self, conversation: &Rc<str>) -> &mut Lane {
        self.of.or_default(conversation.clone())
    }

    /// Whether its request is under way.
    pub fn is_sending(&self, local: &Local) -> bool {
        let turn = self.of.get(&local.conversation).map(|lane| &lane.turn);
        matches!(turn, Some(Turn::Sending { client_id, .. }) if *client_id == local.client_id)
    }

    pub(super) fn restart(&mut self) {
        self.of.values_mut().for_each(Lane::restart);
    }

    /// The user wants what is first there to go now.
    pub(super) fn urge(&mut self, now: u64, conversation: &Rc<str>) {
        self.lane(conversation).urge(now);
    }

    // ------------------------------------------------------------ what goes next

    fn places(&self, cx: &Cx) -> Places {
        let under_way = self.of.values().filter(|lane| !lane.is_free());
        Places::left(cx.config.limits.sends, under_way.map(|lane| &lane.backoff))
    }

    /// When each message may leave that waits for nothing but its time: (monotonic ms, message).
    fn next(&self, cx: &Cx, offline: bool, places: &Places) -> Vec<(u64, Rc<Local>)> {
        let new = Lane::default();
        let next = |conversation: &Rc<str>| {
            let lane = self.of.get(conversation).unwrap_or(&new);
            let may = lane.forced || !offline && places.has(&lane.backoff);
            if !lane.is_free() || !may {
                return None;
            }
            let local = first(cx, conversation, lane.passes.as_deref())?;
            Some((lane.backoff.ready_at(), local.clone()))
        };
        cx.db.writing().filter_map(next).collect()
    }

    pub(super) fn due(&self, cx: &Cx, offline: bool) -> Option<u64> {
        let next = self.next(cx, offline, &self.places(cx));
        next.iter().map(|(at, _)| *at).min()
    }

    pub(super) fn drive(&mut self, cx: &mut Cx, offline: bool) {
        let now = cx.now.mono;
        let mut places = self.places(cx);
        let next = self.next(cx, offline, &places);
        // Who has waited for longest goes first, and the oldest message before others.
        let before =
            |a: usize, b: usize| (next[a].0, next[a].1.order) < (next[b].0, next[b].1.order);
        for i in order(next.len(), &before) {
            let (at, local) = &next[i];
            let lane = self.lane(&local.conversation);
            if *at > now || !places.take(&lane.backoff) && !lane.forced {
                continue;
            }
            let name = local.name();
            if lane.begin(&name.1, now) {
                self.attempt(cx, &name);
            } else {
                cx.jobs.push_own(Own::Attempt { name });
            }
        }
    }

    // ------------------------------------------------------------ one try

    /// The try is counted and stored (R9): the message's request leaves.
    pub fn attempt(&mut self, cx: &mut Cx, name: &Name) {
        let local = cx.db.own_named(name);
        let Some(local) = local.filter(|l| l.waits()).cloned() else {
            return self.free(cx, name);
        };
        if !cx.standing.may_request() {
            self.lane(&name.0).counted = Some(name.1.clone());
            return self.free(cx, name);
        }
        cx.out.told.own_of(&local.conversation);
        let client_id = match Fault::RetriedUnderAnotherName.on() {
            true => format!("{}-{}", local.client_id, cx.now.mono),
            false => local.client_id.clone(),
        };
        let call = Request::Send {
            conversation: local.conversation.to_string(),
            client_id,
            body: local.body.to_string(),
        };
        let patience = 1 << local.silences.min(MAX_PATIENCE);
        let request = cx.request_patiently(call, Purpose::Send { name: name.clone() }, patience);
        self.lane(&name.0).sent(&name.1, request);
    }

    /// This message is not under way any more.
    fn free(&mut self, cx: &mut Cx, name: &Name) {
        let lane = self.lane(&name.0);
        if lane.client_id() == Some(&name.1) {
            lane.turn = Turn::Free;
            cx.out.told.own_of(&name.0);
        }
    }

    /// What the server said of it. `Ok(None)`: it has it, and what it says cannot be read.
    pub fn on_answer(
        &mut self,
        cx: &mut Cx,
        name: Name,
        result: Result<Option<Rc<Message>>, Error>,
    ) {
        match result {
            Ok(message) => cx.jobs.push_own(Own::Sent { name, message }),
            // A final refusal. What breaks the protocol, or the token, says nothing of the message.
            Err(error) if error.is_refusal() && !Fault::RefusalHoldsUp.on() => {
                cx.jobs.push_own(Own::Failed { name, error });
            }
            Err(error) => {
                cx.postpone(&mut self.lane(&name.0).backoff, &error);
                cx.jobs.push_own(Own::Later { name, error });
            }
        }
    }

    /// The network is back: nothing but a `Retry-After` is waited out. A request that has been silent for longer
    /// than usual may have been lost with the network before, and is made anew. The others get no more than the
    /// usual time from now on.
    pub(super) fn try_again(&mut self, cx: &mut Cx) {
        let now = cx.now.mono;
        let lost = cx.out.requests.patient();
        let lost = lost.filter_map(|(request, usual, asked)| match asked {
            Purpose::Send { name } if usual <= now => Some((request, name.clone())),
            _ => None,
        });
        let lost: Vec<(u64, Name)> = lost.collect();
        cx.out.requests.end_patience();
        for (request, name) in lost {
            cx.out.abort_request(request);
            let error = silence(cx.config);
            self.on_answer(cx, name, Err(error));
        }
        for lane in self.of.values_mut() {
            lane.backoff.forgive();
        }
    }

    /// A try has failed for now. The reason is stored, or could not be.
    pub fn on_put_off(&mut self, cx: &mut Cx, name: &Name, error: &Error) {
        let local = cx.db.own_named(name);
        let Some(local) = local.filter(|l| l.state != LocalState::Failed) else {
            return self.settle(cx, name);
        };
        let faults = local.faults;
        let waits = cx.db.own(&name.0);
        let others = waits.filter(|l| l.state == LocalState::Queued).count() > 1;
        let often = error.blames_the_message() && faults >= cx.config.limits.send_faults;
        let lane = self.lane(&name.0);
        // Another message is tried at once, to learn whether the server or this message is at fault. This
        // one's turn comes after that.
        let passes = often && others && lane.passes.is_none();
        lane.passes = passes.then(|| name.1.clone());
        if passes {
            lane.backoff.forgive();
        }
        self.free(cx, name);
    }

    /// Its outcome is stored, or it is gone: the next one's turn.
    pub fn settle(&mut self, cx: &mut Cx, name: &Name) {
        let lane = self.lane(&name.0);
        if lane.client_id() == Some(&name.1) {
            lane.backoff.succeed();
            lane.passes = None;
        }
        self.free(cx, name);
    }

    /// Its outcome could not be stored: the server will say it again.
    pub fn try_later(&mut self, cx: &mut Cx, name: &Name, error: &Error) {
        cx.postpone(&mut self.lane(&name.0).backoff, error);
        self.free(cx, name);
    }

    /// Nobody waits for requests of messages that are gone.
    pub fn abort_vanished(&mut self, cx: &mut Cx) {
        if Fault::DiscardAbortsNothing.on() {
            return;
        }
        let vanished = |(conversation, lane): (&Rc<str>, &Lane)| match &lane.turn {
            Turn::Sending { client_id, request } => {
                let name = (conversation.clone(), client_id.clone());
                let gone = cx.db.own_named(&name).is_none();
                gone.then_some((name, *request))
            }
            _ => None,
        };
        let vanished: Vec<(Name, u64)> = self.of.iter().filter_map(vanished).collect();
        for (name, request) in vanished {
            cx.out.abort_request(request);
            self.settle(cx, &name);
        }
    }
}

/// The message of this conversation that goes next. `passes`: where that is the first, not it but that which the
/// server has failed over least often.
fn first<'a>(cx: &Cx<'a>, conversation: &str, passes: Option<&str>) -> Option<&'a Rc<Local>> {
    let is_queued = |l: &&Rc<Local>| l.state == LocalState::Queued;
    let mut queued = cx.db.own(conversation).filter(is_queued);
    if Fault::NewestGoesFirst.on() {
        return queued.last();
    }
    let first = queued.next();
    let other = first.is_some_and(|l| Some(&*l.client_id) == passes);
    let other = other.then(|| queued.min_by_key(|l| l.faults)).flatten();
    let lost = || cx.db.own(conversation).find(|l| l.is_lost());
    other.or(first).or_else(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_already_is_not_counted_again() {
        let mut lane = Lane::default();
        assert!(!lane.begin("a", 0));
        assert_eq!((lane.client_id(), lane.is_free()), (Some("a"), false));
        lane.turn = Turn::Free;
        lane.counted = Some("a".to_owned());
        assert!(!lane.begin("b", 0), "another one");
        lane.turn = Turn::Free;
        assert!(lane.begin("a", 0));
        lane.turn = Turn::Free;
        assert!(!lane.begin("a", 0), "only once");
        lane.sent("a", 7);
        lane.restart();
        assert!(lane.is_free());
    }

    #[test]
    fn the_user_waits_for_nothing_but_a_second() {
        let mut lane = Lane::default();
        lane.backoff
            .fail(0, &Error::from_status(503, "busy", Some(60_000)), 7, false);
        lane.urge(100);
        assert_eq!(lane.backoff.ready_at(), 100);
        lane.begin("a", 100);
        lane.turn = Turn::Free;
        lane.urge(200);
        assert_eq!(lane.backoff.ready_at(), 100 + FORCED);
    }
}
