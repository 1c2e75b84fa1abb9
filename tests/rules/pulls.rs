//! R14: what makes a pull.

use pullcord::core::net::{Error, Notice};
use pullcord::core::storage::StoreError;
use serde_json::json;

use super::harness::{Harness, after};
use super::support::{is_pull, opened};

#[test]
fn who_asks_during_a_pull_makes_exactly_one_more() {
    let mut b = Harness::with(json!({"notify": "socket"}));
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
    let mut b = Harness::with(json!({"notify": "socket"}));
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
    let mut b = Harness::with(json!({"notify": "socket"}));
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
    b.failing.extend([
        StoreError::Failed("no".into()),
        StoreError::Failed("no".into()),
    ]);
    b.is_evicted();
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

#[test]
fn a_batch_that_is_not_behind_its_own_cursor_is_told_and_one_that_says_nothing_new_is_not() {
    let mut b = opened();
    b.sync(json!([]), "2");
    b.sync(json!([]), "2");
    b.sync(json!([{"type": "of another version"}]), "2");
    b.sync(json!([after(9, 10)]), "3");
    assert_eq!(b.warnings, Vec::<String>::new());
    b.sync(json!([after(9, 10)]), "3");
    let told = std::mem::take(&mut b.warnings);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("pull: events came with the cursor that was asked with: "));
    b.overflow(json!("all"), json!([]), "3");
    assert_eq!(b.warnings, told);
}

#[test]
fn overflows_at_each_pull_are_told_at_the_third_and_the_first_sign_in_is_none() {
    let mut b = opened();
    b.overflow(json!("all"), json!([]), "2");
    b.overflow(json!(["c"]), json!([]), "3");
    assert_eq!(b.warnings, Vec::<String>::new());
    b.overflow(json!(["c"]), json!([]), "4");
    b.overflow(json!(["c"]), json!([]), "5");
    assert_eq!(b.warnings.len(), 1, "{:?}", b.warnings);
    assert!(b.warnings[0].starts_with("pull(\"c\"): 3 pulls in a row brought an overflow: "));
}
