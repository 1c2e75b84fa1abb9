//! R3: updates.

use serde_json::json;

use super::harness::{Harness, message, update};
use super::support::opened;

#[test]
fn update_of_an_uncached_message_is_ignored() {
    let mut b = opened();
    b.sync(json!([update(2, 2)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
}

#[test]
fn an_older_version_never_replaces_a_newer_one() {
    let mut b = opened();
    b.sync(json!([update(8, 3), update(8, 2)]), "2");
    assert_eq!(b.shown(), "7 8'' 9");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "7 8'' 9");
}

#[test]
fn a_last_message_is_updated_too() {
    let mut b = Harness::signed_in(9);
    b.sync(
        json!([{"type": "conversation", "conversation": {"id": "c", "lastMessage": message(9)}}]),
        "2",
    );
    b.sync(json!([update(9, 2)]), "3");
    assert_eq!(b.conversations[0]["lastMessage"]["version"], json!(2));
}
