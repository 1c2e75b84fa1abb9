//! R5: what a page covers.

use pullcord::core::net::Place;
use serde_json::json;

use super::opened;
use crate::harness::message;

#[test]
fn a_page_moves_on_by_what_it_covers() {
    let mut b = opened(json!({}));
    b.load("older");
    let covers = |from: u64, to: u64| json!({"messages": [], "hasBefore": true, "hasAfter": true, "covers": {"from": from, "to": to}});
    b.answer_history(covers(4, 6));
    assert_eq!(b.segments(), "[4 9]>");
    let place = b.answer_history(covers(0, 3));
    assert_eq!(place, Place::Before(pullcord::core::types::Seq(4)));
    assert_eq!(b.segments(), "|0 9]>", "from 0 is start");
    assert_eq!(b.view()["hasOlder"], json!(false));
}

#[test]
fn what_is_held_where_a_page_covers_and_is_not_in_it_is_dropped() {
    let mut b = opened(json!({}));
    b.call(json!({"op": "jump", "timeline": 1, "to": {"around": "20"}}));
    let page = json!({"messages": [message(7), message(9)], "hasBefore": true, "hasAfter": false, "covers": {"from": 5, "to": 99}});
    b.answer_history(page);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 9", "[5 9]>")
    );
}

#[test]
fn a_full_page_covers_no_more_than_its_messages() {
    let mut b = opened(json!({}));
    b.load("older");
    let page = json!({"messages": [message(4), message(5), message(6)], "hasBefore": true, "hasAfter": true, "covers": {"from": 1, "to": 6}});
    b.answer_history(page);
    assert_eq!(b.segments(), "[4 9]>");
}
