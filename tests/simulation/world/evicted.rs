//! The browser deletes the database under the clients that have it open: site data cleared, or evicted for want of
//! room. Each finds out by what it asks next, and goes on with the empty one in its place.

use std::mem;

use pullcord::core::Input;
use pullcord::core::storage::StoreError;

use super::news::News;
use super::{Event, World};
use crate::simulation::check::Checked;
use crate::simulation::device::{Operation, Rescue};

impl World {
    /// It is deleted, under all clients of the machine.
    pub(super) fn is_evicted(&mut self, device: usize) {
        let home = self.devices[device].machine;
        let known = self.machines[home].disk.stored.stamp().epoch;
        if self.machines[home].wiped_for.is_some() || known == 0 {
            return;
        }
        self.reached
            .note("a database that is deleted under its clients");
        self.tell(device, || "its database is deleted".to_owned());
        let epoch = self.first_epoch(home, known);
        self.remembers_what_was_accepted(home);
        let machine = &mut self.machines[home];
        machine.disk.evict(epoch);
        // What was written may be gone, where nobody has it in mind; what was told may be told again.
        machine.spoilt.own.extend(machine.own.keys().cloned());
        // What is stored again may get another place.
        machine.own.values_mut().for_each(|own| own.place = None);
        machine.spoilt.marks = true;
        machine.spoilt.meta = true;
        machine.news = News::default();
        self.loses_a_telling(device);
        for other in self.clients_of(home) {
            let target = &mut self.devices[other];
            let opened = target.engine.is_some();
            target.forget();
            target.lost = opened;
            self.reached.note_if(
                opened && other != device,
                "a lost database that others had as well",
            );
        }
    }

    /// The writer has the own messages in mind: what was accepted is not lost while it lives.
    fn remembers_what_was_accepted(&mut self, home: usize) {
        let devices = &self.devices;
        let machine = &mut self.machines[home];
        machine.rescued.retain(|_, rescue| match rescue {
            Rescue::Remembered { device, life } => devices[*device].is_alive(*life),
            Rescue::Stored => false,
        });
        // A record that could not be read is in nobody's mind.
        let holder = machine.holder.filter(|_| !self.mode.spoilt);
        let Some((device, writer)) = holder.map(|holder| (holder, &devices[holder])) else {
            return;
        };
        if !writer.knows || writer.lost || writer.deposed_at.is_some() {
            return;
        }
        // Others may have discarded what it has in mind, before it wakes.
        if writer.asleep_until > self.time && machine.clients > 1 {
            return;
        }
        let known = writer.store.outbox();
        let own = machine.own.iter();
        let own = own.filter(|(_, own)| own.accepted.is_some() && !own.discarded);
        let own = own.filter(|(client_id, _)| known.contains(client_id.as_str()));
        let life = writer.life;
        let rescue = Rescue::Remembered { device, life };
        let remembered = own.map(|(client_id, _)| (client_id.clone(), rescue));
        machine.rescued.extend(remembered);
        self.reached.note_if(
            !machine.rescued.is_empty(),
            "own messages of a deleted database that its writer has in mind",
        );
    }

    /// One that sleeps before it has found out that its database is gone keeps nothing, where there are others: they may
    /// have discarded it.
    pub(super) fn sleeps_over_its_loss(&mut self, asleep: usize) {
        let home = self.devices[asleep].machine;
        let machine = &mut self.machines[home];
        if self.devices[asleep].lost && machine.clients > 1 {
            let is_its = |rescue: &Rescue| matches!(rescue, Rescue::Remembered { device, .. } if *device == asleep);
            machine.rescued.retain(|_, rescue| !is_its(rescue));
        }
    }

    /// Each finds it out at last.
    pub(super) fn evictions_are_found(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].lost {
                let life = self.devices[device].life;
                self.schedule(0, device, Event::Store { life });
            }
        }
    }

    /// What it asked of the database is answered with that it is gone; what it asks from here on is of the one in its
    /// place, to which it writes if it has written to the old one. `first`: what it hears first.
    pub(super) fn finds_it_lost(&mut self, device: usize, first: Option<Input>) -> Checked {
        let target = &mut self.devices[device];
        target.lost = false;
        target.silent = false;
        target.read_bytes = 0;
        target.forget();
        for view in target.facade.timelines.values_mut() {
            view.attached = true;
        }
        let life = target.life;
        let asked = mem::take(&mut target.operations);
        let nothing = asked.is_empty().then_some(Input::Store(StoreError::Lost));
        let first = first.or(nothing);
        let holds = target.epoch.is_some() && target.deposed_at.is_none();
        let told = target.told_epoch == target.epoch;
        self.server.forget_named(device);
        // From here on it is as one that signs in for the first time, but for what it has told.
        self.told_at[device].clear();
        self.tell(device, || "finds that its database is gone".to_owned());
        let now = holds && !(told && self.adopts_later(device));
        let adopted = now.then(|| self.machine_mut(device).disk.fence());
        if let Some(epoch) = adopted {
            self.devices[device].epoch = Some(epoch);
            if told {
                self.devices[device].told_epoch = Some(epoch);
            } else {
                self.schedule(0, device, Event::Promoted { life, epoch });
            }
        }
        let lost = |operation| match operation {
            Operation::Read(op, _) => Input::Read {
                op,
                result: Err(StoreError::Lost),
            },
            Operation::Commit(op, ..) => Input::Committed {
                op,
                result: Err(StoreError::Lost),
            },
            Operation::Wish(op, _) => Input::Wished {
                op,
                result: Err(StoreError::Lost),
            },
        };
        let adopted = adopted
            .filter(|_| told)
            .map(|epoch| Input::Adopted { epoch });
        let inputs = first
            .into_iter()
            .chain(asked.into_iter().map(lost))
            .chain(adopted);
        for input in inputs {
            if self.devices[device].life == life {
                self.input(device, input)?;
            }
        }
        Ok(())
    }
}
