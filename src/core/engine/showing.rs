//! What the app is shown: the parts are asked, and a frame is made of what changed.

use super::Engine;
use crate::core::fault::Fault;
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

    pub(super) fn status(&self) -> Status<'_> {
        let (sync, listed) = (&self.sync, self.db.meta().listed);
        let storage = &self.config.storage;
        let led = self.follow.leader();
        // While the work moves, what the writer before has said stays for a moment.
        let moving = self.is_moving() && !sync.is_caught_up();
        // The same while a client that is to write reads the database first.
        let follows = self.standing.follows() || self.standing.begins();
        if let Some(led) = led.filter(|_| follows || moving) {
            return Status {
                connection: &led.connection,
                listed,
                caught_up: led.caught_up && !self.db.owes() && !self.follow.lacks(self.db.stamp()),
                // A pull of its own it shows at once.
                pulling: match moving {
                    true => sync.is_pulling(),
                    false => led.pulling,
                },
                last_synced: led.last_synced,
                applied: led.applied.filter(|_| !moving),
                storage,
                writer: self.writer(),
                error: led.error.as_ref().or(self.fence.failure()),
            };
        }
        Status {
            connection: self.connection(),
            listed,
            caught_up: sync.is_caught_up() && !self.db.meta().owed && !self.undecided(),
            pulling: sync.is_pulling(),
            last_synced: sync.last_synced().max(self.follow.last_synced()),
            applied: sync.applied().filter(|_| !sync.is_caught_up()),
            storage,
            writer: self.writer(),
            error: sync.error().or(self.fence.failure()),
        }
    }

    fn connection(&self) -> &'static str {
        if self.standing.phase == Phase::Closed {
            "closed"
        } else if self.standing.follows() || self.standing.begins() {
            // No writer has said yet where it stands.
            "connecting"
        } else if !self.standing.promoted {
            "waiting"
        } else if self.standing.needs_auth {
            "needs-auth"
        } else if self.sync.is_refused() {
            // The server answers, and refuses each pull: `error` says why.
            "connecting"
        } else {
            self.standing.network.name()
        }
    }

    /// Who asks the network and writes, as the app knows it.
    fn writer(&self) -> Option<&'static str> {
        if self.standing.promoted {
            Some("here")
        } else if self.follow.is_led() || !self.standing.shares() {
            Some("elsewhere")
        } else {
            None
        }
    }

    /// Whether everything is here that the server had when it was last asked, by whichever client asks. While the work
    /// moves, the new writer goes by what the one before has said: what comes then is live, and no catching up.
    pub(super) fn is_caught_up(&self) -> bool {
        let moving = self.is_moving() && !Fault::MoveIsNotLive.on();
        match self.follow.leader() {
            Some(led) if self.standing.follows() || moving && !self.sync.is_caught_up() => {
                led.caught_up && !self.follow.lacks(self.db.stamp())
            }
            _ => self.sync.is_caught_up(),
        }
    }
}
