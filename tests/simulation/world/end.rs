//! The end: the trouble stops, and everything comes right, without a storm.

use std::collections::BTreeMap;

use pullcord::core::net::Notice;
use pullcord::core::records::Wish;
use serde_json::json;

use super::{Event, LONGEST_BACKOFF, LONGEST_RETRY_AFTER, Trouble, World, kind};
use crate::simulation::check::{self, Checked};
use crate::simulation::device::{Call, Device, Machine};
use crate::simulation::facade::{Item, Loading};
use crate::simulation::mode::{Scope, Wide};

impl World {
    pub(super) fn calm(&mut self) -> Checked {
        self.story
            .tell(self.time, "world", || "the trouble ends".to_owned());
        self.trouble = Trouble {
            requests: 0,
            commits: 0,
            notices: 0,
            lies: 0,
            overflows: 0,
            talk: 0,
        };
        self.server.tell_everything();
        self.server.prompt = true;
        self.server.sick = 0;
        self.server.again = 0;
        self.server.spoils = 0;
        self.server_moved()?;
        self.wake()?;
        self.evictions_are_found();
        if self.mode.hints {
            // A server may have asked for some minutes of rest.
            self.pass(LONGEST_RETRY_AFTER)?;
        }
        self.failing_alone()?;
        let before = self.requests.clone();
        let mut ms = 3 * LONGEST_BACKOFF;
        self.pass(ms)?;
        ms = self.slow_lines_catch_up(ms)?;
        self.no_storm(&before, ms)?;
        self.somebody_writes()?;
        self.all_converged("has not come right")?;
        self.all_is_taken_up()?;
        self.last_handover()?;
        for device in self.writers() {
            self.burst(device)?;
        }
        self.quiet()?;
        let small = self.mode.world == Wide::Small;
        for device in if small {
            self.running()
        } else {
            self.writers()
        } {
            self.read_back(device)?;
        }
        self.machines.iter_mut().try_for_each(|machine| {
            machine.disk.mend();
            machine.disk.reread()
        })
    }

    /// Whoever sleeps or is away is there again, with a network and a token.
    fn wake(&mut self) -> Checked {
        for machine in &mut self.machines {
            machine.link = true;
            machine.full = None;
        }
        // What was lost or late before stays so; whoever sleeps wakes up, and a closed tab is opened
        // again, within this time.
        let awake = self
            .devices
            .iter()
            .map(|device| device.asleep_until)
            .max()
            .unwrap_or(0);
        self.pass(awake.saturating_sub(self.time) + 90_000)?;
        for device in 0..self.devices.len() {
            self.devices[device].frozen = false;
            self.command(device, json!({ "op": "resume" }))?;
            let waits = self.devices[device].waits && !self.devices[device].promoted;
            if self.devices[device].brief || waits {
                self.command(device, json!({ "op": "close" }))?;
                continue;
            }
            self.is_on_screen(device);
            self.devices[device].hidden = false;
            self.devices[device].hidden_since = None;
            self.command(device, json!({ "op": "visibility", "hidden": false }))?;
            // What is only a hint may stay wrong for good.
            let online = !self.mode.hints || self.rng.chance(50);
            self.command(device, json!({ "op": "network", "online": online }))?;
            self.asks_for_a_token(device)?;
            self.opens_anew(device)?;
        }
        Ok(())
    }

    /// What was refused or let go is closed, and what was refused is opened again.
    fn opens_anew(&mut self, device: usize) -> Checked {
        // A refusal is final for its call: the user opens the list anew.
        let refused: Vec<(u64, String)> = self.devices[device]
            .facade
            .timelines
            .iter()
            .filter(|(_, v)| v.error.is_some())
            .map(|(id, v)| (*id, v.conversation.clone()))
            .collect();
        for (id, conversation) in refused {
            self.devices[device].facade.close(id);
            self.command(device, json!({ "op": "close-timeline", "timeline": id }))?;
            self.open(device, &conversation)?;
        }
        let released: Vec<u64> = self.devices[device]
            .facade
            .timelines
            .iter()
            .filter(|(_, v)| v.released)
            .map(|(id, _)| *id)
            .collect();
        for id in released {
            self.devices[device].facade.close(id);
            self.command(device, json!({ "op": "close-timeline", "timeline": id }))?;
        }
        Ok(())
    }

