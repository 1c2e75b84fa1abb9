//! The protocol's values as they travel (docs/protocol.md, "Values", "Requests" and "Events"). Names on the wire are these names in camelCase.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::db::Account;
use crate::seq::Seq;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Normal,
    Edited,
    Recalled,
}

/// One version of a message. `body` is the application's JSON, passed on as it came; null once recalled.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) conversation: String,
    pub(crate) seq: Seq,
    pub(crate) sender: String,
    /// ms since the epoch
    pub(crate) created_at: i64,
    pub(crate) version: u32,
    pub(crate) state: State,
    pub(crate) body: Option<Box<RawValue>>,
    /// Only where the reader is the sender's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
}

/// A conversation as one of its members sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) unread: u32,
    pub(crate) last_seq: Option<Seq>,
    pub(crate) read_seq: Option<Seq>,
    pub(crate) sort: i64,
    pub(crate) last_message: Option<Message>,
    pub(crate) meta: Box<RawValue>,
}

/// What an event says.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Change {
    Message {
        message: Message,
        /// This server always knows what came before, so null always means that nothing did.
        prev: Option<Seq>,
    },
    Update {
        message: Message,
    },
    Conversation {
        conversation: Conversation,
    },
    Removed {
        conversation: String,
    },
    Trim {
        conversation: String,
        before: Seq,
    },
    /// The receipt for an overflow in a mailbox, which has no cursor that could tell that it arrived. To clients it is an event of an unknown type:
    /// to be acknowledged and ignored.
    Overflow {
        conversations: Overflow,
    },
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    #[serde(flatten)]
    pub(crate) change: Change,
    /// Only in a mailbox: what to acknowledge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<String>,
}

impl From<Change> for Event {
    fn from(change: Change) -> Self {
        Self {
            change,
            delivery: None,
        }
    }
}

/// SyncGapOverflow: `"all"`, or the conversations concerned. It takes effect before the events of its batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Overflow {
    All(All),
    Conversations(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum All {
    #[serde(rename = "all")]
    All,
}

impl Overflow {
    pub(crate) const ALL: Overflow = Overflow::All(All::All);
}

/// Continuous: nothing lies between the request's cursor and this one that is not in `events`; after an overflow, nothing from the first event on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    pub(crate) cursor: String,
    pub(crate) has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overflow: Option<Overflow>,
}

/// An answer, with whose it is: the same in every answer of an account. A client that is given another one has a token that is not its own.
#[derive(Debug, Serialize)]
pub(crate) struct Of<T> {
    account: String,
    #[serde(flatten)]
    answer: T,
}

impl<T> Of<T> {
    pub(crate) fn new(account: &Account, answer: T) -> Self {
        Self {
            account: account.name.to_string(),
            answer,
        }
    }
}

/// Continuous: no message of the conversation lies between two neighbours. Ascending.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    pub(crate) has_before: bool,
    pub(crate) has_after: bool,
}

/// What `GET /v1/conversations/{id}/changes` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changes {
    pub(crate) messages: Vec<Message>,
    pub(crate) has_more: bool,
}

/// What `GET /v1/mailbox` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mailbox {
    pub(crate) events: Vec<Event>,
    pub(crate) has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overflow: Option<Overflow>,
}
