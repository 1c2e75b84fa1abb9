//! What stands for the JS facade: keeps the arrays, applies frames to them, settles calls. It
//! believes nothing: a patch that does not fit, a missing field or a wrong type is a violation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: String,
    pub conversation: String,
    #[serde(deserialize_with = "seq_text")]
    pub seq: u64,
    pub sender: String,
    pub created_at: u64,
    pub version: u64,
    pub state: String,
    pub body: Value,
    #[serde(default)]
    pub client_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Local {
    pub key: String,
    pub client_id: String,
    pub conversation: String,
    pub state: String,
    pub message: Option<Message>,
    pub body: Value,
    /// how often it was tried
    pub attempts: u64,
    pub error: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Item {
    Message {
        key: String,
        message: Message,
        fresh: bool,
    },
    Local(Local),
    Gap {
        key: String,
    },
}

impl Item {
    pub fn key(&self) -> &str {
        match self {
            Item::Message { key, .. } | Item::Gap { key } => key,
            Item::Local(local) => &local.key,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub id: String,
    pub unread: u64,
    #[serde(deserialize_with = "seq_or_null")]
    pub last_seq: Option<u64>,
    #[serde(deserialize_with = "seq_or_null")]
    pub read_seq: Option<u64>,
    pub sort: f64,
    pub last_message: Option<Message>,
    pub meta: Value,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub retry_after: Option<u64>,
    #[serde(default)]
    pub uncertain: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub connection: String,
    pub listed: bool,
    pub caught_up: bool,
    pub pulling: bool,
    pub last_synced_at: Option<u64>,
    pub progress: Option<Value>,
    pub storage: String,
    pub error: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Anchor {
    pub key: Option<String>,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Loading {
    pub older: bool,
    pub newer: bool,
    pub jump: bool,
}

/// Where a timeline begins, or jumps to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    Latest,
    FirstUnread,
    Around(u64),
    At(u64),
}

impl Start {
    /// As the commands say it.
    pub fn to_json(self) -> Value {
        match self {
            Start::Latest => json!("latest"),
            Start::FirstUnread => json!("first-unread"),
            Start::Around(seq) => json!({ "around": seq.to_string() }),
            Start::At(time) => json!({ "at": time }),
        }
    }
}

/// Number of the first item of a list that was opened, or replaced.
pub const FIRST_INDEX: i64 = 1_000_000_000;

/// A timeline's snapshot.
#[derive(Clone, Debug)]
pub struct View {
    pub conversation: String,
    pub items: Vec<Rc<Item>>,
    pub status: String,
    pub anchor: Anchor,
    pub first_index: i64,
    pub has_older: bool,
    pub has_newer: bool,
    pub loading: Loading,
    pub unseen: u64,
    pub error: Option<Failure>,
    pub page_size: u64,
    /// let go: what it shows is not kept up to date
    pub released: bool,
    /// it was let go once: it may show what it had then, as not fresh
    pub attached: bool,
    /// the newest message that was on screen; None: it was never said what is
    pub seen: Option<u64>,
    /// something that is no message yet was on screen
    pub sees_more: bool,
    /// where the device's cursor was when an item was last shown as fresh, by seq
    pub trust: Rc<RefCell<BTreeMap<u64, usize>>>,
    /// as of when nothing was missing before an item that is shown as not fresh, by seq
    pub seams: Rc<RefCell<BTreeMap<u64, usize>>>,
}

impl View {
    /// What is on screen ends with this item.
    pub fn sees(&mut self, last: &Item) {
        match last {
            Item::Message { message, .. } => self.seen = self.seen.max(Some(message.seq)),
            _ => self.sees_more = true,
        }
    }

    pub fn messages(&self) -> impl DoubleEndedIterator<Item = (&str, &Message, bool)> {
        self.items.iter().filter_map(|item| match &**item {
            Item::Message {
                key,
                message,
                fresh,
            } => Some((key.as_str(), message, *fresh)),
            _ => None,
        })
    }

    /// Nothing of it is doubtful: each message is the newest version, and none is missing between them.
    pub fn is_fresh(&self) -> bool {
        self.items.iter().all(|item| match &**item {
            Item::Message { fresh, .. } => *fresh,
            Item::Local(_) => true,
            Item::Gap { .. } => false,
        })
    }

    pub fn locals(&self) -> impl DoubleEndedIterator<Item = &Local> {
        self.items.iter().filter_map(|item| match &**item {
            Item::Local(local) => Some(local),
            _ => None,
        })
    }
}

#[derive(Deserialize)]
struct Splice {
    at: usize,
    del: usize,
    ins: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ViewFrame {
    id: u64,
    #[serde(default)]
    items: Option<Vec<Splice>>,
    status: String,
    anchor: Anchor,
    first_index: i64,
    has_older: bool,
    has_newer: bool,
    loading: Loading,
    unseen: u64,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct ResultFrame {
    call: u64,
    #[serde(default)]
    ok: Value,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    pub detail: Value,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    conversations: Option<Vec<Splice>>,
    #[serde(default)]
    outbox: Option<Vec<Splice>>,
    #[serde(default)]
    timelines: Vec<ViewFrame>,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    results: Vec<ResultFrame>,
    #[serde(default)]
    logs: Vec<Value>,
}

/// What a frame did beside changing the lists.
#[derive(Default)]
pub struct Applied {
    /// timelines that changed: what they were before
    pub changed: Vec<(u64, View)>,
    pub results: Vec<(u64, Result<Value, Failure>)>,
    pub events: Vec<Event>,
    pub logs: Vec<Value>,
}

#[derive(Default)]
pub struct Facade {
    pub status: Option<Status>,
    pub conversations: Vec<Rc<Shown>>,
    pub outbox: Vec<Rc<Local>>,
    /// open ones
    pub timelines: BTreeMap<u64, View>,
    /// closed by the app: a frame for them that was under way is ignored
    closed: Vec<u64>,
}

impl Facade {
    /// A timeline was opened; its first frame is still to come.
    pub fn open(&mut self, id: u64, conversation: &str, page_size: u64) {
        let view = View {
            conversation: conversation.to_owned(),
            items: Vec::new(),
            status: "opening".to_owned(),
            anchor: Anchor {
                key: None,
                count: 0,
            },
            first_index: FIRST_INDEX,
            has_older: true,
            has_newer: true,
            loading: Loading {
                older: false,
                newer: false,
                jump: false,
            },
            unseen: 0,
            error: None,
            page_size,
            released: false,
            attached: false,
            seen: None,
            sees_more: false,
            trust: Rc::default(),
            seams: Rc::default(),
        };
        self.timelines.insert(id, view);
    }

    pub fn close(&mut self, id: u64) {
        self.timelines.remove(&id);
        self.closed.push(id);
    }

    pub fn caught_up(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.caught_up)
    }

    /// Applies a frame, all of it.
    pub fn apply(&mut self, text: &str) -> Result<Applied, String> {
        let frame: Frame = serde_json::from_str(text)
            .map_err(|error| format!("a frame that is none ({error}): {text}"))?;
        let mut applied = Applied {
            events: frame.events,
            logs: frame.logs,
            ..Applied::default()
        };
        if let Some(status) = frame.status {
            self.status = Some(status);
        }
        if let Some(patch) = frame.conversations {
            splice(&mut self.conversations, patch)
                .map_err(|error| format!("conversations: {error} in {text}"))?;
        }
        if let Some(patch) = frame.outbox {
            splice(&mut self.outbox, patch)
                .map_err(|error| format!("outbox: {error} in {text}"))?;
        }
        for new in frame.timelines {
            if self.closed.contains(&new.id) {
                continue;
            }
            let Some(view) = self.timelines.get_mut(&new.id) else {
                return Err(format!(
                    "a frame for timeline {} that was never opened",
                    new.id
                ));
            };
            let before = view.clone();
            if let Some(patch) = new.items {
                splice(&mut view.items, patch)
                    .map_err(|error| format!("timeline {}: {error} in {text}", new.id))?;
            }
            view.status = new.status;
            view.anchor = new.anchor;
            view.first_index = new.first_index;
            view.has_older = new.has_older;
            view.has_newer = new.has_newer;
            view.loading = new.loading;
            view.unseen = new.unseen;
            view.error = new.error;
            applied.changed.push((new.id, before));
        }
        for result in frame.results {
            applied
                .results
                .push((result.call, result.error.map_or(Ok(result.ok), Err)));
        }
        Ok(applied)
    }
}

/// Applies a list patch: each splice in order; a number is the element that the list had at that
/// index before the whole patch, the same object.
fn splice<T: DeserializeOwned>(list: &mut Vec<Rc<T>>, patch: Vec<Splice>) -> Result<(), String> {
    let old = list.clone();
    for Splice { at, del, ins } in patch {
        let mut elements = Vec::with_capacity(ins.len());
        for element in ins {
            elements.push(match element.as_u64() {
                Some(index) => {
                    let kept = old.get(index as usize);
                    kept.cloned()
                        .ok_or_else(|| format!("no element {index} of {}", old.len()))?
                }
                None => {
                    Rc::new(serde_json::from_value(element).map_err(|error| error.to_string())?)
                }
            });
        }
        let end = at.checked_add(del).filter(|end| *end <= list.len());
        let end =
            end.ok_or_else(|| format!("splice at {at} of {del} in a list of {}", list.len()))?;
        list.splice(at..end, elements);
    }
    Ok(())
}

fn seq_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| D::Error::custom(format!("seq {text:?}")))
}

fn seq_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| {
        text.parse()
            .map_err(|_| D::Error::custom(format!("seq {text:?}")))
    })
    .transpose()
}
