//! Where the cursor of each [`Feed`] is stored: read, and moved by a batch.

use std::rc::Rc;

use super::Committed;
use crate::core::map::Map;
use crate::core::tx::Tx;
use crate::core::types::Feed;

impl Committed {
    /// Each conversation's cursor (scope "conversation").
    pub fn cursors(&self) -> &Map<Rc<str>, String> {
        &self.cursors
    }

    /// The cursor that is applied: up to where nothing is missing.
    pub fn cursor(&self, feed: &Feed) -> Option<&str> {
        match feed {
            Feed::Account => self.meta.cursor.as_deref(),
            // Those of before a first sign-in are of another time.
            Feed::Conversation(_) if !self.meta.begun => None,
            Feed::Conversation(id) => self.cursors.get(&**id).map(String::as_str),
            Feed::Mailbox => None,
        }
    }

    /// The cursor of a pull about all; none: the scope has no such.
    pub fn cursor_of_all(&self) -> Option<&str> {
        self.cursor(&Feed::Account)
    }

    /// The cursor that says what of this conversation is applied, in whichever scope; "": none does.
    pub fn cursor_over(&self, conversation: &Rc<str>) -> &str {
        let own = self.cursor(&Feed::Conversation(conversation.clone()));
        self.cursor_of_all().or(own).unwrap_or_default()
    }
}

impl Tx<'_> {
    /// All before this cursor is applied with this transaction; `None`: the feed has no cursor any more.
    pub(in crate::core::tx) fn move_cursor(&mut self, feed: &Feed, cursor: Option<&str>) {
        let cursor = cursor.map(str::to_owned);
        match feed {
            Feed::Account => self.meta().cursor = cursor,
            Feed::Conversation(id) => {
                self.commit.cursors.insert(id.clone(), cursor);
            }
            Feed::Mailbox => {}
        }
    }
}
