//! Where a list stands after a jump.

use super::{Checked, draw};
use crate::simulation::device::Device;
use crate::simulation::facade::{Item, Local, Start, View};
use crate::simulation::server::{ACCOUNT, Conversation, Post, Server};

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
    let position = device.store.trusted(&view.conversation, position);
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
        Start::Around(seq) => anchor_at(view, seq, &|_| Wanted::Yes, conversation, position),
        Start::At(time) => {
            // Which copy of it the client has had, the one without its time or the other, is not known
            // here; and one without its time may be the one that the server has found.
            // So may what was committed after the message that the server has found, at a lower position.
            let found = view.anchor.key.as_ref().and_then(|key| {
                let (_, message, _) = view.messages().find(|(of, ..)| of == key)?;
                conversation.posts.get(&message.seq).map(committed_at)
            });
            let wanted = |post: &Post| match post.created_at {
                _ if post.has_lost_its_time() => Wanted::Perhaps,
                at if at < time => Wanted::No,
                _ if found.is_some_and(|found| committed_at(post) > found) => Wanted::Perhaps,
                _ => Wanted::Yes,
            };
            anchor_at(view, 0, &wanted, conversation, position)
        }
        Start::FirstUnread => at_first_unread(view, read, conversation, position),
    };
    checked.map_err(|error| {
        format!(
            "anchor {:?}, asked for {to:?}, read to one of {read:?}: {error}\n    shows {}",
            view.anchor.key,
            draw(view)
        )
    })
}

/// Where the log has it for the first time.
fn committed_at(post: &Post) -> usize {
    post.copies.first().map_or(0, |copy| copy.position)
}

/// The anchor is the first after one of the places up to which the account may have read.
fn at_first_unread(
    view: &View,
    read: &[Option<Option<u64>>],
    conversation: &Conversation,
    position: usize,
) -> Checked {
    // Whose own message is unread is the server's to say.
    let others = |post: &Post| match post.sender {
        ACCOUNT => Wanted::No,
        _ => Wanted::Yes,
    };
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
        checked = anchor_at(view, from, &|_| Wanted::Yes, conversation, position)
            .or_else(|_| anchor_at(view, from, &others, conversation, position));
        if checked.is_ok() {
            break;
        }
    }
    checked
}

/// Whether a jump is to find a message.
#[derive(PartialEq)]
enum Wanted {
    Yes,
    No,
    Perhaps,
}

/// The anchor is the first at or after `from` of those that are `wanted`.
fn anchor_at(
    view: &View,
    from: u64,
    wanted: &dyn Fn(&Post) -> Wanted,
    conversation: &Conversation,
    position: usize,
) -> Checked {
    let is = |seq: u64, those: &[Wanted]| {
        let post = conversation.posts.get(&seq);
        seq >= from && post.is_some_and(|post| those.contains(&wanted(post)))
    };
    let is_wanted = |seq: u64| is(seq, &[Wanted::Yes]);
    let owed = |to: u64| {
        let mut posts = conversation
            .posts
            .range(from..to.max(from))
            .map(|(_, post)| post);
        posts.find(|post| wanted(post) == Wanted::Yes && post.is_owed_at(position))
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
    let at = view.items.iter().position(|item| item.key() == key);
    // What stands before it says whether something may be missing between.
    let before = at.map_or(&[][..], |at| &view.items[..at]).iter().rev();
    let before = before
        .map(|item| &**item)
        .find(|item| !matches!(item, Item::Local(_)));
    let unsure = match before {
        Some(Item::Gap { .. }) => true,
        Some(Item::Message { fresh, .. }) => !fresh,
        _ => false,
    };
    let item = at.map(|at| &*view.items[at]);
    let (seq, fresh) = match item {
        Some(Item::Message { message, fresh, .. }) => (message.seq, *fresh),
        Some(Item::Local(Local {
            message: Some(message),
            ..
        })) => (message.seq, true),
        Some(_) => return Err("it is no message".to_owned()),
        None => return Err("it is no item".to_owned()),
    };
    must!(is(seq, &[Wanted::Yes, Wanted::Perhaps]), "it is {seq}");
    // What a trim is about to take, the page has not any more.
    let stays = |seq: u64| {
        let post = conversation.posts.get(&seq);
        post.is_none_or(|post| post.trimmed.is_none())
    };
    let nearer = view
        .messages()
        .find(|(_, m, _)| m.seq < seq && is_wanted(m.seq) && stays(m.seq));
    must!(
        nearer.is_none(),
        "it is {seq}, and {} is shown",
        nearer.map_or(0, |(_, m, _)| m.seq)
    );
    let post = owed(seq).filter(|_| fresh && !unsure);
    must!(
        post.is_none(),
        "it is {seq}, and {} is there",
        post.map_or(0, |p| p.seq)
    );
    Ok(())
}
