//! Sending (docs/rules.md, R8): first in, first out per conversation; retried under the same
//! `clientId` until the server answers, across reloads; a final refusal makes a message `failed` and
//! does not hold up the next. Also read marks, edits and recalls.
//!
//! ```text
//!  send ──▶ PutLocal ──▶ queued ──▶ Attempt ──▶ request ──▶ Sent     the sync brings it
//!                          ▲          (counted)     │
//!                          │                        ├─────▶ Failed   refused for good
//!                          └──── backoff ◀── Later ◀┘                or: 5xx five times, while the server
//!                                                                    takes another message
//! ```
//!
//! `lanes` has the messages, one lane a conversation; `marks` the read marks, and `changes` the edits and
//! recalls that have not left. `places` is how many of one kind may be under way. `wishes` is what a client
//! that does not write has the writer do (R15).

mod changes;
mod lanes;
mod marks;
mod places;
mod wishes;

use std::rc::Rc;

use super::command::Call;
use super::cx::Cx;
use super::error::{Error, ErrorCode};
use super::fault::Fault;
use super::jobs::{Job, Own};
use super::json;
use super::map::Index;
use super::records::{self, Local, LocalState, Name, Named, Wish};
use super::storage::{Key, StoreError, Why};
use super::tx::Committed;
use super::types::Message;
use super::wire;
use changes::Changes;
use lanes::Lanes;
use marks::Marks;
use wishes::Wishes;

/// An own message that is on its way into the database.
#[derive(Debug)]
struct Fresh {
    local: Rc<Local>,
    /// it is wished for, and stands behind all wishes that are stored; else it is a job, and stands before them
    wished: bool,
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// shown, and on their way into the database: their place is given there
    fresh: Vec<Fresh>,
    pub lanes: Lanes,
    pub marks: Marks,
    pub changes: Changes,
    pub wishes: Wishes,
    /// of a client that follows: those whose request the writer has under way
    sending: Vec<Name>,
}

impl Outbox {
    // ------------------------------------------------------------ own messages

    /// An own message is to be sent. It is shown at once, and accepted when it is stored (R9).
    pub fn send(
        &mut self,
        cx: &mut Cx,
        call: Call,
        conversation: Rc<str>,
        body: String,
        client_id: String,
    ) {
        // One that is too long would not be taken back, as with a body.
        if client_id.is_empty() || client_id.len() > wire::limits::MAX_NAME {
            let most = wire::limits::MAX_NAME;
            let what = format!("send: a clientId has from 1 to {most} bytes");
            return cx.out.reject(call, &Error::new(ErrorCode::Invalid, what));
        }
        let name = (conversation, client_id);
        // There already: the same answer, nothing sent.
        let wished = |wish: &Rc<Wish>| matches!(&**wish, Wish::Send(local) if local.is(&name));
        let known = cx.db.left_names().contains_key(&name)
            || cx.db.own_named(&name).is_some()
            || cx.db.wishes().values().any(wished);
        if known {
            return accept(cx, call, &name.1);
        }
        let twice = self.fresh.iter().any(|fresh| fresh.local.is(&name));
        let after = newest_known(cx.db, &name.0);
        let local = Rc::new(Local::written(name, body.into(), after, cx.now.wall));
        if !twice {
            let wished = !self.writes(cx);
            cx.out.told.own_of(&local.conversation);
            let local = local.clone();
            self.fresh.push(Fresh { local, wished });
        }
        if Fault::SendResolvesAtOnce.on() {
            accept(cx, call, &local.client_id);
        }
        self.own(cx, Own::Put { local, call });
    }

    /// What the user wants done with the outbox: by a job of the client that writes, or as a wish.
    pub fn own(&mut self, cx: &mut Cx, own: Own) {
        match self.writes(cx) || Fault::FollowerQueuesAJob.on() {
            true => cx.jobs.push_own(own),
            false => self.wish(cx, own),
        }
    }

    /// Whether what the user wants done is a job of this client's. While there are wishes it is a wish behind them: a
    /// job beside them would have no order with them, should the writer change.
    fn writes(&self, cx: &Cx) -> bool {
        cx.standing.promoted && self.wishes.is_empty() && cx.db.wishes().is_empty()
    }

    fn drop_fresh(&mut self, cx: &mut Cx, local: &Local) {
        let name = local.name();
        self.fresh.retain(|fresh| !fresh.local.is(&name));
        cx.out.told.own_of(&local.conversation);
    }

