//! R14, of lists: nothing that a list waits for stops it, and nothing that it does goes on without end.

use pullcord::core::net::{Error, Place, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use super::harness::{Harness, after, message, new, update, version};
use super::support::{is_history, is_list, is_pull, jump, opened};

fn refused() -> Error {
    Error::from_status(403, "not allowed", None)
}

fn busy() -> Error {
    Error::from_status(500, "busy", None)
}

fn list(b: &mut Harness, ids: &[&str], next: Value) {
    let state = |id: &&str| json!({"id": id, "unread": 3, "lastSeq": 99, "readSeq": 59, "sort": 1});
    let states: Vec<Value> = ids.iter().map(state).collect();
    b.answer_list(json!({"conversations": states, "next": next}));
}

fn go(b: &mut Harness, online: bool) {
    b.command(json!({"op": "network", "online": online}));
}

fn open_at(b: &mut Harness, start: Value) {
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "start": start}));
}

fn visible(b: &mut Harness, first: u64, last: u64) {
    let (first, last) = (format!("m:m{first}"), format!("m:m{last}"));
    b.command(json!({"op": "visible", "timeline": 1, "first": first, "last": last}));
}

fn anchored(b: &Harness) -> &Value {
    &b.view()["anchor"]["key"]
}

// ---------------------------------------------------------------- the first unread

#[test]
fn first_unread_waits_only_for_the_state_of_its_own_conversation() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    open_at(&mut b, json!("first-unread"));
    list(&mut b, &["a", "b"], json!("p2"));
    assert!(!b.is_asked(is_history));
    list(&mut b, &["c"], json!("p3"));
    assert!(b.is_asked(is_list), "the list goes on");
    let page = b.answer_page(&[59, 60, 61], true, true);
    assert_eq!(page, Place::Around(Seq(60)));
    assert_eq!(
        (b.shown().as_str(), anchored(&b)),
        ("59 60 61", &json!("m:m60"))
    );
}

#[test]
fn first_unread_does_not_wait_for_a_list_that_does_not_come() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    open_at(&mut b, json!("first-unread"));
    b.wait(5_000);
    assert_eq!(b.answer_page(&[97, 98, 99], true, false), Place::Latest);
    assert_eq!(b.shown(), "97 98 99");
}

#[test]
fn a_jump_to_the_first_unread_goes_by_what_was_known_where_the_list_is_long_in_coming() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    list(&mut b, &["c"], Value::Null);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    b.overflow(json!("all"), json!([]), "50");
    let call = jump(&mut b, json!("first-unread"));
    b.wait(5_000);
    let around = |call: &Request| matches!(call, Request::History { place, .. } if *place == Place::Around(Seq(60)));
    let page = [message(59), message(60), message(61)];
    b.reply(
        around,
        json!({"messages": page, "hasBefore": true, "hasAfter": true}),
    );
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
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

// ---------------------------------------------------------------- jumps

#[test]
fn a_jump_to_what_the_running_pull_brings_waits_for_it() {
    let mut b = opened();
    let sync = b.call(json!({"op": "sync"}));
    let call = jump(&mut b, json!({"around": "10"}));
    // A replica that lags: it does not have it yet.
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.result(call), None);
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(b.result(sync), Some(Ok(Value::Null)));
    assert_eq!(anchored(&b), &json!("m:m10"));
    assert_eq!(b.shown(), "8 9 10");
}

#[test]
fn a_jump_that_no_pull_brings_shows_the_latest_in_bounded_time() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    let call = jump(&mut b, json!({"around": "10"}));
    b.answer_page(&[7, 8, 9], true, false);
    b.fail(busy(), is_pull);
    b.wait(10_000);
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!((b.shown().as_str(), anchored(&b)), ("7 8 9", &Value::Null));
}

