//! What is too much, too long, too deep, too often or too slow; and pages and names from elsewhere.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Folder, Server, eventually, rest, status};

const SEND: &str = "/v1/conversations/c/messages";

fn head(address: &str, more: &str) -> Vec<u8> {
    format!("POST {SEND} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer demo-ada\r\n{more}\r\n\r\n")
        .into_bytes()
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[test]
fn a_body_that_is_too_large_is_refused_without_being_read() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    // Announced: a hundred megabytes, of which not one byte comes.
    let mut stream = server.connect();
    stream
        .write_all(&head(server.address(), "content-length: 100000000"))
        .unwrap();
    let answer = rest(&mut stream);
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(answer.contains(r#""code":"too-large""#), "{answer}");
    // Too large by so little that it is heard out: whoever sends it hears the answer, and does not send it again.
    let large = json!({ "clientId": "large", "body": "x".repeat(4_000_000) });
    let ada = server.user("ada");
    ada.post("/v1/conversations/c/messages", &large)
        .refused(413);
    // Not announced, and without an end: over before the second megabyte.
    let mut stream = server.connect();
    stream
        .write_all(&head(server.address(), "transfer-encoding: chunked"))
        .unwrap();
    let chunk = [b"10000\r\n", vec![b' '; 0x10000].as_slice(), b"\r\n"].concat();
    let sent = (0..1000)
        .take_while(|_| stream.write_all(&chunk).is_ok())
        .count();
    assert!(sent < 400, "{sent} chunks of 64 KB were taken");
    // What fits, fits; and nothing of the rest is there.
    ada.send("c", "large", &"x".repeat(200 * 1024));
    assert_eq!(ada.page("c", "")["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(&[]);
    let host = ("host", server.address());
    let long = "x".repeat(100_000);
    assert_eq!(
        server.get_with("/healthz", &[host, ("cookie", &long)]).0,
        431
    );
    let (status, _) = server.get_with(&format!("/v1/sync?cursor={long}"), &[host]);
    assert!([414, 431].contains(&status), "{status}");
    let many: Vec<(&str, &str)> = [host]
        .into_iter()
        .chain((0..200).map(|_| ("x", "y")))
        .collect();
    assert_eq!(server.get_with("/healthz", &many).0, 431);
    assert_eq!(
        server
            .get_with("/healthz", &[host, ("cookie", &long[..8000])])
            .0,
        200
    );
}

#[test]
fn what_some_reader_could_not_read_is_not_stored() {
    let server = Server::start(&["--seq-step", "10"]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let id = ada.send("c", "1", "first")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ada.send("c", "2", "second");
    let edit = format!("{SEND}/{id}");
    let nobody = server.nobody();
    let raw = |body: &str| {
        format!(
            r#"{{"clientId":"x","body":{body},"id":"d","members":[],"meta":{body},"conversation":"c","seq":15,"sender":"x"}}"#
        )
    };
    for body in [
        nested(65).to_string(),
        format!("{}1{}", "[".repeat(40_000), "]".repeat(40_000)),
        format!("{}1{}", r#"{"a":"#.repeat(15_000), "}".repeat(15_000)),
        // Half of a surrogate pair is no character, and so large a number is none.
        r#""\ud800""#.into(),
        "1e400".into(),
    ] {
        let what = &body[..body.len().min(20)];
        for (method, path) in [("POST", SEND), ("PATCH", edit.as_str())] {
            let answer = ada.call(method, path, Some(raw(&body)));
            assert_eq!(answer.status, 400, "{method} {what}: {answer:?}");
        }
        for path in ["/demo/create", "/demo/late-insert"] {
            assert_eq!(
                nobody.call("POST", path, Some(raw(&body))).status,
                400,
                "{path} {what}"
            );
        }
    }
    let messages = ada.page("c", "")["messages"].clone();
    assert_eq!(
        (
            messages[0]["version"].clone(),
            messages.as_array().unwrap().len()
        ),
        (json!(1), 2)
    );
    // As deep as is allowed, it comes back as it was.
    let deep = nested(64);
    ada.post(SEND, &json!({ "clientId": "deep", "body": deep }))
        .ok();
    assert_eq!(ada.page("c", "limit=1")["messages"][0]["body"], deep);
}

#[test]
fn a_limit_is_cut_back_to_what_one_answer_holds() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    server.bulk("c", 1200);
    let ada = server.user("ada");
    let count = |limit: &str| {
        ada.page("c", &format!("limit={limit}"))["messages"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (count("100000"), count("18446744073709551615"), count("0")),
        (1000, 1000, 1)
    );
    ada.get(&format!("{SEND}?limit=18446744073709551616"))
        .refused(400);
    let asked = json!({ "cursors": {}, "limit": 18446744073709551615_u64 });
    ada.post("/v1/sync/conversations", &asked).ok();
}

#[test]
fn whoever_is_slow_to_say_what_they_want_is_not_waited_for() {
    let server = Server::start(&["--patience", "300"]);
    server.create("c", &["ada"]);
    // A head that never ends, and none at all.
    for begun in ["GET /healthz HTTP/1.1\r\nhost:", ""] {
        let mut stream = server.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        let answer = rest(&mut stream);
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // A byte now and then does not help.
    let mut stream = server.connect();
    let mut gone = stream.write_all(b"GET / HTTP/1.1\r\nx: ");
    let end = Instant::now() + Duration::from_secs(20);
    while gone.is_ok() {
        assert!(Instant::now() < end, "it is still listened to");
        thread::sleep(Duration::from_millis(50));
        gone = stream.write_all(b"x");
    }
    // A body that does not come.
    let mut stream = server.connect();
    stream
        .write_all(&head(server.address(), "content-length: 1000"))
        .unwrap();
    assert_eq!(status(&rest(&mut stream)), 408);
    // A socket that does not say who it is.
    assert_eq!(server.nobody().open_socket().closed(), 4401);
    // Once it is said, silence is no fault.
    let mut socket = server.user("ada").socket("account");
    assert_eq!(socket.receive_within(Duration::from_millis(900)), None);
    socket.send(&json!({ "type": "ping" }));
    assert_eq!(socket.receive(), Some(json!({ "type": "pong" })));
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let server = Server::start(&["--rate", "1"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    // Five at once are free.
    for _ in 0..5 {
        ada.get("/v1/sync").ok();
    }
    let answers = std::iter::repeat_with(|| ada.get("/v1/sync"));
    let refused = answers.take(50).find(|answer| answer.status == 429);
    let refused = refused.expect("fifty of an account that may one a second");
    assert_eq!(refused.headers["retry-after"], "1");
    refused.refused(429);
    // Another account at the same address has its own.
    linus.get("/v1/sync").ok();
    // After as long as was said, there is room again.
    thread::sleep(Duration::from_secs(1));
    ada.get("/v1/sync").ok();

    // Without an account it is the address: guessing tokens ends soon.
    let mut guesses = Vec::new();
    eventually("neither guessing nor signing in goes on", || {
        let guess = server.with_token("guess").get("/v1/sync").status;
        guesses.push(guess);
        let sign_in = server
            .nobody()
            .post("/demo/sign-in", &json!({ "name": "x" }));
        (guess, sign_in.status) == (429, 429)
    });
    assert!(guesses.contains(&401), "{guesses:?}");
}

#[test]
fn what_a_socket_says_too_often_is_heard_later() {
    let server = Server::start(&["--rate", "20"]);
    let mut socket = server.user("ada").socket("account");
    let began = Instant::now();
    // A hundred at once are free, and forty more take two seconds.
    for _ in 0..140 {
        socket.send(&json!({ "type": "ping" }));
    }
    for _ in 0..140 {
        assert_eq!(socket.receive(), Some(json!({ "type": "pong" })));
    }
    assert!(
        began.elapsed() > Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn an_account_listens_in_so_many_places_at_a_time() {
    let server = Server::start(&["--max-listening", "2"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let auth = json!({ "type": "auth", "token": "demo-ada", "scope": "account" });
    let sockets = [ada.socket("account"), ada.socket("account")];
    let mut third = ada.open_socket();
    third.send(&auth);
    // "Try again later".
    assert_eq!(third.closed(), 1013);
    linus.socket("account");
    drop(sockets);
    eventually("there is room for a socket again", || {
        let mut socket = ada.open_socket();
        socket.send(&auth);
        socket.receive() == Some(json!({ "type": "ready" }))
    });

    let cursor = ada.head();
    let wait = |ms: u32| ada.get(&format!("/v1/sync?cursor={cursor}&wait={ms}"));
    thread::scope(|scope| {
        // What asks whether there is room takes it for a moment: a poll that came just then asks again.
        let patient = || loop {
            let answer = wait(60_000);
            if answer.status != 429 {
                return answer;
            }
        };
        let polls = [0, 1].map(|_| scope.spawn(patient));
        eventually("a third long poll is refused", || wait(1).status == 429);
        // Asking without waiting goes on.
        ada.sync(&cursor);
        server.create("something new", &["ada"]);
        for poll in polls {
            poll.join().unwrap().ok();
        }
    });
    wait(1).ok();
}

#[test]
fn an_address_has_so_many_connections_at_a_time() {
    let server = Server::start(&["--max-connections", "3"]);
    let request = format!(
        "GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address()
    );
    let ask = || server.raw(request.as_bytes());
    let taken: Vec<_> = (0..3).map(|_| server.connect()).collect();
    // It takes them in their own time.
    eventually("a fourth one is closed", || ask().is_empty());
    drop(taken);
    eventually("there is room again", || ask().contains("200 OK"));
    // It notices in its own time, too, that somebody has gone.
    let mut sockets = Vec::new();
    eventually("there is room for two sockets", || {
        sockets.extend(server.nobody().try_open_socket());
        sockets.len() == 2
    });
    for socket in &mut sockets {
        socket.send(&json!({ "type": "auth", "token": "demo-ada", "scope": "account" }));
        assert_eq!(socket.receive(), Some(json!({ "type": "ready" })));
    }
    // A socket counts as long as it is open.
    eventually("sockets are connections", || {
        let _third = server.connect();
        ask().is_empty()
    });
}

#[test]
fn a_frame_that_is_too_large_ends_its_socket_without_being_read() {
    let server = Server::start(&[]);
    for (name, length) in [("just too large", 70_000_u64), ("a gigabyte", 1 << 30)] {
        let mut socket = server.user("ada").socket("account");
        // A text frame of that length, of which only the beginning comes.
        let mut frame = vec![0x81, 0x80 | 127];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 100]);
        socket.stream().write_all(&frame).unwrap();
        let end = rest(socket.stream());
        assert!(end.len() < 200, "{name}: {end:?}");
    }
}

#[test]
fn only_files_of_a_page_are_served() {
    let folder = Folder::new();
    let outside = Folder::new();
    std::fs::write(outside.file("secret.json"), "secret").unwrap();
    for (name, text) in [
        ("index.html", "<title>x</title>"),
        ("page.js", "1"),
        ("chat.db", "secret"),
        ("main.rs", "secret"),
        ("Cargo.toml", "secret"),
        (".env", "secret"),
        (".hidden.json", "secret"),
    ] {
        std::fs::write(folder.file(name), text).unwrap();
    }
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    std::fs::write(folder.file(".git/config.txt"), "secret").unwrap();
    #[cfg(unix)]
    for (from, to) in [
        (outside.file("secret.json"), "link.json"),
        (outside.file(""), "linked"),
    ] {
        std::os::unix::fs::symlink(from, folder.path().join(to)).unwrap();
    }
    let mount = format!("/={}", folder.file(""));
    let server = Server::start(&[
        "--static",
        &mount,
        "--static",
        &format!("/lib={}", folder.file("")),
    ]);
    let host = ("host", server.address());
    for path in [
        "/",
        "/index.html",
        "/page.js",
        "/lib/page.js",
        "/page.js?x=../y",
    ] {
        assert_eq!(server.get_with(path, &[host]).0, 200, "{path}");
    }
    let up = outside.path().file_name().unwrap().to_str().unwrap();
    for path in [
        format!("/../{up}/secret.json"),
        format!("/%2e%2e/{up}/secret.json"),
        format!("/..%2f{up}%2fsecret.json"),
        format!("/..%5c{up}%5csecret.json"),
        format!("/.%2e/{up}/secret.json"),
        format!("/lib/../../{up}/secret.json"),
        format!("//{up}/secret.json"),
        format!("/{}", outside.file("secret.json")),
        format!("/%2f{}", outside.file("secret.json")),
        "/link.json".into(),
        "/linked/secret.json".into(),
        "/lib/linked/secret.json".into(),
        "/page.js%00.html".into(),
        "/chat.db%00.js".into(),
        "/chat.db".into(),
        "/main.rs".into(),
        "/Cargo.toml".into(),
        "/.env".into(),
        "/%2eenv".into(),
        "/.hidden.json".into(),
        "/.git/config.txt".into(),
        "/lib/.git/config.txt".into(),
        "/missing.js".into(),
    ] {
        let (status, answer) = server.get_with(&path, &[host]);
        assert!([400, 404].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("\r\n\r\nsecret"), "{path}: {answer}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            server.nobody().call(method, "/page.js", None).status,
            405,
            "{method}"
        );
    }
}

#[test]
fn every_answer_says_how_a_browser_has_to_take_it() {
    let folder = Folder::new();
    for name in ["index.html", "tour.html", "page.js"] {
        std::fs::write(folder.file(name), "<script>1</script>").unwrap();
    }
    let server = Server::start(&["--static", &format!("/={}", folder.file(""))]);
    let nobody = server.nobody();
    for path in [
        "/",
        "/index.html",
        "/tour.html",
        "/page.js",
        "/missing.html",
    ] {
        let answer = nobody.get(path);
        let header = |name: &str| answer.headers[name].to_str().unwrap();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(
                policy.split(';').any(|said| said.trim() == part),
                "{path}: {part}"
            );
        }
        for lax in [
            "*",
            "http:",
            "https:",
            "ws:",
            "data:",
            "blob:",
            "'unsafe-inline'",
            "'unsafe-eval'",
        ] {
            assert!(!policy.contains(lax), "{path}: {lax}");
        }
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("permissions-policy").contains("microphone=()"));
        // No page of another origin reads it.
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let ada = server.user("ada");
    for answer in [
        ada.get("/v1/sync"),
        nobody.get("/v1/sync"),
        ada.get("/v1/nothing"),
        nobody.get("/demo"),
    ] {
        let header = |name: &str| answer.headers[name].to_str().unwrap();
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-type"), "application/json");
    }
}

#[test]
fn a_page_or_a_name_from_elsewhere_is_refused() {
    let server = Server::start(&["--cors", "https://chat.example"]);
    let (here, port) = (
        server.address(),
        server.address().rsplit(':').next().unwrap(),
    );
    let own = format!("http://{here}");
    let local = format!("http://localhost:{port}");
    let ada = ("authorization", "Bearer demo-ada");
    let socket = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (origin, allowed) in [
        (own.as_str(), true),
        (local.as_str(), true),
        ("https://chat.example", true),
        ("https://evil.example", false),
        ("https://chat.example.evil.example", false),
        ("null", false),
    ] {
        let (status, answer) =
            server.get_with("/v1/sync", &[("host", here), ada, ("origin", origin)]);
        let readable = answer.contains(&format!("access-control-allow-origin: {origin}\r\n"));
        assert_eq!(
            (status == 200, readable),
            (allowed, allowed),
            "{origin}: {answer}"
        );
        assert!(!answer.contains("access-control-allow-credentials"));
        // A form or a script of that page could post without being able to read: that is refused too.
        let posted = server.nobody().call_with(
            "POST",
            "/demo/create",
            &[("origin", origin), ("content-type", "text/plain")],
            &json!({ "id": origin, "members": [] }).to_string(),
        );
        assert_eq!(posted.status == 200, allowed, "{origin}: {posted:?}");
        // The socket's token is in its first frame, not in a cookie; still, it is not opened.
        let mut headers = vec![("host", here), ("origin", origin)];
        headers.extend(socket);
        let mut stream = server.connect();
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        stream
            .write_all(format!("GET /v1/notify HTTP/1.1\r\n{lines}\r\n").as_bytes())
            .unwrap();
        let mut first = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut first).unwrap();
        assert_eq!(&first == b"HTTP/1.1 101", allowed, "{origin}");
    }
    // A name that somebody points at this machine is not this server's.
    for host in ["evil.example", &format!("evil.example:{port}"), ""] {
        for path in ["/v1/sync", "/healthz", "/demo"] {
            assert_eq!(
                server.get_with(path, &[("host", host), ada]).0,
                421,
                "{host} {path}"
            );
        }
    }
    assert_eq!(server.get_with("/healthz", &[("host", "localhost")]).0, 200);
}
