//! Own messages (R8): what becomes of each, until the sync has brought it.

use super::{Result, Stop, Tx};
use crate::core::fault::Fault;
use crate::core::map::Map;
use crate::core::net::{Error, ErrorCode};
use crate::core::records::{Left, Local, LocalState, Name};
use crate::core::types::Message;
use std::rc::Rc;

impl Tx<'_> {
    /// The own messages as this transaction leaves them, in the order written.
    pub(super) fn locals(&self) -> Vec<Rc<Local>> {
        self.as_left(self.db.outbox().values(), |_| true)
    }

    /// The own messages of one conversation, as this transaction leaves them.
    pub(in crate::core) fn locals_of(&self, conversation: &str) -> Vec<Rc<Local>> {
        let here = |local: &Local| *local.conversation == *conversation;
        self.as_left(self.db.own(conversation), here)
    }

    /// Of `stored` and of what this transaction has changed.
    fn as_left<'l>(
        &self,
        stored: impl Iterator<Item = &'l Rc<Local>>,
        which: impl Fn(&Local) -> bool,
    ) -> Vec<Rc<Local>> {
        let mut locals = Map::new();
        let unchanged = |local: &&Rc<Local>| !self.commit.outbox.contains_key(&local.order);
        for local in stored.filter(unchanged) {
            locals.insert(local.order, local.clone());
        }
        for local in self.commit.outbox.values().flatten().filter(|l| which(l)) {
            locals.insert(local.order, local.clone());
        }
        locals.into_values().collect()
    }

    /// The own message of this name, as this transaction leaves it.
    pub fn local(&self, name: &Name) -> Option<Rc<Local>> {
        let changed = &self.commit.outbox;
        let unchanged = |local: &&Rc<Local>| !changed.contains_key(&local.order);
        let stored = self.db.own_named(name).filter(unchanged);
        stored
            .or_else(|| changed.values().flatten().find(|local| local.is(name)))
            .cloned()
    }

    /// The own messages of this name: one a conversation.
    pub fn find_locals(&self, conversation: Option<&str>, client_id: &str) -> Vec<Rc<Local>> {
        let locals = match conversation {
            Some(id) => self.locals_of(id),
            None => self.locals(),
        };
        let named = |local: &Rc<Local>| local.client_id == client_id;
        locals.into_iter().filter(named).collect()
    }

    /// Whether there is, or was, an own message of this name.
    pub fn is_own(&self, name: &Name) -> bool {
        let leaves = self.commit.left.iter().any(|left| left.name == *name);
        leaves || self.db.left_names().contains_key(name) || self.local(name).is_some()
    }

    /// Stores an own message.
    pub fn put_local(&mut self, local: Local) {
        self.commit.changes.outbox = true;
        self.change(&local.conversation);
        self.commit.outbox.insert(local.order, Some(Rc::new(local)));
    }

    /// Stores a new own message: behind all others.
    pub fn append_local(&mut self, local: Local) {
        let next = self.commit.next_order.unwrap_or(self.db.next_order());
        self.commit.next_order = Some(next.saturating_add(1));
        self.put_local(Local {
            order: next,
            ..local
        });
    }

    /// Takes an own message out, and remembers its name.
    pub fn drop_local(&mut self, local: &Local, delivered: bool) {
        self.commit.changes.outbox = true;
        self.change(&local.conversation);
        self.commit.outbox.insert(local.order, None);
        if delivered && local.state == LocalState::Queued {
            self.overtake(local);
        }
        let name = local.name();
        if !Fault::LeftIsForgotten.on() {
            self.commit.left.push(Left { name, delivered });
        }
    }

    /// The database is new: what is this client's own is written again.
    pub fn restore(
        &mut self,
        left: &[Left],
        next_order: u64,
        locals: &[Rc<Local>],
        marks: &[(Rc<str>, u64)],
    ) {
        self.commit.left.extend(left.iter().cloned());
        self.commit.next_order = Some(next_order);
        for local in locals {
            self.put_local(local.over_a_lost_database());
        }
        for (conversation, seq) in marks {
            self.put_mark(conversation, *seq);
        }
        self.commit.meta_anew = true;
    }

    /// The server has taken an own message (R8): it is "sent" until the sync brings it, or gone if
    /// the sync has done so before.
    pub fn sent(&mut self, name: &Name, m: Option<&Rc<Message>>) -> Result<()> {
        let Some(local) = self.local(name) else {
            return Ok(());
        };
        if local.state != LocalState::Sent {
            self.overtake(&local);
        }
        let Some(m) = m else {
            // What the server said of it cannot be read: the sync brings it, if it has not passed it.
            match local.is_lost() {
                true => self.unheard(&local, 1),
                false => self.put_local(Local {
                    state: LocalState::Sent,
                    faults: 0,
                    error: None,
                    ..Local::clone(&local)
                }),
            }
            return Ok(());
        };
        if Fault::LocalGoesWhenSent.on() {
            self.drop_local(&local, true);
            return Ok(());
        }
        let in_segment = self
            .held(&m.conversation)
            .segments
            .containing(m.seq.0)
            .is_some();
        if in_segment
            && self
                .message_at(&m.conversation, m.seq.0)?
                .is_some_and(|held| held.id == m.id)
        {
            self.commit.changes.synced.push((local.key(), m.clone()));
            self.drop_local(&local, true);
            self.newer_elsewhere(m);
            return Ok(());
        }
        self.put_local(Local {
            state: LocalState::Sent,
            lost: false,
            message: Some(m.clone()),
            error: None,
            ..Local::clone(&local)
        });
        self.drop_trimmed(&m.conversation);
        Ok(())
    }

    /// An own message is about to be tried. `Void`: it does not wait any more.
    pub fn attempt(&mut self, name: &Name) -> Result<()> {
        let local = self.local(name).filter(|l| l.waits());
        let local = local.ok_or(Stop::Void)?;
        if local.is_lost() {
            return Ok(());
        }
        self.put_local(Local {
            attempts: local.attempts.saturating_add(1),
            ..Local::clone(&local)
        });
        Ok(())
    }

    /// The server refuses an own message for good.
    pub fn failed(&mut self, name: &Name, error: &Error) {
        match self.local(name) {
            Some(local) if local.state == LocalState::Queued => self.put_local(Local {
                state: LocalState::Failed,
                error: Some(error.clone()),
                ..Local::clone(&local)
            }),
            // The server has it, and will say no more of it: if it is anywhere, it is in the history.
            Some(local) if local.is_lost() => self.drop_sent_local(&local),
            _ => {}
        }
    }

    /// The sync may have passed own messages of this conversation (`None`: of any) that the server has
    /// taken and said nothing of that could be read, or may have taken: an overflow, or a trim.
    pub(in crate::core) fn lose_sight(&mut self, conversation: Option<&str>) {
        let unread = |l: &&Rc<Local>| l.may_be_passed() && !l.lost;
        let here = |l: &&Rc<Local>| conversation.is_none_or(|id| *l.conversation == *id);
        if !self.db.outbox().values().any(|l| unread(&l)) {
            return;
        }
        let own = self.locals();
        for local in own.iter().filter(unread).filter(here) {
            self.put_local(Local {
                lost: true,
                ..Local::clone(local)
            });
        }
    }

    /// A try of an own message has led to nothing: it is tried again, unless the server fails over it
    /// and takes others.
    pub fn put_off(&mut self, name: &Name, error: &Error) {
        let Some(local) = self.local(name).filter(|l| l.waits()) else {
            return;
        };
        let fault = error.blames_the_message();
        let faults = local.faults.saturating_add(u32::from(fault));
        let given_up = fault && faults >= self.limits.send_faults && local.overtaken;
        let silent = error.code == ErrorCode::Timeout && error.status.is_none();
        if local.is_lost() {
            return self.unheard(&local, u32::from(fault));
        }
        self.put_local(Local {
            state: match given_up {
                true => LocalState::Failed,
                false => LocalState::Queued,
            },
            silences: local.silences.saturating_add(u32::from(silent)),
            faults,
            error: Some(error.clone()),
            ..Local::clone(&local)
        });
    }

    /// The server did not say what became of a lost one; often enough: it is left to history.
    fn unheard(&mut self, local: &Local, more: u32) {
        let faults = local.faults.saturating_add(more);
        match faults < self.limits.send_faults {
            true => self.put_local(Local {
                faults,
                ..Local::clone(local)
            }),
            false => self.drop_sent_local(local),
        }
    }

    /// The server has taken `taken`. Whatever it failed over before is then at fault itself: it is marked as
    /// overtaken.
    fn overtake(&mut self, taken: &Local) {
        let failing = |l: &&Rc<Local>| {
            l.state == LocalState::Queued && l.faults > 0 && l.order != taken.order
        };
        if !self.db.outbox().values().any(|l| failing(&l)) {
            return;
        }
        // As this transaction leaves them: one that it has taken out is not put back.
        let locals = self.locals();
        for local in locals.iter().filter(failing) {
            let waits = local.conversation == taken.conversation && local.order < taken.order;
            let state = match waits && local.faults >= self.limits.send_faults {
                true => LocalState::Failed,
                false => LocalState::Queued,
            };
            self.put_local(Local {
                state,
                overtaken: true,
                ..Local::clone(local)
            });
        }
    }

    /// A failed one is tried again: it keeps its place among those that wait.
    pub fn again(&mut self, local: &Local) {
        self.put_local(Local {
            state: LocalState::Queued,
            faults: 0,
            overtaken: false,
            error: None,
            ..Local::clone(local)
        });
    }

    /// What was sent and stands before the first message that there is: a trim has passed it, and no
    /// event will bring it.
    pub(super) fn drop_trimmed(&mut self, id: &Rc<str>) {
        for local in self.locals_of(id) {
            let Some(m) = local.message.as_ref() else {
                continue;
            };
            let held = self.held(id);
            let start = held.segments.containing(m.seq.0).is_some_and(|s| s.start);
            let first = held.blocks.first().map(|b| b.lo);
            if start && first.is_none_or(|first| m.seq.0 < first) {
                self.drop_sent_local(&local);
            }
        }
    }

    /// What was sent is gone with what was before it, or with its conversation. If an older batch, or
    /// the conversation's return, brings it all the same, it is known by its key.
    pub(in crate::core) fn drop_sent_local(&mut self, local: &Local) {
        let sent = local.message.as_ref().map(|m| (local.key(), m.clone()));
        self.commit.changes.synced.extend(sent);
        self.drop_local(local, true);
    }
}
