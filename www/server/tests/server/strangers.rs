//! Every call that there is, walked as nobody and as somebody whom it does not concern. The list is the server's own: a call that is new fails here until it
//! is said what a stranger gets.

use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, Folder, Server, User, text};

const ALL: [&str; 2] = ["--demo", "--allow-trouble"];

/// What a stranger must not get to see, in whatever answer.
const SECRET: &str = "TOP-SECRET";

/// A conversation of ada and grace, with a message of each. Linus is the stranger.
struct Setting {
    server: Server,
    ada: User,
    linus: User,
    message: String,
    /// Ada's, from before the messages.
    cursor: String,
    /// Ada's.
    deliveries: Vec<String>,
}

impl Setting {
    fn new(options: &[&str]) -> Self {
        let server = Server::start(options);
        server.create("hidden", &["ada", "grace"]);
        server.create("other", &["linus", "grace"]);
        let (ada, linus) = (server.user("ada"), server.user("linus"));
        ada.get("/v1/mailbox").ok();
        let cursor = ada.head();
        let message = text(&ada.send("hidden", "1", SECRET)["id"]);
        server.user("grace").send("hidden", "2", SECRET);
        let mailbox = ada.get("/v1/mailbox").ok();
        let events = mailbox["events"].as_array().unwrap();
        let deliveries = events
            .iter()
            .map(|event| text(&event["delivery"]))
            .collect();
        Self {
            server,
            ada,
            linus,
            message,
            cursor,
            deliveries,
        }
    }

    /// All that ada can see: it must stay as it is.
    fn seen_by_ada(&self) -> Value {
        json!([
            self.ada.page("hidden", "limit=100"),
            self.ada.get("/v1/conversations").ok(),
            self.ada.sync(&self.cursor),
            self.ada.get("/v1/mailbox").ok(),
            self.ada.get("/demo/push").ok(),
        ])
    }

    fn body_of(&self, path: &str) -> Value {
        match path {
            "/v1/sync/conversations" => json!({ "cursors": {} }),
            "/v1/mailbox/ack" => json!({ "deliveries": self.deliveries }),
            "/v1/conversations/{id}/read" => json!({ "seq": 2 }),
            "/demo/push" => json!({ "inline": true }),
            _ => json!({ "clientId": "stranger", "body": { "text": "changed" } }),
        }
    }

    fn path(&self, path: &str, conversation: &str) -> String {
        path.replace("{id}", conversation)
            .replace("{message}", &self.message)
    }
}

