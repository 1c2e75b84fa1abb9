//! `/v1/call`: each call of a token in the form that a browser sends to another origin without asking first.

use serde_json::{Value, json};

use crate::support::{Server, User};

const MESSAGES: &str = "/v1/conversations/c/messages";

/// Both ways, the same status and body.
fn same(user: &User, method: &str, path: &str, body: Option<&Value>) -> Value {
    let plain = user.call(method, path, body.map(Value::to_string));
    let called = user.by_call(method, path, body);
    assert_eq!(
        (called.status, &called.body),
        (plain.status, &plain.body),
        "{method} {path}"
    );
    assert_eq!(called.headers["pullcord-accept"], "call");
    called.body
}

#[test]
fn each_call_is_answered_as_it_is_by_itself() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let ada = server.user("ada");
    let cursor = ada.head();
    let text = |text: &str| json!({ "clientId": text, "body": { "text": text } });
    let sent = ada.by_call("POST", MESSAGES, Some(&text("hello"))).ok();
    let id = sent["message"]["id"].as_str().unwrap();
    assert_eq!(same(&ada, "POST", MESSAGES, Some(&text("hello"))), sent);
    let edited = ada.by_call("PATCH", &format!("{MESSAGES}/{id}"), Some(&text("edited")));
    assert_eq!(edited.ok()["message"]["body"]["text"], "edited");
    ada.send("c", "2", "more");

    let page = same(&ada, "GET", &format!("{MESSAGES}?limit=1&before=9"), None);
    assert_eq!(page["messages"][0]["clientId"], "2");
    same(&ada, "GET", MESSAGES, None);
    same(&ada, "GET", "/v1/conversations?limit=5", None);
    let batch = same(&ada, "GET", &format!("/v1/sync?cursor={cursor}"), None);
    assert!(batch["events"].as_array().unwrap().len() > 2, "{batch}");
    let changes = format!("/v1/conversations/c/changes?since={cursor}&from=1&to=9");
    same(&ada, "GET", &changes, None);
    let cursors = json!({ "cursors": { "c": cursor }, "limit": 10 });
    same(&ada, "POST", "/v1/sync/conversations", Some(&cursors));
    let linus = server.user("linus");
    let waiting = same(&linus, "GET", "/v1/mailbox?limit=10", None);
    let delivery = &waiting["events"][0]["delivery"];
    let done = json!({ "deliveries": [delivery] });
    let answer = linus.by_call("POST", "/v1/mailbox/ack", Some(&done));
    assert_eq!((answer.status, answer.body), (204, json!("")));
    let rest = same(&linus, "GET", "/v1/mailbox?limit=10", None);
    assert_ne!(&rest["events"][0]["delivery"], delivery);

    let read = json!({ "seq": 1 });
    let answer = linus.by_call("POST", "/v1/conversations/c/read", Some(&read));
    assert_eq!((answer.status, answer.body), (204, json!("")));
    let recall = format!("{MESSAGES}/{id}/recall");
    let recalled = ada.by_call("POST", &recall, None).ok();
    assert_eq!(recalled["message"]["state"], "recalled");

    // What is refused is refused in the same words.
    same(&linus, "POST", &recall, None);
    same(&ada, "POST", MESSAGES, Some(&json!({ "body": 1 })));
    same(&ada, "GET", &format!("{MESSAGES}?limit=many"), None);
    same(&ada, "GET", "/v1/conversations/missing/messages", None);
    let other = json!({ "clientId": "2", "body": "another" });
    same(&ada, "POST", MESSAGES, Some(&other));
    for nobody in [server.with_token("demo-nobody"), server.with_token("")] {
        same(&nobody, "GET", "/v1/sync", None);
        nobody.by_call("GET", "/v1/sync", None).refused(401);
    }
}

#[test]
fn a_call_has_the_limits_of_what_is_called() {
    let server = Server::start(&["--rate", "1"]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let large = |bytes: usize| json!({ "clientId": bytes.to_string(), "body": "x".repeat(bytes) });
    ada.by_call("POST", MESSAGES, Some(&large(200 * 1024))).ok();
    // Over the limit of the body alone, and over that of the whole.
    for bytes in [300, 3000] {
        let body = large(bytes * 1024);
        ada.by_call("POST", MESSAGES, Some(&body)).refused(413);
    }
    assert_eq!(ada.page("c", "")["messages"].as_array().unwrap().len(), 1);
    // An account has no more of these than of others, and is told when to come again.
    let refused = (0..20)
        .map(|_| ada.by_call("GET", "/v1/conversations", None))
        .find(|answer| answer.status == 429)
        .expect("a bound");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.body["error"]["retryAfter"], 1000);
}

#[test]
fn nothing_but_the_protocols_calls_can_be_called() {
    let server = Server::start(&["--static", "/=.", "--cors", "https://chat.example"]);
    let ada = server.user("ada");
    let create = json!({ "id": "made", "members": ["ada"] });
    for (method, path) in [
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/sync"),
        ("POST", "/v1/sync"),
        ("POST", "/v1/call"),
        ("GET", "/v1/notify"),
        ("GET", "/healthz"),
        ("POST", "/demo/create"),
        ("POST", "/v1/../demo/create"),
        ("POST", "/v1/%2e%2e/demo/create"),
        ("GET", "/v1"),
        ("GET", "/Cargo.toml"),
        ("GET", "https://chat.example/v1/sync"),
        ("GET", "//chat.example/v1/sync"),
    ] {
        let answer = ada.by_call(method, path, Some(&create));
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    assert!(ada.state("made").is_null());
    for said in [
        "",
        "hello",
        "[]",
        "{}",
        r#"{"token":"demo-ada"}"#,
        r#"{"token":1,"method":"GET","path":"/v1/sync"}"#,
        r#"{"token":"demo-ada","method":"G T","path":"/v1/sync"}"#,
        r#"{"token":"demo-ada","method":"GET","path":"v1 sync"}"#,
        r#"{"token":"demo-ada","method":"GET","path":"/v1/sync"} more"#,
    ] {
        ada.said(said).refused(400);
    }
    let broken = r#"{"token":"demo-ada\r\nx: y","method":"GET","path":"/v1/sync"}"#;
    ada.said(broken).refused(401);
    ada.call("GET", "/v1/call", None).refused(404);
    // No preflight stands before it: a page of anywhere is refused all the same.
    let said = json!({ "token": "demo-ada", "method": "GET", "path": "/v1/sync" }).to_string();
    for (origin, status) in [("https://chat.example", 200), ("https://evil.example", 403)] {
        let answer = ada.call_with("POST", "/v1/call", &[("origin", origin)], &said);
        assert_eq!(answer.status, status, "{origin}");
    }
}
