//! Read marks.

use pullcord::core::net::Request;
use pullcord::core::types::Seq;
use serde_json::json;

use super::{names, send_to, sending};
use crate::harness::Harness;
use crate::support::{is_mark, is_pull, opened, status};

fn mark(b: &mut Harness, seq: u64) -> u64 {
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": seq.to_string()}))
}

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
