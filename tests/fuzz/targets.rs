//! What is fuzzed: everything that reads bytes from outside. Each target takes any bytes and must not
//! panic; what it accepts must survive being stored, and break no invariant.
//!
//! libFuzzer drives them (`npm run fuzz`), and `tests/corpus.rs` runs the inputs that were kept.

use std::collections::VecDeque;
use std::rc::Rc;

use pullcord::core::block;
use pullcord::core::codec::{Corrupt, Writer};
use pullcord::core::command::Command;
use pullcord::core::events;
use pullcord::core::limits::Limits;
use pullcord::core::map::Set;
use pullcord::core::net::{Error, ErrorCode, Notice, Place};
use pullcord::core::node::{MAX_NESTING, is_fit};
use pullcord::core::options::OverflowPolicy;
use pullcord::core::records::{self, MetaRecord, OutboxRecord};
use pullcord::core::storage::{Read, StoreError, Table};
use pullcord::core::tx::{Committed, Stop, Tx};
use pullcord::core::types::{Feed, Message, Seq};
use pullcord::core::wire;
use pullcord::core::wire::batch::FeedBatch;
use pullcord::core::wire::limits::MAX_BODY;
use pullcord::core::wire::notification::{Frame, PUSH_MAX};
use pullcord::core::{Config, Effect, Engine, Input, Now};
use pullcord::store::Memory;
use serde_json::value::RawValue;

/// Takes any bytes.
type Target = fn(&[u8]);

/// By name.
pub const TARGETS: [(&str, Target); 7] = [
    ("batch", batch),
    ("page", page),
    ("notice", notice),
    ("stored", stored),
    ("command", command),
    ("engine", engine),
    ("signal", signal),
];

/// Bytes of an error's message at most: two names, each character escaped.
const MESSAGE_MAX: usize = 200_000;

fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// The value, or an error that is the server's fault and says so briefly.
fn read<T>(result: Result<T, Error>) -> Option<T> {
    result
        .map_err(|error| {
            assert_eq!(error.code, ErrorCode::Protocol, "{error}");
            assert!(error.message.len() <= MESSAGE_MAX);
        })
        .ok()
}

// ---------------------------------------------------------------- the database

/// A client's state, and the store that it must always be the same as.
#[derive(Default)]
struct Disk {
    db: Committed,
    store: Memory,
}

impl Disk {
    /// Makes this the place where a batch was asked from; what came before it was applied.
    fn is_at(&mut self, part: &FeedBatch) {
        self.change(|tx| {
            tx.meta().cursor.clone_from(&part.asked);
            tx.meta().begun = part.asked.is_some();
            Ok(())
        });
        let (Feed::Conversation(id), Some(cursor)) = (&part.feed, &part.asked) else {
            return;
        };
        let (key, value) = (records::cursor_key(id), records::write_cursor(id, cursor));
        let table = Table::Meta;
        let write = pullcord::core::storage::Write::Put { table, key, value };
        self.store
            .commit(&[write])
            .expect("memory takes everything");
        self.db = loaded(&self.store);
    }

    /// Does it in one transaction, as the engine would. Answers whether it was not void.
    fn change(&mut self, run: impl Fn(&mut Tx) -> Result<(), Stop>) -> bool {
        for _ in 0..100 {
            let limits = Limits::default();
            let mut tx = Tx::new(&self.db, &limits);
            let done = run(&mut tx).and_then(|()| tx.complete());
            match done {
                Ok(()) => {
                    let mut commit = tx.commit;
                    let writes = commit.encode(&self.db, 1, &limits);
                    self.store.commit(&writes).expect("memory takes everything");
                    self.db.apply(commit);
                    self.check();
                    return true;
                }
                Err(Stop::Void) => return false,
                Err(Stop::Need) => {
                    let ids: Vec<_> = tx.missing().collect();
                    let reads = self.db.block_reads(&ids);
                    let answers = self.store.read(&reads).expect("memory is open");
                    let lost = self.db.take_blocks(&ids, answers);
                    assert!(lost.is_empty(), "a block that was stored does not check");
                }
            }
        }
        panic!("a transaction that needs blocks without end");
    }