    /// Nothing happens any more but the slow timer.
    fn quiet(&mut self) -> Checked {
        let before = self.requests.clone();
        let (said, stuck) = (self.said.clone(), self.stuck);
        let loads: Vec<u64> = self.devices.iter().map(|device| device.loads).collect();
        let quiet = 600_000;
        self.pass(quiet)?;
        for (device, target) in self.devices.iter().enumerate() {
            let name = &target.name;
            // Whether a pull is under way, and now and then that one is there.
            let pulls: u64 = self
                .requests
                .iter()
                .zip(&before)
                .map(|(now, before)| {
                    now.get("pull").unwrap_or(&0) - before.get("pull").unwrap_or(&0)
                })
                .sum();
            let made = self.said[device].0 - said[device].0;
            if made > 4 * pulls + 5 * quiet / 30_000 + 20 {
                return Err(format!(
                    "a storm: {name} says {made} things in {quiet} quiet ms"
                ));
            }
            let made = target.loads - loads[device];
            if made > 2 {
                return Err(format!(
                    "a storm: {name} reads all {made} times in {quiet} quiet ms"
                ));
            }
        }
        if self.stuck > stuck {
            return Err("R15: the one that writes is well, and another finds it stuck".to_owned());
        }
        let interval = if self.mode.long_poll {
            // What ended early is learned, and kept for as long as nobody comes back to the page.
            self.least_wait.unwrap_or(5_000).clamp(2_000, 5_000)
        } else if self.config["notify"] == "socket" {
            30_000
        } else {
            5_000
        };
        // One with too many cursors asks in pieces.
        let pieces = if self.mode.largest < usize::MAX { 8 } else { 1 };
        let pulls = pieces * quiet / interval * 3 / 2 + 3;
        // A doubt that has brought nothing is taken up again after its rest, which may end just now: no rest that is
        // longer than all that has happened.
        let rest = self.mode.limits.doubt_rest;
        let doubts = match self.mode.bad_items && rest > quiet && self.time > rest {
            true => 4 * self.server.conversations.len() as u64,
            false => 0,
        };
        let devices = self.devices.iter().zip(&self.requests).zip(&before);
        for ((device, requests), before) in devices {
            let allowed = |kind| match (kind, device.deposed_at) {
                ("pull", _) => pulls,
                ("history" | "changes", None) => doubts,
                // Another client has the account, and nothing told this one so: what it shows may be
                // refused for good, and it asks for that ever less often.
                (_, Some(_)) => quiet / 60_000,
                _ => 0,
            };
            let made = requests
                .iter()
                .map(|(kind, count)| (*kind, count - before.get(kind).unwrap_or(&0)));
            let storm = made.into_iter().find(|(kind, made)| *made > allowed(*kind));
            if let Some((kind, made)) = storm {
                return Err(format!(
                    "a storm: {made} requests ({kind}) in {quiet} quiet ms"
                ));
            }
        }
        Ok(())
    }

    /// Over a slow line much takes as long as its bytes. `ms` have passed; answers how many have then.
    fn slow_lines_catch_up(&mut self, mut ms: u64) -> Result<u64, String> {
        while self.mode.rate.is_some() && self.somebody_pulls() && ms < 30 * LONGEST_BACKOFF {
            self.pass(LONGEST_BACKOFF)?;
            ms += LONGEST_BACKOFF;
        }
        Ok(ms)
    }

    /// Whether a client that writes has not caught up, or not read the whole list, or asks for more.
    fn somebody_pulls(&self) -> bool {
        self.writers().into_iter().any(|device| {
            let device = &self.devices[device];
            let status = device.facade.status.as_ref();
            let behind = status.is_none_or(|status| !status.caught_up || !status.listed);
            let mut asked = device.requests.values();
            behind || asked.any(|pending| kind(&pending.call).0 == "pull")
        })
    }

