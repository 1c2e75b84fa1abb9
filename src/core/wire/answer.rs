//! What a request that changes the server is answered with.

use std::rc::Rc;

use super::item::{account, within};
use super::message::{MESSAGE, message};
use crate::core::error::Error;
use crate::core::irregular::Irregular;
use crate::core::node::Node;
use crate::core::node::Shape::{self, Fields, Plain};
use crate::core::types::Message;

const ANSWER: Shape = Fields(&[("account", Plain), ("message", MESSAGE)]);

/// What a send, an edit or a recall is answered with that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// whose account it is of, where it says so
    pub account: Option<Rc<str>>,
    /// `None`: it was done, and what the server says of it cannot be read: the sync brings it
    pub message: Option<Rc<Message>>,
    /// what of it was not as it has to be
    pub irregular: Irregular,
}

/// Reads the `{"message"}` that a send, an edit or a recall is answered with. Only what is no JSON at
/// all is an error: it was not this server that said so.
pub fn answer(text: &str, conversation: &Rc<str>) -> Result<Answered, Error> {
    let text = match text.trim() {
        "" => "null",
        text => text,
    };
    let wire = Node::of("answer", text, &ANSWER)?;
    let mut irregular = Irregular::default();
    let said = wire.get("message").unwrap_or(&Node::Null);
    let message = match within("message", message(said, Some(conversation), false)) {
        Ok((m, repairs)) => {
            repairs.tell(&mut irregular, Some(conversation), Some(&m.id));
            Some(m)
        }
        Err(left_out) => {
            left_out.tell(&mut irregular);
            None
        }
    };
    Ok(Answered {
        account: account(&wire),
        message,
        irregular,
    })
}

/// A message as an app is told it, and one client another; `None`: it is none.
pub fn told(text: &str, conversation: &Rc<str>) -> Option<Rc<Message>> {
    let answer = answer(&format!("{{\"message\":{text}}}"), conversation);
    answer.ok().and_then(|answer| answer.message)
}
