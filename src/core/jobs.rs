//! Jobs: what changes the database, one transaction each, one after the other.
//!
//! ```text
//!  push ──▶ Queued ──▶ Reading (its transaction lacks blocks) ──▶ Committing ──▶ done
//! ```
//!
//! Only the first is more than queued.

use std::collections::VecDeque;
use std::rc::Rc;

use super::block::BlockId;
use super::command::Call;
use super::error::Error;
use super::events::Event;
use super::records::{Left, Local, Name, Wish};
use super::storage::{Durability, Key};
use super::tx::Commit;
use super::types::Message;
use super::wire::batch::FeedBatch;
use super::wire::list::ListPage;
use super::wire::page::{ChangesPage, Page};

/// One change of the database.
#[derive(Debug)]
pub(super) enum Job {
    /// batches that a pull or a push has brought (R1–R4)
    Batch {
        /// at most one of each feed
        parts: Vec<FeedBatch>,
        /// it came over the notification channel, not asked for
        pushed: bool,
    },
    /// a page of history (R5)
    Page {
        fetch: u64,
        page: Page,
    },
    /// what has changed in a kept segment (R12)
    Changes {
        fetch: u64,
        answer: ChangesPage,
    },
    /// the server cannot say what changed (status 410, R12)
    Gone {
        fetch: u64,
    },
    /// a page of the owed list (R11); `epoch`: of which beginning
    List {
        page: ListPage,
        epoch: u64,
    },
    /// what a chain that has ended says of conversations that the list lacked (R11)
    Suspects {
        /// the list is paid, and a pull begun after that has caught up
        paid: bool,
        /// listed before that pull, and without a cursor (scope "conversation")
        unnamed: Vec<Rc<str>>,
    },
    /// a change of the outbox
    Own(Own),
    /// when a conversation was opened, ms since the epoch (R13)
    Opened {
        conversation: Rc<str>,
        at: u64,
    },
    /// about so many messages make room (R13)
    Evict {
        count: u64,
    },
    /// what was stored and cannot be read
    Corrupt {
        blocks: Vec<BlockId>,
        /// conversations whose block index could not be read
        indexes: Vec<Rc<str>>,
        /// conversations whose state could not be read
        states: Vec<Rc<str>>,
        /// the account's record is written anew
        meta: bool,
        /// of the client that follows and has found it
        call: Option<Call>,
    },
    /// the doubt that is stored of this conversation is taken up (R14)
    Doubt {
        conversation: Rc<str>,
    },
    Restore {
        left: Vec<Left>,
        next_order: u64,
        locals: Vec<Rc<Local>>,
        marks: Vec<(Rc<str>, u64)>,
    },
    End {
        wipe: bool,
    },
}

/// What changes the outbox: an own message, a read mark, an edit or a recall. These go first.
#[derive(Debug)]
pub(super) enum Own {
    Update {
        call: Call,
        message: Rc<Message>,
        /// what it answers ("edit", "recall"); `None`: another client has asked
        asked: Option<&'static str>,
    },
    Put {
        local: Rc<Local>,
        call: Call,
    },
    /// it is about to be tried
    Attempt {
        name: Name,
    },
    /// the server has it; what it said of it, where that could be read
    Sent {
        name: Name,
        message: Option<Rc<Message>>,
    },
    /// the server refuses it for good
    Failed {
        name: Name,
        error: Error,
    },
    /// it is tried again
    Later {
        name: Name,
        error: Error,
    },
    Retry {
        conversation: Option<String>,
        client_id: String,
        call: Call,
    },
    Discard {
        conversation: Option<String>,
        client_id: String,
        call: Call,
    },
    Mark {
        conversation: Rc<str>,
        seq: u64,
        call: Call,
    },
    MarkDone {
        conversation: Rc<str>,
        seq: u64,
    },
    /// a push tells what is new, under this name (docs/rules.md, "Told once")
    Tell {
        call: Call,
        telling: u64,
    },
    /// a client on screen shows these
    Shown {
        news: Vec<(Rc<str>, u64)>,
    },
    /// what clients that do not write want done (R15)
    Grant {
        wishes: Vec<(Key, Rc<Wish>)>,
    },
}

impl Job {
    pub fn durability(&self) -> Durability {
        match self {
            // Before `send` resolves, or a discarded message is said to be gone (R9), or what was told is told.
            Job::Own(
                Own::Put { .. }
                | Own::Retry { .. }
                | Own::Discard { .. }
                | Own::Mark { .. }
                | Own::Tell { .. },
            )
            | Job::Restore { .. } => Durability::Strict,
            // Before it is acknowledged (R9).
            Job::Batch { parts, .. } if parts.iter().any(|p| p.feed.is_acknowledged()) => {
                Durability::Strict
            }
            _ => Durability::Relaxed,
        }
    }

