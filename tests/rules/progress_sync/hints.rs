//! Hints: what the browser, a channel, a person or `Retry-After` says delays or speeds a try, and forbids none.

use pullcord::core::net::{Error, ErrorCode, Notice, RETRY_AFTER_MAX};
use serde_json::{Value, json};

use super::{empty, wait_for};
use crate::harness::Harness;
use crate::support::{is_pull, network, opened, status};

#[test]
pub fn a_channel_that_is_ready_though_no_pull_succeeds_is_no_storm() {
    let mut b = Harness::with(json!({"notify": "socket"}));
    b.sign_in(9);
    b.hint(false);
    let mut pulls = 0;
    for _ in 0..6_000 {
        if b.listens() {
            b.notice(Notice::Ready);
        }
        while b.is_asked(is_pull) {
            pulls += 1;
            assert!(pulls < 100, "{} ms have passed", b.now);
            b.fail(Error::new(ErrorCode::Network, "no answer"), is_pull);
        }
        b.wait(10);
    }
    assert!(pulls > 3, "{pulls}");
}

#[test]
fn hints_that_flap_make_a_pull_a_second_each_at_most_and_the_last_one_counts() {
    let mut b = Harness::signed_in(9);
    let mut pulls = 0;
    for n in 0..1_000 {
        b.hint(n % 2 == 1);
        let hidden = json!({"op": "visibility", "hidden": n % 2 == 0});
        b.command(hidden);
        while b.is_asked(is_pull) {
            pulls += 1;
            b.answer_pull(empty("2", false));
        }
        b.wait(10);
    }
    assert!((5..=45).contains(&pulls), "{pulls} in ten seconds");
}

#[test]
fn a_browser_that_says_offline_for_ever_is_not_believed() {
    let mut b = Harness::with(json!({"online": false, "notify": "socket"}));
    b.sign_in(9);
    assert_eq!(b.status["connection"], json!("online"));
    assert!(b.listens());
    b.notice(Notice::Ready);
    b.answer_pull(empty("2", false));
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    b.send("a");
    b.accept(10);
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.wait(60_000);
    assert_eq!(b.status["connection"], json!("online"));
}

