//! The database is lost under several clients.

use pullcord::core::{Input, storage::StoreError};
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
    t.store = Memory::above(t.store.fence() + 1_000);
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
