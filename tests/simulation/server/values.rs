//! Events, messages and states as the wire has them.

use serde_json::{Map, Value, json};

use super::conversation::{Conversation, Copy, Post, State};
use super::log::Entry;
use super::{ACCOUNT, Server};
use crate::simulation::rng::Rng;

impl Server {
    pub(super) fn event(&self, entry: &Entry, rng: &mut Rng) -> Value {
        match entry {
            Entry::Message {
                conversation,
                seq,
                version,
                prev,
            } => {
                let message = self.message(conversation, *seq, *version, rng);
                let mut event = json!({ "type": "message", "message": message });
                if let Some(prev) = prev {
                    event["prev"] = prev.map_or(Value::Null, |seq| seq_value(seq, rng));
                }
                event
            }
            Entry::Update {
                conversation,
                seq,
                version,
            } => {
                json!({ "type": "update", "message": self.message(conversation, *seq, *version, rng) })
            }
            Entry::State {
                conversation: _,
                fields,
            } => json!({ "type": "conversation", "conversation": fields }),
            Entry::Removed { conversation } => {
                json!({ "type": "removed", "conversation": conversation })
            }
            Entry::Trim {
                conversation,
                before,
            } => {
                json!({ "type": "trim", "conversation": conversation, "before": seq_value(*before, rng) })
            }
            Entry::Unknown => json!({ "type": "typing", "conversation": 7 }),
        }
    }

    /// The version that was asked for, or the newest: a server may give either.
    fn message(&self, id: &str, seq: u64, version: u64, rng: &mut Rng) -> Value {
        let post = &self.conversations[id].posts[&seq];
        let as_of = post.copies.iter().find(|copy| copy.version >= version);
        let copy = if rng.chance(30) {
            post.newest()
        } else {
            as_of.unwrap_or(post.newest())
        };
        message_value(id, post, copy, rng)
    }
}

/// A seq in either form of the wire; above 2^53 only as text.
fn seq_value(seq: u64, rng: &mut Rng) -> Value {
    if seq < 1 << 53 && rng.chance(70) {
        json!(seq)
    } else {
        json!(seq.to_string())
    }
}

pub(super) fn message_value(id: &str, post: &Post, copy: &Copy, rng: &mut Rng) -> Value {
    let mut value = json!({
        "id": post.id, "conversation": id, "seq": seq_value(post.seq, rng), "sender": post.sender,
        "createdAt": post.created_at, "version": copy.version, "state": copy.state, "body": copy.body,
    });
    if let (Some(client_id), ACCOUNT) = (&post.client_id, post.sender) {
        value["clientId"] = json!(client_id);
    }
    if let Some(odd) = post.odd {
        odd.spoil(&mut value);
    }
    value
}

/// The fields that a reader of `told` lacks; all of them where the conversation moves in the list,
/// or is new. None: nothing changed.
pub(super) fn fields(
    conversation: &Conversation,
    state: &State,
    told: Option<&State>,
) -> Option<Value> {
    // A partial state of a conversation that moved could be all that a reader of the paged list
    // ever sees of it.
    let told = told.filter(|told| told.sort == state.sort);
    let seq = |seq: Option<u64>| seq.map_or(Value::Null, |seq| json!(seq.to_string()));
    let mut map = Map::new();
    let mut put = |name: &str, changed: bool, value: &dyn Fn() -> Value| {
        if told.is_none() || changed {
            map.insert(name.to_owned(), value());
        }
    };
    put(
        "unread",
        told.is_some_and(|t| t.unread != state.unread),
        &|| json!(state.unread),
    );
    put(
        "lastSeq",
        told.is_some_and(|t| t.last_seq != state.last_seq),
        &|| seq(state.last_seq),
    );
    put(
        "readSeq",
        told.is_some_and(|t| t.read_seq != state.read_seq),
        &|| seq(state.read_seq),
    );
    put("sort", false, &|| json!(state.sort));
    put("meta", told.is_some_and(|t| t.meta != state.meta), &|| {
        state.meta.clone()
    });
    put(
        "lastMessage",
        told.is_some_and(|t| t.last_message != state.last_message),
        &|| {
            state.last_message.map_or(Value::Null, |(seq, _)| {
                let post = &conversation.posts[&seq];
                message_value(&conversation.id, post, post.newest(), &mut Rng::new(seq))
            })
        },
    );
    if map.is_empty() {
        return None;
    }
    map.insert("id".to_owned(), json!(conversation.id));
    Some(Value::Object(map))
}
