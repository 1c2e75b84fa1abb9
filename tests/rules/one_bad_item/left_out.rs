//! What is left out, and what that says of the rest.

use pullcord::core::net::{Notice, Place, Request};
use serde_json::{Value, json};

use super::{WELL, irregular, of_d, opened, pull, spoiled, unread_of_d};
use crate::harness::{Harness, message, new};
use crate::support::{is_changes, is_history, is_list, is_pull};

/// What cannot be named or placed.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    (r#""id":"m10","#, ""),
    (r#""id":"m10""#, r#""id":{}"#),
    (r#""seq":10"#, r#""seq":-1"#),
    (r#""seq":10,"#, ""),
    (WELL, "null"),
    (WELL, "[[]]"),
];

#[test]
fn what_is_left_out_of_a_batch_puts_its_conversation_in_doubt_and_stops_nothing() {
    for (from, to) in LEFT_OUT {
        let case = format!("{from} → {to}");
        let odd = spoiled(from, to);
        let mut b = opened(json!({}));
        let update = format!(r#"{{"type":"update","message":{odd}}}"#);
        let new = format!(r#"{{"type":"message","message":{odd}}}"#);
        pull(&mut b, &format!("{update},{new},{}", of_d(5)), "2");
        assert_eq!(
            (b.cursor(), unread_of_d(&b)),
            (json!("2"), json!(5)),
            "{case}"
        );
        assert_eq!(b.status["error"], json!(null));
        let told = irregular(&b);
        assert_eq!((told.len(), &told[0]["count"]), (1, &json!(2)), "{case}");
        assert_eq!(told[0]["first"]["done"], json!("left-out"));
        assert!(b.shown().starts_with("7~ 8~ 9~"), "{case}: {}", b.shown());
        assert_eq!(b.segments(), "[7 9]", "{case}");
        assert!(!b.is_asked(is_list), "no list is owed");
        // It is shown, so it is revalidated at once.
        b.answer_page(&[8, 9, 10], true, false);
        let changes = b.reply(is_changes, json!({"messages": [], "hasMore": false}));
        assert!(
            matches!(changes, Request::Changes { since, .. } if since == "1"),
            "{case}"
        );
        assert_eq!(
            (b.shown().as_str(), b.segments().as_str()),
            ("7 8 9 10", "[7 10]>"),
            "{case}"
        );
    }
}

#[test]
fn an_update_without_version_is_left_out() {
    let mut b = opened(json!({}));
    let odd = spoiled(r#""version":3,"#, "");
    pull(
        &mut b,
        &format!(r#"{{"type":"update","message":{odd}}}"#),
        "2",
    );
    assert_eq!(irregular(&b)[0]["first"]["done"], json!("left-out"));
    assert_eq!((b.segments(), b.cursor()), ("[7 9]".into(), json!("2")));
}

#[test]
fn a_push_that_lacks_something_counts_as_a_notification() {
    for (from, to) in LEFT_OUT {
        let mut b = opened(json!({}));
        let odd = spoiled(from, to);
        let text = format!(
            r#"{{"type":"push","prev":"1","cursor":"2","events":[{{"type":"message","message":{odd}}},{}]}}"#,
            of_d(5)
        );
        b.notice(Notice::Push(text));
        assert_eq!((b.cursor(), unread_of_d(&b)), (json!("1"), json!(0)));
        assert!(b.is_asked(is_pull));
        pull(&mut b, &of_d(5), "2");
        assert_eq!((b.shown().as_str(), unread_of_d(&b)), ("7 8 9", json!(5)));
    }
}

#[test]
fn in_a_page_what_the_server_cannot_name_has_no_place() {
    for (from, to) in LEFT_OUT {
        let mut b = opened(json!({}));
        b.load("older");
        let odd = spoiled(from, to);
        let well = message(5);
        let text =
            format!(r#"{{"messages":[{odd},{well},{odd}],"hasBefore":true,"hasAfter":true}}"#);
        b.reply_text(is_history, &text);
        assert_eq!(
            (b.shown().as_str(), b.segments().as_str()),
            ("5 7 8 9", "[5 9]>")
        );
        let told = irregular(&b);
        assert_eq!((told.len(), &told[0]["where"]), (1, &json!("page")));
        assert_eq!(
            (&told[0]["count"], &told[0]["conversation"]),
            (&json!(2), &json!("c"))
        );
    }
}

#[test]
fn changes_that_lack_something_count_as_410() {
    for (from, to) in LEFT_OUT {
        let mut b = opened(json!({}));
        pull(
            &mut b,
            r#"{"type":"message","message":{"conversation":"c"}}"#,
            "2",
        );
        b.answer_page(&[9], true, false);
        let odd = spoiled(from, to);
        b.events.clear();
        b.reply_text(
            is_changes,
            &format!(r#"{{"messages":[{odd}],"hasMore":false}}"#),
        );
        assert_eq!(irregular(&b)[0]["where"], json!("changes"));
        assert_eq!(b.segments(), "[9 9]>", "what was kept is fetched again");
        assert_eq!(b.shown(), "7~ 8~ 9~", "nothing that is shown goes");
        assert!(b.is_asked(is_history));
    }
}

#[test]
fn a_mailboxs_deliveries_are_acknowledged_also_where_they_cannot_be_read() {
    let mut b = Harness::with(json!({"scope": "mailbox", "notify": "poll"}));
    let mail = |b: &mut Harness, events: &str| {
        let text = format!(r#"{{"events":[{events}],"hasMore":false}}"#);
        b.reply_text(|call| matches!(call, Request::PullMailbox { .. }), &text);
    };
    mail(&mut b, "");
    b.answer_list(json!({"conversations": [{"id": "c", "lastSeq": 9}], "next": null}));
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    for n in 0..2 {
        b.call(json!({"op": "sync"}));
        let odd = r#"{"type":"message","delivery":"odd","message":{"conversation":"c","id":"x"}}"#;
        let well =
            json!({"type": "message", "delivery": "well", "message": message(10), "prev": 9});
        mail(&mut b, &format!("{odd},{well}"));
        let ack = b.reply_text(|call| matches!(call, Request::Acknowledge { .. }), "");
        let Request::Acknowledge { deliveries, .. } = ack else {
            unreachable!()
        };
        assert_eq!(deliveries, ["odd", "well"]);
        if n == 0 {
            // No cursor says what changed since: it is fetched again.
            assert!(b.shown().starts_with("7~ 8~ 9~ 10~"), "{}", b.shown());
            b.answer_page(&[8, 9, 10], true, false);
            let place = b.answer_page(&[5, 6, 7], true, true);
            assert_eq!(place, Place::Before(pullcord::core::types::Seq(8)));
        }
        assert_eq!(b.shown(), "7 8 9 10", "seen again it is only acknowledged");
    }
}

#[test]
fn what_cannot_be_read_of_a_state_keeps_its_value() {
    let mut b = opened(json!({}));
    let well = r#"{"type":"conversation","conversation":{"id":"d","unread":4,"readSeq":1,"sort":2,"meta":1}}"#;
    pull(&mut b, well, "2");
    let before = b.conversations.clone();
    for field in [
        r#""unread":-1"#,
        r#""sort":1e999"#,
        r#""readSeq":"x""#,
        r#""lastSeq":{}"#,
        r#""lastMessage":{"id":7}"#,
    ] {
        b.events.clear();
        pull(
            &mut b,
            &format!(r#"{{"type":"conversation","conversation":{{"id":"d",{field}}}}}"#),
            "3",
        );
        assert_eq!(b.conversations, before, "{field}");
        assert_eq!(irregular(&b)[0]["first"]["done"], json!("repaired"));
        assert_eq!(b.segments(), "[7 9]>", "nothing is missing");
    }
}

#[test]
pub fn in_the_list_an_entry_with_an_id_is_listed_and_from_a_nameless_one_nothing_is_concluded() {
    let mut b = opened(json!({}));
    b.overflow(json!("all"), json!([]), "2");
    let text = r#"{"conversations":[{"id":7,"unread":-2,"lastMessage":"?"},{"unread":3},null],"next":null}"#;
    b.reply_text(is_list, text);
    b.call(json!({"op": "sync"}));
    pull(&mut b, "", "3");
    let ids: Vec<&Value> = b.conversations.iter().map(|c| &c["id"]).collect();
    assert!(
        ids.contains(&&json!("7")) && ids.contains(&&json!("d")),
        "{ids:?}"
    );
    let told = irregular(&b);
    assert_eq!(
        (&told[0]["where"], &told[0]["count"]),
        (&json!("list"), &json!(3))
    );
    // One whose every entry has an id is believed.
    b.overflow(json!("all"), json!([]), "4");
    b.answer_list(json!({"conversations": [{"id": "c"}, {"id": "7"}], "next": null}));
    b.call(json!({"op": "sync"}));
    pull(&mut b, "", "5");
    assert_eq!(b.conversations.len(), 2);
}

#[test]
fn after_what_was_left_out_a_message_proves_no_live_end_where_nothing_is_held() {
    let mut b = Harness::signed_in(9);
    // Above the state's newest, and without an id; then one that was committed late, below it.
    pull(
        &mut b,
        r#"{"type":"message","message":{"conversation":"c","seq":13}}"#,
        "2",
    );
    b.sync(json!([new(12)]), "3");
    assert_eq!(b.segments(), "[12 12]");
}
