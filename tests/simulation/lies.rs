//! Answers that break the protocol. Every message in one carries an id that begins with [`LIE`], so
//! that anything of it that is ever shown or stored is noticed.

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
        Request::Changes { from, .. } => changes(&mut answer, from.0, rng),
        Request::History {
            conversation,
            place,
            ..
        } => page(&mut answer, conversation, *place, rng),
        Request::Conversations { .. } => list(&mut answer, rng),
        Request::Send { .. } | Request::Edit { .. } | Request::Recall { .. } => {
            message(&mut answer["message"], rng)
        }
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
        _ => {
            let events = answer["events"].as_array_mut().expect("a batch has events");
            let Some(event) = events
                .iter_mut()
                .find(|event| event.get("message").is_some())
            else {
                return false;
            };
            return message(&mut event["message"], rng);
        }
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
        _ => {
            let events = answer["events"]
                .as_array_mut()
                .expect("a mailbox has events");
            let told = events
                .iter_mut()
                .find(|event| event.get("message").is_some());
            return told.is_some_and(|event| message(&mut event["message"], rng));
        }
    }
    true
}

fn changes(answer: &mut Value, from: u64, rng: &mut Rng) -> bool {
    let messages = answer["messages"]
        .as_array_mut()
        .expect("changes have messages");
    let count = messages.len();
    match rng.below(4) {
        0 if count >= 2 => messages.reverse(),
        1 if count >= 1 => return message(&mut messages[rng.below(count as u64) as usize], rng),
        2 if count >= 1 && from > 0 => messages[0]["seq"] = json!((from - 1).to_string()),
        // Moves nothing and claims more.
        3 => *answer = json!({ "messages": [], "hasMore": true }),
        _ => return false,
    }
    true
}

fn page(answer: &mut Value, conversation: &str, place: Place, rng: &mut Rng) -> bool {
    let messages = answer["messages"]
        .as_array_mut()
        .expect("a page has messages");
    let count = messages.len();
    match rng.below(6) {
        0 if count >= 2 => messages.reverse(),
        1 if count >= 1 => messages.push(messages[count - 1].clone()),
        2 if count >= 1 => {
            let other = format!("{conversation}-other");
            messages[rng.below(count as u64) as usize]["conversation"] = json!(other);
        }
        3 if count >= 1 => return message(&mut messages[rng.below(count as u64) as usize], rng),
        4 => {
            // A page of another place.
            let seq = match place {
                Place::Before(seq) => seq.0,
                Place::After(seq) => seq.0,
                _ => return false,
            };
            let stray = json!({
                "id": format!("{LIE}stray"), "conversation": conversation, "seq": seq.to_string(), "sender": "eve",
                "createdAt": 1, "version": 9, "state": "normal", "body": "stray",
            });
            *messages = vec![stray];
        }
        5 => {
            // Moves nothing and claims more (R5).
            let (before, after) = match place {
                Place::Before(_) => (true, false),
                Place::After(_) => (false, true),
                _ => return false,
            };
            *answer = json!({ "messages": [], "hasBefore": before, "hasAfter": after });
        }
        _ => return false,
    }
    true
}

fn list(answer: &mut Value, rng: &mut Rng) -> bool {
    match rng.below(3) {
        0 => answer["conversations"] = json!({}),
        1 => {
            let Some(first) = answer["conversations"].get_mut(0) else {
                return false;
            };
            first["unread"] = json!(-1);
        }
        _ => {
            let Some(first) = answer["conversations"].get_mut(0) else {
                return false;
            };
            first["lastSeq"] = json!("12x");
        }
    }
    true
}

/// A message with one field that is none.
fn message(message: &mut Value, rng: &mut Rng) -> bool {
    if !message.is_object() {
        return false;
    }
    match rng.below(7) {
        0 => message["seq"] = json!(-1),
        1 => message["seq"] = json!(1.5),
        2 => message["seq"] = json!("18446744073709551616"),
        3 => message["seq"] = Value::Null,
        4 => message["state"] = json!("deleted"),
        5 => message["id"] = json!(7),
        _ => message["version"] = json!("new"),
    }
    true
}
