//! The rules of DESIGN.md, each by the interleaving that it is there for. The test is the server.

#![cfg(not(target_arch = "wasm32"))]
#![allow(unreachable_pub)]

#[path = "rules/bench.rs"]
mod bench;
#[path = "rules/hostile.rs"]
mod hostile;
#[path = "rules/shipped.rs"]
mod shipped;
#[path = "rules/ways.rs"]
mod ways;
#[path = "rules/windows.rs"]
mod windows;

use bench::{Bench, after, message, new, state, update, version};
use pullcord::core::net::{Error, ErrorCode, Notice, Place, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::types::Seq;
use serde_json::json;

fn is_pull(call: &Request) -> bool {
    matches!(call, Request::Pull { .. })
}

fn is_history(call: &Request) -> bool {
    matches!(call, Request::History { .. })
}

fn is_send(call: &Request) -> bool {
    matches!(call, Request::Send { .. })
}

fn network() -> Error {
    Error::new(ErrorCode::Network, "no answer")
}

/// "c" open, its newest messages 7 8 9 shown.
fn opened() -> Bench {
    let mut b = Bench::signed_in(9);
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
    b
}

// ---------------------------------------------------------------- R1, R9, R10: batches

#[test]
fn the_first_sign_in_reads_the_list_and_no_messages() {
    let mut b = Bench::new();
    assert_eq!(
        b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"})),
        None
    );
    assert_eq!(b.status["caughtUp"], json!(false), "it waits for the list");
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": "p2"}));
    b.answer_list(json!({"conversations": [{"id": "d", "sort": 2}], "next": null}));
    let ids: Vec<_> = b.conversations.iter().map(|c| c["id"].clone()).collect();
    assert_eq!(ids, ["d", "c"]);
    assert_eq!(
        (&b.status["caughtUp"], &b.status["listed"]),
        (&json!(true), &json!(true))
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn a_batch_is_applied_with_its_cursor_or_not_at_all() {
    let mut b = opened();
    b.failing
        .push_back(StoreError::Failed("the disk is on fire".into()));
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("1")));
    assert_eq!(b.status["error"]["code"], json!("storage"));
    b.wait(600_000);
    assert_eq!(
        b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}))
            .as_deref(),
        Some("1")
    );
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9 10", json!("2")));
}

#[test]
fn the_same_batch_again_changes_nothing() {
    let mut b = opened();
    b.sync(json!([after(9, 10), update(8, 2)]), "2");
    let (shown, segments, keys) = (b.shown(), b.segments(), b.keys());
    b.sync(json!([after(9, 10), update(8, 2)]), "2");
    assert_eq!((b.shown(), b.segments(), b.keys()), (shown, segments, keys));
}

#[test]
fn a_killed_tab_opens_where_its_last_commit_was() {
    let mut b = opened();
    b.sync(json!([after(9, 10)]), "2");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "8 9 10");
    assert!(
        !b.is_asked(is_history),
        "a live segment with a screenful makes no request"
    );
    assert_eq!(
        b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}))
            .as_deref(),
        Some("2")
    );
}

#[test]
fn an_answer_that_breaks_the_protocol_applies_nothing_and_is_asked_for_again_later() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.answer_pull(
        json!({"events": [new(10), {"type": "message"}], "cursor": "2", "hasMore": false}),
    );
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("1")));
    assert_eq!(b.status["error"]["code"], json!("protocol"));
    assert!(!b.is_asked(is_pull), "not in a loop");
    b.wait(600_000);
    assert!(b.is_asked(is_pull));
}

// ---------------------------------------------------------------- R2: new messages

#[test]
fn a_new_message_above_the_live_end_is_shown_at_once() {
    let mut b = opened();
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9 10", "[7 10]>")
    );
}

#[test]
fn a_message_committed_late_is_put_where_it_belongs() {
    let mut b = Bench::signed_in(9);
    b.open();
    b.answer_page(&[3, 6, 9], true, false);
    b.sync(json!([new(7)]), "2");
    assert_eq!(b.shown(), "3 6 7 9");
}

