//! Whose the account is (R9, R15): the epoch under which this client writes, and how often it may have
//! slept. The fence in the store is the truth, the lock a hint.

use super::error::Error;
use super::fault::Fault;
use super::standing::Standing;
use super::storage::{Answer, StoreError, Value, read_epoch};

/// ms until the store is asked again, where that failed.
pub(super) const ASK_AGAIN: u64 = 2_000;

/// Which database the epoch is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// the one that is there
    Present,
    /// one that is gone: nothing is written before there is an epoch for the one in its place
    Gone,
    /// The one in its place. Nothing is written before it is known that nobody else has written to it: the fence may
    /// have come late.
    Replaced,
}

/// What is known of the account's fence.
#[derive(Debug)]
pub(super) struct Fence {
    /// the epoch under which it writes, or will once it has read what is stored; none: another has the account
    epoch: Option<u64>,
    /// what is stored was read under it: since then nobody else has written
    is_read: bool,
    of: Of,
    /// why this client, which is to have the account, could not write its fence
    failure: Option<Error>,
    /// how often it may have slept
    naps: u64,
    /// the store is not asked before this (monotonic ms)
    not_before: u64,
}

impl Fence {
    pub fn new(epoch: Option<u64>) -> Fence {
        Fence {
            epoch,
            is_read: false,
            of: Of::Present,
            failure: None,
            naps: 0,
            not_before: 0,
        }
    }

    /// Whether the account is this client's, as far as it knows.
    pub fn is_held(&self) -> bool {
        self.epoch.is_some()
    }

    /// The epoch under which this client writes. To be called while the fence is held.
    pub fn epoch(&self) -> u64 {
        debug_assert!(self.is_held(), "only the writer commits (R9)");
        self.epoch.unwrap_or_default()
    }

    /// The account is this client's.
    pub fn take(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.is_read = false;
        self.of = Of::Present;
        self.failure = None;
    }

    /// What is stored was read. Answers whether this client writes from here on.
    pub fn on_read(&mut self) -> bool {
        self.is_read = self.is_held();
        self.is_read
    }

    /// Whether nobody but this client has written since it read what is stored.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// The account is to be this client's, and the store does not take its fence. Answers whether that is news.
    pub fn fail(&mut self, error: Error) -> bool {
        let known = self.failure.replace(error);
        known != self.failure
    }

    /// Why the account is nobody's, as far as it is for this client's store.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// The database is gone, and the fence with it.
    pub fn lose(&mut self) {
        if self.is_held() {
            self.of = Of::Gone;
        }
    }

    /// Whether it is, and nothing may be written yet to the one in its place.
    pub fn is_lost(&self) -> bool {
        self.of != Of::Present
    }

    /// The store has written this client's fence anew, to the database that has taken the lost one's place.
    pub fn adopt(&mut self, epoch: u64) {
        if self.is_held() {
            self.epoch = Some(epoch);
            self.of = Of::Replaced;
            self.not_before = 0;
        }
    }

    /// When the store is to be asked whether somebody else has written to that one before; `None`: it need not be.
    pub fn looks_at(&self) -> Option<u64> {
        (self.of == Of::Replaced).then_some(self.not_before)
    }

    /// Nobody has.
    pub fn settle(&mut self) {
        debug_assert!(self.of == Of::Replaced, "only what was lost is taken anew");
        self.of = Of::Present;
    }

    /// The account is another one's.
    pub fn let_go(&mut self) {
        self.epoch = None;
        self.is_read = false;
        self.of = Of::Present;
        self.failure = None;
    }

    // ------------------------------------------------------------ after a nap

    /// This client may have slept, and another one may have the account: nothing leaves before the
    /// store has been asked. Also where it slept while it read what is stored, or before it heard that
    /// its fence is written.
    pub fn doubt(&mut self, standing: &mut Standing) {
        standing.unsure |= !Fault::WakesWithoutItsFence.on();
        self.naps += 1;
        self.not_before = 0;
    }

    /// When the store is to be asked; `None`: it need not be.
    pub fn ask_at(&self, standing: &Standing) -> Option<u64> {
        (standing.unsure && standing.promoted).then_some(self.not_before)
    }

    /// How often this client may have slept so far: the question that is asked now names it.
    pub fn naps(&self) -> u64 {
        self.naps
    }

    /// The store has not answered.
    pub fn on_failed(&mut self, now: u64) {
        self.not_before = now.saturating_add(ASK_AGAIN);
    }

    /// What the store says, asked after so many naps. What was asked before a nap says nothing of after
    /// it.
    pub fn on_answer(
        &self,
        standing: &mut Standing,
        answer: &Answer,
        naps: u64,
    ) -> Result<(), StoreError> {
        let is_mine = |bytes: &Value| read_epoch(bytes) == self.epoch;
        // One that cannot be read is nobody's: who fences next puts it right.
        if !answer.unreadable.is_empty() || !answer.values.iter().all(is_mine) {
            return Err(StoreError::Fenced);
        }
        standing.unsure = naps < self.naps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Config;
    use super::*;

    fn written(epoch: u64) -> Answer {
        Answer::from(vec![epoch.to_be_bytes().to_vec()])
    }

    fn awake() -> (Fence, Standing) {
        let mut standing = Standing::new(&Config {
            epoch: Some(0),
            ..Config::default()
        });
        let mut fence = Fence::new(Some(7));
        assert_eq!(fence.ask_at(&standing), None);
        fence.doubt(&mut standing);
        assert_eq!(fence.ask_at(&standing), Some(0));
        (fence, standing)
    }

    #[test]
    fn who_wakes_asks_before_anything_leaves() {
        let (fence, mut standing) = awake();
        assert_eq!(fence.on_answer(&mut standing, &written(7), 1), Ok(()));
        assert!(!standing.unsure);
    }

    #[test]
    fn what_was_asked_before_a_nap_says_nothing() {
        let (mut fence, mut standing) = awake();
        fence.doubt(&mut standing);
        assert_eq!(fence.on_answer(&mut standing, &written(7), 1), Ok(()));
        assert!(standing.unsure);
    }

    #[test]
    fn another_epoch_or_none_that_can_be_read_is_anothers() {
        let (fence, mut standing) = awake();
        let torn = Answer {
            values: Vec::new(),
            unreadable: vec![vec![1]],
        };
        for answer in [written(8), torn] {
            let fenced = fence.on_answer(&mut standing, &answer, 1);
            assert_eq!(fenced, Err(StoreError::Fenced));
            assert!(standing.unsure);
        }
    }
}
