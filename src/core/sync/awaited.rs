//! What has to come of what the server has said: a message that an update, a `prev`, a `lastMessage` or the answer to a
//! send is about is held where its history is, and a read mark shows in `readSeq`. What has not come when pulls have
//! caught up several times is told to the app's log: a page that says that nothing is before or after it, or leaves
//! messages out; a server that makes no event of what it did.

use std::rc::Rc;

use crate::core::cx::Cx;
use crate::core::events::{Event, NewMessage};
use crate::core::irregular::{Irregular, Odd};
use crate::core::options::Scope;
use crate::core::segments::Prev;
use crate::core::tx::{CommitDelta, Committed};

/// What is waited for at once; of each conversation one thing of a kind.
const MOST: usize = 20;
/// Chains that end before it is told. The first may have been asked for before: a trim, say, may come with the second.
const CHAINS: u8 = 2;
/// ms that a server has to make its events.
const PATIENCE: u64 = 10_000;

const MESSAGE: &str = "a message that is known of and has never come: are `hasBefore` and `hasAfter` true where there is more, do pages leave none out, and does each new message make an event, for its sender too?";
const READ: &str = "markRead was answered, and no `conversation` event with the new `readSeq` and `unread` came of it";

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Message,
    Read,
}

#[derive(Debug)]
struct One {
    what: What,
    conversation: Rc<str>,
    seq: u64,
    since: u64,
    chains: u8,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::core) struct Awaited(Vec<One>);

impl Awaited {
    /// A commit is there, of these events.
    pub fn on_commit(&mut self, db: &Committed, now: u64, changes: &CommitDelta, events: &[Event]) {
        self.0
            .retain(|one| one.what != What::Read || !changes.read.contains(&one.conversation));
        for event in events {
            let seq = match event {
                Event::Update(m) => Some(m.seq.0),
                Event::Message(NewMessage {
                    prev: Prev::At(prev),
                    ..
                }) => Some(*prev),
                Event::Conversation(_) => newest(db, event.conversation()),
                _ => None,
            };
            self.note_message(db, now, event.conversation(), seq);
        }
        // Last: of what these events themselves have taken away nothing comes.
        for (id, change) in &changes.conversations {
            let anew = change.cleared || change.kept || change.removed || change.cut;
            if anew || change.trimmed.is_some() || !change.gone.is_empty() {
                self.0.retain(|one| one.conversation != *id);
            }
        }
    }

    /// A page of this conversation is there.
    pub fn on_page(&mut self, db: &Committed, now: u64, conversation: &Rc<str>) {
        self.note_message(db, now, conversation, newest(db, conversation));
    }

    /// A message is at this position.
    pub fn note_message(&mut self, db: &Committed, now: u64, id: &Rc<str>, seq: Option<u64>) {
        if let Some(seq) = seq
            && db.lacks(id, seq)
        {
            self.note(What::Message, id, seq, now);
        }
    }

    /// The server has taken a read mark.
    pub fn note_read(&mut self, now: u64, conversation: &Rc<str>, seq: u64) {
        self.note(What::Read, conversation, seq, now);
    }

    fn note(&mut self, what: What, conversation: &Rc<str>, seq: u64, since: u64) {
        let same = |one: &One| one.what == what && one.conversation == *conversation;
        if self.0.len() < MOST && !self.0.iter().any(same) {
            self.0.push(One {
                what,
                conversation: conversation.clone(),
                seq,
                since,
                chains: 0,
            });
        }
    }

    /// A chain has ended that has brought all that there was.
    pub(super) fn on_chain_ended(&mut self, cx: &mut Cx) {
        let mut irregular = Irregular::default();
        self.0.retain_mut(|one| {
            let (what, at) = match one.what {
                What::Message => (MESSAGE, "message.seq"),
                What::Read => (READ, "readSeq"),
            };
            let lacks = match one.what {
                // Of a mailbox's, another device may have acknowledged it; and a chain of conversations may have
                // nothing to say of one that the account has left.
                What::Message => {
                    cx.config.scope == Scope::Account && cx.db.lacks(&one.conversation, one.seq)
                }
                What::Read => is_unread(cx.db, &one.conversation, one.seq),
            };
            if lacks && one.chains >= CHAINS && cx.now.mono >= one.since.saturating_add(PATIENCE) {
                let odd = Odd::with(what, at, one.seq);
                irregular.add_unlikely(Some(&one.conversation), None, &odd);
                return false;
            }
            one.chains = one.chains.saturating_add(1);
            lacks
        });
        let call = cx.config.scope.pull();
        cx.out.tell_irregular("batch", Some(call), &irregular);
    }
}

/// The position of a conversation's `lastMessage`, where it is above what is held: below, a trim may have passed it.
fn newest(db: &Committed, conversation: &str) -> Option<u64> {
    let last = db.state(conversation)?.last_message.as_ref()?.seq.0;
    let held = db.histories().get(conversation)?;
    (held.segments.live()?.hi < last).then_some(last)
}

/// The server says how far a conversation was read, and that is less than it has taken.
fn is_unread(db: &Committed, conversation: &str, seq: u64) -> bool {
    db.state(conversation).is_some_and(|state| {
        let upper = state.last_seq.map_or(0, |last| last.0.min(seq));
        state.read_seq.is_some_and(|read| read.0 < upper)
    })
}
