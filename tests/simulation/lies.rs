//! Answers that break the protocol's frame, of which nothing may count (one bad item is another thing:
//! [`super::odd`]). Every message in one carries an id that begins with [`LIE`], so that anything of it
//! that is ever shown or stored is noticed.

use pullcord::core::net::{Place, Request};
use serde_json::{Value, json};

use super::rng::Rng;

pub const LIE: &str = "lie:";

/// Turns an answer into one that no correct server gives. None: this one offers no handle.
pub fn lie(call: &Request, answer: &str, rng: &mut Rng) -> Option<String> {
    match rng.below(4) {
        0 => {
            return Some("<!doctype html><title>Sign in to the hotel's network</title>".to_owned());
        }
        1 => {
            let mut end = answer.len().checked_sub(1)? / 2;
            while !answer.is_char_boundary(end) {
                end -= 1;
            }
            return Some(answer[..end].to_owned());
        }
        _ => {}
    }
    let mut answer: Value = serde_json::from_str(answer).ok()?;
    mark(&mut answer);
    let told = match call {
        Request::Pull { cursor, .. } => batch(&mut answer, cursor.as_deref(), rng),
        Request::PullConversations { cursors, .. } => batches(&mut answer, cursors, rng),
        Request::PullMailbox { .. } => mailbox(&mut answer, rng),
        Request::Changes { .. } => changes(&mut answer, rng),
        Request::History { place, .. } => page(&mut answer, *place, rng),
        Request::Conversations { after, .. } => list(&mut answer, after.as_deref(), rng),
        _ => false,
    };
    told.then(|| answer.to_string())
}

/// Marks every message of an answer.
fn mark(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(mark),
        Value::Object(fields) => {
            if fields.contains_key("seq") {
                let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
                let id = format!("{LIE}{id}");
                fields.insert("id".to_owned(), json!(id));
            }
            fields.values_mut().for_each(mark);
        }
        _ => {}
    }
}

fn batch(answer: &mut Value, cursor: Option<&str>, rng: &mut Rng) -> bool {
    match rng.below(5) {
        0 => answer["cursor"] = json!(17),
        1 => {
            answer
                .as_object_mut()
                .expect("a batch is an object")
                .remove("cursor");
        }
        2 => {
            // An endless chain that moves nothing. A first sign-in has no cursor to stay at.
            let Some(cursor) = cursor else { return false };
            *answer = json!({ "events": [], "cursor": cursor, "hasMore": true });
        }
        3 => answer["hasMore"] = json!("no"),
        _ => answer["events"] = json!({}),
    }
    true
}

/// One conversation's batch, or all of them.
fn batches(answer: &mut Value, cursors: &[(String, String)], rng: &mut Rng) -> bool {
    if rng.chance(20) {
        answer["conversations"] = json!([]);
        return true;
    }
    let batches = answer["conversations"].as_object_mut();
    let Some(batches) = batches.filter(|batches| !batches.is_empty()) else {
        return false;
    };
    // Each is marked as a lie already: each has to be one.
    let mut all = true;
    for (id, one) in batches {
        let cursor = cursors.iter().find(|(of, _)| of == id);
        if one.get("error").is_none() {
            all &= batch(one, cursor.map(|(_, cursor)| cursor.as_str()), rng);
        }
    }
    all
}

fn mailbox(answer: &mut Value, rng: &mut Rng) -> bool {
    match rng.below(3) {
        0 => answer["hasMore"] = json!("no"),
        1 => answer["events"] = json!({}),
        _ => *answer = json!({ "events": [], "hasMore": true }),
    }
    true
}

fn changes(answer: &mut Value, rng: &mut Rng) -> bool {
    match rng.below(3) {
        0 => return descends(&mut answer["messages"]),
        1 => answer["hasMore"] = Value::Null,
        // Moves nothing and claims more.
        _ => *answer = json!({ "messages": [], "hasMore": true }),
    }
    true
}

/// Turns a list around, if that makes a difference.
fn descends(messages: &mut Value) -> bool {
    let messages = messages.as_array_mut().expect("messages are a list");
    messages.reverse();
    // One without a place stands nowhere.
    let placed = messages
        .iter()
        .filter(|message| message["seq"] != json!(-1));
    let named = placed.filter(|message| message["id"].is_string());
    named.count() >= 2
}

fn page(answer: &mut Value, place: Place, rng: &mut Rng) -> bool {
    match rng.below(4) {
        0 => return descends(&mut answer["messages"]),
        1 => answer["hasBefore"] = json!("yes"),
        2 if place == Place::Latest => answer["hasAfter"] = json!(true),
        2 => answer["messages"] = json!({}),
        _ => {
            // Moves nothing and claims more (R5).
            let (before, after) = match place {
                Place::Before(_) => (true, false),
                Place::After(_) => (false, true),
                _ => return false,
            };
            *answer = json!({ "messages": [], "hasBefore": before, "hasAfter": after });
        }
    }
    true
}

fn list(answer: &mut Value, after: Option<&str>, rng: &mut Rng) -> bool {
    match (rng.below(3), after) {
        (0, _) => answer["conversations"] = json!({}),
        (1, Some(after)) => answer["next"] = json!(after),
        _ => answer["next"] = json!(17),
    }
    true
}
