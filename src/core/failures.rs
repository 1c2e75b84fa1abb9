//! What the app's log is told of calls: each failure, and the first success after one. The facade makes the line
//! of it, and knows what was told already.

use std::rc::Rc;

use super::error::Error;
use super::json;
use super::net::Request;

/// Questions that have failed, and of which the success is to be told.
const MOST: usize = 100;

/// A call of the backend, as an app's `Transport` names it, and the conversation that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    call: &'static str,
    conversation: Option<Rc<str>>,
}

impl Question {
    /// About no one conversation.
    pub fn new(call: &'static str) -> Question {
        Question {
            call,
            conversation: None,
        }
    }

    /// About this one.
    pub fn of(call: &'static str, conversation: &Rc<str>) -> Question {
        Question {
            call,
            conversation: Some(conversation.clone()),
        }
    }

    /// As an app's `Transport` names it.
    pub fn call(&self) -> &'static str {
        self.call
    }
}

impl From<&Request> for Question {
    fn from(request: &Request) -> Question {
        Question {
            call: request.name(),
            conversation: request.conversation().map(Rc::from),
        }
    }
}

/// The notification channel, among the functions of an app's `Transport`.
pub(super) const LISTEN: &str = "listen";

/// The questions that failed last. That the channel is ready is told the first time, too: one that is lost later has
/// worked.
#[derive(Debug)]
pub(super) struct Failures(Vec<Question>);

impl Default for Failures {
    fn default() -> Failures {
        Failures(vec![Question::new(LISTEN)])
    }
}

impl Failures {
    /// A question was answered, or has failed. The line for the log, where there is one.
    pub fn note(&mut self, question: &Question, error: Option<&Error>) -> Option<String> {
        let known = self.0.iter().position(|one| one == question);
        match (known, error) {
            (None, None) => return None,
            (None, Some(_)) if self.0.len() < MOST => self.0.push(question.clone()),
            (Some(at), None) => drop(self.0.swap_remove(at)),
            _ => {}
        }
        Some(line(question, error))
    }
}

/// `error`: none, where it goes well again.
fn line(question: &Question, error: Option<&Error>) -> String {
    let mut out = String::from("{");
    json::field(&mut out, "call");
    json::string(&mut out, question.call);
    if let Some(conversation) = &question.conversation {
        json::field(&mut out, "conversation");
        json::string(&mut out, conversation);
    }
    json::field(&mut out, "error");
    json::error(&mut out, error);
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::ErrorCode;

    #[test]
    fn each_failure_is_told_and_the_first_success_after_it() {
        let mut failures = Failures::default();
        let history = |id: &str| Question::of("history", &Rc::from(id));
        let error = Error::new(ErrorCode::Network, "gone");
        let ready = r#"{"call":"listen","error":null}"#;
        let told = failures.note(&Question::new(LISTEN), None);
        assert_eq!(told.as_deref(), Some(ready));
        assert_eq!(failures.note(&history("a"), None), None);
        let told = failures.note(&history("a"), Some(&error)).unwrap();
        assert_eq!(
            told,
            r#"{"call":"history","conversation":"a","error":{"code":"network","message":"gone"}}"#
        );
        assert_eq!(failures.note(&history("a"), Some(&error)), Some(told));
        assert_eq!(failures.note(&history("b"), None), None);
        let well = r#"{"call":"history","conversation":"a","error":null}"#;
        assert_eq!(failures.note(&history("a"), None).as_deref(), Some(well));
        assert_eq!(failures.note(&history("a"), None), None);
    }

    #[test]
    fn of_more_than_are_kept_the_failure_is_told_all_the_same() {
        let mut failures = Failures::default();
        let error = Error::new(ErrorCode::Network, "gone");
        for i in 0..2 * MOST {
            let of = Question::of("send", &Rc::from(i.to_string()));
            assert!(failures.note(&of, Some(&error)).is_some());
        }
        assert_eq!(failures.0.len(), MOST);
    }
}
