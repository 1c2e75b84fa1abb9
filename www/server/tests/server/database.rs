//! Files: restart, import, simulation.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{Folder, Server, events, eventually, seqs, text};

fn import(file: &str, db: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pullcord-server"))
        .args(["import", file, "--db", db])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn line(conversation: &str, n: u64) -> Vec<u8> {
    let line = json!({ "conversation": conversation, "n": n, "createdAt": 1_100_000_000_000_u64 + n, "sender": "nick", "kind": "text", "text": format!("line {n}") });
    format!("{line}\n").into_bytes()
}

#[test]
fn a_restart_keeps_cursors_tokens_and_what_was_sent() {
    let folder = Folder::new();
    let db = folder.file("chat.db");
    let server = Server::start(&["--db", &db]);
    server.create("c", &["ada", "linus"]);
    let zoe = text(
        &server
            .nobody()
            .post("/demo/sign-in", &json!({ "name": "zoe" }))
            .ok()["token"],
    );
    let cursor = server.user("linus").head();
    let sent = server.user("ada").send("c", "1", "before");
    server.stop();

    // Killed this time: what was answered was committed.
    let server = Server::start(&["--db", &db]);
    let batch = server.user("linus").sync(&cursor);
    assert_eq!(
        (seqs(&batch), batch.get("overflow")),
        (vec![json!(1)], None)
    );
    assert_eq!(server.user("ada").send("c", "1", "before"), sent);
    assert_eq!(server.user("ada").send("c", "2", "then")["seq"], 2);
    drop(server);

    let server = Server::start(&["--db", &db]);
    assert_eq!(
        seqs(&server.user("linus").sync(&text(&batch["cursor"]))),
        [2]
    );
    server.with_token(&zoe).get("/v1/sync").ok();
}

#[test]
fn an_import_skips_broken_lines_and_says_which() {
    let folder = Folder::new();
    let (file, db) = (folder.file("m.jsonl.gz"), folder.file("chat.db"));
    let mut lines = GzEncoder::new(std::fs::File::create(&file).unwrap(), Compression::fast());
    for n in 1..=3 {
        lines.write_all(&line("#rust", n)).unwrap();
    }
    lines
        .write_all(b"{\"conversation\":\"#rust\",\"n\":4,\n")
        .unwrap();
    lines.write_all(b"\xff\xfe\n\n").unwrap();
    lines.write_all(b"{\"conversation\":\"#rust\",\"n\":-4,\"createdAt\":1,\"sender\":\"x\",\"text\":\"y\"}\n").unwrap();
    lines.write_all(&vec![b'x'; 3 << 20]).unwrap();
    lines.write_all(b"\n").unwrap();
    lines.write_all(&line("#ubuntu", 1)).unwrap();
    // The last line has no end.
    lines.write_all(line("#rust", 7).trim_ascii_end()).unwrap();
    lines.finish().unwrap();

    let said = import(&file, &db);
    for number in [4, 5, 7, 8] {
        assert!(said.contains(&format!("line {number}: ")), "{said}");
    }
    // Each is parsed as one line: a second number of a line would only mislead.
    assert!(!said.contains("at line"), "{said}");
    assert!(
        said.contains("line 4: EOF while parsing a value at column"),
        "{said}"
    );
    assert!(
        said.contains("imported 5 messages of 2 conversations, skipped 4 broken lines"),
        "{said}"
    );

    let server = Server::start(&["--db", &db]);
    let ada = server.user("ada");
    let page = ada.page("%23rust", "");
    assert_eq!(seqs(&page), [1, 2, 3, 7]);
    let message = &page["messages"][0];
    assert_eq!(
        (&message["sender"], &message["createdAt"], &message["body"]),
        (
            &json!("nick"),
            &json!(1_100_000_000_001_u64),
            &json!({ "text": "line 1", "kind": "text" })
        )
    );
    let state = ada.state("#rust");
    assert_eq!(
        (
            &state["unread"],
            &state["lastSeq"],
            &state["sort"],
            &state["meta"]["title"]
        ),
        (
            &json!(0),
            &json!(7),
            &json!(1_100_000_000_007_u64),
            &json!("#rust")
        )
    );
    assert_eq!(ada.send("%23rust", "1", "hello")["seq"], 8);
}

#[test]
fn an_import_takes_nothing_that_clients_refuse() {
    let folder = Folder::new();
    let (file, db) = (folder.file("m.jsonl"), folder.file("chat.db"));
    let long = "x".repeat(1025);
    let line = |n: u64, conversation: &str, sender: &str, at: i64| {
        json!({ "conversation": conversation, "n": n, "createdAt": at, "sender": sender, "text": "y" })
            .to_string()
    };
    let last = 8_640_000_000_000_000;
    let lines = [
        line(1, "c", &long[1..], last),
        line(2, "c", "x", -last),
        line(3, "c", "x", last + 1),
        line(4, "c", "x", i64::MIN),
        line(5, "c", &long, 1),
        line(6, &long, "x", 1),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let said = import(&file, &db);
    assert!(
        said.contains("imported 2 messages of 1 conversations, skipped 4 broken lines"),
        "{said}"
    );
    let server = Server::start(&["--db", &db]);
    assert_eq!(seqs(&server.user("ada").page("c", "")), [1, 2]);
    // Nor does anything else bring it in.
    let nobody = server.nobody();
    nobody
        .post("/demo/create", &json!({ "id": long, "members": [] }))
        .refused(400);
    nobody
        .post(
            "/demo/bulk",
            &json!({ "conversation": "c", "sender": long, "count": 1 }),
        )
        .refused(400);
}

#[test]
fn an_import_into_a_used_database_overflows_what_it_touched_and_only_that() {
    let folder = Folder::new();
    let (file, db) = (folder.file("m.jsonl"), folder.file("chat.db"));
    std::fs::write(&file, [line("c", 1), line("c", 2), line("c", 5)].concat()).unwrap();
    let server = Server::start(&["--db", &db]);
    server.create("c", &["ada", "linus"]);
    server.create("d", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    ada.send("c", "1", "first");
    let cursor = linus.head();
    ada.send("d", "1", "before");
    // While the server runs.
    let said = import(&file, &db);
    assert!(
        said.contains("imported 2 messages of 1 conversations, 1 were there already"),
        "{said}"
    );
    ada.send("d", "2", "after");

    let first = linus.sync(&cursor);
    assert_eq!(
        (
            events(&first, "message")[0]["message"]["conversation"].clone(),
            &first["hasMore"]
        ),
        (json!("d"), &json!(true))
    );
    let second = linus.sync(&text(&first["cursor"]));
    assert_eq!(second["overflow"], json!(["c"]));
    assert_eq!(seqs(&second), [2]);
    let state = events(&second, "conversation")
        .into_iter()
        .find(|event| event["conversation"]["id"] == "c")
        .unwrap();
    assert_eq!(state["conversation"]["lastSeq"], 5);
    assert_eq!(seqs(&linus.page("c", "")), [1, 2, 5]);
    assert_eq!(
        seqs(
            &linus
                .get(&format!("/v1/conversations/c/changes?since={cursor}"))
                .ok()
        ),
        [2, 5]
    );

    // The same again changes nothing.
    let cursor = linus.head();
    import(&file, &db);
    assert_eq!(linus.sync(&cursor)["events"], json!([]));
}

#[test]
fn an_import_on_a_base_begins_after_it() {
    let folder = Folder::new();
    let file = folder.file("m.jsonl");
    std::fs::write(&file, [line("c", 1), line("c", 2)].concat()).unwrap();
    let server = Server::start(&[
        "--import",
        &file,
        "--seq-base",
        "1000000",
        "--seq-step",
        "10",
    ]);
    assert_eq!(
        seqs(&server.user("ada").page("c", "")),
        [1_000_010, 1_000_020]
    );
}

#[test]
fn a_damaged_file_is_no_half_import() {
    let folder = Folder::new();
    let (file, db) = (folder.file("m.jsonl.gz"), folder.file("chat.db"));
    let mut lines = GzEncoder::new(Vec::new(), Compression::fast());
    for n in 1..=5000 {
        lines.write_all(&line("c", n)).unwrap();
    }
    let whole = lines.finish().unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pullcord-server"))
        .args(["import", &file, "--db", &db])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let server = Server::start(&["--db", &db]);
    assert_eq!(
        server.user("ada").get("/v1/conversations").ok()["conversations"],
        json!([])
    );
}

#[test]
fn who_starts_it_is_told_what_keeps_it_from_starting() {
    let folder = Folder::new();
    let (missing, no_database) = (folder.file("missing.jsonl"), folder.file("no.db"));
    std::fs::write(&no_database, [b'x'; 8192]).unwrap();
    let taken = Server::start(&[]);
    let port = taken.address().rsplit_once(':').unwrap().1;
    for (arguments, reason) in [
        (
            &["--import", &missing][..],
            "missing.jsonl: No such file or directory",
        ),
        (
            &["import", &missing, "--db", &folder.file("chat.db")],
            "missing.jsonl: No such file or directory",
        ),
        (
            &["--db", &folder.file("nowhere/chat.db")],
            "nowhere/chat.db: unable to open database file",
        ),
        (&["--db", &no_database], "no.db: file is not a database"),
        (
            &["--port", port],
            &format!("port {port}: Address already in use"),
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_pullcord-server"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_simulation_brings_messages_edits_and_recalls() {
    let server = Server::start(&["--generate", "--simulate", "200"]);
    let ada = server.user("ada");
    let mut cursor = ada.head();
    let (mut new, mut edited, mut recalled) = (0, 0, 0);
    eventually("new, edited and recalled messages", || {
        let batch = ada.sync(&cursor);
        cursor = text(&batch["cursor"]);
        new += events(&batch, "message").len();
        for update in events(&batch, "update") {
            assert_ne!(update["message"]["sender"], "ada");
            match update["message"]["state"].as_str() {
                Some("edited") => edited += 1,
                Some("recalled") => recalled += 1,
                other => panic!("{other:?}"),
            }
        }
        new > 20 && edited > 0 && recalled > 0
    });
}

#[test]
fn the_last_page_is_found_fast_however_long_the_history() {
    let folder = Folder::new();
    let file = folder.file("m.jsonl");
    let lines: Vec<u8> = (1..=20_000).flat_map(|n| line("c", n)).collect();
    std::fs::write(&file, lines).unwrap();
    let server = Server::start(&["--import", &file]);
    let ada = server.user("ada");
    let mut before = Value::Null;
    let mut count = 0;
    let began = std::time::Instant::now();
    loop {
        let query = if before.is_null() {
            "limit=1000".to_owned()
        } else {
            format!("limit=1000&before={before}")
        };
        let page = ada.page("c", &query);
        let found = seqs(&page);
        count += found.len();
        before = found[0].clone();
        if page["hasBefore"] == false {
            break;
        }
    }
    assert_eq!((count, before), (20_000, json!(1)));
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}