    /// What is stored was read anew, or written over a lost database. It may have a message that is also on its way
    /// there: an uncertain commit may have stored it. It is shown once.
    pub fn on_stored(&mut self, db: &Committed) {
        self.fresh.retain(|fresh| {
            let name = fresh.local.name();
            db.own_named(&name).is_none() && !db.left_names().contains_key(&name)
        });
    }

    /// The database is gone. These were in it, in the order written: they are shown until they are stored again.
    pub fn show_again(&mut self, locals: &[Rc<Local>]) {
        let again = locals.iter().map(|local| Fresh {
            local: local.clone(),
            wished: false,
        });
        let since = std::mem::take(&mut self.fresh);
        self.fresh = again.chain(since).collect();
    }

    /// The same of a wish.
    pub fn keep_wish(&mut self, key: Key, wish: &Rc<Wish>) {
        if let Wish::Send(local) = &**wish {
            let local = local.clone();
            self.fresh.push(Fresh {
                local,
                wished: true,
            });
        }
        self.wishes.keep(Wish::clone(wish), Some(key));
    }

    // ------------------------------------------------------------ what is shown

    /// Whether one of this conversation is on its way into the database.
    pub fn writes_to(&self, conversation: &str) -> bool {
        let here = |fresh: &Fresh| *fresh.local.conversation == *conversation;
        self.fresh.iter().any(here)
    }

    /// The own messages of one conversation, or all, in the order written: those that are stored, as the
    /// wishes of all clients leave them, and those on their way into the database.
    pub fn view(&self, db: &Committed, conversation: Option<&str>) -> Vec<Rc<Local>> {
        let here = |l: &&Rc<Local>| conversation.is_none_or(|id| *l.conversation == *id);
        let mut view: Vec<Rc<Local>> = match conversation {
            Some(id) => db.own(id).cloned().collect(),
            None => db.outbox().values().cloned().collect(),
        };
        let unique = self.are_unique(db);
        let add_fresh = |view: &mut Vec<Rc<Local>>, wished: bool| {
            for fresh in self.fresh.iter().filter(|f| f.wished == wished) {
                add(view, &fresh.local, unique);
            }
        };
        add_fresh(&mut view, false);
        for wish in db.wishes().values() {
            grant(&mut view, wish, db, unique);
        }
        add_fresh(&mut view, true);
        for wish in self.wishes.unstored() {
            grant(&mut view, wish, db, unique);
        }
        view.retain(|l| here(&l));
        view
    }

    /// Whether no two own messages have one clientId, wherever they are: then each need not be looked for among all
    /// others, which for many that are sent at once is most of what there is to do.
    fn are_unique(&self, db: &Committed) -> bool {
        let fresh = self.fresh.iter().map(|fresh| &*fresh.local);
        let wished = db.wishes().values().filter_map(|wish| match &**wish {
            Wish::Send(local) => Some(&**local),
            _ => None,
        });
        let more = fresh
            .chain(wished)
            .chain(db.outbox().values().map(|local| &**local));
        Index::new(more.map(|local| &*local.client_id))
            .repeated()
            .next()
            .is_none()
    }

    /// Whether its request is under way, here or in the client that writes.
    pub fn is_sending(&self, local: &Local) -> bool {
        self.lanes.is_sending(local) || self.sending.iter().any(|name| local.is(name))
    }

    /// The client that writes has these under way. Answers whether that is news.
    pub fn set_sending(&mut self, sending: &[Name]) -> bool {
        let news = *self.sending != *sending;
        self.sending = sending.to_vec();
        news
    }

    // ------------------------------------------------------------ wishes

    /// Makes a wish of what the writer would do at once.
    pub fn wish(&mut self, cx: &mut Cx, own: Own) {
        let (wish, call, answer) = match own {
            Own::Put { local, call } => (Wish::Send(local), call, ""),
            Own::Mark {
                conversation,
                seq,
                call,
            } => (Wish::Mark(conversation, seq), call, "null"),
            Own::Retry {
                conversation,
                client_id,
                call,
            } => {
                let named = Named {
                    conversation,
                    client_id,
                };
                let here = self.view(cx.db, None).iter().any(|l| named.names(l));
                if !here {
                    return answer_retry(cx, call, &named);
                }
                (Wish::Retry(named), call, "null")
            }
            Own::Discard {
                conversation,
                client_id,
                call,
            } => {
                let named = Named {
                    conversation,
                    client_id,
                };
                let may = |l: &Rc<Local>| named.names(l) && l.state != LocalState::Sent;
                if !self.view(cx.db, None).iter().any(may) {
                    return cx.out.resolve(call, "false");
                }
                (Wish::Discard(named), call, "true")
            }
            _ => return debug_assert!(false, "what the server says is not wished for"),
        };
        cx.out.told.outbox = true;
        cx.out.told.all_own = true;
        self.wishes.add(wish, call, answer);
    }

