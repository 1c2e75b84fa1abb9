//! Whether requests go by `POST /v1/call` (docs/protocol.md). A browser sends a preflight (CORS) before each plain
//! request to a server of another origin, for each address anew; before these it sends none.

use std::cell::{Cell, RefCell};

use js_sys::Reflect;
use web_sys::Response;

use super::time::monotonic;

/// The server says by this header of an answer what else than plain requests it takes.
const ACCEPT: &str = "pullcord-accept";

/// After so many failures in a row requests are plain ones for good.
const TRIES: u8 = 3;

/// ms after which a server that is asked the same has another `Date`.
const MOVES: u64 = 5_000;

/// A plain answer: what was asked, its `Date`, and when the first of that date came.
type Dated = (String, String, u64);

/// What is known of a server's `/v1/call`.
pub(super) struct Calls {
    /// The server is of another origin: plain requests have a preflight. Or a cache answers these. False for good once
    /// `/v1/call` was not there.
    useful: Cell<bool>,
    /// the newest answer said that it is served
    agreed: Cell<bool>,
    /// requests by it that came to nothing, since one that was answered
    failed: Cell<u8>,
    dated: RefCell<Option<Dated>>,
    /// a cache was seen
    cached: Cell<bool>,
}

impl Calls {
    /// To a server of `origin`.
    pub(super) fn to(origin: &str) -> Calls {
        // Who has no origin sends no preflight: Node.
        let own = Reflect::get(&js_sys::global(), &"origin".into());
        let own = own.ok().and_then(|own| own.as_string());
        Calls {
            useful: Cell::new(own.is_some_and(|own| own != origin)),
            agreed: Cell::new(false),
            failed: Cell::new(0),
            dated: RefCell::default(),
            cached: Cell::new(false),
        }
    }

    /// Whether the next request goes so.
    pub(super) fn go(&self) -> bool {
        self.useful.get() && self.agreed.get()
    }

    /// A plain request was answered.
    pub(super) fn plain(&self, response: &Response) {
        self.agreed.set(accepts(response));
    }

    /// A plain pull was answered. Answers, once, whether by a cache on the way, a service worker's say: the same was
    /// asked before, and the server's clock stands still. No cache keeps what goes by `/v1/call`.
    pub(super) fn is_from_a_cache(&self, asked: &str, response: &Response) -> bool {
        let Some(date) = response.headers().get("date").ok().flatten() else {
            return false;
        };
        let now = monotonic();
        let mut dated = self.dated.borrow_mut();
        let since = match &*dated {
            Some((of, at, since)) if of == asked && *at == date => *since,
            _ => now,
        };
        *dated = Some((asked.to_owned(), date, since));
        let cached = now.saturating_sub(since) >= MOVES && !self.cached.replace(true);
        self.useful.set(self.useful.get() || cached);
        cached
    }

    /// A request by `/v1/call` was answered: whether by it. If not, the same is to be asked plainly.
    pub(super) fn answered(&self, response: &Response) -> bool {
        if accepts(response) {
            self.failed.set(0);
            return true;
        }
        match response.status() {
            // The plain request is smaller, without what is around it here: perhaps it gets through, and if it does
            // not, its answer counts.
            413 => {
                self.lost();
                false
            }
            // What is only in trouble may be something before the server. It would be so to a plain request too,
            // which must not come on top.
            408 | 429 | 500 | 502.. => {
                self.lost();
                true
            }
            _ => {
                self.useful.set(false);
                false
            }
        }
    }

    /// No answer came to a request by `/v1/call`: the next one is plain, in case that this is why.
    pub(super) fn lost(&self) {
        // Of several at once the first tells.
        if self.agreed.replace(false) {
            self.failed.set(self.failed.get() + 1);
            if self.failed.get() == TRIES {
                self.useful.set(false);
            }
        }
    }
}

fn accepts(response: &Response) -> bool {
    let said = response.headers().get(ACCEPT).ok().flatten();
    said.is_some_and(|said| said.split(',').any(|one| one.trim() == "call"))
}
