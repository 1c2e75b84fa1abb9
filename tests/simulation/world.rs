//! A history: virtual time, chance, and everything that can go wrong. Time jumps from one event to
//! the next; between any two inputs of an engine anything else may happen.

mod acts;
mod channel;
mod draw;
mod effects;
mod end;
mod evicted;
mod fences;
mod handover;
mod lives;
mod network;
pub mod news;
mod promises;
mod read_back;
mod settle;
mod store;
mod talk;
mod trouble;
mod user;
mod wipe;

pub use trouble::Trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pullcord::core::Input;
use pullcord::core::command::Command;
use pullcord::core::net::{Error, Notice, Request};
use serde_json::{Value, json};

use super::check::Checked;
use super::coverage::Reached;
use super::device::{Device, Machine};
use super::facade::Message;
use super::history::{CommitFate, History};
use super::mode::{Mode, Wide};
use super::rng::Rng;
use super::server::{ACCOUNT, Server};
use super::steps::Step;
use super::story::Story;

/// ms after which the net layer gives a request up.
const TIMEOUT: u64 = 15_000;
/// ms after which the store layer gives an operation up.
const STORE_TIMEOUT: u64 = 10_000;
/// Longest pause that an engine may make between two attempts, ms.
const LONGEST_BACKOFF: u64 = 120_000;
/// Longest pause that a server may ask for, ms.
const LONGEST_RETRY_AFTER: u64 = 600_000;
/// ms after which nothing has to come at once to a page that is hidden.
const HIDDEN_LONG: u64 = 120_000;
/// ms by which a timer comes too late where a client knows that it slept.
const NOTICED: u64 = 2_000;
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
    /// a waiting pull is ended by somebody between
    Cut {
        request: u64,
    },
    /// the client asks for the account's lock
    Promote {
        life: u32,
    },
    /// something of an answer has arrived
    Progress {
        life: u32,
        request: u64,
    },
    /// the fence is written: it has the account
    Promoted {
        life: u32,
        epoch: u64,
    },
    /// its store says that another client has the account
    Fenced {
        life: u32,
    },
    /// it tries to write its fence
    Fence {
        life: u32,
    },
    /// nothing was heard of its fence
    FenceSilent {
        life: u32,
    },
    /// its fence is to be there, since it has the lock
    Unable {
        life: u32,
        since: u64,
    },
    /// its lock was taken by force
    Robbed {
        life: u32,
    },
    /// it writes its fence into the database that has taken the lost one's place
    Adopts {
        life: u32,
        tries: u32,
    },
    /// the page is opened again, with lists on these conversations
    Start {
        lists: Vec<String>,
    },
    /// the client learns of the network's state
    Tell {
        life: u32,
    },
    /// it has done what it opened for
    Close {
        life: u32,
    },
    Resume {
        life: u32,
    },
    /// another client of the machine has said something
    Heard {
        life: u32,
        said: Vec<u8>,
    },
    /// what was stored is deleted, and this client finds it so
    Wiped {
        life: u32,
    },
}

/// Failed requests of one kind, one after the other, without anybody asking for them.
struct Streak {
    since: u64,
    failures: u64,
}

