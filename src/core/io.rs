//! What goes into the engine and comes out of it.

use super::command::Command;
use super::error::Error;
use super::net::{Notice, Request};
use super::storage::{Answer, Durability, Read, StoreError, Write};

/// A moment, by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// ms, monotonic: for intervals
    pub mono: u64,
    /// ms since the epoch: for what is shown and stored
    pub wall: u64,
}

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// a command of the facade
    Command(Command),
    /// the answer to [`Effect::Read`]
    Read {
        /// its number
        op: u64,
        /// one answer to each read
        result: Result<Vec<Answer>, StoreError>,
    },
    /// the answer to [`Effect::Commit`]
    Committed {
        /// its number
        op: u64,
        /// all or nothing
        result: Result<(), StoreError>,
    },
    /// the answer to [`Effect::Request`]
    Answer {
        /// its number
        request: u64,
        /// the JSON text of docs/protocol.md; empty for 204
        result: Result<String, Error>,
    },
    /// Something of the answer to [`Effect::Request`] has arrived: its time-out, which counts silence,
    /// begins anew.
    Progress {
        /// its number
        request: u64,
    },
    /// from the channel of [`Effect::Listen`]
    Notice {
        /// its number; of an older channel: ignored
        listen: u64,
        /// what it says
        notice: Notice,
    },
    /// the answer to [`Effect::Wish`]
    Wished {
        /// its number
        op: u64,
        /// all or nothing
        result: Result<(), StoreError>,
    },
    /// another client of this account has told this ([`Effect::Tell`])
    Heard(Vec<u8>),
    /// the store says something by itself: lost, closed, fenced
    Store(StoreError),
    /// the store has reopened its handle after the browser closed it
    Reopened(String),
    /// the store could not read records of its own, and has written them anew: which ones
    PutRight(String),
    /// This client writes from here on, under this epoch (R15), once it has read what is stored: until
    /// then nothing is decided, asked or written. Also where it has written before, and had to let go.
    Promoted {
        /// the store's, raised by its fence
        epoch: u64,
    },
    /// It is to write from here on, and the store does not take its fence: that is tried again.
    NotPromoted(StoreError),
    /// The empty database that has taken a lost one's place is this client's to write, under this epoch.
    Adopted {
        /// the store's
        epoch: u64,
    },
    /// This client does not write any more, until it is promoted again: it goes to sleep, or has let go
    /// of its lock. What was under way is void.
    Demoted,
    /// the timer fired; harmless at any time
    Timer,
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Effect {
    /// read, in one snapshot
    Read {
        /// names the answer
        op: u64,
        /// what
        reads: Vec<Read>,
    },
    /// write, in one transaction
    Commit {
        /// names the answer
        op: u64,
        /// what, in this order
        writes: Vec<Write>,
        /// when it counts as done
        durability: Durability,
    },
    /// write to the table of wishes, whoever may write (R15): in one transaction, with strict durability
    Wish {
        /// names the answer
        op: u64,
        /// what, in this order
        writes: Vec<Write>,
    },
    /// tell the other clients of this account
    Tell(Vec<u8>),
    /// The client that writes does not begin what it is asked for: see to it that this one is promoted.
    Stuck,
    /// This client writes, and has read what is stored: after [`Input::Promoted`], or its first read.
    Promoted,
    /// The server has refused this client's token, also a fresh one: another client's may be better (R15).
    Refused,
    /// ask the backend
    Request {
        /// names the answer
        request: u64,
        /// what
        call: Request,
        /// how many times the usual silence it may take
        patience: u32,
    },
    /// nobody waits for this request any more
    Abort {
        /// which
        request: u64,
    },
    /// open the notification channel; it replaces an older one
    Listen {
        /// names its notices
        listen: u64,
    },
    /// close the notification channel
    Unlisten,
    /// ask the token provider again before the next request
    ForgetToken,
    /// JSON text for the facade
    Frame(String),
    /// Another client has written, so this one does not any more, as after [`Input::Demoted`]: see to it
    /// that it is promoted again when the other has gone.
    Fenced,
    /// the client has ended: let go of lock, store and net
    Stopped {
        /// delete the database
        wipe: bool,
    },
}
