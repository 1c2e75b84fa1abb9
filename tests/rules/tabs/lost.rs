//! The database is lost under several clients.

use pullcord::core::{Input, net::Request, storage::StoreError};
use pullcord::store::Memory;
use serde_json::json;

use super::Tabs;
use crate::harness::{Harness, new};

#[test]
fn a_lost_database_does_not_lose_what_was_wished_for() {
    let mut t = Tabs::opened(2);
    t.deaf[0] = true;
    t.on(1, |b| b.send("a"));
    t.deaf[0] = false;
    t.store = Memory::new();
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    t.promote(1);
    assert_eq!(t.tabs[1].outbox.len(), 1, "{:?}", t.tabs[1].outbox);
}

#[test]
pub fn a_lost_database_is_written_to_once_it_is_this_clients() {
    let mut b = Harness::signed_in(9);
    b.send_to("c", "a");
    let commits = b.commits;
    b.store = Memory::above(b.store.fence() + 1_000);
    b.input(Input::Store(StoreError::Lost));
    b.wait(60_000);
    assert_eq!(b.commits, commits, "it is nobody's yet");
    let epoch = b.store.fence();
    b.input(Input::Adopted { epoch });
    assert!(b.commits > commits);
    assert_eq!(b.engine.stamp().map(|stamp| stamp.epoch), Some(epoch));
    assert_eq!(b.outbox.len(), 1, "what was not delivered is kept");
}

#[test]
pub fn a_follower_that_finds_its_database_lost_reads_what_is_stored_in_its_place() {
    let mut t = Tabs::opened(2);
    t.is_evicted();
    t.deaf[1] = true;
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    let epoch = t.store.fence();
    t.on(0, |b| b.input(Input::Adopted { epoch }));
    t.on(0, |b| b.sync(json!([new(10)]), "2"));
    let reads = t.tabs[1].reads;
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    assert!(t.tabs[1].reads > reads);
    assert_eq!(t.tabs[1].engine.stamp(), t.tabs[0].engine.stamp());
}

/// Another client has had the account between the loss and the fence of the one that wrote before.
#[test]
pub fn who_writes_its_fence_late_reads_what_another_has_written_meanwhile() {
    let mut t = Tabs::opened(2);
    t.is_evicted();
    t.deaf[0] = true;
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    t.promote(1);
    t.on(1, |b| b.send("by the one between"));
    t.deaf[0] = false;
    let epoch = t.store.fence();
    t.on(0, |b| b.input(Input::Adopted { epoch }));
    t.on(0, |b| b.send("by the first"));
    let waits: Vec<_> = t.tabs[0]
        .outbox
        .iter()
        .map(|l| l["body"]["text"].clone())
        .collect();
    assert_eq!(waits, ["by the one between", "by the first"]);
    assert_eq!(
        t.tabs[0].engine.stamp().map(|stamp| stamp.epoch),
        Some(epoch)
    );
}

/// What was called, and waits for its commit or for a block, is done on the database that takes the lost one's place.
#[test]
fn what_is_being_written_as_the_database_is_lost_is_written_to_the_next_one() {
    let mut b = Harness::signed_in(9);
    b.failing.push_back(StoreError::Lost);
    let call = b.send_to("c", "a");
    b.store = Memory::above(b.store.fence() + 1_000);
    assert!(b.result(call).is_none(), "it waits");
    let epoch = b.store.fence();
    b.input(Input::Adopted { epoch });
    assert!(
        b.result(call).is_some_and(|result| result.is_ok()),
        "it is stored"
    );
    assert_eq!(b.outbox.len(), 1);
    let b = b.restart();
    assert_eq!(b.outbox.len(), 1, "also after a restart");
}

