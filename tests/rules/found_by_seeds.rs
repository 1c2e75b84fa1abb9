//! What the simulation's survey of 120,000 seeds has found: each history shrunk by hand to what it is
//! about.

use pullcord::core::net::{Error, Place, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use super::harness::{Harness, after, message, new, state, version};
use super::support::{is_history, is_pull, jump};

fn is_around(call: &Request) -> bool {
    matches!(
        call,
        Request::History {
            place: Place::Around(_),
            ..
        }
    )
}

fn around(seq: u64) -> Value {
    json!({"around": seq.to_string()})
}

fn anchor(b: &Harness) -> Option<&str> {
    b.view()["anchor"]["key"].as_str()
}

/// "c" open at its newest end, 50 55 60.
fn at_the_end() -> Harness {
    let mut b = Harness::signed_in(60);
    b.open();
    b.answer_page(&[50, 55, 60], true, false);
    assert_eq!(b.shown(), "50 55 60");
    b
}

// ---------------------------------------------------------------- jumps

#[test]
fn a_jump_below_what_is_held_is_not_given_up_for_the_latest() {
    let mut b = at_the_end();
    let call = jump(&mut b, around(38));
    // A replica that does not have 38 yet, nor 50.
    assert_eq!(
        b.answer_page(&[5, 8, 10], true, false),
        Place::Around(Seq(38))
    );
    assert_eq!(b.result(call), None);
    assert_eq!(
        b.answer_page(&[45, 48], true, true),
        Place::Before(Seq(50)),
        "what lies below the newest is asked for from there"
    );
    assert_eq!(
        b.answer_page(&[36, 38, 40], true, true),
        Place::Before(Seq(45))
    );
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchor(&b), Some("m:m38"));
}

#[test]
fn a_jump_waits_for_the_pull_that_is_about_to_bring_its_message() {
    let mut b = at_the_end();
    b.call(json!({"op": "sync"}));
    let call = jump(&mut b, around(70));
    b.answer_page(&[50, 55, 60], true, false);
    assert_eq!(b.result(call), None);
    b.answer_pull(
        json!({"events": [after(60, 65), after(65, 70)], "cursor": "2", "hasMore": false}),
    );
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchor(&b), Some("m:m70"));
}

#[test]
fn a_jump_that_waits_for_a_pull_settles_when_that_fails() {
    let mut b = at_the_end();
    b.call(json!({"op": "sync"}));
    let call = jump(&mut b, around(70));
    b.answer_page(&[50, 55, 60], true, false);
    assert_eq!(b.result(call), None);
    b.fail(Error::from_status(500, "later", None), is_pull);
    b.wait(10_000);
    assert!(b.result(call).is_some());
}

#[test]
fn a_jump_given_up_for_the_latest_goes_to_its_message_when_that_comes() {
    let mut b = at_the_end();
    b.overflow(json!("all"), json!([]), "2");
    b.answer_page(&[60], true, false);
    let call = jump(&mut b, around(70));
    b.reply(
        is_around,
        json!({"messages": [message(60)], "hasBefore": true, "hasAfter": false}),
    );
    assert_eq!(b.result(call), None, "the latest is less than a screen");
    b.sync(json!([after(60, 70)]), "3");
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!((b.shown().as_str(), anchor(&b)), ("60 70", Some("m:m70")));
}

#[test]
fn a_jump_to_what_a_kept_segment_lacks_asks_for_it() {
    let mut b = Harness::with(json!({"overflow": "keep"}));
    b.sign_in(9);
    b.open();
    b.answer_page(&[2, 4, 6, 7, 8, 9], true, false);
    b.overflow(json!("all"), json!([]), "50");
    let call = jump(&mut b, around(5));
    assert_eq!(b.result(call), None);
    let messages = [message(4), message(5), message(6)];
    b.reply(
        is_around,
        json!({"messages": messages, "hasBefore": true, "hasAfter": true}),
    );
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchor(&b), Some("m:m5"));
    // One that is there is shown at once.
    let call = jump(&mut b, around(8));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchor(&b), Some("m:m8"));
    // Offline what is kept has to do.
    b.command(json!({"op": "network", "online": false}));
    let call = jump(&mut b, around(3));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchor(&b), Some("m:m4"));
}

