//! A conversation's state.

use std::rc::Rc;

use super::form::{STATE, seal, unseal};
use crate::core::codec::Corrupt;
use crate::core::error::Error;
use crate::core::json;
use crate::core::node::{Node, missing};
use crate::core::storage::Value;
use crate::core::types::{Conversation, Message, MessageState};

/// The bytes of a conversation's state.
pub fn write_conversation(conversation: &Conversation) -> Value {
    let mut text = String::new();
    json::stored_conversation(&mut text, conversation);
    seal(STATE, &text)
}

/// Reads a conversation's state.
pub fn read_conversation(bytes: &[u8]) -> Result<Conversation, Corrupt> {
    match unseal(bytes)? {
        (STATE, text) => parse_conversation(text).map_err(|_| Corrupt),
        _ => Err(Corrupt),
    }
}

/// Reads a message that was stored as JSON.
pub(super) fn parse_message(node: &Node) -> Result<Rc<Message>, Error> {
    let text = |name: &str| node.text(name).map(str::to_owned);
    let body = match node.get("body") {
        Some(Node::Raw(body) | Node::Deep(body)) => *body,
        _ => return Err(missing("body", "there")),
    };
    let repairs = node.optional_whole("repairs")?.unwrap_or(0);
    Ok(Rc::new(Message {
        id: text("id")?,
        conversation: node.text("conversation")?.into(),
        seq: node
            .optional_seq("seq")?
            .ok_or_else(|| missing("seq", "a seq"))?,
        sender: text("sender")?,
        created_at: node.whole("createdAt")?,
        version: node.whole("version")?,
        state: match node.text("state")? {
            "normal" => MessageState::Normal,
            "edited" => MessageState::Edited,
            "recalled" => MessageState::Recalled,
            "unreadable" => MessageState::Unreadable,
            _ => return Err(missing("state", "one of this version")),
        },
        body: body.into(),
        client_id: node.optional_text("clientId")?.map(str::to_owned),
        repairs: u8::try_from(repairs).map_err(|_| missing("repairs", "a small number"))?,
    }))
}

/// Reads a conversation that was stored as JSON.
fn parse_conversation(text: &str) -> Result<Conversation, Error> {
    let node = Node::stored(text)?;
    let exact = node.optional_whole("sortBits")?.map(f64::from_bits);
    Ok(Conversation {
        id: node.text("id")?.into(),
        unread: node.optional_whole("unread")?.unwrap_or(0),
        last_seq: node.optional_seq("lastSeq")?,
        read_seq: node.optional_seq("readSeq")?,
        sort: match exact.filter(|sort| sort.is_finite()) {
            Some(sort) => sort,
            None => node.optional_number("sort")?.unwrap_or(0.0),
        },
        last_message: node.some("lastMessage").map(parse_message).transpose()?,
        meta: match node.get("meta") {
            Some(Node::Raw(meta) | Node::Deep(meta)) => (*meta).into(),
            _ => "null".into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_conversation_is_sorted_by_survives_storage() {
        // Found by fuzzing.
        for sort in [
            "1795884521795884528.68",
            "-1.5",
            "1e-320",
            "17952222222222222222222222e90",
        ] {
            let text = format!(r#"{{"id":"c","sort":{sort}}}"#);
            let conversation = parse_conversation(&text).unwrap();
            let back = read_conversation(&write_conversation(&conversation)).unwrap();
            assert_eq!(back, conversation);
        }
    }
}
