//! The app's own `Transport` (index.d.ts), through the facade: it calls the app's
//! function and turns what comes back into the wire's form, so that the core checks it like an
//! answer of a server.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, JSON, JsString, Object};
use serde::{Serialize, Serializer};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::{
    Abort, Answer, Hooks, Listening, NoticeHandler, Terms, Transport, message_of, promise,
    too_large, wire_error,
};
use crate::core::net::{ERROR, Error, ErrorCode, Notice, Place, Request, shorten};
use crate::core::node::{MAX_TEXT, Node};
use crate::core::types::Seq;
use crate::core::wire::notification::PUSH_MAX;

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
        let request = spoken(&call)?;
        let answer = match self.hooks.call(call.name(), &request, &signal) {
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
    /// How long the app takes is the engine's to limit: it drops what takes too long.
    fn request_on(self: Rc<Self>, call: Request, _: Terms) -> Answer {
        Box::pin(async move { self.ask(call).await })
    }

    fn listen(self: Rc<Self>, hear: NoticeHandler) -> Listening {
        let (abort, signal) = match Abort::new() {
            Ok(made) => made,
            Err(error) => {
                hear(Notice::Closed(Some(error)));
                return Listening(None);
            }
        };
        let sink = NotifySink {
            open: Rc::new(RefCell::new(Some((hear, abort)))),
        };
        let open = sink.open.clone();
        if let Err(thrown) = self.hooks.listen(sink.clone(), &signal) {
            sink.end(Some(rejection(&thrown)));
        }
        // Deaf before the signal fires: the app may answer to it with `closed`.
        Listening::until(move || drop(open.take()))
    }

    fn forget_token(&self) {}
}

fn rejection(thrown: &JsValue) -> Error {
    wire_error(thrown).unwrap_or_else(|| Error::new(ErrorCode::Network, message_of(thrown)))
}

/// The argument of a `Transport` function, as index.d.ts has it.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Asked<'a> {
    Pull {
        cursor: Option<&'a str>,
        limit: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        wait: Option<u32>,
    },
    PullConversations {
        #[serde(with = "serde_wasm_bindgen::preserve")]
        cursors: Object,
        limit: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        only: Option<&'a [String]>,
    },
    PullMailbox {
        limit: u32,
    },
    /// The one that is no object.
    Acknowledge(&'a [String]),
    Conversations {
        after: Option<&'a str>,
        limit: u32,
        cursor: Option<&'a str>,
    },
    History {
        conversation: &'a str,
        limit: u32,
        cursor: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Digits>,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Digits>,
        #[serde(skip_serializing_if = "Option::is_none")]
        around: Option<Digits>,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
    Changes {
        conversation: &'a str,
        since: &'a str,
        cursor: Option<&'a str>,
        from: Digits,
        to: Digits,
        limit: u32,
    },
    Send {
        conversation: &'a str,
        client_id: &'a str,
        #[serde(with = "serde_wasm_bindgen::preserve")]
        body: JsValue,
    },
    Edit {
        conversation: &'a str,
        message_id: &'a str,
        client_id: &'a str,
        #[serde(with = "serde_wasm_bindgen::preserve")]
        body: JsValue,
    },
    Recall {
        conversation: &'a str,
        message_id: &'a str,
    },
    MarkRead {
        conversation: &'a str,
        seq: Digits,
    },
}

/// A position: to the app always a string.
struct Digits(Seq);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.0)
    }
}

