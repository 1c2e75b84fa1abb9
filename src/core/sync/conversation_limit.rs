//! How many conversations an account may have: all of them are in memory.

use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::map::Set;
use std::rc::Rc;

/// Why there would be too many with these, if so.
pub(super) fn too_many_conversations<'a>(
    cx: &Cx,
    ids: impl Iterator<Item = &'a Rc<str>>,
) -> Option<Error> {
    let (list, held) = (&cx.db.list(), &cx.db.histories());
    let most = cx.config.limits.conversations;
    let mut strange = Set::new();
    strange.add_all(ids.filter(|id| !list.contains_key(*id) && !held.contains_key(*id)));
    let crowded = list.len().max(held.len()) + strange.len() > most;
    let what = || format!("more than {most} conversations");
    crowded.then(|| Error::new(ErrorCode::Protocol, what()))
}
