//! What is asked of the server for timelines: pages (R5), and what changed in a kept segment (R12). Who wants
//! the same shares one request. What is committed while one is on its way is its journal (R7).

use std::rc::Rc;

use crate::core::backoff::Portion;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::events::Event;
use crate::core::fault::Fault;
use crate::core::follow::What;
use crate::core::map::Map;
use crate::core::net::Request;
use crate::core::purpose::{Purpose, Wants};
use crate::core::tx::Committed;
use crate::core::types::{Message, Seq};
use crate::core::wire::page::{self, ChangesPage, Page};

/// What came of it.
#[derive(Debug)]
pub(in crate::core) enum Answer {
    Page(Page),
    Changes(ChangesPage),
}

impl Answer {
    /// Whose it is, where it says so.
    pub fn account(&self) -> Option<&Rc<str>> {
        match self {
            Answer::Page(page) => page.account.as_ref(),
            Answer::Changes(answer) => answer.account.as_ref(),
        }
    }
}

/// A page or changes on their way.
#[derive(Debug)]
pub(in crate::core) struct Fetch {
    conversation: Rc<str>,
    wants: Wants,
    /// events committed since it was asked for (R7)
    journal: Vec<Event>,
    /// an overflow or a removal came in between
    discarded: bool,
    request: u64,
    /// messages that are wanted
    wanted: u32,
    /// messages asked for: fewer, where that was too much (R14)
    limit: u32,
    /// where the message is that was asked for by its time, once that is known
    found: Option<Option<u64>>,
}

impl Fetch {
    pub fn conversation(&self) -> &Rc<str> {
        &self.conversation
    }

    pub fn wants(&self) -> &Wants {
        &self.wants
    }

    pub fn journal(&self) -> &[Event] {
        &self.journal
    }

    pub fn is_discarded(&self) -> bool {
        self.discarded
    }

    /// Where the message is that was asked for by its time, once that is known.
    pub fn found(&self) -> Option<Option<u64>> {
        self.found
    }

    /// Messages asked for.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Reads what came of it.
    pub fn read(&self, text: &str) -> Result<Answer, Error> {
        match &self.wants {
            Wants::Page(place) => page::page(text, &self.conversation, *place).map(Answer::Page),
            Wants::Changes { from, to, .. } => {
                page::changes(text, &self.conversation, *from, *to).map(Answer::Changes)
            }
        }
    }
}

/// The requests under way for timelines, by their numbers.
#[derive(Debug, Default)]
pub(in crate::core) struct Fetches {
    all: Map<u64, Fetch>,
    /// messages at a time (R14)
    portion: Portion,
}

impl Fetches {
    pub fn get(&self, fetch: u64) -> Option<&Fetch> {
        self.all.get(&fetch)
    }

    /// The conversations of which something is on its way.
    pub fn conversations(&self) -> impl Iterator<Item = &Rc<str>> {
        self.all.values().map(|f| &f.conversation)
    }

    /// Asks for a page or for changes, or shares what was asked for.
    pub fn ask(&mut self, cx: &mut Cx, conversation: &Rc<str>, wants: Wants, limit: usize) -> u64 {
        let same = |f: &Fetch| f.conversation == *conversation && f.wants == wants && !f.discarded;
        if let Some((fetch, _)) = self.all.iter().find(|(_, f)| same(f)) {
            return *fetch;
        }
        let fetch = cx.out.number();
        let wanted = limit.min(most(cx)) as u32;
        let asked = Fetch {
            conversation: conversation.clone(),
            wants,
            journal: known_last(cx.db, conversation),
            discarded: false,
            request: 0,
            wanted,
            limit: self.portion.limit(wanted),
            found: None,
        };
        self.all.insert(fetch, asked);
        self.request(cx, fetch);
        fetch
    }

