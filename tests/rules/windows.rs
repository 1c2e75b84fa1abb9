//! Overflow `keep` (R12), and windows that are elsewhere than at the newest end: jumps, gaps, pages
//! ahead of their use.

use pullcord::core::net::{Error, ErrorCode, Place, Request};
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use super::harness::{Harness, after, message, new, state, update, version};
use super::support::{
    anchored, is_changes, is_history, is_pull, jump, message_at, opened_with, set_online,
};

/// With overflow `keep`: "c" open, its newest messages 7 8 9 shown.
fn keeping() -> Harness {
    keeping_with(json!({}))
}

fn keeping_with(mut more: Value) -> Harness {
    more["overflow"] = json!("keep");
    opened_with(more)
}

/// The same, with 1 to 9, and 2 to 4 on screen.
fn scrolled_back() -> Harness {
    let mut b = keeping();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.load("older");
    b.answer_page(&[1, 2, 3], false, true);
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m2", "last": "m:m4"}));
    b
}

fn changes(b: &mut Harness, messages: &[Value], has_more: bool) -> (String, u64, u64) {
    match b.reply(
        is_changes,
        json!({"messages": messages, "hasMore": has_more}),
    ) {
        Request::Changes {
            since, from, to, ..
        } => (since, from.0, to.0),
        other => panic!("{other:?}"),
    }
}

fn gone() -> Error {
    Error::from_status(410, "the log does not reach back", None)
}

fn list(b: &mut Harness, last: u64) {
    b.answer_list(json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": last, "sort": last}], "next": null}));
}

// ---------------------------------------------------------------- R4, R12: keep

#[test]
fn kept_segments_are_shown_at_once_and_revalidated_in_place() {
    let mut b = scrolled_back();
    let (keys, count) = (b.keys(), b.view()["anchor"]["count"].clone());
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "1~ 2~ 3~ 4~ 5~ 6~ 7~ 8~ 9~");
    assert_eq!(b.segments(), "|0 9]");
    assert_eq!(
        changes(&mut b, &[version(3, 2)], false),
        ("1".into(), 0, 9),
        "since the segment's own cursor"
    );
    assert_eq!(b.shown(), "1 2 3' 4 5 6 7 8 9");
    assert_eq!((b.keys(), &b.view()["anchor"]["count"]), (keys, &count));
    assert!(!b.is_asked(is_history));
    assert_eq!(
        b.view()["hasNewer"],
        json!(true),
        "nothing says that 9 is the newest"
    );
}

#[test]
fn a_message_committed_late_inside_a_kept_segment_is_not_lost() {
    let mut b = keeping();
    b.load("older");
    b.answer_page(&[2, 4, 6], true, true);
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m2", "last": "m:m4"}));
    b.overflow(json!("all"), json!([]), "50");
    changes(&mut b, &[message(5)], false);
    assert_eq!(b.shown(), "2 4 5 6 7 8 9");
}

#[test]
fn changes_come_in_pages_and_what_they_cover_is_fresh() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([]), "50");
    changes(&mut b, &[version(2, 2), version(4, 2)], true);
    assert_eq!(b.shown(), "1 2' 3 4' 5~ 6~ 7~ 8~ 9~");
    assert_eq!(b.segments(), "|0 4] [5 9]");
    assert_eq!(changes(&mut b, &[version(7, 3)], false), ("1".into(), 5, 9));
    assert_eq!(b.shown(), "1 2' 3 4' 5 6 7'' 8 9");
    assert_eq!(b.segments(), "|0 9]");
}

#[test]
fn an_event_that_overtakes_the_changes_wins() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([]), "50");
    list(&mut b, 9);
    b.sync(json!([update(3, 5)]), "51");
    changes(&mut b, &[version(3, 2)], false);
    assert_eq!(b.shown(), "1 2 3'''' 4 5 6 7 8 9");
}

#[test]
fn overflows_that_follow_each_other_leave_the_older_cursor() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([]), "50");
    b.overflow(json!("all"), json!([]), "90");
    assert_eq!(b.aborted.len(), 1, "the changes of before the second");
    assert_eq!(changes(&mut b, &[], false).0, "1");
    assert_eq!(b.shown(), "1 2 3 4 5 6 7 8 9");
}

