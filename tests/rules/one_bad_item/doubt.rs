//! What is in doubt is made fresh again, and never in a loop.

use pullcord::core::net::{Place, Request};
use pullcord::core::storage::Table;
use serde_json::{Value, json};

use super::{MINUTE, irregular, opened, pull, revalidate};
use crate::harness::{self, Harness, after, message, state};
use crate::support::{is_changes, is_history, is_list, is_pull};

/// A batch in which an event of "c" has to be left out.
fn doubt(b: &mut Harness, cursor: &str) {
    pull(
        b,
        r#"{"type":"message","message":{"conversation":"c"}}"#,
        cursor,
    );
}

#[test]
pub fn a_doubt_that_brought_nothing_is_not_raised_again_for_an_hour() {
    let mut b = opened(json!({}));
    doubt(&mut b, "2");
    assert!(revalidate(&mut b) > 0);
    let mut count = 0;
    for n in 0..59 {
        b.wait(MINUTE);
        doubt(&mut b, &format!("at {n}"));
        count += revalidate(&mut b);
        assert_eq!(b.shown(), "7 8 9");
    }
    assert_eq!(count, 0);
    assert_eq!(b.segments(), "[7 9]>");
    // It is not forgotten: after that hour it is raised, once.
    b.wait(2 * MINUTE);
    if b.is_asked(is_pull) {
        pull(&mut b, "", "later");
    }
    assert!(revalidate(&mut b) > 0);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
}

#[test]
fn a_doubt_that_brings_something_comes_at_most_once_a_minute_and_twice_as_seldom_each_time() {
    let mut b = opened(json!({}));
    let mut at = Vec::new();
    let mut version = 1;
    for n in 0..40 {
        doubt(&mut b, &format!("at {n}"));
        let mut asked = false;
        while b.is_asked(is_history) || b.is_asked(is_changes) {
            asked = true;
            version += 1;
            let messages = [harness::version(7, version), message(8), message(9)];
            match b.is_asked(is_history) {
                true => {
                    b.answer_history(
                        json!({"messages": messages, "hasBefore": true, "hasAfter": false}),
                    );
                }
                false => {
                    _ = b.reply(
                        is_changes,
                        json!({"messages": [messages[0]], "hasMore": false}),
                    )
                }
            }
        }
        if asked {
            at.push(n);
        }
        b.wait(MINUTE / 2);
        if b.is_asked(is_pull) {
            pull(&mut b, "", &format!("then {n}"));
        }
        // What was pending is raised by the clock.
        if !asked && (b.is_asked(is_history) || b.is_asked(is_changes)) {
            continue;
        }
    }
    assert_eq!(at, [0, 2, 6, 14, 30], "half minutes");
}

#[test]
fn a_doubt_discards_no_page_of_another_conversation_and_its_own_is_asked_for_again() {
    let mut b = opened(json!({}));
    b.command(json!({"op": "open", "timeline": 2, "conversation": "d"}));
    b.load("older");
    let asked = b.asked.len();
    b.aborted.clear();
    doubt(&mut b, "2");
    assert_eq!(b.aborted.len(), 1, "the page of c, and not that of d");
    assert!(b.asked.len() >= asked, "it is asked for again");
}

#[test]
fn after_something_was_left_out_no_state_of_before_proves_that_a_message_is_the_newest() {
    for left_out in [
        r#"{"type":"message","message":{"conversation":"c"}}"#,
        r#"{"type":"message","message":{}}"#,
    ] {
        // It was 12: of that, nothing could be read.
        let left_out = || {
            let mut b = Harness::signed_in(9);
            pull(&mut b, left_out, "2");
            b
        };
        let new = |seq: u64| json!({"type": "message", "message": message(seq)});
        let mut b = left_out();
        b.sync(json!([new(11)]), "3");
        assert_eq!(b.segments(), "[11 11]");
        let mut b = left_out();
        b.sync(json!([state(1, 12), new(13)]), "3");
        assert_eq!(b.segments(), "[13 13]>");
    }
}

#[test]
fn a_page_on_its_way_makes_nothing_live_that_a_doubt_has_passed() {
    for left_out in [
        r#"{"type":"message","message":{"conversation":"c"}}"#,
        r#"{"type":"message","message":{}}"#,
    ] {
        let mut b = Harness::signed_in(9);
        b.open();
        pull(&mut b, left_out, "2");
        assert_eq!(b.aborted.len(), 1, "it may have been read before");
        let mut pages = 0;
        while b.is_asked(is_history) {
            b.answer_page(&[8, 9, 10], true, false);
            pages += 1;
        }
        assert_eq!(b.shown(), "8 9 10");
        assert!(pages <= 2, "{pages}");
    }
}

