//! What a list shows.

use pullcord::core::net::Request;
use serde_json::json;

use super::harness::{Harness, after, new, update};
use super::support::{is_history, is_pull, opened};

#[test]
fn offline_with_nothing_cached_says_so_and_fills_itself_later() {
    let mut b = Harness::signed_in(9);
    b.command(json!({"op": "network", "online": false}));
    b.open();
    assert_eq!(
        (b.shown().as_str(), &b.view()["status"]),
        ("…", &json!("ready"))
    );
    assert_eq!(b.view()["error"]["code"], json!("offline"));
    let call = b.load("older");
    assert_eq!(b.result(call), Some(Err("offline".into())));
    b.command(json!({"op": "network", "online": true}));
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(
        (b.shown().as_str(), &b.view()["error"]),
        ("7 8 9", &json!(null))
    );
}

#[test]
fn an_empty_conversation_is_complete() {
    let mut b = Harness::signed_in(0);
    b.open();
    b.answer_page(&[], false, false);
    assert_eq!(
        (
            &b.view()["status"],
            &b.view()["hasOlder"],
            &b.view()["hasNewer"]
        ),
        (&json!("ready"), &json!(false), &json!(false))
    );
    b.sync(json!([new(1)]), "2");
    assert_eq!(b.shown(), "1");
}

#[test]
fn items_keep_their_numbers_when_the_list_grows_at_either_end() {
    let mut b = opened();
    let number = |b: &Harness, key: &str| {
        let at = b.keys().iter().position(|k| k == key).expect("it is shown") as i64;
        b.view()["firstIndex"].as_i64().expect("a number") + at
    };
    let before = number(&b, "m:m8");
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(number(&b, "m:m8"), before);
}

#[test]
fn past_max_items_the_far_end_goes_and_load_newer_brings_it_back() {
    let mut b = Harness::signed_in(9);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 5}));
    b.answer_page(&[7, 8, 9], true, false);
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(
        (b.shown().as_str(), &b.view()["hasNewer"]),
        ("4 5 6 7 8", &json!(true))
    );
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.shown(), "4 5 6 7 8", "what is let go is not followed");
    let call = b.load("newer");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 2, "end": true, "source": "cache"})))
    );
    assert_eq!(
        (b.shown().as_str(), &b.view()["hasNewer"]),
        ("6 7 8 9 10", &json!(false))
    );
}

#[test]
fn unseen_counts_what_is_newer_than_what_was_on_screen() {
    let mut b = opened();
    assert_eq!(b.view()["unseen"], json!(0));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m7", "last": "m:m8"}));
    assert_eq!(b.view()["unseen"], json!(1));
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.view()["unseen"], json!(2));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m8", "last": "m:m10"}));
    assert_eq!(b.view()["unseen"], json!(0));
}

#[test]
fn two_timelines_of_a_conversation_share_a_request() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c"}));
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(
        (b.drawn(1).as_str(), b.drawn(2).as_str()),
        ("7 8 9", "7 8 9")
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn let_go_and_opened_again_it_is_where_it_was() {
    let mut b = opened();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "release", "timeline": 1}));
    b.sync(json!([after(9, 10), update(5, 2)]), "2");
    b.command(json!({"op": "attach", "timeline": 1}));
    assert!(
        b.shown().ends_with("8 9 10") && b.shown().contains("5'"),
        "{}",
        b.shown()
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn read_marks_only_move_forward_and_merge_while_offline() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    for seq in [7, 9, 8] {
        b.call(json!({"op": "mark-read", "conversation": "c", "seq": seq.to_string()}));
    }
    b.command(json!({"op": "network", "online": true}));
    let marks: Vec<_> = b
        .asked
        .iter()
        .filter_map(|(_, call)| match call {
            Request::MarkRead { seq, .. } => Some(seq.0),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [9]);
}

#[test]
fn a_client_that_waits_shows_what_is_stored_and_asks_nothing() {
    let mut b = opened();
    b.sync(json!([after(9, 10)]), "2");
    let store = b.store.clone();
    let mut waiting = Harness::with(json!({"promoted": false, "ifOpen": "wait"}));
    waiting.store = store;
    // It opens again, on what the other has stored.
    let mut waiting = waiting.restart();
    waiting.open();
    assert_eq!(
        (waiting.shown().as_str(), &waiting.status["connection"]),
        ("8 9 10", &json!("waiting"))
    );
    assert!(waiting.asked.is_empty());
    let epoch = waiting.store.fence();
    waiting.input(pullcord::core::Input::Promoted { epoch });
    assert!(waiting.is_asked(is_pull));
    assert_eq!(waiting.shown(), "8 9 10");
}
