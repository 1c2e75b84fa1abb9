//! What a push tells (docs/rules.md, "Told once"): new messages of others that no client on screen has shown.

use super::Engine;
use crate::core::command::Call;
use crate::core::fault::Fault;
use crate::core::follow::What;
use crate::core::jobs::{Job, Own};
use crate::core::json;
use crate::core::purpose::Purpose;
use crate::core::standing::Phase;
use crate::core::types::Message;
use std::rc::Rc;

impl Engine {
    /// A name for a telling. None that has told something has the same: that was a commit, and the commit's number is
    /// in the name.
    pub(super) fn new_telling(&mut self) -> u64 {
        let random = self.out.random(u64::MAX);
        (random ^ self.db.stamp().number).max(1)
    }

    /// Tells what is new, under this name.
    pub(super) fn tell(&mut self, call: Call, telling: u64) {
        match self.standing.follows() {
            true => self.ask_to_tell(call, telling),
            false => self.jobs.push_own(Own::Tell { call, telling }),
        }
    }

    /// The same, of a client that follows.
    pub(super) fn ask_to_tell(&mut self, call: Call, telling: u64) {
        let (_, mut cx) = self.split();
        cx.ask(What::Tell { telling }, Purpose::Tell { call });
    }

    /// That these are told is stored. Now they are told, once at most.
    pub(super) fn on_told(&mut self, call: Call, messages: &[Rc<Message>]) {
        let mut text = String::from("[");
        for m in messages {
            json::next(&mut text);
            json::message(&mut text, m);
        }
        text.push(']');
        self.out.resolve(call, &text);
    }

    /// Nobody waits for this telling any more: another one tells what it would have told. Answers whether the call
    /// was a telling that had not begun.
    pub(super) fn drop_telling(&mut self, of: Call) -> bool {
        let is_it = |job: &Job| matches!(job, Job::Own(Own::Tell { call, .. }) if *call == of);
        let before = self.jobs.iter().filter(|job| is_it(job)).count();
        // One that is being committed stays, and is answered.
        self.jobs.retain(|job| !is_it(job));
        before > self.jobs.iter().filter(|job| is_it(job)).count()
    }

    /// Whether somebody looks at what this client shows.
    pub(super) fn is_on_screen(&self) -> bool {
        let standing = &self.standing;
        standing.hidden_since.is_none() && !standing.frozen && !self.config.brief
    }

    /// Says of the account's news that they are on screen here, so that no push tells them. Once for each commit: a
    /// disk that fails is not asked in a loop.
    pub(super) fn say_what_is_shown(&mut self) {
        let is_new = self.db.news().iter().any(|n| n.told == 0);
        let ready = self.standing.phase == Phase::Ready && self.is_on_screen();
        if !is_new || !ready || Fault::ShownIsNews.on() {
            return;
        }
        let stamp = self.db.stamp();
        let may = self.standing.promoted || self.standing.follows();
        if !may || !self.follow.says_shown(stamp) {
            return;
        }
        let news = self.db.news().iter().filter(|n| n.told == 0);
        let news = news.map(|n| (n.conversation.clone(), n.seq)).collect();
        if self.standing.promoted {
            return self.jobs.push_own(Own::Shown { news });
        }
        let (_, mut cx) = self.split();
        cx.ask(What::Shown { news }, Purpose::Grant);
    }
}
