//! What is told inline, by the notification channel.

use serde_json::{Value, json};

use super::{Server, cursor_text};
use crate::simulation::mode::Scope;
use crate::simulation::odd;
use crate::simulation::rng::Rng;

impl Server {
    /// Whether events can be told inline: while an overflow waits to be fetched, nothing is.
    pub fn can_push(&self) -> bool {
        self.dropped.is_none()
    }

    /// The frames that tell a range of the log, of up to `size` events each.
    pub fn pushes(&self, (from, end): (usize, usize), size: usize, rng: &mut Rng) -> Vec<String> {
        if self.mode.scope == Scope::Mailbox {
            let mut places = self.deliverable(from);
            places.retain(|place| *place < end);
            let frames = places.chunks(size.max(1)).map(|places| {
                let events: Vec<Value> =
                    places.iter().map(|at| self.delivery_of(*at, rng)).collect();
                odd::text(&json!({ "type": "push", "events": events }))
            });
            return frames.collect();
        }
        let starts = (from..end).step_by(size.max(1));
        let frames = starts.map(|at| {
            let to = end.min(at + size.max(1));
            let events: Vec<Value> = self.log[at..to]
                .iter()
                .map(|e| self.event(e, rng))
                .collect();
            let (prev, cursor) = (cursor_text(at), cursor_text(to));
            odd::text(&json!({ "type": "push", "prev": prev, "cursor": cursor, "events": events }))
        });
        frames.collect()
    }
}
