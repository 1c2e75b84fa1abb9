//! As the writer: what those that follow are told, and what they ask for (R15).

use super::Engine;
use super::follow::VOID;
use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::follow::{self, Asker, Signal, Stands, What};
use crate::core::jobs::{Job, Own};
use crate::core::map::Map;
use crate::core::net::Place;
use crate::core::purpose::Wants;
use crate::core::records::Name;
use crate::core::storage::Write;
use crate::core::timeline::Ended;
use crate::core::tx::Commit;
use crate::core::types::Seq;
use crate::core::wire;
use std::rc::Rc;

impl Engine {
    /// The bytes of a commit for those that follow; none where nobody does.
    pub(super) fn delta_of(&self, commit: &Commit, writes: &[Write]) -> Option<Vec<u8>> {
        let heard = self.standing.shares() && self.follow.audience.is_there(self.now.mono);
        heard.then(|| follow::delta(commit, self.db.stamp(), writes))
    }

    pub(super) fn on_ask(&mut self, asker: Asker, what: What) {
        use follow::Asked::{Answered, Begun, Waits};
        match self.follow.audience.on_ask(asker, what) {
            Waits => {}
            Begun => self.tell_begun(asker),
            Answered(result) => self.tell_reply(asker, result),
        }
    }

    fn tell_begun(&mut self, (to, ask): Asker) {
        self.out.tell(&Signal::Begun { to, ask });
    }

    fn tell_reply(&mut self, (to, ask): Asker, result: Result<String, Error>) {
        let stands = Box::new(self.follow.says(self.now.mono, self.stands()));
        self.out.tell(&Signal::Reply {
            to,
            ask,
            stands,
            result,
        });
    }

    pub(super) fn reply(&mut self, asker: Asker, result: Result<String, Error>) {
        let most = self.config.limits.answers;
        self.follow.audience.keep(asker, result.clone(), most);
        self.tell_reply(asker, result);
    }

    /// What others ask for is begun, as soon as this client may ask the backend.
    pub(super) fn serve(&mut self) -> bool {
        let why_not = self.why_not();
        let may = self.standing.may_request() || why_not.is_some();
        if !may || !self.follow.audience.waits() {
            return false;
        }
        while let Some((asker, what)) = self.follow.audience.next() {
            self.tell_begun(asker);
            match what {
                What::Sync => {
                    let call = self.follow.audience.call(asker);
                    self.sync(call);
                }
                What::Change(change) => {
                    let call = self.follow.audience.call(asker);
                    self.change_message(call, change);
                }
                What::Update {
                    conversation,
                    message,
                } => match wire::answer::told(&message, &conversation.into()) {
                    Some(message) => {
                        let call = self.follow.audience.call(asker);
                        self.jobs.push_own(Own::Update {
                            call,
                            message,
                            asked: None,
                        });
                    }
                    None => self.reply(asker, Ok(message)),
                },
                What::Fetch { .. } if let Some(error) = &why_not => {
                    self.reply(asker, Err(error.clone()));
                }
                What::Fetch {
                    conversation,
                    wants,
                    limit,
                } => self.fetch_for(asker, &conversation, wants, limit),
                What::Corrupt {
                    mut blocks,
                    indexes,
                    states,
                    meta,
                } => {
                    blocks.retain(|(id, lo)| self.db.held(id).block(*lo).is_some());
                    let call = Some(self.follow.audience.call(asker));
                    self.jobs.push(Job::Corrupt {
                        blocks,
                        indexes,
                        states,
                        meta,
                        call,
                    });
                }
                What::Grant => {
                    self.reads.want_wishes();
                    self.reply(asker, Ok(String::new()));
                }
                What::Tell { telling } => {
                    let call = self.follow.audience.call(asker);
                    self.tell(call, telling);
                }
                What::Shown { news } => {
                    self.jobs.push_own(Own::Shown { news });
                    self.reply(asker, Ok(String::new()));
                }
            }
        }
        true
    }

