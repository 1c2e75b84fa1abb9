//! Who of a machine's clients writes (R15): the lock, the fence, and hand-overs at every moment. The
//! lock is a hint and the fence is the truth: one may have lost the account and not know it yet.

use pullcord::core::Input;
use pullcord::core::net::Request;
use pullcord::core::storage::StoreError;
use serde_json::json;

use super::{Event, LONGEST_BACKOFF, NOTICED, World};
use crate::simulation::check::{self, Checked};
use crate::simulation::device::{Call, Nap};

/// ms that one stands still in the end
const STANDSTILL: u64 = 60_000;

impl World {
    /// A client asks for the account's lock: it gets it, takes it by force, or waits.
    pub(super) fn wants_lock(&mut self, device: usize) -> Checked {
        let machine = self.devices[device].machine;
        let life = self.devices[device].life;
        let Some(holder) = self.machines[machine].holder else {
            return self.fence(device);
        };
        if holder == device {
            return Ok(());
        }
        let asleep = self.devices[holder].asleep_until > self.time;
        let force = match self.step {
            None => 0,
            Some(_) if asleep => 50,
            Some(_) => 10,
        };
        if self.rng.chance(force) {
            self.reached.note("a lock taken by force");
            self.tell(device, || "takes the lock by force".to_owned());
            return self.fence(device);
        }
        let pause = self.rng.between(200, 20_000);
        self.schedule(pause, device, Event::Promote { life });
        Ok(())
    }

    /// From here on no other client's commit is done; it is told some time later.
    pub(super) fn fence(&mut self, device: usize) -> Checked {
        let machine = self.devices[device].machine;
        if self.machines[machine].wiped_for.is_some() {
            // The store says so by an input of its own: the client may be in the middle of one.
            let life = self.devices[device].life;
            self.schedule(0, device, Event::Wiped { life });
            return Ok(());
        }
        if self.devices[device].lost {
            let life = self.devices[device].life;
            self.finds_it_lost(device, Some(Input::Store(StoreError::Lost)))?;
            if self.devices[device].life != life {
                return Ok(());
            }
        }
        self.has_the_lock(device)
    }

    /// The fence is written, and its client is told soon.
    pub(super) fn fences(&mut self, device: usize) -> Checked {
        let epoch = self.writes_its_fence(device)?;
        if !self.mode.handover {
            return self.promoted(device, epoch);
        }
        let life = self.devices[device].life;
        let delay = self.rng.delay(30);
        self.schedule(delay, device, Event::Promoted { life, epoch });
        Ok(())
    }

    /// The fence is written: the others do not write from here on.
    pub(super) fn writes_its_fence(&mut self, device: usize) -> Result<u64, String> {
        let machine = self.devices[device].machine;
        self.machines[machine].moved_at = self.time;
        self.kept(machine)?;
        let epoch = self.machines[machine].disk.fence();
        let time = self.time;
        for other in self.clients_of(machine) {
            let target = &mut self.devices[other];
            if other == device || target.epoch.is_none() || target.deposed_at.is_some() {
                continue;
            }
            target.deposed_at = Some(time);
            let life = target.life;
            if self.rng.chance(30) {
                let delay = self.rng.delay(500);
                self.schedule(delay, other, Event::Fenced { life });
            }
        }
        let target = &mut self.devices[device];
        target.epoch = Some(epoch);
        target.deposed_at = None;
        Ok(epoch)
    }

    pub(super) fn promoted(&mut self, device: usize, epoch: u64) -> Checked {
        let target = &mut self.devices[device];
        self.machines[target.machine].lives += 1;
        target.promoted = true;
        target.told_epoch = Some(epoch);
        target.knows = false;
        target.reads = None;
        self.reached.note_if(epoch > 1, "a hand-over");
        self.tell(device, || format!("has the account, epoch {epoch}"));
        self.input(device, Input::Promoted { epoch })
    }

    /// Its store says that another one has the account.
    pub(super) fn fenced(&mut self, device: usize) -> Checked {
        match self.devices[device].deposed_at {
            Some(_) => self.input(device, Input::Store(StoreError::Fenced)),
            None => Ok(()),
        }
    }

    /// It has heard that another one has the account: it waits for its turn.
    pub(super) fn stands_back(&mut self, device: usize) -> Checked {
        // What it has heard was of the epoch before, where a new fence of its own is written and it was
        // not told so yet: it lets go of that too, as the driver does.
        let target = &self.devices[device];
        let told = target.told_epoch == target.epoch;
        let stands = self.machine(device).wiped_for.is_none();
        if stands && told && target.epoch.is_some() && target.deposed_at.is_none() {
            return Err("R15: it stands back, and nobody else has the account".to_owned());
        }
        self.lets_go(device);
        let target = &mut self.devices[device];
        target.demote();
        let life = target.life;
        self.tell(device, || "stands back".to_owned());
        let pause = self.rng.below(5_000);
        self.schedule(pause, device, Event::Promote { life });
        Ok(())
    }

    /// The client is gone, or asleep: whoever waits may have the account.
    pub(super) fn lets_go(&mut self, device: usize) {
        let machine = self.devices[device].machine;
        if self.machines[machine].holder != Some(device) {
            return;
        }
        self.machines[machine].holder = None;
        self.machines[machine].moved_at = self.time;
        for other in self.clients_of(machine) {
            let target = &self.devices[other];
            if other != device && target.engine.is_some() && target.epoch.is_none() {
                let life = target.life;
                let pause = self.rng.below(500);
                self.schedule(pause, other, Event::Promote { life });
            }
        }
    }

