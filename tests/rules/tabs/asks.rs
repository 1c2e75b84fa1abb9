//! What a follower asks the writer for: pages, edits, recalls, `sync`; and a writer that does not begin it.

use pullcord::core::net::Request;
use serde_json::{Value, json};

use super::{Tabs, is_page_before};
use crate::harness::version;
use crate::support::*;

#[test]
fn a_page_that_a_follower_lacks_the_writer_asks_for() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| b.load("older"));
    assert!(t.tabs[1].asked.is_empty());
    assert!(t.tabs[0].is_asked(is_page_before(7)));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert!(t.tabs[1].result(call).expect("it has come").is_ok());
    assert_eq!(t.shown(), ["7 8 9", "4 5 6 7 8 9"]);
    // What is held it reads by itself.
    let call = t.on(0, |b| b.load("older"));
    assert!(t.tabs[0].result(call).expect("it is held").is_ok());
    assert!(t.tabs[0].asked.is_empty());
}

#[test]
fn a_follower_that_is_behind_asks_for_what_is_stored_and_nothing_is_requested_again() {
    let mut t = Tabs::opened(3);
    t.deaf[2] = true;
    let call = t.on(1, |b| b.load("older"));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert!(t.tabs[1].result(call).expect("it has come").is_ok());
    t.deaf[2] = false;
    let call = t.on(2, |b| b.load("older"));
    assert!(t.tabs[0].asked.is_empty());
    assert!(t.tabs[2].result(call).expect("it is stored").is_ok());
    assert_eq!(t.shown()[2], "4 5 6 7 8 9");
}

#[test]
fn a_page_that_cannot_be_had_says_so_in_the_follower() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| b.load("older"));
    t.on(0, |b| {
        b.fail(forbidden(), |c| matches!(c, Request::History { .. }))
    });
    assert_eq!(t.tabs[1].result(call), Some(Err("forbidden".into())));
    assert_eq!(t.tabs[1].view()["error"]["code"], json!("forbidden"));
}

#[test]
fn a_follower_jumps() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| jump(b, json!({"around": "3"})));
    t.on(0, |b| b.answer_page(&[2, 3, 4], true, true));
    assert_eq!(t.tabs[1].result(call), Some(Ok(Value::Null)));
    assert_eq!(t.shown(), ["7 8 9", "2 3 4"]);
    let call = t.on(1, |b| jump(b, json!({"at": 1})));
    t.on(0, |b| b.answer_page(&[1, 2, 3], false, true));
    assert_eq!(t.tabs[1].result(call), Some(Ok(Value::Null)));
    assert!(t.shown()[1].starts_with("1 2 3"), "{:?}", t.shown());
}

#[test]
pub fn an_edit_of_what_nobody_holds_is_shown_where_it_was_made() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| b.overflow(json!("all"), json!([]), "50"));
    t.all_show("7~ 8~ 9~");
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m9", "clientId": "e", "body": "{\"text\":\"x\"}"});
    let call = t.on(1, |b| b.call(edit));
    t.on(0, |b| {
        let answer = json!({"message": version(9, 2)});
        b.reply(|c| matches!(c, Request::Edit { .. }), answer);
    });
    assert!(t.tabs[1].result(call).expect("done").is_ok());
    assert_eq!(t.shown()[1], "7~ 8~ 9'~");
}

#[test]
fn edits_recalls_and_sync_go_through_the_writer() {
    let mut t = Tabs::opened(2);
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "m9", "clientId": "e", "body": "{\"text\":\"x\"}"});
    let call = t.on(1, |b| b.call(edit));
    t.on(0, |b| {
        let answer = json!({"message": version(9, 2)});
        b.reply(|c| matches!(c, Request::Edit { .. }), answer);
    });
    let result = t.tabs[1].result(call).expect("done").expect("it is edited");
    assert_eq!(result["version"], json!(2));
    t.all_show("7 8 9'");
    let call = t.on(1, |b| b.call(json!({"op": "sync"})));
    assert_eq!(t.tabs[1].result(call), None);
    t.on(0, |b| {
        b.answer_pull(json!({"events": [], "cursor": "9", "hasMore": false}))
    });
    assert_eq!(t.tabs[1].result(call), Some(Ok(Value::Null)));
    let recall = json!({"op": "recall", "conversation": "c", "messageId": "m8"});
    let call = t.on(1, |b| b.call(recall));
    t.on(0, |b| {
        b.fail(forbidden(), |c| matches!(c, Request::Recall { .. }))
    });
    assert_eq!(t.tabs[1].result(call), Some(Err("forbidden".into())));
}

