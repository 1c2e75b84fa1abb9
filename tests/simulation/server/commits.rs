//! What happens on the server: messages, changes, trims, leaving and coming back.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::conversation::{Conversation, Copy, Post};
use super::log::Entry;
use super::values::fields;
use super::{ACCOUNT, OTHERS, Server, UNTOLD};
use crate::simulation::rng::Rng;

/// A message that is about to be committed.
pub(super) struct Draft {
    pub(super) sender: &'static str,
    pub(super) client_id: Option<String>,
    pub(super) created_at: u64,
    pub(super) body: Value,
}

impl Server {
    /// A new conversation, with the account in it. Some count like Snowflake ids.
    pub fn found(&mut self, id: &str, rng: &mut Rng) {
        let next_seq = if rng.chance(30) {
            7_000_000_000_000_000_000
        } else {
            rng.between(1, 9)
        };
        let conversation = Conversation {
            id: id.to_owned(),
            posts: BTreeMap::new(),
            member: true,
            membership: Vec::new(),
            states: Vec::new(),
            read_seq: None,
            sort: self.commits,
            meta: 0,
            next_seq,
            moved: 0,
            unread: Cell::new(None),
            reserved: Vec::new(),
        };
        self.conversations.insert(id.to_owned(), conversation);
        self.tell_state(id, true);
        let position = self.position();
        self.conversation(id).membership.push((position, true));
    }

    /// Someone else writes.
    pub fn post(&mut self, id: &str, rng: &mut Rng) -> u64 {
        let sender = OTHERS[rng.below(2) as usize];
        let seq = self.hand_out(id, rng);
        let draft = Draft {
            sender,
            client_id: None,
            created_at: self.wall,
            body: json!(format!("{sender} {}", self.commits)),
        };
        self.commit(id, seq, draft, rng);
        seq
    }

    /// Takes the next id. Ids are not dense.
    pub(super) fn hand_out(&mut self, id: &str, rng: &mut Rng) -> u64 {
        let conversation = self.conversation(id);
        let big = conversation.next_seq > 1 << 53;
        let seq = conversation.next_seq;
        conversation.next_seq += if big {
            rng.between(1, 1 << 40)
        } else {
            rng.between(1, 3)
        };
        seq
    }

    /// Hands out an id whose message is committed later, after higher ones.
    pub fn reserve(&mut self, id: &str, rng: &mut Rng) {
        let sender = OTHERS[rng.below(2) as usize];
        let seq = self.hand_out(id, rng);
        let wall = self.wall;
        self.conversation(id).reserved.push((seq, sender, wall));
    }

    /// Commits one of the ids handed out earlier, if there is any.
    pub fn commit_reserved(&mut self, id: &str, rng: &mut Rng) -> Option<u64> {
        let count = self.conversation(id).reserved.len() as u64;
        if count == 0 {
            return None;
        }
        let (seq, sender, created_at) = self
            .conversation(id)
            .reserved
            .swap_remove(rng.below(count) as usize);
        let trimmed_to = self
            .conversation(id)
            .posts
            .values()
            .filter(|p| p.trimmed.is_some())
            .map(|p| p.seq)
            .max();
        if trimmed_to.is_some_and(|to| seq < to) {
            return None; // history that is gone takes no more messages
        }
        // Times are in the order of ids, as Snowflakes are: "the first at or after" is one message.
        let draft = Draft {
            sender,
            client_id: None,
            created_at,
            body: json!(format!("{sender} {}, late", self.commits)),
        };
        self.commit(id, seq, draft, rng);
        Some(seq)
    }

