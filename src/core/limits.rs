//! Every bound of the core, in one place, so that the simulation can draw each from its seed: a bound
//! that is never reached in a test is reached at a user's first (R14).

/// The bounds of one client. [`Default`] is what the product has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// bytes of blocks that stay in memory once nobody needs them: several windows' worth. What a
    /// job or a window needs is held besides, however much it is.
    pub cached_bytes: usize,
    /// messages in a full block: many enough that a record's overhead (0.1 ms in Chromium) is shared,
    /// few enough that appending one message rewrites little
    pub block_messages: usize,
    /// bytes in a full block of large messages. Chromium keeps larger values than 64 KiB in files
    /// beside the database, which is slower, and one more thing that can be lost.
    pub block_bytes: usize,
    /// segments of one conversation from which on a message that joins none makes no other (R2)
    pub segments: usize,
    /// mailbox deliveries that are remembered (R10)
    pub deliveries: usize,
    /// own messages that have left the outbox, and whose names are remembered (R8)
    pub left: usize,
    /// new messages of others that wait for a push to tell them, and as many that one has told
    pub news: usize,
    /// commits that are kept while a client that follows reads what is stored: where there are more it reads again (R15)
    pub kept: usize,
    /// what the writer has answered its followers, for those that ask again: more than they ask for at a time (R15)
    pub answers: usize,
    /// conversations of which what was missed is read together (R15)
    pub missed: usize,
    /// how often the server fails over a message (5xx) before it is that message that is at fault, if
    /// it takes others
    pub send_faults: u32,
    /// sends under way that have not failed before, and as many that have: the pull comes first
    pub sends: usize,
    /// the same of read marks
    pub marks: usize,
    /// events in a journal (R7, R11): whoever has waited for longer asks anew
    pub journal: usize,
    /// conversations asked for in a page of the list
    pub list_page: u32,
    /// messages in the largest page that a list asks for by itself
    pub page: usize,
    /// pages that covering a window again may take: more is a server going in a circle
    pub pages: u32,
    /// pages that bring nothing and move on, for one call (R5)
    pub void_pages: u32,
    /// pages that are fetched ahead while nobody moves
    pub ahead: u32,
    /// blocks in which a time is looked for before the server is asked for it
    pub proof: usize,
    /// ms after which a list's call settles, and its opening says what there is, where nothing goes on
    pub settle: u64,
    /// ms that a window waits for what may say where it goes: the list, an owed pull
    pub soon: u64,
    /// items of a window, and messages asked for at a time, whatever the app says
    pub items: usize,
    /// conversations of an account: all of them are in memory
    pub conversations: usize,
    /// conversations that notifications have named since the last pull; more are all
    pub named: usize,
    /// events of pushes that are applied in one commit
    pub merged: usize,
    /// batches in a row that have more and bring nothing: then the server is going in a circle
    pub empty: u32,
    /// batches in a row that have more and change nothing, for all that they bring is known (R10): as
    /// many messages as a client holds, by 500
    pub known: u32,
    /// commits that find the disk full, and evictions that made no room, before the job that needed it
    /// fails
    pub evictions: u32,
    /// ms until anything is evicted again after that; twice as long each time that it is in vain
    pub room_again: u64,
    /// ms until a conversation may be in doubt again, the first time (R14)
    pub doubt_wait: u64,
    /// ms until it may be after a doubt that brought nothing, and at most
    pub doubt_rest: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            cached_bytes: 4 << 20,
            block_messages: 128,
            block_bytes: 60 << 10,
            segments: 1_000,
            deliveries: 10_000,
            left: 1_000,
            news: 100,
            kept: 64,
            answers: 64,
            missed: 64,
            send_faults: 5,
            sends: 2,
            marks: 2,
            journal: 100_000,
            list_page: 200,
            page: 200,
            pages: 50,
            void_pages: 20,
            ahead: 4,
            proof: 8,
            settle: 10_000,
            soon: 3_000,
            items: 100_000,
            conversations: 100_000,
            named: 1_000,
            merged: 1_000,
            empty: 50,
            known: 2_000,
            evictions: 2,
            room_again: 600_000,
            doubt_wait: 60_000,
            doubt_rest: 3_600_000,
        }
    }
}