#[test]
fn a_kept_segment_outlives_a_restart_with_its_cursor() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([]), "50");
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "50", "hasMore": false}));
    list(&mut b, 9);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c"}));
    assert_eq!(b.shown(), "7~ 8~ 9~ …", "shown at once");
    assert_eq!(b.answer_page(&[9, 12, 13], true, false), Place::Latest);
    assert_eq!(changes(&mut b, &[version(8, 2)], false), ("1".into(), 0, 8));
    assert_eq!(b.shown(), "7 8' 9 12 13");
    assert_eq!(b.segments(), "|0 13]>");
}

#[test]
fn where_the_log_does_not_reach_back_it_is_fetched_again() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([]), "50");
    b.fail(gone(), is_changes);
    assert_eq!(b.segments(), "");
    assert_eq!(b.shown(), "1~ 2~ 3~ 4~ 5~ 6~ 7~ 8~ 9~", "never blank");
    assert_eq!(
        b.answer_page(&[1, 2, 3, 4, 5], false, true),
        Place::Around(Seq(3))
    );
    assert_eq!(b.shown(), "1 2 3 4 5");
}

#[test]
fn without_changes_pages_make_it_fresh() {
    let mut b = keeping_with(json!({"canRevalidate": false}));
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m4", "last": "m:m5"}));
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "4~ 5~ 6~ 7~ 8~ 9~");
    assert_eq!(b.answer_page(&[6, 7, 8], true, true), Place::Around(Seq(7)));
    assert_eq!(b.shown(), "4~ 5~ 6 7 8 9~");
    assert_eq!(b.answer_page(&[9], true, true), Place::After(Seq(8)));
    assert_eq!(b.answer_page(&[4, 5], true, true), Place::Before(Seq(6)));
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("4 5 6 7 8 9", "[4 9]")
    );
    assert!(!b.is_asked(is_changes));
}

#[test]
fn of_what_was_kept_a_page_leaves_nothing_that_the_server_does_not_have() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([]), "50");
    b.call(json!({"op": "jump", "timeline": 1, "to": "latest"}));
    // 7 and 8 are gone from the server.
    assert_eq!(b.answer_page(&[6, 9, 10], true, false), Place::Latest);
    assert_eq!(b.shown(), "6 9 10");
    b.load("older");
    assert_eq!(b.shown(), "3~ 4~ 5~ 6 9 10");
    assert_eq!(changes(&mut b, &[], false), ("1".into(), 0, 9));
    assert_eq!(b.shown(), "3 4 5 6 9 10");
}

#[test]
fn a_window_of_which_nothing_is_left_shows_what_is_nearest() {
    let mut b = scrolled_back();
    jump(&mut b, json!({"around": "2"}));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m1", "last": "m:m2"}));
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "1~ 2~ 3~");
    b.fail(Error::from_status(500, "busy", None), is_changes);
    // Another list of the conversation brings the page: 1 to 6 were trimmed meanwhile.
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c"}));
    b.answer_page(&[7, 8, 9], false, false);
    assert_eq!(
        (b.shown().as_str(), b.view()["hasOlder"].clone()),
        ("7 8 9", json!(false))
    );
}

#[test]
fn a_page_from_a_replica_that_has_nothing_yet_leaves_no_blank_list() {
    let mut b = Harness::with(json!({"overflow": "keep"}));
    b.sign_in(5);
    b.open();
    b.answer_page(&[5], false, false);
    b.overflow(json!("all"), json!([]), "2");
    // The pull that brings 5 is under way.
    b.answer_list(json!({"conversations": [], "next": null}));
    b.wait(1_000);
    b.call(json!({"op": "sync"}));
    assert!(b.is_asked(is_pull));
    b.answer_page(&[], false, false);
    assert!(b.shown().contains('5'), "{}", b.shown());
    b.answer_pull(json!({"events": [new(5)], "cursor": "3", "hasMore": false}));
    assert_eq!(b.shown(), "5");
}

fn minutes(b: &mut Harness, count: usize) {
    for _ in 0..60 * count {
        b.wait(1_000);
    }
}