#[test]
fn a_message_below_all_that_is_held_is_left_to_history() {
    let mut b = opened();
    b.sync(json!([new(2)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
}

#[test]
fn without_a_state_that_proves_it_a_first_message_is_not_live() {
    let mut b = Bench::new();
    b.answer_pull(json!({"events": [new(5)], "cursor": "1", "hasMore": false, "overflow": "all"}));
    assert_eq!(b.segments(), "[5 5]");
    let mut b = Bench::signed_in(9);
    b.sync(json!([new(10)]), "2");
    assert_eq!(b.segments(), "[10 10]>");
}

#[test]
fn a_state_without_last_seq_proves_nothing() {
    let mut b = Bench::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": null}));
    b.sync(json!([new(5)]), "2");
    assert_eq!(b.segments(), "[5 5]");
}

#[test]
fn positions_above_two_to_the_53_keep_their_digits() {
    let mut b = Bench::signed_in(9);
    b.sync(json!([{"type": "message", "message": {"id": "m", "conversation": "c", "seq": "18446744073709551615", "sender": "a",
        "createdAt": 1, "version": 1, "state": "normal", "body": null}}]), "2");
    assert_eq!(b.segments(), "[18446744073709551615 18446744073709551615]>");
}

// ---------------------------------------------------------------- R3: updates

#[test]
fn update_of_an_uncached_message_is_ignored() {
    let mut b = opened();
    b.sync(json!([update(2, 2)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
}

#[test]
fn an_older_version_never_replaces_a_newer_one() {
    let mut b = opened();
    b.sync(json!([update(8, 3), update(8, 2)]), "2");
    assert_eq!(b.shown(), "7 8'' 9");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "7 8'' 9");
}

#[test]
fn a_last_message_is_updated_too() {
    let mut b = Bench::signed_in(9);
    b.sync(
        json!([{"type": "conversation", "conversation": {"id": "c", "lastMessage": message(9)}}]),
        "2",
    );
    b.sync(json!([update(9, 2)]), "3");
    assert_eq!(b.conversations[0]["lastMessage"]["version"], json!(2));
}

// ---------------------------------------------------------------- R4: overflow

#[test]
fn an_open_timeline_keeps_showing_what_it_has_until_a_page_covers_it_again() {
    let mut b = opened();
    let keys = b.keys();
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7~ 8~ 9~", "")
    );
    let count = b.view()["anchor"]["count"].clone();
    assert_eq!(b.answer_page(&[7, 8, 9], true, false), Place::Latest);
    assert_eq!((b.shown().as_str(), b.keys()), ("7 8 9", keys));
    assert_eq!(b.view()["anchor"]["count"], count, "grown, not replaced");
}

#[test]
fn a_page_of_before_what_is_shown_takes_its_place_only_once_the_sync_has_come_as_far() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.answer_pull(json!({"events": [], "cursor": "50", "hasMore": true, "overflow": ["c"]}));
    // From a replica, at the cursor: there was nothing yet of what a page of later has shown.
    assert_eq!(b.answer_page(&[], false, false), Place::Latest);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7~ 8~ 9~", "|0 0]>")
    );
    b.answer_pull(json!({"events": [new(7), new(8), new(9)], "cursor": "51", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9");
    // Caught up, and it has not come: it is not there.
    b.overflow(json!(["c"]), json!([]), "52");
    b.answer_page(&[7], false, false);
    assert_eq!(b.shown(), "7");
}

#[test]
fn a_new_message_behind_an_overflow_shows_after_a_gap() {
    let mut b = opened();
    b.overflow(json!(["c"]), json!([state(0, 19), new(20)]), "50");
    assert_eq!(b.shown(), "7~ 8~ 9~ … 20");
    assert_eq!(b.answer_page(&[18, 19], true, true), Place::Before(Seq(20)));
    assert_eq!(b.shown(), "18 19 20");
}

#[test]
fn an_overflow_while_scrolled_back_reloads_around_what_is_on_screen() {
    let mut b = opened();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.load("older");
    b.answer_page(&[1, 2, 3], true, true);
    assert_eq!(b.shown(), "1 2 3 4 5 6 7 8 9");
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m2", "last": "m:m4"}));
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(
        b.answer_page(&[2, 3, 4, 5], true, true),
        Place::Around(Seq(3))
    );
    assert_eq!(b.shown(), "2 3 4 5");
    assert_eq!(
        (&b.view()["hasNewer"], &b.view()["hasOlder"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn own_messages_outlive_an_overflow() {
    let mut b = opened();
    b.send("a");
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "7~ 8~ 9~ (a sending)");
    b.answer_page(&[7, 8, 9], true, false);
    b.accept(10);
    assert_eq!(b.shown(), "7 8 9 (a sent)");
}

// ---------------------------------------------------------------- R5–R7: pages and races

#[test]
fn paging_back_joins_segments_down_to_the_start() {
    let mut b = opened();
    let call = b.load("older");
    assert_eq!(b.answer_page(&[4, 5, 6], true, true), Place::Before(Seq(7)));
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
    let call = b.load("older");
    b.answer_page(&[2], false, true);
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 1, "end": true, "source": "network"})))
    );
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("2 4 5 6 7 8 9", "|0 9]>")
    );
    assert_eq!(b.view()["hasOlder"], json!(false));
}

#[test]
fn one_call_gives_a_full_page_though_the_server_cuts_its_pages_short() {
    let mut b = opened();
    let call = b.load("older");
    b.answer_page(&[6], true, true);
    assert_eq!(b.answer_page(&[4, 5], true, true), Place::Before(Seq(6)));
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
}

#[test]
fn calls_in_one_direction_share_the_request_and_an_aborted_one_rejects_alone() {
    let mut b = opened();
    let (first, second) = (b.load("older"), b.load("older"));
    assert_eq!(
        b.asked.iter().filter(|(_, call)| is_history(call)).count(),
        1
    );
    b.command(json!({"op": "abort", "of": first}));
    assert_eq!(b.result(first), Some(Err("aborted".into())));
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(
        b.result(second),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
}

#[test]
fn an_update_that_overtakes_its_page_is_replayed_onto_it() {
    let mut b = opened();
    b.load("older");
    b.sync(json!([update(5, 2)]), "2");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5' 6 7 8 9");
}

#[test]
fn a_message_that_overtakes_the_latest_page_continues_it() {
    let mut b = Bench::signed_in(9);
    b.open();
    b.sync(json!([after(9, 10)]), "2");
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("8 9 10", "[7 10]>")
    );
}

/// Found by the simulation (seed 908): the segment that the page goes on from has moved over it.
#[test]
fn a_page_that_a_trim_has_passed_leaves_nothing_below_it() {
    let mut b = Bench::signed_in(20);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": {"around": "2"}, "pageSize": 3, "maxItems": 100}));
    b.answer_page(&[1, 2, 3], false, true);
    b.load("newer");
    b.sync(
        json!([after(20, 21), {"type": "trim", "conversation": "c", "before": 21}]),
        "2",
    );
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.inspect()["cachedMessages"], json!(1));
}

