//! Own messages and read marks: nothing stops them, and they stop nothing (docs/rules.md, R8 and R14).

use pullcord::core::net::{Error, ErrorCode, Notice, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::types::Seq;
use serde_json::json;

use super::harness::{Harness, after, message, new, state, version};
use super::support::{is_mark, is_pull, is_send, network, opened};

fn status(status: u16) -> Error {
    Error::from_status(status, "no", None)
}

fn silence() -> Error {
    Error::new(ErrorCode::Timeout, "no answer")
}

fn names(client_id: &str) -> impl Fn(&Request) -> bool {
    move |call| matches!(call, Request::Send { client_id: id, .. } if id == client_id)
}

impl Harness {
    /// Numbers of the requests under way that are such.
    fn requests(&self, which: impl Fn(&Request) -> bool) -> Vec<u64> {
        let asked = self.asked.iter().filter(|(_, call)| which(call));
        asked.map(|(request, _)| *request).collect()
    }
}

/// What is being sent, by `clientId`.
fn sending(b: &Harness) -> Vec<&str> {
    let named = |(_, call): &'_ (u64, Request)| matches!(call, Request::Send { .. });
    let sends = b.asked.iter().filter(|asked| named(asked));
    sends
        .map(|(_, call)| match call {
            Request::Send { client_id, .. } => &**client_id,
            _ => unreachable!("it is a send"),
        })
        .collect()
}

fn send_to(b: &mut Harness, conversation: &str, client_id: &str) -> u64 {
    let body = json!({"text": client_id}).to_string();
    b.call(json!({"op": "send", "conversation": conversation, "body": body, "clientId": client_id}))
}

fn discard(b: &mut Harness, client_id: &str) -> Option<Result<serde_json::Value, String>> {
    let call = b.call(json!({"op": "discard", "clientId": client_id}));
    b.result(call)
}

fn mark(b: &mut Harness, seq: u64) -> u64 {
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": seq.to_string()}))
}

/// The own echo of `clientId` at `seq`, after `prev`.
fn echo(client_id: &str, prev: u64, seq: u64) -> serde_json::Value {
    let mut own = message(seq);
    own["clientId"] = json!(client_id);
    json!({"type": "message", "message": own, "prev": prev})
}

/// What the app is told of new messages.
fn news(b: &Harness) -> usize {
    let news = b.events.iter().filter(|e| e["type"] == json!("messages"));
    news.count()
}

/// The server fails over `poison` each time, and answers the rest by `takes`, for that many minutes.
fn minutes(b: &mut Harness, minutes: u64, poison: &str, takes: bool) -> Vec<String> {
    let mut taken = Vec::new();
    let mut seq = 100;
    for _ in 0..minutes * 60 {
        for _ in 0..20 {
            if b.is_asked(names(poison)) {
                b.fail(status(500), names(poison));
            } else if b.is_asked(is_send) && takes {
                taken.push(sending(b)[0].to_owned());
                seq += 1;
                b.accept(seq);
            } else if b.is_asked(is_send) {
                b.fail(status(503), is_send);
            } else if b.is_asked(is_pull) {
                b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
            }
        }
        b.wait(1_000);
    }
    taken
}

// ---------------------------------------------------------------- a message that the server fails over

#[test]
pub fn a_message_that_the_server_fails_over_lets_the_next_one_go() {
    let mut b = opened();
    for text in ["poison", "b", "c"] {
        b.send(text);
    }
    let taken = minutes(&mut b, 2, "poison", true);
    assert_eq!(taken, ["b", "c"]);
    assert_eq!(b.outbox.len(), 1);
    let failed = &b.outbox[0];
    assert_eq!(
        (&failed["state"], &failed["attempts"]),
        (&json!("failed"), &json!(5))
    );
    assert_eq!(failed["error"]["status"], json!(500));
    let retry = b.call(json!({"op": "retry", "clientId": "poison"}));
    assert_eq!(b.result(retry), Some(Ok(json!(null))));
    assert_eq!(sending(&b), ["poison"]);
}

#[test]
fn it_fails_where_the_server_takes_another_conversations_message() {
    let mut b = opened();
    b.send("poison");
    b.fail(status(500), names("poison"));
    send_to(&mut b, "d", "b");
    let taken = minutes(&mut b, 3, "poison", true);
    assert_eq!(taken, ["b"]);
    assert_eq!(
        (&b.outbox[0]["state"], &b.outbox[0]["attempts"]),
        (&json!("failed"), &json!(5))
    );
}

#[test]
fn it_fails_across_reloads() {
    let mut b = opened();
    b.send("poison");
    for tries in 1..=5 {
        b.fail(status(500), names("poison"));
        b = b.restart();
        if tries < 5 {
            assert_eq!(b.outbox[0]["attempts"], json!(tries + 1), "being tried");
            assert_eq!(b.outbox[0]["error"]["status"], json!(500));
        }
        if tries == 2 {
            send_to(&mut b, "d", "b");
            b.reply(
                names("b"),
                json!({"message": {"id": "b1", "conversation": "d", "seq": 1, "sender": "ada",
                "createdAt": 1, "version": 1, "state": "normal", "body": {}, "clientId": "b"}}),
            );
        }
    }
    assert_eq!(b.outbox[0]["state"], json!("failed"));
    assert!(!b.is_asked(is_send));
}

#[test]
fn where_the_server_takes_none_all_wait_in_order() {
    let mut b = opened();
    for text in ["a", "b", "c"] {
        b.send(text);
    }
    send_to(&mut b, "d", "other");
    assert!(minutes(&mut b, 30, "a", false).is_empty());
    let states: Vec<_> = b.outbox.iter().map(|l| l["state"].clone()).collect();
    assert_eq!(states, ["queued"; 4]);
    assert_eq!(
        b.outbox[0]["error"]["status"],
        json!(500),
        "why it is still on its way"
    );
    // It is back.
    let taken = minutes(&mut b, 3, "nothing", true);
    let taken: Vec<_> = taken.iter().filter(|id| *id != "other").collect();
    assert_eq!(taken, ["a", "b", "c"]);
    assert!(b.outbox.is_empty());
}

#[test]
fn two_that_the_server_fails_over_let_the_third_go() {
    let mut b = opened();
    for text in ["poison", "worse", "c"] {
        b.send(text);
    }
    let mut taken = false;
    for _ in 0..900 {
        for bad in ["poison", "worse"] {
            if b.is_asked(names(bad)) {
                b.fail(status(500), names(bad));
            }
        }
        if b.is_asked(names("c")) {
            b.accept(20);
            taken = true;
        }
        b.wait(1_000);
    }
    assert!(taken);
    let states: Vec<_> = b.outbox.iter().map(|l| l["state"].clone()).collect();
    assert_eq!(states, ["failed"; 2]);
}

#[test]
fn silence_never_makes_it_fail_and_is_waited_for_longer_each_time() {
    let mut b = Harness::with(json!({"requestTimeout": 10_000}));
    b.sign_in(9);
    b.send("a");
    send_to(&mut b, "d", "b");
    b.reply(
        names("b"),
        json!({"message": {"id": "b1", "conversation": "d", "seq": 1, "sender": "ada",
        "createdAt": 1, "version": 1, "state": "normal", "body": {}, "clientId": "b"}}),
    );
    let mut waits = Vec::new();
    let mut since = None;
    for _ in 0..3_600 {
        let asked = b.is_asked(names("a"));
        match since {
            None if asked => since = Some(b.now),
            Some(at) if !asked => {
                waits.push(b.now - at - 1_000);
                since = None;
            }
            _ => {}
        }
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        }
        b.wait(1_000);
    }
    assert_eq!(&waits[..5], [10_000, 20_000, 40_000, 80_000, 160_000]);
    assert!(waits.iter().all(|wait| *wait <= 240_000), "{waits:?}");
    assert_eq!(b.outbox[0]["error"]["code"], json!("timeout"));
    assert_ne!(b.outbox[0]["state"], json!("failed"));
}

