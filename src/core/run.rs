//! What each job comes to in a transaction.

use std::rc::Rc;

use super::events::{self, Event};
use super::fault::Fault;
use super::jobs::{Job, Own};
use super::map::Map;
use super::options::OverflowPolicy;
use super::purpose::Wants;
use super::records::{Local, LocalState, Wish};
use super::storage::Key;
use super::sync::OwedList;
use super::timeline::{Fetch, Fetches};
use super::tx::{Stop, Tx};
use super::wire::batch::FeedBatch;

/// What a job sees besides the database.
pub(super) struct Context<'a> {
    pub policy: OverflowPolicy,
    pub fetches: &'a Fetches,
    pub list: &'a OwedList,
    pub shown: &'a Map<Rc<str>, u64>,
}

impl Context<'_> {
    /// The fetch of this number.
    ///
    /// # Errors
    /// `Void`: an overflow or a removal has discarded it (R7).
    fn fetch(&self, fetch: u64) -> Result<&Fetch, Stop> {
        let fetch = self.fetches.get(fetch).filter(|f| !f.is_discarded());
        fetch.ok_or(Stop::Void)
    }
}

/// Runs a job: what it changes is in `tx` then. Answers the events of its batches, for the journals of what
/// was asked for before them (R7, R11).
pub(super) fn run(job: &Job, tx: &mut Tx, context: &Context) -> Result<Vec<Event>, Stop> {
    match job {
        Job::Batch { parts, pushed } => run_batches(parts, *pushed, tx, context.policy),
        job => run_other(job, tx, context).map(|()| Vec::new()),
    }
}

/// Applies each batch by itself: one that is void is asked for again with the next pull.
fn run_batches(
    parts: &[FeedBatch],
    pushed: bool,
    tx: &mut Tx,
    policy: OverflowPolicy,
) -> Result<Vec<Event>, Stop> {
    let mut applied = parts.is_empty();
    let mut all = Vec::new();
    tx.begin();
    for part in parts {
        let whole = !pushed || !part.feed.is_acknowledged() || Fault::PushedPastAGap.on();
        match tx.batch(part, policy, whole) {
            Ok(events) => {
                applied = true;
                all.extend(events);
            }
            // What the others need is read together with what this one needs.
            Err(Stop::Need) => applied = true,
            Err(Stop::Void) if parts.len() > 1 => {}
            Err(Stop::Void) => return Err(Stop::Void),
        }
    }
    applied.then_some(all).ok_or(Stop::Void)
}

/// What the server answered to a request for history.
fn run_fetched(job: &Job, tx: &mut Tx, fetch: &Fetch) -> Result<(), Stop> {
    let (id, journal) = (fetch.conversation(), fetch.journal());
    match (job, fetch.wants()) {
        (Job::Page { page, .. }, Wants::Page(place)) => {
            tx.page(id, *place, page, fetch.limit(), journal)
        }
        (Job::Changes { answer, .. }, Wants::Changes { since, from, to }) => {
            tx.changes(id, since, (*from, *to), answer, journal)
        }
        (Job::Gone { .. }, Wants::Changes { since, from, to }) => {
            tx.drop_kept(id, since, (*from, *to))
        }
        _ => {
            debug_assert!(false, "an answer is to what was asked for");
            Err(Stop::Void)
        }
    }
}

fn run_other(job: &Job, tx: &mut Tx, context: &Context) -> Result<(), Stop> {
    match job {
        Job::Page { fetch, .. } | Job::Changes { fetch, .. } | Job::Gone { fetch } => {
            run_fetched(job, tx, context.fetch(*fetch)?)
        }
        Job::List { page, epoch } => {
            let list = context.list.reading(*epoch).ok_or(Stop::Void)?;
            tx.list_page(page, &list.named, list.nameless, &list.journal);
            Ok(())
        }
        Job::Suspects { paid, unnamed } => {
            tx.remove_suspects(*paid, unnamed);
            Ok(())
        }
        Job::Own(own) => run_own(own, tx),
        Job::Opened { conversation, at } => {
            tx.put_opened(conversation, *at);
            Ok(())
        }
        Job::Evict { count } => match tx.evict(*count, context.shown) {
            0 => Err(Stop::Void),
            _ => Ok(()),
        },
        Job::Corrupt {
            blocks,
            indexes,
            states,
            meta,
            call: _,
        } => {
            if *meta {
                tx.write_meta();
            }
            tx.cut_out(blocks);
            indexes.iter().for_each(|id| tx.clear(id));
            states.iter().for_each(|id| tx.lose_state(id));
            Ok(())
        }
        Job::Doubt { conversation } => {
            tx.raise(conversation);
            Ok(())
        }
        Job::Restore {
            left,
            next_order,
            locals,
            marks,
        } => {
            tx.restore(left, *next_order, locals, marks);
            Ok(())
        }
        Job::Batch { .. } | Job::End { .. } => Ok(()),
    }
}

