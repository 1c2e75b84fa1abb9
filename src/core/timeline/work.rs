//! What a timeline sees while it works: the rest, the requests it shares, and how the sync stands.

use std::rc::Rc;

use super::fetches::Fetches;
use crate::core::block::BlockId;
use crate::core::cx::Cx;
use crate::core::error::Error;
use crate::core::map::Set;

/// A result, or the blocks that must be read first.
pub(super) type Needs<T> = Result<T, Vec<BlockId>>;

/// How the sync stands: plain values, as of this input.
#[derive(Debug, Default)]
pub(in crate::core) struct Outlook {
    /// why no request may be sent now
    pub why_not: Option<Error>,
    /// the owed list is on its way, and nothing has gone wrong with it
    pub list_comes: bool,
    /// the pull under way, by when it began
    pub pull: Option<u64>,
    /// conversations of which a pull is to bring what is newer
    pub behind: Set<Rc<str>>,
    /// a request waits at the server for something to come
    pub waits: bool,
}

/// What a timeline works with.
pub(super) struct Work<'a, 'b> {
    pub cx: &'a mut Cx<'b>,
    pub fetches: &'a mut Fetches,
    pub look: &'a Outlook,
}

impl Work<'_, '_> {
    /// Whether something may be asked for now.
    pub fn asks(&self) -> bool {
        self.cx.standing.may_ask() && self.look.why_not.is_none()
    }

    /// Nothing is on its way, but for what waits at the server.
    pub fn is_idle(&self) -> bool {
        is_idle(self.cx, self.look)
    }
}

/// Nothing is on its way, but for what waits at the server.
pub(super) fn is_idle(cx: &Cx, look: &Outlook) -> bool {
    cx.out.requests.len() <= usize::from(look.waits)
}
