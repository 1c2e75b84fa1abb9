//! R13: eviction.

use pullcord::core::net::Notice;
use pullcord::core::storage::StoreError;
use serde_json::json;

use super::harness::{Harness, after};
use super::support::{is_pull, opened, opened_with};

#[test]
fn what_is_evicted_is_fetched_again_and_never_claimed() {
    let mut b = Harness::with(json!({"maxMessages": 300, "pageSize": 100}));
    b.sign_in(1000);
    b.open();
    let page = |range: std::ops::RangeInclusive<u64>| range.collect::<Vec<_>>();
    b.answer_page(&page(901..=1000), true, false);
    for top in [900, 800, 700, 600] {
        b.load("older");
        b.answer_page(&page(top - 99..=top), true, true);
    }
    assert_eq!(
        b.segments(),
        "[501 1000]>",
        "what is shown is never evicted"
    );
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.sync(json!([after(1000, 1001)]), "2");
    let inspection = b.inspect();
    let held = inspection["cachedMessages"].as_u64().expect("a count");
    assert!(held <= 300, "{held}");
    let segment = &inspection["segments"][0];
    assert_eq!(
        (&segment["live"], &segment["start"], &segment["hi"]),
        (&json!(true), &json!(false), &json!("1001"))
    );
}

#[test]
fn a_full_disk_makes_room_and_tries_again_or_says_quota() {
    let mut b = opened();
    b.failing.push_back(StoreError::Quota);
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        b.cursor(),
        json!("1"),
        "what is shown cannot be evicted, so there was no room"
    );
    assert_eq!(b.status["error"]["code"], json!("quota"));
    b.wait(600_000);
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9 10");
}

/// A batch has found the disk full, and the eviction for it is being committed.
fn room_is_being_made() -> Harness {
    let mut b = opened_with(json!({"notify": "socket"}));
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.notice(Notice::Ready);
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.store_is_slow = true;
    b.pushed(json!({"prev": "1", "cursor": "2", "events": [after(9, 10)]}));
    b.fail_commit(StoreError::Quota);
    b
}

#[test]
fn what_is_sent_while_room_is_made_does_not_fail_with_what_needed_the_room() {
    let mut b = room_is_being_made();
    let call = b.send("a");
    b.fail_commit(StoreError::Quota);
    assert_eq!(b.result(call), None, "it has not been tried");
    assert!(b.finish_commit());
    assert!(matches!(b.result(call), Some(Ok(_))));
    assert!(b.is_asked(is_pull), "what was pushed comes again");
}

#[test]
fn what_needed_room_may_be_let_go_of_while_room_is_made() {
    let mut b = room_is_being_made();
    b.pushed(json!({"prev": "5", "cursor": "6", "events": []}));
    assert!(b.is_asked(is_pull), "what was pushed does not follow");
    b.fail_commit(StoreError::Quota);
    b.store_is_slow = false;
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "6", "hasMore": false}));
    assert_eq!(b.cursor(), json!("6"));
}

#[test]
fn a_corrupt_block_is_fetched_again_and_takes_no_own_message_along() {
    use pullcord::core::storage::{Read, Table, Write};
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.send("a");
    let blocks = b
        .store
        .read(&[Read::All {
            table: Table::Blocks,
        }])
        .expect("a memory store reads");
    let mut bytes = blocks[0].values[0].clone();
    bytes[20] ^= 1;
    let key = pullcord::core::records::block_key("c", 7);
    b.store
        .commit(&[Write::Put {
            table: Table::Blocks,
            key,
            value: bytes,
        }])
        .expect("a memory store writes");
    let mut b = b.restart();
    b.open();
    assert!(
        b.events
            .iter()
            .any(|e| e["type"] == json!("storage") && e["detail"]["kind"] == json!("corrupt"))
    );
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9 (a sending)");
}

#[test]
fn after_room_is_made_what_came_is_there_within_a_minute_however_long_the_disk_was_full() {
    for error in [StoreError::Quota, StoreError::Failed("it fails".into())] {
        let mut b = opened();
        b.call(json!({"op": "sync"}));
        for _ in 0..20 {
            b.failing = vec![error.clone(); 3].into();
            b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
            b.failing.clear();
            assert_eq!(b.cursor(), json!("1"));
            b.wait(60_200);
        }
        b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
        assert_eq!(b.shown(), "7 8 9 10");
    }
}
