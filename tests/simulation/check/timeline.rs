//! R1, R7: what a list shows, from end to end.

use std::collections::BTreeSet;

use super::locals::locals;
use super::messages::{is_copy, is_true, missing};
use super::{AsOf, Checked, is_emptied};
use crate::simulation::device::{Device, Machine};
use crate::simulation::facade::{Item, Local, Message, View};
use crate::simulation::server::{Conversation, Post, Server, UNTOLD};
use crate::simulation::stored::Versions;

pub(super) fn timeline(
    view: &View,
    device: &Device,
    machine: &Machine,
    server: &Server,
    as_of: AsOf,
) -> Checked {
    if view.status == "opening" {
        must!(
            view.items.is_empty() && view.has_older && view.has_newer,
            "\"opening\" knows something"
        );
        return Ok(());
    }
    let mut keys: Vec<&str> = view.items.iter().map(|item| item.key()).collect();
    keys.sort_unstable();
    must!(
        keys.windows(2).all(|pair| pair[0] != pair[1]),
        "two items with one key"
    );
    let Some(conversation) = server.conversations.get(&view.conversation) else {
        return Ok(());
    };
    Walk::new(view, device, server, conversation, as_of).through()?;
    unseen(view, conversation)?;
    locals(view, device, machine)
}

/// One walk along a list, from its oldest item to its newest.
struct Walk<'a> {
    view: &'a View,
    versions: Versions<'a>,
    conversation: &'a Conversation,
    position: usize,
    /// something of it is in doubt
    doubted: bool,
    /// replicas answer, of which one may lag behind the other
    replicas: bool,
    /// it does not follow the log any more
    ended: bool,
    /// a trim has left nothing of it
    emptied: bool,
    /// the segments that are kept, each with its own position
    kept: Vec<(u64, u64, usize)>,
    /// one's own item stands for its message until that comes
    stands_for: BTreeSet<u64>,
    /// the message before, and as of when it is known to be followed
    last: Option<(u64, usize)>,
    /// as of when the message before was last shown as fresh
    last_shown: usize,
    /// nothing is known of what is before the next message
    gap: bool,
    place: Option<u64>,
    messages: usize,
}

impl<'a> Walk<'a> {
    fn new(
        view: &'a View,
        device: &'a Device,
        server: &Server,
        conversation: &'a Conversation,
        AsOf { reached, position }: AsOf,
    ) -> Self {
        let stands_for = view
            .locals()
            .filter_map(|local| Some(local.message.as_ref()?.seq));
        Walk {
            view,
            versions: device.store.versions(&view.conversation),
            conversation,
            position,
            doubted: position < reached,
            replicas: server.mode.replicas,
            ended: view.status != "ready" || !conversation.member_at(position),
            emptied: is_emptied(view, conversation, reached),
            kept: device.store.kept(&view.conversation),
            stands_for: stands_for.collect(),
            last: None,
            last_shown: 0,
            gap: false,
            place: None,
            messages: 0,
        }
    }

    fn through(mut self) -> Checked {
        for item in &self.view.items {
            match &**item {
                Item::Gap { .. } => self.gap = true,
                Item::Message { message, fresh, .. } => self.message(message, *fresh)?,
                Item::Local(local) => self.local(local)?,
            }
        }
        self.ends()
    }

    fn local(&mut self, local: &Local) -> Checked {
        if let Some(message) = &local.message {
            must!(
                self.place.is_none_or(|place| place < message.seq),
                "R8: {} stands too low",
                local.client_id
            );
            self.place = Some(message.seq);
        }
        Ok(())
    }

    fn holds(&self, seq: u64) -> bool {
        self.versions.of(seq).is_some()
    }