#[test]
fn a_load_right_after_a_jump_leaves_its_anchor() {
    let mut b = Harness::with(json!({}));
    b.sign_in(99);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 3}));
    b.answer_page(&[97, 98, 99], true, false);
    let call = jump(&mut b, json!({"around": "50"}));
    let load = b.load("older");
    b.answer_history(json!({"messages": [message(49), message(50), message(51)], "hasBefore": true, "hasAfter": true}));
    while b.is_asked(is_history) {
        let page = b
            .asked
            .iter()
            .find_map(|(_, call)| match call {
                Request::History { place, .. } => Some(*place),
                _ => None,
            })
            .expect("a page is asked for");
        match page {
            Place::Before(Seq(97)) => b.answer_page(&[94, 95, 96], true, true),
            Place::Before(Seq(49)) => b.answer_page(&[46, 47, 48], true, true),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert!(b.result(load).is_some());
    assert_eq!(anchored(&b), &json!("m:m50"));
    assert!(b.keys().contains(&"m:m50".to_owned()), "{}", b.shown());
}

#[test]
fn a_load_that_finds_half_and_fails_says_so_and_the_next_goes_on() {
    let mut b = opened();
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c"}));
    let call = b.call(json!({"op": "load", "timeline": 2, "direction": "older", "limit": 5}));
    assert_eq!(b.drawn(2), "4 5 6 7 8 9", "what is stored is shown");
    b.fail(busy(), is_history);
    assert_eq!(b.result(call), Some(Err("network".into())));
    assert_eq!(b.views[&2]["error"]["code"], json!("network"));
    let call = b.call(json!({"op": "load", "timeline": 2, "direction": "older", "limit": 2}));
    b.answer_page(&[2, 3], true, true);
    assert_eq!(b.drawn(2), "2 3 4 5 6 7 8 9");
    assert_eq!(
        b.result(call),
        Some(Ok(json!({"added": 2, "end": false, "source": "network"})))
    );
    assert_eq!(b.views[&2]["error"], Value::Null);
}

// ---------------------------------------------------------------- what is shown stays

#[test]
fn what_is_shown_is_never_replaced_by_an_older_version() {
    let mut b = opened();
    let edit = b.call(json!({"op": "edit", "conversation": "c", "messageId": "m8", "body": "{}", "clientId": "e"}));
    b.overflow(json!("all"), json!([]), "50");
    list(&mut b, &["c"], Value::Null);
    b.reply(
        |call| matches!(call, Request::Edit { .. }),
        json!({"message": version(8, 3)}),
    );
    assert!(b.result(edit).is_some_and(|r| r.is_ok()));
    assert_eq!(b.shown(), "7~ 8''~ 9~");
    // Read before the edit, at or after the cursor.
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8'' 9");
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5 6 7 8'' 9");
    b.sync(json!([update(8, 3)]), "51");
    assert_eq!(b.shown(), "4 5 6 7 8'' 9");
}

#[test]
fn a_last_message_is_no_older_in_the_page_that_is_read_after_it() {
    let mut b = Harness::signed_in(9);
    b.sync(
        json!([{"type": "conversation", "conversation": {"id": "c", "lastMessage": version(9, 3)}}]),
        "2",
    );
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9''");
}

/// Draws each frame of the list.
fn frames(b: &mut Harness, act: impl FnOnce(&mut Harness)) -> Vec<String> {
    b.drawings.clear();
    act(b);
    b.drawings.clone()
}

#[test]
fn a_list_is_not_blank_for_a_moment_when_all_that_it_shows_is_trimmed() {
    let mut b = Harness::signed_in(900);
    b.open();
    b.answer_page(&[898, 899, 900], true, false);
    b.call(json!({"op": "load", "timeline": 1, "direction": "older", "limit": 900}));
    let seqs: Vec<u64> = (1..898).collect();
    b.answer_page(&seqs, false, true);
    let mut b = b.restart();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    open_at(&mut b, json!({"around": "4"}));
    assert_eq!(b.shown(), "3 4 5");
    let shown = frames(&mut b, |b| {
        b.sync(
            json!([{"type": "trim", "conversation": "c", "before": 700}]),
            "2",
        );
    });
    let is_blank = |s: &String| !s.contains(|c: char| c.is_ascii_digit());
    assert!(!shown.iter().any(is_blank), "{shown:?}");
    assert_eq!(b.shown(), "898 899 900");
}

// ---------------------------------------------------------------- unseen

#[test]
fn unseen_counts_nothing_that_is_older_than_what_was_seen() {
    let mut b = Harness::signed_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    visible(&mut b, 97, 99);
    jump(&mut b, json!({"around": "50"}));
    b.answer_page(&[49, 50, 51], true, true);
    assert_eq!(b.view()["unseen"], json!(0));
    // Committed late, below what was seen.
    b.sync(json!([new(98), after(99, 100)]), "2");
    b.sync(json!([after(96, 97)]), "3");
    assert_eq!(b.view()["unseen"], json!(1));
    b.load("newer");
    b.answer_page(&[52, 53, 54], true, true);
    assert_eq!(b.view()["unseen"], json!(1));
    jump(&mut b, json!("latest"));
    assert_eq!(
        (b.shown().as_str(), &b.view()["unseen"]),
        ("98 99 100", &json!(1))
    );
    visible(&mut b, 99, 100);
    assert_eq!(b.view()["unseen"], json!(0));
}

#[test]
fn what_was_let_go_unseen_is_counted_once() {
    let mut b = Harness::signed_in(9);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 6}));
    b.answer_page(&[7, 8, 9], true, false);
    visible(&mut b, 7, 8);
    assert_eq!(b.view()["unseen"], json!(1));
    for (older, newer) in [(4, 10), (1, 11)] {
        b.load("older");
        b.answer_page(&[older, older + 1, older + 2], true, true);
        visible(&mut b, older, older + 1);
        b.sync(json!([after(newer - 1, newer)]), &newer.to_string());
    }
    assert_eq!(b.shown(), "1 2 3 4 5 6 7 8");
    assert_eq!(b.view()["unseen"], json!(3), "9 10 11");
    b.load("newer");
    assert_eq!(b.view()["unseen"], json!(3));
    b.load("newer");
    assert_eq!(b.view()["unseen"], json!(3));
    b.overflow(json!("all"), json!([after(11, 12)]), "50");
    assert_eq!(b.view()["unseen"], json!(4));
}

