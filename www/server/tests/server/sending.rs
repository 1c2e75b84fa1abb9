//! Send, edit, recall and read.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Server, events, seqs};

const MESSAGES: &str = "/v1/conversations/c/messages";

#[test]
fn a_send_is_done_once_however_often_it_is_repeated() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    server.create("d", &["ada"]);
    let ada = server.user("ada");
    let cursor = ada.head();
    let first = ada.send("c", "1", "hello");
    assert_eq!(
        first,
        json!({
            "id": first["id"], "conversation": "c", "seq": 1, "sender": "ada", "createdAt": first["createdAt"],
            "version": 1, "state": "normal", "body": { "text": "hello" }, "clientId": "1"
        })
    );
    assert!(first["createdAt"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(ada.send("c", "1", "hello"), first);
    assert_eq!(seqs(&ada.sync(&cursor)), [1]);
    ada.post(MESSAGES, &json!({ "clientId": "1", "body": "other" }))
        .refused(409);
    // The same clientId of another sender, or elsewhere, is another message.
    assert_eq!(server.user("linus").send("c", "1", "hello")["seq"], 2);
    assert_ne!(ada.send("d", "1", "hello")["id"], first["id"]);

    // Repeated after an edit and after a recall: the message as it now is; what counts is the body that was sent.
    let path = format!("{MESSAGES}/{}", first["id"].as_str().unwrap());
    ada.patch(&path, &json!({ "clientId": "e", "body": "new" }))
        .ok();
    assert_eq!(ada.send("c", "1", "hello")["body"], "new");
    ada.post(MESSAGES, &json!({ "clientId": "1", "body": "new" }))
        .refused(409);
    ada.post(&format!("{path}/recall"), &json!({})).ok();
    assert_eq!(ada.send("c", "1", "hello")["state"], "recalled");
}

#[test]
fn the_order_of_keys_does_not_make_another_body() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let send = |body: &str| {
        ada.call(
            "POST",
            MESSAGES,
            Some(format!(r#"{{"clientId":"1","body":{body}}}"#)),
        )
    };
    send(r#"{"a":1,"b":[1,2]}"#).ok();
    send(r#"{ "b": [1, 2], "a": 1 }"#).ok();
    send(r#"{"a":1,"b":[2,1]}"#).refused(409);
}

#[test]
fn simultaneous_sends_get_one_place_each() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let cursor = server.user("linus").head();
    thread::scope(|scope| {
        for device in 0..4 {
            let ada = server.user("ada");
            let send = move |n| {
                ada.send("c", &format!("{device}-{n}"), "x");
                ada.send("c", &format!("shared-{n}"), "x");
            };
            scope.spawn(move || (0..10).for_each(send));
        }
    });
    let batch = server.user("linus").sync(&cursor);
    assert_eq!(seqs(&batch), (1..=50).map(Value::from).collect::<Vec<_>>());
    let prevs: Vec<&Value> = events(&batch, "message")
        .into_iter()
        .map(|event| &event["prev"])
        .collect();
    assert_eq!(prevs[0], &Value::Null);
    assert!(
        prevs[1..]
            .iter()
            .enumerate()
            .all(|(n, prev)| **prev == n + 1)
    );
}

#[test]
fn a_client_id_is_told_to_its_senders_account_only() {
    let server = Server::start(&["--push"]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let (cursor, theirs) = (ada.head(), linus.head());
    let (mut socket, mut pushed) = (linus.socket("account"), ada.socket("account"));
    let sent = ada.send("c", "mine", "x");
    ada.patch(
        &format!("{MESSAGES}/{}", sent["id"].as_str().unwrap()),
        &json!({ "clientId": "e", "body": "y" }),
    )
    .ok();
    let all_of = |user: &crate::support::User, cursor: &str| {
        [
            user.sync(cursor),
            user.page("c", ""),
            user.state("c"),
            user.get(&format!("/v1/conversations/c/changes?since={cursor}"))
                .ok(),
            user.post(
                "/v1/sync/conversations",
                &json!({ "cursors": { "c": cursor } }),
            )
            .ok(),
            user.get("/v1/mailbox").ok(),
        ]
        .map(|answer| answer.to_string())
    };
    assert!(
        all_of(&ada, &cursor)[..5]
            .iter()
            .all(|answer| answer.contains(r#""clientId":"mine""#))
    );
    assert!(
        all_of(&linus, &theirs)
            .iter()
            .all(|answer| !answer.contains("clientId"))
    );
    assert!(!socket.receive().unwrap().to_string().contains("clientId"));
    assert!(
        pushed
            .receive()
            .unwrap()
            .to_string()
            .contains(r#""clientId":"mine""#)
    );
}

#[test]
fn edits_raise_the_version_and_are_done_once() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let id = ada.send("c", "1", "hello")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ada.send("c", "2", "later");
    let cursor = linus.head();
    let edit = |client_id: &str, body: &str| {
        ada.patch(
            &format!("{MESSAGES}/{id}"),
            &json!({ "clientId": client_id, "body": body }),
        )
    };
    let edited = edit("e1", "new").ok();
    assert_eq!(
        (&edited["message"]["version"], &edited["message"]["state"]),
        (&json!(2), &json!("edited"))
    );
    assert_eq!(edited["message"]["clientId"], "1");
    assert_eq!(edit("e2", "newer").ok()["message"]["version"], 3);
    // A repetition, also of an earlier one, answers the message as it now is.
    assert_eq!(edit("e1", "new").ok()["message"]["body"], "newer");
    let batch = linus.sync(&cursor);
    let updates = events(&batch, "update");
    assert_eq!(updates.len(), 2);
    assert!(
        updates
            .iter()
            .all(|update| update["message"]["version"] == 3 && update["message"]["seq"] == 1)
    );
    // It is not the last message, so the conversation's state is as before.
    assert_eq!(events(&batch, "conversation").len(), 0);
    ada.patch(
        &format!("{MESSAGES}/1-99"),
        &json!({ "clientId": "e", "body": 1 }),
    )
    .refused(404);
}

#[test]
fn a_recalled_message_keeps_its_place_and_loses_its_body() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let id = ada.send("c", "1", "hello")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(linus.state("c")["unread"], 1);
    let cursor = linus.head();
    let recall = || {
        ada.post(&format!("{MESSAGES}/{id}/recall"), &json!({}))
            .ok()["message"]
            .clone()
    };
    let recalled = recall();
    assert_eq!(
        (&recalled["state"], &recalled["body"], &recalled["version"]),
        (&json!("recalled"), &Value::Null, &json!(2))
    );
    assert_eq!(recall(), recalled);
    ada.patch(
        &format!("{MESSAGES}/{id}"),
        &json!({ "clientId": "e", "body": 1 }),
    )
    .refused(409);
    let batch = linus.sync(&cursor);
    assert_eq!(events(&batch, "update").len(), 1);
    let states = events(&batch, "conversation");
    assert_eq!(states[0]["conversation"]["unread"], 0);
    assert_eq!(
        states[0]["conversation"]["lastMessage"]["state"],
        "recalled"
    );
    assert_eq!(seqs(&linus.page("c", "")), [1]);
}

#[test]
fn unread_is_counted_and_read_never_moves_back() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let read = |seq: u64| {
        linus
            .post("/v1/conversations/c/read", &json!({ "seq": seq }))
            .ok()
    };
    // Nothing is there to be read yet.
    read(5);
    assert_eq!(linus.state("c")["readSeq"], Value::Null);
    for n in 0..10 {
        ada.send("c", &n.to_string(), "x");
    }
    linus.send("c", "own", "x");
    assert_eq!(
        (&ada.state("c")["unread"], &linus.state("c")["unread"]),
        (&json!(1), &json!(10))
    );

    let (cursor, others) = (linus.head(), ada.head());
    read(4);
    let batch = linus.sync(&cursor);
    let state = &events(&batch, "conversation")[0]["conversation"];
    assert_eq!(
        (&state["unread"], &state["readSeq"]),
        (&json!(6), &json!(4))
    );
    assert_eq!(ada.sync(&others)["events"], json!([]));
    let cursor = linus.head();
    read(3);
    read(4);
    assert_eq!(linus.sync(&cursor)["events"], json!([]));
    assert_eq!(linus.state("c")["readSeq"], 4);
    // Past the end: what comes later is unread all the same.
    read(1000);
    assert_eq!(
        (&linus.state("c")["unread"], &linus.state("c")["readSeq"]),
        (&json!(0), &json!(11))
    );
    ada.send("c", "more", "x");
    assert_eq!(linus.state("c")["unread"], 1);
}
