//! The other ways to sync: a cursor for each conversation, a mailbox, inline delivery, long polling.

use pullcord::core::net::{Error, ErrorCode, Notice, Request};
use pullcord::core::storage::{Read, StoreError, Table};
use serde_json::{Value, json};

use super::harness::{Harness, after, new, state, update};
use super::support::{batch, is_ack, is_any_pull, is_waiting_pull};

fn list(b: &mut Harness) {
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": 9, "sort": 9}], "next": null}),
    );
}

fn latest(b: &mut Harness) {
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c"}));
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
}

// ---------------------------------------------------------------- scope "conversation"

/// Answers a pull of conversations. Gives the cursors, and what it was about.
fn answer(b: &mut Harness, answer: Value) -> (Vec<(String, String)>, Option<Vec<String>>) {
    match b.reply(is_any_pull, answer) {
        Request::PullConversations { cursors, only, .. } => (cursors, only),
        other => panic!("{other:?}"),
    }
}

/// Signed in: "c" at cursor "c1", "d" at "d1", the list read, "c" open.
pub fn by_conversation() -> Harness {
    let mut b = Harness::with(json!({"scope": "conversation", "notify": "socket"}));
    let mut c = batch(json!([]), "c1");
    let mut d = batch(json!([]), "d1");
    c["overflow"] = json!("all");
    d["overflow"] = json!("all");
    let (cursors, only) = answer(&mut b, json!({"conversations": {"c": c, "d": d}}));
    assert_eq!(
        (cursors.len(), only),
        (0, None),
        "a first sign-in names none"
    );
    b.answer_list(json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": 9, "sort": 9}, {"id": "d", "sort": 1}], "next": null}));
    latest(&mut b);
    b.notice(Notice::Ready);
    answer(&mut b, json!({"conversations": {}}));
    assert_eq!(b.status["caughtUp"], json!(true));
    b.events.clear();
    b
}

fn pairs(cursors: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(id, cursor): &(&str, &str)| (id.to_string(), cursor.to_string());
    cursors.iter().map(owned).collect()
}

fn notified(conversations: &[&str]) -> Notice {
    Notice::Notify {
        spread: 0,
        conversations: conversations.iter().map(|id| id.to_string()).collect(),
    }
}

#[test]
fn each_conversation_has_its_own_cursor() {
    let mut b = by_conversation();
    b.call(json!({"op": "sync"}));
    let (cursors, _) = answer(
        &mut b,
        json!({"conversations": {"c": batch(json!([after(9, 10)]), "c2")}}),
    );
    assert_eq!(cursors, pairs(&[("c", "c1"), ("d", "d1")]));
    assert_eq!(b.shown(), "7 8 9 10");
    let mut b = b.restart();
    let (cursors, _) = answer(&mut b, json!({"conversations": {}}));
    assert_eq!(cursors, pairs(&[("c", "c2"), ("d", "d1")]));
}

#[test]
fn a_notification_that_names_conversations_pulls_those_only() {
    let mut b = by_conversation();
    b.notice(notified(&["d"]));
    let (cursors, only) = answer(&mut b, json!({"conversations": {}}));
    assert_eq!(
        (cursors, only),
        (pairs(&[("d", "d1")]), Some(vec!["d".into()]))
    );
    b.notice(notified(&[]));
    assert_eq!(answer(&mut b, json!({"conversations": {}})).1, None);
}

#[test]
fn one_that_has_more_goes_on_alone() {
    let mut b = by_conversation();
    b.call(json!({"op": "sync"}));
    let mut c = batch(json!([after(9, 10)]), "c2");
    c["hasMore"] = json!(true);
    answer(
        &mut b,
        json!({"conversations": {"c": c, "d": batch(json!([]), "d2")}}),
    );
    let (cursors, only) = answer(
        &mut b,
        json!({"conversations": {"c": batch(json!([after(10, 11)]), "c3")}}),
    );
    assert_eq!(
        (cursors, only),
        (pairs(&[("c", "c2")]), Some(vec!["c".into()]))
    );
    assert_eq!(b.shown(), "7 8 9 10 11");
    assert!(!b.is_asked(is_any_pull));
}

#[test]
fn one_that_fails_does_not_hold_up_the_rest_and_is_backed_off_from_alone() {
    let mut b = by_conversation();
    let call = b.call(json!({"op": "sync"}));
    let broken = json!({"error": {"code": "network", "message": "a shard is down"}});
    answer(
        &mut b,
        json!({"conversations": {"d": broken, "c": batch(json!([after(9, 10)]), "c2")}}),
    );
    assert_eq!(b.shown(), "7 8 9 10");
    assert_eq!(b.result(call), Some(Err("network".into())));
    b.notice(notified(&["c"]));
    let (cursors, _) = answer(&mut b, json!({"conversations": {}}));
    assert_eq!(cursors, pairs(&[("c", "c2")]));
    b.wait(2_000);
    let (cursors, _) = answer(
        &mut b,
        json!({"conversations": {"d": batch(json!([]), "d2")}}),
    );
    assert!(cursors.contains(&("d".into(), "d1".into())), "{cursors:?}");
    assert_eq!(b.status["error"], Value::Null);
}

#[test]
fn what_the_list_names_and_no_pull_has_answered_for_is_decided_by_one_more_pull() {
    let mut b = by_conversation();
    let call = b.call(json!({"op": "sync"}));
    let mut d = batch(json!([]), "d9");
    d["overflow"] = json!("all");
    answer(&mut b, json!({"conversations": {"d": d}}));
    // The account was in "e" when the list was read, and is not any more when the next pull is.
    b.notice(notified(&[]));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 9}, {"id": "d", "sort": 1}, {"id": "e", "sort": 0}], "next": null}));
    answer(&mut b, json!({"conversations": {}}));
    assert_eq!(
        (b.conversations.len(), &b.status["caughtUp"]),
        (3, &json!(false))
    );
    assert_eq!(b.result(call), None);
    answer(&mut b, json!({"conversations": {}}));
    assert_eq!(
        (b.conversations.len(), &b.status["caughtUp"]),
        (2, &json!(true))
    );
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert!(!b.is_asked(is_any_pull));
}