#[test]
fn what_the_network_has_lost_is_sent_again_when_somebody_comes_back() {
    let mut b = Harness::with(json!({"requestTimeout": 10_000, "notify": "socket"}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    send_to(&mut b, "d", "a");
    let mut silences = 0;
    while silences < 4 {
        b.wait(1_000);
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        }
        if b.is_asked(names("a")) {
            b.fail(silence(), names("a"));
            silences += 1;
        }
    }
    while !b.is_asked(names("a")) {
        b.wait(1_000);
    }
    let before = b.requests(names("a"));
    // It may take 160 s now, but for somebody who comes back.
    (0..30).for_each(|_| b.wait(1_000));
    assert_eq!(b.requests(names("a")), before);
    let comes_back = |b: &mut Harness| {
        b.command(json!({"op": "visibility", "hidden": true}));
        b.command(json!({"op": "visibility", "hidden": false}));
    };
    comes_back(&mut b);
    b.wait(1_000);
    let anew = b.requests(names("a"));
    assert!(anew.len() == 1 && anew != before);
    // That has not had the usual time yet: it has that, and no more.
    comes_back(&mut b);
    assert_eq!(b.requests(names("a")), anew);
    (0..11).for_each(|_| b.wait(1_000));
    assert_ne!(b.requests(names("a")), anew);
}

// ---------------------------------------------------------------- discard

#[test]
fn discard_works_also_of_one_on_its_way() {
    let mut b = opened();
    b.command(json!({"op": "listening", "events": ["messages"]}));
    b.send("a");
    b.send("b");
    let (request, _) = b.asked[0].clone();
    assert_eq!(discard(&mut b, "a"), Some(Ok(json!(true))));
    assert_eq!(b.aborted, [request]);
    assert_eq!(b.shown(), "7 8 9 (b sending)", "the next one's turn");
    assert_eq!(
        discard(&mut b, "a"),
        Some(Ok(json!(false))),
        "there is none"
    );
    b.accept(11);
    // It was delivered after all.
    b.sync(json!([echo("a", 9, 10), echo("b", 10, 11)]), "2");
    assert_eq!((b.shown().as_str(), news(&b)), ("7 8 9 10 11", 0));
    // Also where that is heard of after a reload, as a repetition.
    let mut b = b.restart();
    b.command(json!({"op": "listening", "events": ["messages"]}));
    b.answer_pull(json!({"events": [], "cursor": "3", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "lastSeq": 9, "sort": 1}], "next": null}));
    b.sync(json!([echo("a", 9, 10), echo("b", 10, 11)]), "4");
    assert_eq!(news(&b), 0);
    let call = b.send("a");
    assert!(matches!(b.result(call), Some(Ok(_))));
    assert!(b.outbox.is_empty() && !b.is_asked(is_send));
}

