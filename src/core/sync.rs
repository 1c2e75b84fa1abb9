//! Staying up to date: the pull loop, the owed conversation list (R11), the notification channel, and
//! what wakes them.
//!
//! ```text
//!  notification, timer, reconnect, wake-up, visible, online, the app
//!      │ ask
//!      ▼
//!   due? ──no──▶ timer (backoff, Retry-After, minPullInterval, spread)
//!      │ yes
//!      ▼
//!   pull ──▶ batch job ──hasMore──▶ pull …   one chain at a time; who asks during it makes one more
//!      │ not
//!      ▼
//!   caught up (once the owed list is paid) ──▶ a pull that waits at the server (notify "long-poll")
//! ```
//!
//! | room | |
//! | --- | --- |
//! | `pull` | whether a chain is under way, when the next one is wanted, and of what |
//! | `pull::answers` | what comes of its answers |
//! | `pull::chain` | one chain, and where it has no end |
//! | `pull::patience` | how long a pull may wait at the server |
//! | `pull::calls` | who has called `sync()`, and what answers it |
//! | `scope` | what a request names, and how its answer is read |
//! | `list` | the owed list |
//! | `channel` | the notification channel |
//! | `push` | events that come without a pull |
//! | `awaited` | what has to come of what the server has said |
//! | `unstated` | conversations whose state says nothing of their new messages |
//!
//! The pull, the list and the channel do not know each other: this file takes what one of them says to the
//! others. What the other parts of the client have to do is returned, as [`Wake`].

mod awaited;
mod channel;
mod conversation_limit;
mod list;
mod pull;
mod push;
mod scope;
mod unstated;

use std::rc::Rc;

use super::command::Call;
use super::connectivity::{Back, Hint};
use super::cx::Cx;
use super::options::Config;
use super::purpose::PullContext;

use super::error::{Error, ErrorCode};
use super::events::Event;
use super::failures::{LISTEN, Question};
use super::fault::Fault;
use super::io::Effect;
use super::jobs::Job;
use super::net::Notice;
use super::tx::{CommitDelta, Committed};
use super::wire;
use super::wire::batch::FeedBatch;
use super::wire::list::ListPage;
use awaited::Awaited;
use channel::Channel;
pub(super) use list::OwedList;
use list::Page;
use pull::{Course, Pull};
use unstated::Unstated;

/// ms after waking within which answers arrive that came while the machine slept.
const HEARD_SOON: u64 = 5_000;
/// ms that a pull on return is put off: the channel makes one when it is ready, and one is enough.
const READY_SOON: u64 = 1_000;
/// ms within which a call settles after what it waits for has failed (R14).
const SETTLES: u64 = 10_000;
/// ms over which clients open their channels again after their server has closed all of them at once.
const LEAVING_SPREAD: u64 = 5_000;

/// Which other parts go on after an input. A later one includes those before it.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    Nobody,
    /// windows that wait for what a pull or the list may bring
    Reloads,
    /// all timelines
    Timelines,
    /// Timelines and sends: what failed for want of a network is tried again.
    TryAgain,
}

/// What happens at a time of its own. Steps that are due together are done in this order.
#[derive(Clone, Copy, Debug)]
enum Step {
    OpenChannel,
    Pull,
    /// The page has been hidden for long.
    StopWaiting,
    /// A pull waits at the server.
    Wait,
    AskForList,
}

const STEPS: [Step; 5] = [
    Step::OpenChannel,
    Step::Pull,
    Step::StopWaiting,
    Step::Wait,
    Step::AskForList,
];

/// The sync's parts and what it has been told.
#[derive(Debug, Default)]
pub(super) struct Syncing {
    pull: Pull,
    list: OwedList,
    channel: Channel,
    unstated: Unstated,
    pub awaited: Awaited,
}

impl Syncing {
    // ------------------------------------------------------------ what others ask

    /// Whether what is known of this conversation may be of before what the server has shown already.
    pub fn is_behind(&self, conversation: &str) -> bool {
        self.pull.is_behind(conversation)
    }

    /// The chain under way, by when it began.
    pub fn under_way(&self) -> Option<u64> {
        self.pull.under_way()
    }

    /// Whether a request waits at the server for something to come.
    pub fn is_waiting(&self) -> bool {
        self.pull.is_waiting()
    }

    pub fn is_pulling(&self) -> bool {
        self.pull.is_running()
    }

    /// Events that the chain under way has applied.
    pub fn applied(&self) -> Option<u64> {
        self.pull.applied()
    }

    /// Whether a chain has ended since connecting. The list may be owed all the same.
    pub fn is_caught_up(&self) -> bool {
        self.pull.is_caught_up()
    }