#[test]
fn an_overflow_discards_the_page_that_was_asked_for_before_it() {
    let mut b = Bench::signed_in(9);
    b.open();
    let (old, _) = b
        .asked
        .iter()
        .find(|(_, call)| is_history(call))
        .cloned()
        .expect("a page is asked for");
    b.overflow(json!("all"), json!([]), "50");
    assert!(b.aborted.contains(&old));
    b.answer_page(&[18, 19, 20], true, false);
    assert_eq!(b.shown(), "18 19 20");
}

#[test]
fn a_trim_clips_the_page_that_it_overtakes() {
    let mut b = opened();
    b.load("older");
    b.sync(
        json!([{"type": "trim", "conversation": "c", "before": 5}]),
        "2",
    );
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("5 6 7 8 9", "|0 9]>")
    );
    assert_eq!(b.view()["hasOlder"], json!(false));
}

#[test]
fn a_page_that_moves_nothing_is_an_error_and_no_loop() {
    let mut b = opened();
    let call = b.load("older");
    b.answer_history(json!({"messages": [], "hasBefore": true, "hasAfter": true}));
    assert_eq!(b.result(call), Some(Err("protocol".into())));
    assert!(!b.is_asked(is_history));
}

// ---------------------------------------------------------------- R8: own messages

#[test]
fn an_own_message_keeps_its_key_from_echo_to_sync() {
    let mut b = opened();
    let call = b.send("a");
    assert_eq!(b.shown(), "7 8 9 (a sending)");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"clientId": "a", "key": "c:a"})))
    );
    b.accept(10);
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9 (a sent)", "[7 9]>"),
        "it makes no segment"
    );
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        (b.shown().as_str(), b.keys()[3].as_str()),
        ("7 8 9 10", "c:a")
    );
    assert!(b.outbox.is_empty());
}

