//! The committed state in memory: everything that is stored, but of the messages only the blocks used
//! last.
//!
//! Its fields are private. It is read by reference, also by a transaction, and changed by
//! [`Committed::apply`] alone, once what a transaction comes to is written (R9). Besides, blocks come
//! into memory and go, and [`Committed::forget`] lets go of what could not be dropped from the store.

mod cursors;
mod messages;

use std::collections::VecDeque;
use std::rc::Rc;

use super::cache::Cache;
use super::commit::{Commit, CommitDelta};
use crate::core::block::{Block, BlockId, BlockRef};
use crate::core::codec::Corrupt;
use crate::core::fault::Fault;
use crate::core::map::{Map, Set};
use crate::core::records::{
    self, Held, Left, Local, Meta, MetaRecord, Name, News, OutboxRecord, Stamp, Wish,
};
use crate::core::storage::{Answer, Key};
use crate::core::types::{Conversation, Message};

/// How many of the last wishes that were taken up are known by name.
const GRANTED: usize = 1_000;

/// What was stored and cannot be read, though its neighbours can (R14): the keys of the records.
#[derive(Debug, Default)]
pub struct Lost {
    /// conversations' states
    pub states: Vec<Key>,
    /// indexes of conversations' blocks
    pub indexes: Vec<Key>,
    /// own messages and read marks
    pub own: Vec<Key>,
    /// how many others
    pub others: usize,
}

impl Lost {
    /// How many records cannot be read.
    pub fn count(&self) -> usize {
        self.states.len() + self.indexes.len() + self.own.len() + self.others
    }

    /// The order behind those of the own messages among them: none is ever written over.
    pub fn next_order(&self) -> u64 {
        let orders = self.own.iter().filter_map(|key| records::local_order(key));
        orders.max().map_or(0, |last| last.saturating_add(1))
    }
}

/// Reads the records of a table. Gives the keys of those that cannot be read, or do not check.
fn each(
    answer: Answer,
    keys: Vec<Key>,
    mut read: impl FnMut(&[u8]) -> Result<(), Corrupt>,
) -> Vec<Key> {
    let mut lost = answer.unreadable;
    // In the same order, without those that have no value.
    let mut keys = keys
        .into_iter()
        .filter(|key| lost.binary_search(key).is_err());
    let mut odd = Vec::new();
    for bytes in answer.values {
        let key = keys.next().unwrap_or_default();
        if read(&bytes).is_err() {
            odd.push(key);
        }
    }
    lost.append(&mut odd);
    lost
}

/// Reads wishes, in their order; and the keys of those that cannot be read, which stay.
pub fn read_wishes(answer: Answer, keys: Vec<Key>) -> (Map<Key, Rc<Wish>>, Vec<Key>) {
    let mut wishes = Map::new();
    let lost = answer.unreadable.clone();
    let mut readable = keys
        .into_iter()
        .filter(|key| lost.binary_search(key).is_err());
    let mut odd = answer.unreadable;
    for bytes in answer.values {
        let Some(key) = readable.next() else { break };
        match records::read_wish(&bytes) {
            Ok(wish) => _ = wishes.insert(key, Rc::new(wish)),
            Err(Corrupt) => odd.push(key),
        }
    }
    (wishes, odd)
}

/// The committed state. See the module for who may change it.
#[derive(Default)]
pub struct Committed {
    meta: Meta,
    stamp: Stamp,
    list: Map<Rc<str>, Rc<Conversation>>,
    held: Map<Rc<str>, Rc<Held>>,
    cursors: Map<Rc<str>, String>,
    /// by the number of their record
    deliveries: Map<u64, Vec<Rc<str>>>,
    delivered: Set<Rc<str>>,
    opened: Map<Rc<str>, u64>,
    outbox: Map<u64, Rc<Local>>,
    /// where each conversation's own messages stand in it
    own: Map<Rc<str>, Set<u64>>,
    next_order: u64,
    /// by the number of their record
    left: Map<u64, Vec<Left>>,
    left_names: Map<Name, bool>,
    marks: Map<Rc<str>, u64>,
    /// what a push has told, or is to tell, in the order in which it came
    news: Vec<News>,
    /// what clients want done, and the writer has not taken up (R15)
    wishes: Map<Key, Rc<Wish>>,
    /// wishes that were taken up lately: who says late that there is one is not believed
    granted: VecDeque<Key>,
    /// Conversations of whose history more is stored than is known here: it could not be dropped, and
    /// goes with the next commit that touches it.
    strays: Set<Rc<str>>,
    /// Conversations of which a state is stored that could not be read: it goes with the next commit, or
    /// it would be there again at the next start.
    lost_states: Set<Rc<str>>,
    /// conversations of which a cursor is stored that could not be read
    lost_cursors: Set<Rc<str>>,
    /// the account's record is not stored as it is here: it is, with the next commit
    meta_unsaved: bool,
    /// all that was stored was read, when it was read last, and something was
    whole: bool,
    /// messages held, of all conversations
    messages: u64,
    cache: Cache,
}