#[test]
fn a_gap_that_is_refused_where_the_account_is_not_in_the_conversation_is_left() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.answer_list(json!({"conversations": [], "next": null}));
    let start = json!({"around": "5"});
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": start}));
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c"}));
    b.answer_page(&[20, 21, 22], true, false);
    let refused = || Error::from_status(403, "not a member", None);
    b.fail(refused(), is_history);
    minutes(&mut b, 10);
    assert!(!b.is_asked(is_history));
    // It is in it now.
    b.sync(json!([state(0, 22)]), "2");
    assert!(b.is_asked(is_history));
    b.fail(refused(), is_history);
    minutes(&mut b, 10);
    assert!(b.is_asked(is_history));
}

#[test]
fn a_first_message_of_all_leaves_nothing_kept_below_it() {
    let mut b = scrolled_back();
    set_online(&mut b, false);
    set_online(&mut b, true);
    b.answer_pull(json!({"events": [
        {"type": "message", "message": message(20), "prev": null}
    ], "cursor": "50", "hasMore": false, "overflow": "all"}));
    assert_eq!(b.segments(), "|0 20]");
    assert_eq!(b.inspect()["cachedMessages"], json!(1));
}

#[test]
fn at_the_newest_end_it_goes_on_after_a_gap_that_fills_itself() {
    let mut b = keeping();
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.shown(), "7~ 8~ 9~ …");
    assert_eq!(b.answer_page(&[20, 21, 22], true, false), Place::Latest);
    assert_eq!(b.shown(), "7~ 8~ 9~ … 20 21 22");
    changes(&mut b, &[], false);
    assert_eq!(b.answer_page(&[12, 15], true, true), Place::Before(Seq(20)));
    assert_eq!(b.shown(), "7 8 9 … 12 15 20 21 22");
    assert_eq!(
        b.answer_page(&[8, 9, 10], true, true),
        Place::Before(Seq(12))
    );
    assert_eq!(b.shown(), "7 8 9 10 12 15 20 21 22");
    assert_eq!(b.segments(), "[7 22]>");
    b.sync(json!([after(22, 23)]), "51");
    assert_eq!(b.shown(), "7 8 9 10 12 15 20 21 22 23");
}

// ---------------------------------------------------------------- offline

#[test]
fn offline_a_timeline_goes_past_a_gap_and_online_again_it_fills_without_a_jump() {
    let mut b = scrolled_back();
    b.overflow(json!("all"), json!([new(30)]), "50");
    let mut b = b.restart();
    set_online(&mut b, false);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c"}));
    assert_eq!(b.shown(), "30 …");
    let call = b.load("older");
    assert_eq!(b.shown(), "7~ 8~ 9~ … 30 …");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 3, "end": false, "source": "cache"})))
    );
    b.load("older");
    assert_eq!(b.shown(), "4~ 5~ 6~ 7~ 8~ 9~ … 30 …");
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m5", "last": "m:m7"}));
    let (count, index) = (
        b.view()["anchor"]["count"].clone(),
        b.view()["firstIndex"].clone(),
    );
    set_online(&mut b, true);
    b.answer_pull(json!({"events": [], "cursor": "50", "hasMore": false}));
    list(&mut b, 30);
    b.answer_page(&[28, 29, 30], true, false);
    while b.is_asked(is_changes) || b.is_asked(is_history) {
        if b.is_asked(is_changes) {
            changes(&mut b, &[], false);
        } else {
            b.answer_page(&[9, 20, 27], true, true);
        }
    }
    assert_eq!(b.shown(), "4 5 6 7 8 9 20 27 28 29 30");
    assert_eq!(
        (&b.view()["anchor"]["count"], &b.view()["firstIndex"]),
        (&count, &index)
    );
}

#[test]
fn what_was_shown_of_less_than_a_screen_becomes_one() {
    let mut b = Harness::signed_in(9);
    b.sync(json!([new(10)]), "2");
    b.open();
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("10", "[10 10]>")
    );
    assert_eq!(b.answer_page(&[8, 9], true, true), Place::Before(Seq(10)));
    assert_eq!(b.shown(), "8 9 10");
    // The same, where nothing proves that it is the newest.
    let mut b = Harness::signed_in(9);
    b.overflow(json!("all"), json!([new(10)]), "2");
    b.open();
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("10 …", "[10 10]")
    );
    assert_eq!(b.answer_page(&[8, 9, 10], true, false), Place::Latest);
    assert_eq!(b.shown(), "8 9 10");
}

// ---------------------------------------------------------------- jumps

/// "c" open, its newest messages 97 98 99 shown.
fn long() -> Harness {
    let mut b = Harness::signed_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    b
}

