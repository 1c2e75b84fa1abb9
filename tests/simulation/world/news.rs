//! What pushes tell (docs/rules.md, "Told once"): each new message of others at most once, and every one that
//! nobody has shown and that is still there.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};

use super::World;
use crate::simulation::check::Checked;
use crate::simulation::device::{Call, Machine};
use crate::simulation::facade::Message;
use crate::simulation::server::ACCOUNT;
use crate::simulation::stored::Stored;

/// ms after a telling that nobody heard of within which it may still take what comes: it is asked again, and done.
const LOST_TELLING: u64 = 900_000;

/// A message that a push is to tell.
#[derive(Clone)]
struct Due {
    id: String,
    conversation: String,
    seq: u64,
    /// how many came after it, or may have: the newest stay
    behind: usize,
    /// It was seen in the store.
    stored: bool,
    /// It was let go of, and was not there when the push came: what is not held waits for the next.
    let_go: bool,
}

impl Due {
    fn is_stored(&self, stored: &Stored) -> bool {
        let message = stored.message(&self.conversation, self.seq);
        message.is_some_and(|m| m.id == self.id && m.state != "recalled")
    }
}

/// What a machine's clients have told, or are to tell.
#[derive(Default)]
pub struct News {
    /// no client on screen has been there since they were stored
    due: Vec<Due>,
    /// a telling has told them
    told: BTreeSet<String>,
    /// the client that stored them was on screen
    shown: BTreeSet<String>,
    /// places that the list had brought when a client was on screen, before their messages came
    listed: BTreeSet<(Rc<str>, u64)>,
    /// until then a telling whose client is gone may take what is due
    doubtful_until: u64,
}

impl News {
    /// A commit has changed what is stored.
    pub fn on_commit(&mut self, stored: &Stored) {
        for due in &mut self.due {
            let is_stored = due.is_stored(stored);
            due.let_go |= due.stored && !is_stored;
            due.stored |= is_stored;
        }
    }

    fn come_after(&mut self, count: usize) {
        self.due.iter_mut().for_each(|due| due.behind += count);
    }
}

impl World {
    /// A push comes: the account is brought up to date, and what is new is told.
    pub(super) fn sync_once(&mut self, device: usize) -> Checked {
        let call = self.devices[device].new_call(Call::Sync);
        self.command(device, json!({ "op": "sync", "call": call }))?;
        if self.devices[device].engine.is_none() {
            return Ok(());
        }
        let machine = self.machine_mut(device);
        let stored = &machine.disk.stored;
        let due = machine.news.due.iter_mut().map(|due| {
            due.let_go &= !due.is_stored(stored);
            due.id.clone()
        });
        let due = due.collect();
        let call = self.devices[device].new_call(Call::Tell { due });
        self.command(device, json!({ "op": "tell", "call": call }))
    }

    fn is_anybody_on_screen(&self, machine: usize) -> bool {
        let mut here = self.clients_of(machine).into_iter();
        here.any(|n| self.devices[n].engine.is_some() && !self.devices[n].hidden)
    }

    /// A client is on screen, from here on or for a while.
    pub(super) fn is_on_screen(&mut self, device: usize) {
        let machine = self.machine_mut(device);
        machine.news.due.clear();
        machine.news.listed.append(&mut machine.disk.untold());
    }

    /// A client has committed these, and they are new.
    pub(super) fn has_stored_news(&mut self, device: usize, messages: Vec<Message>) {
        let machine = self.devices[device].machine;
        let target = &self.devices[device];
        // The first list says what was there before.
        let listed = target.facade.status.as_ref().is_some_and(|s| s.listed);
        let was = self.was_on_screen;
        let shows = !target.hidden && !target.frozen;
        let seen = self.is_anybody_on_screen(machine);
        let doubtful = self.time < self.machines[machine].news.doubtful_until;
        // A list may have brought it before, and a push may have told it then, though nobody has heard of that yet.
        let told = self.machines[machine].disk.told();
        let Machine { news, disk, .. } = &mut self.machines[machine];
        for m in messages {
            if m.client_id.is_some() || m.sender == ACCOUNT {
                continue;
            }
            news.come_after(1);
            let at = (m.conversation.as_str().into(), m.seq);
            if was && shows && listed && !told.contains(&at) {
                news.shown.insert(m.id);
            } else if !was
                && !seen
                && listed
                && !doubtful
                && !news.told.contains(&m.id)
                && !news.listed.contains(&at)
            {
                let mut due = Due {
                    id: m.id,
                    conversation: m.conversation,
                    seq: m.seq,
                    behind: 0,
                    stored: false,
                    let_go: false,
                };
                due.stored = due.is_stored(&disk.stored);
                news.due.push(due);
            }
        }
    }

