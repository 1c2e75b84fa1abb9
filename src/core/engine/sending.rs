//! Sending: what the outbox needs of the other parts, and they of it.

use std::rc::Rc;

use super::Engine;
use crate::core::command::{Call, TimelineId};
use crate::core::error::{Error, ErrorCode};
use crate::core::jobs::Own;
use crate::core::json;
use crate::core::net::Change;
use crate::core::outbox::newest_known;
use crate::core::records::Name;
use crate::core::types::{Message, MessageState, Seq};
use crate::core::wire;

impl Engine {
    pub(super) fn drive_outbox(&mut self) {
        let offline = self.known_offline();
        let (parts, mut cx) = self.split();
        parts.outbox.drive(&mut cx, offline);
    }

    pub(super) fn outbox_due(&mut self) -> Option<u64> {
        let offline = self.known_offline();
        let (parts, cx) = self.split();
        parts.outbox.due(&cx, offline)
    }

    /// The network is back.
    pub(in crate::core) fn try_sends_again(&mut self) {
        let (parts, mut cx) = self.split();
        parts.outbox.try_again(&mut cx);
    }

    /// An edit or a recall.
    pub(super) fn change_message(&mut self, call: Call, change: Change) {
        if self.standing.follows() {
            return self.ask_to_change(call, change);
        }
        let offline = self.known_offline();
        let (parts, mut cx) = self.split();
        let changes = &mut parts.outbox.changes;
        changes.add(&mut cx, offline, call, change);
    }

    /// What the user wants done with the outbox.
    pub(super) fn own_wish(&mut self, own: Own) {
        let (parts, mut cx) = self.split();
        parts.outbox.own(&mut cx, own);
    }

    /// `markRead`: up to a position, or all that was on screen.
    pub(super) fn mark_read(
        &mut self,
        call: Call,
        conversation: Rc<str>,
        seq: Option<Seq>,
        timeline: Option<TimelineId>,
    ) {
        let timeline = timeline.and_then(|id| self.timelines.get(id));
        let on_screen = timeline.and_then(|t| {
            let empty = || t.is_empty(&self.db.held(&conversation));
            let known = || newest_known(&self.db, &conversation);
            // Nothing is left of it: all there ever was, was read.
            t.newest_on_screen()
                .or_else(|| empty().then(known).flatten())
        });
        // Nothing was on screen: nothing was read.
        let seq = seq.map(|seq| seq.0).or(on_screen);
        let forward = |seq: &u64| self.outbox.marks.is_forward(&conversation, *seq);
        let Some(seq) = seq.filter(forward) else {
            return self.out.resolve(call, "null");
        };
        self.own_wish(Own::Mark {
            conversation,
            seq,
            call,
        });
    }

    // ------------------------------------------------------------ what the server says

    pub(super) fn on_send_answer(&mut self, name: Name, result: Result<String, Error>) {
        let message = result.and_then(|text| {
            if is_page(&text) {
                let what = "a web page has answered: this network may want a sign-in";
                return Err(Error::new(ErrorCode::Network, what));
            }
            self.read_answer(&text, &name.0)
        });
        if let Ok(Some(message)) = &message
            && message.client_id.as_deref() != Some(&*name.1)
        {
            let what = "its `clientId` is not that of the message that was sent: where an answer is lost it is shown twice";
            self.warn_of("send", &name.0, what);
        }
        self.out.answered(message.as_ref().err());
        let (parts, mut cx) = self.split();
        parts.outbox.lanes.on_answer(&mut cx, name, message);
    }

    pub(super) fn on_change_answer(
        &mut self,
        call: Call,
        conversation: &Rc<str>,
        result: Result<String, Error>,
    ) {
        let asked = self.out.requests.asked();
        let message = result.and_then(|text| self.read_answer(&text, conversation));
        if let Ok(Some(message)) = &message
            && asked == Some("recall")
            && message.state != MessageState::Recalled
        {
            self.warn_of("recall", conversation, "its `state` is not \"recalled\"");
        }
        if let Ok(Some(message)) = &message
            && asked == Some("edit")
            && message.state == MessageState::Normal
        {
            self.warn_of("edit", conversation, "its `state` is not \"edited\"");
        }
        self.out.answered(message.as_ref().err());
        match message {
            Ok(Some(message)) => self.jobs.push_own(Own::Update {
                call,
                message,
                asked,
            }),
            Ok(None) => {
                let what = "it was done, and the answer cannot be read: the sync brings it";
                let error = Error::new(ErrorCode::Protocol, what);
                self.out.reject(call, &error.of_a_change());
            }
            Err(error) => self.out.reject(call, &error.of_a_change()),
        }
    }

    /// Tells the log what of an answer is hardly meant. It tells the same once.
    fn warn_of(&mut self, asked: &str, conversation: &str, what: &str) {
        let mut message = String::from(asked);
        message.push('(');
        json::string(&mut message, conversation);
        message.push_str("): the message that it is answered with: ");
        message.push_str(what);
        self.out.log("warn", &message);
    }

    /// The message that a send, an edit or a recall is answered with.
    /// `None`: it was done, and what the server says of it cannot be read: the sync brings it.
    fn read_answer(
        &mut self,
        text: &str,
        conversation: &Rc<str>,
    ) -> Result<Option<Rc<Message>>, Error> {
        let answered = wire::answer::answer(text, conversation)?;
        self.check_account(answered.account.as_ref())?;
        let asked = self.out.requests.asked();
        self.out
            .tell_irregular("answer", asked, &answered.irregular);
        if answered.message.is_none() {
            self.ask_pull(0);
        }
        Ok(answered.message)
    }
}

/// A page of a captive portal, or of a proxy: not from the server.
fn is_page(text: &str) -> bool {
    text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .starts_with('<')
}
