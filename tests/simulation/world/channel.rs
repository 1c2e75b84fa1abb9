//! The notification channel: what it brings, late, doubled, or not at all, and how it dies.

use pullcord::core::Input;
use pullcord::core::net::Notice;

use super::{Event, RESEND, World};
use crate::simulation::check::Checked;
use crate::simulation::device::Channel;
use crate::simulation::mode::Scope;
use crate::simulation::story;

impl World {
    /// The channel of this device, as it is now, brings this after `delay` ms.
    pub(super) fn schedule_notice(
        &mut self,
        delay: u64,
        device: usize,
        listen: u64,
        notice: Notice,
    ) {
        let life = self.devices[device].life;
        let event = Event::Notice {
            life,
            listen,
            notice,
        };
        self.schedule(delay, device, event);
    }

    pub(super) fn listen(&mut self, device: usize, listen: u64) {
        self.tell(device, || format!("listens ({listen})"));
        self.devices[device].channel = Some(Channel {
            listen,
            ready: false,
            told: 0,
            resent: 0,
            busy_until: 0,
            dead: false,
        });
        let bad = self.rng.chance(self.trouble.requests / 2);
        let reached = self.machine(device).link && self.time >= self.down_until && !bad;
        let works = reached || self.mode.instant;
        let (delay, notice) = if works && self.mode.instant {
            (0, Notice::Ready)
        } else if works {
            (self.rng.delay(100), Notice::Ready)
        } else {
            (self.rng.between(10, 10_000), Notice::Closed(None))
        };
        self.schedule_notice(delay, device, listen, notice);
    }

    pub(super) fn notice(&mut self, device: usize, listen: u64, notice: Notice) -> Checked {
        let link = self.machine(device).link;
        let Some(channel) = self.devices[device]
            .channel
            .as_mut()
            .filter(|channel| channel.listen == listen)
        else {
            return Ok(());
        };
        let notice = match notice {
            Notice::Ready if !link => Notice::Closed(None),
            Notice::Notify { .. } | Notice::Push(_) if !link || !channel.ready => {
                // What is lost on a connection that keeps its order ends it.
                channel.dead |= self.mode.scope == Scope::Mailbox;
                return Ok(());
            }
            Notice::Push(_) if channel.dead => return Ok(()),
            notice => notice,
        };
        let ready = matches!(notice, Notice::Ready);
        match notice {
            Notice::Ready => channel.ready = true,
            Notice::Closed(_) | Notice::Leaving(_) => self.devices[device].channel = None,
            _ => {}
        }
        if ready && self.mode.push > 0 {
            self.opened(device, listen);
        }
        self.tell(device, || match &notice {
            Notice::Push(text) => format!("notice: push {}", story::answer(text)),
            notice => format!("notice {notice:?}"),
        });
        self.devices[device].read_bytes = 0;
        self.input(device, Input::Notice { listen, notice })
    }

    /// Notifies the devices of what is new: perhaps, once or twice, now or later.
    pub(super) fn server_moved(&mut self) -> Checked {
        if self.notified == self.server.position() {
            return Ok(());
        }
        self.notified = self.server.position();
        for device in 0..self.devices.len() {
            let Some(listen) = self.devices[device]
                .channel
                .as_ref()
                .filter(|c| c.ready)
                .map(|c| c.listen)
            else {
                continue;
            };
            if self.mode.push > 0 && self.server.can_push() && self.rng.chance(self.mode.push) {
                self.push(device, listen);
                continue;
            }
            let conversations = self.hint(device);
            if let (Scope::Account, Some(channel)) =
                (self.mode.scope, &mut self.devices[device].channel)
            {
                channel.told = self.notified;
            }
            let bad = self.rng.chance(self.trouble.notices);
            let copies = if bad { self.rng.below(3) } else { 1 };
            for _ in 0..copies {
                self.notify(device, listen, conversations.clone(), bad);
            }
        }
        // What pulls have waited for has come. One that was let go hears nothing.
        for held in std::mem::take(&mut self.held) {
            let target = &self.devices[held.device];
            let waits = held.life == target.life && target.requests.contains_key(&held.request);
            if waits {
                self.process(held)?;
            }
        }
        Ok(())
    }

    /// The conversations that a notification names: all that have something new, or none.
    fn hint(&mut self, device: usize) -> Vec<String> {
        if self.mode.scope != Scope::Conversation || self.rng.chance(40) {
            return Vec::new();
        }
        let told = self.devices[device].channel.as_mut().map_or(0, |channel| {
            std::mem::replace(&mut channel.told, self.notified)
        });
        self.server.moved_since(told)
    }

