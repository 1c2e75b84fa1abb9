//! Clients begin and end: they start, crash, are closed, and the server with them.

use pullcord::core::Config;
use serde_json::json;

use super::{Event, World};
use crate::simulation::check::Checked;
use crate::simulation::device::{Machine, Operation};

impl World {
    pub(super) fn lists(&self, device: usize) -> Vec<String> {
        self.devices[device]
            .facade
            .timelines
            .values()
            .map(|view| view.conversation.clone())
            .collect()
    }

    pub(super) fn start(&mut self, device: usize, lists: Vec<String>) -> Checked {
        if self.devices[device].engine.is_some() {
            return Ok(());
        }
        self.moves_in(device);
        let mut config = self.config.clone();
        config["online"] = json!(self.machine(device).link || self.rng.chance(30));
        if self.mode.hints && self.rng.chance(30) {
            config["online"] = json!(false);
        }
        // Some have opened for a push alone, and many are not looked at.
        let calm = self.step.is_none();
        let hidden = self.mode.tellings && !calm && self.rng.chance(70);
        let brief = hidden && self.rng.chance(30);
        config["hidden"] = json!(hidden);
        config["brief"] = json!(brief);
        let waits = self.mode.waits && self.step.is_some() && !brief && self.rng.chance(30);
        if waits {
            config["ifOpen"] = json!("wait");
            self.reached
                .note("a client that waits until the others have gone");
        }
        let seed = self.rng.next();
        let time = self.time;
        let mut config =
            Config::from_json(&config.to_string()).expect("the simulation's own config");
        config.limits = self.mode.limits;
        config.storage = "memory".to_owned();
        self.devices[device].store = self.machine(device).disk.stored.clone();
        self.devices[device].start(time, config, seed);
        self.devices[device].hidden = hidden;
        self.devices[device].hidden_since = hidden.then_some(time);
        self.devices[device].brief = brief;
        self.devices[device].waits = waits;
        if !hidden {
            self.is_on_screen(device);
        }
        self.told[device].clear();
        self.told_at[device].clear();
        self.server.forget_named(device);
        self.not_before.retain(|(of, _), _| *of != device);
        self.streaks.retain(|(of, _), _| *of != device);
        let line = self.devices[device].positions(&self.server).least();
        self.tell(device, || format!("starts, stored cursor {line}"));
        self.drain(device, None, false)?;
        let life = self.devices[device].life;
        let wait = if self.rng.chance(80) {
            0
        } else {
            self.rng.below(20_000)
        };
        self.schedule(wait, device, Event::Promote { life });
        self.command(
            device,
            json!({ "op": "listening", "events": ["messages", "updates"] }),
        )?;
        for conversation in lists {
            self.open(device, &conversation)?;
        }
        if brief {
            self.sync_once(device)?;
        }
        Ok(())
    }

    /// The tab is killed: what was not committed is lost; of what was being committed, the oldest
    /// may be there.
    pub(super) fn crash(&mut self, device: usize) -> Checked {
        let applied = self.rng.chance(50);
        let power = self.mode.power_cuts && self.rng.chance(40);
        self.killed(device, applied, power)
    }

    /// The tab is killed, or the machine with it (`power`); the commit under way has been `applied`.
    pub(super) fn killed(&mut self, device: usize, applied: bool, power: bool) -> Checked {
        self.tell(device, || "crashes".to_owned());
        let target = &mut self.devices[device];
        let home = target.machine;
        // What a wiped disk would have had is nobody's any more.
        let applied = applied && self.machines[home].wiped_for.is_none();
        match target.operations.pop_front() {
            Some(Operation::Commit(_, epoch, writes, durability)) if applied => {
                let _ = self.write(home, epoch, &writes, durability)?;
            }
            Some(Operation::Wish(_, writes)) if applied && !target.lost => {
                let _ = self.machines[home].wish(&writes)?;
            }
            _ => {}
        }
        if !power {
            self.closed(device);
            return Ok(());
        }
        let machine = home;
        let lost = self.machines[machine].disk.power_cut(&mut self.rng);
        self.forgets_news(machine);
        self.tell(device, || format!("loses its power, and {lost} commits"));
        self.machines[machine]
            .disk
            .stored
            .check(&self.server)
            .map_err(|error| format!("R9: after a power cut: {error}"))?;
        for other in self.clients_of(machine) {
            self.devices[other].forget();
            if other == device || self.devices[other].engine.is_some() {
                self.closed(other);
            }
        }
        Ok(())
    }

    /// A tab is gone, however it came to that; it is opened again some time later.
    pub(super) fn closed(&mut self, device: usize) {
        let lists = self.lists(device);
        self.lets_go(device);
        self.stops_telling(device);
        self.devices[device].stop();
        let pause = if self.rng.chance(70) {
            0
        } else {
            self.rng.below(90_000)
        };
        self.schedule(pause, device, Event::Start { lists });
    }

    /// The clients of a machine.
    pub(super) fn clients_of(&self, machine: usize) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        let here = devices.filter(|(_, device)| device.machine == machine);
        here.map(|(n, _)| n).collect()
    }

    pub(super) fn machine(&self, device: usize) -> &Machine {
        &self.machines[self.devices[device].machine]
    }

    pub(super) fn machine_mut(&mut self, device: usize) -> &mut Machine {
        &mut self.machines[self.devices[device].machine]
    }

    /// The server ends, and is there again some time later: connections, requests under way and pulls
    /// that wait are gone, and nobody is told again what was told.
    pub(super) fn server_restarts(&mut self, down: u64) -> Checked {
        self.story
            .tell(self.time, "server", || format!("restarts, for {down} ms"));
        self.down_until = self.time + down;
        for held in std::mem::take(&mut self.held) {
            self.lose(held.device, held.life, held.request);
        }
        for device in 0..self.devices.len() {
            if let Some(listen) = self.devices[device].channel.as_ref().map(|c| c.listen) {
                self.dies(device, listen);
            }
        }
        Ok(())
    }
}
