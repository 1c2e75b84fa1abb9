//! Jumps, and a list that opens elsewhere than at its end: what they wait for, and for how long.

use pullcord::core::net::{Error, Place, Request};
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use super::{list, open_at};
use crate::harness::{Harness, after, message};
use crate::support::{anchored, is_history, is_list, is_pull, jump, message_at, opened};

fn busy() -> Error {
    Error::from_status(500, "busy", None)
}

// ---------------------------------------------------------------- the first unread

#[test]
fn first_unread_waits_only_for_the_state_of_its_own_conversation() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    open_at(&mut b, json!("first-unread"));
    list(&mut b, &["a", "b"], json!("p2"));
    assert!(!b.is_asked(is_history));
    list(&mut b, &["c"], json!("p3"));
    assert!(b.is_asked(is_list), "the list goes on");
    let page = b.answer_page(&[59, 60, 61], true, true);
    assert_eq!(page, Place::Around(Seq(60)));
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("59 60 61", &json!("m:m60"))
    );
}

#[test]
fn first_unread_does_not_wait_for_ever_for_a_list_that_does_not_come() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    open_at(&mut b, json!("first-unread"));
    b.wait(10_000);
    assert_eq!(b.answer_page(&[97, 98, 99], true, false), Place::Latest);
    assert_eq!(b.shown(), "97 98 99");
}

#[test]
fn a_jump_to_the_first_unread_goes_by_what_was_known_where_the_list_is_long_in_coming() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    list(&mut b, &["c"], Value::Null);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    b.overflow(json!("all"), json!([]), "50");
    let call = jump(&mut b, json!("first-unread"));
    b.wait(5_000);
    let around = |call: &Request| matches!(call, Request::History { place, .. } if *place == Place::Around(Seq(60)));
    let page = [message(59), message(60), message(61)];
    b.reply(
        around,
        json!({"messages": page, "hasBefore": true, "hasAfter": true}),
    );
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
}

// ---------------------------------------------------------------- jumps

#[test]
fn a_jump_to_what_the_running_pull_brings_waits_for_it() {
    let mut b = opened();
    let sync = b.call(json!({"op": "sync"}));
    let call = jump(&mut b, json!({"around": "10"}));
    // A replica that lags: it does not have it yet.
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.result(call), None);
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(b.result(sync), Some(Ok(Value::Null)));
    assert_eq!(anchored(&b), &json!("m:m10"));
    assert_eq!(b.shown(), "8 9 10");
}

#[test]
fn a_jump_that_no_pull_brings_shows_the_latest_in_bounded_time() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    let call = jump(&mut b, json!({"around": "10"}));
    b.answer_page(&[7, 8, 9], true, false);
    b.fail(busy(), is_pull);
    b.wait(10_000);
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!((b.shown().as_str(), anchored(&b)), ("7 8 9", &Value::Null));
}

#[test]
fn a_load_right_after_a_jump_leaves_its_anchor() {
    let mut b = Harness::with(json!({}));
    b.sign_in(99);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 3}));
    b.answer_page(&[97, 98, 99], true, false);
    let call = jump(&mut b, json!({"around": "50"}));
    let load = b.load("older");
    b.answer_history(json!({"messages": [message(49), message(50), message(51)], "hasBefore": true, "hasAfter": true}));
    while b.is_asked(is_history) {
        let page = b
            .asked
            .iter()
            .find_map(|(_, call)| match call {
                Request::History { place, .. } => Some(*place),
                _ => None,
            })
            .expect("a page is asked for");
        match page {
            Place::Before(Seq(97)) => b.answer_page(&[94, 95, 96], true, true),
            Place::Before(Seq(49)) => b.answer_page(&[46, 47, 48], true, true),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert!(b.result(load).is_some());
    assert_eq!(anchored(&b), &json!("m:m50"));
    assert!(b.keys().contains(&"m:m50".to_owned()), "{}", b.shown());
}

#[test]
fn a_load_that_finds_half_and_fails_says_so_and_the_next_goes_on() {
    let mut b = opened();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c"}));
    let call = b.call(json!({"op": "load", "timeline": 2, "direction": "older", "limit": 5}));
    assert_eq!(b.drawn(2), "4 5 6 7 8 9", "what is stored is shown");
    b.fail(busy(), is_history);
    assert_eq!(b.result(call), Some(Err("network".into())));
    assert_eq!(b.views[&2]["error"]["code"], json!("network"));
    let call = b.call(json!({"op": "load", "timeline": 2, "direction": "older", "limit": 2}));
    b.answer_page(&[2, 3], true, true);
    assert_eq!(b.drawn(2), "2 3 4 5 6 7 8 9");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 2, "end": false, "source": "network"})))
    );
    assert_eq!(b.views[&2]["error"], Value::Null);
}

// ---------------------------------------------------------------- times

/// Messages whose times do not rise with their positions.
fn fall_and_rise() -> [Value; 5] {
    [
        message_at(5, 500),
        message_at(6, 100),
        message_at(7, 700),
        message_at(8, 200),
        message_at(9, 900),
    ]
}

#[test]
fn times_that_do_not_rise_with_positions_do_not_lead_a_jump_astray() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_history(json!({"messages": fall_and_rise(), "hasBefore": true, "hasAfter": false}));
    let call = jump(&mut b, json!({"at": 400}));
    let page = [message_at(2, 450), message_at(3, 20), message_at(4, 30)];
    assert_eq!(
        b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": true})),
        Place::At(400),
        "what is not held may have that time"
    );
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m2"))
    );
}

#[test]
fn a_time_in_a_conversation_that_is_held_from_its_start_is_found_without_asking() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_history(json!({"messages": fall_and_rise(), "hasBefore": false, "hasAfter": false}));
    jump(&mut b, json!({"at": 600}));
    assert!(!b.is_asked(is_history));
    assert_eq!(anchored(&b), &json!("m:m7"));
    let call = jump(&mut b, json!({"at": 1_000}));
    assert!(!b.is_asked(is_history));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &Value::Null)
    );
}