#[test]
fn a_jump_to_where_nothing_is_held_says_that_it_is_offline() {
    let mut b = Harness::with(json!({"overflow": "keep"}));
    b.sign_in(0);
    b.open();
    b.answer_page(&[], false, false);
    b.overflow(json!("all"), json!([state(9, 60), new(60)]), "50");
    b.answer_page(&[50, 55, 60], true, false);
    b.command(json!({"op": "network", "online": false}));
    let shown = b.shown();
    let call = jump(&mut b, json!("first-unread"));
    assert_eq!(b.result(call), Some(Err("offline".into())));
    assert_eq!(b.shown(), shown, "the list stays where it is");
}

#[test]
fn what_a_jump_to_the_first_unread_waits_with_is_not_evicted() {
    let mut b = Harness::with(json!({"maxMessages": 3}));
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "unread": 6, "lastSeq": 60, "sort": 60}], "next": null}));
    b.open();
    b.answer_page(&[50, 55, 60], true, false);
    let call = jump(&mut b, json!("first-unread"));
    b.overflow(json!(["d"]), json!([]), "2");
    // The list is owed, and waited for: what is unread may be something else.
    assert_eq!(
        b.answer_page(&[1, 2, 3], false, true),
        Place::Around(Seq(0))
    );
    b.answer_list(json!({"conversations": [{"id": "c", "unread": 6, "lastSeq": 60, "sort": 60}], "next": null}));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!((b.shown().as_str(), anchor(&b)), ("1 2 3", Some("m:m1")));
}

#[test]
fn a_load_right_after_a_jump_does_not_let_go_of_where_it_went() {
    let mut b = Harness::signed_in(60);
    b.command(
        json!({"op": "open", "timeline": 1, "conversation": "c", "pageSize": 2, "maxItems": 4}),
    );
    b.answer_page(&[11, 12], true, false);
    let call = jump(&mut b, around(23));
    let load = b.call(json!({"op": "load", "timeline": 1, "direction": "newer", "limit": 9}));
    let seqs: Vec<u64> = (13..=33).collect();
    while b.is_asked(is_history) {
        b.reply(is_history, json!({"messages": seqs.iter().map(|seq| message(*seq)).collect::<Vec<_>>(), "hasBefore": true, "hasAfter": false}));
    }
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert!(b.result(load).is_some());
    assert!(
        b.keys().iter().any(|key| Some(key.as_str()) == anchor(&b)),
        "the anchor is an item: {} of {}",
        anchor(&b).unwrap_or("none"),
        b.shown()
    );
    assert_eq!(anchor(&b), Some("m:m23"));
}

// ---------------------------------------------------------------- what is shown

#[test]
fn a_window_that_was_trimmed_away_shows_what_there_is() {
    let mut b = Harness::signed_in(60);
    b.open();
    b.answer_page(&[50, 55, 60], true, false);
    let call = jump(&mut b, around(4));
    b.answer_page(&[3, 4, 5], true, true);
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    // Another jump is on its way when all that is shown goes.
    let call = jump(&mut b, around(20));
    let trim = json!({"type": "trim", "conversation": "c", "before": 15});
    b.sync(json!([trim]), "2");
    assert_eq!(b.result(call), None);
    assert_eq!(b.shown(), "50 55 60", "and not blank");
    b.answer_page(&[18, 20, 22], true, true);
    assert_eq!(anchor(&b), Some("m:m20"));
}

#[test]
fn a_copy_that_is_shown_is_not_replaced_by_an_older_one_after_an_overflow() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_history(
        json!({"messages": [message(7), version(8, 3), message(9)], "hasBefore": true, "hasAfter": false}),
    );
    assert_eq!(b.shown(), "7 8'' 9");
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m8", "last": "m:m8"}));
    // The batch brings it as it was at first; its update is in the next one.
    b.overflow(
        json!("all"),
        json!([state(0, 7), after(7, 8), after(8, 9)]),
        "2",
    );
    assert!(b.shown().contains("8''"), "{}", b.shown());
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    b.open();
    assert!(b.shown().contains("8''"), "{}: it is stored", b.shown());
}