    /// The channel was opened: what is pushed begins here.
    fn opened(&mut self, device: usize, listen: u64) {
        let position = self.server.position();
        let Some(channel) = &mut self.devices[device].channel else {
            return;
        };
        if self.mode.scope == Scope::Mailbox {
            // From the oldest that is not acknowledged, so that each connection has them in order.
            channel.told = 0;
            let life = self.devices[device].life;
            self.schedule(RESEND, device, Event::Resend { life, listen });
            if self.server.can_push() && self.rng.chance(50) {
                self.push(device, listen);
            }
        } else {
            channel.told = position;
        }
    }

    /// The events themselves, inline. Of the account's, each may be lost, late or doubled; a
    /// mailbox's keep their order, until the connection dies.
    pub(super) fn push(&mut self, device: usize, listen: u64) {
        let position = self.server.position();
        let Some(channel) = &mut self.devices[device].channel else {
            return;
        };
        let from = std::mem::replace(&mut channel.told, position);
        let size = if self.rng.chance(50) {
            usize::MAX
        } else {
            self.rng.between(1, 5) as usize
        };
        let frames = self
            .server
            .pushes((from, position), size.min(1000), &mut self.rng);
        self.deliver(device, listen, frames);
    }

    /// A notification is on its way.
    fn notify(&mut self, device: usize, listen: u64, conversations: Vec<String>, bad: bool) {
        let delay = self.on_its_way(bad);
        let spread = match self.rng.chance(80) {
            true => 0,
            false => self.rng.below(3_000) as u32,
        };
        let notice = Notice::Notify {
            spread,
            conversations,
        };
        self.schedule_notice(delay, device, listen, notice);
    }

    /// ms that a frame is on its way. `bad`: it may be late.
    fn on_its_way(&mut self, bad: bool) -> u64 {
        match bad && self.rng.chance(50) {
            true => self.rng.below(20_000),
            false => self.rng.delay(50),
        }
    }

    /// The connections of all devices are dead.
    pub(super) fn all_die(&mut self) {
        for device in 0..self.devices.len() {
            if let Some(listen) = self.devices[device].channel.as_ref().map(|c| c.listen) {
                self.dies(device, listen);
            }
        }
    }

    fn deliver(&mut self, device: usize, listen: u64, frames: Vec<String>) {
        for text in frames {
            let bad = self.rng.chance(self.trouble.notices);
            for _ in 0..self.copies(device, listen, bad) {
                let delay = self.on_its_way_behind_others(device, bad);
                let notice = Notice::Push(text.clone());
                self.schedule_notice(delay, device, listen, notice);
            }
        }
    }

    /// How often a frame comes. None is lost of what comes in order: the connection dies instead.
    fn copies(&mut self, device: usize, listen: u64, bad: bool) -> u64 {
        let copies = if bad { self.rng.below(3) } else { 1 };
        if copies > 0 || self.mode.scope != Scope::Mailbox {
            return copies;
        }
        if self.rng.chance(30) {
            self.dies(device, listen);
        }
        1
    }

    /// The same as [`World::on_its_way`], but no frame of the mailbox overtakes another.
    fn on_its_way_behind_others(&mut self, device: usize, bad: bool) -> u64 {
        let mut at = self.time + self.on_its_way(bad);
        let ordered = self.mode.scope == Scope::Mailbox;
        let channel = self.devices[device].channel.as_mut();
        if let Some(channel) = channel.filter(|_| ordered) {
            at = at.max(channel.busy_until);
            channel.busy_until = at;
        }
        at - self.time
    }

    /// The connection is dead; the client hears of it some time later.
    pub(super) fn dies(&mut self, device: usize, listen: u64) {
        if let Some(channel) = &mut self.devices[device].channel {
            channel.dead = true;
        }
        let delay = self.rng.below(40_000);
        self.schedule_notice(delay, device, listen, Notice::Closed(None));
    }

    /// The mailbox's timer: what was pushed over this connection and not acknowledged goes again.
    pub(super) fn resend(&mut self, device: usize, listen: u64) {
        let channel = self.devices[device].channel.as_mut();
        let Some(channel) = channel.filter(|channel| channel.listen == listen) else {
            return;
        };
        if channel.ready && self.server.can_push() {
            // Only what was told before the timer went off the last time.
            let upto = std::mem::replace(&mut channel.resent, channel.told);
            let size = self.rng.between(1, 50) as usize;
            let frames = self.server.pushes((0, upto), size, &mut self.rng);
            self.deliver(device, listen, frames);
        }
        let life = self.devices[device].life;
        self.schedule(RESEND, device, Event::Resend { life, listen });
    }
}
