//! Failures that others shipped, each by the interleaving that made it, and what happens here instead.
//! With the feature `faults` each test is also shown to fail: with the clause left out that prevents
//! it (`src/core/fault.rs`).
//!
//! One more belongs in a browser: the second tab that waits 26 s for the first one's lock
//! (open-im-sdk-web-wasm 80) is in `tests/e2e`.

use pullcord::core::net::{Error, Notice, Place, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use super::harness::{Harness, after, message, update, version};
use super::support::{
    batch, batch_with_more, is_history, is_pull, is_send, network, opened, opened_with,
};

/// The same, with the notification channel up.
fn listening() -> Harness {
    let mut b = opened_with(json!({"notify": "socket"}));
    b.notice(Notice::Ready);
    b.answer_pull(batch(json!([]), "1"));
    b
}

/// matrix-rust-sdk 5500: the sync position is saved before the events that it stands for, and a kill
/// between the two writes loses them for good.
#[test]
fn a_kill_between_any_two_writes_leaves_the_cursor_at_its_events() {
    for writes in 0.. {
        let mut b = opened();
        b.store_is_slow = true;
        b.sync(json!([after(9, 10), update(8, 2)]), "2");
        let done = (0..writes).take_while(|_| b.finish_commit()).count();
        let mut b = b.restart();
        b.open();
        let whole = match b.cursor() == json!("2") {
            true => "8' 9 10",
            false => "7 8 9",
        };
        assert_eq!(b.shown(), whole, "after {done} writes");
        let events = json!([after(9, 10), update(8, 2)]);
        let cursor = b.cursor();
        let asked = b.answer_pull(batch(events, "2"));
        assert_eq!(json!(asked), cursor);
        assert!(b.shown().ends_with("8' 9 10"), "{}", b.shown());
        if done < writes {
            break;
        }
    }
}

/// matrix-rust-sdk 6675: the browser has closed the database, each write fails and is only logged,
/// and the sync position goes on: what was dropped meanwhile is never asked for again.
#[test]
fn while_every_write_fails_the_cursor_stays_and_it_says_so() {
    let mut b = opened();
    let closed = || StoreError::Failed("the database connection is closing".into());
    for n in 0..5 {
        b.failing.push_back(closed());
        b.call(json!({"op": "sync"}));
        let asked = b.answer_pull(batch(json!([after(9 + n, 10 + n)]), &format!("{}", n + 2)));
        assert_eq!(asked.as_deref(), Some("1"), "from what is stored");
        assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("1")));
        assert_eq!(b.status["error"]["code"], json!("storage"));
        assert!(!b.is_asked(is_pull), "nor is it asked in a loop");
        // A person's wish goes at once, once a second.
        b.now += 1_000;
    }
    // The handle is open again.
    b.call(json!({"op": "sync"}));
    let all: Vec<Value> = (9..14).map(|seq| after(seq, seq + 1)).collect();
    assert_eq!(b.answer_pull(batch(json!(all), "6")).as_deref(), Some("1"));
    assert_eq!(b.shown(), "7 8 9 10 11 12 13 14");
    assert_eq!(b.status["error"], Value::Null);
}

/// A copy that is fetched again from a replica that lags replaces the newer one that is held.
#[test]
fn an_older_copy_fetched_again_does_not_replace_a_newer_one() {
    let mut b = opened_with(json!({"overflow": "keep", "canRevalidate": false}));
    b.sync(json!([update(8, 3)]), "2");
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "7~ 8''~ 9~ …");
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8'' 9");
    // Nor does an update that comes late.
    b.sync(json!([update(8, 2)]), "51");
    assert_eq!(b.shown(), "7 8'' 9");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "7 8'' 9");
}

