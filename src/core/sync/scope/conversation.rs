//! Scope "conversation": a cursor of each. A pull is about all of them, about some, or about a part after
//! the other; one that fails is backed off from, alone.

use crate::core::backoff::{Backoff, Portion, small};
use crate::core::error::Error;
use crate::core::map::{Map, Set};
use crate::core::net::Request;
use crate::core::purpose::PullContext;
use crate::core::tx::Committed;
use crate::core::types::Feed;
use crate::core::wire;
use crate::core::wire::batch::{FeedBatch, PullAnswer};
use std::rc::Rc;

/// ms that a try of those that have failed waits for each of them but one, so that many are tried together; and at most.
const TOGETHER: u64 = 100;
const TOGETHER_MOST: u64 = 10_000;

/// Which conversations a pull is about.
#[derive(Debug, Default)]
pub(in crate::core::sync) enum PullTargets {
    #[default]
    Nothing,
    Some(Set<Rc<str>>),
    All,
}

impl PullTargets {
    /// Adds these conversations; an empty list, or more than `most`, is all of them.
    pub fn add(&mut self, conversations: Vec<String>, most: usize) {
        match self {
            PullTargets::All => {}
            _ if conversations.is_empty() || conversations.len() > most => *self = PullTargets::All,
            PullTargets::Some(ids) if ids.len() + conversations.len() > most => {
                *self = PullTargets::All
            }
            PullTargets::Some(ids) => ids.add_all(conversations.into_iter().map(Rc::from)),
            PullTargets::Nothing => {
                let mut ids = Set::new();
                ids.add_all(conversations.into_iter().map(Rc::from));
                *self = PullTargets::Some(ids);
            }
        }
    }
}

/// A conversation that failed alone.
#[derive(Debug)]
struct Failing {
    error: Error,
    backoff: Backoff,
}

/// How the conversations fare, from chain to chain.
#[derive(Debug, Default)]
pub(in crate::core::sync) struct Conversations {
    /// backed off from
    failing: Map<Rc<str>, Failing>,
    /// Conversations that a server has brought among the rest although it had brought them before. They are named
    /// with the rest, also in the next chains, as long as that goes well.
    renamed: Vec<Rc<str>>,
    /// when all that may be was asked for last
    asked_all: u64,
    /// a request that named them has failed: perhaps for that
    naming_failed: bool,
    /// how many are asked for at a time
    pub size: Portion,
}

impl Conversations {
    /// One could not be pulled. Answers whether its error is a new one.
    pub fn fail(&mut self, now: u64, id: Rc<str>, error: Error, random: u64) -> bool {
        let failing = self.failing.remove(&id);
        let (known, mut backoff) = match failing {
            Some(failing) => (Some(failing.error), failing.backoff),
            None => (None, Backoff::default()),
        };
        backoff.fail(now, &error, random, false);
        let new = !known.is_some_and(|known| known.is_same(&error));
        self.failing.insert(id, Failing { error, backoff });
        new
    }

    /// The account has left it, or it is not the account's.
    pub fn forget(&mut self, id: &str) {
        self.failing.remove(id);
    }

    /// The database is new.
    pub fn restart(&mut self) {
        self.failing.clear();
    }

    /// No backoff that only the client chose is waited out.
    pub fn forgive(&mut self) {
        for failing in self.failing.values_mut() {
            failing.backoff.forgive();
        }
    }

    /// A person waits: nothing is waited out.
    pub fn urge(&mut self) {
        for failing in self.failing.values_mut() {
            failing.backoff.urge();
        }
    }

    /// Whether it has failed alone.
    pub fn has_failed(&self, id: &str) -> bool {
        self.failing.contains_key(id)
    }

    /// The error of one that has failed.
    pub fn error(&self) -> Option<&Error> {
        self.failing.values().next().map(|failing| &failing.error)
    }

