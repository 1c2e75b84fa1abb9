//! The values of the wire (contract/protocol.md, "Values").

use std::rc::Rc;

/// A message's position in its conversation: unique and strictly increasing in the server's order,
/// not dense. On the wire a JSON integer, or a string of decimal digits; to the app always a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// as written
    Normal,
    /// changed since
    Edited,
    /// withdrawn: it keeps its place, its body is null
    Recalled,
}

/// A message, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// unique in its conversation
    pub id: String,
    /// where it belongs
    pub conversation: Rc<str>,
    /// its position
    pub seq: Seq,
    /// the account that wrote it
    pub sender: String,
    /// ms since the epoch, the server's clock
    pub created_at: u64,
    /// raised by every change; of two copies the higher is the newer
    pub version: u64,
    /// normal, edited or recalled
    pub state: MessageState,
    /// JSON text, untouched from the wire to the app; `null` once recalled
    pub body: Box<str>,
    /// the sender's own name for it; given to the sender's account only
    pub client_id: Option<String>,
}

/// A conversation's state, as the server has it; only mirrored (R11).
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// its id
    pub id: Rc<str>,
    /// the server's count
    pub unread: u64,
    /// position of the newest message
    pub last_seq: Option<Seq>,
    /// newest position read by the account
    pub read_seq: Option<Seq>,
    /// greater is nearer the top
    pub sort: f64,
    /// the newest message
    pub last_message: Option<Rc<Message>>,
    /// JSON text
    pub meta: Box<str>,
}

impl Conversation {
    /// A conversation of which nothing was said yet.
    pub fn new(id: Rc<str>) -> Self {
        Conversation {
            id,
            unread: 0,
            last_seq: None,
            read_seq: None,
            sort: 0.0,
            last_message: None,
            meta: "null".into(),
        }
    }
}
