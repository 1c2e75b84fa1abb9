//! What is committed, read as the next start would read it, against the model: the cursor is never
//! ahead of the data (R9), and every segment is true (DESIGN.md, "Segments").

use std::collections::{BTreeMap, BTreeSet};

use pullcord::core::records::{self, Held, MetaRecord};
use pullcord::core::storage::{Read, Table};
use pullcord::core::types::MessageState;
use pullcord::core::{block, types};
use pullcord::store::Memory;

use super::check::{Checked, is_true};
use super::facade::Message;
use super::mode::Scope;
use super::server::{Conversation, Server, position_in, position_of};

fn meta(store: &Memory) -> Option<records::Meta> {
    let read = Read::Get {
        table: Table::Meta,
        key: records::meta_key(),
    };
    let value = store.read(&[read]).ok()?.pop()?.pop()?;
    match records::read_meta(&value) {
        Ok(MetaRecord::Meta(meta)) => Some(meta),
        _ => None,
    }
}

/// The committed cursor of the account.
fn cursor(store: &Memory) -> Option<String> {
    meta(store)?.cursor
}

fn all(store: &Memory, table: Table) -> Vec<Vec<u8>> {
    let answers = store.read(&[Read::All { table }]);
    let mut answers = answers.unwrap_or_default();
    answers.pop().unwrap_or_default()
}

/// The committed cursors of the conversations (scope "conversation").
pub fn cursors(store: &Memory) -> BTreeMap<String, String> {
    let records = all(store, Table::Meta);
    let cursors = records
        .iter()
        .filter_map(|value| match records::read_meta(value) {
            Ok(MetaRecord::Cursor(id, cursor)) => Some((id.to_string(), cursor)),
            _ => None,
        });
    cursors.collect()
}

/// The mailbox deliveries that are committed (R10).
pub fn deliveries(store: &Memory) -> BTreeSet<String> {
    let records = all(store, Table::Deliveries);
    let records = records
        .iter()
        .filter_map(|value| records::read_deliveries(value).ok());
    records
        .flat_map(|(_, names)| names)
        .map(|name| name.to_string())
        .collect()
}

/// How far a device has come, as positions of the server's log.
#[derive(Clone, Default)]
pub struct Positions {
    /// of a conversation that is not named
    all: usize,
    each: BTreeMap<String, usize>,
}

impl Positions {
    pub fn of(&self, conversation: &str) -> usize {
        self.each.get(conversation).copied().unwrap_or(self.all)
    }

    /// Where it has everything.
    pub fn least(&self) -> usize {
        self.each.values().min().copied().unwrap_or(self.all)
    }
}

/// What is committed is true as of these positions: the cursor's, or, where there is none for the
/// whole account, that of what is lacking first of each conversation.
pub fn positions(store: &Memory, server: &Server) -> Positions {
    let ids = server.conversations.keys();
    let each = match server.mode.scope {
        Scope::Account => BTreeMap::new(),
        Scope::Conversation => {
            let cursors = cursors(store);
            let position = |id: &String| {
                let cursor = cursors.get(id).and_then(|cursor| position_in(cursor, id));
                server.next_of(id, cursor.unwrap_or(0))
            };
            ids.map(|id| (id.clone(), position(id))).collect()
        }
        Scope::Mailbox => {
            let applied = deliveries(store);
            ids.map(|id| (id.clone(), server.first_lacking(id, &applied)))
                .collect()
        }
    };
    Positions {
        all: cursor(store)
            .and_then(|cursor| position_of(&cursor))
            .unwrap_or(0),
        each,
    }
}

