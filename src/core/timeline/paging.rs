//! Pages that a window wants at its ends: what a load asks for and what it has had.

use crate::core::command::Call;
use crate::core::json;
use crate::core::types::Direction;

/// One for each direction.
#[derive(Debug, Default)]
pub(super) struct PerDirection<T> {
    older: T,
    newer: T,
}

impl<T> PerDirection<T> {
    pub fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::Older => &self.older,
            Direction::Newer => &self.newer,
        }
    }

    pub fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::Older => &mut self.older,
            Direction::Newer => &mut self.newer,
        }
    }

    /// Older, then newer.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.older, &self.newer].into_iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.older, &mut self.newer].into_iter()
    }
}

/// A page that is wanted.
#[derive(Debug)]
pub(super) struct PageLoad {
    calls: Vec<Call>,
    limit: usize,
    added: usize,
    cache: bool,
    net: bool,
    fetch: Option<u64>,
    /// where the last page was asked for: the next must move
    asked: Option<u64>,
    /// pages in a row that moved on and brought nothing
    void: u32,
}

/// Whether a load goes on with a page from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ask,
    /// it has looked through enough of what the server leaves out
    Enough,
    /// the last page has moved nothing, and claims more
    Circle,
}

impl PageLoad {
    /// Of so many messages.
    pub fn of(limit: usize, calls: Vec<Call>) -> PageLoad {
        PageLoad {
            calls,
            limit,
            added: 0,
            cache: false,
            net: false,
            fetch: None,
            asked: None,
            void: 0,
        }
    }

    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// One more waits for it.
    pub fn share(&mut self, call: Call) {
        self.calls.push(call);
    }

    pub fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// Lets go of one who waits. Answers whether it was here.
    pub fn drop_call(&mut self, of: Call) -> bool {
        drop_call(&mut self.calls, of)
    }

    /// How many messages it still lacks.
    pub fn left(&self) -> usize {
        self.limit.saturating_sub(self.added)
    }

    /// Whether it had some of them.
    pub fn has_some(&self) -> bool {
        self.added > 0
    }

    /// Whether the server was asked.
    pub fn was_asked(&self) -> bool {
        self.net
    }

    pub fn fetch(&self) -> Option<u64> {
        self.fetch
    }

    /// The window has grown by so many messages for it.
    pub fn grew(&mut self, count: usize) {
        self.added += count;
        if count > 0 {
            // By a page that is on its way, and that another client has committed.
            self.net |= self.fetch.is_some();
            self.cache |= !self.net;
            self.void = 0;
        }
    }

    /// The same, past a gap.
    pub fn crossed(&mut self, count: usize) {
        self.added += count;
        self.cache = true;
    }

    /// Whether the next page is asked for at this place (R5): what the server leaves out is not looked through
    /// without end.
    pub fn next(&mut self, at: u64, most_void: u32) -> Next {
        debug_assert!(self.fetch.is_none(), "one page at a time");
        if self.asked == Some(at) {
            return Next::Circle;
        }
        self.void += u32::from(self.asked.is_some());
        match self.void >= most_void {
            true => Next::Enough,
            false => Next::Ask,
        }
    }

    /// A page is on its way, from this place on.
    pub fn asks(&mut self, fetch: u64, at: u64) {
        self.fetch = Some(fetch);
        self.asked = Some(at);
    }

    /// The page is there, or was discarded: then it is asked for anew.
    pub fn came(&mut self, discarded: bool) {
        self.fetch = None;
        match discarded {
            true => self.asked = None,
            false => self.net = true,
        }
    }

    /// What it asked for says nothing any more.
    pub fn forget_page(&mut self) {
        self.fetch = None;
        self.asked = None;
    }

    /// What its calls are told, as JSON. `end`: there is no more.
    pub fn answer(&self, end: bool) -> String {
        let mut ok = String::from("{\"added\":");
        json::number(&mut ok, self.added as u64);
        ok.push_str(",\"end\":");
        json::flag(&mut ok, end);
        ok.push_str(match (self.cache, self.net) {
            (true, true) => ",\"source\":\"both\"}",
            (false, true) => ",\"source\":\"network\"}",
            _ => ",\"source\":\"cache\"}",
        });
        ok
    }
}

/// Lets go of a call. Answers whether it was there.
pub(super) fn drop_call(calls: &mut Vec<Call>, of: Call) -> bool {
    let before = calls.len();
    calls.retain(|call| *call != of);
    calls.len() < before
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_load_ends_where_a_page_moves_nothing_or_too_many_bring_nothing() {
        let mut load = PageLoad::of(10, vec![1]);
        assert_eq!(load.next(50, 2), Next::Ask);
        load.asks(7, 50);
        load.came(false);
        assert_eq!(load.next(50, 2), Next::Circle);
        // It moved on, and brought nothing.
        assert_eq!(load.next(40, 2), Next::Ask);
        load.asks(8, 40);
        load.came(false);
        assert_eq!(load.next(30, 2), Next::Enough);
        load.grew(4);
        assert_eq!(load.next(30, 2), Next::Ask);
        assert_eq!(load.left(), 6);
    }

    #[test]
    fn a_page_that_was_discarded_is_asked_for_at_the_same_place() {
        let mut load = PageLoad::of(10, vec![1]);
        load.asks(7, 50);
        load.came(true);
        assert_eq!(load.next(50, 2), Next::Ask);
        assert_eq!(
            load.answer(false),
            r#"{"added":0,"end":false,"source":"cache"}"#
        );
    }
}
