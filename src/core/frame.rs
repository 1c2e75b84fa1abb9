//! Snapshots, as the facade gets them: what changed since the last frame, as one JSON text.
//!
//! A list crosses as splices over the list before: new elements in full, the others as their index,
//! so that the facade keeps the objects that did not change.

use std::rc::Rc;

use super::command::{Call, TimelineId};
use super::engine::{Effect, Engine, Phase};
use super::fault::Fault;
use super::json;
use super::map::{Index, Map, order};
use super::records::{Local, LocalState};
use super::timeline::{Life, Timeline};
use super::types::{Conversation, Message, MessageState};

/// What was shown last, and what of it is out of date.
#[derive(Default)]
pub(super) struct Shown {
    /// may have changed
    pub status: bool,
    /// may have changed
    pub conversations: bool,
    /// may have changed
    pub outbox: bool,
    /// JSON, to be handed over
    pub results: Vec<String>,
    /// JSON, to be handed over
    pub events: Vec<String>,
    /// JSON, to be handed over
    pub logs: Vec<String>,
    timelines: Vec<String>,
    last_status: String,
    last_conversations: Vec<Rc<Conversation>>,
    last_outbox: Vec<(Rc<Local>, bool)>,
    /// the scalars of each timeline
    last_timelines: Map<TimelineId, String>,
}

impl Shown {
    /// The database was read anew.
    pub fn everything(&mut self) {
        self.status = true;
        self.conversations = true;
        self.outbox = true;
    }
}

/// One item of a timeline.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Message {
        key: Rc<str>,
        message: Rc<Message>,
        fresh: bool,
    },
    Local {
        key: Rc<str>,
        local: Rc<Local>,
        sending: bool,
    },
    Gap {
        key: Rc<str>,
    },
}

impl Row {
    pub fn key(&self) -> &str {
        match self {
            Row::Message { key, .. } | Row::Local { key, .. } | Row::Gap { key } => key,
        }
    }

    /// The message's position.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Row::Message { message, .. } => Some(message.seq.0),
            Row::Local { .. } | Row::Gap { .. } => None,
        }
    }

    fn same(&self, other: &Row) -> bool {
        match (self, other) {
            (
                Row::Message {
                    key,
                    message,
                    fresh,
                },
                Row::Message {
                    key: key2,
                    message: message2,
                    fresh: fresh2,
                },
            ) => {
                key == key2
                    && fresh == fresh2
                    && (Rc::ptr_eq(message, message2) || message == message2)
            }
            (
                Row::Local {
                    key,
                    local,
                    sending,
                },
                Row::Local {
                    key: key2,
                    local: local2,
                    sending: sending2,
                },
            ) => key == key2 && sending == sending2 && local.looks_like(local2),
            (Row::Gap { key }, Row::Gap { key: key2 }) => key == key2,
            _ => false,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Row::Message {
                key,
                message,
                fresh,
            } => {
                out.push('{');
                json::field(out, "kind");
                out.push_str("\"message\"");
                json::field(out, "key");
                json::string(out, key);
                json::field(out, "message");
                json::message(out, message);
                json::field(out, "fresh");
                json::flag(out, *fresh);
                out.push('}');
            }
            Row::Local { local, sending, .. } => write_local(out, local, *sending),
            Row::Gap { key } => {
                out.push('{');
                json::field(out, "kind");
                out.push_str("\"gap\"");
                json::field(out, "key");
                json::string(out, key);
                out.push('}');
            }
        }
    }
}

fn write_local(out: &mut String, local: &Local, sending: bool) {
    out.push('{');
    json::field(out, "kind");
    out.push_str("\"local\"");
    json::field(out, "key");
    json::string(out, &local.key());
    json::field(out, "clientId");
    json::string(out, &local.client_id);
    json::field(out, "conversation");
    json::string(out, &local.conversation);
    json::field(out, "state");
    out.push_str(match local.state {
        LocalState::Queued if sending => "\"sending\"",
        LocalState::Queued => "\"queued\"",
        LocalState::Sent => "\"sent\"",
        LocalState::Failed => "\"failed\"",
    });
    json::field(out, "message");
    match &local.message {
        Some(m) => json::message(out, m),
        None => out.push_str("null"),
    }
    json::field(out, "body");
    out.push_str(&local.body);
    json::field(out, "createdAt");
    json::number(out, local.created_at);
    json::field(out, "error");
    json::error(out, local.error.as_ref());
    out.push('}');
}