#[test]
fn sent_offline_it_is_delivered_once_after_a_reload() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    let call = b.send("a");
    assert!(
        matches!(b.result(call), Some(Ok(_))),
        "accepted: it is stored"
    );
    assert_eq!(b.shown(), "7 8 9 (a queued)");
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "7 8 9 (a sending)");
    assert_eq!(
        b.first_shown[&1], "7 8 9 (a sending)",
        "not after a gap, while the rest is read"
    );
    b.fail(network(), is_send);
    assert_eq!(b.shown(), "7 8 9 (a queued)");
    b.wait(120_000);
    b.accept(10);
    assert_eq!(b.shown(), "7 8 9 (a sent)");
    assert!(!b.is_asked(is_send));
}

#[test]
fn a_refused_message_fails_and_does_not_hold_up_the_next() {
    let mut b = opened();
    b.send("a");
    b.send("b");
    assert_eq!(
        b.asked.iter().filter(|(_, call)| is_send(call)).count(),
        1,
        "first in, first out"
    );
    b.fail(Error::from_status(422, "too rude", None), is_send);
    b.accept(10);
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.shown(), "7 8 9 (a failed) 10");
    assert_eq!(b.outbox[0]["error"]["code"], json!("rejected"));
    let retry = b.call(json!({"op": "retry", "clientId": "a"}));
    assert_eq!(
        (b.result(retry), b.shown().as_str()),
        (Some(Ok(json!(null))), "7 8 9 10 (a sending)")
    );
}

#[test]
fn discard_is_too_late_once_a_request_has_left() {
    let mut b = opened();
    b.send("a");
    let call = b.call(json!({"op": "discard", "clientId": "a"}));
    assert_eq!(b.result(call), Some(Ok(json!(false))));
    b.command(json!({"op": "network", "online": false}));
    b.send("b");
    let call = b.call(json!({"op": "discard", "clientId": "b"}));
    assert_eq!(b.result(call), Some(Ok(json!(true))));
}

#[test]
fn a_client_id_that_is_there_already_sends_nothing() {
    let mut b = opened();
    b.send("a");
    b.accept(10);
    let call = b.send("a");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"clientId": "a", "key": "c:a"})))
    );
    assert!(!b.is_asked(is_send));
    b.sync(json!([after(9, 10)]), "2");
    b.send("a");
    assert!(!b.is_asked(is_send));
}

#[test]
fn leaving_a_conversation_fails_what_was_not_sent() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.send("a");
    b.command(json!({"op": "network", "online": true}));
    b.fail(network(), is_send);
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.view()["status"], json!("removed"));
    assert_eq!(b.outbox[0]["error"]["code"], json!("forbidden"));
    assert!(b.conversations.is_empty());
}

#[test]
fn a_failed_message_that_was_delivered_meanwhile_can_be_retried_and_nothing_is_sent() {
    let mut b = opened();
    b.send("a");
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.outbox[0]["state"], json!("failed"));
    // The request that had left reached the server after the account had come back.
    b.accept(10);
    let mut own = message(10);
    own["clientId"] = json!("a");
    b.sync(
        json!([state(0, 10), {"type": "message", "message": own}]),
        "3",
    );
    assert_eq!(b.segments(), "[10 10]");
    b.send("other");
    let retry = b.call(json!({"op": "retry", "clientId": "a"}));
    assert_eq!(b.result(retry), Some(Ok(json!(null))));
    let unknown = b.call(json!({"op": "retry", "clientId": "never sent"}));
    assert_eq!(b.result(unknown), Some(Err("not-found".into())));
    let named =
        |request: &Request| matches!(request, Request::Send { client_id, .. } if client_id == "a");
    assert!(!b.is_asked(named), "it was delivered");
}

