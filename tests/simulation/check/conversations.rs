//! R11: the list of conversations.

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use super::messages::{is_copy, is_new_enough};
use crate::simulation::device::{Device, Machine};
use crate::simulation::facade::Shown;
use crate::simulation::mode::Scope;
use crate::simulation::odd::Odd;
use crate::simulation::server::{Conversation, Server, State};
use crate::simulation::stored::Positions;

/// R11: what is shown of each conversation, the server said; nothing of it is older than the cursor.
pub(super) fn conversations(
    device: &Device,
    machine: &Machine,
    server: &Server,
    positions: &Positions,
) -> Checked {
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
        let since = device.store.states_at.get(&shown.id).copied().unwrap_or(0);
        let position = positions.of(&shown.id);
        // A state with some fields only may be all that is known: of one that the list already
        // lacked, because the account is about to leave it.
        let leaves = conversation
            .membership
            .iter()
            .any(|(at, member)| !member && *at > position);
        let owed = leaves || device.store.undecided || position < device.store.paid_at;
        // As of when it was stored what cannot be read may have said, and that the list is owed.
        if machine.spoilt.meta {
            continue;
        }
        state(shown, conversation, since, owed)
            .map_err(|error| format!("R11: {}, as of {since}: {error}", shown.id))?;
    }
    if device.facade.caught_up() && !device.store.undecided {
        let cursors = match server.mode.scope {
            Scope::Conversation => device.store.cursors(),
            _ => BTreeMap::new(),
        };
        let listed: BTreeSet<&str> = list.iter().map(|shown| shown.id.as_str()).collect();
        let decided = server
            .conversations
            .values()
            .filter(|c| !suspects.contains(&c.id));
        for conversation in decided {
            // Of a conversation without a cursor, the last pull of all says what it says.
            let position = match server.mode.scope {
                // It has not pulled itself since it has the account.
                Scope::Conversation
                    if !cursors.contains_key(conversation.id.as_str())
                        && device.pulled_at == 0
                        && device.shares =>
                {
                    continue;
                }
                Scope::Conversation if !cursors.contains_key(conversation.id.as_str()) => {
                    device.pulled_at
                }
                _ => positions.of(&conversation.id),
            };
            if position < device.store.paid_at {
                continue;
            }
            let shown = listed.contains(conversation.id.as_str());
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
    some_state!("unread", shown.unread, |s: &State| s.unread == shown.unread);
    some_state!("lastSeq", shown.last_seq, |s: &State| s.last_seq
        == shown.last_seq);
    some_state!("readSeq", shown.read_seq, |s: &State| s.read_seq
        == shown.read_seq);
    some_state!("sort", shown.sort, |s: &State| s.sort as f64 == shown.sort);
    some_state!("meta", shown.meta, |s: &State| s.meta == shown.meta);
    let last = shown.last_message.as_ref().map(|message| message.seq);
    some_state!("lastMessage", last, |s: &State| s
        .last_message
        .map(|(seq, _)| seq)
        == last);
    let Some(message) = &shown.last_message else {
        return Ok(());
    };
    is_copy(message, conversation)?;
    // An update that could not be named on its way is left out: the conversation is in doubt, which is
    // about its segments, and no list is owed for it ("One bad item").
    let post = &conversation.posts[&message.seq];
    let newest = post.version_at(position);
    let left_out = |version| post.spoilt.contains(&(version, Odd::Nameless));
    match newest {
        Some(newest) if (message.version + 1..=newest).any(left_out) => Ok(()),
        _ => is_new_enough(message, post, position),
    }
}
