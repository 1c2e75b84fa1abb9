//! What a client shows, and tells its app, of what the writer commits.

use pullcord::core::Input;
use pullcord::core::storage::{StoreError, Table};
use serde_json::{Value, json};

use super::{Tabs, with_room_for_six};
use crate::harness::{Harness, after, new, state, update};

#[test]
fn what_the_writer_commits_all_show() {
    let mut t = Tabs::opened(3);
    t.all_show("7 8 9");
    t.on(0, |b| b.sync(json!([after(9, 10), state(2, 10)]), "2"));
    t.all_show("7 8 9 10");
    assert_eq!(t.tabs[2].conversations[0]["unread"], json!(2));
    t.on(0, |b| b.sync(json!([update(10, 2)]), "3"));
    t.all_show("7 8 9 10'");
    assert!(t.tabs[1].asked.is_empty() && t.tabs[2].asked.is_empty());
    // Nobody had to read the database for it.
    assert_eq!((t.tabs[1].reads, t.tabs[1].commits), (t.tabs[2].reads, 0));
}

#[test]
fn a_follower_stands_where_the_writer_stands() {
    let mut t = Tabs::opened(2);
    let (writer, follower) = (t.tabs[0].status.clone(), t.tabs[1].status.clone());
    assert_eq!(writer["writer"], json!("here"));
    assert_eq!(follower["writer"], json!("elsewhere"));
    for field in [
        "connection",
        "caughtUp",
        "lastSyncedAt",
        "listed",
        "pulling",
    ] {
        assert_eq!(writer[field], follower[field], "{field}");
    }
    t.on(0, |b| {
        b.call(json!({"op": "sync"}));
    });
    assert_eq!(t.tabs[1].status["pulling"], json!(true));
}

#[test]
fn who_lacks_a_commit_reads_the_database() {
    let mut t = Tabs::opened(2);
    t.deaf[1] = true;
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    assert_eq!(t.shown(), ["7 8 9 10", "7 8 9"]);
    t.deaf[1] = false;
    t.on(0, |b| b.sync(json!([after(10, 11)]), "3"));
    t.all_show("7 8 9 10 11");
    // Twice, or late: nothing changes.
    t.alone(0, |b| b.sync(json!([after(11, 12)]), "4"));
    let said: Vec<Vec<u8>> = t.tabs[0].told.iter().cloned().collect();
    t.deliver();
    for said in said.into_iter().rev() {
        t.on(1, |b| b.input(Input::Heard(said)));
    }
    assert_eq!(t.shown()[1], "7 8 9 10 11 12");
}

#[test]
fn what_cannot_be_read_of_what_is_told_means_that_what_is_stored_is_read() {
    let mut t = Tabs::opened(2);
    t.alone(0, |b| b.sync(json!([after(9, 10)]), "2"));
    t.tabs[0].told.clear();
    t.on(1, |b| b.input(Input::Heard(b"PCwhat".to_vec())));
    t.all_show("7 8 9 10");
}

#[test]
fn a_hidden_follower_only_notes_that_it_is_behind() {
    let mut t = Tabs::opened(2);
    t.on(1, |b| {
        b.command(json!({"op": "visibility", "hidden": true}))
    });
    t.deaf[1] = true;
    t.on(0, |b| b.sync(json!([after(9, 10)]), "2"));
    t.deaf[1] = false;
    let reads = t.tabs[1].reads;
    t.on(0, |b| b.sync(json!([after(10, 11)]), "3"));
    assert_eq!((t.shown()[1].as_str(), t.tabs[1].reads), ("7 8 9", reads));
    t.on(1, |b| {
        b.command(json!({"op": "visibility", "hidden": false}))
    });
    t.all_show("7 8 9 10 11");
}

