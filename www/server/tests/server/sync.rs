//! Cursors, batches, overflows, long polls.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, events, seqs, text};

#[test]
fn a_batch_has_everything_after_the_cursor_and_nothing_twice() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let mut cursor = linus.head();
    assert_eq!(
        linus.sync(&cursor),
        json!({ "account": "linus", "events": [], "cursor": cursor, "hasMore": false })
    );
    for n in 1..=25 {
        ada.send("c", &n.to_string(), "x");
    }
    let mut seen = Vec::new();
    let mut batches = 0;
    loop {
        let batch = linus.get(&format!("/v1/sync?cursor={cursor}&limit=7")).ok();
        assert!(batch["events"].as_array().unwrap().len() <= 7);
        seen.extend(seqs(&batch));
        cursor = text(&batch["cursor"]);
        batches += 1;
        if batch["hasMore"] == false {
            break;
        }
    }
    assert_eq!(seen, (1..=25).map(Value::from).collect::<Vec<_>>());
    // A message and a state each.
    assert_eq!(batches, 8);
    assert_eq!(linus.sync(&cursor)["events"], json!([]));
}

#[test]
fn a_new_message_comes_with_the_state_that_it_makes() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let linus = server.user("linus");
    let cursor = linus.head();
    let sent = server.user("ada").send("c", "1", "hello");
    let batch = linus.sync(&cursor);
    let mut theirs = sent.clone();
    theirs.as_object_mut().unwrap().remove("clientId");
    assert_eq!(
        batch["events"],
        json!([
            { "type": "message", "message": theirs, "prev": null },
            { "type": "conversation", "conversation": {
                "id": "c", "unread": 1, "lastSeq": 1, "readSeq": null, "sort": sent["createdAt"], "lastMessage": theirs, "meta": { "title": "The c" }
            } },
        ])
    );
}

#[test]
fn of_several_states_in_one_batch_only_the_last_is_given() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    server.create("d", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let cursor = linus.head();
    for n in 0..3 {
        ada.send("c", &n.to_string(), "x");
        ada.send("d", &n.to_string(), "x");
    }
    let batch = linus.sync(&cursor);
    let states: Vec<(&Value, &Value)> = events(&batch, "conversation")
        .iter()
        .map(|event| {
            (
                &event["conversation"]["id"],
                &event["conversation"]["unread"],
            )
        })
        .collect();
    assert_eq!(states, [(&json!("c"), &json!(3)), (&json!("d"), &json!(3))]);
}

#[test]
fn a_cursor_that_cannot_be_placed_overflows() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let (own, foreign) = (server.user("ada").head(), other.user("ada").head());
    let (epoch, _) = own.split_once('-').unwrap();
    for cursor in [
        &foreign,
        "junk",
        "-1",
        &format!("{epoch}-999999"),
        &format!("{epoch}--1"),
        &format!("{epoch}-x"),
        epoch,
    ] {
        let batch = server.user("ada").sync(cursor);
        assert_eq!(
            (&batch["overflow"], &batch["cursor"]),
            (&json!("all"), &json!(own)),
            "{cursor}"
        );
    }
    assert!(server.user("ada").sync(&own).get("overflow").is_none());
}

#[test]
fn who_is_too_far_behind_overflows() {
    let server = Server::start(&["--overflow-after", "20"]);
    server.create("c", &["ada", "linus"]);
    let linus = server.user("linus");
    let cursor = linus.head();
    server.bulk("c", 19);
    // Nineteen messages and one state.
    let batch = linus.sync(&cursor);
    assert_eq!((seqs(&batch).len(), batch.get("overflow")), (19, None));
    server.bulk("c", 1);
    let batch = linus.sync(&cursor);
    assert_eq!(
        (&batch["overflow"], &batch["events"], &batch["hasMore"]),
        (&json!("all"), &json!([]), &json!(false))
    );
    // Once: it goes on from there.
    server.bulk("c", 1);
    assert_eq!(seqs(&linus.sync(&text(&batch["cursor"]))), [21]);
}