    fn missing(&self, lo: Option<u64>, hi: Option<u64>, as_of: usize) -> Option<&'a Post> {
        missing(self.conversation, lo, hi, as_of).find(|post| !self.stands_for.contains(&post.seq))
    }

    fn message(&mut self, message: &Message, fresh: bool) -> Checked {
        self.messages += 1;
        let as_of = self.true_as_of(message, fresh);
        // What does not exist any more has no newest version: what a trim has left nothing of is
        // shown as it was.
        match self.emptied && fresh && !self.ended {
            true => is_copy(message, self.conversation)?,
            false => is_true(message, self.conversation, as_of)?,
        }
        must!(
            self.place.is_none_or(|place| place < message.seq),
            "{} is not in order",
            message.seq
        );
        let post = &self.conversation.posts[&message.seq];
        if fresh && !self.ended && !self.emptied {
            must!(
                post.trimmed.is_none_or(|at| at > self.position),
                "R7: {} was trimmed",
                message.seq
            );
        }
        let as_of_both = self.follows_as_of(message, fresh, as_of);
        if !self.gap && (self.last.is_some() || !self.view.has_older) {
            let before = self.last.map(|(before, _)| before);
            let hole = self.missing(before, Some(message.seq), as_of_both);
            must!(
                hole.is_none(),
                "R1: {} is missing before {}",
                hole.map_or(0, |p| p.seq),
                message.seq
            );
        }
        self.last_shown = self.shown_as_of(message, fresh);
        self.last = Some((message.seq, as_of));
        self.place = Some(message.seq);
        self.gap = false;
        Ok(())
    }

    /// As of when a message was last shown as fresh.
    fn shown_as_of(&self, message: &Message, fresh: bool) -> usize {
        match fresh {
            true => self.position,
            false => self
                .view
                .trust
                .borrow()
                .get(&message.seq)
                .copied()
                .unwrap_or(0),
        }
    }

    /// As of when a message is true. One that is not fresh was true when it was shown as fresh, and as
    /// of its segment's own cursor.
    fn true_as_of(&self, message: &Message, fresh: bool) -> usize {
        let kept = self
            .kept
            .iter()
            .filter(|_| !self.view.attached)
            .find(|(lo, hi, _)| (*lo..=*hi).contains(&message.seq))
            .map(|(_, _, since)| *since)
            // A start reaches down over what is shown of before, and is not there any more.
            .filter(|_| self.holds(message.seq));
        let since = self.view.trust.borrow().get(&message.seq).copied();
        // What stays in sight though a trim has taken all of it is of before the trim.
        match (fresh, self.ended || self.emptied) {
            (true, false) => self.position,
            (false, false) => since.max(kept).unwrap_or(0),
            _ => since.unwrap_or(0),
        }
    }

    /// As of when a message is known to follow the one before; it is itself true as of `as_of`.
    fn follows_as_of(&self, message: &Message, fresh: bool, as_of: usize) -> usize {
        let (before, before_as_of) = self.last.unzip();
        let as_of_both = before_as_of.map_or(as_of, |before| before.min(as_of));
        // Whoever shows two messages next to each other was told of all that was committed before
        // both; not before the later one: a page of after the cursor, that begins with it, joins
        // what is held below as of the cursor (R5). Nor by replicas, of which one may lag behind
        // the other.
        let told = |seq: u64| {
            let position = self.conversation.posts[&seq].copies[0].position;
            if position == UNTOLD { 0 } else { position }
        };
        let as_of_both = match (fresh, self.ended) {
            (true, false) if as_of_both == self.position && !self.doubted && !self.replicas => {
                let told = before.map_or(0, told).min(told(message.seq));
                told.max(as_of_both)
            }
            _ => as_of_both,
        };
        // What is between it and the one before may lie in a kept segment without a message:
        // of that it says so itself.
        let between = |(lo, hi, _): &&(u64, u64, usize)| {
            before.is_none_or(|before| *hi > before) && *lo < message.seq
        };
        let seam = self.kept.iter().filter(|_| !fresh).filter(between);
        let as_of_both = seam.map(|kept| kept.2).fold(as_of_both, usize::min);
        // What is held between them and not shown says that they are of a window of before an
        // overflow, and not what is held there now: they follow each other as of then.
        let shown = self.shown_as_of(message, fresh);
        let from = before.map_or(message.seq, |before| before + 1);
        let posts = &self.conversation.posts;
        let inside = posts.range(from..message.seq.max(from));
        let replaced = !fresh && inside.into_iter().any(|(seq, _)| self.holds(*seq));
        let as_of_both = match replaced {
            true => as_of_both.min(shown).min(self.last_shown),
            false => as_of_both,
        };
        // Of one that was left nothing is held any more: it is as it was.
        let mut seams = self.view.seams.borrow_mut();
        let as_of_both = match seams.get(&message.seq) {
            Some(seam) if !fresh && self.ended => as_of_both.min(*seam),
            _ => as_of_both,
        };
        if !fresh && !self.ended {
            seams.insert(message.seq, as_of_both);
        }
        as_of_both
    }

    /// Nothing is missing where the list says that it ends.
    fn ends(&self) -> Checked {
        let view = self.view;
        if view.status != "ready" || self.ended {
            return Ok(());
        }
        if self.messages == 0 && !self.gap && !view.has_older && !view.has_newer {
            let post = self.missing(None, None, self.position);
            must!(
                post.is_none(),
                "R1: shown as empty, {} is missing",
                post.map_or(0, |p| p.seq)
            );
        }
        if let (false, false, Some((seq, as_of))) = (view.has_newer, self.gap, self.last) {
            let post = self.missing(Some(seq), None, as_of);
            must!(
                post.is_none(),
                "R1: {} is missing at the newest end",
                post.map_or(0, |p| p.seq)
            );
        }
        Ok(())
    }
}

/// `unseen`: messages newer than the newest that was on screen.
fn unseen(view: &View, conversation: &Conversation) -> Checked {
    if view.released || view.attached || view.status != "ready" {
        return Ok(());
    }
    let newer = |seen: u64| seen.saturating_add(1)..;
    let most = match view.seen {
        None => 0,
        Some(seen) => conversation.posts.range(newer(seen)).count() as u64,
    };
    must!(
        view.unseen <= most || view.sees_more,
        "unseen is {}, and {most} are newer than {:?}",
        view.unseen,
        view.seen
    );
    if let (Some(seen), false, false) = (view.seen, view.has_newer, view.sees_more) {
        let shown = view.messages().filter(|(_, m, _)| m.seq > seen).count() as u64;
        must!(
            view.unseen >= shown,
            "unseen is {}, and {shown} are shown above {seen}",
            view.unseen
        );
    }
    Ok(())
}