#[test]
fn who_slept_hears_of_what_it_missed_once_and_as_not_live() {
    let mut t = Tabs::opened(3);
    for tab in 0..3 {
        t.on(tab, |b| {
            b.command(json!({"op": "listening", "events": ["messages", "updates"]}))
        });
    }
    t.deaf[1] = true;
    t.on(0, |b| b.sync(json!([after(9, 10), after(10, 11)]), "2"));
    t.deaf[1] = false;
    t.on(0, |b| b.sync(json!([after(11, 12)]), "3"));
    t.all_show("7 8 9 10 11 12");
    let told = |t: &Tabs, tab: usize| -> Vec<(Vec<String>, Value)> {
        let events = t.tabs[tab]
            .events
            .iter()
            .filter(|e| e["type"] == "messages");
        let seqs = |e: &Value| -> Vec<String> {
            let messages = e["detail"]["messages"].as_array().expect("messages");
            messages.iter().map(|m| m["seq"].to_string()).collect()
        };
        events
            .map(|e| (seqs(e), e["detail"]["live"].clone()))
            .collect()
    };
    let all: Vec<String> = [10, 11, 12]
        .iter()
        .map(|seq| format!("\"{seq}\""))
        .collect();
    assert_eq!(told(&t, 1), [(all, json!(false))]);
    let heard = |tab: usize| told(&t, tab).into_iter().flat_map(|(seqs, _)| seqs).count();
    assert_eq!((heard(0), heard(2)), (3, 3));
    // The next one is live again, and comes once.
    t.on(0, |b| b.sync(json!([after(12, 13)]), "4"));
    let last = told(&t, 1).pop();
    assert_eq!(last, Some((vec!["\"13\"".to_owned()], json!(true))));
    assert_eq!(told(&t, 1).len(), 2);
}

#[test]
fn what_was_missed_is_told_before_what_came_after_it_and_once() {
    let mut first = Harness::new();
    first.limit(|limits| limits.block_messages = 2);
    let mut first = first.restart();
    first.sign_in(9);
    first.open();
    first.answer_page(&[7, 8, 9], true, false);
    let mut t = Tabs::of(first, 2);
    t.on(1, |b| {
        b.command(json!({"op": "listening", "events": ["messages"]}))
    });
    t.deaf[1] = true;
    let missed = json!([after(9, 10), after(10, 11), after(11, 14)]);
    t.on(0, |b| b.sync(missed, "2"));
    t.deaf[1] = false;
    t.tabs[1].reads_are_slow = true;
    t.on(0, |b| b.sync(json!([after(14, 15)]), "3"));
    // What is stored is read, and while the blocks of what was missed are read, one is committed late among it.
    let stored = t.alone(1, Harness::read_now);
    t.on(1, |b| b.input(stored));
    t.on(0, |b| b.sync(json!([new(12), after(15, 16)]), "4"));
    t.on(1, Harness::finish_reads);
    let told = t.tabs[1].events.iter().filter(|e| e["type"] == "messages");
    let seqs = told.flat_map(|event| {
        let messages = event["detail"]["messages"].as_array();
        messages.expect("messages").iter().map(|m| m["seq"].clone())
    });
    let seqs: Vec<Value> = seqs.collect();
    let order = ["10", "11", "12", "14", "15", "16"];
    assert_eq!(seqs, order.map(|seq| json!(seq)));
    t.all_show("7 8 9 10 11 12 14 15 16");
}

#[test]
fn events_come_once_a_commit_and_client() {
    let mut t = Tabs::opened(3);
    for tab in 0..3 {
        t.on(tab, |b| {
            b.command(json!({"op": "listening", "events": ["messages", "updates"]}))
        });
    }
    t.on(0, |b| b.sync(json!([after(9, 10), update(9, 2)]), "2"));
    for tab in 0..3 {
        assert_eq!(
            (t.events(tab, "messages"), t.events(tab, "updates")),
            (1, 1),
            "tab {tab}"
        );
    }
}

#[test]
fn what_another_client_shows_is_not_evicted() {
    let mut t = Tabs::of(with_room_for_six(), 2);
    t.on(1, |b| b.load("older"));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert_eq!(t.shown()[1], "4 5 6 7 8 9");
    t.wait(500);
    t.on(0, |b| b.sync(json!([after(9, 10), after(10, 11)]), "2"));
    assert!(t.shown()[1].contains("8 9 10 11"), "{:?}", t.shown());
    assert!(!t.shown()[1].contains('~'), "{:?}", t.shown());
}

#[test]
fn what_one_could_not_read_is_mended_though_the_writers_disk_fails_first() {
    let mut t = Tabs::opened(1);
    assert!(t.store.spoil(Table::Conversations, b"c"));
    t.tabs[0].failing = vec![StoreError::Failed("torn".into()), StoreError::Quota].into();
    t.add(json!({"promoted": false}));
    assert_eq!(t.tabs[1].status["caughtUp"], json!(false));
    assert_eq!(t.tabs[1].conversations, [] as [Value; 0]);
    t.wait(10_000);
    assert!(t.tabs[0].failing.is_empty());
    assert_eq!(t.tabs[1].status["caughtUp"], json!(true), "it is mended");
    t.all_show("7 8 9");
}

