//! What the facade gives a client to call, and what the last words of a panic reach.

use std::cell::RefCell;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// The facade's side of a client. All may throw: a JS exception that is not caught would unwind
    /// Rust frames without running their destructors.
    #[derive(Clone, PartialEq)]
    pub type Hooks;

    #[wasm_bindgen(method, structural, catch)]
    fn frame(this: &Hooks, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn log(this: &Hooks, level: &str, message: &str, detail: Option<&str>) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn stopped(this: &Hooks) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn fenced(this: &Hooks) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn stuck(this: &Hooks) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn promoted(this: &Hooks) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn refused(this: &Hooks) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn wiped(this: &Hooks) -> Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn tell(this: &Hooks, bytes: js_sys::Uint8Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn panicked(this: &Hooks, message: &str) -> Result<(), JsValue>;
}

/// What the claim to write for the account has to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToClaim {
    /// another client writes
    Fenced,
    /// the one that writes does nothing
    Stuck,
    /// this one writes, and has read what is stored
    Promoted,
    /// the server has refused this one's token
    Refused,
}

impl Hooks {
    /// A frame of the engine.
    pub(super) fn show(&self, frame: &str) {
        if self.frame(frame).is_err() {
            self.note("error", "the facade failed to apply a frame");
        }
    }

    /// A line for the app's log.
    pub(super) fn note(&self, level: &str, message: &str) {
        // A logger that throws has nobody to tell.
        let _ = self.log(level, message, None);
    }

    /// Tells the other clients of the account. One that does not hear it reads what is stored.
    pub(super) fn say(&self, bytes: &[u8]) {
        let _ = self.tell(js_sys::Uint8Array::new_from_slice(bytes));
    }

    /// What it is for the claim to see to.
    pub(super) fn say_to_claim(&self, what: ToClaim) {
        let said = match what {
            ToClaim::Fenced => self.fenced(),
            ToClaim::Stuck => self.stuck(),
            ToClaim::Promoted => self.promoted(),
            ToClaim::Refused => self.refused(),
        };
        if said.is_err() {
            self.note("error", "the facade does not know who writes");
        }
    }

    /// Whether the account was wiped here since this client was made, as far as that is known.
    pub(super) async fn knows_wiped(&self) -> bool {
        match self.wiped() {
            Ok(answer) => JsFuture::from(answer)
                .await
                .is_ok_and(|wiped| wiped.is_truthy()),
            Err(_) => false,
        }
    }

    /// The client has ended and holds nothing any more.
    pub(super) fn end(&self) {
        if self.stopped().is_err() {
            self.note("error", "the facade failed to stop");
        }
    }
}

thread_local! {
    /// of every client of this instance that has not ended
    static LIVE: RefCell<Vec<Hooks>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, a panic is told to these hooks.
pub(super) struct PanicListener(Hooks);

impl PanicListener {
    pub(super) fn new(hooks: &Hooks) -> PanicListener {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            // Whoever listened before, a test's harness for one, still does.
            let before = take_hook();
            set_hook(Box::new(move |info| {
                last_words(info);
                before(info);
            }));
        });
        LIVE.with_borrow_mut(|live| live.push(hooks.clone()));
        PanicListener(hooks.clone())
    }
}

impl Drop for PanicListener {
    fn drop(&mut self) {
        LIVE.with_borrow_mut(|live| {
            if let Some(at) = live.iter().position(|hooks| *hooks == self.0) {
                live.swap_remove(at);
            }
        });
    }
}

/// A panic traps and leaves the instance unusable: every client of it must end.
fn last_words(info: &PanicHookInfo<'_>) {
    let message = info.to_string();
    // Not under the borrow: the facade may let go of its clients at once.
    let live = LIVE.with(|live| {
        live.try_borrow()
            .map(|live| live.clone())
            .unwrap_or_default()
    });
    for hooks in live {
        let _ = hooks.panicked(&message);
    }
}