/// The kept segments of a conversation: their ends, and the position as of which they are true.
pub fn kept(store: &Memory, conversation: &str) -> Vec<(u64, u64, usize)> {
    let read = Read::Get {
        table: Table::Segments,
        key: records::conversation_key(conversation),
    };
    let value = store.read(&[read]).ok();
    let value = value.and_then(|mut answers| answers.pop()?.pop());
    let Some(Ok((_, held))) = value.map(|value| records::read_held(&value)) else {
        return Vec::new();
    };
    let segments = held.segments.iter();
    segments
        .filter_map(|s| Some((s.lo, s.hi, since(s.since.as_ref()?, conversation))))
        .collect()
}

/// The position that a kept segment names. One that was kept without any cursor promises nothing.
fn since(cursor: &str, conversation: &str) -> usize {
    let position = position_of(cursor).or_else(|| position_in(cursor, conversation));
    position.unwrap_or(0)
}

/// Whether the conversation list is owed: since an overflow its states were not read again (R4).
pub fn owed(store: &Memory) -> bool {
    meta(store).is_some_and(|meta| meta.owed)
}

/// Conversations that the list lacked, and of which the next pull is to decide (R11).
pub fn suspects(store: &Memory) -> Vec<String> {
    meta(store).map(|meta| meta.suspects).unwrap_or_default()
}

/// The versions of the messages that are committed of a conversation, by seq.
pub fn versions(store: &Memory, conversation: &str) -> BTreeMap<u64, u64> {
    let (lo, hi) = (
        records::block_key(conversation, 0),
        records::block_key(conversation, u64::MAX),
    );
    let read = Read::Range {
        table: Table::Blocks,
        lo,
        hi,
    };
    let values = store
        .read(&[read])
        .ok()
        .and_then(|mut answers| answers.pop())
        .unwrap_or_default();
    let blocks = values
        .iter()
        .filter_map(|value| block::decode(&conversation.into(), value).ok());
    blocks
        .flatten()
        .map(|message| (message.seq.0, message.version))
        .collect()
}

/// Everything that a commit left behind.
pub fn check(store: &Memory, server: &Server) -> Checked {
    let positions = positions(store, server);
    let reads = [Table::Segments, Table::Blocks].map(|table| Read::All { table });
    let mut answers = store.read(&reads).map_err(|error| format!("{error:?}"))?;
    let blocks = answers.pop().unwrap_or_default().len();
    let mut indexed = 0;
    for value in answers.pop().unwrap_or_default() {
        let (id, held) =
            records::read_held(&value).map_err(|_| "a record of segments that cannot be read")?;
        let Some(conversation) = server.conversations.get(&*id) else {
            return Err(format!("segments of {id}, which does not exist"));
        };
        indexed += held.blocks.len();
        let position = positions.of(&id);
        segments(store, conversation, &held, position).map_err(|error| {
            format!(
                "stored of {id}, as of {position}: {error}\n    {}",
                draw(&held)
            )
        })?;
    }
    if blocks != indexed {
        return Err(format!(
            "{blocks} blocks are stored, {indexed} are in an index"
        ));
    }
    Ok(())
}

/// Segments as a line: `[1 9] · [12 30]>`.
pub fn draw(held: &Held) -> String {
    let segments: Vec<String> = held
        .segments
        .iter()
        .map(|s| {
            let (start, end) = (
                if s.start { "|" } else { "[" },
                if s.live { "]>" } else { "]" },
            );
            let stale = if s.since.is_some() { "?" } else { "" };
            format!("{start}{} {}{end}{stale}", s.lo, s.hi)
        })
        .collect();
    segments.join(" · ")
}

