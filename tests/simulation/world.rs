//! A history: virtual time, chance, and everything that can go wrong. Time jumps from one event to
//! the next; between any two inputs of an engine anything else may happen.

mod end;
mod network;
mod store;
mod user;

use std::collections::BTreeMap;

use pullcord::core::net::{Error, ErrorCode, Notice, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::{Effect, Input};
use serde_json::{Value, json};

use super::check::{self, Checked};
use super::device::{Call, Channel, Device, Operation, Own, Pending};
use super::facade::{Failure, Item, Loading, Start};
use super::history::{CommitFate, History};
use super::lies;
use super::mode::{Mode, Scope};
use super::rng::Rng;
use super::server::{ACCOUNT, Forced, Server, position_in, position_of};
use super::story::{self, Story};

/// ms after which the net layer gives a request up.
const TIMEOUT: u64 = 15_000;
/// Longest pause that an engine may make between two attempts, ms.
const LONGEST_BACKOFF: u64 = 120_000;
/// ms after which nothing has to come at once to a page that is hidden.
const HIDDEN_LONG: u64 = 120_000;
/// ms after which the server pushes again what is not acknowledged.
const RESEND: u64 = 10_000;

/// What becomes of a request that leaves.
enum Fate {
    Delivered,
    /// the server acts, the answer is lost
    AnswerLost,
    /// the answer is turned into one that breaks the protocol
    Lied,
    /// over the notification channel nothing is answered
    Unanswered,
}

enum Event {
    /// the store is done with its oldest operation
    Store {
        life: u32,
    },
    Arrive {
        life: u32,
        request: u64,
        call: Request,
        fate: Fate,
    },
    Answer {
        life: u32,
        request: u64,
        result: Result<String, Error>,
        lied: bool,
    },
    Notice {
        life: u32,
        listen: u64,
        notice: Notice,
    },
    /// the server looks whether what it pushed was acknowledged
    Resend {
        life: u32,
        listen: u64,
    },
    /// what a waiting pull was held back for has not come
    Expire {
        request: u64,
    },
    Promote {
        life: u32,
    },
    /// the page is opened again, with lists on these conversations
    Start {
        lists: Vec<String>,
    },
    /// the client learns of the network's state
    Tell {
        life: u32,
    },
    Resume {
        life: u32,
    },
}

/// How bad this history is, in percent.
pub struct Trouble {
    /// requests that fail, one way or another
    requests: u64,
    /// commits that fail
    commits: u64,
    /// notifications lost, and as many doubled or late
    notices: u64,
    /// answers that break the protocol
    lies: u64,
    /// pulls that are answered with an overflow for no reason
    overflows: u64,
}

impl Trouble {
    pub const KINDS: [&str; 5] = [
        "failing requests",
        "failing commits",
        "bad notifications",
        "lies",
        "overflows for no reason",
    ];

    fn spare(&mut self, kind: usize) {
        let kinds = [
            &mut self.requests,
            &mut self.commits,
            &mut self.notices,
            &mut self.lies,
            &mut self.overflows,
        ];
        if let Some(percent) = kinds.into_iter().nth(kind) {
            *percent = 0;
        }
    }
}

/// Failed requests of one kind, one after the other, without anybody asking for them.
struct Streak {
    since: u64,
    failures: u64,
}

/// A pull that waits at the server for something to come.
struct Held {
    device: usize,
    life: u32,
    request: u64,
    call: Request,
    fate: Fate,
}

pub struct World {
    pub rng: Rng,
    mode: Mode,
    held: Vec<Held>,
    /// the shortest time that a pull was to wait at the server
    least_wait: Option<u64>,
    pub time: u64,
    pub server: Server,
    pub devices: Vec<Device>,
    pub story: Story,
    queue: BTreeMap<(u64, u64), (usize, Event)>,
    queued: u64,
    trouble: Trouble,
    /// the net layer gives requests up by itself; an app's own transport may never do so
    impatient: bool,
    config: Value,
    /// what the devices have been notified of
    notified: usize,
    streaks: BTreeMap<(usize, String), Streak>,
    /// no such request of a device before this time: the server said Retry-After
    not_before: BTreeMap<(usize, String), u64>,
    /// requests that left, by device and kind
    pub requests: Vec<BTreeMap<&'static str, u64>>,
    /// message ids that "messages" events have told, by device, in this life
    told: Vec<Vec<String>>,
    /// timer calls without time passing
    spins: u64,
    /// what becomes of one commit of the first device
    commit: Option<(u64, CommitFate)>,
    /// the server is restarting until then
    down_until: u64,
    /// the step under way; None: all are over
    pub step: Option<u64>,
}

impl World {
    pub fn new(history: &History, story: usize) -> Self {
        let mode = history.mode.clone();
        let mut rng = Rng::new(history.seed);
        let mut server = Server::new(mode.clone(), &mut rng);
        let calm = rng.chance(20);
        let mut percent = |most: u64| {
            if calm || rng.chance(20) {
                0
            } else {
                rng.below(most + 1)
            }
        };
        let mut trouble = Trouble {
            requests: percent(40),
            commits: percent(20),
            notices: percent(60),
            lies: percent(15),
            overflows: percent(12),
        };
        history.spared.iter().for_each(|kind| trouble.spare(*kind));
        let mut percent_more = |most: u64| {
            if mode == Mode::classic() {
                0
            } else {
                percent(most)
            }
        };
        server.sick = percent_more(25);
        server.again = percent_more(40);
        let page_size = rng.between(2, 12);
        let max_items = if rng.chance(50) { 1000 } else { page_size * 3 };
        let mut config = json!({
            "account": ACCOUNT,
            "transport": "http",
            "baseUrl": "https://chat.example",
            "canListen": true,
            "requestTimeout": 60_000,
            "scope": "account",
            "notify": if rng.chance(80) { "socket" } else { "poll" },
            "pollInterval": 30_000,
            "fallbackPollInterval": 5_000,
            "minPullInterval": if rng.chance(70) { 0 } else { rng.between(1, 2_000) },
            "pullLimit": rng.between(1, 60),
            "overflow": "clear",
            "mode": "memory",
            "maxMessages": if rng.chance(80) { 1_000_000 } else { rng.between(10, 60) },
            "pageSize": page_size,
            "maxItems": max_items,
            "online": true,
            "hidden": false,
            "storage": "memory",
        });
        config["scope"] = json!(mode.scope.name());
        if mode.long_poll {
            config["notify"] = json!("long-poll");
        }
        if mode.keep {
            config["overflow"] = json!("keep");
        }
        config["canRevalidate"] = json!(mode.revalidates);
        config["prefetch"] = json!(mode.prefetch);
        let mut devices = vec![Device::new("phone"), Device::new("laptop")];
        devices.truncate(mode.devices());
        for device in &mut devices {
            device.store.has_power_cuts = mode.power_cuts || history.commit.is_some();
        }
        let impatient = rng.chance(80);
        let mut world = World {
            rng,
            mode,
            held: Vec::new(),
            least_wait: None,
            time: 0,
            server,
            story: Story::new(story),
            queue: BTreeMap::new(),
            queued: 0,
            trouble,
            impatient,
            config,
            notified: 0,
            streaks: BTreeMap::new(),
            not_before: BTreeMap::new(),
            requests: vec![BTreeMap::new(); devices.len()],
            told: vec![Vec::new(); devices.len()],
            devices,
            spins: 0,
            commit: history.commit,
            down_until: 0,
            step: None,
        };
        world.notified = world.server.position();
        world
    }

    /// One whole history: trouble, then calm, in which everything must come right.
    pub fn run(&mut self, history: &History) -> Checked {
        for device in 0..self.devices.len() {
            let at = self.rng.below(5_000);
            self.schedule(at, device, Event::Start { lists: Vec::new() });
        }
        // Each step has a chance of its own: what it draws does not depend on what is left out
        // before it.
        let chance = |step: u64| Rng::new(Rng::new(history.seed).next() ^ Rng::new(step).next());
        for step in 0..history.steps {
            if history.skipped.contains(&step) {
                continue;
            }
            if !history.chained {
                self.rng = chance(step);
            }
            self.step = Some(step);
            self.act()?;
        }
        self.step = None;
        if !history.chained {
            self.rng = chance(u64::MAX);
        }
        self.calm()
    }

    // ------------------------------------------------------------ time

    fn schedule(&mut self, delay: u64, device: usize, event: Event) {
        self.queued += 1;
        self.queue
            .insert((self.time + delay, self.queued), (device, event));
    }

    fn tell(&mut self, device: usize, line: impl FnOnce() -> String) {
        self.story.tell(self.time, self.devices[device].name, line);
    }

    /// Lets everything happen that is due within the next `ms`.
    fn pass(&mut self, ms: u64) -> Checked {
        let end = self.time + ms;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timer = (0..self.devices.len())
                .filter_map(|d| Some((self.devices[d].deadline()?.max(self.time), d)))
                .min();
            let next = match (event, timer) {
                (Some(event), Some((timer, _))) => event.min(timer),
                (Some(event), None) => event,
                (None, Some((timer, _))) => timer,
                (None, None) => break,
            };
            if next > end {
                break;
            }
            if next > self.time {
                self.spins = 0;
            }
            self.advance(next);
            match timer {
                Some((at, device))
                    if at == next
                        && event.is_none_or(|event| event > at || self.rng.chance(50)) =>
                {
                    self.spins += 1;
                    if self.spins > 1000 {
                        let who = self.devices[device].name;
                        return Err(format!("the timer of {who} does not move on"));
                    }
                    self.input(device, Input::Timer)?;
                }
                _ => {
                    let Some((_, (device, event))) = self.queue.pop_first() else {
                        continue;
                    };
                    self.happen(device, event)?;
                }
            }
        }
        self.advance(end);
        Ok(())
    }

    fn advance(&mut self, time: u64) {
        self.server.wall += time - self.time;
        self.time = time;
    }

    fn happen(&mut self, device: usize, event: Event) -> Checked {
        let asleep = self.devices[device].asleep_until;
        // The server's side of a request goes on while a device sleeps.
        let on_server = matches!(event, Event::Arrive { .. } | Event::Expire { .. });
        if asleep > self.time && !on_server {
            self.schedule(asleep - self.time, device, event);
            return Ok(());
        }
        let alive = self.devices[device].life;
        match event {
            Event::Store { life } if life == alive => self.store(device),
            Event::Arrive {
                life,
                request,
                call,
                fate,
            } => self.arrive(device, life, request, call, fate),
            Event::Expire { request } => {
                let expired = |held: &Held| held.device == device && held.request == request;
                match self.held.iter().position(expired) {
                    Some(at) => {
                        let held = self.held.swap_remove(at);
                        self.process(held)
                    }
                    None => Ok(()),
                }
            }
            Event::Answer {
                life,
                request,
                result,
                lied,
            } if life == alive => self.answer(device, request, result, lied),
            Event::Notice {
                life,
                listen,
                notice,
            } if life == alive => self.notice(device, listen, notice),
            Event::Resend { life, listen } if life == alive => {
                self.resend(device, listen);
                Ok(())
            }
            Event::Promote { life } if life == alive => {
                self.devices[device].promoted = true;
                self.tell(device, || "has the lock".to_owned());
                self.input(device, Input::Promoted)
            }
            Event::Start { lists } => self.start(device, lists),
            Event::Tell { life } if life == alive => {
                let online = self.devices[device].link;
                let mut command = json!({ "op": "network", "online": online });
                if self.mode.prefetch && self.rng.chance(30) {
                    command["metered"] = json!(self.rng.chance(50));
                }
                self.command(device, command)
            }
            Event::Resume { life } if life == alive => {
                self.command(device, json!({ "op": "resume" }))
            }
            _ => Ok(()), // of a life that has ended
        }
    }

    // ------------------------------------------------------------ the engine's inputs and effects

    fn command(&mut self, device: usize, command: Value) -> Checked {
        // What the app does itself is no storm.
        self.streaks.retain(|(of, _), _| *of != device);
        self.tell(device, || format!("app: {command}"));
        self.input(device, Input::Command(command.to_string()))
    }

    fn input(&mut self, device: usize, input: Input) -> Checked {
        let committed = matches!(input, Input::Committed { result: Ok(()), .. });
        self.drain(device, Some(input), committed)
    }

    fn drain(&mut self, device: usize, input: Option<Input>, committed: bool) -> Checked {
        let wall = self.server.wall;
        let effects = self.devices[device].handle(self.time, wall, input);
        let mut shown = committed;
        let life = self.devices[device].life;
        for effect in effects {
            if self.devices[device].life != life {
                return Err("an effect after Stopped".to_owned());
            }
            shown |= matches!(effect, Effect::Frame(_));
            self.effect(device, effect)?;
        }
        if shown {
            check::device(&mut self.devices[device], &self.server)
        } else {
            Ok(())
        }
    }

    fn effect(&mut self, device: usize, effect: Effect) -> Checked {
        match effect {
            Effect::Read { op, reads } => self.operate(device, Operation::Read(op, reads)),
            Effect::Commit {
                op,
                writes,
                durability,
            } => {
                self.tell(device, || {
                    format!("commits #{op} ({} writes)", writes.len())
                });
                self.operate(device, Operation::Commit(op, writes, durability));
            }
            Effect::Request { request, call } => return self.request(device, request, call),
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
            Effect::ForgetToken => {}
            Effect::Frame(text) => return self.frame(device, &text),
            Effect::Stopped { .. } => {
                self.tell(device, || "has stopped".to_owned());
                let lists = self.lists(device);
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
            check::transition(before, after, &self.devices[device], &self.server).map_err(
                |error| {
                    format!(
                        "timeline {id} of {}: {error}\n    was {}\n    is  {}",
                        after.conversation,
                        check::draw(before),
                        check::draw(after)
                    )
                },
            )?;
            self.story.tell(self.time, self.devices[device].name, || {
                format!(
                    "list {id} of {}: {}",
                    after.conversation,
                    check::draw(after)
                )
            });
        }
        for log in &applied.logs {
            self.tell(device, || format!("logs {log}"));
        }
        for event in &applied.events {
            if event.kind == "messages" {
                for message in event.detail["messages"]
                    .as_array()
                    .ok_or("a \"messages\" event without messages")?
                {
                    let id = message["id"]
                        .as_str()
                        .ok_or("a message without id")?
                        .to_owned();
                    if self.told[device].contains(&id) {
                        return Err(format!("R10: {id} was told twice as a new message"));
                    }
                    let own = message["clientId"]
                        .as_str()
                        .and_then(|id| self.devices[device].own.get(id))
                        .is_some_and(|own| {
                            let left = self.server.conversations[&own.conversation]
                                .membership
                                .len()
                                > 1;
                            own.life == self.devices[device].life && !own.discarded && !left
                        });
                    if own {
                        return Err(format!("{id} is an own echo, and told as a new message"));
                    }
                    self.told[device].push(id);
                }
            }
        }
        for (call, result) in applied.results {
            self.settle(device, call, result)?;
        }
        Ok(())
    }

    // ------------------------------------------------------------ lives

    fn lists(&self, device: usize) -> Vec<String> {
        self.devices[device]
            .facade
            .timelines
            .values()
            .map(|view| view.conversation.clone())
            .collect()
    }

    fn start(&mut self, device: usize, lists: Vec<String>) -> Checked {
        if self.devices[device].engine.is_some() {
            return Ok(());
        }
        let mut config = self.config.clone();
        config["online"] = json!(self.devices[device].link || self.rng.chance(30));
        let seed = self.rng.next();
        let time = self.time;
        self.devices[device].start(time, &config, seed);
        self.told[device].clear();
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
        Ok(())
    }

    /// The tab is killed: what was not committed is lost; of what was being committed, the oldest
    /// may be there.
    fn crash(&mut self, device: usize) -> Checked {
        let applied = self.rng.chance(50);
        let power = self.mode.power_cuts && self.rng.chance(40);
        self.killed(device, applied, power)
    }

    /// The tab is killed, or the machine with it (`power`); the commit under way has been `applied`.
    fn killed(&mut self, device: usize, applied: bool, power: bool) -> Checked {
        self.tell(device, || "crashes".to_owned());
        let lists = self.lists(device);
        let target = &mut self.devices[device];
        if let (Some(Operation::Commit(_, writes, durability)), true) =
            (target.operations.pop_front(), applied)
        {
            target.store.commit(&writes, durability)?;
            target.store.check(&self.server)?;
        }
        target.stop();
        if power {
            let lost = target.store.power_cut(&mut self.rng);
            target.forget();
            self.tell(device, || format!("loses its power, and {lost} commits"));
            self.devices[device]
                .store
                .check(&self.server)
                .map_err(|error| format!("R9: after a power cut: {error}"))?;
        }
        let pause = if self.rng.chance(70) {
            0
        } else {
            self.rng.below(90_000)
        };
        self.schedule(pause, device, Event::Start { lists });
        Ok(())
    }

    /// The server ends, and is there again some time later: connections, requests under way and pulls
    /// that wait are gone, and nobody is told again what was told.
    fn server_restarts(&mut self) -> Checked {
        let down = self.rng.below(20_000);
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

    // ------------------------------------------------------------ steps

    fn act(&mut self) -> Checked {
        match self.rng.below(100) {
            0..=34 => self.server_acts(),
            35..=64 => {
                let device = self.rng.below(self.devices.len() as u64) as usize;
                let awake = self.devices[device].engine.is_some()
                    && self.devices[device].asleep_until <= self.time;
                if awake {
                    self.user_acts(device)
                } else {
                    Ok(())
                }
            }
            65..=70 => {
                let device = self.rng.below(self.devices.len() as u64) as usize;
                self.environment_acts(device)
            }
            71..=94 => {
                let ms = self.rng.delay(400);
                self.pass(ms)
            }
            95..=98 => {
                let ms = self.rng.below(20_000);
                self.pass(ms)
            }
            _ => {
                let ms = self.rng.below(600_000);
                self.pass(ms)
            }
        }
    }

    fn server_acts(&mut self) -> Checked {
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        let Some(id) = self.rng.pick(&ids).cloned() else {
            return Ok(());
        };
        let rng = &mut self.rng;
        let server = &mut self.server;
        let what = match rng.below(100) {
            0..=44 => format!("{} is posted", server.post(&id, rng)),
            45..=49 => {
                let burst = rng.between(2, 30);
                for _ in 0..burst {
                    server.post(&id, rng);
                }
                format!("a burst of {burst}")
            }
            50..=56 => {
                server.reserve(&id, rng);
                "an id is handed out".to_owned()
            }
            57..=66 => format!("{:?} is committed late", server.commit_reserved(&id, rng)),
            67..=84 => format!("{:?} is changed", server.change_any(&id, rng)),
            85..=88 => format!("trimmed before {:?}", server.trim(&id, rng)),
            89..=91 => format!("member: {}", server.leave_or_return(&id)),
            92..=94 => {
                server.rename(&id);
                "is renamed".to_owned()
            }
            95 if ids.len() < 8 => {
                let id = format!("c{}", ids.len() + 1);
                server.found(&id, rng);
                format!("{id} is founded")
            }
            _ => {
                server.unknown_event();
                "an unknown event".to_owned()
            }
        };
        let position = self.server.position();
        self.story.tell(self.time, "server", || {
            format!("{id}: {what} (log {position})")
        });
        self.server_moved()
    }

    fn environment_acts(&mut self, device: usize) -> Checked {
        if self.mode.restarts && self.rng.chance(10) {
            return self.server_restarts();
        }
        if self.mode.clocks && self.rng.chance(20) {
            let day = 86_400_000;
            let off = self.rng.below(2 * day) as i64 - day as i64;
            let off = if self.rng.chance(30) { 0 } else { off };
            self.devices[device].clock = off;
            self.tell(device, || format!("its clock is off by {off} ms"));
            return Ok(());
        }
        let life = self.devices[device].life;
        let running = self.devices[device].engine.is_some();
        let awake = running && self.devices[device].asleep_until <= self.time;
        match self.rng.below(10) {
            0..=2 => {
                let link = !self.devices[device].link;
                self.devices[device].link = link;
                self.tell(device, || format!("network: {link}"));
                if !link {
                    let requests: Vec<u64> =
                        self.devices[device].requests.keys().copied().collect();
                    for request in requests {
                        self.lose(device, life, request);
                    }
                    if let Some(listen) = self.devices[device]
                        .channel
                        .as_ref()
                        .map(|channel| channel.listen)
                    {
                        let delay = self.rng.below(40_000);
                        self.schedule(
                            delay,
                            device,
                            Event::Notice {
                                life,
                                listen,
                                notice: Notice::Closed(None),
                            },
                        );
                    }
                }
                if self.rng.chance(80) {
                    let delay = self.rng.below(50);
                    self.schedule(delay, device, Event::Tell { life });
                }
                Ok(())
            }
            3 => {
                let listen = self.devices[device]
                    .channel
                    .as_ref()
                    .map(|channel| channel.listen);
                if let Some(listen) = listen {
                    self.schedule(
                        0,
                        device,
                        Event::Notice {
                            life,
                            listen,
                            notice: Notice::Closed(None),
                        },
                    );
                }
                Ok(())
            }
            4..=5 if awake => {
                // The lid is closed, or the page frozen: timers fire much too late.
                let sleep = self.rng.between(1_000, 900_000);
                if self.rng.chance(50) {
                    self.command(device, json!({ "op": "freeze" }))?;
                    self.schedule(sleep, device, Event::Resume { life });
                }
                self.tell(device, || format!("sleeps for {sleep} ms"));
                self.devices[device].asleep_until = self.time + sleep;
                Ok(())
            }
            6 if awake => {
                let hidden = !self.devices[device].hidden;
                self.devices[device].hidden = hidden;
                self.devices[device].hidden_since = hidden.then_some(self.time);
                self.command(device, json!({ "op": "visibility", "hidden": hidden }))
            }
            7..=9 if running => self.crash(device),
            _ => Ok(()),
        }
    }
}

/// A request's kind, and what it is about.
fn kind(call: &Request) -> (&'static str, &str) {
    match call {
        Request::Pull { .. } | Request::PullConversations { .. } | Request::PullMailbox { .. } => {
            ("pull", "")
        }
        Request::Acknowledge { .. } => ("ack", ""),
        Request::Changes { conversation, .. } => ("changes", conversation),
        Request::Conversations { .. } => ("conversations", ""),
        Request::History { conversation, .. } => ("history", conversation),
        Request::Send { conversation, .. } => ("send", conversation),
        Request::Edit { conversation, .. } => ("edit", conversation),
        Request::Recall { conversation, .. } => ("recall", conversation),
        Request::MarkRead { conversation, .. } => ("mark-read", conversation),
    }
}
