//! An answer that was asked for before events were committed, while they are replayed onto it (R7).

use std::rc::Rc;

use crate::core::map::Map;
use crate::core::segments::Cover;
use crate::core::types::Message;

/// Messages that an answer lists, by their position.
pub type Listed = Map<u64, Rc<Message>>;

/// A page, while events are replayed onto it.
pub struct Replay {
    /// what it lists
    pub messages: Listed,
    /// what it covers
    pub cover: Cover,
    /// a trim has passed all of it
    pub is_gone: bool,
}

impl Replay {
    /// A page as it was answered.
    pub fn new(messages: &[Rc<Message>], cover: Cover) -> Replay {
        Replay {
            messages: listed(messages),
            cover,
            is_gone: false,
        }
    }
}

/// Puts the messages of an answer in a map by their position.
pub fn listed(messages: &[Rc<Message>]) -> Listed {
    let mut listed = Map::new();
    for m in messages {
        listed.insert(m.seq.0, m.clone());
    }
    listed
}

/// The newer copy wins; `add`: also where there was none.
pub fn newer(messages: &mut Listed, m: &Rc<Message>, add: bool) {
    match messages.get_mut(&m.seq.0) {
        // A page is read before what is committed after its request.
        Some(held) if add && held.id != m.id => *held = m.clone(),
        Some(held) if held.id == m.id && m.is_newer_than(held) => *held = m.clone(),
        Some(_) => {}
        None if add => _ = messages.insert(m.seq.0, m.clone()),
        None => {}
    }
}
