//! A map and a set as sorted vectors: what the core keeps by key is small (open conversations, own
//! messages, requests under way), and every visitor pays for code. One instance of this is a tenth of
//! a `BTreeMap`'s.

use std::borrow::Borrow;

/// A map in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<K, V>(Vec<(K, V)>);

/// A set in order.
pub type Set<K> = Map<K, ()>;

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    /// An empty one.
    pub fn new() -> Self {
        Map(Vec::new())
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        // What comes in order is put at the end.
        match self.0.last() {
            Some((last, _)) if last.borrow() < key => Err(self.0.len()),
            _ => self.0.binary_search_by(|(k, _)| k.borrow().cmp(key)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The value of this key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|i| &self.0[i].1)
    }

    /// The value of this key, to change.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|i| &mut self.0[i].1)
    }

    /// This key, as it is kept.
    pub fn key<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|i| &self.0[i].0)
    }

    /// Whether this key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Sets a value. Answers the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(i) => Some(std::mem::replace(&mut self.0[i].1, value)),
            Err(i) => {
                self.0.insert(i, (key, value));
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|i| self.0.remove(i).1)
    }

    /// The value of this key, made if it is not there.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let i = match self.find(&key) {
            Ok(i) => i,
            Err(i) => {
                self.0.insert(i, (key, make()));
                i
            }
        };
        &mut self.0[i].1
    }

    /// The value of this key, the default if it is not there.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.or_insert_with(key, V::default)
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter().map(|(k, v)| (k, v))
    }

    /// Keys and values, in order, the values to change.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(k, v)| (&*k, v))
    }

    /// Keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.iter().map(|(k, _)| k)
    }

    /// Values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.iter().map(|(_, v)| v)
    }

    /// Values, to change.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, v)| v)
    }

    /// Keys, by value.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.0.into_iter().map(|(k, _)| k)
    }

    /// Values, by value.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> {
        self.0.into_iter().map(|(_, v)| v)
    }

    /// Keeps what the predicate is true of.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(k, v)| keep(k, v));
    }

    /// Cuts off what is at or above this key.
    pub fn split_off(&mut self, key: &K) -> Self {
        let at = self.0.partition_point(|(k, _)| k < key);
        Map(self.0.split_off(at))
    }
}

impl<K: Ord> Set<K> {
    /// Adds a member. Answers whether it is new.
    pub fn add(&mut self, key: K) -> bool {
        self.insert(key, ()).is_none()
    }

    /// Whether it is a member.
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.contains_key(key)
    }

    /// Adds members.
    pub fn add_all(&mut self, keys: impl IntoIterator<Item = K>) {
        for key in keys {
            self.add(key);
        }
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = &'a (K, V);
    type IntoIter = std::slice::Iter<'a, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Where the keys of a list stand. A hash table, open addressing: a window's thousand keys are looked up
/// for every frame that shows it, and sorting them was most of what a page took.
pub struct Index<'a> {
    keys: Vec<&'a str>,
    /// where a key stands, plus one; 0 is free
    slots: Vec<u32>,
    repeated: Vec<usize>,
}

impl<'a> Index<'a> {
    /// Of these keys; of equal ones the first counts.
    pub fn new(keys: impl Iterator<Item = &'a str>) -> Self {
        let keys: Vec<&str> = keys.collect();
        // At most half full: a free slot is soon found.
        let slots = vec![0; (2 * keys.len()).next_power_of_two()];
        let mut index = Index {
            keys,
            slots,
            repeated: Vec::new(),
        };
        for i in 0..index.keys.len() {
            let slot = index.slot(index.keys[i]);
            if index.slots[slot] == 0 {
                index.slots[slot] = i as u32 + 1;
            } else {
                index.repeated.push(i);
            }
        }
        index
    }

    /// The slot of this key, or the free one that it would get.
    fn slot(&self, key: &str) -> usize {
        let mask = self.slots.len() - 1;
        // FNV-1a
        let mut hash = 0x811c_9dc5_u32;
        for byte in key.bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        let mut slot = hash as usize & mask;
        while let Some(at) = self.slots[slot].checked_sub(1)
            && self.keys[at as usize] != key
        {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Where this key stands.
    pub fn get(&self, key: &str) -> Option<usize> {
        self.slots[self.slot(key)]
            .checked_sub(1)
            .map(|at| at as usize)
    }

    /// The places of all keys that stand at an earlier place too.
    pub fn repeated(&self) -> impl Iterator<Item = usize> {
        self.repeated.iter().copied()
    }
}

/// The order of `n` things by `less(a, b)`, equal ones as they were. Merge sort over indices, by a
/// `dyn` comparison: one instance for all that is ever sorted.
pub fn order(n: usize, less: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..n).collect();
    let mut merged = Vec::with_capacity(n);
    let mut width = 1;
    while width < n {
        merged.clear();
        for run in sorted.chunks(2 * width) {
            merge(&mut merged, run.split_at(width.min(run.len())), less);
        }
        std::mem::swap(&mut sorted, &mut merged);
        width *= 2;
    }
    sorted
}

/// Both of them into one, in order.
fn merge(
    merged: &mut Vec<usize>,
    (mut a, mut b): (&[usize], &[usize]),
    less: &dyn Fn(usize, usize) -> bool,
) {
    while let (Some((x, rest)), Some((y, others))) = (a.split_first(), b.split_first()) {
        if less(*y, *x) {
            merged.push(*y);
            b = others;
        } else {
            merged.push(*x);
            a = rest;
        }
    }
    merged.extend_from_slice(a);
    merged.extend_from_slice(b);
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_map_is_what_a_btree_is(ops in proptest::collection::vec((0..4u8, 0..30u32, any::<u8>()), 0..80)) {
            let mut map = Map::new();
            let mut tree = BTreeMap::new();
            for (op, key, value) in ops {
                match op {
                    0 => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                    1 => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                    2 => prop_assert_eq!(*map.or_insert_with(key, || value), *tree.entry(key).or_insert(value)),
                    _ => prop_assert_eq!(map.get(&key), tree.get(&key)),
                }
                prop_assert_eq!(map.len(), tree.len());
            }
            let split = (map.split_off(&15), tree.split_off(&15));
            prop_assert!(map.iter().eq(tree.iter()));
            prop_assert!(split.0.iter().eq(split.1.iter()));
        }

        #[test]
        fn an_index_finds_the_first_of_equal_keys(keys in proptest::collection::vec("[a-c]{0,3}", 0..40), other in "[a-c]{0,3}") {
            let index = Index::new(keys.iter().map(String::as_str));
            for key in keys.iter().chain([&other]) {
                prop_assert_eq!(index.get(key), keys.iter().position(|k| k == key));
            }
            let repeated: Vec<usize> = (0..keys.len()).filter(|i| keys[..*i].contains(&keys[*i])).collect();
            prop_assert_eq!(index.repeated().collect::<Vec<_>>(), repeated);
        }

        #[test]
        fn an_order_is_stable(values in proptest::collection::vec(0..20u8, 0..70)) {
            let mut expected: Vec<usize> = (0..values.len()).collect();
            expected.sort_by_key(|i| values[*i]);
            prop_assert_eq!(order(values.len(), &|a, b| values[a] < values[b]), expected);
        }
    }
}
