//! One transaction (R9): what a batch, a page or a command changes, first beside the committed state,
//! then written in one IndexedDB transaction, and only after that taken over.
//!
//! A transaction is a function of the committed state and its input. Where it needs a block that is
//! not in memory it stops with [`Stop::Need`]; the block is read and the function runs again from
//! the beginning. Jobs run one at a time, so what it saw is still so when it is committed.

use std::rc::Rc;

use super::block::{self, Block, BlockRef};
use super::command::Policy;
use super::db::{BlockId, Db};
use super::fault::Fault;
use super::map::{Map, Set, order};
use super::net::{Error, ErrorCode, Place};
use super::protocol::{Batch, Changed, Event, Feed, ListPage, Overflow, Page, Part, Patch};
use super::records::{self, Held, Local, LocalState};
use super::segments::{Cover, Prev};
use super::storage::{Table, Write};
use super::types::{Conversation, Message};

/// Why a transaction cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// these blocks must be read first
    Need(Vec<BlockId>),
    /// it is void: what it was made for is over
    Void,
}

/// Deliveries that are remembered (R10).
const REMEMBERED: usize = 10_000;

type Result<T> = std::result::Result<T, Stop>;

/// What a commit did to one conversation, for the timelines that show it.
#[derive(Debug, Default)]
pub struct Change {
    /// messages that are held now and were not
    pub inserted: Vec<Rc<Message>>,
    /// newer versions of messages, held or not (R3: an open timeline may show them)
    pub updated: Vec<Rc<Message>>,
    /// its segments went: SyncGapOverflow, or a block that did not check
    pub cleared: bool,
    /// its segments stayed over an overflow, and are not fresh (R4, `keep`)
    pub kept: bool,
    /// positions of messages that were kept, and that the server does not have any more
    pub gone: Vec<u64>,
    /// the account has left it
    pub removed: bool,
    /// what is older than this is gone
    pub trimmed: Option<u64>,
}

/// What a commit did, for everything that is shown.
#[derive(Debug, Default)]
pub struct Changes {
    /// by conversation
    pub conversations: Map<Rc<str>, Change>,
    /// new messages of others, in the order they came
    pub messages: Vec<Rc<Message>>,
    /// newer versions, in the order they came
    pub updates: Vec<Rc<Message>>,
    /// what overflowed
    pub overflow: Option<Overflow>,
    /// the events that were news, for whoever asked before them (R7, R11)
    pub events: Vec<Event>,
    /// own messages that the sync has brought: the local item's key, and the message that takes it
    pub synced: Vec<(String, Rc<Message>)>,
    /// the server's list changed
    pub list: bool,
    /// own messages changed
    pub outbox: bool,
}

impl Changes {
    /// Whether a batch has brought what was not known.
    pub fn is_news(&self) -> bool {
        let inserted = |change: &Change| !change.inserted.is_empty();
        let own = !self.synced.is_empty();
        self.list || own || !self.updates.is_empty() || self.conversations.values().any(inserted)
    }
}

/// A transaction in the making.
pub struct Tx<'a> {
    db: &'a mut Db,
    /// what it comes to
    pub commit: Commit,
}

/// What a transaction changes: to write, and to take over once it is written.
#[derive(Debug, Default)]
pub struct Commit {
    held: Map<Rc<str>, Held>,
    /// `None`: dropped
    blocks: Map<BlockId, Option<Block>>,
    /// all blocks of these go, before any is written
    cleared: Set<Rc<str>>,
    list: Map<Rc<str>, Option<Rc<Conversation>>>,
    outbox: Map<u64, Option<Rc<Local>>>,
    marks: Map<Rc<str>, Option<u64>>,
    opened: Map<Rc<str>, Option<u64>>,
    /// all conversations' cursors go, before any is written
    cursors_cleared: bool,
    cursors: Map<Rc<str>, Option<String>>,
    /// applied now (R10)
    deliveries: Set<Rc<str>>,
    meta: Option<records::Meta>,
    /// see there
    pub changes: Changes,
}

impl<'a> Tx<'a> {
    /// On the committed state.
    pub fn new(db: &'a mut Db) -> Self {
        Tx {
            db,
            commit: Commit::default(),
        }
    }

    // ------------------------------------------------------------ state

    /// The account's record, to change.
    pub fn meta(&mut self) -> &mut records::Meta {
        self.commit.meta.get_or_insert_with(|| self.db.meta.clone())
    }

    fn held(&mut self, conversation: &Rc<str>) -> &mut Held {
        let db = &self.db;
        self.commit
            .held
            .or_insert_with(conversation.clone(), || Held::clone(&db.held(conversation)))
    }

    fn change(&mut self, conversation: &Rc<str>) -> &mut Change {
        self.commit
            .changes
            .conversations
            .or_default(conversation.clone())
    }

    pub(super) fn state(&self, conversation: &str) -> Option<Rc<Conversation>> {
        match self.commit.list.get(conversation) {
            Some(state) => state.clone(),
            None => self.db.list.get(conversation).cloned(),
        }
    }

    pub(super) fn set_state(&mut self, id: &Rc<str>, state: Option<Conversation>) {
        self.commit.changes.list = true;
        self.commit.list.insert(id.clone(), state.map(Rc::new));
    }

    /// The own messages as this transaction leaves them, in the order written.
    fn locals(&self) -> Vec<Rc<Local>> {
        let mut locals = self.db.outbox.clone();
        for (order, local) in &self.commit.outbox {
            match local {
                Some(local) => _ = locals.insert(*order, local.clone()),
                None => _ = locals.remove(order),
            }
        }
        locals.into_values().collect()
    }

    /// An own message as this transaction leaves it.
    pub fn local(&self, order: u64) -> Option<Rc<Local>> {
        match self.commit.outbox.get(&order) {
            Some(local) => local.clone(),
            None => self.db.outbox.get(&order).cloned(),
        }
    }

    /// The own messages of this name: one a conversation.
    pub fn find_locals(&self, conversation: Option<&str>, client_id: &str) -> Vec<Rc<Local>> {
        self.locals()
            .into_iter()
            .filter(|local| local.client_id == client_id)
            .filter(|local| conversation.is_none_or(|id| *local.conversation == *id))
            .collect()
    }

    /// Whether there is an own message of this name.
    pub fn has_local(&self, conversation: &str, client_id: &str) -> bool {
        self.locals()
            .iter()
            .any(|local| *local.conversation == *conversation && local.client_id == client_id)
    }

