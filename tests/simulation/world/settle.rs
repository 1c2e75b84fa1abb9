//! What becomes of the calls of an app.

use pullcord::core::net::Request;
use pullcord::core::records::Wish;
use pullcord::core::storage::StoreError;
use serde_json::Value;

use super::{Event, World};
use crate::simulation::check::{self, Checked};
use crate::simulation::device::Call;
use crate::simulation::facade::{Failure, Start};
use crate::simulation::mode::Scope;

/// The codes that any call may be rejected with.
const KNOWN: [&str; 12] = [
    "network",
    "timeout",
    "offline",
    "unauthorized",
    "forbidden",
    "not-found",
    "rejected",
    "protocol",
    "storage",
    "quota",
    "aborted",
    "closed",
];

/// What the app can do wrong is rejected as "invalid", all else with a code that says what went wrong.
fn is_expected(call: &Call, error: &Failure) -> bool {
    let may_be_invalid = matches!(
        call,
        Call::Change { .. } | Call::MarkRead { .. } | Call::Retry
    );
    KNOWN.contains(&error.code.as_str()) || may_be_invalid && error.code == "invalid"
}

impl World {
    /// A call of the app has its result; the snapshots already show its effect.
    pub(super) fn settle(
        &mut self,
        device: usize,
        call: u64,
        result: Result<Value, Failure>,
    ) -> Checked {
        let target = &mut self.devices[device];
        target.called.remove(&call);
        let Some(call) = target.calls.remove(&call) else {
            return Err(format!("a result for call {call}, which waits for none"));
        };
        if let Err(error) = &result
            && !is_expected(&call, error)
        {
            return Err(format!("{call:?} is rejected with {error:?}"));
        }
        // What was called on a database that is gone is done on the one in its place.
        if let Err(error) = &result
            && error.message == StoreError::Lost.shown().message
        {
            return Err(format!("R15: {call:?} is rejected: {}", error.message));
        }
        match (call, result) {
            (
                Call::Load {
                    timeline,
                    limit,
                    alone: true,
                    direction,
                },
                Ok(value),
            ) => self.loaded(device, timeline, limit, direction, &value),
            (
                Call::Jump {
                    timeline,
                    to,
                    count,
                    read,
                },
                Ok(_),
            ) => self.jumped(device, timeline, to, count, read),
            (Call::Send { client_id }, Ok(value)) => self.sent(device, &client_id, &value),
            (Call::Discard { client_id }, result) => self.discarded(device, &client_id, result),
            (
                Call::Change {
                    conversation,
                    message,
                },
                Ok(value),
            ) => self.changed(device, &conversation, &message, &value),
            (
                Call::MarkRead {
                    conversation,
                    seq: Some(seq),
                },
                Ok(_),
            ) => {
                let marks = &mut self.machine_mut(device).marks;
                let mark = marks.entry(conversation).or_default();
                *mark = seq.max(*mark);
                Ok(())
            }
            // What another client says that it has done, it has done a while ago.
            (Call::Sync, Ok(_))
                if self.devices[device].knows && !self.devices[device].facade.caught_up() =>
            {
                Err("sync() resolved, not caught up".to_owned())
            }
            (Call::Tell { due }, Ok(value)) => {
                self.has_told(device, &due, &value)?;
                let target = &self.devices[device];
                if target.brief {
                    // It has opened for this alone.
                    let life = target.life;
                    self.schedule(0, device, Event::Close { life });
                }
                Ok(())
            }
            (Call::Tell { .. }, Err(_)) => {
                self.loses_a_telling(device);
                Ok(())
            }
            (Call::Inspect { conversation }, Ok(value)) => {
                self.inspected(device, conversation.as_deref(), &value)
            }
            _ => Ok(()),
        }
    }

    fn loaded(
        &self,
        device: usize,
        timeline: u64,
        limit: u64,
        direction: &str,
        value: &Value,
    ) -> Checked {
        let (added, end) = (value["added"].as_u64(), value["end"].as_bool());
        let (Some(added), Some(end)) = (added, end) else {
            return Err(format!("no LoadResult: {value}"));
        };
        let view = self.devices[device].facade.timelines.get(&timeline);
        let failed = view.is_none_or(|view| view.released || view.error.is_some());
        if added < limit && !end && !failed {
            return Err(format!(
                "loading {direction} gave {added} of {limit} and no end"
            ));
        }
        Ok(())
    }

