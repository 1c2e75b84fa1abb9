//! One bad item (R14) that stays as it is, whoever asks for it: what the server gives of it, and what a
//! correct client makes of that. Nothing else may suffer.

use serde_json::{Value, json};

use super::rng::Rng;

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Odd {
    /// a number where its id is asked for: its digits
    NumberedId,
    /// half a surrogate pair in its id: U+FFFD
    TornId,
    /// no sender: ""
    NoSender,
    /// half a surrogate pair in its sender: U+FFFD
    TornSender,
    /// no time, or one that is none: 0
    NoTime,
    /// a state that nobody knows: "normal", "edited"; without a body "unreadable"
    StrangeState,
    /// a body that nests too deep: null, "unreadable"
    DeepBody,
    /// a field that nobody asked for, of which no reader makes anything
    StrangeField,
    /// no id, or no place: it is as if it were not there
    Nameless,
}

/// Stands for half a surrogate pair, and for a number beyond all numbers, until the answer is text.
const TORN: &str = "@torn@";
const HUGE: &str = "\"@huge@\"";

/// An answer's text, with what no [`Value`] can hold.
pub fn text(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains('@') {
        return text;
    }
    text.replace(TORN, "\\ud83d").replace(HUGE, "1e999")
}

impl Odd {
    pub fn drawn(rng: &mut Rng) -> Option<Odd> {
        Some(match rng.below(100) {
            0 => Odd::NumberedId,
            1 => Odd::TornId,
            2 => Odd::NoSender,
            3 => Odd::TornSender,
            4..=5 => Odd::NoTime,
            6..=7 => Odd::StrangeState,
            8..=9 => Odd::DeepBody,
            10..=13 => Odd::StrangeField,
            14..=15 => Odd::Nameless,
            _ => return None,
        })
    }

    /// What may happen to a message on its way; `told`: as an event, of which it is known that something
    /// is missing where it cannot be named.
    pub fn in_transit(told: bool, rng: &mut Rng) -> Odd {
        match rng.below(8) {
            0..=1 if told => Odd::Nameless,
            0..=2 => Odd::NoSender,
            3 => Odd::TornSender,
            4 => Odd::NoTime,
            5 => Odd::StrangeState,
            6 => Odd::DeepBody,
            _ => Odd::StrangeField,
        }
    }

    /// The id as a client has it.
    pub fn id(self, id: String, number: u64) -> String {
        match self {
            Odd::NumberedId => (900_000_000 + number).to_string(),
            Odd::TornId => format!("{id}\u{fffd}"),
            _ => id,
        }
    }

    pub fn sender(self, sender: &str) -> String {
        match self {
            Odd::NoSender => String::new(),
            Odd::TornSender => format!("{sender}\u{fffd}"),
            _ => sender.to_owned(),
        }
    }

    pub fn created_at(self, time: u64) -> u64 {
        if self == Odd::NoTime { 0 } else { time }
    }

    pub fn state(self, state: &'static str, version: u64) -> &'static str {
        match (self, state) {
            (Odd::StrangeState, "recalled") => "unreadable",
            (Odd::StrangeState, _) if version > 1 => "edited",
            (Odd::StrangeState, _) => "normal",
            (Odd::DeepBody, "recalled") => "recalled",
            (Odd::DeepBody, _) => "unreadable",
            _ => state,
        }
    }

    pub fn body(self, body: &Value) -> Value {
        match self {
            Odd::DeepBody => Value::Null,
            _ => body.clone(),
        }
    }

    /// The message as it is given.
    pub fn spoil(self, message: &mut Value) {
        let text = |message: &Value, field: &str| message[field].as_str().map(str::to_owned);
        match self {
            Odd::NumberedId => {
                let id = text(message, "id").and_then(|id| id.parse::<u64>().ok());
                message["id"] = json!(id);
            }
            Odd::TornId => {
                let id = text(message, "id").unwrap_or_default();
                message["id"] = json!(id.replace('\u{fffd}', TORN));
            }
            Odd::TornSender => {
                let sender = text(message, "sender").unwrap_or_default();
                message["sender"] = json!(format!("{sender}{TORN}"));
            }
            Odd::NoSender => _ = message.as_object_mut().map(|m| m.remove("sender")),
            Odd::NoTime => message["createdAt"] = json!("yesterday"),
            Odd::StrangeState => message["state"] = json!("pinned"),
            Odd::DeepBody if message["state"] != "recalled" => {
                let body = message["body"].take();
                message["body"] = (0..101).fold(body, |body, _| json!([body]));
            }
            Odd::DeepBody => {}
            Odd::StrangeField => message["x-size"] = json!("@huge@"),
            Odd::Nameless => match message["seq"].to_string().len() % 3 {
                0 => message["id"] = Value::Null,
                1 => message["seq"] = json!(-1),
                _ => _ = message.as_object_mut().map(|m| m.remove("id")),
            },
        }
    }
}