#[test]
fn what_is_kept_above_the_newest_end_is_not_there_any_more() {
    let mut b = Harness::with(json!({"overflow": "keep"}));
    b.sign_in(5);
    b.open();
    b.answer_page(&[2, 4], false, false);
    b.overflow(json!("all"), json!([]), "2");
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    let start = around(4);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": start}));
    // Nothing is newer than 4, said of a place above it: an empty segment, live.
    let is_after = |call: &Request| {
        matches!(
            call,
            Request::History {
                place: Place::After(_),
                ..
            }
        )
    };
    b.reply(
        is_after,
        json!({"messages": [], "hasBefore": true, "hasAfter": false}),
    );
    assert_eq!(b.segments(), "|0 4] [5 5]>");
    b.overflow(json!("all"), json!([]), "3");
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": 4, "sort": 4}], "next": null}),
    );
    for _ in 0..20 {
        if b.is_asked(is_history) {
            b.answer_page(&[2, 4], false, false);
        }
        let is_changes = |call: &Request| matches!(call, Request::Changes { .. });
        if b.is_asked(is_changes) {
            b.reply(is_changes, json!({"messages": [], "hasMore": false}));
        }
        b.wait(1_000);
    }
    assert_eq!(
        (b.shown().as_str(), &b.view()["hasNewer"]),
        ("2 4", &json!(false))
    );
}

// ---------------------------------------------------------------- loads, pages ahead

#[test]
fn a_load_that_finds_half_and_fails_says_so_also_where_a_window_comes_with_it() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m4", "last": "m:m9"}));
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.open();
    assert_eq!(b.shown(), "7 8 9");
    let call = b.call(json!({"op": "load", "timeline": 1, "direction": "older", "limit": 9}));
    b.fail(Error::from_status(500, "later", None), is_history);
    assert_eq!(b.result(call), Some(Err("network".into())));
    assert_eq!(b.shown(), "4 5 6 7 8 9", "what it found is shown");
    assert_eq!(b.view()["error"]["code"], json!("network"));
}

#[test]
fn pages_ahead_and_eviction_do_not_chase_each_other() {
    let mut b = Harness::with(
        json!({"maxMessages": 3, "prefetch": true, "pollInterval": 1_000, "fallbackPollInterval": 1_000}),
    );
    b.sign_in(90);
    b.open();
    b.answer_page(&[88, 89, 90], true, false);
    let mut pages = 0;
    for cursor in 0..60 {
        b.wait(1_000);
        while let Some(lo) = b.asked.iter().find_map(|(_, call)| match call {
            Request::History {
                place: Place::Before(lo),
                ..
            } => Some(lo.0),
            _ => None,
        }) {
            pages += 1;
            b.answer_page(&[lo - 3, lo - 2, lo - 1], true, true);
        }
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": format!("{cursor}"), "hasMore": false}));
        }
    }
    assert!(pages <= 3, "{pages} pages in a quiet minute");
    assert_eq!(b.shown(), "88 89 90");
}

// ---------------------------------------------------------------- R13: the cache and the disk

fn cached(b: &mut Harness) -> u64 {
    b.inspect()["cachedMessages"].as_u64().expect("a count")
}

fn told(b: &Harness, kind: &str) -> usize {
    let is = |event: &&Value| event["type"] == json!("storage") && event["detail"]["kind"] == kind;
    b.events.iter().filter(is).count()
}

/// 5,000 messages of "c" are held, none is shown, and the disk is full.
fn full_disk() -> Harness {
    let mut b = Harness::with(json!({"pageSize": 200}));
    b.sign_in(6000);
    b.open();
    b.answer_page(&(5801..=6000).collect::<Vec<_>>(), true, false);
    for top in (1001..=5800).rev().step_by(200) {
        b.load("older");
        b.answer_page(&(top - 199..=top).collect::<Vec<_>>(), true, true);
    }
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    assert_eq!(cached(&mut b), 5000);
    b.largest = Some(2_000);
    b.events.clear();
    b
}