    fn jumped(
        &self,
        device: usize,
        timeline: u64,
        to: Start,
        count: u64,
        mut read: Vec<Option<Option<u64>>>,
    ) -> Checked {
        let target = &self.devices[device];
        let Some(view) = target.facade.timelines.get(&timeline) else {
            return Ok(());
        };
        if view.anchor.count <= count && view.status == "ready" && !view.released {
            return Err(format!("timeline {timeline} jumped, and was not replaced"));
        }
        // What was read is what some state of that time says, or the user's own mark.
        let states = &self.server.conversations[&view.conversation].states;
        let since = target.store.states_at.get(&view.conversation).unwrap_or(&0);
        let from = states.iter().rposition(|(at, _)| at <= since);
        let states = &states[from.unwrap_or(0)..];
        read.extend(states.iter().map(|(_, state)| {
            let unread = Some(state).filter(|state| state.unread > 0);
            unread.map(|state| state.read_seq)
        }));
        let marked = self.machine(device).marks.get(&view.conversation);
        read.extend(marked.map(|mark| Some(Some(*mark))));
        check::anchor(view, to, &read, target, &self.server)
    }

    fn sent(&mut self, device: usize, client_id: &str, value: &Value) -> Checked {
        let life = self.devices[device].life;
        let machine = self.machine_mut(device);
        let own = machine.accept(client_id).expect("the send was noted");
        let key = value["key"]
            .as_str()
            .ok_or("send() without a key")?
            .to_owned();
        if own.life == life && own.key.as_ref().is_some_and(|old| *old != key) {
            return Err(format!("{client_id} has key {key}, and had {:?}", own.key));
        }
        own.key = Some(key);
        Ok(())
    }

    fn discarded(
        &mut self,
        device: usize,
        client_id: &str,
        result: Result<Value, Failure>,
    ) -> Checked {
        if matches!(result, Ok(Value::Bool(true))) {
            self.is_not_being_sent(device, client_id)?;
        }
        let Some(own) = self.machine_mut(device).own.get_mut(client_id) else {
            return Ok(());
        };
        own.discards -= 1;
        match result {
            Ok(Value::Bool(true)) => own.gone = true,
            // It may have been done all the same.
            Err(error) if error.uncertain => own.gone_perhaps = true,
            _ => own.discarded = own.gone || own.gone_perhaps || own.discards > 0,
        }
        Ok(())
    }

    /// What was discarded is not on its way any more.
    fn is_not_being_sent(&self, device: usize, client_id: &str) -> Checked {
        let sending = self.devices[device].requests.values().any(|p| {
            !p.aborted && matches!(&p.call, Request::Send { client_id: id, .. } if id == client_id)
        });
        // One that failed because the account has left may still be on its way.
        let own = self.machine(device).own.get(client_id);
        let left = own.is_some_and(|own| {
            let conversation = &self.server.conversations[&own.conversation];
            conversation.membership.len() > 1
        });
        // Stored as a wish, it is as good as done: whoever writes lets go of it when it takes that up.
        let wishes = self.machine(device).disk.wishes()?;
        let wished = wishes
            .iter()
            .any(|wish| matches!(wish, Wish::Discard(named) if named.client_id == client_id));
        if sending && !left && !wished {
            return Err(format!(
                "{client_id} was discarded while a request for it is under way"
            ));
        }
        Ok(())
    }

    fn changed(&self, device: usize, conversation: &str, message: &str, value: &Value) -> Checked {
        let version = value["version"]
            .as_u64()
            .ok_or("a change without a message")?;
        // One that waits for the others to go again shows what it has, until it is its turn.
        if self.devices[device].waits && !self.devices[device].promoted {
            return Ok(());
        }
        let views = self.devices[device].facade.timelines.values();
        for view in
            views.filter(|v| v.conversation == conversation && !v.released && v.status == "ready")
        {
            let shown = view.messages().find(|(_, m, _)| m.id == message);
            if shown.is_some_and(|(_, m, _)| m.version < version) {
                return Err(format!(
                    "{message} was changed to version {version}, which the list does not show"
                ));
            }
        }
        Ok(())
    }

    fn inspected(&self, device: usize, conversation: Option<&str>, value: &Value) -> Checked {
        let target = &self.devices[device];
        let conversation = conversation.and_then(|id| self.server.conversations.get(id));
        let position = match (self.mode.scope, conversation) {
            (Scope::Account, _) | (_, None) => 0,
            (_, Some(conversation)) => target.positions(&self.server).of(&conversation.id),
        };
        let trusted = |position| match conversation {
            Some(conversation) => target.store.trusted(&conversation.id, position),
            None => position,
        };
        check::inspection(value, conversation, position, self.mode.jumps, trusted)
    }
}