#[test]
pub fn where_none_is_named_all_are_in_doubt_by_one_mark() {
    let mut b = opened(json!({}));
    pull(
        &mut b,
        r#"{"type":"message","message":{"conversation":"d","id":"d1","seq":1,"sender":"a","createdAt":1,"version":1,"state":"normal","body":1},"prev":null}"#,
        "2",
    );
    b.events.clear();
    let before = b.commits();
    pull(&mut b, r#"{"message":7},{}"#, "3");
    assert_eq!(b.commits() - before, 1);
    let told = irregular(&b);
    assert_eq!(
        (&told[0]["conversation"], &told[0]["count"]),
        (&json!(null), &json!(2))
    );
    // The one that is shown at once, the other when it is.
    assert!(revalidate(&mut b) > 0);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
    assert!(!b.is_asked(is_list));
    let mut b = b.restart();
    b.command(json!({"op": "open", "timeline": 1, "conversation": "d"}));
    if b.is_asked(is_pull) {
        pull(&mut b, "", "4");
    }
    assert!(
        b.is_asked(is_history) || b.is_asked(is_changes),
        "the mark is stored"
    );
}

#[test]
fn in_scope_conversation_the_batchs_own_is_in_doubt() {
    let mut b = crate::scopes::by_conversation();
    b.call(json!({"op": "sync"}));
    b.reply(
        |call| matches!(call, Request::PullConversations { .. }),
        json!({"conversations": {"c": {"events": [{}], "cursor": "c2", "hasMore": false}, "d": {"events": [], "cursor": "d2", "hasMore": false}}}),
    );
    assert!(b.shown().starts_with("7~ 8~ 9~"), "{}", b.shown());
    b.answer_page(&[9], true, false);
    let changes = b.reply(is_changes, json!({"messages": [], "hasMore": false}));
    assert!(matches!(changes, Request::Changes { since, .. } if since == "c1"));
    assert_eq!(b.shown(), "7 8 9");
}

#[test]
fn without_changes_what_is_in_doubt_is_fetched_again() {
    let mut b = opened(json!({"canRevalidate": false}));
    doubt(&mut b, "2");
    b.answer_page(&[9, 10], true, false);
    assert!(!b.is_asked(is_changes));
    let place = b.answer_page(&[6, 7, 8], true, true);
    assert_eq!(place, Place::Before(pullcord::core::types::Seq(9)));
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9 10", "[6 10]>")
    );
}

#[test]
fn an_overflow_after_a_doubt_takes_all_of_it() {
    let mut b = opened(json!({}));
    doubt(&mut b, "2");
    revalidate(&mut b);
    // Within its rest: it is pending.
    doubt(&mut b, "3");
    b.overflow(json!(["c"]), json!([]), "4");
    b.answer_page(&[8, 9, 10], true, false);
    b.answer_list(json!({"conversations": [{"id": "c"}, {"id": "d"}], "next": null}));
    b.wait(2 * 60 * MINUTE);
    if b.is_asked(is_pull) {
        pull(&mut b, "", "5");
    }
    assert_eq!(b.segments(), "[8 10]>", "nothing is pending any more");
    assert!(!b.is_asked(is_changes));
}

#[test]
fn a_position_that_comes_again_with_another_id_is_the_later_ones_and_is_in_doubt() {
    let other = |seq: u64, id: &str| {
        let mut m = message(seq);
        m["id"] = json!(id);
        m
    };
    let ids = |b: &Harness| -> Vec<Value> {
        let items = b.items[&1]
            .iter()
            .filter(|item| item["kind"] == json!("message"));
        items.map(|item| item["message"]["id"].clone()).collect()
    };
    // Within one answer.
    let mut b = opened(json!({}));
    let events = json!([after(9, 10), {"type": "message", "message": other(10, "x"), "prev": 9}]);
    b.sync(events, "2");
    assert_eq!(ids(&b), ["m7", "m8", "m9", "x"].map(|id| json!(id)));
    assert_eq!(irregular(&b)[0]["first"]["done"], json!("doubted"));
    assert_eq!(b.segments(), "[7 10]", "in doubt");
    // What was read later.
    let mut b = opened(json!({}));
    b.sync(json!([{"type": "update", "message": other(8, "x")}]), "2");
    assert_eq!(ids(&b), ["m7", "x", "m9"].map(|id| json!(id)));
    assert_eq!(b.segments(), "[7 9]", "in doubt");
    // In a page.
    let mut b = opened(json!({}));
    b.load("older");
    let messages = json!([message(5), other(5, "x"), message(6)]);
    b.answer_history(json!({"messages": messages, "hasBefore": true, "hasAfter": true}));
    assert_eq!(ids(&b), ["x", "m6", "m7", "m8", "m9"].map(|id| json!(id)));
    assert_eq!(irregular(&b)[0]["first"]["done"], json!("doubted"));
    let shown = revalidate(&mut b);
    assert!(shown > 0);
    assert_eq!(b.segments(), "[5 9]>");
}

#[test]
fn marks_begin_anew_with_the_accounts_record() {
    let mut b = opened(json!({"overflow": "keep"}));
    for n in 0..20 {
        pull(&mut b, "{}", &format!("at {n}"));
    }
    revalidate(&mut b);
    assert!(b.store.spoil(Table::Meta, b"m"));
    let mut b = b.restart();
    b.store.mend();
    b.answer_pull(json!({"events": [], "cursor": "5", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c"}, {"id": "d"}], "next": null}));
    b.open();
    assert!(revalidate(&mut b) > 0);
    assert_eq!(b.segments(), "[7 9]>");
    pull(&mut b, "{}", "6");
    assert_eq!(b.segments(), "[7 9]", "in doubt");
}
