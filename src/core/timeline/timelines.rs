//! All timelines, and what is asked of the server for them.

use std::rc::Rc;

use super::background::IDLE;
use super::fetches::{Answer, Fetches};
use super::goal::{Found, Goal};
use super::rows::OwnKeys;
use super::state::{Lifecycle, Sizes, Timeline};
use super::trouble::closed;
use super::work::{Outlook, Work, is_idle};
use crate::core::block::BlockId;
use crate::core::command::{Call, Start, TimelineId};
use crate::core::cx::Cx;
use crate::core::error::Error;
use crate::core::events::Event;
use crate::core::fault::Fault;
use crate::core::follow::Signal;
use crate::core::jobs::Job;
use crate::core::map::{Map, Set};
use crate::core::net::Place;
use crate::core::purpose::Wants;
use crate::core::records::Held;
use crate::core::snapshot::LocalItem;
use crate::core::tx::{CommitDelta, Committed};
use crate::core::types::{Direction, Message};
use crate::core::wire::page::Page;

/// What to open.
#[derive(Debug)]
pub(in crate::core) struct Open {
    pub conversation: Rc<str>,
    pub start: Start,
    pub page_size: Option<u32>,
    pub max_items: Option<u32>,
}

/// The open timelines, and the fetches that they share.
#[derive(Debug, Default)]
pub(in crate::core) struct Timelines {
    all: Map<TimelineId, Timeline>,
    fetches: Fetches,
    own_keys: OwnKeys,
    /// fetches that are over, for who waits for them elsewhere (R15)
    ended: Vec<Ended>,
}

/// A fetch that is over; where the message is that was asked for by its time; whether it is void.
pub(in crate::core) type Ended = (u64, Result<Option<Option<u64>>, Error>, bool);