    /// This client writes no more. What its jobs were to do for a caller is wished for. `tried`: the call whose
    /// commit may be done or not.
    pub fn wish_for_jobs(&mut self, cx: &mut Cx, tried: Option<Call>) {
        let wished = |job: &Job| {
            matches!(
                job,
                Job::Own(
                    Own::Put { .. } | Own::Retry { .. } | Own::Discard { .. } | Own::Mark { .. }
                ) | Job::Restore { .. }
            )
        };
        // A job is queued only while there is no wish: it is older than each wish of this client's, and goes first.
        let jobs = cx.jobs.take(wished);
        if jobs.is_empty() {
            return;
        }
        let since = self.wishes.begin_before();
        for job in jobs {
            match job {
                Job::Own(own) => self.wish(cx, own),
                // It was accepted, and is in memory alone.
                Job::Restore { locals, marks, .. } => self.wish_again(&locals, marks),
                _ => {}
            }
        }
        self.wishes.was_tried(tried);
        let me = cx.out.me;
        let mine = |key: &&Key| records::wish_client(key) == Some(me);
        let stored = cx.db.wishes().keys().filter(mine);
        let first = stored.filter_map(|key| records::wish_time(key)).min();
        self.wishes.end_before(since, first, me);
    }

    /// What was in a lost database, by a client that does not write. Each that has it in mind stores it: another may
    /// have gone before it did.
    pub fn wish_again(&mut self, locals: &[Rc<Local>], marks: Vec<(Rc<str>, u64)>) {
        if Fault::LostOwnGoesWithItsWriter.on() {
            return;
        }
        for local in locals {
            let local = Rc::new(local.over_a_lost_database());
            let key = records::kept_key(local.order, &local.name());
            self.wishes.keep(Wish::Send(local), Some(key));
        }
        for (conversation, seq) in marks {
            self.wishes.keep(Wish::Mark(conversation, seq), None);
        }
    }

    /// The store has answered. What is stored now.
    pub fn on_wished(
        &mut self,
        cx: &mut Cx,
        op: u64,
        result: &Result<(), StoreError>,
    ) -> Vec<(Key, Wish)> {
        let mut stored = Vec::new();
        let (now, random) = (cx.now.mono, cx.out.random(u64::MAX));
        for pending in self.wishes.on_stored(op, result, (now, random)) {
            // Where nothing was heard of the first try, it may be done, though this one has failed.
            let doubt = pending.doubt.map(Err);
            let result = match result {
                Err(_) => doubt.as_ref().unwrap_or(result),
                done => done,
            };
            if let Wish::Send(local) = &pending.wish {
                self.drop_fresh(cx, local);
            }
            cx.out.told.outbox = true;
            cx.out.told.all_own = true;
            match (result, pending.call, &pending.wish) {
                (_, None, _) => {}
                (Err(error), Some(call), _) => cx.out.reject(call, &error.shown()),
                (Ok(()), Some(call), Wish::Send(local)) => accept(cx, call, &local.client_id),
                (Ok(()), Some(call), _) => cx.out.resolve(call, pending.answer),
            }
            if let (Ok(()), Some(key)) = (result, pending.key) {
                stored.push((key, pending.wish));
            }
        }
        stored
    }

    /// The store is silent: who waits behind what it was asked is answered with that (R14). Nothing of theirs was begun.
    pub fn fail_wishes(&mut self, cx: &mut Cx, error: &Error) {
        for pending in self.wishes.take_unasked() {
            if let Wish::Send(local) = &pending.wish {
                self.drop_fresh(cx, local);
            }
            if let Some(call) = pending.call {
                cx.out.reject(call, error);
            }
            cx.out.told.outbox = true;
            cx.out.told.all_own = true;
        }
    }

    /// It has been silent for long: of what it was asked nobody can say whether it is done, or will be.
    pub fn doubt_wishes(&mut self, cx: &mut Cx) {
        let at = self.wishes.settles_at(cx.config.limits.settle);
        if at.is_none_or(|at| at > cx.now.mono) {
            return;
        }
        self.fail_wishes(cx, &StoreError::Failed(Why::Silence).shown());
        let error = StoreError::Uncertain(Why::Silence).shown();
        let mut sends = Vec::new();
        for (call, wish) in self.wishes.let_wait() {
            if let Wish::Send(local) = wish {
                sends.push(local.clone());
            }
            cx.out.reject(call, &error);
        }
        for local in sends {
            self.drop_fresh(cx, &local);
        }
        cx.out.told.outbox = true;
        cx.out.told.all_own = true;
    }

