//! What must hold between two snapshots of a list that follow each other.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Checked;
use super::messages::is_whole;
use crate::simulation::device::{Device, Machine};
use crate::simulation::facade::{FIRST_INDEX, Item, Message, View};
use crate::simulation::server::{ACCOUNT, Conversation, Server};

/// What must hold between two snapshots of a list that follow each other.
pub fn transition(
    before: &View,
    after: &View,
    device: &Device,
    machine: &Machine,
    server: &Server,
) -> Checked {
    let replaced = before.anchor.count != after.anchor.count;
    must!(
        after.first_index >= 0 && (!replaced || after.first_index == FIRST_INDEX),
        "firstIndex is {}",
        after.first_index
    );
    if before.released || after.released || before.status != "ready" {
        return Ok(());
    }
    let before_at = device.checked_at.of(&after.conversation);
    let passed = before_at + 1..=device.positions(server).of(&after.conversation);
    let conversation = server.conversations.get(&after.conversation);
    if conversation.is_some_and(|c| {
        c.membership
            .iter()
            .any(|(at, member)| !member && passed.contains(at))
    }) {
        return Ok(()); // left and entered again: another list
    }
    keys_stay(before, after)?;
    // What one client shows may be newer than what another one has stored of it: read from there, it is as
    // that one has it.
    if !(device.shares && replaced) {
        copies_stay(before, after, conversation)?;
    }
    something_stays(before, after, conversation)?;
    if !replaced {
        own_stays(before, after, (device, machine), conversation)?;
    }
    numbers_stay(before, after)
}

/// A message keeps its key, and takes that of its local echo.
fn keys_stay(before: &View, after: &View) -> Checked {
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    let mut echoes: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, message, _) in before.messages() {
        keys.insert(&message.id, key);
    }
    for local in before.locals() {
        echoes.insert(&local.client_id, &local.key);
        if let Some(message) = &local.message {
            keys.insert(&message.id, &local.key);
        }
    }
    for (key, message, _) in after.messages() {
        let echo = message.client_id.as_deref().and_then(|id| echoes.get(id));
        let old = keys
            .get(message.id.as_str())
            .or(echo.filter(|_| message.sender == ACCOUNT));
        must!(
            old.is_none_or(|old| *old == key),
            "{} had key {:?}, and has {key}",
            message.id,
            old
        );
    }
    for local in after.locals() {
        let old = echoes.get(local.client_id.as_str());
        must!(
            old.is_none_or(|old| *old == local.key),
            "{} had key {:?}, and has {}",
            local.client_id,
            old,
            local.key
        );
    }
    Ok(())
}

/// What is shown is not replaced by what is worse.
fn copies_stay(before: &View, after: &View, conversation: Option<&Conversation>) -> Checked {
    // A copy is never replaced by an older one; one that nothing vouches for any more may be.
    let versions: BTreeMap<&str, u64> = before
        .messages()
        .filter(|(_, _, fresh)| *fresh)
        .map(|(_, m, _)| (m.id.as_str(), m.version))
        .collect();
    for (_, message, _) in after.messages() {
        let old = versions.get(message.id.as_str());
        must!(
            old.is_none_or(|old| *old <= message.version),
            "R5: {} was shown in version {:?}, now {}",
            message.id,
            old,
            message.version
        );
    }
    // Of two copies of one version the one in which less was put right stays.
    let whole = |message: &Message| {
        let post = conversation.and_then(|c| c.posts.get(&message.seq));
        post.is_some_and(|post| is_whole(message, post))
    };
    let wholes: BTreeMap<&str, u64> = before
        .messages()
        .filter(|(_, m, fresh)| *fresh && whole(m))
        .map(|(_, m, _)| (m.id.as_str(), m.version))
        .collect();
    for (_, message, _) in after.messages().filter(|(_, m, _)| !whole(m)) {
        must!(
            wholes.get(message.id.as_str()) != Some(&message.version),
            "R3: {} was shown as it is, and now as something that was put right",
            message.id
        );
    }
    Ok(())
}

