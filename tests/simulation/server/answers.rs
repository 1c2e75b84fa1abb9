//! What each request is answered with.

use pullcord::core::net::{Error, Request};
use serde_json::{Value, json};

use super::commits::Draft;
use super::conversation::Conversation;
use super::values::message_value;
use super::{ACCOUNT, Forced, Server, position_in, position_of};
use crate::simulation::odd::{self, Odd};
use crate::simulation::rng::Rng;

impl Server {
    /// Answers as docs/protocol.md says, from the state as it is now.
    pub fn answer(
        &mut self,
        call: &Request,
        forced: Option<Forced>,
        rng: &mut Rng,
    ) -> Result<String, Error> {
        let mut value = match call {
            Request::Pull { cursor, limit, .. } => {
                self.batch(cursor.as_deref(), *limit as usize, forced, rng)
            }
            Request::Conversations { after, limit, .. } => {
                self.list(after.as_deref(), *limit as usize, rng)
            }
            Request::History {
                conversation,
                limit,
                place,
                cursor,
            } => {
                let as_of = self.replica(conversation, cursor.as_deref(), rng);
                self.page(conversation, *limit as usize, *place, as_of, rng)?
            }
            Request::Send { .. } | Request::Edit { .. } | Request::Recall { .. } => {
                return Ok(odd::text(&self.written(call, rng)?));
            }
            Request::MarkRead { conversation, seq } => {
                self.membership(conversation)?;
                self.conversation(conversation).read_to(seq.0);
                self.commits += 1;
                self.tell_state(conversation, true);
                return Ok(String::new());
            }
            Request::PullConversations {
                cursors,
                limit,
                only,
                rest,
            } => {
                let only = only.as_deref();
                let named = self.named_before(only, *rest);
                let limit = *limit as usize;
                self.batches(cursors, limit, (only, *rest, &named), forced, rng)
            }
            Request::PullMailbox { limit } => self.mailbox(*limit as usize, forced, rng),
            Request::Acknowledge { deliveries, .. } => {
                self.acknowledge(deliveries);
                return Ok(String::new());
            }
            Request::Changes {
                conversation,
                since,
                from,
                to,
                limit,
                cursor,
            } => {
                let as_of = self.replica(conversation, cursor.as_deref(), rng);
                let range = (from.0, to.0);
                self.changes(conversation, since, range, *limit as usize, as_of, rng)?
            }
        };
        self.spoil_one(&mut value, rng);
        Ok(odd::text(&value))
    }

    /// What a device writes; the answer is its message.
    fn written(&mut self, call: &Request, rng: &mut Rng) -> Result<Value, Error> {
        match call {
            Request::Send {
                conversation,
                client_id,
                body,
            } => {
                let body = serde_json::from_str(body).expect("the engine sends JSON");
                self.accept(conversation, client_id, body, rng)
            }
            Request::Edit {
                conversation,
                message,
                client_id,
                body,
            } => {
                let body = serde_json::from_str(body).expect("the engine sends JSON");
                self.accept_change(conversation, message, Some((client_id, body)), rng)
            }
            Request::Recall {
                conversation,
                message,
            } => self.accept_change(conversation, message, None, rng),
            _ => unreachable!("nothing else writes a message"),
        }
    }

    /// Something happens to one message of an answer.
    fn spoil_one(&mut self, answer: &mut Value, rng: &mut Rng) {
        if !self.mode.bad_items || !rng.chance(self.spoils) {
            return;
        }
        let mut found = Vec::new();
        messages_in(answer, false, &mut found);
        let count = found.len() as u64;
        let Some((message, told)) = found.into_iter().nth(rng.below(count) as usize) else {
            return;
        };
        let of = message["conversation"].as_str().unwrap_or_default();
        let text = message["seq"].as_str().and_then(|seq| seq.parse().ok());
        let seq = text.or(message["seq"].as_u64()).unwrap_or_default();
        let post = self.conversations.get_mut(of);
        let post = post.and_then(|conversation| conversation.posts.get_mut(&seq));
        let Some(post) = post.filter(|post| post.odd.is_none()) else {
            return;
        };
        let odd = Odd::in_transit(told, rng);
        if odd == Odd::Nameless || post.sender != ACCOUNT {
            let version = message["version"].as_u64().unwrap_or_default();
            post.spoilt.push((version, odd));
            odd.spoil(message);
        }
    }

