//! Jobs: what changes the database, what each comes to in a transaction, and what follows from it.

use super::*;

/// One change of the database.
#[derive(Debug)]
pub(in crate::core) enum Job {
    Batch {
        /// one of each feed
        parts: Vec<Part>,
        /// it came over the notification channel, not asked for
        pushed: bool,
    },
    Page {
        fetch: u64,
        page: Page,
    },
    Changes {
        fetch: u64,
        answer: Changed,
    },
    /// there is no answer to that
    Gone {
        fetch: u64,
    },
    List {
        page: ListPage,
        epoch: u64,
    },
    Suspects {
        /// the list is paid, and a pull begun after that has caught up
        paid: bool,
        /// listed before that pull, and without a cursor (scope "conversation")
        unnamed: Vec<Rc<str>>,
    },
    Update {
        call: Call,
        message: Rc<Message>,
    },
    PutLocal {
        local: Rc<Local>,
        call: Call,
    },
    Attempt {
        order: u64,
    },
    Sent {
        order: u64,
        message: Rc<Message>,
    },
    Failed {
        order: u64,
        error: Error,
    },
    Retry {
        conversation: Option<String>,
        client_id: String,
        call: Call,
    },
    Discard {
        conversation: Option<String>,
        client_id: String,
        call: Call,
    },
    Mark {
        conversation: Rc<str>,
        seq: u64,
        call: Call,
    },
    MarkDone {
        conversation: Rc<str>,
        seq: u64,
    },
    Opened {
        conversation: Rc<str>,
        at: u64,
    },
    Evict {
        count: u64,
    },
    Corrupt {
        conversation: Rc<str>,
    },
    Restore {
        locals: Vec<Rc<Local>>,
        marks: Vec<(Rc<str>, u64)>,
    },
    End {
        wipe: bool,
    },
}

/// What a job sees besides the database.
pub(super) struct Context<'a> {
    pub(super) policy: Policy,
    pub(super) fetches: &'a Map<u64, Fetch>,
    pub(super) list: &'a List,
    pub(super) shown: &'a Map<Rc<str>, u64>,
    pub(super) delivered: &'a Set<(Rc<str>, String)>,
}

impl Context<'_> {
    /// What was asked for, as long as it is wanted.
    fn fetch(&self, fetch: u64) -> Result<&Fetch, Stop> {
        let fetch = self.fetches.get(&fetch).filter(|f| !f.discarded);
        fetch.ok_or(Stop::Void)
    }
}