// ---------------------------------------------------------------- keys and numbers

#[test]
fn the_first_item_is_number_a_milliard_whenever_the_list_is_new() {
    let mut b = opened();
    let first = |b: &Harness| b.view()["firstIndex"].as_i64().expect("a number");
    assert_eq!(first(&b), 1_000_000_000);
    b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(first(&b), 999_999_997);
    jump(&mut b, json!({"around": "5"}));
    assert_eq!((b.shown().as_str(), first(&b)), ("4 5 6", 1_000_000_000));
    b.load("newer");
    assert_eq!(
        (b.shown().as_str(), first(&b)),
        ("4 5 6 7 8 9", 1_000_000_000)
    );
}

#[test]
fn one_id_at_two_positions_is_two_items_that_keep_their_keys() {
    let mut b = opened();
    let mut twin = message(10);
    twin["id"] = json!("m8");
    b.sync(
        json!([{"type": "message", "message": twin, "prev": 9}]),
        "2",
    );
    assert_eq!(b.keys(), ["m:m7", "m:m8", "m:m9", "s:10"]);
    twin["version"] = json!(2);
    twin["state"] = json!("edited");
    b.sync(json!([{"type": "update", "message": twin}]), "3");
    assert_eq!(b.keys(), ["m:m7", "m:m8", "m:m9", "s:10"]);
    b.sync(
        json!([{"type": "trim", "conversation": "c", "before": 9}]),
        "4",
    );
    assert_eq!(b.keys(), ["m:m9", "s:10"]);
}