    /// When those that have failed may be tried again: the first of them, and where there are many not each by itself.
    pub fn ready_at(&self) -> Option<u64> {
        let all = self.failing.values();
        let first = all.map(|failing| failing.backoff.ready_at()).min()?;
        let together = TOGETHER.saturating_mul(self.failing.len() as u64 - 1);
        let together = together.min(TOGETHER_MOST);
        Some(first.max(self.asked_all.saturating_add(together)))
    }

    /// Whether one is backed off from.
    pub fn is_any_resting(&self, now: u64) -> bool {
        self.failing.values().any(|f| f.backoff.ready_at() > now)
    }

    /// Whether the server has asked to wait with one (`Retry-After`).
    pub fn is_any_told_to_wait(&self, now: u64) -> bool {
        self.failing.values().any(|f| f.backoff.asked_until() > now)
    }

    /// Whether it is backed off from.
    pub fn is_resting(&self, id: &Rc<str>, now: u64) -> bool {
        let failing = self.failing.get(id);
        failing.is_some_and(|failing| failing.backoff.ready_at() > now)
    }

    /// A conversation that was asked for and has not failed is well again, also where it has nothing new.
    pub fn on_answer(&mut self, asked: &PullContext, answer: &PullAnswer) {
        let ids = asked.ids();
        let mut only = Set::new();
        only.add_all(ids.iter());
        let mut came = Set::new();
        came.add_all(answer.parts.iter().filter_map(named));
        let mut fails = Set::new();
        fails.add_all(answer.failed.iter().map(|(id, _)| id));
        let is_over = |id: &Rc<str>| {
            let asked_for = asked.is_all() || only.contains(&id);
            came.contains(&id) || asked_for && !answer.more
        };
        self.failing
            .retain(|id, _| !is_over(id) || fails.contains(&id));
    }

    // ------------------------------------------------------------ what is named besides

    /// A request has failed.
    pub fn on_failure(&mut self, asked: &PullContext) {
        self.naming_failed |= asked.names_more();
    }

    /// A server that does not know what the other pieces have named begins with those anew: what has
    /// come again is left out, and named from now on. Answers whether there was any.
    pub fn leave_out_again(
        &mut self,
        db: &Committed,
        asked: &PullContext,
        parts: &mut Vec<FeedBatch>,
    ) -> bool {
        if !asked.rest || asked.only.is_none() {
            return false;
        }
        let before = self.renamed.len();
        parts.retain(|part| {
            let again = part.asked.is_none() && db.cursor(&part.feed).is_some();
            self.renamed.extend(named(part).filter(|_| again).cloned());
            !again
        });
        self.renamed.len() > before
    }

    /// They are not named any more.
    pub fn name_no_others(&mut self) {
        self.renamed.clear();
    }

    // ------------------------------------------------------------ a chain begins

    /// What of these a chain asks for; `None`: they are all backed off from.
    pub fn some(&self, now: u64, ids: Set<Rc<str>>) -> Option<Pieces> {
        let ids = ids.into_keys().filter(|id| !self.is_resting(id, now));
        let todo: Vec<Rc<str>> = ids.collect();
        let pieces = Pieces {
            todo,
            ..Pieces::default()
        };
        (!pieces.todo.is_empty()).then_some(pieces)
    }

    /// A chain about all.
    pub fn all(&mut self, db: &Committed, now: u64) -> Pieces {
        self.asked_all = now;
        let mut pieces = Pieces::default();
        pieces.ask_for_all(self, db, now);
        pieces
    }

    /// The chain with these begins.
    pub fn begin(&mut self, db: &Committed, pieces: &mut Pieces) {
        if std::mem::take(&mut self.naming_failed) {
            self.renamed.clear();
        }
        pieces.named_before = !self.renamed.is_empty();
        if db.meta().begun {
            let named = |id: &&Rc<str>| db.cursors().contains_key(*id);
            let unnamed = db.list().keys().filter(|id| !named(id));
            pieces.unnamed = unnamed.cloned().collect();
        }
    }
}