fn segments(store: &Memory, conversation: &Conversation, held: &Held, position: usize) -> Checked {
    let mut messages: BTreeMap<u64, Message> = BTreeMap::new();
    for entry in &held.blocks {
        let key = records::block_key(&conversation.id, entry.lo);
        let read = Read::Get {
            table: Table::Blocks,
            key,
        };
        let value = store
            .read(&[read])
            .map_err(|error| format!("{error:?}"))?
            .pop()
            .and_then(|mut values| values.pop());
        let value = value.ok_or_else(|| format!("the block at {} is missing", entry.lo))?;
        let block = block::decode(&conversation.id.as_str().into(), &value)
            .map_err(|_| "a block that cannot be read")?;
        let (first, last) = (block[0].seq.0, block[block.len() - 1].seq.0);
        let described = (
            entry.lo,
            entry.hi,
            entry.count as usize,
            entry.bytes as usize,
        ) == (first, last, block.len(), value.len());
        if !described {
            return Err(format!(
                "{entry:?} describes a block of {} from {first} to {last}, {} bytes",
                block.len(),
                value.len()
            ));
        }
        for message in block {
            if messages.insert(message.seq.0, plain(&message)?).is_some() {
                return Err(format!("{} is stored twice", message.seq.0));
            }
        }
    }
    let member = conversation.member_at(position);
    // What is kept over an overflow stays until the list says that the account has left.
    let mut holds = messages
        .keys()
        .filter_map(|seq| held.segments.containing(*seq));
    if !member && !conversation.member_since(position, true) && holds.any(|s| s.fresh()) {
        return Err("messages of a conversation that was left".to_owned());
    }
    let mut last: Option<u64> = None;
    for segment in held.segments.iter() {
        if segment.lo > segment.hi || last.is_some_and(|last| last >= segment.lo) {
            return Err("segments are not disjoint and sorted".to_owned());
        }
        last = Some(segment.hi);
        // What was true of a kept one, it says itself.
        let as_of = match &segment.since {
            None => position,
            Some(cursor) => since(cursor, &conversation.id),
        };
        if !member {
            continue;
        }
        for post in conversation
            .posts
            .range(segment.lo..=segment.hi)
            .map(|(_, post)| post)
        {
            match messages.get(&post.seq) {
                Some(message) => is_true(message, conversation, as_of)?,
                None if post.is_owed_at(as_of) => {
                    return Err(format!(
                        "{} is missing in [{}, {}]",
                        post.seq, segment.lo, segment.hi
                    ));
                }
                None => {}
            }
        }
        let owed = |mut posts: std::collections::btree_map::Range<u64, super::server::Post>| {
            posts
                .find(|(_, post)| post.is_owed_at(as_of))
                .map(|(seq, _)| *seq)
        };
        if let (true, Some(newer)) = (
            segment.live,
            segment
                .hi
                .checked_add(1)
                .and_then(|from| owed(conversation.posts.range(from..))),
        ) {
            return Err(format!("R2: live to {}, and {newer} is newer", segment.hi));
        }
        if let (true, Some(older)) = (segment.start, owed(conversation.posts.range(..segment.lo))) {
            return Err(format!("R5: start at {}, and {older} is older", segment.lo));
        }
    }
    for (seq, message) in &messages {
        let Some(segment) = held.segments.containing(*seq) else {
            return Err(format!("{seq} is stored outside of all segments"));
        };
        let as_of = match &segment.since {
            None => position,
            Some(cursor) => since(cursor, &conversation.id),
        };
        let trimmed = conversation.posts.get(seq).and_then(|post| post.trimmed);
        if member && trimmed.is_some_and(|at| at <= as_of) {
            return Err(format!("R7: {seq} was trimmed"));
        }
        is_true(message, conversation, 0)?;
    }
    Ok(())
}

/// A stored message, as the lists show it.
fn plain(message: &types::Message) -> Result<Message, String> {
    Ok(Message {
        id: message.id.clone(),
        conversation: message.conversation.to_string(),
        seq: message.seq.0,
        sender: message.sender.clone(),
        created_at: message.created_at,
        version: message.version,
        state: match message.state {
            MessageState::Normal => "normal",
            MessageState::Edited => "edited",
            MessageState::Recalled => "recalled",
        }
        .to_owned(),
        body: serde_json::from_str(&message.body)
            .map_err(|error| format!("a body that is no JSON: {error}"))?,
        client_id: message.client_id.clone(),
    })
}
