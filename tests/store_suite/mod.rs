//! What holds of every store. Each test is an `async fn` over a [`Place`]; `store_suite!` names
//! them all. They run natively on memory, and in the browser on memory and on IndexedDB.

use pullcord::core::storage::{Answer, Durability, Key, Read, StoreError, Table, Value, Write};
use pullcord::store::Store;

/// Somewhere a store can be opened.
pub(crate) trait Place {
    /// The account's store, empty, this client being the one that writes.
    async fn fresh(&self, account: &str) -> Store;
    /// What is stored of the account goes.
    async fn delete(&self, account: &str);
}

/// Gives the names of all tests of the suite to the macro `$each`, which makes tests of them.
macro_rules! store_suite {
    ($each:ident) => {
        $each! {
            get_answers_the_record_or_none,
            a_put_record_replaces_the_old_one,
            all_is_in_key_order_of_bytes,
            a_prefix_stands_before_what_it_begins,
            a_range_includes_both_its_ends,
            an_inverted_range_is_empty,
            one_read_call_answers_each_read_in_order,
            empty_keys_and_values_are_kept,
            tables_are_apart,
            writes_take_effect_in_order,
            deleting_what_is_not_there_is_no_error,
            delete_range_includes_both_its_ends_and_no_more,
            an_empty_commit_and_an_empty_read_do_nothing,
            a_strict_commit_is_read_back,
            big_values_come_back_whole,
            many_rows_come_back_in_order,
            commits_issued_together_take_effect_in_order,
            two_accounts_never_see_each_other,
            accounts_of_any_characters_are_told_apart,
            keys_are_told_without_their_values,
            each_fence_raises_the_epoch_which_is_read_with_the_rest,
            a_store_that_slept_does_what_it_was_asked,
            a_closed_store_answers_closed,
        }
    };
}
pub(crate) use store_suite;

const TABLE: Table = Table::Blocks;

pub(crate) fn put(table: Table, key: impl Into<Key>, value: impl Into<Value>) -> Write {
    Write::Put {
        table,
        key: key.into(),
        value: value.into(),
    }
}

pub(crate) fn get(table: Table, key: impl Into<Key>) -> Read {
    let key = key.into();
    Read::Range {
        table,
        lo: key.clone(),
        hi: key,
    }
}

pub(crate) fn all(table: Table) -> Read {
    Read::All { table }
}

pub(crate) fn range(lo: impl Into<Key>, hi: impl Into<Key>) -> Read {
    Read::Range {
        table: TABLE,
        lo: lo.into(),
        hi: hi.into(),
    }
}

/// Deletes every record of a table whose keys are text.
pub(crate) fn delete_all(table: Table) -> Write {
    Write::DeleteRange {
        table,
        lo: Key::new(),
        hi: vec![u8::MAX],
    }
}

fn delete(key: impl Into<Key>) -> Write {
    Write::Delete {
        table: TABLE,
        key: key.into(),
    }
}

fn delete_range(lo: impl Into<Key>, hi: impl Into<Key>) -> Write {
    Write::DeleteRange {
        table: TABLE,
        lo: lo.into(),
        hi: hi.into(),
    }
}

/// Commits, as a batch is.
pub(crate) async fn commit(store: &Store, writes: &[Write]) {
    store
        .commit(writes, Durability::Relaxed)
        .await
        .expect("a commit that fits");
}

/// The answer to one read.
pub(crate) async fn read(store: &Store, read: Read) -> Vec<Value> {
    let mut answers = store.read(&[read]).await.expect("a read");
    assert_eq!(answers.len(), 1, "one answer to one read");
    let answer = answers.remove(0);
    assert_eq!(answer.unreadable, Vec::<Key>::new());
    answer.values
}

/// Of answers of which all could be read.
fn values(answers: Vec<Answer>) -> Vec<Vec<Value>> {
    answers
        .into_iter()
        .inspect(|answer| assert_eq!(answer.unreadable, Vec::<Key>::new()))
        .map(|answer| answer.values)
        .collect()
}

/// A store with records whose values are their keys.
async fn holding(place: &impl Place, account: &str, keys: &[&[u8]]) -> Store {
    let store = place.fresh(account).await;
    let writes: Vec<Write> = keys.iter().map(|key| put(TABLE, *key, *key)).collect();
    commit(&store, &writes).await;
    store
}

