//! Events: what a batch consists of (docs/protocol.md, "Events").
//!
//! A kind of event is one room of this folder: how it is read, what it does in a transaction, and what
//! it still does to an answer that was asked for before it came (R7, R11). A new kind is its room and its
//! line in the table below; what else knows of it stands in docs/architecture.md, "How far a new event
//! goes".
//!
//! Each room has these functions:
//!
//! | function | |
//! | --- | --- |
//! | `parse` | reads it |
//! | `conversation`, `message` | what it is about, and the message that it brings |
//! | `apply` | applies it, in a batch |
//! | `replay_on_page` | onto a page that was asked for before (R7) |
//! | `replay_on_changes` | onto changes that were asked for before (R12) |
//! | `replay_on_list` | onto an entry of the list that was asked for before (R11) |

mod conversation;
mod message;
mod removed;
mod trim;
mod update;

use std::rc::Rc;

use super::node::Node;
use super::node::Shape::{self, Fields, Plain};
use super::tx::{Listed, Replay, Stop, Tx};
use super::types::Message;
use super::wire::conversation::{CONVERSATION, Patch};
use super::wire::item::{LeftOut, Repairs, event_left_out};
use super::wire::message::MESSAGE;

pub use message::NewMessage;
pub use trim::Trim;

/// The fields that are read of an event, whatever its kind. An id may stand where a message or a
/// conversation could: it is left as it came.
pub const EVENT: Shape = Fields(&[
    ("type", Plain),
    ("delivery", Plain),
    ("message", MESSAGE),
    ("prev", Plain),
    ("conversation", CONVERSATION),
    ("before", Plain),
]);

/// The kinds: the name on the wire, and what the room of that name holds of one.
macro_rules! events {
    ($($(#[doc = $says:literal])+ $name:literal => $Kind:ident($Data:ty) in $room:ident;)+) => {
        /// One event of a batch.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($(#[doc = $says])+ $Kind($Data),)+
        }

        impl Event {
            /// Reads an event; `None`: of a kind that this version does not know. `of`: the conversation
            /// that its answer is about.
            pub fn parse(
                node: &Node,
                of: Option<&Rc<str>>,
            ) -> Result<(Option<Event>, Repairs), LeftOut> {
                let Some(kind) = node.get("type").and_then(Node::as_text) else {
                    return Err(event_left_out(node, of, "an event without type", "type"));
                };
                match kind {
                    $($name => {
                        let (event, repairs) = $room::parse(node, of)?;
                        Ok((Some(Event::$Kind(event)), repairs))
                    })+
                    _ => Ok((None, Repairs::default())),
                }
            }

            /// The conversation that it is about.
            pub fn conversation(&self) -> &Rc<str> {
                match self {
                    $(Event::$Kind(event) => $room::conversation(event),)+
                }
            }

            /// The message that it brings.
            pub fn message(&self) -> Option<&Rc<Message>> {
                match self {
                    $(Event::$Kind(event) => $room::message(event),)+
                }
            }

            /// Applies it. `whole`: nothing before it is missing.
            ///
            /// # Errors
            /// `Void`: it does not follow what is here, and it is not `whole`.
            pub fn apply(&self, tx: &mut Tx, whole: bool) -> Result<(), Stop> {
                match self {
                    $(Event::$Kind(event) => $room::apply(event, tx, whole),)+
                }
            }

            /// Replays it onto a page that was asked for before it was committed (R7).
            pub fn replay_on_page(&self, page: &mut Replay) {
                match self {
                    $(Event::$Kind(event) => $room::replay_on_page(event, page),)+
                }
            }

            /// Replays it onto changes that were asked for before it was committed (R12).
            pub fn replay_on_changes(&self, changed: &mut Listed) {
                match self {
                    $(Event::$Kind(event) => $room::replay_on_changes(event, changed),)+
                }
            }

            /// Replays it onto the conversation's entry in a list that was begun before it was committed
            /// (R11).
            pub fn replay_on_list(&self, tx: &mut Tx) {
                match self {
                    $(Event::$Kind(event) => $room::replay_on_list(event, tx),)+
                }
            }
        }
    };
}

events! {
    /// a new message
    "message" => Message(NewMessage) in message;
    /// an existing message's newest version
    "update" => Update(Rc<Message>) in update;
    /// a conversation's state
    "conversation" => Conversation(Patch) in conversation;
    /// the account has left it
    "removed" => Removed(Rc<str>) in removed;
    /// its older history is gone
    "trim" => Trim(Trim) in trim;
}

/// An own edit or recall was answered: it is as the update that will come (R3).
pub fn apply_updated(tx: &mut Tx, message: &Rc<Message>) -> Result<(), Stop> {
    update::apply(message, tx, true)
}

/// What the list says of a conversation (R11).
pub fn apply_listed(tx: &mut Tx, patch: &Patch) {
    conversation::mirror(patch, tx);
}

/// The account has left this conversation, though no event says so (R11).
pub fn apply_left(tx: &mut Tx, conversation: &Rc<str>) {
    removed::remove(conversation, tx);
}
