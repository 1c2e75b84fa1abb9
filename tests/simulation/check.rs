//! What must hold after every step, rule by rule (DESIGN.md). Each check says what it missed, in
//! the words of the rules; the story says how it came to be.
//!
//! "As of the cursor" is as of the position of the cursor that the device has committed: what it
//! shows may be newer than that, never older (R1, R3, R9).

use std::collections::BTreeMap;

use pullcord::core::net::Request;
use serde_json::Value;

use super::device::Device;
use super::facade::{Item, Local, Message, Shown, Start, View};
use super::lies::LIE;
use super::mode::Scope;
use super::server::{ACCOUNT, Conversation, Post, Server, UNTOLD, position_in, position_of};
use super::stored::Positions;

pub type Checked = Result<(), String>;

macro_rules! must {
    ($holds:expr, $($otherwise:tt)+) => {
        if !$holds {
            return Err(format!($($otherwise)+));
        }
    };
}

/// Everything that a device shows, against the model.
pub fn device(device: &mut Device, server: &Server) -> Checked {
    let positions = device.positions(server);
    must!(
        positions.least() <= server.position(),
        "the cursor is ahead of the server's log"
    );
    if device.store.owed() || !device.store.suspects().is_empty() {
        device.owed = true;
    } else {
        if std::mem::take(&mut device.owed) {
            device.paid_at = server.position();
        }
        // What moved while the pages were read, the pull after them brings.
        for id in server.conversations.keys() {
            let position = positions.of(id);
            if position >= device.paid_at {
                device.states_at.insert(id.clone(), position);
            }
        }
    }
    let pull = |pending: &super::device::Pending| {
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
    conversations(device, server, &positions)?;
    outbox(device, server)?;
    let mut timelines = std::mem::take(&mut device.facade.timelines);
    let mut checked = Ok(());
    for (id, view) in &mut timelines {
        if view.released {
            continue;
        }
        let position = positions.of(&view.conversation);
        checked = timeline(view, device, server, position).map_err(|error| {
            format!(
                "timeline {id} of {}, as of {position}: {error}\n    shows {}",
                view.conversation,
                draw(view)
            )
        });
        if checked.is_err() {
            break;
        }
        if view.status == "ready" {
            for (_, message, _) in view.messages().filter(|(_, _, fresh)| *fresh) {
                let version = device.store.version(&view.conversation, message.seq);
                must!(
                    version.is_some_and(|version| version >= message.version),
                    "R9: timeline {id} shows {} v{}, and {version:?} is committed\n    shows {}",
                    message.seq,
                    message.version,
                    draw(view)
                );
            }
        }
        let kept_up = view.status == "ready"
            && server
                .conversations
                .get(&view.conversation)
                .is_some_and(|conversation| conversation.member_at(position));
        for item in view.items.iter().filter(|_| kept_up) {
            if let Item::Message {
                message,
                fresh: true,
                ..
            } = &**item
            {
                view.trust.insert(message.id.clone(), position);
            }
        }
    }
    device.facade.timelines = timelines;
    device.checked_at = positions;
    checked
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

// ---------------------------------------------------------------- messages

/// A copy that is shown or stored is one that the server made, and not older than `position`.
fn is_true(message: &Message, conversation: &Conversation, position: usize) -> Checked {
    is_copy(message, conversation)?;
    is_new_enough(message, &conversation.posts[&message.seq], position)
}

/// A copy is one that the server made.
pub fn is_copy(message: &Message, conversation: &Conversation) -> Checked {
    must!(
        !message.id.starts_with(LIE),
        "{} comes from an answer that breaks the protocol",
        message.id
    );
    must!(
        message.conversation == conversation.id,
        "{} is of {}",
        message.id,
        message.conversation
    );
    let post = conversation
        .posts
        .get(&message.seq)
        .filter(|post| post.id == message.id);
    let Some(post) = post else {
        return Err(format!(
            "{} at {} is not the server's",
            message.id, message.seq
        ));
    };
    let copy = post
        .copies
        .iter()
        .find(|copy| copy.version == message.version);
    let Some(copy) = copy else {
        return Err(format!("{} has version {}", message.id, message.version));
    };
    let same = copy.state == message.state
        && copy.body == message.body
        && post.sender == message.sender
        && post.created_at == message.created_at
        && (post.sender != ACCOUNT || post.client_id == message.client_id);
    must!(
        same,
        "{} is not as the server has it: {message:?}",
        message.id
    );
    Ok(())
}

/// A copy is not older than `position`.
pub fn is_new_enough(message: &Message, post: &Post, position: usize) -> Checked {
    let newest = post.version_at(position);
    must!(
        newest.is_none_or(|newest| message.version >= newest),
        "R3: {} is shown in version {}, the newest was {:?}",
        message.id,
        message.version,
        newest
    );
    Ok(())
}

/// What a client at `position` must have strictly between two places.
fn missing(
    conversation: &Conversation,
    lo: Option<u64>,
    hi: Option<u64>,
    position: usize,
) -> Option<&Post> {
    let from = lo.map_or(0, |lo| lo.saturating_add(1));
    let to = hi.unwrap_or(u64::MAX);
    if from > to {
        return None;
    }
    let mut between = conversation.posts.range(from..=to).map(|(_, post)| post);
    between.find(|post| Some(post.seq) != hi && post.is_owed_at(position))
}

// ---------------------------------------------------------------- timelines

fn timeline(view: &View, device: &Device, server: &Server, position: usize) -> Checked {
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
    let ended = view.status != "ready" || !conversation.member_at(position);
    let all_kept = device.store.kept(&view.conversation);
    let holds = |seq| device.store.version(&view.conversation, seq).is_some();

    // Walks the list once. `last`: the message before, and as of when it is known to be followed.
    let mut last: Option<(u64, usize)> = None;
    // Nothing is known of what is before the next message.
    let mut gap = false;
    let mut place: Option<u64> = None;
    let mut messages = 0;
    for item in &view.items {
        match &**item {
            Item::Gap { .. } => gap = true,
            Item::Message { message, fresh, .. } => {
                messages += 1;
                // One that is not fresh was true when it was shown as fresh, and as of its segment's
                // own cursor.
                let kept = all_kept
                    .iter()
                    .filter(|_| !view.attached)
                    .find(|(lo, hi, _)| (*lo..=*hi).contains(&message.seq))
                    .map(|(_, _, since)| *since)
                    // A start reaches down over what is shown of before, and is not there any more.
                    .filter(|_| holds(message.seq));
                let since = view.trust.get(&message.id).copied();
                let as_of = match (fresh, ended) {
                    (true, false) => position,
                    (false, false) => since.max(kept).unwrap_or(0),
                    _ => since.unwrap_or(0),
                };
                is_true(message, conversation, as_of)?;
                must!(
                    place.is_none_or(|place| place < message.seq),
                    "{} is not in order",
                    message.seq
                );
                let post = &conversation.posts[&message.seq];
                if *fresh && !ended {
                    must!(
                        post.trimmed.is_none_or(|at| at > position),
                        "R7: {} was trimmed",
                        message.seq
                    );
                }
                let (before, before_as_of) = last.unzip();
                let as_of_both = before_as_of.map_or(as_of, |before| before.min(as_of));
                // Whoever shows a message was told of all that was committed before it; but not by
                // replicas, of which one may lag behind the other: then it is so as of the cursor.
                let told = |seq: u64| {
                    let position = conversation.posts[&seq].copies[0].position;
                    if position == UNTOLD { 0 } else { position }
                };
                let as_of_both = match (fresh, ended) {
                    (true, false) if as_of_both == position && !server.mode.replicas => {
                        let told = before.map_or(0, told).max(told(message.seq));
                        told.max(as_of_both)
                    }
                    _ => as_of_both,
                };
                // What is between it and the one before may lie in a kept segment without a message:
                // of that it says so itself.
                let between = |(lo, hi, _): &&(u64, u64, usize)| {
                    before.is_none_or(|before| *hi > before) && *lo < message.seq
                };
                let seam = all_kept.iter().filter(|_| !fresh).filter(between);
                let as_of_both = seam.map(|kept| kept.2).fold(as_of_both, usize::min);
                if !gap && (last.is_some() || !view.has_older) {
                    let hole = missing(conversation, before, Some(message.seq), as_of_both);
                    must!(
                        hole.is_none(),
                        "R1: {} is missing before {}",
                        hole.map_or(0, |p| p.seq),
                        message.seq
                    );
                }
                last = Some((message.seq, as_of));
                place = Some(message.seq);
                gap = false;
            }
            Item::Local(local) => {
                if let Some(message) = &local.message {
                    must!(
                        place.is_none_or(|place| place < message.seq),
                        "R8: {} stands too low",
                        local.client_id
                    );
                    place = Some(message.seq);
                }
            }
        }
    }
    if view.status == "ready" && !ended {
        if messages == 0 && !gap && !view.has_older && !view.has_newer {
            let post = missing(conversation, None, None, position);
            must!(
                post.is_none(),
                "R1: shown as empty, {} is missing",
                post.map_or(0, |p| p.seq)
            );
        }
        if let (false, false, Some((seq, as_of))) = (view.has_newer, gap, last) {
            let post = missing(conversation, Some(seq), None, as_of);
            must!(
                post.is_none(),
                "R1: {} is missing at the newest end",
                post.map_or(0, |p| p.seq)
            );
        }
    }
    locals(view, device)
}

/// What a list shows after a jump: the item that it was asked for, else the next newer one.
/// `read`: up to where the account may have read; None: all.
pub fn anchor(
    view: &View,
    to: Start,
    read: &[Option<Option<u64>>],
    device: &Device,
    server: &Server,
) -> Checked {
    let Some(conversation) = server.conversations.get(&view.conversation) else {
        return Ok(());
    };
    let position = device.positions(server).of(&view.conversation);
    if view.status != "ready" || view.released || !conversation.member_at(position) {
        return Ok(());
    }
    let checked = match to {
        Start::Latest => {
            must!(
                view.anchor.key.is_none(),
                "the latest was asked for, and the anchor is {:?}",
                view.anchor.key
            );
            Ok(())
        }
        Start::Around(seq) => anchor_at(view, seq, &|_| true, conversation, position),
        Start::At(time) => {
            let wanted = |post: &Post| post.created_at >= time;
            anchor_at(view, 0, &wanted, conversation, position)
        }
        Start::FirstUnread => {
            // Whose own message is unread is the server's to say.
            let mut checked = Ok(());
            for read in read {
                let Some(read) = read else {
                    // Nothing was unread: the newest end.
                    if view.anchor.key.is_none() {
                        return Ok(());
                    }
                    continue;
                };
                let from = read.map_or(0, |read| read.saturating_add(1));
                let others = |post: &Post| post.sender != ACCOUNT;
                checked = anchor_at(view, from, &|_| true, conversation, position)
                    .or_else(|_| anchor_at(view, from, &others, conversation, position));
                if checked.is_ok() {
                    break;
                }
            }
            checked
        }
    };
    checked.map_err(|error| {
        format!(
            "anchor {:?}, asked for {to:?}, read to one of {read:?}: {error}\n    shows {}",
            view.anchor.key,
            draw(view)
        )
    })
}

/// The anchor is the first at or after `from` of those that are `wanted`.
fn anchor_at(
    view: &View,
    from: u64,
    wanted: &dyn Fn(&Post) -> bool,
    conversation: &Conversation,
    position: usize,
) -> Checked {
    let is_wanted = |seq: u64| {
        let post = conversation.posts.get(&seq);
        seq >= from && post.is_some_and(wanted)
    };
    let owed = |to: u64| {
        let mut posts = conversation
            .posts
            .range(from..to.max(from))
            .map(|(_, post)| post);
        posts.find(|post| wanted(post) && post.is_owed_at(position))
    };
    let Some(key) = &view.anchor.key else {
        let shown = view.messages().find(|(_, m, _)| is_wanted(m.seq));
        must!(
            shown.is_none(),
            "{} is shown",
            shown.map_or(0, |(_, m, _)| m.seq)
        );
        let fresh = view.messages().all(|(_, _, fresh)| fresh);
        let post = owed(u64::MAX).filter(|_| fresh);
        must!(post.is_none(), "{} is there", post.map_or(0, |p| p.seq));
        return Ok(());
    };
    let item = view.items.iter().find(|item| item.key() == key);
    let (seq, fresh) = match item.map(|item| &**item) {
        Some(Item::Message { message, fresh, .. }) => (message.seq, *fresh),
        Some(Item::Local(Local {
            message: Some(message),
            ..
        })) => (message.seq, true),
        Some(_) => return Err("it is no message".to_owned()),
        None => return Err("it is no item".to_owned()),
    };
    must!(is_wanted(seq), "it is {seq}");
    let nearer = view
        .messages()
        .find(|(_, m, _)| m.seq < seq && is_wanted(m.seq));
    must!(
        nearer.is_none(),
        "it is {seq}, and {} is shown",
        nearer.map_or(0, |(_, m, _)| m.seq)
    );
    let post = owed(seq).filter(|_| fresh);
    must!(
        post.is_none(),
        "it is {seq}, and {} is there",
        post.map_or(0, |p| p.seq)
    );
    Ok(())
}

/// R8: where the items stand that are not messages yet.
fn locals(view: &View, device: &Device) -> Checked {
    let mut unsent: Option<(&Local, usize)> = None;
    let mut failed: Option<(&Local, usize)> = None;
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
                if let Some((local, shown)) = failed
                    .and_then(|(local, _)| Some((local, device.own.get(&local.client_id)?.shown)))
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
                let Some(own) = device.own.get(&local.client_id) else {
                    return Err(format!("{} was never written here", local.client_id));
                };
                must!(
                    local.conversation == view.conversation,
                    "{} is of another conversation",
                    local.client_id
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
                match local.state.as_str() {
                    "queued" | "sending" => {
                        must!(
                            unsent.is_none_or(|(_, order)| order < own.order),
                            "R8: {} is not in the order written",
                            local.client_id
                        );
                        unsent = Some((local, own.order));
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
                        failed = Some((local, own.order));
                    }
                    "sent" => must!(
                        local.message.is_some(),
                        "{} was sent and has no message",
                        local.client_id
                    ),
                    other => return Err(format!("{} is {other:?}", local.client_id)),
                }
            }
        }
    }
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
            must!(
                held || local.state == "failed",
                "R8: {} ({}) is in the outbox and not in the list",
                local.client_id,
                local.state
            );
        }
    }
    Ok(())
}