/// The same request, again and again, without anybody asking for it.
struct Repeated {
    call: Request,
    since: u64,
    times: u64,
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
    seed: u64,
    mode: Mode,
    held: Vec<Held>,
    /// ms after which somebody between ends what is silent
    proxy: Option<u64>,
    /// the shortest time that a pull was to wait at the server
    least_wait: Option<u64>,
    pub time: u64,
    pub server: Server,
    pub machines: Vec<Machine>,
    /// the clients, those of one machine side by side
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
    /// requests that were asked again just so
    repeated: BTreeMap<(usize, String), Repeated>,
    /// no such request of a device before this time: the server said Retry-After
    not_before: BTreeMap<(usize, String), u64>,
    /// requests that left, by device and kind
    pub requests: Vec<BTreeMap<&'static str, u64>>,
    /// message ids that "messages" events have told, by device, in this life
    told: Vec<BTreeSet<String>>,
    /// the messages of those: their conversation, position, and when the server committed them
    told_at: Vec<Vec<(String, u64, usize)>>,
    /// what this input has told the app by events
    events: Vec<String>,
    /// the new messages of those
    new: Vec<Message>,
    /// the client of this input was on screen when it asked for its last commit before it
    was_on_screen: bool,
    /// what each client has told the others, in all, and since when how much
    said: Vec<(u64, u64, u64)>,
    /// how often clients found the one that writes stuck
    stuck: u64,
    /// timer calls without time passing
    spins: u64,
    /// when commits found the disk full, in the last minute
    refused: VecDeque<u64>,
    /// what becomes of one commit of the first device
    commit: Option<(u64, CommitFate)>,
    /// the server is restarting until then
    down_until: u64,
    /// the step under way; None: all are over
    pub step: Option<u64>,
    /// the steps so far
    pub script: Vec<Step>,
    /// the bounds that it came to
    pub reached: Reached,
}

