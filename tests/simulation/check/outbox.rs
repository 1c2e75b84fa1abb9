//! Own messages, from the call to the server.

use super::Checked;
use crate::simulation::device::{Device, Machine, Own};
use crate::simulation::server::{Post, Server};

/// Every send that was accepted is in the outbox or on the server; never twice there.
pub(super) fn outbox(device: &Device, machine: &Machine, server: &Server) -> Checked {
    for local in &device.facade.outbox {
        must!(
            machine.own.contains_key(&local.client_id),
            "{} was never written here",
            local.client_id
        );
    }
    for (client_id, own) in &machine.own {
        let delivered = delivered(server, client_id, own);
        must!(
            delivered.0 <= 1,
            "{client_id} was delivered {} times",
            delivered.0
        );
        let lacking = own.accepted.is_some() && !own.discarded && delivered == (0, 0);
        let spoilt = machine.spoilt.own.contains(client_id);
        // What another client has wished for it may not have heard of yet.
        let knows = own.life == device.life || device.store.outbox().contains(client_id.as_str());
        if lacking && knows && !spoilt && device.loaded && device.is_current(machine) {
            let kept = device
                .facade
                .outbox
                .iter()
                .any(|local| local.client_id == *client_id);
            must!(
                kept,
                "{client_id} was accepted, and is neither in the outbox nor on the server"
            );
        }
    }
    Ok(())
}

/// First in, first out: what was written before it in its conversation does not wait any more. What
/// the user has tried again goes when it can; what the server may fail over lets another one go, to
/// learn whether it is that message; and one whose record could not be read holds up no other.
pub fn in_order(
    device: &Device,
    machine: &Machine,
    conversation: &str,
    client_id: &str,
    faults: u32,
) -> Checked {
    let Some(sent) = machine.own.get(client_id) else {
        return Ok(());
    };
    let mut outbox = device.facade.outbox.iter();
    let waiting = outbox.find(|local| {
        let own = machine.own.get(&local.client_id);
        let before = own.is_some_and(|own| {
            machine.before(own, sent) && !machine.before(sent, own) && !own.retried
        });
        // A try whose count could not be stored left all the same.
        let tried = own.map_or(0, |own| own.tried).max(local.attempts);
        let spoilt = machine.spoilt.own.contains(&local.client_id);
        let doubtful = tried >= faults.into() || spoilt;
        before && local.conversation == conversation && local.state != "failed" && !doubtful
    });
    must!(
        waiting.is_none(),
        "{client_id} is sent, and {} waits before it",
        waiting.map_or("", |local| &local.client_id)
    );
    Ok(())
}

/// How often the server has a message of this body: living, and trimmed.
pub fn delivered(server: &Server, client_id: &str, own: &Own) -> (usize, usize) {
    let Some(conversation) = server.conversations.get(&own.conversation) else {
        return (0, 0);
    };
    if let Some((moved, delivered)) = own.delivered.get()
        && moved == conversation.moved
    {
        return delivered;
    }
    let posts = conversation.posts.values();
    let posts: Vec<&Post> = posts
        .filter(|p| p.client_id.as_deref() == Some(client_id) || p.copies[0].body == own.body)
        .collect();
    let living = posts.iter().filter(|post| post.trimmed.is_none()).count();
    let delivered = (living, posts.len() - living);
    own.delivered.set(Some((conversation.moved, delivered)));
    delivered
}
