//! Scope `mailbox`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, User, events, seqs, text};

fn deliveries(answer: &Value) -> Vec<String> {
    answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| text(&event["delivery"]))
        .collect()
}

fn acknowledge(user: &User, deliveries: &[String]) {
    assert_eq!(
        user.post("/v1/mailbox/ack", &json!({ "deliveries": deliveries }))
            .status,
        204
    );
}

/// A mailbox whose first overflow is acknowledged.
fn ready(user: &User) {
    let first = user.get("/v1/mailbox").ok();
    assert_eq!(first["overflow"], "all");
    acknowledge(user, &deliveries(&first));
    assert_eq!(user.get("/v1/mailbox").ok()["events"], json!([]));
}

#[test]
fn an_overflow_is_repeated_until_its_receipt_is_acknowledged() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let linus = server.user("linus");
    let first = linus.get("/v1/mailbox").ok();
    assert_eq!(first["overflow"], "all");
    assert_eq!(linus.get("/v1/mailbox").ok(), first);
    // An event since then comes with it, after it.
    server.user("ada").send("c", "1", "x");
    let again = linus.get("/v1/mailbox").ok();
    assert_eq!(
        (&again["overflow"], seqs(&again)),
        (&json!("all"), vec![json!(1)])
    );
    acknowledge(&linus, &deliveries(&first));
    let then = linus.get("/v1/mailbox").ok();
    assert_eq!((then.get("overflow"), seqs(&then)), (None, vec![json!(1)]));
}

#[test]
fn what_is_not_acknowledged_stays() {
    let server = Server::start(&[]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    ready(&linus);
    for n in 1..=3 {
        ada.send("c", &n.to_string(), "x");
    }
    let all = linus.get("/v1/mailbox").ok();
    assert_eq!(
        (seqs(&all), events(&all, "conversation").len()),
        (vec![json!(1), json!(2), json!(3)], 3)
    );
    assert_eq!(linus.get("/v1/mailbox").ok(), all);
    let ids = deliveries(&all);
    // Out of order, twice, and unknown ones.
    acknowledge(
        &linus,
        &[
            ids[2].clone(),
            ids[2].clone(),
            "d999999".into(),
            "junk".into(),
            "o1".into(),
        ],
    );
    acknowledge(&linus, &[ids[2].clone()]);
    assert_eq!(
        deliveries(&linus.get("/v1/mailbox").ok()),
        [&ids[..2], &ids[3..]].concat()
    );
    let part = linus.get("/v1/mailbox?limit=2").ok();
    assert_eq!(
        (deliveries(&part), &part["hasMore"]),
        (ids[..2].to_vec(), &json!(true))
    );
    acknowledge(&linus, &ids);
    assert_eq!(linus.get("/v1/mailbox").ok()["events"], json!([]));
    // Another account's acknowledgements are its own.
    ready(&ada);
    ada.send("c", "4", "x");
    let mine = deliveries(&linus.get("/v1/mailbox").ok());
    acknowledge(&ada, &mine);
    assert_eq!(deliveries(&linus.get("/v1/mailbox").ok()), mine);
}

#[test]
fn too_much_for_a_mailbox_is_an_overflow() {
    let server = Server::start(&["--overflow-after", "10"]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    ready(&ada);
    server.bulk("c", 20);
    let answer = ada.get("/v1/mailbox").ok();
    assert_eq!(
        (&answer["overflow"], seqs(&answer)),
        (&json!("all"), vec![])
    );
    acknowledge(&ada, &deliveries(&answer));
    server.bulk("c", 1);
    assert_eq!(seqs(&ada.get("/v1/mailbox").ok()), [21]);
    // Of one conversation.
    let mine = deliveries(&ada.get("/v1/mailbox").ok());
    acknowledge(&ada, &mine);
    ada.post("/demo/overflow", &json!({ "conversations": ["c"] }))
        .ok();
    let answer = ada.get("/v1/mailbox").ok();
    assert_eq!(
        (&answer["overflow"], &answer["events"][0]["type"]),
        (&json!(["c"]), &json!("overflow"))
    );
    acknowledge(&ada, &deliveries(&answer));
    assert_eq!(
        ada.get("/v1/mailbox").ok(),
        json!({ "account": "ada", "events": [], "hasMore": false })
    );
}

#[test]
fn deliveries_are_pushed_and_sent_again_until_acknowledged() {
    let server = Server::start(&["--resend-after", "400", "--notify-interval", "0"]);
    server.create("c", &["ada", "linus"]);
    let (ada, linus) = (server.user("ada"), server.user("linus"));
    let mut socket = linus.socket("mailbox");
    // The overflow of a first sign-in is for a pull.
    assert_eq!(socket.receive(), Some(json!({ "type": "notify" })));
    ready(&linus);
    ada.send("c", "1", "x");
    let mut push = socket.receive().unwrap();
    while push["type"] == "notify" {
        push = socket.receive().unwrap();
    }
    assert_eq!(
        (&push["type"], push.get("prev"), push.get("cursor")),
        (&json!("push"), None, None)
    );
    assert_eq!(seqs(&push), [1]);
    // Sent again, and once more; then it is acknowledged.
    assert_eq!(deliveries(&socket.receive().unwrap()), deliveries(&push));
    assert_eq!(deliveries(&socket.receive().unwrap()), deliveries(&push));
    socket.send(&json!({ "type": "ack", "deliveries": deliveries(&push) }));
    socket.drain(Duration::from_millis(300));
    assert_eq!(socket.receive_within(Duration::from_millis(900)), None);
    assert_eq!(linus.get("/v1/mailbox").ok()["events"], json!([]));

    // What came while nobody was there is delivered on connecting.
    drop(socket);
    ada.send("c", "2", "x");
    let mut socket = linus.socket("mailbox");
    assert_eq!(seqs(&socket.receive().unwrap()), [2]);
}
