//! What the core asks of a store: ordered tables of bytes, read in one snapshot, written in one
//! transaction (R9). A store knows nothing of messages; [`super::block`] and [`super::records`] say
//! what the bytes mean.

use serde::Deserialize;

use super::error::{Error, ErrorCode};

/// Version of the tables and of what their records mean. The store migrates to it.
pub const SCHEMA: u32 = 2;

/// Which store a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "lowercase",
    expecting = "`auto`, `indexeddb` or `memory`"
)]
pub enum Mode {
    /// IndexedDB; memory where there is none, or the browser refuses it
    #[default]
    Auto,
    /// IndexedDB, or the client does not start
    IndexedDb,
    /// memory: everything is gone with the page
    Memory,
}

/// A table of the database. Each is an object store of its own in IndexedDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Cursor, schema, owed list: one record a fact.
    Meta,
    /// The server's state of a conversation, one record each.
    Conversations,
    /// Segments and block index of a conversation, one record each.
    Segments,
    /// Blocks of messages.
    Blocks,
    /// What is to be sent: messages and read marks.
    Outbox,
    /// Mailbox deliveries that were applied (R10).
    Deliveries,
    /// What clients that do not write want done, until the writer has taken it up (R15).
    Wishes,
}

impl Table {
    /// Every table, in the order of their creation.
    pub const ALL: [Table; 7] = [
        Table::Meta,
        Table::Conversations,
        Table::Segments,
        Table::Blocks,
        Table::Outbox,
        Table::Deliveries,
        Table::Wishes,
    ];

    /// The object store's name.
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Conversations => "conversations",
            Table::Segments => "segments",
            Table::Blocks => "blocks",
            Table::Outbox => "outbox",
            Table::Deliveries => "deliveries",
            Table::Wishes => "wishes",
        }
    }
}

/// A key: compared byte by byte, a prefix before what it begins (as IndexedDB compares binary keys).
pub type Key = Vec<u8>;
/// A record. It says itself what it belongs to: reads answer values without their keys.
pub type Value = Vec<u8>;

/// The answer to one [`Read`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// what could be read, in key order
    pub values: Vec<Value>,
    /// the keys of records that are there and that the store cannot read, though it can read others:
    /// in key order, and not among the values (docs/rules.md, "One bad item")
    pub unreadable: Vec<Key>,
}

impl From<Vec<Value>> for Answer {
    /// All could be read.
    fn from(values: Vec<Value>) -> Answer {
        Answer {
            values,
            unreadable: Vec::new(),
        }
    }
}

/// One read. There is one [`Answer`] to each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// All records from `lo` to `hi`, both included.
    Range {
        /// where
        table: Table,
        /// first key
        lo: Key,
        /// last key
        hi: Key,
    },
    /// The whole table.
    All {
        /// which
        table: Table,
    },
    /// The keys of the whole table, in place of its values: also of records that cannot be read.
    Keys {
        /// which
        table: Table,
    },
    /// The epoch of the client that may write (R15): one value, 8 bytes, the highest first.
    Epoch,
}

impl Read {
    /// The table that it is about; none: a record of the store's own.
    pub fn table(&self) -> Option<Table> {
        match self {
            Read::Range { table, .. } | Read::All { table } | Read::Keys { table } => Some(*table),
            Read::Epoch => None,
        }
    }
}

/// One write of a transaction; a transaction's writes take effect in order, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a record.
    Put {
        /// where
        table: Table,
        /// which
        key: Key,
        /// new bytes
        value: Value,
    },
    /// Removes a record; no error where there is none.
    Delete {
        /// where
        table: Table,
        /// which
        key: Key,
    },
    /// Removes all records from `lo` to `hi`, both included.
    DeleteRange {
        /// where
        table: Table,
        /// first key
        lo: Key,
        /// last key
        hi: Key,
    },
}

impl Write {
    /// Bytes of its keys and its value.
    pub fn size(&self) -> usize {
        match self {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key, .. } => key.len(),
            Write::DeleteRange { lo, hi, .. } => lo.len() + hi.len(),
        }
    }

    /// The table that it is about.
    pub fn table(&self) -> Table {
        match self {
            Write::Put { table, .. }
            | Write::Delete { table, .. }
            | Write::DeleteRange { table, .. } => *table,
        }
    }
}

