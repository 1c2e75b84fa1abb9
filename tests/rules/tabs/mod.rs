//! R15: all clients of an account in one browser show everything, live, and may do everything; one writes.

pub mod asks;
pub mod following;
pub mod lost;
pub mod moves;
pub mod wishes;

use pullcord::core::net::{Place, Request};
use pullcord::core::{Input, storage::StoreError};
use pullcord::store::Memory;
use serde_json::{Value, json};

use crate::harness::Harness;

/// Clients on one store, and what they tell each other.
pub struct Tabs {
    store: Memory,
    pub tabs: Vec<Harness>,
    /// nothing is told to this one
    pub deaf: Vec<bool>,
    writer: usize,
}

impl Tabs {
    /// As many, the first of which writes; signed in, each with a list of "c" on messages 7, 8 and 9.
    pub fn opened(count: usize) -> Tabs {
        let mut first = Harness::signed_in(9);
        first.open();
        first.answer_page(&[7, 8, 9], true, false);
        Tabs::of(first, count)
    }

    pub fn of(mut first: Harness, count: usize) -> Tabs {
        let store = std::mem::take(&mut first.store);
        first.told.clear();
        let mut tabs = Tabs {
            store,
            tabs: vec![first],
            deaf: vec![false; count],
            writer: 0,
        };
        for _ in 1..count {
            tabs.add(json!({"promoted": false}));
        }
        tabs
    }

    /// One more client.
    pub fn add(&mut self, options: Value) {
        let seed = 100 + self.tabs.len();
        let mut options = options;
        options["seed"] = json!(seed);
        let now = self.tabs[0].now;
        let mut tab = Harness::with(options);
        tab.now = now;
        tab.store = self.store.clone();
        let mut tab = tab.restart();
        tab.now = now;
        tab.store = Memory::new();
        self.tabs.push(tab);
        if self.deaf.len() < self.tabs.len() {
            self.deaf.push(false);
        }
        let last = self.tabs.len() - 1;
        self.on(last, |tab| tab.open());
    }

    /// Something happens to one; what it tells is told to the others.
    pub fn on<T>(&mut self, tab: usize, act: impl FnOnce(&mut Harness) -> T) -> T {
        let done = self.alone(tab, act);
        self.deliver();
        done
    }

    /// The same, and nothing is told yet.
    pub fn alone<T>(&mut self, tab: usize, act: impl FnOnce(&mut Harness) -> T) -> T {
        std::mem::swap(&mut self.store, &mut self.tabs[tab].store);
        let done = act(&mut self.tabs[tab]);
        std::mem::swap(&mut self.store, &mut self.tabs[tab].store);
        done
    }

    /// What is told is heard, until nobody says any more.
    pub fn deliver(&mut self) {
        for _ in 0..1_000 {
            let next = (0..self.tabs.len()).find_map(|tab| {
                let said = self.tabs[tab].told.pop_front()?;
                Some((tab, said))
            });
            let Some((from, said)) = next else { return };
            let hearers: Vec<usize> = (0..self.tabs.len())
                .filter(|tab| *tab != from && !self.deaf[*tab])
                .collect();
            for tab in hearers {
                self.alone(tab, |tab| tab.input(Input::Heard(said.clone())));
            }
        }
        panic!("they do not stop talking");
    }

    /// Time passes for all.
    pub fn wait(&mut self, ms: u64) {
        let end = self.tabs[0].now + ms;
        while self.tabs[0].now < end {
            let step = (end - self.tabs[0].now).min(250);
            for tab in 0..self.tabs.len() {
                self.on(tab, |tab| tab.wait(step));
            }
        }
    }

    /// The browser deletes the database; an empty one takes its place. Nobody has found it out yet.
    pub fn is_evicted(&mut self) {
        self.store = Memory::above(self.store.fence() + 1_000);
    }

    /// Another writes from here on.
    pub fn promote(&mut self, tab: usize) {
        self.writer = tab;
        let epoch = self.store.fence();
        self.on(tab, |tab| tab.input(Input::Promoted { epoch }));
    }

    /// What each shows.
    pub fn shown(&self) -> Vec<String> {
        self.tabs.iter().map(Harness::shown).collect()
    }

    /// All show this.
    pub fn all_show(&self, what: &str) {
        for (n, shown) in self.shown().iter().enumerate() {
            assert_eq!(shown, what, "tab {n}");
        }
    }

    pub fn events(&self, tab: usize, kind: &str) -> usize {
        let all = self.tabs[tab].events.iter();
        all.filter(|event| event["type"] == kind).count()
    }
}

pub fn is_page_before(seq: u64) -> impl Fn(&Request) -> bool {
    move |call| matches!(call, Request::History { place: Place::Before(at), .. } if at.0 == seq)
}

/// The oldest of the slow reads fails. It is not asked again at once, and no timer fires at once for what waits
/// behind it.
pub fn fail_read(b: &mut Harness) {
    let Input::Read { op, .. } = b.read_now() else {
        panic!("it reads");
    };
    let result = Err(StoreError::Failed("the disk".into()));
    b.input(Input::Read { op, result });
    let due = b.engine.deadline();
    assert!(due.is_some_and(|at| at > b.now), "{due:?} at {}", b.now);
}

/// As the first of [`Tabs::opened`], a block a message, and no room for more than six that nobody shows.
fn with_room_for_six() -> Harness {
    let mut first = Harness::with(json!({"maxMessages": 6}));
    first.limit(|limits| limits.block_messages = 1);
    let mut first = first.restart();
    first.sign_in(9);
    first.open();
    first.answer_page(&[7, 8, 9], true, false);
    first
}
