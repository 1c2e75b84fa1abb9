//! R14: no storms, and nothing is stuck.

use pullcord::core::net::{Error, ErrorCode, Notice, Request};
use pullcord::core::storage::StoreError;
use serde_json::{Value, json};

use super::harness::{Harness, after, state};
use super::support::{is_ack, is_any_pull, is_list, is_pull, network, opened};

/// Answers pulls, and fails what else is asked for, until nothing is. Gives how often that was.
fn fail_all_but_pulls(b: &mut Harness) -> usize {
    let mut failed = 0;
    for _ in 0..100 {
        if b.is_asked(is_pull) {
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        } else if b.is_asked(|_| true) {
            failed += 1;
            b.fail(network(), |_| true);
        }
    }
    failed
}

#[test]
fn a_send_that_finds_no_server_waits_out_its_backoff_though_pulls_are_answered() {
    let mut b = opened();
    b.send("a");
    assert_eq!(fail_all_but_pulls(&mut b), 1);
    b.wait(2_000);
    assert_eq!(fail_all_but_pulls(&mut b), 1, "then it is tried again");
}

#[test]
fn a_page_that_finds_no_server_waits_out_its_backoff_though_pulls_are_answered() {
    let mut b = Harness::signed_in(9);
    b.open();
    assert_eq!(fail_all_but_pulls(&mut b), 1);
    b.wait(2_000);
    b.answer_page(&[8, 9], false, false);
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn a_read_mark_whose_end_cannot_be_stored_is_not_told_again_at_once() {
    let mut b = opened();
    b.call(json!({"op": "mark-read", "conversation": "c", "seq": "9"}));
    b.failing.push_back(StoreError::Failed("no".into()));
    let is_mark = |call: &Request| matches!(call, Request::MarkRead { .. });
    b.accept_mark();
    assert!(!b.is_asked(is_mark));
    b.wait(2_000);
    assert!(b.is_asked(is_mark));
}

#[test]
fn a_disk_that_has_no_room_even_to_make_room_fails_what_needed_it() {
    let mut b = opened();
    b.command(json!({"op": "close-timeline", "timeline": 1}));
    b.failing.extend((0..200).map(|_| StoreError::Quota));
    b.sync(json!([after(9, 10)]), "2");
    assert!(b.failing.len() > 190, "{} are left", b.failing.len());
    assert_eq!(b.status["error"]["code"], json!("quota"));
}

#[test]
fn a_conversation_list_that_goes_in_a_circle_is_a_protocol_error() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    let is_list = |call: &Request| matches!(call, Request::Conversations { .. });
    for next in ["a", "b"].into_iter().cycle().take(200) {
        if b.is_asked(is_list) {
            b.answer_list(json!({"conversations": [{"id": "c"}], "next": next}));
        }
    }
    assert!(!b.is_asked(is_list));
    assert_eq!(b.status["error"]["code"], json!("protocol"));
}

#[test]
fn what_the_old_token_was_refused_is_asked_for_with_the_new_one() {
    let unauthorized = || Error::new(ErrorCode::Unauthorized, "401");
    let mut b = Harness::signed_in(9);
    b.call(json!({"op": "sync"}));
    b.fail(unauthorized(), is_pull);
    assert_eq!(b.status["connection"], json!("needs-auth"));
    let errors = b.events.iter().filter(|e| e["type"] == json!("error"));
    assert_eq!(errors.count(), 1, "the app is told once");
    b.open();
    b.call(json!({"op": "sync"}));
    b.answer_page(&[8, 9], false, false);
    assert_eq!(b.shown(), "8 9");
}

#[test]
fn a_sync_whose_network_goes_is_rejected() {
    let mut b = opened();
    let call = b.call(json!({"op": "sync"}));
    b.command(json!({"op": "network", "online": false}));
    assert_eq!(b.result(call), Some(Err("network".into())));
}

// ---------------------------------------------------------------- a channel that says too much