/// What a chain has still to ask for.
#[derive(Debug, Default)]
pub(in crate::core::sync) struct Pieces {
    todo: Vec<Rc<str>>,
    /// after `todo` it asks for what none of the pieces names
    rest: bool,
    /// a request of the chain was only for a part: the last one says so
    split: bool,
    /// it is about all
    full: bool,
    /// what is named besides was named by an earlier chain
    named_before: bool,
    /// conversations that were listed before it, and have no cursor (R11)
    unnamed: Vec<Rc<str>>,
}

impl Pieces {
    /// All at once: in another scope a chain has no pieces.
    pub fn whole() -> Pieces {
        Pieces {
            full: true,
            ..Pieces::default()
        }
    }

    /// Whether the chain is about all conversations.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The chain is about all that is known and not backed off from, and what is not known yet. One without a cursor
    /// that has failed alone is named: the rest does not answer for what a request has named before.
    pub fn ask_for_all(&mut self, conversations: &Conversations, db: &Committed, now: u64) {
        self.rest = true;
        self.full = true;
        self.todo = match db.meta().begun {
            true => {
                let known = db.cursors();
                let failed = conversations.failing.keys();
                let failed = failed.filter(|id| !known.contains_key(*id));
                let all = known.keys().chain(failed);
                all.filter(|id| !conversations.is_resting(id, now))
                    .cloned()
                    .collect()
            }
            // Cursors of before a first sign-in are of another time.
            false => Vec::new(),
        };
    }

    /// This conversation is not asked for again in this chain.
    pub fn leave(&mut self, id: &Rc<str>) {
        self.todo.retain(|other| other != id);
    }

    /// Whether anything is left to ask for.
    pub fn has_more(&self) -> bool {
        !self.todo.is_empty() || self.rest
    }

    /// What a request asked for is still to be asked for, before all else.
    pub fn take_back(&mut self, asked: &PullContext) {
        let mut ids = asked.ids();
        ids.append(&mut self.todo);
        self.todo = ids;
        self.rest |= asked.rest;
    }

    /// What a request asked for is asked for again, in smaller pieces.
    pub fn split(&mut self, asked: &PullContext) {
        self.take_back(asked);
        self.split |= asked.ids().len() > 1;
    }

    /// The rest that it asked for is still to be asked for, and nothing else of it.
    pub fn take_back_rest(&mut self, asked: &PullContext) {
        self.rest |= asked.rest;
    }

    /// Whether this request may have failed for what it names besides, which an earlier chain has named.
    /// Once.
    pub fn blames_names(&mut self) -> bool {
        std::mem::take(&mut self.named_before)
    }

    /// What is still to be asked for after this answer: the conversations that have more. An answer that was cut short
    /// (`more`) leaves those of which it says nothing; where the request was for all, it leaves all.
    pub fn go_on(
        &mut self,
        asked: &PullContext,
        answer: &PullAnswer,
        fares: &Conversations,
        cx: (&Committed, u64),
    ) {
        if answer.more && asked.is_all() {
            return self.ask_for_all(fares, cx.0, cx.1);
        }
        if answer.more {
            let mut said = Set::new();
            said.add_all(answer.parts.iter().filter_map(named));
            said.add_all(answer.failed.iter().map(|(id, _)| id));
            self.take_back(asked);
            self.todo.retain(|id| !said.contains(&id));
        }
        // Behind the others: one that has much does not hold them up.
        let on = answer.parts.iter().filter(|part| part.batch.has_more);
        self.todo.extend(on.filter_map(named).cloned());
    }

    /// Those that were listed before the chain, and still have no cursor (R11).
    pub fn take_unnamed(&mut self, db: &Committed) -> Vec<Rc<str>> {
        let mut unnamed = std::mem::take(&mut self.unnamed);
        unnamed.retain(|id| !db.cursors().contains_key(id));
        unnamed
    }
}

