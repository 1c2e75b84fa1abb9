//! Corners of several rules.

use pullcord::core::net::{Error, ErrorCode, Request};
use serde_json::json;

use super::harness::{Harness, after, message, state};
use super::support::{is_history, is_send, opened};

#[test]
fn an_own_message_on_screen_is_seen_when_the_sync_has_brought_it() {
    let mut b = opened();
    b.send("a");
    let keys = b.keys();
    b.command(json!({"op": "visible", "timeline": 1, "first": keys[0], "last": keys[3]}));
    b.accept(10);
    let mut own = message(10);
    own["clientId"] = json!("a");
    b.sync(json!([{"type": "message", "message": own, "prev": 9}]), "2");
    assert_eq!(
        (b.keys()[3].as_str(), b.shown().as_str()),
        ("c:a", "7 8 9 10")
    );
    assert_eq!(b.view()["unseen"], json!(0));
}

#[test]
fn an_own_message_that_is_tried_again_does_not_take_along_where_somebody_looks() {
    // On screen are the list's end and more of it; then two more come, which are not.
    for (first, last) in [(0, 3), (3, 3)] {
        let mut b = opened();
        b.send("a");
        b.fail(Error::from_status(422, "too rude", None), is_send);
        let keys = b.keys();
        b.command(
            json!({"op": "visible", "timeline": 1, "first": keys[first], "last": keys[last]}),
        );
        b.sync(json!([after(9, 10), after(10, 11)]), "2");
        assert_eq!(b.shown(), "7 8 9 (a failed) 10 11");
        assert_eq!(b.view()["unseen"], json!(2));
        b.call(json!({"op": "retry", "clientId": "a"}));
        assert_eq!(b.shown(), "7 8 9 10 11 (a sending)");
        assert_eq!(b.view()["unseen"], json!(2));
        // Whoever shows the list as it was says so with what has moved.
        b.command(json!({"op": "visible", "timeline": 1, "first": "c:a", "last": keys[2]}));
        assert_eq!(b.view()["unseen"], json!(2));
    }
}

#[test]
fn a_removed_list_says_what_became_of_an_unsent_message() {
    let mut b = opened();
    b.send("a");
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.shown(), "7 8 9 (a failed)");
    b.fail(Error::new(ErrorCode::Forbidden, "left"), is_send);
    b.call(json!({"op": "discard", "clientId": "a"}));
    assert_eq!((b.shown().as_str(), b.outbox.len()), ("7 8 9", 0));
}

#[test]
fn a_list_let_go_learns_that_the_account_has_left() {
    let mut b = opened();
    b.command(json!({"op": "release", "timeline": 1}));
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    b.command(json!({"op": "attach", "timeline": 1}));
    assert_eq!(
        (b.shown().as_str(), &b.view()["status"]),
        ("7 8 9", &json!("removed"))
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn one_client_id_in_two_conversations_is_two_messages() {
    let mut b = opened();
    let body = json!({"text": "x"}).to_string();
    for conversation in ["c", "d"] {
        b.call(json!({"op": "send", "conversation": conversation, "body": body, "clientId": "x"}));
    }
    let to_d =
        |call: &Request| matches!(call, Request::Send { conversation, .. } if conversation == "d");
    b.fail(Error::new(ErrorCode::Rejected, "no"), to_d);
    let elsewhere = b.call(json!({"op": "discard", "conversation": "e", "clientId": "x"}));
    assert_eq!(b.result(elsewhere), Some(Ok(json!(false))));
    b.call(json!({"op": "retry", "clientId": "x"}));
    assert!(b.is_asked(to_d));
}

#[test]
fn position_zero_is_the_start() {
    let mut b = Harness::signed_in(0);
    b.open();
    b.answer_page(&[0], true, false);
    assert_eq!(b.segments(), "|0 0]>");
    let call = b.load("older");
    assert_eq!(
        b.result(call)
            .expect("it is settled")
            .expect("it is no error")["end"],
        json!(true)
    );
}

#[test]
fn what_the_same_batch_trims_is_no_news() {
    let mut b = opened();
    b.command(json!({"op": "listening", "events": ["messages", "updates"]}));
    b.sync(
        json!([after(9, 10), {"type": "trim", "conversation": "c", "before": 11}]),
        "2",
    );
    assert!(b.events.is_empty(), "{:?}", b.events);
}

#[test]
fn the_list_is_read_at_the_first_sign_in_though_it_is_called_no_overflow() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [state(0, 9)], "cursor": "1", "hasMore": false}));
    b.answer_list(json!({"conversations": [{"id": "c"}], "next": null}));
    assert_eq!(b.status["listed"], json!(true));
    assert_eq!(b.conversations[0]["lastSeq"], json!("9"));
}

#[test]
fn a_read_mark_only_moves_forward() {
    let mut b = opened();
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
    b.accept_mark();
    let again = b.call(json!({"op": "mark-read", "conversation": "c", "seq": "8"}));
    assert_eq!(b.result(again), Some(Ok(json!(null))));
    assert!(b.asked.is_empty());
}

#[test]
fn what_could_not_be_echoed_is_not_sent() {
    let mut b = opened();
    let call = b.send(&"x".repeat(20_000));
    assert_eq!(b.result(call), Some(Err("invalid".into())));
    let body = json!("x".repeat(5 << 20)).to_string();
    let call = b.call(json!({"op": "send", "conversation": "c", "body": body, "clientId": "a"}));
    assert_eq!(b.result(call), Some(Err("invalid".into())));
    assert!(b.outbox.is_empty());
}
