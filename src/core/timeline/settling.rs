//! What a timeline has asked for is over, or nothing goes on with it any more.

use super::fetches::Fetch;
use super::paging::PageLoad;
use super::state::Timeline;
use super::trouble::is_for_all;
use super::work::Outlook;
use crate::core::command::Call;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::events::Event;
use crate::core::types::Direction;

impl Timeline {
    /// `loadOlder` or `loadNewer`: a load that is under way at this end answers this call as well.
    pub(super) fn load_page(&mut self, cx: &Cx, call: Call, end: Direction, limit: Option<u32>) {
        let limit = limit.map_or(self.sizes.page, |limit| limit as usize);
        if !self.is_waited_for() {
            self.since = cx.now.mono;
        }
        match self.loads.get_mut(end) {
            Some(running) => running.share(call),
            load => {
                let limit = limit.clamp(1, cx.config.limits.items);
                *load = Some(PageLoad::of(limit, vec![call]));
            }
        }
        self.ask(cx.now.mono);
    }

    /// A fetch of its conversation is over: its own, or one that somebody else has asked for.
    pub(super) fn on_fetch_done(
        &mut self,
        cx: &mut Cx,
        fetch: u64,
        done: &Fetch,
        error: Option<&Error>,
    ) {
        if self.fetches().any(|asked| asked == fetch) {
            self.since = cx.now.mono;
        }
        if let Some(reload) = self.reload.as_mut().filter(|r| r.fetch == Some(fetch)) {
            reload.fetch = None;
            self.wake = true;
            if done.is_discarded() || error.is_some() {
                reload.try_again();
            }
            let trimmed = |event: &Event| matches!(event, Event::Trim(_));
            if done.journal().iter().any(trimmed) {
                reload.was_trimmed();
            }
            if let Some(error) = error {
                self.reload_failed(cx, error.clone());
            }
        }
        let background = self.tend.fetch == Some(fetch);
        // A page ahead that could not be had is not asked for again: whoever comes there asks himself.
        for (tend, again) in [(&mut self.tend, error.is_some()), (&mut self.ahead, false)] {
            self.wake |= tend.on_fetch_done(fetch, done.is_discarded() || again);
        }
        if let Some(error) = error.filter(|_| background) {
            self.trouble.put_off(cx, &self.conversation, error);
            self.trouble.refusal_passes();
        }
        for direction in [Direction::Older, Direction::Newer] {
            let load = self.loads.get_mut(direction).as_mut();
            let Some(load) = load.filter(|load| load.fetch() == Some(fetch)) else {
                continue;
            };
            self.wake = true;
            let Some(error) = error else {
                load.came(done.is_discarded());
                continue;
            };
            if is_for_all(error) {
                self.trouble.put_off(cx, &self.conversation, error);
            }
            self.load_failed(cx.out, direction, error.clone());
        }
    }

    /// R14: somebody waits, and nothing goes on: the calls are answered with the reason.
    pub(super) fn settle(&mut self, cx: &mut Cx, look: &Outlook) {
        let silent = match (self.waiting, cx.standing.may_ask()) {
            (true, _) => Error::new(ErrorCode::Storage, "the database does not answer"),
            (_, false) => Error::new(ErrorCode::Offline, "nothing may be asked for now"),
            _ => Error::new(ErrorCode::Timeout, "nothing has come of it"),
        };
        let why = look.why_not.as_ref().or(self.trouble.reason());
        let error = why.filter(|_| !self.waiting).cloned().unwrap_or(silent);
        self.load_failed(cx.out, Direction::Older, error.clone());
        self.load_failed(cx.out, Direction::Newer, error.clone());
        if self.reload.is_some() {
            self.reload_waits(cx.out, error);
        }
        self.wake = true;
    }
}
