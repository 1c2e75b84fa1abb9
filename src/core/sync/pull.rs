//! The pull loop's state: whether a chain is under way, when the next one is wanted, and of what.
//!
//! ```text
//!           ┌────────── wait ──────────▶ Waiting ──┐ its answer
//!  Idle ────┤                              │ stop  ▼
//!    ▲      └─ start (due, and wanted) ────┼──▶ Running ──answer──▶ batch job ──hasMore──┐
//!    │                                     │      │  ▲                                   │
//!    └──── caught up, failed, void ◀───────┴──────┘  └───────────────────────────────────┘
//! ```
//!
//! What comes of an answer is in `answers`.

mod acks;
mod answers;
mod calls;
mod chain;
mod hints;
mod overflows;
mod patience;

use super::scope::conversation::{Conversations, Pieces, PullTargets};
use super::scope::{self, Names};
use crate::core::backoff::{Backoff, Portion};
use crate::core::command::Call;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::fault::Fault;
use crate::core::io::Effect;
use crate::core::options::Notify;
use crate::core::purpose::{PullContext, Purpose};
use acks::Refused;
use calls::Calls;
use chain::{Chain, Endless};
use hints::Hints;
use overflows::Overflows;
use patience::Patience;
use std::rc::Rc;

/// How much slower the timer is on a hidden page.
const HIDDEN_FACTOR: u64 = 4;
/// ms after which a hidden page's pull does not wait at the server any more.
const HIDDEN_LONG: u64 = 60_000;
/// ms between two pulls, or lists, that a person asks for.
const URGENT: u64 = 1_000;

/// How a chain goes on after an input: the list and the channel go by it.
#[must_use]
#[derive(Debug)]
pub(super) enum Course {
    /// It has not ended; or it is void, and another one is wanted.
    GoesOn,
    /// All that the chain brings is committed. `unbroken`: the channel has brought all that came since
    /// the chain began. `all`: of all conversations. `again`: somebody has asked for a pull during it.
    Ended {
        unbroken: bool,
        all: bool,
        again: bool,
    },
    /// the chain has failed
    Failed(Error),
}

/// Whether a chain is under way.
#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// Its first request waits at the server for something to come.
    Waiting(Box<Chain>),
    Running(Box<Chain>),
}

/// The pull loop.
#[derive(Debug, Default)]
pub(super) struct Pull {
    state: State,
    /// when the next one is wanted
    want: Option<u64>,
    /// of what it is wanted
    about: PullTargets,
    /// somebody waits for the next one: it goes at once, whatever is backed off from
    urgent: bool,
    /// when the last such one left
    urged: Option<u64>,
    /// when the last chain began
    began: Option<u64>,
    /// where the timer begins
    timed_from: u64,
    /// when the last one was asked for because the network was said to be gone
    lost: Option<u64>,
    /// when the last one was asked for on return: visible, awake, another network
    returned: Option<u64>,
    backoff: Backoff,
    hints: Hints,
    /// how long a pull may wait at the server, and from when on
    patience: Patience,
    conversations: Conversations,
    /// events asked for at a time
    events: Portion,
    /// deliveries acknowledged at a time
    acks: Portion,
    refused: Refused,
    /// chains in a row that were given up for having no end
    endless: u32,
    overflows: Overflows,
    calls: Calls,
    /// a chain has ended since connecting
    caught_up: bool,
    /// the last error that the app was told of, until something succeeds
    told: Option<Error>,
    /// why the last one failed
    error: Option<Error>,
    /// ms since the epoch
    last_synced: Option<u64>,
}

impl Pull {
    // ------------------------------------------------------------ what is under way

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Whether a request waits at the server for something to come.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// The chain under way, or about to be.
    fn chain(&mut self) -> Option<&mut Chain> {
        match &mut self.state {
            State::Idle => None,
            State::Waiting(chain) | State::Running(chain) => Some(chain),
        }
    }

    /// The chain under way, by when it began.
    pub fn under_way(&self) -> Option<u64> {
        self.began.filter(|_| self.is_running())
    }

    /// Events that the chain under way has applied.
    pub fn applied(&self) -> Option<u64> {
        match &self.state {
            State::Running(chain) => Some(chain.applied),
            State::Idle | State::Waiting(_) => None,
        }
    }

    /// Whether a chain has ended since connecting.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether the last one was refused, or its answer breaks the protocol.
    pub fn is_refused(&self) -> bool {
        let refused = |e: &Error| e.is_refusal() || e.code == ErrorCode::Protocol;
        self.backoff.failures() > 0 && self.error.as_ref().is_some_and(refused)
    }

