//! The owed conversation list (R11).

use super::*;

impl Tx<'_> {
    /// A page of the owed list (R11): `journal` has the events applied since the list began, `named`
    /// the conversations that its earlier pages listed.
    pub fn list_page(&mut self, page: &ListPage, named: &Set<Rc<str>>, journal: &[Event]) {
        // By conversation, each one's in their order: many of both would take long to compare.
        let about = |i: &usize| journal[*i].conversation();
        let sorted = order(journal.len(), &|a, b| about(&a) < about(&b));
        let since = |id: &Rc<str>| {
            let from = sorted.partition_point(|i| about(i) < id);
            let events = sorted[from..].iter().take_while(|i| about(i) == id);
            events.map(|i| &journal[*i]).collect::<Vec<_>>()
        };
        for patch in &page.conversations {
            let id = &patch.id;
            self.patch(patch);
            if Fault::ListWinsOverEvents.on() {
                continue;
            }
            // Events applied since it began win over it.
            for event in since(id) {
                match event {
                    Event::Conversation(patch) => self.patch(patch),
                    Event::Update(m) | Event::Message { message: m, .. } => {
                        _ = self.newer_elsewhere(m)
                    }
                    Event::Removed(_) => {
                        self.set_state(id, None);
                        self.held(id).last_known = None;
                    }
                    Event::Trim { .. } => {}
                }
            }
        }
        if page.next.is_some() {
            return;
        }
        // Also what is held of one that is in no list.
        let mut known = Set::new();
        known.add_all(self.db.list.keys().cloned());
        known.add_all(self.db.held.keys().cloned());
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
        meta.suspects = lacking;
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
        let left = |id: &&Rc<str>| !self.db.cursors.contains_key(*id);
        gone.extend(unnamed.iter().filter(left).cloned());
        for id in gone.iter().filter(|_| !Fault::SuspectsStay.on()) {
            self.removed(id);
        }
    }
}