/// What is this client's own of a database, and the server does not have: kept over its loss.
pub struct OwnRecords {
    /// own messages, in the order written
    pub locals: Vec<Rc<Local>>,
    /// those that have left the outbox
    pub left: Vec<Left>,
    /// the place of the next one
    pub next_order: u64,
    /// read marks that the server has not confirmed
    pub marks: Vec<(Rc<str>, u64)>,
}

impl Committed {
    /// Of an empty database. `scope`: whose cursors are stored in it.
    pub fn empty(scope: &str) -> Committed {
        let mut db = Committed::default();
        db.meta.scope = scope.into();
        db
    }

    /// From the answers to [`records::load`]. Also what could not be read or did not check: it is left
    /// out.
    pub fn load(tables: Vec<Answer>) -> (Committed, Lost) {
        let mut db = Committed::default();
        let mut lost = Lost::default();
        let mut tables = tables.into_iter();
        let mut table = || tables.next().unwrap_or_default();
        let (meta, states, segments) = (table(), table(), table());
        let (outbox, deliveries, wishes) = (table(), table(), table());
        let keys = [table(), table(), table(), table()].map(|answer| answer.values);
        let [state_keys, segment_keys, outbox_keys, wish_keys] = keys;
        lost.others = meta.unreadable.len() + deliveries.unreadable.len();
        let cursors = meta.unreadable.iter();
        let cursors = cursors.filter_map(|key| records::cursor_of(key));
        db.lost_cursors.add_all(cursors);
        for bytes in meta.values {
            match records::read_meta(&bytes) {
                Ok(MetaRecord::Meta(meta)) => db.meta = meta,
                Ok(MetaRecord::Opened(id, at)) => _ = db.opened.insert(id, at),
                Ok(MetaRecord::Cursor(id, cursor)) => _ = db.cursors.insert(id, cursor),
                Ok(MetaRecord::Stamp(stamp)) => db.stamp = stamp,
                Ok(MetaRecord::Next(next)) => db.next_order = next,
                Ok(MetaRecord::News(news)) => db.news = news,
                Err(_) => lost.others += 1,
            }
        }
        lost.states = each(states, state_keys, |bytes| {
            let conversation = records::read_conversation(bytes)?;
            let id = conversation.id.clone();
            db.list.insert(id, Rc::new(conversation));
            Ok(())
        });
        lost.indexes = each(segments, segment_keys, |bytes| {
            let (id, held) = records::read_held(bytes)?;
            db.put_held(id, held);
            Ok(())
        });
        lost.own = each(outbox, outbox_keys, |bytes| {
            match records::read_outbox(bytes)? {
                OutboxRecord::Local(local) => {
                    db.next_order = db.next_order.max(local.order.saturating_add(1));
                    db.put_own(local.order, Some(Rc::new(local)));
                }
                OutboxRecord::Mark(id, seq) => _ = db.marks.insert(id, seq),
                OutboxRecord::Left(number, left) => db.put_left(number, left),
            }
            Ok(())
        });
        let (known, mut odd) = read_wishes(wishes, wish_keys);
        db.wishes = known;
        lost.own.append(&mut odd);
        for bytes in deliveries.values {
            match records::read_deliveries(&bytes) {
                Ok((number, names)) => {
                    db.delivered.add_all(names.iter().cloned());
                    db.deliveries.insert(number, names);
                }
                Err(_) => lost.others += 1,
            }
        }
        db.whole = lost.count() == 0;
        (db, lost)
    }

