//! R11: the list of conversations.

use pullcord::core::net::Request;
use serde_json::json;

use super::harness::{Harness, state};

#[test]
fn an_event_wins_over_the_page_of_the_list_that_it_overtakes() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.sync(json!([state(5, 10)]), "2");
    b.answer_list(
        json!({"conversations": [{"id": "c", "unread": 1, "lastSeq": 9, "sort": 9}], "next": null}),
    );
    assert_eq!(
        (
            &b.conversations[0]["unread"],
            &b.conversations[0]["lastSeq"]
        ),
        (&json!(5), &json!("10"))
    );
}

#[test]
fn the_owed_list_begins_again_after_a_crash() {
    let mut b = Harness::new();
    b.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
    b.answer_list(json!({"conversations": [{"id": "c", "sort": 1}], "next": "p2"}));
    let b = b.restart();
    let from_the_first =
        |call: &Request| matches!(call, Request::Conversations { after: None, .. });
    assert!(b.is_asked(from_the_first));
}

#[test]
fn a_conversation_that_the_list_lacks_goes_only_after_a_later_pull_has_caught_up() {
    let mut b = Harness::signed_in(9);
    b.overflow(json!("all"), json!([]), "50");
    b.answer_list(json!({"conversations": [], "next": null}));
    assert_eq!(
        b.conversations.len(),
        1,
        "it may have come after the list was read"
    );
    b.answer_pull(json!({"events": [], "cursor": "51", "hasMore": false}));
    assert!(b.conversations.is_empty());
}
