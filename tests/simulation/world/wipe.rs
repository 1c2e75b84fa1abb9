//! The user signs out: what is stored is deleted under all clients of the machine, of which some sleep.
//! Whoever signs in again begins with nothing, on a machine of its own here.

use pullcord::core::Input;
use pullcord::core::storage::{StoreError, epoch_above_all};

use super::{Event, World};
use crate::simulation::check::Checked;
use crate::simulation::mode::Scope;

impl World {
    /// A client has deleted what is stored: the others hear of it some time later, those that sleep when they wake.
    pub(super) fn is_wiped(&mut self, device: usize) {
        let home = self.devices[device].machine;
        if self.machines[home].wiped_for.is_some() {
            return;
        }
        self.reached.note("a wipe");
        let epoch = self.first_epoch(home, 0);
        let wiped = self.machines[home].wiped(epoch);
        self.machines.push(wiped);
        self.machines[home].wiped_for = Some(self.machines.len() - 1);
        if self.mode.scope == Scope::Mailbox {
            for other in self.clients_of(home) {
                self.devices[other].store.stays(&self.server);
            }
            self.server.begin_mailbox_anew();
        }
        for other in self.clients_of(home) {
            let target = &self.devices[other];
            if other == device || target.engine.is_none() {
                continue;
            }
            let (life, asleep) = (target.life, target.asleep_until > self.time);
            self.reached.note_if(asleep, "a wipe while another sleeps");
            // A mailbox knows one device: two of them at a time would take each other's messages.
            let pause = match self.mode.scope {
                Scope::Mailbox => 0,
                _ => self.rng.delay(300),
            };
            self.schedule(pause, other, Event::Wiped { life });
        }
    }

    /// The epoch of the first fence of a database: see `epoch_above_all`.
    pub(super) fn first_epoch(&mut self, home: usize, known: u64) -> u64 {
        let clock = self.machines[home].clock;
        let wall = self.server.wall.saturating_add_signed(clock);
        epoch_above_all(known, wall, self.rng.below(1_024))
    }

    /// A client finds that what was stored was deleted by its user: it ends, and makes nothing anew.
    pub(super) fn finds_it_wiped(&mut self, device: usize) -> Checked {
        self.input(device, Input::Store(StoreError::Closed))?;
        match self.devices[device].engine.is_some() {
            true => Err(format!(
                "R15: {} goes on after its user has signed out",
                self.devices[device].name
            )),
            false => Ok(()),
        }
    }

    /// A page that is opened finds what is stored now.
    pub(super) fn moves_in(&mut self, device: usize) {
        let target = &mut self.devices[device];
        while let Some(home) = self.machines[target.machine].wiped_for {
            target.machine = home;
            target.forget();
        }
    }

    /// Whom a client's words reach: the browser's channel is the account's, whatever is stored.
    pub(super) fn within_earshot(&self, device: usize) -> Vec<usize> {
        let name = self.machine(device).name;
        let devices = 0..self.devices.len();
        devices.filter(|n| self.machine(*n).name == name).collect()
    }
}
