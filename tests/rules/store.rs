//! A store that cannot read all that it holds, that falls silent, that is full.

use pullcord::core::Input;
use pullcord::core::net::Request;
use pullcord::core::storage::{Answer, StoreError, Table, Why, epoch_above_all, read_epoch};
use serde_json::json;

use crate::harness::{Harness, after};
use crate::support::is_pull;

/// Conversation "c" with three messages, shown.
fn shown() -> Harness {
    let mut b = Harness::signed_in(3);
    b.open();
    b.answer_page(&[1, 2, 3], false, false);
    b.call(json!({"op": "sync"}));
    b.sync(json!([after(3, 4)]), "2");
    b
}

#[test]
fn where_nothing_can_be_read_the_store_has_failed_and_nothing_is_dropped() {
    let mut b = shown();
    let keys = Table::ALL.map(|table| pullcord::core::storage::Read::Keys { table });
    let stored = b.store.read(&keys).expect("memory reads");
    for (table, answer) in Table::ALL.into_iter().zip(&stored) {
        for key in &answer.values {
            assert!(b.store.spoil(table, key));
        }
    }
    let mut again = b.restart();
    assert_eq!(again.stopped, Some(false), "{:?}", again.status);
    assert_eq!(again.status["error"]["code"], json!("storage"));
    assert!(again.asked.is_empty());
    assert_eq!(again.store.read(&keys).expect("memory reads"), stored);
    again.store.mend();
    let mut healed = again.restart();
    healed.open();
    assert_eq!(healed.shown(), "2 3 4");
}

#[test]
fn a_client_that_is_at_work_and_can_read_nothing_for_a_moment_goes_on_when_it_can() {
    let mut b = shown();
    b.input(Input::Store(StoreError::Fenced));
    let keys = Table::ALL.map(|table| pullcord::core::storage::Read::Keys { table });
    let stored = b.store.read(&keys).expect("memory reads");
    for (table, answer) in Table::ALL.into_iter().zip(&stored) {
        for key in &answer.values {
            assert!(b.store.spoil(table, key));
        }
    }
    let epoch = b.store.fence();
    b.input(Input::Promoted { epoch });
    assert_eq!(b.stopped, None, "{:?}", b.status);
    assert_eq!(b.shown(), "1 2 3 4");
    let call = b.send("a");
    b.store.mend();
    b.wait(10_000);
    assert!(b.result(call).expect("it is stored").is_ok());
    b.accept(5);
    assert_eq!(b.status["connection"], json!("online"));
}

// ------------------------------------------------------------ the store's own records

#[test]
fn an_epoch_that_cannot_be_read_is_followed_by_one_above_all_that_were() {
    let day = 86_400_000;
    let now = 20_000 * day;
    // Fences count from 1 on, or from the last time on.
    let first = epoch_above_all(0, now, 7);
    assert!(first > 1_000_000_000_000);
    assert!(epoch_above_all(0, now + 1, 0) > first + 1_000);
    // A clock that was set back, as far as something tells.
    assert!(epoch_above_all(first, now - day, 0) > first);
    assert!(epoch_above_all(5, 0, 0) > 1_000);
    // However odd the clock is, it is one that can be read, and so are those after it.
    let odd = epoch_above_all(u64::MAX, u64::MAX, u64::MAX);
    assert_eq!(read_epoch(&(odd + day).to_be_bytes()), Some(odd + day));
}

#[test]
fn what_is_no_epoch_is_not_read_as_one() {
    assert_eq!(read_epoch(&7u64.to_be_bytes()), Some(7));
    for bytes in [&[][..], &[0; 4], &[0; 9], &[255; 8]] {
        assert_eq!(read_epoch(bytes), None, "{bytes:?}");
    }
}

#[test]
fn a_client_that_slept_and_cannot_read_whose_the_account_is_lets_it_go() {
    for answer in [
        Answer {
            values: Vec::new(),
            unreadable: vec![b"epoch".to_vec()],
        },
        vec![b"junk".to_vec()].into(),
    ] {
        let mut b = shown();
        b.reads_are_slow = true;
        b.command(json!({"op": "freeze"}));
        b.command(json!({"op": "resume"}));
        let Input::Read { op, .. } = b.read_now() else {
            panic!("it asks the fence");
        };
        let result = Ok(vec![answer]);
        b.input(Input::Read { op, result });
        assert!(b.asked.is_empty(), "{:?}", b.asked);
        assert_eq!((b.stopped, b.fenced), (None, 1));
        b.reads_are_slow = false;
        let epoch = b.store.fence();
        b.input(Input::Promoted { epoch });
        b.wait(2_000);
        b.answer_pull(json!({"events": [], "cursor": "3", "hasMore": false}));
        assert_eq!(b.cursor(), json!("3"));
    }
}

