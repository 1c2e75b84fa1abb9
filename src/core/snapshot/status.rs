//! How the client stands, as the app sees it.

use crate::core::error::Error;
use crate::core::json;

/// What the status says.
#[derive(Debug)]
pub(in crate::core) struct Status<'a> {
    pub connection: &'a str,
    pub listed: bool,
    pub caught_up: bool,
    pub pulling: bool,
    /// ms since the epoch
    pub last_synced: Option<u64>,
    /// events applied, of a chain that has to catch up
    pub applied: Option<u64>,
    pub storage: &'a str,
    /// who asks the network and writes (R15)
    pub writer: Option<&'a str>,
    pub error: Option<&'a Error>,
}

impl Status<'_> {
    /// The JSON text.
    pub fn text(&self) -> String {
        let mut out = String::from("{");
        json::field(&mut out, "connection");
        json::string(&mut out, self.connection);
        for (name, flag) in [
            ("listed", self.listed),
            ("caughtUp", self.caught_up),
            ("pulling", self.pulling),
        ] {
            json::field(&mut out, name);
            json::flag(&mut out, flag);
        }
        json::field(&mut out, "lastSyncedAt");
        match self.last_synced {
            Some(at) => json::number(&mut out, at),
            None => out.push_str("null"),
        }
        json::field(&mut out, "progress");
        match self.applied {
            Some(applied) => {
                out.push_str("{\"applied\":");
                json::number(&mut out, applied);
                out.push('}');
            }
            None => out.push_str("null"),
        }
        json::field(&mut out, "storage");
        json::string(&mut out, self.storage);
        json::field(&mut out, "writer");
        match self.writer {
            Some(writer) => json::string(&mut out, writer),
            None => out.push_str("null"),
        }
        json::field(&mut out, "error");
        json::error(&mut out, self.error);
        out.push('}');
        out
    }
}