/// The conversation that a batch is about.
fn named(part: &FeedBatch) -> Option<&Rc<str>> {
    part.feed.conversation()
}

/// The next piece.
pub(super) fn request(
    db: &Committed,
    now: u64,
    fares: &Conversations,
    pieces: &mut Pieces,
    limit: u32,
) -> (Request, PullContext) {
    let left = pieces.todo.len();
    let size = fares.size.limit(small(left)) as usize;
    let ids: Vec<Rc<str>> = pieces.todo.drain(..size.min(left)).collect();
    let last = pieces.todo.is_empty();
    let rest = last && std::mem::take(&mut pieces.rest);
    let mut cursors: Vec<Rc<str>> = ids.clone();
    if rest && db.meta().begun {
        // What is backed off from is named, and not asked for.
        let rests = db.cursors().keys().filter(|id| fares.is_resting(id, now));
        cursors.extend(rests.take(size.max(1)).cloned());
    }
    let whole = rest && !pieces.split && cursors.len() == ids.len();
    if rest && db.meta().begun && !whole {
        let mut named = Set::new();
        named.add_all(cursors.iter().cloned());
        let renamed = fares.renamed.iter();
        cursors.extend(renamed.filter(|id| !named.contains(*id)).cloned());
    }
    pieces.split |= !last;
    let mut asked = PullContext {
        only: (!whole).then_some(ids),
        rest,
        limit,
        ..PullContext::default()
    };
    for id in cursors {
        let feed = Feed::Conversation(id.clone());
        let cursor = db.cursor(&feed).map(str::to_owned);
        asked.cursors.extend(cursor.map(|cursor| (id, cursor)));
    }
    let named = |(id, cursor): &(Rc<str>, String)| (id.to_string(), cursor.clone());
    let only = asked.only.as_ref();
    let call = Request::PullConversations {
        cursors: asked.cursors.iter().map(named).collect(),
        limit: asked.limit,
        only: only.map(|ids| ids.iter().map(|id| id.to_string()).collect()),
        rest: asked.rest && !whole,
    };
    (call, asked)
}

