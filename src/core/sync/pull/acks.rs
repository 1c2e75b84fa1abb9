//! What the server has delivered and does not let be acknowledged: it comes again, and is not asked about without end.

/// Deliveries in a row that are refused, each alone, before it is the acknowledging that is refused.
const IN_A_ROW: u32 = 8;
/// names that are remembered
const REMEMBERED: usize = 1_000;

/// What was refused, from chain to chain.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// each of these alone; who waits longest for another try comes first
    names: Vec<String>,
    /// Acknowledging is refused: one is tried in each chain.
    all: bool,
    /// refused in a row
    row: u32,
}

impl Refused {
    /// In which order these are tried: what was refused before comes last.
    pub fn order(&mut self, deliveries: Vec<String>) -> Vec<String> {
        self.row = 0;
        if self.names.is_empty() {
            return deliveries;
        }
        let is_known = |name: &String| self.names.contains(name);
        let (known, mut order): (Vec<String>, Vec<String>) =
            deliveries.into_iter().partition(is_known);
        let again = self.names.iter().filter(|name| known.contains(name));
        order.extend(again.cloned());
        order
    }

    /// These are acknowledged.
    pub fn on_acknowledged(&mut self, deliveries: &[String]) {
        self.row = 0;
        self.all = false;
        if !self.names.is_empty() {
            self.names.retain(|name| !deliveries.contains(name));
        }
    }

    /// This one is refused alone. Answers whether others are tried in this chain.
    pub fn on_refused(&mut self, delivery: String) -> bool {
        let before = self.names.len();
        self.names.retain(|name| *name != delivery);
        let known = self.names.len() < before;
        if self.names.len() >= REMEMBERED {
            self.names.remove(0);
        }
        self.names.push(delivery);
        self.row += 1;
        let on = !known && !self.all && self.row < IN_A_ROW;
        self.all |= self.row >= IN_A_ROW;
        on
    }

    /// Whether acknowledging itself is refused.
    pub fn is_all(&self) -> bool {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: std::ops::Range<u32>) -> Vec<String> {
        of.map(|n| n.to_string()).collect()
    }

    /// A chain with these deliveries, one at a time, of which the server refuses some. How many requests it makes.
    fn chain(
        refused: &mut Refused,
        mailbox: &mut Vec<String>,
        is_bad: impl Fn(&str) -> bool,
    ) -> u32 {
        let mut requests = 0;
        for name in refused.order(mailbox.clone()) {
            requests += 1;
            if !is_bad(&name) {
                mailbox.retain(|other| *other != name);
                refused.on_acknowledged(&[name]);
            } else if !refused.on_refused(name) {
                break;
            }
        }
        requests
    }

    #[test]
    fn a_server_that_refuses_each_is_asked_about_one_in_a_chain() {
        let (mut refused, mut mailbox) = (Refused::default(), names(0..400));
        assert_eq!(chain(&mut refused, &mut mailbox, |_| true), IN_A_ROW);
        for _ in 0..1_000 {
            assert_eq!(chain(&mut refused, &mut mailbox, |_| true), 1);
        }
        chain(&mut refused, &mut mailbox, |_| false);
        assert!(mailbox.is_empty(), "it takes them again: {mailbox:?}");
    }

    #[test]
    fn many_that_are_refused_hold_up_no_other_and_cost_one_request_in_a_chain() {
        let (mut refused, mut mailbox) = (Refused::default(), names(0..100));
        let is_bad = |name: &str| name.parse::<u32>().is_ok_and(|n| n < 30);
        let chains = (0..).find(|_| {
            chain(&mut refused, &mut mailbox, is_bad);
            mailbox.len() == 30
        });
        assert!(chains.is_some_and(|chains| chains < 30), "{chains:?}");
        assert_eq!(chain(&mut refused, &mut mailbox, is_bad), 1);
    }
}
