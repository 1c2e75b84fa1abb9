//! What the store is asked to read, beside the commits of jobs: one thing at a time.

use super::block::BlockId;
use super::fence::ASK_AGAIN;
use super::map::Set;
use super::records::Stamp;

/// Which blocks are read with what is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loading {
    /// those that the index of this commit says
    pub of: Stamp,
    /// how many times that was not the newest commit, and blocks were lacking
    pub again: u32,
}

/// What the store is asked to read.
#[derive(Debug)]
pub(super) enum ReadOp {
    /// what is stored
    Load(Loading),
    /// whether somebody has written since what is known, by one that is promoted; and what is wished for
    Since,
    /// the same, of the database that has taken a lost one's place
    Replaced,
    /// blocks, for a job or a timeline
    Blocks(Vec<BlockId>),
    /// what clients that do not write want done (R15)
    Wishes,
    /// whether another client has fenced this one, asked after so many naps
    Fence(u64),
}

/// What is being read, and what is to be read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    under_way: Option<(u64, ReadOp)>,
    /// blocks that a job or a timeline waits for, and that were not read yet
    wanted: Set<BlockId>,
    /// when what is stored is read again (monotonic ms): it could not be read, or a commit is uncertain
    load_at: Option<u64>,
    /// a client has stored a wish: what is wished for is read then
    wishes: Option<u64>,
}

impl Reads {
    /// Whether something is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether what is stored is being read.
    pub fn is_loading(&self) -> bool {
        matches!(self.under_way, Some((_, ReadOp::Load(_) | ReadOp::Since)))
    }

    /// A client has stored a wish: what is wished for is read.
    pub fn want_wishes(&mut self) {
        self.wishes = Some(0);
    }

    /// They could not be read, or taken up: then, once more.
    pub fn want_wishes_at(&mut self, at: u64) {
        self.wishes = Some(at);
    }

    /// When wishes are to be read; `None`: they need not be.
    pub fn wishes_at(&self) -> Option<u64> {
        self.wishes
    }

    /// `op` is asked of the store, under this number. What was asked before is void.
    pub fn begin(&mut self, number: u64, op: ReadOp) {
        match op {
            ReadOp::Load(_) | ReadOp::Since => {
                self.load_at = None;
                self.wishes = None;
            }
            ReadOp::Wishes | ReadOp::Replaced => self.wishes = None,
            ReadOp::Blocks(_) | ReadOp::Fence(_) => {}
        }
        self.under_way = Some((number, op));
    }

    /// The answer to this number has come. Answers what was asked; `None`: it is void.
    pub fn end(&mut self, number: u64) -> Option<ReadOp> {
        let (_, op) = self.under_way.take_if(|(at, _)| *at == number)?;
        if let ReadOp::Blocks(ids) = &op {
            for id in ids {
                self.wanted.remove(id);
            }
        }
        Some(op)
    }

    /// What is under way is void, and nobody waits for a block.
    pub fn forget(&mut self) {
        self.under_way = None;
        self.want_nothing();
    }

    /// What is under way is void, unless it is the read of all that is stored.
    pub fn forget_but_load(&mut self) {
        self.under_way
            .take_if(|(_, op)| !matches!(op, ReadOp::Load(_)));
    }

    /// These blocks are to be read.
    pub fn want(&mut self, blocks: impl IntoIterator<Item = BlockId>) {
        self.wanted.add_all(blocks);
    }

    /// Nobody waits for a block any more.
    pub fn want_nothing(&mut self) {
        self.wanted.clear();
    }

    /// The blocks that are to be read.
    pub fn wanted(&self) -> Vec<BlockId> {
        self.wanted.keys().cloned().collect()
    }

    /// Whether blocks are to be read.
    pub fn has_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// When what is stored is read again; `None`: it need not be.
    pub fn load_at(&self) -> Option<u64> {
        self.load_at
    }

    /// What is stored is read again, later.
    pub fn load_later(&mut self, now: u64) {
        self.load_at = Some(now.saturating_add(ASK_AGAIN));
    }
}
