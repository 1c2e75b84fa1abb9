//! R2: new messages.

use serde_json::json;

use super::harness::{Harness, after, new};
use super::support::opened;

#[test]
fn a_new_message_above_the_live_end_is_shown_at_once() {
    let mut b = opened();
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9 10", "[7 10]>")
    );
}

#[test]
fn a_message_committed_late_is_put_where_it_belongs() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_page(&[3, 6, 9], true, false);
    b.sync(json!([new(7)]), "2");
    assert_eq!(b.shown(), "3 6 7 9");
}

#[test]
fn a_message_below_all_that_is_held_is_left_to_history() {
    let mut b = opened();
    b.sync(json!([new(2)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
}

#[test]
fn without_a_state_that_proves_it_a_first_message_is_not_live() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [new(5)], "cursor": "1", "hasMore": false, "overflow": "all"}));
    assert_eq!(b.segments(), "[5 5]");
    let mut b = Harness::signed_in(9);
    b.sync(json!([new(10)]), "2");
    assert_eq!(b.segments(), "[10 10]>");
}

#[test]
fn a_state_without_last_seq_proves_nothing() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": null}));
    b.sync(json!([new(5)]), "2");
    assert_eq!(b.segments(), "[5 5]");
}

#[test]
fn positions_above_two_to_the_53_keep_their_digits() {
    let mut b = Harness::signed_in(9);
    b.sync(json!([{"type": "message", "message": {"id": "m", "conversation": "c", "seq": "18446744073709551615", "sender": "a",
        "createdAt": 1, "version": 1, "state": "normal", "body": null}}]), "2");
    assert_eq!(b.segments(), "[18446744073709551615 18446744073709551615]>");
}