/// The argument of the `Transport` function.
#[expect(clippy::too_many_lines, reason = "one arm a request")]
fn spoken(call: &Request) -> Result<JsValue, Error> {
    let asked = match call {
        Request::Pull {
            cursor,
            limit,
            wait,
        } => Asked::Pull {
            cursor: cursor.as_deref(),
            limit: *limit,
            wait: *wait,
        },
        Request::PullConversations {
            cursors,
            limit,
            only,
            rest,
        } => Asked::PullConversations {
            cursors: object_of(cursors)?,
            limit: *limit,
            // The contract's function knows no `rest`: without `only` it answers for all others too,
            // and the core leaves out what it has.
            only: only.as_deref().filter(|_| !rest),
        },
        Request::PullMailbox { limit } => Asked::PullMailbox { limit: *limit },
        // How they came is nothing to the app.
        Request::Acknowledge { deliveries, .. } => Asked::Acknowledge(deliveries),
        Request::Conversations {
            after,
            limit,
            cursor,
        } => Asked::Conversations {
            after: after.as_deref(),
            limit: *limit,
            cursor: cursor.as_deref(),
        },
        Request::History {
            conversation,
            limit,
            cursor,
            place,
        } => {
            let (mut before, mut after, mut around, mut at) = (None, None, None, None);
            match *place {
                Place::Latest => {}
                Place::Before(seq) => before = Some(Digits(seq)),
                Place::After(seq) => after = Some(Digits(seq)),
                Place::Around(seq) => around = Some(Digits(seq)),
                Place::At(ms) => at = Some(ms),
            }
            Asked::History {
                conversation,
                limit: *limit,
                cursor: cursor.as_deref(),
                before,
                after,
                around,
                at,
            }
        }
        Request::Changes {
            conversation,
            since,
            cursor,
            from,
            to,
            limit,
        } => Asked::Changes {
            conversation,
            since,
            cursor: cursor.as_deref(),
            from: Digits(*from),
            to: Digits(*to),
            limit: *limit,
        },
        Request::Send {
            conversation,
            client_id,
            body,
        } => Asked::Send {
            conversation,
            client_id,
            body: value_of(body)?,
        },
        Request::Edit {
            conversation,
            message,
            client_id,
            body,
        } => Asked::Edit {
            conversation,
            message_id: message,
            client_id,
            body: value_of(body)?,
        },
        Request::Recall {
            conversation,
            message,
        } => Asked::Recall {
            conversation,
            message_id: message,
        },
        Request::MarkRead { conversation, seq } => Asked::MarkRead {
            conversation,
            seq: Digits(*seq),
        },
    };
    let to = serde_wasm_bindgen::Serializer::json_compatible();
    let asked = asked.serialize(&to).map_err(JsValue::from);
    asked.map_err(|thrown| unsaid(&thrown))
}

/// A body, which is text up to here: its keys and numbers are the app's, and JS reads them as it wrote them.
fn value_of(body: &str) -> Result<JsValue, Error> {
    JSON::parse(body).map_err(|thrown| unsaid(&thrown))
}

/// An object with a field of each name, whatever the names are.
fn object_of(fields: &[(String, String)]) -> Result<Object, Error> {
    let fields: Array = fields
        .iter()
        .map(|(name, text)| Array::of2(&name.as_str().into(), &text.as_str().into()))
        .collect();
    Object::from_entries(&fields).map_err(|thrown| unsaid(&thrown))
}

fn unsaid(thrown: &JsValue) -> Error {
    Error::new(ErrorCode::Internal, message_of(thrown))
}

/// What the app's `listen` reports to. Deaf once its channel is closed; nothing that it is given
/// makes it throw.
#[wasm_bindgen]
#[derive(Clone)]
pub struct NotifySink {
    /// who hears, and the signal that tells the app that nobody does any more
    open: Rc<RefCell<Option<(NoticeHandler, Abort)>>>,
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
        let hear = self.open.borrow().as_ref().map(|(hear, _)| hear.clone());
        if let Some(hear) = hear {
            hear(notice);
        }
    }

    fn end(&self, reason: Option<Error>) {
        // Its signal fires at once, and not when there is another channel.
        let heard = self.open.take().map(|(hear, _)| hear);
        if let Some(hear) = heard {
            hear(Notice::Closed(reason));
        }
    }
}

fn read_error(text: &str) -> Error {
    match Node::of("error", text, &ERROR) {
        Ok(node) => Error::from_json(&node),
        Err(_) => Error::new(ErrorCode::Network, shorten(text.to_owned())),
    }
}
