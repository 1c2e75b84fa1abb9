//! How deep JSON text nests.

use serde_json::value::RawValue;

/// How deep the app's own JSON (`body`, `meta`) may nest: with whatever it travels in, it stays below
/// the 128 that common readers take of one text.
pub const MAX_NESTING: usize = 100;

/// Whether this is JSON text that nests no deeper than [`MAX_NESTING`]: whoever reads it later may
/// recurse.
pub fn is_fit(json: &str) -> bool {
    serde_json::from_str::<&RawValue>(json).is_ok() && !nests_too_deep(json)
}

/// Whether JSON text nests deeper than [`MAX_NESTING`].
pub(super) fn nests_too_deep(json: &str) -> bool {
    // Every level has two brackets: most bodies need no look.
    if json.len() <= 2 * MAX_NESTING {
        return false;
    }
    let (mut depth, mut text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = text,
            b'"' => text = !text,
            _ if text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return true;
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    false
}
