//! Sizes: what is too much is asked for in smaller pieces, and grows again.

use pullcord::core::Input;
use pullcord::core::net::Request;
use serde_json::{Value, json};

use super::{asked, empty, errors, limit, many, parts, too_large, wait_for, whole};
use crate::harness::{Harness, state};
use crate::support::{is_ack, is_any_pull, is_history, is_list, is_pull, opened, status};

#[test]
fn a_batch_that_is_too_large_is_asked_for_in_halves_down_to_one_and_grows_again() {
    let mut b = Harness::signed_in(9);
    let call = b.call(json!({"op": "sync"}));
    let mut limits = Vec::new();
    while limit(&asked(&b, is_pull)) > 1 {
        limits.push(limit(&asked(&b, is_pull)));
        b.fail(
            if limits.len() % 2 == 0 {
                too_large()
            } else {
                status(413)
            },
            is_pull,
        );
    }
    assert_eq!(limits, [500, 250, 125, 62, 31, 15, 7, 3]);
    assert_eq!(
        (b.result(call), errors(&b)),
        (None, 0),
        "it only asks for less"
    );
    for n in 0..12 {
        b.answer_pull(empty(&format!("x{n}"), true));
    }
    assert_eq!(limit(&asked(&b, is_pull)), 500);
}

#[test]
fn what_is_too_much_alone_is_told_once_and_tried_slowly() {
    let mut b = Harness::signed_in(9);
    b.call(json!({"op": "sync"}));
    let mut tries = 0;
    for _ in 0..3_600 {
        while b.is_asked(is_pull) {
            tries += 1;
            b.fail(too_large(), is_pull);
        }
        b.wait(1_000);
    }
    assert_eq!(errors(&b), 1);
    assert!((10..80).contains(&tries), "{tries} tries in an hour");
    wait_for(&mut b, is_pull);
    b.answer_pull(json!({"events": [state(3, 9)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.conversations[0]["unread"], json!(3));
}

#[test]
fn a_batch_that_does_not_come_in_time_is_asked_for_in_halves() {
    let mut b = Harness::with(json!({"requestTimeout": 15_000}));
    b.sign_in(9);
    b.call(json!({"op": "sync"}));
    b.wait(15_000);
    wait_for(&mut b, is_pull);
    assert_eq!(limit(&asked(&b, is_pull)), 250);
}

#[test]
pub fn a_request_on_which_bytes_arrive_is_not_given_up() {
    let mut b = Harness::with(json!({"requestTimeout": 15_000}));
    b.sign_in(9);
    b.call(json!({"op": "sync"}));
    let request = b.asked[0].0;
    for _ in 0..20 {
        b.wait(10_000);
        b.input(Input::Progress { request });
    }
    assert!(b.aborted.is_empty());
    b.wait(15_000);
    assert_eq!(b.aborted, [request], "silence ends it");
}

#[test]
fn the_limit_in_the_options_is_what_the_reader_takes() {
    let b = Harness::with(json!({"pullLimit": 20_000}));
    assert_eq!(limit(&asked(&b, is_pull)), 10_000);
}

#[test]
fn a_page_of_the_list_that_is_too_large_is_asked_for_in_halves_from_where_it_is() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": "p2"}));
    b.fail(status(413), is_list);
    b.fail(too_large(), is_list);
    let Request::Conversations { after, limit, .. } = asked(&b, is_list) else {
        unreachable!("it is the list")
    };
    assert_eq!((after.as_deref(), limit), (Some("p2"), 50));
    b.answer_list(json!({"conversations": [{"id": "d", "sort": 2}], "next": null}));
    assert_eq!(b.conversations.len(), 2);
    assert_eq!(b.status["caughtUp"], json!(true));
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_halves() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.fail(too_large(), is_history);
    assert_eq!(limit(&asked(&b, is_history)), 1);
    b.answer_page(&[9], true, false);
    while b.is_asked(is_history) {
        b.answer_page(&[8], false, true);
    }
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn an_empty_page_that_has_more_is_asked_for_with_twice_the_limit() {
    let mut b = opened();
    b.load("older");
    let before = limit(&asked(&b, is_history));
    b.answer_page(&[], true, true);
    assert_eq!(limit(&asked(&b, is_history)), 2 * before);
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5 6 7 8 9");
}

#[test]
fn the_cursors_of_a_thousand_conversations_go_in_pieces_the_last_with_the_rest() {
    let mut b = many(1_000);
    let call = b.call(json!({"op": "sync"}));
    let mut seen = Vec::new();
    while b.is_asked(is_any_pull) {
        let pull = asked(&b, is_any_pull);
        if parts(&pull).0 > 300 {
            b.fail(status(413), is_any_pull);
            continue;
        }
        seen.push(parts(&pull));
        let mut answer = json!({"conversations": {}});
        if parts(&pull).2 {
            answer["conversations"]["new"] =
                json!({"events": [whole("new")], "cursor": "1", "hasMore": false});
        }
        b.reply(is_any_pull, answer);
        assert!(seen.len() < 6, "{seen:?}");
    }
    assert_eq!(seen[0], (250, Some(250), false));
    let named: usize = seen
        .iter()
        .take_while(|(_, _, rest)| !rest)
        .map(|piece| piece.0)
        .sum();
    let last = seen
        .iter()
        .find(|(_, _, rest)| *rest)
        .expect("one with the rest");
    assert_eq!(named + last.0, 1_000, "each once: {seen:?}");
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    assert_eq!(errors(&b), 0);
}

#[test]
fn what_a_server_says_anew_of_conversations_that_other_pieces_named_is_left_out() {
    let mut b = many(4);
    b.call(json!({"op": "sync"}));
    b.fail(status(413), is_any_pull);
    b.reply(is_any_pull, json!({"conversations": {}}));
    assert!(parts(&asked(&b, is_any_pull)).2);
    b.reply(
        is_any_pull,
        json!({"conversations": {"c0000": {"events": [], "cursor": "9", "hasMore": false, "overflow": "all"}}}),
    );
    assert!(!b.is_asked(is_list), "no list is owed");
    assert_eq!(b.status["caughtUp"], json!(true));
    assert!(!b.is_asked(is_any_pull), "nor is it asked in a loop");
}

#[test]
fn what_a_server_has_said_anew_is_named_at_once_by_the_next_pull_unless_that_is_too_much() {
    let mut b = many(4);
    b.call(json!({"op": "sync"}));
    b.fail(status(413), is_any_pull);
    b.reply(is_any_pull, json!({"conversations": {}}));
    let anew = json!({"events": [], "cursor": "9", "hasMore": false, "overflow": "all"});
    b.reply(is_any_pull, json!({"conversations": {"c0000": anew}}));
    let sync = |b: &mut Harness| {
        b.wait(2_000);
        b.call(json!({"op": "sync"}));
        if parts(&asked(b, is_any_pull)).0 > 2 {
            b.fail(status(413), is_any_pull);
        }
        b.reply(is_any_pull, json!({"conversations": {}}));
        parts(&asked(b, is_any_pull))
    };
    assert_eq!(sync(&mut b), (3, Some(2), true), "c0000 as well");
    b.fail(status(413), is_any_pull);
    let less = parts(&asked(&b, is_any_pull));
    assert_eq!(less, (1, Some(1), false), "first less is asked for");
    b.reply(is_any_pull, json!({"conversations": {}}));
    assert_eq!(parts(&asked(&b, is_any_pull)), (2, Some(1), true));
    b.fail(status(413), is_any_pull);
    assert_eq!(parts(&asked(&b, is_any_pull)), (1, Some(1), true));
    b.reply(is_any_pull, json!({"conversations": {}}));
    assert!(!b.is_asked(is_any_pull));
    assert_eq!(sync(&mut b), (2, Some(2), true), "it is not named any more");
    assert_eq!(errors(&b), 0);
}

#[test]
fn acknowledgements_that_are_too_many_go_in_pieces_and_one_that_is_refused_goes_alone() {
    let mut b = Harness::with(json!({"scope": "mailbox"}));
    b.reply(
        is_any_pull,
        json!({"events": [], "hasMore": false, "overflow": "all"}),
    );
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": 9, "sort": 9}], "next": null}),
    );
    let call = b.call(json!({"op": "sync"}));
    let events: Vec<Value> = (0..10)
        .map(|n| {
            let mut event = state(n, 9);
            event["delivery"] = json!(format!("d{n}"));
            event
        })
        .collect();
    b.reply(is_any_pull, json!({"events": events, "hasMore": false}));
    let mut taken = Vec::new();
    while b.is_asked(is_ack) {
        let Request::Acknowledge { deliveries, .. } = asked(&b, is_ack) else {
            unreachable!("it is an acknowledgement")
        };
        if deliveries.len() > 4 {
            b.fail(status(413), is_ack);
        } else if deliveries.contains(&"d3".to_owned()) {
            b.fail(status(400), is_ack);
        } else {
            taken.extend(deliveries);
            b.reply(is_ack, Value::Null);
        }
    }
    assert_eq!(
        taken,
        ["d0", "d1", "d2", "d4", "d5", "d6", "d7", "d8", "d9"]
    );
    assert_eq!(b.result(call), Some(Ok(json!(null))));
}
