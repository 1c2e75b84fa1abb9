//! What a list asks for: not twice, not in a loop, and whoever waits for it is answered.

use pullcord::core::net::{Error, Place, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use crate::harness::Harness;
use crate::support::{is_history, jump, opened, set_online};

fn refused() -> Error {
    Error::from_status(403, "not allowed", None)
}

// ---------------------------------------------------------------- ahead

/// Answers pages of `3` below what they were asked for, until nothing is asked for any more.
fn serve(b: &mut Harness, ms: u64) -> usize {
    let mut pages = 0;
    for _ in 0..ms / 500 {
        b.wait(500);
        while let Some((_, Request::History { place, .. })) =
            b.asked.iter().find(|(_, call)| is_history(call)).cloned()
        {
            let Place::Before(Seq(x)) = place else {
                panic!("{place:?}")
            };
            b.answer_page(&[x - 3, x - 2, x - 1], true, true);
            pages += 1;
        }
    }
    pages
}

#[test]
fn what_is_fetched_ahead_is_not_thrown_away_and_fetched_again() {
    for most in [3, 4, 5, 6, 8, 12] {
        let mut b = Harness::with(json!({"maxMessages": most, "prefetch": true}));
        b.sign_in(99);
        b.open();
        b.answer_page(&[97, 98, 99], true, false);
        let quiet = serve(&mut b, 600_000);
        assert!(quiet <= 4, "{quiet} pages in ten quiet minutes with {most}");
        assert_eq!(b.shown(), "97 98 99");
    }
}

// ---------------------------------------------------------------- refused

#[test]
fn a_refused_history_is_asked_for_again_only_when_its_own_state_changed() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.fail(refused(), is_history);
    assert_eq!(b.view()["error"]["code"], json!("forbidden"));
    for n in 2..20 {
        let other =
            json!({"type": "conversation", "conversation": {"id": "d", "unread": n, "sort": n}});
        b.sync(json!([other]), &n.to_string());
        b.wait(60_000);
        assert!(!b.is_asked(is_history), "another conversation has changed");
    }
    set_online(&mut b, false);
    set_online(&mut b, true);
    b.answer_pull(json!({"events": [], "cursor": "20", "hasMore": false}));
    assert!(!b.is_asked(is_history), "it was no matter of the network");
    let mut pages = 0;
    for n in 21..321 {
        let own = json!({"type": "conversation", "conversation": {"id": "c", "unread": n}});
        b.sync(json!([own]), &n.to_string());
        b.wait(1_000);
        if b.is_asked(is_history) {
            pages += 1;
            b.fail(refused(), is_history);
        }
    }
    assert!((2..20).contains(&pages), "{pages} in five minutes");
}

#[test]
fn a_refused_load_is_not_asked_again_at_each_call() {
    let mut b = opened();
    let mut pages = 0;
    for _ in 0..60 {
        let call = b.load("older");
        if b.is_asked(is_history) {
            pages += 1;
            b.fail(refused(), is_history);
        }
        assert_eq!(b.result(call), Some(Err("forbidden".into())));
        b.wait(1_000);
    }
    assert!((2..20).contains(&pages), "{pages} in a minute");
    b.wait(600_000);
    let call = b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert!(matches!(b.result(call), Some(Ok(_))));
}

#[test]
fn what_a_list_could_not_ask_for_while_the_fence_was_asked_it_asks_for_then() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.failing.push_back(StoreError::Failed("no".into()));
    b.answer_page(&[7, 8, 9], true, false);
    assert!(!b.is_asked(is_history), "it is put off");
    b.command(json!({"op": "freeze"}));
    b.now += 5_000;
    b.reads_are_slow = true;
    b.command(json!({"op": "resume"}));
    assert!(!b.is_asked(is_history), "the fence is asked first");
    b.finish_reads();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
}

// ---------------------------------------------------------------- calls settle

#[test]
fn a_call_settles_while_a_window_waits_for_its_backoff() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.fail(Error::from_status(503, "busy", Some(300_000)), is_history);
    let load = b.load("older");
    assert_eq!(b.result(load), Some(Err("network".into())));
    let call = jump(&mut b, json!("latest"));
    assert_eq!(b.result(call), Some(Err("network".into())));
    assert!(!b.is_asked(is_history), "Retry-After is obeyed");
    b.wait(300_000);
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
}

#[test]
fn calls_settle_where_the_client_may_not_ask() {
    let mut b = Harness::with(json!({"promoted": false}));
    b.open();
    let load = b.load("older");
    let call = jump(&mut b, json!({"around": "5"}));
    b.wait(10_000);
    assert_eq!(b.result(load), Some(Err("aborted".into())), "by the jump");
    assert_eq!(b.result(call), Some(Err("timeout".into())), "nobody writes");
}

#[test]
fn calls_settle_where_the_store_is_silent() {
    let mut b = opened();
    b.store_is_slow = true;
    let load = b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.result(load), None, "its commit is under way");
    b.wait(10_000);
    assert!(matches!(b.result(load), Some(Err(_))));
    b.finish_commits();
    assert!(
        b.shown() == "7 8 9" || b.shown() == "4 5 6 7 8 9",
        "{}",
        b.shown()
    );
    b.store_is_slow = false;
    let load = b.load("older");
    assert!(matches!(b.result(load), Some(Ok(_))));
    assert_eq!(b.shown(), "4 5 6 7 8 9");
}

#[test]
fn a_load_in_a_list_that_opens_offline_with_an_own_message_settles() {
    let mut b = Harness::signed_in(9);
    set_online(&mut b, false);
    b.send("a");
    b.open();
    let loads = [b.load("older"), b.load("newer")];
    for load in loads {
        assert_eq!(b.result(load), Some(Err("offline".into())));
    }
    assert_eq!(b.shown(), "… (a queued)");
}

#[test]
fn a_list_that_is_let_go_takes_no_call_with_it() {
    let mut b = opened();
    let load = b.load("older");
    b.command(json!({"op": "release", "timeline": 1}));
    assert_eq!(b.result(load), Some(Err("aborted".into())));
    let load = b.load("older");
    assert_eq!(b.result(load), None, "who asks it uses it");
    while b.is_asked(is_history) {
        b.answer_page(&[4, 5, 6], true, true);
    }
    assert!(matches!(b.result(load), Some(Ok(_))));
    assert_eq!(b.shown(), "4 5 6 7 8 9");
    b.command(json!({"op": "release", "timeline": 1}));
    let call = jump(&mut b, json!("latest"));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
}
