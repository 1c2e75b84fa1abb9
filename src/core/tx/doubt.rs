//! Conversations in doubt (R14, "One bad item"): something of an answer had to be left out, so that
//! something may be missing. Their segments are as kept over an overflow, whatever the policy; nothing
//! goes, and no list is owed.

use super::Tx;
use crate::core::fault::Fault;
use crate::core::irregular::Done;
use crate::core::records::Mark;
use crate::core::types::Message;
use std::rc::Rc;

/// Most marks on the account: of more the two oldest become one.
const MAX_MARKS: usize = 8;

impl Tx<'_> {
    /// In this conversation something may be missing, from this cursor on; `None`: in any, by one mark
    /// on the account.
    pub(super) fn doubt(&mut self, named: Option<&Rc<str>>, since: &str) {
        if Fault::NothingIsDoubted.on() {
            return;
        }
        match named {
            Some(id) => {
                // What was left out may be above every position seen, so the next message proves nothing (R2).
                self.held(id).last_known = None;
                if self.held(id).segments.is_empty() {
                    return self.asked_before(id);
                }
                self.take_marks(id);
                self.held(id).doubt.get_or_insert_with(|| since.to_owned());
                self.raise(id);
            }
            None => {
                self.mark(since);
                // The others when they are shown.
                let attended: Vec<Rc<str>> = self.attended.keys().cloned().collect();
                attended.iter().for_each(|id| self.doubt_attended(id));
            }
        }
    }

    fn doubt_attended(&mut self, id: &Rc<str>) {
        self.raise(id);
        if self.held(id).segments.is_empty() {
            self.asked_before(id);
        }
    }

    /// Nothing is held that could be doubted; but a page that is on its way, read before, makes nothing live
    /// or fresh: it is asked for again.
    fn asked_before(&mut self, id: &Rc<str>) {
        if self.attended.contains(id) {
            self.change(id).kept = true;
        }
    }

    /// Whether a mark of the account is not this conversation's yet.
    pub(in crate::core) fn is_marked(&mut self, id: &Rc<str>) -> bool {
        let meta = self.commit.meta.as_ref().unwrap_or(self.db.meta());
        let last = meta.last_mark().unwrap_or(0);
        self.held(id).marks < last
    }

    fn mark(&mut self, since: &str) {
        let marks = &mut self.meta().marks;
        let number = marks.last().map_or(0, |mark| mark.number) + 1;
        match marks.last_mut().filter(|last| last.since == since) {
            Some(last) => last.number = number,
            None => marks.push(Mark {
                number,
                since: since.to_owned(),
            }),
        }
        if marks.len() > MAX_MARKS {
            // A conversation that has taken the first alone takes it again, with the second. It then counts as true as
            // of an older cursor, and so it is.
            let first = marks.remove(0);
            marks[0].since = first.since;
        }
    }

    /// Takes the account's marks over to this conversation, as a doubt that is pending.
    fn take_marks(&mut self, id: &Rc<str>) {
        if Fault::MarkIsNotTaken.on() {
            return;
        }
        let meta = self.commit.meta.as_ref().unwrap_or(self.db.meta());
        let last = meta.last_mark().unwrap_or(0);
        let taken = self.held(id).marks;
        if taken > last {
            // The account's record was lost: a first sign-in, whose marks begin anew.
            self.held(id).marks = last;
        }
        if taken >= last {
            return;
        }
        let meta = self.commit.meta.as_ref().unwrap_or(self.db.meta());
        let since = meta.marks.iter().find(|mark| mark.number > taken);
        let since = since.map(|mark| mark.since.clone());
        let held = self.held(id);
        held.marks = last;
        held.doubt = held.doubt.take().or(since);
    }

    /// Takes up the doubt that is pending on a conversation, unless it was in doubt a moment ago.
    pub fn raise(&mut self, id: &Rc<str>) {
        if self.resting.contains(id) || self.held(id).segments.is_empty() {
            return;
        }
        self.take_marks(id);
        if self.held(id).doubt.is_some() {
            self.keep(id, "");
            self.commit.changes.doubted.push(id.clone());
        }
    }

    /// Its segments stay, neither live nor fresh, true as of `since` (R4, `keep`), or of the doubt that
    /// was pending.
    pub(super) fn keep(&mut self, id: &Rc<str>, since: &str) {
        self.take_marks(id);
        let held = self.held(id);
        let since = held.doubt.take().unwrap_or_else(|| since.to_owned());
        held.segments.keep(&since);
        held.last_known = None;
        self.change(id).kept = true;
    }

    /// Nothing is held that could be doubted: the account's marks count as taken.
    pub(in crate::core) fn forget_doubts(&mut self, id: &Rc<str>) {
        let meta = self.commit.meta.as_ref().unwrap_or(self.db.meta());
        let last = meta.last_mark().unwrap_or(0);
        let held = self.held(id);
        held.doubt = None;
        held.marks = last;
    }

    /// The same, of an answer that no cursor came with.
    pub fn doubt_own_clashes(&mut self, id: &Rc<str>) {
        let since = self.db.cursor_over(id).to_owned();
        self.doubt_clashes(&since);
    }

    /// Positions that came again with another id: what was read later stands, and their conversations
    /// are in doubt.
    pub(super) fn doubt_clashes(&mut self, since: &str) {
        for (m, _) in std::mem::take(&mut self.clashes) {
            let what = "another message at a position that was taken";
            let irregular = &mut self.commit.changes.irregular;
            irregular.add(Some(&m.conversation), Some(&m.id), what, Done::Doubted);
            self.doubt(Some(&m.conversation), since);
        }
    }

    /// One message takes another's position.
    pub(super) fn clash(&mut self, m: &Rc<Message>) {
        let at = m.seq;
        self.clashes.push((m.clone(), at.0));
        let change = self.change(&m.conversation);
        for inserted in change.inserted.iter_mut().filter(|i| i.seq == at) {
            *inserted = m.clone();
        }
        let same =
            |other: &&mut Rc<Message>| other.seq == at && other.conversation == m.conversation;
        for new in self.commit.changes.messages.iter_mut().filter(same) {
            *new = m.clone();
        }
    }
}