pub(super) fn read(text: &str, asked: &PullContext) -> Result<PullAnswer, Error> {
    wire::batch::batches(text, &asked.cursors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::ErrorCode;
    use crate::core::limits::Limits;
    use crate::core::options::OverflowPolicy;
    use crate::core::tx::Tx;

    /// Of an account with these conversations, each with a cursor.
    fn account(ids: &[&str]) -> Committed {
        let mut db = Committed::empty("conversation");
        let limits = Limits::default();
        let answer = read(&batches(ids), &PullContext::default()).expect("an answer");
        let mut tx = Tx::new(&db, &limits);
        for part in &answer.parts {
            assert!(tx.batch(part, OverflowPolicy::Clear, true).is_ok());
        }
        let commit = tx.commit;
        db.apply(commit);
        db
    }

    /// An answer with an empty batch of each.
    fn batches(ids: &[&str]) -> String {
        let batch =
            |id: &&str| format!("\"{id}\":{{\"cursor\":\"1\",\"hasMore\":false,\"events\":[]}}");
        let all: Vec<String> = ids.iter().map(batch).collect();
        format!("{{\"conversations\":{{{}}}}}", all.join(","))
    }

    /// The next piece: what it asks for, in brackets what it names besides, and "+" for the rest.
    fn next(db: &Committed, fares: &Conversations, pieces: &mut Pieces) -> (String, PullContext) {
        let (_, asked) = request(db, 0, fares, pieces, 500);
        let ids = asked.ids();
        let others = asked.cursors.iter().map(|(id, _)| id);
        let others: Vec<&str> = others
            .filter(|id| !ids.contains(*id))
            .map(|id| &**id)
            .collect();
        let mut drawn = match &asked.only {
            Some(only) => only.join(" "),
            None => "all".to_owned(),
        };
        if !others.is_empty() {
            drawn += &format!(" ({})", others.join(" "));
        }
        if asked.rest {
            drawn += " +";
        }
        (drawn, asked)
    }

    fn pieces(db: &Committed, fares: &mut Conversations) -> Pieces {
        let mut pieces = fares.all(db, 0);
        fares.begin(db, &mut pieces);
        pieces
    }

    fn refused() -> Error {
        Error::new(ErrorCode::Forbidden, "not yours")
    }

    #[test]
    fn all_are_asked_for_at_once_and_what_is_new_with_them() {
        let (db, mut fares) = (account(&["a", "b"]), Conversations::default());
        let mut pieces = pieces(&db, &mut fares);
        assert_eq!(next(&db, &fares, &mut pieces).0, "all +");
        assert!(!pieces.has_more());
    }

    #[test]
    fn what_is_too_much_at_once_is_asked_for_in_pieces() {
        let (db, mut fares) = (account(&["a", "b", "c"]), Conversations::default());
        let mut pieces = pieces(&db, &mut fares);
        let (_, asked) = next(&db, &fares, &mut pieces);
        assert!(fares.size.too_much(3));
        pieces.split(&asked);
        let mut seen = Vec::new();
        while pieces.has_more() {
            seen.push(next(&db, &fares, &mut pieces).0);
        }
        assert_eq!(seen, ["a", "b", "c +"]);
    }

    #[test]
    fn one_that_has_failed_is_named_and_not_asked_for() {
        let (db, mut fares) = (account(&["a", "b", "c"]), Conversations::default());
        assert!(fares.fail(0, "b".into(), refused(), 7), "it is told");
        assert!(!fares.fail(0, "b".into(), refused(), 7), "once");
        let mut pieces = pieces(&db, &mut fares);
        assert_eq!(next(&db, &fares, &mut pieces).0, "a c (b) +");
        let mut some = Set::new();
        some.add("b".into());
        assert!(fares.some(0, some).is_none(), "nor where it is notified");
    }

    #[test]
    fn one_that_came_is_well_again() {
        let (db, mut fares) = (account(&["a", "b"]), Conversations::default());
        fares.fail(0, "a".into(), refused(), 7);
        let mut some = Set::new();
        some.add("b".into());
        let mut only = fares.some(0, some).expect("b is well");
        let (_, asked) = next(&db, &fares, &mut only);
        let answer = read(&batches(&["b"]), &asked).expect("an answer");
        fares.on_answer(&asked, &answer);
        assert!(fares.has_failed("a"), "it was not asked for");
        let mut all = pieces(&db, &mut fares);
        let (_, asked) = next(&db, &fares, &mut all);
        let answer = read(&batches(&["a"]), &asked).expect("an answer");
        fares.on_answer(&asked, &answer);
        assert!(!fares.has_failed("a"));
    }

    #[test]
    fn what_has_come_again_is_named_with_the_rest_from_then_on() {
        let (db, mut fares) = (account(&["a", "b", "c", "d"]), Conversations::default());
        fares.size.too_much(4);
        let mut first = pieces(&db, &mut fares);
        assert_eq!(next(&db, &fares, &mut first).0, "a b");
        let (drawn, asked) = next(&db, &fares, &mut first);
        assert_eq!(drawn, "c d +");
        let mut answer = read(&batches(&["a", "new"]), &asked).expect("an answer");
        assert!(fares.leave_out_again(&db, &asked, &mut answer.parts));
        assert_eq!(answer.parts.len(), 1, "what is new stays");
        let mut second = pieces(&db, &mut fares);
        next(&db, &fares, &mut second);
        assert_eq!(next(&db, &fares, &mut second).0, "c d (a) +");
        // Where that fails it is perhaps for that.
        fares.on_failure(&asked);
        fares.name_no_others();
        let mut third = pieces(&db, &mut fares);
        next(&db, &fares, &mut third);
        assert_eq!(next(&db, &fares, &mut third).0, "c d +");
    }
}
