//! What must hold after every step, rule by rule (docs/rules.md). Each check says what it missed, in
//! the words of the rules; the story says how it came to be.
//!
//! "As of the cursor" is as of the position of the cursor that the device has committed: what it
//! shows may be newer than that, never older (R1, R3, R9).

macro_rules! must {
    ($holds:expr, $($otherwise:tt)+) => {
        if !$holds {
            return Err(format!($($otherwise)+));
        }
    };
}

mod anchor;
mod conversations;
mod locals;
mod messages;
mod outbox;
mod stored;
mod timeline;
mod transition;

pub use anchor::anchor;
use conversations::conversations;
pub use messages::{is_copy, is_new_enough};
use outbox::outbox;
pub use outbox::{delivered, in_order};
use pullcord::core::net::Request;
pub use stored::inspection;
use timeline::timeline;
pub use transition::transition;

use crate::simulation::device::{Device, Machine, Pending};
use crate::simulation::facade::{Item, View};
use crate::simulation::server::{Conversation, Server};
use crate::simulation::stored::Positions;

pub type Checked = Result<(), String>;

/// Everything that a device shows, against the model.
pub fn device(device: &mut Device, machine: &Machine, server: &Server) -> Checked {
    let positions = device.positions(server);
    must!(
        positions.least() <= server.position(),
        "the cursor is ahead of the server's log"
    );
    let pull = |pending: &Pending| {
        // One that waits at the server for something to come is not shown as at work.
        let pull = match pending.call {
            Request::Pull { wait, .. } => wait.is_none(),
            Request::PullConversations { .. } | Request::PullMailbox { .. } => true,
            _ => false,
        };
        pull && !pending.aborted
    };
    let pulling = device
        .facade
        .status
        .as_ref()
        .is_some_and(|status| status.pulling);
    must!(
        pulling || !device.requests.values().any(pull),
        "a pull is under way, and the status does not say so"
    );
    if !pulling && device.operations.is_empty() {
        // What the last pull brought, and what follows from it, is committed, or it failed.
        device.pulled_at = device.pulled_before;
    }
    conversations(device, machine, server, &positions)?;
    outbox(device, machine, server)?;
    let lists = &device.facade.timelines;
    let mut open = lists.iter().filter(|(_, view)| !view.released);
    let checked =
        open.try_for_each(|(id, view)| list(*id, view, device, machine, server, &positions));
    device.checked_at = positions;
    checked
}

/// Of which position of the log a conversation is.
#[derive(Clone, Copy)]
struct AsOf {
    /// up to which its events are applied
    reached: usize,
    /// up to which it is true: lower where something of it is in doubt
    position: usize,
}

/// One list, against the model and against what is committed.
fn list(
    id: u64,
    view: &View,
    device: &Device,
    machine: &Machine,
    server: &Server,
    positions: &Positions,
) -> Checked {
    let reached = positions.of(&view.conversation);
    let position = device.store.trusted(&view.conversation, reached);
    let as_of = AsOf { reached, position };
    timeline(view, device, machine, server, as_of).map_err(|error| {
        format!(
            "timeline {id} of {}, as of {position}: {error}\n    shows {}",
            view.conversation,
            draw(view)
        )
    })?;
    let conversation = server.conversations.get(&view.conversation);
    // Another client's commits may have brought it a newer one.
    let emptied = conversation.is_some_and(|conversation| is_emptied(view, conversation, reached));
    if view.status == "ready" && device.is_current(machine) && !emptied {
        let versions = device.store.versions(&view.conversation);
        for (_, message, _) in view.messages().filter(|(_, _, fresh)| *fresh) {
            let version = versions.of(message.seq);
            must!(
                // What one client shows may be newer than what another one has stored of it.
                version.is_some_and(|version| device.shares || version >= message.version),
                "R9: timeline {id} shows {} v{}, and {version:?} is committed\n    shows {}",
                message.seq,
                message.version,
                draw(view)
            );
        }
    }
    let member = conversation.is_some_and(|c| c.member_at(position));
    let kept_up = view.status == "ready" && !emptied && member;
    let mut trust = view.trust.borrow_mut();
    for item in view.items.iter().filter(|_| kept_up) {
        if let Item::Message {
            message,
            fresh: true,
            ..
        } = &**item
        {
            match trust.get_mut(&message.seq) {
                Some(since) => *since = position,
                None => _ = trust.insert(message.seq, position),
            }
        }
    }
    Ok(())
}

/// A list, as one line: `3 4 · 7v2 [x sent]>`.
pub fn draw(view: &View) -> String {
    let mut text = String::from(if view.has_older { "…" } else { "|" });
    for item in &view.items {
        match &**item {
            Item::Message {
                message: m, fresh, ..
            } => {
                text += &format!(" {}", m.seq);
                if m.version > 1 {
                    text += &format!("v{}", m.version);
                }
                if !fresh {
                    text += "?";
                }
            }
            Item::Local(local) => text += &format!(" [{} {}]", local.client_id, local.state),
            Item::Gap { .. } => text += " ·",
        }
    }
    text + if view.has_newer { " …" } else { " |" } + &format!(" {}", view.status)
}

/// One of which a trim has left nothing shows what it had until something takes its place.
fn is_emptied(view: &View, conversation: &Conversation, position: usize) -> bool {
    let is_gone = |seq: u64| {
        let post = conversation.posts.get(&seq);
        post.is_some_and(|post| post.trimmed.is_some_and(|at| at <= position))
    };
    view.messages().all(|(_, message, _)| is_gone(message.seq))
}
