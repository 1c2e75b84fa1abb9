//! Events inline, without a pull: applied where nothing is missing before them.

use super::Syncing;
use super::conversation_limit::too_many_conversations;
use super::scope;
use crate::core::cx::Cx;
use crate::core::events::Event;
use crate::core::jobs::Job;
use crate::core::wire;
use crate::core::wire::batch::{FeedBatch, Push};

impl Syncing {
    /// Applied where nothing is missing before its events; else it counts as a notification, and is pulled.
    pub(super) fn on_push(&mut self, cx: &mut Cx, text: &str) {
        match wire::batch::push(text) {
            // Where something had to be left out it counts as a notification: the pull tells.
            Ok(push) if push.batch.lacks() => self.on_push_missed(cx),
            Ok(push) if self.check_account(cx, push.batch.account.as_ref()).is_err() => {}
            Ok(push) if self.is_usable(cx, &push) && !is_crowding(cx, &push) => take(cx, push),
            Ok(_) => self.on_push_missed(cx),
            Err(error) => {
                let message = format!("a push that cannot be read: {error}");
                cx.out.log("debug", &message);
                self.on_push_missed(cx);
            }
        }
    }

    /// What was pushed is pulled instead. Pushes that wait behind it, or come before the pull has ended, do not follow
    /// what is applied: they are dropped.
    pub fn on_push_missed(&mut self, cx: &mut Cx) {
        cx.jobs.drop_pushes();
        self.channel.on_break();
        self.pull.on_break();
        self.pull.on_hint(cx, 0, Vec::new());
    }

    fn is_usable(&self, cx: &mut Cx, push: &Push) -> bool {
        if self.pull.is_running() || !cx.standing.may_request() {
            return false;
        }
        let unbroken = self.channel.is_unbroken();
        scope::follows(cx.config.scope, push, cx.db, cx.jobs, unbroken)
    }
}

fn is_crowding(cx: &Cx, push: &Push) -> bool {
    let events = push.batch.events.iter();
    let ids = events.filter_map(|e| e.event().map(Event::conversation));
    too_many_conversations(cx, ids).is_some()
}

/// It is to be committed. One that waits for its turn takes the next ones in, so a burst is few commits.
fn take(cx: &mut Cx, push: Push) {
    let Push { prev, batch } = push;
    let merged = cx.config.limits.merged;
    if let Some(last) = cx.jobs.waiting_push()
        && last.batch.events.len() + batch.events.len() <= merged
    {
        last.batch.events.extend(batch.events);
        last.batch.irregular.append(&batch.irregular);
        last.batch.cursor = batch.cursor;
        return;
    }
    let part = FeedBatch {
        feed: cx.config.scope.pushed_feed(),
        asked: prev,
        batch,
    };
    cx.jobs.push(Job::Batch {
        parts: vec![part],
        pushed: true,
    });
}
