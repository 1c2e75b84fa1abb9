//! Every stored segment is true (docs/rules.md, "Segments"): nothing that the server had is missing in it, and its marks
//! hold.

use std::collections::BTreeMap;

use pullcord::core::records::Held;
use pullcord::core::segments::Segment;

use crate::simulation::check::{Checked, is_new_enough};
use crate::simulation::facade::Message;
use crate::simulation::server::{Conversation, Post};

use super::{Stored, since};

impl Stored {
    /// The messages of all blocks, each as its entry describes it.
    fn messages(
        &self,
        conversation: &Conversation,
        held: &Held,
    ) -> Result<BTreeMap<u64, &Message>, String> {
        let mut messages: BTreeMap<u64, &Message> = BTreeMap::new();
        for entry in &held.blocks {
            let block = self
                .block(&conversation.id, entry.lo)
                .filter(|block| !block.messages.is_empty())
                .ok_or_else(|| format!("the block at {} is missing", entry.lo))?;
            let (first, last) = (
                block.messages[0].seq,
                block.messages[block.messages.len() - 1].seq,
            );
            let described = (
                entry.lo,
                entry.hi,
                entry.count as usize,
                entry.bytes as usize,
            ) == (first, last, block.messages.len(), block.bytes);
            if !described {
                return Err(format!(
                    "{entry:?} describes a block of {} from {first} to {last}, {} bytes",
                    block.messages.len(),
                    block.bytes
                ));
            }
            block.compare(conversation)?;
            let mut all = block.messages.iter();
            if let Some(message) = all.find(|m| messages.insert(m.seq, m).is_some()) {
                return Err(format!("{} is stored twice", message.seq));
            }
        }
        Ok(messages)
    }

    /// What is held of this conversation, as of this position, is true.
    pub(super) fn segments(
        &self,
        conversation: &Conversation,
        held: &Held,
        position: usize,
    ) -> Checked {
        let messages = self.messages(conversation, held)?;
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
            is_complete(segment, conversation, &messages, as_of)?;
        }
        for seq in messages.keys() {
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
        }
        Ok(())
    }
}

/// A segment lacks nothing that the server had at this position (R1), and its marks hold.
fn is_complete(
    segment: &Segment,
    conversation: &Conversation,
    messages: &BTreeMap<u64, &Message>,
    as_of: usize,
) -> Checked {
    let (lo, hi) = (segment.lo, segment.hi);
    for post in conversation.posts.range(lo..=hi).map(|(_, post)| post) {
        match messages.get(&post.seq) {
            Some(message) => is_new_enough(message, post, as_of)?,
            None if post.is_owed_at(as_of) => {
                return Err(format!("{} is missing in [{lo}, {hi}]", post.seq));
            }
            None => {}
        }
    }
    let owed = |mut posts: std::collections::btree_map::Range<u64, Post>| {
        posts
            .find(|(_, post)| post.is_owed_at(as_of))
            .map(|(seq, _)| *seq)
    };
    let after = hi.checked_add(1).filter(|_| segment.live);
    if let Some(newer) = after.and_then(|from| owed(conversation.posts.range(from..))) {
        return Err(format!("R2: live to {hi}, and {newer} is newer"));
    }
    let before = segment.start.then(|| conversation.posts.range(..lo));
    if let Some(older) = before.and_then(owed) {
        return Err(format!("R5: start at {lo}, and {older} is older"));
    }
    Ok(())
}
