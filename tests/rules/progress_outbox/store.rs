//! What the store has to do with it: it is full, or slow, or has remembered.

use pullcord::core::storage::StoreError;
use serde_json::json;

use super::{echo, names};
use crate::harness::{Harness, after, message};
use crate::support::{is_send, opened, status};

#[test]
fn a_send_does_not_wait_for_what_the_server_has_brought() {
    let mut b = opened();
    b.store_is_slow = true;
    b.call(json!({"op": "sync"}));
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": true}));
    let call = b.send("a");
    assert!(b.finish_commit(), "the batch");
    assert!(b.finish_commit(), "the message");
    assert!(matches!(b.result(call), Some(Ok(_))));
}

#[test]
fn a_full_disk_rejects_a_send_and_shows_nothing() {
    let mut b = opened();
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.failing.extend((0..50).map(|_| StoreError::Quota));
    let call = b.send("a");
    assert_eq!(b.result(call), Some(Err("quota".into())));
    assert!(b.outbox.is_empty());
    b.failing.clear();
    let again = b.send("a");
    assert!(
        matches!(b.result(again), Some(Ok(_))),
        "it was not accepted"
    );
}

#[test]
fn what_is_stored_is_sent_also_where_no_more_can_be_stored() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.send("a");
    b.failing
        .extend((0..50).map(|_| StoreError::Failed("no".into())));
    b.command(json!({"op": "network", "online": true}));
    assert!(b.is_asked(is_send));
}

#[test]
fn a_name_is_remembered_until_a_thousand_more_have_left() {
    let mut b = Harness::signed_in(9);
    for i in 0..1_100_u64 {
        b.send(&format!("m{i}"));
        b.accept(10 + i);
        b.sync(
            json!([echo(&format!("m{i}"), 9 + i, 10 + i)]),
            &format!("s{i}"),
        );
    }
    let mut b = b.restart();
    b.send("m1099");
    b.send("m200");
    assert!(b.outbox.is_empty(), "{:?}", b.outbox);
    b.send("m5");
    assert_eq!(b.outbox.len(), 1, "it was forgotten");
}

#[test]
fn a_place_is_never_given_again() {
    use pullcord::core::storage::{Read, Table, Write};
    let table = Table::Outbox;
    let places = |b: &Harness| {
        let keys = b.store.read(&[Read::Keys { table }]).expect("it is read");
        let own = keys[0].values.iter().filter(|key| key[0] == b'm');
        own.cloned().collect::<Vec<_>>()
    };
    let mut b = opened();
    let mut seen = Vec::new();
    for (i, id) in ["a", "b", "c"].into_iter().enumerate() {
        b.send(id);
        let own = places(&b);
        assert!(own.len() == 1 && !seen.contains(&own[0]), "{id}: {own:?}");
        seen.extend(own);
        b.accept(10 + i as u64);
        b.sync(json!([echo(id, 9 + i as u64, 10 + i as u64)]), id);
        assert!(places(&b).is_empty());
        if id == "b" {
            // What says the next one does not check.
            let (table, key) = (Table::Meta, b"q".to_vec());
            let value = b"what is this".to_vec();
            let put = Write::Put { table, key, value };
            b.store.commit(&[put]).expect("it is written");
        }
        b = b.restart();
        b.open();
    }
}

#[test]
pub fn an_own_message_keeps_its_key_also_where_the_server_gives_no_client_id() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    b.send("a");
    b.accept(10);
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.keys()[3].as_str()),
        ("7 8 9 10", "c:a")
    );
}

#[test]
fn what_one_page_brings_of_several_own_messages_leaves_the_outbox_for_good() {
    let mut b = Harness::signed_in(9);
    b.send("one");
    b.fail(status(500), names("one"));
    b.send("two");
    let own = |seq: u64, name: &str| {
        let mut own = message(seq);
        own["clientId"] = json!(name);
        own
    };
    b.open();
    b.answer_history(
        json!({"messages": [own(10, "one"), own(11, "two")], "hasBefore": false, "hasAfter": false}),
    );
    assert!(b.outbox.is_empty(), "{:?}", b.outbox);
    assert_eq!(b.shown(), "10 11");
    b.wait(60_000);
    assert!(b.outbox.is_empty() && !b.is_asked(names("one")));
}