    /// Writes the account's record, changed or not: the database is new.
    pub fn touch_meta(&mut self) {
        self.meta();
    }

    /// Stores an own message.
    pub fn put_local(&mut self, local: Local) {
        self.commit.changes.outbox = true;
        self.commit.outbox.insert(local.order, Some(Rc::new(local)));
    }

    /// Takes an own message out.
    pub fn drop_local(&mut self, order: u64) {
        self.commit.changes.outbox = true;
        self.commit.outbox.insert(order, None);
    }

    /// Stores a read mark, if it moves forward. Answers whether it does.
    pub fn put_mark(&mut self, conversation: &Rc<str>, seq: u64) -> bool {
        let read = self
            .db
            .list
            .get(conversation)
            .and_then(|c| c.read_seq)
            .map(|s| s.0);
        let marked = self.db.marks.get(conversation).copied();
        if read.max(marked).is_some_and(|known| known >= seq) {
            return false;
        }
        self.commit.marks.insert(conversation.clone(), Some(seq));
        true
    }

    /// The server has taken this mark, or refused it: it goes, unless a later one has replaced it.
    pub fn drop_mark(&mut self, conversation: &Rc<str>, seq: u64) {
        if self.db.marks.get(conversation) == Some(&seq) {
            self.commit.marks.insert(conversation.clone(), None);
        }
    }

    /// Remembers when a conversation was opened (R13 evicts the least recently opened).
    pub fn put_opened(&mut self, conversation: &Rc<str>, at: u64) {
        self.commit.opened.insert(conversation.clone(), Some(at));
    }

    // ------------------------------------------------------------ blocks

    fn load(&mut self, id: &BlockId) -> Result<&mut Block> {
        if !matches!(self.commit.blocks.get(id), Some(Some(_))) {
            let Some(block) = self.db.cached(id) else {
                return Err(Stop::Need(vec![id.clone()]));
            };
            self.commit
                .blocks
                .insert(id.clone(), Some(Block::clone(&block)));
        }
        match self.commit.blocks.get_mut(id) {
            Some(Some(block)) => Ok(block),
            _ => Err(Stop::Void),
        }
    }

    /// The block in which this position is, or would be, if it lies between a block's ends.
    fn block_at(&mut self, conversation: &Rc<str>, seq: u64) -> Option<BlockRef> {
        let held = self.held(conversation);
        let at = held.blocks.partition_point(|b| b.hi < seq);
        held.blocks.get(at).copied().filter(|b| b.lo <= seq)
    }

    /// The message held at this position.
    fn message_at(&mut self, conversation: &Rc<str>, seq: u64) -> Result<Option<Rc<Message>>> {
        let Some(b) = self.block_at(conversation, seq) else {
            return Ok(None);
        };
        let block = self.load(&(conversation.clone(), b.lo))?;
        Ok(block
            .binary_search_by_key(&seq, |m| m.seq.0)
            .ok()
            .map(|i| block[i].clone()))
    }

    /// All blocks that these messages touch, read at once and not one after another.
    fn need(&mut self, messages: &[Rc<Message>]) -> Result<()> {
        let mut missing = Set::new();
        for m in messages {
            if let Some(b) = self.block_at(&m.conversation, m.seq.0) {
                let id = (m.conversation.clone(), b.lo);
                if !self.commit.blocks.contains_key(&id) && self.db.cached(&id).is_none() {
                    missing.add(id);
                }
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Stop::Need(missing.into_keys().collect()))
        }
    }

    /// Puts a message where it belongs in its segment. The higher version wins; a message that is
    /// there already changes nothing (R10).
    fn hold(&mut self, m: &Rc<Message>) -> Result<()> {
        let id = m.conversation.clone();
        let seq = m.seq.0;
        let held = self.held(&id);
        let Some(segment) = held.segments.containing(seq).cloned() else {
            return Ok(());
        };
        let at = held.blocks.partition_point(|b| b.lo <= seq);
        let below = at
            .checked_sub(1)
            .map(|i| held.blocks[i])
            .filter(|b| b.lo >= segment.lo);
        let above = held.blocks.get(at).copied().filter(|b| b.lo <= segment.hi);
        let roomy = |b: &BlockRef| {
            (b.count as usize) < block::FULL && (b.bytes as usize) < block::FULL_BYTES
        };
        match (below, above) {
            (Some(b), _) if seq <= b.hi => return self.hold_within(m, at - 1),
            (Some(b), _) if roomy(&b) => {
                self.load(&(id.clone(), b.lo))?.push(m.clone());
                self.grew(&id, at - 1, m);
            }
            (_, Some(b)) if roomy(&b) => {
                // Its first message, and so its key, changes.
                let old = (id.clone(), b.lo);
                self.load(&old)?;
                let Some(Some(mut block)) = self.commit.blocks.insert(old, None) else {
                    return Err(Stop::Void);
                };
                block.insert(0, m.clone());
                self.commit.blocks.insert((id.clone(), seq), Some(block));
                self.grew(&id, at, m);
            }
            _ => {
                self.commit
                    .blocks
                    .insert((id.clone(), seq), Some(vec![m.clone()]));
                let weight = block::weight(m) as u32;
                let entry = BlockRef {
                    lo: seq,
                    hi: seq,
                    count: 1,
                    bytes: weight,
                };
                self.held(&id).blocks.insert(at, entry);
            }
        }
        self.change(&id).inserted.push(m.clone());
        self.settle(m);
        Ok(())
    }

    /// [`Tx::hold`] between the ends of a block.
    fn hold_within(&mut self, m: &Rc<Message>, at: usize) -> Result<()> {
        let id = m.conversation.clone();
        let entry = self.held(&id).blocks[at];
        let block = self.load(&(id.clone(), entry.lo))?;
        match block.binary_search_by_key(&m.seq, |held| held.seq) {
            Ok(i) => {
                let newer = block[i].version < m.version || block[i].id != m.id;
                if newer || Fault::OlderPageWins.on() {
                    block[i] = m.clone();
                    self.change(&id).updated.push(m.clone());
                }
            }
            Err(i) => {
                block.insert(i, m.clone());
                let split = (block.len() > block::FULL).then(|| block.split_off(block.len() / 2));
                self.grew(&id, at, m);
                if let Some(upper) = split {
                    self.split(&id, at, upper);
                }
                self.change(&id).inserted.push(m.clone());
            }
        }
        self.settle(m);
        Ok(())
    }