    /// What it took to come right is in proportion to what there was to be brought, and to the time.
    fn no_storm(&self, before: &[BTreeMap<&'static str, u64>], ms: u64) -> Checked {
        let allowed = 100 + ms / 1_000 + 4 * self.server.position() as u64;
        let devices = self.devices.iter().zip(before).enumerate();
        for (device, (target, before)) in devices {
            let made: u64 = self.requests[device].values().sum();
            let made = made - before.values().sum::<u64>();
            if made > allowed {
                let name = &target.name;
                return Err(format!(
                    "a storm: {name} made {made} requests to come right, in {ms} ms"
                ));
            }
        }
        Ok(())
    }

    /// One conversation fails for ever; all others come right nevertheless.
    fn failing_alone(&mut self) -> Checked {
        if self.mode.scope != Scope::Conversation || self.rng.chance(50) {
            return Ok(());
        }
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        let Some(failing) = self.rng.pick(&ids).cloned() else {
            return Ok(());
        };
        self.story
            .tell(self.time, "world", || format!("{failing} fails for ever"));
        self.server.failing = Some(failing.clone());
        for id in &ids {
            self.server.post(id, &mut self.rng);
        }
        // Also one that nobody knows yet.
        let new = format!("c{}", ids.len() + 1);
        self.server.found(&new, &mut self.rng);
        self.server_moved()?;
        let before = self.requests.clone();
        // Each batch brings at least one of these.
        let newest = self.server.position();
        let lacks = |device: &Device| newest - device.positions(&self.server).least();
        let lacking: Vec<u64> = self.devices.iter().map(|d| lacks(d) as u64).collect();
        let mut ms = 3 * LONGEST_BACKOFF;
        self.pass(ms)?;
        // Over a slow line much takes as long as its bytes.
        let waits = |world: &World| {
            let mut writers = world.writers().into_iter();
            writers.find_map(|device| Some((device, world.waits(device, &failing)?)))
        };
        while self.mode.rate.is_some() && waits(self).is_some() && ms < 30 * LONGEST_BACKOFF {
            self.pass(LONGEST_BACKOFF)?;
            ms += LONGEST_BACKOFF;
        }
        if let Some((device, id)) = waits(self) {
            let name = &self.devices[device].name;
            return Err(format!("{failing} fails, and {id} of {name} waits for it"));
        }
        let writers = self.writers();
        for (device, before) in before.iter().enumerate() {
            if !writers.contains(&device) {
                continue;
            }
            let made = self.requests[device].get("pull").unwrap_or(&0);
            let made = made - before.get("pull").unwrap_or(&0);
            if made > ms / 5_000 * 2 + 30 + lacking[device] {
                return Err(format!(
                    "a storm: {made} pulls while one conversation fails"
                ));
            }
        }
        self.server.failing = None;
        Ok(())
    }

    /// A conversation beside the one that fails, of which a client lacks something.
    fn waits(&self, device: usize, failing: &str) -> Option<String> {
        let positions = self.devices[device].positions(&self.server);
        let mut others = self.server.conversations.iter();
        let waits = others.find(|(id, conversation)| {
            let lacks = positions.of(id) != self.server.position();
            *id != failing && conversation.member && lacks
        });
        Some(waits?.0.clone())
    }

    /// Fifty messages one after the other, told by their events inline: no pull, and few commits.
    fn burst(&mut self, device: usize) -> Checked {
        let pushed = self.mode.push > 0 && self.config["minPullInterval"] == 0;
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        let id = self.rng.pick(&ids).cloned().unwrap_or_default();
        if pushed {
            // No timer's pull falls into what follows.
            let call = self.devices[device].new_call(Call::Sync);
            self.command(device, json!({ "op": "sync", "call": call }))?;
            self.pass(5_000)?;
        }
        let position = self.server.position();
        let busy = self.devices[device]
            .requests
            .values()
            .any(|p| kind(&p.call).0 == "pull");
        let Some(channel) = &mut self.devices[device].channel else {
            return Ok(());
        };
        if !pushed
            || busy
            || !channel.ready
            || channel.dead
            || !self.server.conversations[&id].member
        {
            return Ok(());
        }
        let listen = channel.listen;
        channel.told = position;
        channel.busy_until = 0;
        let before = (self.requests[device].clone(), self.devices[device].commits);
        let told = self.fifty_messages(device, listen, &id);
        self.story
            .tell(self.time, "server", || format!("{id}: a burst"));
        self.notified = told;
        self.pass(5_000)?;
        if let Some(channel) = &mut self.devices[device].channel {
            channel.told = told;
        }
        let made = |kind: &str| {
            let before = before.0.get(kind).unwrap_or(&0);
            self.requests[device].get(kind).unwrap_or(&0) - before
        };
        let commits = self.devices[device].commits - before.1;
        // Few, where some may be merged.
        let few = if self.mode.limits.merged < 50 { 60 } else { 30 };
        // One at a time, where the server has refused more of them lately: each that it takes lets more go.
        if made("pull") > 0 || made("ack") > 60 || commits > few {
            return Err(format!(
                "a burst of 50 made {} pulls, {} acknowledgements, {commits} commits",
                made("pull"),
                made("ack")
            ));
        }
        // The others hear of it by a notification.
        self.notified = 0;
        self.server_moved()?;
        self.pass(LONGEST_BACKOFF)?;
        self.slow_lines_catch_up(LONGEST_BACKOFF)?;
        self.all_converged("after a burst")
    }

    /// All clients that are open: the others show what the one that writes does.
    pub(super) fn running(&self) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        let open = devices.filter(|(_, device)| device.engine.is_some());
        open.map(|(n, _)| n).collect()
    }