#[test]
fn the_key_of_an_own_message_is_the_same_after_a_reload() {
    let mut b = opened();
    let mut own = message(10);
    own["clientId"] = json!("x");
    b.sync(json!([{"type": "message", "message": own, "prev": 9}]), "2");
    assert_eq!(b.keys()[3], "c:x");
}

#[test]
fn a_position_that_comes_again_with_another_id_is_shown_as_it_is_held() {
    let mut b = opened();
    let mut other = message(9);
    other["id"] = json!("n9");
    b.command(json!({"op": "open", "timeline": 2, "conversation": "c", "start": {"around": "9"}}));
    b.sync(
        json!([{"type": "message", "message": other, "prev": 8}]),
        "2",
    );
    let shown = b.keys();
    let again = b.restart();
    let mut again = again;
    again.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    again.open();
    assert_eq!(shown, again.keys(), "what is shown is what is held");
}

// ---------------------------------------------------------------- times

fn at(seq: u64, ms: u64) -> Value {
    let mut m = message(seq);
    m["createdAt"] = json!(ms);
    m
}

#[test]
fn times_that_do_not_rise_with_positions_do_not_lead_a_jump_astray() {
    let mut b = Harness::signed_in(9);
    b.open();
    let times = [at(5, 500), at(6, 100), at(7, 700), at(8, 200), at(9, 900)];
    b.answer_history(json!({"messages": times, "hasBefore": true, "hasAfter": false}));
    let call = jump(&mut b, json!({"at": 400}));
    let page = [at(2, 450), at(3, 20), at(4, 30)];
    assert_eq!(
        b.answer_history(json!({"messages": page, "hasBefore": true, "hasAfter": true})),
        Place::At(400),
        "what is not held may have that time"
    );
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &json!("m:m2"))
    );
}

