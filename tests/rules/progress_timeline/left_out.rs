//! A server that leaves messages out (R5, `covers`).

use pullcord::core::net::{Place, Request};
use pullcord::core::types::Seq;
use serde_json::{Value, json};

use crate::harness::{Harness, message};
use crate::support::{anchored, is_history, jump, opened};

/// Answers a page with these of `[from, to]`. Gives the limit that it was asked with.
fn answer_covers(b: &mut Harness, seqs: &[u64], from: u64, to: u64, has_before: bool) -> u32 {
    let messages: Vec<Value> = seqs.iter().map(|seq| message(*seq)).collect();
    let page = json!({"messages": messages, "hasBefore": has_before, "hasAfter": true,
        "covers": {"from": from, "to": to}});
    match b.reply(is_history, page) {
        Request::History { limit, .. } => limit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_of_which_all_was_left_out_moves_on() {
    let mut b = Harness::signed_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    let load = b.load("older");
    answer_covers(&mut b, &[], 90, 96, true);
    answer_covers(&mut b, &[85], 80, 89, true);
    answer_covers(&mut b, &[77, 78], 70, 79, true);
    assert_eq!(b.shown(), "77 78 85 97 98 99");
    assert_eq!(
        b.result(load),
        Some(Ok(json!({"added": 3, "end": false, "source": "network"})))
    );
}

#[test]
fn what_is_left_out_is_not_looked_through_without_end() {
    let mut b = Harness::signed_in(9_999);
    b.open();
    b.answer_page(&[9_997, 9_998, 9_999], true, false);
    let load = b.load("older");
    let (mut lo, mut pages) = (9_997, 0);
    while b.is_asked(is_history) {
        answer_covers(&mut b, &[], lo - 10, lo - 1, true);
        lo -= 10;
        pages += 1;
    }
    assert_eq!(pages, 20);
    assert_eq!(
        b.result(load),
        Some(Ok(json!({"added": 0, "end": false, "source": "network"})))
    );
    let load = b.load("older");
    answer_covers(&mut b, &[1, 2, 3], 0, lo - 1, false);
    assert!(matches!(b.result(load), Some(Ok(_))));
    assert_eq!(b.shown(), "1 2 3 9997 9998 9999");
}

#[test]
fn a_jump_into_what_is_left_out_finds_the_next_or_what_there_is() {
    let mut b = Harness::signed_in(9_999);
    b.open();
    b.answer_page(&[9_997, 9_998, 9_999], true, false);
    let call = jump(&mut b, json!({"around": "500"}));
    answer_covers(&mut b, &[], 490, 510, true);
    answer_covers(&mut b, &[], 511, 520, true);
    answer_covers(&mut b, &[525], 521, 530, true);
    assert_eq!(b.result(call), Some(Ok(Value::Null)));
    assert_eq!(anchored(&b), &json!("m:m525"));
    let call = jump(&mut b, json!({"around": "3000"}));
    let mut pages = 0;
    while b.result(call).is_none() {
        let (request, call) = b
            .asked
            .iter()
            .rfind(|(_, call)| is_history(call))
            .cloned()
            .expect("it goes on, or settles");
        let (from, to) = match call {
            Request::History { place, .. } => match place {
                Place::Around(_) => (2_990, 3_010),
                Place::After(Seq(x)) => (x + 1, x + 10),
                Place::Before(Seq(x)) => (x - 10, x - 1),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let page = json!({"messages": [], "hasBefore": true, "hasAfter": true, "covers": {"from": from, "to": to}});
        b.asked.retain(|(asked, _)| *asked != request);
        b.input(pullcord::core::Input::Answer {
            request,
            result: Ok(page.to_string()),
        });
        pages += 1;
        assert!(pages < 60, "without end");
    }
    assert!(pages <= 25, "{pages}");
}

#[test]
fn an_empty_page_that_has_more_is_asked_for_with_twice_the_limit() {
    let mut b = opened();
    let load = b.load("older");
    let empty = json!({"messages": [], "hasBefore": true, "hasAfter": true});
    let limit = |call| match call {
        Request::History { limit, .. } => limit,
        other => panic!("{other:?}"),
    };
    let first = limit(b.reply(is_history, empty.clone()));
    assert_eq!(b.result(load), None);
    let page = json!({"messages": [message(2), message(3), message(4)], "hasBefore": true, "hasAfter": true});
    assert_eq!(limit(b.reply(is_history, page)), 2 * first);
    assert!(matches!(b.result(load), Some(Ok(_))));
    let load = b.load("older");
    let mut pages = 0;
    while b.is_asked(is_history) {
        b.reply(is_history, empty.clone());
        pages += 1;
    }
    assert!(pages <= 20, "{pages}");
    assert_eq!(b.result(load), Some(Err("protocol".into())));
    assert!(!b.is_asked(is_history));
}

#[test]
fn a_latest_page_that_leads_nowhere_is_not_asked_for_in_a_loop() {
    let mut b = Harness::signed_in(9);
    b.open();
    let mut pages = 0;
    for _ in 0..600 {
        while b.is_asked(is_history) {
            pages += 1;
            assert!(pages < 1_000, "a storm");
            let empty = json!({"messages": [], "hasBefore": true, "hasAfter": false});
            b.answer_history(empty);
        }
        b.wait(1_000);
    }
    assert!(pages < 600, "{pages} in ten minutes");
    assert_eq!(b.view()["status"], json!("ready"));
    assert_eq!(b.view()["error"]["code"], json!("protocol"));
}