#[test]
fn what_the_store_has_put_right_is_told_and_stops_nothing() {
    let mut b = shown();
    b.events.clear();
    b.input(Input::PutRight("which".to_owned()));
    let told: Vec<String> = b.events.iter().map(|event| event.to_string()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("corrupt") && told[0].contains("which"));
    assert!(told[1].contains("stored") && told[1].contains("repaired"));
    b.sync(json!([after(4, 5)]), "3");
    assert_eq!(b.shown(), "1 2 3 4 5");
}

#[test]
fn a_client_whose_fence_is_not_taken_says_why_once_and_goes_on_when_it_is() {
    for (error, code) in [
        (StoreError::Quota, "quota"),
        (StoreError::Failed("the disk fails".into()), "storage"),
        (StoreError::Failed(Why::Silence), "storage"),
    ] {
        let mut b = shown();
        b.input(Input::Demoted);
        b.events.clear();
        for _ in 0..3 {
            b.input(Input::NotPromoted(error.clone()));
            b.wait(1_000);
        }
        assert_eq!(b.status["error"]["code"], json!(code));
        assert_eq!((b.stopped, b.events.len()), (None, 1), "{:?}", b.events);
        assert_eq!(b.shown(), "1 2 3 4");
        let epoch = b.store.fence();
        b.input(Input::Promoted { epoch });
        assert_eq!(b.status["error"], json!(null));
        b.wait(2_000);
        b.answer_pull(json!({"events": [after(4, 5)], "cursor": "3", "hasMore": false}));
        assert_eq!(b.shown(), "1 2 3 4 5");
    }
}

#[test]
fn what_a_fence_had_failed_of_is_forgotten_with_the_account() {
    let mut b = shown();
    b.input(Input::Demoted);
    b.input(Input::NotPromoted(StoreError::Quota));
    assert_eq!(b.status["error"]["code"], json!("quota"));
    b.input(Input::Demoted);
    assert_eq!(b.status["error"], json!(null));
}

// ------------------------------------------------------------ a commit of which nothing is heard

#[test]
fn an_own_message_whose_commit_is_in_doubt_is_stored_once_and_delivered_once() {
    for applied in [true, false] {
        let mut b = shown();
        b.store_is_slow = true;
        let call = b.send("a");
        b.doubt_commit(applied);
        b.store_is_slow = false;
        b.finish_commits();
        b.wait(10_000);
        assert_eq!(
            b.result(call),
            Some(Ok(json!({"clientId": "a", "key": "c:a"})))
        );
        assert_eq!(b.outbox.len(), 1, "applied: {applied}");
        b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
        b.accept(5);
        assert_eq!(b.shown(), "1 2 3 4 (a sent)", "applied: {applied}");
        assert!(!b.is_asked(|call| matches!(call, Request::Send { .. })));
        let mut again = b.restart();
        again.open();
        assert_eq!(again.shown(), "2 3 4 (a sent)");
    }
}

#[test]
fn what_waits_behind_a_store_that_says_nothing_is_answered_with_it() {
    for applied in [Some(true), Some(false), None] {
        let mut b = shown();
        b.store_is_slow = true;
        let first = b.send("a");
        let behind = [
            b.send("b"),
            b.call(json!({"op": "mark-read", "conversation": "c", "seq": "4"})),
            b.call(json!({"op": "discard", "clientId": "a"})),
            b.call(json!({"op": "sync"})),
        ];
        b.silent_commit(applied);
        for call in behind {
            assert_eq!(b.result(call), Some(Err("storage".to_owned())), "{call}");
            assert!(!b.uncertain(call), "{call}");
        }
        // Done, as what is stored shows; or nobody can say whether it is yet to be.
        match applied {
            Some(true) => assert!(b.result(first).expect("it is settled").is_ok()),
            _ => assert_eq!(b.result(first), Some(Err("storage".to_owned()))),
        }
        if applied == Some(false) {
            assert!(b.uncertain(first));
        }
        // It answers again: all goes on.
        b.store_is_slow = false;
        b.finish_commits();
        b.wait(10_000);
        let after_all = b.send("c");
        assert!(b.result(after_all).expect("it is stored").is_ok());
        assert_eq!(b.outbox.len(), 1 + usize::from(applied == Some(true)));
        b.answer_pull(json!({"events": [after(4, 5)], "cursor": "3", "hasMore": false}));
        assert_eq!(b.cursor(), json!("3"));
    }
}