    /// A message was added to the block at this place of the index.
    fn grew(&mut self, id: &Rc<str>, at: usize, m: &Message) {
        let entry = &mut self.held(id).blocks[at];
        entry.lo = entry.lo.min(m.seq.0);
        entry.hi = entry.hi.max(m.seq.0);
        entry.count += 1;
        entry.bytes = entry.bytes.saturating_add(block::weight(m) as u32);
    }

    /// The upper half of a block that has become too large.
    fn split(&mut self, id: &Rc<str>, at: usize, upper: Block) {
        let entry = self.held(id).blocks[at];
        let moved = BlockRef {
            lo: upper[0].seq.0,
            hi: entry.hi,
            count: upper.len() as u32,
            bytes: entry.bytes / 2,
        };
        let lower = match self.commit.blocks.get(&(id.clone(), entry.lo)) {
            Some(Some(lower)) => lower.last().map_or(entry.lo, |m| m.seq.0),
            _ => entry.lo,
        };
        let held = self.held(id);
        held.blocks[at] = BlockRef {
            hi: lower,
            count: entry.count - moved.count,
            bytes: entry.bytes / 2,
            ..entry
        };
        held.blocks.insert(at + 1, moved);
        self.commit
            .blocks
            .insert((id.clone(), moved.lo), Some(upper));
    }

    /// R8: an own message goes when the message itself is held.
    fn settle(&mut self, m: &Rc<Message>) {
        if Fault::LocalStaysBesideItself.on() {
            return;
        }
        for local in self.locals() {
            let same_name = m.client_id.as_deref() == Some(&*local.client_id);
            let same_id = local.message.as_ref().is_some_and(|sent| sent.id == m.id);
            if local.conversation == m.conversation && (same_name || same_id) {
                // Delivered twice: the first was trimmed before its answer came. Both are it.
                let twin = local.message.clone().filter(|sent| sent.id != m.id);
                for message in [Some(m.clone()), twin].into_iter().flatten() {
                    self.commit.changes.synced.push((local.key(), message));
                }
                self.drop_local(local.order);
            }
        }
    }

    /// Drops a conversation's segments and blocks; its state and the own messages stay.
    pub fn clear(&mut self, id: &Rc<str>) {
        let held = self.held(id);
        held.segments.clear();
        held.blocks.clear();
        held.last_known = None;
        self.commit.blocks.retain(|(of, _), _| of != id);
        self.commit.cleared.add(id.clone());
        self.change(id).cleared = true;
    }

    /// Cuts what is older than `before` out of the blocks.
    fn cut_below(&mut self, id: &Rc<str>, before: u64) -> Result<()> {
        let gone = self.held(id).blocks.partition_point(|b| b.hi < before);
        let dropped: Vec<BlockRef> = self.held(id).blocks.drain(..gone).collect();
        for b in dropped {
            self.commit.blocks.insert((id.clone(), b.lo), None);
        }
        let Some(first) = self
            .held(id)
            .blocks
            .first()
            .copied()
            .filter(|b| b.lo < before)
        else {
            return Ok(());
        };
        let old = (id.clone(), first.lo);
        self.load(&old)?;
        let Some(Some(mut block)) = self.commit.blocks.insert(old, None) else {
            return Err(Stop::Void);
        };
        block.retain(|m| m.seq.0 >= before);
        let held = self.held(id);
        match block.first().map(|m| m.seq.0) {
            Some(lo) => {
                held.blocks[0].lo = lo;
                held.blocks[0].count = block.len() as u32;
                self.commit.blocks.insert((id.clone(), lo), Some(block));
            }
            None => _ = held.blocks.remove(0),
        }
        Ok(())
    }

    // ------------------------------------------------------------ batches

    /// A batch (R1, R2, R3, R4, R7, R9): `Void` if its request's cursor is not the applied one any
    /// more. `whole`: nothing before it is missing; else, pushed into a mailbox's client, it counts
    /// only where each new message follows the live end, and is `Void` otherwise.
    pub fn batch(&mut self, part: &Part, policy: Policy, whole: bool) -> Result<()> {
        if self.db.cursor(&part.feed) != part.asked.as_deref() && !Fault::CursorIsNotCompared.on() {
            return Err(Stop::Void);
        }
        let events = self.news(&part.batch);
        if !Fault::OverflowAfterEvents.on() {
            self.overflow(part, &events, policy);
        }
        let touched: Vec<Rc<Message>> = events
            .iter()
            .filter_map(|event| match event {
                Event::Message { message, .. } | Event::Update(message) => Some(message.clone()),
                _ => None,
            })
            .collect();
        self.need(&touched)?;
        for event in &events {
            match event {
                Event::Message { message, prev } if !whole && !self.follows(message, *prev) => {
                    return Err(Stop::Void);
                }
                Event::Message { message, prev } => self.new_message(message, *prev)?,
                Event::Update(message) => {
                    if self.update(message)? {
                        self.commit.changes.updates.push(message.clone());
                    }
                }
                Event::Conversation(patch) => self.patch(patch),
                Event::Removed(id) => self.removed(id),
                Event::Trim {
                    conversation,
                    before,
                } => self.trim(conversation, before.0)?,
            }
            self.clear_suspicion(event.conversation());
        }
        if Fault::OverflowAfterEvents.on() {
            self.overflow(part, &events, policy);
        }
        self.begin();
        match &part.feed {
            Feed::Account => self.meta().cursor.clone_from(&part.batch.cursor),
            Feed::Conversation(id) => {
                // One that the account has left has none.
                let left = matches!(events.last(), Some(Event::Removed(_)));
                let cursor = part.batch.cursor.clone().filter(|_| !left);
                self.commit.cursors.insert(id.clone(), cursor);
            }
            Feed::Mailbox => {}
        }
        self.commit.changes.events.extend(events);
        Ok(())
    }

    /// The first sign-in, also of a server that does not call it an overflow, or of an account without
    /// conversations: the list is owed.
    pub fn begin(&mut self) {
        if !self.db.meta.begun {
            let meta = self.meta();
            meta.begun = true;
            meta.owed = true;
            self.commit.cursors_cleared = true;
        }
    }

    /// The events of a batch without the deliveries that were applied before (R10). What is left
    /// counts as applied.
    fn news(&mut self, batch: &Batch) -> Vec<Event> {
        let mut events = Vec::with_capacity(batch.events.len());
        for incoming in &batch.events {
            if let Some(name) = &incoming.delivery {
                if self.db.delivered.contains(name) {
                    continue;
                }
                if !Fault::DeliveriesAreForgotten.on() && !self.commit.deliveries.add(name.clone())
                {
                    continue;
                }
            }
            events.extend(incoming.event.clone());
        }
        events
    }