/// The splices that make `new` of `old`; `None`: nothing changed.
fn splices<T>(
    old: &[T],
    new: &[T],
    same: impl Fn(&T, &T) -> bool,
    key: impl Fn(&T) -> &str,
    write: impl Fn(&T, &mut String),
) -> Option<String> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    if prefix == old.len() && prefix == new.len() {
        return None;
    }
    let most = old.len().min(new.len()) - prefix;
    let suffix = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(|(a, b)| same(a, b))
        .count();
    let (was, is) = (
        &old[prefix..old.len() - suffix],
        &new[prefix..new.len() - suffix],
    );
    let splice = |out: &mut String, at: usize, del: usize| {
        json::next(out);
        out.push_str("{\"at\":");
        json::number(out, at as u64);
        out.push_str(",\"del\":");
        json::number(out, del as u64);
        out.push_str(",\"ins\":[");
    };
    let mut out = String::from("[");
    // The same elements in the same order: each changed one in its place.
    if was.len() == is.len() && was.iter().zip(is).all(|(a, b)| key(a) == key(b)) {
        for (i, (a, b)) in was.iter().zip(is).enumerate() {
            if !same(a, b) {
                splice(&mut out, prefix + i, 1);
                write(b, &mut out);
                out.push_str("]}");
            }
        }
    } else {
        // What both have in a row stays, and begins one of the two: a window that grew at one end and let
        // go at the other, a conversation that came to the top.
        let place = |list: &[T], first: Option<&T>| {
            first.and_then(|first| list.iter().position(|e| key(e) == key(first)))
        };
        let (from, to) = match place(is, was.first()) {
            Some(to) => (0, to),
            None => (place(was, is.first()).unwrap_or(was.len()), 0),
        };
        let run = was[from..]
            .iter()
            .zip(&is[to..])
            .take_while(|(a, b)| same(a, b))
            .count();
        // No two have one key: what is outside of it can only have been outside of it.
        let others = was[..from].iter().chain(&was[from + run..]);
        let before = Index::new(others.map(&key));
        let insert = |out: &mut String, elements: &[T]| {
            for b in elements {
                json::next(out);
                let at = before.get(key(b));
                match at.map(|i| if i < from { i } else { i + run }) {
                    Some(i) if same(&was[i], b) => json::number(out, (prefix + i) as u64),
                    _ => write(b, out),
                }
            }
            out.push_str("]}");
        };
        // Behind it first: that moves nothing before it.
        if from + run < was.len() || to + run < is.len() {
            splice(&mut out, prefix + from + run, was.len() - from - run);
            insert(&mut out, &is[to + run..]);
        }
        if from > 0 || to > 0 {
            splice(&mut out, prefix, from);
            insert(&mut out, &is[..to]);
        }
    }
    out.push(']');
    Some(out)
}