/// The writer hands the account over in the moment in which its database is gone: the next one knows nothing of what
/// was accepted. It stands in the list all the time.
#[test]
fn what_was_accepted_goes_on_with_a_writer_that_never_knew_of_it() {
    let mut t = Tabs::opened(2);
    t.deaf[1] = true;
    t.on(0, |b| b.send("a"));
    t.on(0, |b| {
        b.call(json!({"op": "markRead", "timeline": 1, "seq": 9}))
    });
    t.deaf[1] = false;
    t.on(0, |b| b.store_is_slow = true);
    t.is_evicted();
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    assert_eq!(t.tabs[0].outbox.len(), 1, "it is shown until it is stored");
    t.on(0, |b| b.store_is_slow = false);
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    t.promote(1);
    t.on(0, |b| b.input(Input::Store(StoreError::Fenced)));
    assert_eq!(t.tabs[0].outbox.len(), 1);
    assert_eq!(t.tabs[1].outbox.len(), 1, "the other one has it to send");
}

/// What was handed over just before the database was lost is in the memory of who follows.
#[test]
pub fn who_follows_stores_what_it_has_in_mind_where_its_writer_is_gone() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| b.send("a"));
    t.on(0, |b| b.send("b"));
    assert_eq!(t.tabs[1].outbox.len(), 2);
    t.tabs.swap_remove(0);
    t.is_evicted();
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    t.promote(0);
    let sent: Vec<_> = t.tabs[0]
        .outbox
        .iter()
        .map(|l| l["body"]["text"].clone())
        .collect();
    assert_eq!(sent, ["a", "b"], "in the order written");
    let is_first =
        |call: &Request| matches!(call, Request::Send { client_id, .. } if client_id == "a");
    t.tabs[0].take("the first one, to be sent", is_first);
}

/// Another client may have discarded it.
#[test]
fn who_has_slept_keeps_nothing_of_a_lost_database() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| b.send("a"));
    t.on(1, |b| b.command(json!({"op": "freeze"})));
    t.on(1, |b| b.wait(60_000));
    t.on(1, |b| b.command(json!({"op": "resume"})));
    t.is_evicted();
    t.deaf[1] = true;
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    assert!(t.tabs[1].outbox.is_empty(), "{:?}", t.tabs[1].outbox);
}

/// A page on a phone, that was put aside with a message that had not left.
#[test]
fn who_was_alone_when_it_fell_asleep_keeps_what_was_accepted() {
    let mut t = Tabs::opened(1);
    t.on(0, |b| b.send("a"));
    t.wait(60_000);
    t.on(0, |b| b.command(json!({"op": "freeze"})));
    t.on(0, |b| b.input(Input::Demoted));
    t.is_evicted();
    t.on(0, |b| b.wait(3_600_000));
    t.on(0, |b| b.command(json!({"op": "resume"})));
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    t.promote(0);
    assert_eq!(t.tabs[0].outbox.len(), 1);
}

/// What it has read is as old as its page.
#[test]
fn who_waits_for_the_others_to_go_keeps_nothing_of_a_lost_database() {
    let mut t = Tabs::opened(1);
    t.on(0, |b| b.send("a"));
    t.add(json!({"promoted": false, "ifOpen": "wait"}));
    assert_eq!(t.tabs[1].outbox.len(), 1);
    t.is_evicted();
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    assert!(t.tabs[1].outbox.is_empty(), "{:?}", t.tabs[1].outbox);
}

/// Nobody waits for it, and it is in memory alone: a disk that fails is tried again, and not in a loop.
#[test]
fn what_was_accepted_is_tried_until_the_new_database_takes_it() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| b.send("a"));
    t.tabs.swap_remove(0);
    t.is_evicted();
    let fails = (StoreError::Failed("the disk".into()), false);
    for _ in 0..5 {
        t.tabs[0].failing_wishes.push_back(fails.clone());
    }
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    assert_eq!(t.tabs[0].failing_wishes.len(), 4, "once, and then it rests");
    t.promote(0);
    assert_eq!(t.tabs[0].outbox.len(), 1, "it is shown meanwhile");
    t.wait(120_000);
    assert_eq!(t.tabs[0].failing_wishes, []);
    let is_send = |call: &Request| matches!(call, Request::Send { .. });
    t.tabs[0].take("the message", is_send);
}
