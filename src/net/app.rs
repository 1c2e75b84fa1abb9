//! The app's own `Transport` (contract/pullcord.d.ts), through the facade: it calls the app's
//! function and turns what comes back into the wire's form, so that the core checks it like an
//! answer of a server.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, JsString};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::json::{Object, list};
use super::{
    Abort, Answer, Hear, Hooks, Listening, Transport, message_of, own_error, promise, too_large,
};
use crate::core::net::{Error, ErrorCode, Notice, Place, Request, shorten};
use crate::core::node::{MAX_TEXT, Node};
use crate::core::notice::PUSH_MAX;

/// The app's backend. How long it takes to answer is the app's to limit.
pub struct App {
    hooks: Hooks,
}

impl App {
    /// A transport that calls `hooks`.
    pub fn new(hooks: Hooks) -> Rc<App> {
        Rc::new(App { hooks })
    }

    async fn ask(&self, call: Request) -> Result<String, Error> {
        let (abort, signal) = Abort::new()?;
        let (method, request) = spoken(&call);
        let answer = match self.hooks.call(method, &request, &signal) {
            Ok(answer) => JsFuture::from(promise(&answer)).await,
            Err(thrown) => Err(thrown),
        };
        abort.disarm();
        match answer {
            Ok(answer) if answer.is_undefined() => Ok(String::new()),
            Ok(answer) => {
                let text: JsString = answer.dyn_into().map_err(|_| {
                    Error::new(ErrorCode::Internal, "the facade answered with no text")
                })?;
                // Not copied first: it may be more than the wasm's memory can hold.
                if text.length() as usize > MAX_TEXT {
                    return Err(too_large());
                }
                Ok(text.into())
            }
            Err(thrown) => Err(rejection(&thrown)),
        }
    }
}

impl Transport for App {
    fn request(self: Rc<Self>, call: Request) -> Answer {
        Box::pin(async move { self.ask(call).await })
    }

    fn listen(self: Rc<Self>, hear: Hear) -> Listening {
        let sink = NotifySink {
            hear: Rc::new(RefCell::new(Some(hear))),
        };
        let open = sink.hear.clone();
        let started = Abort::new().and_then(|(abort, signal)| {
            self.hooks
                .listen(sink.clone(), &signal)
                .map_err(|thrown| rejection(&thrown))?;
            Ok(abort)
        });
        match started {
            Ok(abort) => Listening::until(move || {
                // Deaf before the signal fires: the app may answer to it with `closed`.
                open.replace(None);
                drop(abort);
            }),
            Err(error) => {
                sink.end(Some(error));
                Listening(None)
            }
        }
    }

    fn forget_token(&self) {}
}

fn rejection(thrown: &JsValue) -> Error {
    own_error(thrown).unwrap_or_else(|| Error::new(ErrorCode::Network, message_of(thrown)))
}

