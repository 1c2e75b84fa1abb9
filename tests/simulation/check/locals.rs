//! R8: where the items stand that are not messages yet.

use super::Checked;
use crate::simulation::device::{Device, Machine, Own};
use crate::simulation::facade::{Item, Local, Message, View};

/// R8: where the items stand that are not messages yet.
pub(super) fn locals(view: &View, device: &Device, machine: &Machine) -> Checked {
    places(view, device, machine)?;
    let shown: Vec<&Message> = view.messages().map(|(_, message, _)| message).collect();
    for local in view.locals() {
        let id = local.message.as_ref().map(|message| message.id.as_str());
        let doubled = shown
            .iter()
            .any(|m| m.client_id.as_ref() == Some(&local.client_id) || Some(m.id.as_str()) == id);
        must!(!doubled, "R8: {} is shown twice", local.client_id);
    }
    if view.status == "ready" && !view.has_newer {
        let waiting = device
            .facade
            .outbox
            .iter()
            .filter(|l| l.conversation == view.conversation && l.state != "sent");
        for local in waiting {
            let held = view
                .locals()
                .any(|l| l.client_id == local.client_id && l.state == local.state);
            // One that its writer could not read may have come back, and nobody has said so.
            let spoilt = machine.spoilt.own.contains(&local.client_id);
            must!(
                held || local.state == "failed" || spoilt,
                "R8: {} ({}) is in the outbox and not in the list",
                local.client_id,
                local.state
            );
        }
    }
    Ok(())
}

/// Each stands where it belongs among the messages.
fn places(view: &View, device: &Device, machine: &Machine) -> Checked {
    let mut unsent: Option<(&Local, &Own)> = None;
    let mut failed: Option<&Local> = None;
    let mut last = 0;
    for item in &view.items {
        match &**item {
            Item::Gap { .. } => {}
            Item::Message { message, .. } => {
                must!(
                    unsent.is_none(),
                    "R8: {} is not sent yet and stands before {}",
                    unsent.map_or("", |(local, _)| &local.client_id),
                    message.seq
                );
                if let Some((local, shown)) =
                    failed.and_then(|local| Some((local, machine.own.get(&local.client_id)?.shown)))
                {
                    must!(
                        message.seq > shown,
                        "R8: {} failed and stands before {}, already there when it was written",
                        local.client_id,
                        message.seq
                    );
                }
                last = message.seq;
            }
            Item::Local(local) => {
                let Some(own) = machine.own.get(&local.client_id) else {
                    return Err(format!("{} was never written here", local.client_id));
                };
                is_as_written(local, own, view, device, machine)?;
                let spoilt = |local: &Local| machine.spoilt.own.contains(&local.client_id);
                let follows = |(other, before): (&Local, &Own)| {
                    machine.before(before, own)
                        || !is_placed(before, own, device)
                        || spoilt(local)
                        || spoilt(other)
                };
                match local.state.as_str() {
                    "queued" | "sending" => {
                        must!(
                            unsent.is_none_or(follows),
                            "R8: {} is not in the order written",
                            local.client_id
                        );
                        unsent = Some((local, own));
                    }
                    "failed" => {
                        must!(
                            local.error.is_some(),
                            "{} failed without an error",
                            local.client_id
                        );
                        must!(
                            own.shown == 0 || last <= own.newest,
                            "R8: {} failed and stands after {last}, which was not there when it was written",
                            local.client_id
                        );
                        failed = Some(local);
                    }
                    "sent" => must!(
                        local.message.is_some() || own.garbled,
                        "{} was sent and has no message",
                        local.client_id
                    ),
                    other => return Err(format!("{} is {other:?}", local.client_id)),
                }
            }
        }
    }
    Ok(())
}

/// Whether this client can know which of two comes first: one client wrote both, or it holds the commits that
/// took them up. Wishes of two clients stand as their clocks said, which may have gone back in between.
fn is_placed(one: &Own, other: &Own, device: &Device) -> bool {
    let holds = |own: &Own| {
        device
            .store
            .places()
            .any(|(_, place)| own.place == Some(place))
    };
    one.life == other.life || (holds(one) && holds(other))
}

/// What an item says of a message is what was written.
fn is_as_written(
    local: &Local,
    own: &Own,
    view: &View,
    device: &Device,
    machine: &Machine,
) -> Checked {
    must!(
        local.conversation == view.conversation,
        "{} is of another conversation",
        local.client_id
    );
    // A try that was stored may not have left, once a life.
    must!(
        local.attempts <= own.tried + machine.lives,
        "{} was tried {} times, and says {}",
        local.client_id,
        own.tried,
        local.attempts
    );
    must!(
        local.body == own.body,
        "{} has another body",
        local.client_id
    );
    must!(
        own.life != device.life || own.key.as_ref().is_none_or(|key| *key == local.key),
        "{} has another key than send() said",
        local.client_id
    );
    Ok(())
}
