//! Servers that go on without end, or name without end: each is bounded, and asked less and less.

use pullcord::core::net::{Notice, Request};
use serde_json::{Value, json};

use super::harness::{Harness, after, message};
use super::support::{batch_with_more, is_history, is_list, is_pull, opened};

/// Answers every pull with what `next` makes of its number, for half an hour of the client's. Gives how
/// many it asked.
fn half_an_hour(b: &mut Harness, next: impl Fn(u64) -> Value) -> u64 {
    b.call(json!({"op": "sync"}));
    let mut pulls = 0;
    for _ in 0..1_800 {
        while b.is_asked(is_pull) {
            assert!(pulls < 10_000, "asked without end");
            b.answer_pull(next(pulls));
            pulls += 1;
        }
        b.wait(1_000);
    }
    assert_eq!(b.status["error"]["code"], json!("protocol"));
    pulls
}

/// The server is good again.
fn recovers(b: &mut Harness) {
    b.wait(300_000);
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "good", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9 10");
    assert_eq!(b.status["error"], Value::Null);
    assert_eq!(b.status["caughtUp"], json!(true));
}

#[test]
fn batches_that_repeat_events_under_alternating_cursors_are_given_up_and_asked_for_less_and_less() {
    let mut b = opened();
    let events = json!([{"type": "message", "message": message(9), "prev": 8}]);
    let pulls = half_an_hour(&mut b, |n| {
        batch_with_more(events.clone(), ["a", "b"][n as usize % 2])
    });
    assert!(pulls < 100, "{pulls} pulls");
    assert_eq!(b.shown(), "7 8 9");
    recovers(&mut b);
}

#[test]
fn a_longer_circle_of_cursors_is_found_too_also_where_each_batch_changes_something() {
    let mut b = opened();
    let unread =
        |n: u64| json!([{"type": "conversation", "conversation": {"id": "c", "unread": n % 7}}]);
    let pulls = half_an_hour(&mut b, |n| {
        batch_with_more(unread(n), &format!("at {}", n % 7))
    });
    assert!(pulls < 600, "{pulls} pulls");
    recovers(&mut b);
}

#[test]
fn empty_batches_whose_cursors_move_are_given_up_and_asked_for_less_and_less() {
    let mut b = opened();
    let pulls = half_an_hour(&mut b, |n| batch_with_more(json!([]), &n.to_string()));
    assert!(pulls < 150, "{pulls} pulls");
    recovers(&mut b);
}

#[test]
fn known_events_whose_cursors_move_are_given_up_in_the_end() {
    let mut b = opened();
    let events = json!([{"type": "message", "message": message(9), "prev": 8}]);
    let pulls = half_an_hour(&mut b, |n| {
        batch_with_more(events.clone(), &format!("at {n}"))
    });
    assert!(pulls < 6_000, "{pulls} pulls");
    recovers(&mut b);
}

#[test]
fn a_catch_up_that_repeats_a_thousand_batches_goes_through() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    let events = json!([{"type": "message", "message": message(9), "prev": 8}]);
    for n in 0..1_000 {
        b.answer_pull(batch_with_more(events.clone(), &format!("at {n}")));
    }
    assert!(b.is_asked(is_pull), "at once");
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "end", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9 10");
}

#[test]
fn an_overflow_with_each_batch_is_no_news() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    let mut pulls = 0;
    while b.is_asked(is_pull) {
        assert!(pulls < 3_000, "asked without end");
        let events = json!([{"type": "message", "message": message(9)}]);
        b.answer_pull(json!({"events": events, "cursor": format!("at {pulls}"), "hasMore": true, "overflow": "all"}));
        pulls += 1;
    }
    assert_eq!(b.status["error"]["code"], json!("protocol"));
}

#[test]
fn a_list_that_names_new_conversations_without_end_is_given_up() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    let mut pages = 0;
    while b.is_asked(is_list) {
        assert!(pages < 100, "asked without end");
        let list: Vec<Value> = (0..5_000)
            .map(|i| json!({"id": format!("c{:07}", pages * 5_000 + i), "sort": 1}))
            .collect();
        b.reply(
            is_list,
            json!({"conversations": list, "next": format!("page {pages}")}),
        );
        pages += 1;
    }
    assert!(b.conversations.len() <= 100_000);
    assert_eq!(b.status["error"]["code"], json!("protocol"));
    // Nor do events bring more.
    b.call(json!({"op": "sync"}));
    let events: Vec<Value> = (0..9_000)
        .map(|i| json!({"type": "conversation", "conversation": {"id": format!("d{i}")}}))
        .collect();
    b.answer_pull(json!({"events": events, "cursor": "2", "hasMore": false}));
    assert!(b.conversations.len() <= 100_000);
    assert_eq!(b.cursor(), json!("1"));
}

#[test]
fn notifications_that_name_conversations_without_end_make_one_pull_of_all() {
    let mut b = super::scopes::by_conversation();
    for n in 0..100 {
        let conversations = (0..100).map(|i| format!("x{n}-{i}")).collect();
        b.notice(Notice::Notify {
            spread: 1_000,
            conversations,
        });
    }
    b.wait(1_000);
    let only = b.asked.iter().find_map(|(_, call)| match call {
        Request::PullConversations { only, .. } => Some(only.clone()),
        _ => None,
    });
    assert_eq!(only, Some(None));
}

#[test]
fn what_is_committed_while_a_page_is_on_its_way_is_not_kept_without_end() {
    let mut b = opened();
    b.load("older");
    assert!(b.is_asked(is_history));
    let before = b.aborted.len();
    let update = json!({"type": "update", "message": message(7)});
    for n in 0..11 {
        let events: Vec<Value> = vec![update.clone(); 10_000];
        b.sync(json!(events), &format!("at {n}"));
    }
    assert!(b.aborted.len() > before, "the page is asked for anew");
    assert!(b.is_asked(is_history));
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5 6 7 8 9");
}
