//! What the demo's page sets its scenes with: guests, histories of many days, and inline push for one account.

use serde_json::{Value, json};

use crate::support::{Server, User, events, seqs};

const DAY: i64 = 86_400_000;

fn guest(server: &Server, name: &str) -> User {
    let answer = server
        .nobody()
        .post("/demo/sign-in", &json!({ "name": name, "guest": true }))
        .ok();
    server.with_token(answer["token"].as_str().expect("a token"))
}

fn times(page: &Value) -> Vec<i64> {
    let messages = page["messages"].as_array().expect("messages");
    messages
        .iter()
        .map(|message| message["createdAt"].as_i64().expect("a time"))
        .collect()
}

#[test]
fn a_guest_is_not_listed_and_is_only_in_what_is_created_for_them() {
    let server = Server::start(&["--generate"]);
    let visitor = guest(&server, "visitor");
    let list = visitor.get("/v1/conversations").ok();
    assert_eq!(list["conversations"], json!([]));
    let about = server.nobody().get("/demo").ok();
    assert_eq!(about["users"], json!(["ada", "grace", "linus", "margaret"]));
    server.create("stage", &["visitor"]);
    assert_eq!(visitor.state("stage")["id"], "stage");

    // Somebody who is no guest stays none.
    guest(&server, "ada");
    let about = server.nobody().get("/demo").ok();
    assert_eq!(about["users"][0], "ada");
}

#[test]
fn what_a_guest_watches_is_not_drowned_in_simulated_talk() {
    let server = Server::start(&["--simulate", "200"]);
    guest(&server, "visitor");
    server.create("stage", &["visitor"]);
    server.create("street", &["ada"]);
    let ada = server.user("ada");
    crate::support::eventually("talk in the street", || {
        seqs(&ada.page("street", "limit=50")).len() > 20
    });
    assert_eq!(seqs(&server.user("visitor").page("stage", "")).len(), 0);
}

#[test]
fn a_history_goes_back_over_its_days_and_counts_as_read() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    let ada = server.user("ada");
    let cursor = ada.head();
    let request = json!({ "conversation": "c", "senders": ["Mara", "Yuki"], "count": 100, "days": 50, "ago": 7, "seed": 3 });
    assert_eq!(
        server.nobody().post("/demo/history", &request).ok(),
        json!({ "lastSeq": 100 })
    );
    assert_eq!(ada.sync(&cursor)["overflow"], json!(["c"]));
    assert_eq!(ada.state("c")["unread"], 0);
    let page = ada.page("c", "limit=1000");
    let times = times(&page);
    assert_eq!(times.len(), 100);
    assert!(times.is_sorted());
    let days = (times[99] - times[0]) as f64 / DAY as f64;
    assert!((48.0..=50.0).contains(&days), "{days}");
    let senders = page["messages"].as_array().expect("messages").iter();
    assert!(
        senders
            .clone()
            .any(|message| message["sender"] == "Mara" && message["body"]["text"] != "")
    );
    // What comes after it is of the days since.
    let request =
        json!({ "conversation": "c", "sender": "Mara", "count": 7, "seed": 1, "days": 7 });
    assert_eq!(
        server.nobody().post("/demo/bulk", &request).ok(),
        json!({ "firstSeq": 101, "lastSeq": 107 })
    );
    let times = self::times(&ada.page("c", "limit=1000"));
    assert!(times.is_sorted());
    assert!((5..=7).contains(&((times[106] - times[100]) / DAY)));

    for wrong in [
        json!({ "conversation": "c", "senders": [], "count": 1, "days": 1 }),
        json!({ "conversation": "c", "senders": ["Mara"], "count": 1, "days": -1 }),
        json!({ "conversation": "c", "senders": ["Mara"], "count": 100_001, "days": 1 }),
    ] {
        server.nobody().post("/demo/history", &wrong).refused(400);
    }
}

#[test]
fn inline_push_is_chosen_for_one_account_and_holds_from_the_next_connection() {
    let server = Server::start(&["--notify-interval", "0"]);
    server.create("c", &["ada", "grace", "linus"]);
    let (ada, grace, linus) = (
        server.user("ada"),
        server.user("grace"),
        server.user("linus"),
    );
    assert_eq!(grace.get("/demo/push").ok(), json!({ "inline": false }));
    let mut before = grace.socket("account");
    grace.post("/demo/push", &json!({ "inline": true })).ok();
    assert_eq!(grace.get("/demo/push").ok(), json!({ "inline": true }));
    let (mut pushed, mut notified) = (grace.socket("account"), linus.socket("account"));
    ada.send("c", "1", "x");
    let push = pushed.receive().expect("a push");
    assert_eq!(push["type"], "push");
    assert_eq!(events(&push, "message").len(), 1);
    assert_eq!(before.receive().expect("a notification")["type"], "notify");
    assert_eq!(
        notified.receive().expect("a notification")["type"],
        "notify"
    );
    server
        .nobody()
        .post("/demo/push", &json!({ "inline": true }))
        .refused(401);
}
