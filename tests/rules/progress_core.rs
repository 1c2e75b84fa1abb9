//! R14, R15 in the engine itself: what a job needs is held until it is done, and nothing is decided,
//! asked or written by what a client read before it was promoted.

use pullcord::core::Input;
use pullcord::core::net::Request;
use serde_json::{Value, json};

use super::harness::{Harness, after, message, state, version};
use super::support::is_pull;
use super::tabs::Tabs;

fn of(conversation: &str, seq: u64, version: u64) -> Value {
    let state = if version == 1 { "normal" } else { "edited" };
    json!({"id": format!("{conversation}-{seq}"), "conversation": conversation, "seq": seq, "sender": "bob", "createdAt": 1,
        "version": version, "state": state, "body": {"text": format!("{conversation} {seq}.{version}")}})
}

/// A client that holds one live block of each of so many conversations, reloaded: none is in memory.
fn many(conversations: u64) -> Harness {
    let mut b = Harness::new();
    let id = |i: u64| format!("c{i:04}");
    let list: Vec<Value> = (0..conversations)
        .map(|i| json!({"id": id(i), "unread": 0, "lastSeq": null, "sort": i}))
        .collect();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": list, "next": null}));
    let events: Vec<Value> = (0..conversations)
        .map(|i| json!({"type": "message", "message": of(&id(i), 1, 1), "prev": null}))
        .collect();
    b.sync(json!(events), "2");
    b.restart()
}

#[test]
fn a_batch_that_touches_more_blocks_than_are_cached_is_applied_and_reads_them_together() {
    let mut b = many(300);
    let events: Vec<Value> = (0..300)
        .map(|i| {
            let message = of(&format!("c{i:04}"), 2, 1);
            json!({"type": "message", "message": message, "prev": 1})
        })
        .collect();
    b.reads = 0;
    b.answer_pull(json!({"events": events, "cursor": "3", "hasMore": false}));
    assert_eq!(b.cursor(), json!("3"));
    assert!(b.reads <= 2, "{} reads", b.reads);
}

#[test]
fn edits_in_many_blocks_beside_a_new_message_are_applied() {
    let mut b = many(300);
    let edits = (0..300).map(|i| {
        let message = of(&format!("c{i:04}"), 1, 2);
        json!({"type": "update", "message": message})
    });
    let new = json!({"type": "message", "message": of("c0000", 2, 1), "prev": 1});
    let events: Vec<Value> = edits.chain([new]).collect();
    b.reads = 0;
    b.answer_pull(json!({"events": events, "cursor": "3", "hasMore": false}));
    assert_eq!(b.cursor(), json!("3"));
    assert!(b.reads <= 2, "{} reads", b.reads);
}

#[test]
fn what_a_job_needs_stays_in_memory_however_little_may_be_cached() {
    let mut b = many(40);
    b.limit(|limits| limits.cached_bytes = 1);
    let mut b = b.restart();
    let events: Vec<Value> = (0..40)
        .flat_map(|i| {
            let id = format!("c{i:04}");
            [
                json!({"type": "update", "message": of(&id, 1, 2)}),
                json!({"type": "message", "message": of(&id, 2, 1), "prev": 1}),
            ]
        })
        .collect();
    b.answer_pull(json!({"events": events, "cursor": "3", "hasMore": false}));
    assert_eq!(b.cursor(), json!("3"));
    // A send still resolves, and a reload begins where this ended.
    b.send_to("c0000", "x");
    assert_eq!(b.outbox.len(), 1);
    let mut b = b.restart();
    assert_eq!(b.cursor(), json!("3"));
}

#[test]
fn a_window_larger_than_the_cache_is_let_go_and_opened_again() {
    let mut b = Harness::with(json!({"pageSize": 50}));
    b.limit(|limits| {
        limits.block_messages = 2;
        limits.cached_bytes = 1;
    });
    let mut b = b.restart();
    b.sign_in(400);
    b.open();
    let page: Vec<Value> = (351..=400).map(message).collect();
    b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": false}));
    for from in [301, 251, 201] {
        b.call(json!({"op": "load", "timeline": 1, "direction": "older"}));
        let page: Vec<Value> = (from..from + 50).map(message).collect();
        b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": false}));
    }
    assert_eq!(b.items[&1].len(), 200);
    b.command(json!({"op": "release", "timeline": 1}));
    b.command(json!({"op": "attach", "timeline": 1}));
    assert_eq!(b.items[&1].len(), 200, "{}", b.shown());
    assert!(!b.is_asked(|call| matches!(call, Request::History { .. })));
}