/// What a change of the outbox comes to.
fn run_own(own: &Own, tx: &mut Tx) -> Result<(), Stop> {
    match own {
        Own::Update { message, .. } => {
            events::apply_updated(tx, message)?;
            tx.doubt_own_clashes(&message.conversation);
            Ok(())
        }
        Own::Put { local, .. } => put(tx, local),
        Own::Attempt { name } => tx.attempt(name),
        Own::Sent { name, message } => tx.sent(name, message.as_ref()),
        Own::Failed { name, error } => {
            tx.failed(name, error);
            Ok(())
        }
        Own::Later { name, error } => {
            tx.put_off(name, error);
            Ok(())
        }
        Own::Retry {
            conversation,
            client_id,
            ..
        } => match retry(tx, conversation.as_deref(), client_id) {
            true => Ok(()),
            false => Err(Stop::Void),
        },
        Own::Discard {
            conversation,
            client_id,
            ..
        } => {
            discard(tx, conversation.as_deref(), client_id);
            Ok(())
        }
        Own::Tell { telling, .. } => tx.tell_news(*telling),
        Own::Shown { news } => {
            tx.show_news(news);
            Ok(())
        }
        Own::Grant { wishes } => take_up(tx, wishes),
        Own::Mark {
            conversation, seq, ..
        } => {
            tx.put_mark(conversation, *seq);
            Ok(())
        }
        Own::MarkDone { conversation, seq } => {
            tx.drop_mark(conversation, *seq);
            Ok(())
        }
    }
}

/// Takes up the wishes that are still stored: an earlier job may have taken up some.
fn take_up(tx: &mut Tx, wishes: &[(Key, Rc<Wish>)]) -> Result<(), Stop> {
    for (key, wish) in wishes {
        if tx.is_wished(key) {
            grant(tx, wish)?;
            tx.grant(key);
        }
    }
    Ok(())
}

fn put(tx: &mut Tx, local: &Local) -> Result<(), Stop> {
    // Sent twice before the first was stored: still one message.
    if tx.is_own(&local.name()) {
        return Ok(());
    }
    tx.append_local(Local::clone(local));
    // One that was kept over a lost database: the server may have taken it, and the sync brought it since.
    match (local.state, &local.message) {
        (LocalState::Sent, Some(message)) => tx.sent(&local.name(), Some(message)),
        _ => Ok(()),
    }
}

/// Answers whether there is one.
fn retry(tx: &mut Tx, conversation: Option<&str>, client_id: &str) -> bool {
    let named = tx.find_locals(conversation, client_id);
    for local in named.iter().filter(|l| l.state == LocalState::Failed) {
        tx.again(local);
    }
    !named.is_empty()
}

fn discard(tx: &mut Tx, conversation: Option<&str>, client_id: &str) {
    for local in tx.find_locals(conversation, client_id) {
        if local.state != LocalState::Sent {
            tx.drop_local(&local, false);
        }
    }
}

/// What its client was told to be as good as done (R15).
fn grant(tx: &mut Tx, wish: &Wish) -> Result<(), Stop> {
    match wish {
        Wish::Send(local) => put(tx, local)?,
        Wish::Retry(named) => {
            retry(tx, named.conversation.as_deref(), &named.client_id);
        }
        Wish::Discard(named) => discard(tx, named.conversation.as_deref(), &named.client_id),
        Wish::Mark(id, seq) => _ = tx.put_mark(id, *seq),
    }
    Ok(())
}