#[test]
fn a_writer_that_does_not_begin_what_it_is_asked_for_is_stuck() {
    let mut t = Tabs::opened(3);
    t.on(2, |b| {
        b.command(json!({"op": "visibility", "hidden": true}))
    });
    t.deaf[0] = true;
    t.on(1, |b| b.load("older"));
    t.on(2, |b| b.load("older"));
    t.wait(1_900);
    assert_eq!(t.tabs[1].stuck, 0);
    t.wait(200);
    assert_eq!((t.tabs[1].stuck, t.tabs[2].stuck), (1, 0), "a visible one");
    t.on(1, |b| b.call(json!({"op": "sync"})));
    t.wait(7_000);
    assert_eq!(t.tabs[1].stuck, 1, "once in 10 s");
    t.on(1, |b| b.call(json!({"op": "sync"})));
    t.wait(4_000);
    assert_eq!(t.tabs[1].stuck, 2);
}

#[test]
fn a_writer_of_which_a_visible_client_hears_nothing_is_stuck_though_it_asks_for_nothing() {
    let mut t = Tabs::opened(3);
    let looked_at = |t: &mut Tabs, tab: usize, is: bool| {
        t.on(tab, |b| {
            b.command(json!({"op": "visibility", "hidden": !is}))
        });
    };
    looked_at(&mut t, 2, false);
    t.deaf[0] = true;
    t.wait(13_000);
    assert_eq!((t.tabs[1].stuck, t.tabs[2].stuck), (1, 0), "a visible one");
    // Who comes to look at it does not wait for that long.
    looked_at(&mut t, 2, true);
    t.wait(1_900);
    assert_eq!(t.tabs[2].stuck, 0);
    t.wait(350);
    assert_eq!(t.tabs[2].stuck, 1);
}

#[test]
fn a_greeting_that_is_lost_is_said_again_soon() {
    let mut t = Tabs::opened(2);
    t.deaf[0] = true;
    t.add(json!({"promoted": false}));
    assert_eq!(t.tabs[2].status["writer"], json!(null));
    t.deaf[0] = false;
    t.wait(1_250);
    assert_eq!(t.tabs[2].status["writer"], json!("elsewhere"));
    t.wait(60_000);
    assert_eq!(t.tabs.iter().map(|tab| tab.stuck).sum::<u64>(), 0);
}

#[test]
fn a_writer_that_is_slow_and_at_it_is_not_stuck() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| b.load("older"));
    t.wait(9_000);
    assert_eq!((t.tabs[1].stuck, t.tabs[1].result(call)), (0, None));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert!(t.tabs[1].result(call).expect("it has come").is_ok());
}

#[test]
pub fn an_answer_or_a_question_that_is_lost_is_asked_for_again() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| b.load("older"));
    t.deaf[1] = true;
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    t.deaf[1] = false;
    t.wait(6_000);
    assert!(t.tabs[1].result(call).expect("it is said again").is_ok());
    assert_eq!(t.shown()[1], "4 5 6 7 8 9");
    t.deaf[0] = true;
    t.on(1, |b| b.load("older"));
    t.deaf[0] = false;
    t.wait(1_500);
    assert_eq!(t.tabs[1].stuck, 0);
    assert!(t.tabs[0].is_asked(is_page_before(4)));
}

#[test]
fn what_a_writer_lets_go_of_that_reads_what_is_stored_is_asked_again() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| b.load("older"));
    t.on(0, |b| {
        b.store_is_slow = true;
        b.send("a")
    });
    t.on(0, |b| {
        b.store_is_slow = false;
        b.doubt_commit(false);
    });
    t.wait(1_500);
    let (asked, result) = (&t.tabs[0].asked, t.tabs[1].result(call));
    assert!(
        t.tabs[0].is_asked(is_page_before(7)),
        "{asked:?} {result:?} {:?}",
        t.tabs[0].status
    );
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert!(t.tabs[1].result(call).expect("it has come").is_ok());
}