impl Engine {
    /// Hands over what changed.
    pub(super) fn flush(&mut self) {
        if self.phase == Phase::Loading {
            return;
        }
        self.show_timelines();
        let mut out = String::from("{");
        if std::mem::take(&mut self.shown.status) {
            let status = self.status();
            if status != self.shown.last_status {
                json::field(&mut out, "status");
                out.push_str(&status);
                self.shown.last_status = status;
            }
        }
        if std::mem::take(&mut self.shown.conversations) {
            let mut list: Vec<Rc<Conversation>> = self.db.list.values().cloned().collect();
            // The ids ascend already, and the order is stable.
            let above = |a: usize, b: usize| list[a].sort.total_cmp(&list[b].sort).is_gt();
            list = order(list.len(), &above)
                .into_iter()
                .map(|i| list[i].clone())
                .collect();
            let same = |a: &Rc<Conversation>, b: &Rc<Conversation>| Rc::ptr_eq(a, b) || a == b;
            let patch = splices(
                &self.shown.last_conversations,
                &list,
                same,
                |c| &c.id,
                |c, out| {
                    json::conversation(out, c);
                },
            );
            if let Some(patch) = patch {
                json::field(&mut out, "conversations");
                out.push_str(&patch);
            }
            self.shown.last_conversations = list;
        }
        if std::mem::take(&mut self.shown.outbox) {
            let list: Vec<(Rc<Local>, bool)> = self
                .locals(None)
                .into_iter()
                .filter(|(l, _)| l.state != LocalState::Sent)
                .collect();
            let same =
                |a: &(Rc<Local>, bool), b: &(Rc<Local>, bool)| a.1 == b.1 && a.0.looks_like(&b.0);
            let patch = splices(
                &self.shown.last_outbox,
                &list,
                same,
                |l| &l.0.client_id,
                |l, out| {
                    write_local(out, &l.0, l.1);
                },
            );
            if let Some(patch) = patch {
                json::field(&mut out, "outbox");
                out.push_str(&patch);
            }
            self.shown.last_outbox = list;
        }
        for (name, parts) in [
            ("timelines", std::mem::take(&mut self.shown.timelines)),
            ("events", std::mem::take(&mut self.shown.events)),
            ("results", std::mem::take(&mut self.shown.results)),
            ("logs", std::mem::take(&mut self.shown.logs)),
        ] {
            if !parts.is_empty() {
                json::field(&mut out, name);
                out.push('[');
                out.push_str(&parts.join(","));
                out.push(']');
            }
        }
        if out.len() > 1 {
            out.push('}');
            self.effect(Effect::Frame(out));
        }
    }

    fn status(&self) -> String {
        let pull = &self.pull;
        let connection = if self.phase == Phase::Closed {
            "closed"
        } else if !self.promoted {
            "waiting"
        } else if self.needs_auth {
            "needs-auth"
        } else if !self.online || pull.net_down {
            "offline"
        } else if pull.connected {
            "online"
        } else {
            "connecting"
        };
        let mut out = String::from("{");
        json::field(&mut out, "connection");
        json::string(&mut out, connection);
        json::field(&mut out, "listed");
        json::flag(&mut out, self.db.meta.listed);
        json::field(&mut out, "caughtUp");
        json::flag(
            &mut out,
            pull.caught_up && !self.db.meta.owed && !self.undecided(),
        );
        json::field(&mut out, "pulling");
        json::flag(&mut out, pull.running);
        json::field(&mut out, "lastSyncedAt");
        match pull.last_synced {
            Some(at) => json::number(&mut out, at),
            None => out.push_str("null"),
        }
        json::field(&mut out, "progress");
        if pull.running && !pull.caught_up {
            out.push_str("{\"applied\":");
            json::number(&mut out, pull.applied);
            out.push('}');
        } else {
            out.push_str("null");
        }
        json::field(&mut out, "storage");
        json::string(&mut out, &self.config.storage);
        json::field(&mut out, "error");
        json::error(&mut out, pull.error.as_ref());
        out.push('}');
        out
    }

    /// The own messages that the sync has not brought, in the order written, and whether each is
    /// being sent: of one conversation, or all.
    fn locals(&self, conversation: Option<&str>) -> Vec<(Rc<Local>, bool)> {
        self.db
            .outbox
            .values()
            .chain(&self.outbox.fresh)
            .filter(|l| conversation.is_none_or(|id| *l.conversation == *id))
            .map(|l| {
                (
                    l.clone(),
                    self.outbox.sending.get(&l.conversation) == Some(&l.order),
                )
            })
            .collect()
    }

    // ------------------------------------------------------------ timelines

    fn show_timelines(&mut self) {
        let dirty: Vec<TimelineId> = self
            .timelines
            .iter()
            .filter(|(_, t)| t.dirty && !matches!(t.life, Life::Released | Life::ReleasedRemoved))
            .map(|(id, _)| *id)
            .collect();
        for id in dirty {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            self.show_timeline(id, &mut t);
            self.timelines.insert(id, t);
        }
    }

