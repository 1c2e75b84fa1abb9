//! How long a pull may wait at the server (notify "long-poll"): proxies end what is silent for longer.

/// ms that a waiting pull is held back at the server, at most.
const WAIT: u64 = 25_000;
/// ms that it waits at least: a shorter wait saves no request.
const LEAST: u64 = 2_000;
/// A wait that is ended within so many ms says that the server, or a proxy, lets no request wait.
pub(super) const AT_ONCE: u64 = 1_000;
/// Waits in a row that were none, or had no end, before it is told: one alone may be a server that restarts.
const IN_VAIN: u32 = 3;
/// ms until waiting is tried again, at most.
const REST: u64 = 300_000;

/// For how long, and from when on, a pull may wait.
#[derive(Debug)]
pub(super) struct Patience {
    /// ms that a pull may wait, at most
    most: u64,
    /// no pull waits before this (monotonic ms)
    from: u64,
    /// ends in a row that came at once
    ends: u32,
    /// waits in a row that were none, or had no end
    in_vain: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            most: WAIT,
            from: 0,
            ends: 0,
            in_vain: 0,
        }
    }
}

impl Patience {
    /// Another network, perhaps: begins anew.
    pub fn restart(&mut self) {
        *self = Patience::default();
    }

    pub fn from(&self) -> u64 {
        self.from
    }

    /// ms to wait for, where a timer would come after so many.
    pub fn wait(&self, interval: u64) -> u32 {
        interval.min(self.most) as u32
    }

    /// One more was in vain, or is not. Answers whether it is to be told.
    pub fn note(&mut self, in_vain: bool) -> bool {
        self.in_vain = if in_vain { self.in_vain + 1 } else { 0 };
        self.in_vain == IN_VAIN
    }

    /// It came back as it has to; the next one after `pause` ms.
    pub fn kept(&mut self, now: u64, pause: u64) {
        self.ends = 0;
        self.rest(now, pause);
    }

    fn rest(&mut self, now: u64, pause: u64) {
        self.from = now.saturating_add(pause);
    }

    /// It was ended, or swallowed, after `lasted` ms of `wait`: a shorter one is tried, or none for a
    /// while, the longer the oftener that was so.
    pub fn ended(&mut self, now: u64, lasted: u64, wait: u64, pause: u64) {
        if lasted > AT_ONCE {
            self.most = self.most.min(lasted.min(wait) / 4 * 3);
        }
        if lasted <= AT_ONCE || self.most < LEAST {
            self.most = self.most.max(LEAST);
            let pause = pause.saturating_mul(1 << self.ends.min(16)).min(REST);
            self.rest(now, pause);
        }
        self.ends = self.ends.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_ends_early_is_learned_in_a_few_tries() {
        let mut p = Patience::default();
        let mut tries = 0;
        while u64::from(p.wait(30_000)) > 10_000 {
            tries += 1;
            p.ended(0, 10_000, u64::from(p.wait(30_000)), 5_000);
        }
        assert_eq!((tries, p.wait(30_000), p.from()), (1, 7_500, 0));
    }

    #[test]
    fn one_that_ends_at_once_is_asked_ever_less_often() {
        let mut p = Patience::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            p.ended(0, 5, u64::from(p.wait(30_000)), 5_000);
            pauses.push(p.from());
        }
        assert_eq!(pauses[..3], [5_000, 10_000, 20_000]);
        assert_eq!(pauses[8], REST);
        assert_eq!(p.wait(30_000), 25_000, "nothing was learned of how long");
    }

    #[test]
    fn one_that_is_swallowed_waits_less_each_time_down_to_two_seconds() {
        let mut p = Patience::default();
        for _ in 0..20 {
            let wait = u64::from(p.wait(30_000));
            p.ended(0, wait + 15_000, wait, 5_000);
        }
        assert_eq!((u64::from(p.wait(30_000)), p.from()), (LEAST, REST));
    }
}
