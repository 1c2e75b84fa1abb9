//! A test harness of the engine: its store is in memory and answers at once, its clock stands until it
//! is moved, and the test is the server.
//!
//! What is shown is drawn: `1 2 3` messages by their seq, `…` a gap item, `(a queued)` an own message
//! with its text and state, `2'` a message of version 2, `~` one that is not fresh.

use std::collections::{BTreeMap, VecDeque};

use pullcord::core::command::Command;
use pullcord::core::net::{Error, ErrorCode, Notice, Place, Request};
use pullcord::core::records::{self, MetaRecord, Stamp};
use pullcord::core::storage::{Read, StoreError, Table, Value as Bytes, Why, Write};
use pullcord::core::{Config, Effect, Engine, Input, Limits, Now};
use pullcord::store::Memory;
use serde_json::{Value, json};

pub struct Harness {
    pub engine: Engine,
    pub store: Memory,
    pub now: u64,
    /// ms that the device's clock is off
    pub clock: i64,
    config: Value,
    limits: Limits,
    /// requests that were not answered yet
    pub asked: VecDeque<(u64, Request)>,
    pub aborted: Vec<u64>,
    /// how often it had to make way for another client
    pub fenced: u64,
    /// what it has told the other clients of its account
    pub told: VecDeque<Vec<u8>>,
    /// how often the one that writes was stuck
    pub refused: u32,
    pub stuck: u64,
    listen: Option<u64>,
    /// channels that were opened
    pub listened: u64,
    pub status: Value,
    pub conversations: Vec<Value>,
    pub outbox: Vec<Value>,
    pub items: BTreeMap<u64, Vec<Value>>,
    pub views: BTreeMap<u64, Value>,
    /// what each timeline showed first, drawn
    pub first_shown: BTreeMap<u64, String>,
    /// what the first timeline showed, one frame after the other, drawn
    pub drawings: Vec<String>,
    pub events: Vec<Value>,
    /// what the log is told at the level "warn"
    pub warnings: Vec<String>,
    /// what the log is told of what is hardly meant: each with its place, its value and its reason
    pub unlikely: Vec<String>,
    results: BTreeMap<u64, Result<Value, Value>>,
    calls: u64,
    pub stopped: Option<bool>,
    /// commits are not done before [`Harness::finish_commits`]
    pub store_is_slow: bool,
    unfinished: VecDeque<(u64, Vec<Write>)>,
    pub commits: usize,
    /// reads of the store since this was set to 0
    pub reads: usize,
    /// reads are not answered before [`Harness::finish_reads`]
    pub reads_are_slow: bool,
    unread: VecDeque<(u64, Vec<Read>)>,
    /// commits that fail, in turn
    pub failing: VecDeque<StoreError>,
    /// the store says nothing of wishes before [`Harness::finish_wishes`]
    pub wishes_are_slow: bool,
    unwished: VecDeque<(u64, Vec<Write>)>,
    /// wishes that fail, in turn; and whether they are stored all the same
    pub failing_wishes: VecDeque<(StoreError, bool)>,
    /// the disk is full for records of more bytes than this, whatever is deleted
    pub largest: Option<usize>,
}

/// A message of conversation "c"; the body says its seq and version.
pub fn message(seq: u64) -> Value {
    version(seq, 1)
}

pub fn version(seq: u64, version: u64) -> Value {
    let state = if version == 1 { "normal" } else { "edited" };
    json!({"id": format!("m{seq}"), "conversation": "c", "seq": seq, "sender": "bob", "createdAt": 1, "version": version,
        "state": state, "body": {"text": format!("{seq}.{version}")}})
}

/// A new message whose predecessor is not known.
pub fn new(seq: u64) -> Value {
    json!({"type": "message", "message": message(seq)})
}

/// A new message after `prev`.
pub fn after(prev: u64, seq: u64) -> Value {
    json!({"type": "message", "message": message(seq), "prev": prev})
}

pub fn update(seq: u64, v: u64) -> Value {
    json!({"type": "update", "message": version(seq, v)})
}

pub fn state(unread: u64, last: u64) -> Value {
    json!({"type": "conversation", "conversation": {"id": "c", "unread": unread, "lastSeq": last, "sort": last}})
}

impl Harness {
    /// A client whose notifications are off: only what the test does makes a pull.
    pub fn new() -> Harness {
        Harness::with(json!({}))
    }