#[test]
fn an_edit_is_shown_before_it_resolves_and_refused_offline() {
    let mut b = opened();
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"});
    let call = b.call(edit.clone());
    let (request, _) = b.asked.pop_back().expect("the edit is asked for");
    b.input(pullcord::core::Input::Answer {
        request,
        result: Ok(json!({"message": version(8, 2)}).to_string()),
    });
    assert_eq!(b.shown(), "7 8' 9");
    assert_eq!(
        b.result(call)
            .and_then(Result::ok)
            .map(|m| m["version"].clone()),
        Some(json!(2))
    );
    b.command(json!({"op": "network", "online": false}));
    let call = b.call(edit);
    assert_eq!(b.result(call), Some(Err("offline".into())));
}

// ---------------------------------------------------------------- R11: the list

#[test]
fn an_event_wins_over_the_page_of_the_list_that_it_overtakes() {
    let mut b = Bench::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.sync(json!([state(5, 10)]), "2");
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 1, "lastSeq": 9, "sort": 9}], "next": null}),
    );
    assert_eq!(
        (
            &b.conversations[0]["unread"],
            &b.conversations[0]["lastSeq"]
        ),
        (&json!(5), &json!("10"))
    );
}

#[test]
fn the_owed_list_begins_again_after_a_crash() {
    let mut b = Bench::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": "p2"}));
    let b = b.restart();
    let from_the_first =
        |call: &Request| matches!(call, Request::Conversations { after: None, .. });
    assert!(b.is_asked(from_the_first));
}

#[test]
fn a_conversation_that_the_list_lacks_goes_only_after_a_later_pull_has_caught_up() {
    let mut b = Bench::signed_in(9);
    b.overflow(json!("all"), json!([]), "50");
    b.answer_list(json!({"conversations": [], "next": null}));
    assert_eq!(
        b.conversations.len(),
        1,
        "it may have come after the list was read"
    );
    b.answer_pull(json!({"events": [], "cursor": "51", "hasMore": false}));
    assert!(b.conversations.is_empty());
}

// ---------------------------------------------------------------- R13: eviction

