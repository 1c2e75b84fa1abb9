//! What any client may have stored: `send`, `retry`, `discard`, `markRead`.

use pullcord::core::net::Request;
use pullcord::core::storage::StoreError;
use serde_json::json;

use super::{Tabs, fail_read};
use crate::harness::after;
use crate::support::*;

#[test]
fn a_message_written_in_a_follower_is_shown_by_all_and_sent_once() {
    let mut t = Tabs::opened(3);
    let call = t.on(1, |b| b.send("a"));
    assert!(t.tabs[1].result(call).expect("it is stored").is_ok());
    t.all_show("7 8 9 (a sending)");
    assert_eq!(t.tabs[2].outbox.len(), 1);
    t.on(0, |b| b.accept(10));
    t.all_show("7 8 9 (a sent)");
    t.on(0, |b| {
        let mut own = after(9, 10);
        own["message"]["clientId"] = json!("a");
        b.sync(json!([own]), "2");
    });
    t.all_show("7 8 9 10");
    assert!(t.tabs.iter().all(|b| b.keys().contains(&"c:a".to_owned())));
    assert!(t.tabs.iter().all(|b| b.outbox.is_empty()));
}

#[test]
fn without_a_writer_a_message_is_stored_and_shown_and_waits() {
    let mut t = Tabs::opened(3);
    t.deaf[0] = true;
    let call = t.on(1, |b| b.send("a"));
    assert!(t.tabs[1].result(call).expect("it is stored").is_ok());
    assert_eq!(t.shown()[1..], ["7 8 9 (a queued)", "7 8 9 (a queued)"]);
    // It is closed; the next one finds what it wished for.
    t.tabs.truncate(1);
    t.deaf[0] = false;
    t.add(json!({"promoted": false}));
    assert_eq!(t.shown()[1], "7 8 9 (a queued)");
    t.promote(1);
    t.on(1, |b| b.accept(10));
    assert_eq!(t.shown()[1], "7 8 9 (a sent)");
}

#[test]
fn discard_and_retry_and_marks_are_wishes_too() {
    let mut t = Tabs::opened(3);
    t.on(1, |b| b.send("a"));
    let refuse = || forbidden();
    t.on(0, |b| {
        b.fail(refuse(), |c| matches!(c, Request::Send { .. }))
    });
    t.all_show("7 8 9 (a failed)");
    let retry = t.on(2, |b| b.call(json!({"op": "retry", "clientId": "a"})));
    assert!(t.tabs[2].result(retry).expect("stored").is_ok());
    t.all_show("7 8 9 (a sending)");
    t.on(0, |b| {
        b.fail(refuse(), |c| matches!(c, Request::Send { .. }))
    });
    let gone = t.on(1, |b| b.call(json!({"op": "discard", "clientId": "a"})));
    assert_eq!(t.tabs[1].result(gone), Some(Ok(json!(true))));
    t.all_show("7 8 9");
    let gone = t.on(1, |b| b.call(json!({"op": "discard", "clientId": "a"})));
    assert_eq!(t.tabs[1].result(gone), Some(Ok(json!(false))));
    t.on(1, |b| {
        b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}))
    });
    assert!(t.tabs[0].is_asked(|c| matches!(c, Request::MarkRead { seq, .. } if seq.0 == 9)));
}

#[test]
fn what_was_wished_for_goes_first_also_where_it_could_not_be_taken_up_at_once() {
    let wished = || {
        let mut t = Tabs::opened(2);
        let error = || StoreError::Failed("for some time".into());
        t.tabs[0].failing.extend([error(), error()]);
        t.on(1, |b| b.send("a"));
        assert!(!t.tabs[0].is_asked(is_send), "its commits have failed");
        t.tabs[0].failing.push_back(error());
        t
    };
    let mut t = wished();
    t.on(0, |b| b.send("b"));
    t.all_show("7 8 9 (a queued) (b queued)");
    t.wait(5_000);
    t.all_show("7 8 9 (a sending) (b queued)");
    // And it is found by who lets go of it.
    let mut t = wished();
    let discard = json!({"op": "discard", "conversation": "c", "clientId": "a"});
    let call = t.on(0, |b| b.call(discard));
    assert_eq!(t.tabs[0].result(call), Some(Ok(json!(true))));
    t.wait(60_000);
    t.all_show("7 8 9");
}