    /// The same, with these options; `seed`: of the jitter.
    pub fn with(more: Value) -> Harness {
        let mut config = json!({"account": "me", "notify": "poll", "prefetch": false, "promoted": true, "pollInterval": 3_600_000, "fallbackPollInterval": 3_600_000,
            "pageSize": 3, "requestTimeout": 7_200_000});
        for (name, value) in more.as_object().expect("options are an object") {
            config[name] = value.clone();
        }
        Harness::on(Memory::new(), config, Limits::default(), None)
    }

    fn on(
        mut store: Memory,
        config: Value,
        limits: Limits,
        failing: Option<StoreError>,
    ) -> Harness {
        let mut parsed = Config::from_json(&config.to_string()).expect("options that are right");
        parsed.epoch = parsed.epoch.map(|_| store.fence());
        parsed.limits = limits;
        let mut harness = Harness {
            engine: Engine::new(parsed, config["seed"].as_u64().unwrap_or(1)),
            store,
            now: 1_000,
            clock: 0,
            config,
            limits,
            asked: VecDeque::new(),
            aborted: Vec::new(),
            fenced: 0,
            told: VecDeque::new(),
            refused: 0,
            stuck: 0,
            listen: None,
            listened: 0,
            status: Value::Null,
            conversations: Vec::new(),
            outbox: Vec::new(),
            items: BTreeMap::new(),
            views: BTreeMap::new(),
            first_shown: BTreeMap::new(),
            drawings: Vec::new(),
            events: Vec::new(),
            warnings: Vec::new(),
            unlikely: Vec::new(),
            results: BTreeMap::new(),
            calls: 0,
            stopped: None,
            store_is_slow: false,
            unfinished: VecDeque::new(),
            commits: 0,
            reads: 0,
            reads_are_slow: false,
            unread: VecDeque::new(),
            failing: failing.into_iter().collect(),
            wishes_are_slow: false,
            unwished: VecDeque::new(),
            failing_wishes: VecDeque::new(),
            largest: None,
        };
        harness.input(Input::Timer);
        harness
    }

    /// Signed in, the list read, caught up: conversation "c" with its newest message at `last`.
    pub fn signed_in(last: u64) -> Harness {
        let mut harness = Harness::new();
        harness.sign_in(last);
        harness
    }

    pub fn sign_in(&mut self, last: u64) {
        self.answer_pull(json!({"events": [], "cursor": "1", "hasMore": false, "overflow": "all"}));
        self.answer_list(json!({"conversations": [{"id": "c", "unread": 0, "lastSeq": last, "sort": last}], "next": null}));
        self.events.clear();
    }

    /// The tab is killed and opened again: what was committed is there.
    pub fn restart(self) -> Harness {
        Harness::on(self.store, self.config, self.limits, None)
    }

    /// The same; the first commit fails.
    pub fn restart_and_fail(self, error: StoreError) -> Harness {
        Harness::on(self.store, self.config, self.limits, Some(error))
    }

    /// The same, with other options.
    pub fn restart_with(mut self, more: Value) -> Harness {
        for (name, value) in more.as_object().expect("options are an object") {
            self.config[name] = value.clone();
        }
        self.restart()
    }

    // ------------------------------------------------------------ driving

    /// The browser deletes the database; an empty one takes its place, which is this client's to write.
    pub fn is_evicted(&mut self) {
        self.store = Memory::above(self.store.fence());
        self.input(Input::Store(StoreError::Lost));
        let epoch = self.store.fence();
        self.input(Input::Adopted { epoch });
    }

