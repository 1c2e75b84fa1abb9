//! What kind of client and server a history has. The kind is drawn from the seed by a chance of its
//! own, so that it changes nothing of what else the seed means.
//!
//! Seeds that were found while there was one kind only are run as [`Mode::classic`]: their histories
//! stay what they were. Where the environment's PULLCORD_MODES lists dimensions, the others stay
//! classic: `conversation`, `mailbox`, `push`, `long-poll`, `keep`, `no-changes`, `jumps`, `prefetch`,
//! `power-cuts`, `replicas`, `restarts`, `clocks`, `bounds`, `clients`, `wide`, `bad-items`, `full-disk`, `slow`,
//! `sizes`, `hints`, `spoilt`, `silent`, `instant`, `tellings`, `wipes`, `evicted`, `waits`, `fences`, or `all`, or `classic`
//! for none; `before` stands for all that there were before the bounds were drawn. One with `!` after it
//! is so in every history (`PULLCORD_MODES='mailbox!,push,keep'`).

use pullcord::core::Limits;
pub use pullcord::core::options::Scope;

use super::rng::Rng;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mode {
    pub scope: Scope,
    /// of the movements of the server's log, how many in a hundred are told by their events inline
    pub push: u64,
    /// pulls wait at the server, instead of whatever else is configured
    pub long_poll: bool,
    /// overflow "keep"
    pub keep: bool,
    /// the transport has `changes`
    pub revalidates: bool,
    /// timelines begin anywhere and jump
    pub jumps: bool,
    /// a page is fetched before it is asked for
    pub prefetch: bool,
    /// the power fails: what was not flushed to the disk is lost
    pub power_cuts: bool,
    /// pages and changes are read from replicas that lag behind, as far as the protocol lets them
    pub replicas: bool,
    /// the server restarts
    pub restarts: bool,
    /// the devices' clocks are off, and jump
    pub clocks: bool,
    /// tabs of one browser, on one disk: they hand the account over, one to the other
    pub clients: usize,
    /// they do so: also one alone, that sleeps and wakes
    pub handover: bool,
    /// some of what there is is not as it has to be, and stays so
    pub bad_items: bool,
    /// the disk is full for a while
    pub full_disk: bool,
    /// records that the browser cannot read any more
    pub spoilt: bool,
    /// operations of the store that never end, but for the store layer's own limit
    pub silent: bool,
    /// bytes of an answer that arrive in a second
    pub rate: Option<u64>,
    /// bytes of the largest answer that is read
    pub largest: usize,
    /// what is only a hint is wrong
    pub hints: bool,
    /// the app's own transport, in memory: what it refuses, and that its channel is ready, it says at once
    pub instant: bool,
    /// clients open that nobody looks at, to sync once and tell what is new
    pub tellings: bool,
    /// the user signs out, which deletes what is stored under all clients, and in again
    pub wipes: bool,
    /// the browser deletes the database under the clients that have it open
    pub evicted: bool,
    /// clients that wait until the others have gone
    pub waits: bool,
    /// fences that fail
    pub fences: bool,
    /// every bound of the core
    pub limits: Limits,
    /// how much there is
    pub world: Wide,
}

/// How much there is in the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wide {
    /// a handful of conversations
    Small,
    /// so many conversations, most of them with a message or two
    Conversations(u64),
    /// so many lists open
    Lists(u64),
    /// so many messages in one conversation
    Messages(u64),
}

/// What is drawn where the environment does not say.
const ENABLED: &str = "all";

/// The dimensions that there were at first.
const FIRST: &str = "conversation,mailbox,push,long-poll,keep,no-changes,jumps,prefetch";

/// Those that there were before the bounds were drawn.
const BEFORE: &str = "conversation,mailbox,push,long-poll,keep,no-changes,jumps,prefetch,power-cuts,replicas,restarts,clocks";

/// Whether a seed may have what is called so.
fn has(enabled: &str, name: &str) -> bool {
    let listed = |names: &str, name: &str| names.split(',').any(|one| one == name);
    let before = listed(enabled, "before") && listed(BEFORE, name);
    before || listed(enabled, name) || listed(enabled, "all")
}

