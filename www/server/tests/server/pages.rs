//! Pages of messages, `changes`, and the files beside the calls.

use serde_json::{Value, json};

use crate::support::{Folder, Server, User, seqs};

fn check(
    user: &User,
    query: &str,
    expected: impl IntoIterator<Item = u64>,
    before: bool,
    after: bool,
) {
    let page = user.page("c", query);
    let found: Vec<u64> = seqs(&page)
        .iter()
        .map(|seq| seq.as_u64().unwrap())
        .collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{query}");
    assert_eq!(
        (&page["hasBefore"], &page["hasAfter"]),
        (&json!(before), &json!(after)),
        "{query}"
    );
}

#[test]
fn every_form_of_a_page_is_continuous_and_knows_its_ends() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let none = std::iter::empty();
    check(&ada, "", none.clone(), false, false);
    check(&ada, "around=5", none.clone(), false, false);
    check(&ada, "at=5", none.clone(), false, false);
    server.bulk("c", 100);

    check(&ada, "", 51..=100, true, false);
    check(&ada, "limit=10&cursor=anything", 91..=100, true, false);
    check(&ada, "limit=100", 1..=100, false, false);
    check(&ada, "limit=100000", 1..=100, false, false);
    check(&ada, "limit=0", 100..=100, true, false);
    check(&ada, "before=91&limit=10", 81..=90, true, true);
    check(&ada, "before=11&limit=10", 1..=10, false, true);
    check(&ada, "before=6&limit=10", 1..=5, false, true);
    check(&ada, "before=1&limit=10", none.clone(), false, true);
    check(
        &ada,
        "before=18446744073709551615&limit=10",
        91..=100,
        true,
        false,
    );
    check(&ada, "after=10&limit=10", 11..=20, true, true);
    check(&ada, "after=90&limit=10", 91..=100, true, false);
    check(&ada, "after=0&limit=10", 1..=10, false, true);
    check(&ada, "after=100&limit=10", none, true, false);
    check(&ada, "around=50&limit=10", 45..=54, true, true);
    check(&ada, "around=50&limit=1", 50..=50, true, true);
    check(&ada, "around=2&limit=10", 1..=10, false, true);
    check(&ada, "around=99&limit=10", 91..=100, true, false);
    check(&ada, "around=500&limit=10", 91..=100, true, false);
    check(&ada, "at=0&limit=10", 1..=10, false, true);
    check(&ada, "at=99999999999999&limit=10", 91..=100, true, false);
    // Empty parameters are as good as none.
    check(&ada, "limit=&cursor=&before=", 51..=100, true, false);
}

#[test]
fn a_page_at_a_time_has_its_first_message_in_the_middle() {
    let folder = Folder::new();
    let file = folder.file("m.jsonl");
    let lines: String = (1..=100)
        .map(|n| format!("{}\n", json!({ "conversation": "c", "n": n, "createdAt": n / 2 * 1000, "sender": "x", "text": "t" })))
        .collect();
    std::fs::write(&file, lines).unwrap();
    let server = Server::start(&["--import", &file]);
    let ada = server.user("ada");
    // createdAt of 40 and 41 is 20000.
    check(&ada, "at=20000&limit=10", 35..=44, true, true);
    check(&ada, "at=19001&limit=10", 35..=44, true, true);
    check(&ada, "at=20001&limit=10", 37..=46, true, true);
}

#[test]
fn large_and_sparse_seqs_page_as_dense_ones_do() {
    let base = u64::MAX - 1_000;
    let server = Server::start(&["--seq-base", &base.to_string(), "--seq-step", "7"]);
    server.create("c", &["ada"]);
    server.bulk("c", 20);
    let ada = server.user("ada");
    let text = |n: u64| Value::String((base + 7 * n).to_string());
    let page = ada.page("c", "limit=5");
    assert_eq!(seqs(&page), (16..=20).map(text).collect::<Vec<_>>());
    let page = ada.page("c", &format!("before={}&limit=5", base + 7 * 16));
    assert_eq!(seqs(&page), (11..=15).map(text).collect::<Vec<_>>());
    // A seq that no message has.
    let page = ada.page("c", &format!("after={}&limit=2", base + 7 * 3 + 1));
    assert_eq!(seqs(&page), (4..=5).map(text).collect::<Vec<_>>());
    assert_eq!(page["hasBefore"], true);
    assert_eq!(ada.state("c")["lastSeq"], text(20));
    // Both forms are read.
    ada.post("/v1/conversations/c/read", &json!({ "seq": text(10) }))
        .ok();
    assert_eq!(ada.state("c")["unread"], 10);
}

#[test]
fn seqs_around_2_53_change_their_form() {
    let server = Server::start(&["--seq-base", &((1_u64 << 53) - 3).to_string()]);
    server.create("c", &["ada"]);
    server.bulk("c", 4);
    let page = server.user("ada").page("c", "");
    assert_eq!(
        seqs(&page),
        [
            json!(9007199254740990_u64),
            json!(9007199254740991_u64),
            json!("9007199254740992"),
            json!("9007199254740993")
        ]
    );
    let big = server
        .user("ada")
        .page("c", "before=9007199254740993&limit=1");
    assert_eq!(seqs(&big), [json!("9007199254740992")]);
}