    // ------------------------------------------------------------ driving

    /// This client lets go of the account, or reads it anew. What was on its way is void: what is to be sent is
    /// what is stored.
    pub fn restart(&mut self) {
        self.lanes.restart();
        self.marks.restart();
    }

    /// Sends what is due. `offline`: the server is known to be out of reach.
    pub fn drive(&mut self, cx: &mut Cx, offline: bool) {
        self.changes.drive(cx, offline);
        if cx.standing.may_request() {
            self.lanes.drive(cx, offline);
            self.marks.drive(cx, offline);
        }
    }

    /// When something here is due.
    pub fn due(&self, cx: &Cx, offline: bool) -> Option<u64> {
        let mut due = self.changes.due();
        if cx.standing.may_request() {
            let others = [self.lanes.due(cx, offline), self.marks.due(cx, offline)];
            due = others.into_iter().flatten().chain(due).min();
        }
        due
    }

    /// The network is back: nothing but a `Retry-After` is waited out.
    pub fn try_again(&mut self, cx: &mut Cx) {
        self.lanes.try_again(cx);
        self.marks.try_again();
    }

    // ------------------------------------------------------------ what becomes of its jobs

    /// A job of the outbox is committed. `changed`: what is stored of own messages is another.
    pub fn on_done(&mut self, cx: &mut Cx, own: Own, changed: bool) {
        match own {
            Own::Put { local, call } => {
                let name = local.name();
                debug_assert!(
                    cx.db.own_named(&name).is_some() || cx.db.left_names().contains_key(&name),
                    "a message is accepted once it is stored (R9)"
                );
                self.drop_fresh(cx, &local);
                if !Fault::SendResolvesAtOnce.on() {
                    accept(cx, call, &local.client_id);
                }
            }
            Own::Attempt { name } => self.lanes.attempt(cx, &name),
            Own::Sent { name, .. } | Own::Failed { name, .. } => self.lanes.settle(cx, &name),
            Own::Later { name, error } => self.lanes.on_put_off(cx, &name, &error),
            Own::Retry {
                conversation,
                client_id,
                call,
            } => {
                self.urge(cx, conversation.as_deref(), &client_id);
                cx.out.resolve(call, "null");
            }
            Own::Discard { call, .. } => {
                cx.out.resolve(call, if changed { "true" } else { "false" });
                cx.out.told.all_own = true;
            }
            Own::Mark { call, .. } => cx.out.resolve(call, "null"),
            Own::Grant { wishes } => {
                let retries = wishes.iter().filter_map(|(_, wish)| match &**wish {
                    Wish::Retry(named) => Some(named),
                    _ => None,
                });
                for named in retries {
                    self.urge(cx, named.conversation.as_deref(), &named.client_id);
                }
                cx.out.told.all_own = true;
            }
            Own::MarkDone { conversation, .. } => self.marks.on_done(&conversation),
            // The engine answers it.
            Own::Tell { .. } | Own::Shown { .. } => {}
            Own::Update { call, message, .. } => resolve_update(cx, call, &message),
        }
    }

    /// A job of the outbox was void: what it was made for is over.
    pub fn on_void(&mut self, cx: &mut Cx, own: Own) {
        match own {
            Own::Attempt { name } => self.lanes.settle(cx, &name),
            // It was done, and is told; the sync shows it.
            Own::Update { call, message, .. } => resolve_update(cx, call, &message),
            // A try that was still under way when the message failed has delivered it.
            Own::Retry {
                conversation,
                client_id,
                call,
            } if was_delivered(cx.db, conversation.as_deref(), &client_id) => {
                cx.out.resolve(call, "null");
            }
            Own::Retry { call, .. } => {
                let what = "no failed message has this clientId";
                cx.out.reject(call, &Error::new(ErrorCode::NotFound, what));
            }
            own => {
                if let Some(call) = own.call() {
                    let error = Error::new(ErrorCode::Aborted, "overtaken");
                    cx.out.reject(call, &error);
                }
            }
        }
    }