#[test]
fn a_discarded_message_is_not_delivered_by_a_try_that_was_under_way() {
    let mut b = opened();
    b.store_is_slow = true;
    b.send("a");
    // Stored; then its try is counted, while it is discarded.
    assert!(b.finish_commit());
    let call = b.call(json!({"op": "discard", "clientId": "a"}));
    b.finish_commits();
    assert_eq!(b.result(call), Some(Ok(json!(true))));
    assert!(!b.is_asked(is_send));
    let mut b = b.restart();
    b.wait(600_000);
    assert!(!b.is_asked(is_send) && b.outbox.is_empty());
}

#[test]
fn an_answer_that_comes_as_it_is_discarded_brings_nothing_back() {
    let mut b = opened();
    b.send("a");
    b.store_is_slow = true;
    let call = b.call(json!({"op": "discard", "clientId": "a"}));
    b.accept(10);
    b.finish_commits();
    assert_eq!((b.result(call), b.outbox.len()), (Some(Ok(json!(true))), 0));
    b.send("b");
    b.finish_commits();
    assert_eq!(sending(&b), ["b"]);
}

// ---------------------------------------------------------------- order

#[test]
fn what_is_tried_again_comes_after_what_was_delivered_meanwhile() {
    let mut b = opened();
    for text in ["a", "b", "x"] {
        b.send(text);
    }
    b.fail(status(422), names("a"));
    b.accept(10);
    b.sync(json!([echo("b", 9, 10)]), "2");
    b.call(json!({"op": "retry", "clientId": "a"}));
    assert_eq!(b.shown(), "7 8 9 10 (a queued) (x sending)");
    b.accept(11);
    b.fail(status(422), names("a"));
    b.sync(json!([echo("x", 10, 11)]), "3");
    assert_eq!(b.shown(), "7 8 9 (a failed) 10 11", "as it was written");
}

