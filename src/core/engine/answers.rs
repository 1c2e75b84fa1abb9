//! What the backend answers, handed to who asked.

use super::Engine;
use crate::core::cx::silence;
use crate::core::error::Error;
use crate::core::io::Effect;
use crate::core::purpose::Purpose;

impl Engine {
    pub(super) fn on_answer(&mut self, request: u64, result: Result<String, Error>) {
        let Some(asked) = self.out.requests.take_answered(self.now.mono, request) else {
            return;
        };
        match &result {
            Ok(_) => self.on_reached(),
            // A request that only waited at the server was ended. That proves no outage: a pull finds out.
            Err(error)
                if error.is_no_answer() && matches!(&asked, Purpose::Pull(p) if p.is_waiting()) => {
            }
            Err(error) => self.on_unreached(error),
        }
        match asked {
            Purpose::Pull(asked) => self.on_pull_answer(request, &asked, result),
            Purpose::Ack { pushed, count } => {
                self.on_acknowledged(request, (pushed, count), result)
            }
            Purpose::List {
                after,
                epoch,
                limit,
            } => self.on_list_answer((after, epoch, limit), result),
            Purpose::History { fetch } => self.on_history_answer(fetch, result),
            Purpose::Send { name } => self.on_send_answer(name, result),
            Purpose::Change { call, conversation } => {
                self.on_change_answer(call, &conversation, result)
            }
            Purpose::Sync { .. } | Purpose::Tell { .. } | Purpose::Grant => {
                debug_assert!(false, "the client that writes is asked for these");
            }
            Purpose::Mark { conversation, seq } => {
                self.out.answered(result.as_ref().err());
                if result.is_ok() {
                    self.sync
                        .awaited
                        .note_read(self.now.mono, &conversation, seq);
                }
                let (parts, mut cx) = self.split();
                parts
                    .outbox
                    .marks
                    .on_answer(&mut cx, conversation, seq, result);
            }
        }
    }

    /// Gives up requests that nobody has answered in time: a transport of the app's own may have no timeout.
    pub(super) fn time_out(&mut self) {
        for request in self.out.requests.late(self.now.mono) {
            if self.out.asks.contains(request) {
                self.on_no_reply(request);
                continue;
            }
            self.out.effect(Effect::Abort { request });
            let error = silence(&self.config);
            self.on_answer(request, Err(error));
        }
        let (parts, mut cx) = self.split();
        parts.outbox.doubt_wishes(&mut cx);
    }

    /// Why no request may be sent now.
    pub(super) fn why_not(&self) -> Option<Error> {
        match self.follow.leader() {
            Some(stands) if self.standing.follows() => stands.why_not.clone(),
            _ if self.standing.follows() => None,
            _ => self.standing.why_not(self.known_offline()),
        }
    }
}
