//! The sync alone: without an engine, a store, or a server.

use super::*;
use crate::core::cx::Rest;
use crate::core::net::Request;
use crate::core::purpose::Purpose;

/// The sync of a client that may ask.
struct Client {
    sync: Syncing,
    rest: Rest,
    /// numbers of what is under way: pulls and acknowledgements, and the channel
    asked: Option<u64>,
    listens: Option<u64>,
}

impl Client {
    /// `options`: of the facade, without its braces.
    fn new(options: &str) -> Client {
        let mut rest = Rest::new(options);
        rest.now.mono = 1_000;
        Client {
            sync: Syncing::default(),
            rest,
            asked: None,
            listens: None,
        }
    }

    fn with<R>(&mut self, input: impl FnOnce(&mut Syncing, &mut Cx) -> R) -> R {
        input(&mut self.sync, &mut self.rest.cx())
    }

    fn now(&self) -> u64 {
        self.rest.now.mono
    }

    fn pass(&mut self, ms: u64) {
        self.rest.now.mono += ms;
    }

    /// What it does by itself now.
    fn drive(&mut self) -> Vec<&'static str> {
        let _ = self.with(|sync, cx| sync.drive(cx));
        self.done()
    }

    fn done(&mut self) -> Vec<&'static str> {
        let mut done = Vec::new();
        while let Some(effect) = self.rest.out.poll() {
            done.push(match effect {
                Effect::Request { request, call, .. } => {
                    self.asked = Some(request);
                    match call {
                        Request::Pull { wait: Some(_), .. } => "wait",
                        Request::Acknowledge { .. } => "acknowledge",
                        _ => "pull",
                    }
                }
                Effect::Abort { .. } => "abort",
                Effect::Listen { listen } => {
                    self.listens = Some(listen);
                    "listen"
                }
                Effect::Unlisten => "unlisten",
                other => panic!("{other:?}"),
            });
        }
        done
    }

    /// When it does something by itself, in ms from now.
    fn due(&mut self) -> Option<u64> {
        let due = self.with(|sync, cx| sync.due(cx));
        due.map(|due| due.saturating_sub(self.now()))
    }

    fn ask(&mut self) {
        self.with(|sync, cx| sync.ask(cx, 0));
    }

    fn notice(&mut self, notice: Notice) -> Wake {
        let listen = self.listens.expect("a channel");
        self.with(|sync, cx| sync.on_notice(cx, listen, notice))
    }

    /// The pull under way is answered.
    fn answer(&mut self, result: Result<&str, Error>) -> Wake {
        let request = self.asked.take().expect("a pull under way");
        let asked = self.rest.out.requests.take_answered(self.now(), request);
        let Some(Purpose::Pull(asked)) = asked else {
            panic!("{asked:?}");
        };
        let result = result.map(str::to_owned);
        let wake = match &result {
            Ok(_) => self.with(|sync, cx| sync.on_reached(cx, true)),
            Err(error) => self.with(|sync, cx| sync.on_unreached(cx, error)),
        };
        wake.max(self.with(|sync, cx| sync.on_pulled(cx, request, &asked, result)))
    }

    /// The batch that an answer has brought is committed.
    fn commit(&mut self) -> Wake {
        let Some(Job::Batch { parts, .. }) = self.rest.jobs.pop() else {
            panic!("no batch");
        };
        let changes = CommitDelta::default();
        self.with(|sync, cx| sync.on_applied(cx, &parts, &changes))
    }

    /// A chain of one batch, from its beginning to its end.
    fn catch_up(&mut self) {
        self.ask();
        self.drive();
        let _ = self.answer(Ok(LAST));
        let _ = self.commit();
        assert!(self.sync.is_caught_up());
    }
}

const LAST: &str = r#"{"cursor":"a","hasMore":false,"events":[]}"#;
const MORE: &str = r#"{"cursor":"b","hasMore":true,"events":[]}"#;

fn busy() -> Error {
    Error::from_status(503, "busy", Some(30_000))
}

fn silence() -> Error {
    Error::new(ErrorCode::Network, "no answer")
}

#[test]
fn who_asks_during_a_chain_makes_exactly_one_more() {
    let mut client = Client::new(",\"notify\":\"poll\"");
    client.ask();
    assert_eq!(client.drive(), ["pull"]);
    client.ask();
    client.ask();
    assert!(client.drive().is_empty(), "one at a time");
    let _ = client.answer(Ok(MORE));
    assert_eq!(client.commit(), Wake::Nobody);
    assert_eq!(client.done(), ["pull"], "the chain goes on");
    let _ = client.answer(Ok(LAST));
    assert_eq!(client.commit(), Wake::Reloads);
    assert_eq!(client.drive(), ["pull"], "and one more");
    let _ = client.answer(Ok(LAST));
    let _ = client.commit();
    assert!(client.drive().is_empty());
}