#[test]
fn an_overflow_is_its_conversations_alone() {
    let mut b = by_conversation();
    b.call(json!({"op": "sync"}));
    let mut d = batch(json!([]), "d9");
    d["overflow"] = json!("all");
    answer(&mut b, json!({"conversations": {"d": d}}));
    assert_eq!(
        (b.shown().as_str(), b.segments().as_str()),
        ("7 8 9", "[7 9]>")
    );
    assert!(
        b.events
            .iter()
            .any(|e| e["detail"] == json!({"conversations": ["d"]}))
    );
}

#[test]
fn an_event_of_another_conversation_than_its_batch_is_left_out() {
    let mut b = by_conversation();
    b.call(json!({"op": "sync"}));
    answer(
        &mut b,
        json!({"conversations": {"d": batch(json!([after(9, 10)]), "d2")}}),
    );
    assert_eq!(b.shown(), "7 8 9");
    assert_eq!(b.status["error"], json!(null));
    assert_eq!(b.segments(), "[7 9]>", "it says nothing of that one");
}

#[test]
fn an_event_that_takes_away_and_says_of_what_in_a_way_that_cannot_be_read_takes_nothing_away() {
    for what in [
        json!({}),
        json!(["c"]),
        json!(true),
        json!("x".repeat(20_000)),
    ] {
        let mut b = by_conversation();
        b.call(json!({"op": "sync"}));
        let removed = json!({"type": "removed", "conversation": what});
        let trim = json!({"type": "trim", "conversation": what, "before": 9});
        answer(
            &mut b,
            json!({"conversations": {"c": batch(json!([removed, trim]), "c2")}}),
        );
        assert_eq!(b.view()["status"], json!("ready"));
        assert!(b.shown().contains('7'), "{}", b.shown());
        assert!(!b.events.is_empty(), "it is told");
    }
}

#[test]
fn a_conversation_that_was_left_comes_as_removed_and_has_no_cursor() {
    let mut b = by_conversation();
    b.call(json!({"op": "sync"}));
    answer(
        &mut b,
        json!({"conversations": {"c": batch(json!([{"type": "removed", "conversation": "c"}]), "c9")}}),
    );
    assert_eq!(b.view()["status"], json!("removed"));
    b.call(json!({"op": "sync"}));
    let (cursors, _) = answer(&mut b, json!({"conversations": {}}));
    assert_eq!(cursors, pairs(&[("d", "d1")]));
}