    /// Compares a timeline with what was shown, and hands over what changed.
    pub(super) fn show_timeline(&mut self, id: TimelineId, t: &mut Timeline) {
        t.dirty = false;
        let mut out = String::from("{\"id\":");
        json::number(&mut out, id);
        let mut changed = false;
        if !matches!(t.life, Life::Removed | Life::Closed) {
            let rows = self.rows(t);
            self.keep_keys(&rows);
            t.first_index = first_index(t, &rows);
            if let Some(at) = t.anchor_at.take() {
                let newer = rows
                    .iter()
                    .find(|row| row.seq().is_some_and(|seq| seq >= at));
                t.anchor.0 = newer.map(|row| row.key().to_owned());
            }
            if let Some(patch) = splices(&t.rows, &rows, Row::same, Row::key, Row::write) {
                json::field(&mut out, "items");
                out.push_str(&patch);
                changed = true;
            }
            t.rows = rows;
            t.look();
        } else if t.life == Life::Removed {
            let rows = self.rows_left(t);
            t.first_index = first_index(t, &rows);
            if let Some(patch) = splices(&t.rows, &rows, Row::same, Row::key, Row::write) {
                json::field(&mut out, "items");
                out.push_str(&patch);
                changed = true;
            }
            t.rows = rows;
        }
        let scalars = self.scalars(t);
        changed |= self.shown.last_timelines.get(&id) != Some(&scalars);
        if changed {
            out.push_str(&scalars);
            out.push('}');
            self.shown.timelines.push(out);
        }
        if t.life == Life::Closed {
            self.shown.last_timelines.remove(&id);
        } else {
            self.shown.last_timelines.insert(id, scalars);
        }
    }

    fn scalars(&self, t: &Timeline) -> String {
        let held = self.db.held(&t.conversation);
        let mut out = String::from(",");
        json::string(&mut out, "status");
        out.push(':');
        out.push_str(match t.life {
            Life::Removed => "\"removed\"",
            Life::Closed => "\"closed\"",
            _ if t.opened || !t.rows.is_empty() => "\"ready\"",
            _ => "\"opening\"",
        });
        json::field(&mut out, "anchor");
        out.push_str("{\"key\":");
        match &t.anchor.0 {
            Some(key) => json::string(&mut out, key),
            None => out.push_str("null"),
        }
        out.push_str(",\"count\":");
        json::number(&mut out, t.anchor.1);
        out.push('}');
        json::field(&mut out, "firstIndex");
        out.push_str(&t.first_index.to_string());
        json::field(&mut out, "hasOlder");
        json::flag(&mut out, t.has_older(&held));
        json::field(&mut out, "hasNewer");
        json::flag(&mut out, t.has_newer(&held));
        let [older, newer, jump] = t.loading();
        json::field(&mut out, "loading");
        out.push_str("{\"older\":");
        json::flag(&mut out, older);
        out.push_str(",\"newer\":");
        json::flag(&mut out, newer);
        out.push_str(",\"jump\":");
        json::flag(&mut out, jump);
        out.push('}');
        json::field(&mut out, "unseen");
        json::number(&mut out, t.unseen());
        json::field(&mut out, "error");
        json::error(&mut out, t.error.as_ref());
        out
    }