#[test]
fn without_a_token_every_call_but_the_open_ones_is_401_and_does_nothing() {
    let setting = Setting::new(&[]);
    let before = setting.seen_by_ada();
    let calls = Server::calls(&ALL);
    let mut open: Vec<&str> = calls
        .iter()
        .filter(|(_, path, needs_token)| !needs_token && !path.starts_with("/demo"))
        .map(|(_, path, _)| path.as_str())
        .collect();
    open.sort_unstable();
    // The token of these is in what they are told: the socket's in its first frame.
    assert_eq!(open, ["/healthz", "/v1/call", "/v1/notify"]);

    let hash = Sha256::digest("demo-ada")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let hashed = format!("Bearer {hash}");
    let credentials: [&[(&str, &str)]; 12] = [
        &[],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer nonsense")],
        &[("authorization", "Bearer DEMO-ADA")],
        &[("authorization", "Bearer demo-ada2")],
        &[("authorization", "Bearer demo-ada demo-ada")],
        &[("authorization", "Basic demo-ada")],
        &[("authorization", "demo-ada")],
        // What the database holds is no key to it.
        &[("authorization", hashed.as_str())],
        &[("cookie", "token=demo-ada; authorization=Bearer demo-ada")],
    ];
    let mut walked = 0;
    for (method, path, _) in calls.iter().filter(|(_, _, needs_token)| *needs_token) {
        let body = setting.body_of(path).to_string();
        let path = setting.path(path, "hidden");
        // What `/v1/call` answers: only `/v1/` is behind it.
        let status = if path.starts_with("/v1/") { 401 } else { 404 };
        for headers in credentials {
            let nobody = setting.server.nobody();
            nobody.call_with(method, &path, headers, &body).refused(401);
            // An address is written down by whoever passes it on: a token in it is none.
            let address = format!("{path}?token=demo-ada&access_token=demo-ada");
            nobody
                .call_with(method, &address, headers, &body)
                .refused(401);
            // Nor does a token count that is beside what `/v1/call` is told, or one in it that is none.
            for token in ["", "nonsense", hash.as_str()] {
                let said = json!({ "token": token, "method": method, "path": path });
                let answer = nobody.call_with("POST", "/v1/call", headers, &said.to_string());
                assert_eq!(answer.status, status, "{path} {token}: {answer:?}");
            }
            walked += 2;
        }
    }
    assert!(walked >= 13 * 24, "{walked} calls");
    assert_eq!(setting.seen_by_ada(), before);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one arm a call")]
fn a_stranger_reads_and_changes_nothing_by_any_call() {
    let setting = Setting::new(&[]);
    let Setting {
        ada,
        linus,
        cursor,
        deliveries,
        ..
    } = &setting;
    let mut before = setting.seen_by_ada();
    let head = linus.head();
    linus.get("/v1/mailbox").ok();
    // Everything that a stranger is answered goes through here.
    let seen = |answer: Answer| {
        let said = format!("{:?} {}", answer.headers, answer.body);
        assert!(
            !said.contains(SECRET) && !said.contains("demo-ada"),
            "{said}"
        );
        answer
    };
    for (method, path, needs_token) in Server::calls(&ALL) {
        let call = |conversation: &str, query: &str| {
            let body = match method.as_str() {
                "GET" => None,
                _ => Some(setting.body_of(&path).to_string()),
            };
            seen(linus.call(
                &method,
                &format!("{}{query}", setting.path(&path, conversation)),
                body,
            ))
        };
        // Refused, and in no other words than where there is no such conversation.
        let refused = |queries: &[&str]| {
            for query in queries {
                let (hidden, missing) = (call("hidden", query), call("missing", query));
                assert_eq!(hidden.body, missing.body);
                hidden.refused(403);
                missing.refused(403);
            }
        };
        match (method.as_str(), path.as_str()) {
            ("GET", "/v1/sync") => {
                for cursor in [&head, cursor] {
                    let batch = call("", &format!("?cursor={cursor}")).ok();
                    assert!(!batch.to_string().contains("hidden"), "{batch}");
                }
            }
            ("POST", "/v1/sync/conversations") => {
                for conversation in ["hidden", "missing"] {
                    let ask = |request: Value| seen(linus.post(&path, &request)).ok();
                    let only = ask(json!({ "cursors": {}, "only": [conversation] }));
                    let refusal = &only["conversations"][conversation]["error"];
                    assert_eq!(refusal["code"], "forbidden");
                    let without = ask(json!({ "cursors": {} }));
                    assert_eq!(without["conversations"][conversation], Value::Null);
                    // Also with a cursor that is good, but another's.
                    let told = ask(json!({ "cursors": { conversation: cursor } }));
                    assert_eq!(
                        told["conversations"][conversation]["events"],
                        json!([{ "type": "removed", "conversation": conversation }])
                    );
                }
            }
            ("GET", "/v1/mailbox") => {
                assert!(!call("", "").ok().to_string().contains("hidden"));
            }
            // No error, as for any unknown delivery; but ada still has them all.
            ("POST", "/v1/mailbox/ack") => assert_eq!(call("", "").status, 204),
            ("GET", "/v1/conversations") => {
                for query in ["", "?after=9999999999999:", "?limit=1000"] {
                    let listed = call("", query).ok();
                    assert!(!listed.to_string().contains("hidden"), "{listed}");
                }
            }
            ("GET", "/v1/conversations/{id}/messages") => {
                refused(&[
                    "",
                    "?limit=1",
                    "?before=9",
                    "?after=0",
                    "?around=1",
                    "?at=0",
                ]);
            }
            ("GET", "/v1/conversations/{id}/changes") => {
                refused(&[
                    &format!("?since={cursor}"),
                    &format!("?since={head}"),
                    "?since=junk",
                ]);
            }
            ("POST", "/v1/conversations/{id}/read")
            | ("POST", "/v1/conversations/{id}/messages")
            | ("PATCH", "/v1/conversations/{id}/messages/{message}")
            | ("POST", "/v1/conversations/{id}/messages/{message}/recall") => {
                refused(&[""]);
                if path.contains("{message}") {
                    // Nor through a door that is open to the stranger.
                    call("other", "").refused(404);
                }
            }
            // For the stranger's own account.
            ("GET" | "POST", "/demo/push") => _ = call("", "").ok(),
            ("GET", "/v1/notify") => {
                let mut told = linus.socket("account");
                let mut delivered = linus.socket("mailbox");
                let own = delivered.drain(std::time::Duration::from_millis(300));
                assert!(!json!(own).to_string().contains("hidden"), "{own:?}");
                delivered.send(&json!({ "type": "ack", "deliveries": deliveries }));
                let mut sender = ada.socket("account");
                // Something that ada's own devices are told.
                ada.post("/v1/conversations/hidden/read", &json!({ "seq": 2 }))
                    .ok();
                assert_eq!(sender.receive().unwrap()["type"], "notify");
                assert_eq!(
                    told.receive_within(std::time::Duration::from_millis(300)),
                    None
                );
                assert_eq!(
                    delivered.receive_within(std::time::Duration::from_millis(300)),
                    None
                );
            }
            // As the call in it: see `calls.rs`.
            ("POST", "/v1/call") => {
                for hidden in ["hidden", "missing"] {
                    let path = format!("/v1/conversations/{hidden}/messages");
                    seen(linus.by_call("GET", &path, None)).refused(403);
                }
            }
            ("GET", "/healthz") => assert_eq!(call("", "").ok(), "ok"),
            // These make trouble for anyone: see `without_their_switch_…`.
            (_, demo) if demo.starts_with("/demo") && !needs_token => {}
            _ => panic!("say here what a stranger gets from {method} {path}"),
        }
        if path == "/v1/notify" {
            before = setting.seen_by_ada();
        }
        assert_eq!(setting.seen_by_ada(), before, "after {method} {path}");
    }
    assert_eq!(linus.sync(&head)["events"], json!([]));
    let kept = ada.get("/v1/mailbox").ok();
    for delivery in deliveries {
        assert!(
            kept.to_string().contains(&format!("\"{delivery}\"")),
            "{delivery} is gone"
        );
    }
}

#[test]
fn a_member_who_did_not_send_it_changes_nothing_either() {
    let setting = Setting::new(&[]);
    let before = setting.seen_by_ada();
    let grace = setting.server.user("grace");
    let base = format!("/v1/conversations/hidden/messages/{}", setting.message);
    let body = json!({ "clientId": "1", "body": { "text": "changed" } });
    grace.patch(&base, &body).refused(403);
    grace
        .post(&format!("{base}/recall"), &json!({}))
        .refused(403);
    // The clientId of another is no way to their message.
    let own = grace.send("hidden", "1", "mine");
    assert_ne!(own["id"], json!(setting.message));
    let page = setting.ada.page("hidden", "limit=100");
    assert_eq!(page["messages"][0], before[0]["messages"][0]);
}

#[test]
fn without_their_switch_the_demos_calls_do_not_exist() {
    let of = |options: &[&str]| -> Vec<(String, String)> {
        let calls = Server::calls(options).into_iter();
        calls
            .filter(|(_, path, _)| path.starts_with("/demo"))
            .map(|(method, path, _)| (method, path))
            .collect()
    };
    let all = of(&ALL);
    assert!(all.len() >= 15);
    assert_eq!(of(&["--user", "ada=own"]), []);
    assert_eq!(of(&["--demo"]).len(), 2);
    for options in [&["--user", "ada=own"][..], &["--demo", "--user", "ada=own"]] {
        let server = Server::start_plain(options);
        let there = of(options);
        let ada = server.with_token("own");
        let before = (ada.get("/v1/conversations").ok(), ada.head());
        for (method, path) in all.iter().filter(|call| !there.contains(call)) {
            for user in [server.nobody(), ada.clone()] {
                user.call(method, path, Some("{}".into())).refused(404);
            }
        }
        assert_eq!((ada.get("/v1/conversations").ok(), ada.head()), before);
    }
}

#[test]
fn tokens_are_in_no_file_and_no_log() {
    let folder = Folder::new();
    let (db, log) = (folder.file("chat.db"), folder.path().join("log"));
    // As a server makes them up: 256 random bits.
    let token = "7f3c9a51e8d24b06b1fa02c4d95e6638c17a4be0f2d38596a4c0e77b12d8f94e";
    let file = std::fs::File::create(&log).unwrap();
    let server = Server::start_logged(
        &["--db", &db, "--user", &format!("ada={token}"), "--demo"],
        Stdio::from(file),
    );
    let ada = server.with_token(token);
    let guest = text(
        &server
            .nobody()
            .post("/demo/sign-in", &json!({ "name": "guest-of-the-demo" }))
            .ok()["token"],
    );
    ada.get("/v1/sync").ok();
    ada.socket("account");
    server.with_token(&guest).get("/v1/sync").ok();
    // Where something goes wrong, more is said than else.
    ada.call(
        "POST",
        "/v1/mailbox/ack",
        Some(format!("{{\"deliveries\":{token}")),
    )
    .refused(400);
    ada.post("/v1/mailbox/ack", &json!({ "deliveries": token }))
        .refused(400);
    ada.get("/v1/sync?limit=x").refused(400);
    ada.get("/v1/conversations/none/messages").refused(403);
    server
        .with_token(&format!("{token}x"))
        .get("/v1/sync")
        .refused(401);
    let mut socket = server.nobody().open_socket();
    socket.send(&json!({ "type": "auth", "token": format!("{token}x") }));
    assert_eq!(socket.closed(), 4401);
    server.stop();

    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("stopping"), "{log}");
    assert!(!log.contains(token) && !log.contains(&guest), "{log}");
    let mut stored = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        stored.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |bytes: &[u8]| stored.windows(bytes.len()).any(|window| window == bytes);
    for token in [token, &guest] {
        assert!(!holds(token.as_bytes()), "a token is stored");
        assert!(holds(&Sha256::digest(token)), "its hash is not");
    }
}

