//! Copies: each is one that the server made, and new enough.

use super::Checked;
use crate::simulation::facade::Message;
use crate::simulation::lies::LIE;
use crate::simulation::odd::Odd;
use crate::simulation::server::{ACCOUNT, Conversation, Copy, Post};

/// A copy that is shown or stored is one that the server made, and not older than `position`.
pub(super) fn is_true(message: &Message, conversation: &Conversation, position: usize) -> Checked {
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
    let same = |odd| is_as_given(message, post, copy, odd);
    must!(
        post.odds(copy.version).any(same),
        "{} is not as the server has it: {message:?}",
        message.id
    );
    Ok(())
}

/// What a client makes of a copy with which this is wrong.
fn is_as_given(message: &Message, post: &Post, copy: &Copy, odd: Option<Odd>) -> bool {
    let own = post.sender == ACCOUNT;
    let same = match odd {
        None => {
            copy.state == message.state
                && copy.body == message.body
                && post.sender == message.sender
                && post.created_at == message.created_at
        }
        Some(odd) => {
            odd.state(copy.state, copy.version) == message.state
                && odd.body(&copy.body) == message.body
                && odd.sender(post.sender) == message.sender
                && odd.created_at(post.created_at) == message.created_at
        }
    };
    same && (!own || post.client_id == message.client_id)
}

/// Whether nothing of it had to be put right.
pub(super) fn is_whole(message: &Message, post: &Post) -> bool {
    let copy = post.copies.iter().find(|c| c.version == message.version);
    copy.is_some_and(|copy| is_as_given(message, post, copy, None))
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
pub(super) fn missing(
    conversation: &Conversation,
    lo: Option<u64>,
    hi: Option<u64>,
    position: usize,
) -> impl Iterator<Item = &Post> {
    let from = lo.map_or(0, |lo| lo.saturating_add(1));
    let to = hi.unwrap_or(u64::MAX);
    let between = (from <= to).then(|| conversation.posts.range(from..=to));
    let between = between.into_iter().flatten().map(|(_, post)| post);
    between.filter(move |post| Some(post.seq) != hi && post.is_owed_at(position))
}
