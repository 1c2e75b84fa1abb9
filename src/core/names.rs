//! The names of messages, an `id` and perhaps a `clientId`: each is one message's, and a message keeps its position. A
//! name at two positions makes two rows of one key, or an update that finds nothing. The app's log is told.

use std::borrow::Cow;
use std::rc::Rc;

use super::irregular::{Irregular, Odd};
use super::node::Node;
use super::types::Message;

/// Names that are remembered: where two share a place, the later one.
const MOST: usize = 512;

const ID: &str =
    "the id of a message at another position: each message has its own, and keeps its position";
const CLIENT_ID: &str = "the clientId of a message at another position: it is given to the one message that was sent with it, and to no other";

/// A `clientId` may be given again once its message is trimmed, and the client may hear of the trim last. In one commit
/// it hears of both. Else it is so many that no trim explains them.
const CLIENT_IDS: u8 = 3;

/// A name that has come.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    /// what it comes to
    number: u64,
    seq: u64,
    commit: u64,
}

/// The names that came last.
#[derive(Debug, Default)]
pub(super) struct Names {
    last: Vec<Name>,
    commits: u64,
    /// client ids that came at another position with another commit
    client_ids: u8,
}

impl Names {
    /// Names may be given again: an overflow, or what was theirs is gone.
    pub fn forget(&mut self) {
        self.last.clear();
        self.client_ids = 0;
    }

    /// What is said from here on comes with another commit.
    pub fn begin(&mut self) {
        self.commits += 1;
    }

    /// The server has said this message.
    pub fn note(&mut self, m: &Rc<Message>, irregular: &mut Irregular) {
        let mut tell = |what, at, name: &str| {
            let name = Node::Text(Cow::Borrowed(name));
            let odd = Odd::new(what, at, Some(&name));
            irregular.add_unlikely(Some(&m.conversation), None, &odd);
        };
        let seq = m.seq.0;
        if self
            .was_elsewhere(["i", &m.conversation, &m.id], seq)
            .is_some()
        {
            tell(ID, "message.id", &m.id);
        }
        if let Some(name) = &m.client_id
            && let Some(commit) = self.was_elsewhere(["c", &m.conversation, name], seq)
        {
            self.client_ids = self.client_ids.saturating_add(1);
            if commit == self.commits || self.client_ids >= CLIENT_IDS {
                tell(CLIENT_ID, "message.clientId", name);
            }
        }
    }

    /// The commit with which the name came at another position, if it did. From now on it is here.
    fn was_elsewhere(&mut self, name: [&str; 3], seq: u64) -> Option<u64> {
        // FNV-1a; no text has the byte between them.
        let mut number = 0xcbf2_9ce4_8422_2325_u64;
        for part in name {
            for byte in part.bytes().chain([0xff]) {
                number = (number ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        self.last.resize(MOST, Name::default());
        let now = Name {
            number,
            seq,
            commit: self.commits,
        };
        let place = number as usize % MOST;
        let before = std::mem::replace(&mut self.last[place], now);
        (before.number == number && before.seq != seq).then_some(before.commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, client_id: Option<&str>, seq: u64) -> Rc<Message> {
        Rc::new(Message {
            id: id.to_owned(),
            client_id: client_id.map(str::to_owned),
            ..Message::sample("c", seq)
        })
    }

    fn told(names: &mut Names, m: &Rc<Message>) -> Vec<String> {
        let mut irregular = Irregular::default();
        names.begin();
        names.note(m, &mut irregular);
        irregular.unlikely("page", None).collect()
    }

    #[test]
    fn a_name_at_two_positions_is_told_and_one_that_comes_again_is_not() {
        let mut names = Names::default();
        for seq in 1..=200 {
            let m = message(&seq.to_string(), None, seq);
            assert!(told(&mut names, &m).is_empty());
        }
        assert!(told(&mut names, &message("7", Some("a"), 7)).is_empty());
        assert!(told(&mut names, &message("a", Some("7"), 300)).is_empty());
        let lines = told(&mut names, &message("7", Some("b"), 201));
        assert!(lines[0].contains(r#""at":"message.id","value":"\"7\"""#));
    }

    #[test]
    fn a_client_id_at_two_positions_is_told_where_no_trim_explains_it() {
        let mut names = Names::default();
        let m = |seq: u64| message(&seq.to_string(), Some("a"), seq);
        for (seq, lines) in [(1, 0), (2, 0), (3, 0), (3, 0), (4, 1)] {
            assert_eq!(told(&mut names, &m(seq)).len(), lines, "{seq}");
        }
        names.forget();
        let mut irregular = Irregular::default();
        names.note(&m(1), &mut irregular);
        names.note(&m(2), &mut irregular);
        assert_eq!(irregular.unlikely("page", None).count(), 1, "at once");
    }

    #[test]
    fn each_conversation_has_names_of_its_own() {
        let mut names = Names::default();
        told(&mut names, &message("7", None, 7));
        let other = Message {
            id: "7".to_owned(),
            ..Message::sample("d", 9)
        };
        assert!(told(&mut names, &Rc::new(other)).is_empty());
        names.forget();
        assert!(told(&mut names, &message("7", None, 8)).is_empty());
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let mut names = Names::default();
        for seq in 0..5_000 {
            told(&mut names, &message(&seq.to_string(), None, seq));
        }
        assert_eq!(names.last.len(), MOST);
    }
}
