//! What is read of answers, what is put right or left out of them, and how much of it is taken.

use std::rc::Rc;

use super::answer::answer;
use super::batch::{Batch, batch, batches};
use super::conversation::{CONVERSATION, patch};
use super::limits::{MAX_BODY, MAX_NAME, MAX_PAGE};
use super::list::list_page;
use super::message::{MESSAGE, message};
use super::page::{changes, page};
use crate::core::error::{Error, ErrorCode};
use crate::core::events::Event;
use crate::core::irregular::Irregular;
use crate::core::net::Place;
use crate::core::node::{Node, broken};
use crate::core::segments::Prev;
use crate::core::types::{Conversation, Message, MessageState, Seq};

type Result<T> = std::result::Result<T, Error>;

const M: &str = r#"{"id":"a","conversation":"c","seq":7,"sender":"ada","createdAt":1.5,"version":1,"state":"normal","body":{"x": [1,  2]},"clientId":"k","extra":1}"#;

fn read(text: &str) -> Result<Rc<Message>> {
    let read = message(&Node::of("message", text, &MESSAGE)?, None, false);
    read.map(|(m, _)| m)
        .map_err(|left_out| broken(left_out.odd.reason))
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn a_body_passes_untouched() {
    let m = read(M).unwrap();
    assert_eq!(&*m.body, r#"{"x": [1,  2]}"#);
    assert_eq!(
        (m.seq, m.created_at, m.client_id.as_deref()),
        (Seq(7), 1, Some("k"))
    );
}

#[test]
fn a_seq_is_a_number_or_digits() {
    let with = |seq: &str| read(&M.replace("\"seq\":7", &format!("\"seq\":{seq}")));
    assert_eq!(with("\"18446744073709551615\"").unwrap().seq, Seq(u64::MAX));
    assert_eq!(with("9007199254740993").unwrap().seq, Seq(9007199254740993));
    for bad in [
        "-1",
        "1.5",
        "\"\"",
        "\"+1\"",
        "\"1x\"",
        "\"18446744073709551616\"",
        "null",
        "[]",
    ] {
        assert_eq!(code(with(bad)), ErrorCode::Protocol, "{bad}");
    }
}

#[test]
fn a_recalled_message_has_no_body() {
    assert_eq!(
        &*read(&M.replace("normal", "recalled")).unwrap().body,
        "null"
    );
}

#[test]
fn unknown_events_and_fields_are_ignored_and_counted() {
    let text = format!(
        r#"{{"events":[{{"type":"poke","message":"?"}},{{"type":"message","message":{M},"prev":null,"x":1}},{{"type":"message","message":{M}}},{{"type":"message","message":{M},"prev":"5"}}],"cursor":"1","hasMore":false,"y":{{}}}}"#
    );
    let batch = batch(&text, None).unwrap();
    assert_eq!(batch.unknown(), 1);
    let prevs: Vec<_> = batch
        .events
        .iter()
        .filter_map(|e| match e.event()? {
            Event::Message(new) => Some(new.prev),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(prevs, [Prev::Nothing, Prev::Unknown, Prev::At(5)]);
}

#[test]
fn what_breaks_an_answers_frame_is_refused() {
    for text in [
        "<html>",
        "",
        "[]",
        r#"{"events":[],"cursor":1,"hasMore":false}"#,
        r#"{"events":[],"cursor":"1"}"#,
        r#"{"events":{},"cursor":"1","hasMore":false}"#,
        r#"{"events":[],"cursor":"1","hasMore":false"#,
    ] {
        assert_eq!(code(batch(text, None)), ErrorCode::Protocol, "{text}");
    }
    assert_eq!(
        code(batch(
            r#"{"events":[],"cursor":"1","hasMore":true}"#,
            Some("1")
        )),
        ErrorCode::Protocol
    );
}

#[test]
fn a_page_out_of_order_or_out_of_place_is_refused() {
    let c: Rc<str> = "c".into();
    let with = |messages: &str, flags: &str| format!(r#"{{"messages":[{messages}],{flags}}}"#);
    let none = r#""hasBefore":false,"hasAfter":false"#;
    let more = r#""hasBefore":true,"hasAfter":true"#;
    assert!(page(&with(M, none), &c, Place::Latest).is_ok());
    let older = M.replace("\"seq\":7", "\"seq\":6");
    assert!(page(&with(&format!("{older},{M}"), none), &c, Place::Latest).is_ok());
    assert!(page(&with(&format!("{M},{older}"), none), &c, Place::Latest).is_err());
    assert!(page(&with(M, more), &c, Place::Latest).is_err());
    assert!(page(&with("", more), &c, Place::Before(Seq(7))).is_err());
    assert!(page(&with("", none), &c, Place::Before(Seq(7))).is_ok());
}

/// `count` of `one`, with commas between.
fn many(one: impl Fn(usize) -> String, count: usize) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn every_list_has_a_limit() {
    let c: Rc<str> = "c".into();
    let message = |i| M.replace("\"seq\":7", &format!("\"seq\":{i}"));
    let empty = r#"{"events":[],"cursor":"1","hasMore":false}"#;
    let read = |n: usize| {
        let events = many(|_| r#"{"type":"x"}"#.into(), n);
        let ids = many(|i| format!("\"{i}\""), n);
        let messages = many(message, n);
        let list = many(|i| format!("{{\"id\":\"{i}\"}}"), n);
        let several = many(|i| format!("\"{i}\":{empty}"), n);
        [
            batch(
                &format!(r#"{{"events":[{events}],"cursor":"1","hasMore":false}}"#),
                None,
            )
            .err(),
            batch(
                &format!(r#"{{"events":[],"cursor":"1","hasMore":false,"overflow":[{ids}]}}"#),
                None,
            )
            .err(),
            page(
                &format!(r#"{{"messages":[{messages}],"hasBefore":false,"hasAfter":false}}"#),
                &c,
                Place::Latest,
            )
            .err(),
            changes(
                &format!(r#"{{"messages":[{messages}],"hasMore":false}}"#),
                &c,
                0,
                u64::MAX,
            )
            .err(),
            list_page(
                &format!(r#"{{"conversations":[{list}],"next":null}}"#),
                None,
            )
            .err(),
            batches(&format!(r#"{{"conversations":{{{several}}}}}"#), &[]).err(),
        ]
        .map(|error| error.map(|e| e.code))
    };
    assert_eq!(read(MAX_PAGE), [None; 6]);
    assert_eq!(read(MAX_PAGE + 1), [Some(ErrorCode::Protocol); 6]);
}

fn events(event: &str) -> Batch {
    batch(
        &format!(r#"{{"events":[{event}],"cursor":"1","hasMore":false}}"#),
        None,
    )
    .unwrap()
}

#[test]
fn every_name_has_a_limit() {
    let c: Rc<str> = "c".into();
    let read = |n: usize| {
        let long = "x".repeat(n);
        let update = |from: &str, to: &str| {
            let message = M.replace(from, &format!("{to}:\"{long}\""));
            let batch = events(&format!(r#"{{"type":"update","message":{message}}}"#));
            (batch.lacks(), batch.irregular.count())
        };
        let event = |event: &str| {
            let batch = events(&event.replace("LONG", &long));
            (batch.lacks(), batch.irregular.count())
        };
        let items = [
            update("\"id\":\"a\"", "\"id\""),
            update("\"conversation\":\"c\"", "\"conversation\""),
            event(r#"{"type":"removed","conversation":"LONG"}"#),
            event(r#"{"type":"trim","conversation":"LONG","before":1}"#),
            event(r#"{"type":"conversation","conversation":{"id":"LONG"}}"#),
        ];
        let fields = [
            update("\"sender\":\"ada\"", "\"sender\""),
            update("\"clientId\":\"k\"", "\"clientId\""),
        ];
        let frames = [
            batch(
                &format!(r#"{{"events":[],"cursor":"{long}","hasMore":false}}"#),
                None,
            )
            .err(),
            list_page(&format!(r#"{{"conversations":[],"next":"{long}"}}"#), None).err(),
        ]
        .map(|error| error.map(|e| e.code));
        (items, fields, frames)
    };
    let well = (false, 0);
    assert_eq!(read(MAX_NAME), ([well; 5], [well; 2], [None; 2]));
    let (left_out, repaired) = ((true, 1), (false, 1));
    let refused = Some(ErrorCode::Protocol);
    assert_eq!(
        read(MAX_NAME + 1),
        ([left_out; 5], [repaired; 2], [refused; 2])
    );
    // And what is told of a stranger's name is short.
    let stranger = M.replace(
        "\"conversation\":\"c\"",
        &format!("\"conversation\":\"{}\"", "x".repeat(1 << 20)),
    );
    let answer = answer(&format!(r#"{{"message":{stranger}}}"#), &c).unwrap();
    assert_eq!(answer.message.unwrap().conversation, c);
    assert!(answer.irregular.detail("answer", None).unwrap().len() < 1_000);
}

#[test]
fn what_is_the_apps_has_a_limit() {
    let read = |bytes: usize| {
        let own = format!("\"{}\"", "x".repeat(bytes - 2));
        let message = M.replace(r#"{"x": [1,  2]}"#, &own);
        let list = format!(r#"{{"conversations":[{{"id":"c","meta":{own}}}],"next":null}}"#);
        let list = list_page(&list, None).unwrap();
        let meta = list.conversations[0].meta.clone();
        (self::read(&message).unwrap().state, meta.is_some())
    };
    assert_eq!(read(MAX_BODY), (MessageState::Normal, true));
    assert_eq!(read(MAX_BODY + 1), (MessageState::Unreadable, false));
}

/// What is changed of a message, and into what; what is read then, `None` where it is left out; how much
/// was put right.
const CASES: &[(&str, &str, Option<&str>, u8)] = &[
    (r#""sender":"ada""#, r#""x":0"#, Some("sender="), 1),
    (
        r#""sender":"ada""#,
        r#""sender":{"a":1}"#,
        Some("sender="),
        1,
    ),
    (r#""sender":"ada""#, r#""sender":5"#, Some("sender=5"), 1),
    (
        r#""createdAt":1.5"#,
        r#""createdAt":"noon""#,
        Some("at=0"),
        1,
    ),
    (r#""createdAt":1.5"#, r#""createdAt":-5"#, Some("at=0"), 1),
    (
        r#""createdAt":1.5"#,
        r#""createdAt":1e999"#,
        Some("at=0"),
        1,
    ),
    (
        r#""createdAt":1.5"#,
        r#""createdAt":1e99"#,
        Some("at=9007199254740991"),
        0,
    ),
    (
        r#""id":"a""#,
        r#""id":12345678901234567890123"#,
        Some("id=12345678901234567890123"),
        1,
    ),
    (r#""id":"a""#, r#""id":"\ud800a""#, Some("id=\u{FFFD}a"), 1),
    (r#""id":"a""#, r#""id":null"#, None, 0),
    (r#""conversation":"c""#, r#""conversation":[]"#, None, 0),
    (r#""seq":7"#, r#""seq":-7"#, None, 0),
    (r#""version":1"#, r#""version":0"#, Some("version=1"), 1),
    (r#""version":1"#, r#""version":"2""#, Some("version=1"), 1),
    (r#""version":1"#, r#""version":3.0"#, Some("version=3"), 0),
    (
        r#""state":"normal""#,
        r#""state":"pinned""#,
        Some("state=Normal"),
        1,
    ),
    (
        r#""version":1,"state":"normal""#,
        r#""version":2"#,
        Some("state=Edited"),
        1,
    ),
    (
        r#""state":"normal","body":{"x": [1,  2]}"#,
        r#""state":"pinned""#,
        Some("state=Unreadable"),
        1,
    ),
    (
        r#""state":"normal""#,
        r#""state":"unreadable""#,
        Some("state=Unreadable"),
        0,
    ),
    (
        r#""clientId":"k""#,
        r#""clientId":{}"#,
        Some("client=None"),
        1,
    ),
    (
        r#""extra":1"#,
        r#""extra":[1e999,"\ud800"]"#,
        Some("client=Some(\"k\")"),
        0,
    ),
];

#[test]
fn what_cannot_be_read_is_put_right_or_left_out() {
    for (from, to, expected, repairs) in CASES {
        let text = M.replace(from, to);
        assert_ne!(text, M);
        let message = read(&text).ok();
        let shown = message.as_ref().map(|m| {
            format!(
                "id={} sender={} at={} version={} state={:?} client={:?} ",
                m.id, m.sender, m.created_at, m.version, m.state, m.client_id
            )
        });
        match (&shown, expected) {
            (Some(shown), Some(expected)) => {
                assert!(shown.contains(&format!("{expected} ")), "{to}: {shown}")
            }
            (shown, expected) => assert_eq!(shown.is_some(), expected.is_some(), "{to}"),
        }
        assert_eq!(message.map_or(0, |m| m.repairs), *repairs, "{to}");
        // Nothing of it stops the batch, or the page.
        let batch = events(&format!(
            r#"{{"type":"message","message":{text}}},{{"type":"x"}}"#
        ));
        assert_eq!(
            (batch.lacks(), batch.events.len()),
            (expected.is_none(), 2),
            "{to}"
        );
        assert_eq!(
            batch.irregular.count() > 0,
            expected.is_none() || *repairs > 0
        );
        let page_text = format!(r#"{{"messages":[{text}],"hasBefore":false,"hasAfter":false}}"#);
        let page = page(&page_text, &"c".into(), Place::Latest).unwrap();
        assert!(page.messages.len() <= 1);
        assert!(!batch.irregular.is_empty() || page.irregular.is_empty());
    }
}

#[test]
fn a_state_keeps_what_cannot_be_read_of_it() {
    let well = r#"{"id":"c","unread":3,"lastSeq":"9","readSeq":4,"sort":1.5,"lastMessage":null,"meta":{"t":1}}"#;
    for (from, to) in [
        (r#""unread":3"#, r#""unread":-3"#),
        (r#""unread":3"#, r#""unread":"3""#),
        (r#""lastSeq":"9""#, r#""lastSeq":"nine""#),
        (r#""readSeq":4"#, r#""readSeq":4.5"#),
        (r#""sort":1.5"#, r#""sort":1e999"#),
        (r#""sort":1.5"#, r#""sort":"top""#),
        (r#""lastMessage":null"#, r#""lastMessage":{"id":"a"}"#),
        (r#""lastMessage":null"#, r#""lastMessage":7"#),
        (
            r#""meta":{"t":1}"#,
            &format!(r#""meta":{}1{}"#, "[".repeat(101), "]".repeat(101)),
        ),
    ] {
        let text = well.replace(from, to);
        assert_ne!(text, well);
        let list = list_page(
            &format!(r#"{{"conversations":[{text}],"next":null}}"#),
            None,
        );
        let list = list.unwrap();
        assert_eq!(list.irregular.count(), 1, "{to}");
        assert!(!list.nameless);
        let (field, _) = from.split_once(':').unwrap();
        let rest = well.replace(from, &format!("{}_\":0", field.trim_end_matches('"')));
        let rest = list_page(
            &format!(r#"{{"conversations":[{rest}],"next":null}}"#),
            None,
        );
        assert_eq!(list.conversations, rest.unwrap().conversations, "{to}");
    }
    let nameless = list_page(
        r#"{"conversations":[{"unread":1},{"id":7}],"next":null}"#,
        None,
    );
    let nameless = nameless.unwrap();
    assert!(nameless.nameless);
    assert_eq!(&*nameless.conversations[0].id, "7");
}

#[test]
fn a_conversation_has_one_batch_in_an_answer() {
    let empty = r#"{"events":[],"cursor":"1","hasMore":false}"#;
    let twice = format!(r#"{{"conversations":{{"c":{empty},"c":{empty}}}}}"#);
    let answer = batches(&twice, &[]).unwrap();
    assert_eq!((answer.parts.len(), answer.irregular.count()), (1, 1));
}

#[test]
fn what_a_page_covers_is_cut_to_what_was_asked_for() {
    let c: Rc<str> = "c".into();
    let with = |place, messages: &str, covers: &str| {
        let text = format!(
            r#"{{"messages":[{messages}],"hasBefore":true,"hasAfter":false,"covers":{covers}}}"#
        );
        page(&text, &c, place).map(|page| page.covers)
    };
    let (before, after) = (Place::Before(Seq(9)), Place::After(Seq(5)));
    assert_eq!(with(before, M, r#"{"from":3,"to":20}"#), Ok(Some((3, 8))));
    assert_eq!(with(before, "", r#"{"from":"3","to":8}"#), Ok(Some((3, 8))));
    assert_eq!(with(after, M, r#"{"from":0,"to":8}"#), Ok(Some((6, 8))));
    assert_eq!(
        with(Place::Latest, M, r#"{"from":8,"to":6}"#),
        Ok(Some((7, 7)))
    );
    assert_eq!(with(Place::Latest, M, r#"{"from":8}"#), Ok(None));
    assert!(with(before, "", r#"{"from":9,"to":9}"#).is_err());
}

#[test]
fn absent_fields_of_a_conversation_keep_their_value() {
    let patch = |text: &str| {
        let node = Node::of("", text, &CONVERSATION).unwrap();
        patch(&node, None).ok().unwrap().0
    };
    let mut c = Conversation::new("c".into());
    patch(
        r#"{"id":"c","unread":3,"lastSeq":"9","readSeq":4,"sort":1.5,"lastMessage":null,"meta":{"t":1}}"#,
    )
    .apply(&mut c);
    assert_eq!((c.unread, c.last_seq, c.sort), (3, Some(Seq(9)), 1.5));
    let before = c.clone();
    patch(r#"{"id":"c"}"#).apply(&mut c);
    assert_eq!(c, before);
    patch(r#"{"id":"c","lastSeq":null,"meta":null,"unread":0}"#).apply(&mut c);
    assert_eq!(
        (c.last_seq, &*c.meta, c.unread, c.read_seq),
        (None, "null", 0, Some(Seq(4)))
    );
}

/// Where something of an answer stands that is not as it has to be, and what does.
fn odd(detail: Option<String>) -> (String, serde_json::Value) {
    let detail = detail.expect("something is odd");
    let detail: serde_json::Value = serde_json::from_str(&detail).expect("JSON");
    let first = &detail["first"];
    let at = first["at"].as_str().unwrap_or_default().to_owned();
    (at, first["value"].clone())
}

#[test]
fn what_is_not_as_it_has_to_be_is_told_with_its_place_and_how_it_begins() {
    let message = |seq: &str| M.replace("\"seq\":7", &format!("\"seq\":{seq}"));
    for (seq, value) in [
        ("null", serde_json::json!("null")),
        ("1.5", serde_json::json!("1.5")),
        ("\"x\\\"1\"", serde_json::json!(r#""x\"1""#)),
        (&"9".repeat(999), serde_json::json!("9".repeat(40))),
        (
            &format!("\"{}\"", "é".repeat(99)),
            serde_json::json!(format!("\"{}\"", "é".repeat(20))),
        ),
        ("[1]", serde_json::json!("[1]")),
        ("true", serde_json::json!("true")),
    ] {
        let text = message(seq);
        let batch = events(&format!(
            r#"{{"type":"message","message":{M}}},{{"type":"message","message":{text}}}"#
        ));
        let told = odd(batch.irregular.detail("batch", None));
        assert_eq!(told, ("events[1].message.seq".to_owned(), value.clone()));
        let text = format!(r#"{{"messages":[{text}],"hasBefore":false,"hasAfter":false}}"#);
        let page = page(&text, &"c".into(), Place::Latest).unwrap();
        let told = odd(page.irregular.detail("page", None));
        assert_eq!(told, ("messages[0].seq".to_owned(), value));
    }
    let none = M.replace("\"seq\":7,", "");
    let text = format!(r#"{{"conversations":[{{"id":"c","lastMessage":{none}}}],"next":null}}"#);
    let list = list_page(&text, None).unwrap();
    let told = odd(list.irregular.detail("list", None));
    let at = "conversations[0].lastMessage.seq".to_owned();
    assert_eq!(told, (at, serde_json::Value::Null));
    let batch = events(r#"{"type":"update","message":"m1"}"#);
    let told = odd(batch.irregular.detail("batch", None));
    assert_eq!(
        told,
        ("events[0].message".to_owned(), serde_json::json!("\"m1\""))
    );
}

#[test]
fn what_breaks_an_answers_frame_is_told_with_how_it_begins() {
    let said = |text: &str| batch(text, None).unwrap_err().message;
    for (text, expected) in [
        ("{}", "`cursor` should be a string, and is missing"),
        (
            r#"{"data":{"cursor":"7"},"error":null}"#,
            r#"`cursor` should be a string, and is missing: it has "data", "error""#,
        ),
        (
            r#"{"cursor":"7","has_more":true,"a":1,"b":[],"c":{}}"#,
            r#"`hasMore` should be true or false, and is missing: it has "cursor", "has_more", "a", "b", …"#,
        ),
        ("", "the answer is empty, as with status 204: no batch"),
        (" \n", "the answer is empty, as with status 204: no batch"),
        (r#"{"cursor":7}"#, "`cursor` should be a string, and is 7"),
        (
            r#"{"cursor":"7"}"#,
            r#"`hasMore` should be true or false, and is missing: it has "cursor""#,
        ),
        (
            r#"{"cursor":"7","hasMore":"no"}"#,
            r#"`hasMore` should be true or false, and is "no""#,
        ),
        (
            r#"{"cursor":"7","hasMore":true,"events":{"a":[1]}}"#,
            r#"`events` should be a list, and is {"a":[1]}"#,
        ),
        (
            "null",
            "`cursor` should be a string, and is missing in null",
        ),
        (
            "[1, 2]",
            "`cursor` should be a string, and is missing in [1, 2]",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn what_is_hardly_meant_is_told_once_an_answer_and_counts_as_it_came() {
    let message = |seq: u64, fields: &str| {
        format!(
            r#"{{"id":"m{seq}","conversation":"c","seq":{seq},"sender":"s","version":1{fields}}}"#
        )
    };
    let page_of = |messages: &[String]| {
        let list = messages.join(",");
        let text = format!(r#"{{"messages":[{list}],"hasBefore":false,"hasAfter":false}}"#);
        page(&text, &Rc::from("c"), Place::Latest).unwrap()
    };
    let fine = r#","state":"normal","createdAt":1764500000000,"body":null"#;
    let early = r#","state":"normal","createdAt":5,"body":1"#;
    let gone = r#","state":"recalled","createdAt":1764500000000"#;
    let read = page_of(&[message(1, fine), message(2, early), message(3, gone)]);
    assert_eq!(read.irregular, Irregular::default());

    let seconds = r#","state":"normal","createdAt":1764500000,"body":1"#;
    let bare = r#","state":"edited","createdAt":1764500000.5"#;
    let messages = [message(1, fine), message(2, seconds), message(3, bare)];
    let read = page_of(&messages);
    assert!(read.irregular.is_empty() && read.irregular.detail("page", None).is_none());
    assert_eq!(
        (read.messages[1].created_at, &*read.messages[2].body),
        (1_764_500_000, "null")
    );
    assert_eq!((read.messages[1].repairs, read.messages[2].repairs), (0, 0));
    let told: Vec<String> = read.irregular.unlikely("page", None).collect();
    assert_eq!(
        told,
        [
            r#"{"where":"page","conversation":"c","count":1,"first":{"id":"m2","reason":"createdAt is in milliseconds since the epoch, and this looks like seconds","at":"messages[1].createdAt","value":"1764500000"}}"#,
            r#"{"where":"page","conversation":"c","count":1,"first":{"id":"m3","reason":"a message has no `body`: what it says belongs in there","at":"messages[2].body","value":null}}"#,
        ]
    );

    let events: Vec<String> = messages
        .iter()
        .map(|m| format!(r#"{{"type":"message","message":{m},"prev":null}}"#))
        .collect();
    let text = format!(
        r#"{{"events":[{},{{"type":"conversation","conversation":{{"id":"c","lastMessage":{}}}}}],"cursor":"2","hasMore":false}}"#,
        events.join(","),
        messages[2],
    );
    let told: Vec<String> = batch(&text, None)
        .unwrap()
        .irregular
        .unlikely("batch", None)
        .collect();
    let places = ["events[1].message.createdAt", "events[2].message.body"];
    assert_eq!(told.len(), places.len());
    for (line, place) in told.iter().zip(places) {
        assert!(line.contains(&format!(r#""at":"{place}""#)), "{line}");
    }
}
