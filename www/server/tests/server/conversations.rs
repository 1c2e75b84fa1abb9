//! The conversation list.

use serde_json::{Value, json};

use crate::support::{Server, text};

#[test]
fn the_list_pages_by_sort_and_then_by_id() {
    let server = Server::start(&[]);
    for n in 0..25 {
        server.create(&format!("c{n}"), &["ada"]);
    }
    server.create("other", &["linus"]);
    // In the same millisecond it would not be the newest.
    std::thread::sleep(std::time::Duration::from_millis(2));
    server.bulk("c7", 1);
    let ada = server.user("ada");
    let mut seen: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let page = ada
            .get(&format!("/v1/conversations?limit=4&after={after}"))
            .ok();
        seen.extend(page["conversations"].as_array().unwrap().iter().cloned());
        assert!(page["conversations"].as_array().unwrap().len() <= 4);
        if page["next"].is_null() {
            break;
        }
        after = text(&page["next"]);
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(seen[0]["id"], "c7");
    let keys: Vec<(i64, String)> = seen
        .iter()
        .map(|state| (-state["sort"].as_i64().unwrap(), text(&state["id"])))
        .collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
    assert_eq!(
        ada.get("/v1/conversations").ok(),
        json!({ "account": "ada", "conversations": seen, "next": null })
    );
}

#[test]
fn an_empty_conversation_has_no_last_message() {
    let server = Server::start(&[]);
    server.create("c", &["ada"]);
    let state = server.user("ada").state("c");
    assert_eq!(
        state,
        json!({ "id": "c", "unread": 0, "lastSeq": null, "readSeq": null, "sort": state["sort"], "lastMessage": null, "meta": { "title": "The c" } })
    );
}

#[test]
fn ids_and_their_places_in_the_list_survive_odd_characters() {
    let server = Server::start(&[]);
    for id in ["#ubuntu", "a/b", "ü:1", "100%"] {
        server.create(id, &["ada"]);
    }
    let ada = server.user("ada");
    assert_eq!(ada.send("%23ubuntu", "1", "x")["conversation"], "#ubuntu");
    assert_eq!(ada.send("a%2Fb", "1", "x")["conversation"], "a/b");
    assert_eq!(ada.page("%C3%BC%3A1", "")["messages"], json!([]));
    assert_eq!(ada.page("100%25", "")["messages"], json!([]));
    let first = ada.get("/v1/conversations?limit=3").ok();
    let next = text(&first["next"]).replace('%', "%25").replace('#', "%23");
    assert_eq!(
        ada.get(&format!("/v1/conversations?limit=3&after={next}"))
            .ok()["conversations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn generated_conversations_are_there_and_the_same_for_a_seed() {
    let texts = |seed: &str| {
        let server = Server::start(&["--generate", "--seed", seed]);
        let ada = server.user("ada");
        let list = ada.get("/v1/conversations").ok();
        let list = list["conversations"].as_array().unwrap();
        assert!(list.len() >= 12);
        assert!(list.iter().all(|state| state["meta"]["title"].is_string() && state["lastMessage"].is_object()));
        assert!(
            list.iter().any(|state| state["unread"].as_u64() > Some(0))
                && list.iter().any(|state| state["unread"] == 0)
        );
        assert_eq!(ada.state("harbour")["lastSeq"], 5000);
        let page = ada.page("harbour", "limit=200");
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| (text(&message["sender"]), text(&message["body"]["text"])))
            .collect::<Vec<_>>()
    };
    assert_eq!(texts("5"), texts("5"));
    assert_ne!(texts("5"), texts("6"));
}