    /// ms since the epoch
    pub fn last_synced(&self) -> Option<u64> {
        self.pull.last_synced()
    }

    /// Whether the server refuses each pull, or answers none as it has to.
    pub fn is_refused(&self) -> bool {
        self.pull.is_refused()
    }

    /// Why the last pull has failed.
    pub fn error(&self) -> Option<&Error> {
        self.pull.error()
    }

    /// The owed list.
    pub fn list(&self) -> &OwedList {
        &self.list
    }

    /// Whether the owed list is on its way, and nothing has gone wrong with it.
    pub fn does_list_come(&self, db: &Committed) -> bool {
        db.meta().owed && !self.list.has_failed()
    }

    /// Whether the next pull waits by the client's own choice.
    pub fn is_resting(&self, now: u64) -> bool {
        self.pull.is_resting(now)
    }

    // ------------------------------------------------------------ asking

    /// Something may be new.
    pub fn ask(&mut self, cx: &Cx, delay: u64) {
        self.pull.ask(cx, delay, Vec::new());
    }

    /// `sync()`: asks again for the token, and does not wait out a backoff that only the client chose.
    pub fn on_call(&mut self, cx: &mut Cx, call: Call) -> Wake {
        let wake = ask_for_token(cx);
        if !cx.standing.promoted {
            // This client waits until the other one has gone ("waiting"). Its first pull answers the call.
            self.pull.on_call(call);
            return wake;
        }
        self.pull.on_call(call);
        self.pull.hurry();
        if self.pull.urgent_at() <= cx.now.mono {
            self.urge(cx);
        }
        self.ask(cx, 0);
        wake
    }

    /// A person asks: nothing is waited out.
    fn urge(&mut self, cx: &Cx) {
        let now = cx.now.mono;
        if self.pull.is_held(cx) || self.list.ready_at() > now {
            self.pull.urge(now);
            self.list.urge();
        }
    }

    /// The `sync()` calls under way.
    pub fn take_calls(&mut self) -> Vec<Call> {
        self.pull.take_calls()
    }

    /// Lets go of one call. Answers whether it was here.
    pub fn drop_call(&mut self, call: Call) -> bool {
        self.pull.drop_call(call)
    }

    // ------------------------------------------------------------ driving

    /// When a step is due.
    fn at(&self, cx: &Cx, step: Step) -> Option<u64> {
        match step {
            Step::OpenChannel => self.channel.open_at(cx),
            Step::Pull => self.pull.start_at(cx, self.channel.is_ready()),
            Step::StopWaiting => self.pull.stop_at(cx),
            Step::Wait => self.pull.wait_at(cx),
            Step::AskForList => self.list.ask_at(cx),
        }
    }

    /// When something here is due.
    pub fn due(&self, cx: &Cx) -> Option<u64> {
        if !cx.standing.may_request() {
            return None;
        }
        STEPS.iter().filter_map(|step| self.at(cx, *step)).min()
    }

    /// What is due is done.
    pub fn drive(&mut self, cx: &mut Cx) -> Wake {
        if !cx.standing.is_working() {
            self.close_channel(cx);
        }
        let mut wake = Wake::Nobody;
        if !cx.standing.may_request() {
            return wake;
        }
        for step in STEPS {
            if self.at(cx, step).is_some_and(|at| at <= cx.now.mono) {
                wake = wake.max(self.take(cx, step));
            }
        }
        wake
    }

    fn take(&mut self, cx: &mut Cx, step: Step) -> Wake {
        let channel_ready = self.channel.is_ready();
        match step {
            Step::OpenChannel => self.channel.open(cx),
            Step::Pull => {
                let started = self.pull.start(cx, channel_ready);
                if started && cx.standing.network.do_pulls_fail() {
                    // Whoever waits for the network tries along.
                    return Wake::Timelines;
                }
            }
            Step::StopWaiting => self.pull.stop_waiting(cx),
            Step::Wait => self.pull.wait(cx, channel_ready),
            Step::AskForList => self.list.ask(cx),
        }
        Wake::Nobody
    }

    // ------------------------------------------------------------ what the requests say

    /// Some request was answered: the server is there. `well`: with what it was asked for.
    pub fn on_reached(&mut self, cx: &mut Cx, well: bool) -> Wake {
        let network = &mut cx.standing.network;
        let before = network.name();
        let back = network.on_answer(well);
        cx.out.told.status |= back != Back::Nothing || before != network.name();
        match back {
            Back::Nothing => Wake::Nobody,
            // Where only a send or a page failed, and pulls do not, it was not the network: what failed
            // waits out its backoff, or this would be a storm of requests.
            Back::Request => Wake::Timelines,
            Back::Network => Wake::TryAgain,
        }
    }

