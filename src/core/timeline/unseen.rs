//! What of a timeline was seen, and what was not.

use super::window::Window;

/// What is on screen, and which messages were not seen.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    /// oldest and newest position on screen
    visible: Option<(u64, u64)>,
    /// newest position that was on screen
    seen: Option<u64>,
    /// positions of messages that are not in the window and were not seen, ascending: they came, or
    /// were shown before
    beyond: Vec<u64>,
}

impl Unseen {
    /// Oldest and newest position on screen, as far as anybody has said.
    pub fn visible(&self) -> Option<(u64, u64)> {
        self.visible
    }

    /// The newest end of the window is on screen, or nothing is said to be.
    pub fn is_at(&self, newest: Option<u64>) -> bool {
        self.visible.is_none_or(|(_, last)| Some(last) >= newest)
    }

    /// This is on screen.
    pub fn see(&mut self, (first, last): (u64, u64), window: &Window) {
        self.visible = Some((first, last));
        if self.seen < Some(last) {
            self.seen = Some(last);
            self.forget(window);
        }
    }

    /// Nothing is said to be on screen.
    pub fn look_away(&mut self) {
        self.visible = None;
    }

    /// How many messages were not seen.
    pub fn count(&self, window: &Window) -> u64 {
        let Some(seen) = self.seen else { return 0 };
        let inside = window.newer_than(seen);
        let beyond = self.beyond.partition_point(|seq| *seq <= seen);
        debug_assert!(
            self.beyond.iter().all(|seq| !window.shows(*seq)),
            "what is in the window is counted there"
        );
        (inside + self.beyond.len() - beyond) as u64
    }

    /// These messages are there, and not in the window: `most` of them are counted.
    pub fn note(&mut self, seqs: impl IntoIterator<Item = u64>, most: usize) {
        for seq in seqs.into_iter().filter(|seq| self.seen < Some(*seq)) {
            if let Err(at) = self.beyond.binary_search(&seq)
                && self.beyond.len() < most
            {
                self.beyond.insert(at, seq);
            }
        }
    }

    /// What is in the window is counted there, and what was seen is not counted.
    pub fn forget(&mut self, window: &Window) {
        if self.beyond.is_empty() {
            return;
        }
        let seen = self.beyond.partition_point(|seq| Some(*seq) <= self.seen);
        self.beyond.drain(..seen);
        self.beyond.retain(|seq| !window.shows(*seq));
    }

    /// These are not there any more.
    pub fn remove(&mut self, is_gone: impl Fn(u64) -> bool) {
        self.beyond.retain(|seq| !is_gone(*seq));
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn what_came_beyond_the_window_is_unseen_until_something_newer_was_on_screen() {
        let window = Window::default();
        let mut unseen = Unseen::default();
        // Nobody has looked yet.
        unseen.note([4, 5], 10);
        assert_eq!(unseen.count(&window), 0);
        unseen.see((3, 4), &window);
        assert_eq!(unseen.count(&window), 1);
        // Once each, and no more than so many.
        unseen.note([6, 5, 2, 7], 2);
        assert_eq!(unseen.count(&window), 2);
        unseen.remove(|seq| seq == 5);
        assert_eq!(unseen.count(&window), 1);
        unseen.see((6, 6), &window);
        assert_eq!(unseen.count(&window), 0);
        // Going back changes nothing.
        unseen.see((1, 2), &window);
        assert_eq!((unseen.visible(), unseen.count(&window)), (Some((1, 2)), 0));
        assert!(unseen.is_at(Some(2)) && !unseen.is_at(Some(3)));
    }
}