    /// Each of them shows what the server has.
    pub(super) fn all_converged(&self, when: &str) -> Checked {
        for device in self.running() {
            let target = &self.devices[device];
            self.converged(device)
                .map_err(|error| format!("{} {when}: {error}", target.name))?;
            if !target.is_current(self.machine(device)) {
                let newest = self.machine(device).disk.stored.stamp();
                let seen = target.seen;
                let name = &target.name;
                return Err(format!(
                    "R15: {name} {when}: it knows {seen:?} of {newest:?}"
                ));
            }
        }
        Ok(())
    }

    /// No wish waits.
    fn all_is_taken_up(&self) -> Checked {
        for machine in self.machines.iter().filter(|m| m.wiped_for.is_none()) {
            // One that could not be read is found at the next start.
            let spoilt = &machine.spoilt;
            let lost = |wish: &Wish| match wish {
                Wish::Send(local) => spoilt.own.contains(&local.client_id),
                Wish::Retry(named) | Wish::Discard(named) => spoilt.own.contains(&named.client_id),
                Wish::Mark(..) => spoilt.marks,
            };
            let wishes = machine.disk.wishes()?;
            if let Some(wish) = wishes.iter().find(|wish| !lost(wish)) {
                return Err(format!("R15: nobody has taken up {wish:?}"));
            }
        }
        Ok(())
    }

    /// Each is told at once; where the log is then.
    fn fifty_messages(&mut self, device: usize, listen: u64, id: &str) -> usize {
        let life = self.devices[device].life;
        let mut from = self.server.position();
        self.server.tells_prev = true;
        let bad_items = std::mem::take(&mut self.server.mode.bad_items);
        for n in 0..50 {
            self.server.post(id, &mut self.rng);
            let to = self.server.position();
            for text in self.server.pushes((from, to), 1000, &mut self.rng) {
                let notice = Notice::Push(text);
                self.schedule(
                    30 + n * 2,
                    device,
                    Event::Notice {
                        life,
                        listen,
                        notice,
                    },
                );
            }
            from = self.server.position();
        }
        self.server.mode.bad_items = bad_items;
        from
    }

    pub(super) fn converged(&self, device: usize) -> Checked {
        let machine = self.machine(device);
        let device = &self.devices[device];
        let status = device.facade.status.as_ref().ok_or("no status")?;
        if status.error.is_some()
            || status.progress.is_some()
            || status.last_synced_at.is_none()
            || status.storage != "memory"
        {
            return Err(format!("{status:?}"));
        }
        if status.connection != "online" || !status.caught_up || !status.listed {
            return Err(format!("{status:?}"));
        }
        self.cursors_converged(device)?;
        self.own_converged(device, machine)?;
        self.conversations_converged(device)?;
        self.lists_converged(device)
    }

    fn cursors_converged(&self, device: &Device) -> Checked {
        let positions = device.positions(&self.server);
        let cursors = device.store.cursors();
        for (id, conversation) in &self.server.conversations {
            // Of what was left, nothing needs to be known any more.
            let left = self.mode.scope == Scope::Conversation
                && !conversation.member
                && !cursors.contains_key(id.as_str());
            if positions.of(id) != self.server.position() && !left {
                return Err(format!(
                    "its cursor of {id} is at {} of {}",
                    positions.of(id),
                    self.server.position()
                ));
            }
        }
        if self.mode.scope == Scope::Mailbox && !self.server.mailbox_is_empty() {
            return Err("the mailbox is not empty".to_owned());
        }
        Ok(())
    }