#[test]
fn what_is_evicted_is_fetched_again_and_never_claimed() {
    let mut b = Bench::with(json!({"maxMessages": 300, "pageSize": 100}));
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
    let mut bytes = blocks[0][0].clone();
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

// ---------------------------------------------------------------- what makes a pull

#[test]
fn who_asks_during_a_pull_makes_exactly_one_more() {
    let mut b = Bench::with(json!({"notify": "socket"}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    for _ in 0..5 {
        b.notice(Notice::Notify {
            spread: 0,
            conversations: Vec::new(),
        });
    }
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    assert!(!b.is_asked(is_pull));
}

#[test]
fn notifications_never_shorten_a_backoff_and_retry_after_is_obeyed() {
    let mut b = Bench::with(json!({"notify": "socket"}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    b.fail(Error::from_status(503, "busy", Some(30_000)), is_pull);
    b.notice(Notice::Notify {
        spread: 0,
        conversations: Vec::new(),
    });
    b.wait(29_999);
    assert!(!b.is_asked(is_pull));
    b.wait(2_000);
    assert!(b.is_asked(is_pull));
}

#[test]
fn a_refused_token_waits_for_the_app() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.fail(Error::from_status(401, "expired", None), is_pull);
    assert_eq!(b.status["connection"], json!("needs-auth"));
    b.wait(3_600_000);
    assert!(!b.is_asked(is_pull));
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(
        (b.shown().as_str(), &b.status["connection"]),
        ("7 8 9 10", &json!("online"))
    );
}

#[test]
fn a_channel_that_closes_as_soon_as_it_is_ready_is_backed_off_from() {
    let mut b = Bench::with(json!({"notify": "socket"}));
    b.sign_in(9);
    let mut opened = 0;
    for _ in 0..600 {
        if b.listens() {
            opened += 1;
            b.notice(Notice::Ready);
            b.notice(Notice::Closed(None));
        }
        b.wait(100);
    }
    assert!((2..25).contains(&opened), "{opened} times in a minute");
}

#[test]
fn what_was_kept_over_a_lost_database_is_written_before_all_else_and_not_in_a_loop() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    b.send("a");
    b.store = pullcord::store::Memory::new();
    b.failing.extend([
        StoreError::Failed("no".into()),
        StoreError::Failed("no".into()),
    ]);
    b.input(pullcord::core::Input::Store(StoreError::Lost));
    assert_eq!(b.failing.len(), 1, "one try, then a rest");
    b.wait(2_000);
    b.wait(2_000);
    let mut b = b.restart();
    b.open();
    assert_eq!(b.shown(), "… (a sending)");
}

#[test]
fn waking_from_sleep_pulls_at_once() {
    let mut b = opened();
    b.wait(8 * 3_600_000);
    assert!(b.is_asked(is_pull));
}

// ---------------------------------------------------------------- timelines

#[test]
fn offline_with_nothing_cached_says_so_and_fills_itself_later() {
    let mut b = Bench::signed_in(9);
    b.command(json!({"op": "network", "online": false}));
    b.open();
    assert_eq!(
        (b.shown().as_str(), &b.view()["status"]),
        ("…", &json!("ready"))
    );
    assert_eq!(b.view()["error"]["code"], json!("offline"));
    let call = b.load("older");
    assert_eq!(b.result(call), Some(Err("offline".into())));
    b.command(json!({"op": "network", "online": true}));
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(
        (b.shown().as_str(), &b.view()["error"]),
        ("7 8 9", &json!(null))
    );
}

#[test]
fn an_empty_conversation_is_complete() {
    let mut b = Bench::signed_in(0);
    b.open();
    b.answer_page(&[], false, false);
    assert_eq!(
        (
            &b.view()["status"],
            &b.view()["hasOlder"],
            &b.view()["hasNewer"]
        ),
        (&json!("ready"), &json!(false), &json!(false))
    );
    b.sync(json!([new(1)]), "2");
    assert_eq!(b.shown(), "1");
}

#[test]
fn items_keep_their_numbers_when_the_list_grows_at_either_end() {
    let mut b = opened();
    let number = |b: &Bench, key: &str| {
        let at = b.keys().iter().position(|k| k == key).expect("it is shown") as i64;
        b.view()["firstIndex"].as_i64().expect("a number") + at
    };
    let before = number(&b, "m:m8");
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(number(&b, "m:m8"), before);
}

#[test]
fn past_max_items_the_far_end_goes_and_load_newer_brings_it_back() {
    let mut b = Bench::signed_in(9);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 5}));
    b.answer_page(&[7, 8, 9], true, false);
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(
        (b.shown().as_str(), &b.view()["hasNewer"]),
        ("4 5 6 7 8", &json!(true))
    );
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.shown(), "4 5 6 7 8", "what is let go is not followed");
    let call = b.load("newer");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 2, "end": true, "source": "cache"})))
    );
    assert_eq!(
        (b.shown().as_str(), &b.view()["hasNewer"]),
        ("6 7 8 9 10", &json!(false))
    );
}

#[test]
fn unseen_counts_what_is_newer_than_what_was_on_screen() {
    let mut b = opened();
    assert_eq!(b.view()["unseen"], json!(0));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m7", "last": "m:m8"}));
    assert_eq!(b.view()["unseen"], json!(1));
    b.sync(json!([after(9, 10)]), "2");
    assert_eq!(b.view()["unseen"], json!(2));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m8", "last": "m:m10"}));
    assert_eq!(b.view()["unseen"], json!(0));
}

