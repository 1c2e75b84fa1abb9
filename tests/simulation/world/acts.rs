//! The steps of a history that are not the user's: what becomes of the server, the machines and the network.

use pullcord::core::net::Notice;
use serde_json::json;

use super::{Event, World};
use crate::simulation::check::Checked;
use crate::simulation::steps::{Act, DeviceAct, ServerAct};

impl World {
    pub(super) fn act(&mut self, act: &Act) -> Checked {
        match act {
            Act::Nothing => Ok(()),
            Act::Pass(ms) => self.pass(*ms),
            Act::Server(id, act) => self.server_acts(id, act),
            Act::Night => {
                let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
                self.server.night(&ids, &mut self.rng);
                self.story
                    .tell(self.time, "server", || "a night passes".to_owned());
                self.server_moved()
            }
            Act::User(device, act) => self.user_acts(*device, act),
            Act::Device(device, act) => self.device_acts(*device, act),
            Act::Restart(down) => self.server_restarts(*down),
        }
    }

    fn server_acts(&mut self, id: &str, act: &ServerAct) -> Checked {
        let rng = &mut self.rng;
        let server = &mut self.server;
        let what = match act {
            ServerAct::Post => format!("{} is posted", server.post(id, rng)),
            ServerAct::Burst(burst) => {
                for _ in 0..*burst {
                    server.post(id, rng);
                }
                format!("a burst of {burst}")
            }
            ServerAct::Reserve => {
                server.reserve(id, rng);
                "an id is handed out".to_owned()
            }
            ServerAct::CommitLate => {
                format!("{:?} is committed late", server.commit_reserved(id, rng))
            }
            ServerAct::Change => format!("{:?} is changed", server.change_any(id, rng)),
            ServerAct::Trim => format!("trimmed before {:?}", server.trim(id, rng)),
            ServerAct::LeaveOrReturn => format!("member: {}", server.leave_or_return(id)),
            ServerAct::Rename => {
                server.rename(id);
                "is renamed".to_owned()
            }
            ServerAct::Found(new) => {
                server.found(new, rng);
                "is founded".to_owned()
            }
            ServerAct::UnknownEvent => {
                server.unknown_event();
                "an unknown event".to_owned()
            }
        };
        let id = match act {
            ServerAct::Found(new) => new,
            _ => id,
        };
        let position = self.server.position();
        self.story.tell(self.time, "server", || {
            format!("{id}: {what} (log {position})")
        });
        self.server_moved()
    }

    fn device_acts(&mut self, device: usize, act: &DeviceAct) -> Checked {
        let running = self.devices[device].engine.is_some();
        let awake = running && self.devices[device].asleep_until <= self.time;
        match act {
            DeviceAct::Clock(off) => {
                self.machine_mut(device).clock = *off;
                self.tell(device, || format!("its clock is off by {off} ms"));
            }
            DeviceAct::Mend => {
                self.machine_mut(device).disk.mend();
                self.tell(device, || "its disk can be read again".to_owned());
            }
            DeviceAct::Spoil => {
                let machine = &mut self.machines[self.devices[device].machine];
                let what = machine.disk.spoil(&mut machine.spoilt, &mut self.rng);
                self.reached.note("a record that cannot be read");
                self.reached
                    .note_if(what == "a wish", "a wish that cannot be read");
                self.tell(device, || format!("its disk cannot read {what}"));
            }
            DeviceAct::Disk(full) => {
                self.machine_mut(device).full = *full;
                self.tell(device, || format!("its disk: {full:?}"));
            }
            DeviceAct::Link => self.link_changes(device),
            DeviceAct::Channel => {
                let channel = self.devices[device].channel.as_ref();
                if let Some(listen) = channel.map(|channel| channel.listen) {
                    let notice = Notice::Closed(None);
                    self.schedule_notice(0, device, listen, notice);
                }
            }
            DeviceAct::Sleep { ms, frozen } if awake => self.falls_asleep(device, *ms, *frozen)?,
            DeviceAct::Visibility if awake && !self.devices[device].brief => {
                let hidden = !self.devices[device].hidden;
                self.devices[device].hidden = hidden;
                self.devices[device].hidden_since = hidden.then_some(self.time);
                self.is_on_screen(device);
                self.command(device, json!({ "op": "visibility", "hidden": hidden }))?;
                return self.hidden_hands_over(device);
            }
            DeviceAct::Crash if running => return self.crash(device),
            DeviceAct::Wipe if awake => return self.command(device, json!({ "op": "wipe" })),
            DeviceAct::Evict => self.is_evicted(device),
            DeviceAct::Sleep { .. }
            | DeviceAct::Visibility
            | DeviceAct::Crash
            | DeviceAct::Wipe => {}
        }
        Ok(())
    }

    /// The lid is closed, or the page frozen: timers fire much too late.
    fn falls_asleep(&mut self, device: usize, ms: u64, frozen: bool) -> Checked {
        let life = self.devices[device].life;
        self.sleeps_over_its_loss(device);
        if frozen {
            self.devices[device].frozen = true;
            self.command(device, json!({ "op": "freeze" }))?;
            if self.mode.handover && self.rng.chance(50) {
                self.hands_over(device)?;
            }
            self.schedule(ms, device, Event::Resume { life });
        }
        self.tell(device, || format!("sleeps for {ms} ms"));
        self.sleeps(device, self.time + ms, frozen);
        Ok(())
    }

    /// All that a device has asked for is lost, and its connection ends some time later.
    fn cut_off(&mut self, device: usize, life: u32) {
        let requests: Vec<u64> = self.devices[device].requests.keys().copied().collect();
        for request in requests {
            self.lose(device, life, request);
        }
        if let Some(listen) = self.devices[device].channel.as_ref().map(|c| c.listen) {
            let delay = self.rng.below(40_000);
            let notice = Notice::Closed(None);
            self.schedule_notice(delay, device, listen, notice);
        }
    }

    /// The machine's network is gone, or there again.
    fn link_changes(&mut self, device: usize) {
        let link = !self.machine(device).link;
        self.machine_mut(device).link = link;
        self.tell(device, || format!("network: {link}"));
        for device in self.clients_of(self.devices[device].machine) {
            let life = self.devices[device].life;
            if !link {
                self.cut_off(device, life);
            }
            if self.rng.chance(80) {
                let delay = self.rng.below(50);
                self.schedule(delay, device, Event::Tell { life });
            }
        }
    }
}
