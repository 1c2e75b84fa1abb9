//! `unseen`: what is known to be newer than what was seen.

use pullcord::core::net::{Place, Request};
use pullcord::core::types::Seq;
use serde_json::json;

use crate::harness::{Harness, after, new};
use crate::support::{is_history, jump};

fn visible(b: &mut Harness, first: u64, last: u64) {
    let (first, last) = (format!("m:m{first}"), format!("m:m{last}"));
    b.command(json!({"op": "visible", "timeline": 1, "first": first, "last": last}));
}

#[test]
fn unseen_counts_nothing_that_is_older_than_what_was_seen() {
    let mut b = Harness::signed_in(99);
    b.open();
    b.answer_page(&[97, 98, 99], true, false);
    visible(&mut b, 97, 99);
    jump(&mut b, json!({"around": "50"}));
    b.answer_page(&[49, 50, 51], true, true);
    assert_eq!(b.view()["unseen"], json!(0));
    // Committed late, below what was seen.
    b.sync(json!([new(98), after(99, 100)]), "2");
    b.sync(json!([after(96, 97)]), "3");
    assert_eq!(b.view()["unseen"], json!(1));
    b.load("newer");
    b.answer_page(&[52, 53, 54], true, true);
    assert_eq!(b.view()["unseen"], json!(1));
    jump(&mut b, json!("latest"));
    assert_eq!(
        (b.shown().as_str(), &b.view()["unseen"]),
        ("98 99 100", &json!(1))
    );
    visible(&mut b, 99, 100);
    assert_eq!(b.view()["unseen"], json!(0));
}

#[test]
fn what_was_let_go_unseen_is_counted_once() {
    let mut b = Harness::signed_in(9);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 6}));
    b.answer_page(&[7, 8, 9], true, false);
    visible(&mut b, 7, 8);
    assert_eq!(b.view()["unseen"], json!(1));
    for (older, newer) in [(4, 10), (1, 11)] {
        b.load("older");
        b.answer_page(&[older, older + 1, older + 2], true, true);
        visible(&mut b, older, older + 1);
        b.sync(json!([after(newer - 1, newer)]), &newer.to_string());
    }
    assert_eq!(b.shown(), "1 2 3 4 5 6 7 8");
    assert_eq!(b.view()["unseen"], json!(3), "9 10 11");
    b.load("newer");
    assert_eq!(b.view()["unseen"], json!(3));
    b.load("newer");
    assert_eq!(b.view()["unseen"], json!(3));
    b.overflow(json!("all"), json!([after(11, 12)]), "50");
    assert_eq!(b.view()["unseen"], json!(4));
}

// ---------------------------------------------------------------- against a model

/// A conversation that answers pages of three.
fn answer_all(b: &mut Harness, there: &std::collections::BTreeSet<u64>) {
    while let Some((_, Request::History { place, limit, .. })) =
        b.asked.iter().find(|(_, call)| is_history(call)).cloned()
    {
        let n = limit as usize;
        let older = |x: u64, n: usize| {
            let mut page: Vec<u64> = there.range(..x).rev().take(n).copied().collect();
            page.reverse();
            page
        };
        let page: Vec<u64> = match place {
            Place::Latest => older(u64::MAX, n),
            Place::Before(Seq(x)) => older(x, n),
            Place::After(Seq(x)) => there.range(x + 1..).take(n).copied().collect(),
            Place::Around(Seq(x)) => {
                let newer = there.range(x..).take(n - n / 2).copied();
                older(x, n / 2).into_iter().chain(newer).collect()
            }
            Place::At(_) => unreachable!("nobody asks by time"),
        };
        let (first, last) = (page.first().copied(), page.last().copied());
        let before = first.is_some_and(|first| there.range(..first).next().is_some());
        let after = last.is_some_and(|last| there.range(last + 1..).next().is_some());
        b.answer_page(&page, before, after);
    }
}

#[test]
fn unseen_is_what_is_known_to_be_newer_than_what_was_seen() {
    (0..60).for_each(unseen_is_counted);
}

fn unseen_is_counted(seed: u64) {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let mut there: std::collections::BTreeSet<u64> = (1..=40).map(|i| 10 * i).collect();
    let mut b = Harness::signed_in(400);
    b.command(json!({"op": "open", "timeline": 1, "conversation": "c", "maxItems": 6}));
    answer_all(&mut b, &there);
    let mut known = std::collections::BTreeSet::new();
    let mut seen = None;
    for step in 0..60 {
        match below(6) {
            0 => {
                let last = *there.last().expect("it is never empty");
                there.insert(last + 10);
                known.insert(last + 10);
                b.sync(json!([after(last, last + 10)]), &format!("n{step}"));
            }
            // Committed late, at the newest end, which is held: below the newest, or what was seen.
            1 => {
                let last = *there.last().expect("it is never empty");
                let late = last - 1 - below(3);
                if there.insert(late) {
                    known.insert(late);
                    b.sync(json!([new(late)]), &format!("l{step}"));
                }
            }
            2 => _ = b.load("older"),
            3 => _ = b.load("newer"),
            4 => {
                let around = 10 * (1 + below(40));
                let latest = below(3) == 0;
                jump(
                    &mut b,
                    if latest {
                        json!("latest")
                    } else {
                        json!({"around": around})
                    },
                );
            }
            _ => {
                let keys = b.keys();
                let at = below(keys.len() as u64) as usize;
                let to: u64 = keys[at][3..].parse().expect("a message");
                b.command(
                    json!({"op": "visible", "timeline": 1, "first": keys[0], "last": keys[at]}),
                );
                seen = seen.max(Some(to));
            }
        }
        answer_all(&mut b, &there);
        known.extend(
            b.keys()
                .iter()
                .filter_map(|key| key.get(3..)?.parse::<u64>().ok()),
        );
        let shown = b.shown();
        assert!(!shown.is_empty(), "seed {seed}, step {step}");
        let Some(seen) = seen else { continue };
        let unseen = b.view()["unseen"].as_u64().expect("a count");
        let least = known.range(seen + 1..).count() as u64;
        // A page of another's may have told of more.
        let most = there.range(seen + 1..).count() as u64;
        assert!(
            (least..=most).contains(&unseen),
            "seed {seed}, step {step}: {unseen} of {least} to {most}, seen {seen}, shown {shown}"
        );
    }
}
