//! Reads JSON text. What is asked for becomes a tree; of the rest it is only made sure that it is JSON.
//!
//! Everything that comes in is read here: batches, pages, commands, stored records. A [`Shape`] says what is
//! asked for. What is the app's (`body`, `meta`) stays text. Nothing that JSON allows is an
//! error here: a number larger than any, half a surrogate pair, any depth. Who asks for a field
//! finds it fit, or not.
//!
//! There are two readers, both on serde_json's. [`mod@direct`] reads a text in one pass, if all of it is as its shape
//! says. Where it is not, [`levels`] reads it, one level at a time.

mod direct;
mod fit;
mod levels;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod properties;
mod shape;
mod string;
#[cfg(test)]
mod tests;
mod tree;

use direct::direct;
pub use fit::{MAX_NESTING, is_fit};
use levels::{Bad, Reader};
pub use shape::Shape;
use tree::{BEGINNING, MISSING};
pub use tree::{Node, broken, missing};

use super::error::{Error, head};
use super::json;

/// Bytes of one text that is read at all: nothing well behaved sends as much.
pub const MAX_TEXT: usize = 64 << 20;
/// Values that are asked for in one text. In the wasm a value takes up to 32 bytes: the tree is about
/// as large as the largest text, not twenty times that (`[{},{},…]`). An event has about 15, so this is
/// 140,000 of them: the batches of 280 conversations at once.
pub const MAX_VALUES: usize = 2 << 20;

/// Names of fields that a message says.
const NAMED: usize = 4;

impl<'a> Node<'a> {
    /// Reads a text, all of it. `what` it is, for the error.
    pub fn parse(what: &str, text: &'a str) -> Result<Node<'a>, Error> {
        Node::of(what, text, &Shape::All)
    }

    /// Reads of a text what is asked for. `what` it is, for the error.
    pub fn of(what: &str, text: &'a str, shape: &Shape) -> Result<Node<'a>, Error> {
        if text.len() > MAX_TEXT {
            let bytes = text.len();
            return Err(Error::too_large(format!(
                "{what}: {bytes} bytes are too many"
            )));
        }
        Node::read(what, text, shape, MAX_VALUES)
    }

    /// Reads a text that was stored, all of it: as it was written, whatever the limits of the wire are now.
    pub fn stored(text: &'a str) -> Result<Node<'a>, Error> {
        Node::read("record", text, &Shape::All, usize::MAX)
    }

    fn read(what: &str, text: &'a str, shape: &Shape, most: usize) -> Result<Node<'a>, Error> {
        if shape.has_values()
            && let Some(node) = direct(text, shape, most)
        {
            return Ok(node);
        }
        let mut reader = Reader { left: most };
        let trimmed = text.trim_matches([' ', '\n', '\r', '\t']);
        let read = shape.check(trimmed).map_err(Bad::Json);
        let read = read.and_then(|()| reader.value(trimmed, shape, 0));
        read.map_err(|bad| match bad {
            Bad::Json(_) if trimmed.is_empty() => broken(format!(
                "the answer is empty, as with status 204: no {what}"
            )),
            Bad::Json(error) => broken(format!("{what} is no JSON: {error}")),
            Bad::Many => Error::too_large(format!("{what}: more values than are taken")),
        })
    }
}

/// Why an answer's frame is broken. Where a field is missing in it, it says what is there instead: an answer within
/// another (`data`), an error, or the same by other names. `text`: the answer.
#[inline(never)]
pub fn naming_fields(mut error: Error, text: &str) -> Error {
    if !error.message.ends_with(MISSING) {
        return error;
    }
    if let Ok(Node::Object(fields)) = Node::of("answer", text, &Shape::Named(&Shape::Raw)) {
        let mut before = ": it has ";
        for (name, _) in fields.iter().take(NAMED) {
            error.message.push_str(before);
            json::string(&mut error.message, head(name, BEGINNING));
            before = ", ";
        }
        if fields.len() > NAMED {
            error.message.push_str(", …");
        }
    }
    error
}