    /// An overflow may bring a message of each conversation.
    pub(super) fn has_skipped_news(&mut self, device: usize) {
        let conversations = self.server.conversations.len();
        self.machine_mut(device).news.come_after(conversations);
    }

    /// Whether the account has left this conversation since the message was written. What was new there is new no
    /// more, and what was seen there is forgotten: who comes back finds history, and is told of the newest, if it is
    /// unread.
    fn was_left(&self, conversation: &str, seq: u64) -> bool {
        let conversation = &self.server.conversations[conversation];
        let post = conversation.posts.get(&seq);
        post.is_none_or(|post| conversation.member_since(post.copies[0].position, false))
    }

    /// What was not flushed is lost: it comes again, and is as new as before.
    pub(super) fn forgets_news(&mut self, machine: usize) {
        let news = &mut self.machines[machine].news;
        news.due.clear();
        news.shown.clear();
        news.listed.clear();
    }

    /// A client is gone, or its call has failed: what it was to tell nobody may hear.
    pub(super) fn loses_a_telling(&mut self, device: usize) {
        let until = self.time + LOST_TELLING;
        let news = &mut self.machine_mut(device).news;
        news.due.clear();
        news.doubtful_until = until;
    }

    /// The same of one that stops, if it waits for a telling.
    pub(super) fn stops_telling(&mut self, device: usize) {
        let mut calls = self.devices[device].calls.values();
        if calls.any(|call| matches!(call, Call::Tell { .. })) {
            self.loses_a_telling(device);
        }
    }

    /// A telling has told these. `due`: what was when it was asked for.
    pub(super) fn has_told(&mut self, device: usize, due: &[String], told: &Value) -> Checked {
        let told: Vec<Message> = serde_json::from_value(told.clone())
            .map_err(|error| format!("what is told are messages: {error}"))?;
        self.reached.note_if(!told.is_empty(), "a push that tells");
        let most = self.mode.limits.news;
        if told.len() > most {
            return Err(format!("{} messages are told, and not {most}", told.len()));
        }
        let conversations = self.server.conversations.len();
        // What was told is forgotten with a database that is lost.
        let spoilt = self.mode.spoilt || self.mode.evicted;
        let home = self.devices[device].machine;
        let here = self.clients_of(home).into_iter();
        let mut calls = here.flat_map(|n| self.devices[n].calls.values());
        let waits = calls.any(|call| matches!(call, Call::Tell { .. }));
        for m in told {
            let left = self.was_left(&m.conversation, m.seq);
            let news = &mut self.machine_mut(device).news;
            if m.client_id.is_some() || m.state == "recalled" {
                return Err(format!("{} is told: it is own, or recalled", m.id));
            }
            if news.shown.contains(&m.id) && !spoilt && !left {
                return Err(format!("{} is told, and was shown", m.id));
            }
            news.due.retain(|due| due.id != m.id);
            if !news.told.insert(m.id.clone()) && !spoilt {
                return Err(format!("{} is told twice", m.id));
            }
        }
        if waits {
            // What another one has told is still on its way.
            return Ok(());
        }
        let news = &mut self.machine_mut(device).news;
        let is_due = |d: &&Due| due.contains(&d.id);
        let mut untold: Vec<Due> = news.due.iter().filter(is_due).cloned().collect();
        news.due.retain(|d| !due.contains(&d.id));
        // The newest stay, and an overflow that is not heard of may bring some besides.
        let is_far = |due: &Due| due.behind + conversations >= most;
        untold.retain(|d| !d.let_go && !is_far(d) && !self.was_left(&d.conversation, d.seq));
        let stored = &self.machine(device).disk.stored;
        let mut there = untold.iter().filter(|due| due.is_stored(stored));
        match there.next().filter(|_| !spoilt) {
            Some(due) => Err(format!("{} is new, and no push tells it", due.id)),
            None => Ok(()),
        }
    }
}
