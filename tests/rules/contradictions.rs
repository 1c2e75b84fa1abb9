//! What a server says that cannot be, beside what it has said before: it counts as it came, and the app's log is told.
//! What a server that is right says is never told; the simulation looks for that as well.

use serde_json::{Value, json};

use super::harness::{Harness, after, message, new, state, update};
use super::support::{jump, message_at, opened};

/// Pulls that bring nothing, over longer than a server has to make its events.
fn caught_up(b: &mut Harness) {
    for cursor in ["c1", "c2", "c3"] {
        b.wait(6_000);
        b.sync(json!([]), cursor);
    }
}

/// "c" open, read to its start: 7 8 9.
fn read_whole() -> Harness {
    let mut b = Harness::signed_in(9);
    b.open();
    b.answer_page(&[7, 8, 9], false, false);
    assert_eq!(b.segments(), "|0 9]>");
    b
}

fn trim(before: u64) -> Value {
    json!({"type": "trim", "conversation": "c", "before": before})
}

fn last_message(seq: u64) -> Value {
    json!({"type": "conversation", "conversation":
        {"id": "c", "unread": 1, "lastSeq": seq, "sort": seq, "lastMessage": message(seq)}})
}

/// What was told, but for the reasons.
fn told(b: &Harness) -> Vec<&str> {
    let place = |line: &String| line.find(':').unwrap_or(0);
    b.unlikely.iter().map(|line| &line[..place(line)]).collect()
}

#[test]
fn a_message_that_is_known_of_and_never_comes_is_told() {
    // The start was none; the end was none; a page had a hole; there is no event of it.
    for (events, missing) in [
        (json!([update(4, 2)]), "message.seq 4"),
        (json!([after(11, 12), state(1, 12)]), "message.seq 11"),
        (json!([last_message(10)]), "message.seq 10"),
    ] {
        let mut b = read_whole();
        b.sync(events, "2");
        assert_eq!(b.unlikely, Vec::<String>::new());
        caught_up(&mut b);
        caught_up(&mut b);
        assert_eq!(told(&b), [missing]);
        assert!(b.unlikely[0].contains("hasBefore"), "{:?}", b.unlikely);
    }
}

#[test]
fn a_page_whose_end_is_below_the_newest_message_is_told() {
    let mut b = Harness::signed_in(9);
    b.sync(json!([last_message(10)]), "2");
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    caught_up(&mut b);
    caught_up(&mut b);
    assert_eq!(told(&b), ["message.seq 10"]);
}

#[test]
fn what_comes_late_or_is_gone_or_not_held_is_not_missed() {
    let said = || json!([update(4, 2), last_message(10)]);
    for then in [
        json!([new(4), after(9, 10)]),
        json!([trim(7), after(9, 10)]),
        json!([{"type": "removed", "conversation": "c"}]),
    ] {
        let mut b = read_whole();
        b.sync(said(), "2");
        b.wait(60_000);
        b.sync(then, "3");
        caught_up(&mut b);
        assert_eq!(b.unlikely, Vec::<String>::new());
    }
    let mut b = read_whole();
    b.sync(said(), "2");
    b.overflow(json!("all"), json!([]), "3");
    b.answer_page(&[7, 8, 9, 10], true, false);
    caught_up(&mut b);
    assert_eq!(b.unlikely, Vec::<String>::new());
    // Not held: it may be anywhere.
    let mut b = opened();
    b.sync(json!([update(4, 2)]), "2");
    caught_up(&mut b);
    assert_eq!(b.unlikely, Vec::<String>::new());
}

#[test]
fn a_delivered_message_that_makes_no_event_is_told() {
    let mut b = opened();
    b.send("a");
    b.finish_commits();
    b.accept(10);
    caught_up(&mut b);
    caught_up(&mut b);
    assert_eq!(told(&b), ["message.seq 10"]);
}

