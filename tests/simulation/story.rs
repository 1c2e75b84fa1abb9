//! What happened, for whoever has to understand a failing history.

use std::collections::VecDeque;
use std::fmt::Write as _;

use serde_json::Value;

/// The last events of a history, as lines.
pub struct Story {
    /// how many are kept; none: they cost nothing, and a failing history is run again to be told
    keep: usize,
    lines: VecDeque<String>,
}

impl Story {
    pub fn new(keep: usize) -> Self {
        Story {
            keep,
            lines: VecDeque::new(),
        }
    }

    pub fn tell(&mut self, time: u64, who: &str, line: impl FnOnce() -> String) {
        if self.keep == 0 {
            return;
        }
        let mut line = line();
        if line.len() > 600 {
            let end = (0..=600)
                .rev()
                .find(|end| line.is_char_boundary(*end))
                .unwrap_or(0);
            line.truncate(end);
            line.push('…');
        }
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        self.lines
            .push_back(format!("{:>9.3} {who:<7} {line}", time as f64 / 1000.0));
    }

    pub fn print(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// An answer in a line: `batch to at:9, more: c1 m5 m6v2 c1 state, overflow "all"`.
pub fn answer(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return format!("{text:?}");
    };
    let mut line = String::new();
    if let Some(batches) = value["conversations"].as_object() {
        line += "batches";
        for (id, batch) in batches {
            let _ = write!(line, " [{id}: {}]", answer(&batch.to_string()));
        }
    } else if let Some(events) = value["events"].as_array() {
        let _ = write!(line, "batch to {}", value["cursor"]);
        for event in events {
            line += " ";
            line += &one_event(event);
        }
        if !value["overflow"].is_null() {
            let _ = write!(line, ", overflow {}", value["overflow"]);
        }
    } else if let Some(messages) = value["messages"].as_array() {
        line += if value["hasBefore"] == true {
            "page …"
        } else {
            "page |"
        };
        for one in messages {
            line += " ";
            line += &message(one);
        }
        line += if value["hasAfter"] == true {
            " …"
        } else {
            " |"
        };
    } else if let Some(conversations) = value["conversations"].as_array() {
        line += "list";
        for conversation in conversations {
            let _ = write!(line, " {}", conversation["id"]);
        }
        let _ = write!(line, ", next {}", value["next"]);
    } else {
        line += text;
    }
    if value["hasMore"] == true {
        line += ", more";
    }
    line
}

fn one_event(event: &Value) -> String {
    let delivery = event["delivery"].as_str().map(|name| format!("{name}="));
    let event = match event["type"].as_str() {
        Some("message") => format!(
            "{}{}",
            event["message"]["conversation"],
            message(&event["message"])
        ),
        Some("update") => format!(
            "{}~{}",
            event["message"]["conversation"],
            message(&event["message"])
        ),
        Some("conversation") => format!("{} state", event["conversation"]["id"]),
        Some("removed") => format!("{} removed", event["conversation"]),
        Some("trim") => format!("{} trim<{}", event["conversation"], event["before"]),
        other => format!("{other:?}"),
    };
    delivery.unwrap_or_default() + &event.replace('"', "")
}

fn message(message: &Value) -> String {
    let mut line = format!("#{}", message["seq"]).replace('"', "");
    if message["version"] != 1 {
        let _ = write!(line, "v{}", message["version"]);
    }
    if let Some(client_id) = message["clientId"].as_str() {
        let _ = write!(line, "({client_id})");
    }
    line
}

/// A frame without its lists, which are drawn by themselves.
pub fn frame(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    let mut line = String::new();
    let status = &value["status"];
    if status.is_object() {
        let _ = write!(line, "{}", status["connection"]);
        for flag in ["listed", "caughtUp", "pulling"] {
            if status[flag] == true {
                let _ = write!(line, " {flag}");
            }
        }
        if !status["error"].is_null() {
            let _ = write!(line, " error {}", status["error"]["code"]);
        }
    }
    for name in ["results", "events", "outbox"] {
        if value[name].is_array() {
            let _ = write!(line, " {name} {}", value[name]);
        }
    }
    if line.is_empty() {
        "lists only".to_owned()
    } else {
        line
    }
}