#[test]
fn a_client_that_has_waited_shares_once_it_writes() {
    let mut t = Tabs::opened(1);
    t.add(json!({"promoted": false, "ifOpen": "wait"}));
    t.promote(1);
    t.add(json!({"promoted": false}));
    t.on(1, |b| b.sync(json!([new(10)]), "2"));
    assert_eq!(t.shown()[2], "7 8 9 10");
    t.on(2, |b| b.send("a"));
    assert_eq!(t.shown()[1], "7 8 9 10 (a sending)");
    t.promote(2);
    assert_eq!(t.tabs[1].status["connection"], json!("waiting"));
    t.on(2, |b| b.sync(json!([new(11)]), "3"));
    assert_eq!(t.shown()[1], "7 8 9 10 (a queued)", "it does not follow");
}

#[test]
fn a_client_that_waits_does_nothing_and_says_so() {
    let mut t = Tabs::opened(1);
    t.add(json!({"promoted": false, "ifOpen": "wait"}));
    assert_eq!(t.tabs[1].status["connection"], json!("waiting"));
    let call = t.on(1, |b| b.send("a"));
    assert_eq!(t.tabs[1].result(call), Some(Err("offline".into())));
    let call = t.on(1, |b| b.call(json!({"op": "sync"})));
    assert_eq!(t.tabs[1].result(call), Some(Err("offline".into())));
    assert_eq!(t.shown()[1], "7 8 9");
    t.on(0, |b| b.sync(json!([new(10)]), "2"));
    assert_eq!(t.shown()[1], "7 8 9", "it does not follow");
}

#[test]
fn a_writer_that_has_not_committed_yet_makes_nobody_read() {
    let mut t = Tabs::opened(3);
    t.promote(1);
    t.on(1, |b| {
        b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}))
    });
    let before: Vec<usize> = t.tabs.iter().map(|b| b.reads).collect();
    t.wait(120_000);
    let after: Vec<usize> = t.tabs.iter().map(|b| b.reads).collect();
    assert_eq!(before, after);
}

#[test]
fn where_the_writer_stood_before_is_not_believed() {
    let mut t = Tabs::opened(2);
    t.alone(0, |b| b.call(json!({"op": "sync"})));
    let pulling = std::mem::take(&mut t.tabs[0].told);
    t.on(0, |b| {
        b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}))
    });
    for late in pulling {
        t.on(1, |b| b.input(Input::Heard(late)));
    }
    assert_eq!(t.tabs[1].status["pulling"], json!(false));
}

#[test]
pub fn a_block_that_a_later_commit_has_changed_is_not_lost() {
    let mut t = Tabs::opened(1);
    let of_d = |mut event: Value| {
        event["message"]["conversation"] = json!("d");
        event["message"]["id"] = json!(format!("d/{}", event["message"]["seq"]));
        event
    };
    t.on(0, |b| b.sync(json!([of_d(new(1)), of_d(after(1, 2))]), "2"));
    t.add(json!({"promoted": false}));
    // It is told nothing of what comes, and then it looks.
    t.deaf[1] = true;
    t.on(0, |b| b.sync(json!([of_d(after(2, 3))]), "3"));
    let open =
        json!({"op": "open", "timeline": 2, "conversation": "d", "pageSize": 3, "maxItems": 10});
    t.on(1, |b| b.command(open));
    let shown = t.tabs[1].drawn(2);
    assert!(shown.starts_with("1 2 3"), "{shown}");
}

#[test]
fn a_list_of_which_nothing_is_held_stays_while_the_writer_is_behind() {
    let mut t = Tabs::opened(2);
    t.on(0, |b| b.overflow(json!(["c"]), json!([]), "50"));
    t.wait(1_000);
    t.on(0, |b| b.call(json!({"op": "sync"})));
    // From a replica, at the cursor: there was nothing yet of what a newer one has shown.
    t.on(0, |b| b.answer_page(&[], false, false));
    t.wait(5_000);
    t.all_show("7~ 8~ 9~");
    let events = json!([new(7), new(8), new(9)]);
    t.on(0, |b| {
        b.answer_pull(json!({"events": events, "cursor": "51", "hasMore": false}))
    });
    t.all_show("7 8 9");
}
