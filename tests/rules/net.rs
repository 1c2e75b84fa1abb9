//! What the network says: time-outs, closed channels, answers that may have been acted upon.

use super::harness::Harness;
use super::support::{is_edit, is_history, is_pull, is_send, opened};
use pullcord::core::Input;
use pullcord::core::net::{Error, ErrorCode, Notice};
use pullcord::core::storage::StoreError;
use serde_json::json;

/// Signed in, with a time-out of 10 s.
fn impatient() -> Harness {
    let mut b = Harness::with(json!({"requestTimeout": 10_000}));
    b.sign_in(9);
    b
}

#[test]
fn a_request_that_is_being_answered_takes_as_long_as_it_takes() {
    let mut b = impatient();
    b.open();
    let (request, _) = b.asked.back().expect("the page is asked for");
    let request = *request;
    for _ in 0..20 {
        b.wait(9_000);
        b.input(Input::Progress { request });
    }
    assert!(b.is_asked(is_history));
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
    // What was answered, and what nobody knows of.
    b.input(Input::Progress { request });
    b.input(Input::Progress { request: 9_999 });
}

#[test]
fn a_request_that_falls_silent_in_the_middle_of_its_answer_is_given_up() {
    let mut b = impatient();
    b.open();
    let (request, _) = b.asked.back().expect("the page is asked for");
    let request = *request;
    b.wait(9_000);
    b.input(Input::Progress { request });
    b.wait(9_000);
    assert!(b.aborted.is_empty());
    b.wait(1_001);
    assert_eq!(b.aborted, [request]);
}

#[test]
fn each_try_of_a_send_that_is_met_with_silence_may_take_twice_as_long() {
    let mut b = impatient();
    b.send("a");
    for limit in [10_000, 20_000, 40_000, 80_000] {
        for _ in 0..600 {
            if b.is_asked(is_send) {
                break;
            }
            b.wait(1_000);
        }
        assert!(b.is_asked(is_send));
        // Step by step: who leaps has slept.
        for _ in 0..10 {
            b.wait(limit / 10 - 1);
        }
        assert!(b.is_asked(is_send), "{limit}");
        // Its size counts too.
        b.wait(20);
        assert!(!b.is_asked(is_send), "{limit}");
    }
}

#[test]
fn what_is_large_may_take_longer_to_be_sent() {
    let mut b = impatient();
    let body = json!({"text": "x".repeat(800_000)}).to_string();
    b.call(json!({"op": "send", "conversation": "c", "body": body, "clientId": "k"}));
    b.wait(10_000 + 99_000);
    assert!(b.is_asked(is_send));
    b.wait(2_000);
    assert!(!b.is_asked(is_send));
}

#[test]
fn clients_whose_server_has_closed_all_channels_do_not_come_back_together() {
    let mut back = Vec::new();
    for before in 0..20u64 {
        let mut b = Harness::with(json!({"notify": "socket", "pollInterval": 60_000}));
        b.sign_in(9);
        b.notice(Notice::Ready);
        // Draws differ from client to client.
        for _ in 0..before {
            let (spread, conversations) = (1_000, Vec::new());
            b.notice(Notice::Notify {
                spread,
                conversations,
            });
        }
        b.now += 60_000;
        b.notice(Notice::Leaving(Error::new(ErrorCode::Network, "restart")));
        let began = b.now;
        while !b.listens() {
            b.wait(50);
            assert!(b.now < began + 10_000, "it comes back soon");
        }
        back.push(b.now - began);
    }
    let spread = back.iter().max().unwrap() - back.iter().min().unwrap();
    assert!(spread > 2_000, "{back:?}");
}