/// tdlib 3159: that the whole history is there was claimed, and a page brought a message that was not.
#[test]
fn the_whole_history_is_not_claimed_beside_a_gap() {
    let mut b = Harness::signed_in(19);
    b.open();
    b.answer_page(&[17, 18, 19], true, false);
    let around = json!({"around": "2"});
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c", "start": around}));
    let place = b.answer_page(&[1, 2, 3], false, true);
    assert_eq!(place, Place::Around(Seq(2)));
    assert_eq!(b.segments(), "|0 3] [17 19]>");
    assert_eq!(b.views[&2]["hasOlder"], json!(false));
    assert_eq!(b.view()["hasOlder"], json!(true), "not of this end");
    let call = b.load("older");
    let place = b.answer_page(&[8, 12, 15], true, true);
    assert_eq!(place, Place::Before(Seq(17)));
    let loaded =
        |added, end, source| Some(Ok(json!({"added": added, "end": end, "source": source})));
    assert_eq!(b.result(call), loaded(3, false, "network"));
    assert_eq!(b.segments(), "|0 3] [8 19]>");
    assert_eq!(b.view()["hasOlder"], json!(true));
    let call = b.load("older");
    assert_eq!(b.answer_page(&[2, 3, 5], true, true), Place::Before(Seq(8)));
    assert_eq!(b.result(call), loaded(3, false, "network"));
    assert_eq!(b.segments(), "|0 19]>");
    let call = b.load("older");
    assert_eq!(b.result(call), loaded(1, true, "cache"));
    assert_eq!(b.shown(), "1 2 3 5 8 12 15 17 18 19");
}

/// tweb, `slicedArray.ts`: [5,4,3] and [4,2,1] share an id and are joined by counting, as though they
/// overlapped as far as they are long: 2 is lost, and 3, which the second does not have any more, stays.
#[test]
fn pages_that_share_messages_are_joined_by_position_and_not_by_count() {
    let mut b = Harness::with(json!({"overflow": "keep"}));
    b.sign_in(5);
    b.open();
    b.answer_page(&[3, 4, 5], true, false);
    b.overflow(json!("all"), json!([]), "50");
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c", "start": {"at": 1}}));
    let first = |call: &Request| {
        matches!(
            call,
            Request::History {
                place: Place::At(_),
                ..
            }
        )
    };
    let page = json!({"messages": [message(1), message(2), message(4)], "hasBefore": false, "hasAfter": true});
    b.reply(first, page);
    assert_eq!(b.segments(), "|0 4] [5 5]");
    assert_eq!(b.shown(), "4 5~ …", "3 is gone");
    let changes = |call: &Request| matches!(call, Request::Changes { .. });
    b.answer_page(&[4, 5], true, false);
    assert_eq!(b.segments(), "|0 5]>");
    assert_eq!(b.shown(), "2 4 5");
    b.load("older");
    assert_eq!(b.shown(), "1 2 4 5");
    assert_eq!(b.view()["hasOlder"], json!(false));
    assert!(!b.is_asked(changes), "nothing is left to revalidate");
}

/// tinode-js 71: 50 messages came while away, the newest 24 are fetched and put beside what was there:
/// the range behind the page that was cut short is never asked for.
#[test]
fn the_range_behind_a_page_that_was_cut_short_is_fetched() {
    let mut b = opened_with(json!({"overflow": "keep"}));
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.answer_page(&[28, 29, 30], true, false), Place::Latest);
    assert_eq!(b.shown(), "7~ 8~ 9~ … 28 29 30");
    b.reply(
        |call| matches!(call, Request::Changes { .. }),
        json!({"messages": [], "hasMore": false}),
    );
    assert_eq!(b.shown(), "7 8 9 … 28 29 30");
    // Each page ends early; the next goes on from where it ended.
    for (from, seqs, shown) in [
        (28, vec![27], "7 8 9 … 27 28 29 30"),
        (27, vec![22, 25], "7 8 9 … 22 25 27 28 29 30"),
        (22, vec![9, 12], "7 8 9 12 22 25 27 28 29 30"),
    ] {
        assert_eq!(b.answer_page(&seqs, true, true), Place::Before(Seq(from)));
        assert_eq!(b.shown(), shown);
    }
    assert_eq!(b.segments(), "[7 30]>");
    assert!(!b.is_asked(is_history));
}