/// Whether a history has this, as one in so many of a hundred has.
fn is_drawn(rng: &mut Rng, enabled: &str, name: &str, percent: u64) -> bool {
    let drawn = rng.chance(percent);
    always(enabled, name) || (drawn && has(enabled, name))
}

/// Whether every seed has it.
fn always(enabled: &str, name: &str) -> bool {
    enabled
        .split(',')
        .any(|one| one.strip_suffix('!') == Some(name))
}

impl Mode {
    pub fn classic() -> Self {
        Mode {
            scope: Scope::Account,
            push: 0,
            long_poll: false,
            keep: false,
            revalidates: true,
            jumps: false,
            prefetch: false,
            power_cuts: false,
            replicas: false,
            restarts: false,
            clocks: false,
            clients: 1,
            handover: false,
            bad_items: false,
            full_disk: false,
            spoilt: false,
            silent: false,
            rate: None,
            largest: usize::MAX,
            hints: false,
            instant: false,
            tellings: false,
            wipes: false,
            evicted: false,
            waits: false,
            fences: false,
            limits: Limits::default(),
            world: Wide::Small,
        }
    }

    /// As modes were drawn before the disk, the clocks and the servers had their own troubles.
    pub fn drawn_at_first(seed: u64) -> Self {
        Self::within(seed, FIRST)
    }

    pub fn drawn(seed: u64) -> Self {
        Self::within(seed, &enabled())
    }

    /// Among these kinds: as PULLCORD_MODES names them.
    pub fn drawn_among(seed: u64, kinds: &str) -> Self {
        Self::within(seed, kinds)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "what a mode draws, in the order in which it is drawn"
    )]
    fn within(seed: u64, enabled: &str) -> Self {
        let mut rng = Rng::new(seed ^ 0x7075_6c6c_636f_7264);
        let always = |name: &str| always(enabled, name);
        let plain = rng.chance(10) && !enabled.contains('!');
        // Everything is drawn, whatever is enabled: a seed means the same with more of it.
        let mut drawn = |name, percent| is_drawn(&mut rng, enabled, name, percent);
        let conversation = drawn("conversation", 30);
        let mailbox = drawn("mailbox", 40);
        let push = drawn("push", 60);
        let long_poll = drawn("long-poll", 20);
        let keep = drawn("keep", 60);
        let no_changes = drawn("no-changes", 20);
        let jumps = drawn("jumps", 80);
        let prefetch = drawn("prefetch", 50);
        let most = 10 + rng.below(90);
        let mut drawn = |name, percent| is_drawn(&mut rng, enabled, name, percent);
        let power_cuts = drawn("power-cuts", 50);
        let replicas = drawn("replicas", 50);
        let restarts = drawn("restarts", 40);
        let clocks = drawn("clocks", 40);
        let bounds = drawn("bounds", 70);
        let handover = drawn("clients", 40);
        let wide = drawn("wide", 2);
        let bad_items = drawn("bad-items", 40);
        let full_disk = drawn("full-disk", 25);
        let slow = drawn("slow", 20);
        let sizes = drawn("sizes", 15);
        let hints = drawn("hints", 20);
        let spoilt = drawn("spoilt", 15);
        let silent = drawn("silent", 15);
        let rate = rng.between(200, 8_000);
        let largest = rng.between(4_000, 9_000) as usize;
        let clients = 1 + rng.below(3) as usize;
        let clients = if handover { clients } else { 1 };
        let limits = limits(&mut rng);
        let world = Wide::drawn(&mut rng);
        let instant = is_drawn(&mut rng, enabled, "instant", 30);
        // Two to four in all (R15): drawn last, so that what was drawn before it stays.
        let four = rng.chance(30) && clients == 3;
        let clients = clients + usize::from(four);
        let tellings = is_drawn(&mut rng, enabled, "tellings", 25);
        let news = rng.between(20, 60) as usize;
        let limits = Limits { news, ..limits };
        let wipes = is_drawn(&mut rng, enabled, "wipes", 10);
        let evicted = is_drawn(&mut rng, enabled, "evicted", 10);
        let waits = is_drawn(&mut rng, enabled, "waits", 10);
        // What clients keep of one another (R15).
        let limits = Limits {
            kept: rng.between(1, 8) as usize,
            answers: rng.between(8, 32) as usize,
            missed: rng.between(1, 4) as usize,
            ..limits
        };
        let fences = is_drawn(&mut rng, enabled, "fences", 15);
        let limits = if bounds { limits } else { Limits::default() };
        let world = if wide { world } else { Wide::Small };
        if plain {
            return Self::classic();
        }
        let scope = match (conversation, mailbox) {
            (_, true) if always("mailbox") || !conversation => Scope::Mailbox,
            (true, _) => Scope::Conversation,
            _ => Scope::Account,
        };
        Mode {
            scope,
            push: u64::from(push && scope != Scope::Conversation) * most,
            long_poll: long_poll && scope == Scope::Account,
            keep,
            revalidates: !no_changes,
            jumps,
            prefetch,
            power_cuts,
            replicas,
            restarts,
            clocks,
            clients,
            handover,
            bad_items,
            full_disk,
            spoilt,
            silent,
            rate: slow.then_some(rate),
            largest: if sizes { largest } else { usize::MAX },
            hints,
            instant,
            tellings,
            wipes,
            // What a mailbox has delivered, it does not deliver again.
            evicted: evicted && scope != Scope::Mailbox,
            waits: waits && clients > 1,
            fences,
            limits,
            world,
        }
    }

    /// A mailbox knows one device only.
    pub fn machines(&self) -> usize {
        if self.scope == Scope::Mailbox { 1 } else { 2 }
    }
}

