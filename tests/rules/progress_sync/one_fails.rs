//! What fails does not hold up the others: a page, a conversation.

use pullcord::core::net::{Error, Notice, Request};
use serde_json::json;

use super::{asked, errors, many, parts, too_large, whole};
use crate::harness::Harness;
use crate::support::{is_any_pull, is_history, is_pull, network, opened};

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
