//! One transaction (R9): what a batch, a page or a command changes, first beside the committed state,
//! then written in one IndexedDB transaction, and only after that taken over.
//!
//! A transaction is a function of the committed state and its input. Where it needs a block that is
//! not in memory it notes that, goes on to see what else it needs, and stops with [`Stop::Need`]; all
//! of it is read together, held in memory however much it is, and the function runs again from the
//! beginning. Jobs run one at a time, so what it saw is still so when it is committed.
//!
//! | module | |
//! | --- | --- |
//! | `committed`, `cache` | the committed state: changed by a commit alone |
//! | `batch`, `page`, `list`, `own` | what may come, by the rules; what an event does stands in [`events`](super::events) |
//! | `replay` | events replayed onto what was asked for before them |
//! | `blocks` | where messages are put |
//! | `doubt` | conversations in which something may be missing |
//! | `news` | new messages of others, until a client shows them or a push tells them |
//! | `commit`, `writes` | what it all comes to, and what is written of it |
//! | `delta` | the same, as it is told to who follows |

mod batch;
mod blocks;
mod cache;
mod commit;
mod committed;
mod delta;
mod doubt;
mod list;
mod news;
mod own;
mod page;
mod replay;
mod writes;

use std::rc::Rc;

use super::block::BlockId;
use super::limits::Limits;
use super::map::Set;
use super::records::{Held, Meta};
use super::storage::Key;
use super::types::{Conversation, Message};

pub use commit::{Commit, CommitDelta, ConversationDelta};
pub use committed::{Committed, Lost, OwnRecords, read_wishes};
pub use delta::{Delta, read_delta};
pub use replay::{Listed, Replay, newer};

/// Why a transaction cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// the blocks of [`Tx::missing`] must be read first
    Need,
    /// it is void: what it was made for is over
    Void,
}

type Result<T> = std::result::Result<T, Stop>;

/// Which messages are news for a transaction.
#[derive(Debug, Default)]
pub(super) struct WhatIsNews {
    /// none: this client is on screen, and shows them
    pub shown: bool,
    /// none of its batch's events: they are from before the first cursor
    before: bool,
    /// the last message of each state that comes: what lies between was skipped
    skipped: bool,
}

/// A transaction in the making.
pub struct Tx<'a> {
    db: &'a Committed,
    limits: &'a Limits,
    missing: Set<BlockId>,
    /// conversations that are not in doubt again yet (R14)
    pub resting: Set<Rc<str>>,
    /// those that are shown, or of which something is on its way
    pub attended: Set<Rc<str>>,
    /// which messages are news (docs/rules.md, "Told once")
    pub(super) news: WhatIsNews,
    /// messages that have taken another's position, and that position
    clashes: Vec<(Rc<Message>, u64)>,
    /// what it comes to
    pub commit: Commit,
}

impl<'a> Tx<'a> {
    /// A transaction that has changed nothing yet, on the committed state.
    pub fn new(db: &'a Committed, limits: &'a Limits) -> Self {
        Tx {
            db,
            limits,
            missing: Set::new(),
            resting: Set::new(),
            attended: Set::new(),
            news: WhatIsNews::default(),
            clashes: Vec::new(),
            commit: Commit::default(),
        }
    }

    /// The blocks that must be read before it can run to its end.
    pub fn missing(self) -> impl Iterator<Item = BlockId> {
        self.missing.into_keys()
    }