#[test]
fn a_wish_that_could_not_be_taken_up_is_taken_up_later() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| {
        let error = || StoreError::Failed("for some time".into());
        b.failing.extend([error(), error(), error()]);
    });
    t.on(1, |b| b.send("a"));
    assert_eq!(t.shown()[0], "7 8 9 (a queued)");
    t.wait(60_000);
    t.all_show("7 8 9 (a sending)");
}

#[test]
fn what_is_written_behind_a_wish_goes_behind_it() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| {
        b.failing.push_back(StoreError::Failed("for once".into()));
    });
    t.on(1, |b| b.send("a"));
    t.on(0, |b| b.send("b"));
    assert_eq!(t.shown()[0], "7 8 9 (a sending) (b queued)");
    t.wait(10_000);
    t.all_show("7 8 9 (a sending) (b queued)");
}

#[test]
fn a_wish_that_is_stored_while_others_are_taken_up_is_taken_up_too() {
    let mut t = Tabs::opened(2);
    t.alone(0, |b| b.store_is_slow = true);
    t.on(1, |b| b.send("a"));
    t.on(1, |b| b.send_to("d", "b"));
    t.on(0, |b| {
        b.store_is_slow = false;
        b.finish_commits()
    });
    let sent = |to: &'static str| move |call: &Request| matches!(call, Request::Send { conversation, .. } if conversation == to);
    assert!(t.tabs[0].is_asked(sent("c")) && t.tabs[0].is_asked(sent("d")));
}

#[test]
pub fn a_wish_of_which_nobody_was_told_is_looked_for() {
    let mut t = Tabs::opened(3);
    t.deaf = vec![true; 3];
    t.on(1, |b| b.send("a"));
    // Its client dies before it says so; another one has read it.
    t.tabs.remove(1);
    t.add(json!({"promoted": false}));
    t.deaf = vec![false; 4];
    assert_eq!(t.shown()[2], "7 8 9 (a queued)");
    t.wait(1_000);
    t.all_show("7 8 9 (a sending)");
}

#[test]
fn a_wish_of_which_nothing_was_heard_may_be_done() {
    let mut t = Tabs::opened(2);
    t.deaf[0] = true;
    t.alone(1, |b| {
        let silence = StoreError::Uncertain("nothing was heard of it".into());
        b.failing_wishes.push_back((silence, true));
        b.failing_wishes.push_back((StoreError::Quota, false));
    });
    let call = t.on(1, |b| b.send("a"));
    assert!(t.tabs[1].uncertain(call), "{:?}", t.tabs[1].rejection(call));
}

#[test]
fn a_wish_waits_for_what_the_writer_asks_the_store_first() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| {
        b.command(json!({"op": "freeze"}));
        b.reads_are_slow = true;
        b.command(json!({"op": "resume"}));
    });
    t.on(1, |b| b.send("a"));
    t.on(0, fail_read);
    t.on(0, |b| b.reads_are_slow = false);
    t.wait(2_500);
    let is_send = |call: &Request| matches!(call, Request::Send { .. });
    assert!(t.tabs[0].is_asked(is_send));
}

#[test]
fn a_wish_waits_for_the_commit_that_a_follower_reads() {
    let mut t = Tabs::opened(3);
    t.deaf[1] = true;
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    t.deaf[1] = false;
    t.alone(1, |b| b.reads_are_slow = true);
    t.on(0, |b| b.sync(json!([after(10, 11)]), "3"));
    t.on(2, |b| b.send("a"));
    t.on(1, fail_read);
    t.on(1, |b| b.reads_are_slow = false);
    t.wait(2_500);
    t.all_show("7 8 9 10 11 (a sending)");
}

#[test]
fn the_time_for_which_a_page_is_frozen_over_a_wish_is_no_silence_of_the_store() {
    for (told, frozen) in [true, false]
        .into_iter()
        .flat_map(|told| [9_000, 10_900, 11_900].map(|frozen| (told, frozen)))
    {
        let mut t = Tabs::opened(2);
        t.alone(1, |b| b.wishes_are_slow = true);
        let calls = [t.on(1, |b| b.send("a")), t.on(1, |b| b.send("b"))];
        if told {
            t.on(1, |b| b.command(json!({"op": "freeze"})));
        }
        t.on(1, |b| b.wait(frozen));
        if told {
            t.on(1, |b| b.command(json!({"op": "resume"})));
        }
        for call in calls {
            assert_eq!(t.tabs[1].result(call), None, "{told} {frozen}");
        }
        t.on(1, |b| b.finish_wishes());
        for call in calls {
            assert!(t.tabs[1].result(call).is_some_and(|sent| sent.is_ok()));
        }
    }
}