    pub fn input(&mut self, input: Input) {
        let now = Now {
            mono: self.now,
            wall: (1_700_000_000_000 + self.now).saturating_add_signed(self.clock),
        };
        self.engine.handle(now, input);
        while let Some(effect) = self.engine.poll() {
            match effect {
                Effect::Read { op, reads } if self.reads_are_slow => {
                    self.unread.push_back((op, reads));
                }
                Effect::Read { op, reads } => {
                    self.reads += 1;
                    let result = self.store.read(&reads);
                    self.engine.handle(now, Input::Read { op, result });
                }
                Effect::Commit { op, writes, .. } if self.store_is_slow => {
                    self.unfinished.push_back((op, writes));
                }
                Effect::Commit { op, writes, .. } => {
                    self.commits += 1;
                    let result = match self.failing.pop_front() {
                        Some(error) => Err(error),
                        None if self.is_too_large(&writes) => Err(StoreError::Quota),
                        None => self.store.commit(&writes),
                    };
                    self.engine.handle(now, Input::Committed { op, result });
                }
                Effect::Wish { op, writes } if self.wishes_are_slow => {
                    self.unwished.push_back((op, writes));
                }
                Effect::Wish { op, writes } => {
                    let failing = self.failing_wishes.pop_front();
                    let applied = failing.as_ref().is_none_or(|(_, applied)| *applied);
                    let done = match applied {
                        true => self.store.commit(&writes),
                        false => Ok(()),
                    };
                    let result = failing.map_or(done, |(error, _)| Err(error));
                    self.engine.handle(now, Input::Wished { op, result });
                }
                Effect::Tell(bytes) => self.told.push_back(bytes),
                Effect::Stuck => self.stuck += 1,
                Effect::Promoted => {}
                Effect::Refused => self.refused += 1,
                Effect::Request { request, call, .. } => self.asked.push_back((request, call)),
                Effect::Abort { request } => {
                    self.asked.retain(|(asked, _)| *asked != request);
                    self.aborted.push(request);
                }
                Effect::Listen { listen } => {
                    self.listen = Some(listen);
                    self.listened += 1;
                }
                Effect::Unlisten => self.listen = None,
                Effect::ForgetToken => {}
                Effect::Fenced => self.fenced += 1,
                Effect::Frame(text) => self.frame(&text),
                Effect::Stopped { wipe } => self.stopped = Some(wipe),
            }
        }
    }

    fn is_too_large(&self, writes: &[Write]) -> bool {
        let too_large = |write: &Write| matches!(write, Write::Put { value, .. } if self.largest.is_some_and(|largest| value.len() > largest));
        writes.iter().any(too_large)
    }

    /// The slow commit is done or not, and nobody can say which.
    pub fn doubt_commit(&mut self, applied: bool) {
        let (op, writes) = self.unfinished.pop_front().expect("a commit is under way");
        if applied {
            self.store.commit(&writes).expect("memory writes");
        }
        let result = Err(StoreError::Uncertain("nothing was heard of it".into()));
        self.input(Input::Committed { op, result });
    }

    /// Nothing was heard of the slow commit; `applied`: it was done. None: it was ended for certain.
    pub fn silent_commit(&mut self, applied: Option<bool>) {
        let (op, writes) = self.unfinished.pop_front().expect("a commit is under way");
        if applied == Some(true) {
            self.store.commit(&writes).expect("memory writes");
        }
        let result = Err(match applied {
            Some(_) => StoreError::Uncertain(Why::Silence),
            None => StoreError::Failed(Why::Silence),
        });
        self.input(Input::Committed { op, result });
    }

    /// Bounds of the next start.
    pub fn limit(&mut self, set: impl Fn(&mut Limits)) {
        set(&mut self.limits);
    }

    /// What the oldest of the slow reads finds now, and is answered with some time later.
    pub fn read_now(&mut self) -> Input {
        let (op, reads) = self.unread.pop_front().expect("a read is under way");
        let result = self.store.read(&reads);
        Input::Read { op, result }
    }

    /// The slow reads are answered, and those that follow at once.
    pub fn finish_reads(&mut self) {
        self.reads_are_slow = false;
        while let Some((op, reads)) = self.unread.pop_front() {
            let result = self.store.read(&reads);
            self.input(Input::Read { op, result });
        }
    }

    /// The slow wishes are stored, and those that follow at once.
    pub fn finish_wishes(&mut self) {
        self.wishes_are_slow = false;
        while let Some((op, writes)) = self.unwished.pop_front() {
            let result = self.store.commit(&writes);
            self.input(Input::Wished { op, result });
        }
    }

    /// Commits that were done, or failed.
    pub fn commits(&self) -> usize {
        self.commits
    }

    fn stored(&self, table: Table) -> Vec<Bytes> {
        let mut answers = self.store.read(&[Read::All { table }]).expect("it is open");
        answers
            .pop()
            .map(|answer| answer.values)
            .unwrap_or_default()
    }

    /// The newest commit's.
    pub fn stamp(&self) -> Stamp {
        let records = self.stored(Table::Meta);
        let stamp = records
            .iter()
            .find_map(|bytes| match records::read_meta(bytes) {
                Ok(MetaRecord::Stamp(stamp)) => Some(stamp),
                _ => None,
            });
        stamp.unwrap_or_default()
    }

    /// The sizes of the blocks that are stored.
    pub fn blocks(&self) -> Vec<usize> {
        self.stored(Table::Blocks).iter().map(Vec::len).collect()
    }

