//! What goes wrong.

/// How bad this history is, in percent.
pub struct Trouble {
    /// requests that fail, one way or another
    pub(super) requests: u64,
    /// commits that fail
    pub(super) commits: u64,
    /// notifications lost, and as many doubled or late
    pub(super) notices: u64,
    /// answers that break the protocol
    pub(super) lies: u64,
    /// pulls that are answered with an overflow for no reason
    pub(super) overflows: u64,
    /// what clients tell each other, lost, and as many doubled or late
    pub(super) talk: u64,
}

impl Trouble {
    pub const KINDS: [&str; 6] = [
        "failing requests",
        "failing commits",
        "bad notifications",
        "lies",
        "overflows for no reason",
        "bad talk",
    ];

    pub(super) fn spare(&mut self, kind: usize) {
        let kinds = [
            &mut self.requests,
            &mut self.commits,
            &mut self.notices,
            &mut self.lies,
            &mut self.overflows,
            &mut self.talk,
        ];
        if let Some(percent) = kinds.into_iter().nth(kind) {
            *percent = 0;
        }
    }
}