    /// The items of a timeline: its runs with gaps between them, and the own messages where R8 puts
    /// them.
    fn rows(&self, t: &Timeline) -> Vec<Row> {
        let written = |l: &Rc<Local>| l.conversation == t.conversation;
        if t.is_reading() && !self.outbox.fresh.iter().any(written) {
            return Vec::new();
        }
        let held = self.db.held(&t.conversation);
        let locals = self.locals(Some(&t.conversation));
        let mut was = t.rows.iter().peekable();
        let mut rows = Vec::new();
        for (i, run) in t.runs.iter().enumerate() {
            if i > 0 && !Fault::GapIsNotShown.on() {
                rows.push(Row::Gap {
                    key: gap_key(t.runs[i - 1].messages.last()),
                });
            }
            // A run may lie in several segments, fresh and kept ones, that touch each other.
            let mut segments = held.segments.iter().peekable();
            let mut last: Option<u64> = None;
            for message in &run.messages {
                if Fault::RecalledLosesItsPlace.on() && message.state == MessageState::Recalled {
                    continue;
                }
                let seq = message.seq.0;
                // A kept segment without a message has no item to say that something may be missing
                // there: the next one says it.
                let mut unsure = false;
                while let Some(s) = segments.next_if(|s| s.hi < seq) {
                    let between = last.map_or(s.lo >= run.lo, |last| s.lo > last);
                    unsure |= between && !s.fresh();
                }
                last = Some(seq);
                let within = segments.peek().filter(|s| s.contains(seq));
                let fresh = run.held && !unsure && within.is_some_and(|s| s.fresh());
                // Nearly always there are none: then none is looked up for each message of the window.
                let own = match self.own_keys.is_empty() {
                    true => None,
                    false => self
                        .own_keys
                        .get(&(t.conversation.clone(), message.id.clone())),
                };
                // Most rows were there before, in the same order: their keys are not made again.
                while was.next_if(|row| row.seq() < Some(message.seq.0)).is_some() {}
                let known = match was.peek() {
                    Some(Row::Message {
                        key, message: m, ..
                    }) if Rc::ptr_eq(m, message) => Some(key),
                    _ => None,
                };
                let key = own
                    .or(known)
                    .cloned()
                    .unwrap_or_else(|| Rc::from(["m:", &message.id].concat()));
                rows.push(Row::Message {
                    key,
                    message: message.clone(),
                    fresh,
                });
            }
        }
        // Nothing known yet: a local item would stand beside nothing; it makes the list known.
        if t.gap_at_end(&held) || (!t.opened && !locals.is_empty()) {
            rows.push(Row::Gap {
                key: gap_key(t.runs.last().and_then(|run| run.messages.last())),
            });
        }
        // A server that gives one id to two messages: still no two items with one key.
        let repeated: Vec<usize> = Index::new(rows.iter().map(Row::key)).repeated().collect();
        for i in repeated {
            if let Row::Message { key, message, .. } = &mut rows[i] {
                *key = format!("s:{}", message.seq.0).into();
            }
        }
        place_locals(t, &held, rows, locals)
    }

    /// One message delivered twice stands under its key and another: each keeps its own, also when
    /// the other one goes.
    fn keep_keys(&mut self, rows: &[Row]) {
        if self.own_keys.is_empty() {
            return;
        }
        for row in rows {
            if let Row::Message { key, message, .. } = row
                && key.starts_with("s:")
            {
                let id = (message.conversation.clone(), message.id.clone());
                if let Some(own) = self.own_keys.get_mut(&id) {
                    *own = key.clone();
                }
            }
        }
    }