#[test]
fn a_block_never_grows_past_its_bytes_by_edits() {
    let mut b = Harness::signed_in(3);
    b.limit(|limits| limits.block_bytes = 1_000);
    let mut b = b.restart();
    b.open();
    b.answer_history(json!({"messages": [message(1), message(2), message(3)], "hasBefore": false, "hasAfter": false}));
    let large = |seq: u64| {
        let mut message = version(seq, 2);
        message["body"] = json!({"text": "x".repeat(900)});
        json!({"type": "update", "message": message})
    };
    b.sync(json!([large(1), large(2), large(3)]), "5");
    let blocks = b.blocks();
    assert_eq!(blocks.len(), 3);
    assert_eq!(b.shown(), "1' 2' 3'");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "1' 2' 3'");
}

// ---------------------------------------------------------------- promotion

/// A second client on the store of the first, waiting.
fn second(first: &Harness) -> Harness {
    let mut second = Harness::with(json!({"promoted": false}));
    second.store = first.store.clone();
    let mut second = second.restart();
    second.open();
    second
}

/// What the first has stored is the second's store too: the test has one writer at a time.
fn hand_over(from: &Harness, to: &mut Harness) {
    to.store = from.store.clone();
    let epoch = to.store.fence();
    to.input(Input::Promoted { epoch });
}

#[test]
fn a_client_that_is_promoted_asks_nothing_before_it_has_read_again() {
    let mut first = Harness::signed_in(9);
    first.sync(json!([after(9, 10)]), "2");
    let mut waiting = second(&first);
    first.sync(json!([after(10, 11)]), "3");
    waiting.reads_are_slow = true;
    hand_over(&first, &mut waiting);
    assert!(waiting.asked.is_empty(), "{:?}", waiting.asked);
    waiting.finish_reads();
    let pull = waiting.asked.iter().find(|(_, call)| is_pull(call));
    let Some((_, Request::Pull { cursor, .. })) = pull else {
        panic!("a pull is asked for: {:?}", waiting.asked);
    };
    assert_eq!(cursor.as_deref(), Some("3"));
}

#[test]
fn a_message_that_the_other_client_discarded_is_not_delivered_by_the_one_that_is_promoted() {
    let mut first = Harness::signed_in(9);
    first.command(json!({"op": "network", "online": false}));
    first.send_to("c", "a");
    let mut waiting = second(&first);
    first.call(json!({"op": "discard", "clientId": "a"}));
    waiting.reads_are_slow = true;
    hand_over(&first, &mut waiting);
    waiting.finish_reads();
    waiting.wait(10_000);
    let sends = |call: &Request| matches!(call, Request::Send { .. });
    assert!(!waiting.is_asked(sends));
    assert!(waiting.outbox.is_empty());
}

#[test]
fn a_conversation_that_came_back_while_another_client_wrote_is_shown_by_who_is_promoted() {
    let first = Harness::signed_in(9);
    let mut b = second(&first);
    hand_over(&first, &mut b);
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.view()["status"], json!("removed"));
    b.input(Input::Demoted);
    let mut other = second(&b);
    hand_over(&b, &mut other);
    other.sync(json!([state(0, 9)]), "3");
    hand_over(&other, &mut b);
    assert_eq!(b.view()["status"], json!("ready"));
}

#[test]
fn a_message_written_while_waiting_takes_no_other_ones_place() {
    let mut t = Tabs::of(Harness::signed_in(9), 2);
    // The one that writes does not hear of it, and hands over before it has.
    t.deaf = vec![true, true];
    t.on(1, |b| b.send_to("c", "mine"));
    t.on(0, |b| b.send_to("c", "its"));
    t.on(0, |b| b.input(Input::Demoted));
    t.deaf[1] = false;
    t.promote(1);
    let outbox = t.on(1, |b| b.outbox.clone());
    let names: Vec<&Value> = outbox.iter().map(|l| &l["clientId"]).collect();
    assert_eq!(names, [&json!("its"), &json!("mine")]);
    t.add(json!({"promoted": false}));
    assert_eq!(t.on(2, |b| b.outbox.len()), 2);
}

