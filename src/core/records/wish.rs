//! Wishes: what a client that does not write wants done (R15).

use std::rc::Rc;

use super::form::{DISCARD, RETRY, read_texts, unseal, write_texts};
use super::own::{Local, OutboxRecord, read_outbox, write_local, write_mark};
use crate::core::codec::Corrupt;
use crate::core::storage::Value;

/// What a client that does not write wants done: stored by itself, then as good as done (R15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// an own message is to be sent; its place is given by the writer
    Send(Rc<Local>),
    /// a failed one is to be tried again
    Retry(Named),
    /// one is to be taken out
    Discard(Named),
    /// a conversation was read up to here
    Mark(Rc<str>, u64),
}

/// Own messages of a `clientId`: in one conversation, or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// only there
    pub conversation: Option<String>,
    /// see there
    pub client_id: String,
}

impl Named {
    /// Whether this own message is one of them.
    pub fn names(&self, local: &Local) -> bool {
        let here = self.conversation.as_deref();
        here.is_none_or(|id| *local.conversation == *id) && local.client_id == self.client_id
    }
}

/// The bytes of a wish.
pub fn write_wish(wish: &Wish) -> Value {
    let named = |kind, named: &Named| {
        let texts = [Some(&*named.client_id), named.conversation.as_deref()];
        write_texts(kind, texts.into_iter().flatten())
    };
    match wish {
        Wish::Send(local) => write_local(local),
        Wish::Retry(which) => named(RETRY, which),
        Wish::Discard(which) => named(DISCARD, which),
        Wish::Mark(id, seq) => write_mark(id, *seq),
    }
}

/// Reads a wish.
pub fn read_wish(bytes: &[u8]) -> Result<Wish, Corrupt> {
    let named = |text| match &read_texts(text)?[..] {
        [client_id, conversation @ ..] => Ok(Named {
            conversation: conversation.first().map(|id| id.to_string()),
            client_id: client_id.to_string(),
        }),
        [] => Err(Corrupt),
    };
    match unseal(bytes)? {
        (RETRY, text) => named(text).map(Wish::Retry),
        (DISCARD, text) => named(text).map(Wish::Discard),
        _ => match read_outbox(bytes)? {
            OutboxRecord::Local(local) => Ok(Wish::Send(Rc::new(local))),
            OutboxRecord::Mark(id, seq) => Ok(Wish::Mark(id, seq)),
            OutboxRecord::Left(..) => Err(Corrupt),
        },
    }
}