    /// A job of the outbox failed: nothing of it was stored (R9).
    pub fn on_failed(&mut self, cx: &mut Cx, own: Own, error: &Error) {
        match own {
            // It was not accepted: it is not shown any more.
            Own::Put { local, call } => {
                self.drop_fresh(cx, &local);
                cx.out.reject(call, error);
            }
            Own::Sent { name, .. } | Own::Failed { name, .. } => {
                self.lanes.try_later(cx, &name, error);
            }
            Own::Later { name, error } => self.lanes.on_put_off(cx, &name, &error),
            // The client is closed: nothing is sent.
            Own::Attempt { name } if error.code == ErrorCode::Closed => {
                self.lanes.settle(cx, &name);
            }
            // The try could not be counted, and is made all the same.
            Own::Attempt { name } => self.lanes.attempt(cx, &name),
            Own::Grant { .. } | Own::Shown { .. } => {}
            Own::MarkDone { conversation, .. } => self.marks.on_not_done(cx, conversation, error),
            Own::Update { call, .. } => cx.out.reject(call, &error.clone().of_a_change()),
            Own::Retry { call, .. }
            | Own::Discard { call, .. }
            | Own::Mark { call, .. }
            | Own::Tell { call, .. } => cx.out.reject(call, error),
        }
    }

    /// The user wants it to go now. It does, also during a `Retry-After`, but at most once a second.
    fn urge(&mut self, cx: &mut Cx, conversation: Option<&str>, client_id: &str) {
        let named = |l: &&Rc<Local>| {
            l.client_id == client_id && conversation.is_none_or(|id| *l.conversation == *id)
        };
        for local in cx.db.outbox().values().filter(named) {
            if local.state == LocalState::Queued {
                self.lanes.urge(cx.now.mono, &local.conversation);
            }
            cx.out.told.touch(&local.conversation);
        }
    }
}

/// What a wish makes of the own messages that are shown.
fn grant(view: &mut Vec<Rc<Local>>, wish: &Wish, db: &Committed, unique: bool) {
    match wish {
        Wish::Send(local) => {
            if !db.left_names().contains_key(&local.name()) {
                add(view, local, unique);
            }
        }
        Wish::Retry(named) => {
            let failed = |l: &&mut Rc<Local>| named.names(l) && l.state == LocalState::Failed;
            for local in view.iter_mut().filter(failed) {
                *local = Rc::new(Local {
                    state: LocalState::Queued,
                    error: None,
                    ..Local::clone(local)
                });
            }
        }
        Wish::Discard(named) => {
            view.retain(|l| !named.names(l) || l.state == LocalState::Sent);
        }
        Wish::Mark(..) => {}
    }
}

/// Adds an own message where there is none of its name; `unique`: there is none.
fn add(view: &mut Vec<Rc<Local>>, local: &Rc<Local>, unique: bool) {
    let same =
        |l: &Rc<Local>| l.client_id == local.client_id && l.conversation == local.conversation;
    if unique || !view.iter().any(same) {
        view.push(local.clone());
    }
}

/// Whether the server has taken an own message of this name.
fn was_delivered(db: &Committed, conversation: Option<&str>, client_id: &str) -> bool {
    db.left_names().iter().any(|((of, id), delivered)| {
        let here = conversation.is_none_or(|conversation| **of == *conversation);
        *delivered && here && id == client_id
    })
}

/// No own message has this name any more.
fn answer_retry(cx: &mut Cx, call: Call, named: &Named) {
    match was_delivered(cx.db, named.conversation.as_deref(), &named.client_id) {
        true => cx.out.resolve(call, "null"),
        false => {
            let what = "no failed message has this clientId";
            cx.out.reject(call, &Error::new(ErrorCode::NotFound, what));
        }
    }
}

fn resolve_update(cx: &mut Cx, call: Call, message: &Message) {
    let mut text = String::new();
    json::message(&mut text, message);
    cx.out.resolve(call, &text);
}

/// The newest position that anything was said of (R8).
pub(super) fn newest_known(db: &Committed, conversation: &str) -> Option<u64> {
    let state = db.list().get(conversation);
    let last = state.and_then(|state| state.last_seq).map(|seq| seq.0);
    db.held(conversation).seen.max(last)
}

fn accept(cx: &mut Cx, call: Call, client_id: &str) {
    let mut ok = String::from("{");
    json::field(&mut ok, "clientId");
    json::string(&mut ok, client_id);
    json::field(&mut ok, "key");
    json::string(&mut ok, &format!("c:{client_id}"));
    ok.push('}');
    cx.out.resolve(call, &ok);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_name_is_shown_once() {
        let mut outbox = Outbox::default();
        for (client_id, wished) in [("a", false), ("b", false), ("a", true)] {
            let name = ("c".into(), client_id.to_owned());
            let local = Rc::new(Local::written(name, "1".into(), None, 0));
            outbox.fresh.push(Fresh { local, wished });
        }
        let view = outbox.view(&Committed::default(), Some("c"));
        let names: Vec<&str> = view.iter().map(|local| &*local.client_id).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