impl World {
    #[expect(
        clippy::too_many_lines,
        reason = "what a history draws, in the order in which it is drawn"
    )]
    pub fn new(history: &History, story: usize) -> Self {
        let mut mode = history.mode.clone();
        if mode.world != Wide::Small {
            // There a pull brings 500 at a time, and fewer than that must not be forgotten.
            mode.limits.deliveries += 800;
        }
        let mut rng = Rng::new(history.seed);
        let mut server = Server::new(mode.clone(), &mut rng);
        server.widen(&mut Rng::new(history.seed ^ 0x7769_6465));
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
            talk: 0,
        };
        let mut drawn = Rng::new(history.seed ^ 0x7461_6c6b);
        if !drawn.chance(30) {
            trouble.talk = drawn.below(41);
        }
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
        server.spoils = Rng::new(history.seed ^ 0x6f64_6473).below(20);
        let config = config(&mode, &mut rng);
        let mut machines = vec![Machine::new("phone"), Machine::new("laptop")];
        machines.truncate(mode.machines());
        let mut devices = Vec::new();
        for (n, machine) in machines.iter_mut().enumerate() {
            machine.disk.has_power_cuts = mode.power_cuts || history.commit.is_some();
            machine.disk.is_followed = mode.clients > 1;
            machine.clients = mode.clients;
            devices.extend((0..mode.clients).map(|tab| Device::new(n, machine.name, tab)));
        }
        devices
            .iter_mut()
            .for_each(|device| device.shares = mode.clients > 1);
        let impatient = rng.chance(80);
        let mut drawn = Rng::new(history.seed ^ 0x6869_6e74);
        let proxy = drawn.between(2_000, 24_000);
        let proxy = (mode.hints && drawn.chance(50)).then_some(proxy);
        let mut world = World {
            rng,
            seed: history.seed,
            mode,
            held: Vec::new(),
            proxy,
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
            repeated: BTreeMap::new(),
            not_before: BTreeMap::new(),
            requests: vec![BTreeMap::new(); devices.len()],
            told: vec![BTreeSet::new(); devices.len()],
            told_at: vec![Vec::new(); devices.len()],
            events: Vec::new(),
            new: Vec::new(),
            was_on_screen: false,
            said: vec![(0, 0, 0); devices.len()],
            stuck: 0,
            machines,
            devices,
            spins: 0,
            refused: VecDeque::new(),
            commit: history.commit,
            down_until: 0,
            step: None,
            script: Vec::new(),
            reached: Reached::default(),
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
        match &history.script {
            Some(script) => self.follow(script)?,
            None => self.play(history)?,
        }
        self.step = None;
        self.bounds_reached();
        if !history.chained {
            self.rng = chance(history.seed, u64::MAX);
        }
        self.calm()
    }

    /// The steps as they are drawn.
    fn play(&mut self, history: &History) -> Checked {
        for step in 0..history.steps {
            if history.skipped.contains(&step) {
                continue;
            }
            if !history.chained {
                self.rng = chance(history.seed, step);
            }
            self.step = Some(step);
            let drawn = self.draw();
            self.script.push(drawn.clone());
            self.act(&drawn.act)?;
        }
        Ok(())
    }

    /// The steps as they are given.
    fn follow(&mut self, script: &[Step]) -> Checked {
        for (n, step) in script.iter().enumerate() {
            self.rng = Rng::new(step.chance);
            self.step = Some(n as u64);
            self.script.push(step.clone());
            self.act(&step.act)?;
        }
        Ok(())
    }

    // ------------------------------------------------------------ time

    fn schedule(&mut self, delay: u64, device: usize, event: Event) {
        self.queued += 1;
        self.queue
            .insert((self.time + delay, self.queued), (device, event));
    }

    fn tell(&mut self, device: usize, line: impl FnOnce() -> String) {
        self.story.tell(self.time, &self.devices[device].name, line);
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
                    self.fire(device)?;
                }
                _ => self.happen_next()?,
            }
        }
        self.advance(end);
        Ok(())
    }

    /// A device's timer fires.
    fn fire(&mut self, device: usize) -> Checked {
        self.spins += 1;
        if self.spins > 1000 {
            let who = &self.devices[device].name;
            return Err(format!("the timer of {who} does not move on"));
        }
        self.input(device, Input::Timer)
    }

    /// The next of what is to come.
    fn happen_next(&mut self) -> Checked {
        match self.queue.pop_first() {
            Some((_, (device, event))) => self.happen(device, event),
            None => Ok(()),
        }
    }

    fn advance(&mut self, time: u64) {
        self.server.wall += time - self.time;
        self.time = time;
    }

    fn happen(&mut self, device: usize, event: Event) -> Checked {
        let asleep = self.devices[device].asleep_until;
        // The server's side of a request goes on while a device sleeps.
        let on_server = matches!(
            event,
            Event::Arrive { .. } | Event::Expire { .. } | Event::Cut { .. }
        );
        if asleep > self.time && !on_server {
            self.schedule(asleep - self.time, device, event);
            return Ok(());
        }
        let alive = self.devices[device].life;
        match event {
            Event::Store { life } if life == alive => self.is_asked_to_store(device, life),
            Event::Arrive {
                life,
                request,
                call,
                fate,
            } => self.arrive(device, life, request, call, fate),
            Event::Expire { request } => self.expires(device, request),
            Event::Cut { request } => {
                self.cut(device, request);
                Ok(())
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
            Event::Progress { life, request } if life == alive => {
                self.input(device, Input::Progress { request })
            }
            Event::Promote { life } if life == alive => self.wants_lock(device),
            // One that has let go of the account meanwhile is not told.
            Event::Promoted { life, epoch }
                if life == alive && self.devices[device].epoch == Some(epoch) =>
            {
                self.promoted(device, epoch)
            }
            Event::Fenced { life } if life == alive => self.fenced(device),
            Event::Fence { life } => self.tries_its_fence(device, life),
            Event::FenceSilent { life } if life == alive => self.fence_is_silent(device),
            Event::Unable { life, since } if life == alive => self.is_unable(device, since),
            Event::Robbed { life } if life == alive => self.is_robbed(device),
            Event::Adopts { life, tries } if life == alive => self.adopts(device, tries),
            Event::Heard { life, said } if life == alive => self.hears(device, said),
            Event::Wiped { life } if life == alive => self.finds_it_wiped(device),
            Event::Start { lists } => self.start(device, lists),
            Event::Tell { life } if life == alive => self.is_told_of_the_network(device),
            Event::Close { life } if life == alive => {
                self.command(device, json!({ "op": "close" }))
            }
            Event::Resume { life } if life == alive => {
                self.devices[device].frozen = false;
                self.command(device, json!({ "op": "resume" }))?;
                if self.mode.handover && self.devices[device].epoch.is_none() {
                    self.schedule(0, device, Event::Promote { life });
                }
                Ok(())
            }
            _ => Ok(()), // of a life that has ended
        }
    }

    /// The store of a device does what it was asked for, unless its database is gone.
    fn is_asked_to_store(&mut self, device: usize, life: u32) -> Checked {
        if self.machine(device).wiped_for.is_some() {
            return self.finds_it_wiped(device);
        }
        if self.devices[device].adopts {
            self.schedule(100, device, Event::Store { life });
            return Ok(());
        }
        match self.devices[device].lost {
            true => self.finds_it_lost(device, None),
            false => self.store(device),
        }
    }

    /// The browser says whether there is a network, which may be a lie.
    fn is_told_of_the_network(&mut self, device: usize) -> Checked {
        let lies = self.mode.hints && self.rng.chance(30);
        let online = self.machine(device).link != lies;
        let mut command = json!({ "op": "network", "online": online });
        if self.mode.prefetch && self.rng.chance(30) {
            command["metered"] = json!(self.rng.chance(50));
        }
        self.command(device, command)
    }

    /// A pull that waits is taken from those that do.
    fn take_held(&mut self, device: usize, request: u64) -> Option<Held> {
        let this = |held: &Held| held.device == device && held.request == request;
        let at = self.held.iter().position(this)?;
        Some(self.held.swap_remove(at))
    }

    fn expires(&mut self, device: usize, request: u64) -> Checked {
        match self.take_held(device, request) {
            Some(held) => self.process(held),
            None => Ok(()),
        }
    }

    fn cut(&mut self, device: usize, request: u64) {
        if let Some(held) = self.take_held(device, request) {
            self.reached
                .note("a waiting pull ended by somebody between");
            self.lose(device, held.life, request);
        }
    }

    // ------------------------------------------------------------ what the app calls

    fn command(&mut self, device: usize, command: Value) -> Checked {
        // What the app does itself is no storm.
        self.streaks.retain(|(of, _), _| *of != device);
        // And what a person asks for goes at once (R14).
        if let Some("sync" | "retry") = command["op"].as_str() {
            let person = |kind: &str| !kind.starts_with("mark");
            // Also where another client writes: that one is asked.
            let here = self.clients_of(self.devices[device].machine);
            self.not_before
                .retain(|(of, kind), _| !here.contains(of) || !person(kind));
            self.machine_mut(device).urged_at = self.time;
        }
        self.repeated.retain(|(of, _), _| *of != device);
        self.devices[device].read_bytes = 0;
        if let Some(call) = command["call"].as_u64() {
            let time = self.time;
            self.devices[device].called.insert(call, time);
        }
        self.tell(device, || format!("app: {command}"));
        let read = Command::from_json(&command.to_string()).expect("the simulation's own command");
        self.input(device, Input::Command(read))
    }
}

/// What the clients are told at their start.
fn config(mode: &Mode, rng: &mut Rng) -> Value {
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
    });
    config["scope"] = json!(mode.scope.name());
    if mode.world != Wide::Small {
        config["pullLimit"] = json!(500);
        config["pageSize"] = json!(30);
        config["maxItems"] = json!(300);
    }
    if mode.long_poll {
        config["notify"] = json!("long-poll");
    }
    if mode.keep {
        config["overflow"] = json!("keep");
    }
    config["canRevalidate"] = json!(mode.revalidates);
    config["prefetch"] = json!(mode.prefetch);
    config
}

/// Each step has a chance of its own: what it draws does not depend on what is left out before it.
fn chance(seed: u64, step: u64) -> Rng {
    Rng::new(Rng::new(seed).next() ^ Rng::new(step).next())
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