    /// The items of a conversation that the account has left: those there were, with what became of
    /// the own messages since.
    fn rows_left(&self, t: &Timeline) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut locals = self.locals(Some(&t.conversation));
        for row in &t.rows {
            match row {
                // What was sent has gone with the conversation, but not from sight: it is placed
                // anew among the others, so that all stand by their seq (R8).
                Row::Local { local, sending, .. } => {
                    let known = locals.iter().any(|(l, _)| l.order == local.order);
                    if local.state == LocalState::Sent && !known {
                        locals.push((local.clone(), *sending));
                    }
                }
                _ => rows.push(row.clone()),
            }
        }
        place_locals(t, &self.db.held(&t.conversation), rows, locals)
    }

    // ------------------------------------------------------------ inspection

    pub(super) fn inspect(&mut self, call: Call, conversation: Option<&str>) {
        let mut out = String::from("{");
        json::field(&mut out, "cursor");
        match &self.db.meta.cursor {
            Some(cursor) => json::string(&mut out, cursor),
            None => out.push_str("null"),
        }
        json::field(&mut out, "schema");
        json::number(&mut out, u64::from(super::storage::SCHEMA));
        json::field(&mut out, "cachedMessages");
        json::number(&mut out, self.db.messages());
        json::field(&mut out, "storedBytes");
        let bytes = self
            .db
            .held
            .values()
            .flat_map(|h| &h.blocks)
            .map(|b| u64::from(b.bytes))
            .sum();
        json::number(&mut out, bytes);
        json::field(&mut out, "outbox");
        let unsent = self
            .locals(None)
            .iter()
            .filter(|(l, _)| l.state != LocalState::Sent)
            .count();
        json::number(&mut out, unsent as u64);
        json::field(&mut out, "segments");
        out.push('[');
        if let Some(id) = conversation {
            let held = self.db.held(id);
            for s in held.segments.iter() {
                json::next(&mut out);
                let count: u64 = held
                    .blocks
                    .iter()
                    .filter(|b| s.contains(b.lo))
                    .map(|b| u64::from(b.count))
                    .sum();
                out.push_str("{\"lo\":\"");
                json::number(&mut out, s.lo);
                out.push_str("\",\"hi\":\"");
                json::number(&mut out, s.hi);
                out.push_str("\",\"count\":");
                json::number(&mut out, count);
                for (name, flag) in [("live", s.live), ("start", s.start), ("fresh", s.fresh())] {
                    json::field(&mut out, name);
                    json::flag(&mut out, flag);
                }
                out.push('}');
            }
        }
        out.push(']');
        json::field(&mut out, "requests");
        out.push('{');
        let counts = self.counts;
        for (name, count) in [
            ("pull", counts.pull),
            ("history", counts.history),
            ("changes", counts.changes),
            ("send", counts.send),
            ("ack", counts.ack),
            ("conversations", counts.conversations),
        ] {
            json::field(&mut out, name);
            json::number(&mut out, count);
        }
        out.push_str("}}");
        self.resolve(call, &out);
    }
}

fn gap_key(before: Option<&Rc<Message>>) -> Rc<str> {
    match before {
        Some(m) => format!("gap:{}", m.seq.0).into(),
        None => "gap".into(),
    }
}

/// The items keep their numbers: that of the topmost on screen stays, else that of the newest one
/// that was there before.
fn first_index(t: &Timeline, rows: &[Row]) -> i64 {
    let scan = |(i, row): (usize, &Row)| {
        let was = t.rows.iter().rposition(|old| old.key() == row.key());
        was.map(|old| old as i64 - i as i64)
    };
    let fixed = t.fixed_point().and_then(|seq| {
        let mut numbered = rows.iter().enumerate();
        numbered
            .find(|(_, row)| row.seq() == Some(seq))
            .and_then(scan)
    });
    // Nearly always the newest was there before; only where the list was replaced all are looked up.
    let newest = || rows.iter().enumerate().rev().take(4).find_map(scan);
    let any = || {
        let was = Index::new(t.rows.iter().map(Row::key));
        let both = |(i, row): (usize, &Row)| was.get(row.key()).map(|old| old as i64 - i as i64);
        rows.iter().enumerate().rev().find_map(both)
    };
    t.first_index + fixed.or_else(newest).or_else(any).unwrap_or(0)
}

