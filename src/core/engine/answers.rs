//! What the backend answers, handed to who asked.

use super::Engine;
use crate::core::asked::Asked;
use crate::core::cx::silence;
use crate::core::error::Error;
use crate::core::io::Effect;

impl Engine {
    pub(super) fn on_answer(&mut self, request: u64, result: Result<String, Error>) {
        let Some(asked) = self.out.requests.answered(self.now.mono, request) else {
            return;
        };
        match &result {
            Ok(_) => self.reached(),
            // That what only waited was ended is no outage: a pull finds out.
            Err(error)
                if error.is_no_answer() && matches!(&asked, Asked::Pull(p) if p.is_waiting()) => {}
            Err(error) => self.unreached(error),
        }
        match asked {
            Asked::Pull(asked) => self.pulled(request, &asked, result),
            Asked::Ack { pushed, count } => self.acknowledged(request, (pushed, count), result),
            Asked::List {
                after,
                epoch,
                limit,
            } => self.listed((after, epoch, limit), result),
            Asked::History { fetch } => self.on_history_answer(fetch, result),
            Asked::Send { name } => self.on_send_answer(name, result),
            Asked::Change { call, conversation } => {
                self.on_change_answer(call, &conversation, result)
            }
            Asked::Mark { conversation, seq } => {
                let (parts, mut cx) = self.split();
                parts
                    .outbox
                    .marks
                    .on_answer(&mut cx, conversation, seq, result);
            }
        }
    }

    /// Requests that nobody answers: the app's transport has no timeout of its own.
    pub(super) fn time_out(&mut self) {
        for request in self.out.requests.late(self.now.mono) {
            self.out.effect(Effect::Abort { request });
            let error = silence(&self.config);
            self.on_answer(request, Err(error));
        }
    }

    /// Why no request may be sent now.
    pub(super) fn why_not(&self) -> Option<Error> {
        self.standing.why_not(self.known_offline())
    }
}
