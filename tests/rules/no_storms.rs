//! R14: no storms, and nothing is stuck.

use pullcord::core::net::{Error, ErrorCode, Request};
use pullcord::core::storage::StoreError;
use serde_json::json;

use super::harness::{Harness, after};
use super::support::{is_pull, network, opened};

/// Answers pulls, and fails what else is asked for, until nothing is. Gives how often that was.
fn fail_all_but_pulls(b: &mut Harness) -> usize {
    let mut failed = 0;
    for _ in 0..100 {
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        } else if b.is_asked(|_| true) {
            failed += 1;
            b.fail(network(), |_| true);
        }
    }
    failed
}

#[test]
fn a_send_that_finds_no_server_waits_out_its_backoff_though_pulls_are_answered() {
    let mut b = opened();
    b.send("a");
    assert_eq!(fail_all_but_pulls(&mut b), 1);
    b.wait(2_000);
    assert_eq!(fail_all_but_pulls(&mut b), 1, "then it is tried again");
}

#[test]
fn a_page_that_finds_no_server_waits_out_its_backoff_though_pulls_are_answered() {
    let mut b = Harness::signed_in(9);
    b.open();
    assert_eq!(fail_all_but_pulls(&mut b), 1);
    b.wait(2_000);
    b.answer_page(&[8, 9], false, false);
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn a_read_mark_whose_end_cannot_be_stored_is_not_told_again_at_once() {
    let mut b = opened();
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
    b.failing.push_back(StoreError::Failed("no".into()));
    let is_mark = |call: &Request| matches!(call, Request::MarkRead { .. });
    b.accept_mark();
    assert!(!b.is_asked(is_mark));
    b.wait(2_000);
    assert!(b.is_asked(is_mark));
}

#[test]
fn a_disk_that_has_no_room_even_to_make_room_fails_what_needed_it() {
    let mut b = opened();
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.failing.extend((0..200).map(|_| StoreError::Quota));
    b.sync(json!([after(9, 10)]), "2");
    assert!(b.failing.len() > 190, "{} are left", b.failing.len());
    assert_eq!(b.status["error"]["code"], json!("quota"));
}

#[test]
fn a_conversation_list_that_goes_in_a_circle_is_a_protocol_error() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    let is_list = |call: &Request| matches!(call, Request::Conversations { .. });
    for next in ["a", "b"].into_iter().cycle().take(200) {
        if b.is_asked(is_list) {
            b.answer_list(json!({"conversations": [{"id": "c"}], "next": next}));
        }
    }
    assert!(!b.is_asked(is_list));
    assert_eq!(b.status["error"]["code"], json!("protocol"));
}

#[test]
fn what_the_old_token_was_refused_is_asked_for_with_the_new_one() {
    let unauthorized = || Error::new(ErrorCode::Unauthorized, "401");
    let mut b = Harness::signed_in(9);
    b.call(json!({"op": "sync"}));
    b.fail(unauthorized(), is_pull);
    assert_eq!(b.status["connection"], json!("needs-auth"));
    let errors = b.events.iter().filter(|e| e["type"] == json!("error"));
    assert_eq!(errors.count(), 1, "the app is told once");
    b.open();
    b.call(json!({"op": "sync"}));
    b.answer_page(&[8, 9], false, false);
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn a_sync_whose_network_goes_is_rejected() {
    let mut b = opened();
    let call = b.call(json!({"op": "sync"}));
    b.command(json!({"op": "network", "online": false}));
    assert_eq!(b.result(call), Some(Err("network".into())));
}
