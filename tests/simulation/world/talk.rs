//! What the clients of a machine tell each other (R15): lost, doubled, late, out of order; and what each of
//! them knows of what is stored.

use std::collections::BTreeSet;

use pullcord::core::Input;
use pullcord::core::records::Stamp;
use pullcord::core::storage::{Key, Table, Write};

use super::{Event, World};
use crate::simulation::check::Checked;
use crate::simulation::facade;
use crate::simulation::mode::Wide;

/// What one client may say in a minute, beside what it has to say of its commits.
const TALK: u64 = 600;
/// ms
const MINUTE: u64 = 60_000;

/// Reads of what is stored, one after another, after which a client takes over what it has.
const LOADS: u64 = 3;

impl World {
    /// What a client says to the others of its machine.
    pub(super) fn says(&mut self, device: usize, said: &[u8]) -> Checked {
        let (time, commits) = (self.time, self.machine_commits(device));
        let said_by = &mut self.said[device];
        said_by.0 += 1;
        if time - said_by.1 > MINUTE {
            (said_by.1, said_by.2) = (time, said_by.0 + 4 * commits);
        }
        // Each open list asks for its page again, ever less often.
        let lists = self.devices.iter().map(|d| d.facade.timelines.len() as u64);
        let most = TALK + 8 * lists.sum::<u64>();
        if said_by.0 > said_by.2 + 4 * commits + most && said_by.2 > 0 {
            let name = &self.devices[device].name;
            return Err(format!(
                "a storm: {name} says more than {most} things in a minute"
            ));
        }
        for other in self.within_earshot(device) {
            let target = &self.devices[other];
            if other == device || target.engine.is_none() {
                continue;
            }
            let asleep = target.asleep_until > self.time;
            let life = target.life;
            let lost = self.rng.chance(self.trouble.talk);
            if lost || asleep && self.rng.chance(50) {
                self.reached.note("talk that is lost");
                continue;
            }
            let twice = self.rng.chance(self.trouble.talk / 2);
            for _ in 0..1 + u8::from(twice) {
                let late = self.rng.chance(self.trouble.talk);
                let delay = match late {
                    true => self.rng.delay(300),
                    false => 1,
                };
                let said = said.to_vec();
                self.schedule(delay, other, Event::Heard { life, said });
            }
        }
        Ok(())
    }

    /// How many commits the clients of its machine have made.
    fn machine_commits(&self, device: usize) -> u64 {
        self.machine(device).disk.stored.stamp().number
    }

    pub(super) fn hears(&mut self, device: usize, said: Vec<u8>) -> Checked {
        self.input(device, Input::Heard(said))
    }

    /// The one that writes does not begin what this one asks for: it takes the lock by force.
    pub(super) fn finds_it_stuck(&mut self, device: usize) -> Checked {
        self.stuck += 1;
        self.tell(device, || "finds the one that writes stuck".to_owned());
        let machine = self.devices[device].machine;
        if self.devices[device].knows {
            return Err("R15: one that has the account finds itself stuck".to_owned());
        }
        if self.devices[device].hidden && !self.devices[device].brief {
            return Err("R15: a hidden client takes the account by force".to_owned());
        }
        let holder = self.machines[machine].holder;
        if holder == Some(device) {
            // It has it, and was not told yet.
            return Ok(());
        }
        self.reached
            .note_if(holder.is_some(), "a writer that is stuck");
        self.fence(device)
    }

    /// Hidden, the one that writes lets a visible one have the account.
    pub(super) fn hidden_hands_over(&mut self, device: usize) -> Checked {
        let target = &self.devices[device];
        let (machine, life) = (target.machine, target.life);
        let writes = target.hidden && self.machines[machine].holder == Some(device);
        if !writes || self.mode.clients == 1 || self.rng.chance(50) {
            return Ok(());
        }
        self.hands_over(device)?;
        let pause = self.rng.between(1_000, 20_000);
        self.schedule(pause, device, Event::Promote { life });
        Ok(())
    }

    // ------------------------------------------------------------ what each knows

    /// What it knows is what some commit left. `read`: it may have skipped some.
    pub(super) fn sees(&mut self, device: usize, read: bool) -> Checked {
        let target = &mut self.devices[device];
        let machine = &mut self.machines[target.machine];
        let Some(stamp) = target.engine.as_ref().and_then(|engine| engine.stamp()) else {
            return Ok(());
        };
        if target.seen == Some(stamp) {
            return Ok(());
        }
        let Some(stored) = machine.disk.at(stamp) else {
            return Err(format!(
                "R9: {} has the state of {stamp:?}, which was never committed",
                target.name
            ));
        };
        target.store = stored.clone();
        let before = target.seen.replace(stamp);
        if before.is_some() && read {
            // What it shows until its pages come, it has shown since before.
            for view in target.facade.timelines.values_mut() {
                view.attached = true;
            }
        }
        if self.mode.clients > 1 && !self.mode.spoilt && self.mode.world == Wide::Small {
            let tables = machine.disk.load_at(stamp).unwrap_or_default();
            let engine = target.engine.as_ref();
            if let Some(differs) = engine.and_then(|engine| engine.differs_from(tables)) {
                return Err(format!(
                    "R15: as of {stamp:?} {} does not know what is stored: {differs}",
                    target.name
                ));
            }
        }
        self.forget_what_nobody_has(self.devices[device].machine);
        Ok(())
    }