    /// Why the last one has failed.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// ms since the epoch
    pub fn last_synced(&self) -> Option<u64> {
        self.last_synced
    }

    /// Whether what is known of this conversation may be of before what the server has shown already.
    pub fn is_behind(&self, conversation: &str) -> bool {
        let fails = self.backoff.failures() > 0;
        self.is_running() || fails || self.conversations.has_failed(conversation)
    }

    /// Whether the client waits by its own choice before the next one, and nobody has asked.
    pub fn is_resting(&self, now: u64) -> bool {
        now < self.backoff.chosen_until() && !self.is_running() && !self.urgent
    }

    // ------------------------------------------------------------ asking

    /// Something may be new in these conversations; none: anywhere.
    pub fn ask(&mut self, cx: &Cx, delay: u64, conversations: Vec<String>) {
        self.about.add(conversations, cx.config.limits.named);
        if let State::Running(chain) = &mut self.state {
            chain.again = true;
            return;
        }
        let at = cx.now.mono.saturating_add(delay);
        self.want = Some(self.want.map_or(at, |want| want.min(at)));
    }

    /// A push was applied: notifications are believed again.
    pub fn on_push_applied(&mut self) {
        self.hints.on_push_applied();
    }

    /// The same, because a notification says so.
    pub fn on_hint(&mut self, cx: &Cx, delay: u64, conversations: Vec<String>) {
        self.hints.on_hint();
        self.ask(cx, delay, conversations);
    }

    /// Another chain is wanted at once, about all.
    fn ask_for_all(&mut self, now: u64) {
        self.want = Some(now);
        self.about = PullTargets::All;
    }

    /// A chain has failed: another one about all, as soon as the backoff is over.
    fn plan_after_failure(&mut self, now: u64) {
        self.urgent = false;
        self.timed_from = now;
        self.ask_for_all(now);
    }

    /// `sync()`: the next chain answers it. Calls that bring nothing again and again are those of a loop, and count as
    /// notifications do.
    pub fn on_call(&mut self, call: Call) {
        self.hints.on_hint();
        self.calls.add([call], self.is_running());
    }

    /// The next one leaves at once, whatever is backed off from: as often as a person may.
    pub fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Syncing fails, or has ended.
    pub fn on_error(&mut self, error: Option<Error>) {
        self.error = error;
    }

    /// The account has left it.
    pub fn forget(&mut self, conversation: &str) {
        self.conversations.forget(conversation);
    }

    /// What is pushed does not follow what the chain under way will have brought.
    pub fn on_break(&mut self) {
        if let Some(chain) = self.chain() {
            chain.unbroken = false;
        }
    }

    /// The browser says that there is no network: a pull finds out.
    pub fn on_lost(&mut self, cx: &Cx) {
        let delay = once_a_second(&mut self.lost, cx.now.mono);
        self.ask(cx, delay, Vec::new());
    }

    /// On return; not before `least` ms, in which another reason for it comes.
    pub fn on_return(&mut self, cx: &Cx, least: u64) {
        let delay = once_a_second(&mut self.returned, cx.now.mono);
        self.ask(cx, delay.max(least), Vec::new());
    }

    // ------------------------------------------------------------ who has called

    /// The calls that the chain that has ended answers.
    pub fn take_answered(&mut self) -> Vec<Call> {
        self.calls.take_answered()
    }

    /// The calls that wait for the owed list.
    pub fn take_listing(&mut self) -> Vec<Call> {
        self.calls.take_listing()
    }

    /// All calls under way.
    pub fn take_calls(&mut self) -> Vec<Call> {
        self.calls.take_all()
    }

    /// Lets go of one call. Answers whether it was here.
    pub fn drop_call(&mut self, call: Call) -> bool {
        self.calls.drop_one(call)
    }

    /// The owed list answers these.
    pub fn leave_to_list(&mut self, calls: Vec<Call>) {
        self.calls.wait_for_list(calls);
    }

    /// Another chain answers these: the one after the chain that has just ended, or is under way.
    pub fn leave_to_next(&mut self, calls: Vec<Call>, ended: bool) {
        self.calls.add(calls, ended || self.is_running());
    }

    /// A chain has ended, and its calls are answered: another one is wanted where somebody has asked
    /// during it.
    pub fn on_calls_answered(&mut self, now: u64, again: bool) {
        if self.calls.end_chain() {
            self.ask_for_all(now);
        } else if again {
            self.want = Some(now);
        }
    }

    /// The timer begins at `from`, or later.
    pub fn put_off_timer(&mut self, from: u64) {
        self.timed_from = self.timed_from.max(from);
    }

    /// No backoff that only the client chose is waited out.
    pub fn forgive(&mut self) {
        self.backoff.forgive();
        self.patience.restart();
        self.conversations.forgive();
    }

