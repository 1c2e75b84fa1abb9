//! What is on its way: requests, answers, notifications; lost, late, doubled, cut short, false.

use pullcord::core::Input;
use pullcord::core::net::{Error, ErrorCode, Request};
use serde_json::{Value, json};

use super::{Event, Fate, HIDDEN_LONG, Held, Streak, TIMEOUT, World, kind};
use crate::simulation::check::{self, Checked};
use crate::simulation::device::{Call, Pending};
use crate::simulation::lies;
use crate::simulation::mode::Scope;
use crate::simulation::server::{Forced, position_in, position_of};
use crate::simulation::story;

/// ms within which the client that writes has heard what another one was asked.
const URGED: u64 = 20_000;

impl World {
    pub(super) fn request(&mut self, device: usize, request: u64, call: Request) -> Checked {
        let (kind, own) = kind(&call);
        let own = own.to_owned();
        *self.requests[device].entry(kind).or_default() += 1;
        self.tell(device, || format!("asks ({request}) {call:?}"));
        self.may_ask(device, (kind, &own), &call)?;
        let life = self.devices[device].life;
        self.devices[device].requests.insert(
            request,
            Pending {
                call: call.clone(),
                since: self.time,
                at: self.server.position(),
                aborted: false,
            },
        );
        if self.acknowledges_over_channel(device, life, request, &call) {
            return Ok(());
        }
        if !self.machine(device).link {
            self.lose(device, life, request);
            return Ok(());
        }
        let delay = self.rng.delay(60);
        if !self.rng.chance(self.trouble.requests) {
            let fate = if self.rng.chance(self.trouble.lies) {
                Fate::Lied
            } else {
                Fate::Delivered
            };
            self.schedule(
                delay,
                device,
                Event::Arrive {
                    life,
                    request,
                    call,
                    fate,
                },
            );
            return Ok(());
        }
        self.goes_wrong(device, request, call, delay);
        Ok(())
    }

    /// Another client's app has asked for a sync: a while ago, or it slept with that on its lips.
    fn is_urged(&self, device: usize) -> bool {
        let machine = self.devices[device].machine;
        let waits = |other: usize| {
            let mut calls = self.devices[other].calls.values();
            calls.any(|call| matches!(call, Call::Sync))
        };
        let lately = self.time < self.machines[machine].urged_at + URGED;
        let others = self.machines[machine].clients > 1;
        others && (lately || self.clients_of(machine).into_iter().any(waits))
    }

    /// What a client may ask for now.
    fn may_ask(&mut self, device: usize, (kind, own): (&str, &str), call: &Request) -> Checked {
        if !self.devices[device].promoted {
            return Err(format!(
                "a client that waits for the lock asks the server: {call:?}"
            ));
        }
        self.has_the_account(device, call)?;
        self.tries(device, call);
        // A page or a change may be the user's own wish; the rest waits as long as it was told to.
        let key = (device, format!("{kind} {own}"));
        let obeys = matches!(
            kind,
            "pull" | "conversations" | "send" | "mark-read" | "ack"
        );
        if let Some(not_before) = self.not_before.remove(&key).filter(|_| obeys)
            && self.time < not_before
            && !self.is_urged(device)
        {
            let early = not_before - self.time;
            return Err(format!("Retry-After: a {kind} {early} ms too early"));
        }
        let under_way = self.devices[device]
            .requests
            .values()
            .any(|p| !p.aborted && self::kind(&p.call).0 == "pull");
        if kind == "pull" && under_way {
            return Err("a second pull beside one that is under way".to_owned());
        }
        self.repeats(device, &key.1, call)?;
        self.suits(device, call)?;
        self.promises_what_is_stored(device, call)?;
        let shared =
            |p: &Pending| !p.aborted && p.call == *call && matches!(call, Request::History { .. });
        if self.devices[device].requests.values().any(shared) {
            return Err(format!("asked for twice at the same time: {call:?}"));
        }
        Ok(())
    }