    /// One step of several: where it lacks a block, the next one is tried all the same, so that all
    /// that the transaction needs is read together. What it does from there on counts for nothing.
    fn step<T>(&mut self, done: Result<T>) -> Result<Option<T>> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(Stop::Need) => Ok(None),
            Err(Stop::Void) if !self.missing.is_empty() => Ok(None),
            Err(Stop::Void) => Err(Stop::Void),
        }
    }

    /// Ends it, if it had all that it needed.
    pub fn complete(&mut self) -> Result<()> {
        if !self.missing.is_empty() {
            return Err(Stop::Need);
        }
        self.cut_news();
        Ok(())
    }

    /// The bounds of the core.
    pub(in crate::core) fn limits(&self) -> &Limits {
        self.limits
    }

    // ------------------------------------------------------------ state

    /// The account's record, to change.
    pub fn meta(&mut self) -> &mut Meta {
        let db = self.db;
        self.commit.meta.get_or_insert_with(|| db.meta().clone())
    }

    pub(in crate::core) fn held(&mut self, conversation: &Rc<str>) -> &mut Held {
        let db = self.db;
        if db.is_stray(conversation) && !self.commit.cleared.contains(conversation) {
            self.commit.cleared.add(conversation.clone());
            // Those that follow show what it was: nothing has told them that it could not be read.
            self.change(conversation).cut = true;
        }
        self.commit
            .held
            .or_insert_with(conversation.clone(), || Held::clone(&db.held(conversation)))
    }

    pub(in crate::core) fn change(&mut self, conversation: &Rc<str>) -> &mut ConversationDelta {
        self.commit
            .changes
            .conversations
            .or_default(conversation.clone())
    }

    pub(in crate::core) fn state(&self, conversation: &str) -> Option<Rc<Conversation>> {
        match self.commit.list.get(conversation) {
            Some(state) => state.clone(),
            None => self.db.state(conversation).cloned(),
        }
    }

    pub(in crate::core) fn set_state(&mut self, id: &Rc<str>, state: Option<Conversation>) {
        self.commit.changes.list = true;
        self.commit.list.insert(id.clone(), state.map(Rc::new));
    }

    /// Nothing is stored of a conversation any more but its own messages.
    pub(in crate::core) fn drop_conversation(&mut self, id: &Rc<str>) {
        self.clear(id);
        self.drop_news(id, u64::MAX);
        if self.state(id).is_some() {
            self.set_state(id, None);
        }
        let commit = &mut self.commit;
        commit.held.insert(id.clone(), Held::default());
        commit.cursors.insert(id.clone(), None);
        commit.marks.insert(id.clone(), None);
        commit.opened.insert(id.clone(), None);
    }

    /// The account's record is written, changed or not: another client could not read it.
    pub fn write_meta(&mut self) {
        self.commit.meta_anew = true;
    }

    /// What could not be read of a conversation's state goes, and the list is owed.
    pub fn lose_state(&mut self, id: &Rc<str>) {
        // Another client could not read it; here it is known, and written anew.
        if let Some(state) = self.state(id) {
            return self.set_state(id, Some(Conversation::clone(&state)));
        }
        self.set_state(id, None);
        let begun = self.db.meta().begun;
        self.meta().owed = begun;
    }

    /// Stores a read mark, if it moves forward. Answers whether it does.
    pub fn put_mark(&mut self, conversation: &Rc<str>, seq: u64) -> bool {
        let state = self.db.state(conversation);
        let read = state.and_then(|c| c.read_seq).map(|s| s.0);
        let stored = self.db.marks().get(conversation).copied();
        let changed = self.commit.marks.get(conversation).copied();
        let marked = changed.unwrap_or(stored);
        if read.max(marked).is_some_and(|known| known >= seq) {
            return false;
        }
        self.commit.marks.insert(conversation.clone(), Some(seq));
        true
    }

    /// The server has taken this mark, or refused it: it goes, unless a later one has replaced it.
    pub fn drop_mark(&mut self, conversation: &Rc<str>, seq: u64) {
        if self.db.marks().get(conversation) == Some(&seq) {
            self.commit.marks.insert(conversation.clone(), None);
        }
    }

    /// Whether this wish waits (R15).
    pub fn is_wished(&self, key: &Key) -> bool {
        self.db.wishes().contains_key(key) && !self.commit.granted.contains(key)
    }

    /// A wish is taken up, and needs not be kept (R15).
    pub fn grant(&mut self, key: &Key) {
        self.commit.changes.outbox = true;
        self.commit.granted.add(key.clone());
    }

    /// Remembers when a conversation was opened (R13 evicts the least recently opened).
    pub fn put_opened(&mut self, conversation: &Rc<str>, at: u64) {
        self.commit.opened.insert(conversation.clone(), Some(at));
    }
}