    /// A person waits: nothing is waited out.
    pub fn urge(&mut self, now: u64) {
        self.urged = Some(now);
        self.backoff.urge();
        self.patience.restart();
        self.conversations.urge();
    }

    /// The connection is another, or none: whether all is caught up is not known any more.
    pub fn lose_touch(&mut self) {
        self.caught_up = false;
    }

    /// The database is new, or this client's no more.
    pub fn restart(&mut self, cx: &mut Cx) {
        if let State::Waiting(chain) | State::Running(chain) = std::mem::take(&mut self.state) {
            cx.out.abort_request(chain.request);
        }
        self.calls.begin_anew();
        self.conversations.restart();
        self.caught_up = false;
        // What failed was the old database: nobody has to be spared.
        self.backoff.forgive();
    }

    // ------------------------------------------------------------ when

    /// When the timer makes a chain; `None`: a pull waits at the server, and is itself the timer.
    fn timer_at(&self, cx: &Cx, channel_ready: bool) -> Option<u64> {
        if self.is_waiting() {
            return None;
        }
        let interval = match channel_ready {
            true => cx.config.poll_interval,
            false => cx.config.fallback_poll_interval,
        };
        let hidden = cx.standing.hidden_since.is_some();
        let interval = interval.saturating_mul(if hidden { HIDDEN_FACTOR } else { 1 });
        Some(self.timed_from.saturating_add(interval))
    }

    /// No chain begins before this (monotonic ms), whoever wants it: a busy group's notifications merge into few pulls,
    /// those that bring nothing are believed less and less, and a pull that has failed is backed off from.
    fn held_until(&self, cx: &Cx) -> u64 {
        let pace = self.hints.pace(cx.config.fallback_poll_interval);
        let least = cx.config.min_pull_interval.max(pace);
        let merged = |began: u64| began.saturating_add(least);
        let merged = self.began.map_or(0, merged);
        merged.max(self.backoff.ready_at())
    }

    /// Whether anything is waited for before this.
    pub fn is_held(&self, cx: &Cx) -> bool {
        let now = cx.now.mono;
        self.held_until(cx) > now || self.conversations.is_any_resting(now)
    }

    /// When a person's wish goes before all that is backed off from.
    pub fn urgent_at(&self) -> u64 {
        self.urged.map_or(0, |at| at.saturating_add(URGENT))
    }

    /// When the next one is to leave. `channel_ready`: the notification channel is ready.
    pub fn start_at(&self, cx: &Cx, channel_ready: bool) -> Option<u64> {
        // What was pushed is committed first: that goes on by itself.
        if self.is_running() || cx.jobs.has_uncommitted_push() {
            return None;
        }
        let again = self.conversations.ready_at();
        let wanted = [self.timer_at(cx, channel_ready), self.want, again];
        let wanted = wanted.into_iter().flatten().min()?;
        let at = wanted.max(self.held_until(cx));
        Some(match self.urgent {
            true => at.min(self.urgent_at()),
            false => at,
        })
    }

    /// When one is to wait at the server.
    pub fn wait_at(&self, cx: &Cx) -> Option<u64> {
        let idle = matches!(self.state, State::Idle) && self.caught_up;
        let may = cx.config.notify == Notify::LongPoll && cx.config.scope.may_wait();
        let hidden = hidden_long_at(cx).is_some_and(|at| at <= cx.now.mono);
        let at = self.held_until(cx).max(self.patience.from());
        (may && idle && !hidden).then_some(at)
    }

    /// When the one that waits is not to wait any more.
    pub fn stop_at(&self, cx: &Cx) -> Option<u64> {
        hidden_long_at(cx).filter(|_| self.is_waiting())
    }

    // ------------------------------------------------------------ beginning

    /// It is time for one. Answers whether it has left.
    pub fn start(&mut self, cx: &mut Cx, channel_ready: bool) -> bool {
        let now = cx.now.mono;
        if std::mem::take(&mut self.urgent) {
            if self.held_until(cx) > now {
                self.urge(now);
            }
            self.ask_for_all(now);
        }
        let Some((pieces, broad)) = self.choose(cx, channel_ready) else {
            // All that is asked for is backed off from.
            return false;
        };
        self.stop_waiting(cx);
        let mut chain = self.begin(cx, pieces, channel_ready);
        chain.broad = broad;
        self.state = State::Running(chain);
        cx.out.told.status = true;
        self.request(cx, None);
        true
    }

    /// One waits at the server for something to come.
    pub fn wait(&mut self, cx: &mut Cx, channel_ready: bool) {
        let wait = self.patience.wait(cx.config.poll_interval);
        let chain = self.begin(cx, Pieces::whole(), channel_ready);
        self.state = State::Waiting(chain);
        self.request(cx, Some(wait));
    }