    /// Whether a message is the next one of its conversation, as far as anything is known of it.
    fn follows(&mut self, m: &Rc<Message>, prev: Prev) -> bool {
        let held = self.held(&m.conversation);
        match (held.segments.live(), prev) {
            (None, _) => true,
            (Some(live), Prev::At(prev)) => prev <= live.hi,
            (Some(live), Prev::Nothing) => live.start,
            (Some(_), Prev::Unknown) => false,
        }
    }

    /// R4, before the events of the same batch.
    fn overflow(&mut self, part: &Part, events: &[Event], policy: Policy) {
        // Where nothing was applied before, what is held is of another time, or another scope.
        let first = match part.feed {
            Feed::Mailbox => !self.db.meta.begun,
            _ => part.asked.is_none(),
        };
        let implied = match &part.feed {
            Feed::Conversation(id) if self.db.meta.begun => Overflow::Of(vec![id.clone()]),
            _ => Overflow::All,
        };
        let said = match (&part.feed, &part.batch.overflow) {
            // It is about the one conversation, however it is put.
            (Feed::Conversation(_), Some(_)) => Some(&implied),
            (_, said) => said.as_ref(),
        };
        let overflow = match said {
            Some(overflow) => overflow,
            None if first && !self.db.held.is_empty() => &implied,
            None => return,
        };
        let concerned: Vec<Rc<str>> = match overflow {
            Overflow::All => self.db.held.keys().cloned().collect(),
            Overflow::Of(ids) => ids.clone(),
        };
        // Without a cursor nobody can say what has changed since: it is fetched again.
        let since = part.asked.clone().unwrap_or_default();
        for id in &concerned {
            if Fault::OutboxGoesWithTheOverflow.on() {
                self.locals().iter().for_each(|l| self.drop_local(l.order));
            }
            match policy {
                Policy::Clear => self.clear(id),
                Policy::Keep => self.keep(id, &since),
            }
        }
        let mut stated = Set::new();
        stated.add_all(events.iter().filter_map(|event| match event {
            Event::Conversation(patch) if patch.is_whole() => Some(patch.id.clone()),
            _ => None,
        }));
        let owed = match overflow {
            Overflow::All => true,
            Overflow::Of(ids) => !ids.iter().all(|id| stated.contains(id)),
        };
        if owed && !Fault::ListIsNotOwed.on() {
            self.meta().owed = true;
            self.meta().suspects.clear();
        }
        let changes = &mut self.commit.changes;
        match (&mut changes.overflow, overflow) {
            (Some(Overflow::All), _) => {}
            (Some(Overflow::Of(ids)), Overflow::Of(more)) => ids.extend(more.iter().cloned()),
            (known, _) => *known = Some(overflow.clone()),
        }
    }

    /// R4, `keep`: its segments stay, true as of `since`.
    fn keep(&mut self, id: &Rc<str>, since: &str) {
        let held = self.held(id);
        held.segments.keep(since);
        held.last_known = None;
        self.change(id).kept = true;
    }

    /// R2.
    fn new_message(&mut self, m: &Rc<Message>, prev: Prev) -> Result<()> {
        let seq = m.seq.0;
        let held = self.held(&m.conversation);
        let newest_seen = held.seen.is_none_or(|seen| seq > seen);
        let after_state = held
            .last_known
            .is_some_and(|last| last.is_none_or(|last| seq > last));
        held.seen = held.seen.max(Some(seq));
        let kept = held.segments.kept(0, u64::MAX);
        let proven = newest_seen && after_state || Fault::UnprovenIsLive.on();
        let placed = held.segments.new_message(seq, prev, proven);
        if placed {
            self.swallow_kept(m, &kept)?;
            let before = self.change(&m.conversation).inserted.len();
            let synced = self.commit.changes.synced.len();
            self.hold(m)?;
            let own = self.commit.changes.synced.len() > synced;
            if self.change(&m.conversation).inserted.len() > before && !own {
                self.commit.changes.messages.push(m.clone());
            }
        }
        if Fault::UnreadIsCounted.on() {
            self.count_unread(m);
        }
        // A repetition can be of a newer version than what is held, shown or a `lastMessage`.
        self.newer_elsewhere(m);
        Ok(())
    }

    /// R3. Answers whether a copy was replaced.
    pub fn update(&mut self, m: &Rc<Message>) -> Result<bool> {
        let mut replaced = self.newer_elsewhere(m);
        // Every update is handed on: an open timeline may show a copy that is not held.
        self.change(&m.conversation).updated.push(m.clone());
        if let Some(held) = self.message_at(&m.conversation, m.seq.0)?
            && held.id == m.id
            && (held.version < m.version || Fault::OlderUpdateWins.on())
        {
            let id = m.conversation.clone();
            if let Some(b) = self.block_at(&id, m.seq.0) {
                let block = self.load(&(id, b.lo))?;
                if let Ok(i) = block.binary_search_by_key(&m.seq, |held| held.seq) {
                    block[i] = m.clone();
                }
            }
            replaced = true;
        }
        for local in self.locals() {
            if local
                .message
                .as_ref()
                .is_some_and(|sent| sent.id == m.id && sent.version < m.version)
            {
                self.put_local(Local {
                    message: Some(m.clone()),
                    ..Local::clone(&local)
                });
            }
        }
        Ok(replaced)
    }

    /// R3, of a `lastMessage`.
    fn newer_elsewhere(&mut self, m: &Rc<Message>) -> bool {
        let Some(state) = self.state(&m.conversation) else {
            return false;
        };
        let older = state
            .last_message
            .as_ref()
            .is_some_and(|l| l.id == m.id && l.version < m.version);
        if older && !Fault::LastMessageStays.on() {
            let state = Conversation {
                last_message: Some(m.clone()),
                ..Conversation::clone(&state)
            };
            self.set_state(&m.conversation, Some(state));
        }
        older
    }

    /// R11: the conversation's state, mirrored.
    fn patch(&mut self, patch: &Patch) {
        let mut state = match self.state(&patch.id) {
            Some(state) => Conversation::clone(&state),
            None => Conversation::new(patch.id.clone()),
        };
        let before = self.state(&patch.id);
        patch.apply(&mut state);
        if before.as_deref() != Some(&state) {
            self.set_state(&patch.id, Some(state));
        }
        if let Some(last) = patch.last_seq {
            let last = last.map(|seq| seq.0);
            let held = self.held(&patch.id);
            // A mailbox may deliver an older state after a newer one was read: what was seen stays.
            held.seen = held.seen.max(last);
            if held.last_known != Some(last) {
                held.last_known = Some(last);
            }
        }
    }

