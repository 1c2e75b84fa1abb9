//! What is put right, and what is never looked into.

use pullcord::core::net::Notice;
use serde_json::{Value, json};

use super::{In, PLACES, WELL, bring, irregular, opened, pull, spoiled, unasked, unread_of_d};
use crate::harness::{Harness, readable};
use crate::support::{is_history, is_pull};

/// What is put right: what of [`WELL`] is replaced by what, and what is shown of it then.
fn repairs() -> Vec<(&'static str, String, Value)> {
    let deep = format!("{}1{}", "[".repeat(101), "]".repeat(101));
    let large = format!("\"{}\"", "x".repeat(4 << 20));
    let unreadable = json!({"state": "unreadable", "body": null});
    let case = |from: &'static str, to: &str, shown: Value| (from, to.to_owned(), shown);
    vec![
        case(r#""sender":"bob","#, "", json!({"sender": ""})),
        case(
            r#""sender":"bob""#,
            r#""sender":null"#,
            json!({"sender": ""}),
        ),
        case(r#""createdAt":1,"#, "", json!({"createdAt": 0})),
        case(
            r#""createdAt":1"#,
            r#""createdAt":"noon""#,
            json!({"createdAt": 0}),
        ),
        case(r#""id":"m10""#, r#""id":10"#, json!({"id": "10"})),
        case(
            r#""id":"m10""#,
            r#""id":"\ud800m""#,
            json!({"id": "\u{FFFD}m"}),
        ),
        case(
            r#""sender":"bob""#,
            r#""sender":"b\udc00""#,
            json!({"sender": "b\u{FFFD}"}),
        ),
        case(
            r#""clientId":"k""#,
            r#""clientId":[1]"#,
            json!({"clientId": null}),
        ),
        case(r#""version":3,"#, "", json!({"version": 1})),
        case(
            r#""state":"edited""#,
            r#""state":"pinned""#,
            json!({"state": "edited"}),
        ),
        case(
            r#""version":3,"state":"edited""#,
            r#""version":1"#,
            json!({"state": "normal"}),
        ),
        case(
            r#""state":"edited","body":{"text":"x"}"#,
            r#""state":7"#,
            unreadable.clone(),
        ),
        case(r#"{"text":"x"}"#, &deep, unreadable.clone()),
        case(r#"{"text":"x"}"#, &large, unreadable),
    ]
}

fn shown_message(b: &Harness, seq: &str) -> Option<Value> {
    let items = b.items.get(&1)?;
    let found = items
        .iter()
        .find(|item| item["message"]["seq"] == json!(seq));
    found.map(|item| item["message"].clone())
}

#[test]
fn what_is_put_right_is_shown_in_every_place_and_told_once() {
    for place in PLACES {
        for (from, to, expected) in repairs() {
            // Of an update without version nothing is known; an edit is of the message it names.
            let version = from.starts_with(r#""version":3,"#) && to.is_empty();
            if place == In::Update && version
                || place == In::Edited
                    && (version || from.contains("id\":") || from.contains("\"id\""))
            {
                continue;
            }
            let case = format!("{place:?}: {from} → {}", &to[..to.len().min(40)]);
            let mut b = bring(place, &spoiled(from, &to));
            if place == In::Update && to.contains("\"version\":1") {
                continue;
            }
            let m = shown_message(&b, "10").unwrap_or_else(|| panic!("{case}: {}", b.shown()));
            let fields = expected.as_object().expect("fields");
            let is_older = place == In::Edited && to.contains("\"version\":1");
            for (name, value) in fields.iter().filter(|_| !is_older) {
                assert_eq!(m[name], *value, "{case}");
            }
            let told = irregular(&b);
            assert_eq!(told.len(), 1, "{case}: {told:?}");
            assert_eq!(told[0]["where"], json!(place.name()), "{case}");
            assert_eq!(told[0]["count"], json!(1), "{case}");
            let done = match fields.get("state") == Some(&json!("unreadable")) {
                true => "unreadable",
                false => "repaired",
            };
            assert_eq!(told[0]["first"]["done"], json!(done), "{case}");
            assert_eq!(unread_of_d(&b), json!(5), "{case}");
            assert_eq!(
                (b.status["error"].clone(), b.cursor()),
                (json!(null), json!("2")),
                "{case}"
            );
            assert!(
                b.drawn(1).ends_with(|c: char| c != '~' && c != '…'),
                "{case}: nothing is doubted"
            );
            // And it was stored as it was shown.
            let mut again = b.restart();
            again.open();
            assert_eq!(shown_message(&again, "10").as_ref(), Some(&m), "{case}");
        }
    }
}

#[test]
pub fn of_two_copies_of_one_version_the_one_less_put_right_stays_in_whatever_order_they_come() {
    let large = format!("[{}1]", "1,".repeat(3 << 20));
    for (from, to) in [
        (r#""sender":"bob","#, ""),
        (r#"{"text":"x"}"#, &*large),
        (
            r#""state":"edited","body":{"text":"x"}"#,
            r#""state":"unreadable""#,
        ),
    ] {
        let (odd, well) = (spoiled(from, to), WELL.to_owned());
        for (first, second) in [(&odd, &well), (&well, &odd)] {
            for kind in ["message", "update", "push", "page", "state"] {
                well_shown_after(kind, first, second);
            }
        }
    }
}

/// A copy came in a batch, and then another by this `kind` of carrier: the one less put right is shown and stored.
fn well_shown_after(kind: &str, first: &str, second: &str) {
    let mut b = opened(json!({}));
    let new = format!(r#"{{"type":"message","message":{first},"prev":9}}"#);
    pull(&mut b, &new, "1b");
    let again = |kind: &str| format!(r#"{{"type":"{kind}","message":{second}}}"#);
    match kind {
        "push" => {
            let event = again("message");
            let text = format!(r#"{{"type":"push","prev":"1b","cursor":"2","events":[{event}]}}"#);
            b.notice(Notice::Push(text));
        }
        "page" => {
            b.call(json!({"op": "jump", "timeline": 1, "to": {"around": "99"}}));
            let text = format!(r#"{{"messages":[{second}],"hasBefore":true,"hasAfter":false}}"#);
            b.reply_text(is_history, &text);
        }
        "state" => {
            let state = |last: &str| {
                format!(
                    r#"{{"type":"conversation","conversation":{{"id":"c","lastMessage":{last}}}}}"#
                )
            };
            pull(&mut b, &format!("{},{}", state(first), state(second)), "2");
            let c = b.conversations.iter().find(|c| c["id"] == json!("c"));
            let last = &c.expect("it is listed")["lastMessage"];
            assert_eq!(last["body"], json!({"text": "x"}));
            return;
        }
        kind => pull(&mut b, &again(kind), "2"),
    }
    let m = shown_message(&b, "10").expect("it is shown");
    let well = (&json!("bob"), &json!({"text": "x"}));
    assert_eq!((&m["sender"], &m["body"]), well, "{kind}");
    let mut b = b.restart();
    b.open();
    assert_eq!(shown_message(&b, "10"), Some(m), "{kind}");
}

#[test]
fn a_field_that_nobody_asks_for_is_never_looked_into() {
    for odd in unasked() {
        let m = spoiled(r#""version":3"#, &format!(r#""version":3,"x":{odd}"#));
        for place in PLACES {
            let b = bring(place, &m);
            assert_eq!(
                shown_message(&b, "10").expect("it is shown")["body"],
                json!({"text": "x"})
            );
            assert_eq!(irregular(&b), [&json!(null); 0], "{place:?} {odd:.40}");
        }
        let mut b = opened(json!({}));
        b.call(json!({"op": "sync"}));
        let event = format!(
            r#"{{"x":{odd},"type":"conversation","conversation":{{"y":{odd},"id":"d","unread":6}},"message":{odd}}}"#
        );
        let unknown = format!(r#"{{"type":"poke","conversation":{odd}}}"#);
        let text =
            format!(r#"{{"z":{odd},"events":[{event},{unknown}],"cursor":"2","hasMore":false}}"#);
        b.reply_text(is_pull, &text);
        assert_eq!((unread_of_d(&b), b.cursor()), (json!(6), json!("2")));
        assert!(irregular(&b).is_empty());
    }
}

#[test]
fn the_apps_own_json_passes_with_half_a_surrogate_pair_and_numbers_beyond_all() {
    let odd = r#"{"text":"a\ud800b","n":1e999,"pair":"\ud83d\ude00"}"#;
    let m = spoiled(r#"{"text":"x"}"#, odd);
    let expected: Value = serde_json::from_str(&readable(odd)).expect("it is JSON then");
    for place in PLACES {
        let b = bring(place, &m);
        assert_eq!(
            shown_message(&b, "10").expect("it is shown")["body"],
            expected
        );
        assert!(irregular(&b).is_empty());
        let mut b = b.restart();
        b.open();
        assert_eq!(
            shown_message(&b, "10").expect("it is held")["body"],
            expected,
            "{place:?}"
        );
    }
    let mut b = opened(json!({}));
    pull(
        &mut b,
        &format!(r#"{{"type":"conversation","conversation":{{"id":"d","meta":{odd}}}}}"#),
        "2",
    );
    let meta = |b: &Harness| {
        b.conversations
            .iter()
            .find(|c| c["id"] == json!("d"))
            .unwrap()["meta"]
            .clone()
    };
    assert_eq!(meta(&b), expected);
    assert_eq!(meta(&b.restart()), expected);
}