    /// Prepares what was read for use in this scope: another scope begins as a first sign-in, and what is `lost`
    /// makes the list owed. `now`: ms since the epoch.
    pub fn begin(&mut self, scope: &str, lost: &Lost, now: u64) {
        self.owe_for(lost);
        if self.meta.scope != scope {
            // Another scope's cursor means nothing here: a first sign-in.
            self.meta.cursor = None;
            self.meta.begun = false;
            self.meta.scope = scope.into();
        }
        self.next_order = self.next_order.max(lost.next_order());
        if lost.others > 0 {
            // Perhaps what says it. Places count from 0 up, and are never as high as this.
            self.next_order = self.next_order.max(now);
        }
    }

    /// The states that could not be read make the list owed: also after the next start, whatever becomes
    /// of this one.
    fn owe_for(&mut self, lost: &Lost) {
        if lost.states.is_empty() {
            return;
        }
        let ids = lost.states.iter();
        self.lost_states
            .add_all(ids.filter_map(|key| records::conversation_of(key)));
        self.meta_unsaved |= self.meta.owed != self.meta.begun;
        self.meta.owed = self.meta.begun;
    }

    // ------------------------------------------------------------ what is stored

    /// What is known of the account as a whole.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether the account's record is not stored as it is here.
    pub fn is_meta_unsaved(&self) -> bool {
        self.meta_unsaved
    }

    /// Whether this is all that was stored, and of some commit: nothing is to be put right.
    pub fn is_whole(&self) -> bool {
        let whole = self.whole && self.strays.is_empty() && !self.meta_unsaved;
        whole && self.stamp.number > 0
    }

    /// The newest commit that this is the state of.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The server's list (R11), by conversation.
    pub fn list(&self) -> &Map<Rc<str>, Rc<Conversation>> {
        &self.list
    }

    /// The server's state of a conversation.
    pub fn state(&self, conversation: &str) -> Option<&Rc<Conversation>> {
        self.list.get(conversation)
    }

    /// What is held of each conversation's history, where that is something.
    pub fn histories(&self) -> &Map<Rc<str>, Rc<Held>> {
        &self.held
    }

    /// What is held of a conversation; nothing, where it is unknown.
    pub fn held(&self, conversation: &str) -> Rc<Held> {
        self.held.get(conversation).cloned().unwrap_or_default()
    }

    /// Up to where each conversation is held whose newest end is.
    pub fn live_ends(&self) -> impl Iterator<Item = (&Rc<str>, u64)> {
        let end = |held: &Held| held.segments.live().map(|segment| segment.hi);
        let all = self.held.iter();
        all.filter_map(move |(id, held)| end(held).map(|end| (id, end)))
    }

    /// Whether anything is stored of any conversation's history.
    pub fn stores_history(&self) -> bool {
        !self.held.is_empty() || !self.strays.is_empty()
    }

    /// The conversations of whose history something is stored, known here or not.
    pub fn with_history(&self) -> Set<Rc<str>> {
        let mut all = Set::new();
        all.add_all(self.held.keys().cloned());
        all.add_all(self.strays.keys().cloned());
        all
    }

    /// Whether more is stored of a conversation's history than is known here.
    pub fn is_stray(&self, conversation: &str) -> bool {
        self.strays.contains(conversation)
    }

    /// Messages held, of all conversations.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Conversations of which a state is stored that could not be read.
    pub fn lost_states(&self) -> impl Iterator<Item = &Rc<str>> {
        self.lost_states.keys()
    }

    /// Whether the list may lack something: it is owed, or states could not be read.
    pub fn owes(&self) -> bool {
        self.meta.owed || !self.lost_states.is_empty()
    }

    /// Whether a state of this conversation is stored that could not be read: it comes again.
    pub fn has_lost_state(&self, conversation: &str) -> bool {
        self.lost_states.contains(conversation)
    }

    /// Conversations of which a cursor is stored that could not be read.
    pub fn lost_cursors(&self) -> impl Iterator<Item = &Rc<str>> {
        self.lost_cursors.keys()
    }

    /// The mailbox deliveries that were applied (R10), by the number of their record.
    pub fn deliveries(&self) -> &Map<u64, Vec<Rc<str>>> {
        &self.deliveries
    }

    /// Whether this delivery was applied.
    pub fn is_delivered(&self, delivery: &str) -> bool {
        self.delivered.contains(delivery)
    }

