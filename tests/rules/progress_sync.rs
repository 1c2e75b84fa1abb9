//! R14 in the pull loop: sizes, silence, hints, and what fails while others go on.

use pullcord::core::Input;
use pullcord::core::net::RETRY_AFTER_MAX;
use serde_json::Value;

use pullcord::core::net::{Error, ErrorCode, Notice, Request};
use serde_json::json;

use super::harness::{Harness, state};
use super::support::{is_ack, is_any_pull, is_history, is_list, is_pull, network, opened};

fn waits(call: &Request) -> bool {
    matches!(call, Request::Pull { wait: Some(_), .. })
}

fn too_large() -> Error {
    Error::too_large("too large")
}

fn status(status: u16) -> Error {
    Error::from_status(status, "no", None)
}

fn limit(call: &Request) -> u32 {
    match call {
        Request::Pull { limit, .. }
        | Request::PullConversations { limit, .. }
        | Request::PullMailbox { limit }
        | Request::Conversations { limit, .. }
        | Request::History { limit, .. } => *limit,
        other => panic!("{other:?} has no limit"),
    }
}

fn asked(b: &Harness, is: impl Fn(&Request) -> bool) -> Request {
    let found = b.asked.iter().find(|(_, call)| is(call));
    found.expect("it is asked for").1.clone()
}

fn errors(b: &Harness) -> usize {
    let error = |e: &&Value| e["type"] == json!("error");
    b.events.iter().filter(error).count()
}

fn empty(cursor: &str, more: bool) -> Value {
    json!({"events": [], "cursor": cursor, "hasMore": more})
}

/// A minute after the other, until something like this is asked for.
fn wait_for(b: &mut Harness, is: impl Fn(&Request) -> bool) {
    for _ in 0..400 {
        if b.is_asked(&is) {
            return;
        }
        b.wait(1_000);
    }
    panic!("it is not asked for; asked: {:?}", b.asked);
}

// ---------------------------------------------------------------- sizes

#[test]
fn a_batch_that_is_too_large_is_asked_for_in_halves_down_to_one_and_grows_again() {
    let mut b = Harness::signed_in(9);
    let call = b.call(json!({"op": "sync"}));
    let mut limits = Vec::new();
    while limit(&asked(&b, is_pull)) > 1 {
        limits.push(limit(&asked(&b, is_pull)));
        b.fail(
            if limits.len() % 2 == 0 {
                too_large()
            } else {
                status(413)
            },
            is_pull,
        );
    }
    assert_eq!(limits, [500, 250, 125, 62, 31, 15, 7, 3]);
    assert_eq!(
        (b.result(call), errors(&b)),
        (None, 0),
        "it only asks for less"
    );
    for n in 0..12 {
        b.answer_pull(empty(&format!("x{n}"), true));
    }
    assert_eq!(limit(&asked(&b, is_pull)), 500);
}

#[test]
fn what_is_too_much_alone_is_told_once_and_tried_slowly() {
    let mut b = Harness::signed_in(9);
    b.call(json!({"op": "sync"}));
    let mut tries = 0;
    for _ in 0..3_600 {
        while b.is_asked(is_pull) {
            tries += 1;
            b.fail(too_large(), is_pull);
        }
        b.wait(1_000);
    }
    assert_eq!(errors(&b), 1);
    assert!((10..80).contains(&tries), "{tries} tries in an hour");
    wait_for(&mut b, is_pull);
    b.answer_pull(json!({"events": [state(3, 9)], "cursor": "2", "hasMore": false}));
    assert_eq!(b.conversations[0]["unread"], json!(3));
}

#[test]
fn a_batch_that_does_not_come_in_time_is_asked_for_in_halves() {
    let mut b = Harness::with(json!({"requestTimeout": 15_000}));
    b.sign_in(9);
    b.call(json!({"op": "sync"}));
    b.wait(15_000);
    wait_for(&mut b, is_pull);
    assert_eq!(limit(&asked(&b, is_pull)), 250);
}

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
pub fn a_request_on_which_bytes_arrive_is_not_given_up() {
    let mut b = Harness::with(json!({"requestTimeout": 15_000}));
    b.sign_in(9);
    b.call(json!({"op": "sync"}));
    let request = b.asked[0].0;
    for _ in 0..20 {
        b.wait(10_000);
        b.input(Input::Progress { request });
    }
    assert!(b.aborted.is_empty());
    b.wait(15_000);
    assert_eq!(b.aborted, [request], "silence ends it");
}