#[test]
fn another_scope_is_a_first_sign_in() {
    let b = by_conversation();
    let mut b = b.restart_with(json!({"scope": "account", "notify": "poll"}));
    assert_eq!(
        b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"})),
        None
    );
    let mut b = b.restart_with(json!({"scope": "conversation", "notify": "poll"}));
    assert_eq!(answer(&mut b, json!({"conversations": {}})).0.len(), 0);
}

// ---------------------------------------------------------------- scope "mailbox"

fn delivered(name: &str, event: Value) -> Value {
    let mut event = event;
    event["delivery"] = json!(name);
    event
}

fn mail(b: &mut Harness, events: Value, has_more: bool) {
    b.reply(is_any_pull, json!({"events": events, "hasMore": has_more}));
}

/// Acknowledges as the server. Gives the deliveries, and whether over the channel.
fn acknowledge(b: &mut Harness) -> (Vec<String>, bool) {
    match b.reply(is_ack, json!(null)) {
        Request::Acknowledge { deliveries, pushed } => (deliveries, pushed),
        other => panic!("{other:?}"),
    }
}

/// Signed in, the list read, "c" open, the channel up and all caught up.
fn mailbox() -> Harness {
    let mut b = Harness::with(json!({"scope": "mailbox", "notify": "socket"}));
    mail(&mut b, json!([]), false);
    list(&mut b);
    latest(&mut b);
    b.notice(Notice::Ready);
    mail(&mut b, json!([]), false);
    b
}

#[test]
fn deliveries_are_acknowledged_after_their_commit_and_before_the_next_are_asked_for() {
    let mut b = mailbox();
    let call = b.call(json!({"op": "sync"}));
    b.failing.push_back(StoreError::Failed("the disk".into()));
    mail(&mut b, json!([delivered("a", after(9, 10))]), true);
    assert!(!b.is_asked(is_ack), "nothing is stored");
    assert_eq!(b.result(call), Some(Err("storage".into())));
    let call = b.call(json!({"op": "sync"}));
    mail(&mut b, json!([delivered("a", after(9, 10))]), true);
    assert_eq!(b.shown(), "7 8 9 10");
    assert!(!b.is_asked(is_any_pull), "first the acknowledgement");
    assert_eq!(acknowledge(&mut b), (vec!["a".into()], false));
    mail(&mut b, json!([delivered("b", after(10, 11))]), false);
    assert_eq!(b.result(call), None);
    acknowledge(&mut b);
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(b.shown(), "7 8 9 10 11");
}

#[test]
fn an_old_delivery_that_comes_again_is_only_acknowledged_also_after_a_restart() {
    let mut b = mailbox();
    b.call(json!({"op": "sync"}));
    mail(
        &mut b,
        json!([delivered("old", state(5, 9)), delivered("new", state(0, 9))]),
        false,
    );
    b.fail(Error::new(ErrorCode::Network, "lost"), is_ack);
    let mut b = b.restart();
    mail(&mut b, json!([delivered("old", state(5, 9))]), false);
    assert_eq!(acknowledge(&mut b).0, ["old"]);
    assert_eq!(
        b.conversations[0]["unread"],
        json!(0),
        "the newer state stays"
    );
}

#[test]
fn the_last_ten_thousand_deliveries_are_remembered_and_not_more() {
    let mut b = mailbox();
    b.call(json!({"op": "sync"}));
    for batch in 0..25 {
        let events: Vec<Value> = (0..500)
            .map(|n| delivered(&format!("d{}", batch * 500 + n), state(batch, 9)))
            .collect();
        mail(&mut b, json!(events), batch < 24);
        acknowledge(&mut b);
    }
    let mut b = b.restart();
    mail(&mut b, json!([delivered("d2500", state(99, 9))]), true);
    acknowledge(&mut b);
    assert_eq!(b.conversations[0]["unread"], json!(24), "known");
    mail(&mut b, json!([delivered("d0", state(99, 9))]), false);
    acknowledge(&mut b);
    assert_eq!(b.conversations[0]["unread"], json!(99), "forgotten");
    let table = Table::Deliveries;
    let records = b.store.read(&[Read::All { table }]).expect("memory reads");
    assert!(
        records[0].values.len() <= 21,
        "{} records",
        records[0].values.len()
    );
}

#[test]
fn a_delivery_of_unknown_type_is_acknowledged_and_ignored() {
    let mut b = mailbox();
    b.call(json!({"op": "sync"}));
    mail(&mut b, json!([{"type": "typing", "delivery": "t"}]), false);
    assert_eq!(acknowledge(&mut b).0, ["t"]);
}