    /// What a client's lists show from where to where, where nothing is missing in it, and nothing is to take its
    /// place: by the list's number, with how many messages.
    pub(super) fn steady(&self, device: usize) -> Vec<(u64, (u64, u64), usize)> {
        let views = self.devices[device].facade.timelines.iter();
        let steady = views.filter(|(_, view)| {
            let all = view.messages().all(|(_, _, fresh)| fresh);
            let gaps = view.items.iter();
            let gaps = gaps.filter(|item| matches!(&***item, facade::Item::Gap { .. }));
            let asks = view.released || view.loading.jump || view.status != "ready";
            all && gaps.count() == 0 && !asks
        });
        let stretch = |(id, view): (&u64, &facade::View)| {
            let (first, last) = (view.messages().next()?, view.messages().next_back()?);
            let count = view.messages().count();
            Some((*id, (first.1.seq, last.1.seq), count))
        };
        steady.filter_map(stretch).collect()
    }

    /// A client has read what is stored: what its lists showed before, and is held, they go on to show.
    pub(super) fn stands(&self, device: usize, lists: Vec<(u64, (u64, u64), usize)>) -> Checked {
        let target = &self.devices[device];
        for (id, (lo, hi), count) in lists {
            let Some(view) = target.facade.timelines.get(&id) else {
                continue;
            };
            let Some(held) = target.store.held_of(&view.conversation, (lo, hi)) else {
                continue;
            };
            let shown = || view.messages().map(|(_, m, fresh)| (m.seq, fresh));
            // Where it has grown it may have let go of what is far; also of what it had over its most.
            let most = self.config["maxItems"].as_u64().unwrap_or(u64::MAX) as usize;
            let grown = shown().any(|(seq, _)| seq < lo || seq > hi);
            // While others write all the time it takes over what it has read in the end, and lacks blocks for a moment:
            // what it has of those counts as not fresh until then.
            let hurried = target.loads_in_a_row >= LOADS;
            let fresh = shown().filter(|(_, fresh)| *fresh || hurried).count();
            if fresh < held.min(count).min(most) && !grown && view.status == "ready" {
                return Err(format!(
                    "R15: list {id} of {} showed {count} messages from {lo} to {hi}, of which {held} are held, \
                     and shows {fresh} after what is stored was read",
                    target.name
                ));
            }
        }
        Ok(())
    }

    fn forget_what_nobody_has(&mut self, home: usize) {
        let here = self.devices.iter().filter(|device| device.machine == home);
        // One that has read nothing yet may be told of any commit, also of a database that is gone.
        let begins = here.clone().any(|d| d.engine.is_some() && d.seen.is_none());
        let oldest = here.filter_map(|device| device.seen).min();
        let oldest = oldest.filter(|_| !begins);
        let machine = &mut self.machines[home];
        if let Some(oldest) = oldest {
            machine.disk.forget_before(oldest);
            machine.events.retain(|stamp, _| *stamp >= oldest);
        }
    }

    pub(super) fn note_event(&mut self, event: &facade::Event) {
        let messages = event.detail["messages"].as_array();
        for message in messages.into_iter().flatten() {
            let line = format!("{} {} v{}", event.kind, message["id"], message["version"]);
            self.events.push(line);
        }
    }

    /// A commit is told to each app by the same events, whoever made it.
    pub(super) fn told_as_by_the_writer(
        &mut self,
        device: usize,
        before: Option<Stamp>,
        read: bool,
    ) -> Checked {
        let events = std::mem::take(&mut self.events);
        let target = &self.devices[device];
        let (Some(before), Some(after)) = (before, target.seen) else {
            return Ok(());
        };
        if after.number != before.number + 1 || read {
            return Ok(());
        }
        let writes = target.epoch == Some(after.epoch);
        let new = std::mem::take(&mut self.new);
        let machine = &mut self.machines[target.machine];
        match machine.events.get(&after) {
            None if writes => {
                machine.events.insert(after, events);
                self.has_stored_news(device, new);
            }
            // One that cannot read an own message takes its echo for another's, and one that cuts out a block that
            // it cannot read tells by that commit what it had missed.
            Some(told)
                if machine.spoilt.own.is_empty()
                    && !self.mode.spoilt
                    && !told_alike(&events, told, &self.told[device]) =>
            {
                return Err(format!(
                    "R15: of {after:?} {} tells {events:?}, the writer told {told:?}",
                    target.name
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// What a commit takes up is there, and was not taken up before.
    pub(super) fn takes_up_what_is_there(
        &mut self,
        home: usize,
        epoch: u64,
        writes: &[Write],
    ) -> Checked {
        let taken = writes.iter().filter_map(|write| match write {
            Write::Delete {
                table: Table::Wishes,
                key,
            } => Some(key),
            _ => None,
        });
        let taken: Vec<&Key> = taken.collect();
        let disk = &self.machines[home].disk;
        if taken.is_empty() || !disk.is_of(epoch) {
            return Ok(());
        }
        let there: BTreeSet<Key> = disk.wished();
        match taken.iter().find(|key| !there.contains(**key)) {
            Some(key) => Err(format!(
                "R15: a wish is taken up that is not there: {key:?}"
            )),
            None => Ok(()),
        }
    }
}

/// The same updates; and each new message, now or before: one that had missed some hears of those besides.
fn told_alike(events: &[String], told: &[String], heard: &BTreeSet<String>) -> bool {
    let updates = |events: &'_ [String]| -> Vec<String> {
        let updates = events.iter().filter(|line| line.starts_with("updates"));
        updates.cloned().collect()
    };
    let mut new = told.iter().filter(|line| line.starts_with("messages"));
    let is_heard = |line: &String| {
        let id = line.split('"').nth(1);
        events.contains(line) || id.is_some_and(|id| heard.contains(id))
    };
    updates(events) == updates(told) && new.all(is_heard)
}