#[test]
fn the_limit_in_the_options_is_what_the_reader_takes() {
    let b = Harness::with(json!({"pullLimit": 20_000}));
    assert_eq!(limit(&asked(&b, is_pull)), 10_000);
}

#[test]
fn a_page_of_the_list_that_is_too_large_is_asked_for_in_halves_from_where_it_is() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": "p2"}));
    b.fail(status(413), is_list);
    b.fail(too_large(), is_list);
    let Request::Conversations { after, limit, .. } = asked(&b, is_list) else {
        unreachable!("it is the list")
    };
    assert_eq!((after.as_deref(), limit), (Some("p2"), 50));
    b.answer_list(json!({"conversations": [{"id": "d", "sort": 2}], "next": null}));
    assert_eq!(b.conversations.len(), 2);
    assert_eq!(b.status["caughtUp"], json!(true));
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_halves() {
    let mut b = Harness::signed_in(9);
    b.open();
    b.fail(too_large(), is_history);
    assert_eq!(limit(&asked(&b, is_history)), 1);
    b.answer_page(&[9], true, false);
    while b.is_asked(is_history) {
        b.answer_page(&[8], false, true);
    }
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn an_empty_page_that_has_more_is_asked_for_with_twice_the_limit() {
    let mut b = opened();
    b.load("older");
    let before = limit(&asked(&b, is_history));
    b.answer_page(&[], true, true);
    assert_eq!(limit(&asked(&b, is_history)), 2 * before);
    b.answer_page(&[4, 5, 6], true, true);
    assert_eq!(b.shown(), "4 5 6 7 8 9");
}

/// Signed in with `count` conversations, each with a cursor.
fn many(count: usize) -> Harness {
    let mut b = Harness::with(json!({"scope": "conversation", "fallbackPollInterval": 30_000}));
    let mut batches = serde_json::Map::new();
    let mut list = Vec::new();
    for n in 0..count {
        let id = format!("c{n:04}");
        list.push(json!({"id": id, "sort": n}));
        batches.insert(
            id,
            json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}),
        );
    }
    b.reply(is_any_pull, json!({"conversations": batches}));
    b.answer_list(json!({"conversations": list, "next": null}));
    while b.is_asked(is_any_pull) {
        b.reply(is_any_pull, json!({"conversations": {}}));
    }
    b.events.clear();
    b
}

/// All that there is to say of a conversation.
fn whole(id: &str) -> Value {
    json!({"type": "conversation", "conversation": {"id": id, "sort": 9, "unread": 1, "lastSeq": 1, "readSeq": null, "lastMessage": null}})
}

