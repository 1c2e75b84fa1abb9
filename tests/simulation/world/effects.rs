//! An engine's inputs, what it wants done, and what its app is shown.

use std::collections::BTreeSet;

use pullcord::core::storage::Read;
use pullcord::core::{Effect, Input};
use serde_json::Value;

use super::{Event, World};
use crate::simulation::check::{self, Checked};
use crate::simulation::device::Operation;
use crate::simulation::story;

impl World {
    pub(super) fn input(&mut self, device: usize, input: Input) -> Checked {
        let committed = matches!(input, Input::Committed { result: Ok(()), .. });
        self.drain(device, Some(input), committed)
    }

    pub(super) fn drain(
        &mut self,
        device: usize,
        input: Option<Input>,
        committed: bool,
    ) -> Checked {
        let clock = self.machine(device).clock;
        let wall = self.server.wall.saturating_add_signed(clock);
        let read = matches!(input, Some(Input::Read { .. }));
        let load = self.devices[device].load;
        let loaded = matches!(input, Some(Input::Read { op, .. }) if op == load);
        let lists = match loaded && !self.mode.spoilt {
            true => self.steady(device),
            false => Vec::new(),
        };
        let effects = self.devices[device].handle(self.time, wall, input);
        let before = self.devices[device].seen;
        self.was_on_screen = self.devices[device].commits_on_screen;
        self.sees(device, read)?;
        self.events.clear();
        self.new.clear();
        let mut shown = committed;
        let life = self.devices[device].life;
        // What is said to the claim comes back as an input: all effects of this one are begun before it.
        let (claims, effects): (Vec<_>, Vec<_>) = effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Fenced | Effect::Stuck));
        if claims.iter().any(|effect| matches!(effect, Effect::Fenced)) {
            // What its last pull has brought is another's to commit.
            let target = &mut self.devices[device];
            target.pulled_before = target.pulled_at;
        }
        for effect in effects {
            if self.devices[device].life != life {
                return Err("an effect after Stopped".to_owned());
            }
            shown |= matches!(effect, Effect::Frame(_));
            self.effect(device, effect)?;
        }
        if self.devices[device].life == life {
            self.told_as_by_the_writer(device, before, read)?;
            if before.is_some() && before != self.devices[device].seen {
                self.stands(device, lists)?;
            }
            if loaded && before != self.devices[device].seen {
                self.devices[device].loads_in_a_row = 0;
            }
        }
        if shown {
            self.check(device)?;
        }
        for effect in claims {
            if self.devices[device].life == life {
                self.effect(device, effect)?;
            }
        }
        Ok(())
    }

    pub(super) fn check(&mut self, device: usize) -> Checked {
        self.promises(device)?;
        let target = &mut self.devices[device];
        let machine = &self.machines[target.machine];
        check::device(target, machine, &self.server)
    }

    fn effect(&mut self, device: usize, effect: Effect) -> Checked {
        match effect {
            Effect::Read { op, reads } => {
                let all = reads.iter().any(|read| matches!(read, Read::All { .. }));
                let target = &mut self.devices[device];
                if all && target.promoted {
                    target.reads = Some(op);
                }
                if all && !target.first.1 {
                    target.first.0 = op;
                }
                if all && reads.len() > 3 {
                    target.loads += 1;
                    target.loads_in_a_row += 1;
                    target.load = op;
                }
                if all {
                    self.tell(device, || format!("reads what is stored, #{op}"));
                }
                self.operate(device, Operation::Read(op, reads));
            }
            Effect::Commit {
                op,
                writes,
                durability,
            } => {
                self.tell(device, || {
                    format!("commits #{op} ({} writes)", writes.len())
                });
                if !self.devices[device].knows {
                    return Err("a commit before what is stored was read".to_owned());
                }
                let target = &mut self.devices[device];
                target.commits_on_screen = !target.hidden && !target.frozen;
                let epoch = target.told_epoch.unwrap_or_default();
                self.operate(device, Operation::Commit(op, epoch, writes, durability));
            }
            Effect::Request { request, call, .. } => return self.request(device, request, call),
            Effect::Abort { request } => {
                self.tell(device, || format!("aborts request {request}"));
                // Sometimes the answer comes all the same.
                if self.rng.chance(80) {
                    self.devices[device].requests.remove(&request);
                } else if let Some(pending) = self.devices[device].requests.get_mut(&request) {
                    pending.aborted = true;
                }
            }
            Effect::Listen { listen } => self.listen(device, listen),
            Effect::Unlisten => self.devices[device].channel = None,
            Effect::ForgetToken | Effect::Promoted | Effect::Refused => {}
            Effect::Fenced => self.stands_back(device)?,
            Effect::Wish { op, writes } => {
                self.tell(device, || format!("wishes #{op} ({} writes)", writes.len()));
                self.operate(device, Operation::Wish(op, writes));
            }
            Effect::Tell(said) => self.says(device, &said)?,
            Effect::Stuck => self.finds_it_stuck(device)?,
            Effect::Frame(text) => return self.frame(device, &text),
            Effect::Stopped { wipe } => {
                self.tell(device, || format!("has stopped, wipes: {wipe}"));
                if wipe {
                    self.is_wiped(device);
                }
                let lists = self.lists(device);
                self.lets_go(device);
                self.stops_telling(device);
                self.devices[device].stop();
                let pause = self.rng.below(10_000);
                self.schedule(pause, device, Event::Start { lists });
            }
        }
        Ok(())
    }

    fn frame(&mut self, device: usize, text: &str) -> Checked {
        self.tell(device, || format!("shows {}", story::frame(text)));
        let applied = self.devices[device].facade.apply(text)?;
        self.devices[device].loaded |= self.devices[device]
            .facade
            .status
            .as_ref()
            .is_some_and(|s| s.connection != "waiting");
        for (id, before) in &applied.changed {
            let after = &self.devices[device].facade.timelines[id];
            let most = self.mode.limits.items;
            self.reached
                .note_if(after.items.len() >= most, "items of a window");
            let machine = &self.machines[self.devices[device].machine];
            check::transition(before, after, &self.devices[device], machine, &self.server)
                .map_err(|error| {
                    format!(
                        "timeline {id} of {}: {error}\n    was {}\n    is  {}",
                        after.conversation,
                        check::draw(before),
                        check::draw(after)
                    )
                })?;
            self.story.tell(self.time, &self.devices[device].name, || {
                format!(
                    "list {id} of {}: {}",
                    after.conversation,
                    check::draw(after)
                )
            });
        }
        for log in &applied.logs {
            self.tell(device, || format!("logs {log}"));
            // A record that is lost has the account begin anew, with what was known of its messages.
            let is_right = !self.mode.bad_items && !self.mode.spoilt;
            if is_right && !log["unlikely"].is_null() {
                let name = &self.devices[device].name;
                return Err(format!("{name} suspects a server that is right: {log}"));
            }
        }
        for event in &applied.events {
            // The account's record, or a conversation's cursor: from here on it is a first sign-in.
            if event.kind == "irregular" && event.detail["first"]["reason"] == "a stored record" {
                self.told[device].clear();
                self.told_at[device].clear();
            }
            if let "messages" | "updates" = event.kind.as_str() {
                self.note_event(event);
            }
            if event.kind == "overflow" {
                self.has_skipped_news(device);
            }
            if event.kind == "messages" {
                self.on_messages(device, &event.detail["messages"])?;
            }
        }
        for (call, result) in applied.results {
            self.settle(device, call, result)?;
        }
        Ok(())
    }

    /// The new messages of one more event: none is older than one of its conversation that an earlier event told, by
    /// its place and by when the server committed it.
    fn told_in_order(&mut self, device: usize) -> Checked {
        let before = self.told_at[device].len();
        let told = self.told_at[device].iter();
        let known: BTreeSet<(String, u64)> = told.map(|(id, seq, _)| (id.clone(), *seq)).collect();
        for m in &self.new {
            let conversation = &self.server.conversations[&m.conversation];
            let Some(post) = conversation.posts.get(&m.seq) else {
                continue;
            };
            // Who comes back to a conversation begins there anew.
            if known.contains(&(m.conversation.clone(), m.seq)) || conversation.membership.len() > 1
            {
                continue;
            }
            let at = post.copies[0].position;
            let mut earlier = self.told_at[device].iter().take(before);
            let newer = earlier.find(|(id, seq, position)| {
                *id == m.conversation && *seq > m.seq && *position > at
            });
            if let Some((_, seq, _)) = newer
                && !self.mode.spoilt
            {
                return Err(format!(
                    "R15: {} tells {} after the newer message at {seq}",
                    self.devices[device].name, m.id
                ));
            }
            // A page may be newer than the cursor: what comes between is newer for who has seen it.
            let positions = self.devices[device].positions(&self.server);
            if at <= positions.of(&m.conversation) {
                self.told_at[device].push((m.conversation.clone(), m.seq, at));
            }
        }
        Ok(())
    }

    fn on_messages(&mut self, device: usize, messages: &Value) -> Checked {
        let messages = messages.as_array();
        for message in messages.ok_or("a \"messages\" event without messages")? {
            self.on_told(device, message)?;
        }
        self.told_in_order(device)
    }

    /// A message was told as a new one: once, and none of the client's own (R10).
    fn on_told(&mut self, device: usize, message: &Value) -> Checked {
        let new = serde_json::from_value(message.clone());
        self.new.push(new.map_err(|error| error.to_string())?);
        let id = message["id"].as_str().ok_or("a message without id")?;
        // Whose cursor cannot be read begins anew, and hears of what it has told.
        if self.told[device].contains(id) && !self.machine(device).spoilt.meta {
            return Err(format!("R10: {id} was told twice as a new message"));
        }
        let client_id = message["clientId"].as_str();
        let own = client_id.and_then(|id| self.machine(device).own.get(id));
        let own = own.is_some_and(|own| {
            let conversation = &self.server.conversations[&own.conversation];
            let left = conversation.membership.len() > 1;
            // Of one whose record cannot be read, or that it has left the outbox, it knows as little as after a restart.
            let spoilt = &self.machine(device).spoilt;
            let spoilt =
                client_id.is_some_and(|id| spoilt.own.contains(id) || spoilt.left.contains(id));
            let here = own.life == self.devices[device].life;
            here && !own.discarded && !left && !spoilt
        });
        if own {
            return Err(format!("{id} is an own echo, and told as a new message"));
        }
        self.told[device].insert(id.to_owned());
        Ok(())
    }
}