    /// What was stored reads back equal.
    fn check(&self) {
        let loaded = loaded(&self.store);
        assert_eq!(loaded.meta(), self.db.meta());
        assert_eq!(loaded.stamp(), self.db.stamp());
        assert_eq!(loaded.messages(), self.db.messages());
        assert_eq!(loaded.list(), self.db.list());
        assert_eq!(loaded.histories(), self.db.histories());
        assert_eq!(loaded.cursors(), self.db.cursors());
        assert_eq!(loaded.deliveries(), self.db.deliveries());
        assert_eq!(loaded.outbox(), self.db.outbox());
        assert_eq!(loaded.marks(), self.db.marks());
    }
}

/// The database, all of whose records and blocks check, and agree with each other.
fn loaded(store: &Memory) -> Committed {
    let tables = store.read(&records::load()).expect("memory is open");
    let (db, lost) = Committed::load(tables);
    assert_eq!(lost.count(), 0, "records that do not check");
    let mut blocks = 0;
    for (id, held) in db.histories() {
        for b in &held.blocks {
            let key = records::block_key(id, b.lo);
            let table = Table::Blocks;
            let (lo, hi) = (key.clone(), key);
            let bytes = store
                .read(&[Read::Range { table, lo, hi }])
                .expect("it is open");
            let bytes = bytes[0]
                .values
                .first()
                .expect("a block of the index is stored");
            let messages = block::decode(id, bytes).expect("a block checks");
            ascends(&messages);
            assert_eq!(messages.len(), b.count as usize);
            assert!(messages.len() <= Limits::default().block_messages);
            assert_eq!(messages.first().map(|m| m.seq.0), Some(b.lo));
            assert_eq!(messages.last().map(|m| m.seq.0), Some(b.hi));
            blocks += 1;
        }
    }
    let stored = store.read(&[Read::All {
        table: Table::Blocks,
    }]);
    assert_eq!(
        stored.expect("it is open")[0].values.len(),
        blocks,
        "stray blocks"
    );
    db
}