    /// Some request failed.
    pub fn on_unreached(&mut self, cx: &mut Cx, error: &Error) -> Wake {
        match error.code {
            ErrorCode::Unauthorized => self.pull.on_unauthorized(cx, error.clone()),
            _ if error.is_no_answer() => {
                if cx.standing.network.on_no_answer() {
                    cx.out.told.status = true;
                    // Was it this request, or the network? A pull finds out at once.
                    self.ask(cx, 0);
                }
                self.pull.lose_touch();
            }
            _ if error.status.is_some() => return self.on_reached(cx, false),
            _ => {}
        }
        Wake::Nobody
    }

    /// An answer of another account than the first that was seen: another user's token. Nothing of it
    /// is applied.
    pub fn check_account(&mut self, cx: &mut Cx, account: Option<&Rc<str>>) -> Result<(), Error> {
        self.pull.check_account(cx, account)
    }

    /// The client has ended.
    pub fn on_end(&mut self, error: Option<Error>) {
        self.pull.on_error(error);
    }

    // ------------------------------------------------------------ the pull

    pub fn on_pulled(
        &mut self,
        cx: &mut Cx,
        request: u64,
        asked: &PullContext,
        result: Result<String, Error>,
    ) -> Wake {
        let course = self.pull.on_answer(cx, request, asked, result);
        self.on_course(cx, course)
    }

    /// The answer to an acknowledgement of so many deliveries, pushed or pulled ones.
    pub fn on_acknowledged(
        &mut self,
        cx: &mut Cx,
        request: u64,
        (pushed, count): (bool, u32),
        result: Result<String, Error>,
    ) -> Wake {
        if pushed {
            self.pull.on_push_acknowledged(cx, count, result);
            return Wake::Nobody;
        }
        let course = self.pull.on_acknowledged(cx, request, count, result);
        self.on_course(cx, course)
    }

    /// Batches are committed.
    pub fn on_applied(&mut self, cx: &mut Cx, parts: &[FeedBatch], changes: &CommitDelta) -> Wake {
        self.unstated.note(&changes.messages);
        let course = self.pull.on_applied(cx, parts, changes);
        self.on_course(cx, course)
    }

    /// A push is committed.
    pub fn on_push_applied(&mut self, cx: &mut Cx, parts: &[FeedBatch]) {
        self.pull.on_push_applied();
        self.pull.acknowledge_pushed(cx, parts);
    }

    /// What a chain proves to be gone is gone.
    pub fn on_suspects_removed(&mut self, cx: &mut Cx) -> Wake {
        let course = self.pull.end(cx);
        self.on_course(cx, course)
    }

    /// The batch was void: its request's cursor is not the applied one (R1).
    pub fn on_void(&mut self, cx: &Cx) {
        self.pull.on_void(cx);
    }

    /// What a pull has brought could not be committed.
    pub fn on_pull_failed(&mut self, cx: &mut Cx, error: Error) -> Wake {
        let course = self.pull.fail(cx, error);
        self.on_course(cx, course)
    }

    fn on_course(&mut self, cx: &mut Cx, course: Course) -> Wake {
        match course {
            Course::GoesOn => return Wake::Nobody,
            Course::Ended {
                unbroken,
                all,
                again,
            } => {
                self.unstated.on_chain_ended(cx);
                if all {
                    self.awaited.on_chain_ended(cx);
                }
                self.channel.on_chain_ended(unbroken);
                self.answer_calls(cx);
                self.pull.on_calls_answered(cx.now.mono, again);
            }
            Course::Failed(error) => {
                self.channel.on_break();
                // The browser says "offline", and the pull was not answered: the channel is dead, whatever it says.
                let offline = error.is_no_answer() && cx.standing.network.hints_offline();
                if offline {
                    self.close_channel(cx);
                }
                if offline && !Fault::ForgivenAtOnce.on() {
                    self.channel.on_failure(cx, &error);
                }
            }
        }
        // A jump may have waited for what this chain was to bring.
        Wake::Reloads
    }