pub(crate) async fn get_answers_the_record_or_none(place: &impl Place) {
    let store = holding(place, "get", &[b"a"]).await;
    assert_eq!(read(&store, get(TABLE, "a")).await, [b"a"]);
    assert_eq!(read(&store, get(TABLE, "b")).await, Vec::<Value>::new());
}

pub(crate) async fn a_put_record_replaces_the_old_one(place: &impl Place) {
    let store = holding(place, "replace", &[b"a"]).await;
    commit(&store, &[put(TABLE, "a", "longer than before")]).await;
    assert_eq!(read(&store, all(TABLE)).await, [b"longer than before"]);
}

pub(crate) async fn all_is_in_key_order_of_bytes(place: &impl Place) {
    // As numbers, as UTF-16 or as signed bytes they would stand otherwise.
    let keys: [&[u8]; 6] = [&[0xff], b"b", &[0x80], &[0], b"a", &[0xc3, 0xa4]];
    let store = holding(place, "order", &keys).await;
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(read(&store, all(TABLE)).await, sorted);
}

pub(crate) async fn a_prefix_stands_before_what_it_begins(place: &impl Place) {
    let store = holding(place, "prefix", &[b"ab", b"b", b"a", b"a\0", b"aa"]).await;
    let expected: [&[u8]; 5] = [b"a", b"a\0", b"aa", b"ab", b"b"];
    assert_eq!(read(&store, all(TABLE)).await, expected);
    // So "all that begin with a" is a range.
    assert_eq!(read(&store, range("a", b"a\xff\xff")).await, expected[..4]);
}

pub(crate) async fn a_range_includes_both_its_ends(place: &impl Place) {
    let store = holding(place, "range", &[b"1", b"2", b"3", b"4", b"5"]).await;
    assert_eq!(read(&store, range("2", "4")).await, [b"2", b"3", b"4"]);
    assert_eq!(read(&store, range("20", "4")).await, [b"3", b"4"]);
    assert_eq!(read(&store, range("3", "3")).await, [b"3"]);
    assert_eq!(read(&store, range("6", "9")).await, Vec::<Value>::new());
    assert_eq!(read(&store, range("", "1")).await, [b"1"]);
}

pub(crate) async fn an_inverted_range_is_empty(place: &impl Place) {
    let store = holding(place, "inverted", &[b"1", b"2", b"3"]).await;
    assert_eq!(read(&store, range("3", "1")).await, Vec::<Value>::new());
    commit(&store, &[delete_range("3", "1")]).await;
    assert_eq!(read(&store, all(TABLE)).await.len(), 3);
}

pub(crate) async fn one_read_call_answers_each_read_in_order(place: &impl Place) {
    let store = holding(place, "reads", &[b"1", b"2", b"3"]).await;
    commit(&store, &[put(Table::Meta, "cursor", "c7")]).await;
    let reads = [
        range("2", "3"),
        get(Table::Meta, "cursor"),
        get(TABLE, "none"),
        range("3", "2"),
        all(TABLE),
        get(TABLE, "1"),
        Read::Keys { table: Table::Meta },
    ];
    let answers = store.read(&reads).await.expect("a read");
    let expected: [&[&[u8]]; 7] = [
        &[b"2", b"3"],
        &[b"c7"],
        &[],
        &[],
        &[b"1", b"2", b"3"],
        &[b"1"],
        &[b"cursor"],
    ];
    assert_eq!(values(answers), expected);
}

pub(crate) async fn empty_keys_and_values_are_kept(place: &impl Place) {
    let store = place.fresh("empty").await;
    commit(&store, &[put(TABLE, "", "first"), put(TABLE, "a", "")]).await;
    let expected: [&[u8]; 2] = [b"first", b""];
    assert_eq!(read(&store, all(TABLE)).await, expected);
    assert_eq!(read(&store, get(TABLE, "a")).await, [b""]);
    assert_eq!(read(&store, get(TABLE, "")).await, [b"first"]);
}