fn ascends(messages: &[Rc<Message>]) {
    assert!(messages.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

// ---------------------------------------------------------------- what the server says

/// Answers to pulls of all scopes, and pushes.
pub fn batch(data: &[u8]) {
    let text = text(data);
    let cursors = [("c".into(), "1".to_owned()), ("d".into(), "2".to_owned())];
    let mut told: Vec<Vec<FeedBatch>> = Vec::new();
    let mut tell = |feed: Feed, asked: Option<&str>, batch| {
        let asked = asked.map(str::to_owned);
        told.push(vec![FeedBatch { feed, asked, batch }]);
    };
    for asked in [None, Some("1")] {
        if let Some(batch) = read(wire::batch::batch(text, asked)) {
            tell(Feed::Account, asked, batch);
        }
    }
    if let Some(batch) = read(wire::batch::mailbox(text)) {
        tell(Feed::Mailbox, None, batch);
    }
    if let Some(push) = read(wire::batch::push(text)) {
        let feed = match push.prev {
            Some(_) => Feed::Account,
            None => Feed::Mailbox,
        };
        tell(feed, push.prev.as_deref(), push.batch);
    }
    told.extend(read(wire::batch::batches(text, &cursors)).map(|answer| answer.parts));
    for parts in told {
        for policy in [OverflowPolicy::Clear, OverflowPolicy::Keep] {
            let mut disk = Disk::default();
            for part in &parts {
                disk.is_at(part);
                let apply = |tx: &mut Tx| tx.batch(part, policy, true).map(|_| ());
                disk.change(apply);
                disk.change(apply);
            }
        }
    }
}

/// Pages, changes, the conversation list, and the answer to a send.
pub fn page(data: &[u8]) {
    let text = text(data);
    let c: Rc<str> = "c".into();
    let places = [
        Place::Latest,
        Place::Before(Seq(1 << 32)),
        Place::After(Seq(2)),
        Place::Around(Seq(7)),
        Place::At(1_700_000_000_000),
    ];
    let mut disk = Disk::default();
    for place in places {
        if let Some(page) = read(wire::page::page(text, &c, place)) {
            ascends(&page.messages);
            disk.change(|tx| tx.page(&c, place, &page, 200, &[]));
        }
    }
    if let Some(changed) = read(wire::page::changes(text, &c, 1, u64::MAX)) {
        ascends(&changed.messages);
        disk.change(|tx| tx.changes(&c, "1", (1, u64::MAX), &changed, &[]));
    }
    if let Some(page) = read(wire::list::list_page(text, Some("p"))) {
        assert_ne!(page.next.as_deref(), Some("p"));
        disk.change(|tx| {
            tx.list_page(&page, &Set::new(), false, &[]);
            Ok(())
        });
    }
    let answered = read(wire::answer::answer(text, &c));
    if let Some(message) = answered.and_then(|answered| answered.message) {
        assert_eq!(message.conversation, c);
        let block = vec![message];
        assert_eq!(
            block::decode(&c, &block::encode(&c, &block)).as_ref(),
            Ok(&block)
        );
        let message = block[0].clone();
        disk.change(|tx| events::apply_updated(tx, &message));
    }
}

/// Frames of the notification channel.
pub fn notice(data: &[u8]) {
    let text = text(data);
    match Frame::read(text.to_owned()) {
        Frame::Notice(Notice::Push(push)) => {
            assert!(push.len() <= PUSH_MAX);
            read(wire::batch::push(&push));
        }
        Frame::Notice(Notice::Notify { conversations, .. }) => {
            let bytes: usize = conversations.iter().map(String::len).sum();
            assert!(bytes + conversations.len() <= text.len());
        }
        Frame::Notice(other) => panic!("a frame cannot say {other:?}"),
        Frame::Ready | Frame::Ping | Frame::Pong | Frame::Unknown => {}
    }
}

// ---------------------------------------------------------------- what was stored

/// Records: the first byte says which, the rest is inside of the checksum.
pub fn stored(data: &[u8]) {
    let Some((&which, inside)) = data.split_first() else {
        return;
    };
    let c: Rc<str> = "c".into();
    let binary = sealed(inside);
    match which % 10 {
        0 => again(&binary, |b| block::decode(&c, b), |m| block::encode("c", m)),
        1 => again(&binary, records::read_held, |(id, held)| {
            records::write_held(id, held)
        }),
        // Each of the records that are JSON, and two kinds that are none.
        kind => {
            let mut w = Writer::new(1, inside.len());
            w.number(u64::from(kind) - 2);
            w.text(text(inside));
            json_record(&w.finish());
        }
    }
    json_record(&binary);
}

fn json_record(bytes: &[u8]) {
    again(
        bytes,
        records::read_conversation,
        records::write_conversation,
    );
    again(bytes, records::read_deliveries, |(number, names)| {
        records::write_deliveries(*number, names.iter())
    });
    let meta = |bytes: &[u8]| {
        records::read_meta(bytes).map(|record| match record {
            MetaRecord::Meta(meta) => (Some(meta), None),
            MetaRecord::Opened(id, at) => (None, Some((id, Ok(at)))),
            MetaRecord::Cursor(id, cursor) => (None, Some((id, Err(cursor)))),
            MetaRecord::Stamp(_) | MetaRecord::Next(_) | MetaRecord::News(_) => (None, None),
        })
    };
    again(bytes, meta, |record| match record {
        (Some(meta), _) => records::write_meta(meta),
        (_, Some((id, Ok(at)))) => records::write_opened(id, *at),
        (_, Some((id, Err(cursor)))) => records::write_cursor(id, cursor),
        // A stamp.
        _ => match records::read_meta(bytes) {
            Ok(MetaRecord::Stamp(stamp)) => records::write_stamp(stamp),
            Ok(MetaRecord::Next(next)) => records::write_next(next),
            Ok(MetaRecord::News(news)) => records::write_news(&news),
            _ => unreachable!("it is one of these"),
        },
    });
    again(bytes, records::read_outbox, |record| match record {
        OutboxRecord::Local(local) => records::write_local(local),
        OutboxRecord::Mark(id, seq) => records::write_mark(id, *seq),
        OutboxRecord::Left(number, left) => records::write_left(*number, left),
    });
}

/// These bytes with the header of a record around them.
fn sealed(inside: &[u8]) -> Vec<u8> {
    let mut bytes = b"PC\x01".to_vec();
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(inside);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(inside);
    bytes
}

/// What can be read can be written, and is the same when read again.
fn again<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, Corrupt>,
    write: impl Fn(&T) -> Vec<u8>,
) {
    if let Ok(value) = read(bytes) {
        assert_eq!(read(&write(&value)), Ok(value));
    }
}

// ---------------------------------------------------------------- what the app says

/// Commands and options.
pub fn command(data: &[u8]) {
    let text = text(data);
    match Command::from_json(text) {
        Ok(Command::Send { body, .. } | Command::Edit { body, .. }) => {
            assert!(body.len() <= MAX_BODY && is_fit(&body), "{MAX_NESTING}");
            // Not as a value: a number may be larger than one can be.
            serde_json::from_str::<&RawValue>(&body).expect("a body is JSON");
        }
        Ok(_) => {}
        Err(error) => assert_eq!(error.code, ErrorCode::Invalid),
    }
    if let Err(error) = Config::from_json(text) {
        assert_eq!(error.code, ErrorCode::Invalid);
    }
}

// ---------------------------------------------------------------- all of it

/// Effects that one input has at most. More is a loop: each request and commit is another input's.
const MAX_EFFECTS: usize = 1_000;

/// A client over a store that answers at once; whatever else happens, the lines of the input say.
struct Harness {
    engine: Engine,
    store: Memory,
    now: u64,
    asked: VecDeque<u64>,
    listen: Option<u64>,
    failing: Option<StoreError>,
    /// what it has told other clients
    told: Vec<Vec<u8>>,
    stopped: bool,
}

impl Harness {
    fn new(store: Memory, config: &str) -> Harness {
        let default = r#"{"account":"me","promoted":true,"pageSize":3}"#;
        let config = Config::from_json(config).or_else(|_| Config::from_json(default));
        let mut harness = Harness {
            engine: Engine::new(config.expect("the default is right"), 1),
            store,
            now: 1_000,
            asked: VecDeque::new(),
            listen: None,
            failing: None,
            told: Vec::new(),
            stopped: false,
        };
        harness.input(Input::Timer);
        harness
    }

    fn input(&mut self, input: Input) {
        let now = Now {
            mono: self.now,
            wall: 1_700_000_000_000 + self.now,
        };
        self.engine.handle(now, input);
        let mut effects = 0;
        while let Some(effect) = self.engine.poll() {
            effects += 1;
            assert!(effects < MAX_EFFECTS, "effects without end");
            match effect {
                Effect::Read { op, reads } => {
                    let result = self.store.read(&reads);
                    self.engine.handle(now, Input::Read { op, result });
                }
                Effect::Commit { op, writes, .. } => {
                    let result = match self.failing.take() {
                        Some(error) => Err(error),
                        None => self.store.commit(&writes),
                    };
                    self.engine.handle(now, Input::Committed { op, result });
                }
                Effect::Wish { op, writes } => {
                    let result = self.store.commit(&writes);
                    self.engine.handle(now, Input::Wished { op, result });
                }
                Effect::Request { request, .. } => self.asked.push_back(request),
                Effect::Abort { request } => self.asked.retain(|asked| *asked != request),
                Effect::Listen { listen } => self.listen = Some(listen),
                Effect::Unlisten => self.listen = None,
                Effect::ForgetToken
                | Effect::Fenced
                | Effect::Stuck
                | Effect::Promoted
                | Effect::Refused => {}
                Effect::Tell(bytes) => self.told.push(bytes),
                Effect::Frame(frame) => {
                    serde_json::from_str::<&RawValue>(&frame).expect("a frame is JSON");
                }
                Effect::Stopped { wipe } => self.stop(wipe),
            }
        }
    }

    fn stop(&mut self, wipe: bool) {
        self.stopped = true;
        if wipe {
            self.store = Memory::new();
        }
    }

    fn answer(&mut self, result: Result<String, Error>) {
        if let Some(request) = self.asked.pop_front() {
            self.input(Input::Answer { request, result });
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.input(Input::Timer);
    }
}

/// The first line is the options; each other one begins with what it is: a command, an answer, a
/// failure, a frame, a wait, a commit that fails, a restart, a request that goes to the back.
pub fn engine(data: &[u8]) {
    let mut lines = text(data).lines();
    let config = lines.next().unwrap_or_default().to_owned();
    let mut b = Harness::new(Memory::new(), &config);
    for line in lines {
        let mut chars = line.chars();
        let kind = chars.next();
        let rest = chars.as_str();
        match kind {
            Some('c') => {
                if let Ok(command) = Command::from_json(rest) {
                    b.input(Input::Command(command));
                }
            }
            Some('a') => b.answer(Ok(rest.to_owned())),
            Some('f') => {
                let status = rest.parse().ok().filter(|status| *status >= 400);
                b.answer(Err(match status {
                    Some(status) => Error::from_status(status, "no", Some(1_000)),
                    None => Error::new(ErrorCode::Network, "no answer"),
                }));
            }
            Some('n') => {
                let notice = match Frame::read(rest.to_owned()) {
                    Frame::Ready => Some(Notice::Ready),
                    Frame::Notice(notice) => Some(notice),
                    Frame::Unknown => Some(Notice::Closed(None)),
                    Frame::Ping | Frame::Pong => None,
                };
                if let (Some(listen), Some(notice)) = (b.listen, notice) {
                    b.input(Input::Notice { listen, notice });
                }
            }
            Some('t') => b.wait(rest.parse().unwrap_or(1_000).min(3_600_000)),
            Some('x') => {
                b.failing = Some(match rest {
                    "quota" => StoreError::Quota,
                    _ => StoreError::Failed("the disk".into()),
                });
            }
            Some('r') => b = Harness::new(b.store, &config),
            Some('p') => {
                let epoch = b.store.fence();
                b.input(Input::Promoted { epoch });
            }
            Some('P') => b.input(Input::Demoted),
            Some('s') => {
                let first = b.asked.pop_front();
                b.asked.extend(first);
            }
            _ => {}
        }
        if b.stopped {
            b = Harness::new(b.store, &config);
        }
    }
    loaded(&b.store);
    let mut b = Harness::new(b.store, &config);
    let open = r#"{"op":"open","timeline":1,"conversation":"c"}"#;
    let open = Command::from_json(open).expect("a command that is right");
    b.input(Input::Command(open));
    b.wait(60_000);
}

// ---------------------------------------------------------------- what clients tell each other

/// A batch with a conversation of three messages.
const BATCH: &str = r#"{"cursor":"4","hasMore":false,"events":[
{"type":"conversation","conversation":{"id":"c","lastSeq":"3","unread":0,"sort":1,"meta":null}},
{"type":"message","message":{"id":"m1","conversation":"c","seq":"1","sender":"a","createdAt":1,"version":1,"state":"normal","body":1}},
{"type":"message","message":{"id":"m2","conversation":"c","seq":"2","sender":"b","createdAt":2,"version":1,"state":"normal","body":2}},
{"type":"message","message":{"id":"m3","conversation":"c","seq":"3","sender":"a","createdAt":3,"version":1,"state":"normal","body":3}}]}"#;