    /// When a conversation was last opened, ms since the epoch; 0: never.
    pub fn opened(&self, conversation: &str) -> u64 {
        self.opened.get(conversation).copied().unwrap_or(0)
    }

    /// The read marks that the server has not confirmed.
    pub fn marks(&self) -> &Map<Rc<str>, u64> {
        &self.marks
    }

    /// What a push has told, or is to tell.
    pub fn news(&self) -> &[News] {
        &self.news
    }

    // ------------------------------------------------------------ own messages

    /// Own messages, by their place.
    pub fn outbox(&self) -> &Map<u64, Rc<Local>> {
        &self.outbox
    }

    /// The own messages of a conversation, by their place.
    pub fn own(&self, conversation: &str) -> impl Iterator<Item = &Rc<Local>> {
        let orders = self.own.get(conversation).into_iter().flat_map(Map::keys);
        orders.filter_map(|order| self.outbox.get(order))
    }

    /// The conversations that have own messages.
    pub fn writing(&self) -> impl Iterator<Item = &Rc<str>> {
        self.own.keys()
    }

    /// The own message of this name.
    pub fn own_named(&self, name: &Name) -> Option<&Rc<Local>> {
        self.own(&name.0).find(|local| local.client_id == name.1)
    }

    /// The place of the next own message.
    pub fn next_order(&self) -> u64 {
        self.next_order
    }

    /// The own messages that have left the outbox, by the number of their record.
    pub fn left(&self) -> &Map<u64, Vec<Left>> {
        &self.left
    }

    /// The own messages that have left the outbox, by name; true: it was delivered.
    pub fn left_names(&self) -> &Map<Name, bool> {
        &self.left_names
    }

    /// What clients want done, in the order of their wishes (R15).
    pub fn wishes(&self) -> &Map<Key, Rc<Wish>> {
        &self.wishes
    }

    /// The same, to be taken up.
    pub fn wished(&self) -> Vec<(Key, Rc<Wish>)> {
        let wishes = self.wishes.iter();
        wishes
            .map(|(key, wish)| (key.clone(), wish.clone()))
            .collect()
    }

    /// When the last of the wishes that are known was stored, by its key.
    pub fn last_wish(&self) -> Option<u64> {
        let keys = self.wishes.keys().chain(&self.granted);
        keys.filter_map(|key| records::wish_time(key)).max()
    }

    /// A client has stored a wish. Answers whether that was not known.
    pub fn add_wish(&mut self, key: Key, wish: Wish) -> bool {
        let known = self.wishes.contains_key(&key) || self.granted.contains(&key);
        if !known {
            self.wishes.insert(key, Rc::new(wish));
        }
        !known
    }

    /// The wishes were read anew: as many as there are.
    pub fn set_wishes(&mut self, wishes: Map<Key, Rc<Wish>>) {
        self.wishes = wishes;
    }

    /// What is this client's own.
    pub fn into_own(self) -> OwnRecords {
        OwnRecords {
            locals: self.outbox.into_values().collect(),
            left: self.left.into_values().flatten().collect(),
            next_order: self.next_order,
            marks: self.marks.into_iter().collect(),
        }
    }

    // ------------------------------------------------------------ blocks in memory

    /// A block, if it is in memory.
    pub fn cached(&self, id: &BlockId) -> Option<Rc<Block>> {
        self.cache.get(id)
    }

    /// A block, if it is in memory; that it was looked at does not count as use.
    pub fn peek(&self, id: &BlockId) -> Option<&Block> {
        self.cache.peek(id)
    }

    /// Whether a block in memory has this message at its position.
    pub fn holds(&self, m: &Message) -> bool {
        let held = self.held(&m.conversation);
        let at = held.blocks.partition_point(|b| b.hi < m.seq.0);
        let block = held.blocks.get(at);
        let block = block.and_then(|b| self.peek(&(m.conversation.clone(), b.lo)));
        block.is_some_and(|block| {
            let at = block.binary_search_by_key(&m.seq, |held| held.seq);
            at.is_ok_and(|at| block[at].id == m.id)
        })
    }