    /// A chain has ended: who has called hears of it, or waits for the list, or for another chain.
    fn answer_calls(&mut self, cx: &mut Cx) {
        let calls = self.pull.take_answered();
        if let Some(error) = self.pull.error() {
            calls.iter().for_each(|call| cx.out.reject(*call, error));
        } else if cx.db.meta().owed && !Fault::CaughtUpWithoutTheList.on() {
            // A list that has failed, and is not tried again soon, is not waited for (R14).
            let soon = cx.now.mono.saturating_add(SETTLES);
            match self.list.fails_until(soon) {
                Some(error) => calls.iter().for_each(|call| cx.out.reject(*call, error)),
                None => self.pull.leave_to_list(calls),
            }
        } else if is_undecided(cx.config, cx.db) {
            self.pull.leave_to_next(calls, true);
        } else {
            calls.iter().for_each(|call| cx.out.resolve(*call, "null"));
        }
    }

    // ------------------------------------------------------------ the list

    pub fn on_listed(
        &mut self,
        cx: &mut Cx,
        (after, epoch, limit): (Option<String>, u64, u32),
        result: Result<String, Error>,
    ) -> Wake {
        if !self.list.is_of(epoch) {
            self.list.on_stale(cx.now.mono, result);
            return Wake::Nobody;
        }
        let page = result.and_then(|text| {
            let page = wire::list::list_page(&text, after.as_deref())?;
            self.check_account(cx, page.account.as_ref())?;
            Ok(page)
        });
        match self.list.on_page(cx, limit, page) {
            Page::Taken(page) => {
                // Only with its last page is the list answered well.
                if page.next.is_none() {
                    cx.out.answered(None);
                }
                cx.jobs.push(Job::List { page, epoch });
            }
            Page::Less => {}
            Page::Failed(error) => {
                cx.out.answered(Some(&error));
                return self.on_list_failed(cx, error);
            }
        }
        Wake::Nobody
    }

    /// A page of the list is committed.
    pub fn on_list_applied(&mut self, cx: &mut Cx, page: ListPage) -> Wake {
        cx.out.told.status = true;
        if !self.list.on_applied(page) {
            return Wake::Reloads;
        }
        let calls = self.pull.take_listing();
        let undecided = is_undecided(cx.config, cx.db);
        if self.pull.is_caught_up() && !undecided {
            calls.iter().for_each(|call| cx.out.resolve(*call, "null"));
        } else if undecided || !calls.is_empty() {
            // Another pull answers them: some conversations are undecided, or the network has failed since their own.
            self.pull.leave_to_next(calls, false);
            self.ask(cx, 0);
        }
        Wake::Reloads
    }

    pub fn on_list_failed(&mut self, cx: &mut Cx, error: Error) -> Wake {
        let new = self.list.on_failure(cx, &error);
        for call in self.pull.take_listing() {
            cx.out.reject(call, &error);
        }
        if new {
            cx.out.failure_event(&error);
        }
        self.pull.on_error(Some(error));
        cx.out.told.status = true;
        Wake::Reloads
    }

    /// What is committed wins over what the list has read before (R11).
    pub fn on_committed(&mut self, cx: &Cx, events: &[Event]) {
        self.list.note(events, cx.config.limits.journal);
    }

    // ------------------------------------------------------------ the channel

    /// Closes the notification channel.
    pub fn close_channel(&mut self, cx: &mut Cx) {
        self.pull.stop_waiting(cx);
        self.channel.close(cx);
    }

    pub fn on_notice(&mut self, cx: &mut Cx, listen: u64, notice: Notice) -> Wake {
        if !self.channel.is(listen) {
            return Wake::Nobody;
        }
        match notice {
            // Said again, it is a notification: a channel does not become ready without end.
            Notice::Ready if self.channel.is_ready() => {
                self.channel.on_break();
                self.pull.on_break();
                self.pull.on_hint(cx, 0, Vec::new());
            }
            Notice::Ready => {
                self.channel.on_ready(cx.now.mono);
                let wake = self.on_reached(cx, true);
                cx.out.fared(&Question::new(LISTEN), None);
                // The server is there: a backoff that the client chose itself is over.
                self.pull.forgive();
                self.list.forgive();
                // What came while the channel was down was not notified of.
                self.ask(cx, 0);
                return wake.max(Wake::TryAgain);
            }
            Notice::Push(text) => self.on_push(cx, &text),
            Notice::Notify {
                spread,
                conversations,
            } => {
                let delay = match spread {
                    0 => 0,
                    spread => cx.out.random(u64::from(spread)),
                };
                self.pull.on_hint(cx, delay, conversations);
            }
            Notice::Closed(error) => self.on_closed(cx, error, 0),
            Notice::Leaving(error) => self.on_closed(cx, Some(error), LEAVING_SPREAD),
        }
        Wake::Nobody
    }