/// What must hold between two snapshots of a list that follow each other.
pub fn transition(before: &View, after: &View, device: &Device, server: &Server) -> Checked {
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
    // A message keeps its key, and takes that of its local echo.
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
    // What is shown stays until something takes its place.
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
    // Growing and letting go at the ends renumbers nothing.
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

// ---------------------------------------------------------------- conversations

/// R11: what is shown of each conversation, the server said; nothing of it is older than the cursor.
fn conversations(device: &Device, server: &Server, positions: &Positions) -> Checked {
    let list = &device.facade.conversations;
    for pair in list.windows(2) {
        let order = pair[1]
            .sort
            .total_cmp(&pair[0].sort)
            .then_with(|| pair[0].id.cmp(&pair[1].id));
        must!(
            order.is_lt(),
            "the list is not in order: {} before {}",
            pair[0].id,
            pair[1].id
        );
    }
    let suspects = device.store.suspects();
    for shown in list.iter().filter(|shown| !suspects.contains(&shown.id)) {
        let Some(conversation) = server.conversations.get(&shown.id) else {
            return Err(format!("the server has no conversation {}", shown.id));
        };
        let since = device.states_at.get(&shown.id).copied().unwrap_or(0);
        let position = positions.of(&shown.id);
        // A state with some fields only may be all that is known: of one that the list already
        // lacked, because the account is about to leave it.
        let leaves = conversation
            .membership
            .iter()
            .any(|(at, member)| !member && *at > position);
        let owed = leaves || device.owed || position < device.paid_at;
        state(shown, conversation, since, owed)
            .map_err(|error| format!("R11: {}, as of {since}: {error}", shown.id))?;
    }
    if device.facade.caught_up() && !device.owed {
        let cursors = match server.mode.scope {
            Scope::Conversation => device.store.cursors(),
            _ => BTreeMap::new(),
        };
        let decided = server
            .conversations
            .values()
            .filter(|c| !suspects.contains(&c.id));
        for conversation in decided {
            // Of a conversation without a cursor, the last pull of all says what it says.
            let position = match server.mode.scope {
                Scope::Conversation if !cursors.contains_key(conversation.id.as_str()) => {
                    device.pulled_at
                }
                _ => positions.of(&conversation.id),
            };
            if position < device.paid_at {
                continue;
            }
            let shown = list.iter().any(|shown| shown.id == conversation.id);
            must!(
                conversation.member_since(position, shown),
                "R11: caught up at {position}, and {} is {}",
                conversation.id,
                if shown {
                    "still in the list"
                } else {
                    "not in the list"
                }
            );
        }
    }
    Ok(())
}

/// Each field is one that the server had at the cursor or since (a partial state replaces single
/// fields).
fn state(shown: &Shown, conversation: &Conversation, position: usize, owed: bool) -> Checked {
    let from = conversation
        .states
        .iter()
        .rposition(|(at, _)| *at <= position)
        .unwrap_or(0);
    let states = &conversation.states[from..];
    macro_rules! some_state {
        ($name:literal, $shown:expr, $had:expr) => {
            must!(
                states.iter().any(|(_, state)| $had(state)),
                "{} is {:?}; the server had {:?}",
                $name,
                $shown,
                states
            )
        };
    }
    // In one that was new to the client, a field that a state left out is 0 or null until the owed
    // list is read.
    let bare = owed && shown.sort == 0.0;
    if bare {
        return Ok(());
    }
    some_state!("unread", shown.unread, |s: &super::server::State| s.unread
        == shown.unread);
    some_state!("lastSeq", shown.last_seq, |s: &super::server::State| s
        .last_seq
        == shown.last_seq);
    some_state!("readSeq", shown.read_seq, |s: &super::server::State| s
        .read_seq
        == shown.read_seq);
    some_state!("sort", shown.sort, |s: &super::server::State| s.sort as f64
        == shown.sort);
    some_state!("meta", shown.meta, |s: &super::server::State| s.meta
        == shown.meta);
    let last = shown.last_message.as_ref().map(|message| message.seq);
    some_state!("lastMessage", last, |s: &super::server::State| s
        .last_message
        .map(|(seq, _)| seq)
        == last);
    shown
        .last_message
        .as_ref()
        .map_or(Ok(()), |message| is_true(message, conversation, position))
}

// ---------------------------------------------------------------- own messages

/// Every send that was accepted is in the outbox or on the server; never twice there.
fn outbox(device: &Device, server: &Server) -> Checked {
    for local in &device.facade.outbox {
        must!(
            device.own.contains_key(&local.client_id),
            "{} was never written here",
            local.client_id
        );
    }
    for (client_id, own) in &device.own {
        let delivered = delivered(server, client_id, own);
        must!(
            delivered.0 <= 1,
            "{client_id} was delivered {} times",
            delivered.0
        );
        if device.loaded && own.accepted && !own.discarded && delivered == (0, 0) {
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
/// the user has tried again goes when it can.
pub fn in_order(device: &Device, conversation: &str, client_id: &str) -> Checked {
    let Some(sent) = device.own.get(client_id) else {
        return Ok(());
    };
    let mut outbox = device.facade.outbox.iter();
    let waiting = outbox.find(|local| {
        let own = device.own.get(&local.client_id);
        let before = own.is_some_and(|own| own.order < sent.order && !own.retried);
        before && local.conversation == conversation && local.state != "failed"
    });
    must!(
        waiting.is_none(),
        "{client_id} is sent, and {} waits before it",
        waiting.map_or("", |local| &local.client_id)
    );
    Ok(())
}

/// How often the server has a message of this body: living, and trimmed.
pub fn delivered(server: &Server, client_id: &str, own: &super::device::Own) -> (usize, usize) {
    let posts = server
        .conversations
        .get(&own.conversation)
        .into_iter()
        .flat_map(|c| c.posts.values());
    let posts: Vec<&Post> = posts
        .filter(|p| p.client_id.as_deref() == Some(client_id) || p.copies[0].body == own.body)
        .collect();
    let living = posts.iter().filter(|post| post.trimmed.is_none()).count();
    (living, posts.len() - living)
}

// ---------------------------------------------------------------- segments, as inspect() tells them

/// `position`: where the device is as to this conversation, where the inspection names no cursor.
/// `jumps`: the timelines are not only at the newest end.
pub fn inspection(
    inspection: &Value,
    conversation: Option<&Conversation>,
    position: usize,
    jumps: bool,
) -> Checked {
    let text = inspection["cursor"].as_str();
    let cursor = match conversation {
        Some(conversation) => {
            text.and_then(|text| position_of(text).or_else(|| position_in(text, &conversation.id)))
        }
        None => None,
    };
    let cursor = cursor.unwrap_or(position);
    let segments = inspection["segments"].as_array().ok_or("no segments")?;
    let number = |value: &Value| -> Result<u64, String> {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| format!("not a seq: {value}"))
    };
    let Some(conversation) = conversation else {
        must!(
            segments.is_empty(),
            "segments of a conversation that was not named"
        );
        return Ok(());
    };
    let mut last: Option<u64> = None;
    for (n, segment) in segments.iter().enumerate() {
        let (lo, hi) = (number(&segment["lo"])?, number(&segment["hi"])?);
        must!(
            lo <= hi && last.is_none_or(|last| last < lo),
            "segments are not disjoint and sorted: {segments:?}"
        );
        last = Some(hi);
        let (live, start) = (segment["live"] == true, segment["start"] == true);
        // A page of what is newer than the cursor may lie above it.
        must!(
            !live || jumps || n + 1 == segments.len(),
            "the live segment is not the newest: {segments:?}"
        );
        if conversation.member_at(cursor) && segment["fresh"] == true {
            let owed = conversation
                .posts
                .range(lo..=hi)
                .filter(|(_, post)| post.is_owed_at(cursor))
                .count();
            let all = conversation.posts.range(lo..=hi).count();
            let count = segment["count"].as_u64().unwrap_or(0) as usize;
            must!(
                (owed..=all).contains(&count),
                "[{lo}, {hi}] has {count} of {owed}..{all} messages"
            );
            let newer = missing(conversation, Some(hi), None, cursor);
            must!(
                !live || newer.is_none(),
                "R2: live to {hi}, and {} is newer, as of {cursor}",
                newer.map_or(0, |p| p.seq)
            );
            let older = conversation
                .posts
                .range(..lo)
                .find(|(_, post)| post.is_owed_at(cursor));
            must!(
                !start || older.is_none(),
                "R5: start at {lo}, and {:?} is older, as of {cursor}",
                older.map(|(seq, _)| seq)
            );
        }
    }
    Ok(())
}
