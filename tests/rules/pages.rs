//! R5–R7: pages, and what overtakes them.

use pullcord::core::net::Place;
use pullcord::core::types::Seq;
use serde_json::json;

use super::harness::{Harness, after, update};
use super::support::{is_history, opened};

#[test]
fn paging_back_joins_segments_down_to_the_start() {
    let mut b = opened();
    let call = b.load("older");
    assert_eq!(b.answer_page(&[4, 5, 6], true, true), Place::Before(Seq(7)));
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
    let call = b.load("older");
    b.answer_page(&[2], false, true);
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 1, "end": true, "source": "network"})))
    );
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("2 4 5 6 7 8 9", "|0 9]>")
    );
    assert_eq!(b.view()["hasOlder"], json!(false));
}

#[test]
fn one_call_gives_a_full_page_though_the_server_cuts_its_pages_short() {
    let mut b = opened();
    let call = b.load("older");
    b.answer_page(&[6], true, true);
    assert_eq!(b.answer_page(&[4, 5], true, true), Place::Before(Seq(6)));
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
}

#[test]
fn calls_in_one_direction_share_the_request_and_an_aborted_one_rejects_alone() {
    let mut b = opened();
    let (first, second) = (b.load("older"), b.load("older"));
    assert_eq!(
        b.asked.iter().filter(|(_, call)| is_history(call)).count(),
        1
    );
    b.command(json!({"op": "abort", "of": first}));
    assert_eq!(b.result(first), Some(Err("aborted".into())));
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(
        b.result(second),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
}

#[test]
fn an_update_that_overtakes_its_page_is_replayed_onto_it() {
    let mut b = opened();
    b.load("older");
    b.sync(json!([update(5, 2)]), "2");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5' 6 7 8 9");
}

#[test]
fn a_message_that_overtakes_the_latest_page_continues_it() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.sync(json!([after(9, 10)]), "2");
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("8 9 10", "[7 10]>")
    );
}

/// Found by the simulation (seed 908): the segment that the page goes on from has moved over it.
#[test]
fn a_page_that_a_trim_has_passed_leaves_nothing_below_it() {
    let mut b = Harness::signed_in(20);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": {"around": "2"}, "pageSize": 3, "maxItems": 100}));
    b.answer_page(&[1, 2, 3], false, true);
    b.load("newer");
    b.sync(
        json!([after(20, 21), {"type": "trim", "conversation": "c", "before": 21}]),
        "2",
    );
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.inspect()["cachedMessages"], json!(1));
}

#[test]
fn an_overflow_discards_the_page_that_was_asked_for_before_it() {
    let mut b = Harness::signed_in(9);
    b.open();
    let (old, _) = b
        .asked
        .iter()
        .find(|(_, call)| is_history(call))
        .cloned()
        .expect("a page is asked for");
    b.overflow(json!("all"), json!([]), "50");
    assert!(b.aborted.contains(&old));
    b.answer_page(&[18, 19, 20], true, false);
    assert_eq!(b.shown(), "18 19 20");
}

#[test]
fn a_trim_clips_the_page_that_it_overtakes() {
    let mut b = opened();
    b.load("older");
    b.sync(
        json!([{"type": "trim", "conversation": "c", "before": 5}]),
        "2",
    );
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("5 6 7 8 9", "|0 9]>")
    );
    assert_eq!(b.view()["hasOlder"], json!(false));
}

#[test]
fn a_page_that_moves_nothing_is_an_error_and_no_loop() {
    let mut b = opened();
    let call = b.load("older");
    let mut pages = 0;
    while b.is_asked(is_history) {
        pages += 1;
        b.answer_history(json!({"messages": [], "hasBefore": true, "hasAfter": true}));
    }
    assert!(pages <= 20, "{pages}");
    assert_eq!(b.result(call), Some(Err("protocol".into())));
    assert!(!b.is_asked(is_history));
}