#[test]
fn changes_are_the_newest_versions_in_the_range_since_the_cursor() {
    let server = Server::start(&["--seq-step", "10"]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let ids: Vec<String> = (0..6)
        .map(|n| {
            ada.send("c", &n.to_string(), "x")["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let since = ada.head();
    let changes = |query: &str| {
        ada.get(&format!(
            "/v1/conversations/c/changes?since={since}&cursor={since}{query}"
        ))
    };
    assert_eq!(
        changes("").ok(),
        json!({ "account": "ada", "messages": [], "hasMore": false })
    );

    ada.patch(
        &format!("/v1/conversations/c/messages/{}", ids[1]),
        &json!({ "clientId": "e", "body": 2 }),
    )
    .ok();
    ada.post(
        &format!("/v1/conversations/c/messages/{}/recall", ids[3]),
        &json!({}),
    )
    .ok();
    server
        .nobody()
        .post(
            "/demo/late-insert",
            &json!({ "conversation": "c", "seq": 25, "sender": "Late" }),
        )
        .ok();
    ada.send("c", "new", "y");
    assert_eq!(seqs(&changes("").ok()), [20, 25, 40, 70]);
    assert_eq!(seqs(&changes("&from=21&to=40").ok()), [25, 40]);
    let first = changes("&limit=2").ok();
    assert_eq!(
        (seqs(&first), &first["hasMore"]),
        (vec![json!(20), json!(25)], &json!(true))
    );
    assert_eq!(first["messages"][0]["state"], "edited");
    let rest = changes("&from=26&limit=2").ok();
    assert_eq!(
        (seqs(&rest), &rest["hasMore"]),
        (vec![json!(40), json!(70)], &json!(false))
    );
    assert_eq!(rest["messages"][0]["state"], "recalled");
}

#[test]
fn changes_are_gone_where_they_cannot_be_told() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    server.bulk("c", 50);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let since = ada.head();
    let changes =
        |user: &User, query: &str| user.get(&format!("/v1/conversations/c/changes?{query}"));
    changes(&ada, "since=junk").refused(410);
    changes(&ada, "since=0000000000000000-1").refused(410);

    // Trimmed since, where it touches the range.
    server
        .nobody()
        .post("/demo/trim", &json!({ "conversation": "c", "before": 11 }))
        .ok();
    changes(&ada, &format!("since={since}")).refused(410);
    changes(&ada, &format!("since={since}&from=10&to=20")).refused(410);
    changes(&ada, &format!("since={since}&from=11&to=20")).ok();
    changes(&ada, &format!("since={}", ada.head())).ok();

    // Left and came back since.
    let since = linus.head();
    server
        .nobody()
        .post(
            "/demo/leave",
            &json!({ "conversation": "c", "user": "linus" }),
        )
        .ok();
    changes(&linus, &format!("since={since}")).refused(403);
    server
        .nobody()
        .post(
            "/demo/join",
            &json!({ "conversation": "c", "user": "linus" }),
        )
        .ok();
    changes(&linus, &format!("since={since}")).refused(410);
    changes(&linus, &format!("since={}", linus.head())).ok();

    // The log does not reach back.
    let since = ada.head();
    ada.post("/demo/forget", &json!({})).ok();
    changes(&ada, &format!("since={since}")).refused(410);
    changes(&ada, &format!("since={}", ada.head())).ok();
}

#[test]
fn files_are_served_beside_the_calls_with_a_strict_policy() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("pkg")).unwrap();
    std::fs::write(folder.file("index.html"), "<!doctype html><title>x</title>").unwrap();
    std::fs::write(folder.file("pkg/a.wasm"), b"\0asm").unwrap();
    std::fs::write(folder.file("pkg/a.js"), "export {}").unwrap();
    let (root, pkg) = (
        format!("/={}", folder.file("")),
        format!("/lib={}", folder.file("pkg")),
    );
    let server = Server::start(&["--static", &root, "--static", &pkg]);
    let header = |path: &str, name: &str| {
        let answer = server.nobody().get(path);
        assert_eq!(answer.status, 200, "{path}");
        answer.headers[name].to_str().unwrap().to_owned()
    };
    assert!(header("/", "content-type").starts_with("text/html"));
    assert!(
        header("/", "content-security-policy").contains("script-src 'self' 'wasm-unsafe-eval';")
    );
    assert_eq!(header("/lib/a.wasm", "content-type"), "application/wasm");
    assert!(header("/lib/a.js", "content-type").contains("javascript"));
    assert_eq!(header("/lib/a.js", "x-content-type-options"), "nosniff");
    assert_eq!(server.nobody().get("/lib/../../etc/passwd").status, 404);
    assert_eq!(server.nobody().get("/missing.js").status, 404);
    server.user("ada").get("/v1/sync").ok();
}
