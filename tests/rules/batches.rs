//! R1, R9, R10: a batch and its cursor.

use pullcord::core::storage::StoreError;
use serde_json::json;

use super::harness::{Harness, after, new, update};
use super::support::{is_history, is_pull, opened};

#[test]
fn the_first_sign_in_reads_the_list_and_no_messages() {
    let mut b = Harness::new();
    assert_eq!(
        b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"})),
        None
    );
    assert_eq!(b.status["caughtUp"], json!(false), "it waits for the list");
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": "p2"}));
    b.answer_list(json!({"conversations": [{"id": "d", "sort": 2}], "next": null}));
    let ids: Vec<_> = b.conversations.iter().map(|c| c["id"].clone()).collect();
    assert_eq!(ids, ["d", "c"]);
    assert_eq!(
        (&b.status["caughtUp"], &b.status["listed"]),
        (&json!(true), &json!(true))
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn a_batch_is_applied_with_its_cursor_or_not_at_all() {
    let mut b = opened();
    b.failing
        .push_back(StoreError::Failed("the disk is on fire".into()));
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("1")));
    assert_eq!(b.status["error"]["code"], json!("storage"));
    b.wait(600_000);
    assert_eq!(
        b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}))
            .as_deref(),
        Some("1")
    );
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9 10", json!("2")));
}

#[test]
fn the_same_batch_again_changes_nothing() {
    let mut b = opened();
    b.sync(json!([after(9, 10), update(8, 2)]), "2");
    let (shown, segments, keys) = (b.shown(), b.segments(), b.keys());
    b.sync(json!([after(9, 10), update(8, 2)]), "2");
    assert_eq!((b.shown(), b.segments(), b.keys()), (shown, segments, keys));
}

#[test]
fn a_killed_tab_opens_where_its_last_commit_was() {
    let mut b = opened();
    b.sync(json!([after(9, 10)]), "2");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "8 9 10");
    assert!(
        !b.is_asked(is_history),
        "a live segment with a screenful makes no request"
    );
    assert_eq!(
        b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}))
            .as_deref(),
        Some("2")
    );
}

#[test]
fn an_answer_that_breaks_the_protocol_applies_nothing_and_is_asked_for_again_later() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.answer_pull(json!({"events": [new(10)], "cursor": "2"}));
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("1")));
    assert_eq!(b.status["error"]["code"], json!("protocol"));
    assert!(!b.is_asked(is_pull), "not in a loop");
    b.wait(600_000);
    assert!(b.is_asked(is_pull));
}