#[test]
fn two_timelines_of_a_conversation_share_a_request() {
    let mut b = Bench::signed_in(9);
    b.open();
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c"}));
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(
        (b.drawn(1).as_str(), b.drawn(2).as_str()),
        ("7 8 9", "7 8 9")
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn let_go_and_opened_again_it_is_where_it_was() {
    let mut b = opened();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "release", "timeline": 1}));
    b.sync(json!([after(9, 10), update(5, 2)]), "2");
    b.command(json!({"op": "attach", "timeline": 1}));
    assert!(
        b.shown().ends_with("8 9 10") && b.shown().contains("5'"),
        "{}",
        b.shown()
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn read_marks_only_move_forward_and_merge_while_offline() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    for seq in [7, 9, 8] {
        b.call(json!({"op": "mark-read", "conversation": "c", "seq": seq}));
    }
    b.command(json!({"op": "network", "online": true}));
    let marks: Vec<_> = b
        .asked
        .iter()
        .filter_map(|(_, call)| match call {
            Request::MarkRead { seq, .. } => Some(seq.0),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [9]);
}

#[test]
fn a_client_that_waits_shows_what_is_stored_and_asks_nothing() {
    let mut b = opened();
    b.sync(json!([after(9, 10)]), "2");
    let store = b.store.clone();
    let mut waiting = Bench::with(json!({"promoted": false}));
    waiting.store = store;
    // It opens again, on what the other has stored.
    let mut waiting = waiting.restart();
    waiting.open();
    assert_eq!(
        (waiting.shown().as_str(), &waiting.status["connection"]),
        ("8 9 10", &json!("waiting"))
    );
    assert!(waiting.asked.is_empty());
    waiting.input(pullcord::core::Input::Promoted);
    assert!(waiting.is_asked(is_pull));
    assert_eq!(waiting.shown(), "8 9 10");
}

// ---------------------------------------------------------------- no storms, nothing stuck

/// Answers pulls, and fails what else is asked for, until nothing is. Gives how often that was.
fn fail_all_but_pulls(b: &mut Bench) -> usize {
    let mut failed = 0;
    for _ in 0..100 {
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        } else if b.is_asked(|_| true) {
            failed += 1;
            b.fail(network(), |_| true);
        }
    }
    failed
}

#[test]
fn a_send_that_finds_no_server_waits_out_its_backoff_though_pulls_are_answered() {
    let mut b = opened();
    b.send("a");
    assert_eq!(fail_all_but_pulls(&mut b), 1);
    b.wait(2_000);
    assert_eq!(fail_all_but_pulls(&mut b), 1, "then it is tried again");
}

