//! R15: all clients of an account in one browser show everything, live, and may do everything; one writes.

use pullcord::core::net::{Place, Request};
use pullcord::core::{Input, storage::StoreError};
use pullcord::store::Memory;
use serde_json::{Value, json};

use crate::harness::{Harness, after, message, new, state, update, version};
use crate::support::*;

/// Clients on one store, and what they tell each other.
pub struct Tabs {
    store: Memory,
    pub tabs: Vec<Harness>,
    /// nothing is told to this one
    pub deaf: Vec<bool>,
    writer: usize,
}

impl Tabs {
    /// As many, the first of which writes; signed in, each with a list of "c" on messages 7, 8 and 9.
    pub fn opened(count: usize) -> Tabs {
        let mut first = Harness::signed_in(9);
        first.open();
        first.answer_page(&[7, 8, 9], true, false);
        Tabs::of(first, count)
    }

    pub fn of(mut first: Harness, count: usize) -> Tabs {
        let store = std::mem::take(&mut first.store);
        first.told.clear();
        let mut tabs = Tabs {
            store,
            tabs: vec![first],
            deaf: vec![false; count],
            writer: 0,
        };
        for _ in 1..count {
            tabs.add(json!({"promoted": false}));
        }
        tabs
    }

    /// One more client.
    pub fn add(&mut self, options: Value) {
        let seed = 100 + self.tabs.len();
        let mut options = options;
        options["seed"] = json!(seed);
        let now = self.tabs[0].now;
        let mut tab = Harness::with(options);
        tab.now = now;
        tab.store = self.store.clone();
        let mut tab = tab.restart();
        tab.now = now;
        tab.store = Memory::new();
        self.tabs.push(tab);
        if self.deaf.len() < self.tabs.len() {
            self.deaf.push(false);
        }
        let last = self.tabs.len() - 1;
        self.on(last, |tab| tab.open());
    }

    /// Something happens to one; what it tells is told to the others.
    pub fn on<T>(&mut self, tab: usize, act: impl FnOnce(&mut Harness) -> T) -> T {
        let done = self.alone(tab, act);
        self.deliver();
        done
    }

    /// The same, and nothing is told yet.
    pub fn alone<T>(&mut self, tab: usize, act: impl FnOnce(&mut Harness) -> T) -> T {
        std::mem::swap(&mut self.store, &mut self.tabs[tab].store);
        let done = act(&mut self.tabs[tab]);
        std::mem::swap(&mut self.store, &mut self.tabs[tab].store);
        done
    }

    /// What is told is heard, until nobody says any more.
    pub fn deliver(&mut self) {
        for _ in 0..1_000 {
            let next = (0..self.tabs.len()).find_map(|tab| {
                let said = self.tabs[tab].told.pop_front()?;
                Some((tab, said))
            });
            let Some((from, said)) = next else { return };
            let hearers: Vec<usize> = (0..self.tabs.len())
                .filter(|tab| *tab != from && !self.deaf[*tab])
                .collect();
            for tab in hearers {
                self.alone(tab, |tab| tab.input(Input::Heard(said.clone())));
            }
        }
        panic!("they do not stop talking");
    }

    /// Time passes for all.
    pub fn wait(&mut self, ms: u64) {
        let end = self.tabs[0].now + ms;
        while self.tabs[0].now < end {
            let step = (end - self.tabs[0].now).min(250);
            for tab in 0..self.tabs.len() {
                self.on(tab, |tab| tab.wait(step));
            }
        }
    }

    /// Another writes from here on.
    pub fn promote(&mut self, tab: usize) {
        self.writer = tab;
        let epoch = self.store.fence();
        self.on(tab, |tab| tab.input(Input::Promoted { epoch }));
    }

    /// What each shows.
    pub fn shown(&self) -> Vec<String> {
        self.tabs.iter().map(Harness::shown).collect()
    }

    /// All show this.
    pub fn all_show(&self, what: &str) {
        for (n, shown) in self.shown().iter().enumerate() {
            assert_eq!(shown, what, "tab {n}");
        }
    }

    fn events(&self, tab: usize, kind: &str) -> usize {
        let all = self.tabs[tab].events.iter();
        all.filter(|event| event["type"] == kind).count()
    }
}