#[test]
fn what_looks_like_sql_is_a_value() {
    let server = Server::start(&[]);
    let evil = "x'; DROP TABLE messages; --";
    server.create(evil, &["ada"]);
    let id = "x%27%3B%20DROP%20TABLE%20messages%3B%20--";
    let ada = server.user("ada");
    let sent = ada.send(id, evil, evil);
    assert_eq!(
        (&sent["clientId"], &sent["body"]["text"]),
        (&json!(evil), &json!(evil))
    );
    assert_eq!(ada.send(id, evil, evil)["id"], sent["id"]);
    let query = "1%20OR%201%3D1";
    for path in [
        format!("/v1/conversations/{id}/messages?before={query}"),
        format!("/v1/conversations/{id}/messages?limit={query}"),
        format!("/v1/conversations?after={query}"),
    ] {
        ada.get(&path).refused(400);
    }
    let anyone = "%27%20OR%20%271%27%3D%271";
    ada.get(&format!("/v1/conversations/{anyone}/messages"))
        .refused(403);
    assert_eq!(
        ada.get(&format!("/v1/conversations?after=1:{anyone}")).ok()["conversations"],
        json!([])
    );
    ada.post(
        "/v1/mailbox/ack",
        &json!({ "deliveries": [evil, "d1 OR 1=1", "d1;--"] }),
    )
    .ok();
    server
        .nobody()
        .call_with(
            "GET",
            "/v1/sync",
            &[("authorization", "Bearer ' OR '1'='1")],
            "",
        )
        .refused(401);
    let evil_user = server
        .nobody()
        .post("/demo/sign-in", &json!({ "name": "' OR 1=1 --" }))
        .ok();
    assert_eq!(
        server
            .with_token(&text(&evil_user["token"]))
            .get("/v1/conversations")
            .ok()["conversations"],
        json!([])
    );
    assert_eq!(ada.page(id, "")["messages"], json!([sent]));
}