    fn removed(&mut self, id: &Rc<str>) {
        self.clear(id);
        if self.state(id).is_some() {
            self.set_state(id, None);
        }
        self.commit.held.insert(id.clone(), Held::default());
        self.commit.cursors.insert(id.clone(), None);
        self.commit.marks.insert(id.clone(), None);
        self.commit.opened.insert(id.clone(), None);
        let change = self.change(id);
        change.removed = true;
        // What came before in the same batch is gone with it.
        change.inserted.clear();
        change.updated.clear();
        self.commit
            .changes
            .messages
            .retain(|m| m.conversation != *id);
        self.commit
            .changes
            .updates
            .retain(|m| m.conversation != *id);
        for local in self.locals() {
            if local.conversation != *id {
                continue;
            }
            match local.state {
                LocalState::Queued => self.put_local(Local {
                    state: LocalState::Failed,
                    error: Some(Error::new(
                        ErrorCode::Forbidden,
                        "the account has left this conversation",
                    )),
                    ..Local::clone(&local)
                }),
                LocalState::Sent => self.passed(&local),
                LocalState::Failed => {}
            }
        }
    }

    /// What was sent is gone with what was before it, or with its conversation. If an older batch, or
    /// the conversation's return, brings it all the same, it is known by its key.
    fn passed(&mut self, local: &Local) {
        let sent = local.message.as_ref().map(|m| (local.key(), m.clone()));
        self.commit.changes.synced.extend(sent);
        self.drop_local(local.order);
    }

    fn trim(&mut self, id: &Rc<str>, before: u64) -> Result<()> {
        self.cut_below(id, before)?;
        self.held(id).segments.trim(before);
        let change = self.change(id);
        change.trimmed = change.trimmed.max(Some(before));
        change.inserted.retain(|m| m.seq.0 >= before);
        let stays = |m: &Rc<Message>| m.conversation != *id || m.seq.0 >= before;
        self.commit.changes.messages.retain(stays);
        self.commit.changes.updates.retain(stays);
        for local in self.locals() {
            let passed = local
                .message
                .as_ref()
                .is_some_and(|sent| sent.seq.0 < before);
            if local.conversation == *id && local.state == LocalState::Sent && passed {
                self.passed(&local);
            }
        }
        Ok(())
    }

    fn clear_suspicion(&mut self, id: &Rc<str>) {
        let suspects = self
            .commit
            .meta
            .as_ref()
            .map_or(&self.db.meta.suspects, |meta| &meta.suspects);
        // In order, as `list_page` has left them.
        if let Ok(i) = suspects.binary_search_by(|s| (**s).cmp(id)) {
            self.meta().suspects.remove(i);
        }
    }

    // ------------------------------------------------------------ pages

    /// A page (R5), with the events committed since it was asked for (R7).
    pub fn page(
        &mut self,
        id: &Rc<str>,
        place: Place,
        page: &Page,
        journal: &[Event],
    ) -> Result<()> {
        let mut messages = Map::new();
        for m in &page.messages {
            messages.insert(m.seq.0, m.clone());
        }
        let Some(mut cover) = self.cover(id, place, page) else {
            return Ok(());
        };
        cover.start |= Fault::StartAtEveryPage.on();
        for event in journal {
            match event {
                Event::Message { message, .. } => {
                    let seq = message.seq.0;
                    if seq > cover.hi && cover.end && !Fault::LiveWithoutReplay.on() {
                        cover.hi = seq;
                    }
                    if cover.lo <= seq && seq <= cover.hi {
                        newer(&mut messages, message, true);
                    }
                }
                Event::Update(message) => newer(&mut messages, message, false),
                Event::Trim { .. } if Fault::TrimClipsNoPage.on() => {}
                // What is committed after it, below it, is there again.
                Event::Trim { before, .. } => {
                    let before = before.0;
                    messages = messages.split_off(&before);
                    if before > cover.lo {
                        cover.lo = 0;
                        cover.start = true;
                    }
                    if before > cover.hi {
                        if !cover.end {
                            return Ok(());
                        }
                        cover.hi = before - 1;
                    }
                }
                Event::Conversation(_) | Event::Removed(_) => {}
            }
        }
        let kept = self.held(id).segments.kept(cover.lo, cover.hi);
        self.drop_unlisted(id, &kept, &messages)?;
        let messages: Vec<Rc<Message>> = messages.into_values().collect();
        self.need(&messages)?;
        let held = self.held(id);
        held.seen = held.seen.max(messages.last().map(|m| m.seq.0));
        held.segments.page(cover);
        self.align(id)?;
        self.change(id);
        // From the side where the segment goes on, so that blocks fill up.
        if matches!(place, Place::Before(_)) {
            for m in messages.iter().rev() {
                self.hold(m)?;
            }
        } else {
            for m in &messages {
                self.hold(m)?;
            }
        }
        for m in &messages {
            self.newer_elsewhere(m);
        }
        self.drop_trimmed(id);
        Ok(())
    }

    /// What changed in the kept segments of `[from, to]` since their cursor (R12), with the events
    /// committed since it was asked for (R7): as far as the answer goes they are fresh again.
    pub fn changes(
        &mut self,
        id: &Rc<str>,
        since: &str,
        (from, to): (u64, u64),
        answer: &Changed,
        journal: &[Event],
    ) -> Result<()> {
        let last = answer.messages.last().map(|m| m.seq.0);
        let hi = match last {
            Some(last) if answer.has_more => last.min(to),
            _ => to,
        };
        let mut messages = Map::new();
        for m in &answer.messages {
            messages.insert(m.seq.0, m.clone());
        }
        for event in journal {
            match event {
                Event::Message { message, .. } => newer(&mut messages, message, true),
                Event::Update(message) => newer(&mut messages, message, false),
                // Cut off what is held already.
                Event::Trim { before, .. } => messages = messages.split_off(&before.0),
                Event::Conversation(_) | Event::Removed(_) => {}
            }
        }
        let kept: Vec<(u64, u64)> = self
            .held(id)
            .segments
            .iter()
            .filter(|s| s.since.as_deref() == Some(since) && s.lo <= hi && from <= s.hi)
            .map(|s| (s.lo.max(from), s.hi.min(hi)))
            .collect();
        // What a page has covered meanwhile, or an eviction has cut off, is not the answer's.
        let inside = |m: &Rc<Message>| kept.iter().any(|(a, b)| *a <= m.seq.0 && m.seq.0 <= *b);
        let messages: Vec<Rc<Message>> = messages.into_values().filter(inside).collect();
        self.need(&messages)?;
        self.held(id).segments.revalidate(from, hi, since);
        self.align(id)?;
        // Also where nothing has changed: it is fresh now.
        self.change(id);
        for m in &messages {
            self.hold(m)?;
            self.newer_elsewhere(m);
        }
        self.drop_trimmed(id);
        Ok(())
    }

