//! What of a timeline is to be shown: its runs with gaps between them, and the own messages where R8 puts
//! them.

use std::iter::Peekable;
use std::rc::Rc;

use super::rows::OwnKeys;
use super::state::{Lifecycle, Timeline};
use super::window::Run;
use crate::core::fault::Fault;
use crate::core::map::{Index, order};
use crate::core::records::{Held, Local, LocalState};
use crate::core::snapshot::{LocalItem, Row};
use crate::core::types::{Message, MessageState};

impl Timeline {
    /// Lays out its items, numbers them, and looks where what is on screen is now. `locals`: its own messages
    /// that the sync has not brought. `writes`: one of them is not stored yet.
    pub(super) fn lay_out(
        &mut self,
        held: &Held,
        own_keys: &mut OwnKeys,
        locals: Vec<LocalItem>,
        writes: bool,
    ) {
        self.dirty = false;
        self.trouble.was_seen();
        let fixed = self.unseen.visible().map(|(first, _)| first);
        match self.life {
            Lifecycle::Closed => debug_assert!(false, "one that is closed is laid out no more"),
            Lifecycle::Removed => {
                let rows = self.rows_left(held, locals);
                self.rows.replace(rows, fixed);
            }
            Lifecycle::Open | Lifecycle::Released | Lifecycle::ReleasedRemoved => {
                let rows = match self.is_reading() && !writes {
                    true => Vec::new(),
                    false => self.lay_rows(held, own_keys, locals),
                };
                keep_keys(own_keys, &rows);
                self.rows.replace(rows, fixed);
                self.rows.find_anchor();
            }
        }
        self.update_visible_range();
    }

    /// Its items.
    fn lay_rows(&self, held: &Held, own_keys: &OwnKeys, locals: Vec<LocalItem>) -> Vec<Row> {
        let runs = self.window.runs();
        let mut was = self.shown().iter().peekable();
        let mut rows = Vec::new();
        for (i, run) in runs.iter().enumerate() {
            if i > 0 && !Fault::GapIsNotShown.on() {
                rows.push(gap_after(&runs[i - 1]));
            }
            lay_run(run, held, own_keys, &mut was, &mut rows);
        }
        // Nothing is known yet: local items stand behind a gap.
        if self.gap_at_end(held) || (!self.opened && !locals.is_empty()) {
            rows.push(runs.last().map_or_else(first_gap, gap_after));
        }
        part_keys(self.shown(), &mut rows);
        place_locals(self, held, rows, locals)
    }

    /// The items of a conversation that the account has left: those there were, with what became of
    /// the own messages since.
    fn rows_left(&self, held: &Held, mut locals: Vec<LocalItem>) -> Vec<Row> {
        let mut rows = Vec::new();
        for row in self.shown() {
            let Row::Local { local, sending, .. } = row else {
                rows.push(row.clone());
                continue;
            };
            // A sent message is not stored any more, but stays on screen. It is placed anew among the others, so that
            // all stand by their seq (R8).
            let name = local.name();
            let known = locals.iter().any(|(l, _)| l.is(&name));
            if local.state == LocalState::Sent && !known {
                locals.push((local.clone(), *sending));
            }
        }
        place_locals(self, held, rows, locals)
    }
}

/// The items of a run. `was`: those that were shown, from there on.
fn lay_run<'a>(
    run: &Run,
    held: &Held,
    own_keys: &OwnKeys,
    was: &mut Peekable<impl Iterator<Item = &'a Row>>,
    rows: &mut Vec<Row>,
) {
    // A run may lie in several segments, fresh and kept ones, that touch each other.
    let mut segments = held.segments.iter().peekable();
    let mut last: Option<u64> = None;
    for message in run.messages() {
        if Fault::RecalledLosesItsPlace.on() && message.state == MessageState::Recalled {
            continue;
        }
        let seq = message.seq.0;
        // A kept segment without a message has no item of its own that could say that something may be missing there:
        // the next item says it.
        let mut unsure = false;
        while let Some(s) = segments.next_if(|s| s.hi < seq) {
            let between = last.map_or(s.lo >= run.lo(), |last| s.lo > last);
            unsure |= between && !s.fresh();
        }
        last = Some(seq);
        let within = segments.peek().filter(|s| s.contains(seq));
        let fresh = run.is_held() && !unsure && within.is_some_and(|s| s.fresh());
        // Most rows were there before, in the same order: they keep their keys.
        while was.next_if(|row| row.seq() < Some(seq)).is_some() {}
        rows.push(Row::Message {
            key: key_of(message, own_keys, was.peek().copied()),
            message: message.clone(),
            fresh,
            unsure: unsure && run.is_held(),
        });
    }
}

/// The key of a message's item. `was`: the item that was shown there.
fn key_of(message: &Message, own_keys: &OwnKeys, was: Option<&Row>) -> Rc<str> {
    // Nearly always there are none: then none is looked up for each message of the window.
    let own = match own_keys.is_empty() {
        true => None,
        false => own_keys.get(&(message.conversation.clone(), message.id.clone())),
    };
    let known = match was {
        Some(Row::Message {
            key, message: m, ..
        }) if m.seq == message.seq && m.id == message.id => Some(key),
        _ => None,
    };
    // What is shown keeps its key, whatever another list has it under.
    match (known.or(own), &message.client_id) {
        (Some(key), _) => key.clone(),
        (None, Some(client_id)) => ["c:", client_id].concat().into(),
        (None, None) => ["m:", &message.id].concat().into(),
    }
}

/// Two copies of a message, delivered at two positions, have two keys (`part_keys`). Each keeps its own, also when the
/// other one goes.
fn keep_keys(own_keys: &mut OwnKeys, rows: &[Row]) {
    if own_keys.is_empty() {
        return;
    }
    for row in rows {
        if let Row::Message { key, message, .. } = row
            && key.starts_with("s:")
        {
            let id = (message.conversation.clone(), message.id.clone());
            if let Some(own) = own_keys.get_mut(&id) {
                *own = key.clone();
            }
        }
    }
}

/// A gap where nothing is before it.
fn first_gap() -> Row {
    Row::Gap { key: "gap".into() }
}

fn gap_after(run: &Run) -> Row {
    match run.messages().last() {
        Some(m) => Row::Gap {
            key: format!("gap:{}", m.seq.0).into(),
        },
        None => first_gap(),
    }
}

/// No two items have one key, though a server may give one id to two messages. The one that had the key keeps it.
fn part_keys(shown: &[Row], rows: &mut [Row]) {
    let index = Index::new(rows.iter().map(Row::key));
    let mut parted = Vec::new();
    for i in index.repeated() {
        let key = rows[i].key();
        let had = shown.iter().find(|row| row.key() == key);
        let had = had.and_then(Row::seq);
        let first = index.get(key).filter(|_| had == rows[i].seq());
        parted.push(first.unwrap_or(i));
    }
    for i in parted {
        match &mut rows[i] {
            Row::Message { key, message, .. } => *key = format!("s:{}", message.seq.0).into(),
            Row::Gap { key } => *key = format!("gap/{i}").into(),
            Row::Local { .. } => {}
        }
    }
}

/// R8: unsent and sending ones at the newest end, failed ones after the message that was newest when
/// they were written, sent ones at their seq's place; each in the order written.
fn place_locals(t: &Timeline, held: &Held, rows: Vec<Row>, locals: Vec<LocalItem>) -> Vec<Row> {
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