#[test]
fn a_page_that_finds_no_server_waits_out_its_backoff_though_pulls_are_answered() {
    let mut b = Bench::signed_in(9);
    b.open();
    assert_eq!(fail_all_but_pulls(&mut b), 1);
    b.wait(2_000);
    b.answer_page(&[8, 9], false, false);
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn a_read_mark_whose_end_cannot_be_stored_is_not_told_again_at_once() {
    let mut b = opened();
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
    b.failing.push_back(StoreError::Failed("no".into()));
    let is_mark = |call: &Request| matches!(call, Request::MarkRead { .. });
    b.accept_mark();
    assert!(!b.is_asked(is_mark));
    b.wait(2_000);
    assert!(b.is_asked(is_mark));
}

#[test]
fn a_disk_that_has_no_room_even_to_make_room_fails_what_needed_it() {
    let mut b = opened();
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.failing.extend((0..200).map(|_| StoreError::Quota));
    b.sync(json!([after(9, 10)]), "2");
    assert!(b.failing.len() > 190, "{} are left", b.failing.len());
    assert_eq!(b.status["error"]["code"], json!("quota"));
}

#[test]
fn a_conversation_list_that_goes_in_a_circle_is_a_protocol_error() {
    let mut b = Bench::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    let is_list = |call: &Request| matches!(call, Request::Conversations { .. });
    for next in ["a", "b"].into_iter().cycle().take(200) {
        if b.is_asked(is_list) {
            b.answer_list(json!({"conversations": [{"id": "c"}], "next": next}));
        }
    }
    assert!(!b.is_asked(is_list));
    assert_eq!(b.status["error"]["code"], json!("protocol"));
}

#[test]
fn what_the_old_token_was_refused_is_asked_for_with_the_new_one() {
    let unauthorized = || Error::new(ErrorCode::Unauthorized, "401");
    let mut b = Bench::signed_in(9);
    b.call(json!({"op": "sync"}));
    b.fail(unauthorized(), is_pull);
    assert_eq!(b.status["connection"], json!("needs-auth"));
    let errors = b.events.iter().filter(|e| e["type"] == json!("error"));
    assert_eq!(errors.count(), 1, "the app is told once");
    b.open();
    b.call(json!({"op": "sync"}));
    b.answer_page(&[8, 9], false, false);
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn a_sync_whose_network_goes_is_rejected() {
    let mut b = opened();
    let call = b.call(json!({"op": "sync"}));
    b.command(json!({"op": "network", "online": false}));
    assert_eq!(b.result(call), Some(Err("offline".into())));
}

// ---------------------------------------------------------------- corners

#[test]
fn an_own_message_on_screen_is_seen_when_the_sync_has_brought_it() {
    let mut b = opened();
    b.send("a");
    let keys = b.keys();
    b.command(json!({"op": "visible", "timeline": 1, "first": keys[0], "last": keys[3]}));
    b.accept(10);
    let mut own = message(10);
    own["clientId"] = json!("a");
    b.sync(json!([{"type": "message", "message": own, "prev": 9}]), "2");
    assert_eq!(
        (b.keys()[3].as_str(), b.shown().as_str()),
        ("c:a", "7 8 9 10")
    );
    assert_eq!(b.view()["unseen"], json!(0));
}

#[test]
fn a_removed_list_says_what_became_of_an_unsent_message() {
    let mut b = opened();
    b.send("a");
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(b.shown(), "7 8 9 (a failed)");
    b.fail(Error::new(ErrorCode::Forbidden, "left"), is_send);
    b.call(json!({"op": "discard", "clientId": "a"}));
    assert_eq!((b.shown().as_str(), b.outbox.len()), ("7 8 9", 0));
}

#[test]
fn a_list_let_go_learns_that_the_account_has_left() {
    let mut b = opened();
    b.command(json!({"op": "release", "timeline": 1}));
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    b.command(json!({"op": "attach", "timeline": 1}));
    assert_eq!(
        (b.shown().as_str(), &b.view()["status"]),
        ("7 8 9", &json!("removed"))
    );
    assert!(!b.is_asked(is_history));
}

#[test]
fn one_client_id_in_two_conversations_is_two_messages() {
    let mut b = opened();
    let body = json!({"text": "x"}).to_string();
    for conversation in ["c", "d"] {
        b.call(json!({"op": "send", "conversation": conversation, "body": body, "clientId": "x"}));
    }
    let to_d =
        |call: &Request| matches!(call, Request::Send { conversation, .. } if conversation == "d");
    b.fail(Error::new(ErrorCode::Rejected, "no"), to_d);
    let elsewhere = b.call(json!({"op": "discard", "conversation": "c", "clientId": "x"}));
    assert_eq!(b.result(elsewhere), Some(Ok(json!(false))));
    b.call(json!({"op": "retry", "clientId": "x"}));
    assert!(b.is_asked(to_d));
}

#[test]
fn position_zero_is_the_start() {
    let mut b = Bench::signed_in(0);
    b.open();
    b.answer_page(&[0], true, false);
    assert_eq!(b.segments(), "|0 0]>");
    let call = b.load("older");
    assert_eq!(
        b.result(call)
            .expect("it is settled")
            .expect("it is no error")["end"],
        json!(true)
    );
}

#[test]
fn what_the_same_batch_trims_is_no_news() {
    let mut b = opened();
    b.command(json!({"op": "listening", "events": ["messages", "updates"]}));
    b.sync(
        json!([after(9, 10), {"type": "trim", "conversation": "c", "before": 11}]),
        "2",
    );
    assert!(b.events.is_empty(), "{:?}", b.events);
}

#[test]
fn the_list_is_read_at_the_first_sign_in_though_it_is_called_no_overflow() {
    let mut b = Bench::new();
    b.answer_pull(json!({"events": [state(0, 9)], "cursor": "1", "hasMore": false}));
    b.answer_list(json!({"conversations": [{"id": "c"}], "next": null}));
    assert_eq!(b.status["listed"], json!(true));
    assert_eq!(b.conversations[0]["lastSeq"], json!("9"));
}

#[test]
fn a_read_mark_only_moves_forward() {
    let mut b = opened();
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
    b.accept_mark();
    let again = b.call(json!({"op": "mark-read", "conversation": "c", "seq": "8"}));
    assert_eq!(b.result(again), Some(Ok(json!(null))));
    assert!(b.asked.is_empty());
}

#[test]
fn what_could_not_be_echoed_is_not_sent() {
    let mut b = opened();
    let call = b.send(&"x".repeat(20_000));
    assert_eq!(b.result(call), Some(Err("invalid".into())));
    let body = json!("x".repeat(5 << 20)).to_string();
    let call = b.call(json!({"op": "send", "conversation": "c", "body": body, "clientId": "a"}));
    assert_eq!(b.result(call), Some(Err("invalid".into())));
    assert!(b.outbox.is_empty());
}