/// A message that waits to be sent has a place of its own in the list, and was taken for a hole in
/// the server's order: fetched, or shown as missing, or gone once it was sent.
#[test]
pub fn a_pending_message_is_no_hole() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.send("a");
    b.send("b");
    assert_eq!(b.shown(), "7 8 9 (a queued) (b queued)");
    b.command(json!({"op": "network", "online": true}));
    // Of the first the answer is lost; meanwhile others write.
    b.answer_pull(batch(json!([after(9, 10), after(10, 11)]), "2"));
    b.fail(network(), is_send);
    assert_eq!(b.shown(), "7 8 9 10 11 (a queued) (b queued)");
    b.answer_pull(batch(json!([]), "2"));
    b.wait(120_000);
    b.accept(12);
    assert_eq!(b.shown(), "7 8 9 10 11 (a sent) (b sending)");
    assert_eq!(b.segments(), "[7 11]>", "none of them is a segment");
    b.fail(Error::from_status(422, "too long", None), is_send);
    assert_eq!(b.shown(), "7 8 9 (b failed) 10 11 (a sent)");
    b.sync(json!([after(11, 12), after(12, 13)]), "3");
    assert_eq!(b.segments(), "[7 13]>");
    assert!(!b.is_asked(is_history), "nothing is missing");
}

/// fluux-messenger 534: a live message comes while what was missed is being caught up with, the
/// cursor moves to it, and all between is silently left out.
#[test]
fn a_live_message_during_catch_up_does_not_move_the_cursor() {
    let mut b = listening();
    b.notice(Notice::Closed(None));
    b.wait(60_000);
    // Back again: a month behind. The pull is on its way when somebody writes.
    b.notice(Notice::Ready);
    let live = json!({"prev": "40", "cursor": "41", "events": [after(99, 100)]});
    b.pushed(live.clone());
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("1")));
    let asked = b.answer_pull(batch_with_more(json!([after(9, 10), after(10, 11)]), "3"));
    assert_eq!(asked.as_deref(), Some("1"));
    b.pushed(live.clone());
    assert_eq!(
        (b.shown().as_str(), b.cursor()),
        ("7 8 9 10 11", json!("3"))
    );
    // Also one that comes after a catch-up that failed.
    b.fail(network(), is_pull);
    b.pushed(live);
    assert_eq!(
        (b.shown().as_str(), b.cursor()),
        ("7 8 9 10 11", json!("3"))
    );
    b.wait(120_000);
    let rest = json!([after(11, 12), after(12, 99), after(99, 100)]);
    assert_eq!(b.answer_pull(batch(rest, "41")).as_deref(), Some("3"));
    assert_eq!(b.shown(), "7 8 9 10 11 12 99 100");
}

/// RocketChat.ReactNative 7505: the room is left while what was missed is still being fetched, or
/// after that has failed, and leaving stamps the cursor to "now".
#[test]
fn leaving_a_conversation_does_not_move_the_cursor_past_what_was_not_fetched() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.command(json!({"op": "network", "online": true}));
    assert!(b.is_asked(is_pull), "what was missed is being fetched");
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.fail(network(), is_pull);
    b.open();
    b.wait(120_000);
    // He leaves again while it is being stored, and with the first write the tab is gone.
    b.store_is_slow = true;
    b.answer_pull(batch_with_more(json!([after(9, 10)]), "2"));
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.finish_commit();
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "8 9 10");
    let missed = json!([after(10, 11)]);
    assert_eq!(b.answer_pull(batch(missed, "3")).as_deref(), Some("2"));
    assert_eq!(b.shown(), "8 9 10 11");
}

/// Rocket.Chat 41759: on reconnecting only new messages are asked for, by their time: what was edited
/// or withdrawn meanwhile stays as it was until the page is loaded anew.
#[test]
fn edits_and_recalls_of_while_it_was_away_come_with_the_reconnect() {
    let recalled = || {
        let mut recalled = version(7, 2);
        recalled["state"] = json!("recalled");
        recalled["body"] = Value::Null;
        recalled
    };
    let mut b = opened_with(json!({"overflow": "keep"}));
    b.command(json!({"op": "network", "online": false}));
    b.command(json!({"op": "network", "online": true}));
    let edits = json!([update(8, 2), {"type": "update", "message": recalled()}]);
    b.answer_pull(batch(edits, "2"));
    assert_eq!(b.shown(), "7' 8' 9");
    assert_eq!(b.items[&1][0]["message"]["state"], json!("recalled"));
    // Away for so long that the log does not reach back: what changed since is asked for.
    b.wait(1_000);
    b.command(json!({"op": "network", "online": false}));
    b.command(json!({"op": "network", "online": true}));
    b.answer_pull(json!({"events": [], "cursor": "50", "hasMore": false, "overflow": "all"}));
    b.answer_page(&[9], true, false);
    let edited = json!({"messages": [version(8, 3)], "hasMore": false});
    let asked = b.reply(|call| matches!(call, Request::Changes { .. }), edited);
    assert!(matches!(asked, Request::Changes { since, .. } if since == "2"));
    assert_eq!(b.shown(), "7' 8'' 9");
}