/// Name and argument of the `Transport` function.
fn spoken(call: &Request) -> (&'static str, String) {
    let (method, request) = match call {
        Request::Pull {
            cursor,
            limit,
            wait,
        } => {
            let request = Object::new()
                .optional_text("cursor", cursor.as_deref())
                .number("limit", u64::from(*limit));
            (
                "pull",
                match wait {
                    Some(wait) => request.number("wait", u64::from(*wait)),
                    None => request,
                },
            )
        }
        Request::PullConversations {
            cursors,
            limit,
            only,
        } => (
            "pullConversations",
            Object::of_cursors(cursors, *limit, only.as_deref()),
        ),
        Request::PullMailbox { limit } => (
            "pullMailbox",
            Object::new().number("limit", u64::from(*limit)),
        ),
        // The one whose argument is no object. How they came is nothing to the app.
        Request::Acknowledge { deliveries, .. } => return ("acknowledge", list(deliveries)),
        Request::Conversations {
            after,
            limit,
            cursor,
        } => (
            "conversations",
            Object::new()
                .optional_text("after", after.as_deref())
                .number("limit", u64::from(*limit))
                .optional_text("cursor", cursor.as_deref()),
        ),
        Request::History {
            conversation,
            limit,
            cursor,
            place,
        } => {
            let request = Object::new()
                .text("conversation", conversation)
                .number("limit", u64::from(*limit))
                .optional_text("cursor", cursor.as_deref());
            (
                "history",
                match *place {
                    Place::Latest => request,
                    Place::Before(seq) => request.text("before", &seq.0.to_string()),
                    Place::After(seq) => request.text("after", &seq.0.to_string()),
                    Place::Around(seq) => request.text("around", &seq.0.to_string()),
                    Place::At(ms) => request.number("at", ms),
                },
            )
        }
        Request::Changes {
            conversation,
            since,
            cursor,
            from,
            to,
            limit,
        } => (
            "changes",
            Object::new()
                .text("conversation", conversation)
                .text("since", since)
                .optional_text("cursor", cursor.as_deref())
                .text("from", &from.0.to_string())
                .text("to", &to.0.to_string())
                .number("limit", u64::from(*limit)),
        ),
        Request::Send {
            conversation,
            client_id,
            body,
        } => (
            "send",
            Object::new()
                .text("conversation", conversation)
                .text("clientId", client_id)
                .raw("body", body),
        ),
        Request::Edit {
            conversation,
            message,
            client_id,
            body,
        } => (
            "edit",
            Object::new()
                .text("conversation", conversation)
                .text("messageId", message)
                .text("clientId", client_id)
                .raw("body", body),
        ),
        Request::Recall {
            conversation,
            message,
        } => (
            "recall",
            Object::new()
                .text("conversation", conversation)
                .text("messageId", message),
        ),
        Request::MarkRead { conversation, seq } => (
            "markRead",
            Object::new()
                .text("conversation", conversation)
                .text("seq", &seq.0.to_string()),
        ),
    };
    (method, request.end())
}

/// What the app's `listen` reports to. Deaf once its channel is closed; nothing that it is given
/// makes it throw.
#[wasm_bindgen]
#[derive(Clone)]
pub struct NotifySink {
    hear: Rc<RefCell<Option<Hear>>>,
}

#[wasm_bindgen]
impl NotifySink {
    /// Notifications come from here on.
    pub fn ready(&self) {
        self.tell(Notice::Ready);
    }

    /// Something is new; the client pulls after a random wait of up to `spread` ms. `conversations`
    /// (a list of ids) is a hint for per-conversation cursors; none where it is anything else.
    pub fn notify(&self, spread: JsValue, conversations: JsValue) {
        // A cast of a float saturates, and makes 0 of NaN.
        let spread = spread.as_f64().unwrap_or(0.0) as u32;
        // A hint with something strange in it might lack a conversation: then all are asked for.
        let conversations = conversations
            .dyn_ref::<Array>()
            .and_then(|ids| ids.iter().map(|id| id.as_string()).collect())
            .unwrap_or_default();
        self.tell(Notice::Notify {
            spread,
            conversations,
        });
    }

    /// Events inline. `batch`: JSON text of `{prev,cursor,events}` or `{events}`; anything else, or
    /// one that is too large, counts as a notification.
    pub fn push(&self, batch: JsValue) {
        let batch = batch
            .dyn_into::<JsString>()
            .ok()
            .filter(|text| text.length() as usize <= PUSH_MAX);
        self.tell(match batch {
            Some(text) => Notice::Push(text.into()),
            None => Notice::Notify {
                spread: 0,
                conversations: Vec::new(),
            },
        });
    }

    /// The channel is down. `error`: JSON text of `{code,message,…}`, or nothing.
    pub fn closed(&self, error: JsValue) {
        self.end(error.as_string().map(|text| read_error(&text)));
    }
}

impl NotifySink {
    fn tell(&self, notice: Notice) {
        // Not under the borrow: hearing it may close this very channel.
        let hear = self.hear.borrow().clone();
        if let Some(hear) = hear {
            hear(notice);
        }
    }

    fn end(&self, reason: Option<Error>) {
        if let Some(hear) = self.hear.take() {
            hear(Notice::Closed(reason));
        }
    }
}

fn read_error(text: &str) -> Error {
    match Node::parse("error", text) {
        Ok(node) => Error::from_json(&node),
        Err(_) => Error::new(ErrorCode::Network, shorten(text.to_owned())),
    }
}
