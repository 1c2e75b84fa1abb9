//! R14, "One bad item": what cannot be read is worth itself, and everything else of the account goes on.

pub mod answers;
pub mod covers;
pub mod doubt;
pub mod left_out;
pub mod repairs;
pub mod stored;

use pullcord::core::net::{Notice, Request};
use serde_json::{Value, json};

use crate::harness::{self, Harness};
use crate::support::{is_changes, is_history, is_pull};

const MINUTE: u64 = 60_000;

/// A message of "c" as the wire has it, to be spoiled.
const WELL: &str = r#"{"id":"m10","conversation":"c","seq":10,"sender":"bob","createdAt":1,"version":3,"state":"edited","body":{"text":"x"},"clientId":"k"}"#;

/// What nobody asked for, and what is the app's own: never looked into.
fn unasked() -> Vec<String> {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    [
        "1e999",
        r#""\ud800""#,
        r#"{"\udfff":{"id":-1,"events":[1e999]}}"#,
        &deep,
    ]
    .map(str::to_owned)
    .into()
}

fn spoiled(from: &str, to: &str) -> String {
    assert!(WELL.contains(from), "{from}");
    WELL.replace(from, to)
}

fn irregular(b: &Harness) -> Vec<&Value> {
    let told = b.events.iter().filter(|e| e["type"] == json!("irregular"));
    told.map(|e| &e["detail"]).collect()
}

/// "c" is shown with 7 8 9, "d" is listed, and notifications come.
fn opened(more: Value) -> Harness {
    let mut options = json!({"notify": "socket"});
    for (name, value) in more.as_object().expect("options are an object") {
        options[name] = value.clone();
    }
    let mut b = Harness::with(options);
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    let entry = |id: &str, last: u64| json!({"id": id, "unread": 0, "lastSeq": last, "sort": last});
    b.answer_list(json!({"conversations": [entry("c", 9), entry("d", 1)], "next": null}));
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    b.notice(Notice::Ready);
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false}));
    b.events.clear();
    b
}

/// A state of "d" that says this many unread: what else the account has.
fn of_d(unread: u64) -> String {
    format!(r#"{{"type":"conversation","conversation":{{"id":"d","unread":{unread}}}}}"#)
}

fn unread_of_d(b: &Harness) -> Value {
    let d = b.conversations.iter().find(|c| c["id"] == json!("d"));
    d.expect("it is listed")["unread"].clone()
}

fn pull(b: &mut Harness, events: &str, cursor: &str) {
    if !b.is_asked(is_pull) {
        b.call(json!({"op": "sync"}));
    }
    let text = format!(r#"{{"events":[{events}],"cursor":"{cursor}","hasMore":false}}"#);
    b.reply_text(is_pull, &text);
}

/// The places where a message of "c" comes, all of which show it in the list.
#[derive(Clone, Copy, Debug, PartialEq)]
enum In {
    Batch,
    Update,
    Push,
    Page,
    Edited,
}

const PLACES: [In; 5] = [In::Batch, In::Update, In::Push, In::Page, In::Edited];

impl In {
    fn name(self) -> &'static str {
        match self {
            In::Batch | In::Update => "batch",
            In::Push => "push",
            In::Page => "page",
            In::Edited => "answer",
        }
    }
}

/// Lets the server say this message there. Gives what is then shown.
fn bring(place: In, message: &str) -> Harness {
    let version_1 = r#"{"id":"m10","conversation":"c","seq":10,"sender":"bob","createdAt":1,"version":1,"state":"normal","body":1}"#;
    let new = |m: &str| format!(r#"{{"type":"message","message":{m},"prev":9}}"#);
    let mut b = opened(json!({}));
    match place {
        In::Batch => pull(&mut b, &format!("{},{}", new(message), of_d(5)), "2"),
        In::Update => {
            // An older copy of whatever id it has.
            let old = message.replace(r#""version":3"#, r#""version":1"#);
            pull(&mut b, &new(&old), "1b");
            b.events.clear();
            let update = format!(r#"{{"type":"update","message":{message}}}"#);
            pull(&mut b, &format!("{update},{}", of_d(5)), "2");
        }
        In::Push => {
            let events = format!("{},{}", new(message), of_d(5));
            let text = format!(r#"{{"type":"push","prev":"1","cursor":"2","events":[{events}]}}"#);
            b.notice(Notice::Push(text));
        }
        In::Page => {
            b.overflow(json!(["c"]), json!([]), "2");
            let rest = [7, 8, 9]
                .map(|seq| harness::message(seq).to_string())
                .join(",");
            let text =
                format!(r#"{{"messages":[{rest},{message}],"hasBefore":true,"hasAfter":false}}"#);
            b.events.clear();
            b.reply_text(is_history, &text);
            b.answer_list(
                json!({"conversations": [{"id": "c"}, {"id": "d", "unread": 5}], "next": null}),
            );
        }
        In::Edited => {
            pull(&mut b, &new(version_1), "1b");
            let edit = json!({"op": "edit", "conversation": "c", "messageId": "m10", "body": "\"x\"", "clientId": "e"});
            let call = b.call(edit);
            let text = format!(r#"{{"message":{message}}}"#);
            b.reply_text(|call| matches!(call, Request::Edit { .. }), &text);
            assert!(b.result(call).is_some(), "a promise settles");
            if b.is_asked(is_pull) {
                pull(&mut b, "", "1b");
            }
            pull(&mut b, &of_d(5), "2");
        }
    }
    b
}

/// How many requests about "c" leave until it is quiet; each is answered with nothing that is new.
fn revalidate(b: &mut Harness) -> usize {
    let mut count = 0;
    while b.is_asked(is_history) || b.is_asked(is_changes) {
        count += 1;
        assert!(count < 20, "in a loop");
        match b.is_asked(is_history) {
            true => _ = b.answer_page(&[7, 8, 9], true, false),
            false => _ = b.reply(is_changes, json!({"messages": [], "hasMore": false})),
        }
    }
    count
}
