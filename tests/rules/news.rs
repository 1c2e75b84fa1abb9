//! Told once (docs/rules.md): a push tells each new message of others that no client on screen has shown, once.

use pullcord::core::net::Request;
use pullcord::core::storage::StoreError;
use pullcord::core::{Input, net::Notice};
use serde_json::{Value, json};

use crate::harness::{Harness, after, message, new, state, update, version};
use crate::support::*;
use crate::tabs::Tabs;

/// A client that nobody looks at, as a service worker's is.
fn hidden() -> Harness {
    opened_with(json!({"hidden": true}))
}

const NOTHING: [u64; 0] = [];

/// The positions that this telling has told; none: it is not answered.
fn result(b: &Harness, call: u64) -> Option<Vec<u64>> {
    let told = b.result(call)?.expect("it is told");
    let seq = |m: &Value| m["seq"].as_str().and_then(|seq| seq.parse().ok());
    let told = told.as_array().expect("messages").iter().map(seq);
    Some(told.map(|seq| seq.expect("a seq")).collect())
}

fn tell(b: &mut Harness) -> u64 {
    b.call(json!({"op": "tell"}))
}

fn told(b: &mut Harness) -> Vec<u64> {
    let call = tell(b);
    result(b, call).expect("it answers at once")
}

fn look(b: &mut Harness, at_it: bool) {
    b.command(json!({"op": "visibility", "hidden": !at_it}));
}

/// The event of a message with this changed.
fn with(seq: u64, field: &str, value: Value) -> Value {
    let mut event = new(seq);
    event["message"][field] = value;
    event
}

fn last(id: &str, unread: u64, seq: u64, at: u64) -> Value {
    let mut m = message(seq);
    m["conversation"] = json!(id);
    m["id"] = json!(format!("{id}{seq}"));
    m["createdAt"] = json!(at);
    json!({"id": id, "unread": unread, "lastSeq": seq, "sort": at, "lastMessage": m})
}

#[test]
pub fn a_message_that_nobody_has_seen_is_told_once() {
    let mut b = hidden();
    b.sync(json!([after(9, 10), after(10, 11)]), "2");
    assert_eq!(told(&mut b), [10, 11]);
    assert_eq!(told(&mut b), NOTHING);
    b.sync(json!([after(11, 12)]), "3");
    // Whoever asks next, and after a restart.
    let mut b = b.restart();
    assert_eq!(told(&mut b), [12]);
    let mut b = b.restart();
    assert_eq!(told(&mut b), NOTHING);
}

#[test]
pub fn what_a_client_on_screen_shows_is_not_told() {
    let mut b = hidden();
    look(&mut b, true);
    let commits = b.commits();
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.commits() - commits, 1, "and costs no commit of its own");
    look(&mut b, false);
    assert_eq!(told(&mut b), NOTHING);
    // It came while nobody looked, and then somebody did.
    b.sync(json!([after(10, 11)]), "3");
    look(&mut b, true);
    look(&mut b, false);
    b.sync(json!([after(11, 12)]), "4");
    assert_eq!(told(&mut b), [12]);
}

#[test]
fn history_and_what_one_has_written_oneself_are_not_told() {
    let mut b = Harness::with(json!({"hidden": true}));
    b.answer_pull(
        json!({"account": "ada", "events": [], "cursor": "1", "hasMore": false, "overflow": "all"}),
    );
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": 9, "sort": 9}], "next": null}),
    );
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    let load = b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert!(b.result(load).is_some());
    b.sync(
        json!([
            with(10, "clientId", json!("elsewhere")),
            with(11, "sender", json!("ada")),
            new(12)
        ]),
        "2",
    );
    assert_eq!(told(&mut b), [12]);
}

#[test]
fn the_newest_version_is_told_and_a_recalled_one_is_not() {
    let mut b = hidden();
    b.sync(json!([after(9, 10), after(10, 11)]), "2");
    let mut recalled = version(11, 2);
    recalled["state"] = json!("recalled");
    recalled["body"] = Value::Null;
    b.sync(
        json!([update(10, 3), {"type": "update", "message": recalled}]),
        "3",
    );
    let call = tell(&mut b);
    assert_eq!(result(&b, call), Some(vec![10]));
    let told = b.result(call).expect("told").expect("told");
    assert_eq!(told[0]["version"], json!(3));
}

