//! The owed conversation list on its way (R11).

use super::conversation_limit::too_many_conversations;
use crate::core::backoff::{Backoff, Portion};
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::events::Event;
use crate::core::map::Set;
use crate::core::net::Request;
use crate::core::purpose::Purpose;
use crate::core::wire::conversation::Patch;
use crate::core::wire::list::ListPage;
use std::rc::Rc;

/// Overflows that have it read from its beginning at once, each.
const AT_ONCE: u32 = 4;
/// ms between two beginnings after that; doubled with each overflow more.
const PACE: u64 = 250;
/// ms between two beginnings, at most.
const PACE_MOST: u64 = 15_000;
/// ms without an overflow after which the next one is the first again.
const QUIET: u64 = 30_000;

/// A reading of the list, from its first page on.
#[derive(Debug, Default)]
pub(in crate::core) struct Reading {
    /// conversations that its pages have listed
    pub named: Set<Rc<str>>,
    /// an entry had no id
    pub nameless: bool,
    /// events applied since it began
    pub journal: Vec<Event>,
    /// a page is on its way, or on its way into the store
    asking: bool,
    /// pages in a row that have a next one and name nobody new
    empty: u32,
    after: Option<String>,
}

/// The owed list: its reading, and how that fares.
#[derive(Debug, Default)]
pub(in crate::core) struct OwedList {
    /// raised when it begins anew: pages of an earlier beginning are void
    epoch: u64,
    /// none: not begun
    reading: Option<Reading>,
    backoff: Backoff,
    /// the last error that the app was told of, until a page comes
    told: Option<Error>,
    /// lists in a row that were given up for having no end
    endless: u32,
    /// how many conversations are asked for at a time
    size: Portion,
    /// Overflows in a row: a catch-up may bring one for each conversation.
    overflows: u32,
    /// when the last of them came
    overflowed_at: u64,
    /// when its first page was asked for last
    begun_at: u64,
}

/// What becomes of a page.
pub(in crate::core) enum Page {
    /// it is to be applied
    Taken(ListPage),
    /// Less is asked for at once, from the same place.
    Less,
    /// the list has failed
    Failed(Error),
}

impl OwedList {
    /// What this beginning has read.
    pub fn reading(&self, epoch: u64) -> Option<&Reading> {
        self.reading.as_ref().filter(|_| self.epoch == epoch)
    }

    /// Begins again with the first page; pages that are on their way are void.
    pub fn restart(&mut self) {
        self.epoch += 1;
        self.reading = None;
    }

    /// An overflow makes the list owed: it begins again. Each overflow voids the reading before it, so many in a row
    /// slow down its beginning (see `paced_at`).
    pub fn on_overflow(&mut self, now: u64) {
        if self.overflowed_at.saturating_add(QUIET) < now {
            self.overflows = 0;
        }
        self.overflows = self.overflows.saturating_add(1);
        self.overflowed_at = now;
        self.restart();
    }

    /// It does not begin before this, where overflows come one after another.
    fn paced_at(&self) -> u64 {
        match self.overflows.checked_sub(AT_ONCE + 1) {
            Some(more) if self.reading.is_none() => {
                let pace = PACE.saturating_mul(1 << more.min(16)).min(PACE_MOST);
                self.begun_at.saturating_add(pace)
            }
            _ => 0,
        }
    }

    /// Whether pages of this beginning count.
    pub fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// When its next page is to be asked for (monotonic ms); `None`: none is owed, or one is on its way.
    pub fn ask_at(&self, cx: &Cx) -> Option<u64> {
        let asking = self.reading.as_ref().is_some_and(|reading| reading.asking);
        let wanted = cx.db.meta().owed && cx.db.meta().begun && !asking;
        wanted.then(|| self.ready_at())
    }

    /// When it may be asked for: it has failed, or overflows come one after another.
    pub fn ready_at(&self) -> u64 {
        self.backoff.ready_at().max(self.paced_at())
    }

    /// Whether it has failed since a page came.
    pub fn has_failed(&self) -> bool {
        self.backoff.failures() > 0
    }