    /// Where what it brings was read, as `irregular` says it.
    pub fn place(&self) -> &'static str {
        match self {
            Job::Batch { pushed: true, .. } => "push",
            Job::Batch { .. } => "batch",
            Job::Page { .. } => "page",
            Job::Changes { .. } | Job::Gone { .. } => "changes",
            Job::List { .. } => "list",
            Job::Own(Own::Update { .. } | Own::Sent { .. }) => "answer",
            _ => "stored",
        }
    }

    /// What it answers, where the place does not say it.
    pub fn asked(&self) -> Option<&'static str> {
        match self {
            Job::Own(Own::Update { asked, .. }) => *asked,
            Job::Own(Own::Sent { .. }) => Some("send"),
            _ => None,
        }
    }

    /// Whether it is the outbox's: those go first.
    fn is_own(&self) -> bool {
        matches!(self, Job::Own(_))
    }

    /// Whether somebody waits for it: the app that has called, or closes the client.
    pub fn is_waited_for(&self) -> bool {
        self.call().is_some() || matches!(self, Job::End { .. })
    }

    /// Whether somebody waits for what becomes of it: the app that has called, a pull under way, or a list.
    pub fn holds_somebody_up(&self) -> bool {
        match self {
            Job::Own(own) => own.call().is_some(),
            Job::Batch { .. }
            | Job::Page { .. }
            | Job::Changes { .. }
            | Job::Gone { .. }
            | Job::List { .. }
            | Job::Suspects { .. } => true,
            _ => false,
        }
    }

    /// The call that waits for this job's outcome.
    pub fn call(&self) -> Option<Call> {
        match self {
            Job::Own(own) => own.call(),
            Job::Corrupt { call, .. } => *call,
            _ => None,
        }
    }
}

impl Own {
    /// The call that waits for this job's outcome.
    pub fn call(&self) -> Option<Call> {
        match self {
            Own::Update { call, .. }
            | Own::Put { call, .. }
            | Own::Retry { call, .. }
            | Own::Discard { call, .. }
            | Own::Mark { call, .. }
            | Own::Tell { call, .. } => Some(*call),
            Own::Attempt { .. }
            | Own::Sent { .. }
            | Own::Failed { .. }
            | Own::Later { .. }
            | Own::MarkDone { .. }
            | Own::Shown { .. }
            | Own::Grant { .. } => None,
        }
    }
}

/// What a job comes to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub commit: Commit,
    /// the events of its batches, for the journals of what was asked for before them (R7, R11)
    pub events: Vec<Event>,
    /// what those that follow are told of it (R15)
    pub delta: Option<Vec<u8>>,
}

/// How far the first job is.
#[derive(Debug, Default)]
enum First {
    #[default]
    Queued,
    /// Its transaction waits for blocks.
    Reading,
    /// Its transaction is on its way into the store, as this operation.
    Committing { op: u64, outcome: Box<Outcome> },
}

/// The jobs, in the order in which they run.
#[derive(Debug, Default)]
pub(super) struct JobQueue {
    jobs: VecDeque<Job>,
    first: First,
    /// Which of them an eviction before it makes room for. It may be let go of meanwhile, and own
    /// messages may go before it.
    needy: Option<usize>,
}

impl JobQueue {
    /// Behind all others.
    pub fn push(&mut self, job: Job) {
        debug_assert!(!job.is_own(), "what is the outbox's goes before others");
        self.jobs.push_back(job);
    }

    /// Own messages go before what the server has brought, in their order: they are few, somebody
    /// waits for them, and neither changes what the other says.
    pub fn push_own(&mut self, own: Own) {
        // The first may be under way already.
        let begun = usize::from(!matches!(self.first, First::Queued));
        // What was put before all else stays there.
        let urgent = |job: &&Job| {
            matches!(
                job,
                Job::Restore { .. } | Job::Corrupt { .. } | Job::Evict { .. }
            )
        };
        let urgent = self.jobs.iter().take_while(urgent).count();
        let last = self.jobs.iter().rposition(Job::is_own);
        let at = last.map_or(0, |at| at + 1).max(urgent).max(begun);
        let at = at.min(self.jobs.len());
        self.jobs.insert(at, Job::Own(own));
        self.needy = self.needy.map(|needy| needy + usize::from(at <= needy));
    }

