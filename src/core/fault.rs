//! Deliberate faults: each leaves out one clause of DESIGN.md's rules, to show that the simulation
//! would notice (`tests/faults.rs`). They are in the core only with the feature `faults`, which no
//! build of the product has: without it [`Fault::on`] is `false` when it is compiled, and nothing of
//! this is left.

use std::rc::Rc;

use super::engine::{Effect, Engine};
use super::records::{Local, LocalState};
use super::storage::{Durability, Table, Write};
use super::tx::Tx;
use super::types::{Conversation, Message};

macro_rules! faults {
    ($($(#[doc = $says:literal])+ $name:ident,)+) => {
        /// A clause that is left out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $says])+ $name,)+
        }

        #[cfg(feature = "faults")]
        impl Fault {
            /// All there are.
            pub const ALL: &[Fault] = &[$(Fault::$name,)+];

            /// The rule, and what goes wrong.
            pub fn says(self) -> &'static str {
                match self {
                    $(Fault::$name => concat!($($says),+).trim_ascii(),)+
                }
            }
        }
    };
}

faults! {
    /// R1: a batch counts whatever cursor it was asked with, and a push whatever it follows
    CursorIsNotCompared,
    /// R1: what a mailbox pushes counts also where something is missing before it
    PushedPastAGap,
    /// R2: a first message is live, whatever is known of the conversation
    UnprovenIsLive,
    /// R2: a message joins a fresh segment below it, whatever its `prev` says
    PrevIsNotLookedAt,
    /// R3: an update of a lower version wins
    OlderUpdateWins,
    /// R3: what a timeline shows is not replaced
    ShownCopyStays,
    /// R3: a `lastMessage` is not replaced
    LastMessageStays,
    /// R3: a recalled message loses its place
    RecalledLosesItsPlace,
    /// R4: the overflow is applied after the events of its batch
    OverflowAfterEvents,
    /// R4: what is kept over an overflow counts as fresh
    KeptIsFresh,
    /// R4: what was kept before takes the cursor of the next overflow
    KeptTakesTheNewCursor,
    /// R4: own messages go with the segments
    OutboxGoesWithTheOverflow,
    /// R4: the list is not owed after an overflow
    ListIsNotOwed,
    /// R4: the window is blank until a page comes
    WindowGoesBlank,
    /// R5: every page begins at the start
    StartAtEveryPage,
    /// R5: a page reaches down to the segment below it, whatever lies between
    PageReachesItsNeighbour,
    /// R5: what was kept stays inside a page that does not have it
    KeptStaysInsideThePage,
    /// R5: of two copies the one that comes last wins
    OlderPageWins,
    /// R6: a latest page is live without what was committed since it was asked for
    LiveWithoutReplay,
    /// R7: pages are not replayed onto
    NoJournal,
    /// R7: a page that was asked for before an overflow counts after it
    PageOutlivesTheOverflow,
    /// R7: a trim clips no page
    TrimClipsNoPage,
    /// R8: a local item goes when it is sent
    LocalGoesWhenSent,
    /// R8: a local item stays beside the message itself
    LocalStaysBesideItself,
    /// R8: the message does not take its local item's key
    KeyIsNotTaken,
    /// R9: the cursor is committed in a transaction before that of its messages
    CursorBeforeMessages,
    /// R9: a commit that failed counts
    FailedCommitCounts,
    /// R9: it is shown before it is committed
    ShownBeforeItsCommit,
    /// R9: deliveries are acknowledged before they are committed
    AcknowledgedBeforeItsCommit,
    /// R9: `send` resolves before the message is stored
    SendResolvesAtOnce,
    /// R10: deliveries are not remembered
    DeliveriesAreForgotten,
    /// R11: unread is counted from messages
    UnreadIsCounted,
    /// R11: what the list lacks is not removed
    SuspectsStay,
    /// R11: the list wins over events applied since it began
    ListWinsOverEvents,
    /// R12: the server cannot say what changed, and that counts as nothing
    GoneIsFresh,
    /// R13: an eviction leaves the segment as it is
    EvictionLeavesTheSegment,
    /// R13: what a timeline shows is evicted from under it
    ShownIsEvicted,
    /// Timelines: no gap item stands between two segments
    GapIsNotShown,
    /// Pulling: nothing is backed off from
    NoBackoff,
    /// Pulling: `Retry-After` is not obeyed
    RetryAfterIsIgnored,
    /// Pulling: `sync` resolves before the owed list is paid
    CaughtUpWithoutTheList,
    /// Sending: a message is tried again under another name
    RetriedUnderAnotherName,
    /// Sending: the newest goes first
    NewestGoesFirst,
    /// Sending: a message that is refused holds up the next
    RefusalHoldsUp,
}

impl Engine {
    /// [`Fault::CursorBeforeMessages`]
    pub(super) fn commit_cursor(&mut self, writes: &mut Vec<Write>, durability: Durability) {
        let of_meta = |write: &Write| {
            matches!(
                write,
                Write::Put {
                    table: Table::Meta,
                    ..
                }
            )
        };
        let (ahead, rest) = std::mem::take(writes).into_iter().partition(of_meta);
        *writes = rest;
        let op = self.number();
        self.effect(Effect::Commit {
            op,
            writes: ahead,
            durability,
        });
    }

    /// [`Fault::NewestGoesFirst`]
    pub(super) fn is_newest(&self, local: &Local) -> bool {
        let behind = |l: &&Rc<Local>| l.conversation == local.conversation && l.order > local.order;
        let mut behind = self.db.outbox.values().filter(behind);
        !behind.any(|l| l.state == LocalState::Queued)
    }
}

impl Tx<'_> {
    /// [`Fault::UnreadIsCounted`]
    pub(super) fn count_unread(&mut self, m: &Message) {
        let Some(state) = self.state(&m.conversation) else {
            return;
        };
        let unread = state.unread + 1;
        let state = Conversation::clone(&state);
        let state = Conversation { unread, ..state };
        self.set_state(&m.conversation, Some(state));
    }
}

#[cfg(not(feature = "faults"))]
impl Fault {
    #[inline(always)]
    pub(super) const fn on(self) -> bool {
        false
    }
}

#[cfg(feature = "faults")]
mod active {
    use std::cell::Cell;

    use super::Fault;

    thread_local! {
        static ACTIVE: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    impl Fault {
        /// From here on, on this thread.
        pub fn switch(active: Option<Fault>) {
            ACTIVE.set(active);
        }

        pub(in crate::core) fn on(self) -> bool {
            ACTIVE.get() == Some(self)
        }
    }
}