    /// A request, or its answer, is lost; or it is answered with an error.
    fn goes_wrong(&mut self, device: usize, request: u64, call: Request, delay: u64) {
        let life = self.devices[device].life;
        match self.rng.below(10) {
            0..=2 => self.lose(device, life, request),
            3..=5 => self.schedule(
                delay,
                device,
                Event::Arrive {
                    life,
                    request,
                    call,
                    fate: Fate::AnswerLost,
                },
            ),
            6..=8 => {
                let status = [500, 502, 503, 429, 408][self.rng.below(5) as usize];
                let retry_after = (matches!(status, 503 | 429) && self.rng.chance(60))
                    .then(|| self.rng.between(1, 20) * 1000);
                let absurd = [600_000, 86_400_000, u64::MAX];
                let retry_after = match self.mode.hints && self.rng.chance(20) {
                    true => retry_after.and(self.rng.pick(&absurd).copied()),
                    false => retry_after,
                };
                let result = Err(Error::from_status(status, "the simulation's", retry_after));
                self.schedule_answer(delay, device, (life, request), result);
            }
            _ => {
                let status = match call {
                    Request::Send { .. } => [403, 409, 422][self.rng.below(3) as usize],
                    _ => [401, 400, 404][self.rng.below(3) as usize],
                };
                let result = Err(Error::from_status(status, "the simulation's", None));
                self.schedule_answer(delay, device, (life, request), result);
            }
        }
    }

    /// What this mode never asks for.
    fn suits(&mut self, device: usize, call: &Request) -> Checked {
        let scope = self.mode.scope;
        let hidden = self.devices[device].hidden_since;
        let long = hidden.is_some_and(|since| self.time > since + HIDDEN_LONG);
        if long && matches!(call, Request::Pull { wait: Some(_), .. }) {
            return Err("a pull is to wait for a page that has long been hidden".to_owned());
        }
        let suits = match call {
            Request::Pull { wait, .. } => {
                if let Some(wait) = wait.map(u64::from) {
                    let least = self.least_wait.unwrap_or(wait);
                    self.least_wait = Some(least.min(wait));
                }
                scope == Scope::Account && (wait.is_none() || self.mode.long_poll)
            }
            Request::PullConversations { .. } => scope == Scope::Conversation,
            Request::PullMailbox { .. } | Request::Acknowledge { .. } => scope == Scope::Mailbox,
            Request::Changes { .. } => {
                let kept = self.mode.keep || self.mode.bad_items || self.mode.spoilt;
                kept && self.mode.revalidates && scope != Scope::Mailbox
            }
            _ => true,
        };
        if suits {
            Ok(())
        } else {
            Err(format!("in this mode nobody asks for {call:?}"))
        }
    }

    /// What came over an open channel is acknowledged over it; there is no answer, and it may be lost
    /// with the channel.
    fn acknowledges_over_channel(
        &mut self,
        device: usize,
        life: u32,
        request: u64,
        call: &Request,
    ) -> bool {
        let Request::Acknowledge { pushed: true, .. } = call else {
            return false;
        };
        let channel = self.devices[device].channel.as_ref();
        let Some(channel) = channel.filter(|channel| channel.ready) else {
            return false;
        };
        let lost = channel.dead || !self.machine(device).link;
        let delay = self.rng.delay(30);
        if !lost && !self.rng.chance(self.trouble.notices / 2) {
            self.schedule(
                delay,
                device,
                Event::Arrive {
                    life,
                    request,
                    call: call.clone(),
                    fate: Fate::Unanswered,
                },
            );
        }
        self.schedule_answer(0, device, (life, request), Ok(String::new()));
        true
    }

    /// The answer comes after `delay` ms, if the client that has asked still lives then.
    fn schedule_answer(
        &mut self,
        delay: u64,
        device: usize,
        (life, request): (u32, u64),
        result: Result<String, Error>,
    ) {
        let event = Event::Answer {
            life,
            request,
            result,
            lied: false,
        };
        self.schedule(delay, device, event);
    }

