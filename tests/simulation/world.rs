//! A history: virtual time, chance, and everything that can go wrong. Time jumps from one event to
//! the next; between any two inputs of an engine anything else may happen.

use std::collections::BTreeMap;

use pullcord::core::net::{Error, ErrorCode, Notice, Request};
use pullcord::core::storage::StoreError;
use pullcord::core::{Effect, Input};
use serde_json::{Value, json};

use super::check::{self, Checked};
use super::device::{Call, Channel, Device, Operation, Own, Pending};
use super::facade::{Failure, Item, Start};
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

    // ------------------------------------------------------------ store

    fn operate(&mut self, device: usize, operation: Operation) {
        self.devices[device].operations.push_back(operation);
        if self.devices[device].operations.len() == 1 {
            self.schedule_store(device);
        }
    }

    fn schedule_store(&mut self, device: usize) {
        let life = self.devices[device].life;
        let delay = if self.rng.chance(10) {
            self.rng.below(3_000)
        } else {
            self.rng.below(20)
        };
        self.schedule(delay, device, Event::Store { life });
    }

    fn store(&mut self, device: usize) -> Checked {
        let mut fails = self.rng.chance(self.trouble.commits);
        let mut full = self.rng.chance(30);
        let target = &mut self.devices[device];
        if let (Some(Operation::Commit(..)), Some(_)) = (target.operations.front(), self.step) {
            target.asked_commits += 1;
            let asked = target.asked_commits;
            match self.commit {
                Some((at, fate)) if device == 0 && at == asked => match fate {
                    CommitFate::Fails => (fails, full) = (true, false),
                    CommitFate::Full => (fails, full) = (true, true),
                    CommitFate::KilledBefore => return self.killed(device, false, false),
                    CommitFate::KilledAfter => return self.killed(device, true, false),
                    CommitFate::PowerCut => return self.killed(device, true, true),
                },
                _ => {}
            }
        }
        let target = &mut self.devices[device];
        let Some(operation) = target.operations.pop_front() else {
            return Ok(());
        };
        let input = match operation {
            Operation::Read(op, reads) => Input::Read {
                op,
                result: target.store.read(&reads),
            },
            Operation::Commit(op, ..) if fails => {
                let error = if full {
                    StoreError::Quota
                } else {
                    StoreError::Failed("the simulation's".to_owned())
                };
                self.tell(device, || format!("commit #{op} fails: {error:?}"));
                let target = &mut self.devices[device];
                target.pulled_before = target.pulled_at;
                Input::Committed {
                    op,
                    result: Err(error),
                }
            }
            Operation::Commit(op, writes, durability) => {
                target
                    .store
                    .commit(&writes, durability)
                    .and_then(|()| target.store.check(&self.server))
                    .map_err(|error| format!("after commit #{op}: {error}"))?;
                target.commits += 1;
                let line = (op, target.positions(&self.server).least());
                self.tell(device, || {
                    format!("commit #{} is done, cursor {}", line.0, line.1)
                });
                Input::Committed { op, result: Ok(()) }
            }
        };
        if !self.devices[device].operations.is_empty() {
            self.schedule_store(device);
        }
        self.input(device, input)
    }

    // ------------------------------------------------------------ network

    fn request(&mut self, device: usize, request: u64, call: Request) -> Checked {
        let (kind, own) = kind(&call);
        *self.requests[device].entry(kind).or_default() += 1;
        self.tell(device, || format!("asks ({request}) {call:?}"));
        if !self.devices[device].promoted {
            return Err(format!(
                "a client that waits for the lock asks the server: {call:?}"
            ));
        }
        // A page or a change may be the user's own wish; the rest waits as long as it was told to.
        let key = (device, format!("{kind} {own}"));
        let obeys = matches!(
            kind,
            "pull" | "conversations" | "send" | "mark-read" | "ack"
        );
        if let Some(not_before) = self.not_before.remove(&key).filter(|_| obeys)
            && self.time < not_before
        {
            let early = not_before - self.time;
            return Err(format!("Retry-After: a {kind} {early} ms too early"));
        }
        let under_way = self.devices[device]
            .requests
            .values()
            .any(|p| !p.aborted && self::kind(&p.call).0 == "pull");
        if kind == "pull" && under_way {
            return Err("a second pull beside one that is under way".to_owned());
        }
        self.suits(device, &call)?;
        self.promises_what_is_stored(device, &call)?;
        let shared =
            |p: &Pending| !p.aborted && p.call == call && matches!(call, Request::History { .. });
        if self.devices[device].requests.values().any(shared) {
            return Err(format!("asked for twice at the same time: {call:?}"));
        }
        let life = self.devices[device].life;
        self.devices[device].requests.insert(
            request,
            Pending {
                call: call.clone(),
                since: self.time,
                aborted: false,
            },
        );
        if self.acknowledges_over_channel(device, life, request, &call) {
            return Ok(());
        }
        if !self.devices[device].link {
            self.lose(device, life, request);
            return Ok(());
        }
        let delay = self.rng.delay(60);
        if !self.rng.chance(self.trouble.requests) {
            let fate = if self.rng.chance(self.trouble.lies) {
                Fate::Lied
            } else {
                Fate::Delivered
            };
            self.schedule(
                delay,
                device,
                Event::Arrive {
                    life,
                    request,
                    call,
                    fate,
                },
            );
            return Ok(());
        }
        match self.rng.below(10) {
            0..=2 => self.lose(device, life, request),
            3..=5 => self.schedule(
                delay,
                device,
                Event::Arrive {
                    life,
                    request,
                    call,
                    fate: Fate::AnswerLost,
                },
            ),
            6..=8 => {
                let status = [500, 502, 503, 429, 408][self.rng.below(5) as usize];
                let retry_after = (matches!(status, 503 | 429) && self.rng.chance(60))
                    .then(|| self.rng.between(1, 20) * 1000);
                let result = Err(Error::from_status(status, "the simulation's", retry_after));
                self.schedule(
                    delay,
                    device,
                    Event::Answer {
                        life,
                        request,
                        result,
                        lied: false,
                    },
                );
            }
            _ => {
                let status = match call {
                    Request::Send { .. } => [403, 409, 422][self.rng.below(3) as usize],
                    _ => [401, 400, 404][self.rng.below(3) as usize],
                };
                let result = Err(Error::from_status(status, "the simulation's", None));
                self.schedule(
                    delay,
                    device,
                    Event::Answer {
                        life,
                        request,
                        result,
                        lied: false,
                    },
                );
            }
        }
        Ok(())
    }

    /// What this mode never asks for.
    fn suits(&mut self, device: usize, call: &Request) -> Checked {
        let scope = self.mode.scope;
        let hidden = self.devices[device].hidden_since;
        let long = hidden.is_some_and(|since| self.time > since + HIDDEN_LONG);
        if long && matches!(call, Request::Pull { wait: Some(_), .. }) {
            return Err("a pull is to wait for a page that has long been hidden".to_owned());
        }
        let suits = match call {
            Request::Pull { wait, .. } => {
                if let Some(wait) = wait.map(u64::from) {
                    let least = self.least_wait.unwrap_or(wait);
                    self.least_wait = Some(least.min(wait));
                }
                scope == Scope::Account && (wait.is_none() || self.mode.long_poll)
            }
            Request::PullConversations { .. } => scope == Scope::Conversation,
            Request::PullMailbox { .. } | Request::Acknowledge { .. } => scope == Scope::Mailbox,
            Request::Changes { .. } => {
                self.mode.keep && self.mode.revalidates && scope != Scope::Mailbox
            }
            _ => true,
        };
        if suits {
            Ok(())
        } else {
            Err(format!("in this mode nobody asks for {call:?}"))
        }
    }

    /// What came over an open channel is acknowledged over it; there is no answer, and it may be lost
    /// with the channel.
    fn acknowledges_over_channel(
        &mut self,
        device: usize,
        life: u32,
        request: u64,
        call: &Request,
    ) -> bool {
        let Request::Acknowledge { pushed: true, .. } = call else {
            return false;
        };
        let channel = self.devices[device].channel.as_ref();
        let Some(channel) = channel.filter(|channel| channel.ready) else {
            return false;
        };
        let lost = channel.dead || !self.devices[device].link;
        let delay = self.rng.delay(30);
        if !lost && !self.rng.chance(self.trouble.notices / 2) {
            self.schedule(
                delay,
                device,
                Event::Arrive {
                    life,
                    request,
                    call: call.clone(),
                    fate: Fate::Unanswered,
                },
            );
        }
        self.schedule(
            0,
            device,
            Event::Answer {
                life,
                request,
                result: Ok(String::new()),
                lied: false,
            },
        );
        true
    }

    /// Nothing arrives; the net layer notices at once, or when it has waited long enough.
    fn lose(&mut self, device: usize, life: u32, request: u64) {
        let (delay, code) = match self.rng.below(10) {
            0..=6 => (self.rng.between(1, 200), ErrorCode::Network),
            _ if self.impatient => (TIMEOUT, ErrorCode::Timeout),
            _ => return, // no answer ever
        };
        let result = Err(Error::new(code, "the simulation's"));
        self.schedule(
            delay,
            device,
            Event::Answer {
                life,
                request,
                result,
                lied: false,
            },
        );
    }

    /// A request reaches the server, whether or not its sender still lives.
    fn arrive(
        &mut self,
        device: usize,
        life: u32,
        request: u64,
        call: Request,
        fate: Fate,
    ) -> Checked {
        if let Request::Send {
            conversation,
            client_id,
            ..
        } = &call
            && life == self.devices[device].life
        {
            check::in_order(&self.devices[device], conversation, client_id)?;
        }
        if self.time < self.down_until {
            self.lose(device, life, request);
            return Ok(());
        }
        if matches!(call, Request::PullConversations { only: None, .. }) {
            let position = self.server.position();
            let target = &mut self.devices[device];
            target.pulling_at = target.pulling_at.or(Some(position));
        }
        let held = Held {
            device,
            life,
            request,
            call,
            fate,
        };
        if let Request::Pull {
            cursor: Some(cursor),
            wait: Some(wait),
            ..
        } = &held.call
            && position_of(cursor) == Some(self.server.position())
        {
            let wait = u64::from(*wait);
            self.held.push(held);
            self.schedule(wait, device, Event::Expire { request });
            return Ok(());
        }
        self.process(held)
    }

    /// R9: nobody asks from, or acknowledges, what is not committed.
    fn promises_what_is_stored(&self, device: usize, call: &Request) -> Checked {
        let target = &self.devices[device];
        let stored = target.positions(&self.server);
        let check = |cursor: &str, position: Option<usize>, stored: usize| {
            if position.is_none_or(|position| position > stored) {
                return Err(format!(
                    "R9: a pull from {cursor}, and {stored} is what is stored"
                ));
            }
            Ok(())
        };
        match call {
            Request::Pull {
                cursor: Some(cursor),
                ..
            } => check(cursor, position_of(cursor), stored.least()),
            Request::PullConversations { cursors, .. } => {
                for (id, cursor) in cursors {
                    check(cursor, position_in(cursor, id), stored.of(id))?;
                }
                Ok(())
            }
            Request::Acknowledge { deliveries, .. } => {
                let kept = target.store.deliveries();
                match deliveries.iter().find(|name| !kept.contains(*name)) {
                    Some(name) => Err(format!("R9: {name} is acknowledged, and not stored")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The server answers.
    fn process(&mut self, held: Held) -> Checked {
        let Held {
            device,
            life,
            request,
            call,
            fate,
        } = held;
        let (call, fate) = (&call, &fate);
        let forced = self.rng.chance(self.trouble.overflows).then(|| {
            let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
            if self.rng.chance(40) {
                Forced::All
            } else {
                Forced::Some(ids.into_iter().filter(|_| self.rng.chance(50)).collect())
            }
        });
        let could_push = self.server.can_push();
        let result = self.server.answer(call, forced, &mut self.rng);
        if could_push && !self.server.can_push() {
            // What was pushed before an overflow and comes after it would be taken for new: the
            // server that lets go of deliveries lets go of the connection too.
            for device in 0..self.devices.len() {
                if let Some(listen) = self.devices[device].channel.as_ref().map(|c| c.listen) {
                    self.dies(device, listen);
                }
            }
        }
        let who = self.devices[device].name;
        self.story.tell(self.time, "server", || match &result {
            Ok(text) => format!("answers {who} ({request}): {}", story::answer(text)),
            Err(error) => format!("answers {who} ({request}): {error}"),
        });
        if matches!(call, Request::Acknowledge { .. }) {
            // From here on the server counts on it.
            self.devices[device]
                .store
                .check(&self.server)
                .map_err(|error| format!("R9: after an acknowledgement: {error}"))?;
        }
        self.server_moved()?;
        let (result, lied) = match (fate, result) {
            (Fate::Unanswered, _) => return Ok(()),
            (Fate::AnswerLost, _) => {
                self.lose(device, life, request);
                return Ok(());
            }
            (Fate::Lied, Ok(text)) => match lies::lie(call, &text, &mut self.rng) {
                Some(lie) => (Ok(lie), true),
                None => (Ok(text), false),
            },
            (_, result) => (result, false),
        };
        if !self.devices[device].link && self.rng.chance(50) {
            self.lose(device, life, request);
            return Ok(());
        }
        let since = self.devices[device]
            .requests
            .get(&request)
            .map_or(self.time, |pending| pending.since);
        let delay = self.rng.delay(60);
        let timeout = match call {
            Request::Pull {
                wait: Some(wait), ..
            } => TIMEOUT + u64::from(*wait),
            _ => TIMEOUT,
        };
        if self.impatient
            && life == self.devices[device].life
            && self.time + delay > since + timeout
        {
            let result = Err(Error::new(ErrorCode::Timeout, "the simulation's"));
            self.schedule(
                (since + timeout).saturating_sub(self.time),
                device,
                Event::Answer {
                    life,
                    request,
                    result,
                    lied: false,
                },
            );
        } else {
            self.schedule(
                delay,
                device,
                Event::Answer {
                    life,
                    request,
                    result,
                    lied,
                },
            );
        }
        Ok(())
    }

    fn answer(
        &mut self,
        device: usize,
        request: u64,
        result: Result<String, Error>,
        lied: bool,
    ) -> Checked {
        let Some(pending) = self.devices[device].requests.remove(&request) else {
            return Ok(());
        };
        let (name, own) = kind(&pending.call);
        let key = (device, format!("{name} {own}"));
        // What was given up hears no answer: the net has let go of it.
        if let Err(Error {
            retry_after: Some(pause),
            ..
        }) = &result
            && !pending.aborted
        {
            self.not_before.insert(key.clone(), self.time + pause);
        }
        if let (Err(error), Request::MarkRead { conversation, .. }) = (&result, &pending.call)
            && !error.retryable()
        {
            // Refused for good: nobody is promised that it was read.
            self.devices[device].marks.remove(conversation);
        }
        if (lied || result.as_ref().is_err_and(Error::retryable))
            && !matches!(name, "edit" | "recall")
        {
            let streak = self.streaks.entry(key).or_insert(Streak {
                since: self.time,
                failures: 0,
            });
            streak.failures += 1;
            if streak.failures >= 20 && self.time - streak.since < 10_000 {
                return Err(format!(
                    "a storm: 20 failed requests ({name} {own}) in {} ms",
                    self.time - streak.since
                ));
            }
        } else {
            self.streaks.remove(&key);
        }
        if let Request::PullConversations { only: None, .. } = &pending.call {
            self.pulled_all(device, if lied { None } else { result.as_ref().ok() });
        }
        self.tell(device, || match (&result, lied) {
            (Ok(text), true) => format!("gets ({request}) a lie: {text}"),
            (Ok(_), false) => format!("gets ({request})"),
            (Err(error), _) => format!("gets ({request}) {error:?}"),
        });
        self.input(device, Input::Answer { request, result })
    }

    /// An answer about all conversations has come: if nothing more is to come, the pull is over.
    fn pulled_all(&mut self, device: usize, answer: Option<&String>) {
        let target = &mut self.devices[device];
        let answer = answer.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(answer) = answer else {
            target.pulling_at = None;
            return;
        };
        let mut batches = answer["conversations"].as_object().into_iter().flatten();
        let more = answer["hasMore"] == true
            || batches.any(|(_, batch)| batch["hasMore"] == true || !batch["error"].is_null());
        if !more && let Some(at) = target.pulling_at.take() {
            target.pulled_before = at;
        }
    }

    fn listen(&mut self, device: usize, listen: u64) {
        self.tell(device, || format!("listens ({listen})"));
        let life = self.devices[device].life;
        self.devices[device].channel = Some(Channel {
            listen,
            ready: false,
            told: 0,
            resent: 0,
            busy_until: 0,
            dead: false,
        });
        let works = self.devices[device].link
            && self.time >= self.down_until
            && !self.rng.chance(self.trouble.requests / 2);
        let (delay, notice) = if works {
            (self.rng.delay(100), Notice::Ready)
        } else {
            (self.rng.between(10, 10_000), Notice::Closed(None))
        };
        self.schedule(
            delay,
            device,
            Event::Notice {
                life,
                listen,
                notice,
            },
        );
    }

    fn notice(&mut self, device: usize, listen: u64, notice: Notice) -> Checked {
        let link = self.devices[device].link;
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
            Notice::Closed(_) => self.devices[device].channel = None,
            _ => {}
        }
        if ready && self.mode.push > 0 {
            self.opened(device, listen);
        }
        self.tell(device, || match &notice {
            Notice::Push(text) => format!("notice: push {}", story::answer(text)),
            notice => format!("notice {notice:?}"),
        });
        self.input(device, Input::Notice { listen, notice })
    }

    /// Notifies the devices of what is new: perhaps, once or twice, now or later.
    fn server_moved(&mut self) -> Checked {
        if self.notified == self.server.position() {
            return Ok(());
        }
        self.notified = self.server.position();
        for device in 0..self.devices.len() {
            let life = self.devices[device].life;
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
                let delay = if bad && self.rng.chance(50) {
                    self.rng.below(20_000)
                } else {
                    self.rng.delay(50)
                };
                let spread = if self.rng.chance(80) {
                    0
                } else {
                    self.rng.below(3_000) as u32
                };
                self.schedule(
                    delay,
                    device,
                    Event::Notice {
                        life,
                        listen,
                        notice: Notice::Notify {
                            spread,
                            conversations: conversations.clone(),
                        },
                    },
                );
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
    fn push(&mut self, device: usize, listen: u64) {
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

    fn deliver(&mut self, device: usize, listen: u64, frames: Vec<String>) {
        let life = self.devices[device].life;
        let ordered = self.mode.scope == Scope::Mailbox;
        for text in frames {
            let bad = self.rng.chance(self.trouble.notices);
            let mut copies = if bad { self.rng.below(3) } else { 1 };
            if copies == 0 && ordered {
                if self.rng.chance(30) {
                    self.dies(device, listen);
                }
                copies = 1;
            }
            for _ in 0..copies {
                let delay = if bad && self.rng.chance(50) {
                    self.rng.below(20_000)
                } else {
                    self.rng.delay(50)
                };
                let mut at = self.time + delay;
                if let (true, Some(channel)) = (ordered, &mut self.devices[device].channel) {
                    at = at.max(channel.busy_until);
                    channel.busy_until = at;
                }
                let notice = Notice::Push(text.clone());
                self.schedule(
                    at - self.time,
                    device,
                    Event::Notice {
                        life,
                        listen,
                        notice,
                    },
                );
            }
        }
    }

    /// The connection is dead; the client hears of it some time later.
    fn dies(&mut self, device: usize, listen: u64) {
        let life = self.devices[device].life;
        if let Some(channel) = &mut self.devices[device].channel {
            channel.dead = true;
        }
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

    /// The mailbox's timer: what was pushed over this connection and not acknowledged goes again.
    fn resend(&mut self, device: usize, listen: u64) {
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

    // ------------------------------------------------------------ the user

    fn open(&mut self, device: usize, conversation: &str) -> Checked {
        let (page_size, max_items) = (
            self.config["pageSize"].as_u64().unwrap_or(30),
            self.config["maxItems"].clone(),
        );
        let start = if self.mode.jumps {
            self.place(conversation)
        } else {
            Start::Latest
        };
        let target = &mut self.devices[device];
        let id = target.new_timeline();
        target.facade.open(id, conversation, page_size);
        let command = json!({
            "op": "open", "timeline": id, "conversation": conversation, "start": start.to_json(),
            "pageSize": page_size, "maxItems": max_items,
        });
        self.command(device, command)
    }

    /// Some place of a conversation: of a message, or of none.
    fn place(&mut self, conversation: &str) -> Start {
        let posts = &self.server.conversations[conversation].posts;
        let posts: Vec<(u64, u64)> = posts.values().map(|p| (p.seq, p.created_at)).collect();
        let (seq, time) = self.rng.pick(&posts).copied().unwrap_or((1, 1));
        match self.rng.below(20) {
            0..=6 => Start::Latest,
            7..=9 => Start::FirstUnread,
            10..=13 => Start::Around(seq),
            14 => Start::Around(seq.saturating_add(1)),
            15 => Start::Around([0, u64::MAX][self.rng.below(2) as usize]),
            16..=17 => Start::At(time),
            18 => Start::At(time + self.rng.below(2_000)),
            _ => Start::At([0, self.server.wall + 9_000_000][self.rng.below(2) as usize]),
        }
    }

    fn jump(&mut self, device: usize, timeline: u64) -> Checked {
        let view = &self.devices[device].facade.timelines[&timeline];
        let (conversation, count) = (view.conversation.clone(), view.anchor.count);
        let to = self.place(&conversation);
        let target = &self.devices[device];
        let shown = target
            .facade
            .conversations
            .iter()
            .find(|c| c.id == conversation);
        // None: nothing is known to be unread.
        let read = shown.filter(|shown| shown.unread > 0);
        let read = vec![read.map(|shown| shown.read_seq)];
        let call = self.devices[device].new_call(Call::Jump {
            timeline,
            to,
            count,
            read,
        });
        let to = to.to_json();
        self.command(
            device,
            json!({ "op": "jump", "call": call, "timeline": timeline, "to": to }),
        )
    }

    fn user_acts(&mut self, device: usize) -> Checked {
        let open: Vec<u64> = self.devices[device]
            .facade
            .timelines
            .iter()
            .filter(|(_, v)| !v.released)
            .map(|(id, _)| *id)
            .collect();
        let list = self.rng.pick(&open).copied();
        if let (true, Some(id)) = (self.mode.jumps, list)
            && self.rng.chance(12)
        {
            return self.jump(device, id);
        }
        match self.rng.below(100) {
            0..=14 => {
                let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
                match self.rng.pick(&ids).cloned() {
                    Some(conversation) if open.len() < 3 => self.open(device, &conversation),
                    _ => Ok(()),
                }
            }
            15..=18 => {
                let Some(id) = list else { return Ok(()) };
                self.devices[device].facade.close(id);
                self.command(device, json!({ "op": "close-timeline", "timeline": id }))
            }
            19..=23 => {
                let lists: Vec<u64> = self.devices[device]
                    .facade
                    .timelines
                    .keys()
                    .copied()
                    .collect();
                let Some(id) = self.rng.pick(&lists).copied() else {
                    return Ok(());
                };
                let Some(view) = self.devices[device].facade.timelines.get_mut(&id) else {
                    return Ok(());
                };
                if view.released {
                    view.released = false;
                    view.attached = true;
                    self.command(device, json!({ "op": "attach", "timeline": id }))
                } else {
                    view.released = true;
                    self.command(device, json!({ "op": "release", "timeline": id }))
                }
            }
            24..=41 => {
                let Some(id) = list else { return Ok(()) };
                let newer = self.rng.chance(25);
                let page_size = self.devices[device].facade.timelines[&id].page_size;
                let limit = if self.rng.chance(60) {
                    page_size
                } else {
                    self.rng.between(1, 15)
                };
                self.load(device, id, newer, limit)
            }
            42..=46 => {
                let Some(id) = list else { return Ok(()) };
                let view = &self.devices[device].facade.timelines[&id];
                let count = view.items.len() as u64;
                if count == 0 {
                    return Ok(());
                }
                let first = self.rng.below(count);
                let last = self
                    .rng
                    .between(first, (first + view.page_size).min(count - 1));
                let (first, last) = (
                    view.items[first as usize].key(),
                    view.items[last as usize].key(),
                );
                let command =
                    json!({ "op": "visible", "timeline": id, "first": first, "last": last });
                self.command(device, command)
            }
            47..=64 => self.send(device, list),
            65..=69 => self.retry_or_discard(device),
            70..=77 => self.change_own(device, list),
            78..=84 => self.mark_read(device, list),
            85..=90 => {
                let call = self.devices[device].new_call(Call::Sync);
                self.command(device, json!({ "op": "sync", "call": call }))
            }
            91..=96 => {
                let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
                let conversation = if self.rng.chance(90) {
                    self.rng.pick(&ids).cloned()
                } else {
                    None
                };
                let call = self.devices[device].new_call(Call::Inspect {
                    conversation: conversation.clone(),
                });
                let mut command = json!({ "op": "inspect", "call": call });
                if let Some(conversation) = conversation {
                    command["conversation"] = json!(conversation);
                }
                self.command(device, command)
            }
            97..=98 => {
                let calls: Vec<u64> = self.devices[device]
                    .calls
                    .iter()
                    .filter(|(_, c)| {
                        matches!(c, Call::Load { .. } | Call::Jump { .. } | Call::Sync)
                    })
                    .map(|(id, _)| *id)
                    .collect();
                match self.rng.pick(&calls) {
                    Some(call) => {
                        let command = json!({ "op": "abort", "of": call });
                        self.command(device, command)
                    }
                    None => Ok(()),
                }
            }
            _ => self.command(device, json!({ "op": "close" })),
        }
    }

    fn load(&mut self, device: usize, timeline: u64, newer: bool, limit: u64) -> Checked {
        let direction = if newer { "newer" } else { "older" };
        let target = &mut self.devices[device];
        let loading = &target.facade.timelines[&timeline].loading;
        let alone = !loading.older
            && !loading.newer
            && !target
                .calls
                .values()
                .any(|c| matches!(c, Call::Load { timeline: t, .. } if *t == timeline));
        let call = target.new_call(Call::Load {
            timeline,
            direction,
            limit,
            alone,
        });
        self.command(device, json!({ "op": "load", "call": call, "timeline": timeline, "direction": direction, "limit": limit }))
    }

    fn send(&mut self, device: usize, list: Option<u64>) -> Checked {
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        let conversation = match list {
            Some(id) if self.rng.chance(80) => self.devices[device].facade.timelines[&id]
                .conversation
                .clone(),
            _ => self.rng.pick(&ids).cloned().unwrap_or_default(),
        };
        let target = &mut self.devices[device];
        let (order, client_id) = target.new_own();
        let own = Own {
            body: json!({ "text": client_id }),
            order,
            accepted: false,
            discarded: false,
            retried: false,
            gone: false,
            life: target.life,
            key: None,
            newest: self.server.conversations[&conversation]
                .posts
                .keys()
                .next_back()
                .copied()
                .unwrap_or(0),
            shown: target.newest_shown(&conversation),
            conversation: conversation.clone(),
        };
        let body = own.body.to_string();
        target.own.insert(client_id.clone(), own);
        let twice = self.rng.chance(5);
        for _ in 0..if twice { 2 } else { 1 } {
            let call = self.devices[device].new_call(Call::Send {
                client_id: client_id.clone(),
            });
            self.command(device, json!({ "op": "send", "call": call, "conversation": conversation, "body": body, "clientId": client_id }))?;
        }
        Ok(())
    }

    fn retry_or_discard(&mut self, device: usize) -> Checked {
        let target = &mut self.devices[device];
        let Some(local) = self.rng.pick(&target.facade.outbox).cloned() else {
            return Ok(());
        };
        let client_id = local.client_id.clone();
        if local.state == "failed" && self.rng.chance(60) {
            if let Some(own) = target.own.get_mut(&client_id) {
                own.retried = true;
            }
            let call = target.new_call(Call::Retry);
            self.command(
                device,
                json!({ "op": "retry", "call": call, "clientId": client_id }),
            )
        } else {
            if let Some(own) = target.own.get_mut(&client_id) {
                own.discarded = true;
            }
            let call = target.new_call(Call::Discard {
                client_id: client_id.clone(),
            });
            self.command(
                device,
                json!({ "op": "discard", "call": call, "clientId": client_id }),
            )
        }
    }

    fn change_own(&mut self, device: usize, list: Option<u64>) -> Checked {
        let Some(list) = list else { return Ok(()) };
        let view = &self.devices[device].facade.timelines[&list];
        let own: Vec<String> = view
            .items
            .iter()
            .filter_map(|item| match &**item {
                Item::Message { message, .. } if message.sender == ACCOUNT => {
                    Some(message.id.clone())
                }
                Item::Local(local) => local.message.as_ref().map(|message| message.id.clone()),
                _ => None,
            })
            .collect();
        let conversation = view.conversation.clone();
        let Some(message) = self.rng.pick(&own).cloned() else {
            return Ok(());
        };
        let call = self.devices[device].new_call(Call::Change {
            conversation: conversation.clone(),
            message: message.clone(),
        });
        let command = if self.rng.chance(60) {
            let client_id = format!("edit-{call}-{}", self.rng.next());
            let body = json!({ "text": client_id }).to_string();
            json!({ "op": "edit", "call": call, "conversation": conversation, "messageId": message, "body": body, "clientId": client_id })
        } else {
            json!({ "op": "recall", "call": call, "conversation": conversation, "messageId": message })
        };
        self.command(device, command)
    }

    fn mark_read(&mut self, device: usize, list: Option<u64>) -> Checked {
        let Some(list) = list else { return Ok(()) };
        let view = &self.devices[device].facade.timelines[&list];
        let conversation = view.conversation.clone();
        let seqs: Vec<u64> = view.messages().map(|(_, message, _)| message.seq).collect();
        let seq = self.rng.pick(&seqs).copied();
        let seq = if self.rng.chance(50) { None } else { seq };
        let call = self.devices[device].new_call(Call::MarkRead {
            conversation: conversation.clone(),
            seq,
        });
        let command = match seq {
            Some(seq) => {
                json!({ "op": "mark-read", "call": call, "conversation": conversation, "seq": seq.to_string() })
            }
            None => {
                json!({ "op": "mark-read", "call": call, "conversation": conversation, "timeline": list })
            }
        };
        self.command(device, command)
    }

    /// A call of the app has its result; the snapshots already show its effect.
    fn settle(&mut self, device: usize, call: u64, result: Result<Value, Failure>) -> Checked {
        let target = &mut self.devices[device];
        let Some(call) = target.calls.remove(&call) else {
            return Err(format!("a result for call {call}, which waits for none"));
        };
        if let Err(error) = &result {
            const KNOWN: [&str; 12] = [
                "network",
                "timeout",
                "offline",
                "unauthorized",
                "forbidden",
                "not-found",
                "rejected",
                "protocol",
                "storage",
                "quota",
                "aborted",
                "closed",
            ];
            if !KNOWN.contains(&error.code.as_str())
                && !matches!(
                    (&call, error.code.as_str()),
                    (
                        Call::Change { .. } | Call::MarkRead { .. } | Call::Retry,
                        "invalid"
                    )
                )
            {
                return Err(format!("{call:?} is rejected with {error:?}"));
            }
        }
        match (call, result) {
            (
                Call::Load {
                    timeline,
                    limit,
                    alone: true,
                    direction,
                },
                Ok(value),
            ) => {
                let (added, end) = (value["added"].as_u64(), value["end"].as_bool());
                let (Some(added), Some(end)) = (added, end) else {
                    return Err(format!("no LoadResult: {value}"));
                };
                let view = target.facade.timelines.get(&timeline);
                let failed = view.is_none_or(|view| view.released || view.error.is_some());
                if added < limit && !end && !failed {
                    return Err(format!(
                        "loading {direction} gave {added} of {limit} and no end"
                    ));
                }
            }
            (
                Call::Jump {
                    timeline,
                    to,
                    count,
                    mut read,
                },
                Ok(_),
            ) => {
                if let Some(view) = target.facade.timelines.get(&timeline) {
                    if view.anchor.count <= count && view.status == "ready" && !view.released {
                        return Err(format!("timeline {timeline} jumped, and was not replaced"));
                    }
                    // What was read is what some state of that time says, or the user's own mark.
                    let states = &self.server.conversations[&view.conversation].states;
                    let since = target.states_at.get(&view.conversation).unwrap_or(&0);
                    let from = states.iter().rposition(|(at, _)| at <= since);
                    let states = &states[from.unwrap_or(0)..];
                    read.extend(states.iter().map(|(_, state)| {
                        let unread = Some(state).filter(|state| state.unread > 0);
                        unread.map(|state| state.read_seq)
                    }));
                    let marked = target.marks.get(&view.conversation);
                    read.extend(marked.map(|mark| Some(Some(*mark))));
                    check::anchor(view, to, &read, target, &self.server)?;
                }
            }
            (Call::Send { client_id }, Ok(value)) => {
                let own = target.own.get_mut(&client_id).expect("the send was noted");
                own.accepted = true;
                let key = value["key"]
                    .as_str()
                    .ok_or("send() without a key")?
                    .to_owned();
                if own.life == target.life && own.key.as_ref().is_some_and(|old| *old != key) {
                    return Err(format!("{client_id} has key {key}, and had {:?}", own.key));
                }
                own.key = Some(key);
            }
            (Call::Discard { client_id }, Ok(Value::Bool(true))) => {
                let sending = target.requests.values().any(
                    |p| !p.aborted && matches!(&p.call, Request::Send { client_id: id, .. } if *id == client_id),
                );
                // One that failed because the account has left may still be on its way.
                let own = target.own.get(&client_id);
                let left = own.is_some_and(|own| {
                    self.server.conversations[&own.conversation]
                        .membership
                        .len()
                        > 1
                });
                if sending && !left {
                    return Err(format!(
                        "{client_id} was discarded while a request for it is under way"
                    ));
                }
                if let Some(own) = target.own.get_mut(&client_id) {
                    own.gone = true;
                }
            }
            (Call::Discard { client_id }, _) => {
                let mut calls = target.calls.values();
                let again =
                    calls.any(|c| matches!(c, Call::Discard { client_id: id } if *id == client_id));
                if let Some(own) = target.own.get_mut(&client_id) {
                    own.discarded = own.gone || again;
                }
            }
            (
                Call::Change {
                    conversation,
                    message,
                },
                Ok(value),
            ) => {
                let version = value["version"]
                    .as_u64()
                    .ok_or("a change without a message")?;
                for view in target.facade.timelines.values().filter(|v| {
                    v.conversation == conversation && !v.released && v.status == "ready"
                }) {
                    let shown = view.messages().find(|(_, m, _)| m.id == message);
                    if shown.is_some_and(|(_, m, _)| m.version < version) {
                        return Err(format!(
                            "{message} was changed to version {version}, which the list does not show"
                        ));
                    }
                }
            }
            (
                Call::MarkRead {
                    conversation,
                    seq: Some(seq),
                },
                Ok(_),
            ) => {
                let mark = target.marks.entry(conversation).or_default();
                *mark = seq.max(*mark);
            }
            (Call::Sync, Ok(_)) if !target.facade.caught_up() => {
                return Err("sync() resolved, not caught up".to_owned());
            }
            (Call::Inspect { conversation }, Ok(value)) => {
                let conversation = conversation.and_then(|id| self.server.conversations.get(&id));
                let position = match (self.mode.scope, conversation) {
                    (Scope::Account, _) | (_, None) => 0,
                    (_, Some(conversation)) => target.positions(&self.server).of(&conversation.id),
                };
                check::inspection(&value, conversation, position, self.mode.jumps)?;
            }
            _ => {}
        }
        Ok(())
    }

    // ------------------------------------------------------------ the end: everything comes right

    fn calm(&mut self) -> Checked {
        self.story
            .tell(self.time, "world", || "the trouble ends".to_owned());
        self.trouble = Trouble {
            requests: 0,
            commits: 0,
            notices: 0,
            lies: 0,
            overflows: 0,
        };
        self.server.tell_everything();
        self.server.prompt = true;
        self.server.sick = 0;
        self.server.again = 0;
        self.server_moved()?;
        for device in &mut self.devices {
            device.link = true;
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
            self.command(device, json!({ "op": "resume" }))?;
            self.devices[device].hidden = false;
            self.devices[device].hidden_since = None;
            self.command(device, json!({ "op": "visibility", "hidden": false }))?;
            self.command(device, json!({ "op": "network", "online": true }))?;
            let needs_auth = self.devices[device]
                .facade
                .status
                .as_ref()
                .is_some_and(|s| s.connection == "needs-auth");
            if needs_auth {
                let call = self.devices[device].new_call(Call::Sync);
                self.command(device, json!({ "op": "sync", "call": call }))?;
            }
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
        }
        self.failing_alone()?;
        let before = self.requests.clone();
        self.pass(3 * LONGEST_BACKOFF)?;
        self.no_storm(&before, 3 * LONGEST_BACKOFF)?;
        for device in 0..self.devices.len() {
            self.converged(device).map_err(|error| {
                format!("{} has not come right: {error}", self.devices[device].name)
            })?;
        }
        for device in 0..self.devices.len() {
            self.burst(device)?;
        }
        // Then nothing happens any more but the slow timer.
        let before = self.requests.clone();
        let quiet = 600_000;
        self.pass(quiet)?;
        for (device, before) in before.iter().enumerate() {
            for (kind, count) in &self.requests[device] {
                let made = count - before.get(kind).unwrap_or(&0);
                let interval = if self.mode.long_poll {
                    self.least_wait.unwrap_or(5_000).max(5_000)
                } else if self.config["notify"] == "socket" {
                    30_000
                } else {
                    5_000
                };
                let allowed = if *kind == "pull" {
                    quiet / interval * 3 / 2 + 3
                } else {
                    0
                };
                if made > allowed {
                    return Err(format!(
                        "a storm: {made} requests ({kind}) in {quiet} quiet ms"
                    ));
                }
            }
        }
        for device in 0..self.devices.len() {
            self.read_back(device)?;
        }
        self.devices.iter().try_for_each(|d| d.store.reread())
    }

    /// What it took to come right is in proportion to what there was to be brought, and to the time.
    fn no_storm(&self, before: &[BTreeMap<&'static str, u64>], ms: u64) -> Checked {
        let allowed = 100 + ms / 1_000 + 4 * self.server.position() as u64;
        let devices = self.devices.iter().zip(before).enumerate();
        for (device, (target, before)) in devices {
            let made: u64 = self.requests[device].values().sum();
            let made = made - before.values().sum::<u64>();
            if made > allowed {
                let name = target.name;
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
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        self.server_moved()?;
        let before = self.requests.clone();
        // Each batch brings at least one of these.
        let newest = self.server.position();
        let lacks = |device: &Device| newest - device.positions(&self.server).least();
        let lacking: Vec<u64> = self.devices.iter().map(|d| lacks(d) as u64).collect();
        self.pass(3 * LONGEST_BACKOFF)?;
        for (device, before) in before.iter().enumerate() {
            let target = &self.devices[device];
            let positions = target.positions(&self.server);
            for id in ids.iter().filter(|id| **id != failing) {
                if self.server.conversations[id].member
                    && positions.of(id) != self.server.position()
                {
                    let name = target.name;
                    return Err(format!("{failing} fails, and {id} of {name} waits for it"));
                }
            }
            let made = self.requests[device].get("pull").unwrap_or(&0);
            let made = made - before.get("pull").unwrap_or(&0);
            if made > 3 * LONGEST_BACKOFF / 5_000 * 2 + 30 + lacking[device] {
                return Err(format!(
                    "a storm: {made} pulls while one conversation fails"
                ));
            }
        }
        self.server.failing = None;
        Ok(())
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
        let life = self.devices[device].life;
        let before = (self.requests[device].clone(), self.devices[device].commits);
        let mut from = position;
        self.server.tells_prev = true;
        for n in 0..50 {
            self.server.post(&id, &mut self.rng);
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
        self.story
            .tell(self.time, "server", || format!("{id}: a burst"));
        self.notified = from;
        self.pass(5_000)?;
        if let Some(channel) = &mut self.devices[device].channel {
            channel.told = from;
        }
        let made = |kind: &str| {
            let before = before.0.get(kind).unwrap_or(&0);
            self.requests[device].get(kind).unwrap_or(&0) - before
        };
        let commits = self.devices[device].commits - before.1;
        if made("pull") > 0 || made("ack") > 30 || commits > 30 {
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
        for device in 0..self.devices.len() {
            self.converged(device).map_err(|error| {
                format!("{}, after a burst: {error}", self.devices[device].name)
            })?;
        }
        Ok(())
    }

    fn converged(&self, device: usize) -> Checked {
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
        if !device.calls.is_empty() {
            return Err(format!("calls that never settle: {:?}", device.calls));
        }
        for local in &device.facade.outbox {
            if local.state != "failed" {
                return Err(format!("{} is still {}", local.client_id, local.state));
            }
        }
        for (client_id, own) in &device.own {
            let failed = device
                .facade
                .outbox
                .iter()
                .any(|local| local.client_id == *client_id);
            let delivered = check::delivered(&self.server, client_id, own);
            if own.accepted && !own.discarded && !failed && delivered == (0, 0) {
                return Err(format!("{client_id} was accepted, and is nowhere"));
            }
        }
        for (id, mark) in &device.marks {
            let conversation = &self.server.conversations[id];
            let read = conversation
                .states
                .last()
                .and_then(|(_, state)| state.read_seq);
            if conversation.membership.len() == 1 && read.is_none_or(|read| read < *mark) {
                return Err(format!("{id} was read to {mark}, the server has {read:?}"));
            }
        }
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
        for (id, view) in &device.facade.timelines {
            let conversation = &self.server.conversations[&view.conversation];
            if !conversation.member {
                continue;
            }
            let whole = view.status == "ready"
                && view.loading
                    == (super::facade::Loading {
                        older: false,
                        newer: false,
                        jump: false,
                    })
                && view
                    .items
                    .iter()
                    .all(|item| !matches!(**item, Item::Gap { .. }))
                && view.messages().all(|(_, _, fresh)| fresh)
                && view.locals().all(|local| local.state == "failed");
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

    /// Pages each open list from one end to the other: together that is all that the server has.
    fn read_back(&mut self, device: usize) -> Checked {
        let ids: Vec<u64> = self.devices[device]
            .facade
            .timelines
            .keys()
            .copied()
            .collect();
        for id in ids {
            let view = &self.devices[device].facade.timelines[&id];
            let conversation = view.conversation.clone();
            if !self.server.conversations[&conversation].member || view.status != "ready" {
                continue;
            }
            let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
            for newer in [false, true] {
                for turn in 0.. {
                    let view = &self.devices[device].facade.timelines[&id];
                    seen.extend(
                        view.messages()
                            .map(|(_, message, _)| (message.seq, message.version)),
                    );
                    let more = if newer {
                        view.has_newer
                    } else {
                        view.has_older
                    };
                    if !more {
                        break;
                    }
                    if turn == 200 {
                        return Err(format!("{conversation} has no end: {}", check::draw(view)));
                    }
                    // As somebody who scrolls: what is on screen is where the list grows.
                    let edge = if newer {
                        view.items.last()
                    } else {
                        view.items.first()
                    };
                    if let Some(key) = edge.map(|item| item.key().to_owned()) {
                        self.command(
                            device,
                            json!({ "op": "visible", "timeline": id, "first": key, "last": key }),
                        )?;
                    }
                    let limit = self.devices[device].facade.timelines[&id].page_size;
                    self.load(device, id, newer, limit)?;
                    self.pass(5_000)?;
                }
            }
            let living = self.server.conversations[&conversation].living();
            let server: BTreeMap<u64, u64> = living
                .map(|post| (post.seq, post.newest().version))
                .collect();
            if seen != server {
                return Err(format!(
                    "{conversation}, paged through: {seen:?}\n    the server has {server:?}"
                ));
            }
        }
        Ok(())
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
