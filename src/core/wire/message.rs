//! A message (docs/protocol.md, "Values").

use std::rc::Rc;

use super::item::{LeftOut, Repairs, about, app_json, id};
use crate::core::irregular::Odd;
use crate::core::node::Node;
use crate::core::node::Shape::{self, Fields, Plain, Raw};
use crate::core::types::{MAX_EXACT, Message, MessageState};

/// The fields that are read of a message.
pub const MESSAGE: Shape = Fields(&[
    ("id", Plain),
    ("conversation", Plain),
    ("seq", Plain),
    ("sender", Plain),
    ("createdAt", Plain),
    ("version", Plain),
    ("state", Plain),
    ("body", Raw),
    ("clientId", Plain),
]);

/// Reads a message. `of`: the conversation that its answer is about. `update`: it must say its version.
pub fn message(
    node: &Node,
    of: Option<&Rc<str>>,
    update: bool,
) -> Result<(Rc<Message>, Repairs), LeftOut> {
    let mut repairs = Repairs::default();
    let named = id(node.get("conversation"), "conversation", &mut repairs);
    let conversation = about(named, of, "conversation", &mut repairs);
    let message_id = id(node.get("id"), "id", &mut repairs);
    let left_out = |reason, at: &str| LeftOut {
        conversation: of.cloned().or_else(|| named.map(Rc::from)),
        id: message_id.map(str::to_owned),
        odd: match node {
            Node::Object(_) => Odd::new(reason, at, node.get(at)),
            // none at all, or an id where a message is asked for
            _ => Odd::new(reason, "", Some(node)),
        },
    };
    let conversation = conversation.map_err(|reason| left_out(reason, "conversation"))?;
    let message_id = message_id.ok_or_else(|| left_out("no id", "id"))?;
    let seq = node.get("seq").and_then(Node::as_seq);
    let seq = seq.ok_or_else(|| left_out("no seq", "seq"))?;
    let version = node.get("version").and_then(Node::as_whole);
    let version = match version.filter(|version| *version > 0) {
        Some(version) => version,
        None if update => return Err(left_out("an update without version", "version")),
        None => {
            repairs.note("no version", "version", node.get("version"));
            1
        }
    };
    let sender = node.get("sender");
    let sender = id(sender, "sender", &mut repairs).unwrap_or_else(|| {
        repairs.note("no sender", "sender", sender);
        ""
    });
    let (state, body) = state_and_body(node, version, &mut repairs);
    let client_id = node.some("clientId");
    let named = id(client_id, "clientId", &mut repairs);
    if client_id.is_some() && named.is_none() {
        repairs.note("a clientId that cannot be read", "clientId", client_id);
    }
    let message = Message {
        id: message_id.to_owned(),
        conversation,
        seq,
        sender: sender.to_owned(),
        created_at: created_at(node, &mut repairs),
        version,
        state,
        body: body.into(),
        client_id: named.map(str::to_owned),
        repairs: repairs.count,
    };
    Ok((Rc::new(message), repairs))
}

/// In seconds 1973 to 5138; in milliseconds the first three years of the epoch, of which no message is.
const SECONDS: std::ops::Range<f64> = 1e8..1e11;

/// In milliseconds the year 5138, in microseconds 1973.
const MICROSECONDS: f64 = 1e14;

/// Milliseconds: a whole number, or one with a fraction that is dropped; what a JS number holds.
fn created_at(node: &Node, repairs: &mut Repairs) -> u64 {
    let said = node.get("createdAt");
    let number = said.and_then(Node::as_number);
    match number.filter(|ms| ms.is_finite() && *ms >= 0.0) {
        Some(ms) => {
            let unlikely = match ms {
                _ if SECONDS.contains(&ms) => Some(
                    "createdAt is in milliseconds since the epoch, and this looks like seconds",
                ),
                _ if ms >= MICROSECONDS => Some(
                    "createdAt is in milliseconds since the epoch, and this is finer, or a far future",
                ),
                _ => None,
            };
            if let Some(what) = unlikely {
                repairs.note_unlikely(what, "createdAt", said);
            }
            (ms as u64).min(MAX_EXACT)
        }
        None => {
            repairs.note("no createdAt", "createdAt", said);
            0
        }
    }
}

fn state_and_body<'n>(
    node: &Node<'n>,
    version: u64,
    repairs: &mut Repairs,
) -> (MessageState, &'n str) {
    let body = match node.get("body") {
        Some(body) => app_json(body),
        None => Some("null"),
    };
    let said = node.get("state");
    let state = match said.and_then(Node::as_text) {
        Some("normal") => MessageState::Normal,
        Some("edited") => MessageState::Edited,
        Some("recalled") => return (MessageState::Recalled, "null"),
        Some("unreadable") => return (MessageState::Unreadable, "null"),
        _ => {
            repairs.note("a state that is not known", "state", said);
            match body {
                Some("null") => {
                    repairs.unreadable = true;
                    MessageState::Unreadable
                }
                _ if version > 1 => MessageState::Edited,
                _ => MessageState::Normal,
            }
        }
    };
    match body {
        Some(body) => {
            if node.get("body").is_none() {
                let what = "a message has no `body`: what it says belongs in there";
                repairs.note_unlikely(what, "body", None);
            }
            (state, body)
        }
        None => {
            let what = "a body that is too large, or nests too deep";
            repairs.note(what, "body", node.get("body"));
            repairs.unreadable = true;
            (MessageState::Unreadable, "null")
        }
    }
}
