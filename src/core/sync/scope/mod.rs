//! The scopes: whose the cursor is. What a pull names, how its answer is read, what may be pushed, and
//! whether it may wait at the server.
//!
//! | | `account` | `conversation` | `mailbox` |
//! | --- | --- | --- | --- |
//! | a pull names | the account's cursor | each conversation's | nothing |
//! | an answer is | one batch | a batch of each | deliveries |
//! | is pushed where it follows | the cursor | never | what the channel has brought |
//! | may wait at the server | yes | no | no |
//! | is acknowledged | no | no | after its commit |
//!
//! How a batch is applied, its [`Feed`] says.

pub(super) mod account;
pub(super) mod conversation;
mod feed;
pub(super) mod mailbox;

use crate::core::error::Error;
use crate::core::jobs::JobQueue;
use crate::core::net::Request;
use crate::core::options::Scope;
use crate::core::purpose::PullContext;
use crate::core::tx::Committed;
use crate::core::types::Feed;
use crate::core::wire::batch::{PullAnswer, Push};
use std::rc::Rc;

use conversation::{Conversations, Pieces};

/// What a pull names.
pub(super) struct Names<'a> {
    pub db: &'a Committed,
    pub now: u64,
    /// how the conversations fare
    pub conversations: &'a Conversations,
    /// what the chain has still to ask for
    pub pieces: &'a mut Pieces,
    /// events at most
    pub limit: u32,
    /// ms that it may wait at the server
    pub wait: Option<u32>,
}

/// The next request of a chain.
pub(super) fn request(scope: Scope, names: Names) -> (Request, PullContext) {
    let Names {
        db,
        now,
        conversations,
        pieces,
        limit,
        wait,
    } = names;
    match scope {
        Scope::Account => account::request(db, now, limit, wait),
        Scope::Conversation => conversation::request(db, now, conversations, pieces, limit),
        Scope::Mailbox => mailbox::request(limit),
    }
}

/// Reads the answer to that.
pub(super) fn read(scope: Scope, text: &str, asked: &PullContext) -> Result<PullAnswer, Error> {
    match scope {
        Scope::Account => account::read(text, asked),
        Scope::Conversation => conversation::read(text, asked),
        Scope::Mailbox => mailbox::read(text),
    }
}

/// Whether nothing is missing before what was pushed. `unbroken`: the channel has brought all that came
/// since the last chain.
pub(super) fn follows(
    scope: Scope,
    push: &Push,
    db: &Committed,
    jobs: &mut JobQueue,
    unbroken: bool,
) -> bool {
    match scope {
        Scope::Account => account::follows(push, db, jobs),
        Scope::Conversation => false,
        Scope::Mailbox => mailbox::follows(push, unbroken),
    }
}

impl Scope {
    /// Whose cursor says what of a conversation is applied.
    pub(in crate::core) fn feed(self, conversation: &Rc<str>) -> Feed {
        match self {
            Scope::Account => Feed::Account,
            Scope::Conversation => Feed::Conversation(conversation.clone()),
            Scope::Mailbox => Feed::Mailbox,
        }
    }

    /// The feed whose cursor a push moves.
    pub(super) fn pushed_feed(self) -> Feed {
        match self {
            Scope::Mailbox => Feed::Mailbox,
            Scope::Account | Scope::Conversation => Feed::Account,
        }
    }

    /// Whether what is pushed follows only what the channel has brought: after an overflow nothing does.
    pub(super) fn trusts_the_channel(self) -> bool {
        self == Scope::Mailbox
    }

    /// Whether a pull may wait at the server.
    pub(super) fn may_wait(self) -> bool {
        self == Scope::Account
    }

    /// Whether a pull may be about some conversations only.
    pub(super) fn has_pieces(self) -> bool {
        self == Scope::Conversation
    }

    /// Whether what comes is acknowledged (R10): a batch may consist of known deliveries, and only its commit tells.
    pub(super) fn acknowledges(self) -> bool {
        self == Scope::Mailbox
    }
}