#[test]
fn a_read_mark_that_makes_no_event_is_told_and_one_that_does_is_not() {
    let read = |seq: u64| json!([{"type": "conversation", "conversation": {"id": "c", "unread": 0, "readSeq": seq}}]);
    // Read, and marked as unread elsewhere.
    for (event, missing) in [
        (json!([]), vec!["readSeq 9"]),
        (read(9), vec![]),
        (read(7), vec![]),
    ] {
        let mut b = opened();
        b.sync(read(5), "2");
        b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
        b.finish_commits();
        b.accept_mark();
        b.sync(event, "3");
        caught_up(&mut b);
        caught_up(&mut b);
        assert_eq!(told(&b), missing);
    }
    // A server that does not say how far was read.
    let mut b = opened();
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
    b.finish_commits();
    b.accept_mark();
    caught_up(&mut b);
    caught_up(&mut b);
    assert_eq!(b.unlikely, Vec::<String>::new());
}

#[test]
fn an_id_at_two_positions_is_told() {
    let mut b = opened();
    let mut again = new(10);
    again["message"]["id"] = json!("m8");
    b.sync(json!([again, state(1, 10)]), "2");
    assert_eq!(told(&b), ["message.id \"m8\""]);
    let mut moved = update(8, 2);
    moved["message"]["seq"] = json!(20);
    b.sync(json!([moved]), "3");
    assert_eq!(
        told(&b).len(),
        2,
        "an edit that gives its message another place"
    );
}

#[test]
fn what_comes_twice_has_one_position_and_what_came_before_an_overflow_may_have_had_another() {
    let mut b = opened();
    b.sync(
        json!([after(9, 10), after(9, 10), update(10, 2), state(1, 10)]),
        "2",
    );
    b.overflow(json!("all"), json!([]), "3");
    let mut other = message(11);
    other["id"] = json!("m10");
    b.answer_history(json!({"messages": [other], "hasBefore": true, "hasAfter": false}));
    assert_eq!(b.unlikely, Vec::<String>::new());
}

#[test]
fn a_prev_that_says_that_nothing_is_before_is_told_where_there_is() {
    let first = |seq: u64| json!({"type": "message", "message": message(seq), "prev": null});
    let mut b = opened();
    b.sync(json!([first(10), state(1, 10)]), "2");
    assert_eq!(told(&b), ["prev -"]);
    // Trimmed whole, or the same once more.
    let mut b = opened();
    b.sync(
        json!([trim(10), first(10), state(1, 10), first(10), first(4)]),
        "2",
    );
    assert_eq!(b.unlikely, Vec::<String>::new());
}

#[test]
fn a_prev_that_is_not_before_its_message_is_put_right() {
    let mut b = opened();
    b.sync(json!([after(10, 10), state(1, 10)]), "2");
    assert_eq!(b.shown(), "7 8 9 10");
    let odd: Vec<&Value> = b
        .events
        .iter()
        .filter(|e| e["type"] == "irregular")
        .collect();
    assert_eq!(odd.len(), 1);
    assert_eq!(odd[0]["detail"]["first"]["done"], json!("repaired"));
}

#[test]
fn a_page_that_does_not_have_in_its_middle_what_was_asked_for_is_told() {
    let page = |seqs: [u64; 4]| {
        let messages: Vec<Value> = seqs
            .iter()
            .map(|seq| message_at(*seq, 1_000_000 * seq))
            .collect();
        json!({"messages": messages, "hasBefore": true, "hasAfter": false})
    };
    for (to, seqs, lines) in [
        (json!({"around": "2"}), [3, 4, 5, 6], 1),
        (json!({"around": "3"}), [3, 4, 5, 6], 0),
        (json!({"at": 2_000_000}), [3, 4, 5, 6], 1),
        (json!({"at": 5_000_000}), [3, 4, 5, 6], 0),
    ] {
        let mut b = opened();
        jump(&mut b, to.clone());
        b.answer_history(page(seqs));
        assert_eq!(told(&b).len(), lines, "{to}");
    }
}