    /// The server cannot say what changed in the kept segments of this range (R12): they go, and are
    /// fetched again.
    pub fn drop_kept(&mut self, id: &Rc<str>, since: &str, (from, to): (u64, u64)) -> Result<()> {
        if Fault::GoneIsFresh.on() {
            self.held(id).segments.revalidate(from, to, since);
        }
        self.held(id).segments.drop_kept(from, to, since);
        self.align(id)?;
        self.change(id).cleared = true;
        Ok(())
    }

    /// R2: a new message says what is next to it. What was kept there, and is not it, is gone.
    fn swallow_kept(&mut self, m: &Rc<Message>, kept: &[(u64, u64)]) -> Result<()> {
        if kept.is_empty() {
            return Ok(());
        }
        let id = m.conversation.clone();
        let segments = &self.held(&id).segments;
        let Some(s) = segments.containing(m.seq.0).filter(|s| s.fresh()) else {
            return Ok(());
        };
        let (lo, hi) = (s.lo, s.hi);
        let inside = kept.iter().filter(|(a, b)| *a <= hi && lo <= *b);
        let inside: Vec<(u64, u64)> = inside.map(|(a, b)| (*a.max(&lo), *b.min(&hi))).collect();
        let mut listed = Map::new();
        listed.insert(m.seq.0, m.clone());
        self.drop_unlisted(&id, &inside, &listed)?;
        self.align(&id)
    }

    /// R5: of what was kept, a page leaves nothing that it does not have itself.
    fn drop_unlisted(
        &mut self,
        id: &Rc<str>,
        kept: &[(u64, u64)],
        listed: &Map<u64, Rc<Message>>,
    ) -> Result<()> {
        if Fault::KeptStaysInsideThePage.on() {
            return Ok(());
        }
        for (a, b) in kept.iter().copied() {
            let mut at = self.held(id).blocks.partition_point(|block| block.hi < a);
            while let Some(entry) = self.held(id).blocks.get(at).copied() {
                if entry.lo > b {
                    break;
                }
                let key = (id.clone(), entry.lo);
                let block = self.load(&key)?;
                let listed = |m: &Rc<Message>| {
                    let seq = m.seq.0;
                    seq < a || seq > b || listed.contains_key(&seq)
                };
                let gone = block.iter().filter(|m| !listed(m)).map(|m| m.seq.0);
                let gone: Vec<u64> = gone.collect();
                if gone.is_empty() {
                    at += 1;
                    continue;
                }
                block.retain(listed);
                let left = block.clone();
                self.commit.blocks.insert(key, None);
                self.change(id).gone.extend(gone);
                let blocks = &mut self.held(id).blocks;
                let (Some(first), Some(last)) = (left.first(), left.last()) else {
                    blocks.remove(at);
                    continue;
                };
                blocks[at] = BlockRef {
                    lo: first.seq.0,
                    hi: last.seq.0,
                    count: left.len() as u32,
                    ..entry
                };
                let key = (id.clone(), first.seq.0);
                self.commit.blocks.insert(key, Some(left));
                at += 1;
            }
        }
        Ok(())
    }

    /// Blocks follow their segments: one that lies across an end is split there, what lies in none
    /// goes. Only kept segments are ever cut through (R5, R12).
    fn align(&mut self, id: &Rc<str>) -> Result<()> {
        let mut at = 0;
        while let Some(entry) = self.held(id).blocks.get(at).copied() {
            let segments = &self.held(id).segments;
            let split = match segments.containing(entry.lo) {
                Some(s) if s.hi >= entry.hi => {
                    at += 1;
                    continue;
                }
                Some(s) => s.hi + 1,
                None => match segments.iter().find(|s| s.lo > entry.lo) {
                    Some(s) if s.lo <= entry.hi => s.lo,
                    _ => {
                        self.held(id).blocks.remove(at);
                        self.commit.blocks.insert((id.clone(), entry.lo), None);
                        continue;
                    }
                },
            };
            let block = self.load(&(id.clone(), entry.lo))?;
            let upper = block.split_off(block.partition_point(|m| m.seq.0 < split));
            self.split(id, at, upper);
        }
        Ok(())
    }

    /// What a page covers. Of `before` and `after` only what they were asked for counts: that nothing
    /// is newer is a latest page's to say, that nothing is older not a page's above what is held.
    fn cover(&mut self, id: &Rc<str>, place: Place, page: &Page) -> Option<Cover> {
        let first = page.messages.first().map(|m| m.seq.0);
        let last = page.messages.last().map(|m| m.seq.0);
        Some(match place {
            Place::Before(x) => {
                let hi = x.0.checked_sub(1)?;
                let start = !page.has_before;
                Cover {
                    lo: if start { 0 } else { first? },
                    hi,
                    start,
                    end: false,
                }
            }
            Place::After(x) => {
                let held = self.held(id).segments.containing(x.0)?;
                // Of a kept one it says nothing: it begins above it.
                let lo = match held.fresh() {
                    true => held.hi.max(x.0),
                    false => x.0.checked_add(1)?,
                };
                let end = !page.has_after;
                Cover {
                    lo,
                    hi: last.unwrap_or(lo).max(lo),
                    start: false,
                    end,
                }
            }
            Place::Latest | Place::Around(_) | Place::At(_) => {
                let start = !page.has_before;
                Cover {
                    lo: if start { 0 } else { first? },
                    hi: last.unwrap_or(0),
                    start,
                    end: !page.has_after,
                }
            }
        })
    }

    // ------------------------------------------------------------ the list

