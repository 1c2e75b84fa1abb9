//! What a batch is continuous with (R1), and what follows from that. Who applies a batch asks its [`Feed`], and
//! knows no scope by its name.

use crate::core::types::Feed;
use std::rc::Rc;

impl Feed {
    /// The conversation that it is about; none: any.
    pub fn conversation(&self) -> Option<&Rc<str>> {
        match self {
            Feed::Conversation(id) => Some(id),
            Feed::Account | Feed::Mailbox => None,
        }
    }

    /// Whether it has no cursor: what it brings is acknowledged after its commit (R9), and known by its
    /// delivery's name (R10).
    pub fn is_acknowledged(&self) -> bool {
        *self == Feed::Mailbox
    }

    /// Whether nothing was applied before a batch that was asked for with this cursor. `begun`: the
    /// account has signed in before.
    pub fn is_first(&self, asked: Option<&str>, begun: bool) -> bool {
        match self {
            Feed::Account | Feed::Conversation(_) => asked.is_none(),
            Feed::Mailbox => !begun,
        }
    }
}
