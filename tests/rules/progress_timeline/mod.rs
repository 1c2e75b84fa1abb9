//! R14, of lists: nothing that a list waits for stops it, and nothing that it does goes on without end.

pub mod asking;
pub mod jumps;
pub mod left_out;
pub mod shown;
pub mod unseen;

use serde_json::{Value, json};

use crate::harness::Harness;

pub fn list(b: &mut Harness, ids: &[&str], next: Value) {
    let state = |id: &&str| json!({"id": id, "unread": 3, "lastSeq": 99, "readSeq": 59, "sort": 1});
    let states: Vec<Value> = ids.iter().map(state).collect();
    b.answer_list(json!({"conversations": states, "next": next}));
}

pub fn open_at(b: &mut Harness, start: Value) {
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": start}));
}