    /// `spread`: ms over which it is opened again, where all clients have lost theirs.
    fn on_closed(&mut self, cx: &mut Cx, error: Option<Error>, spread: u64) {
        if self.channel.is_ready() {
            cx.out.told.status = true;
            // Without a channel the timer is shorter. It begins now, at random, so that the clients of a server that
            // ends do not all pull at once.
            let jitter = cx.out.random(cx.config.fallback_poll_interval);
            self.pull.put_off_timer(cx.now.mono.saturating_add(jitter));
        }
        let lost = Error::new(ErrorCode::Network, "the notification channel was closed");
        let why = error.as_ref().unwrap_or(&lost);
        self.channel.on_closed(cx, why, spread);
        if let Some(error) = error {
            cx.out.fared(&Question::new(LISTEN), Some(&error));
            if error.code == ErrorCode::Unauthorized {
                self.pull.on_unauthorized(cx, error);
            }
        }
    }

    /// An overflow is committed: the list is read from its beginning. In scope "mailbox" a push that was sent before
    /// the overflow may still be on its way. It must not be applied after it, so the channel is closed: what comes over
    /// a new one follows.
    pub fn on_overflow(&mut self, cx: &mut Cx) {
        self.list.on_overflow(cx.now.mono);
        if cx.config.scope.trusts_the_channel() && self.channel.is_ready() {
            cx.jobs.drop_pushes();
            self.pull.stop_waiting(cx);
            self.channel.renew(cx);
        }
    }

    /// The account has left this conversation.
    pub fn forget(&mut self, conversation: &str) {
        self.pull.forget(conversation);
    }

    /// The database is new, or this client's no more.
    pub fn restart(&mut self, cx: &mut Cx) {
        self.list.restart();
        self.awaited = Awaited::default();
        self.channel.on_break();
        self.pull.restart(cx);
    }

    // ------------------------------------------------------------ what the browser says

    /// A hint, which forbids nothing (R14): "offline" makes a pull find out, "online" ends what is
    /// backed off from.
    pub fn on_network(&mut self, cx: &mut Cx, online: bool) -> Wake {
        match cx.standing.network.on_hint(online) {
            Hint::Nothing => Wake::Nobody,
            Hint::Offline => {
                self.pull.on_lost(cx);
                Wake::Nobody
            }
            Hint::Online { other } => {
                if other {
                    // The channel belongs to the network before.
                    self.close_channel(cx);
                    self.pull.lose_touch();
                    cx.out.told.status = true;
                }
                self.on_return(cx)
            }
        }
    }

    pub fn on_visibility(&mut self, cx: &mut Cx, hidden: bool) -> Wake {
        if hidden {
            cx.standing.hidden_since.get_or_insert(cx.now.mono);
        } else if cx.standing.hidden_since.take().is_some() {
            return self.on_return(cx);
        }
        Wake::Nobody
    }

    /// The machine slept: what was connected may be dead without saying so.
    pub fn on_wake(&mut self, cx: &mut Cx) -> Wake {
        // Answers that came while it slept are about to be heard: no request is given up before that.
        let soon = cx.now.mono.saturating_add(HEARD_SOON);
        cx.out.requests.put_off(soon);
        self.close_channel(cx);
        self.on_return(cx)
    }

    /// Begins again without waiting out a backoff; only a `Retry-After` is obeyed.
    pub fn on_return(&mut self, cx: &mut Cx) -> Wake {
        let wake = ask_for_token(cx);
        self.pull.forgive();
        self.channel.forgive();
        self.list.forgive();
        // The channel makes a pull when it is ready: on return one is enough, if that is soon.
        let soon = Channel::is_used(cx) && !self.channel.is_open();
        self.pull.on_return(cx, if soon { READY_SOON } else { 0 });
        wake.max(Wake::TryAgain)
    }
}

/// The token provider is asked once more, where its token was refused.
fn ask_for_token(cx: &mut Cx) -> Wake {
    if !std::mem::take(&mut cx.standing.needs_auth) {
        return Wake::Nobody;
    }
    cx.out.effect(Effect::ForgetToken);
    cx.out.told.status = true;
    // Requests that were refused for the old token are tried again.
    Wake::TryAgain
}

/// R11: of some conversations only a pull begun after the list's last page says whether they are the
/// account's: of those that the list lacked, and in scope "conversation" of those that have no cursor
/// yet, because nothing but such a pull tells that they were left.
pub(super) fn is_undecided(config: &Config, db: &Committed) -> bool {
    let unnamed = |id: &Rc<str>| !db.cursors().contains_key(id);
    let listed = config.scope.has_pieces() && db.meta().begun;
    !db.meta().suspects.is_empty() || listed && db.list().keys().any(unnamed)
}

#[cfg(test)]
mod tests;
