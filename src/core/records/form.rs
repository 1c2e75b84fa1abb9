//! The form of every record: its version, what it is, and a text.

use std::rc::Rc;

use crate::core::codec::{Corrupt, Reader, Writer};
use crate::core::json;
use crate::core::node::Node;
use crate::core::storage::Value;

/// Format version of the records here.
pub(super) const FORMAT: u8 = 1;

pub(super) fn seal(kind: u64, text: &str) -> Value {
    let mut w = Writer::new(FORMAT, text.len() + 8);
    w.number(kind);
    w.text(text);
    w.finish()
}

pub(super) fn unseal(bytes: &[u8]) -> Result<(u64, &str), Corrupt> {
    let mut r = Reader::new(FORMAT, bytes)?;
    let kind = r.number()?;
    let text = r.text()?;
    r.end()?;
    Ok((kind, text))
}

pub(super) const META: u64 = 0;
pub(super) const OPENED: u64 = 1;
pub(super) const LOCAL: u64 = 2;
pub(super) const MARK: u64 = 3;
pub(super) const STATE: u64 = 4;
pub(super) const CURSOR: u64 = 5;
pub(super) const DELIVERIES: u64 = 6;
pub(super) const STAMP: u64 = 7;
pub(super) const NEXT: u64 = 8;
pub(super) const LEFT: u64 = 9;
pub(super) const RETRY: u64 = 10;
pub(super) const DISCARD: u64 = 11;
pub(super) const NEWS: u64 = 12;

/// `[conversation, number]`.
pub(super) fn pair(conversation: &str, number: u64) -> String {
    let mut text = String::from("[");
    json::string(&mut text, conversation);
    text.push(',');
    json::number(&mut text, number);
    text.push(']');
    text
}

pub(super) fn read_pair(text: &str) -> Result<(Rc<str>, u64), Corrupt> {
    match Node::stored(text) {
        Ok(Node::List(list)) => match &list[..] {
            [Node::Text(id), number] => match number.as_whole() {
                Some(number) => Ok((Rc::from(&**id), number)),
                None => Err(Corrupt),
            },
            _ => Err(Corrupt),
        },
        _ => Err(Corrupt),
    }
}

pub(super) fn write_texts<'a>(kind: u64, texts: impl Iterator<Item = &'a str>) -> Value {
    let mut list = String::from("[");
    for text in texts {
        json::next(&mut list);
        json::string(&mut list, text);
    }
    list.push(']');
    seal(kind, &list)
}

pub(super) fn read_texts(text: &str) -> Result<Vec<Rc<str>>, Corrupt> {
    let Ok(Node::List(list)) = Node::stored(text) else {
        return Err(Corrupt);
    };
    let text = |node: &Node| match node {
        Node::Text(text) => Ok(Rc::from(&**text)),
        _ => Err(Corrupt),
    };
    list.iter().map(text).collect()
}
