//! Writing JSON text: the values of index.d.ts. The app's bodies pass through as the
//! text they came as.

use super::error::Error;
use super::types::{Conversation, Message, MessageState, Seq};

/// Appends a string literal.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // Every byte that is escaped is ASCII: a character boundary.
        out.push_str(&text[plain..i]);
        plain = i + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(HEX[usize::from(byte >> 4)] as char);
                out.push(HEX[usize::from(byte & 15)] as char);
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Appends `"name":`, with a comma where another field stands before it.
pub fn field(out: &mut String, name: &str) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    string(out, name);
    out.push(':');
}

/// Appends a comma where another element stands before.
pub fn next(out: &mut String) {
    if !out.ends_with(['{', '[', ':']) {
        out.push(',');
    }
}

/// Appends a whole number.
pub fn number(out: &mut String, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    for digit in &digits[at..] {
        out.push(*digit as char);
    }
}

/// Appends `true` or `false`.
pub fn flag(out: &mut String, value: bool) {
    out.push_str(if value { "true" } else { "false" });
}

/// Appends a position: always a string, so that none above 2^53 loses digits.
pub fn seq(out: &mut String, seq: Option<Seq>) {
    match seq {
        Some(Seq(seq)) => {
            out.push('"');
            number(out, seq);
            out.push('"');
        }
        None => out.push_str("null"),
    }
}

/// Appends a `Message`.
pub fn message(out: &mut String, m: &Message) {
    out.push('{');
    field(out, "id");
    string(out, &m.id);
    field(out, "conversation");
    string(out, &m.conversation);
    field(out, "seq");
    seq(out, Some(m.seq));
    field(out, "sender");
    string(out, &m.sender);
    field(out, "createdAt");
    number(out, m.created_at);
    field(out, "version");
    number(out, m.version);
    field(out, "state");
    string(
        out,
        match m.state {
            MessageState::Normal => "normal",
            MessageState::Edited => "edited",
            MessageState::Recalled => "recalled",
            MessageState::Unreadable => "unreadable",
        },
    );
    field(out, "body");
    out.push_str(&m.body);
    if let Some(client_id) = &m.client_id {
        field(out, "clientId");
        string(out, client_id);
    }
    out.push('}');
}

/// Appends a `Message` as it is stored: also how much of it was put right.
pub fn stored_message(out: &mut String, m: &Message) {
    message(out, m);
    if m.repairs > 0 {
        out.pop();
        field(out, "repairs");
        number(out, u64::from(m.repairs));
        out.push('}');
    }
}

/// Appends a `Conversation`.
pub fn conversation(out: &mut String, c: &Conversation) {
    write_conversation(out, c, message);
}

/// Appends a `Conversation` as it is stored.
pub fn stored_conversation(out: &mut String, c: &Conversation) {
    write_conversation(out, c, stored_message);
    // What reads JSON here may be off by a last digit of `sort`, each time it is stored.
    out.pop();
    field(out, "sortBits");
    number(out, c.sort.to_bits());
    out.push('}');
}

fn write_conversation(out: &mut String, c: &Conversation, message: fn(&mut String, &Message)) {
    out.push('{');
    field(out, "id");
    string(out, &c.id);
    field(out, "unread");
    number(out, c.unread);
    field(out, "lastSeq");
    seq(out, c.last_seq);
    field(out, "readSeq");
    seq(out, c.read_seq);
    field(out, "sort");
    // serde_json writes what JSON.parse reads back to the same double.
    out.push_str(&serde_json::to_string(&c.sort).unwrap_or_else(|_| "0".into()));
    field(out, "lastMessage");
    match &c.last_message {
        Some(m) => message(out, m),
        None => out.push_str("null"),
    }
    field(out, "meta");
    out.push_str(&c.meta);
    out.push('}');
}

/// Appends an error, or null.
pub fn error(out: &mut String, error: Option<&Error>) {
    match error {
        Some(error) => out.push_str(&error.to_json()),
        None => out.push_str("null"),
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_is_read_back(text in ".*") {
            let mut out = String::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn a_number_is_read_back(value: u64) {
            let mut out = String::new();
            number(&mut out, value);
            prop_assert_eq!(out, value.to_string());
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let text: String = (0..0x20u8).map(char::from).collect();
        let mut out = String::new();
        string(&mut out, &text);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