pub(crate) async fn tables_are_apart(place: &impl Place) {
    let store = place.fresh("tables").await;
    let writes = Table::ALL.map(|table| put(table, "key", table.name()));
    commit(&store, &writes).await;
    let answers = store.read(&Table::ALL.map(all)).await.expect("a read");
    let expected = Table::ALL.map(|table| vec![table.name().as_bytes().to_vec()]);
    assert_eq!(values(answers), expected);
}

pub(crate) async fn writes_take_effect_in_order(place: &impl Place) {
    let store = holding(place, "in order", &[b"0"]).await;
    let writes = [
        put(TABLE, "a", "lost"),
        delete_all(TABLE),
        put(TABLE, "a", "old"),
        put(TABLE, "b", "lost"),
        delete_range("b", "c"),
        put(TABLE, "c", "kept"),
        put(TABLE, "a", "new"),
        put(TABLE, "d", "lost"),
        delete("d"),
    ];
    commit(&store, &writes).await;
    let expected: [&[u8]; 2] = [b"new", b"kept"];
    assert_eq!(read(&store, all(TABLE)).await, expected);
}

pub(crate) async fn deleting_what_is_not_there_is_no_error(place: &impl Place) {
    let store = holding(place, "delete", &[b"1", b"2"]).await;
    commit(
        &store,
        &[delete("none"), delete_range("7", "9"), delete("1")],
    )
    .await;
    assert_eq!(read(&store, all(TABLE)).await, [b"2"]);
}

pub(crate) async fn delete_range_includes_both_its_ends_and_no_more(place: &impl Place) {
    let store = holding(
        place,
        "delete range",
        &[b"1", b"2", b"20", b"3", b"30", b"4"],
    )
    .await;
    commit(
        &store,
        &[put(Table::Meta, "2", "other table"), delete_range("2", "3")],
    )
    .await;
    let expected: [&[u8]; 3] = [b"1", b"30", b"4"];
    assert_eq!(read(&store, all(TABLE)).await, expected);
    assert_eq!(read(&store, all(Table::Meta)).await, [b"other table"]);
}

pub(crate) async fn an_empty_commit_and_an_empty_read_do_nothing(place: &impl Place) {
    let store = holding(place, "nothing", &[b"1"]).await;
    commit(&store, &[]).await;
    assert_eq!(store.read(&[]).await, Ok(vec![]));
    assert_eq!(read(&store, all(TABLE)).await, [b"1"]);
}

pub(crate) async fn a_strict_commit_is_read_back(place: &impl Place) {
    let store = place.fresh("strict").await;
    let writes = [put(Table::Outbox, "1", "hello")];
    assert_eq!(store.commit(&writes, Durability::Strict).await, Ok(()));
    assert_eq!(read(&store, all(Table::Outbox)).await, [b"hello"]);
}

pub(crate) async fn big_values_come_back_whole(place: &impl Place) {
    let store = place.fresh("big").await;
    let big = |seed: usize| -> Value { (0..1 << 20).map(|i| (i * 31 + seed) as u8).collect() };
    let writes: Vec<Write> = (0..4).map(|i| put(TABLE, vec![i as u8], big(i))).collect();
    commit(&store, &writes).await;
    let found = read(&store, all(TABLE)).await;
    // Not `assert_eq!`: nobody wants to see the difference of megabytes.
    assert!((0..4).map(big).eq(found), "1 MB values came back changed");
}

pub(crate) async fn many_rows_come_back_in_order(place: &impl Place) {
    let store = place.fresh("many").await;
    let key = |i: u32| i.to_be_bytes();
    // 7919 is prime to 5000: each once, in no order.
    let writes: Vec<Write> = (0..5000)
        .map(|i| key(i * 7919 % 5000))
        .map(|key| put(TABLE, key, key))
        .collect();
    commit(&store, &writes).await;
    assert!(
        (0..5000)
            .map(|i| key(i).to_vec())
            .eq(read(&store, all(TABLE)).await)
    );
    let some = read(&store, range(key(1000), key(1999))).await;
    assert!((1000..2000).map(|i| key(i).to_vec()).eq(some));
}