    /// The error of a list that has failed, and is not tried again before this.
    pub fn fails_until(&self, until: u64) -> Option<&Error> {
        let held = self.backoff.ready_at() > until;
        self.told.as_ref().filter(|_| held)
    }

    /// Asks for its next page.
    pub fn ask(&mut self, cx: &mut Cx) {
        if self.reading.is_none() {
            self.begun_at = cx.now.mono;
        }
        let reading = self.reading.get_or_insert_default();
        reading.asking = true;
        let after = reading.after.clone();
        let limit = self.size.limit(cx.config.limits.list_page);
        let call = Request::Conversations {
            after: after.clone(),
            limit,
            cursor: cx.db.cursor_of_all().map(str::to_owned),
        };
        let asked = Purpose::List {
            after,
            epoch: self.epoch,
            limit,
        };
        cx.request(call, asked);
    }

    /// The answer to a request of an earlier beginning is void. Its `Retry-After` is obeyed all the same.
    pub fn on_stale(&mut self, now: u64, result: Result<String, Error>) {
        if let Err(error) = result {
            self.backoff.heed(now, &error);
        }
    }

    /// The answer to the request under way, which was for `limit` conversations.
    pub fn on_page(&mut self, cx: &Cx, limit: u32, page: Result<ListPage, Error>) -> Page {
        let Some(reading) = &mut self.reading else {
            debug_assert!(false, "a page of this beginning was asked for");
            return Page::Less;
        };
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let less = error.asks_for_less() && self.size.too_much(limit);
                if less && error.code != ErrorCode::Timeout {
                    reading.asking = false;
                    return Page::Less;
                }
                return Page::Failed(error);
            }
        };
        if page.next.is_some() {
            self.size.fits(limit);
        }
        let known = |patch: &Patch| reading.named.contains(&patch.id);
        let circle = page.next.is_some() && page.conversations.iter().all(known);
        reading.empty = if circle { reading.empty + 1 } else { 0 };
        if reading.empty > cx.config.limits.empty {
            let what = "a conversation list without end that names nobody new";
            return self.give_up(Error::new(ErrorCode::Protocol, what));
        }
        let ids = page.conversations.iter().map(|patch| &patch.id);
        match too_many_conversations(cx, ids) {
            Some(error) => self.give_up(error),
            None => Page::Taken(page),
        }
    }

    /// The list has no end, or too many entries: it begins again. Each in a row is followed by a longer backoff.
    fn give_up(&mut self, error: Error) -> Page {
        self.backoff.begin_at(self.endless);
        self.endless = self.endless.saturating_add(1);
        Page::Failed(error)
    }

    /// It has failed. Answers whether the app has to be told.
    pub fn on_failure(&mut self, cx: &mut Cx, error: &Error) -> bool {
        cx.fail(&mut self.backoff, error);
        if let Some(reading) = &mut self.reading {
            reading.asking = false;
        }
        // The server may refuse the page's `after` for ever: the list begins with its first page.
        if !error.retryable() {
            self.restart();
        }
        let known = self.told.as_ref().is_some_and(|told| told.is_same(error));
        if !known {
            self.told = Some(error.clone());
        }
        !known
    }

    /// A page is committed. Answers whether it was the last one.
    pub fn on_applied(&mut self, page: ListPage) -> bool {
        self.backoff.succeed();
        self.told = None;
        if page.next.is_none() {
            self.restart();
            self.endless = 0;
            return true;
        }
        if let Some(reading) = &mut self.reading {
            let ids = page.conversations.into_iter().map(|patch| patch.id);
            reading.named.add_all(ids);
            reading.nameless |= page.nameless;
            reading.asking = false;
            reading.after = page.next;
        }
        false
    }

    /// What is committed wins over what was read before (R11).
    pub fn note(&mut self, events: &[Event], most: usize) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        reading.journal.extend(events.iter().cloned());
        if reading.journal.len() > most {
            self.restart();
        }
    }

    /// No backoff that only the client chose is waited out.
    pub fn forgive(&mut self) {
        self.backoff.forgive();
    }

    /// A person waits: nothing is waited out.
    pub fn urge(&mut self) {
        self.overflows = 0;
        self.backoff.urge();
    }
}
