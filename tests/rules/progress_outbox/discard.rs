//! What is discarded or tried again: it is not delivered all the same, and takes nobody's place.

use pullcord::core::net::Error;
use serde_json::json;

use super::{echo, names, sending};
use crate::harness::Harness;
use crate::support::{is_send, network, opened, status};

/// What the app is told of new messages.
fn news(b: &Harness) -> usize {
    let news = b.events.iter().filter(|e| e["type"] == json!("messages"));
    news.count()
}

fn discard(b: &mut Harness, client_id: &str) -> Option<Result<serde_json::Value, String>> {
    let call = b.call(json!({"op": "discard", "clientId": client_id}));
    b.result(call)
}

// ---------------------------------------------------------------- discard

#[test]
fn discard_works_also_of_one_on_its_way() {
    let mut b = opened();
    b.command(json!({"op": "listening", "events": ["messages"]}));
    b.send("a");
    b.send("b");
    let (request, _) = b.asked[0].clone();
    assert_eq!(discard(&mut b, "a"), Some(Ok(json!(true))));
    assert_eq!(b.aborted, [request]);
    assert_eq!(b.shown(), "7 8 9 (b sending)", "the next one's turn");
    assert_eq!(
        discard(&mut b, "a"),
        Some(Ok(json!(false))),
        "there is none"
    );
    b.accept(11);
    // It was delivered after all.
    b.sync(json!([echo("a", 9, 10), echo("b", 10, 11)]), "2");
    assert_eq!((b.shown().as_str(), news(&b)), ("7 8 9 10 11", 0));
    // Also where that is heard of after a reload, as a repetition.
    let mut b = b.restart();
    b.command(json!({"op": "listening", "events": ["messages"]}));
    b.answer_pull(json!({"events": [], "cursor": "3", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "lastSeq": 9, "sort": 1}], "next": null}));
    b.sync(json!([echo("a", 9, 10), echo("b", 10, 11)]), "4");
    assert_eq!(news(&b), 0);
    let call = b.send("a");
    assert!(matches!(b.result(call), Some(Ok(_))));
    assert!(b.outbox.is_empty() && !b.is_asked(is_send));
}

#[test]
fn a_discarded_message_is_not_delivered_by_a_try_that_was_under_way() {
    let mut b = opened();
    b.store_is_slow = true;
    b.send("a");
    // Stored; then its try is counted, while it is discarded.
    assert!(b.finish_commit());
    let call = b.call(json!({"op": "discard", "clientId": "a"}));
    b.finish_commits();
    assert_eq!(b.result(call), Some(Ok(json!(true))));
    assert!(!b.is_asked(is_send));
    let mut b = b.restart();
    b.wait(600_000);
    assert!(!b.is_asked(is_send) && b.outbox.is_empty());
}

#[test]
fn an_answer_that_comes_as_it_is_discarded_brings_nothing_back() {
    let mut b = opened();
    b.send("a");
    b.store_is_slow = true;
    let call = b.call(json!({"op": "discard", "clientId": "a"}));
    b.accept(10);
    b.finish_commits();
    assert_eq!((b.result(call), b.outbox.len()), (Some(Ok(json!(true))), 0));
    b.send("b");
    b.finish_commits();
    assert_eq!(sending(&b), ["b"]);
}

// ---------------------------------------------------------------- order

#[test]
fn what_is_tried_again_comes_after_what_was_delivered_meanwhile() {
    let mut b = opened();
    for text in ["a", "b", "x"] {
        b.send(text);
    }
    b.fail(status(422), names("a"));
    b.accept(10);
    b.sync(json!([echo("b", 9, 10)]), "2");
    b.call(json!({"op": "retry", "clientId": "a"}));
    assert_eq!(b.shown(), "7 8 9 10 (a queued) (x sending)");
    b.accept(11);
    b.fail(status(422), names("a"));
    b.sync(json!([echo("x", 10, 11)]), "3");
    assert_eq!(b.shown(), "7 8 9 (a failed) 10 11", "as it was written");
}

#[test]
fn a_retry_goes_out_at_once_also_during_a_retry_after_once_a_second() {
    let mut b = opened();
    b.send("a");
    let wait = || Error::from_status(503, "later", Some(600_000));
    let mut left = 0;
    b.fail(wait(), is_send);
    for _ in 0..30 {
        b.call(json!({"op": "retry", "clientId": "a"}));
        if b.is_asked(is_send) {
            left += 1;
            b.fail(wait(), is_send);
        }
        b.wait(100);
    }
    assert!((3..=4).contains(&left), "{left} tries in 3 s");
    b.wait(2_000);
    if b.is_asked(is_send) {
        b.fail(wait(), is_send);
    }
    b.wait(60_000);
    assert!(!b.is_asked(is_send), "the server's word stands otherwise");
}

#[test]
fn an_answer_is_of_the_message_that_it_was_asked_for() {
    let mut b = opened();
    b.send("a");
    b.fail(network(), is_send);
    // Another client sends what waits here, and its user writes on.
    let mut other = Harness::with(json!({}));
    other.store = b.store.clone();
    let mut other = other.restart();
    other.accept(10);
    other.answer_pull(json!({"events": [echo("a", 9, 10)], "cursor": "2", "hasMore": false}));
    assert!(other.outbox.is_empty());
    other.send("b");
    let mut other = other.restart();
    assert_eq!(sending(&other), ["b"]);
    other.accept(11);
    assert_eq!(other.outbox.len(), 0);
}
