//! R14 in the pull loop: sizes, silence, hints, and what fails while others go on.

pub mod hints;
pub mod long_poll;
pub mod one_fails;
pub mod sizes;

use pullcord::core::net::{Error, Request};
use serde_json::{Value, json};

use crate::harness::Harness;
use crate::support::is_any_pull;

pub fn too_large() -> Error {
    Error::too_large("too large")
}

pub fn limit(call: &Request) -> u32 {
    match call {
        Request::Pull { limit, .. }
        | Request::PullConversations { limit, .. }
        | Request::PullMailbox { limit }
        | Request::Conversations { limit, .. }
        | Request::History { limit, .. } => *limit,
        other => panic!("{other:?} has no limit"),
    }
}

pub fn asked(b: &Harness, is: impl Fn(&Request) -> bool) -> Request {
    let found = b.asked.iter().find(|(_, call)| is(call));
    found.expect("it is asked for").1.clone()
}

pub fn errors(b: &Harness) -> usize {
    let error = |e: &&Value| e["type"] == json!("error");
    b.events.iter().filter(error).count()
}

pub fn empty(cursor: &str, more: bool) -> Value {
    json!({"events": [], "cursor": cursor, "hasMore": more})
}

/// A minute after the other, until something like this is asked for.
pub fn wait_for(b: &mut Harness, is: impl Fn(&Request) -> bool) {
    for _ in 0..400 {
        if b.is_asked(&is) {
            return;
        }
        b.wait(1_000);
    }
    panic!("it is not asked for; asked: {:?}", b.asked);
}

/// Signed in with `count` conversations, each with a cursor.
pub fn many(count: usize) -> Harness {
    let mut b = Harness::with(json!({"scope": "conversation", "fallbackPollInterval": 30_000}));
    let mut batches = serde_json::Map::new();
    let mut list = Vec::new();
    for n in 0..count {
        let id = format!("c{n:04}");
        list.push(json!({"id": id, "sort": n}));
        batches.insert(
            id,
            json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}),
        );
    }
    b.reply(is_any_pull, json!({"conversations": batches}));
    b.answer_list(json!({"conversations": list, "next": null}));
    while b.is_asked(is_any_pull) {
        b.reply(is_any_pull, json!({"conversations": {}}));
    }
    b.events.clear();
    b
}

/// All that there is to say of a conversation.
pub fn whole(id: &str) -> Value {
    json!({"type": "conversation", "conversation": {"id": id, "sort": 9, "unread": 1, "lastSeq": 1, "readSeq": null, "lastMessage": null}})
}

pub fn parts(call: &Request) -> (usize, Option<usize>, bool) {
    match call {
        Request::PullConversations {
            cursors,
            only,
            rest,
            ..
        } => (cursors.len(), only.as_ref().map(Vec::len), *rest),
        other => panic!("{other:?}"),
    }
}
