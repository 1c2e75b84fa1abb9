//! What the core asks of a store: ordered tables of bytes, read in one snapshot, written in one
//! transaction (R9). A store knows nothing of messages; [`super::block`] and [`super::records`] say
//! what the bytes mean.

use super::net::{Error, ErrorCode};

/// Version of the tables and of what their records mean. The store migrates to it.
pub const SCHEMA: u32 = 1;

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
}

impl Table {
    /// Every table, in the order of their creation.
    pub const ALL: [Table; 6] = [
        Table::Meta,
        Table::Conversations,
        Table::Segments,
        Table::Blocks,
        Table::Outbox,
        Table::Deliveries,
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
        }
    }
}

/// A key: compared byte by byte, a prefix before what it begins (as IndexedDB compares binary keys).
pub type Key = Vec<u8>;
/// A record. It says itself what it belongs to: reads answer values without their keys.
pub type Value = Vec<u8>;

/// One read. The answer to each is its values in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The record with this key: one value, or none.
    Get {
        /// where
        table: Table,
        /// which
        key: Key,
    },
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
    /// Empties a table.
    Clear {
        /// which
        table: Table,
    },
}

/// When a transaction counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Handed to the operating system: lost only with the machine.
    Relaxed,
    /// On the disk: before an acknowledgement leaves, or `send` resolves (R9).
    Strict,
}

/// Why a store did not do what was asked. Nothing of a failed transaction was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, or the origin's share of it, is full.
    Quota,
    /// A newer version of Pullcord wrote this database; it was left as it is.
    Newer,
    /// The browser offers no IndexedDB here, or refused it (private windows, policy).
    Refused(String),
    /// The database vanished under the client (deleted by the user or evicted); an empty one has
    /// taken its place.
    Lost,
    /// Another client has taken this account over: this one must stop.
    Fenced,
    /// The handle is closed for good: a newer tab upgrades, or the client was closed.
    Closed,
    /// Anything else, in the browser's words.
    Failed(String),
}

impl StoreError {
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
            StoreError::Refused(why) | StoreError::Failed(why) => (ErrorCode::Storage, &**why),
        };
        Error::new(code, message)
    }
}