    /// Whether there is no message at this position, for certain, though all that the server has there is held.
    pub fn lacks(&self, conversation: &Rc<str>, seq: u64) -> bool {
        let Some(held) = self.held.get(conversation) else {
            return false;
        };
        let covered = match held.segments.containing(seq) {
            Some(segment) => segment.fresh(),
            None => held.segments.live().is_some_and(|live| live.hi < seq),
        };
        let at = held.blocks.partition_point(|b| b.hi < seq);
        let block = held.blocks.get(at).filter(|b| b.lo <= seq);
        let is_there = |b: &BlockRef| {
            let block = self.peek(&(conversation.clone(), b.lo));
            // One that is not in memory may have it.
            block.is_none_or(|block| block.binary_search_by_key(&seq, |m| m.seq.0).is_ok())
        };
        covered && !held.is_doubtful(self.meta()) && !block.is_some_and(is_there)
    }

    /// Lets go of the blocks not used for longest, until at most `bytes` are left. Only called while
    /// nobody waits for a block: what was read for a job or a window stays until that is done, however
    /// much it is.
    pub fn shrink_cache(&mut self, bytes: usize) {
        self.cache.shrink(bytes);
    }

    /// Nothing of what is held of it is shown or built upon any more, whatever is stored: that goes with
    /// the next commit that touches it.
    pub fn forget(&mut self, conversation: &Rc<str>) {
        self.put_held(conversation.clone(), Held::default());
        self.strays.add(conversation.clone());
        self.cache.drop_all(&|id| id == conversation);
    }

    /// The first part in which it differs from the other, as text: this one's and the other's. Wishes are not
    /// compared, nor what no record says.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn differs_from(&self, other: &Committed) -> Option<String> {
        macro_rules! compare {
            ($($part:ident),+) => {
                $(if self.$part != other.$part {
                    let name = stringify!($part);
                    return Some(format!("{name} is {:?}, stored is {:?}", self.$part, other.$part));
                })+
            };
        }
        compare!(
            stamp, meta, list, held, cursors, deliveries, delivered, opened
        );
        compare!(
            outbox, own, next_order, left, left_names, marks, news, messages
        );
        None
    }

    // ------------------------------------------------------------ what changes it

    /// Takes over what another client has committed. A state that could not be read here stays lost until a commit
    /// brings it: the writer could read it, and so has not written it anew.
    pub fn take_over(&mut self, commit: Commit) -> CommitDelta {
        let mut states = std::mem::take(&mut self.lost_states);
        for id in commit.list.keys() {
            states.remove(id);
        }
        let changes = self.apply(commit);
        self.lost_states = states;
        changes
    }

    /// A commit is written: from here on it is the committed state (R9). Answers what it did.
    pub fn apply(&mut self, commit: Commit) -> CommitDelta {
        let written = commit.stamp.number > 0;
        debug_assert!(
            !written || commit.stamp.number == self.stamp.number + 1,
            "a commit is of the state that it is applied to"
        );
        if !commit.cleared.is_empty() {
            self.cache.drop_all(&|id| commit.cleared.contains(id));
        }
        for id in commit.cleared.keys() {
            self.strays.remove(id);
        }
        for (id, block) in commit.blocks {
            match block {
                Some(block) => self.cache.put(id, Rc::new(block)),
                None => self.cache.drop(&id),
            }
        }
        for (id, held) in commit.held {
            debug_assert!(
                held.is_sound(),
                "each block lies within a segment: {held:?}"
            );
            // Also by another client's commit: what is stored of it is known again.
            self.strays.remove(&id);
            self.put_held(id, held);
        }
        put_all(&mut self.list, commit.list);
        put_all(&mut self.opened, commit.opened);
        self.apply_own(
            commit.outbox,
            commit.next_order,
            (commit.left, commit.leaving),
        );
        put_all(&mut self.marks, commit.marks);
        self.news = commit.news.unwrap_or(std::mem::take(&mut self.news));
        self.remember(commit.deliveries, commit.remembered);
        for key in commit.granted.into_keys() {
            if !Fault::WishIsTakenUpTwice.on() {
                self.wishes.remove(&key);
            }
            self.granted.push_back(key);
        }
        while self.granted.len() > GRANTED {
            self.granted.pop_front();
        }
        if commit.cursors_cleared {
            self.cursors.clear();
        }
        put_all(&mut self.cursors, commit.cursors);
        if let Some(meta) = commit.meta {
            self.meta = meta;
        }
        if written {
            // What could not be read went with it, and that the list is owed was stored.
            self.lost_states.clear();
            self.lost_cursors.clear();
            self.meta_unsaved = false;
            self.stamp = commit.stamp;
        }
        commit.changes
    }

    fn apply_own(
        &mut self,
        outbox: Map<u64, Option<Rc<Local>>>,
        next_order: Option<u64>,
        (left, (number, old)): (Vec<Left>, (u64, Vec<u64>)),
    ) {
        for (order, local) in outbox {
            self.put_own(order, local);
        }
        self.next_order = next_order.unwrap_or(self.next_order);
        if left.is_empty() {
            return;
        }
        for number in old {
            for left in self.left.remove(&number).unwrap_or_default() {
                self.left_names.remove(&left.name);
            }
        }
        self.put_left(number, left);
    }

    /// These deliveries are remembered (R10) in a record of this number; the `old` ones are forgotten.
    fn remember(&mut self, deliveries: Set<Rc<str>>, (number, old): (u64, Vec<u64>)) {
        if deliveries.is_empty() {
            return;
        }
        for number in old {
            let names = self.deliveries.remove(&number).unwrap_or_default();
            names
                .iter()
                .for_each(|name| _ = self.delivered.remove(name));
        }
        self.delivered.add_all(deliveries.keys().cloned());
        self.deliveries
            .insert(number, deliveries.into_keys().collect());
    }

    fn put_held(&mut self, conversation: Rc<str>, held: Held) {
        self.messages += held.messages();
        let old = match held == Held::default() {
            true => self.held.remove(&conversation),
            false => self.held.insert(conversation, Rc::new(held)),
        };
        self.messages -= old.map_or(0, |old| old.messages());
    }

    /// Puts an own message at its place, or takes it from there.
    fn put_own(&mut self, order: u64, local: Option<Rc<Local>>) {
        let old = match local {
            Some(local) => {
                self.own.or_default(local.conversation.clone()).add(order);
                let id = local.conversation.clone();
                let old = self.outbox.insert(order, local);
                old.filter(|old| old.conversation != id)
            }
            None => self.outbox.remove(&order),
        };
        if let Some(old) = old
            && let Some(orders) = self.own.get_mut(&old.conversation)
        {
            orders.remove(&order);
            if orders.is_empty() {
                self.own.remove(&old.conversation);
            }
        }
    }

    /// Remembers own messages that have left the outbox, in a record of this number.
    fn put_left(&mut self, number: u64, left: Vec<Left>) {
        for left in &left {
            self.left_names.insert(left.name.clone(), left.delivered);
        }
        self.left.insert(number, left);
    }
}