    pub(super) fn commit(&mut self, id: &str, seq: u64, draft: Draft, rng: &mut Rng) {
        let Draft {
            sender,
            client_id,
            created_at,
            body,
        } = draft;
        self.commits += 1;
        let sort = self.commits / 2;
        // The state's event and the message's are independent of each other: either comes first,
        // or the state's comes some time later.
        let told = if self.prompt { 0 } else { rng.below(4) };
        let state_first = told == 0 && self.conversation(id).member;
        let position = if state_first {
            self.position() + 2
        } else {
            self.next_position(id)
        };
        let (bad_items, number) = (self.mode.bad_items, self.commits);
        let conversation = self.conversation(id);
        let prev = conversation
            .living()
            .rev()
            .find(|post| post.seq < seq)
            .map(|post| post.seq);
        let odd = match bad_items && sender != ACCOUNT {
            true => conversation.odd_at(seq, rng),
            false => None,
        };
        let name = format!("{id}/{seq}");
        let post = Post {
            id: match odd {
                Some(odd) => odd.id(name, number),
                None => name,
            },
            seq,
            sender,
            created_at,
            client_id,
            odd,
            spoilt: Vec::new(),
            copies: vec![Copy {
                position,
                version: 1,
                state: "normal",
                body,
            }],
            trimmed: None,
            edits: Vec::new(),
        };
        conversation.add(post);
        if told != 1 {
            // What moves in the list is told at once: a reader of its pages might miss it.
            conversation.sort = conversation.sort.max(sort);
        }
        let silent = rng.chance(20) && !self.tells_prev;
        let prev = (!silent).then_some(prev);
        if state_first {
            self.tell_state(id, true);
            // The log must have grown by exactly the state; `position` above counts on it.
            while self.position() + 1 < position {
                self.tell(Entry::Unknown);
            }
        }
        if self.conversation(id).member {
            self.tell(Entry::Message {
                conversation: id.to_owned(),
                seq,
                version: 1,
                prev,
            });
        }
        if told != 0 {
            self.tell_state(id, told != 1);
        }
    }

    /// An edit or a recall; the newest version is told.
    pub(super) fn change(
        &mut self,
        id: &str,
        seq: u64,
        state: &'static str,
        body: Value,
        rng: &mut Rng,
    ) {
        self.commits += 1;
        let position = self.next_position(id);
        let conversation = self.conversation(id);
        let member = conversation.member;
        let Some(post) = conversation.posts.get_mut(&seq) else {
            return;
        };
        let version = post.newest().version + rng.between(1, 2);
        post.copies.push(Copy {
            position,
            version,
            state,
            body,
        });
        if member {
            self.tell(Entry::Update {
                conversation: id.to_owned(),
                seq,
                version,
            });
        }
        let now = rng.chance(50) || self.prompt;
        self.tell_state(id, now);
    }

    /// Somebody edits or recalls a message of theirs.
    pub fn change_any(&mut self, id: &str, rng: &mut Rng) -> Option<u64> {
        let seqs: Vec<u64> = self
            .conversation(id)
            .living()
            .filter(|p| p.newest().state != "recalled")
            .map(|p| p.seq)
            .collect();
        let recent = &seqs[seqs.len().saturating_sub(15)..];
        let from = if rng.chance(70) { recent } else { &seqs };
        let seq = *rng.pick(from)?;
        if rng.chance(30) {
            self.change(id, seq, "recalled", Value::Null, rng);
        } else {
            self.change(
                id,
                seq,
                "edited",
                json!(format!("edit {}", self.commits)),
                rng,
            );
        }
        Some(seq)
    }

    /// History older than some message ceases to exist.
    pub fn trim(&mut self, id: &str, rng: &mut Rng) -> Option<u64> {
        if !self.conversation(id).member {
            return None;
        }
        let seqs: Vec<u64> = self.conversation(id).living().map(|p| p.seq).collect();
        let before = *rng.pick(&seqs[..seqs.len().saturating_sub(2)])?;
        self.commits += 1;
        self.tell(Entry::Trim {
            conversation: id.to_owned(),
            before,
        });
        let position = self.position();
        self.conversation(id).trim(before, position);
        self.tell_state(id, true);
        Some(before)
    }

    /// The account leaves, or comes back and finds what was written meanwhile.
    pub fn leave_or_return(&mut self, id: &str) -> bool {
        self.commits += 1;
        let member = !self.conversation(id).member;
        self.conversation(id).member = member;
        if member {
            let conversation = &self.conversations[id];
            let fields = fields(conversation, &conversation.state(), None)
                .expect("a first state has all fields");
            self.tell(Entry::State {
                conversation: id.to_owned(),
                fields,
            });
        } else {
            self.tell(Entry::Removed {
                conversation: id.to_owned(),
            });
        }
        let position = self.position();
        let conversation = self.conversation(id);
        conversation.membership.push((position, member));
        if member {
            let state = conversation.state();
            conversation.states.push((position, state));
            let copies = conversation.posts.values_mut();
            let copies = copies.flat_map(|post| &mut post.copies);
            for copy in copies.filter(|copy| copy.position == UNTOLD) {
                copy.position = position;
            }
        }
        member
    }

    /// The conversation's name changes.
    pub fn rename(&mut self, id: &str) {
        self.commits += 1;
        self.conversation(id).meta += 1;
        self.tell_state(id, true);
    }
}