/// R8: unsent and sending ones at the newest end, failed ones after the message that was newest when
/// they were written, sent ones at their seq's place; each in the order written.
fn place_locals(
    t: &Timeline,
    held: &super::records::Held,
    rows: Vec<Row>,
    locals: Vec<(Rc<Local>, bool)>,
) -> Vec<Row> {
    if locals.is_empty() {
        return rows;
    }
    let oldest = rows.iter().find_map(Row::seq);
    let newest = rows.iter().rev().find_map(Row::seq);
    let all_older = !t.has_older(held);
    // The newest end is in the window, as far as anything is known.
    let at_end = t.follow || !t.has_newer(held);
    let shown = |local: &Local, key: &str| {
        let sent = local.message.as_ref();
        rows.iter().any(|row| match row {
            Row::Message { message, .. } => {
                row.key() == key || sent.is_some_and(|sent| sent.id == message.id)
            }
            _ => false,
        })
    };
    let mut placed: Vec<(u64, Row)> = Vec::new();
    let mut last: Vec<Row> = Vec::new();
    for (local, sending) in locals {
        let key: Rc<str> = local.key().into();
        if shown(&local, &key) {
            continue;
        }
        let row = Row::Local {
            key,
            local: local.clone(),
            sending,
        };
        let place = match local.state {
            LocalState::Queued => None,
            LocalState::Failed => local.after,
            LocalState::Sent => local.message.as_ref().map(|m| m.seq.0),
        };
        match place {
            Some(seq) if newest.is_some_and(|newest| seq < newest) => {
                let inside = all_older || oldest.is_some_and(|oldest| seq >= oldest);
                placed.extend(inside.then_some((seq, row)));
            }
            Some(seq) if at_end => placed.push((seq, row)),
            None if at_end => last.push(row),
            _ => {}
        }
    }
    // Stable: those at one place stay in the order written.
    let sorted = order(placed.len(), &|a, b| placed[a].0 < placed[b].0);
    let placed: Vec<(u64, Row)> = sorted.into_iter().map(|i| placed[i].clone()).collect();
    let mut out = Vec::with_capacity(rows.len() + placed.len() + last.len());
    let mut placed = placed.into_iter().peekable();
    for row in rows {
        if let Some(seq) = row.seq() {
            while let Some((_, local)) = placed.next_if(|(at, _)| *at < seq) {
                out.push(local);
            }
        }
        out.push(row);
    }
    out.extend(placed.map(|(_, row)| row));
    out.extend(last);
    out
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    type Element = (String, u64);

    fn patch(old: &[Element], new: &[Element]) -> Option<Value> {
        let text = splices(
            old,
            new,
            |a, b| a == b,
            |e| &e.0,
            |e, out| out.push_str(&serde_json::to_string(e).unwrap()),
        )?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// As the facade does it.
    fn apply(old: &[Element], patch: &Value) -> Vec<Element> {
        let mut list = old.to_vec();
        for splice in patch.as_array().unwrap() {
            let at = splice["at"].as_u64().unwrap() as usize;
            let del = splice["del"].as_u64().unwrap() as usize;
            let elements = splice["ins"].as_array().unwrap().iter().map(|e| {
                e.as_u64().map_or_else(
                    || serde_json::from_value(e.clone()).unwrap(),
                    |i| old[i as usize].clone(),
                )
            });
            list.splice(at..at + del, elements);
        }
        list
    }

    fn list() -> impl Strategy<Value = Vec<Element>> {
        proptest::collection::vec((0..14u64, 0..2u64), 0..12).prop_map(|elements| {
            let mut list: Vec<Element> = Vec::new();
            for (key, version) in elements {
                let key = format!("k{key}");
                if list.iter().all(|e| e.0 != key) {
                    list.push((key, version));
                }
            }
            list
        })
    }

    proptest! {
        #[test]
        fn splices_make_the_new_list_of_the_old(old in list(), new in list(), a in 0..12usize, b in 0..12usize) {
            // Mostly the same elements, as a window that has moved.
            let moved = [&new[..a.min(new.len())], &old[..b.min(old.len())]].concat();
            let mut distinct: Vec<Element> = Vec::new();
            for e in moved {
                if distinct.iter().all(|d| d.0 != e.0) {
                    distinct.push(e);
                }
            }
            for new in [new, distinct] {
                match patch(&old, &new) {
                    Some(patch) => prop_assert_eq!(apply(&old, &patch), new),
                    None => prop_assert_eq!(&old, &new),
                }
            }
        }
    }

    #[test]
    fn a_window_that_moves_names_only_what_comes_and_goes() {
        let elements = |range: std::ops::Range<u64>| -> Vec<Element> {
            range.map(|i| (format!("k{i}"), 0)).collect()
        };
        let text = patch(&elements(10..20), &elements(8..17))
            .unwrap()
            .to_string();
        assert_eq!(
            text,
            r#"[{"at":7,"del":3,"ins":[]},{"at":0,"del":0,"ins":[["k8",0],["k9",0]]}]"#
        );
        let text = patch(&elements(10..20), &elements(12..21))
            .unwrap()
            .to_string();
        assert_eq!(
            text,
            r#"[{"at":10,"del":0,"ins":[["k20",0]]},{"at":0,"del":2,"ins":[]}]"#
        );
    }
}