#[test]
fn a_change_of_which_the_store_says_nothing_twice_is_answered_as_uncertain() {
    let mut b = shown();
    b.store_is_slow = true;
    b.reads_are_slow = true;
    let call = b.send("a");
    b.silent_commit(Some(false));
    assert_eq!(b.result(call), None, "what is stored is to tell");
    let Input::Read { op, .. } = b.read_now() else {
        panic!("it reads what is stored");
    };
    let result = Err(StoreError::Failed(Why::Silence));
    b.input(Input::Read { op, result });
    assert_eq!(b.result(call), Some(Err("storage".to_owned())));
    assert!(b.uncertain(call));
}

#[test]
fn a_batch_whose_commit_is_in_doubt_is_pulled_again_from_where_the_store_is() {
    for applied in [true, false] {
        let mut b = shown();
        b.call(json!({"op": "sync"}));
        b.store_is_slow = true;
        b.sync(json!([after(4, 5)]), "3");
        b.doubt_commit(applied);
        b.store_is_slow = false;
        b.finish_commits();
        b.wait(60_000);
        let asked = b.asked.iter().find_map(|(_, call)| match call {
            Request::Pull { cursor, .. } => cursor.clone(),
            _ => None,
        });
        assert_eq!(asked.as_deref(), Some(if applied { "3" } else { "2" }));
        let missed = if applied {
            json!([])
        } else {
            json!([after(4, 5)])
        };
        b.sync(missed, "3");
        assert!(
            b.shown().ends_with("2 3 4 5"),
            "applied: {applied}: {}",
            b.shown()
        );
        let mut again = b.restart();
        again.open();
        assert_eq!(again.shown(), "3 4 5", "applied: {applied}");
    }
}

#[test]
fn a_discard_whose_commit_is_in_doubt_says_that_it_is_uncertain() {
    for applied in [true, false] {
        let mut b = shown();
        b.command(json!({"op": "network", "online": false, "metered": false}));
        b.send("a");
        b.store_is_slow = true;
        let call = b.call(json!({"op": "discard", "conversation": "c", "clientId": "a"}));
        b.doubt_commit(applied);
        b.store_is_slow = false;
        b.finish_commits();
        let error = b.rejection(call).expect("it is not known");
        assert_eq!(error["code"], json!("storage"));
        assert_eq!(error["uncertain"], json!(true));
        assert_eq!(b.outbox.len(), usize::from(!applied));
    }
}

#[test]
fn where_each_commit_is_in_doubt_every_call_has_an_end_and_it_heals() {
    let mut b = shown();
    b.store_is_slow = true;
    let sent = b.send("a");
    b.doubt_commit(false);
    b.doubt_commit(false);
    let error = b.rejection(sent).expect("nobody waits for ever");
    assert_eq!(
        (&error["code"], &error["uncertain"]),
        (&json!("storage"), &json!(true))
    );
    assert!(b.outbox.is_empty());
    b.wait(10_000);
    let synced = b.call(json!({"op": "sync"}));
    b.answer_pull(json!({"events": [after(4, 5)], "cursor": "3", "hasMore": false}));
    b.doubt_commit(false);
    assert_eq!(b.result(synced), Some(Err("storage".into())));
    b.store_is_slow = false;
    b.wait(60_000);
    b.sync(json!([after(4, 5)]), "3");
    assert!(b.shown().ends_with("2 3 4 5"), "{}", b.shown());
    let sent = b.send("b");
    assert!(matches!(b.result(sent), Some(Ok(_))));
}

#[test]
fn a_store_that_stays_silent_stops_nothing_for_good() {
    let mut b = shown();
    let silent = || StoreError::Failed("silent".into());
    b.failing = (0..3).map(|_| silent()).collect();
    let lost = b.send("a");
    assert_eq!(b.result(lost), Some(Err("storage".into())));
    for _ in 0..2 {
        let call = b.call(json!({"op": "sync"}));
        b.sync(json!([after(4, 5)]), "3");
        assert_eq!(b.result(call), Some(Err("storage".into())));
        b.wait(60_000);
    }
    assert!(b.failing.is_empty());
    b.sync(json!([after(4, 5)]), "3");
    assert!(b.shown().ends_with("2 3 4 5"));
    let sent = b.send("b");
    assert!(matches!(b.result(sent), Some(Ok(_))));
    b.accept(6);
    assert!(b.shown().ends_with("2 3 4 5 (b sent)"));
}

// ------------------------------------------------------------ a disk that stays full

/// A conversation of which 1,200 messages are held, and a screen of it shown.
fn well_filled() -> Harness {
    let mut b = Harness::signed_in(0);
    b.open();
    b.answer_page(&[], false, false);
    for page in 0..6 {
        b.call(json!({"op": "sync"}));
        let events: Vec<_> = (0..200)
            .map(|i| page * 200 + i + 1)
            .map(|seq| after(seq - 1, seq))
            .collect();
        b.sync(json!(events), &format!("p{page}"));
    }
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.events.clear();
    b
}

fn held(b: &mut Harness) -> u64 {
    b.inspect()["cachedMessages"].as_u64().expect("a number")
}

