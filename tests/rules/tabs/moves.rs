//! Another client becomes the writer.

use pullcord::core::net::{Error, ErrorCode, Request};
use pullcord::core::{Input, storage::StoreError};
use serde_json::{Value, json};

use super::{Tabs, is_page_before, with_room_for_six};
use crate::harness::{after, new, update, version};
use crate::support::*;

#[test]
pub fn at_a_move_nothing_flickers_and_what_was_asked_is_done() {
    let mut t = Tabs::opened(2);
    let before = t.tabs[1].status.clone();
    let (keys, anchor) = (t.tabs[1].keys(), t.tabs[1].view()["anchor"].clone());
    let load = t.on(1, |b| b.load("older"));
    let sync = t.on(1, |b| b.call(json!({"op": "sync"})));
    let sent = t.on(1, |b| b.send("a"));
    // The writer's tab is closed before it has done any of it.
    t.tabs[1].drawings.clear();
    t.on(0, |b| b.input(Input::Demoted));
    t.deaf[0] = true;
    t.promote(1);
    let b = &t.tabs[1];
    assert_eq!(b.status["writer"], json!("here"));
    for field in ["connection", "caughtUp", "lastSyncedAt"] {
        assert_eq!(b.status[field], before[field], "{field}");
    }
    assert_eq!((&b.keys()[..3], &b.view()["anchor"]), (&keys[..], &anchor));
    assert!(
        b.drawings.iter().all(|d| d.starts_with("7 8 9")),
        "{:?}",
        b.drawings
    );
    assert!(b.result(sent).expect("stored").is_ok());
    assert!(b.is_asked(is_page_before(7)) && b.is_asked(is_pull));
    t.on(1, |b| {
        b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}))
    });
    t.on(1, |b| b.answer_page(&[4, 5, 6], true, true));
    t.on(1, |b| b.accept(10));
    let b = &t.tabs[1];
    assert!(b.result(load).expect("its page").is_ok());
    assert_eq!(b.result(sync), Some(Ok(Value::Null)));
    assert_eq!(b.shown(), "4 5 6 7 8 9 (a sent)");
}

#[test]
pub fn what_comes_while_the_work_moves_is_live_in_each() {
    let mut t = Tabs::opened(3);
    t.on(0, |b| b.input(Input::Demoted));
    t.deaf[0] = true;
    for tab in [1, 2] {
        t.on(tab, |b| {
            b.command(json!({"op": "listening", "events": ["messages"]}))
        });
    }
    t.promote(1);
    t.on(1, |b| {
        b.answer_pull(json!({"events": [new(10)], "cursor": "2", "hasMore": false}))
    });
    for tab in [1, 2] {
        let told = t.tabs[tab].events.iter();
        let mut told = told.filter(|e| e["type"] == json!("messages"));
        let live = told.next_back().map(|e| e["detail"]["live"].clone());
        assert_eq!(live, Some(json!(true)), "tab {tab}");
    }
}

#[test]
pub fn at_a_move_a_list_that_lacks_commits_goes_on_from_where_it_is() {
    let mut t = Tabs::opened(2);
    for (seqs, before) in [(&[4, 5, 6], 7), (&[1, 2, 3], 4)] {
        t.on(1, |b| b.load("older"));
        assert!(t.tabs[0].is_asked(is_page_before(before)));
        t.on(0, |b| b.answer_page(seqs, true, true));
    }
    t.on(1, |b| {
        b.command(json!({"op": "visible", "timeline": 1, "first": "m:m2", "last": "m:m4"}))
    });
    let (keys, view) = (t.tabs[1].keys(), t.tabs[1].view().clone());
    // The writer is killed between its commits and what it would have told of them.
    t.deaf[1] = true;
    t.on(0, |b| {
        b.sync(json!([after(9, 10), update(2, 2), update(8, 2)]), "2")
    });
    t.deaf[0] = true;
    t.tabs[1].drawings.clear();
    t.promote(1);
    let b = &t.tabs[1];
    assert_eq!(b.drawings, ["1 2' 3 4 5 6 7 8' 9 10"]);
    assert_eq!(b.keys()[..9], keys);
    for field in ["anchor", "firstIndex"] {
        assert_eq!(b.view()[field], view[field], "{field}");
    }
}

#[test]
fn who_was_fenced_follows_and_what_it_was_to_do_is_done() {
    let mut t = Tabs::opened(2);
    t.deaf[0] = true;
    t.promote(1);
    t.deaf[0] = false;
    // It finds out at its next commit.
    let call = t.alone(0, |b| {
        b.failing.push_back(StoreError::Fenced);
        b.send("a")
    });
    t.deliver();
    assert_eq!(t.tabs[0].status["writer"], json!("elsewhere"));
    assert!(t.tabs[0].result(call).expect("it is wished for").is_ok());
    t.on(1, |b| b.accept(10));
    t.all_show("7 8 9 (a sent)");
    // Also where it hears of the other first.
    t.promote(0);
    assert_eq!(t.tabs[1].status["writer"], json!("elsewhere"));
    t.on(0, |b| b.sync(json!([after(9, 11)]), "4"));
    assert!(t.shown()[1].contains("11"), "{:?}", t.shown());
}

