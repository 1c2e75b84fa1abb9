//! The items of a timeline, as they are to be shown: their keys, their numbers, and what of them is on screen.

use std::rc::Rc;

use crate::core::map::{Index, Map};
use crate::core::snapshot::{Anchor, Row};
use crate::core::types::Seq;

/// The number of the first item of a list that is new.
const FIRST_INDEX: i64 = 1_000_000_000;

/// The keys of messages that were local items first: such a key is not made of what the message says (R8).
pub(super) type OwnKeys = Map<(Rc<str>, String), Rc<str>>;

/// The items, as they were shown last.
#[derive(Debug)]
pub(in crate::core) struct Rows {
    /// shared with what was shown last
    list: Rc<Vec<Row>>,
    /// the keys of what is on screen
    on_screen: Option<(String, String)>,
    /// the key of the item that the window was made for, once it is known
    anchor: Option<String>,
    /// how many windows there were
    windows: u64,
    /// the position of the anchor's item, until its key is known
    anchor_at: Option<u64>,
    first_index: i64,
    /// how many windows there were when `first_index` began
    numbered: u64,
}

impl Default for Rows {
    fn default() -> Self {
        Rows {
            list: Rc::default(),
            on_screen: None,
            anchor: None,
            windows: 0,
            anchor_at: None,
            first_index: FIRST_INDEX,
            numbered: 0,
        }
    }
}

impl Rows {
    pub fn list(&self) -> &Rc<Vec<Row>> {
        &self.list
    }

