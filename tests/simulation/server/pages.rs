//! Pages: of the list, of history, and of what changed in a range.

use pullcord::core::net::{Error, Place};
use serde_json::{Value, json};

use super::conversation::{Conversation, Copy, Post};
use super::log::Entry;
use super::values::{fields, message_value};
use super::{Server, position_in, position_of};
use crate::simulation::mode::Scope;
use crate::simulation::rng::Rng;

impl Server {
    /// What changed in a range of a conversation since a cursor.
    pub(super) fn changes(
        &self,
        id: &str,
        since: &str,
        (from, to): (u64, u64),
        limit: usize,
        as_of: usize,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let gone = || Error::from_status(410, "the log does not reach back", None);
        let since = match self.mode.scope {
            Scope::Account => position_of(since),
            Scope::Conversation => position_in(since, id),
            Scope::Mailbox => None,
        };
        let since = since
            .filter(|since| *since <= self.position())
            .ok_or_else(gone)?;
        let trimmed = self.log[since..as_of.max(since)].iter().any(|entry| {
            matches!(entry, Entry::Trim { conversation, before } if conversation == id && *before > from)
        });
        let left = conversation.membership.iter().any(|(at, _)| *at > since);
        if trimmed || left || self.position() - since > self.changes_reach {
            return Err(gone());
        }
        let limit = limit.min(self.max_page).max(1);
        let mut copies: Vec<(&Post, &Copy)> = conversation
            .copies_at(as_of)
            .filter(|(post, copy)| (from..=to).contains(&post.seq) && copy.position > since)
            .collect();
        let more = copies.len() > limit;
        copies.truncate(limit);
        let messages: Vec<Value> = copies
            .into_iter()
            .map(|(post, copy)| message_value(id, post, copy, rng))
            .collect();
        Ok(json!({ "messages": messages, "hasMore": more }))
    }

    pub(super) fn list(&self, after: Option<&str>, limit: usize, rng: &mut Rng) -> Value {
        let mut all: Vec<&Conversation> =
            self.conversations.values().filter(|c| c.member).collect();
        all.sort_by(|a, b| b.sort.cmp(&a.sort).then_with(|| a.id.cmp(&b.id)));
        let place = |c: &Conversation| format!("{}/{}", c.sort, c.id);
        if let Some((sort, id)) = after.and_then(|after| after.split_once('/')) {
            let sort: u64 = sort.parse().unwrap_or(0);
            all.retain(|c| c.sort < sort || (c.sort == sort && c.id.as_str() > id));
        }
        let limit = limit.min(self.max_page.div_ceil(3)).max(1);
        let next = (all.len() > limit).then(|| place(all[limit - 1]));
        all.truncate(limit);
        let conversations: Vec<Value> = all
            .into_iter()
            .map(|c| {
                let mut value = fields(c, &c.state(), None).expect("a first state has all fields");
                value["x-unknown"] = json!(rng.below(9));
                value
            })
            .collect();
        json!({ "conversations": conversations, "next": next })
    }

    pub(super) fn page(
        &self,
        id: &str,
        limit: usize,
        place: Place,
        as_of: usize,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let posts: Vec<(&Post, &Copy)> = conversation.copies_at(as_of).collect();
        let limit = limit.min(self.max_page).max(1);
        let middle = |at: usize| {
            let from = at
                .saturating_sub(limit / 2)
                .min(posts.len().saturating_sub(limit));
            (from, posts.len().min(from + limit))
        };
        let (from, to) = match place {
            Place::Latest => (posts.len().saturating_sub(limit), posts.len()),
            Place::Before(seq) => {
                let to = posts.partition_point(|(post, _)| post.seq < seq.0);
                (to.saturating_sub(limit), to)
            }
            Place::After(seq) => {
                let from = posts.partition_point(|(post, _)| post.seq <= seq.0);
                (from, posts.len().min(from + limit))
            }
            Place::Around(seq) => middle(posts.partition_point(|(post, _)| post.seq < seq.0)),
            Place::At(time) => {
                let first = posts.iter().position(|(post, _)| post.created_at >= time);
                middle(first.unwrap_or(posts.len()))
            }
        };
        let messages: Vec<Value> = posts[from..to]
            .iter()
            .map(|(post, copy)| message_value(id, post, copy, rng))
            .collect();
        Ok(json!({ "messages": messages, "hasBefore": from > 0, "hasAfter": to < posts.len() }))
    }
}
