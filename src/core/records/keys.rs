//! The keys of the records, and what a key says.

use std::rc::Rc;

use super::own::Name;
use crate::core::storage::Key;

/// The key of [`super::Meta`].
pub fn meta_key() -> Key {
    b"m".to_vec()
}

/// The key of the newest commit's [`super::Stamp`].
pub fn stamp_key() -> Key {
    b"n".to_vec()
}

/// The key of the [`super::News`], in `Table::Meta`.
pub fn news_key() -> Key {
    b"t".to_vec()
}

/// The key of when a conversation was last opened, in `Table::Meta`.
pub fn opened_key(conversation: &str) -> Key {
    [b"o", conversation.as_bytes()].concat()
}

/// The key of a conversation's cursor, in `Table::Meta`.
pub fn cursor_key(conversation: &str) -> Key {
    [b"c", conversation.as_bytes()].concat()
}

/// Whose cursor has this key in `Table::Meta`.
pub fn cursor_of(key: &[u8]) -> Option<Rc<str>> {
    key.strip_prefix(b"c").and_then(conversation_of)
}

/// The first key after all conversations' cursors.
pub fn cursor_end() -> Key {
    b"d".to_vec()
}

/// The key of a batch of deliveries that were applied: in the order of their commits.
pub fn deliveries_key(number: u64) -> Key {
    number.to_be_bytes().to_vec()
}

/// The key of a conversation's records.
pub fn conversation_key(conversation: &str) -> Key {
    conversation.as_bytes().to_vec()
}

/// The key of the block whose first message is at `lo`. The length first, so that no conversation's
/// blocks lie between another's.
pub fn block_key(conversation: &str, lo: u64) -> Key {
    let mut key = Vec::with_capacity(4 + conversation.len() + 8);
    key.extend_from_slice(&(conversation.len() as u32).to_be_bytes());
    key.extend_from_slice(conversation.as_bytes());
    key.extend_from_slice(&lo.to_be_bytes());
    key
}

/// The key of an own message: in the order written.
pub fn local_key(order: u64) -> Key {
    [&b"m"[..], &order.to_be_bytes()].concat()
}

/// The key of a conversation's read mark that the server has not confirmed.
pub fn mark_key(conversation: &str) -> Key {
    [b"r", conversation.as_bytes()].concat()
}

/// The key of the place of the next own message, in `Table::Meta`.
pub fn next_key() -> Key {
    b"q".to_vec()
}

/// The key of own messages that have left the outbox.
pub fn left_key(number: u64) -> Key {
    [&b"l"[..], &number.to_be_bytes()].concat()
}

/// The key of a wish: in the order of the clock, and of one client in the order written.
pub fn wish_key(at: u64, client: u64, number: u64) -> Key {
    [at, client, number].map(u64::to_be_bytes).concat()
}

/// The key of the wish that an own message of a lost database becomes: whoever has it in mind writes the same record,
/// before all other wishes. Its name is in it, for two databases may have given one place to two messages.
pub fn kept_key(order: u64, (conversation, client_id): &Name) -> Key {
    let place = wish_key(0, 0, order);
    [&place, conversation.as_bytes(), client_id.as_bytes()].concat()
}

/// Whose wish it is, by its key.
pub fn wish_client(key: &[u8]) -> Option<u64> {
    let (client, _) = key.get(8..)?.split_first_chunk()?;
    Some(u64::from_be_bytes(*client))
}

/// When a wish was stored, by its key.
pub fn wish_time(key: &[u8]) -> Option<u64> {
    let (at, _) = key.split_first_chunk()?;
    Some(u64::from_be_bytes(*at))
}

/// The conversation and the position of a block's first message, by its key.
pub fn block_of(key: &[u8]) -> Option<(Rc<str>, u64)> {
    let (_, rest) = key.split_at_checked(4)?;
    let (id, lo) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
    let lo = u64::from_be_bytes(lo.try_into().ok()?);
    Some((conversation_of(id)?, lo))
}

/// Whose opening has this key in `Table::Meta`.
pub fn opened_of(key: &[u8]) -> Option<Rc<str>> {
    key.strip_prefix(b"o").and_then(conversation_of)
}

/// Whose read mark has this key in `Table::Outbox`.
pub fn mark_of(key: &[u8]) -> Option<Rc<str>> {
    key.strip_prefix(b"r").and_then(conversation_of)
}

/// The number of a record of names that have left the outbox, by its key.
pub fn left_number(key: &[u8]) -> Option<u64> {
    deliveries_number(key.strip_prefix(b"l")?)
}

/// The number of a record of deliveries, by its key.
pub fn deliveries_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// The order of an own message, by its key.
pub fn local_order(key: &[u8]) -> Option<u64> {
    let order = key.strip_prefix(b"m")?.try_into().ok()?;
    Some(u64::from_be_bytes(order))
}

/// The conversation of a record, by its key.
pub fn conversation_of(key: &[u8]) -> Option<Rc<str>> {
    std::str::from_utf8(key).ok().map(Rc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_conversations_blocks_lie_between_anothers() {
        let lo = block_key("ab", 0);
        let hi = block_key("ab", u64::MAX);
        for other in ["a", "abc", "ab\0\0\0\0\0\0\0\0", "b", ""] {
            let key = block_key(other, 5);
            assert!(key < lo || key > hi, "{other:?}");
        }
    }
}