#[test]
fn a_client_that_another_one_has_fenced_shows_what_it_has_and_works_when_it_is_its_turn() {
    let mut b = opened();
    b.input(Input::Store(StoreError::Fenced));
    assert_eq!((b.stopped, b.fenced), (None, 1));
    assert_eq!(
        (b.shown().as_str(), &b.status["connection"]),
        ("7 8 9", &json!("online"))
    );
    b.wait(1_000);
    assert_eq!(b.status["connection"], json!("connecting"));
    let call = b.send("a");
    assert!(b.result(call).expect("it is stored").is_ok());
    b.wait(60_000);
    assert!(b.asked.is_empty());
    let epoch = b.store.fence();
    b.input(Input::Promoted { epoch });
    b.accept(10);
    assert_eq!(b.status["connection"], json!("online"));
}

#[test]
fn a_page_that_comes_back_pulls_once_and_not_again_when_its_channel_is_ready() {
    let mut b = Harness::with(json!({"notify": "socket", "pollInterval": 60_000}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.command(json!({"op": "freeze"}));
    b.input(Input::Demoted);
    assert!(!b.listens());
    b.wait(5_000);
    assert!(b.asked.is_empty());
    b.command(json!({"op": "resume"}));
    let epoch = b.store.fence();
    b.input(Input::Promoted { epoch });
    b.wait(100);
    assert!(b.listens());
    b.notice(Notice::Ready);
    b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    b.wait(2_000);
    assert!(b.asked.is_empty(), "{:?}", b.asked);
}

#[test]
fn a_change_that_may_have_been_made_all_the_same_says_so() {
    let edit =
        json!({"op": "edit", "conversation": "c", "messageId": "m9", "body": "1", "clientId": "e"});
    let uncertain = |error: Error| {
        let mut b = opened();
        let call = b.call(edit.clone());
        b.fail(error, is_edit);
        b.rejection(call).expect("it is rejected")["uncertain"] == json!(true)
    };
    assert!(uncertain(Error::new(ErrorCode::Network, "reset")));
    assert!(uncertain(Error::new(ErrorCode::Timeout, "late")));
    assert!(uncertain(Error::from_status(502, "bad gateway", None)));
    assert!(uncertain(Error::new(ErrorCode::Protocol, "no JSON")));
    for status in [403, 404, 409, 413, 429] {
        assert!(!uncertain(Error::from_status(status, "no", None)));
    }
    // Its signal fires, or the client closes, while it is on its way.
    for end in [json!({"op": "abort", "of": 1}), json!({"op": "close"})] {
        let mut b = opened();
        let call = b.call(edit.clone());
        assert_eq!(call, 1);
        b.command(end);
        assert_eq!(
            b.rejection(call).expect("it is rejected")["uncertain"],
            json!(true)
        );
    }
}

#[test]
fn what_answers_with_refusals_alone_is_not_connected() {
    for status in [404, 403, 405, 500] {
        let refusal = || Error::from_status(status, "no", None);
        let mut b = Harness::with(json!({}));
        for _ in 0..3 {
            while !b.asked.is_empty() {
                b.fail(refusal(), |_| true);
            }
            assert_eq!(b.status["connection"], json!("connecting"), "{status}");
            assert_eq!(b.status["error"]["status"], json!(status));
            b.wait(300_000);
        }
        b.sign_in(9);
        assert_eq!(b.status["connection"], json!("online"), "{status}");
        assert_eq!(b.status["error"], json!(null));
    }
}

#[test]
fn a_server_that_refuses_each_pull_from_now_on_is_not_connected() {
    let mut b = opened();
    assert_eq!(b.status["connection"], json!("online"));
    b.call(json!({"op": "sync"}));
    b.fail(Error::from_status(404, "no", None), is_pull);
    assert_eq!(b.status["connection"], json!("connecting"));
    assert_eq!(b.status["error"]["code"], json!("not-found"));
    b.wait(300_000);
    b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    assert_eq!(b.status["connection"], json!("online"));
    // One page, or one message, that is refused says nothing of the rest.
    b.load("older");
    b.fail(Error::from_status(404, "no", None), is_history);
    assert_eq!(b.status["connection"], json!("online"));
}