#[test]
fn a_client_that_never_wrote_restores_nothing_into_an_empty_database() {
    let mut first = Harness::signed_in(9);
    first.command(json!({"op": "network", "online": false}));
    first.send_to("c", "a");
    let mut waiting = second(&first);
    waiting.input(Input::Store(pullcord::core::storage::StoreError::Lost));
    first.call(json!({"op": "discard", "clientId": "a"}));
    hand_over(&first, &mut waiting);
    assert!(waiting.outbox.is_empty(), "{:?}", waiting.outbox);
}

#[test]
fn a_client_that_slept_asks_the_fence_before_anything_leaves() {
    let mut b = Harness::signed_in(9);
    // Another client has the account meanwhile.
    b.store.fence();
    // Its timer is more than 2 s late.
    b.now += 7_000_000;
    b.send_to("c", "a");
    let sends = |call: &Request| matches!(call, Request::Send { .. });
    assert!(!b.is_asked(sends));
    assert_eq!((b.stopped, b.fenced), (None, 1));
}

#[test]
fn a_client_that_slept_while_it_read_what_is_stored_asks_the_fence_too() {
    let first = Harness::signed_in(9);
    let mut b = second(&first);
    b.reads_are_slow = true;
    hand_over(&first, &mut b);
    b.command(json!({"op": "freeze"}));
    // Another client has the account meanwhile.
    b.store.fence();
    b.command(json!({"op": "resume"}));
    b.finish_reads();
    assert!(b.asked.is_empty(), "{:?}", b.asked);
    assert_eq!((b.stopped, b.fenced), (None, 1));
}

#[test]
fn what_was_asked_of_the_fence_before_a_nap_says_nothing_of_after_it() {
    let mut b = Harness::signed_in(9);
    let sleep = |b: &mut Harness| {
        b.command(json!({"op": "freeze"}));
        b.command(json!({"op": "resume"}));
    };
    b.reads_are_slow = true;
    sleep(&mut b);
    let answer = b.read_now();
    // It is heard of only after another nap, in which another client has taken the account.
    sleep(&mut b);
    b.store.fence();
    b.input(answer);
    assert!(b.asked.is_empty(), "{:?}", b.asked);
    b.finish_reads();
    assert_eq!((b.stopped, b.fenced), (None, 1));
}

#[test]
fn a_client_that_slept_and_is_still_the_writer_goes_on() {
    let mut b = Harness::signed_in(9);
    b.wait(7_300_000);
    b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    assert_eq!(b.stopped, None);
    assert_eq!(b.cursor(), json!("2"));
}

#[test]
fn a_client_that_let_go_asks_and_writes_nothing_until_it_is_promoted_again() {
    let mut b = Harness::signed_in(9);
    b.sync(json!([after(9, 10)]), "2");
    b.call(json!({"op": "sync"}));
    assert!(b.is_asked(is_pull));
    b.input(Input::Demoted);
    assert!(b.asked.is_empty());
    let commits = b.commits();
    b.send_to("c", "later");
    b.wait(60_000);
    assert!(b.asked.is_empty());
    assert_eq!(b.commits(), commits);
    let epoch = b.store.fence();
    b.input(Input::Promoted { epoch });
    b.answer_pull(json!({"events": [after(10, 11)], "cursor": "3", "hasMore": false}));
    assert_eq!(b.cursor(), json!("3"));
    assert!(b.is_asked(|call| matches!(call, Request::Send { .. })));
}

#[test]
fn each_commit_has_the_next_number_and_the_writers_epoch() {
    let mut b = Harness::signed_in(9);
    let before = b.stamp();
    b.sync(json!([after(9, 10)]), "2");
    let after_one = b.stamp();
    assert_eq!(after_one.epoch, before.epoch);
    assert!(after_one.number > before.number);
    let mut b = b.restart();
    b.sync(json!([after(10, 11)]), "3");
    assert_eq!(b.stamp().epoch, before.epoch + 1);
    assert!(b.stamp().number > after_one.number);
}