pub(super) fn run(job: &Job, tx: &mut Tx, context: &mut Context) -> Result<(), Stop> {
    match job {
        Job::Batch { parts, pushed } => {
            // Each conversation by itself: one that is void is asked for again with the next pull.
            let mut applied = parts.is_empty();
            tx.begin();
            for part in parts {
                let whole = !pushed || part.feed != Feed::Mailbox || Fault::PushedPastAGap.on();
                match tx.batch(part, context.policy, whole) {
                    Ok(()) => applied = true,
                    Err(Stop::Void) if parts.len() > 1 => {}
                    Err(stop) => return Err(stop),
                }
            }
            applied.then_some(()).ok_or(Stop::Void)
        }
        Job::Page { fetch, page } => {
            let fetch = context.fetch(*fetch)?;
            match &fetch.wants {
                Wants::Page(place) => tx.page(&fetch.conversation, *place, page, &fetch.journal),
                Wants::Changes { .. } => Err(Stop::Void),
            }
        }
        Job::Changes { fetch, answer } => {
            let fetch = context.fetch(*fetch)?;
            match &fetch.wants {
                Wants::Changes { since, from, to } => {
                    let range = (*from, *to);
                    tx.changes(&fetch.conversation, since, range, answer, &fetch.journal)
                }
                Wants::Page(_) => Err(Stop::Void),
            }
        }
        Job::Gone { fetch } => {
            let fetch = context.fetch(*fetch)?;
            match &fetch.wants {
                Wants::Changes { since, from, to } => {
                    tx.drop_kept(&fetch.conversation, since, (*from, *to))
                }
                Wants::Page(_) => Err(Stop::Void),
            }
        }
        Job::List { page, epoch } => {
            if *epoch != context.list.epoch {
                return Err(Stop::Void);
            }
            tx.list_page(page, &context.list.named, &context.list.journal);
            Ok(())
        }
        Job::Suspects { paid, unnamed } => {
            tx.remove_suspects(*paid, unnamed);
            Ok(())
        }
        Job::Update { message, .. } => tx.update(message).map(|replaced| {
            if replaced {
                tx.commit.changes.updates.push(message.clone());
            }
        }),
        Job::PutLocal { local, .. } => {
            let named = (local.conversation.clone(), local.client_id.clone());
            // Sent twice before the first was stored: still one message.
            if !context.delivered.contains(&named) && !tx.has_local(&named.0, &named.1) {
                tx.put_local(Local::clone(local));
            }
            Ok(())
        }
        Job::Attempt { order } => {
            let local = tx
                .local(*order)
                .filter(|l| l.state == LocalState::Queued)
                .ok_or(Stop::Void)?;
            tx.put_local(Local {
                attempted: true,
                ..Local::clone(&local)
            });
            Ok(())
        }
        Job::Sent { order, message } => tx.sent(*order, message),
        Job::Failed { order, error } => {
            if let Some(local) = tx.local(*order) {
                tx.put_local(Local {
                    state: LocalState::Failed,
                    error: Some(error.clone()),
                    ..Local::clone(&local)
                });
            }
            Ok(())
        }
        Job::Retry {
            conversation,
            client_id,
            ..
        } => {
            let named = tx.find_locals(conversation.as_deref(), client_id);
            if named.is_empty() {
                return Err(Stop::Void);
            }
            for local in named.iter().filter(|l| l.state == LocalState::Failed) {
                tx.put_local(Local {
                    state: LocalState::Queued,
                    error: None,
                    ..Local::clone(local)
                });
            }
            Ok(())
        }
        Job::Discard {
            conversation,
            client_id,
            ..
        } => {
            for local in tx.find_locals(conversation.as_deref(), client_id) {
                let unsent = local.state == LocalState::Queued && !local.attempted;
                if unsent || local.state == LocalState::Failed {
                    tx.drop_local(local.order);
                }
            }
            Ok(())
        }
        Job::Mark {
            conversation, seq, ..
        } => {
            tx.put_mark(conversation, *seq);
            Ok(())
        }
        Job::MarkDone { conversation, seq } => {
            tx.drop_mark(conversation, *seq);
            Ok(())
        }
        Job::Opened { conversation, at } => {
            tx.put_opened(conversation, *at);
            Ok(())
        }
        Job::Evict { count } => match tx.evict(*count, context.shown) {
            0 => Err(Stop::Void),
            _ => Ok(()),
        },
        Job::Corrupt { conversation } => {
            tx.clear(conversation);
            Ok(())
        }
        Job::Restore { locals, marks } => {
            for local in locals {
                tx.put_local(Local::clone(local));
            }
            for (conversation, seq) in marks {
                tx.put_mark(conversation, *seq);
            }
            tx.touch_meta();
            Ok(())
        }
        Job::End { .. } => Ok(()),
    }
}

/// The oldest position that an open timeline needs, by conversation (R13).
pub(super) fn shown_from(timelines: &Map<TimelineId, Timeline>, db: &Db) -> Map<Rc<str>, u64> {
    let mut shown = Map::new();
    for t in timelines.values() {
        if let Some(lo) = t.needed_from(&db.held(&t.conversation)) {
            let at = shown.or_insert_with(t.conversation.clone(), || lo);
            *at = lo.min(*at);
        }
    }
    shown
}

impl Job {
    pub(super) fn durability(&self) -> Durability {
        match self {
            // Before `send` resolves, or a discarded message is said to be gone (R9).
            Job::PutLocal { .. }
            | Job::Retry { .. }
            | Job::Discard { .. }
            | Job::Mark { .. }
            | Job::Restore { .. } => Durability::Strict,
            // Before it is acknowledged (R9).
            Job::Batch { parts, .. } if parts.iter().any(|p| p.feed == Feed::Mailbox) => {
                Durability::Strict
            }
            _ => Durability::Relaxed,
        }
    }

