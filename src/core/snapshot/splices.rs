//! A list as splices over the list before: new elements in full, the others as their index, so that the
//! facade keeps the objects that did not change.

use crate::core::json;
use crate::core::map::Index;

/// The splices that make `new` of `old`; `None`: nothing changed.
pub(in crate::core) fn splices<T>(
    old: &[T],
    new: &[T],
    same: impl Fn(&T, &T) -> bool,
    key: impl Fn(&T) -> &str,
    write: impl Fn(&T, &mut String),
) -> Option<String> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    if prefix == old.len() && prefix == new.len() {
        return None;
    }
    let most = old.len().min(new.len()) - prefix;
    let suffix = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(|(a, b)| same(a, b))
        .count();
    let (was, is) = (
        &old[prefix..old.len() - suffix],
        &new[prefix..new.len() - suffix],
    );
    let mut out = String::from("[");
    // The same elements in the same order: each changed one in its place.
    if was.len() == is.len() && was.iter().zip(is).all(|(a, b)| key(a) == key(b)) {
        let pairs = was.iter().zip(is).enumerate();
        for (i, (_, b)) in pairs.filter(|(_, (a, b))| !same(a, b)) {
            splice(&mut out, prefix + i, 1);
            write(b, &mut out);
            out.push_str("]}");
        }
    } else {
        moved(&mut out, prefix, (was, is), &same, &key, &write);
    }
    out.push(']');
    Some(out)
}

fn splice(out: &mut String, at: usize, del: usize) {
    json::next(out);
    out.push_str("{\"at\":");
    json::number(out, at as u64);
    out.push_str(",\"del\":");
    json::number(out, del as u64);
    out.push_str(",\"ins\":[");
}

/// What both have in a row stays, and begins one of the two: a window that grew at one end and let go at
/// the other, a conversation that came to the top.
fn moved<T>(
    out: &mut String,
    prefix: usize,
    (was, is): (&[T], &[T]),
    same: &impl Fn(&T, &T) -> bool,
    key: &impl Fn(&T) -> &str,
    write: &impl Fn(&T, &mut String),
) {
    let place = |list: &[T], first: Option<&T>| {
        first.and_then(|first| list.iter().position(|e| key(e) == key(first)))
    };
    let (from, to) = match place(is, was.first()) {
        Some(to) => (0, to),
        None => (place(was, is.first()).unwrap_or(was.len()), 0),
    };
    let run = was[from..]
        .iter()
        .zip(&is[to..])
        .take_while(|(a, b)| same(a, b))
        .count();
    // No two have one key: what is outside of it can only have been outside of it.
    let others = was[..from].iter().chain(&was[from + run..]);
    let before = Index::new(others.map(key));
    let insert = |out: &mut String, elements: &[T]| {
        for b in elements {
            json::next(out);
            let at = before.get(key(b));
            let at = at.map(|i| i + usize::from(i >= from) * run);
            match at.filter(|i| same(&was[*i], b)) {
                Some(i) => json::number(out, (prefix + i) as u64),
                None => write(b, out),
            }
        }
        out.push_str("]}");
    };
    // Behind it first: that moves nothing before it.
    if from + run < was.len() || to + run < is.len() {
        splice(out, prefix + from + run, was.len() - from - run);
        insert(out, &is[to + run..]);
    }
    if from > 0 || to > 0 {
        splice(out, prefix, from);
        insert(out, &is[..to]);
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    type Element = (String, u64);

    fn patch(old: &[Element], new: &[Element]) -> Option<Value> {
        let text = splices(
            old,
            new,
            |a, b| a == b,
            |e| &e.0,
            |e, out| out.push_str(&serde_json::to_string(e).unwrap()),
        )?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// As the facade does it.
    fn apply(old: &[Element], patch: &Value) -> Vec<Element> {
        let mut list = old.to_vec();
        for splice in patch.as_array().unwrap() {
            let at = splice["at"].as_u64().unwrap() as usize;
            let del = splice["del"].as_u64().unwrap() as usize;
            let known = |e: &Value| Some(old[e.as_u64()? as usize].clone());
            let new = |e: &Value| serde_json::from_value(e.clone()).unwrap();
            let elements = splice["ins"].as_array().unwrap().iter();
            let elements = elements.map(|e| known(e).unwrap_or_else(|| new(e)));
            list.splice(at..at + del, elements);
        }
        list
    }

    /// The first of each key.
    fn distinct(elements: impl IntoIterator<Item = Element>) -> Vec<Element> {
        let mut list: Vec<Element> = Vec::new();
        for e in elements {
            if list.iter().all(|known| known.0 != e.0) {
                list.push(e);
            }
        }
        list
    }

    fn list() -> impl Strategy<Value = Vec<Element>> {
        proptest::collection::vec((0..14u64, 0..2u64), 0..12).prop_map(|elements| {
            let keyed = elements
                .into_iter()
                .map(|(key, version)| (format!("k{key}"), version));
            distinct(keyed)
        })
    }

    proptest! {
        #[test]
        fn splices_make_the_new_list_of_the_old(old in list(), new in list(), a in 0..12usize, b in 0..12usize) {
            // Mostly the same elements, as a window that has moved.
            let moved = [&new[..a.min(new.len())], &old[..b.min(old.len())]].concat();
            let distinct = distinct(moved);
            for new in [new, distinct] {
                match patch(&old, &new) {
                    Some(patch) => prop_assert_eq!(apply(&old, &patch), new),
                    None => prop_assert_eq!(&old, &new),
                }
            }
        }
    }

    #[test]
    fn a_window_that_moves_names_only_what_comes_and_goes() {
        let elements = |range: std::ops::Range<u64>| -> Vec<Element> {
            range.map(|i| (format!("k{i}"), 0)).collect()
        };
        let text = patch(&elements(10..20), &elements(8..17))
            .unwrap()
            .to_string();
        assert_eq!(
            text,
            r#"[{"at":7,"del":3,"ins":[]},{"at":0,"del":0,"ins":[["k8",0],["k9",0]]}]"#
        );
        let text = patch(&elements(10..20), &elements(12..21))
            .unwrap()
            .to_string();
        assert_eq!(
            text,
            r#"[{"at":10,"del":0,"ins":[["k20",0]]},{"at":0,"del":2,"ins":[]}]"#
        );
    }
}