#[test]
fn the_log_is_pruned_and_cursors_before_that_overflow() {
    let server = Server::start(&["--overflow-after", "10"]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let cursor = ada.head();
    server.bulk("c", 9000);
    let now = ada.head();
    server.bulk("c", 5);
    assert_eq!(ada.sync(&cursor)["overflow"], "all");
    assert_eq!(seqs(&ada.sync(&now)), [9001, 9002, 9003, 9004, 9005]);
    let by_conversation = ada
        .post(
            "/v1/sync/conversations",
            &json!({ "cursors": { "c": cursor } }),
        )
        .ok();
    assert_eq!(
        by_conversation["conversations"]["c"]["overflow"],
        json!(["c"])
    );
}

#[test]
fn an_overflow_that_is_asked_for_meets_each_cursor_once() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    server.create("d", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let (cursor, other) = (ada.head(), linus.head());
    ada.post("/demo/overflow", &json!({})).ok();
    let batch = ada.sync(&cursor);
    assert_eq!(batch["overflow"], "all");
    assert!(ada.sync(&text(&batch["cursor"])).get("overflow").is_none());
    assert!(linus.sync(&other).get("overflow").is_none());

    // Of one conversation: in its place between the other events, which are all there.
    let cursor = ada.head();
    linus.send("d", "1", "before");
    ada.post("/demo/overflow", &json!({ "conversations": ["c"] }))
        .ok();
    linus.send("d", "2", "after");
    let first = ada.sync(&cursor);
    assert_eq!(
        (seqs(&first), &first["hasMore"], first.get("overflow")),
        (vec![json!(1)], &json!(true), None)
    );
    let second = ada.sync(&text(&first["cursor"]));
    assert_eq!(
        (seqs(&second), &second["hasMore"], &second["overflow"]),
        (vec![json!(2)], &json!(false), &json!(["c"]))
    );
    assert_eq!(
        events(&second, "conversation")[0]["conversation"]["id"],
        "c"
    );
    assert!(ada.sync(&text(&second["cursor"])).get("overflow").is_none());

    // Without a token: of all.
    let (cursor, other) = (ada.head(), linus.head());
    server.nobody().post("/demo/overflow", &json!({})).ok();
    assert_eq!(
        (
            &ada.sync(&cursor)["overflow"],
            &linus.sync(&other)["overflow"]
        ),
        (&json!("all"), &json!("all"))
    );
}

#[test]
fn a_long_poll_is_answered_when_there_is_something() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let cursor = linus.head();
    let poll = |wait: u32| {
        linus
            .get(&format!("/v1/sync?cursor={cursor}&wait={wait}"))
            .ok()
    };

    let began = Instant::now();
    assert_eq!(
        poll(300),
        json!({ "account": "linus", "events": [], "cursor": cursor, "hasMore": false })
    );
    assert!(began.elapsed() >= Duration::from_millis(300));

    thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(20_000));
        thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        ada.send("c", "1", "x");
        assert_eq!(seqs(&waiting.join().unwrap()), [1]);
        assert!(began.elapsed() < Duration::from_secs(5));
    });
    let began = Instant::now();
    assert_eq!(seqs(&poll(20_000)), [1]);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_end_of_the_server_ends_a_long_poll() {
    let server = Server::start(&[]);
    let ada = server.user("ada");
    let cursor = ada.head();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            ada.get(&format!("/v1/sync?cursor={cursor}&wait=30000"))
                .ok()
        });
        thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        server.stop();
        assert_eq!(waiting.join().unwrap()["events"], json!([]));
        assert!(began.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn whoever_leaves_is_told_and_reads_nothing_more() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let cursor = linus.head();
    ada.send("c", "1", "before");
    let membership = json!({ "conversation": "c", "user": "linus" });
    server.nobody().post("/demo/leave", &membership).ok();
    ada.send("c", "2", "after");
    let batch = linus.sync(&cursor);
    assert_eq!(
        batch["events"],
        json!([{ "type": "removed", "conversation": "c" }])
    );
    linus.get("/v1/conversations/c/messages").refused(403);

    server.nobody().post("/demo/join", &membership).ok();
    let batch = linus.sync(&text(&batch["cursor"]));
    assert_eq!(
        events(&batch, "conversation")[0]["conversation"]["lastSeq"],
        2
    );
    assert_eq!(seqs(&linus.page("c", "")), [1, 2]);
}