    /// A page of the owed list (R11): `journal` has the events applied since the list began, `named`
    /// the conversations that its earlier pages listed.
    pub fn list_page(&mut self, page: &ListPage, named: &Set<Rc<str>>, journal: &[Event]) {
        // By conversation, each one's in their order: many of both would take long to compare.
        let about = |i: &usize| journal[*i].conversation();
        let sorted = order(journal.len(), &|a, b| about(&a) < about(&b));
        let since = |id: &Rc<str>| {
            let from = sorted.partition_point(|i| about(i) < id);
            let events = sorted[from..].iter().take_while(|i| about(i) == id);
            events.map(|i| &journal[*i]).collect::<Vec<_>>()
        };
        for patch in &page.conversations {
            let id = &patch.id;
            self.patch(patch);
            if Fault::ListWinsOverEvents.on() {
                continue;
            }
            // Events applied since it began win over it.
            for event in since(id) {
                match event {
                    Event::Conversation(patch) => self.patch(patch),
                    Event::Update(m) | Event::Message { message: m, .. } => {
                        _ = self.newer_elsewhere(m)
                    }
                    Event::Removed(_) => {
                        self.set_state(id, None);
                        self.held(id).last_known = None;
                    }
                    Event::Trim { .. } => {}
                }
            }
        }
        if page.next.is_some() {
            return;
        }
        // Also what is held of one that is in no list.
        let mut known = Set::new();
        known.add_all(self.db.list.keys().cloned());
        known.add_all(self.db.held.keys().cloned());
        let mut listed = Set::new();
        listed.add_all(page.conversations.iter().map(|patch| patch.id.clone()));
        let lacking: Vec<String> = known
            .keys()
            .filter(|id| !named.contains(*id))
            .filter(|id| !listed.contains(*id))
            .filter(|id| since(id).is_empty())
            .map(|id| id.to_string())
            .collect();
        let meta = self.meta();
        meta.owed = false;
        meta.listed = true;
        meta.suspects = lacking;
    }

    /// R11: a pull begun after the list's last page has caught up, and no event named these. Of
    /// `unnamed`, a pull of all conversations has brought no batch either: those that still have no
    /// cursor are gone too.
    pub fn remove_suspects(&mut self, paid: bool, unnamed: &[Rc<str>]) {
        let mut gone: Vec<Rc<str>> = Vec::new();
        if paid {
            let suspects = std::mem::take(&mut self.meta().suspects);
            gone.extend(suspects.into_iter().map(Rc::from));
        }
        let left = |id: &&Rc<str>| !self.db.cursors.contains_key(*id);
        gone.extend(unnamed.iter().filter(left).cloned());
        for id in gone.iter().filter(|_| !Fault::SuspectsStay.on()) {
            self.removed(id);
        }
    }

    // ------------------------------------------------------------ own messages

    /// The server has taken an own message (R8): it is "sent" until the sync brings it, or gone if
    /// the sync has done so before.
    pub fn sent(&mut self, order: u64, m: &Rc<Message>) -> Result<()> {
        let Some(local) = self.local(order) else {
            return Ok(());
        };
        if Fault::LocalGoesWhenSent.on() {
            self.drop_local(order);
            return Ok(());
        }
        let in_segment = self
            .held(&m.conversation)
            .segments
            .containing(m.seq.0)
            .is_some();
        if in_segment
            && self
                .message_at(&m.conversation, m.seq.0)?
                .is_some_and(|held| held.id == m.id)
        {
            self.commit.changes.synced.push((local.key(), m.clone()));
            self.drop_local(order);
            self.newer_elsewhere(m);
            return Ok(());
        }
        self.put_local(Local {
            state: LocalState::Sent,
            message: Some(m.clone()),
            error: None,
            ..Local::clone(&local)
        });
        self.drop_trimmed(&m.conversation);
        Ok(())
    }

    /// What was sent and stands before the first message that there is: a trim has passed it, and no
    /// event will bring it.
    fn drop_trimmed(&mut self, id: &Rc<str>) {
        for local in self.locals() {
            let Some(m) = local.message.as_ref().filter(|m| m.conversation == *id) else {
                continue;
            };
            let held = self.held(id);
            let start = held.segments.containing(m.seq.0).is_some_and(|s| s.start);
            let first = held.blocks.first().map(|b| b.lo);
            if start && first.is_none_or(|first| m.seq.0 < first) {
                self.passed(&local);
            }
        }
    }

    // ------------------------------------------------------------ eviction

    /// R13: drops up to `count` messages' worth of blocks, the least recently opened conversations'
    /// oldest first. `shown`: the oldest position that an open timeline shows, by conversation; from
    /// there on nothing is touched. Answers how many messages went.
    pub fn evict(&mut self, count: u64, shown: &Map<Rc<str>, u64>) -> u64 {
        let ids: Vec<(bool, u64, Rc<str>)> = self
            .db
            .held
            .iter()
            .filter(|(_, held)| !held.blocks.is_empty())
            .map(|(id, _)| {
                let opened = self.db.opened.get(id).copied().unwrap_or(0);
                (shown.contains_key(id), opened, id.clone())
            })
            .collect();
        let mut gone = 0;
        for i in order(ids.len(), &|a, b| ids[a] < ids[b]) {
            let id = ids[i].2.clone();
            while gone < count {
                let held = self.held(&id);
                let Some(oldest) = held.blocks.first().copied() else {
                    break;
                };
                let needed = shown.get(&id).is_some_and(|shown| oldest.hi >= *shown);
                if needed && !Fault::ShownIsEvicted.on() {
                    break;
                }
                held.blocks.remove(0);
                let next = held.blocks.first().map(|b| b.lo);
                let segment = held.segments.containing(oldest.lo).cloned();
                match (segment, next) {
                    _ if Fault::EvictionLeavesTheSegment.on() => {}
                    (Some(segment), Some(next)) if segment.contains(next) => {
                        // What is left reaches down to just above what went: that nothing lies
                        // between is still known.
                        held.segments.evict_below(oldest.hi + 1);
                    }
                    _ => held.segments.drop_containing(oldest.lo),
                }
                self.commit.blocks.insert((id.clone(), oldest.lo), None);
                gone += u64::from(oldest.count);
            }
        }
        gone
    }
}

/// The higher version wins; `add`: also where there was none.
fn newer(messages: &mut Map<u64, Rc<Message>>, m: &Rc<Message>, add: bool) {
    match messages.get_mut(&m.seq.0) {
        Some(held) if held.id == m.id && held.version < m.version => *held = m.clone(),
        Some(_) => {}
        None if add => _ = messages.insert(m.seq.0, m.clone()),
        None => {}
    }
}

