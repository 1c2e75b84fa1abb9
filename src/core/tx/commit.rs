//! What a transaction comes to: what it changes of what is stored, and what that did.

use std::rc::Rc;

use crate::core::block::{Block, BlockId};
use crate::core::irregular::Irregular;
use crate::core::map::{Map, Set};
use crate::core::records::{self, Held, Left, Local, News, Stamp};
use crate::core::storage::Key;
use crate::core::types::{Conversation, Message, Overflow};

/// What a commit did to one conversation, for the timelines that show it.
#[derive(Debug, Default)]
pub struct ConversationDelta {
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
    /// blocks were cut out of its segments: they could not be read
    pub cut: bool,
    /// some of what was kept is fresh again; true: something had been missing there (R12)
    pub revalidated: Option<bool>,
}

/// What a commit did, for everything that is shown.
#[derive(Debug, Default)]
pub struct CommitDelta {
    /// what was done to each conversation's history
    pub conversations: Map<Rc<str>, ConversationDelta>,
    /// new messages of others, in the order they came
    pub messages: Vec<Rc<Message>>,
    /// newer versions, in the order they came
    pub updates: Vec<Rc<Message>>,
    /// what overflowed
    pub overflow: Option<Overflow>,
    /// how many events its batches had, without deliveries that were applied before (R10)
    pub events: usize,
    /// own messages that the sync has brought: the local item's key, and the message that takes it
    pub synced: Vec<(String, Rc<Message>)>,
    /// a conversation's state changed, came or went
    pub list: bool,
    /// own messages changed
    pub outbox: bool,
    /// what of its answers was not as it has to be (R14)
    pub irregular: Irregular,
    /// conversations that are in doubt from now on (R14)
    pub doubted: Vec<Rc<str>>,
    /// conversations of which the server says how far they were read
    pub read: Set<Rc<str>>,
    /// what it has told, of the one push that it was made for
    pub told: Vec<Rc<Message>>,
}

impl CommitDelta {
    /// Whether a batch has brought what was not known.
    pub fn is_progress(&self) -> bool {
        let inserted = |change: &ConversationDelta| !change.inserted.is_empty();
        let own = !self.synced.is_empty();
        self.list || own || !self.updates.is_empty() || self.conversations.values().any(inserted)
    }
}

/// What a transaction changes: to write, and to take over once it is written.
#[derive(Debug, Default)]
pub struct Commit {
    pub(super) held: Map<Rc<str>, Held>,
    /// blocks that are written anew; `None`: deleted
    pub(super) blocks: Map<BlockId, Option<Block>>,
    /// all blocks of these go, before any is written
    pub(super) cleared: Set<Rc<str>>,
    pub(super) list: Map<Rc<str>, Option<Rc<Conversation>>>,
    pub(super) outbox: Map<u64, Option<Rc<Local>>>,
    /// the place of the next own message
    pub(super) next_order: Option<u64>,
    /// own messages that leave the outbox
    pub(super) left: Vec<Left>,
    pub(super) marks: Map<Rc<str>, Option<u64>>,
    pub(super) opened: Map<Rc<str>, Option<u64>>,
    /// what a push has told, or is to tell
    pub(super) news: Option<Vec<News>>,
    /// all conversations' cursors go, before any is written
    pub(super) cursors_cleared: bool,
    pub(super) cursors: Map<Rc<str>, Option<String>>,
    /// deliveries that are applied with this commit (R10)
    pub(super) deliveries: Set<Rc<str>>,
    /// deliveries that came once more: they are about to be acknowledged, and are not forgotten before that
    pub(super) repeated: Set<Rc<str>>,
    pub(super) meta: Option<records::Meta>,
    /// the account's record is written, changed or not: the database is new
    pub(super) meta_anew: bool,
    /// the number of the deliveries' record, and the records that are forgotten for it (R10)
    pub(super) remembered: (u64, Vec<u64>),
    /// the number of the record of those that leave the outbox, and the records that are forgotten for it (R8)
    pub(super) leaving: (u64, Vec<u64>),
    /// wishes that it takes up (R15)
    pub(super) granted: Set<Key>,
    /// the commit's name (R9, R15); as before, where nothing is written
    pub(super) stamp: Stamp,
    /// what it did, for everything that is shown
    pub changes: CommitDelta,
}

impl Commit {
    /// Whether it stores messages: that needs room.
    pub fn puts_blocks(&self) -> bool {
        self.blocks.values().any(Option::is_some)
    }

    /// Whether it is about what is held of this conversation.
    pub fn touches(&self, conversation: &Rc<str>) -> bool {
        self.held.contains_key(conversation)
    }
}