    /// Nothing arrives; the net layer notices at once, or when it has waited long enough.
    pub(super) fn lose(&mut self, device: usize, life: u32, request: u64) {
        let (delay, code) = match self.rng.below(10) {
            _ if self.mode.instant => (0, ErrorCode::Network),
            0..=6 => (self.rng.between(1, 200), ErrorCode::Network),
            _ if self.impatient => (TIMEOUT, ErrorCode::Timeout),
            _ => return, // no answer ever
        };
        let result = Err(Error::new(code, "the simulation's"));
        self.schedule_answer(delay, device, (life, request), result);
    }

    /// A request reaches the server, whether or not its sender still lives.
    pub(super) fn arrive(
        &mut self,
        device: usize,
        life: u32,
        request: u64,
        call: Request,
        fate: Fate,
    ) -> Checked {
        if let Request::Send {
            conversation,
            client_id,
            ..
        } = &call
            && life == self.devices[device].life
        {
            let sender = &self.devices[device];
            let faults = self.mode.limits.send_faults;
            check::in_order(
                sender,
                self.machine(device),
                conversation,
                client_id,
                faults,
            )?;
        }
        if self.time < self.down_until {
            self.lose(device, life, request);
            return Ok(());
        }
        if matches!(call, Request::PullConversations { only: None, .. }) {
            let position = self.server.position();
            let target = &mut self.devices[device];
            target.pulling_at = target.pulling_at.or(Some(position));
        }
        let held = Held {
            device,
            life,
            request,
            call,
            fate,
        };
        if let Request::Pull {
            cursor: Some(cursor),
            wait: Some(wait),
            ..
        } = &held.call
            && position_of(cursor) == Some(self.server.position())
        {
            let wait = u64::from(*wait);
            self.held.push(held);
            // What is silent for long is ended, or forgotten, by somebody between.
            match self.proxy.filter(|patience| *patience < wait) {
                Some(patience) => self.schedule(patience, device, Event::Cut { request }),
                None => self.schedule(wait, device, Event::Expire { request }),
            }
            return Ok(());
        }
        self.process(held)
    }

    /// The machine counts how often each of its messages was tried.
    fn tries(&mut self, device: usize, call: &Request) {
        let machine = self.devices[device].machine;
        if let Request::Send { client_id, .. } = call
            && let Some(own) = self.machines[machine].own.get_mut(client_id)
        {
            own.tried += 1;
        }
    }