#[test]
fn a_jump_makes_a_segment_that_paging_grows_until_it_meets_its_neighbour() {
    let mut b = long();
    let call = jump(&mut b, json!({"around": "50"}));
    assert_eq!(
        b.answer_page(&[49, 50, 51], true, true),
        Place::Around(Seq(50))
    );
    assert_eq!(
        (b.shown().as_str(), b.result(call)),
        ("49 50 51", Some(Ok(Value::Null)))
    );
    assert_eq!(anchored(&b), &json!("m:m50"));
    assert_eq!(b.segments(), "[49 51] [97 99]>");
    b.load("older");
    assert_eq!(
        b.answer_page(&[46, 47, 48], true, true),
        Place::Before(Seq(49))
    );
    b.load("newer");
    assert_eq!(
        b.answer_page(&[60, 96, 97], true, true),
        Place::After(Seq(51))
    );
    assert_eq!(b.segments(), "[46 99]>");
    assert_eq!(b.shown(), "46 47 48 49 50 51 60 96 97");
    let call = b.load("newer");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 2, "end": true, "source": "cache"})))
    );
    b.sync(json!([after(99, 100)]), "2");
    assert!(b.shown().ends_with("97 98 99 100"), "{}", b.shown());
}

#[test]
fn what_a_segment_holds_is_jumped_to_without_a_request() {
    let mut b = long();
    b.load("older");
    b.answer_page(&[91, 92, 93], true, true);
    let count = b.view()["anchor"]["count"].as_u64();
    let call = jump(&mut b, json!({"around": "92"}));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("91 92 93", &json!("m:m92"))
    );
    assert_eq!(b.view()["anchor"]["count"].as_u64(), count.map(|n| n + 1));
    assert!(!b.is_asked(is_history));
    let call = jump(&mut b, json!("latest"));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("97 98 99", &Value::Null)
    );
}

#[test]
fn a_jump_whose_signal_fires_moves_nothing() {
    let mut b = Harness::signed_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    let call = jump(&mut b, json!({"around": "50"}));
    b.command(json!({"op": "abort", "of": call}));
    assert_eq!(b.result(call), Some(Err("aborted".into())));
    assert_eq!(b.view()["loading"]["jump"], json!(false));
    b.answer_page(&[49, 50, 51], true, true);
    assert_eq!(b.shown(), "97 98 99");
    // what came all the same is kept
    jump(&mut b, json!({"around": "50"}));
    assert_eq!(b.shown(), "49 50 51");
    // the list that it stays with is still loaded again, where an overflow took it
    let call = jump(&mut b, json!({"around": "20"}));
    b.overflow(json!("all"), json!([]), "60");
    b.command(json!({"op": "abort", "of": call}));
    assert_eq!(b.shown(), "49~ 50~ 51~");
    b.answer_page(&[19, 20, 21], true, true);
    assert_eq!(
        b.answer_page(&[49, 50, 51], true, true),
        Place::Around(Seq(50))
    );
    assert_eq!(b.shown(), "49 50 51");
}

#[test]
fn a_jump_to_what_is_not_there_shows_the_next_newer_one() {
    let mut b = long();
    jump(&mut b, json!({"around": "50"}));
    b.answer_page(&[45, 55, 56], true, true);
    assert_eq!(anchored(&b), &json!("m:m55"));
    jump(&mut b, json!({"around": "5000"}));
    b.answer_page(&[97, 98, 99], true, false);
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("97 98 99", &Value::Null)
    );
}

#[test]
fn a_time_is_jumped_to_and_offline_found_in_what_is_held() {
    let mut b = long();
    jump(&mut b, json!({"at": 5_000}));
    let page = [
        message_at(10, 4_000),
        message_at(11, 5_500),
        message_at(12, 6_000),
    ];
    assert_eq!(
        b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": true})),
        Place::At(5_000)
    );
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("10 11 12", &json!("m:m11"))
    );
    jump(&mut b, json!("latest"));
    set_online(&mut b, false);
    let call = jump(&mut b, json!({"at": 5_700}));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m12"))
    );
}

#[test]
fn a_time_is_not_guessed_offline_from_messages_whose_time_is_not_known() {
    let mut b = Harness::signed_in(12);
    b.open();
    let page = [
        message_at(10, 0),
        message_at(11, 5_500),
        message_at(12, 6_000),
    ];
    b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": false}));
    set_online(&mut b, false);
    let call = jump(&mut b, json!({"at": 5_000}));
    assert_eq!(b.result(call), Some(Err("offline".into())));
    let call = jump(&mut b, json!({"at": 5_700}));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m12"))
    );
}

