//! Answers that say nothing, and what an edit or a recall says that may have been done.

use pullcord::core::net::Request;
use pullcord::core::storage::StoreError;
use serde_json::json;

use super::{echo, names, sending, silence};
use crate::harness::{Harness, new, state, version};
use crate::support::{is_send, network, opened, status};

// ---------------------------------------------------------------- answers that say nothing

/// A client whose message the server has taken with an answer that cannot be read, and an overflow has passed.
fn passed_by_the_sync() -> Harness {
    let mut b = opened();
    b.send("a");
    b.reply(is_send, json!({"message": {"id": 7}}));
    b.overflow(json!(["c"]), json!([state(0, 10), new(10)]), "2");
    b
}

#[test]
fn an_answer_that_says_success_and_cannot_be_read_is_sent() {
    let mut b = opened();
    b.send("a");
    b.send("b");
    b.reply(names("a"), json!({"message": {"id": 7}}));
    assert_eq!(b.shown(), "7 8 9 (a sent) (b sending)");
    assert_eq!(b.outbox.len(), 1, "it is delivered");
    let shown = b.items[&1].iter().find(|i| i["clientId"] == json!("a"));
    assert_eq!(shown.expect("it is shown")["message"], json!(null));
    b.accept(11);
    b.sync(json!([echo("a", 9, 10), echo("b", 10, 11)]), "2");
    assert_eq!(b.shown(), "7 8 9 10 11");
}

#[test]
fn what_the_sync_has_passed_and_the_server_says_no_more_of_is_left_to_history() {
    for (error, times) in [(status(403), 1), (status(500), 5)] {
        let mut b = passed_by_the_sync();
        for _ in 0..times {
            b.wait(60_000);
            assert!(b.shown().contains("(a sent)"), "{}", b.shown());
            b.fail(error.clone(), is_send);
        }
        assert!(!b.shown().contains('('), "{}", b.shown());
        b.wait(60_000);
        assert!(!b.is_asked(is_send));
    }
}

#[test]
fn what_the_sync_has_passed_and_the_server_says_what_cannot_be_read_of_is_left_to_history() {
    let mut b = passed_by_the_sync();
    for _ in 0..5 {
        b.wait(60_000);
        assert!(b.shown().contains("(a sent)"), "{}", b.shown());
        b.reply(is_send, json!({"message": {"id": 7}}));
    }
    assert!(!b.shown().contains('('), "{}", b.shown());
    b.wait(60_000);
    assert!(!b.is_asked(is_send));
}

#[test]
fn what_the_sync_has_passed_between_two_tries_is_asked_for_once_more() {
    let mut b = opened();
    b.send("a");
    // The server has it at 10, and the answer is lost; the overflow passes it.
    b.fail(network(), is_send);
    b.overflow(json!(["c"]), json!([state(0, 11), new(11)]), "2");
    b.wait(60_000);
    b.reply(is_send, json!({"message": {"id": 7}}));
    b.wait(60_000);
    assert!(b.shown().contains("(a sent)"), "{}", b.shown());
    b.accept(10);
    b.wait(60_000);
    assert!(!b.is_asked(is_send), "it has said what it is");
    b.answer_page(&[9], true, true);
    assert!(b.shown().contains("9"), "{}", b.shown());
}

#[test]
fn a_web_page_for_an_answer_is_no_answer() {
    let mut b = opened();
    b.send("a");
    let (request, _) = b.asked.pop_back().expect("it is asked for");
    b.input(pullcord::core::Input::Answer {
        request,
        result: Ok("\u{feff} <!doctype html><html>sign in</html>".into()),
    });
    assert_eq!(b.shown(), "7 8 9 (a queued)");
    assert_eq!(b.outbox[0]["error"]["code"], json!("network"));
    b.wait(120_000);
    assert!(b.is_asked(is_send));
}

#[test]
fn what_is_refused_is_final_and_holds_up_nothing() {
    for refusal in [400, 402, 403, 404, 409, 410, 413, 422, 451] {
        let mut b = opened();
        b.send("a");
        b.send("b");
        b.fail(status(refusal), names("a"));
        assert_eq!(
            (sending(&b), &b.outbox[0]["state"]),
            (vec!["b"], &json!("failed")),
            "{refusal}"
        );
    }
    for later in [408, 429] {
        let mut b = opened();
        b.send("a");
        b.fail(status(later), names("a"));
        assert_eq!(b.outbox[0]["state"], json!("queued"), "{later}");
    }
}

// ---------------------------------------------------------------- edits and recalls

#[test]
fn an_edit_says_whether_it_may_have_been_done_all_the_same() {
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"});
    let is_edit = |call: &Request| matches!(call, Request::Edit { .. });
    for (error, uncertain) in [
        (network(), true),
        (silence(), true),
        (status(502), true),
        (status(408), true),
        (status(429), false),
        (status(403), false),
        (status(409), false),
    ] {
        let mut b = opened();
        let call = b.call(edit.clone());
        b.fail(error.clone(), is_edit);
        assert_eq!(b.uncertain(call), uncertain, "{error}");
    }
    // Answered, and not to be read.
    let mut b = opened();
    let call = b.call(edit.clone());
    b.reply(is_edit, json!({"message": 1}));
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("protocol".into())), true)
    );
    // Never answered.
    let mut b = Harness::with(json!({"requestTimeout": 10_000}));
    b.sign_in(9);
    let call = b.call(edit.clone());
    b.wait(10_000);
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("timeout".into())), true)
    );
    // The client is closed under it.
    let mut b = opened();
    let call = b.call(edit.clone());
    b.command(json!({"op": "close"}));
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("closed".into())), true)
    );
    // It was done, and cannot be stored.
    let mut b = opened();
    let call = b.call(edit);
    b.failing.push_back(StoreError::Failed("no".into()));
    b.reply(is_edit, json!({"message": version(8, 2)}));
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("storage".into())), true)
    );
}

#[test]
pub fn an_edit_of_a_client_that_may_have_slept_waits_for_its_fence() {
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"});
    let is_edit = |call: &Request| matches!(call, Request::Edit { .. });
    let mut b = opened();
    b.command(json!({"op": "freeze"}));
    let call = b.call(edit);
    assert!(!b.is_asked(is_edit) && b.result(call).is_none());
    b.command(json!({"op": "resume"}));
    assert!(b.is_asked(is_edit));
    b.reply(is_edit, json!({"message": version(8, 2)}));
    assert!(matches!(b.result(call), Some(Ok(_))));
}