fn put_all<K: Ord, V>(map: &mut Map<K, V>, changed: Map<K, Option<V>>) {
    for (key, value) in changed {
        match value {
            Some(value) => _ = map.insert(key, value),
            None => _ = map.remove(&key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_goes_with_the_next_commit_that_touches_it() {
        let mut db = Committed::default();
        let id: Rc<str> = "c".into();
        db.forget(&id);
        assert!(db.stores_history() && db.is_stray("c"));
        assert!(db.with_history().contains("c") && db.histories().is_empty());
        let mut commit = Commit::default();
        commit.cleared.add(id);
        db.apply(commit);
        assert!(!db.stores_history());
    }

    #[test]
    fn another_scope_is_a_first_sign_in() {
        let mut db = Committed::empty("account");
        db.meta.cursor = Some("7".into());
        db.meta.begun = true;
        db.begin("account", &Lost::default(), 0);
        assert_eq!(db.cursor_of_all(), Some("7"));
        db.begin("mailbox", &Lost::default(), 0);
        assert_eq!((db.cursor_of_all(), db.meta.begun), (None, false));
    }

    #[test]
    fn no_place_of_an_own_message_that_cannot_be_read_is_given_again() {
        let mut db = Committed::default();
        let lost = Lost {
            own: vec![records::local_key(41)],
            ..Lost::default()
        };
        db.begin("", &lost, 1_000);
        assert_eq!(db.next_order(), 42);
        let lost = Lost {
            others: 1,
            ..Lost::default()
        };
        db.begin("", &lost, 1_000);
        assert_eq!(db.next_order(), 1_000, "perhaps it was that which said it");
    }
}