#[test]
fn a_time_that_a_lagging_replica_knows_nothing_of_is_found_in_what_is_held() {
    let mut b = Harness::signed_in(99);
    b.open();
    let newest = [
        message_at(97, 4_000),
        message_at(98, 5_500),
        message_at(99, 6_000),
    ];
    b.answer_history(json!({"messages": newest, "hasBefore": true, "hasAfter": false}));
    let call = jump(&mut b, json!({"at": 5_000}));
    let page = [message_at(96, 3_000), message_at(97, 4_000)];
    b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": false}));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m98"))
    );
}

#[test]
fn a_time_whose_message_had_to_be_left_out_leads_to_the_next_one() {
    let mut b = long();
    let call = jump(&mut b, json!({"at": 5_000}));
    let nameless = json!({"conversation": "c", "seq": 11, "createdAt": 5_500});
    let page = json!([message_at(9, 3_000), message_at(10, 4_000), nameless]);
    b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": true}));
    let page = json!([
        message_at(10, 4_000),
        message_at(12, 6_000),
        message_at(13, 7_000)
    ]);
    b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": true}));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m12"))
    );
}

#[test]
fn a_time_whose_message_does_not_say_its_own_leads_to_it() {
    let mut b = long();
    let call = jump(&mut b, json!({"at": 5_000}));
    let page = json!([message_at(10, 4_000), message_at(11, 0), message_at(12, 0)]);
    b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": true}));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m11"))
    );
}

#[test]
fn first_unread_is_what_the_server_says() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": "first-unread"}));
    assert!(!b.is_asked(is_history), "the list says where that is");
    b.answer_list(json!({"conversations": [{"id": "c", "unread": 40, "lastSeq": 99, "readSeq": 59, "sort": 9}], "next": null}));
    assert_eq!(
        b.answer_page(&[59, 61, 62], true, true),
        Place::Around(Seq(60))
    );
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("59 61 62", &json!("m:m61"))
    );
    b.sync(
        json!([state(0, 99), {"type": "conversation", "conversation": {"id": "c", "readSeq": 99}}]),
        "2",
    );
    jump(&mut b, json!("first-unread"));
    b.answer_page(&[97, 98, 99], true, false);
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("97 98 99", &Value::Null)
    );
}

#[test]
fn a_jump_rejects_running_loads_and_an_earlier_jump() {
    let mut b = long();
    let load = b.load("older");
    let first = jump(&mut b, json!({"around": "50"}));
    assert_eq!(b.result(load), Some(Err("aborted".into())));
    let second = jump(&mut b, json!("latest"));
    assert_eq!(b.result(first), Some(Err("aborted".into())));
    assert_eq!(b.result(second), Some(Ok(Value::Null)));
}

#[test]
fn a_jump_that_fails_leaves_the_list_where_it_is() {
    let mut b = long();
    let call = jump(&mut b, json!({"around": "50"}));
    b.fail(Error::from_status(500, "broken", None), is_history);
    assert_eq!(b.result(call), Some(Err("network".into())));
    assert_eq!(b.shown(), "97 98 99");
    assert_eq!(b.view()["error"]["code"], json!("network"));
    b.wait(60_000);
    assert!(!b.is_asked(is_history), "nobody waits for it any more");
    set_online(&mut b, false);
    let call = jump(&mut b, json!({"around": "50"}));
    assert_eq!(b.result(call), Some(Err("offline".into())));
    assert_eq!(b.shown(), "97 98 99");
}

#[test]
fn an_overflow_does_not_make_a_jump_forget_where_it_goes() {
    let mut b = long();
    let call = jump(&mut b, json!({"around": "50"}));
    b.overflow(json!("all"), json!([]), "50");
    assert_eq!(b.result(call), None);
    assert_eq!(
        b.answer_page(&[49, 50, 51], true, true),
        Place::Around(Seq(50))
    );
    assert_eq!(
        (b.shown().as_str(), b.result(call)),
        ("49 50 51", Some(Ok(Value::Null)))
    );
}