    /// Asks for what a fetch wants; once more, where another limit may bring it.
    fn request(&mut self, cx: &mut Cx, fetch: u64) {
        let Some(f) = self.all.get_mut(&fetch) else {
            return debug_assert!(false, "it is there");
        };
        if cx.standing.follows() {
            let what = What::Fetch {
                conversation: f.conversation.clone(),
                wants: f.wants.clone(),
                limit: f.limit,
            };
            f.request = cx.ask(what, Purpose::History { fetch });
            return;
        }
        let feed = cx.config.scope.feed(&f.conversation);
        let conversation = f.conversation.to_string();
        let cursor = cx.db.cursor(&feed).map(str::to_owned);
        let call = match &f.wants {
            Wants::Page(place) => Request::History {
                conversation,
                limit: f.limit,
                cursor,
                place: *place,
            },
            Wants::Changes { since, from, to } => Request::Changes {
                conversation,
                since: since.clone(),
                cursor,
                from: Seq(*from),
                to: Seq(*to),
                limit: f.limit,
            },
        };
        // The journal goes on: an own edit may be newer than what it is asked for with.
        f.request = cx.request(call, Purpose::History { fetch });
    }

    /// Whether a fetch that failed is asked for with another limit: less after what was too much, more
    /// after nothing that says that there is more (R14).
    pub fn asks_otherwise(&mut self, cx: &mut Cx, fetch: u64, error: &Error) -> bool {
        let may = cx.standing.may_request();
        let most = most(cx) as u32;
        let Some(f) = self.all.get_mut(&fetch).filter(|f| !f.discarded) else {
            return false;
        };
        let portion = &mut self.portion;
        f.limit = match error.too_little {
            true if f.limit < most => f.limit.saturating_mul(2).min(most),
            _ if error.asks_for_less() && portion.too_much(f.limit) => portion.limit(f.wanted),
            _ => return false,
        };
        // What did not come in time is tried again later, by whoever wants it.
        let again = may && error.code != ErrorCode::Timeout;
        if again {
            self.request(cx, fetch);
        }
        again
    }

    /// Where the message is that it was asked for by its time.
    pub fn set_found(&mut self, fetch: u64, found: Option<u64>) {
        if let Some(f) = self.all.get_mut(&fetch) {
            f.found = Some(found);
        }
    }

    /// It is void: something has come between.
    pub fn set_void(&mut self, fetch: u64) {
        if let Some(f) = self.all.get_mut(&fetch) {
            f.discarded = true;
        }
    }

    /// It came with so many messages: perhaps as many as were asked for.
    pub fn came(&mut self, fetch: u64, count: usize) {
        if let Some(f) = self.all.get(&fetch)
            && count >= f.limit as usize
        {
            self.portion.fits(f.limit);
        }
    }

    /// The fetch is over: takes it out.
    pub fn remove(&mut self, fetch: u64) -> Option<Fetch> {
        self.all.remove(&fetch)
    }

    /// Whether something will be heard of it: a request has its time limit.
    pub fn is_asked(&self, cx: &Cx, fetch: u64) -> bool {
        let asked = self.all.get(&fetch);
        asked.is_some_and(|f| cx.out.requests.contains(f.request))
    }

    /// Discards what was asked for (R7); `None`: of every conversation. Answers which.
    pub fn discard(&mut self, cx: &mut Cx, conversation: Option<&Rc<str>>) -> Vec<u64> {
        let mut discarded = Vec::new();
        if Fault::PageOutlivesTheOverflow.on() {
            return discarded;
        }
        for (fetch, f) in self.all.iter_mut() {
            if conversation.is_none_or(|id| f.conversation == *id) {
                f.discarded = true;
                cx.out.abort_request(f.request);
                discarded.push(*fetch);
            }
        }
        discarded
    }

    /// R7: keeps what is committed for whoever asked before. Answers the conversations of which that is too
    /// much.
    pub fn keep_journals(&mut self, events: &[Event], most: usize) -> Vec<Rc<str>> {
        let mut late = Vec::new();
        for f in self.all.values_mut() {
            let about = |event: &&Event| *event.conversation() == f.conversation;
            f.journal.extend(events.iter().filter(about).cloned());
            if f.journal.len() > most {
                late.push(f.conversation.clone());
            }
        }
        late
    }

