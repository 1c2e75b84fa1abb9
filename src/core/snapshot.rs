//! Snapshots, as the facade gets them: what changed since the last frame, as one JSON text. What is shown
//! is read here, and nothing of it is written.

mod local;
mod row;
mod splices;
mod status;
mod view;

use std::rc::Rc;

use super::command::TimelineId;
use super::json;
use super::map::{Map, order};
use super::out::Told;
use super::records::LocalState;
use super::types::Conversation;
pub(super) use local::{LocalItem, locals};
pub(super) use row::Row;
use splices::splices;
pub(super) use status::Status;
pub(super) use view::{Anchor, Loading, View};

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct LastSnapshot {
    status: String,
    conversations: Vec<Rc<Conversation>>,
    outbox: Vec<LocalItem>,
    /// the items of each timeline, and all else that it says
    timelines: Map<TimelineId, (Rc<Vec<Row>>, String)>,
    /// timelines that changed, for the next frame
    changed: Vec<String>,
}

impl LastSnapshot {
    /// How the client stands, where that has changed.
    pub fn status(&mut self, frame: &mut String, status: String) {
        if status != self.status {
            json::field(frame, "status");
            frame.push_str(&status);
            self.status = status;
        }
    }

    /// The conversations, as the app lists them. The ids ascend.
    pub fn conversations<'a>(
        &mut self,
        frame: &mut String,
        all: impl Iterator<Item = &'a Rc<Conversation>>,
    ) {
        let list: Vec<&Rc<Conversation>> = all.collect();
        // Side by side: to look into each conversation at each comparison was most of what a long list took.
        let sorts: Vec<f64> = list.iter().map(|conversation| conversation.sort).collect();
        // The order is stable.
        let above = |a: usize, b: usize| sorts[a].total_cmp(&sorts[b]).is_gt();
        let sorted = order(list.len(), &above).into_iter();
        let list: Vec<Rc<Conversation>> = sorted.map(|i| list[i].clone()).collect();
        let same = |a: &Rc<Conversation>, b: &Rc<Conversation>| Rc::ptr_eq(a, b) || a == b;
        let write = |c: &Rc<Conversation>, out: &mut String| json::conversation(out, c);
        if let Some(patch) = splices(&self.conversations, &list, same, |c| &c.id, write) {
            json::field(frame, "conversations");
            frame.push_str(&patch);
        }
        self.conversations = list;
    }

    /// What is to be sent, of these own messages.
    pub fn outbox(&mut self, frame: &mut String, mut list: Vec<LocalItem>) {
        list.retain(|(local, _)| local.state != LocalState::Sent);
        let same = |a: &LocalItem, b: &LocalItem| a.1 == b.1 && a.0.looks_like(&b.0);
        let write = |l: &LocalItem, out: &mut String| local::write_local(out, &l.0, l.1);
        if let Some(patch) = splices(&self.outbox, &list, same, |l| &l.0.client_id, write) {
            json::field(frame, "outbox");
            frame.push_str(&patch);
        }
        self.outbox = list;
    }

    /// A timeline. `last`: it is closed.
    pub fn timeline(&mut self, id: TimelineId, view: &View, last: bool) {
        let (rows, scalars) = self.timelines.remove(&id).unwrap_or_default();
        let items = match Rc::ptr_eq(&rows, view.rows) {
            true => None,
            false => splices(&rows, view.rows, Row::same, Row::key, Row::write),
        };
        let now = view.scalars();
        if items.is_some() || scalars != now {
            let mut out = String::from("{\"id\":");
            json::number(&mut out, id);
            if let Some(patch) = items {
                json::field(&mut out, "items");
                out.push_str(&patch);
            }
            out.push_str(&now);
            out.push('}');
            self.changed.push(out);
        }
        if !last {
            self.timelines.insert(id, (view.rows.clone(), now));
        }
    }

    /// The frame's end: what changed of the timelines, and what is told. `None`: there is nothing in it.
    pub fn end(&mut self, mut frame: String, told: &mut Told) -> Option<String> {
        for (name, parts) in [
            ("timelines", &mut self.changed),
            ("events", &mut told.events),
            ("results", &mut told.results),
            ("logs", &mut told.logs),
        ] {
            let parts = std::mem::take(parts);
            if !parts.is_empty() {
                json::field(&mut frame, name);
                frame.push('[');
                frame.push_str(&parts.join(","));
                frame.push(']');
            }
        }
        (frame.len() > 1).then(|| frame + "}")
    }
}