#[test]
fn a_time_in_a_conversation_that_is_held_from_its_start_is_found_without_asking() {
    let mut b = Harness::signed_in(9);
    b.open();
    let times = [at(5, 500), at(6, 100), at(7, 700), at(8, 200), at(9, 900)];
    b.answer_history(json!({"messages": times, "hasBefore": false, "hasAfter": false}));
    jump(&mut b, json!({"at": 600}));
    assert!(!b.is_asked(is_history));
    assert_eq!(anchored(&b), &json!("m:m7"));
    let call = jump(&mut b, json!({"at": 1_000}));
    assert!(!b.is_asked(is_history));
    assert_eq!(
        (b.result(call), anchored(&b)),
        (Some(Ok(Value::Null)), &Value::Null)
    );
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
    go(&mut b, false);
    go(&mut b, true);
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
    go(&mut b, false);
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

// ---------------------------------------------------------------- what is on screen

#[test]
fn what_is_on_screen_is_known_by_one_end_where_the_other_has_gone() {
    let mut b = opened();
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m1", "last": "m:m8"}));
    assert_eq!(b.view()["unseen"], json!(1));
    b.command(json!({"op": "visible", "timeline": 1, "first": "m:m1", "last": "m:m2"}));
    assert_eq!(b.view()["unseen"], json!(1));
}

// ---------------------------------------------------------------- what a server leaves out

/// Answers a page with these of `[from, to]`. Gives the limit that it was asked with.
fn answer_covers(b: &mut Harness, seqs: &[u64], from: u64, to: u64, has_before: bool) -> u32 {
    let messages: Vec<Value> = seqs.iter().map(|seq| message(*seq)).collect();
    let page = json!({"messages": messages, "hasBefore": has_before, "hasAfter": true,
        "covers": {"from": from, "to": to}});
    match b.reply(is_history, page) {
        Request::History { limit, .. } => limit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_of_which_all_was_left_out_moves_on() {
    let mut b = Harness::signed_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    let load = b.load("older");
    answer_covers(&mut b, &[], 90, 96, true);
    answer_covers(&mut b, &[85], 80, 89, true);
    answer_covers(&mut b, &[77, 78], 70, 79, true);
    assert_eq!(b.shown(), "77 78 85 97 98 99");
    assert_eq!(
        b.result(load),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
}

#[test]
fn what_is_left_out_is_not_looked_through_without_end() {
    let mut b = Harness::signed_in(9_999);
    b.open();
    b.answer_page(&[9_997, 9_998, 9_999], true, false);
    let load = b.load("older");
    let (mut lo, mut pages) = (9_997, 0);
    while b.is_asked(is_history) {
        answer_covers(&mut b, &[], lo - 10, lo - 1, true);
        lo -= 10;
        pages += 1;
    }
    assert_eq!(pages, 20);
    assert_eq!(
        b.result(load),
        Some(Ok(json!({"added": 0, "end": false, "source": "network"})))
    );
    let load = b.load("older");
    answer_covers(&mut b, &[1, 2, 3], 0, lo - 1, false);
    assert!(matches!(b.result(load), Some(Ok(_))));
    assert_eq!(b.shown(), "1 2 3 9997 9998 9999");
}

#[test]
fn a_jump_into_what_is_left_out_finds_the_next_or_what_there_is() {
    let mut b = Harness::signed_in(9_999);
    b.open();
    b.answer_page(&[9_997, 9_998, 9_999], true, false);
    let call = jump(&mut b, json!({"around": "500"}));
    answer_covers(&mut b, &[], 490, 510, true);
    answer_covers(&mut b, &[], 511, 520, true);
    answer_covers(&mut b, &[525], 521, 530, true);
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchored(&b), &json!("m:m525"));
    let call = jump(&mut b, json!({"around": "3000"}));
    let mut pages = 0;
    while b.result(call).is_none() {
        let (request, call) = b
            .asked
            .iter()
            .rfind(|(_, call)| is_history(call))
            .cloned()
            .expect("it goes on, or settles");
        let (from, to) = match call {
            Request::History { place, .. } => match place {
                Place::Around(_) => (2_990, 3_010),
                Place::After(Seq(x)) => (x + 1, x + 10),
                Place::Before(Seq(x)) => (x - 10, x - 1),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let page = json!({"messages": [], "hasBefore": true, "hasAfter": true, "covers": {"from": from, "to": to}});
        b.asked.retain(|(asked, _)| *asked != request);
        b.input(pullcord::core::Input::Answer {
            request,
            result: Ok(page.to_string()),
        });
        pages += 1;
        assert!(pages < 60, "without end");
    }
    assert!(pages <= 25, "{pages}");
}

#[test]
fn an_empty_page_that_has_more_is_asked_for_with_twice_the_limit() {
    let mut b = opened();
    let load = b.load("older");
    let empty = json!({"messages": [], "hasBefore": true, "hasAfter": true});
    let limit = |call| match call {
        Request::History { limit, .. } => limit,
        other => panic!("{other:?}"),
    };
    let first = limit(b.reply(is_history, empty.clone()));
    assert_eq!(b.result(load), None);
    let page = json!({"messages": [message(2), message(3), message(4)], "hasBefore": true, "hasAfter": true});
    assert_eq!(limit(b.reply(is_history, page)), 2 * first);
    assert!(matches!(b.result(load), Some(Ok(_))));
    let load = b.load("older");
    let mut pages = 0;
    while b.is_asked(is_history) {
        b.reply(is_history, empty.clone());
        pages += 1;
    }
    assert!(pages <= 20, "{pages}");
    assert_eq!(b.result(load), Some(Err("protocol".into())));
    assert!(!b.is_asked(is_history));
}

#[test]
fn a_latest_page_that_leads_nowhere_is_not_asked_for_in_a_loop() {
    let mut b = Harness::signed_in(9);
    b.open();
    let mut pages = 0;
    for _ in 0..600 {
        while b.is_asked(is_history) {
            pages += 1;
            assert!(pages < 1_000, "a storm");
            let empty = json!({"messages": [], "hasBefore": true, "hasAfter": false});
            b.answer_history(empty);
        }
        b.wait(1_000);
    }
    assert!(pages < 600, "{pages} in ten minutes");
    assert_eq!(b.view()["status"], json!("ready"));
    assert_eq!(b.view()["error"]["code"], json!("protocol"));
}

// ---------------------------------------------------------------- unseen, against a model

/// A conversation that answers pages of three.
fn answer_all(b: &mut Harness, there: &std::collections::BTreeSet<u64>) {
    while let Some((_, Request::History { place, limit, .. })) =
        b.asked.iter().find(|(_, call)| is_history(call)).cloned()
    {
        let n = limit as usize;
        let older = |x: u64, n: usize| {
            let mut page: Vec<u64> = there.range(..x).rev().take(n).copied().collect();
            page.reverse();
            page
        };
        let page: Vec<u64> = match place {
            Place::Latest => older(u64::MAX, n),
            Place::Before(Seq(x)) => older(x, n),
            Place::After(Seq(x)) => there.range(x + 1..).take(n).copied().collect(),
            Place::Around(Seq(x)) => {
                let newer = there.range(x..).take(n - n / 2).copied();
                older(x, n / 2).into_iter().chain(newer).collect()
            }
            Place::At(_) => unreachable!("nobody asks by time"),
        };
        let (first, last) = (page.first().copied(), page.last().copied());
        let before = first.is_some_and(|first| there.range(..first).next().is_some());
        let after = last.is_some_and(|last| there.range(last + 1..).next().is_some());
        b.answer_page(&page, before, after);
    }
}

#[test]
fn unseen_is_what_is_known_to_be_newer_than_what_was_seen() {
    (0..60).for_each(unseen_is_counted);
}

fn unseen_is_counted(seed: u64) {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let mut there: std::collections::BTreeSet<u64> = (1..=40).map(|i| 10 * i).collect();
    let mut b = Harness::signed_in(400);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 6}));
    answer_all(&mut b, &there);
    let mut known = std::collections::BTreeSet::new();
    let mut seen = None;
    for step in 0..60 {
        match below(6) {
            0 => {
                let last = *there.last().expect("it is never empty");
                there.insert(last + 10);
                known.insert(last + 10);
                b.sync(json!([after(last, last + 10)]), &format!("n{step}"));
            }
            // Committed late, at the newest end, which is held: below the newest, or what was seen.
            1 => {
                let last = *there.last().expect("it is never empty");
                let late = last - 1 - below(3);
                if there.insert(late) {
                    known.insert(late);
                    b.sync(json!([new(late)]), &format!("l{step}"));
                }
            }
            2 => _ = b.load("older"),
            3 => _ = b.load("newer"),
            4 => {
                let around = 10 * (1 + below(40));
                let latest = below(3) == 0;
                jump(
                    &mut b,
                    if latest {
                        json!("latest")
                    } else {
                        json!({"around": around})
                    },
                );
            }
            _ => {
                let keys = b.keys();
                let at = below(keys.len() as u64) as usize;
                let to: u64 = keys[at][3..].parse().expect("a message");
                b.command(
                    json!({"op": "visible", "timeline": 1, "first": keys[0], "last": keys[at]}),
                );
                seen = seen.max(Some(to));
            }
        }
        answer_all(&mut b, &there);
        known.extend(
            b.keys()
                .iter()
                .filter_map(|key| key.get(3..)?.parse::<u64>().ok()),
        );
        let shown = b.shown();
        assert!(!shown.is_empty(), "seed {seed}, step {step}");
        let Some(seen) = seen else { continue };
        let unseen = b.view()["unseen"].as_u64().expect("a count");
        let least = known.range(seen + 1..).count() as u64;
        // A page of another's may have told of more.
        let most = there.range(seen + 1..).count() as u64;
        assert!(
            (least..=most).contains(&unseen),
            "seed {seed}, step {step}: {unseen} of {least} to {most}, seen {seen}, shown {shown}"
        );
    }
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
