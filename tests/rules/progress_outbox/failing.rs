//! A message that the server fails over holds up no other.

use pullcord::core::net::Notice;
use serde_json::json;

use super::{names, send_to, sending, silence};
use crate::harness::Harness;
use crate::support::{is_pull, is_send, opened, status};

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