    /// Before all others.
    pub fn push_first(&mut self, job: Job) {
        debug_assert!(
            !self.is_committing(),
            "nothing goes before a commit under way"
        );
        self.jobs.push_front(job);
        self.needy = self.needy.map(|needy| needy + 1);
    }

    /// An eviction goes before the first, which found no room.
    pub fn make_room(&mut self, count: u64) {
        self.needy = Some(0);
        self.push_first(Job::Evict { count });
    }

    /// Takes out the one that room was made for, if it is still there.
    pub fn take_needy(&mut self) -> Option<Job> {
        debug_assert!(matches!(self.first, First::Queued), "it is tried no more");
        self.jobs.remove(self.needy.take()?)
    }

    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The first, if any.
    pub fn first(&self) -> Option<&Job> {
        self.jobs.front()
    }

    pub fn into_iter(self) -> impl Iterator<Item = Job> {
        self.jobs.into_iter()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    // ------------------------------------------------------------ the first one

    /// Takes the first out, to be run, or because it is over.
    pub fn pop(&mut self) -> Option<Job> {
        debug_assert!(!self.is_committing(), "a commit under way is not let go");
        self.first = First::Queued;
        self.needy = self.needy.and_then(|needy| needy.checked_sub(1));
        self.jobs.pop_front()
    }

    /// It needs blocks: it is first again once they were read.
    pub fn reads(&mut self, job: Job) {
        self.push_first(job);
        self.first = First::Reading;
    }

    /// It is being committed.
    pub fn commits(&mut self, job: Job, op: u64, outcome: Box<Outcome>) {
        self.push_first(job);
        self.first = First::Committing { op, outcome };
    }

    /// Whether the first waits for blocks.
    pub fn is_reading(&self) -> bool {
        matches!(self.first, First::Reading)
    }

    /// The first does not wait for its blocks any more. Answers whether it did.
    pub fn stop_reading(&mut self) -> bool {
        let reading = self.is_reading();
        if reading {
            self.first = First::Queued;
        }
        reading
    }

    pub fn is_committing(&self) -> bool {
        matches!(self.first, First::Committing { .. })
    }

    /// This operation has ended. What it was to commit, if it is the one under way; the job stays first.
    pub fn committed(&mut self, ended: u64) -> Option<Outcome> {
        match std::mem::take(&mut self.first) {
            First::Committing { op, outcome } if op == ended => Some(*outcome),
            other => {
                self.first = other;
                None
            }
        }
    }

    /// Lets go of a commit that is under way: it may be done or not, and its answer is void. Answers the call that
    /// waits for it.
    pub fn forget_commit(&mut self) -> Option<Call> {
        if !self.is_committing() {
            return None;
        }
        self.first = First::Queued;
        self.first().and_then(Job::call)
    }

    /// How many are being committed: one or none. That is the first, and it stays.
    fn committing(&self) -> usize {
        usize::from(self.is_committing())
    }

    // ------------------------------------------------------------ all of them

    /// Lets go of those of which this is false, but not of one that is being committed.
    pub fn retain(&mut self, keep: impl Fn(&Job) -> bool) {
        let mut committing = self.is_committing();
        self.sift(|job| std::mem::take(&mut committing) || keep(job));
    }

    /// Takes out those of which this is true. None may be under way.
    pub fn take(&mut self, which: impl Fn(&Job) -> bool) -> VecDeque<Job> {
        debug_assert!(!self.is_committing(), "a commit under way is not let go");
        self.sift(|job| !which(job))
    }

    /// The one that this call waits for.
    pub fn take_call(&mut self, call: Call) -> Option<Job> {
        self.sift(|job| job.call() != Some(call)).pop_front()
    }

    /// Takes out those of which this is false.
    fn sift(&mut self, mut keep: impl FnMut(&Job) -> bool) -> VecDeque<Job> {
        let needy = self.needy.take();
        let mut taken = VecDeque::new();
        let mut begun = true;
        for (at, job) in std::mem::take(&mut self.jobs).into_iter().enumerate() {
            if !keep(&job) {
                begun &= at > 0;
                taken.push_back(job);
                continue;
            }
            if needy == Some(at) {
                self.needy = Some(self.jobs.len());
            }
            self.jobs.push_back(job);
        }
        // The one that had begun is taken out: the next is first now, and waits for no block.
        if !begun {
            self.stop_reading();
        }
        taken
    }

    // ------------------------------------------------------------ what was pushed

    /// Whether pushed events wait for their commit.
    pub fn has_uncommitted_push(&self) -> bool {
        let pushed = |job: &Job| matches!(job, Job::Batch { pushed: true, .. });
        self.jobs.iter().any(pushed)
    }

    /// The pushed events whose transaction has not begun count as notifications.
    pub fn drop_pushes(&mut self) {
        self.retain(|job| !matches!(job, Job::Batch { pushed: true, .. }));
    }

    /// The newest of the pushed events that wait for their commit.
    pub fn last_push(&mut self) -> Option<&mut FeedBatch> {
        self.jobs.iter_mut().rev().find_map(pushed_part)
    }

    /// The same, if it may still grow: its transaction has not begun.
    pub fn waiting_push(&mut self) -> Option<&mut FeedBatch> {
        let begun = self.committing();
        let last = self.jobs.iter_mut().skip(begun).next_back();
        last.and_then(pushed_part)
    }
}

fn pushed_part(job: &mut Job) -> Option<&mut FeedBatch> {
    match job {
        Job::Batch {
            parts,
            pushed: true,
        } => parts.last_mut(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(client_id: &str) -> Own {
        let name = ("c".into(), client_id.to_owned());
        Own::Attempt { name }
    }

    /// A letter each: "e"viction, "g"one, and own ones by their name.
    fn shown(jobs: &JobQueue) -> String {
        let letter = |job: &Job| match job {
            Job::Evict { .. } => "e".to_owned(),
            Job::Gone { .. } => "g".to_owned(),
            Job::Own(Own::Attempt { name }) => name.1.clone(),
            _ => "?".to_owned(),
        };
        jobs.iter().map(letter).collect()
    }

    fn gone() -> Job {
        Job::Gone { fetch: 1 }
    }

    #[test]
    fn own_ones_go_before_others_in_their_order() {
        let mut jobs = JobQueue::default();
        jobs.push(gone());
        jobs.push_own(attempt("1"));
        jobs.push(gone());
        jobs.push_own(attempt("2"));
        assert_eq!(shown(&jobs), "12gg");
        jobs.push_first(Job::Evict { count: 1 });
        jobs.push_own(attempt("3"));
        assert_eq!(shown(&jobs), "e123gg");
    }

    #[test]
    fn who_takes_the_place_of_one_that_waits_for_blocks_has_not_begun() {
        let mut jobs = JobQueue::default();
        jobs.reads(gone());
        jobs.push(Job::End { wipe: false });
        jobs.retain(Job::is_waited_for);
        assert!(!jobs.is_reading() && jobs.first().is_some());
    }

    #[test]
    fn what_room_was_made_for_is_found_again_or_gone() {
        let mut jobs = JobQueue::default();
        jobs.push(gone());
        jobs.push(Job::Doubt {
            conversation: "c".into(),
        });
        jobs.make_room(1);
        jobs.push_own(attempt("1"));
        assert_eq!(shown(&jobs), "e1g?");
        jobs.pop();
        jobs.retain(|job| !job.is_own());
        assert!(matches!(jobs.take_needy(), Some(Job::Gone { .. })));
        assert_eq!(
            (shown(&jobs).as_str(), jobs.take_needy().is_none()),
            ("?", true)
        );
        jobs.make_room(1);
        jobs.retain(|job| matches!(job, Job::Evict { .. }));
        assert!(jobs.take_needy().is_none());
        // One that is tried again needs none any more.
        jobs.push(gone());
        jobs.pop();
        jobs.make_room(1);
        jobs.pop();
        jobs.pop();
        jobs.push(gone());
        assert!(jobs.take_needy().is_none());
    }

    #[test]
    fn nothing_goes_before_what_is_under_way() {
        let mut jobs = JobQueue::default();
        jobs.reads(gone());
        jobs.push_own(attempt("1"));
        assert_eq!((shown(&jobs).as_str(), jobs.is_reading()), ("g1", true));
        jobs.stop_reading();
        jobs.push_own(attempt("2"));
        assert_eq!(shown(&jobs), "g12");
    }

    #[test]
    fn what_is_being_committed_is_not_let_go() {
        let mut jobs = JobQueue::default();
        let outcome = Outcome {
            commit: Commit::default(),
            events: Vec::new(),
            delta: None,
        };
        jobs.push_own(attempt("1"));
        jobs.commits(gone(), 7, Box::new(outcome));
        jobs.retain(|_| false);
        assert_eq!(shown(&jobs), "g");
        assert!(jobs.committed(6).is_none() && jobs.is_committing());
        assert!(jobs.committed(7).is_some() && !jobs.is_committing());
        jobs.retain(|_| false);
        assert!(jobs.is_empty());
    }
}