#[test]
fn a_trim_is_told_and_takes_the_history() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let cursor = linus.head();
    for n in 1..=10 {
        ada.send("c", &n.to_string(), "x");
    }
    server
        .nobody()
        .post("/demo/trim", &json!({ "conversation": "c", "before": 8 }))
        .ok();
    let batch = linus.sync(&cursor);
    assert_eq!(seqs(&batch), [8, 9, 10]);
    assert_eq!(
        events(&batch, "trim"),
        [&json!({ "type": "trim", "conversation": "c", "before": 8 })]
    );
    let page = linus.page("c", "");
    assert_eq!(
        (seqs(&page), &page["hasBefore"]),
        (vec![json!(8), json!(9), json!(10)], &json!(false))
    );
    assert_eq!(linus.state("c")["unread"], 3);
    // The clientId is free again, the seq is not.
    assert_eq!(ada.send("c", "1", "again")["seq"], 11);
    server
        .nobody()
        .post("/demo/trim", &json!({ "conversation": "c", "before": 100 }))
        .ok();
    let cursor = linus.head();
    ada.send("c", "new", "x");
    let batch = linus.sync(&cursor);
    assert_eq!(
        (
            &events(&batch, "message")[0]["message"]["seq"],
            &events(&batch, "message")[0]["prev"]
        ),
        (&json!(12), &Value::Null)
    );
}

#[test]
fn a_late_message_is_told_with_what_came_before_it() {
    let server = Server::start(&["--seq-step", "10"]);
    server.create("c", &["ada", "linus"]);
    let linus = server.user("linus");
    server.bulk("c", 3);
    let cursor = linus.head();
    let insert = |seq: u64| {
        server.nobody().post(
            "/demo/late-insert",
            &json!({ "conversation": "c", "seq": seq, "sender": "Late", "body": "late" }),
        )
    };
    insert(15).ok();
    insert(15).refused(409);
    insert(20).refused(409);
    insert(31).refused(409);
    let batch = linus.sync(&cursor);
    let message = events(&batch, "message")[0];
    assert_eq!(
        (&message["message"]["seq"], &message["prev"]),
        (&json!(15), &json!(10))
    );
    assert_eq!(linus.state("c")["lastSeq"], 30);
    assert_eq!(linus.state("c")["unread"], 4);
    assert_eq!(seqs(&linus.page("c", "")), [10, 15, 20, 30]);
}