/// grammers: updates are buffered in a queue with a limit, and those over it are dropped, after the
/// state that they belong to has moved past them.
#[test]
fn a_burst_larger_than_any_buffer_is_applied_whole_or_pulled() {
    let pushes = |b: &mut Harness, upto: u64| {
        for n in 0..upto {
            let (prev, cursor) = ((n + 1).to_string(), (n + 2).to_string());
            b.pushed(json!({"prev": prev, "cursor": cursor, "events": [after(n + 9, n + 10)]}));
        }
    };
    let held = |b: &mut Harness| b.inspect()["cachedMessages"].as_u64();
    let mut b = listening();
    b.store_is_slow = true;
    pushes(&mut b, 2_500);
    b.store_is_slow = false;
    b.finish_commits();
    assert_eq!((b.cursor(), held(&mut b)), (json!("2501"), Some(2_503)));
    // One of its commits fails: what waits behind it does not count either.
    let mut b = listening();
    b.store_is_slow = true;
    pushes(&mut b, 2_500);
    b.store_is_slow = false;
    b.failing.push_back(StoreError::Failed("the disk".into()));
    b.finish_commits();
    let cursor = b.cursor();
    let at: u64 = cursor
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a cursor");
    assert!(at < 2_501, "{at}");
    assert_eq!(held(&mut b), Some(at + 2), "as much as the cursor says");
    b.wait(120_000);
    assert_eq!(json!(b.answer_pull(batch(json!([]), "x"))), cursor);
}

/// With a fault that makes one of these failures possible, its test fails.
#[cfg(feature = "faults")]
#[test]
fn each_of_these_tests_can_fail() {
    use pullcord::core::fault::Fault;
    type Test = fn();
    let tests: [(Test, &[Fault]); 11] = [
        (
            a_kill_between_any_two_writes_leaves_the_cursor_at_its_events,
            &[Fault::CursorBeforeMessages],
        ),
        (
            while_every_write_fails_the_cursor_stays_and_it_says_so,
            &[Fault::FailedCommitCounts],
        ),
        (
            an_older_copy_fetched_again_does_not_replace_a_newer_one,
            &[Fault::LastCopyWins],
        ),
        (
            the_whole_history_is_not_claimed_beside_a_gap,
            &[Fault::StartAtEveryPage, Fault::PageReachesItsNeighbour],
        ),
        (
            pages_that_share_messages_are_joined_by_position_and_not_by_count,
            &[Fault::KeptStaysInsideThePage],
        ),
        (
            the_range_behind_a_page_that_was_cut_short_is_fetched,
            &[Fault::PageReachesItsNeighbour, Fault::GapIsNotShown],
        ),
        (
            a_pending_message_is_no_hole,
            &[Fault::LocalGoesWhenSent, Fault::NewestGoesFirst],
        ),
        (
            a_live_message_during_catch_up_does_not_move_the_cursor,
            &[Fault::CursorIsNotCompared],
        ),
        (
            leaving_a_conversation_does_not_move_the_cursor_past_what_was_not_fetched,
            &[Fault::CursorBeforeMessages],
        ),
        (
            edits_and_recalls_of_while_it_was_away_come_with_the_reconnect,
            &[Fault::ShownCopyStays, Fault::KeptIsFresh],
        ),
        (
            a_burst_larger_than_any_buffer_is_applied_whole_or_pulled,
            &[Fault::FailedCommitCounts],
        ),
    ];
    for (number, (test, faults)) in tests.into_iter().enumerate() {
        for fault in faults {
            Fault::switch(Some(*fault));
            let outcome = std::panic::catch_unwind(test);
            Fault::switch(None);
            assert!(outcome.is_err(), "test {number} passes with {fault:?}");
        }
    }
}
