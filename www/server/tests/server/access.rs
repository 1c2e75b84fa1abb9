//! Tokens, and what a stranger gets.

use serde_json::json;

use crate::support::{Folder, Server};

#[test]
fn every_call_needs_a_token() {
    let server = Server::start(&[]);
    for user in [server.nobody(), server.with_token("demo-nobody")] {
        for path in [
            "/v1/sync",
            "/v1/mailbox",
            "/v1/conversations",
            "/v1/conversations/c/messages",
            "/v1/conversations/c/changes?since=x",
        ] {
            user.get(path).refused(401);
        }
        for path in [
            "/v1/sync/conversations",
            "/v1/mailbox/ack",
            "/v1/conversations/c/messages",
            "/v1/conversations/c/read",
            "/v1/conversations/c/messages/1-1/recall",
        ] {
            user.post(path, &json!({})).refused(401);
        }
        user.patch("/v1/conversations/c/messages/1-1", &json!({}))
            .refused(401);
    }
}

#[test]
fn a_stranger_is_refused_on_every_call_and_learns_nothing() {
    let server = Server::start(&[]);
    server.create("secret", &["ada"]);
    server.create("other", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let id = ada.send("secret", "1", "hello")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = linus.head();

    let body = json!({ "clientId": "x", "body": 1 });
    // The same for one that does not exist.
    for conversation in ["secret", "missing"] {
        let base = format!("/v1/conversations/{conversation}");
        let cursor = linus.head();
        linus.get(&format!("{base}/messages")).refused(403);
        linus
            .get(&format!("{base}/changes?since={cursor}"))
            .refused(403);
        linus.post(&format!("{base}/messages"), &body).refused(403);
        linus
            .patch(&format!("{base}/messages/{id}"), &body)
            .refused(403);
        linus
            .post(&format!("{base}/messages/{id}/recall"), &json!({}))
            .refused(403);
        linus
            .post(&format!("{base}/read"), &json!({ "seq": 1 }))
            .refused(403);
        let only = linus
            .post(
                "/v1/sync/conversations",
                &json!({ "cursors": {}, "only": [conversation] }),
            )
            .ok();
        assert_eq!(
            only["conversations"][conversation]["error"]["code"],
            "forbidden"
        );
        assert!(linus.state(conversation).is_null());
    }
    // Nor by way of a conversation that is open to both.
    linus
        .patch(&format!("/v1/conversations/other/messages/{id}"), &body)
        .refused(404);
    linus
        .post(
            &format!("/v1/conversations/other/messages/{id}/recall"),
            &json!({}),
        )
        .refused(404);
    assert_eq!(linus.sync(&before)["events"], json!([]));
}

#[test]
fn only_its_sender_changes_a_message() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let id = server.user("ada").send("c", "1", "mine")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let linus = server.user("linus");
    linus
        .patch(
            &format!("/v1/conversations/c/messages/{id}"),
            &json!({ "clientId": "x", "body": 1 }),
        )
        .refused(403);
    linus
        .post(
            &format!("/v1/conversations/c/messages/{id}/recall"),
            &json!({}),
        )
        .refused(403);
}

#[test]
fn given_users_replace_the_demos_and_keep_no_older_tokens() {
    let folder = Folder::new();
    let db = folder.file("chat.db");
    let server = Server::start_plain(&["--db", &db]);
    server.user("ada").get("/v1/sync").ok();
    server.stop();
    let server = Server::start_plain(&["--db", &db, "--user", "ada=first"]);
    server.user("ada").get("/v1/sync").refused(401);
    server.with_token("first").get("/v1/sync").ok();
    server
        .nobody()
        .post("/demo/sign-in", &json!({ "name": "ada" }))
        .refused(404);
    server
        .nobody()
        .post("/demo/trouble", &json!({}))
        .refused(404);
    server.stop();
    let server = Server::start_plain(&["--db", &db, "--user", "ada=second"]);
    server.with_token("first").get("/v1/sync").refused(401);
    server.with_token("second").get("/v1/sync").ok();
    // The tokens themselves are nowhere in the file.
    for name in ["chat.db", "chat.db-wal"] {
        let stored = std::fs::read(folder.path().join(name)).unwrap_or_default();
        assert!(!stored.windows(6).any(|window| window == b"second"));
    }
}

#[test]
fn a_new_name_signs_in_to_the_demo_and_finds_its_open_conversations() {
    let server = Server::start(&["--generate", "--user", "grace=own"]);
    let answer = server
        .nobody()
        .post("/demo/sign-in", &json!({ "name": "Zoë" }))
        .ok();
    let zoe = server.with_token(answer["token"].as_str().unwrap());
    assert_eq!(zoe.state("harbour")["lastSeq"], 5000);
    assert!(zoe.state("ada-mara").is_null());
    assert_eq!(zoe.send("harbour", "1", "hi")["sender"], "Zoë");
    server
        .nobody()
        .post("/demo/sign-in", &json!({ "name": "grace" }))
        .refused(403);
    server
        .nobody()
        .post("/demo/sign-in", &json!({ "name": "" }))
        .refused(400);
}

#[test]
fn malformed_requests_are_answered_with_the_protocols_error() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let messages = "/v1/conversations/c/messages";
    ada.get(&format!("{messages}?limit=many")).refused(400);
    ada.get(&format!("{messages}?before=-1")).refused(400);
    ada.get(&format!("{messages}?before=18446744073709551616"))
        .refused(400);
    ada.get(&format!("{messages}?before=5&after=1"))
        .refused(400);
    ada.get("/v1/conversations?after=junk").refused(400);
    ada.get("/v1/conversations/c/changes").refused(400);
    ada.post(messages, &json!({ "body": 1 })).refused(400);
    ada.post(messages, &json!({ "clientId": "", "body": 1 }))
        .refused(400);
    ada.call("POST", messages, Some("{".into())).refused(400);
    ada.post(
        messages,
        &json!({ "clientId": "big", "body": "x".repeat(300 * 1024) }),
    )
    .refused(413);
    ada.get("/v1/nothing").refused(404);
    ada.post("/v1/sync", &json!({})).refused(404);
    assert_eq!(server.nobody().get("/healthz").ok(), "ok");
}