#[test]
fn a_retry_goes_out_at_once_also_during_a_retry_after_once_a_second() {
    let mut b = opened();
    b.send("a");
    let wait = || Error::from_status(503, "later", Some(600_000));
    let mut left = 0;
    b.fail(wait(), is_send);
    for _ in 0..30 {
        b.call(json!({"op": "retry", "clientId": "a"}));
        if b.is_asked(is_send) {
            left += 1;
            b.fail(wait(), is_send);
        }
        b.wait(100);
    }
    assert!((3..=4).contains(&left), "{left} tries in 3 s");
    b.wait(2_000);
    if b.is_asked(is_send) {
        b.fail(wait(), is_send);
    }
    b.wait(60_000);
    assert!(!b.is_asked(is_send), "the server's word stands otherwise");
}

#[test]
fn an_answer_is_of_the_message_that_it_was_asked_for() {
    let mut b = opened();
    b.send("a");
    b.fail(network(), is_send);
    // Another client sends what waits here, and its user writes on.
    let mut other = Harness::with(json!({}));
    other.store = b.store.clone();
    let mut other = other.restart();
    other.accept(10);
    other.answer_pull(json!({"events": [echo("a", 9, 10)], "cursor": "2", "hasMore": false}));
    assert!(other.outbox.is_empty());
    other.send("b");
    let mut other = other.restart();
    assert_eq!(sending(&other), ["b"]);
    other.accept(11);
    assert_eq!(other.outbox.len(), 0);
}

// ---------------------------------------------------------------- answers that say nothing

#[test]
fn an_answer_that_says_success_and_cannot_be_read_is_sent() {
    let mut b = opened();
    b.send("a");
    b.send("b");
    b.reply(names("a"), json!({"message": {"id": 7}}));
    assert_eq!(b.shown(), "7 8 9 (a sent) (b sending)");
    assert_eq!(b.outbox.len(), 1, "it is delivered");
    let shown = b.items[&1].iter().find(|i| i["clientId"] == json!("a"));
    assert_eq!(shown.expect("it is shown")["message"], json!(null));
    b.accept(11);
    b.sync(json!([echo("a", 9, 10), echo("b", 10, 11)]), "2");
    assert_eq!(b.shown(), "7 8 9 10 11");
}

#[test]
fn what_the_sync_has_passed_and_the_server_says_no_more_of_is_left_to_history() {
    for (error, times) in [(status(403), 1), (status(500), 5)] {
        let mut b = opened();
        b.send("a");
        b.reply(is_send, json!({"message": {"id": 7}}));
        b.overflow(json!(["c"]), json!([state(0, 10), new(10)]), "2");
        for _ in 0..times {
            b.wait(60_000);
            assert!(b.shown().contains("(a sent)"), "{}", b.shown());
            b.fail(error.clone(), is_send);
        }
        assert!(!b.shown().contains('('), "{}", b.shown());
        b.wait(60_000);
        assert!(!b.is_asked(is_send));
    }
}

#[test]
fn what_the_sync_has_passed_and_the_server_says_what_cannot_be_read_of_is_left_to_history() {
    let mut b = opened();
    b.send("a");
    b.reply(is_send, json!({"message": {"id": 7}}));
    b.overflow(json!(["c"]), json!([state(0, 10), new(10)]), "2");
    for _ in 0..5 {
        b.wait(60_000);
        assert!(b.shown().contains("(a sent)"), "{}", b.shown());
        b.reply(is_send, json!({"message": {"id": 7}}));
    }
    assert!(!b.shown().contains('('), "{}", b.shown());
    b.wait(60_000);
    assert!(!b.is_asked(is_send));
}

