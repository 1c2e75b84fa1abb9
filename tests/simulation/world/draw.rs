//! Which step comes next, drawn.

use super::World;
use crate::simulation::device::{Call, Full};
use crate::simulation::facade::Item;
use crate::simulation::mode::Wide;
use crate::simulation::server::ACCOUNT;
use crate::simulation::steps::{Act, DeviceAct, ServerAct, Step, UserAct};

impl World {
    /// The next step.
    pub(super) fn draw(&mut self) -> Step {
        let once = self.mode.tellings && self.rng.chance(12);
        let act = match self.rng.below(100) {
            _ if once => self.draw_sync_once(),
            0..=34 => self.draw_server(),
            35..=64 => {
                let device = self.rng.below(self.devices.len() as u64) as usize;
                let awake = self.devices[device].engine.is_some()
                    && self.devices[device].asleep_until <= self.time;
                let act = awake.then(|| self.draw_user(device)).flatten();
                act.map_or(Act::Nothing, |act| Act::User(device, act))
            }
            65..=70 => {
                let device = self.rng.below(self.devices.len() as u64) as usize;
                self.draw_device(device)
            }
            71..=94 => Act::Pass(self.rng.delay(400)),
            95..=98 => Act::Pass(self.rng.below(20_000)),
            _ => Act::Pass(self.rng.below(600_000)),
        };
        Step {
            chance: self.rng.state(),
            act,
        }
    }

    fn draw_sync_once(&mut self) -> Act {
        let device = self.rng.below(self.devices.len() as u64) as usize;
        match self.rng.chance(30) {
            true => Act::Device(device, DeviceAct::Visibility),
            false => Act::User(device, UserAct::SyncOnce),
        }
    }

    fn draw_server(&mut self) -> Act {
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        let Some(id) = self.rng.pick(&ids).cloned() else {
            return Act::Nothing;
        };
        if matches!(self.mode.world, Wide::Conversations(_) | Wide::Lists(_)) && self.rng.chance(10)
        {
            return Act::Night;
        }
        let act = match self.rng.below(100) {
            0..=44 => ServerAct::Post,
            45..=49 => ServerAct::Burst(self.rng.between(2, 30)),
            50..=56 => ServerAct::Reserve,
            57..=66 => ServerAct::CommitLate,
            67..=84 => ServerAct::Change,
            85..=88 => ServerAct::Trim,
            89..=91 => ServerAct::LeaveOrReturn,
            92..=94 => ServerAct::Rename,
            95 if ids.len() < 8 => ServerAct::Found(format!("c{}", ids.len() + 1).into()),
            _ => ServerAct::UnknownEvent,
        };
        Act::Server(id.into(), act)
    }

    /// One of the conversations there are.
    fn draw_conversation(&mut self) -> Option<String> {
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        self.rng.pick(&ids).cloned()
    }

    fn draw_user(&mut self, device: usize) -> Option<UserAct> {
        let lists = &self.devices[device].facade.timelines;
        let open = lists.iter().filter(|(_, v)| !v.released);
        let open: Vec<u64> = open.map(|(id, _)| *id).collect();
        let list = self.rng.pick(&open).copied();
        if let (true, Some(timeline)) = (self.mode.jumps, list)
            && self.rng.chance(12)
        {
            let conversation = self.devices[device].facade.timelines[&timeline]
                .conversation
                .clone();
            let to = self.place(&conversation);
            return Some(UserAct::Jump { timeline, to });
        }
        match self.rng.below(100) {
            0..=14 => self.draw_open(open.len()),
            15..=18 => list.map(|timeline| UserAct::Close { timeline }),
            19..=23 => {
                let lists = &self.devices[device].facade.timelines;
                let lists: Vec<u64> = lists.keys().copied().collect();
                let timeline = self.rng.pick(&lists).copied()?;
                match self.devices[device].facade.timelines[&timeline].released {
                    true => Some(UserAct::Attach { timeline }),
                    false => Some(UserAct::Release { timeline }),
                }
            }
            24..=41 => {
                let timeline = list?;
                let newer = self.rng.chance(25);
                let limit = match self.rng.chance(60) {
                    true => self.devices[device].facade.timelines[&timeline].page_size,
                    false => self.rng.between(1, 15),
                };
                Some(UserAct::Load {
                    timeline,
                    newer,
                    limit,
                })
            }
            42..=46 => self.draw_look(device, list?),
            47..=64 => self.draw_send(device, list),
            65..=69 => self.draw_retry_or_discard(device),
            70..=77 => self.draw_change(device, list?),
            78..=84 => {
                let timeline = list?;
                let view = &self.devices[device].facade.timelines[&timeline];
                let seqs: Vec<u64> = view.messages().map(|(_, message, _)| message.seq).collect();
                let seq = self.rng.pick(&seqs).copied();
                let seq = if self.rng.chance(50) { None } else { seq };
                Some(UserAct::MarkRead { timeline, seq })
            }
            85..=90 => Some(UserAct::Sync),
            91..=96 => {
                let conversation = match self.rng.chance(90) {
                    true => self.draw_conversation().map(Into::into),
                    false => None,
                };
                Some(UserAct::Inspect { conversation })
            }
            97..=98 => {
                let waits = |c: &Call| {
                    matches!(
                        c,
                        Call::Load { .. } | Call::Jump { .. } | Call::Sync | Call::Tell { .. }
                    )
                };
                let calls = self.devices[device].calls.iter();
                let calls: Vec<u64> = calls.filter(|(_, c)| waits(c)).map(|(id, _)| *id).collect();
                let of = self.rng.pick(&calls).copied()?;
                Some(UserAct::Abort { of })
            }
            _ => Some(UserAct::End),
        }
    }