    /// An own edit or recall, answered while a page is on its way.
    pub fn journal_update(&mut self, message: &Rc<Message>) {
        for f in self.all.values_mut() {
            if f.conversation == message.conversation {
                f.journal.push(Event::Update(message.clone()));
            }
        }
    }
}

/// The most messages that are asked for at a time.
fn most(cx: &Cx) -> usize {
    cx.config.limits.page.saturating_mul(5)
}

/// A `lastMessage` that has changed: a page never brings less (R3).
fn known_last(db: &Committed, conversation: &Rc<str>) -> Vec<Event> {
    let state = db.state(conversation);
    let last = state.and_then(|state| state.last_message.as_ref());
    let changed = last.filter(|m| m.version > 1);
    let event = changed.map(|m| Event::Update(m.clone()));
    event.into_iter().collect()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::cx::Rest;
    use crate::core::events::Event;
    use crate::core::net::Place;
    use crate::core::types::MessageState;

    fn update(id: &Rc<str>) -> Event {
        Event::Update(Rc::new(Message {
            version: 2,
            state: MessageState::Edited,
            ..Message::sample(id, 1)
        }))
    }

    #[test]
    fn who_wants_the_same_shares_one_request() {
        let mut rest = Rest::new("");
        let mut fetches = Fetches::default();
        let (a, b): (Rc<str>, Rc<str>) = ("a".into(), "b".into());
        let page = |seq| Wants::Page(Place::Before(Seq(seq)));
        let first = fetches.ask(&mut rest.cx(), &a, page(9), 10);
        assert_eq!(fetches.ask(&mut rest.cx(), &a, page(9), 50), first);
        assert_ne!(fetches.ask(&mut rest.cx(), &a, page(8), 10), first);
        assert_ne!(fetches.ask(&mut rest.cx(), &b, page(9), 10), first);
        assert_eq!(rest.requests().len(), 3);
        // What is discarded is asked for anew.
        assert_eq!(fetches.discard(&mut rest.cx(), Some(&a)).len(), 2);
        assert!(!fetches.is_asked(&rest.cx(), first));
        assert_ne!(fetches.ask(&mut rest.cx(), &a, page(9), 10), first);
    }

    #[test]
    fn what_is_committed_meanwhile_is_kept_for_whom_it_is_about() {
        let mut rest = Rest::new("");
        let mut fetches = Fetches::default();
        let (a, b): (Rc<str>, Rc<str>) = ("a".into(), "b".into());
        let fetch = fetches.ask(&mut rest.cx(), &a, Wants::Page(Place::Latest), 10);
        let events = [update(&a), update(&b), update(&a)];
        assert!(fetches.keep_journals(&events, 2).is_empty());
        assert_eq!(fetches.get(fetch).unwrap().journal().len(), 2);
        // Too long to be worth it.
        assert_eq!(fetches.keep_journals(&events[..1], 2), [a]);
    }

    #[test]
    fn what_was_too_much_is_asked_for_in_less() {
        let mut rest = Rest::new("");
        let mut fetches = Fetches::default();
        let a: Rc<str> = "a".into();
        let fetch = fetches.ask(&mut rest.cx(), &a, Wants::Page(Place::Latest), 40);
        let mut error = Error::new(ErrorCode::Protocol, "too large");
        error.too_large = true;
        assert!(fetches.asks_otherwise(&mut rest.cx(), fetch, &error));
        assert_eq!(fetches.get(fetch).unwrap().limit(), 20);
        assert_eq!(rest.requests().len(), 2);
        let refused = Error::new(ErrorCode::Forbidden, "no");
        assert!(!fetches.asks_otherwise(&mut rest.cx(), fetch, &refused));
    }
}
