//! What was stored and cannot be read.

use pullcord::core::net::{Error, Request};
use pullcord::core::storage::{Read, StoreError, Table};
use serde_json::{Value, json};

use super::{irregular, opened, unread_of_d};
use crate::harness::{Harness, message};
use crate::support::{is_changes, is_history, is_list};

#[test]
fn a_block_that_cannot_be_read_is_cut_out_of_its_segment() {
    let mut b = Harness::new();
    b.limit(|limits| limits.block_messages = 3);
    let mut b = b.restart();
    b.sign_in(20);
    b.open();
    b.answer_page(&[18, 19, 20], true, false);
    for lo in [15, 12, 9] {
        b.load("older");
        b.answer_page(&[lo, lo + 1, lo + 2], true, true);
    }
    assert_eq!(b.segments(), "[9 20]>");
    let table = Table::Blocks;
    let keys = b.store.read(&[Read::Keys { table }]).expect("memory reads");
    assert!(b.store.spoil(table, &keys[0].values[1]));
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.events.clear();
    b.open();
    b.load("older");
    b.load("older");
    let told = irregular(&b);
    assert_eq!((told.len(), &told[0]["where"]), (1, &json!("stored")));
    assert_eq!(
        (&told[0]["conversation"], &told[0]["first"]["done"]),
        (&json!("c"), &json!("dropped"))
    );
    assert_eq!(b.segments(), "[9 11] [15 20]>");
    assert!(b.is_asked(is_history), "what was in it is fetched again");
    b.answer_page(&[12, 13, 14], true, true);
    assert_eq!(b.segments(), "[9 20]>");
}

#[test]
fn an_index_goes_with_its_blocks_and_a_state_makes_the_list_owed() {
    let spoil = |b: &mut Harness, table: Table, id: &str| {
        assert!(b.store.spoil(table, id.as_bytes()), "{id} in {table:?}");
    };
    let mut b = opened(json!({}));
    spoil(&mut b, Table::Segments, "c");
    let mut b = b.restart();
    assert_eq!(irregular(&b)[0]["where"], json!("stored"));
    assert!(b.blocks().is_empty());
    b.store.mend();
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
    assert!(!b.is_asked(is_list));
    spoil(&mut b, Table::Conversations, "d");
    let mut b = b.restart();
    b.store.mend();
    assert!(b.is_asked(is_list), "the list is owed");
    b.answer_list(json!({"conversations": [{"id": "c"}, {"id": "d", "unread": 2}], "next": null}));
    assert_eq!(unread_of_d(&b), json!(2));
    b.open();
    assert_eq!(b.shown(), "7 8 9", "the messages stay");
    let again = b.restart();
    assert!(irregular(&again).is_empty());
}

#[test]
fn an_index_that_could_not_be_dropped_goes_with_an_overflow_of_all() {
    let mut b = opened(json!({}));
    assert!(b.store.spoil(Table::Segments, b"c"));
    let mut b = b.restart_and_fail(StoreError::Failed("the disk".into()));
    // It is there again at the next start: as of a cursor of long ago.
    b.store.mend();
    b.answer_pull(json!({"events": [], "cursor": "5", "hasMore": false, "overflow": "all"}));
    assert!(b.blocks().is_empty());
    let mut b = b.restart();
    assert_eq!(b.segments(), "");
}

#[test]
fn a_state_that_cannot_be_read_makes_the_list_owed_also_after_the_next_start() {
    let disk = || StoreError::Failed("the disk".into());
    let whole = |b: Harness| b.restart();
    let failing = |b: Harness| b.restart_and_fail(disk());
    for restart in [&whole as &dyn Fn(Harness) -> Harness, &failing] {
        let mut b = opened(json!({}));
        assert!(b.store.spoil(Table::Conversations, b"d"));
        let mut b = restart(b);
        b.store.mend();
        // Whatever is committed next, it says that the list is owed.
        b.send("hello");
        let mut b = b.restart();
        assert!(b.is_asked(is_list), "the list is owed");
        assert!(
            b.conversations.iter().all(|c| c["id"] != json!("d")),
            "what could not be read is not there again"
        );
        b.answer_list(json!({"conversations": [{"id": "c"}], "next": null}));
        assert!(b.restart().conversations.len() < 2);
    }
}