    /// Who waits for it.
    pub(super) fn call(&self) -> Option<Call> {
        match self {
            Job::Update { call, .. }
            | Job::PutLocal { call, .. }
            | Job::Retry { call, .. }
            | Job::Discard { call, .. }
            | Job::Mark { call, .. } => Some(*call),
            _ => None,
        }
    }
}

impl Engine {
    // ------------------------------------------------------------ jobs

    /// Shows what a job has committed: in one frame, all stores together.
    pub(super) fn show(&mut self, job: &Job, changes: &Changes) {
        self.keep_journals(&changes.events);
        if let Job::Update { message, .. } = job {
            self.journal_update(message);
        }
        if let Job::Evict { .. } = job {
            self.storage_event(
                "evicted",
                "old messages of conversations not opened lately were let go",
            );
        }
        for (key, message) in &changes.synced {
            let id = (message.conversation.clone(), message.id.clone());
            if !Fault::KeyIsNotTaken.on() {
                self.own_keys.insert(id, Rc::from(key.as_str()));
            }
            if let Some(client_id) = key.strip_prefix("c:") {
                self.delivered
                    .add((message.conversation.clone(), client_id.to_owned()));
            }
        }
        self.shown.conversations |= changes.list;
        self.shown.outbox |= changes.outbox || !changes.synced.is_empty();
        if let Some(overflow) = &changes.overflow {
            self.list.restart();
            self.forget_pushes();
            let mut detail = String::from("{\"conversations\":");
            match overflow {
                Overflow::All => {
                    detail.push_str("\"all\"");
                    self.discard_fetches(None);
                }
                Overflow::Of(ids) => {
                    detail.push('[');
                    for id in ids {
                        json::next(&mut detail);
                        json::string(&mut detail, id);
                        self.discard_fetches(Some(id));
                    }
                    detail.push(']');
                }
            }
            detail.push('}');
            self.event("overflow", &detail);
        }
        for (id, change) in &changes.conversations {
            if change.removed || change.cleared || change.kept {
                self.discard_fetches(Some(id));
            }
            if change.removed && !self.db.list.contains_key(id) {
                self.outbox.forget_marks(id);
                self.pull.forget(id);
                let mut detail = String::from("{\"conversation\":");
                json::string(&mut detail, id);
                detail.push('}');
                self.event("removed", &detail);
            }
        }
        self.refresh_timelines(changes);
        for (name, messages) in [
            ("messages", &changes.messages),
            ("updates", &changes.updates),
        ] {
            if messages.is_empty() || !self.listening.contains(name) {
                continue;
            }
            // An own echo may come once more after an overflow.
            let mut news = messages
                .iter()
                .filter(|m| name != "messages" || !self.is_echo(m))
                .peekable();
            if news.peek().is_none() {
                continue;
            }
            let mut detail = String::from("{\"messages\":[");
            for m in news {
                json::next(&mut detail);
                json::message(&mut detail, m);
            }
            detail.push_str("],\"live\":");
            json::flag(&mut detail, self.pull.caught_up);
            detail.push('}');
            self.event(name, &detail);
        }
    }

    fn was_delivered(&self, conversation: Option<&str>, client_id: &str) -> bool {
        self.delivered.keys().any(|(of, id)| {
            id == client_id && conversation.is_none_or(|conversation| **of == *conversation)
        })
    }

    /// Whether this client wrote it.
    pub(super) fn is_echo(&self, m: &Message) -> bool {
        m.client_id.as_ref().is_some_and(|client_id| {
            self.delivered
                .contains(&(m.conversation.clone(), client_id.clone()))
        })
    }