#[test]
fn what_the_sync_has_passed_between_two_tries_is_asked_for_once_more() {
    let mut b = opened();
    b.send("a");
    // The server has it at 10, and the answer is lost; the overflow passes it.
    b.fail(network(), is_send);
    b.overflow(json!(["c"]), json!([state(0, 11), new(11)]), "2");
    b.wait(60_000);
    b.reply(is_send, json!({"message": {"id": 7}}));
    b.wait(60_000);
    assert!(b.shown().contains("(a sent)"), "{}", b.shown());
    b.accept(10);
    b.wait(60_000);
    assert!(!b.is_asked(is_send), "it has said what it is");
    b.answer_page(&[9], true, true);
    assert!(b.shown().contains("9"), "{}", b.shown());
}

#[test]
fn a_web_page_for_an_answer_is_no_answer() {
    let mut b = opened();
    b.send("a");
    let (request, _) = b.asked.pop_back().expect("it is asked for");
    b.input(pullcord::core::Input::Answer {
        request,
        result: Ok("\u{feff} <!doctype html><html>sign in</html>".into()),
    });
    assert_eq!(b.shown(), "7 8 9 (a queued)");
    assert_eq!(b.outbox[0]["error"]["code"], json!("network"));
    b.wait(120_000);
    assert!(b.is_asked(is_send));
}

#[test]
fn what_is_refused_is_final_and_holds_up_nothing() {
    for refusal in [400, 402, 403, 404, 409, 410, 413, 422, 451] {
        let mut b = opened();
        b.send("a");
        b.send("b");
        b.fail(status(refusal), names("a"));
        assert_eq!(
            (sending(&b), &b.outbox[0]["state"]),
            (vec!["b"], &json!("failed")),
            "{refusal}"
        );
    }
    for later in [408, 429] {
        let mut b = opened();
        b.send("a");
        b.fail(status(later), names("a"));
        assert_eq!(b.outbox[0]["state"], json!("queued"), "{later}");
    }
}

// ---------------------------------------------------------------- edits and recalls

#[test]
fn an_edit_says_whether_it_may_have_been_done_all_the_same() {
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"});
    let is_edit = |call: &Request| matches!(call, Request::Edit { .. });
    for (error, uncertain) in [
        (network(), true),
        (silence(), true),
        (status(502), true),
        (status(408), true),
        (status(429), false),
        (status(403), false),
        (status(409), false),
    ] {
        let mut b = opened();
        let call = b.call(edit.clone());
        b.fail(error.clone(), is_edit);
        assert_eq!(b.uncertain(call), uncertain, "{error}");
    }
    // Answered, and not to be read.
    let mut b = opened();
    let call = b.call(edit.clone());
    b.reply(is_edit, json!({"message": 1}));
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("protocol".into())), true)
    );
    // Never answered.
    let mut b = Harness::with(json!({"requestTimeout": 10_000}));
    b.sign_in(9);
    let call = b.call(edit.clone());
    b.wait(10_000);
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("timeout".into())), true)
    );
    // The client is closed under it.
    let mut b = opened();
    let call = b.call(edit.clone());
    b.command(json!({"op": "close"}));
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("closed".into())), true)
    );
    // It was done, and cannot be stored.
    let mut b = opened();
    let call = b.call(edit);
    b.failing.push_back(StoreError::Failed("no".into()));
    b.reply(is_edit, json!({"message": version(8, 2)}));
    assert_eq!(
        (b.result(call), b.uncertain(call)),
        (Some(Err("storage".into())), true)
    );
}

#[test]
pub fn an_edit_of_a_client_that_may_have_slept_waits_for_its_fence() {
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"});
    let is_edit = |call: &Request| matches!(call, Request::Edit { .. });
    let mut b = opened();
    b.command(json!({"op": "freeze"}));
    let call = b.call(edit);
    assert!(!b.is_asked(is_edit) && b.result(call).is_none());
    b.command(json!({"op": "resume"}));
    assert!(b.is_asked(is_edit));
    b.reply(is_edit, json!({"message": version(8, 2)}));
    assert!(matches!(b.result(call), Some(Ok(_))));
}