#[test]
fn a_timer_goes_on_where_nobody_asks() {
    let cases = [
        ("", 5_000),
        (",\"fallbackPollInterval\":9000", 9_000),
        (",\"hidden\":true", 20_000),
    ];
    for (options, due) in cases {
        let mut client = Client::new(&format!("{options},\"notify\":\"poll\""));
        client.catch_up();
        assert_eq!(client.due(), Some(due), "{options}");
        client.pass(due);
        assert_eq!(client.drive(), ["pull"], "{options}");
    }
}

#[test]
fn while_notified_the_timer_is_slower() {
    let mut client = Client::new("");
    assert_eq!(client.drive(), ["listen"]);
    let _ = client.notice(Notice::Ready);
    client.catch_up();
    assert_eq!(client.due(), Some(30_000));
    let notified = Notice::Notify {
        spread: 0,
        conversations: Vec::new(),
    };
    let _ = client.notice(notified);
    assert_eq!(client.due(), Some(0));
}

#[test]
fn a_retry_after_is_obeyed_by_all_but_a_person() {
    let mut client = Client::new(",\"notify\":\"poll\"");
    client.catch_up();
    client.ask();
    client.drive();
    let _ = client.answer(Err(busy()));
    client.ask();
    let wake = client.with(|sync, cx| sync.on_return(cx));
    assert_eq!(wake, Wake::TryAgain);
    assert_eq!(client.due(), Some(30_000));
    let _ = client.with(|sync, cx| sync.on_call(cx, 1));
    assert_eq!(client.drive(), ["pull"], "a person waits");
}

#[test]
fn nothing_is_due_for_who_may_not_ask() {
    let mut client = Client::new("");
    client.ask();
    client.rest.standing.unsure = true;
    assert_eq!(client.due(), None);
    assert!(client.drive().is_empty());
    client.rest.standing.unsure = false;
    assert_eq!(client.drive(), ["listen", "pull"]);
    client.rest.standing.frozen = true;
    assert_eq!(client.drive(), ["unlisten"]);
}

#[test]
fn who_waits_for_the_network_tries_along_with_a_pull() {
    let mut client = Client::new(",\"notify\":\"poll\"");
    client.catch_up();
    client.ask();
    client.drive();
    assert_eq!(client.answer(Err(silence())), Wake::Reloads);
    assert_eq!(client.rest.standing.network.name(), "offline");
    assert!(client.sync.is_resting(client.now()));
    let due = client.due().expect("another try");
    client.pass(due);
    assert!(!client.sync.is_resting(client.now()));
    let wake = client.with(|sync, cx| sync.drive(cx));
    assert_eq!(wake, Wake::Timelines);
    client.done();
    assert_eq!(client.answer(Ok(LAST)), Wake::TryAgain);
}

#[test]
fn a_pull_that_waits_gives_way_to_who_asks() {
    let mut client = Client::new(",\"notify\":\"long-poll\"");
    client.catch_up();
    assert_eq!(client.drive(), ["wait"]);
    assert_eq!(client.due(), None, "it is itself the timer");
    client.ask();
    assert_eq!(client.drive(), ["abort", "pull"]);
}

#[test]
fn a_hidden_page_stops_waiting_after_a_minute() {
    let mut client = Client::new(",\"notify\":\"long-poll\"");
    client.catch_up();
    client.drive();
    let _ = client.with(|sync, cx| sync.on_visibility(cx, true));
    assert_eq!(client.due(), Some(60_000));
    client.pass(60_000);
    assert_eq!(client.drive()[0], "abort");
}

#[test]
fn what_a_new_database_has_not_asked_for_is_not_waited_for() {
    let mut client = Client::new(",\"notify\":\"poll\"");
    client.ask();
    client.drive();
    client.with(|sync, cx| sync.restart(cx));
    assert_eq!(client.done(), ["abort"]);
    client.ask();
    assert_eq!(client.drive(), ["pull"]);
}

#[test]
fn only_what_follows_is_taken_of_what_is_pushed() {
    let pushed = |prev: &str| {
        let text = format!("{{\"prev\":\"{prev}\",\"cursor\":\"d\",\"events\":[]}}");
        Notice::Push(text)
    };
    let mut client = Client::new("");
    client.drive();
    let _ = client.notice(Notice::Ready);
    client.catch_up();
    let _ = client.notice(pushed("elsewhere"));
    assert!(client.rest.jobs.is_empty());
    assert_eq!(client.drive(), ["pull"], "it counts as a notification");
}