    /// The request that waits at the server is not waited for any more.
    pub fn stop_waiting(&mut self, cx: &mut Cx) {
        if let State::Waiting(chain) = &self.state {
            cx.out.abort_request(chain.request);
            self.state = State::Idle;
        }
    }

    fn begin(&mut self, cx: &Cx, mut pieces: Pieces, channel_ready: bool) -> Box<Chain> {
        self.began = Some(cx.now.mono);
        self.hints.on_begin();
        if cx.config.scope.has_pieces() {
            self.conversations.begin(cx.db, &mut pieces);
        }
        Box::new(Chain {
            request: 0,
            pieces,
            broad: true,
            unbroken: channel_ready,
            after_list: !cx.db.meta().owed && !cx.db.meta().suspects.is_empty(),
            again: false,
            more: false,
            applied: 0,
            acking: Vec::new(),
            stuck: None,
            moved: false,
            left_asked: false,
            alone: 0,
            endless: Endless::new(&cx.config.limits, self.endless),
        })
    }

    /// Decides what the next chain is about: what somebody asked for, or all that is not backed off
    /// from; and whether it is about all that may be asked for. `None`: there is nothing to ask for.
    fn choose(&mut self, cx: &Cx, channel_ready: bool) -> Option<(Pieces, bool)> {
        let now = cx.now.mono;
        let timed = self.timer_at(cx, channel_ready).is_some_and(|at| at <= now);
        let mut about = PullTargets::Nothing;
        if timed || self.want.is_some_and(|want| want <= now) {
            self.want = None;
            about = std::mem::take(&mut self.about);
        }
        if !cx.config.scope.has_pieces() {
            return Some((Pieces::whole(), true));
        }
        match about {
            PullTargets::Some(ids) if !timed => {
                let pieces = self.conversations.some(now, ids);
                if pieces.is_none() && Fault::FailingHoldsUpTheTimer.on() {
                    self.timed_from = now;
                }
                pieces.map(|pieces| (pieces, false))
            }
            // Or the backoff of one that failed is over. Among all: alone, one that the account has
            // left would be refused again, and not said to be left.
            _ => Some((self.conversations.all(cx.db, now), true)),
        }
    }

    /// The chain's next request.
    fn request(&mut self, cx: &mut Cx, wait: Option<u32>) {
        let (State::Waiting(chain) | State::Running(chain)) = &mut self.state else {
            debug_assert!(false, "a chain asks");
            return;
        };
        let names = Names {
            db: cx.db,
            now: cx.now.mono,
            conversations: &self.conversations,
            pieces: &mut chain.pieces,
            limit: self.events.limit(cx.config.pull_limit),
            wait,
        };
        let (call, asked): (_, PullContext) = scope::request(cx.config.scope, names);
        chain.request = cx.request(call, Purpose::Pull(asked));
    }

    // ------------------------------------------------------------ whose answer it is

    /// An answer of another account than the first that was seen: another user's token. Nothing of it
    /// is applied.
    pub fn check_account(&mut self, cx: &mut Cx, account: Option<&Rc<str>>) -> Result<(), Error> {
        match (&cx.db.meta().account, account) {
            (Some(known), Some(said)) if known != said => {
                let what = "the server answers for another account: another user's token";
                let error = Error::new(ErrorCode::Unauthorized, what);
                self.on_unauthorized(cx, error.clone());
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// 401, after the net has asked the token provider once more: wait for the app.
    pub fn on_unauthorized(&mut self, cx: &mut Cx, error: Error) {
        if cx.standing.needs_auth {
            return;
        }
        cx.standing.needs_auth = true;
        cx.out.effect(Effect::ForgetToken);
        cx.out.effect(Effect::Refused);
        for call in self.calls.take_all() {
            cx.out.reject(call, &error);
        }
        cx.out.error_event(&error);
        self.error = Some(error);
        self.lose_touch();
        cx.out.told.status = true;
    }
}

/// When the page has been hidden for long.
fn hidden_long_at(cx: &Cx) -> Option<u64> {
    let since = cx.standing.hidden_since;
    since.map(|since| since.saturating_add(HIDDEN_LONG))
}

/// How long to wait, so that what is only a hint makes one pull a second at most, however it flaps.
fn once_a_second(last: &mut Option<u64>, now: u64) -> u64 {
    let at = match *last {
        Some(planned) if planned > now => planned,
        Some(last) => now.max(last.saturating_add(URGENT)),
        None => now,
    };
    *last = Some(at);
    at - now
}