#[test]
fn a_time_that_nothing_was_at_is_looked_for_again_after_an_overflow() {
    let by_time = |call: &Request| matches!(call, Request::History { place, .. } if *place == Place::At(10_000));
    let mut b = long();
    b.overflow(json!("all"), json!([]), "50");
    let call = jump(&mut b, json!({"at": 10_000}));
    let latest = json!({"messages": [message_at(99, 1)], "hasBefore": true, "hasAfter": false});
    b.reply(by_time, latest);
    assert_eq!(
        b.result(call),
        None,
        "the latest, but for the rest of a screen"
    );
    b.overflow(json!("all"), json!([]), "60");
    let page = [
        message_at(99, 1),
        message_at(100, 10_500),
        message_at(101, 11_000),
    ];
    b.reply(
        by_time,
        json!({"messages": page, "hasBefore": true, "hasAfter": false}),
    );
    assert_eq!(
        (b.shown().as_str(), anchored(&b), b.result(call)),
        ("99 100 101", &json!("m:m100"), Some(Ok(Value::Null)))
    );
}

#[test]
fn messages_that_arrive_while_one_comes_back_from_the_past_leave_no_hole() {
    let mut b = long();
    jump(&mut b, json!({"around": "94"}));
    b.answer_page(&[93, 94, 95], true, true);
    b.sync(json!([after(99, 100)]), "2");
    assert_eq!(b.shown(), "93 94 95");
    let call = b.load("newer");
    b.sync(json!([after(100, 101)]), "3");
    assert_eq!(b.answer_page(&[96], true, true), Place::After(Seq(95)));
    assert_eq!(b.shown(), "93 94 95 96 97 98");
    assert!(b.result(call).is_some());
    b.load("newer");
    b.sync(json!([after(101, 102)]), "4");
    assert_eq!(b.shown(), "93 94 95 96 97 98 99 100 101 102");
    assert_eq!(b.view()["hasNewer"], json!(false));
}

#[test]
fn a_conversation_that_comes_back_shows_a_list_again() {
    let mut b = long();
    b.sync(json!([{"type": "removed", "conversation": "c"}]), "2");
    assert_eq!(
        (&b.view()["status"], b.shown().as_str()),
        (&json!("removed"), "97 98 99")
    );
    b.sync(json!([state(0, 120)]), "3");
    b.answer_page(&[118, 119, 120], true, false);
    assert_eq!(
        (&b.view()["status"], b.shown().as_str()),
        (&json!("ready"), "118 119 120")
    );
}

// ---------------------------------------------------------------- a page ahead

#[test]
fn within_a_screen_of_the_old_end_one_page_is_fetched_before_it_is_asked_for() {
    let mut b = Harness::with(json!({"prefetch": true}));
    b.sign_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    assert!(!b.is_asked(is_history), "not before the network is idle");
    b.wait(500);
    assert_eq!(
        b.answer_page(&[94, 95, 96], true, true),
        Place::Before(Seq(97))
    );
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("97 98 99", "[94 99]>")
    );
    b.wait(60_000);
    assert!(!b.is_asked(is_history), "one page");
    let call = b.load("older");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 3, "end": false, "source": "cache"})))
    );
    b.wait(500);
    assert_eq!(
        b.answer_page(&[91, 92, 93], false, true),
        Place::Before(Seq(94))
    );
    b.load("older");
    b.wait(500);
    assert!(!b.is_asked(is_history), "nothing is older");
}

#[test]
fn nothing_is_fetched_ahead_on_a_metered_connection_or_a_hidden_page() {
    for command in [
        json!({"op": "network", "online": true, "metered": true}),
        json!({"op": "visibility", "hidden": true}),
    ] {
        let mut b = Harness::with(json!({"prefetch": true}));
        b.sign_in(99);
        b.command(command);
        b.open();
        b.answer_page(&[97, 98, 99], true, false);
        b.wait(10_000);
        assert!(!b.is_asked(is_history));
    }
}

#[test]
fn a_page_ahead_that_fails_is_nobodys_error() {
    let mut b = Harness::with(json!({"prefetch": true}));
    b.sign_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    b.wait(500);
    b.fail(Error::new(ErrorCode::Forbidden, "no"), is_history);
    assert_eq!(b.view()["error"], Value::Null);
    b.wait(60_000);
    assert!(!b.is_asked(is_history), "once is enough: {:?}", b.asked);
}