#[test]
fn an_event_without_delivery_is_ignored_and_the_others_count() {
    let mut b = mailbox();
    let call = b.call(json!({"op": "sync"}));
    let events = json!([new(11), delivered("p", after(9, 10))]);
    mail(&mut b, events, false);
    assert_eq!(acknowledge(&mut b).0, ["p"]);
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    assert_eq!(b.shown(), "7 8 9 10");
}

#[test]
fn what_is_pushed_into_a_mailbox_is_stored_then_acknowledged_over_the_channel() {
    let mut b = mailbox();
    b.pushed(json!({"events": [delivered("p", after(9, 10))]}));
    assert_eq!(b.shown(), "7 8 9 10");
    assert_eq!(acknowledge(&mut b), (vec!["p".into()], true));
    assert!(!b.is_asked(is_any_pull));
    // The server's timer sends it again.
    b.pushed(json!({"events": [delivered("p", after(9, 10))]}));
    assert_eq!(acknowledge(&mut b), (vec!["p".into()], true));
    assert_eq!(b.shown(), "7 8 9 10");
}

#[test]
fn a_pushed_message_that_does_not_follow_the_live_end_makes_a_pull() {
    let mut b = mailbox();
    b.pushed(json!({"events": [delivered("q", after(10, 11))]}));
    assert_eq!(b.shown(), "7 8 9", "10 may be between");
    assert!(!b.is_asked(is_ack));
    // Nor is what is pushed before that pull has come: it would be out of order.
    b.pushed(json!({"events": [delivered("s", state(9, 9))]}));
    mail(
        &mut b,
        json!([
            delivered("p", after(9, 10)),
            delivered("q", after(10, 11)),
            delivered("s", state(9, 9))
        ]),
        false,
    );
    assert_eq!(b.shown(), "7 8 9 10 11");
    assert_eq!(acknowledge(&mut b).0, ["p", "q", "s"]);
}

#[test]
fn acknowledgements_that_fail_are_backed_off_from_more_and_more() {
    let mut b = mailbox();
    b.notice(Notice::Closed(None));
    let mut pulls = 0;
    b.call(json!({"op": "sync"}));
    for _ in 0..300 {
        if b.is_asked(is_any_pull) {
            pulls += 1;
            mail(&mut b, json!([delivered("x", state(1, 9))]), false);
            b.fail(Error::from_status(500, "broken", None), is_ack);
        }
        b.wait(1_000);
    }
    assert!(pulls < 40, "{pulls} pulls in five minutes");
}

#[test]
fn batches_without_end_of_unknown_events_are_a_protocol_error() {
    let mut b = pushing();
    let call = b.call(json!({"op": "sync"}));
    for n in 0..60 {
        if b.result(call).is_some() {
            break;
        }
        let cursor = format!("u{n}");
        b.answer_pull(json!({"events": [{"type": "poke"}], "cursor": cursor, "hasMore": true}));
    }
    assert_eq!(b.result(call), Some(Err("protocol".into())));
}

#[test]
fn what_was_pushed_before_a_mailbox_overflowed_is_not_applied_after_it() {
    let mut b = mailbox();
    b.call(json!({"op": "sync"}));
    b.reply(
        is_any_pull,
        json!({"events": [], "hasMore": false, "overflow": "all"}),
    );
    list(&mut b);
    // The old channel is given up, with all that is still on its way over it.
    b.notice(Notice::Ready);
    mail(&mut b, json!([]), false);
    b.pushed(json!({"events": [delivered("n", state(3, 9))]}));
    assert_eq!(acknowledge(&mut b).0, ["n"]);
    assert_eq!(b.listened, 2);
}

#[test]
fn a_mailbox_that_never_empties_is_a_protocol_error_and_no_loop() {
    let mut b = mailbox();
    let call = b.call(json!({"op": "sync"}));
    for _ in 0..60 {
        if b.result(call).is_some() {
            break;
        }
        mail(&mut b, json!([delivered("x", state(1, 9))]), true);
        if b.is_asked(is_ack) {
            acknowledge(&mut b);
        }
    }
    assert_eq!(b.result(call), Some(Err("protocol".into())));
    assert!(!b.is_asked(is_any_pull));
}