#[test]
fn conversations_sync_by_cursors_of_their_own() {
    let server = Server::start(&[]);
    for id in ["a", "b", "c"] {
        server.create(id, &["ada", "linus"]);
    }
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let sync = |request: &Value| linus.post("/v1/sync/conversations", request).ok();

    // None named: each overflows, and brings its state.
    let first = sync(&json!({ "cursors": {} }));
    assert!(first.get("hasMore").is_none());
    let cursor = |id: &str| text(&first["conversations"][id]["cursor"]);
    for id in ["a", "b", "c"] {
        let batch = &first["conversations"][id];
        assert_eq!(
            (&batch["overflow"], &batch["hasMore"]),
            (&json!([id]), &json!(false))
        );
        assert_eq!(batch["events"][0]["conversation"]["id"], id);
    }
    let named = json!({ "a": cursor("a"), "b": cursor("b"), "c": cursor("c") });
    assert_eq!(
        sync(&json!({ "cursors": named })),
        json!({ "account": "linus", "conversations": {} })
    );

    for n in 1..=3 {
        ada.send("a", &n.to_string(), "x");
        ada.send("b", &n.to_string(), "x");
    }
    let both = sync(&json!({ "cursors": named }));
    assert_eq!(
        (
            seqs(&both["conversations"]["a"]),
            seqs(&both["conversations"]["b"])
        ),
        (
            vec![json!(1), json!(2), json!(3)],
            vec![json!(1), json!(2), json!(3)]
        )
    );
    assert!(both["conversations"].get("c").is_none());
    let one = sync(&json!({ "cursors": named, "limit": 2, "only": ["b"] }));
    assert!(one["conversations"].get("a").is_none());
    assert_eq!(
        (
            seqs(&one["conversations"]["b"]),
            &one["conversations"]["b"]["hasMore"]
        ),
        (vec![json!(1)], &json!(true))
    );
    let rest =
        sync(&json!({ "cursors": { "b": one["conversations"]["b"]["cursor"] }, "only": ["b"] }));
    assert_eq!(seqs(&rest["conversations"]["b"]), [2, 3]);

    server
        .nobody()
        .post(
            "/demo/leave",
            &json!({ "conversation": "c", "user": "linus" }),
        )
        .ok();
    let left = sync(&json!({ "cursors": named, "only": ["c"] }));
    assert_eq!(
        left["conversations"]["c"]["events"],
        json!([{ "type": "removed", "conversation": "c" }])
    );
    // Not named any more, it is not spoken of.
    assert!(
        sync(&json!({ "cursors": {} }))["conversations"]
            .get("c")
            .is_none()
    );

    linus.post("/demo/overflow", &json!({})).ok();
    let forced =
        sync(&json!({ "cursors": { "a": both["conversations"]["a"]["cursor"] }, "only": ["a"] }));
    assert_eq!(forced["conversations"]["a"]["overflow"], json!(["a"]));
}

#[test]
fn a_request_in_pieces_ends_with_what_none_of_them_has_named() {
    let server = Server::start(&[]);
    for id in ["a", "b", "c", "d"] {
        server.create(id, &["ada"]);
    }
    let ada = server.user("ada");
    let sync = |request: &Value| ada.post("/v1/sync/conversations", request).ok();
    let names = |answer: &Value| -> Vec<String> {
        answer["conversations"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let first = sync(&json!({ "cursors": {} }));
    let cursor = |id: &str| text(&first["conversations"][id]["cursor"]);
    let one = sync(&json!({ "cursors": { "a": cursor("a") }, "only": ["a"] }));
    assert_eq!(names(&one), [""; 0]);
    let last = json!({ "cursors": { "b": cursor("b") }, "only": ["b"], "rest": true });
    assert_eq!(names(&sync(&last)), ["c", "d"]);
    // The next request begins anew.
    assert_eq!(names(&sync(&last)), ["a", "c", "d"]);
    assert_eq!(
        names(&sync(
            &json!({ "cursors": { "b": cursor("b") }, "only": ["b"] })
        )),
        [""; 0]
    );
}

#[test]
fn many_conversations_come_in_several_answers() {
    let server = Server::start(&[]);
    for n in 0..230 {
        server.create(&format!("c{n}"), &["ada"]);
    }
    let ada = server.user("ada");
    let first = ada.post("/v1/sync/conversations", &json!({})).ok();
    let batches = first["conversations"].as_object().unwrap();
    assert_eq!((batches.len(), &first["hasMore"]), (200, &json!(true)));
    let cursors: Value = batches
        .iter()
        .map(|(id, batch)| (id.clone(), batch["cursor"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let second = ada
        .post("/v1/sync/conversations", &json!({ "cursors": cursors }))
        .ok();
    assert_eq!(
        (
            second["conversations"].as_object().unwrap().len(),
            second.get("hasMore")
        ),
        (30, None)
    );
}