#[test]
pub fn a_disk_that_stays_full_costs_two_evictions_and_not_the_cache() {
    let mut b = well_filled();
    let before = held(&mut b);
    assert_eq!(before, 1_200);
    // Whatever is let go of, a block does not fit.
    b.largest = Some(1_000);
    let mut refused = 0;
    for seq in 1_201..1_221 {
        let call = b.call(json!({"op": "sync"}));
        b.wait(10_000);
        if b.is_asked(is_pull) {
            b.sync(json!([after(seq - 1, seq)]), "full");
        }
        if b.result(call) == Some(Err("quota".into())) {
            refused += 1;
        }
    }
    assert!(refused > 5, "{refused}");
    let left = held(&mut b);
    assert!(left >= before - 2 * 256 - 128, "{left} of {before}");
    let evicted = b
        .events
        .iter()
        .filter(|event| event["detail"]["kind"] == "evicted");
    assert!(evicted.count() <= 2);
    // There is room again: it goes on at once.
    b.largest = None;
    b.wait(600_000);
    let call = b.call(json!({"op": "sync"}));
    b.sync(json!([after(1_200, 1_201)]), "room");
    b.answer_pull(json!({"events": [], "cursor": "room", "hasMore": false}));
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    assert_eq!(b.cursor(), json!("room"));
}

// ------------------------------------------------------------ who does not write, and a silent store

/// Follows nobody: the store takes no fence, and says nothing of wishes.
fn without_a_writer() -> Harness {
    let mut b = shown();
    b.input(Input::Demoted);
    b.input(Input::NotPromoted(StoreError::Failed(Why::Silence)));
    b.wishes_are_slow = true;
    b
}

/// Time passes, and no timer comes late.
fn pass(b: &mut Harness, ms: u64) {
    for _ in 0..ms / 100 {
        b.wait(100);
    }
}

#[test]
fn who_wishes_of_a_silent_store_is_answered_within_ten_seconds_and_what_is_stored_later_is_shown() {
    let mut b = without_a_writer();
    let send = b.send("a");
    pass(&mut b, 4_000);
    let behind = b.send("b");
    let mark = b.call(json!({"op": "mark-read", "conversation": "c", "seq": "4"}));
    pass(&mut b, 5_900);
    assert_eq!(b.result(send), None);
    b.wait(100);
    assert!(b.uncertain(send), "it may be stored yet");
    for call in [behind, mark] {
        assert_eq!(b.result(call), Some(Err("storage".to_owned())));
        assert!(
            b.rejection(call)
                .is_some_and(|error| error["uncertain"] != json!(true))
        );
    }
    assert_eq!(b.shown(), "1 2 3 4");
    b.finish_wishes();
    assert_eq!(b.shown(), "1 2 3 4 (a queued)");
}

#[test]
fn who_wishes_behind_a_silent_read_is_answered_when_that_is_given_up() {
    let mut b = without_a_writer();
    b.reads_are_slow = true;
    b.command(json!({"op": "open", "timeline": 2, "conversation": "d"}));
    b.input(Input::Heard(b"garbled".to_vec()));
    let Input::Read { op, .. } = b.read_now() else {
        panic!("it reads what is stored");
    };
    let send = b.send("a");
    let result = Err(StoreError::Failed(Why::Silence));
    b.input(Input::Read { op, result });
    assert_eq!(b.result(send), Some(Err("storage".to_owned())));
    assert!(!b.uncertain(send));
    assert_eq!(b.shown(), "1 2 3 4");
}

#[test]
fn who_slept_over_a_wish_waits_for_it_when_awake() {
    let mut b = without_a_writer();
    let send = b.send("a");
    b.wait(1_000_000);
    assert_eq!(b.result(send), None);
    b.finish_wishes();
    assert!(b.result(send).is_some_and(|sent| sent.is_ok()));
}

#[test]
fn who_waits_for_what_stands_behind_a_silent_commit_is_answered_when_that_is_given_up() {
    let mut b = shown();
    b.store_is_slow = true;
    b.send("a");
    let sync = b.call(json!({"op": "sync"}));
    let jump = b.call(json!({"op": "jump", "timeline": 1, "to": {"around": "6"}}));
    b.answer_pull(json!({"events": [after(4, 5), after(5, 6)], "cursor": "3", "hasMore": false}));
    b.answer_page(&[2, 3, 4], true, false);
    assert_eq!(b.result(jump), None, "the page is to be stored");
    b.silent_commit(None);
    for call in [sync, jump] {
        assert_eq!(b.result(call), Some(Err("storage".to_owned())));
    }
    b.store_is_slow = false;
    b.finish_commits();
    assert_eq!(b.shown(), "1 2 3 4 5 6");
}
