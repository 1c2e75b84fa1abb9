//! What kind of client and server a history has. The kind is drawn from the seed by a chance of its
//! own, so that it changes nothing of what else the seed means.
//!
//! Seeds that were found while there was one kind only are run as [`Mode::classic`]: their histories
//! stay what they were. Where the environment's PULLCORD_MODES lists dimensions, the others stay
//! classic: `conversation`, `mailbox`, `push`, `long-poll`, `keep`, `no-changes`, `jumps`, `prefetch`,
//! `power-cuts`, `replicas`, `restarts`, `clocks`, or `all`, or `classic` for none. One with `!` after it is so in every history
//! (`PULLCORD_MODES='mailbox!,push,keep'`).

pub use pullcord::core::command::Scope;

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
}

/// What is drawn where the environment does not say.
const ENABLED: &str = "all";

/// The dimensions that there were at first.
const FIRST: &str = "conversation,mailbox,push,long-poll,keep,no-changes,jumps,prefetch";

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
        }
    }

    /// As modes were drawn before the disk, the clocks and the servers had their own troubles.
    pub fn drawn_at_first(seed: u64) -> Self {
        Self::within(seed, FIRST)
    }

    pub fn drawn(seed: u64) -> Self {
        Self::within(seed, &enabled())
    }

    fn within(seed: u64, enabled: &str) -> Self {
        let mut rng = Rng::new(seed ^ 0x7075_6c6c_636f_7264);
        let has = |name: &str| enabled.split(',').any(|one| one == name || one == "all");
        let always = |name: &str| {
            enabled
                .split(',')
                .any(|one| one.strip_suffix('!') == Some(name))
        };
        let plain = rng.chance(10) && !enabled.contains('!');
        // Everything is drawn, whatever is enabled: a seed means the same with more of it.
        let mut drawn = |name: &str, percent: u64| {
            let drawn = rng.chance(percent);
            always(name) || (drawn && has(name))
        };
        let conversation = drawn("conversation", 30);
        let mailbox = drawn("mailbox", 40);
        let push = drawn("push", 60);
        let long_poll = drawn("long-poll", 20);
        let keep = drawn("keep", 60);
        let no_changes = drawn("no-changes", 20);
        let jumps = drawn("jumps", 80);
        let prefetch = drawn("prefetch", 50);
        let most = 10 + rng.below(90);
        let mut drawn = |name: &str, percent: u64| {
            let drawn = rng.chance(percent);
            always(name) || (drawn && has(name))
        };
        let power_cuts = drawn("power-cuts", 50);
        let replicas = drawn("replicas", 50);
        let restarts = drawn("restarts", 40);
        let clocks = drawn("clocks", 40);
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
            push: if push && scope != Scope::Conversation {
                most
            } else {
                0
            },
            long_poll: long_poll && scope == Scope::Account,
            keep,
            revalidates: !no_changes,
            jumps,
            prefetch,
            power_cuts,
            replicas,
            restarts,
            clocks,
        }
    }

    /// A mailbox knows one device only.
    pub fn devices(&self) -> usize {
        if self.scope == Scope::Mailbox { 1 } else { 2 }
    }
}

/// The dimensions that are drawn, as the environment or the default says.
pub fn enabled() -> String {
    std::env::var("PULLCORD_MODES").unwrap_or_else(|_| ENABLED.to_owned())
}
