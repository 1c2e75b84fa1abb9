//! Pages of the conversation list.

use std::rc::Rc;

use super::conversation::{CONVERSATION, Patch, patch};
use super::item::account;
use super::limits::{check_count, check_name};
use crate::core::error::Error;
use crate::core::irregular::Irregular;
use crate::core::node::Shape::{self, Each, Fields, Plain};
use crate::core::node::{Node, broken, naming_fields};

const LIST: Shape = Fields(&[
    ("account", Plain),
    ("conversations", Each(&CONVERSATION)),
    ("next", Plain),
]);

/// A page of the conversation list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage {
    /// whose account it is of, where it says so
    pub account: Option<Rc<str>>,
    /// in the list's order
    pub conversations: Vec<Patch>,
    /// where the next page begins
    pub next: Option<String>,
    /// an entry had no id: nothing is concluded from what the list lacks (R11)
    pub nameless: bool,
    /// what of it was not as it has to be
    pub irregular: Irregular,
}

/// Reads the answer to `GET /v1/conversations` after `after`.
pub fn list_page(text: &str, after: Option<&str>) -> Result<ListPage, Error> {
    let wire = Node::of("conversation list", text, &LIST)?;
    let next = wire.optional_text("next")?;
    if next.is_some() && next == after {
        return Err(broken(
            "a page of the conversation list whose `next` is its own `after`",
        ));
    }
    check_name("next", next.unwrap_or(""))?;
    let list = wire.list("conversations");
    let list = list.map_err(|error| naming_fields(error, text))?;
    check_count("conversations in one page", list.len())?;
    let mut page = ListPage {
        account: account(&wire),
        conversations: Vec::with_capacity(list.len()),
        next: next.map(str::to_owned),
        nameless: false,
        irregular: Irregular::default(),
    };
    for (index, node) in list.iter().enumerate() {
        let mut odd = Irregular::default();
        match patch(node, None) {
            Ok((patch, repairs)) => {
                repairs.tell(&mut odd, Some(&patch.id), None);
                page.conversations.push(patch);
            }
            Err(left_out) => {
                left_out.tell(&mut odd);
                page.nameless = true;
            }
        }
        page.irregular.append_element("conversations", index, odd);
    }
    Ok(page)
}