    fn fetch_for(&mut self, asker: Asker, conversation: &Rc<str>, wants: Wants, limit: u32) {
        // The page must not be evicted before that client has said from which position on it needs it (R13).
        let now = self.now.mono;
        self.follow
            .audience
            .needs_all_of(now, asker.0, conversation);
        if self.is_stored(conversation, &wants) {
            return self.reply(asker, Ok(String::new()));
        }
        let (parts, mut cx) = self.split();
        let fetches = parts.timelines.fetches_mut();
        let fetch = fetches.ask(&mut cx, conversation, wants, limit as usize);
        self.follow.audience.fetch(fetch, asker);
    }

    /// Whether what lies beyond this place is stored. A client that is behind may ask for what another one has had
    /// fetched meanwhile: no request is made twice because there are more clients.
    fn is_stored(&self, conversation: &str, wants: &Wants) -> bool {
        let held = self.db.held(conversation);
        let fresh = |seq: Seq| held.segments.containing(seq.0).filter(|s| s.fresh());
        match *wants {
            Wants::Page(Place::Before(seq)) => fresh(seq).is_some_and(|s| s.lo < seq.0),
            Wants::Page(Place::After(seq)) => fresh(seq).is_some_and(|s| s.hi > seq.0 || s.live),
            _ => false,
        }
    }

    /// Pages that others have asked for are committed, or could not be had.
    pub(super) fn answer_fetches(&mut self, ended: Vec<Ended>) {
        for (fetch, outcome, void) in ended {
            for asker in self.follow.audience.on_fetch_done(fetch) {
                let result = match &outcome {
                    Err(error) => Err(error.clone()),
                    Ok(_) if void => Ok(VOID.to_owned()),
                    Ok(None) => Ok(String::new()),
                    Ok(Some(found)) => Ok(found.map_or("null".to_owned(), |seq| seq.to_string())),
                };
                self.reply(asker, result);
            }
        }
    }

    /// Where this client stands, told where that has changed and somebody follows, and now and then in any case.
    pub(super) fn tell_where_it_stands(&mut self) {
        let now = self.now.mono;
        if !self.follow.audience.is_there(now) && !self.follow.beats(now) {
            return;
        }
        let stands = self.stands();
        if let Some(stands) = self.follow.tells(now, stands) {
            self.out.tell(&Signal::Stands(stands));
        }
    }

    pub(super) fn stands(&self) -> Stands {
        let status = self.status();
        let needs = self.follow.audience.needs(self.now.mono);
        let behind = needs.filter(|(id, _)| self.sync.is_behind(id));
        Stands {
            stamp: self.db.stamp(),
            epoch: self.fence.epoch(),
            number: 0,
            connection: status.connection.to_owned(),
            caught_up: status.caught_up,
            pulling: status.pulling,
            last_synced: status.last_synced,
            applied: status.applied,
            error: status.error.cloned(),
            why_not: self.why_not(),
            list_comes: self.list_comes(),
            pull: self.sync.under_way(),
            behind: behind.map(|(id, _)| id.clone()).collect(),
            sending: self.sending(),
        }
    }

    fn sending(&self) -> Vec<Name> {
        let outbox = self.db.outbox().values();
        let sending = outbox.filter(|l| self.outbox.lanes.is_sending(l));
        sending.map(|l| l.name()).collect()
    }

    /// What each client needs, this one's lists and those of all that follow (R13).
    pub(super) fn needed_from(&self) -> Map<Rc<str>, u64> {
        let mut needed = self.timelines.needed_from(&self.db);
        if Fault::NeedsOfOthersAreIgnored.on() {
            return needed;
        }
        for (id, lo) in self.follow.audience.needs(self.now.mono) {
            let at = needed.or_insert_with(id.clone(), || lo);
            *at = lo.min(*at);
        }
        needed
    }
}