fn parts(call: &Request) -> (usize, Option<usize>, bool) {
    match call {
        Request::PullConversations {
            cursors,
            only,
            rest,
            ..
        } => (cursors.len(), only.as_ref().map(Vec::len), *rest),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_cursors_of_a_thousand_conversations_go_in_pieces_the_last_with_the_rest() {
    let mut b = many(1_000);
    let call = b.call(json!({"op": "sync"}));
    let mut seen = Vec::new();
    while b.is_asked(is_any_pull) {
        let pull = asked(&b, is_any_pull);
        if parts(&pull).0 > 300 {
            b.fail(status(413), is_any_pull);
            continue;
        }
        seen.push(parts(&pull));
        let mut answer = json!({"conversations": {}});
        if parts(&pull).2 {
            answer["conversations"]["new"] =
                json!({"events": [whole("new")], "cursor": "1", "hasMore": false});
        }
        b.reply(is_any_pull, answer);
        assert!(seen.len() < 6, "{seen:?}");
    }
    assert_eq!(seen[0], (250, Some(250), false));
    let named: usize = seen
        .iter()
        .take_while(|(_, _, rest)| !rest)
        .map(|piece| piece.0)
        .sum();
    let last = seen
        .iter()
        .find(|(_, _, rest)| *rest)
        .expect("one with the rest");
    assert_eq!(named + last.0, 1_000, "each once: {seen:?}");
    assert_eq!(b.result(call), Some(Ok(json!(null))));
    assert_eq!(errors(&b), 0);
}

#[test]
fn what_a_server_says_anew_of_conversations_that_other_pieces_named_is_left_out() {
    let mut b = many(4);
    b.call(json!({"op": "sync"}));
    b.fail(status(413), is_any_pull);
    b.reply(is_any_pull, json!({"conversations": {}}));
    assert!(parts(&asked(&b, is_any_pull)).2);
    b.reply(
        is_any_pull,
        json!({"conversations": {"c0000": {"events": [], "cursor": "9", "hasMore": false, "overflow": "all"}}}),
    );
    assert!(!b.is_asked(is_list), "no list is owed");
    assert_eq!(b.status["caughtUp"], json!(true));
    assert!(!b.is_asked(is_any_pull), "nor is it asked in a loop");
}

#[test]
fn what_a_server_has_said_anew_is_named_at_once_by_the_next_pull_unless_that_is_too_much() {
    let mut b = many(4);
    b.call(json!({"op": "sync"}));
    b.fail(status(413), is_any_pull);
    b.reply(is_any_pull, json!({"conversations": {}}));
    let anew = json!({"events": [], "cursor": "9", "hasMore": false, "overflow": "all"});
    b.reply(is_any_pull, json!({"conversations": {"c0000": anew}}));
    let sync = |b: &mut Harness| {
        b.wait(2_000);
        b.call(json!({"op": "sync"}));
        if parts(&asked(b, is_any_pull)).0 > 2 {
            b.fail(status(413), is_any_pull);
        }
        b.reply(is_any_pull, json!({"conversations": {}}));
        parts(&asked(b, is_any_pull))
    };
    assert_eq!(sync(&mut b), (3, Some(2), true), "c0000 as well");
    b.fail(status(413), is_any_pull);
    let less = parts(&asked(&b, is_any_pull));
    assert_eq!(less, (1, Some(1), false), "first less is asked for");
    b.reply(is_any_pull, json!({"conversations": {}}));
    assert_eq!(parts(&asked(&b, is_any_pull)), (2, Some(1), true));
    b.fail(status(413), is_any_pull);
    assert_eq!(parts(&asked(&b, is_any_pull)), (1, Some(1), true));
    b.reply(is_any_pull, json!({"conversations": {}}));
    assert!(!b.is_asked(is_any_pull));
    assert_eq!(sync(&mut b), (2, Some(2), true), "it is not named any more");
    assert_eq!(errors(&b), 0);
}

#[test]
fn a_conversation_that_is_too_much_alone_does_not_hold_up_the_others() {
    let mut b = many(5);
    b.call(json!({"op": "sync"}));
    for _ in 0..60 {
        if !b.is_asked(is_any_pull) {
            break;
        }
        let pull = asked(&b, is_any_pull);
        let Request::PullConversations { cursors, only, .. } = &pull else {
            unreachable!("it is a pull")
        };
        let asks = |id: &str| match only {
            Some(only) => only.iter().any(|o| o == id),
            None => cursors.iter().any(|(of, _)| of == id),
        };
        if asks("c0002") {
            b.fail(too_large(), is_any_pull);
            continue;
        }
        let mut answer = json!({"conversations": {}});
        if asks("c0004") {
            answer["conversations"]["c0004"] = json!({"events": [{"type": "conversation", "conversation": {"id": "c0004", "unread": 7}}],
                "cursor": "2", "hasMore": false});
        }
        b.reply(is_any_pull, answer);
    }
    let unread = b.conversations.iter().find(|c| c["id"] == json!("c0004"));
    assert_eq!(unread.expect("it is listed")["unread"], json!(7));
    assert_eq!(errors(&b), 1, "told once");
    assert!(!b.is_asked(is_any_pull));
}

#[test]
fn acknowledgements_that_are_too_many_go_in_pieces_and_one_that_is_refused_goes_alone() {
    let mut b = Harness::with(json!({"scope": "mailbox"}));
    b.reply(
        is_any_pull,
        json!({"events": [], "hasMore": false, "overflow": "all"}),
    );
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": 9, "sort": 9}], "next": null}),
    );
    let call = b.call(json!({"op": "sync"}));
    let events: Vec<Value> = (0..10)
        .map(|n| {
            let mut event = state(n, 9);
            event["delivery"] = json!(format!("d{n}"));
            event
        })
        .collect();
    b.reply(is_any_pull, json!({"events": events, "hasMore": false}));
    let mut taken = Vec::new();
    while b.is_asked(is_ack) {
        let Request::Acknowledge { deliveries, .. } = asked(&b, is_ack) else {
            unreachable!("it is an acknowledgement")
        };
        if deliveries.len() > 4 {
            b.fail(status(413), is_ack);
        } else if deliveries.contains(&"d3".to_owned()) {
            b.fail(status(400), is_ack);
        } else {
            taken.extend(deliveries);
            b.reply(is_ack, Value::Null);
        }
    }
    assert_eq!(
        taken,
        ["d0", "d1", "d2", "d4", "d5", "d6", "d7", "d8", "d9"]
    );
    assert_eq!(b.result(call), Some(Ok(json!(null))));
}

// ---------------------------------------------------------------- hints

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
fn one_lost_page_does_not_stop_the_rest_while_pulls_are_held_back() {
    let mut b = opened();
    b.call(json!({"op": "sync"}));
    b.fail(Error::from_status(503, "busy", Some(300_000)), is_pull);
    let load = b.load("older");
    b.fail(network(), is_history);
    assert_eq!(b.result(load), Some(Err("network".into())));
    let load = b.load("older");
    b.answer_page(&[4, 5, 6], true, true);
    assert!(matches!(b.result(load), Some(Ok(_))));
    assert_eq!(b.status["connection"], json!("online"));
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

// ---------------------------------------------------------------- waiting at the server

fn long_polling() -> Harness {
    let mut b = Harness::with(
        json!({"notify": "long-poll", "fallbackPollInterval": 5_000, "pollInterval": 30_000, "requestTimeout": 15_000}),
    );
    b.sign_in(9);
    wait_for(&mut b, waits);
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
            if !b.is_asked(waits) {
                match b.is_asked(is_pull) {
                    true => _ = b.answer_pull(empty("2", false)),
                    false => b.wait(500),
                }
                continue;
            }
            let wait = wait_of(&asked(&b, waits));
            waited.push(wait);
            if wait < 10_000 {
                break;
            }
            if swallowed {
                b.wait(wait + 15_000);
                continue;
            }
            b.wait(10_000);
            b.fail(network(), waits);
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
        if b.is_asked(waits) {
            waited += 1;
            b.fail(status(502), waits);
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
    b.fail(network(), waits);
    wait_for(&mut b, is_pull);
    b.fail(network(), is_pull);
    assert_eq!(b.status["connection"], json!("offline"));
}

// ---------------------------------------------------------------- all at once

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

// ---------------------------------------------------------------- what fails does not hold up others

#[test]
pub fn a_conversation_that_fails_and_is_notified_of_all_the_time_leaves_the_others_their_timer() {
    let mut b =
        Harness::with(json!({"scope": "conversation", "notify": "socket", "pollInterval": 30_000}));
    let batch = json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"});
    b.reply(
        is_any_pull,
        json!({"conversations": {"c": batch, "d": batch}}),
    );
    b.answer_list(
        json!({"conversations": [{"id": "c", "sort": 1}, {"id": "d", "sort": 2}], "next": null}),
    );
    b.notice(Notice::Ready);
    let sick = json!({"conversations": {"c": {"error": {"code": "network", "message": "busy", "status": 503, "retryAfter": 600_000}}}});
    let mut others = 0;
    for _ in 0..600 {
        while b.is_asked(is_any_pull) {
            let pull = asked(&b, is_any_pull);
            let Request::PullConversations { only, rest, .. } = &pull else {
                unreachable!("it is a pull")
            };
            let d = only
                .as_ref()
                .is_none_or(|only| only.contains(&"d".to_owned()));
            others += usize::from(d && (only.is_none() || *rest));
            let c = only
                .as_ref()
                .is_none_or(|only| only.contains(&"c".to_owned()));
            b.reply(
                is_any_pull,
                if c {
                    sick.clone()
                } else {
                    json!({"conversations": {}})
                },
            );
        }
        b.notice(Notice::Notify {
            spread: 0,
            conversations: vec!["c".into()],
        });
        b.wait(1_000);
    }
    assert!((15..60).contains(&others), "{others} times in ten minutes");
}

#[test]
fn a_new_conversation_comes_while_another_fails() {
    let mut b = many(3);
    b.call(json!({"op": "sync"}));
    let sick = json!({"conversations": {"c0001": {"error": {"code": "network", "message": "busy", "status": 503, "retryAfter": 600_000}}}});
    b.reply(is_any_pull, sick);
    b.wait(30_000);
    let pull = asked(&b, is_any_pull);
    assert_eq!(
        parts(&pull),
        (3, Some(2), true),
        "it is named, and not asked for"
    );
    b.reply(
        is_any_pull,
        json!({"conversations": {"new": {"events": [whole("new")], "cursor": "1", "hasMore": false}}}),
    );
    assert_eq!(b.conversations.len(), 4);
}

#[test]
fn where_an_answer_leaves_some_out_only_those_are_asked_for_again() {
    let mut b = Harness::with(json!({"scope": "conversation", "notify": "socket"}));
    let batch = json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"});
    let all = json!({"a": batch, "b": batch, "c": batch, "d": batch});
    b.reply(is_any_pull, json!({"conversations": all}));
    let listed = ["a", "b", "c", "d"].map(|id| json!({"id": id, "sort": 1}));
    b.answer_list(json!({"conversations": listed, "next": null}));
    b.notice(Notice::Ready);
    b.reply(is_any_pull, json!({"conversations": {}}));
    b.notice(Notice::Notify {
        spread: 0,
        conversations: ["a", "b", "c", "d", "gone"].map(str::to_owned).into(),
    });
    let mut only = || {
        let pull = asked(&b, is_any_pull);
        let Request::PullConversations { only, .. } = pull else {
            unreachable!("it is a pull")
        };
        let refused = json!({"error": {"code": "forbidden", "message": "no", "status": 403}});
        let sick = json!({"error": {"code": "unavailable", "message": "no", "status": 503}});
        let mut on = json!({"events": [], "cursor": "2", "hasMore": true});
        let answer = match only.as_ref().map_or(0, Vec::len) {
            5 => json!({"gone": refused}),
            4 => json!({"a": sick}),
            3 => json!({"b": on}),
            _ => {
                on["hasMore"] = json!(false);
                json!({"b": on, "c": on, "d": on})
            }
        };
        let more = answer.get("c").is_none();
        b.reply(
            is_any_pull,
            json!({"conversations": answer, "hasMore": more}),
        );
        (only.unwrap_or_default().concat(), b.is_asked(is_any_pull))
    };
    assert_eq!(only(), ("abcdgone".to_owned(), true));
    assert_eq!(only(), ("abcd".to_owned(), true));
    assert_eq!(only(), ("bcd".to_owned(), true));
    let pull = asked(&b, is_any_pull);
    assert_eq!(parts(&pull), (3, Some(3), false), "b is behind the others");
}

#[test]
fn a_conversation_without_a_cursor_that_failed_alone_is_asked_for_by_its_name_and_not_in_a_loop() {
    let mut b = Harness::with(json!({"scope": "conversation", "notify": "socket"}));
    let batch = json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"});
    b.reply(is_any_pull, json!({"conversations": {"a": batch}}));
    let listed = [json!({"id": "a", "sort": 1})];
    b.answer_list(json!({"conversations": listed, "next": null}));
    b.notice(Notice::Ready);
    b.reply(is_any_pull, json!({"conversations": {}}));
    b.notice(Notice::Notify {
        spread: 0,
        conversations: ["a", "new"].map(str::to_owned).into(),
    });
    let sick = |ms: u64| json!({"error": {"code": "unavailable", "message": "no", "status": 503, "retryAfter": ms}});
    let answer = json!({"conversations": {"a": sick(18_000), "new": sick(3_000)}});
    b.reply(is_any_pull, answer);
    b.wait(3_500);
    // The last request has named it: the server's rest does not answer for it.
    let pull = asked(&b, is_any_pull);
    assert_eq!(parts(&pull), (1, Some(1), true), "it is named");
    let new = json!({"events": [], "cursor": "1", "hasMore": false, "overflow": ["new"]});
    b.reply(is_any_pull, json!({"conversations": {"new": new}}));
    assert!(!b.is_asked(is_any_pull), "it is well, and asked for once");
}
