//! A change of writer: what was under way goes on with the next one (R15).

use super::Engine;
use crate::core::command::Call;
use crate::core::fault::Fault;
use crate::core::follow::{self, What};
use crate::core::jobs::{Job, Own};
use crate::core::json;
use crate::core::net::Change;
use crate::core::purpose::Purpose;
use crate::core::standing::Phase;
use crate::core::types::Message;
use crate::core::wire;

impl Engine {
    /// This client writes from now on: it does itself what it has asked the writer before for.
    pub(super) fn do_what_was_asked(&mut self) {
        for (ask, what) in self.out.asks.begin_anew(self.now.mono) {
            if Fault::PromotedForgetsItsAsks.on() {
                continue;
            }
            let asked = self.out.requests.remove(ask);
            self.out.asks.end(ask);
            let call = match asked {
                Some(
                    Purpose::Sync { call } | Purpose::Tell { call } | Purpose::Change { call, .. },
                ) => call,
                Some(Purpose::Grant) => {
                    self.reads.want_wishes();
                    continue;
                }
                _ => continue,
            };
            match what {
                What::Sync => self.sync(call),
                What::Tell { telling } => self.tell(call, telling),
                What::Change(change) => self.change_message(call, change),
                What::Update {
                    conversation,
                    message,
                } => match wire::answer::told(&message, &conversation.into()) {
                    Some(message) => self.jobs.push_own(Own::Update {
                        call,
                        message,
                        asked: None,
                    }),
                    None => self.out.resolve(call, &message),
                },
                What::Fetch { .. } | What::Corrupt { .. } | What::Grant | What::Shown { .. } => {}
            }
        }
    }

    /// This client writes no more. What it was to do for its app it stores as wishes, or asks the next writer for.
    /// `tried`: the call whose commit may be applied or not.
    pub(super) fn hand_over(&mut self, tried: Option<Call>) {
        if self.standing.phase != Phase::Ready {
            return;
        }
        let (parts, mut cx) = self.split();
        if !Fault::FencedOwnIsDropped.on() {
            parts.outbox.wish_for_jobs(&mut cx, tried);
        }
        let mut ends = None;
        for job in self.jobs.take(|_| true) {
            match job {
                // The client was ending: it does not wait for the jobs before that any more.
                Job::End { wipe } => ends = Some(wipe),
                Job::Own(Own::Update { call, message, .. }) if call < follow::OTHERS => {
                    self.ask_to_update(call, &message);
                }
                Job::Own(Own::Tell { call, telling }) if call < follow::OTHERS => {
                    self.ask_to_tell(call, telling);
                }
                job => self.on_job_void(job),
            }
        }
        if let Some(wipe) = ends {
            return self.stop(wipe, None);
        }
        if !self.standing.shares() {
            return;
        }
        // Also where it is about to sleep: the asks are made again when it wakes.
        for call in self.sync.take_calls() {
            self.ask_to_sync(call);
        }
        for (call, change) in self.outbox.changes.take() {
            self.ask_to_change(call, change);
        }
    }

    /// `sync()` of a client that follows.
    pub(super) fn ask_to_sync(&mut self, call: Call) {
        if call < follow::OTHERS {
            let (_, mut cx) = self.split();
            cx.ask(What::Sync, Purpose::Sync { call });
        }
    }

    /// An edit or a recall of a client that follows.
    pub(super) fn ask_to_change(&mut self, call: Call, change: Change) {
        if call < follow::OTHERS {
            let conversation = change.conversation().clone();
            let (_, mut cx) = self.split();
            cx.ask(What::Change(change), Purpose::Change { call, conversation });
        }
    }

    /// An edit or a recall that the server has done is stored by the next writer, and shown then (R9).
    fn ask_to_update(&mut self, call: Call, message: &Message) {
        let mut text = String::new();
        json::message(&mut text, message);
        if !self.standing.shares() {
            return self.out.resolve(call, &text);
        }
        let conversation = message.conversation.clone();
        let what = What::Update {
            conversation: conversation.to_string(),
            message: text,
        };
        let (_, mut cx) = self.split();
        cx.ask(what, Purpose::Change { call, conversation });
    }
}