#[test]
fn what_the_browser_says_while_all_goes_on_ends_nothing() {
    let mut b = Harness::with(json!({"notify": "socket"}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    b.answer_pull(empty("2", false));
    b.hint(false);
    assert_eq!(
        b.status["connection"],
        json!("online"),
        "nothing has failed"
    );
    assert!(b.listens());
    let call = b.call(json!({"op": "sync"}));
    while b.is_asked(is_pull) {
        b.answer_pull(empty("3", false));
    }
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    b.hint(true);
    assert!(b.listens(), "the channel has worked all the while");
}

#[test]
fn a_network_that_is_gone_is_found_out_by_the_first_try_and_tried_on() {
    let mut b = opened();
    b.command(json!({"op": "network", "online": false}));
    assert_eq!(b.status["connection"], json!("offline"));
    let load = b.load("older");
    assert_eq!(b.result(load), Some(Err("offline".into())), "at once");
    let mut tries = 0;
    for _ in 0..600 {
        while b.is_asked(is_pull) {
            tries += 1;
            b.fail(network(), is_pull);
        }
        b.wait(1_000);
    }
    assert!((8..60).contains(&tries), "{tries} tries in ten minutes");
    wait_for(&mut b, is_pull);
    b.answer_pull(empty("2", false));
    assert_eq!(
        b.status["connection"],
        json!("online"),
        "whatever the browser says"
    );
}

#[test]
fn a_retry_after_beyond_all_numbers_is_ten_minutes() {
    for after in [86_400_000, 1 << 53, u64::MAX - 5, u64::MAX] {
        let mut b = opened();
        b.call(json!({"op": "sync"}));
        b.fail(Error::from_status(503, "busy", Some(after)), is_pull);
        let mut pulls = 0;
        for _ in 0..RETRY_AFTER_MAX / 1_000 - 1 {
            b.wait(1_000);
            pulls += usize::from(b.is_asked(is_pull));
        }
        assert_eq!(pulls, 0, "{after}");
        b.wait(2_000);
        assert!(b.is_asked(is_pull), "{after}");
    }
}

#[test]
fn a_person_goes_before_a_retry_after_once_a_second() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.fail(Error::from_status(503, "busy", Some(300_000)), is_pull);
    let mut pulls = 0;
    for _ in 0..100 {
        let call = b.call(json!({"op": "sync"}));
        if b.is_asked(is_pull) {
            pulls += 1;
            b.fail(Error::from_status(503, "busy", Some(300_000)), is_pull);
            assert_eq!(b.result(call), Some(Err("network".into())));
        }
        b.wait(100);
    }
    assert!((8..=11).contains(&pulls), "{pulls} in ten seconds");
    b.wait(1_000);
    let call = b.call(json!({"op": "sync"}));
    while b.is_asked(is_pull) {
        b.answer_pull(empty("2", false));
    }
    assert_eq!(b.result(call), Some(Ok(json!(null))));
}

/// Pulls that have failed for so long that the next is far away.
fn backed_off() -> Harness {
    let mut b = Harness::with(json!({"notify": "socket"}));
    b.sign_in(9);
    b.call(json!({"op": "sync"}));
    for _ in 0..300 {
        if b.is_asked(is_pull) {
            b.fail(status(500), is_pull);
        }
        b.wait(1_000);
    }
    while b.is_asked(is_pull) {
        b.fail(status(500), is_pull);
    }
    b
}

#[test]
fn what_the_client_chose_to_wait_is_ended_by_the_channel_the_page_and_the_network() {
    let mut b = backed_off();
    b.notice(Notice::Ready);
    assert!(b.is_asked(is_pull), "the channel is ready");
    let mut b = backed_off();
    b.command(json!({"op": "visibility", "hidden": true}));
    b.command(json!({"op": "visibility", "hidden": false}));
    b.wait(1_000);
    assert!(b.is_asked(is_pull), "the page is in front");
    let mut b = backed_off();
    b.call(json!({"op": "sync"}));
    assert!(b.is_asked(is_pull), "the user asks");
    let mut b = backed_off();
    b.hint(false);
    assert!(!b.is_asked(is_pull));
    b.hint(true);
    b.wait(1_000);
    assert!(b.is_asked(is_pull), "online");
}

#[test]
fn a_token_that_was_refused_is_asked_for_again_when_the_page_or_the_network_comes_back() {
    let back: [&[Value]; 3] = [
        &[
            json!({"op": "visibility", "hidden": true}),
            json!({"op": "visibility", "hidden": false}),
        ],
        &[json!({"op": "freeze"}), json!({"op": "resume"})],
        &[json!({"op": "sync", "call": 99})],
    ];
    for commands in back {
        let mut b = opened();
        b.call(json!({"op": "sync"}));
        b.fail(status(401), is_pull);
        assert_eq!(b.status["connection"], json!("needs-auth"));
        for command in commands {
            b.command(command.clone());
        }
        b.wait(1_000);
        assert!(b.is_asked(is_pull), "{commands:?}");
        b.answer_pull(empty("2", false));
        assert_eq!(b.status["connection"], json!("online"));
    }
}

#[test]
fn clients_whose_channels_close_at_once_do_not_come_back_at_once() {
    let (mut listens, mut pulls) = (Vec::new(), Vec::new());
    for client in 0..40 {
        let mut b = Harness::with(
            json!({"notify": "socket", "pollInterval": 30_000, "fallbackPollInterval": 5_000, "seed": client}),
        );
        b.sign_in(9);
        b.notice(Notice::Ready);
        b.answer_pull(empty("2", false));
        // Long past for a timer that began at the last pull.
        b.wait(20_000);
        let before = b.listened;
        b.notice(Notice::Leaving(network()));
        assert!(!b.is_asked(is_pull), "not in the millisecond of the close");
        let mut ms = 0;
        let (mut listen, mut pull) = (None, None);
        while ms < 12_000 {
            b.wait(50);
            ms += 50;
            listen = listen.or((b.listened > before).then_some(ms));
            pull = pull.or(b.is_asked(is_pull).then_some(ms));
        }
        listens.push(listen.expect("it comes back"));
        pulls.push(pull.expect("the timer comes"));
    }
    for times in [&mut listens, &mut pulls] {
        times.sort();
        assert!(
            times[36] - times[3] > 2_500,
            "spread over seconds: {times:?}"
        );
    }
    assert!(pulls[0] >= 5_000);
}