#[test]
fn of_many_the_newest_are_told() {
    let mut b = Harness::with(json!({"hidden": true}));
    b.limit(|limits| limits.news = 3);
    let mut b = b.restart();
    b.sign_in(9);
    let events: Vec<Value> = (10..20).map(|seq| after(seq - 1, seq)).collect();
    b.sync(json!(events), "2");
    assert_eq!(told(&mut b), [17, 18, 19]);
    assert_eq!(told(&mut b), NOTHING);
}

#[test]
fn what_was_there_before_the_first_sign_in_is_not_told_but_the_newest_that_is_unread() {
    let mut b = Harness::with(json!({"hidden": true}));
    // A server that does not call it an overflow.
    b.answer_pull(json!({"events": [new(3), after(3, 4)], "cursor": "1", "hasMore": false}));
    let listed = [
        last("c", 1, 9, 30),
        last("d", 2, 7, 50),
        last("e", 0, 8, 70),
    ];
    b.answer_list(json!({"conversations": listed, "next": "d"}));
    b.answer_list(json!({"conversations": [last("f", 9, 5, 90)], "next": null}));
    let call = tell(&mut b);
    assert_eq!(result(&b, call), Some(vec![7]));
    // What comes after the first cursor is.
    b.sync(json!([new(10)]), "2");
    assert_eq!(told(&mut b), [10]);
}

#[test]
fn of_what_an_overflow_has_skipped_the_last_messages_are_told() {
    let mut b = hidden();
    b.sync(json!([after(9, 10), state(1, 10)]), "2");
    b.overflow(json!("all"), json!([]), "9");
    let (read, known) = (last("d", 0, 3, 1), last("c", 2, 10, 1));
    let mut half = last("f", 1, 6, 1);
    half["readSeq"] = json!(6);
    let listed = [known, read, last("e", 4, 8, 1), half];
    b.answer_list(json!({"conversations": listed, "next": null}));
    // 10 was to be told already: it is where the state has it.
    assert_eq!(told(&mut b), [10, 8]);
    // It comes once more, by the pull that follows the list.
    let mut again = new(8);
    again["message"]["conversation"] = json!("e");
    again["message"]["id"] = json!("e8");
    b.sync(json!([again]), "10");
    assert_eq!(told(&mut b), NOTHING);
    // Another overflow, and nothing new in the list.
    b.overflow(json!("all"), json!([]), "20");
    let listed = [last("c", 2, 10, 1), last("e", 4, 8, 1)];
    b.answer_list(json!({"conversations": listed, "next": null}));
    assert_eq!(told(&mut b), NOTHING);
}

#[test]
fn with_a_cursor_for_each_conversation_one_that_is_new_tells_its_last_message() {
    let mut b = crate::scopes::by_conversation();
    look(&mut b, false);
    b.call(json!({"op": "sync"}));
    let first = json!({"events": [{"type": "conversation", "conversation": last("e", 1, 5, 9)}], "cursor": "e1",
        "hasMore": false, "overflow": "all"});
    let of_c = json!({"events": [after(9, 10)], "cursor": "c2", "hasMore": false});
    b.reply(
        is_any_pull,
        json!({"conversations": {"c": of_c, "e": first}}),
    );
    assert_eq!(told(&mut b), [10, 5]);
}

#[test]
fn of_a_mailbox_each_delivery_is_told_once() {
    let mut b = Harness::with(json!({"scope": "mailbox", "hidden": true}));
    let delivered = |seq: u64| {
        let mut event = new(seq);
        event["delivery"] = json!(format!("d{seq}"));
        event
    };
    // What has waited before the first sign-in is no news.
    b.reply(
        is_any_pull,
        json!({"events": [delivered(8)], "hasMore": false}),
    );
    b.reply(is_ack, json!({}));
    b.answer_list(json!({"conversations": [last("c", 0, 8, 1)], "next": null}));
    b.call(json!({"op": "sync"}));
    for _ in 0..2 {
        if b.is_asked(is_any_pull) {
            b.reply(
                is_any_pull,
                json!({"events": [delivered(9), delivered(9)], "hasMore": false}),
            );
            b.reply(is_ack, json!({}));
        }
    }
    assert_eq!(told(&mut b), [9]);
    assert_eq!(told(&mut b), NOTHING);
}

