//! Answers to what the app does, and whose account they are of.

use pullcord::core::net::Request;
use serde_json::json;

use super::left_out::LEFT_OUT;
use super::{MINUTE, irregular, opened, pull, spoiled};
use crate::harness::{message, version};
use crate::support::{is_history, is_pull};

#[test]
fn an_edit_that_was_done_and_whose_answer_cannot_be_read_says_so_and_the_sync_brings_it() {
    for (from, to) in LEFT_OUT {
        let mut b = opened(json!({}));
        let call = b.call(json!({"op": "edit", "conversation": "c", "messageId": "m9", "body": "\"x\"", "clientId": "e"}));
        let text = format!(r#"{{"message":{}}}"#, spoiled(from, to));
        b.reply_text(|call| matches!(call, Request::Edit { .. }), &text);
        let error = b.rejection(call).expect("it settles");
        assert_eq!(
            (&error["code"], &error["uncertain"]),
            (&json!("protocol"), &json!(true))
        );
        assert_eq!(irregular(&b)[0]["where"], json!("answer"));
        assert!(b.is_asked(is_pull));
        let edited = json!({"type": "update", "message": version(9, 2)}).to_string();
        pull(&mut b, &edited, "2");
        assert_eq!(b.shown(), "7 8 9'");
    }
}

#[test]
fn a_send_that_succeeded_and_whose_answer_cannot_be_read_is_sent_until_the_sync_brings_it() {
    let odd = [r#""id":"m10","#, r#""seq":10,"#]
        .map(|from| format!("{{\"message\":{}}}", spoiled(from, "")));
    let others = ["{}", "null", "", r#"{"message":[]}"#].map(str::to_owned);
    for text in odd.into_iter().chain(others) {
        let mut b = opened(json!({}));
        b.send("hi");
        b.reply_text(|call| matches!(call, Request::Send { .. }), &text);
        assert_eq!(b.shown(), "7 8 9 (hi sent)", "{text}");
        let mut b = b.restart();
        b.open();
        assert_eq!(b.shown(), "7 8 9 (hi sent)");
        assert!(
            !b.is_asked(|call| matches!(call, Request::Send { .. })),
            "it is not sent again"
        );
        let mut own = message(10);
        own["clientId"] = json!("hi");
        let event = json!({"type": "message", "message": own, "prev": 9}).to_string();
        pull(&mut b, &event, "2");
        assert_eq!((b.shown().as_str(), b.outbox.len()), ("7 8 9 10", 0));
    }
}

#[test]
fn what_is_no_json_at_all_was_not_this_servers_answer() {
    let mut b = opened(json!({}));
    b.send("hi");
    b.reply_text(|call| matches!(call, Request::Send { .. }), "{\"message\":");
    b.wait(10 * MINUTE);
    assert!(
        b.is_asked(|call| matches!(call, Request::Send { .. })),
        "it is sent again"
    );
}

#[test]
fn an_answer_of_another_account_applies_nothing_and_needs_auth() {
    let foreign = |text: &str| {
        text.replace('{', r#"{"account":"eve","#)
            .replacen(",}", "}", 1)
    };
    let signed_in = || {
        let mut b = opened(json!({}));
        b.call(json!({"op": "sync"}));
        b.reply_text(
            is_pull,
            r#"{"account":"ann","events":[],"cursor":"2","hasMore":false}"#,
        );
        assert_eq!(b.status["connection"], json!("online"));
        b.restart()
    };
    let mut b = signed_in();
    b.reply_text(
        is_pull,
        r#"{"account":"eve","events":[],"cursor":"9","hasMore":false,"overflow":"all"}"#,
    );
    assert_eq!(
        (b.status["connection"].clone(), b.cursor()),
        (json!("needs-auth"), json!("2"))
    );
    b.open();
    assert_eq!(b.shown(), "7 8 9");
    assert!(b.asked.is_empty());
    // The app has another token.
    b.call(json!({"op": "sync"}));
    b.reply_text(
        is_pull,
        r#"{"account":"ann","events":[],"cursor":"3","hasMore":false}"#,
    );
    assert_eq!(
        (b.status["connection"].clone(), b.cursor()),
        (json!("online"), json!("3"))
    );
    // In a page as well.
    b.load("older");
    b.reply_text(
        is_history,
        &foreign(r#"{"messages":[],"hasBefore":false,"hasAfter":true}"#),
    );
    assert_eq!(b.status["connection"], json!("needs-auth"));
    assert_eq!(b.shown(), "7 8 9");
}
