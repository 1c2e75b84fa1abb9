//! Conversations whose state says nothing of their new messages: a server that sends messages, and no
//! `conversation` events, which a list of conversations lives by. The app's log is told.

use std::rc::Rc;

use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::failures::Question;
use crate::core::types::{Message, Seq};

/// Conversations that are looked after at once.
const MOST: usize = 20;

/// New messages, one of a conversation.
#[derive(Debug, Default)]
pub(super) struct Unstated(Vec<New>);

#[derive(Debug)]
struct New {
    conversation: Rc<str>,
    seq: Seq,
    /// a chain has ended since, and its state was still of before
    waited: bool,
}

impl Unstated {
    /// These came with a pull.
    pub fn note(&mut self, messages: &[Rc<Message>]) {
        for m in messages {
            let known = self.0.iter().any(|new| new.conversation == m.conversation);
            if self.0.len() < MOST && !known {
                self.0.push(New {
                    conversation: m.conversation.clone(),
                    seq: m.seq,
                    waited: false,
                });
            }
        }
    }

    /// The state may come with a later batch of the chain, or with the next chain.
    pub fn on_chain_ended(&mut self, cx: &mut Cx) {
        let (db, pull) = (cx.db, cx.config.scope.pull());
        self.0.retain_mut(|new| {
            let state = db.state(&new.conversation);
            if state.is_some_and(|state| state.last_seq >= Some(new.seq)) {
                return false;
            }
            if new.waited {
                let what = "new messages came, and no `conversation` event with their `lastSeq`: the list, `unread` and `lastMessage` are of before";
                let error = Error::new(ErrorCode::Protocol, what);
                cx.out
                    .fared(&Question::of(pull, &new.conversation), Some(&error));
            }
            !std::mem::replace(&mut new.waited, true)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cx::Rest;

    fn message(conversation: &str, seq: u64) -> Rc<Message> {
        Rc::new(Message::sample(conversation, seq))
    }

    fn told(rest: &mut Rest) -> usize {
        std::mem::take(&mut rest.out.told.logs).len()
    }

    #[test]
    fn a_state_may_come_with_the_next_chain_and_is_missed_after_it() {
        let mut rest = Rest::new("");
        let mut unstated = Unstated::default();
        unstated.note(&[message("c", 5), message("c", 6)]);
        unstated.on_chain_ended(&mut rest.cx());
        assert_eq!(told(&mut rest), 0);
        unstated.on_chain_ended(&mut rest.cx());
        assert_eq!(told(&mut rest), 1);
        unstated.on_chain_ended(&mut rest.cx());
        assert_eq!((told(&mut rest), unstated.0.len()), (0, 0), "once");
    }

    #[test]
    fn so_many_are_looked_after_and_no_more() {
        let mut rest = Rest::new("");
        let mut unstated = Unstated::default();
        let all: Vec<Rc<Message>> = (0..99).map(|i| message(&format!("c{i}"), 1)).collect();
        unstated.note(&all);
        assert_eq!(unstated.0.len(), MOST);
        for _ in 0..2 {
            unstated.on_chain_ended(&mut rest.cx());
        }
        assert_eq!(told(&mut rest), MOST);
    }
}
