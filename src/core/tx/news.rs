//! New messages of others, until a client on screen shows them or a push tells them (docs/rules.md, "Told once").
//! Kept are their places: what is told is the newest version.

use super::{Result, Tx};
use crate::core::fault::Fault;
use crate::core::records::News;
use crate::core::types::{Conversation, Message, MessageState};
use std::rc::Rc;

/// Tellings that have told nothing, of which the names are kept.
const EMPTY: usize = 16;

impl Tx<'_> {
    /// The news as this transaction leaves them, to change.
    fn all_news(&mut self) -> &mut Vec<News> {
        let db = self.db;
        self.commit.news.get_or_insert_with(|| db.news().to_vec())
    }

    /// What of a batch may be news. What was there before the first sign-in is none. `first`: of its feed.
    pub(super) fn begin_news(&mut self, first: bool, overflows: bool) {
        let meta = self.db.meta();
        self.news.before = !meta.begun || first && !meta.listed;
        self.news.skipped = overflows && meta.listed;
    }

    /// Of what the list (R11) says, once it was read before: the last messages, where they were skipped.
    pub(super) fn begin_news_of_list(&mut self) {
        self.news.before = false;
        self.news.skipped = self.db.meta().listed;
    }

    /// The first list is read, and nothing says what of it is new. Where a push has come before, it was for the newest
    /// message.
    pub(super) fn add_newest<'a>(&mut self, ids: impl Iterator<Item = &'a Rc<str>>) {
        let states = ids.filter_map(|id| self.state(id));
        let unread = states.filter_map(|state| unread_last(&state));
        let newest = unread.max_by_key(|m| m.created_at);
        newest.iter().for_each(|m| self.add_news(m));
    }

    /// A conversation's state has come: its last message is news, if it is new and the events were skipped.
    pub(in crate::core) fn add_last(
        &mut self,
        before: Option<&Conversation>,
        state: &Conversation,
    ) {
        if !self.news.skipped {
            return;
        }
        let last = |state: &Conversation| state.last_message.as_ref().map(|m| m.seq.0);
        let seen = self.held(&state.id).seen;
        let known = seen.max(before.and_then(last));
        if let Some(m) = unread_last(state).filter(|m| Some(m.seq.0) > known) {
            self.add_news(&m);
        }
    }

    /// A message is new, or has come where its conversation's state was there first.
    pub(in crate::core) fn add_news(&mut self, m: &Message) {
        let shown = self.news.shown && !Fault::ShownIsNews.on();
        if shown || self.news.before || self.is_ones_own(m) {
            return;
        }
        let news = self.all_news();
        let is_it = |n: &News| n.seq == m.seq.0 && n.conversation == m.conversation;
        if !news.iter().any(|n| n.told > 0 && is_it(n)) {
            news.retain(|n| !is_it(n));
            news.push(News {
                conversation: m.conversation.clone(),
                seq: m.seq.0,
                told: 0,
            });
        }
    }

    /// The newest are kept. Once at the end: what is trimmed or recalled meanwhile takes no other's place.
    pub(super) fn cut_news(&mut self) {
        let most = self.limits.news;
        if let Some(news) = &mut self.commit.news {
            cut(news, most, |n| n.told == 0);
        }
    }

    /// Whether the account has written it, on whichever device.
    fn is_ones_own(&self, m: &Message) -> bool {
        let meta = self.commit.meta.as_ref().unwrap_or(self.db.meta());
        let own = |account: &Rc<str>| **account == *m.sender;
        m.client_id.is_some() || meta.account.as_ref().is_some_and(own)
    }

    /// A client on screen shows these.
    pub fn show_news(&mut self, shown: &[(Rc<str>, u64)]) {
        let is_it = |n: &News| {
            let mut shown = shown.iter();
            shown.any(|(id, seq)| *seq == n.seq && *id == n.conversation)
        };
        self.all_news().retain(|n| n.told > 0 || !is_it(n));
    }

    /// Drops the news of this conversation below `before`: these messages are not there any more.
    pub(in crate::core) fn drop_news(&mut self, id: &Rc<str>, before: u64) {
        self.all_news()
            .retain(|n| n.told > 0 || n.seq >= before || n.conversation != *id);
    }

    /// Tells what no other telling has told, where that is held. The same telling once more tells the same, and nothing
    /// that has come since: who asked may be gone. A client on screen tells nothing new, for it shows it.
    pub fn tell_news(&mut self, telling: u64) -> Result<()> {
        let shown = self.news.shown && !Fault::ShownIsNews.on();
        let mut news = self.all_news().clone();
        news.retain(|n| n.told > 0 || !shown);
        let again = news.iter().any(|n| n.told == telling);
        let these = if again { telling } else { 0 };
        for n in news.iter_mut().filter(|n| n.told == these) {
            let held = self.message_at(&n.conversation, n.seq);
            let Some(held) = self.step(held)? else {
                continue;
            };
            // What the list has said, or an overflow has cleared, only the state may have. If it has not either, the
            // message is told by a later telling.
            let last = self.state(&n.conversation);
            let last = last.and_then(|c| c.last_message.clone());
            let Some(m) = held.or(last.filter(|m| m.seq.0 == n.seq)) else {
                continue;
            };
            n.told = telling;
            if m.state != MessageState::Recalled && !self.is_ones_own(&m) {
                self.commit.changes.told.push(m);
            }
        }
        // Also one that tells nothing: its question may come once more, when nobody waits for it.
        if !news.iter().any(|n| n.told == telling) {
            news.push(News {
                conversation: "".into(),
                seq: 0,
                told: telling,
            });
        }
        cut(&mut news, self.limits.news, |n| n.told > 0 && n.is_place());
        cut(&mut news, EMPTY, |n| !n.is_place());
        if !Fault::ToldIsForgotten.on() {
            self.commit.news = Some(news);
        }
        Ok(())
    }
}

/// The oldest of these go, as many as are more than `most`.
fn cut(news: &mut Vec<News>, most: usize, these: impl Fn(&News) -> bool) {
    let count = news.iter().filter(|n| these(n)).count();
    let mut more = count.saturating_sub(most);
    news.retain(|n| {
        let goes = more > 0 && these(n);
        more -= usize::from(goes);
        !goes
    });
}

/// The last message of a conversation that has something unread, where that is not read.
fn unread_last(state: &Conversation) -> Option<Rc<Message>> {
    let read = state.read_seq;
    let last = state.last_message.clone();
    last.filter(|m| state.unread > 0 && read < Some(m.seq))
}