    /// What the app has asked for is done, or has failed.
    fn own_converged(&self, device: &Device, machine: &Machine) -> Checked {
        if !device.calls.is_empty() {
            return Err(format!("calls that never settle: {:?}", device.calls));
        }
        for local in &device.facade.outbox {
            // One that only this client could read is tried at the next start.
            let spoilt = device.shares && machine.spoilt.own.contains(&local.client_id);
            if local.state != "failed" && !spoilt {
                return Err(format!("{} is still {}", local.client_id, local.state));
            }
        }
        for (client_id, own) in &machine.own {
            let failed = device
                .facade
                .outbox
                .iter()
                .any(|local| local.client_id == *client_id);
            let delivered = check::delivered(&self.server, client_id, own);
            let lacks = machine.may_lack(client_id, &self.devices);
            if own.accepted.is_some() && !lacks && !own.discarded && !failed && delivered == (0, 0)
            {
                return Err(format!("{client_id} was accepted, and is nowhere"));
            }
        }
        for (id, mark) in machine.marks.iter().filter(|_| !machine.spoilt.marks) {
            let conversation = &self.server.conversations[id];
            let read = conversation
                .states
                .last()
                .and_then(|(_, state)| state.read_seq);
            if conversation.membership.len() == 1 && read.is_none_or(|read| read < *mark) {
                return Err(format!("{id} was read to {mark}, the server has {read:?}"));
            }
        }
        Ok(())
    }

    fn conversations_converged(&self, device: &Device) -> Checked {
        for shown in &device.facade.conversations {
            let conversation = &self.server.conversations[&shown.id];
            let (_, state) = conversation
                .states
                .last()
                .ok_or("a conversation without a state")?;
            let same = shown.unread == state.unread
                && shown.last_seq == state.last_seq
                && shown.read_seq == state.read_seq
                && shown.meta == state.meta
                && shown.last_message.as_ref().map(|m| (m.seq, m.version)) == state.last_message;
            if !same {
                return Err(format!("R11: {shown:?}, and the server has {state:?}"));
            }
        }
        Ok(())
    }

    fn lists_converged(&self, device: &Device) -> Checked {
        let positions = device.positions(&self.server);
        let spoilt = &self.machines[device.machine].spoilt.own;
        for (id, view) in &device.facade.timelines {
            let conversation = &self.server.conversations[&view.conversation];
            if !conversation.member {
                continue;
            }
            let position = positions.of(&view.conversation);
            let in_doubt = conversation.is_doubtful()
                || device.store.trusted(&view.conversation, position) < position;
            let whole = view.status == "ready"
                && view.loading
                    == (Loading {
                        older: false,
                        newer: false,
                        jump: false,
                    })
                && view
                    .items
                    .iter()
                    .all(|item| !matches!(**item, Item::Gap { .. }))
                && (in_doubt || view.messages().all(|(_, _, fresh)| fresh))
                && view.locals().all(|local| {
                    // What was left out of it stays as it was sent, until a page brings it.
                    local.state == "failed"
                        || in_doubt && local.state == "sent"
                        || spoilt.contains(&local.client_id)
                });
            if !whole {
                return Err(format!(
                    "list {id} of {} is {} with {:?}, {:?}",
                    view.conversation,
                    check::draw(view),
                    view.error,
                    view.loading
                ));
            }
        }
        Ok(())
    }

    /// How things stand: what each device shows and holds, and what the server has.
    pub fn scene(&self) -> String {
        let mut text = String::new();
        for device in &self.devices {
            text += &format!("{} shows\n", device.name);
            for (id, view) in &device.facade.timelines {
                let drawn = check::draw(view);
                text += &format!("  list {id} of {}: {drawn}\n", view.conversation);
            }
            if std::env::var_os("PULLCORD_PARTS").is_some()
                && let Some(engine) = &device.engine
            {
                text += &format!("{}\n", engine.parts());
            }
            let least = device.positions(&self.server).least();
            text += &format!(
                "{} holds, cursor {least}\n{}",
                device.name,
                device.store.draw()
            );
        }
        text += &format!("the server has, log {}\n", self.server.position());
        for conversation in self.server.conversations.values() {
            let posts = conversation
                .living()
                .map(|post| match post.newest().version {
                    1 => format!(" {}", post.seq),
                    version => format!(" {}v{version}", post.seq),
                });
            let left = if conversation.member { "" } else { " (left)" };
            text += &format!(
                "  {}{left}:{}\n",
                conversation.id,
                posts.collect::<String>()
            );
        }
        text
    }
}