    /// The slow commits are done. Gives how many there were, with those that followed.
    pub fn finish_commits(&mut self) -> usize {
        let before = self.commits;
        let mut count = 0;
        while let Some((op, writes)) = self.unfinished.pop_front() {
            count += 1;
            let result = self.store.commit(&writes);
            self.input(Input::Committed { op, result });
        }
        count + self.commits - before
    }

    /// The oldest slow commit is done. Answers whether there was one.
    pub fn finish_commit(&mut self) -> bool {
        let Some((op, writes)) = self.unfinished.pop_front() else {
            return false;
        };
        let result = self.store.commit(&writes);
        self.input(Input::Committed { op, result });
        true
    }

    /// The slow commit fails.
    pub fn fail_commit(&mut self, error: StoreError) {
        let (op, _) = self.unfinished.pop_front().expect("a commit is under way");
        let result = Err(error);
        self.input(Input::Committed { op, result });
    }

    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.input(Input::Timer);
    }

    pub fn listens(&self) -> bool {
        self.listen.is_some()
    }

    pub fn notice(&mut self, notice: Notice) {
        let listen = self.listen.expect("the channel is open");
        if matches!(notice, Notice::Closed(_) | Notice::Leaving(_)) {
            self.listen = None;
        }
        self.input(Input::Notice { listen, notice });
    }

    /// A command. With the hint that there is no network there is none: what is asked finds nobody.
    pub fn command(&mut self, command: Value) {
        match Command::from_json(&command.to_string()) {
            Ok(read) => self.input(Input::Command(read)),
            // As the facade's call rejects.
            Err(error) => {
                let call = command["call"].as_u64().expect("a command that is right");
                let error = json!({"code": error.code.name(), "message": error.message});
                self.results.insert(call, Err(error));
            }
        }
        let offline = command["op"] == "network" && command["online"] == false;
        while let Some((request, _)) = self.asked.front().filter(|_| offline) {
            let request = *request;
            self.asked.pop_front();
            let result = Err(Error::new(ErrorCode::Network, "the network is gone"));
            self.input(Input::Answer { request, result });
        }
    }

    /// What the browser says of the network, whatever it is.
    pub fn hint(&mut self, online: bool) {
        let hint = json!({"op": "network", "online": online});
        self.input(Input::Command(
            Command::from_json(&hint.to_string()).expect("a hint"),
        ));
    }

    /// A command that is answered. Gives its number.
    pub fn call(&mut self, mut command: Value) -> u64 {
        self.calls += 1;
        command["call"] = json!(self.calls);
        self.command(command);
        self.calls
    }

    pub fn open(&mut self) {
        self.command(json!({"op": "open", "timeline": 1, "conversation": "c"}));
    }

    pub fn send(&mut self, text: &str) -> u64 {
        let body = json!({"text": text}).to_string();
        self.call(json!({"op": "send", "conversation": "c", "body": body, "clientId": text}))
    }

    pub fn send_to(&mut self, conversation: &str, text: &str) -> u64 {
        let body = json!({"text": text}).to_string();
        self.call(
            json!({"op": "send", "conversation": conversation, "body": body, "clientId": text}),
        )
    }

    pub fn load(&mut self, direction: &str) -> u64 {
        self.call(json!({"op": "load", "timeline": 1, "direction": direction}))
    }

    // ------------------------------------------------------------ being the server

    pub fn take(&mut self, wanted: &str, is: impl Fn(&Request) -> bool) -> (u64, Request) {
        let at = self.asked.iter().position(|(_, call)| is(call));
        let at = at.unwrap_or_else(|| panic!("no {wanted} is asked for; asked: {:?}", self.asked));
        self.asked.remove(at).expect("it was found")
    }

    pub fn answer(&mut self, request: u64, answer: Value) {
        self.input(Input::Answer {
            request,
            result: Ok(answer.to_string()),
        });
    }

    /// Answers the pull under way. Gives the cursor that it asked with.
    pub fn answer_pull(&mut self, batch: Value) -> Option<String> {
        let (request, call) = self.take("pull", |call| matches!(call, Request::Pull { .. }));
        self.answer(request, batch);
        match call {
            Request::Pull { cursor, .. } => cursor,
            _ => None,
        }
    }

    /// Has the client pull, and gives it these events.
    pub fn sync(&mut self, events: Value, cursor: &str) {
        self.call(json!({"op": "sync"}));
        self.answer_pull(json!({"events": events, "cursor": cursor, "hasMore": false}));
    }

    /// The same, with an overflow before the events.
    pub fn overflow(&mut self, overflow: Value, events: Value, cursor: &str) {
        self.call(json!({"op": "sync"}));
        self.answer_pull(
            json!({"events": events, "cursor": cursor, "hasMore": false, "overflow": overflow}),
        );
    }

    pub fn answer_list(&mut self, page: Value) {
        let (request, _) = self.take("list", |call| matches!(call, Request::Conversations { .. }));
        self.answer(request, page);
    }

    /// Answers the page under way with messages of these seqs. Gives where it was asked for.
    pub fn answer_page(&mut self, seqs: &[u64], has_before: bool, has_after: bool) -> Place {
        let messages: Vec<Value> = seqs.iter().map(|seq| message(*seq)).collect();
        self.answer_history(
            json!({"messages": messages, "hasBefore": has_before, "hasAfter": has_after}),
        )
    }

    pub fn answer_history(&mut self, page: Value) -> Place {
        let (request, call) = self.take("page", |call| matches!(call, Request::History { .. }));
        self.answer(request, page);
        match call {
            Request::History { place, .. } => place,
            _ => unreachable!("it is a page"),
        }
    }

    /// Answers the first request of this kind, and gives it.
    pub fn reply(&mut self, is: impl Fn(&Request) -> bool, answer: Value) -> Request {
        let (request, call) = self.take("such request", is);
        self.answer(request, answer);
        call
    }

    /// The same, with any text.
    pub fn reply_text(&mut self, is: impl Fn(&Request) -> bool, text: &str) -> Request {
        let (request, call) = self.take("such request", is);
        let result = Ok(text.to_owned());
        self.input(Input::Answer { request, result });
        call
    }

    /// Something is pushed over the notification channel.
    pub fn pushed(&mut self, push: Value) {
        self.notice(Notice::Push(push.to_string()));
    }

    /// The next request of this kind fails.
    pub fn fail(&mut self, error: Error, is: impl Fn(&Request) -> bool) {
        let (request, _) = self.take("such request", is);
        self.input(Input::Answer {
            request,
            result: Err(error),
        });
    }

    /// Takes the own message that is being sent, as `seq`.
    pub fn accept(&mut self, seq: u64) {
        let (request, call) = self.take("send", |call| matches!(call, Request::Send { .. }));
        let Request::Send {
            client_id, body, ..
        } = call
        else {
            unreachable!("it is a send")
        };
        let mut own = message(seq);
        own["clientId"] = json!(client_id);
        own["body"] = serde_json::from_str(&body).expect("a body is JSON");
        self.answer(request, json!({"message": own}));
    }

    /// Takes the read mark that is being told.
    pub fn accept_mark(&mut self) {
        let (request, _) = self.take("mark", |call| matches!(call, Request::MarkRead { .. }));
        let result = Ok(String::new());
        self.input(Input::Answer { request, result });
    }

    pub fn is_asked(&self, is: impl Fn(&Request) -> bool) -> bool {
        self.asked.iter().any(|(_, call)| is(call))
    }

    // ------------------------------------------------------------ what is shown

    fn frame(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(&readable(text)))
            .unwrap_or_else(|e| panic!("{e} in {text}"));
        if let Some(status) = frame.get("status") {
            self.status = status.clone();
        }
        patch(&mut self.conversations, frame.get("conversations"));
        patch(&mut self.outbox, frame.get("outbox"));
        for view in each(&frame, "timelines") {
            let id = view["id"].as_u64().expect("a timeline has an id");
            patch(self.items.entry(id).or_default(), view.get("items"));
            self.views.insert(id, view.clone());
            let drawn = self.drawn(id);
            if id == 1 {
                self.drawings.push(drawn.clone());
            }
            if !drawn.is_empty() {
                self.first_shown.entry(id).or_insert(drawn);
            }
        }
        self.events.extend(each(&frame, "events").cloned());
        self.unlikely.extend(each(&frame, "logs").filter_map(|log| {
            let first = log.get("unlikely")?.get("first")?;
            let [at, value, reason] = ["at", "value", "reason"].map(|name| first[name].as_str());
            let (at, value) = (at.unwrap_or(""), value.unwrap_or("-"));
            Some(format!("{at} {value}: {}", reason?))
        }));
        let warnings = each(&frame, "logs").filter(|log| log["level"] == json!("warn"));
        self.warnings
            .extend(warnings.filter_map(|log| log["message"].as_str().map(str::to_owned)));
        for result in each(&frame, "results") {
            let call = result["call"].as_u64().expect("a result has a call");
            let settled = match result.get("error") {
                Some(error) => Err(error.clone()),
                None => Ok(result["ok"].clone()),
            };
            assert!(
                self.results.insert(call, settled).is_none(),
                "call {call} is settled twice"
            );
        }
    }

    pub fn drawn(&self, id: u64) -> String {
        let Some(items) = self.items.get(&id) else {
            return String::new();
        };
        let draw = |item: &Value| match item["kind"].as_str() {
            Some("message") => {
                let m = &item["message"];
                let marks = "'".repeat(m["version"].as_u64().unwrap_or(1) as usize - 1);
                let kept = if item["fresh"] == json!(true) {
                    ""
                } else {
                    "~"
                };
                format!("{}{marks}{kept}", m["seq"].as_str().unwrap_or("?"))
            }
            Some("local") => format!(
                "({} {})",
                item["clientId"].as_str().unwrap_or("?"),
                item["state"].as_str().unwrap_or("?")
            ),
            _ => "…".into(),
        };
        items.iter().map(draw).collect::<Vec<_>>().join(" ")
    }

    pub fn shown(&self) -> String {
        self.drawn(1)
    }

    pub fn keys(&self) -> Vec<String> {
        let key = |item: &Value| item["key"].as_str().unwrap_or_default().to_owned();
        self.items.get(&1).into_iter().flatten().map(key).collect()
    }

    pub fn view(&self) -> &Value {
        &self.views[&1]
    }

    /// `None`: not settled. Errors by their code.
    pub fn result(&self, call: u64) -> Option<Result<Value, String>> {
        let code = |error: &Value| error["code"].as_str().unwrap_or("?").to_owned();
        self.results
            .get(&call)
            .map(|r| r.clone().map_err(|e| code(&e)))
    }

    /// The whole error that a call was rejected with.
    pub fn rejection(&self, call: u64) -> Option<&Value> {
        self.results.get(&call).and_then(|r| r.as_ref().err())
    }

    /// Whether the call's error says that it may have been done all the same.
    pub fn uncertain(&self, call: u64) -> bool {
        let error = self.results[&call].as_ref().expect_err("it has failed");
        error["uncertain"] == json!(true)
    }

    pub fn inspect(&mut self) -> Value {
        let call = self.call(json!({"op": "inspect", "conversation": "c"}));
        self.result(call)
            .expect("inspect answers at once")
            .expect("inspect answers")
    }

    /// The segments of "c": `|0 3] [6 9]>`.
    pub fn segments(&mut self) -> String {
        let inspection = self.inspect();
        let draw = |s: &Value| {
            let open = if s["start"] == json!(true) { "|" } else { "[" };
            let close = if s["live"] == json!(true) { "]>" } else { "]" };
            format!(
                "{open}{} {}{close}",
                s["lo"].as_str().unwrap_or("?"),
                s["hi"].as_str().unwrap_or("?")
            )
        };
        each(&inspection, "segments")
            .map(draw)
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub fn cursor(&mut self) -> Value {
        self.inspect()["cursor"].clone()
    }
}