    /// The position of the replica that answers: at least the client's cursor; without one, always
    /// the primary.
    fn replica(&self, conversation: &str, cursor: Option<&str>, rng: &mut Rng) -> usize {
        let primary = self.position();
        if !self.mode.replicas {
            return primary;
        }
        let at = cursor
            .and_then(|cursor| position_of(cursor).or_else(|| position_in(cursor, conversation)));
        match at.filter(|at| *at <= primary) {
            Some(at) if rng.chance(70) => {
                // Whether the account is a member, and what it finds when it comes back, is as it
                // is now.
                let membership = &self.conversations.get(conversation);
                let entered = membership.and_then(|c| Some(c.membership.last()?.0));
                let at = at.max(entered.unwrap_or(0));
                rng.between(at as u64, primary as u64) as usize
            }
            _ => primary,
        }
    }

    pub(super) fn membership(&self, id: &str) -> Result<&Conversation, Error> {
        match self.conversations.get(id) {
            Some(conversation) if conversation.member => Ok(conversation),
            Some(_) => Err(Error::from_status(403, "not a member", None)),
            None => Err(Error::from_status(404, "no such conversation", None)),
        }
    }

    fn accept(
        &mut self,
        id: &str,
        client_id: &str,
        body: Value,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let same = conversation
            .living()
            .find(|p| p.client_id.as_deref() == Some(client_id));
        let seq = match same {
            Some(post) if post.copies[0].body != body => {
                return Err(Error::from_status(
                    409,
                    "the same clientId with another body",
                    None,
                ));
            }
            Some(post) => post.seq,
            None => {
                let seq = self.hand_out(id, rng);
                let draft = Draft {
                    sender: ACCOUNT,
                    client_id: Some(client_id.to_owned()),
                    created_at: self.wall,
                    body,
                };
                self.commit(id, seq, draft, rng);
                seq
            }
        };
        let post = &self.conversations[id].posts[&seq];
        Ok(json!({ "message": message_value(id, post, post.newest(), rng) }))
    }

    /// `edit`: its `clientId` and body; None: a recall.
    fn accept_change(
        &mut self,
        id: &str,
        message: &str,
        edit: Option<(&String, Value)>,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let post = conversation.living().find(|post| post.id == message);
        let post = post.ok_or_else(|| Error::from_status(404, "no such message", None))?;
        if post.sender != ACCOUNT {
            return Err(Error::from_status(403, "not your message", None));
        }
        let (seq, recalled) = (post.seq, post.newest().state == "recalled");
        match edit {
            Some((client_id, _)) if post.edits.contains(client_id) => {}
            Some(_) if recalled => return Err(Error::from_status(409, "recalled", None)),
            Some((client_id, body)) => {
                self.change(id, seq, "edited", body, rng);
                let edits = &mut self
                    .conversation(id)
                    .posts
                    .get_mut(&seq)
                    .expect("found above")
                    .edits;
                edits.push(client_id.clone());
            }
            None if recalled => {}
            None => self.change(id, seq, "recalled", Value::Null, rng),
        }
        let post = &self.conversations[id].posts[&seq];
        Ok(json!({ "message": message_value(id, post, post.newest(), rng) }))
    }
}

/// The messages of an answer that something may happen to, and whether an event tells of them.
fn messages_in<'v>(value: &'v mut Value, told: bool, found: &mut Vec<(&'v mut Value, bool)>) {
    match value {
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|one| messages_in(one, told, found)),
        Value::Object(fields) if fields.contains_key("seq") => found.push((value, told)),
        Value::Object(fields) => {
            for (name, field) in fields {
                messages_in(field, name == "message", found);
            }
        }
        _ => {}
    }
}
