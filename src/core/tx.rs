//! One transaction (R9): what a batch, a page or a command changes, first beside the committed state,
//! then written in one IndexedDB transaction, and only after that taken over.
//!
//! A transaction is a function of the committed state and its input. Where it needs a block that is
//! not in memory it stops with [`Stop::Need`]; the block is read and the function runs again from
//! the beginning. Jobs run one at a time, so what it saw is still so when it is committed.
//!
//! `batch`, `page` and `list` are what may come, by the rules; `blocks` is where messages are put, and
//! `commit` what is written of it all.

mod batch;
mod blocks;
mod commit;
mod list;
mod page;

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
}