/// JSON text that a browser reads, as this reader takes it as well: half a surrogate pair is its escape
/// as text (`\\ud800`), and `1e999` is a string.
pub fn readable(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let surrogate = |text: &str, second: &str| {
        text.strip_prefix("\\ud")
            .is_some_and(|hex| hex.starts_with(|c| second.contains(c)))
    };
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let width = match rest {
            pair if surrogate(pair, "89ab") && surrogate(&pair[6..], "cdef") => 12,
            half if surrogate(half, "89abcdef") => {
                out.push('\\');
                6
            }
            _ => 2,
        };
        out.push_str(&rest[..width]);
        rest = &rest[width..];
    }
    out.push_str(rest);
    out.replace(":1e999", ":\"1e999\"")
}

fn each<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// As the facade does it.
fn patch(list: &mut Vec<Value>, splices: Option<&Value>) {
    let before = list.clone();
    for splice in splices.and_then(Value::as_array).into_iter().flatten() {
        let at = splice["at"].as_u64().expect("at") as usize;
        let del = splice["del"].as_u64().expect("del") as usize;
        let ins = splice["ins"]
            .as_array()
            .expect("ins")
            .iter()
            .map(|element| match element.as_u64() {
                Some(old) => before[old as usize].clone(),
                None => element.clone(),
            });
        list.splice(at..at + del, ins.collect::<Vec<_>>());
    }
}
