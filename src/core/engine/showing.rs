//! What the app is shown: the parts are asked, and a frame is made of what changed.

use super::Engine;
use crate::core::io::Effect;
use crate::core::snapshot::{Status, locals};
use crate::core::standing::Phase;

impl Engine {
    /// Hands over what changed.
    pub(super) fn flush(&mut self) {
        if self.standing.phase == Phase::Loading {
            return;
        }
        if std::mem::take(&mut self.out.told.all_own) {
            self.timelines.touch_all();
        }
        for conversation in std::mem::take(&mut self.out.told.own).keys() {
            self.timelines.touch(conversation);
        }
        self.show_timelines();
        let mut frame = String::from("{");
        if std::mem::take(&mut self.out.told.status) {
            let status = self.status().text();
            self.shown.status(&mut frame, status);
        }
        if std::mem::take(&mut self.out.told.conversations) {
            self.shown
                .conversations(&mut frame, self.db.list().values());
        }
        if std::mem::take(&mut self.out.told.outbox) {
            let list = locals(&self.db, &self.outbox, None);
            self.shown.outbox(&mut frame, list);
        }
        if let Some(frame) = self.shown.end(frame, &mut self.out.told) {
            self.out.effect(Effect::Frame(frame));
        }
    }

    fn status(&self) -> Status<'_> {
        let sync = &self.sync;
        let connection = if self.standing.phase == Phase::Closed {
            "closed"
        } else if !self.standing.promoted {
            "waiting"
        } else if self.standing.needs_auth {
            "needs-auth"
        } else {
            self.standing.network.name()
        };
        Status {
            connection,
            listed: self.db.meta().listed,
            caught_up: sync.is_caught_up() && !self.db.meta().owed && !self.undecided(),
            pulling: sync.is_pulling(),
            last_synced: sync.last_synced(),
            applied: sync.applied().filter(|_| !sync.is_caught_up()),
            storage: &self.config.storage,
            error: sync.error(),
        }
    }
}
