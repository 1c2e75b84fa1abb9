//! Deliberate faults: each leaves out one clause of docs/rules.md's rules, to show that the simulation
//! would notice (`tests/faults.rs`). They are in the core only with the feature `faults`, which no
//! build of the product has: without it [`Fault::on`] is `false` when it is compiled, and nothing of
//! this is left.

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
    /// R3, R5, R7: of two copies the one that comes last wins
    LastCopyWins,
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
    /// R9: a client that may have slept does not ask whether another one has the account
    WakesWithoutItsFence,
    /// R9: a commit of which nothing was heard counts as one that failed
    DoubtIsFailure,
    /// R14: a disk that stays full has more and more evicted
    EvictsInVain,
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
    /// R14: what had to be left out puts nothing in doubt
    NothingIsDoubted,
    /// R14: a doubt of all conversations is none of any
    MarkIsNotTaken,
    /// R14: a load, a jump, an opening waits for ever for what has fallen silent
    CallsWaitForEver,
    /// R14: a conversation is in doubt as often as a batch lacks something
    DoubtsNeverRest,
    /// R14: of two copies of one version the one held stays, however much of it was put right
    RepairsAreNotCompared,
    /// R11: what a list with a nameless entry lacks is removed
    NamelessIsNobody,
    /// R14: a block that cannot be read leaves its segment whole
    NothingIsCutOut,
    /// Timelines: no gap item stands between two segments
    GapIsNotShown,
    /// Pulling: nothing is backed off from
    NoBackoff,
    /// Pulling: what forgives a backoff does so also at the moment of the failure
    ForgivenAtOnce,
    /// Pulling: `Retry-After` is not obeyed
    RetryAfterIsIgnored,
    /// Pulling: a size that is too much is asked for again as it is
    TooMuchStaysTooMuch,
    /// Pulling: bytes that arrive do not put a time-out off
    ProgressIsNotHeard,
    /// Pulling: what the browser says of the network forbids every request
    HintForbids,
    /// Pulling: notifications of a conversation that fails put the others' timer off
    FailingHoldsUpTheTimer,
    /// Pulling: `sync` resolves before the owed list is paid
    CaughtUpWithoutTheList,
    /// Sending: a message is tried again under another name
    RetriedUnderAnotherName,
    /// Sending: the newest goes first
    NewestGoesFirst,
    /// Sending: a message that is refused holds up the next
    RefusalHoldsUp,
    /// Sending: a message that the server fails over is never at fault
    ServersFaultHoldsUp,
    /// Sending: the request of a discarded message goes on
    DiscardAbortsNothing,
    /// Sending: the names of own messages that have left the outbox are forgotten
    LeftIsForgotten,
    /// R9: an edit leaves before the fence is known
    EditLeavesUnfenced,
    /// Told once: what was told is not marked
    ToldIsForgotten,
    /// Told once: what a client on screen shows is told as well
    ShownIsNews,
    /// R15: a follower takes a commit over, whatever it is of
    DeltaOfAnyBase,
    /// R15: a wish that was taken up is taken up again
    WishIsTakenUpTwice,
    /// R15: a wish stays stored when it is taken up
    WishStaysStored,
    /// R15: a follower that lacks a commit does not read what is stored
    GapIsNotReadAgain,
    /// R15: who reads what is stored reads it without the blocks of what is shown
    LoadTakesNoBlocks,
    /// R15: who writes from now on takes what it knows for what is stored
    StampIsNotCompared,
    /// R15: a writer that does not answer is not asked again, nor is the next one
    AskIsNotRepeated,
    /// R15: a writer of which a client that asks for nothing hears nothing is never found stuck
    SilenceIsNotStuck,
    /// R15: an answer of the writer counts before its commit is here
    ReplyBeforeItsCommit,
    /// R15: what a follower's user wants done is a job, and no wish
    FollowerQueuesAJob,
    /// R13: what others show is evicted
    NeedsOfOthersAreIgnored,
    /// R15: the writer takes up what it is told of, and not what is stored
    GrantFromTheSignal,
    /// R15: a client that is promoted forgets what it has asked the writer before it
    PromotedForgetsItsAsks,
    /// R15: what a writer was to do goes when it is fenced
    FencedOwnIsDropped,
    /// R15: nobody looks for wishes of which nobody was told
    NobodyRemindsOfWishes,
    /// R3: an edit that the writer has done is not shown by who has asked for it
    AnswerIsNotShown,
    /// R15: a block that a later commit has changed counts as lost
    ChangedBlockIsLost,
    /// R15: what comes while the work moves is told as caught up with by who writes now
    MoveIsNotLive,
    /// R15: who finds its database lost writes to the one in its place before it is its own
    LostIsWrittenTo,
    /// R15: a follower that finds its database lost does not read what is stored in its place
    LostIsNotReadAgain,
    /// R15: a writer whose fence in the database in the place of a lost one comes late does not look what is in it
    ReplacedIsNotRead,
    /// R15: own messages of a lost database are its writer's alone to keep, and go with it
    LostOwnGoesWithItsWriter,
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