/// What is shown stays until something takes its place.
fn something_stays(before: &View, after: &View, conversation: Option<&Conversation>) -> Checked {
    let living = |seq: &u64| {
        let post = conversation.and_then(|conversation| conversation.posts.get(seq));
        post.is_some_and(|post| post.trimmed.is_none())
    };
    if after.status == "ready" && after.messages().next().is_none() {
        let mut shown = before.messages().map(|(_, message, _)| message.seq);
        let lost = shown.find(living);
        must!(
            lost.is_none(),
            "R4: {} was shown, and the list is blank",
            lost.unwrap_or(0)
        );
    }
    Ok(())
}

/// R8: an own message is shown from the call on, until the message itself is in its place.
fn own_stays(
    before: &View,
    after: &View,
    (device, machine): (&Device, &Machine),
    conversation: Option<&Conversation>,
) -> Checked {
    if after.status != "ready" || after.has_newer {
        return Ok(());
    }
    // It was delivered, and lies before what is shown, in a hole, or on a page beyond the cursor that another list has
    // fetched, or is trimmed; or it was refused, and stands where it was written.
    let first = after.messages().next().map(|(_, message, _)| message.seq);
    let gap = |item: &Rc<Item>| matches!(**item, Item::Gap { .. });
    let gaps = after.items.iter().any(gap);
    let lies_elsewhere = |client_id: &str| {
        let mut posts = conversation.into_iter().flat_map(|c| c.posts.values());
        let mut refused = device.facade.outbox.iter();
        posts.any(|post| {
            let before = first.is_none_or(|first| post.seq < first);
            let fetched = device
                .store
                .message(&after.conversation, post.seq)
                .is_some();
            let hidden = before || gaps || fetched || post.trimmed.is_some();
            post.client_id.as_deref() == Some(client_id) && hidden
        }) || refused.any(|local| local.client_id == client_id && local.state == "failed")
    };
    // One among the messages goes out of the window with them.
    let last = before.items.iter().rev().map_while(|item| match &**item {
        Item::Local(local) => Some(local),
        _ => None,
    });
    for local in last {
        let client_id = local.client_id.as_str();
        let is_own = |m: &Message| m.client_id.as_deref() == Some(client_id);
        let shown = after.locals().any(|l| l.client_id == client_id)
            || after.messages().any(|(_, m, _)| is_own(m));
        let goes = machine.own.get(client_id).is_none_or(|own| {
            let taken_back = own.discarded || own.gone_perhaps || own.discards > 0;
            taken_back || own.garbled || own.accepted.is_none()
        });
        let spoilt = machine.spoilt.own.contains(client_id);
        must!(
            shown || goes || spoilt || lies_elsewhere(client_id),
            "R8: {client_id} ({}) was shown, and is gone",
            local.state
        );
    }
    Ok(())
}

/// Growing and letting go at the ends renumbers nothing.
fn numbers_stay(before: &View, after: &View) -> Checked {
    if before.anchor.count != after.anchor.count || before.items.is_empty() {
        return Ok(());
    }
    let numbers: BTreeMap<&str, usize> = before
        .items
        .iter()
        .enumerate()
        .map(|(n, item)| (item.key(), n))
        .collect();
    let common: Vec<(usize, usize)> = after
        .items
        .iter()
        .enumerate()
        .filter_map(|(n, item)| Some((*numbers.get(item.key())?, n)))
        .collect();
    let whole = common
        .windows(2)
        .all(|pair| pair[1].0 == pair[0].0 + 1 && pair[1].1 == pair[0].1 + 1);
    if let (true, Some((old, new))) = (whole, common.first()) {
        let (old, new) = (
            before.first_index + *old as i64,
            after.first_index + *new as i64,
        );
        must!(
            old == new,
            "firstIndex: an item was number {old} and is {new}"
        );
    }
    Ok(())
}