/// When a transaction counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Handed to the operating system: lost only with the machine.
    Relaxed,
    /// On the disk: before an acknowledgement leaves, or `send` resolves (R9).
    Strict,
}

/// Epochs are below it, so that JSON holds them. What a record has above it no fence has written.
const EPOCHS: u64 = 1 << 53;

/// An epoch as it is stored: 8 bytes, the highest first. None where the bytes are no epoch.
pub fn read_epoch(bytes: &[u8]) -> Option<u64> {
    let epoch = u64::from_be_bytes(bytes.try_into().ok()?);
    (epoch < EPOCHS).then_some(epoch)
}

/// The epoch of a fence that has none before it to go on from: the first of a database, or one that cannot be
/// read. It is above every epoch that was, also of a database that is deleted: these count fences, from an epoch
/// of this kind on, and there are no 1,024 fences in a millisecond. A clock that was set back passes below at most
/// what `known` does not tell (the highest epoch that the caller has seen anywhere); there `random` keeps two
/// epochs apart.
pub fn epoch_above_all(known: u64, wall: u64, random: u64) -> u64 {
    let by_clock = (wall.min(EPOCHS >> 11) << 10) | (random & 1_023);
    by_clock.max(known.saturating_add(1_024)).min(EPOCHS >> 1)
}

/// Why a store did not do what was asked. Nothing of a failed transaction was applied, but for
/// [`StoreError::Uncertain`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, or the origin's share of it, is full.
    Quota,
    /// A newer version of Pullcord wrote this database; it was left as it is.
    Newer,
    /// The browser offers no IndexedDB here, or refused it (private windows, policy).
    Refused(Why),
    /// The database vanished under the client (deleted by the user or evicted); an empty one has
    /// taken its place.
    Lost,
    /// Another client writes: its epoch is the higher one (R15).
    Fenced,
    /// The handle is closed for good: a newer tab upgrades, or the client was closed.
    Closed,
    /// Anything else, in the browser's words.
    Failed(Why),
    /// As `Failed`, but a commit may have been applied all the same, or may be yet: the browser fell
    /// silent, or the connection was lost while it committed. What is stored has to be read again
    /// before anything is built on it.
    Uncertain(Why),
}

/// What a store has failed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// in the browser's words, or the store's
    Said(String),
    /// nothing is heard of it
    Silence,
}

impl Why {
    /// What to tell of it.
    pub fn words(&self) -> &str {
        match self {
            Why::Said(words) => words,
            Why::Silence => {
                "the browser's IndexedDB does not answer: close other tabs of this site, or restart the browser; it is tried again"
            }
        }
    }
}

impl From<String> for Why {
    fn from(words: String) -> Why {
        Why::Said(words)
    }
}

impl From<&str> for Why {
    fn from(words: &str) -> Why {
        Why::Said(words.to_owned())
    }
}

impl StoreError {
    /// Whether nothing was heard of the store: what waits behind this has waited as long.
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            StoreError::Failed(Why::Silence) | StoreError::Uncertain(Why::Silence)
        )
    }

    /// Whether it is the store's own fault, which may last, and not what another client or the user has done.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Quota | StoreError::Failed(_) | StoreError::Uncertain(_)
        )
    }

    /// As the app sees it: what happened, and what to do.
    pub fn shown(&self) -> Error {
        let (code, message) = match self {
            StoreError::Quota => (
                ErrorCode::Quota,
                "the disk is full: free some room, or lower storage.maxMessages; nothing was applied",
            ),
            StoreError::Newer => (
                ErrorCode::StorageNewer,
                "a newer version of pullcord wrote this database: reload the page to get it",
            ),
            StoreError::Lost => (ErrorCode::Storage, "the local database was deleted"),
            StoreError::Fenced => (
                ErrorCode::Closed,
                "another client has taken this account over",
            ),
            StoreError::Closed => (
                ErrorCode::Closed,
                "the database was closed: it was deleted, or a newer version in another tab needs it",
            ),
            StoreError::Refused(why) | StoreError::Failed(why) | StoreError::Uncertain(why) => {
                (ErrorCode::Storage, why.words())
            }
        };
        Error {
            uncertain: matches!(self, StoreError::Uncertain(_)),
            ..Error::new(code, message)
        }
    }
}