pub(crate) async fn commits_issued_together_take_effect_in_order(place: &impl Place) {
    let store = place.fresh("together").await;
    let (first, second) = (
        [put(TABLE, "a", "1")],
        [put(TABLE, "a", "2"), put(TABLE, "b", "2")],
    );
    let mut one = std::pin::pin!(store.commit(&first, Durability::Relaxed));
    let mut two = std::pin::pin!(store.commit(&second, Durability::Relaxed));
    let (mut one_done, mut two_done) = (false, false);
    std::future::poll_fn(|cx| {
        one_done = one_done || one.as_mut().poll(cx).map(Result::unwrap).is_ready();
        two_done = two_done || two.as_mut().poll(cx).map(Result::unwrap).is_ready();
        if one_done && two_done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    assert_eq!(read(&store, all(TABLE)).await, [b"2", b"2"]);
}

pub(crate) async fn two_accounts_never_see_each_other(place: &impl Place) {
    let ann = holding(place, "ann", &[b"a"]).await;
    let bob = holding(place, "bob", &[b"b"]).await;
    commit(&ann, &[put(TABLE, "shared", "ann's")]).await;
    commit(&bob, &[put(TABLE, "shared", "bob's")]).await;
    let (anns, bobs): ([&[u8]; 2], [&[u8]; 2]) = ([b"a", b"ann's"], [b"b", b"bob's"]);
    assert_eq!(read(&ann, all(TABLE)).await, anns);
    assert_eq!(read(&bob, all(TABLE)).await, bobs);
    place.delete("ann").await;
    assert_eq!(read(&bob, all(TABLE)).await, bobs);
}

pub(crate) async fn accounts_of_any_characters_are_told_apart(place: &impl Place) {
    let names = [
        "", "a", "a:", ":a", "a/b", "a%2Fb", "ä", "a\u{308}", "A", "a ", "a\0b", "🙂",
    ];
    let mut stores = Vec::new();
    for name in names {
        let store = place.fresh(name).await;
        commit(&store, &[put(TABLE, "name", name)]).await;
        stores.push(store);
    }
    for (name, store) in names.iter().zip(&stores) {
        assert_eq!(
            read(store, all(TABLE)).await,
            [name.as_bytes()],
            "account {name:?}"
        );
    }
}

pub(crate) async fn keys_are_told_without_their_values(place: &impl Place) {
    let store = holding(place, "keys", &[b"b", b"", b"a\0", b"a"]).await;
    let expected: [&[u8]; 4] = [b"", b"a", b"a\0", b"b"];
    assert_eq!(read(&store, Read::Keys { table: TABLE }).await, expected);
    let other = Read::Keys {
        table: Table::Outbox,
    };
    assert_eq!(read(&store, other).await, Vec::<Value>::new());
}

pub(crate) async fn each_fence_raises_the_epoch_which_is_read_with_the_rest(place: &impl Place) {
    let store = holding(place, "epoch", &[b"a"]).await;
    let first = store.fence().await.expect("a fence");
    let second = store.fence().await.expect("a fence");
    assert_eq!(second, first + 1);
    let answers = store.read(&[Read::Epoch, all(TABLE), Read::Epoch]).await;
    let epoch = second.to_be_bytes().to_vec();
    let expected = [vec![epoch.clone()], vec![b"a".to_vec()], vec![epoch]];
    assert_eq!(values(answers.expect("a read")), expected);
    commit(&store, &[put(TABLE, "b", "")]).await;
}

pub(crate) async fn a_store_that_slept_does_what_it_was_asked(place: &impl Place) {
    let store = holding(place, "slept", &[b"a"]).await;
    store.sleep();
    store.wake();
    commit(&store, &[put(TABLE, "b", "b")]).await;
    assert_eq!(read(&store, all(TABLE)).await, [b"a", b"b"]);
    // Told twice, or without having slept.
    store.wake();
    store.sleep();
    store.sleep();
    store.wake();
    assert_eq!(read(&store, all(TABLE)).await, [b"a", b"b"]);
}

pub(crate) async fn a_closed_store_answers_closed(place: &impl Place) {
    let store = holding(place, "closed", &[b"1"]).await;
    store.close();
    assert_eq!(store.read(&[all(TABLE)]).await, Err(StoreError::Closed));
    let writes = [put(TABLE, "2", "2")];
    assert_eq!(
        store.commit(&writes, Durability::Strict).await,
        Err(StoreError::Closed)
    );
    store.close();
}
