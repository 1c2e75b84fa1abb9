//! Whether the server is there: what follows from an answer, and from none. What the browser says of the
//! network is only a hint (R14).
//!
//! ```text
//!               answer                     no answer
//!   Unknown ─────────────▶ There ◀──────┐ ───────────▶ Gone
//!      ▲                                └────────────── │
//!      └───────────── the browser says "online" ────────┘
//! ```

/// What the last request has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// nothing yet: the client begins, or is on another network
    Unknown,
    /// It has answered. `well`: once with what it was asked for, and not with errors alone.
    There { well: bool },
    /// Nobody has answered. `heard`: some request was answered before.
    Gone { heard: bool },
}

/// What an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// nothing: the server was there
    Nothing,
    /// one request's failure: the pulls have gone well meanwhile
    Request,
    /// an outage
    Network,
}

/// What the browser's word changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// nothing: it has said so before
    Nothing,
    /// perhaps there is no network
    Offline,
    /// perhaps there is one. `other`: it is another network, and what is connected is of the one before
    Online { other: bool },
}

/// Whether the server is there, and what the browser says of the network.
#[derive(Debug)]
pub(super) struct Connectivity {
    server: Server,
    /// the last pull has found no server either
    pulls_fail: bool,
    /// what the browser says
    online: bool,
}

impl Connectivity {
    /// `online`: what the browser says.
    pub fn new(online: bool) -> Connectivity {
        Connectivity {
            server: Server::Unknown,
            pulls_fail: false,
            online,
        }
    }

    /// Some request was answered. `well`: with what it was asked for.
    pub fn on_answer(&mut self, well: bool) -> Back {
        let back = match &mut self.server {
            Server::There { well: was } => {
                *was |= well;
                return Back::Nothing;
            }
            Server::Gone { heard: true } if !self.pulls_fail => Back::Request,
            Server::Gone { .. } | Server::Unknown => Back::Network,
        };
        self.server = Server::There { well };
        self.pulls_fail = false;
        back
    }

    /// Some request found no server. Answers whether that is new.
    pub fn on_no_answer(&mut self) -> bool {
        match self.server {
            Server::Gone { .. } => return false,
            Server::There { .. } => self.server = Server::Gone { heard: true },
            Server::Unknown => self.server = Server::Gone { heard: false },
        }
        true
    }

    /// A pull found no server: it is the network, and not just one request.
    pub fn on_pull_without_answer(&mut self) {
        self.pulls_fail = true;
    }

    /// The browser says whether there is a network.
    pub fn on_hint(&mut self, online: bool) -> Hint {
        if self.online == online {
            return Hint::Nothing;
        }
        self.online = online;
        match (online, self.server) {
            (false, _) => Hint::Offline,
            (true, Server::Gone { .. }) => {
                self.server = Server::Unknown;
                Hint::Online { other: true }
            }
            (true, _) => Hint::Online { other: false },
        }
    }

    /// The browser says that there is no network.
    pub fn hints_offline(&self) -> bool {
        !self.online
    }

    /// Whether the last pull has found no server.
    pub fn do_pulls_fail(&self) -> bool {
        self.pulls_fail
    }

    /// Its name in the contract (`status.connection`).
    pub fn name(&self) -> &'static str {
        match self.server {
            // Whatever answers with errors alone need not be the server.
            Server::Unknown | Server::There { well: false } => "connecting",
            Server::There { well: true } => "online",
            Server::Gone { .. } => "offline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `a`nswers, `r`efusals, `n`o answers, failing `p`ulls, and the browser's `+` and `-`. The name that each
    /// leads to, and what it says.
    fn played(inputs: &str) -> Vec<(&'static str, String)> {
        let mut server = Connectivity::new(true);
        let mut seen = Vec::new();
        for input in inputs.chars() {
            let said = match input {
                'a' => format!("{:?}", server.on_answer(true)),
                'r' => format!("{:?}", server.on_answer(false)),
                'n' => format!("new: {}", server.on_no_answer()),
                'p' => {
                    server.on_no_answer();
                    server.on_pull_without_answer();
                    String::new()
                }
                hint => format!("{:?}", server.on_hint(hint == '+')),
            };
            seen.push((server.name(), said));
        }
        seen
    }

    #[test]
    fn what_follows_from_an_answer_and_from_none() {
        let cases: [(&str, &str, &str); 15] = [
            ("a", "online", "Network"),
            ("aa", "online", "Nothing"),
            // What answers with errors alone need not be the server.
            ("r", "connecting", "Network"),
            ("ra", "online", "Nothing"),
            ("ar", "online", "Nothing"),
            ("n", "offline", "new: true"),
            ("nn", "offline", "new: false"),
            ("an", "offline", "new: true"),
            // Only a send or a page has failed.
            ("ana", "online", "Request"),
            ("apa", "online", "Network"),
            ("na", "online", "Network"),
            ("+", "connecting", "Nothing"),
            ("a-", "online", "Offline"),
            ("a-+", "online", "Online { other: false }"),
            ("an-+", "connecting", "Online { other: true }"),
        ];
        for (inputs, name, said) in cases {
            let last = played(inputs).pop();
            assert_eq!(last, Some((name, said.to_owned())), "{inputs}");
        }
    }

    #[test]
    fn on_another_network_the_first_answer_ends_the_outage() {
        let all: Vec<String> = played("an-+a").into_iter().map(|(_, said)| said).collect();
        assert_eq!(all[4], "Network");
    }

    #[test]
    fn a_hint_is_no_answer() {
        let mut server = Connectivity::new(true);
        server.on_answer(true);
        server.on_hint(false);
        assert_eq!((server.name(), server.hints_offline()), ("online", true));
    }
}
