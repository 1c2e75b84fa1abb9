//! Trouble that was asked for, and other origins.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Server, seqs};

#[test]
fn there_is_no_trouble_unless_it_is_allowed() {
    let server = Server::start_plain(&["--demo"]);
    for path in [
        "trouble",
        "overflow",
        "trim",
        "leave",
        "join",
        "create",
        "late-insert",
        "bulk",
        "forget",
        "history",
        "push",
    ] {
        server
            .user("ada")
            .post(&format!("/demo/{path}"), &json!({}))
            .refused(404);
    }
    assert_eq!(server.nobody().get("/demo").ok()["allowTrouble"], false);
}

#[test]
fn requests_fail_as_often_as_was_asked_for_one_account() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let off = json!({ "dropNotifications": 0.0, "duplicateNotifications": 0.0, "errorRate": 0.0, "delayMs": 0, "oddItems": 0.0 });
    assert_eq!(ada.get("/demo/trouble").ok(), off);
    ada.post("/demo/trouble", &json!({ "errorRate": 1 })).ok();
    assert_eq!(ada.get("/demo/trouble").ok()["errorRate"], 1.0);
    let mut retry_after = 0;
    for _ in 0..40 {
        let answer = ada.get("/v1/sync");
        assert!([500, 503].contains(&answer.status));
        retry_after += usize::from(answer.headers.contains_key("retry-after"));
        answer.body["error"]["code"].as_str().unwrap();
    }
    assert!((1..40).contains(&retry_after));
    linus.get("/v1/sync").ok();

    // Some that failed were carried out: repeated with its clientId, each is there once.
    for n in 0..10 {
        for _ in 0..5 {
            ada.post(
                "/v1/conversations/c/messages",
                &json!({ "clientId": n.to_string(), "body": 1 }),
            );
        }
    }
    let found = seqs(&linus.page("c", ""));
    assert!((1..=10).contains(&found.len()), "{found:?}");
    ada.post("/demo/trouble", &json!({})).ok();
    ada.get("/v1/sync").ok();
    ada.post("/demo/trouble", &json!({ "errorRate": 2 }))
        .refused(400);
    ada.post("/demo/trouble", &json!({ "errorrate": 1 }))
        .refused(400);
}

#[test]
fn answers_come_late_for_all() {
    let server = Server::start(&[]);
    server
        .nobody()
        .post("/demo/trouble", &json!({ "delayMs": 300 }))
        .ok();
    for name in ["ada", "linus"] {
        let began = Instant::now();
        server.user(name).get("/v1/sync").ok();
        assert!(began.elapsed() >= Duration::from_millis(300));
    }
}

#[test]
fn notifications_are_lost_and_doubled() {
    let server = Server::start(&["--notify-interval", "0"]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let mut socket = linus.socket("account");
    linus
        .post("/demo/trouble", &json!({ "dropNotifications": 1 }))
        .ok();
    ada.send("c", "1", "x");
    assert_eq!(socket.receive_within(Duration::from_millis(400)), None);
    linus
        .post("/demo/trouble", &json!({ "duplicateNotifications": 1 }))
        .ok();
    ada.send("c", "2", "x");
    let twice = socket.drain(Duration::from_millis(400));
    assert_eq!(
        twice,
        [
            json!({ "type": "notify", "conversations": ["c"] }),
            json!({ "type": "notify", "conversations": ["c"] })
        ]
    );
}

#[test]
fn pages_of_any_origin_may_call() {
    let server = Server::start(&["--cors", "*"]);
    let answer = server
        .nobody()
        .call("OPTIONS", "/v1/conversations/c/messages/1-1", None);
    assert_eq!(answer.status, 200);
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_lowercase();
    assert_eq!(header("access-control-allow-origin"), "*");
    assert!(header("access-control-allow-headers").contains("authorization"));
    assert!(
        ["get", "post", "patch"]
            .iter()
            .all(|method| header("access-control-allow-methods").contains(method))
    );
    // Asked once in a while, as long as an address is the same.
    assert_eq!(header("access-control-max-age"), "7200");
    let answer = server.nobody().get("/v1/sync");
    assert_eq!(
        (
            answer.status,
            answer.headers["access-control-allow-origin"]
                .to_str()
                .unwrap()
        ),
        (401, "*")
    );
    assert_eq!(
        answer.headers["access-control-expose-headers"],
        "retry-after,date,pullcord-accept"
    );
    // Said with an error too.
    assert_eq!(answer.headers["pullcord-accept"], "call");
}

#[test]
fn odd_items_are_one_an_answer_and_the_others_stay_as_they_are() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let cursor = linus.head();
    for n in 1..=20 {
        ada.send("c", &n.to_string(), "x");
    }
    let whole = linus.sync(&cursor);
    linus.post("/demo/trouble", &json!({ "oddItems": 1 })).ok();
    for _ in 0..20 {
        let odd = linus.sync(&cursor);
        assert_eq!(odd["cursor"], whole["cursor"]);
        let pairs = odd["events"].as_array().unwrap().iter();
        let pairs = pairs.zip(whole["events"].as_array().unwrap());
        assert_eq!(pairs.filter(|(odd, whole)| odd != whole).count(), 1);
    }
}
