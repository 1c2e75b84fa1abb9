//! Conversations' states, and the owed list of them (R11).

use super::Tx;
use crate::core::events::{self, Event};
use crate::core::fault::Fault;
use crate::core::map::{Set, order};
use crate::core::types::{Conversation, Message};
use crate::core::wire::list::ListPage;
use std::rc::Rc;

impl Tx<'_> {
    /// A page of the owed list (R11): `journal` has the events applied since the list began, `named`
    /// the conversations that its earlier pages listed; `nameless`: an entry of those had no id.
    pub fn list_page(
        &mut self,
        page: &ListPage,
        named: &Set<Rc<str>>,
        nameless: bool,
        journal: &[Event],
    ) {
        self.commit.changes.irregular.append(&page.irregular);
        // By conversation, each one's in their order: many of both would take long to compare.
        let about = |i: &usize| journal[*i].conversation();
        let sorted = order(journal.len(), &|a, b| about(&a) < about(&b));
        let since = |id: &Rc<str>| {
            let from = sorted.partition_point(|i| about(i) < id);
            let events = sorted[from..].iter().take_while(|i| about(i) == id);
            events.map(|i| &journal[*i]).collect::<Vec<_>>()
        };
        self.begin_news_of_list();
        for patch in &page.conversations {
            let id = &patch.id;
            events::apply_listed(self, patch);
            if Fault::ListWinsOverEvents.on() {
                continue;
            }
            // Events applied since it began win over it.
            for event in since(id) {
                event.replay_on_list(self);
            }
        }
        let first = !self.db.meta().listed && named.is_empty();
        if first {
            self.add_newest(page.conversations.iter().map(|patch| &patch.id));
        }
        if page.next.is_some() {
            return;
        }
        // Also what is held, or only stored, of one that is in no list.
        let mut known = self.db.with_history();
        known.add_all(self.db.list().keys().cloned());
        let mut listed = Set::new();
        listed.add_all(page.conversations.iter().map(|patch| patch.id.clone()));
        let lacking: Vec<String> = known
            .keys()
            .filter(|id| !named.contains(*id))
            .filter(|id| !listed.contains(*id))
            .filter(|id| since(id).is_empty())
            .map(|id| id.to_string())
            .collect();
        let meta = self.meta();
        meta.owed = false;
        meta.listed = true;
        // An entry that has no id might be any of these.
        let nameless = (nameless || page.nameless) && !Fault::NamelessIsNobody.on();
        meta.suspects = match nameless {
            true => Vec::new(),
            false => lacking,
        };
    }

    /// R11: a pull begun after the list's last page has caught up, and no event named these. Of
    /// `unnamed`, a pull of all conversations has brought no batch either: those that still have no
    /// cursor are gone too.
    pub fn remove_suspects(&mut self, paid: bool, unnamed: &[Rc<str>]) {
        let mut gone: Vec<Rc<str>> = Vec::new();
        if paid {
            let suspects = std::mem::take(&mut self.meta().suspects);
            gone.extend(suspects.into_iter().map(Rc::from));
        }
        let left = |id: &&Rc<str>| !self.db.cursors().contains_key(*id);
        gone.extend(unnamed.iter().filter(left).cloned());
        for id in gone.iter().filter(|_| !Fault::SuspectsStay.on()) {
            events::apply_left(self, id);
        }
    }

    /// R3, of a `lastMessage`.
    pub(in crate::core) fn newer_elsewhere(&mut self, m: &Rc<Message>) -> bool {
        let Some(state) = self.state(&m.conversation) else {
            return false;
        };
        let older = state
            .last_message
            .as_ref()
            .is_some_and(|l| l.id == m.id && m.is_newer_than(l));
        if older && !Fault::LastMessageStays.on() {
            let state = Conversation {
                last_message: Some(m.clone()),
                ..Conversation::clone(&state)
            };
            self.set_state(&m.conversation, Some(state));
        }
        older
    }
}
