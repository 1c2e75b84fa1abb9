//! Pulls that wait at the server.

use pullcord::core::net::Request;
use serde_json::json;

use super::{asked, empty, errors, wait_for};
use crate::harness::Harness;
use crate::support::{is_pull, is_waiting_pull, network, status};

fn long_polling() -> Harness {
    let mut b = Harness::with(
        json!({"notify": "long-poll", "fallbackPollInterval": 5_000, "pollInterval": 30_000, "requestTimeout": 15_000}),
    );
    b.sign_in(9);
    wait_for(&mut b, is_waiting_pull);
    b
}

fn wait_of(call: &Request) -> u64 {
    match call {
        Request::Pull { wait, .. } => u64::from(wait.unwrap_or(0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proxy_that_ends_every_long_poll_teaches_a_shorter_wait_and_is_no_outage() {
    for swallowed in [false, true] {
        let mut b = long_polling();
        let mut waited = Vec::new();
        for _ in 0..600 {
            assert_eq!(b.status["connection"], json!("online"));
            assert_eq!(b.status["caughtUp"], json!(true));
            if !b.is_asked(is_waiting_pull) {
                match b.is_asked(is_pull) {
                    true => _ = b.answer_pull(empty("2", false)),
                    false => b.wait(500),
                }
                continue;
            }
            let wait = wait_of(&asked(&b, is_waiting_pull));
            waited.push(wait);
            if wait < 10_000 {
                break;
            }
            if swallowed {
                b.wait(wait + 15_000);
                continue;
            }
            b.wait(10_000);
            b.fail(network(), is_waiting_pull);
        }
        assert!(
            waited.len() < 8 && waited.last() < Some(&10_000),
            "{waited:?}"
        );
        assert_eq!(errors(&b), 0);
    }
}

#[test]
fn a_server_that_ends_every_wait_at_once_is_asked_ever_less_often() {
    let mut b = long_polling();
    let mut waited = 0;
    for _ in 0..1_800 {
        if b.is_asked(is_waiting_pull) {
            waited += 1;
            b.fail(status(502), is_waiting_pull);
        } else if b.is_asked(is_pull) {
            b.answer_pull(empty("2", false));
        }
        assert_eq!(b.status["connection"], json!("online"));
        b.wait(500);
    }
    assert!(
        (4..15).contains(&waited),
        "{waited} in a quarter of an hour"
    );
}

#[test]
fn an_outage_while_a_pull_waits_is_found_out_by_the_next() {
    let mut b = long_polling();
    b.wait(5_000);
    b.fail(network(), is_waiting_pull);
    wait_for(&mut b, is_pull);
    b.fail(network(), is_pull);
    assert_eq!(b.status["connection"], json!("offline"));
}

/// Until a pull waits at the server: the plain one before it finds nothing.
fn waits_again(b: &mut Harness) {
    for _ in 0..400 {
        match (b.is_asked(is_waiting_pull), b.is_asked(is_pull)) {
            (true, _) => return,
            (_, true) => _ = b.answer_pull(empty("2", false)),
            _ => b.wait(500),
        }
    }
    panic!("no pull waits");
}

#[test]
fn a_server_that_does_not_wait_is_told_of_after_three_in_a_row() {
    let (nothing, refused, silent) = ("at once, with nothing", "refused at once", "had no answer");
    for how in [nothing, refused, silent] {
        let mut b = long_polling();
        for round in 1..=6 {
            waits_again(&mut b);
            let wait = wait_of(&asked(&b, is_waiting_pull));
            match how {
                _ if how == nothing => _ = b.answer_pull(empty("2", false)),
                _ if how == refused => b.fail(status(400), is_waiting_pull),
                _ => b.wait(wait + 15_000),
            }
            let told = b.warnings.iter().filter(|line| line.contains(how));
            assert_eq!(told.count(), usize::from(round >= 3), "{how} {round}");
        }
    }
}

#[test]
fn a_server_that_waits_and_a_proxy_that_ends_waits_early_are_not_told_of() {
    let mut b = long_polling();
    for round in 0..6 {
        waits_again(&mut b);
        b.wait(5_000);
        match round % 2 {
            0 => _ = b.answer_pull(empty("2", false)),
            _ => b.fail(network(), is_waiting_pull),
        }
    }
    assert!(b.warnings.is_empty(), "{:?}", b.warnings);
}
