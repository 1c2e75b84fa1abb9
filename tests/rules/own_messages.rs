//! R8: own messages.

use pullcord::core::net::{Error, Request};
use serde_json::json;

use super::harness::{after, message, state, version};
use super::support::{is_send, network, opened};

#[test]
fn an_own_message_keeps_its_key_from_echo_to_sync() {
    let mut b = opened();
    let call = b.send("a");
    assert_eq!(b.shown(), "7 8 9 (a sending)");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"clientId": "a", "key": "c:a"})))
    );
    b.accept(10);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9 (a sent)", "[7 9]>"),
        "it makes no segment"
    );
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.keys()[3].as_str()),
        ("7 8 9 10", "c:a")
    );
    assert!(b.outbox.is_empty());
}

#[test]
fn sent_offline_it_is_delivered_once_after_a_reload() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    let call = b.send("a");
    assert!(
        matches!(b.result(call), Some(Ok(_))),
        "accepted: it is stored"
    );
    assert_eq!(b.shown(), "7 8 9 (a queued)");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "7 8 9 (a sending)");
    assert_eq!(
        b.first_shown[&1], "7 8 9 (a sending)",
        "not after a gap, while the rest is read"
    );
    b.fail(network(), is_send);
    assert_eq!(b.shown(), "7 8 9 (a queued)");
    b.wait(120_000);
    b.accept(10);
    assert_eq!(b.shown(), "7 8 9 (a sent)");
    assert!(!b.is_asked(is_send));
}

#[test]
fn a_refused_message_fails_and_does_not_hold_up_the_next() {
    let mut b = opened();
    b.send("a");
    b.send("b");
    assert_eq!(
        b.asked.iter().filter(|(_, call)| is_send(call)).count(),
        1,
        "first in, first out"
    );
    b.fail(Error::from_status(422, "too rude", None), is_send);
    b.accept(10);
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.shown(), "7 8 9 (a failed) 10");
    assert_eq!(b.outbox[0]["error"]["code"], json!("rejected"));
    let retry = b.call(json!({"op": "retry", "clientId": "a"}));
    assert_eq!(
        (b.result(retry), b.shown().as_str()),
        (Some(Ok(json!(null))), "7 8 9 10 (a sending)")
    );
}

#[test]
fn discard_is_too_late_once_the_server_has_it() {
    let mut b = opened();
    b.send("a");
    b.accept(10);
    let call = b.call(json!({"op": "discard", "clientId": "a"}));
    assert_eq!(b.result(call), Some(Ok(json!(false))));
    b.command(json!({"op": "network", "online": false}));
    b.send("b");
    let call = b.call(json!({"op": "discard", "clientId": "b"}));
    assert_eq!(b.result(call), Some(Ok(json!(true))));
}

#[test]
fn a_client_id_that_is_there_already_sends_nothing() {
    let mut b = opened();
    b.send("a");
    b.accept(10);
    let call = b.send("a");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"clientId": "a", "key": "c:a"})))
    );
    assert!(!b.is_asked(is_send));
    b.sync(json!([after(9, 10)]), "2");
    b.send("a");
    assert!(!b.is_asked(is_send));
}

#[test]
fn leaving_a_conversation_fails_what_was_not_sent() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.send("a");
    b.command(json!({"op": "network", "online": true}));
    b.fail(network(), is_send);
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.view()["status"], json!("removed"));
    assert_eq!(b.outbox[0]["error"]["code"], json!("forbidden"));
    assert!(b.conversations.is_empty());
}

#[test]
fn a_failed_message_that_was_delivered_meanwhile_can_be_retried_and_nothing_is_sent() {
    let mut b = opened();
    b.send("a");
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.outbox[0]["state"], json!("failed"));
    // The request that had left reached the server after the account had come back.
    b.accept(10);
    let mut own = message(10);
    own["clientId"] = json!("a");
    b.sync(
        json!([state(0, 10), {"type": "message", "message": own}]),
        "3",
    );
    assert_eq!(b.segments(), "[10 10]");
    b.send("other");
    let retry = b.call(json!({"op": "retry", "clientId": "a"}));
    assert_eq!(b.result(retry), Some(Ok(json!(null))));
    let unknown = b.call(json!({"op": "retry", "clientId": "never sent"}));
    assert_eq!(b.result(unknown), Some(Err("not-found".into())));
    let named =
        |request: &Request| matches!(request, Request::Send { client_id, .. } if client_id == "a");
    assert!(!b.is_asked(named), "it was delivered");
}

#[test]
fn an_edit_is_shown_before_it_resolves_and_refused_offline() {
    let mut b = opened();
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"});
    let call = b.call(edit.clone());
    let (request, _) = b.asked.pop_back().expect("the edit is asked for");
    b.input(pullcord::core::Input::Answer {
        request,
        result: Ok(json!({"message": version(8, 2)}).to_string()),
    });
    assert_eq!(b.shown(), "7 8' 9");
    assert_eq!(
        b.result(call)
            .and_then(Result::ok)
            .map(|m| m["version"].clone()),
        Some(json!(2))
    );
    b.command(json!({"op": "network", "online": false}));
    let call = b.call(edit);
    assert_eq!(b.result(call), Some(Err("offline".into())));
}