// ---------------------------------------------------------------- read marks

#[test]
fn a_thousand_read_marks_leave_a_few_at_a_time() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    for i in 0..1_000 {
        b.call(json!({"op": "mark-read", "conversation": format!("c{i}"), "seq": "9"}));
        send_to(&mut b, &format!("c{i}"), &format!("m{i}"));
    }
    b.command(json!({"op": "network", "online": true}));
    b.wait(1_000);
    let marks = |b: &Harness| b.asked.iter().filter(|(_, call)| is_mark(call)).count();
    assert!(b.is_asked(is_pull));
    assert!((1..=3).contains(&marks(&b)), "{} marks", marks(&b));
    assert!(
        (1..=3).contains(&sending(&b).len()),
        "{} sends",
        sending(&b).len()
    );
    let mut left = 0;
    while b.is_asked(is_mark) {
        b.accept_mark();
        left += 1;
    }
    assert_eq!(left, 1_000);
}

#[test]
fn what_has_failed_takes_no_ones_place() {
    let mut b = Harness::with(json!({"requestTimeout": 60_000}));
    b.sign_in(9);
    for i in 0..10 {
        send_to(&mut b, &format!("silent{i}"), &format!("silent{i}"));
    }
    // The first ones are never answered; then others are written.
    let mut written = 0;
    let mut taken = 0;
    for _ in 0..1_200 {
        b.wait(1_000);
        if written < 100 && b.now > 200_000 {
            written += 1;
            send_to(&mut b, &format!("d{written}"), &format!("d{written}"));
        }
        let good = sending(&b)
            .into_iter()
            .find(|id| id.starts_with('d'))
            .map(str::to_owned);
        if let Some(id) = good {
            taken += 1;
            b.reply(
                names(&id),
                json!({"message": {"id": id, "conversation": id, "seq": 1, "sender": "ada",
                "createdAt": 1, "version": 1, "state": "normal", "body": {}, "clientId": id}}),
            );
        }
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        }
    }
    assert_eq!(taken, 100);
}

#[test]
fn what_was_marked_unread_elsewhere_can_be_read_again() {
    let read = |seq: u64| json!([{"type": "conversation", "conversation": {"id": "c", "readSeq": seq, "unread": 1}}]);
    // The server's state has said that it was read, or not; in one batch with the going back, or not.
    for states in [
        vec![read(9), read(5)],
        vec![read(5)],
        vec![json!([read(9)[0], read(5)[0]])],
    ] {
        let mut b = opened();
        mark(&mut b, 9);
        b.accept_mark();
        for (i, events) in states.into_iter().enumerate() {
            b.sync(events, &format!("s{i}"));
        }
        mark(&mut b, 9);
        b.accept_mark();
    }
}

#[test]
fn a_list_of_which_nothing_is_left_can_be_marked_read() {
    let mut b = opened();
    b.sync(
        json!([{"type": "trim", "conversation": "c", "before": 10},
            {"type": "conversation", "conversation": {"id": "c", "unread": 3}}]),
        "2",
    );
    assert_eq!(b.shown(), "");
    let call = b.call(json!({"op": "mark-read", "conversation": "c", "timeline": 1}));
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    let told = b.reply(is_mark, json!(null));
    assert!(matches!(told, Request::MarkRead { seq: Seq(9), .. }));
}

#[test]
fn a_list_of_which_nothing_is_known_yet_marks_nothing() {
    let mut b = Harness::signed_in(9);
    b.open();
    let call = b.call(json!({"op": "mark-read", "conversation": "c", "timeline": 1}));
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    assert!(!b.is_asked(is_mark));
}

#[test]
fn a_mark_that_is_refused_ends() {
    for refusal in [403, 404, 413, 422] {
        let mut b = opened();
        mark(&mut b, 9);
        b.fail(status(refusal), is_mark);
        b.wait(600_000);
        assert!(!b.is_asked(is_mark), "{refusal}");
        let mut b = b.restart();
        b.wait(600_000);
        assert!(!b.is_asked(is_mark), "{refusal}, after a reload");
    }
}

// ---------------------------------------------------------------- the store

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