impl Timelines {
    pub fn get(&self, id: TimelineId) -> Option<&Timeline> {
        self.all.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Timeline> {
        self.all.values()
    }

    pub fn ids(&self) -> Vec<TimelineId> {
        self.all.keys().copied().collect()
    }

    /// What is on its way for them.
    pub fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// To ask for something that none of these lists wants (R15).
    pub fn fetches_mut(&mut self) -> &mut Fetches {
        &mut self.fetches
    }

    /// The fetches that are over since the last time.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// Those that are shown.
    fn shown(&self) -> impl Iterator<Item = &Timeline> {
        self.iter().filter(|t| t.is_open())
    }

    /// The conversations that are shown.
    pub fn conversations(&self) -> impl Iterator<Item = &Rc<str>> {
        self.shown().map(|t| &t.conversation)
    }

    /// Whether one goes on only once blocks have been read for it.
    pub fn wait_for_blocks(&self) -> bool {
        self.shown().any(Timeline::waits_for_blocks)
    }

    /// The conversations that are shown, or of which something is on its way.
    pub fn attended(&self) -> Set<Rc<str>> {
        let mut attended = Set::new();
        attended.add_all(self.conversations().cloned());
        attended.add_all(self.fetches.conversations().cloned());
        attended
    }

    /// The oldest position that an open timeline needs, by conversation (R13). The last of all, where it is shown and
    /// nothing of it is held: the writer says of what is shown whether it is behind.
    pub fn needed_from(&self, db: &Committed) -> Map<Rc<str>, u64> {
        let mut needed = Map::new();
        for t in self.shown() {
            let state = db.state(&t.conversation).map(|state| &**state);
            let lo = t.needed_from(&db.held(&t.conversation), state);
            let lo = lo.unwrap_or(u64::MAX);
            let at = needed.or_insert_with(t.conversation.clone(), || lo);
            *at = lo.min(*at);
        }
        needed
    }

    fn of(&mut self, conversation: &str) -> impl Iterator<Item = &mut Timeline> {
        let all = self.all.values_mut();
        all.filter(move |t| *t.conversation == *conversation)
    }

    // ------------------------------------------------------------ what the app asks

    pub fn open(&mut self, cx: &mut Cx, id: TimelineId, open: Open) {
        let limits = cx.config.limits;
        let page = open.page_size.unwrap_or(cx.config.page_size);
        let page = page.clamp(1, limits.page as u32 * 5) as usize;
        let most = limits.items.max(page);
        let max = (open.max_items.unwrap_or(1000) as usize).clamp(page, most);
        let sizes = Sizes { page, max, most };
        let conversation = open.conversation;
        let t = Timeline::new(conversation.clone(), open.start, sizes, cx.now.mono);
        self.all.insert(id, t);
        opened(cx, conversation);
    }

    /// The last subscriber of a timeline has gone.
    pub fn release(&mut self, cx: &mut Cx, id: TimelineId) {
        let Some(t) = self.all.get_mut(&id) else {
            return;
        };
        t.release(cx);
    }

    /// A released timeline has a subscriber again.
    pub fn attach(&mut self, cx: &mut Cx, id: TimelineId) {
        let Some(t) = self.all.get_mut(&id) else {
            return;
        };
        if t.attach(cx.now.mono) {
            opened(cx, t.conversation.clone());
        }
    }

    /// Takes it out, to be shown once more.
    pub fn close(&mut self, cx: &mut Cx, id: TimelineId) -> Option<Timeline> {
        let mut t = self.all.remove(&id)?;
        t.close(cx);
        Some(t)
    }

    /// The timeline that a call is about. The call makes a released one used again, and is rejected where the
    /// timeline is over.
    fn called(&mut self, cx: &mut Cx, call: Call, id: TimelineId) -> Option<&mut Timeline> {
        self.attach(cx, id);
        let error = match self.all.get_mut(&id) {
            Some(t) if t.life != Lifecycle::Removed => return Some(t),
            Some(_) => Error::left(),
            None => closed(),
        };
        cx.out.reject(call, &error);
        None
    }

    pub fn load_page(
        &mut self,
        cx: &mut Cx,
        call: Call,
        id: TimelineId,
        (direction, limit): (Direction, Option<u32>),
    ) {
        if let Some(t) = self.called(cx, call, id) {
            t.load_page(cx, call, direction, limit);
        }
    }

    pub fn jump(&mut self, cx: &mut Cx, call: Call, id: TimelineId, to: Start) {
        if let Some(t) = self.called(cx, call, id) {
            t.jump(cx, call, to);
        }
    }

    /// Lets go of one call of a load or a jump. Answers whether it was here.
    pub fn drop_call(&mut self, of: Call) -> bool {
        let all = self.all.values_mut();
        all.fold(false, |found, t| found | t.drop_call(of))
    }

    /// These are on screen.
    pub fn set_on_screen(&mut self, id: TimelineId, first: &str, last: &str) {
        if let Some(t) = self.all.get_mut(&id) {
            t.set_on_screen(first, last);
        }
    }

    // ------------------------------------------------------------ what has happened elsewhere

    /// What is shown of this conversation beside its messages has changed.
    pub fn touch(&mut self, conversation: &str) {
        self.of(conversation).for_each(|t| t.dirty = true);
    }

    pub fn touch_all(&mut self) {
        self.all.values_mut().for_each(|t| t.dirty = true);
    }

    /// Each looks whether it can go on.
    pub fn wake(&mut self) {
        self.all.values_mut().for_each(|t| t.wake = true);
    }

    /// Those look whether they can go on whose window waits for what a pull or the list may bring.
    pub fn wake_reloads(&mut self) {
        for t in self.all.values_mut() {
            t.wake |= t.reload.is_some();
        }
    }

    /// What failed for want of a network may go on.
    pub fn try_again(&mut self) {
        self.all.values_mut().for_each(Timeline::try_again);
    }

    /// What is shown and held: the conversation, and from where to where.
    pub fn stretches(&self) -> impl Iterator<Item = (&Rc<str>, (u64, u64))> {
        self.shown()
            .flat_map(|t| t.stretches().map(move |range| (&t.conversation, range)))
    }

    /// Whether some of these are held, as it is stored now, and not in memory.
    pub fn lack_blocks(&self, db: &Committed) -> bool {
        self.shown().any(|t| t.lacks_blocks(db))
    }

    /// The database was read anew, with the blocks of [`Timelines::stretches`]. `same`: nobody had written to it.
    pub fn on_loaded(&mut self, db: &Committed, same: bool) {
        for t in self.all.values_mut() {
            let listed = db.state(&t.conversation).is_some();
            t.resume(db, same, listed);
        }
    }

    /// Its segments are gone without a commit: they were not what they said.
    pub fn clear(&mut self, cx: &mut Cx, conversation: &Rc<str>) {
        self.discard(cx, Some(conversation));
        let shown = self.of(conversation).filter(|t| t.life == Lifecycle::Open);
        shown.for_each(Timeline::clear);
    }

    /// The segments of all conversations are gone without a commit.
    pub fn clear_all(&mut self, cx: &mut Cx) {
        self.discard(cx, None);
        let shown = self.all.values_mut().filter(|t| t.life == Lifecycle::Open);
        shown.for_each(Timeline::clear);
    }

    /// A message takes the key of the local item that it was.
    pub fn keep_key(&mut self, key: &str, message: &Message) {
        let id = (message.conversation.clone(), message.id.clone());
        self.own_keys.insert(id, Rc::from(key));
    }

    /// Shows what was committed.
    pub fn on_commit(&mut self, cx: &mut Cx, changes: &CommitDelta) {
        for t in self.all.values_mut() {
            let change = changes.conversations.get(&t.conversation);
            let goal = t.reload.as_ref().map(|reload| reload.goal);
            let unread = matches!(goal, Some(Goal::FirstUnread { .. }));
            let looks = t.trouble.is_refused() || t.life != Lifecycle::Open || unread;
            if changes.list && looks || change.is_some() {
                t.on_commit(cx, change, changes.list);
            }
        }
    }

    /// The database could not be read.
    pub fn on_reads_failed(&mut self, cx: &mut Cx, error: &Error) {
        for t in self.all.values_mut().filter(|t| t.waiting) {
            t.waiting = false;
            t.load_failed(cx.out, Direction::Older, error.clone());
            t.load_failed(cx.out, Direction::Newer, error.clone());
            if t.reload.is_some() {
                t.reload_failed(cx, error.clone());
            }
        }
    }

    // ------------------------------------------------------------ pages

    /// R7: keeps the events of a commit for the fetches that were asked for before it.
    pub fn keep_journals(&mut self, cx: &mut Cx, events: &[Event]) {
        let most = cx.config.limits.journal;
        for conversation in self.fetches.keep_journals(events, most) {
            self.discard(cx, Some(&conversation));
        }
    }

    /// An own edit or recall, answered while a page is on its way.
    pub fn journal_update(&mut self, message: &Rc<Message>) {
        self.fetches.journal_update(message);
    }

    /// An answer came, or none.
    pub fn on_answer(&mut self, cx: &mut Cx, fetch: u64, answer: Result<Answer, Error>) {
        let Some(f) = self.fetches.get(fetch) else {
            debug_assert!(false, "a fetch that is over has aborted its request");
            return;
        };
        let changes = matches!(f.wants(), Wants::Changes { .. });
        let job = match answer {
            // Something had to be left out of it: it counts as 410.
            Ok(Answer::Changes(answer)) if answer.lacks => {
                cx.out.tell_irregular("changes", None, &answer.irregular);
                Job::Gone { fetch }
            }
            Ok(Answer::Changes(answer)) => {
                self.fetches.came(fetch, answer.messages.len());
                Job::Changes { fetch, answer }
            }
            Ok(Answer::Page(page)) => {
                self.fetches.came(fetch, page.messages.len());
                Job::Page { fetch, page }
            }
            // R12: the log does not reach back so far.
            Err(error) if changes && error.status == Some(410) => Job::Gone { fetch },
            Err(error) => {
                if !self.fetches.asks_otherwise(cx, fetch, &error) {
                    self.on_fetch_done(cx, fetch, Some(&error));
                }
                return;
            }
        };
        cx.jobs.push(job);
    }

    /// A page that was asked for by a time is committed: jumps to that time know their position now.
    pub fn on_found(&mut self, fetch: u64, page: &Page) {
        let Some(f) = self.fetches.get(fetch) else {
            return;
        };
        if let Wants::Page(Place::At(ms)) = f.wants() {
            let found = find_time(*ms, page, f.journal());
            self.on_found_at(fetch, found);
        }
    }

    /// The same, as another client has found it. `None`: there is none at or after that time.
    pub fn on_found_at(&mut self, fetch: u64, at: Option<u64>) {
        self.fetches.set_found(fetch, at);
        for t in self.all.values_mut() {
            if let Some(reload) = t.reload.as_mut().filter(|r| r.fetch == Some(fetch))
                && let Goal::AtTime { found, .. } = &mut reload.goal
            {
                *found = Some(at.map_or(Found::Nothing, Found::At));
            }
        }
    }

    /// An overflow or a removal discards what was asked for before (R7); whatever wanted it decides
    /// anew. `None`: of every conversation.
    pub fn discard(&mut self, cx: &mut Cx, conversation: Option<&Rc<str>>) {
        for fetch in self.fetches.discard(cx, conversation) {
            self.on_fetch_done(cx, fetch, None);
        }
    }

    /// The writer had to let go of a fetch that it was asked for: the timelines that wanted it decide anew.
    pub fn on_fetch_void(&mut self, cx: &mut Cx, fetch: u64) {
        self.fetches.set_void(fetch);
        self.on_fetch_done(cx, fetch, None);
    }

    /// A page is committed, void, or could not be had.
    pub fn on_fetch_done(&mut self, cx: &mut Cx, fetch: u64, error: Option<&Error>) {
        let Some(done) = self.fetches.remove(fetch) else {
            return;
        };
        let outcome = error.map_or(Ok(done.found()), |error| Err(error.clone()));
        self.ended.push((fetch, outcome, done.is_discarded()));
        for t in self.all.values_mut() {
            if t.conversation == *done.conversation() {
                t.on_fetch_done(cx, fetch, &done, error);
            }
        }
    }

    // ------------------------------------------------------------ going on

    /// Each timeline goes on with what it wants, where that is due. `read`: none waits for a block any more. Answers
    /// the blocks that they need.
    pub fn drive(&mut self, cx: &mut Cx, look: &Outlook, read: bool) -> Vec<BlockId> {
        let now = cx.now.mono;
        let idle_since = cx.out.requests.idle_since();
        let idle = is_idle(cx, look) && idle_since.saturating_add(IDLE) <= now;
        let due = |t: &Timeline| {
            let wants = t.reload.is_some() || t.tend.wanted;
            let retry = t.trouble.retry();
            let again = retry > 0 && retry <= now && wants;
            let decides = t.until().is_some_and(|until| until <= now);
            let due = again || decides || t.ahead_due && idle;
            t.life == Lifecycle::Open && (t.wake || t.waiting && read || due)
        };
        let mut wanted = Vec::new();
        // Which timelines are due is decided before one goes on: that may change what another one sees.
        let due: Vec<bool> = self.all.values().map(due).collect();
        let (all, fetches) = (&mut self.all, &mut self.fetches);
        for (t, _) in all.values_mut().zip(due).filter(|(_, due)| *due) {
            let mut w = Work { cx, fetches, look };
            wanted.extend(t.drive(&mut w));
        }
        wanted
    }

    /// When something here is due, where something may be asked for.
    pub fn due(&self, cx: &Cx, look: &Outlook) -> Option<u64> {
        let waits = |t: &&Timeline| {
            let idle = match &t.reload {
                Some(reload) => reload.fetch.is_none(),
                None => t.tend.wanted && t.tend.fetch.is_none(),
            };
            idle && !t.trouble.is_refused() && !t.waiting && t.trouble.retry() > 0
        };
        let retries = self.shown().filter(waits).map(|t| t.trouble.retry());
        let until = self.iter().filter_map(Timeline::until);
        let until = until.filter(|until| *until > cx.now.mono);
        let ahead = |t: &Timeline| !t.waiting && t.ahead_due;
        let ahead = is_idle(cx, look) && self.shown().any(ahead);
        let idle_since = cx.out.requests.idle_since();
        let ahead = ahead.then_some(idle_since.saturating_add(IDLE));
        retries.chain(until).chain(ahead).min()
    }

    /// When a call settles at the latest, where nothing goes on.
    pub fn settle_due(&self, cx: &Cx) -> Option<u64> {
        let waited = self.iter().filter(|t| t.is_waited_for());
        let settle = cx.config.limits.settle;
        waited.map(|t| t.since.saturating_add(settle)).min()
    }

    /// R14: calls settle with which nothing has gone on for a while, whatever has fallen silent. Answers whether there
    /// were any.
    pub fn settle(&mut self, cx: &mut Cx, look: &Outlook) -> bool {
        if Fault::CallsWaitForEver.on() {
            return false;
        }
        let (now, settle) = (cx.now.mono, cx.config.limits.settle);
        let fetches = &self.fetches;
        let late = |t: &&mut Timeline| t.since.saturating_add(settle) <= now && t.is_waited_for();
        let mut any = false;
        for t in self.all.values_mut().filter(late) {
            any = true;
            t.since = now;
            if !is_answered(cx, look, fetches, t) {
                t.settle(cx, look);
            }
        }
        any
    }

    /// The store is silent: nothing can be shown before it answers, so who waits for no answer of the server's is answered
    /// with that (R14).
    pub fn on_silence(&mut self, cx: &mut Cx, error: &Error) {
        let fetches = &self.fetches;
        for t in self.all.values_mut().filter(|t| t.is_waited_for()) {
            if t.fetches().any(|fetch| fetches.is_asked(cx, fetch)) {
                continue;
            }
            t.load_failed(cx.out, Direction::Older, error.clone());
            t.load_failed(cx.out, Direction::Newer, error.clone());
            if t.reload.is_some() {
                t.reload_waits(cx.out, error.clone());
            }
        }
    }

    // ------------------------------------------------------------ showing

    /// Those of which what is shown may have changed.
    pub fn to_show(&self) -> Vec<TimelineId> {
        let dirty = self.all.iter();
        let dirty = dirty.filter(|(_, t)| t.dirty && t.may_be_shown());
        dirty.map(|(id, _)| *id).collect()
    }

    /// Lays out the items of one. `locals`: the own messages there that the sync has not brought. `writes`: one
    /// of them is not stored yet.
    pub fn lay_out(
        &mut self,
        id: TimelineId,
        held: &Held,
        locals: Vec<LocalItem>,
        writes: bool,
    ) -> Option<&Timeline> {
        let t = self.all.get_mut(&id)?;
        t.lay_out(held, &mut self.own_keys, locals, writes);
        Some(t)
    }
}

/// The conversation is looked at: it is not the first to be let go.
fn opened(cx: &mut Cx, conversation: Rc<str>) {
    let at = cx.now.wall;
    if cx.standing.promoted {
        cx.jobs.push(Job::Opened { conversation, at });
    } else if cx.standing.follows() {
        cx.out.tell(&Signal::Opened { conversation, at });
    }
}

/// Where the first message at or after this time is, by a page that was asked for so. `journal`: what has come
/// since.
fn find_time(ms: u64, page: &Page, journal: &[Event]) -> Option<u64> {
    let later = |m: &&Rc<Message>| m.created_at >= ms;
    let first = page.messages.iter().find(later).map(|m| m.seq.0);
    // Else it is a message whose time is not known, or that had to be left out: the next one after those of an
    // earlier time.
    let known = page.messages.iter().rfind(|m| m.created_at > 0);
    let next = match known {
        Some(m) => m.seq.0.checked_add(1),
        None => page.messages.first().map(|m| m.seq.0),
    };
    let first = first.or(next.filter(|_| page.has_after));
    // The page ends with the newest message, and is before the time: one that has come since may be at it.
    let since = journal.iter().filter_map(|event| match event {
        Event::Message(new) => Some(&new.message),
        _ => None,
    });
    let since = since.filter(later).map(|m| m.seq.0).min();
    first.or(since.filter(|_| !page.has_after))
}

/// Whether an answer is on its way that the timeline waits for: a pull's or a fetch's, each of which has a time limit.
fn is_answered(cx: &Cx, look: &Outlook, fetches: &Fetches, t: &Timeline) -> bool {
    let pull = match t.reload.as_ref().map(|reload| reload.goal) {
        Some(Goal::Around { pull, .. }) => pull,
        _ => None,
    };
    let pulled = pull.is_some() && pull == look.pull;
    pulled || t.fetches().any(|fetch| fetches.is_asked(cx, fetch))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::cx::Rest;
    use crate::core::error::ErrorCode;
    use crate::core::net::Request;
    use crate::core::tx::ConversationDelta;

    fn open(timelines: &mut Timelines, rest: &mut Rest, id: TimelineId) {
        let open = Open {
            conversation: "c".into(),
            start: Start::Latest,
            page_size: Some(10),
            max_items: None,
        };
        timelines.open(&mut rest.cx(), id, open);
    }

    fn drive(timelines: &mut Timelines, rest: &mut Rest, look: &Outlook) {
        assert!(timelines.drive(&mut rest.cx(), look, true).is_empty());
    }

    #[test]
    fn two_lists_of_one_conversation_ask_for_one_page() {
        let mut rest = Rest::new("");
        let mut timelines = Timelines::default();
        open(&mut timelines, &mut rest, 1);
        open(&mut timelines, &mut rest, 2);
        drive(&mut timelines, &mut rest, &Outlook::default());
        let requests = rest.requests();
        assert!(matches!(requests[..], [Request::History { limit: 10, .. }]));
        assert_eq!(timelines.attended().len(), 1);
    }

    #[test]
    fn a_list_that_cannot_ask_says_why_and_asks_once_it_can() {
        let mut rest = Rest::new("");
        let mut timelines = Timelines::default();
        open(&mut timelines, &mut rest, 1);
        let offline = Outlook {
            why_not: Some(Error::new(ErrorCode::Offline, "offline")),
            ..Outlook::default()
        };
        drive(&mut timelines, &mut rest, &offline);
        let held = rest.db.held("c");
        let view = timelines.get(1).unwrap().view(&held);
        assert_eq!(view.status, "ready");
        assert_eq!(view.error.unwrap().code, ErrorCode::Offline);
        assert!(rest.requests().is_empty());
        timelines.wake();
        drive(&mut timelines, &mut rest, &Outlook::default());
        assert_eq!(rest.requests().len(), 1);
        assert!(timelines.get(1).unwrap().view(&held).error.is_none());
    }

    #[test]
    fn a_call_on_a_list_that_is_closed_or_left_is_answered() {
        let mut rest = Rest::new("");
        let mut timelines = Timelines::default();
        let older = (Direction::Older, None);
        timelines.load_page(&mut rest.cx(), 7, 1, older);
        assert!(rest.results()[0].contains("the timeline is closed"));
        open(&mut timelines, &mut rest, 1);
        timelines.load_page(&mut rest.cx(), 8, 1, older);
        timelines.jump(&mut rest.cx(), 9, 1, Start::FirstUnread);
        assert!(rest.results()[0].contains("overtaken by a jump"));
        let mut changes = CommitDelta::default();
        let removed = ConversationDelta {
            removed: true,
            ..ConversationDelta::default()
        };
        changes.conversations.insert("c".into(), removed);
        timelines.on_commit(&mut rest.cx(), &changes);
        assert!(rest.results()[0].contains("has left"));
        timelines.jump(&mut rest.cx(), 10, 1, Start::Latest);
        assert!(rest.results()[0].contains("has left"));
        let t = timelines.close(&mut rest.cx(), 1).unwrap();
        assert_eq!(t.view(&rest.db.held("c")).status, "closed");
    }
}
