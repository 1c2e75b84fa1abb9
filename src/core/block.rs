//! Blocks: how messages are stored, many to a record (docs/architecture.md, "What is stored").
//!
//! A block holds up to [`Limits::block_messages`](super::limits::Limits) of one segment, ascending; a segment is a
//! run of blocks. The index of a conversation's blocks is small, and stands beside its segments in one record. So any
//! page is one bounded read of known keys, and a missing block is noticed.

use std::rc::Rc;

use super::codec::{Corrupt, Reader, Writer};
use super::types::{Message, MessageState, Seq};

/// Format version of a block.
const FORMAT: u8 = 1;

/// One entry of a conversation's block index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// position of its first message: its key
    pub lo: u64,
    /// position of its last message
    pub hi: u64,
    /// messages
    pub count: u32,
    /// size of the record, bytes
    pub bytes: u32,
}

/// The messages of a block, ascending; never empty.
pub type Block = Vec<Rc<Message>>;

/// Names a block: its conversation, and the position of its first message.
pub type BlockId = (Rc<str>, u64);

/// About how many bytes a message takes.
pub fn weight(message: &Message) -> usize {
    let client_id = message.client_id.as_ref().map_or(0, String::len);
    message.id.len() + message.sender.len() + message.body.len() + client_id + 24
}

/// About how many bytes these messages take as a record.
pub fn weight_of(messages: &[Rc<Message>]) -> usize {
    messages.iter().map(|m| weight(m)).sum()
}

/// Bytes that a message takes in memory besides its texts: about.
const IN_MEMORY: usize = 160;

/// About how many bytes a block takes in memory.
pub fn size_in_memory(block: &[Rc<Message>]) -> usize {
    weight_of(block) + IN_MEMORY * block.len()
}

/// The bytes of a block.
pub fn encode(conversation: &str, messages: &[Rc<Message>]) -> Vec<u8> {
    let weight = weight_of(messages);
    let mut w = Writer::new(FORMAT, weight + conversation.len() + 16);
    w.text(conversation);
    w.number(messages.len() as u64);
    let mut last = 0;
    for m in messages {
        w.number(m.seq.0.wrapping_sub(last));
        last = m.seq.0;
        write_message(&mut w, m);
    }
    w.finish()
}

/// Writes a message by itself, with its conversation and its position.
pub(super) fn write_alone(w: &mut Writer, m: &Message) {
    w.text(&m.conversation);
    w.number(m.seq.0);
    write_message(w, m);
}

/// Reads one that was written by itself.
pub(super) fn read_alone(r: &mut Reader) -> Result<Rc<Message>, Corrupt> {
    let conversation: Rc<str> = r.text()?.into();
    let seq = r.number()?;
    read_message(r, &conversation, seq)
}

fn read_message(r: &mut Reader, conversation: &Rc<str>, seq: u64) -> Result<Rc<Message>, Corrupt> {
    Ok(Rc::new(Message {
        id: r.text()?.to_owned(),
        conversation: conversation.clone(),
        seq: Seq(seq),
        sender: r.text()?.to_owned(),
        created_at: r.number()?,
        version: r.number()?,
        state: match r.number()? {
            0 => MessageState::Normal,
            1 => MessageState::Edited,
            2 => MessageState::Recalled,
            3 => MessageState::Unreadable,
            _ => return Err(Corrupt),
        },
        body: r.text()?.into(),
        client_id: r.option()?.map(str::to_owned),
        repairs: u8::try_from(r.number()?).map_err(|_| Corrupt)?,
    }))
}

fn write_message(w: &mut Writer, m: &Message) {
    w.text(&m.id);
    w.text(&m.sender);
    w.number(m.created_at);
    w.number(m.version);
    w.number(m.state as u64);
    w.text(&m.body);
    w.option(m.client_id.as_deref());
    w.number(u64::from(m.repairs));
}

/// The conversation that a block says it is of; its checksum is not looked at.
pub fn conversation_of(bytes: &[u8]) -> Result<&str, Corrupt> {
    Reader::unchecked(FORMAT, bytes)?.text()
}

/// Reads a block of this conversation.
pub fn decode(conversation: &Rc<str>, bytes: &[u8]) -> Result<Block, Corrupt> {
    let mut r = Reader::new(FORMAT, bytes)?;
    if r.text()? != &**conversation {
        return Err(Corrupt);
    }
    let count = r.count()?;
    let mut messages = Vec::with_capacity(count);
    let mut last = None;
    for _ in 0..count {
        let seq = match (last, r.number()?) {
            (None, first) => first,
            (Some(_), 0) => return Err(Corrupt),
            (Some(last), step) => u64::checked_add(last, step).ok_or(Corrupt)?,
        };
        last = Some(seq);
        messages.push(read_message(&mut r, conversation, seq)?);
    }
    r.end()?;
    if messages.is_empty() {
        Err(Corrupt)
    } else {
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64) -> Rc<Message> {
        Rc::new(Message {
            id: format!("m{seq}"),
            conversation: "c".into(),
            seq: Seq(seq),
            sender: "ada".into(),
            created_at: 1_700_000_000_000,
            version: 2,
            state: MessageState::Edited,
            body: r#"{"text":"hé"}"#.into(),
            client_id: seq.is_multiple_of(2).then(|| "x".into()),
            repairs: seq as u8,
        })
    }

    #[test]
    fn a_block_survives_storage() {
        let block: Block = [0, 1, 7, 1 << 60, u64::MAX].map(message).to_vec();
        let bytes = encode("c", &block);
        assert_eq!(decode(&"c".into(), &bytes).unwrap(), block);
    }

    #[test]
    fn a_block_of_another_conversation_is_refused() {
        assert!(decode(&"d".into(), &encode("c", &[message(1)])).is_err());
    }

    #[test]
    fn a_flipped_byte_is_refused() {
        let mut bytes = encode("c", &[message(1), message(2)]);
        for i in 0..bytes.len() {
            bytes[i] ^= 0x20;
            assert!(decode(&"c".into(), &bytes).is_err(), "byte {i}");
            bytes[i] ^= 0x20;
        }
    }
}
