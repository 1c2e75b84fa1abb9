//! R4: overflow.

use pullcord::core::net::Place;
use pullcord::core::types::Seq;
use serde_json::json;

use super::harness::{new, state};
use super::support::opened;

#[test]
fn an_open_timeline_keeps_showing_what_it_has_until_a_page_covers_it_again() {
    let mut b = opened();
    let keys = b.keys();
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7~ 8~ 9~", "")
    );
    let count = b.view()["anchor"]["count"].clone();
    assert_eq!(b.answer_page(&[7, 8, 9], true, false), Place::Latest);
    assert_eq!((b.shown().as_str(), b.keys()), ("7 8 9", keys));
    assert_eq!(b.view()["anchor"]["count"], count, "grown, not replaced");
}

#[test]
fn a_page_of_before_what_is_shown_takes_its_place_only_once_the_sync_has_come_as_far() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.answer_pull(json!({"events": [], "cursor": "50", "hasMore": true, "overflow": ["c"]}));
    // From a replica, at the cursor: there was nothing yet of what a page of later has shown.
    assert_eq!(b.answer_page(&[], false, false), Place::Latest);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7~ 8~ 9~", "|0 0]>")
    );
    b.answer_pull(json!({"events": [new(7), new(8), new(9)], "cursor": "51", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9");
    // Caught up, and it has not come: it is not there.
    b.overflow(json!(["c"]), json!([]), "52");
    b.answer_page(&[7], false, false);
    assert_eq!(b.shown(), "7");
}

#[test]
fn a_new_message_behind_an_overflow_shows_after_a_gap() {
    let mut b = opened();
    b.overflow(json!(["c"]), json!([state(0, 19), new(20)]), "50");
    assert_eq!(b.shown(), "7~ 8~ 9~ … 20");
    assert_eq!(b.answer_page(&[18, 19], true, true), Place::Before(Seq(20)));
    assert_eq!(b.shown(), "18 19 20");
}

#[test]
fn an_overflow_while_scrolled_back_reloads_around_what_is_on_screen() {
    let mut b = opened();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.load("older");
    b.answer_page(&[1, 2, 3], true, true);
    assert_eq!(b.shown(), "1 2 3 4 5 6 7 8 9");
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m2", "last": "m:m4"}));
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(
        b.answer_page(&[2, 3, 4, 5], true, true),
        Place::Around(Seq(3))
    );
    assert_eq!(b.shown(), "2 3 4 5");
    assert_eq!(
        (&b.view()["hasNewer"], &b.view()["hasOlder"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn own_messages_outlive_an_overflow() {
    let mut b = opened();
    b.send("a");
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "7~ 8~ 9~ (a sending)");
    b.answer_page(&[7, 8, 9], true, false);
    b.accept(10);
    assert_eq!(b.shown(), "7 8 9 (a sent)");
}