fn is_page_before(seq: u64) -> impl Fn(&Request) -> bool {
    move |call| matches!(call, Request::History { place: Place::Before(at), .. } if at.0 == seq)
}

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
fn a_writer_that_is_slow_and_at_it_is_not_stuck() {
    let mut t = Tabs::opened(2);
    let call = t.on(1, |b| b.load("older"));
    t.wait(9_000);
    assert_eq!((t.tabs[1].stuck, t.tabs[1].result(call)), (0, None));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert!(t.tabs[1].result(call).expect("it has come").is_ok());
}

#[test]
fn what_another_client_shows_is_not_evicted() {
    let mut first = Harness::with(json!({"maxMessages": 6}));
    first.limit(|limits| limits.block_messages = 1);
    let mut first = first.restart();
    first.sign_in(9);
    first.open();
    first.answer_page(&[7, 8, 9], true, false);
    let mut t = Tabs::of(first, 2);
    t.on(1, |b| b.load("older"));
    t.on(0, |b| b.answer_page(&[4, 5, 6], true, true));
    assert_eq!(t.shown()[1], "4 5 6 7 8 9");
    t.wait(500);
    t.on(0, |b| b.sync(json!([after(9, 10), after(10, 11)]), "2"));
    assert!(t.shown()[1].contains("8 9 10 11"), "{:?}", t.shown());
    assert!(!t.shown()[1].contains('~'), "{:?}", t.shown());
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
fn a_lost_database_does_not_lose_what_was_wished_for() {
    let mut t = Tabs::opened(2);
    t.deaf[0] = true;
    t.on(1, |b| b.send("a"));
    t.deaf[0] = false;
    t.store = Memory::new();
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    t.promote(1);
    assert_eq!(t.tabs[1].outbox.len(), 1, "{:?}", t.tabs[1].outbox);
    let _ = message(1);
}

#[test]
fn a_lost_database_is_written_to_once_it_is_this_clients() {
    let mut b = Harness::signed_in(9);
    b.send_to("c", "a");
    let commits = b.commits;
    b.store = Memory::above(b.store.fence() + 1_000);
    b.input(Input::Store(StoreError::Lost));
    b.wait(60_000);
    assert_eq!(b.commits, commits, "it is nobody's yet");
    let epoch = b.store.fence();
    b.input(Input::Adopted { epoch });
    assert!(b.commits > commits);
    assert_eq!(b.engine.stamp().map(|stamp| stamp.epoch), Some(epoch));
    assert_eq!(b.outbox.len(), 1, "what was not delivered is kept");
}

#[test]
fn a_follower_that_finds_its_database_lost_reads_what_is_stored_in_its_place() {
    let mut t = Tabs::opened(2);
    t.store = Memory::above(t.store.fence() + 1_000);
    t.deaf[1] = true;
    t.on(0, |b| b.input(Input::Store(StoreError::Lost)));
    let epoch = t.store.fence();
    t.on(0, |b| b.input(Input::Adopted { epoch }));
    t.on(0, |b| b.sync(json!([new(10)]), "2"));
    let reads = t.tabs[1].reads;
    t.on(1, |b| b.input(Input::Store(StoreError::Lost)));
    assert!(t.tabs[1].reads > reads);
    assert_eq!(t.tabs[1].engine.stamp(), t.tabs[0].engine.stamp());
}

// ---------------------------------------------------------------- what the simulation found

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
    t.wait(15_000);
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
fn who_has_just_become_the_writer_lets_nothing_go_that_others_may_show() {
    let mut first = Harness::with(json!({"maxMessages": 6}));
    first.limit(|limits| limits.block_messages = 1);
    let mut first = first.restart();
    first.sign_in(9);
    first.open();
    first.answer_page(&[7, 8, 9], true, false);
    let mut t = Tabs::of(first, 1);
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

/// The oldest of the slow reads fails. It is not asked again at once, and no timer fires at once for what waits
/// behind it.
fn fail_read(b: &mut Harness) {
    let Input::Read { op, .. } = b.read_now() else {
        panic!("it reads");
    };
    let result = Err(StoreError::Failed("the disk".into()));
    b.input(Input::Read { op, result });
    let due = b.engine.deadline();
    assert!(due.is_some_and(|at| at > b.now), "{due:?} at {}", b.now);
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
