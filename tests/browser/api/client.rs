//! A client from its sign-in to its end.

use serde_json::{Value, json};
use wasm_bindgen_test::*;

use super::facade::{Facade, account, command, delete, open};

#[wasm_bindgen_test]
async fn a_client_signs_in_sends_and_is_wiped() {
    for mode in ["indexeddb", "memory"] {
        let name = account().await;
        let facade = Facade::new(&format!("demo-{name}"));
        let host = open(&name, &facade, mode).await;
        facade
            .wait("connecting, for nobody writes", |frame| {
                (frame["status"]["connection"] == "connecting").then_some(())
            })
            .await;
        host.promote();
        facade.caught_up().await;
        let send = json!({ "op": "send", "call": 1, "conversation": format!("c/{name}"), "body": "\"hi\"", "clientId": "one" });
        command(&host, send);
        assert_eq!(facade.result(1).await["ok"]["clientId"], "one");
        command(&host, json!({ "op": "sync", "call": 2 }));
        assert!(facade.result(2).await.get("ok").is_some());
        command(&host, json!({ "op": "wipe", "call": 3 }));
        facade.ended().await;
        assert_eq!(
            facade.get("frames").as_array().unwrap().last().unwrap()["status"]["connection"],
            "closed"
        );
        // Nothing of it holds the database any more.
        delete(&name).await;
    }
}

#[wasm_bindgen_test]
async fn what_was_synced_is_there_without_the_server() {
    let name = account().await;
    let online = Facade::new(&format!("demo-{name}"));
    let host = open(&name, &online, "indexeddb").await;
    host.promote();
    online
        .wait("the list", |frame| {
            (frame["status"]["listed"] == true).then_some(())
        })
        .await;
    command(&host, json!({ "op": "close", "call": 1 }));
    drop(host);

    let waiting = Facade::new("none");
    let host = open(&name, &waiting, "indexeddb").await;
    let shown = waiting
        .wait("a conversation", |frame| {
            frame["conversations"][0]["ins"]
                .as_array()?
                .iter()
                .find(|shown| shown["id"] == format!("c/{name}"))
                .cloned()
        })
        .await;
    assert_eq!(shown["unread"], 0);
    drop(host);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_deletion_from_outside_ends_the_client_if_the_account_was_wiped() {
    let name = account().await;
    let facade = Facade::new(&format!("demo-{name}"));
    let host = open(&name, &facade, "indexeddb").await;
    host.promote();
    facade.caught_up().await;
    delete(&name).await;
    // Whatever it asks of its database next finds out.
    let send = json!({ "op": "send", "call": 1, "conversation": format!("c/{name}"), "body": "\"hi\"", "clientId": "one" });
    command(&host, send);
    facade
        .wait("evicted", |frame| {
            let events = frame["events"].as_array()?;
            let evicted = |event: &Value| event["detail"]["kind"] == "evicted";
            events.iter().any(evicted).then_some(())
        })
        .await;
    assert_eq!(facade.get("ends"), json!(0));
    facade.wipe();
    delete(&name).await;
    facade
        .wait("closed", |frame| {
            (frame["status"]["connection"] == "closed").then_some(())
        })
        .await;
    facade.ended().await;
}