#[test]
fn an_epoch_of_a_database_that_is_gone_takes_nothing_from_the_writer() {
    let mut gone = Tabs::opened(2);
    gone.promote(1);
    gone.promote(0);
    gone.alone(0, |b| b.sync(json!([new(10)]), "2"));
    let said = std::mem::take(&mut gone.tabs[0].told);
    assert!(!said.is_empty());
    let mut t = Tabs::opened(1);
    for words in said {
        t.on(0, |b| b.input(Input::Heard(words)));
    }
    assert_eq!(t.tabs[0].fenced, 0);
    assert_eq!(t.tabs[0].status["writer"], json!("here"));
    t.on(0, |b| b.sync(json!([new(11)]), "2"));
    t.all_show("7 8 9 11");
}

#[test]
fn who_has_slept_through_a_change_of_writer_hears_of_it_though_nobody_follows() {
    let mut t = Tabs::opened(2);
    t.deaf[0] = true;
    t.promote(1);
    t.wait(11_000);
    t.deaf[0] = false;
    assert_eq!(t.tabs[0].status["writer"], json!("here"));
    t.wait(60_000);
    assert_eq!(t.tabs[0].status["writer"], json!("elsewhere"));
}

#[test]
fn who_is_promoted_does_not_flicker_and_says_that_it_pulls() {
    let mut t = Tabs::opened(2);
    t.alone(1, |b| b.reads_are_slow = true);
    t.promote(1);
    assert_eq!(t.tabs[1].status["connection"], json!("online"));
    t.on(1, |b| b.finish_reads());
    assert_eq!(t.tabs[1].status["connection"], json!("online"));
    assert_eq!(t.tabs[1].status["caughtUp"], json!(true));
    assert_eq!(t.tabs[1].status["pulling"], json!(true));
}

#[test]
fn what_a_client_that_goes_to_sleep_has_called_is_asked_when_it_wakes() {
    let mut t = Tabs::opened(2);
    let call = t.on(0, |b| b.call(json!({"op": "sync"})));
    t.on(0, |b| {
        b.command(json!({"op": "freeze"}));
        b.input(Input::Demoted);
    });
    t.promote(1);
    t.on(0, |b| b.command(json!({"op": "resume"})));
    for _ in 0..2 {
        t.wait(1_500);
        t.on(1, |b| {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}))
        });
    }
    assert_eq!(t.tabs[0].result(call), Some(Ok(Value::Null)));
}

#[test]
fn an_edit_that_was_done_the_next_writer_stores() {
    let mut t = Tabs::opened(2);
    t.alone(0, |b| b.store_is_slow = true);
    let edit = json!({"op": "edit", "conversation": "c", "messageId": "c/9", "body": "{}", "clientId": "e"});
    let call = t.on(0, |b| b.call(edit));
    t.on(0, |b| {
        let is = |call: &Request| matches!(call, Request::Edit { .. });
        b.reply(is, json!({"message": version(9, 2)}))
    });
    t.on(0, |b| b.input(Input::Store(StoreError::Fenced)));
    assert_eq!(t.tabs[0].result(call), None, "nobody has stored it");
    t.promote(1);
    t.wait(1_500);
    assert!(t.tabs[0].result(call).expect("it is stored").is_ok());
    assert_eq!(t.shown(), ["7 8 9'", "7 8 9'"]);
}

#[test]
fn who_has_just_become_the_writer_lets_nothing_go_that_others_may_show() {
    let mut t = Tabs::of(with_room_for_six(), 1);
    t.on(0, |b| b.load("older"));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    t.add(json!({"promoted": false, "maxMessages": 6}));
    t.deaf[0] = true;
    t.promote(1);
    t.deaf[0] = false;
    t.on(1, |b| b.sync(json!([after(9, 10), after(10, 11)]), "2"));
    t.wait(1_000);
    assert_eq!(t.shown()[0], "4 5 6 7 8 9 10 11");
}

/// "needs-auth" is said while the token of none is good: also one that opens later is asked for its own.
#[test]
fn one_that_opens_after_the_token_was_refused_is_offered_the_work() {
    let mut t = Tabs::opened(1);
    t.on(0, |b| b.call(json!({"op": "sync"})));
    let refusal = Error::new(ErrorCode::Unauthorized, "401");
    t.on(0, |b| b.fail(refusal, is_pull));
    assert_eq!(t.tabs[0].status["connection"], "needs-auth");
    assert_eq!(t.tabs[0].refused, 1);
    t.add(json!({"promoted": false}));
    assert_eq!(t.tabs[0].refused, 2, "there is one more to offer it to");
    t.wait(120_000);
    assert_eq!(t.tabs[0].refused, 2, "it is known from then on");
}