impl Wide {
    /// Lists that are open at a time.
    pub fn lists(self) -> usize {
        match self {
            Wide::Lists(lists) => lists as usize,
            _ => 3,
        }
    }

    fn drawn(rng: &mut Rng) -> Self {
        match rng.below(10) {
            0..=4 => Wide::Conversations(rng.between(100, 300)),
            5..=6 => Wide::Lists(rng.between(10, 50)),
            7..=8 => Wide::Messages(rng.between(500, 2_000)),
            _ => Wide::Messages(10_000),
        }
    }
}

/// Bounds as small as they can be: a world of a few hundred messages reaches them.
fn limits(rng: &mut Rng) -> Limits {
    // Blocks of a few messages, of which some to almost a hundred stay in memory.
    let block_messages = rng.between(2, 12) as usize;
    let block_bytes = rng.between(150, 4_000) as usize;
    let cached_blocks = rng.between(0, 96) as usize;
    let block = block_bytes.min(block_messages * 250);
    let cached_bytes = cached_blocks * block;
    let most = |rng: &mut Rng, lo: u64, hi: u64| rng.between(lo, hi) as usize;
    Limits {
        cached_bytes,
        block_messages,
        block_bytes,
        segments: most(rng, 1, 12),
        // Fewer than are on their way at a time must not be forgotten.
        deliveries: most(rng, 200, 500),
        left: most(rng, 20, 100),
        send_faults: rng.between(2, 5) as u32,
        sends: most(rng, 1, 3),
        marks: most(rng, 1, 3),
        journal: most(rng, 1, 40),
        list_page: rng.between(1, 5) as u32,
        page: most(rng, 2, 30),
        items: most(rng, 40, 300),
        ahead: rng.between(1, 4) as u32,
        proof: most(rng, 1, 8),
        settle: rng.between(3_000, 10_000),
        soon: rng.between(500, 3_000),
        named: most(rng, 1, 4),
        merged: most(rng, 1, 5),
        evictions: rng.between(1, 3) as u32,
        room_again: rng.between(10_000, 600_000),
        doubt_wait: rng.between(1_000, 20_000),
        doubt_rest: rng.between(5_000, 60_000),
        ..Limits::default()
    }
}

/// The dimensions that are drawn, as the environment or the default says.
pub fn enabled() -> String {
    std::env::var("PULLCORD_MODES").unwrap_or_else(|_| ENABLED.to_owned())
}