/// The channel says `notice` every 10 ms, for ten seconds, and pulls bring nothing. Gives how many there were.
fn pulls_of(notice: &Notice) -> usize {
    let nothing = || json!({"events": [], "cursor": "1", "hasMore": false});
    let mut b = Harness::with(json!({"notify": "socket", "fallbackPollInterval": 5_000}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    b.answer_pull(nothing());
    let mut pulls = 0;
    for _ in 0..1_000 {
        b.notice(notice.clone());
        if b.is_asked(is_pull) {
            b.answer_pull(nothing());
            pulls += 1;
        }
        b.wait(10);
    }
    // What is true at last is believed at once from then on.
    b.wait(5_000);
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
    for _ in 0..3 {
        b.notice(notice.clone());
        b.answer_pull(json!({"events": [], "cursor": "2", "hasMore": false}));
    }
    pulls
}

#[test]
fn notifications_that_bring_nothing_are_followed_once_a_second() {
    let notify = Notice::Notify {
        spread: 0,
        conversations: Vec::new(),
    };
    let pulls = pulls_of(&notify);
    assert!(pulls < 30, "{pulls}");
}

#[test]
fn a_channel_that_is_ready_again_and_again_makes_no_loop() {
    let pulls = pulls_of(&Notice::Ready);
    assert!(pulls < 30, "{pulls}");
}

#[test]
fn pushes_that_follow_nothing_are_not_pulled_for_in_a_loop() {
    let push = json!({"prev": "elsewhere", "cursor": "nowhere", "events": []});
    let pulls = pulls_of(&Notice::Push(push.to_string()));
    assert!(pulls < 30, "{pulls}");
}

#[test]
fn a_channel_that_is_ready_again_and_again_ends_no_backoff() {
    let mut b = Harness::with(json!({"notify": "socket"}));
    b.sign_in(9);
    b.notice(Notice::Ready);
    let mut failed = 0;
    for _ in 0..2_000 {
        b.notice(Notice::Ready);
        if b.is_asked(is_pull) {
            b.fail(network(), is_pull);
            failed += 1;
        }
        b.wait(10);
    }
    assert!(failed < 20, "{failed}");
}

#[test]
fn a_mailbox_that_overflows_with_each_pull_is_not_asked_in_a_loop() {
    let mut b = Harness::with(
        json!({"scope": "mailbox", "notify": "socket", "pollInterval": 30_000, "fallbackPollInterval": 5_000}),
    );
    let (mut pulls, mut ready) = (0, 0);
    for _ in 0..6_000 {
        if b.is_asked(is_any_pull) {
            b.reply(
                is_any_pull,
                json!({"events": [], "hasMore": false, "overflow": "all"}),
            );
            pulls += 1;
        } else if b.is_asked(is_list) {
            b.answer_list(json!({"conversations": [], "next": null}));
        } else if b.listens() && b.listened != ready {
            ready = b.listened;
            b.notice(Notice::Ready);
        } else {
            b.wait(10);
        }
    }
    assert!(pulls < 40, "{pulls}");
}

// ---------------------------------------------------------------- what is refused one by one

fn refused(status: u16) -> Error {
    Error {
        status: Some(status),
        ..Error::new(ErrorCode::Rejected, "no")
    }
}

/// Answers as `answer` does what is asked within a minute. Gives how many requests there were.
fn minute(b: &mut Harness, mut answer: impl FnMut(&mut Harness)) -> usize {
    let mut requests = 0;
    for _ in 0..600 {
        while b.is_asked(|_| true) {
            requests += 1;
            answer(b);
        }
        b.wait(100);
    }
    requests
}

/// Acknowledges. Gives the deliveries.
fn acknowledged(b: &mut Harness) -> Vec<String> {
    match b.reply(is_ack, json!(null)) {
        Request::Acknowledge { deliveries, .. } => deliveries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_lets_nothing_be_acknowledged_is_not_asked_about_each_delivery() {
    let mut b = Harness::with(
        json!({"scope": "mailbox", "pollInterval": 5_000, "fallbackPollInterval": 5_000}),
    );
    let delivered = |n: u64| json!({"type": "conversation", "conversation": state(n, n), "delivery": n.to_string()});
    let all: Vec<Value> = (1..=400).map(delivered).collect();
    for has_more in [false, true] {
        let requests = minute(&mut b, |b| {
            if b.is_asked(is_ack) {
                b.fail(refused(404), is_ack);
            } else if b.is_asked(is_list) {
                b.answer_list(json!({"conversations": [], "next": null}));
            } else {
                b.reply(is_any_pull, json!({"events": all, "hasMore": has_more}));
            }
        });
        assert!(requests < 80, "{requests}");
    }
    let mut left: Vec<String> = (1..=400).map(|n: u64| n.to_string()).collect();
    for _ in 0..10 {
        minute(&mut b, |b| {
            if b.is_asked(is_ack) {
                let deliveries = acknowledged(b);
                left.retain(|name| !deliveries.contains(name));
            } else {
                let events: Vec<&Value> = all
                    .iter()
                    .filter(|event| left.iter().any(|name| event["delivery"] == json!(name)))
                    .collect();
                b.reply(is_any_pull, json!({"events": events, "hasMore": false}));
            }
        });
    }
    assert!(left.is_empty(), "it takes them again: {left:?}");
}

/// Scope "conversation", signed in with 300 conversations.
fn many() -> (Harness, Vec<String>) {
    let mut b = Harness::with(
        json!({"scope": "conversation", "notify": "socket", "pollInterval": 30_000, "fallbackPollInterval": 30_000}),
    );
    let ids: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
    b.reply(is_any_pull, batches(&ids));
    let listed: Vec<Value> = ids.iter().map(|id| json!({"id": id, "sort": 1})).collect();
    while b.is_asked(is_list) {
        b.answer_list(json!({"conversations": listed, "next": null}));
    }
    (b, ids)
}

fn batches(ids: &[String]) -> Value {
    let batch = |id: &String| {
        (
            id.clone(),
            json!({"events": [], "cursor": "1", "hasMore": false}),
        )
    };
    json!({"conversations": ids.iter().map(batch).collect::<serde_json::Map<_, _>>()})
}

#[test]
fn a_server_to_which_each_conversation_is_too_much_is_not_asked_for_each_one() {
    let (mut b, ids) = many();
    let first = minute(&mut b, |b| b.fail(refused(413), is_any_pull));
    assert!(first < 60, "{first}");
    let fifth = (0..4)
        .map(|_| minute(&mut b, |b| b.fail(refused(413), is_any_pull)))
        .last();
    assert!(fifth < Some(20), "{fifth:?}");
    let call = b.call(json!({"op": "sync"}));
    minute(&mut b, |b| {
        b.reply(is_any_pull, batches(&ids));
    });
    assert_eq!(b.result(call), Some(Ok(json!(null))));
}

#[test]
fn conversations_that_fail_each_alone_are_tried_again_together() {
    let (mut b, ids) = many();
    let failing = |id: &String| {
        (
            id.clone(),
            json!({"error": {"code": "network", "message": "its shard is down"}}),
        )
    };
    let failing =
        json!({"conversations": ids.iter().map(failing).collect::<serde_json::Map<_, _>>()});
    for _ in 0..5 {
        let requests = minute(&mut b, |b| {
            b.reply(is_any_pull, failing.clone());
        });
        assert!(requests < 15, "{requests}");
    }
}

#[test]
fn conversations_that_are_refused_are_asked_for_by_a_backoff_that_grows_however_many_they_are() {
    for bad in [1, 2, 10] {
        let (mut b, ids) = many();
        let mut answer = |b: &mut Harness| {
            let (request, call) = b.take("pull", is_any_pull);
            let Request::PullConversations { cursors, only, .. } = call else {
                return;
            };
            let asked = only.unwrap_or(cursors.into_iter().map(|(id, _)| id).collect());
            let mut answers = batches(&asked);
            for id in asked.iter().filter(|id| ids[..bad].contains(id)) {
                answers["conversations"][id.as_str()] =
                    json!({"error": {"code": "forbidden", "message": "no"}});
            }
            b.answer(request, answers);
        };
        b.notice(Notice::Notify {
            spread: 0,
            conversations: ids[..bad].to_vec(),
        });
        let minutes: Vec<usize> = (0..10).map(|_| minute(&mut b, &mut answer)).collect();
        let late: usize = minutes[5..].iter().sum();
        assert!(minutes[0] < 100 && late < 80, "{bad}: {minutes:?}");
    }
}

#[test]
fn an_app_that_calls_sync_in_a_loop_pulls_once_a_second() {
    let mut b = opened();
    let mut pulls = 0;
    let mut call = b.call(json!({"op": "sync"}));
    for _ in 0..500 {
        if b.is_asked(is_pull) {
            pulls += 1;
            b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
        }
        if b.result(call).is_some() {
            call = b.call(json!({"op": "sync"}));
        }
        b.wait(20);
    }
    assert!((18..=24).contains(&pulls), "{pulls} in ten seconds");
    // What brings something is no loop in vain.
    b.wait(1_000);
    b.answer_pull(json!({"events": [after(9, 10)], "cursor": "2", "hasMore": false}));
    b.call(json!({"op": "sync"}));
    assert!(b.is_asked(is_pull));
}
