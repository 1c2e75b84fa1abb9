//! `WS /v1/notify`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Server, seqs};

#[test]
fn a_wrong_token_or_first_frame_closes_with_4401() {
    let server = Server::start(&[]);
    for frame in [
        json!({ "type": "auth", "token": "wrong", "scope": "account" }),
        json!({ "type": "ping" }),
        json!("auth"),
    ] {
        let mut socket = server.nobody().open_socket();
        socket.send(&frame);
        assert_eq!(socket.closed(), 4401, "{frame}");
    }
}

#[test]
fn what_is_no_websocket_is_told_so_as_every_other_error() {
    let server = Server::start(&[]);
    server.nobody().get("/v1/notify").refused(400);
}

#[test]
fn a_ping_is_answered_and_an_unknown_frame_ignored() {
    let server = Server::start(&[]);
    let mut socket = server.user("ada").socket("account");
    socket.send(&json!({ "type": "dance" }));
    socket.send(&json!("junk"));
    socket.send(&json!({ "type": "ack", "deliveries": ["x"] }));
    socket.send(&json!({ "type": "ping" }));
    assert_eq!(socket.receive(), Some(json!({ "type": "pong" })));
}

#[test]
fn every_device_of_every_member_is_notified_and_no_one_else() {
    let server = Server::start(&["--spread", "250"]);
    server.create("c", &["ada", "linus"]);
    let mut sockets = [
        server.user("ada").socket("account"),
        server.user("linus").socket("account"),
        server.user("linus").socket("conversation"),
    ];
    let mut stranger = server.user("grace").socket("account");
    server.user("ada").send("c", "1", "x");
    for socket in &mut sockets {
        assert_eq!(
            socket.receive(),
            Some(json!({ "type": "notify", "spread": 250, "conversations": ["c"] }))
        );
    }
    assert_eq!(stranger.receive_within(Duration::from_millis(300)), None);
}

#[test]
fn notifications_of_a_busy_conversation_are_merged() {
    let server = Server::start(&["--notify-interval", "200"]);
    server.create("c", &["ada", "linus"]);
    server.create("d", &["ada", "linus"]);
    let ada = server.user("ada");
    let mut socket = server.user("linus").socket("account");
    let began = Instant::now();
    for n in 0..40 {
        ada.send(if n % 2 == 0 { "c" } else { "d" }, &n.to_string(), "x");
    }
    let took = began.elapsed();
    let notices = socket.drain(Duration::from_millis(600));
    let most = took.as_millis() / 200 + 2;
    assert!(
        (2..=most).contains(&(notices.len() as u128)),
        "{} notifications in {took:?}",
        notices.len()
    );
    assert_eq!(notices[1]["conversations"], json!(["c", "d"]));
    // The last one was sent after the last commit: nothing goes untold.
    ada.send("c", "last", "x");
    assert!(socket.receive().is_some());
}

#[test]
fn a_push_holds_the_events_and_follows_the_one_before() {
    let server = Server::start(&["--push", "--notify-interval", "0"]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let mut cursor = json!(linus.head());
    let mut socket = linus.socket("account");
    let mut other = linus.socket("conversation");
    for n in 1..=3 {
        ada.send("c", &n.to_string(), "x");
        let push = socket.receive().unwrap();
        assert_eq!((&push["type"], &push["prev"]), (&json!("push"), &cursor));
        assert_eq!(seqs(&push), [n]);
        assert_eq!(
            push["events"],
            linus.sync(cursor.as_str().unwrap())["events"]
        );
        cursor = push["cursor"].clone();
        assert_eq!(other.receive().unwrap()["type"], "notify");
    }
    // Too much to push: a plain notification, and the next push follows what a pull finds.
    server.bulk("c", 200);
    assert_eq!(socket.receive().unwrap()["type"], "notify");
    let cursor = linus.head();
    ada.send("c", "after", "x");
    assert_eq!(socket.receive().unwrap()["prev"], cursor);
}

#[test]
fn an_overflow_is_notified() {
    let server = Server::start(&["--push"]);
    let mut socket = server.user("ada").socket("account");
    server.user("ada").post("/demo/overflow", &json!({})).ok();
    assert_eq!(socket.receive(), Some(json!({ "type": "notify" })));
}

#[test]
fn the_end_of_the_server_closes_the_socket() {
    let server = Server::start(&[]);
    let mut socket = server.user("ada").socket("account");
    server.stop();
    assert_eq!(socket.closed(), 1001);
}