#[test]
fn a_disk_that_stays_full_does_not_cost_the_cache() {
    let mut b = full_disk();
    b.sync(json!([after(6000, 6001)]), "2");
    assert_eq!(b.status["error"]["code"], json!("quota"));
    assert_eq!((told(&b, "evicted"), told(&b, "quota")), (2, 1));
    let left = cached(&mut b);
    assert!(left > 3_500, "{left}");
    // It is tried again with a growing pause, and told once.
    let (mut tries, before) = (0, b.commits);
    for _ in 0..1_800 {
        b.wait(1_000);
        if b.is_asked(is_pull) {
            tries += 1;
            b.answer_pull(json!({"events": [after(6000, 6001)], "cursor": "2", "hasMore": false}));
        }
    }
    assert!((5..80).contains(&tries), "{tries} tries in half an hour");
    let (commits, evicted) = (b.commits - before, told(&b, "evicted"));
    assert!(commits <= tries + 2 * evicted, "{commits} commits");
    assert!(
        evicted <= 6,
        "{evicted} evictions, each later than the last"
    );
    assert_eq!(told(&b, "quota"), 1);
    let errors = b
        .events
        .iter()
        .filter(|event| event["type"] == json!("error"));
    assert!(errors.count() <= 1);
    // There is room again.
    b.largest = None;
    b.wait(400_000);
    b.answer_pull(json!({"events": [after(6000, 6001)], "cursor": "2", "hasMore": false}));
    assert_eq!((b.cursor(), &b.status["error"]), (json!("2"), &Value::Null));
}

#[test]
fn a_disk_that_an_eviction_helps_takes_what_needed_room() {
    let mut b = full_disk();
    b.largest = None;
    b.failing.push_back(StoreError::Quota);
    b.sync(json!([after(6000, 6001)]), "2");
    assert_eq!((b.cursor(), told(&b, "quota")), (json!("2"), 0));
    assert_eq!(told(&b, "evicted"), 1);
}

#[test]
fn that_a_list_was_opened_is_not_worth_an_eviction() {
    let mut b = full_disk();
    b.failing.push_back(StoreError::Quota);
    b.open();
    assert_eq!((cached(&mut b), told(&b, "quota")), (5000, 0));
}

#[test]
fn more_than_is_to_be_held_and_all_of_it_shown_is_not_looked_through_at_each_commit() {
    let mut b = Harness::with(json!({"maxMessages": 200, "pageSize": 100}));
    b.sign_in(1000);
    b.open();
    for top in [1000, 900, 800, 700] {
        if top < 1000 {
            b.load("older");
        }
        b.answer_page(&(top - 99..=top).collect::<Vec<_>>(), true, top < 1000);
    }
    assert_eq!(cached(&mut b), 400);
    let before = b.commits;
    for seq in 1001..=1100 {
        b.sync(json!([after(seq - 1, seq)]), &format!("{seq}"));
    }
    assert_eq!(b.commits - before, 100, "a commit each");
    assert_eq!(told(&b, "evicted"), 0);
}

#[test]
fn what_waits_behind_a_database_that_cannot_be_restored_fails() {
    let mut b = at_the_end();
    b.send("a");
    b.failing
        .extend((0..100).map(|_| StoreError::Failed("no".into())));
    b.is_evicted();
    let sync = b.call(json!({"op": "sync"}));
    b.answer_pull(json!({"events": [], "cursor": "9", "hasMore": false}));
    let call = b.send("b");
    for _ in 0..10 {
        b.wait(1_000);
    }
    assert_eq!(b.result(call), Some(Err("storage".into())));
    assert_eq!(b.result(sync), Some(Err("storage".into())));
    let tries = b.commits;
    b.wait(600_000);
    for _ in 0..10 {
        b.wait(6_000);
    }
    assert!(
        b.commits - tries <= 3,
        "{} tries in a minute",
        b.commits - tries
    );
    b.failing.clear();
    b.wait(60_000);
    assert!(b.outbox.iter().any(|local| local["clientId"] == json!("a")));
}