    /// A page that goes to sleep lets go of the account, and says so to its core.
    pub(super) fn hands_over(&mut self, device: usize) -> Checked {
        let holds = self.machine(device).holder == Some(device);
        if self.devices[device].epoch.is_none() && !(self.mode.fences && holds) {
            return Ok(());
        }
        self.tell(device, || "hands the account over".to_owned());
        self.lets_go(device);
        self.devices[device].demote();
        self.input(device, Input::Demoted)
    }

    /// A page sleeps until then. Whether it can notice: it was told, or a timer comes too late.
    pub(super) fn sleeps(&mut self, device: usize, until: u64, frozen: bool) {
        let late = self.devices[device].deadline();
        let late = late.is_some_and(|due| due.saturating_add(NOTICED) < until);
        let target = &mut self.devices[device];
        target.asleep_until = until;
        if frozen || late {
            target.nap = Some(Nap { until });
        }
    }

    /// R9, R15: who asks has read what is stored since it has the account; and who has slept, and could
    /// notice it, has seen since that nobody else has it.
    pub(super) fn has_the_account(&self, device: usize, call: &Request) -> Checked {
        let target = &self.devices[device];
        if !target.knows {
            return Err(format!(
                "R15: what is stored was not read since the promotion, and it asks {call:?}"
            ));
        }
        let changes = matches!(
            call,
            Request::Send { .. }
                | Request::Edit { .. }
                | Request::Recall { .. }
                | Request::MarkRead { .. }
                | Request::Acknowledge { .. }
        );
        let slept = target.nap.zip(target.deposed_at);
        if changes && slept.is_some_and(|(nap, deposed)| nap.until > deposed) {
            return Err(format!(
                "R9: another client has the account, and after its sleep this one asks {call:?}"
            ));
        }
        Ok(())
    }

    /// What was accepted is in the outbox, or on the server, whoever comes now.
    fn kept(&self, machine: usize) -> Checked {
        let machine = &self.machines[machine];
        let outbox = machine.disk.stored_own()?;
        for (client_id, own) in &machine.own {
            let lacks = machine.may_lack_stored(client_id);
            let accepted = own.accepted.is_some() && !own.discarded && !lacks;
            if accepted
                && !outbox.contains(client_id)
                && check::delivered(&self.server, client_id, own) == (0, 0)
            {
                return Err(format!(
                    "R9: {client_id} was accepted, and is neither stored nor on the server"
                ));
            }
        }
        Ok(())
    }

    /// The clients that have their machine's account, and know it.
    pub(super) fn writers(&self) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        let writers = devices
            .filter(|(n, device)| device.knows && self.machines[device.machine].holder == Some(*n));
        writers.map(|(n, _)| n).collect()
    }

    /// At the end: each machine has a client that writes.
    pub(super) fn somebody_writes(&self) -> Checked {
        let machines = self.machines.iter();
        let machines = machines.filter(|machine| machine.wiped_for.is_none());
        match self.writers().len() == machines.count() {
            true => Ok(()),
            false => Err(format!(
                "nobody writes on one of {} machines",
                self.machines.len()
            )),
        }
    }

    /// The user signs in again, where the server has refused the token.
    pub(super) fn asks_for_a_token(&mut self, device: usize) -> Checked {
        let status = self.devices[device].facade.status.as_ref();
        if status.is_some_and(|status| status.connection == "needs-auth") {
            let call = self.devices[device].new_call(Call::Sync);
            self.command(device, json!({ "op": "sync", "call": call }))?;
        }
        Ok(())
    }

    /// The one that writes stands still, and nobody needs anything but to be shown what comes: another takes its place.
    fn last_standstill(&mut self) -> Checked {
        let writers = self.writers();
        for writer in &writers {
            self.tell(*writer, || "stands still".to_owned());
            self.sleeps(*writer, self.time + STANDSTILL, false);
        }
        self.pass(STANDSTILL / 2)?;
        for writer in writers {
            let machine = self.devices[writer].machine;
            let alone = |other: &usize| *other == writer || self.devices[*other].engine.is_none();
            let alone = self.clients_of(machine).iter().all(alone);
            if !alone && self.machines[machine].holder == Some(writer) {
                let name = &self.devices[writer].name;
                return Err(format!(
                    "R15: {name} stands still, and nobody takes its place"
                ));
            }
            self.reached
                .note_if(!alone, "one that stands still while others look on");
        }
        self.pass(STANDSTILL)
    }

    /// At the end, once more: the one that writes is closed or stands still, and another goes on where it was.
    pub(super) fn last_handover(&mut self) -> Checked {
        if self.mode.clients == 1 || self.rng.chance(50) {
            return Ok(());
        }
        // One that is to wait for the others would have to wait again.
        let closes = |writer: &usize| self.devices[*writer].waits;
        let closes = self.writers().iter().any(closes) || self.rng.chance(50);
        match closes {
            true => {
                for writer in self.writers() {
                    self.command(writer, json!({ "op": "close" }))?;
                }
            }
            false => self.last_standstill()?,
        }
        self.pass(LONGEST_BACKOFF)?;
        self.somebody_writes()?;
        for device in self.writers() {
            self.asks_for_a_token(device)?;
        }
        self.pass(LONGEST_BACKOFF)?;
        self.all_converged("has not come right after a hand-over")
    }
}
