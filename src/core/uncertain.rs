//! Commits that may be applied or not: the store fell silent, or was lost while it committed. What is
//! stored is read again; what somebody waits for is done once more.

use super::command::Call;
use super::error::Error;

/// The commits in a row of which nothing is known, and who waits.
#[derive(Debug, Default)]
pub(super) struct Uncertain {
    /// uncertain commits in a row
    count: u32,
    /// The call that waits for a commit of which nothing was heard, and the error that it gets where
    /// what is stored does not show the commit as done: it may still be done later.
    waits: Option<(Call, Error)>,
}

impl Uncertain {
    /// A commit is known to be done.
    pub fn on_commit(&mut self) {
        self.count = 0;
    }

    /// One more commit is uncertain. Answers whether it is the second in a row: then who waits is answered (R14).
    pub fn add(&mut self) -> bool {
        self.count += 1;
        self.count > 1
    }

    /// Nothing was heard of the commit that this call waits for.
    pub fn set_waiting(&mut self, call: Option<Call>, error: &Error) {
        self.waits = call.map(|call| (call, error.clone()));
    }

    /// Who waits for one of which nothing was heard.
    pub fn waiting(&self) -> Option<Call> {
        self.waits.as_ref().map(|(call, _)| *call)
    }

    /// The call does not wait any more: takes it out, with its error.
    pub fn take(&mut self) -> Option<(Call, Error)> {
        self.waits.take()
    }

    /// The error for this call, if it is the one that waits: takes it out.
    pub fn take_of(&mut self, of: Option<Call>) -> Option<Error> {
        let waits = self.waits.take_if(|(call, _)| Some(*call) == of);
        waits.map(|(_, error)| error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::ErrorCode;
    use super::*;

    #[test]
    fn who_waits_hears_of_it_once_and_the_second_in_a_row_is_the_last() {
        let mut uncertain = Uncertain::default();
        let error = Error::new(ErrorCode::Storage, "silent");
        assert!(!uncertain.add());
        uncertain.set_waiting(Some(5), &error);
        assert_eq!(uncertain.take_of(None), None);
        assert_eq!(uncertain.take_of(Some(4)), None);
        assert_eq!(uncertain.waiting(), Some(5));
        assert_eq!(uncertain.take_of(Some(5)), Some(error));
        assert_eq!(uncertain.take(), None);
        assert!(uncertain.add());
        uncertain.on_commit();
        assert!(!uncertain.add());
    }
}
