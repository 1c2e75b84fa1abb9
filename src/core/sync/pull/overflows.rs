//! Overflows in one pull after another: a server that does not know the cursors that it gave, or keeps its events for
//! too short a time. Each is well-formed, and costs all that was held. The app's log is told.

use std::rc::Rc;

use crate::core::types::Overflow;
use crate::core::wire::batch::FeedBatch;

/// Chains in a row that overflow, at which it is told.
const TOLD: u32 = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Overflows {
    /// the conversation that has overflowed in each of the last chains; none: all have
    of: Option<Rc<str>>,
    /// how many these are
    chains: u32,
    /// whether it has in the chain under way
    again: bool,
    /// another one that has, in the chain under way
    other: Option<Rc<str>>,
}

impl Overflows {
    /// The chain under way has brought this. Without a cursor that it was asked with nothing was lost.
    pub fn note(&mut self, part: &FeedBatch) {
        let Some(overflow) = &part.batch.overflow else {
            return;
        };
        if part.asked.is_none() && !part.feed.is_acknowledged() {
            return;
        }
        // empty: all
        let ids = match (part.feed.conversation(), overflow) {
            (Some(id), _) => std::slice::from_ref(id),
            (None, Overflow::Of(ids)) => ids,
            (None, Overflow::All) => &[],
        };
        match &self.of {
            Some(of) if !ids.is_empty() && !ids.contains(of) => {
                self.other = ids.first().cloned();
                return;
            }
            Some(_) => {}
            None => self.of = ids.first().cloned(),
        }
        self.again = true;
    }

    /// A chain has ended. Whether it is to be told now, and the conversation that it is about; none: all.
    pub fn on_chain_ended(&mut self) -> Option<Option<&Rc<str>>> {
        let other = self.other.take();
        if !std::mem::take(&mut self.again) {
            self.chains = 0;
            self.of = Some(other?);
        }
        self.chains = self.chains.saturating_add(1);
        (self.chains == TOLD).then_some(self.of.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::types::Feed;
    use crate::core::wire::batch::batch;

    fn part(asked: Option<&str>, overflow: &str) -> FeedBatch {
        let text = format!(r#"{{"events":[],"cursor":"b","hasMore":false,"overflow":{overflow}}}"#);
        FeedBatch {
            feed: Feed::Account,
            asked: asked.map(str::to_owned),
            batch: batch(&text, asked).unwrap(),
        }
    }

    /// At which of these chains it is told, and of what. "": a chain without an overflow.
    fn told(chains: &[&str]) -> Vec<(usize, String)> {
        let mut overflows = Overflows::default();
        let mut told = Vec::new();
        for (at, overflow) in chains.iter().enumerate() {
            if !overflow.is_empty() {
                overflows.note(&part(Some("a"), overflow));
            }
            if let Some(of) = overflows.on_chain_ended() {
                told.push((at, of.map_or("all", |id| id).to_owned()));
            }
        }
        told
    }

    #[test]
    fn three_in_a_row_are_told_once() {
        let all = r#""all""#;
        assert_eq!(told(&[all; 9]), [(2, "all".to_owned())]);
        assert_eq!(told(&[all, all, "", all, all, ""]), []);
        let again = told(&[all, all, all, "", all, all, all]);
        assert_eq!(again.len(), 2, "it had gone well between");
    }

    #[test]
    fn it_has_to_be_the_same_conversation_in_each() {
        let told_of = |chains: &[&str], at: usize, of: &str| {
            assert_eq!(told(chains), [(at, of.to_owned())], "{chains:?}");
        };
        told_of(&[r#"["a","b"]"#, r#"["c","a"]"#, r#""all""#], 2, "a");
        told_of(&[r#""all""#, r#"["b"]"#, r#"["b"]"#], 2, "b");
        told_of(
            &[r#"["a"]"#, r#"["b"]"#, r#"["c"]"#, r#"["c"]"#, r#"["c"]"#],
            4,
            "c",
        );
        assert_eq!(
            told(&[r#"["a"]"#, r#"["a"]"#, r#"["b"]"#, r#"["a"]"#, ""]),
            []
        );
    }

    #[test]
    fn a_first_sign_in_loses_nothing() {
        let mut overflows = Overflows::default();
        for _ in 0..9 {
            overflows.note(&part(None, r#""all""#));
            assert_eq!(overflows.on_chain_ended(), None);
        }
    }
}