    fn draw_open(&mut self, open: usize) -> Option<UserAct> {
        let conversation = self.draw_conversation()?;
        let most = self.mode.world.lists();
        if open >= most {
            return None;
        }
        let start = self.start_place(&conversation);
        let ids = self.server.conversations.len();
        Some(UserAct::Open {
            conversation: conversation.into(),
            start,
            more: most.min(ids).saturating_sub(3) as u64,
        })
    }

    fn draw_look(&mut self, device: usize, timeline: u64) -> Option<UserAct> {
        let view = &self.devices[device].facade.timelines[&timeline];
        let count = view.items.len() as u64;
        if count == 0 {
            return None;
        }
        let first = self.rng.below(count);
        let most = (first + view.page_size).min(count - 1);
        let last = self.rng.between(first, most);
        Some(UserAct::Look {
            timeline,
            first: first as usize,
            last: last as usize,
        })
    }

    fn draw_send(&mut self, device: usize, list: Option<u64>) -> Option<UserAct> {
        let conversation = match list {
            Some(id) if self.rng.chance(80) => self.devices[device].facade.timelines[&id]
                .conversation
                .clone(),
            _ => self.draw_conversation().unwrap_or_default(),
        };
        Some(UserAct::Send {
            conversation: conversation.into(),
            twice: self.rng.chance(5),
        })
    }

    fn draw_retry_or_discard(&mut self, device: usize) -> Option<UserAct> {
        let local = self
            .rng
            .pick(&self.devices[device].facade.outbox)
            .cloned()?;
        let client_id = local.client_id.clone().into();
        match local.state == "failed" && self.rng.chance(60) {
            true => Some(UserAct::Retry { client_id }),
            false => Some(UserAct::Discard { client_id }),
        }
    }

    fn draw_change(&mut self, device: usize, timeline: u64) -> Option<UserAct> {
        let view = &self.devices[device].facade.timelines[&timeline];
        let own = view.items.iter().filter_map(|item| match &**item {
            Item::Message { message, .. } if message.sender == ACCOUNT => Some(message.id.clone()),
            Item::Local(local) => local.message.as_ref().map(|message| message.id.clone()),
            _ => None,
        });
        let own: Vec<String> = own.collect();
        let message = self.rng.pick(&own).cloned()?.into();
        let edit = self.rng.chance(60).then(|| self.rng.next());
        Some(UserAct::Change {
            timeline,
            message,
            edit,
        })
    }

    fn draw_device(&mut self, device: usize) -> Act {
        if self.mode.restarts && self.rng.chance(10) {
            return Act::Restart(self.rng.below(20_000));
        }
        let act = self.draw_device_act(device);
        act.map_or(Act::Nothing, |act| Act::Device(device, act))
    }

    fn draw_device_act(&mut self, device: usize) -> Option<DeviceAct> {
        if self.mode.clocks && self.rng.chance(20) {
            let day = 86_400_000;
            let off = self.rng.below(2 * day) as i64 - day as i64;
            let off = if self.rng.chance(30) { 0 } else { off };
            return Some(DeviceAct::Clock(off));
        }
        if self.mode.spoilt && self.rng.chance(20) {
            return Some(match self.rng.chance(30) {
                true => DeviceAct::Mend,
                false => DeviceAct::Spoil,
            });
        }
        if self.mode.wipes && self.rng.chance(10) {
            return Some(DeviceAct::Wipe);
        }
        if self.mode.evicted && self.rng.chance(10) {
            return Some(DeviceAct::Evict);
        }
        if self.mode.full_disk && self.rng.chance(15) {
            return Some(DeviceAct::Disk(self.draw_full(device)));
        }
        let running = self.devices[device].engine.is_some();
        let awake = running && self.devices[device].asleep_until <= self.time;
        match self.rng.below(10) {
            0..=2 => Some(DeviceAct::Link),
            3 => Some(DeviceAct::Channel),
            4..=5 if awake => Some(DeviceAct::Sleep {
                ms: self.rng.between(1_000, 900_000),
                frozen: self.rng.chance(50),
            }),
            6 if awake => Some(DeviceAct::Visibility),
            7..=9 if running => Some(DeviceAct::Crash),
            _ => None,
        }
    }

    /// Whether the disk has room again, or how full it is.
    fn draw_full(&mut self, device: usize) -> Option<Full> {
        let bytes = self.machine(device).disk.bytes() as u64;
        match (self.machine(device).full, self.rng.below(3)) {
            (Some(_), _) => None,
            (None, 0) => Some(Full::Solid),
            (None, 1) => Some(Full::GivesNothingBack),
            (None, _) => {
                let room = self.rng.between(bytes / 2, bytes + 500);
                Some(Full::Capacity(room as usize))
            }
        }
    }
}