    pub(super) fn job_done(&mut self, job: Job, changes: Changes) {
        match job {
            Job::Batch {
                parts,
                pushed: false,
            } => self.applied(&parts, &changes),
            Job::Batch { parts, .. } => self.push_applied(&parts),
            Job::Page { fetch, page } => {
                self.found(fetch, &page);
                self.fetch_done(fetch, None);
            }
            Job::Changes { fetch, .. } | Job::Gone { fetch } => self.fetch_done(fetch, None),
            Job::List { page, .. } => self.list_applied(page),
            Job::Suspects { .. } => self.end_chain(),
            Job::Opened { .. } | Job::Restore { .. } => {}
            Job::Update { call, message } => {
                let mut text = String::new();
                json::message(&mut text, &message);
                self.resolve(call, &text);
            }
            Job::PutLocal { local, call } => self.put(&local, call),
            Job::Attempt { order } => self.attempt(order),
            Job::Sent { order, .. } | Job::Failed { order, .. } => self.settled(order),
            Job::Retry {
                client_id, call, ..
            } => self.retried(&client_id, call),
            Job::Discard {
                client_id, call, ..
            } => self.discarded(&client_id, call, changes.outbox),
            Job::Mark { call, .. } => self.resolve(call, "null"),
            Job::MarkDone { conversation, .. } => self.mark_done(&conversation),
            Job::Evict { .. } | Job::Corrupt { .. } | Job::End { .. } => {}
        }
    }

    /// What the job was made for is over: it is decided anew.
    pub(super) fn job_void(&mut self, job: Job) {
        match job {
            Job::Batch { pushed: false, .. } => self.pull_again(),
            // It does not follow what is here: the pull brings what is between.
            Job::Batch { .. } => self.push_missed(),
            Job::Page { fetch, .. } | Job::Changes { fetch, .. } | Job::Gone { fetch } => {
                self.fetch_done(fetch, None);
            }
            Job::List { .. } => {}
            Job::Evict { .. } => self.no_room(),
            Job::Attempt { order } => self.settled(order),
            // A try that was still under way when the message failed has delivered it.
            Job::Retry {
                conversation,
                client_id,
                call,
            } if self.was_delivered(conversation.as_deref(), &client_id) => {
                self.resolve(call, "null");
            }
            job => {
                if let Some(call) = job.call() {
                    let error = match job {
                        Job::Retry { .. } => {
                            Error::new(ErrorCode::NotFound, "no failed message has this clientId")
                        }
                        _ => Error::new(ErrorCode::Aborted, "overtaken"),
                    };
                    self.reject(call, &error);
                }
            }
        }
    }

    /// Nothing is left to evict: the job that needed the room fails.
    pub(super) fn no_room(&mut self) {
        if self.quota_tries == 0 {
            return;
        }
        self.quota_tries = 0;
        if let Some(job) = self.jobs.pop_front() {
            self.job_failed(job, &StoreError::Quota.shown());
        }
        self.store_failed(StoreError::Quota);
    }

    /// Nothing of it was stored (R9): the cursor stays.
    pub(super) fn job_failed(&mut self, job: Job, error: &Error) {
        match job {
            Job::Batch { pushed: false, .. } => self.pull_failed(error.clone()),
            // Not acknowledged, and the cursor stays: it comes again.
            Job::Batch { .. } => self.push_missed(),
            Job::Page { fetch, .. } | Job::Changes { fetch, .. } | Job::Gone { fetch } => {
                self.fetch_done(fetch, Some(error.clone()));
            }
            Job::List { .. } => self.list_failed(error.clone()),
            Job::PutLocal { local, call } => self.put_failed(&local, call, error),
            Job::Sent { order, .. } | Job::Attempt { order } | Job::Failed { order, .. } => {
                self.try_later(order, error);
            }
            Job::MarkDone { conversation, .. } => self.mark_later(conversation, error),
            Job::Restore { .. } => {
                // Nothing may be written before it; and a disk that fails is not asked in a loop.
                self.jobs.push_front(job);
                self.rest_until = self.now.mono + RESTORE_AGAIN;
            }
            Job::Suspects { .. } => self.pull_failed(error.clone()),
            Job::Opened { .. } | Job::Evict { .. } | Job::End { .. } => {}
            Job::Corrupt { conversation } => {
                // It could not be dropped on disk: at least nothing of it is shown or built upon.
                self.db.held.remove(&conversation);
                self.db.uncache_all(&conversation);
                self.cleared_in_memory(&conversation);
            }
            Job::Update { call, .. }
            | Job::Retry { call, .. }
            | Job::Discard { call, .. }
            | Job::Mark { call, .. } => self.reject(call, error),
        }
    }
}
