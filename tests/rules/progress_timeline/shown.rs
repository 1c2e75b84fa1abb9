//! What is shown stays: its versions, its keys, its numbers, and what of it is on screen.

use pullcord::core::net::Request;
use serde_json::{Value, json};

use super::{list, open_at};
use crate::harness::{Harness, message, update, version};
use crate::support::{jump, opened};

// ---------------------------------------------------------------- versions

#[test]
fn what_is_shown_is_never_replaced_by_an_older_version() {
    let mut b = opened();
    let edit = b.call(json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"}));
    b.overflow(json!("all"), json!([]), "50");
    list(&mut b, &["c"], Value::Null);
    b.reply(
        |call| matches!(call, Request::Edit { .. }),
        json!({"message": version(8, 3)}),
    );
    assert!(b.result(edit).is_some_and(|r| r.is_ok()));
    assert_eq!(b.shown(), "7~ 8''~ 9~");
    // Read before the edit, at or after the cursor.
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8'' 9");
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5 6 7 8'' 9");
    b.sync(json!([update(8, 3)]), "51");
    assert_eq!(b.shown(), "4 5 6 7 8'' 9");
}

#[test]
fn a_last_message_is_no_older_in_the_page_that_is_read_after_it() {
    let mut b = Harness::signed_in(9);
    b.sync(
        json!([{"type": "conversation", "conversation": {"id": "c", "lastMessage": version(9, 3)}}]),
        "2",
    );
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9''");
}

/// Draws each frame of the list.
fn frames(b: &mut Harness, act: impl FnOnce(&mut Harness)) -> Vec<String> {
    b.drawings.clear();
    act(b);
    b.drawings.clone()
}

#[test]
fn a_list_is_not_blank_for_a_moment_when_all_that_it_shows_is_trimmed() {
    let mut b = Harness::signed_in(900);
    b.open();
    b.answer_page(&[898, 899, 900], true, false);
    b.call(json!({"op": "load", "timeline": 1, "direction": "older", "limit": 900}));
    let seqs: Vec<u64> = (1..898).collect();
    b.answer_page(&seqs, false, true);
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    open_at(&mut b, json!({"around": "4"}));
    assert_eq!(b.shown(), "3 4 5");
    let shown = frames(&mut b, |b| {
        b.sync(
            json!([{"type": "trim", "conversation": "c", "before": 700}]),
            "2",
        );
    });
    let is_blank = |s: &String| !s.contains(|c: char| c.is_ascii_digit());
    assert!(!shown.iter().any(is_blank), "{shown:?}");
    assert_eq!(b.shown(), "898 899 900");
}

// ---------------------------------------------------------------- keys and numbers

#[test]
fn the_first_item_is_number_a_milliard_whenever_the_list_is_new() {
    let mut b = opened();
    let first = |b: &Harness| b.view()["firstIndex"].as_i64().expect("a number");
    assert_eq!(first(&b), 1_000_000_000);
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(first(&b), 999_999_997);
    jump(&mut b, json!({"around": "5"}));
    assert_eq!((b.shown().as_str(), first(&b)), ("4 5 6", 1_000_000_000));
    b.load("newer");
    assert_eq!(
        (b.shown().as_str(), first(&b)),
        ("4 5 6 7 8 9", 1_000_000_000)
    );
}

#[test]
fn one_id_at_two_positions_is_two_items_that_keep_their_keys() {
    let mut b = opened();
    let mut twin = message(10);
    twin["id"] = json!("m8");
    b.sync(
        json!([{"type": "message", "message": twin, "prev": 9}]),
        "2",
    );
    assert_eq!(b.keys(), ["m:m7", "m:m8", "m:m9", "s:10"]);
    twin["version"] = json!(2);
    twin["state"] = json!("edited");
    b.sync(json!([{"type": "update", "message": twin}]), "3");
    assert_eq!(b.keys(), ["m:m7", "m:m8", "m:m9", "s:10"]);
    b.sync(
        json!([{"type": "trim", "conversation": "c", "before": 9}]),
        "4",
    );
    assert_eq!(b.keys(), ["m:m9", "s:10"]);
}

#[test]
fn the_key_of_an_own_message_is_the_same_after_a_reload() {
    let mut b = opened();
    let mut own = message(10);
    own["clientId"] = json!("x");
    b.sync(json!([{"type": "message", "message": own, "prev": 9}]), "2");
    assert_eq!(b.keys()[3], "c:x");
}

#[test]
fn a_position_that_comes_again_with_another_id_is_shown_as_it_is_held() {
    let mut b = opened();
    let mut other = message(9);
    other["id"] = json!("n9");
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c", "start": {"around": "9"}}));
    b.sync(
        json!([{"type": "message", "message": other, "prev": 8}]),
        "2",
    );
    let shown = b.keys();
    let again = b.restart();
    let mut again = again;
    again.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    again.open();
    assert_eq!(shown, again.keys(), "what is shown is what is held");
}

// ---------------------------------------------------------------- what is on screen

#[test]
fn what_is_on_screen_is_known_by_one_end_where_the_other_has_gone() {
    let mut b = opened();
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m1", "last": "m:m8"}));
    assert_eq!(b.view()["unseen"], json!(1));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m1", "last": "m:m2"}));
    assert_eq!(b.view()["unseen"], json!(1));
}
