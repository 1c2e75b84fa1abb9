//! The `sync()` calls under way, by what answers them.

use crate::core::command::Call;

/// The calls, by what answers them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// the chain under way answers them, or, where there is none, the next one
    now: Vec<Call>,
    /// they came during the chain: the next one answers them
    later: Vec<Call>,
    /// the chain has answered them: they wait for the owed list only
    listing: Vec<Call>,
}

impl Calls {
    /// These are answered by the next chain that begins.
    pub fn add(&mut self, calls: impl IntoIterator<Item = Call>, running: bool) {
        match running {
            true => self.later.extend(calls),
            false => self.now.extend(calls),
        }
    }

    /// These are answered by the list.
    pub fn wait_for_list(&mut self, calls: Vec<Call>) {
        self.listing.extend(calls);
    }

    /// Those of the chain that ends.
    pub fn take_answered(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.now)
    }

    /// Those of the list that is paid, or has failed.
    pub fn take_listing(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.listing)
    }

    /// The chain under way is void, and another client may pay the list: the next chain answers all calls.
    pub fn begin_anew(&mut self) {
        self.now = self.take_all();
    }

    /// The chain is over. Answers whether somebody waits for the next one.
    pub fn end_chain(&mut self) -> bool {
        debug_assert!(self.now.is_empty(), "the chain has answered its calls");
        self.now = std::mem::take(&mut self.later);
        !self.now.is_empty()
    }

    /// All of them.
    pub fn take_all(&mut self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut self.now);
        calls.append(&mut self.later);
        calls.append(&mut self.listing);
        calls
    }

    /// Lets go of one. Answers whether it was here.
    pub fn drop_one(&mut self, call: Call) -> bool {
        let all = [&mut self.now, &mut self.later, &mut self.listing];
        let mut found = false;
        for calls in all {
            let before = calls.len();
            calls.retain(|c| *c != call);
            found |= calls.len() < before;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_during_a_chain_is_answered_by_the_next() {
        let mut calls = Calls::default();
        calls.add([1], false);
        calls.add([2], true);
        assert_eq!(calls.take_answered(), [1]);
        assert!(calls.end_chain(), "the second waits for another chain");
        assert_eq!(calls.take_answered(), [2]);
        assert!(!calls.end_chain());
    }

    #[test]
    fn where_all_begins_anew_the_next_chain_answers_whoever_waits() {
        let mut calls = Calls::default();
        calls.add([1], false);
        calls.add([2], true);
        calls.wait_for_list(vec![3]);
        calls.begin_anew();
        assert_eq!(calls.take_answered(), [1, 2, 3]);
        assert!(!calls.end_chain());
    }

    #[test]
    fn a_call_is_let_go_of_wherever_it_waits() {
        let mut calls = Calls::default();
        calls.add([1], false);
        calls.add([2], true);
        calls.wait_for_list(vec![3]);
        for call in [1, 2, 3] {
            assert!(calls.drop_one(call), "{call}");
            assert!(!calls.drop_one(call), "{call} once more");
        }
        assert!(calls.take_all().is_empty());
    }
}