impl Commit {
    /// The writes of the one transaction.
    pub fn writes(&mut self, db: &Db) -> Vec<Write> {
        let mut writes = Vec::new();
        for id in self.cleared.keys() {
            writes.push(Write::DeleteRange {
                table: Table::Blocks,
                lo: records::block_key(id, 0),
                hi: records::block_key(id, u64::MAX),
            });
        }
        for ((id, lo), block) in &self.blocks {
            let key = records::block_key(id, *lo);
            match block {
                Some(block) => {
                    let unchanged = !self.cleared.contains(id)
                        && db
                            .peek(&(id.clone(), *lo))
                            .is_some_and(|held| *held == *block);
                    if unchanged {
                        // Something came and went again: the index has estimated what stayed.
                        let bytes = db
                            .held(id)
                            .blocks
                            .iter()
                            .find(|b| b.lo == *lo)
                            .map(|b| b.bytes);
                        let index = self.held.get_mut(id).map(|held| &mut held.blocks);
                        let entry =
                            index.and_then(|blocks| blocks.iter_mut().find(|b| b.lo == *lo));
                        if let (Some(entry), Some(bytes)) = (entry, bytes) {
                            entry.bytes = bytes;
                        }
                        continue;
                    }
                    let value = block::encode(id, block);
                    if let Some(held) = self.held.get_mut(id)
                        && let Ok(at) = held.blocks.binary_search_by_key(lo, |b| b.lo)
                    {
                        held.blocks[at].bytes = value.len() as u32;
                    }
                    writes.push(Write::Put {
                        table: Table::Blocks,
                        key,
                        value,
                    });
                }
                None => writes.push(Write::Delete {
                    table: Table::Blocks,
                    key,
                }),
            }
        }
        for (id, held) in &self.held {
            if db.held.get(id).is_some_and(|old| **old == *held) {
                continue;
            }
            let key = records::conversation_key(id);
            writes.push(if *held == Held::default() {
                Write::Delete {
                    table: Table::Segments,
                    key,
                }
            } else {
                Write::Put {
                    table: Table::Segments,
                    key,
                    value: records::write_held(id, held),
                }
            });
        }
        for (id, state) in &self.list {
            let key = records::conversation_key(id);
            writes.push(match state {
                Some(state) => Write::Put {
                    table: Table::Conversations,
                    key,
                    value: records::write_conversation(state),
                },
                None => Write::Delete {
                    table: Table::Conversations,
                    key,
                },
            });
        }
        for (order, local) in &self.outbox {
            let key = records::local_key(*order);
            writes.push(match local {
                Some(local) => Write::Put {
                    table: Table::Outbox,
                    key,
                    value: records::write_local(local),
                },
                None => Write::Delete {
                    table: Table::Outbox,
                    key,
                },
            });
        }
        for (id, seq) in &self.marks {
            let key = records::mark_key(id);
            writes.push(match seq {
                Some(seq) => Write::Put {
                    table: Table::Outbox,
                    key,
                    value: records::write_mark(id, *seq),
                },
                None => Write::Delete {
                    table: Table::Outbox,
                    key,
                },
            });
        }
        for (id, at) in &self.opened {
            let key = records::opened_key(id);
            writes.push(match at {
                Some(at) => Write::Put {
                    table: Table::Meta,
                    key,
                    value: records::write_opened(id, *at),
                },
                None => Write::Delete {
                    table: Table::Meta,
                    key,
                },
            });
        }
        if self.cursors_cleared && !db.cursors.is_empty() {
            writes.push(Write::DeleteRange {
                table: Table::Meta,
                lo: records::cursor_key(""),
                hi: records::cursor_end(),
            });
        }
        for (id, cursor) in &self.cursors {
            if !self.cursors_cleared && db.cursors.get(id) == cursor.as_ref() {
                continue;
            }
            let key = records::cursor_key(id);
            writes.push(match cursor {
                Some(cursor) => Write::Put {
                    table: Table::Meta,
                    key,
                    value: records::write_cursor(id, cursor),
                },
                None => Write::Delete {
                    table: Table::Meta,
                    key,
                },
            });
        }
        if !self.deliveries.is_empty() {
            let (number, old) = self.remembered(db);
            writes.push(Write::Put {
                table: Table::Deliveries,
                key: records::deliveries_key(number),
                value: records::write_deliveries(number, self.deliveries.keys()),
            });
            writes.extend(old.into_iter().map(|number| Write::Delete {
                table: Table::Deliveries,
                key: records::deliveries_key(number),
            }));
        }
        // The cursor last, though all are one transaction: whoever reads this in order sees R9.
        if let Some(meta) = self.meta.as_ref().filter(|meta| **meta != db.meta) {
            writes.push(Write::Put {
                table: Table::Meta,
                key: records::meta_key(),
                value: records::write_meta(meta),
            });
        }
        writes
    }

    /// R10: the number of the record of these deliveries, and the records that are forgotten for it.
    fn remembered(&self, db: &Db) -> (u64, Vec<u64>) {
        let number = db.deliveries.keys().next_back().map_or(0, |last| last + 1);
        let mut count = db.delivered.len() + self.deliveries.len();
        let mut old = Vec::new();
        for (number, names) in db.deliveries.iter() {
            if count.saturating_sub(names.len()) < REMEMBERED {
                break;
            }
            count -= names.len();
            old.push(*number);
        }
        (number, old)
    }

    /// It is written: from here on it is the committed state.
    pub fn take_over(self, db: &mut Db) -> Changes {
        let (number, old) = self.remembered(db);
        for id in self.cleared.keys() {
            db.uncache_all(id);
        }
        for (id, block) in self.blocks {
            match block {
                Some(block) => db.cache(id, Rc::new(block)),
                None => db.uncache(&id),
            }
        }
        for (id, held) in self.held {
            if held == Held::default() {
                db.held.remove(&id);
            } else {
                db.held.insert(id, Rc::new(held));
            }
        }
        put_all(&mut db.list, self.list);
        put_all(&mut db.outbox, self.outbox);
        put_all(&mut db.marks, self.marks);
        put_all(&mut db.opened, self.opened);
        if !self.deliveries.is_empty() {
            for number in old {
                let names = db.deliveries.remove(&number).unwrap_or_default();
                names.iter().for_each(|name| _ = db.delivered.remove(name));
            }
            db.delivered.add_all(self.deliveries.keys().cloned());
            let names = self.deliveries.into_keys().collect();
            db.deliveries.insert(number, names);
        }
        if self.cursors_cleared {
            db.cursors.clear();
        }
        put_all(&mut db.cursors, self.cursors);
        if let Some(meta) = self.meta {
            db.meta = meta;
        }
        self.changes
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