// ---------------------------------------------------------------- inline push, scope "account"

/// Signed in at cursor "2", "c" open, the channel up.
fn pushing() -> Harness {
    let mut b = Harness::with(json!({"notify": "socket"}));
    b.sign_in(9);
    latest(&mut b);
    b.notice(Notice::Ready);
    b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    b
}

#[test]
fn a_push_that_follows_the_cursor_is_applied_without_a_pull() {
    let mut b = pushing();
    b.pushed(json!({"prev": "2", "cursor": "3", "events": [after(9, 10)]}));
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9 10", json!("3")));
    assert!(!b.is_asked(is_any_pull));
}

#[test]
fn a_push_that_does_not_follow_is_a_notification() {
    let mut b = pushing();
    b.pushed(json!({"prev": "3", "cursor": "4", "events": [after(10, 11)]}));
    assert_eq!(b.shown(), "7 8 9");
    let asked = b.answer_pull(
        json!({"events": [after(9, 10), after(10, 11)], "cursor": "4", "hasMore": false}),
    );
    assert_eq!(
        (asked.as_deref(), b.shown().as_str()),
        (Some("2"), "7 8 9 10 11")
    );
    // During a pull it is one too, whatever it follows.
    b.call(json!({"op": "sync"}));
    b.pushed(json!({"prev": "4", "cursor": "5", "events": [after(11, 12)]}));
    b.answer_pull(json!({"events": [after(11, 12)], "cursor": "5", "hasMore": false}));
    assert!(b.is_asked(is_any_pull), "exactly one more");
    b.answer_pull(json!({"events": [], "cursor": "5", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9 10 11 12");
}

#[test]
fn a_burst_of_pushes_makes_no_pull_and_few_commits() {
    let mut b = pushing();
    b.store_is_slow = true;
    for n in 0..50u64 {
        let (prev, cursor) = ((n + 2).to_string(), (n + 3).to_string());
        b.pushed(json!({"prev": prev, "cursor": cursor, "events": [after(n + 9, n + 10)]}));
    }
    b.store_is_slow = false;
    let commits = b.finish_commits();
    assert!(commits <= 3, "{commits} commits");
    assert!(!b.is_asked(is_any_pull));
    assert_eq!(b.cursor(), json!("52"));
    assert!(b.shown().ends_with("58 59"), "{}", b.shown());
}

#[test]
fn a_push_that_cannot_be_stored_is_pulled() {
    let mut b = pushing();
    b.failing.push_back(StoreError::Failed("the disk".into()));
    b.pushed(json!({"prev": "2", "cursor": "3", "events": [after(9, 10)]}));
    assert_eq!((b.shown().as_str(), b.cursor()), ("7 8 9", json!("2")));
    assert!(b.is_asked(is_any_pull));
}

#[test]
fn what_waits_behind_a_push_that_could_not_be_stored_is_pulled_too() {
    let mut b = mailbox();
    b.store_is_slow = true;
    b.pushed(json!({"events": [delivered("a", state(1, 9))]}));
    b.pushed(json!({"events": [delivered("b", state(2, 9))]}));
    b.store_is_slow = false;
    b.fail_commit(StoreError::Failed("the disk".into()));
    assert!(!b.is_asked(is_ack), "neither is stored");
    b.wait(60_000);
    mail(
        &mut b,
        json!([delivered("a", state(1, 9)), delivered("b", state(2, 9))]),
        false,
    );
    assert_eq!(acknowledge(&mut b).0, ["a", "b"]);
    assert_eq!(b.conversations[0]["unread"], json!(2), "in their order");
}

// ---------------------------------------------------------------- notify "long-poll"

/// Signed in, one pull waiting at the server.
fn long_polling() -> Harness {
    let mut b = Harness::with(
        json!({"notify": "long-poll", "pollInterval": 30_000, "fallbackPollInterval": 5_000}),
    );
    b.sign_in(9);
    latest(&mut b);
    assert!(b.is_asked(is_waiting_pull));
    assert_eq!(b.asked.len(), 1);
    b
}

#[test]
fn one_pull_waits_at_the_server_and_the_next_follows_its_answer() {
    let mut b = long_polling();
    b.now += 20_000;
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9 10");
    assert!(b.is_asked(is_waiting_pull));
    assert_eq!(b.asked.len(), 1);
    assert_eq!(b.status["pulling"], json!(false), "waiting is no pulling");
}

#[test]
fn who_asks_while_a_pull_waits_is_answered_at_once() {
    let mut b = long_polling();
    let call = b.call(json!({"op": "sync"}));
    assert!(!b.is_asked(is_waiting_pull), "the waiting one is given up");
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert!(b.is_asked(is_waiting_pull));
}

#[test]
fn a_server_that_does_not_hold_answers_back_is_not_asked_in_a_loop() {
    let mut b = long_polling();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    assert!(!b.is_asked(is_any_pull));
    b.wait(5_000);
    assert!(b.is_asked(is_any_pull));
}

#[test]
fn a_hidden_page_stops_waiting_after_a_while_and_pulls_when_it_is_shown() {
    let mut b = long_polling();
    b.command(json!({"op": "visibility", "hidden": true}));
    b.wait(20_000);
    assert!(b.is_asked(is_waiting_pull));
    b.wait(45_000);
    assert!(!b.is_asked(is_waiting_pull));
    b.asked.clear();
    b.command(json!({"op": "visibility", "hidden": false}));
    b.answer_pull(json!({"events": [update(9, 2)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.shown(), "7 8 9'");
    assert!(b.is_asked(is_waiting_pull));
}

#[test]
fn nothing_waits_while_frozen_or_offline_or_after_the_end() {
    for command in [
        json!({"op": "freeze"}),
        json!({"op": "network", "online": false}),
        json!({"op": "close"}),
    ] {
        let mut b = long_polling();
        b.command(command);
        assert!(b.asked.is_empty(), "{:?}", b.asked);
    }
    let mut b = long_polling();
    b.command(json!({"op": "freeze"}));
    b.wait(600_000);
    assert!(b.asked.is_empty(), "nothing is sent when frozen");
    b.command(json!({"op": "resume"}));
    assert_eq!(b.asked.len(), 1, "one pull on return");
    assert!(b.is_asked(is_any_pull) && !b.is_asked(is_waiting_pull));
}

#[test]
fn what_the_server_has_asked_for_while_the_machine_slept_is_heard_at_waking() {
    let mut b = long_polling();
    b.clock = HOURS;
    b.fail(
        Error::from_status(429, "busy", Some(60_000)),
        is_waiting_pull,
    );
    b.wait(59_000);
    assert!(!b.is_asked(is_any_pull));
    b.wait(1_000);
    assert!(b.is_asked(is_any_pull));
}

// ---------------------------------------------------------------- clocks

const HOURS: i64 = 5 * 3_600_000;

#[test]
fn a_clock_that_is_hours_off_changes_nothing_but_what_it_stamps() {
    let mut b = pushing();
    for clock in [-HOURS, 0, HOURS, -3 * HOURS] {
        b.clock = clock;
        b.asked.clear();
        // A leap ahead may have been a sleep: then the channel is opened anew.
        b.wait(1);
        b.notice(Notice::Ready);
        let cursor = format!("c{clock}");
        b.answer_pull(json!({"events": [], "cursor": cursor, "hasMore": false}));
        let at = b.status["lastSyncedAt"].as_u64().map(|at| at.cast_signed());
        assert_eq!(at, Some(1_700_000_000_000 + b.now.cast_signed() + clock));
    }
    b.send("late");
    assert_eq!(b.shown(), "7 8 9 (late sending)", "its place is no clock's");
}

#[test]
fn a_clock_that_jumps_shortens_no_backoff() {
    for clock in [-HOURS, HOURS] {
        let mut b = pushing();
        b.call(json!({"op": "sync"}));
        let busy = Error::from_status(429, "busy", Some(60_000));
        b.fail(busy, is_any_pull);
        b.clock = clock;
        b.notice(Notice::Notify {
            spread: 0,
            conversations: Vec::new(),
        });
        b.wait(59_000);
        assert!(!b.is_asked(is_any_pull), "clock {clock}");
        b.wait(1_000);
        assert!(b.is_asked(is_any_pull));
    }
}

#[test]
fn a_clock_that_leaps_ahead_may_have_been_a_sleep_and_makes_one_pull() {
    let mut b = Harness::signed_in(9);
    b.clock = HOURS;
    b.wait(1);
    assert_eq!(b.asked.len(), 1);
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.clock = -HOURS;
    b.wait(1);
    assert!(b.asked.is_empty(), "back is no sleep");
}