#[test]
fn a_cursor_that_cannot_be_read_is_not_there_again() {
    let ways = json!({"scope": "conversation"});
    let mut b = Harness::with(ways);
    let batch = |cursor: &str| json!({"cursor": cursor, "events": [], "hasMore": false});
    let pulls = |call: &Request| matches!(call, Request::PullConversations { .. });
    b.reply(
        pulls,
        json!({"conversations": {"c": batch("c1"), "d": batch("d1")}, "hasMore": false}),
    );
    assert!(b.store.spoil(Table::Meta, b"cd"));
    let mut b = b.restart();
    b.store.mend();
    // Whatever is committed next: it may be that nothing is ever committed there again.
    b.send("hello");
    let b = b.restart();
    let pull = b.asked.iter().find(|(_, call)| pulls(call));
    let Some((_, Request::PullConversations { cursors, .. })) = pull else {
        panic!("a pull is asked for: {:?}", b.asked);
    };
    assert_eq!(cursors, &[("c".to_owned(), "c1".to_owned())]);
}

/// Of 2, 3 and 20 an overflow has left all as kept, and a page has brought 20 again: `[2 19] [20 20]>`.
fn kept_below_a_new_page() -> Harness {
    let mut b = Harness::with(json!({"overflow": "keep"}));
    b.sign_in(20);
    b.open();
    b.answer_page(&[2, 3, 20], true, false);
    b.overflow(json!(["c"]), json!([]), "2");
    b.answer_page(&[20], true, false);
    b
}

#[test]
fn what_lies_between_two_messages_and_is_not_known_is_a_gap_once_they_are_not_held() {
    let mut b = kept_below_a_new_page();
    assert_eq!(b.segments(), "[2 19] [20 20]>");
    b.reply(
        is_changes,
        json!({"messages": [message(2), message(3)], "hasMore": true}),
    );
    assert_eq!(b.segments(), "[2 3] [4 19] [20 20]>");
    assert_eq!(b.shown(), "2 3 20~");
    b.fail(
        Error::from_status(410, "the log does not reach back", None),
        is_changes,
    );
    assert_eq!(b.shown(), "2~ 3~ … 20~");
}

#[test]
fn a_revalidation_that_is_refused_is_tried_again_slowly() {
    let mut b = kept_below_a_new_page();
    let mut tries = 0;
    for _ in 0..3_600 {
        if b.is_asked(is_changes) {
            tries += 1;
            b.fail(Error::from_status(404, "not found", None), is_changes);
        }
        b.wait(1_000);
    }
    assert!((10..60).contains(&tries), "{tries} in an hour");
    while !b.is_asked(is_changes) {
        b.wait(1_000);
    }
    b.reply(is_changes, json!({"messages": [], "hasMore": false}));
    assert_eq!(b.shown(), "2 3 20");
}

#[test]
fn the_accounts_record_that_cannot_be_read_is_a_first_sign_in() {
    let mut b = opened(json!({}));
    b.send("hello");
    assert!(b.store.spoil(Table::Meta, b"m"));
    let mut b = b.restart();
    b.store.mend();
    assert_eq!(irregular(&b)[0]["where"], json!("stored"));
    let cursor =
        b.answer_pull(json!({"events": [], "cursor": "5", "hasMore": false, "overflow": "all"}));
    assert_eq!(cursor, None);
    assert_eq!(b.outbox.len(), 1, "own messages stay");
}

#[test]
fn an_own_message_that_cannot_be_read_is_never_deleted_and_never_written_over() {
    let mut b = opened(json!({}));
    b.send("one");
    b.send("two");
    let table = Table::Outbox;
    let keys = |b: &Harness| {
        b.store.read(&[Read::Keys { table }]).expect("memory reads")[0]
            .values
            .clone()
    };
    let before = keys(&b);
    assert_eq!(before.len(), 2);
    assert!(b.store.spoil(table, &before[1]));
    let mut b = b.restart();
    let told = irregular(&b);
    assert_eq!(
        (&told[0]["where"], &told[0]["first"]["done"]),
        (&json!("stored"), &json!("kept"))
    );
    assert_eq!(b.outbox.len(), 1);
    b.send("three");
    assert_eq!(keys(&b).len(), 3);
    // Readable again at the next start: it is sent.
    b.store.mend();
    let b = b.restart();
    let texts: Vec<&Value> = b.outbox.iter().map(|item| &item["clientId"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn a_wish_that_cannot_be_read_and_is_all_that_is_stored_stops_nobody() {
    let mut b = Harness::with(json!({"promoted": false}));
    b.send("hello");
    let table = Table::Wishes;
    let keys = b.store.read(&[Read::Keys { table }]).expect("memory reads");
    assert!(b.store.spoil(table, &keys[0].values[0]));
    let mut b = b.restart_with(json!({"promoted": true}));
    assert_eq!(b.stopped, None, "{:?}", b.status);
    b.sign_in(9);
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
    // It is kept, and taken up once it can be read.
    b.store.mend();
    let mut b = b.restart();
    b.accept(10);
    b.open();
    assert_eq!(b.shown(), "7 8 9 (hello sent)");
}
