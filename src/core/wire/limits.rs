//! How much of the wire is taken. What is stored is not judged by these: `records` reads it as it was
//! written.

use crate::core::error::Error;
use crate::core::node::broken;

/// Events in one batch: more is a server gone wrong, and would be applied in one transaction.
pub const MAX_EVENTS: usize = 10_000;
/// Messages in one page, conversations in one of the list, in one answer and in one overflow.
pub const MAX_PAGE: usize = 10_000;
/// Bytes of one message's body, and of a conversation's `meta`.
pub const MAX_BODY: usize = 4 << 20;
/// Bytes of a cursor, an id, a sender.
pub const MAX_NAME: usize = 16 << 10;
/// Whether a name is short enough.
pub(super) fn check_name(what: &str, text: &str) -> Result<(), Error> {
    if text.len() > MAX_NAME {
        return Err(broken(format!(
            "{what} of {} bytes; at most {MAX_NAME}",
            text.len()
        )));
    }
    Ok(())
}

/// Whether a list is no longer than [`MAX_PAGE`].
pub(super) fn check_count(what: &str, count: usize) -> Result<(), Error> {
    if count > MAX_PAGE {
        return Err(Error::too_large(format!(
            "{count} {what}; at most {MAX_PAGE}"
        )));
    }
    Ok(())
}