    /// R9: nobody asks from, or acknowledges, what is not committed.
    fn promises_what_is_stored(&self, device: usize, call: &Request) -> Checked {
        let target = &self.devices[device];
        let stored = target.positions(&self.server);
        let check = |cursor: &str, position: Option<usize>, stored: usize| {
            if position.is_none_or(|position| position > stored) {
                return Err(format!(
                    "R9: a pull from {cursor}, and {stored} is what is stored"
                ));
            }
            Ok(())
        };
        match call {
            Request::Pull {
                cursor: Some(cursor),
                ..
            } => check(cursor, position_of(cursor), stored.least()),
            Request::PullConversations { cursors, .. } => {
                for (id, cursor) in cursors {
                    check(cursor, position_in(cursor, id), stored.of(id))?;
                }
                Ok(())
            }
            Request::Acknowledge { deliveries, .. } => {
                let kept = target.store.deliveries();
                match deliveries.iter().find(|name| !kept.has(name)) {
                    Some(name) => Err(format!("R9: {name} is acknowledged, and not stored")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The server answers.
    pub(super) fn process(&mut self, held: Held) -> Checked {
        let Held {
            device,
            life,
            request,
            call,
            fate,
        } = held;
        let (call, fate) = (&call, &fate);
        let forced = self.rng.chance(self.trouble.overflows).then(|| {
            let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
            if self.rng.chance(40) {
                Forced::All
            } else {
                Forced::Some(ids.into_iter().filter(|_| self.rng.chance(50)).collect())
            }
        });
        let could_push = self.server.can_push();
        self.server.asking = device;
        let result = match call.size() > (self.mode.largest / 3) as u64 {
            true => Err(Error::from_status(413, "too much at a time", None)),
            false => self.server.answer(call, forced, &mut self.rng),
        };
        if could_push && !self.server.can_push() {
            // What was pushed before an overflow and comes after it would be taken for new: the
            // server that lets go of deliveries lets go of the connection too.
            self.all_die();
        }
        let who = &self.devices[device].name;
        self.story.tell(self.time, "server", || match &result {
            Ok(text) => format!("answers {who} ({request}): {}", story::answer(text)),
            Err(error) => format!("answers {who} ({request}): {error}"),
        });
        if matches!(call, Request::Acknowledge { .. }) {
            // From here on the server counts on it.
            self.machine(device)
                .disk
                .stored
                .check(&self.server)
                .map_err(|error| format!("R9: after an acknowledgement: {error}"))?;
        }
        self.server_moved()?;
        let (result, lied) = match (fate, result) {
            (Fate::Unanswered, _) => return Ok(()),
            (Fate::AnswerLost, _) => {
                self.lose(device, life, request);
                return Ok(());
            }
            (Fate::Lied, Ok(text)) => match lies::lie(call, &text, &mut self.rng) {
                Some(lie) => (Ok(lie), true),
                None => (self.garbles(device, call, text), false),
            },
            (_, result) => (result, false),
        };
        if !self.machine(device).link && self.rng.chance(50) {
            self.lose(device, life, request);
            return Ok(());
        }
        self.goes_back(device, (life, request), call, result, lied);
        Ok(())
    }

    /// An answer is on its way, for as long as it takes; or the client has given it up before.
    fn goes_back(
        &mut self,
        device: usize,
        (life, request): (u32, u64),
        call: &Request,
        result: Result<String, Error>,
        lied: bool,
    ) {
        let since = self.devices[device]
            .requests
            .get(&request)
            .map_or(self.time, |pending| pending.since);
        let delay = self.rng.delay(60);
        let delay = delay + self.transfers(device, life, request, delay, &result);
        let result = match result {
            Ok(text) if text.len() > self.mode.largest => {
                self.reached.note("an answer that is too large");
                Err(Error::too_large("the simulation's"))
            }
            result => result,
        };
        let timeout = match call {
            Request::Pull {
                wait: Some(wait), ..
            } => TIMEOUT + u64::from(*wait),
            _ => TIMEOUT,
        };
        let silent = self.mode.rate.is_none();
        if self.impatient
            && silent
            && life == self.devices[device].life
            && self.time + delay > since + timeout
        {
            let result = Err(Error::new(ErrorCode::Timeout, "the simulation's"));
            self.schedule(
                (since + timeout).saturating_sub(self.time),
                device,
                Event::Answer {
                    life,
                    request,
                    result,
                    lied: false,
                },
            );
        } else {
            self.schedule(
                delay,
                device,
                Event::Answer {
                    life,
                    request,
                    result,
                    lied,
                },
            );
        }
    }

    /// The answer to a send says that it was done, and nothing that can be read.
    fn garbles(&mut self, device: usize, call: &Request, text: String) -> Result<String, Error> {
        let machine = self.devices[device].machine;
        match call {
            Request::Send { client_id, .. } if self.mode.bad_items => {
                if let Some(own) = self.machines[machine].own.get_mut(client_id) {
                    own.garbled = true;
                }
                Ok(json!({ "message": null }).to_string())
            }
            _ => Ok(text),
        }
    }

    /// An answer takes its time on a slow line; that it is coming is told meanwhile. Answers how long.
    fn transfers(
        &mut self,
        device: usize,
        life: u32,
        request: u64,
        delay: u64,
        result: &Result<String, Error>,
    ) -> u64 {
        let (Some(rate), Ok(text)) = (self.mode.rate, result) else {
            return 0;
        };
        let whole = text.len().min(self.mode.largest.saturating_add(1)) as u64 * 1_000 / rate;
        for at in (0..whole).step_by(2_000) {
            self.schedule(delay + at, device, Event::Progress { life, request });
        }
        self.reached
            .note_if(whole > TIMEOUT, "an answer slower than the time-out");
        whole
    }

    pub(super) fn answer(
        &mut self,
        device: usize,
        request: u64,
        result: Result<String, Error>,
        lied: bool,
    ) -> Checked {
        let Some(pending) = self.devices[device].requests.remove(&request) else {
            return Ok(());
        };
        self.answer_reaches(&pending, result.as_ref());
        let (name, own) = kind(&pending.call);
        let key = (device, format!("{name} {own}"));
        // What was given up hears no answer: the net has let go of it.
        if let Err(Error {
            retry_after: Some(pause),
            ..
        }) = &result
            && !pending.aborted
        {
            self.not_before.insert(key.clone(), self.time + pause);
        }
        if let (Err(error), Request::MarkRead { conversation, .. }) = (&result, &pending.call)
            && !error.retryable()
        {
            // Refused for good: nobody is promised that it was read.
            self.machines[self.devices[device].machine]
                .marks
                .remove(conversation);
        }
        if (lied || result.as_ref().is_err_and(Error::retryable))
            && !matches!(name, "edit" | "recall")
        {
            let most = self.most_failures(device, own);
            let streak = self.streaks.entry(key).or_insert(Streak {
                since: self.time,
                failures: 0,
            });
            streak.failures += 1;
            if streak.failures >= most && self.time - streak.since < 10_000 {
                return Err(format!(
                    "a storm: {most} failed requests ({name} {own}) in {} ms",
                    self.time - streak.since
                ));
            }
        } else {
            self.streaks.remove(&key);
        }
        // What was given up nobody applies.
        if let Request::PullConversations { only: None, .. } = &pending.call
            && !pending.aborted
        {
            self.pulled_all(device, if lied { None } else { result.as_ref().ok() });
        }
        self.tell(device, || match (&result, lied) {
            (Ok(text), true) => format!("gets ({request}) a lie: {text}"),
            (Ok(_), false) => format!("gets ({request})"),
            (Err(error), _) => format!("gets ({request}) {error:?}"),
        });
        self.devices[device].read_bytes = 0;
        self.input(device, Input::Answer { request, result })
    }

    /// How many requests of a kind about this conversation may fail in 10 s: each of its lists asks for what it lacks,
    /// at a pace of its own.
    fn most_failures(&self, device: usize, conversation: &str) -> u64 {
        let clients = self.clients_of(self.devices[device].machine).into_iter();
        let lists = clients.flat_map(|n| self.devices[n].facade.timelines.values());
        let lists = lists.filter(|view| view.conversation == conversation && !view.released);
        (6 * lists.count() as u64).max(20)
    }

    /// The bounds that an answer comes to.
    fn answer_reaches(&mut self, pending: &Pending, result: Result<&String, &Error>) {
        let (limits, reached) = (&self.mode.limits, &mut self.reached);
        let late = result.is_err_and(|error| error.code == ErrorCode::Timeout);
        reached.note_if(late, "a request that nobody answered in time");
        let grown = self.server.position() - pending.at;
        match &pending.call {
            Request::Conversations { limit, .. } => {
                reached.note_if(grown > limits.journal, "events in a journal");
                reached.note_if(*limit == limits.list_page, "a page of the list");
            }
            Request::History { limit, .. } => {
                reached.note_if(grown > limits.journal, "events in a journal");
                reached.note_if(*limit as usize >= limits.page, "messages of a page");
            }
            Request::PullConversations {
                only: Some(only), ..
            } => reached.note_if(only.len() >= limits.named, "conversations named"),
            _ => {}
        }
    }

    /// An answer about all conversations has come: if nothing more is to come, the pull is over.
    fn pulled_all(&mut self, device: usize, answer: Option<&String>) {
        let target = &mut self.devices[device];
        let answer = answer.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(answer) = answer else {
            target.pulling_at = None;
            return;
        };
        let mut batches = answer["conversations"].as_object().into_iter().flatten();
        let more = answer["hasMore"] == true
            || batches.any(|(_, batch)| batch["hasMore"] == true || !batch["error"].is_null());
        if !more && let Some(at) = target.pulling_at.take() {
            target.pulled_before = at;
        }
    }
}