    /// The item that the window was made for.
    pub fn anchor(&self) -> Anchor<'_> {
        Anchor {
            key: self.anchor.as_deref(),
            count: self.windows,
        }
    }

    /// The number of the first item.
    pub fn first_index(&self) -> i64 {
        self.first_index
    }

    /// The messages before which something may be missing, though they follow the one before.
    pub fn unsure(&self) -> impl Iterator<Item = Seq> {
        self.list.iter().filter_map(|row| match row {
            Row::Message {
                message,
                unsure: true,
                ..
            } => Some(message.seq),
            _ => None,
        })
    }

    /// The list was replaced: it is numbered anew.
    pub fn count_anew(&mut self) {
        self.anchor = None;
        self.windows += 1;
    }

    /// Another window takes the list's place: it is numbered anew, and nothing of it is on screen yet. `near`: the
    /// position that it was made for.
    pub fn begin_anew(&mut self, near: Option<u64>) {
        self.count_anew();
        self.anchor_at = near;
        self.on_screen = None;
    }

    /// The app says that the items with these keys are on screen. Answers whether one of them is known.
    pub fn set_on_screen(&mut self, first: &str, last: &str) -> bool {
        // An item that has just gone counts as standing where the other one is. So does an own one that has just moved
        // past the other.
        let at = |key: &str| self.list.iter().position(|row| row.key() == key);
        let own = |at: usize| matches!(self.list[at], Row::Local { .. });
        let (first, last) = match (at(first), at(last)) {
            (Some(above), Some(below)) if above > below && own(above) => (last, last),
            (Some(above), Some(below)) if above > below && own(below) => (first, first),
            (Some(_), Some(_)) => (first, last),
            (Some(_), None) => (first, first),
            (None, Some(_)) => (last, last),
            (None, None) => return false,
        };
        self.on_screen = Some((first.to_owned(), last.to_owned()));
        true
    }

    /// The oldest and the newest position of what is on screen; `None`: nothing is said to be, or there is no
    /// message.
    pub fn on_screen(&self) -> Option<(u64, u64)> {
        let (first, last) = self.on_screen.as_ref()?;
        let at = |key: &str| self.list.iter().position(|row| row.key() == key);
        let (first, last) = (at(first)?, at(last)?);
        let (first, last) = (first.min(last), first.max(last));
        let lo = self.list[first..].iter().find_map(Row::seq)?;
        let hi = self.list[..=last].iter().rev().find_map(Row::seq)?;
        Some((lo.min(hi), hi))
    }

    /// What is to be shown from now on. `fixed`: the topmost position on screen, which keeps its number when
    /// items come and go elsewhere.
    pub fn replace(&mut self, list: Vec<Row>, fixed: Option<u64>) {
        self.on_screen = self.on_screen_in(&list);
        self.first_index = self.index_of_first(&list, fixed);
        self.numbered = self.windows;
        self.list = Rc::new(list);
    }

    /// What is on screen once this list takes the place of the one before. An own message may move down past others:
    /// one that had failed is tried again, or was delivered after all. The reader does not move with it, or what it
    /// passes would count as seen.
    fn on_screen_in(&mut self, list: &[Row]) -> Option<(String, String)> {
        let (first, last) = self.on_screen.take()?;
        let stays = |key: &str| !self.moves_down(key, list);
        if stays(&first) && stays(&last) {
            return Some((first, last));
        }
        let at = |key: &str| self.list.iter().position(|row| row.key() == key);
        let (Some(above), Some(below)) = (at(&first), at(&last)) else {
            return Some((first, last));
        };
        let key = |row: &Row| row.key().to_owned();
        let left = |row: &&Row| stays(row.key());
        let mut inside = self.list.get(above..=below).unwrap_or_default().iter();
        // None of the items on screen stays: the one before them stands about where they were.
        let before = || self.list[..above].iter().rev().find(left).map(key);
        match inside.find(left) {
            Some(top) => {
                let bottom = inside.rev().find(left).unwrap_or(top);
                Some((key(top), key(bottom)))
            }
            None => before().map(|key| (key.clone(), key)),
        }
    }

    /// Whether this own message stands below another message in this list that it stood above.
    fn moves_down(&self, key: &str, list: &[Row]) -> bool {
        let is_it = |row: &Row| row.key() == key;
        let Some(was) = self.list.iter().position(is_it) else {
            return false;
        };
        if !matches!(self.list[was], Row::Local { .. }) {
            return false;
        }
        let Some(next) = self.list[was..].iter().find_map(Row::seq) else {
            return false;
        };
        let mut passed = list.iter().take_while(|row| !is_it(row));
        list.iter().any(is_it) && passed.any(|row| row.seq() >= Some(next))
    }

    /// The anchor's item is known now.
    pub fn find_anchor(&mut self) {
        if let Some(at) = self.anchor_at.take() {
            let mut rows = self.list.iter();
            let newer = rows.find(|row| row.seq().is_some_and(|seq| seq >= at));
            self.anchor = newer.map(|row| row.key().to_owned());
        }
    }

    /// The timeline was closed before the window that replaced the list was shown.
    pub fn end(&mut self) {
        if self.numbered != self.windows {
            self.first_index = FIRST_INDEX;
            self.numbered = self.windows;
        }
    }

    /// A list that was replaced is numbered anew. Else the items keep their numbers: that of the topmost on
    /// screen stays, else that of the newest one that was there before.
    fn index_of_first(&self, list: &[Row], fixed: Option<u64>) -> i64 {
        if self.numbered != self.windows {
            return FIRST_INDEX;
        }
        let scan = |(i, row): (usize, &Row)| {
            let was = self.list.iter().rposition(|old| old.key() == row.key());
            was.map(|old| old as i64 - i as i64)
        };
        let fixed = fixed.and_then(|seq| {
            let mut numbered = list.iter().enumerate();
            let at = numbered.find(|(_, row)| row.seq() == Some(seq));
            at.and_then(scan)
        });
        // Nearly always the newest was there before; only where the list was replaced all are looked up.
        let newest = || list.iter().enumerate().rev().take(4).find_map(scan);
        let any = || {
            let was = Index::new(self.list.iter().map(Row::key));
            let both =
                |(i, row): (usize, &Row)| was.get(row.key()).map(|old| old as i64 - i as i64);
            list.iter().enumerate().rev().find_map(both)
        };
        let moved = fixed.or_else(newest).or_else(any).unwrap_or(0);
        (self.first_index + moved).max(0)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::types::Message;

    fn list(seqs: &[u64]) -> Vec<Row> {
        let row = |seq: &u64| Row::Message {
            key: format!("m:{seq}").into(),
            message: Rc::new(Message::sample("c", *seq)),
            fresh: true,
            unsure: *seq == 3,
        };
        seqs.iter().map(row).collect()
    }

    #[test]
    fn an_item_keeps_its_number_when_others_come_and_go() {
        let mut rows = Rows::default();
        rows.replace(list(&[3, 4, 5, 6]), None);
        let first = rows.first_index();
        for (seqs, fixed, moved) in [
            // Older ones come, and newer ones go.
            (&[1, 2, 3, 4, 5][..], None, -2),
            (&[1, 2, 3, 5], Some(3), -2),
            // The topmost on screen keeps its number; it is not the one before that does.
            (&[1, 5, 6], Some(5), 0),
            (&[1, 6, 7, 8, 9, 10], None, 1),
            (&[20, 21], None, 1),
        ] {
            rows.replace(list(seqs), fixed);
            assert_eq!(rows.first_index() - first, moved, "{seqs:?}");
        }
        // A window in its place begins anew.
        rows.begin_anew(Some(31));
        rows.replace(list(&[30, 32]), None);
        rows.find_anchor();
        assert_eq!(rows.first_index(), FIRST_INDEX);
        assert_eq!((rows.anchor().key, rows.anchor().count), (Some("m:32"), 1));
    }

    #[test]
    fn what_is_on_screen_is_found_by_its_keys() {
        let mut rows = Rows::default();
        rows.replace(list(&[3, 4, 5]), None);
        assert_eq!(rows.on_screen(), None);
        assert!(!rows.set_on_screen("m:1", "m:2"));
        assert!(rows.set_on_screen("m:4", "m:9"));
        assert_eq!(rows.on_screen(), Some((4, 4)));
        assert!(rows.set_on_screen("m:5", "m:3"));
        assert_eq!(rows.on_screen(), Some((3, 5)));
        assert_eq!(rows.unsure().collect::<Vec<_>>(), [Seq(3)]);
    }
}