#[test]
fn a_push_is_no_other_way() {
    let mut b = Harness::with(json!({"hidden": true, "notify": "socket"}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.pushed(json!({"prev": "1", "cursor": "2", "events": [after(9, 10)]}));
    assert_eq!(told(&mut b), [10]);
}

// ---------------------------------------------------------------- several clients

/// A tab that nobody looks at writes; and two that are there for one sync.
fn with_pushes() -> Tabs {
    let mut t = Tabs::of(hidden(), 1);
    for _ in 0..2 {
        t.add(json!({"promoted": false, "hidden": true, "brief": true}));
    }
    t
}

#[test]
fn what_a_hidden_tab_has_stored_another_client_tells() {
    let mut t = with_pushes();
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    // Of two pushes at once one tells it.
    let calls = [1, 2].map(|tab| t.alone(tab, tell));
    t.deliver();
    let told = [1, 2].map(|tab| result(&t.tabs[tab], calls[tab - 1]).expect("told"));
    assert_eq!(told, [vec![10], vec![]]);
    assert!(t.tabs[1].asked.is_empty() && t.tabs[1].commits == 0);
    let own = t.on(0, tell);
    assert_eq!(result(&t.tabs[0], own), Some(vec![]));
}

#[test]
pub fn the_answer_of_a_writer_that_is_killed_the_next_one_gives() {
    let mut t = with_pushes();
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    t.deaf[1] = true;
    let call = t.on(1, tell);
    t.deaf[1] = false;
    // The writer has told it, and nobody has heard; another push finds nothing.
    let own = t.on(0, tell);
    assert_eq!(result(&t.tabs[0], own), Some(vec![]));
    t.deaf[0] = true;
    t.promote(1);
    assert_eq!(result(&t.tabs[1], call), Some(vec![10]));
}

#[test]
fn an_ask_that_comes_once_more_takes_nothing_that_has_come_since() {
    let mut t = with_pushes();
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    let call = t.alone(1, tell);
    let asked = t.tabs[1].told.clone();
    t.deliver();
    assert_eq!(result(&t.tabs[1], call), Some(vec![10]));
    t.on(0, |b| b.sync(json!([after(10, 11)]), "3"));
    for late in asked {
        t.on(0, |b| b.input(Input::Heard(late)));
    }
    let own = t.on(0, tell);
    assert_eq!(result(&t.tabs[0], own), Some(vec![11]));
}

#[test]
fn one_that_told_nothing_takes_nothing_that_has_come_since_either() {
    let mut t = with_pushes();
    let call = t.alone(1, tell);
    let asked = t.tabs[1].told.clone();
    t.deliver();
    assert_eq!(result(&t.tabs[1], call), Some(vec![]));
    // The next writer has not answered it.
    t.promote(2);
    t.on(2, |b| b.sync(json!([after(9, 10)]), "2"));
    for late in asked {
        t.on(2, |b| b.input(Input::Heard(late)));
    }
    let own = t.on(2, tell);
    assert_eq!(result(&t.tabs[2], own), Some(vec![10]));
}

#[test]
fn a_telling_whose_commit_is_in_doubt_tells_the_same() {
    for applied in [true, false] {
        let mut b = hidden();
        b.sync(json!([after(9, 10)]), "2");
        b.store_is_slow = true;
        let call = tell(&mut b);
        b.store_is_slow = false;
        b.doubt_commit(applied);
        let epoch = b.store.fence();
        b.input(Input::Promoted { epoch });
        assert_eq!(result(&b, call), Some(vec![10]), "{applied}");
        assert_eq!(told(&mut b), NOTHING);
    }
}

#[test]
fn a_telling_that_is_moved_to_another_writer_tells_once() {
    let mut t = with_pushes();
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    t.alone(0, |b| b.store_is_slow = true);
    let call = t.on(0, tell);
    t.on(0, |b| b.input(Input::Store(StoreError::Fenced)));
    assert_eq!(result(&t.tabs[0], call), None, "it is not stored");
    t.promote(1);
    t.wait(1_500);
    assert_eq!(result(&t.tabs[0], call), Some(vec![10]));
    let again = t.on(2, tell);
    assert_eq!(result(&t.tabs[2], again), Some(vec![]));
}

#[test]
fn a_telling_that_nobody_waits_for_leaves_it_to_the_next() {
    let mut t = with_pushes();
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    t.deaf[0] = true;
    let call = t.on(1, tell);
    t.on(1, |b| b.command(json!({"op": "abort", "of": call})));
    assert_eq!(t.tabs[1].result(call), Some(Err("aborted".into())));
    t.deaf[0] = false;
    // The writer has begun it, and has not stored that it is told.
    t.on(0, |b| b.store_is_slow = true);
    t.on(0, |b| b.send("a"));
    let call = t.on(2, tell);
    t.on(2, |b| b.command(json!({"op": "abort", "of": call})));
    t.on(0, |b| {
        b.store_is_slow = false;
        b.finish_commits();
    });
    let call = t.on(1, tell);
    assert_eq!(result(&t.tabs[1], call), Some(vec![10]));
}

#[test]
pub fn what_a_follower_on_screen_shows_the_writer_does_not_tell() {
    let mut t = with_pushes();
    t.add(json!({"promoted": false}));
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    let call = t.on(1, tell);
    assert_eq!(result(&t.tabs[1], call), Some(vec![]));
    // It has not heard of the last one, and does not show it.
    t.deaf[3] = true;
    t.on(0, |b| b.sync(json!([after(10, 11)]), "3"));
    let call = t.on(1, tell);
    assert_eq!(result(&t.tabs[1], call), Some(vec![11]));
}

#[test]
fn who_is_there_for_one_sync_waits_for_the_writer_for_a_second() {
    let mut t = with_pushes();
    t.add(json!({"promoted": false, "hidden": true}));
    t.deaf[0] = true;
    for tab in [1, 3] {
        t.on(tab, |b| b.call(json!({"op": "sync"})));
    }
    t.wait(750);
    assert_eq!(t.tabs[1].stuck, 0);
    t.wait(500);
    assert_eq!((t.tabs[1].stuck, t.tabs[3].stuck), (1, 0));
    // It does it itself then, and asks for nothing else.
    t.promote(1);
    assert!(t.tabs[1].is_asked(is_pull));
    assert!(!t.tabs[1].listens());
}

#[test]
fn on_a_disk_that_is_full_it_is_not_tried_in_a_loop() {
    let mut b = hidden();
    b.sync(json!([after(9, 10)]), "2");
    b.largest = Some(0);
    let commits = b.commits();
    look(&mut b, true);
    b.wait(60_000);
    assert!(b.commits() - commits < 10, "{}", b.commits() - commits);
    b.largest = None;
    look(&mut b, false);
    let is_mark = |call: &Request| matches!(call, Request::MarkRead { .. });
    assert!(!b.is_asked(is_mark));
}

#[test]
fn what_the_list_says_before_it_comes_is_told_when_it_has_come() {
    let mut b = hidden();
    b.overflow(json!("all"), json!([]), "5");
    b.answer_list(json!({"conversations": [last("c", 1, 12, 1)], "next": null}));
    // An older state comes by the pull, and the message itself with the next one.
    b.sync(
        json!([{"type": "conversation", "conversation": last("c", 1, 11, 1)}]),
        "6",
    );
    assert_eq!(told(&mut b), NOTHING);
    b.sync(json!([new(12)]), "7");
    assert_eq!(told(&mut b), [12]);
}

#[test]
fn what_was_left_takes_no_place_of_what_is_to_be_told() {
    let mut b = Harness::with(json!({"hidden": true}));
    b.limit(|limits| limits.news = 2);
    let mut b = b.restart();
    b.sign_in(9);
    let of_d = |mut event: Value| {
        event["message"]["conversation"] = json!("d");
        event
    };
    b.sync(
        json!([after(9, 10), of_d(new(1)), {"type": "removed", "conversation": "d"}]),
        "2",
    );
    b.sync(json!([after(10, 11)]), "3");
    assert_eq!(told(&mut b), [10, 11]);
    // Nor does what the server has let go of.
    let trim = json!({"type": "trim", "conversation": "d", "before": 3});
    b.sync(json!([after(11, 12), of_d(new(2)), trim]), "4");
    b.sync(json!([after(12, 13)]), "5");
    assert_eq!(told(&mut b), [12, 13]);
}

#[test]
fn what_comes_after_its_state_is_as_new_as_what_comes_with_it() {
    let mut b = Harness::with(json!({"hidden": true}));
    b.limit(|limits| limits.news = 3);
    let mut b = b.restart();
    b.sign_in(9);
    b.overflow(json!("all"), json!([]), "2");
    b.answer_list(json!({"conversations": [last("c", 3, 12, 1)], "next": null}));
    b.sync(json!([new(10), after(10, 11), after(11, 12)]), "3");
    b.sync(json!([after(12, 13)]), "4");
    assert_eq!(told(&mut b), [11, 12, 13]);
}