/// The client that writes and one that follows, on copies of one store that holds something, each with a list.
fn writer_and_follower() -> [Harness; 2] {
    let open = r#"{"op":"open","timeline":1,"conversation":"c"}"#;
    let open = || Input::Command(Command::from_json(open).expect("a command that is right"));
    let mut writer = Harness::new(Memory::new(), "");
    writer.input(open());
    let epoch = writer.store.fence();
    writer.input(Input::Promoted { epoch });
    while !writer.asked.is_empty() {
        writer.answer(Ok(BATCH.to_owned()));
    }
    let follower = r#"{"account":"me","promoted":false,"pageSize":3}"#;
    let mut follower = Harness::new(writer.store.clone(), follower);
    follower.input(open());
    [writer, follower]
}

/// Any bytes as what another client has said, with the header of a message and without: who writes and who
/// follows read it or not, go on, and what is stored stays whole.
pub fn signal(data: &[u8]) {
    for mut b in writer_and_follower() {
        for said in [sealed(data), data.to_vec(), sealed(data)] {
            b.input(Input::Heard(said));
            b.wait(1_000);
        }
        b.wait(60_000);
        loaded(&b.store);
        let send = r#"{"op":"send","call":9,"conversation":"c","clientId":"k","body":"1"}"#;
        let send = Command::from_json(send).expect("a command that is right");
        b.input(Input::Command(send));
        b.wait(60_000);
    }
}
