//! Timers of the JS event loop: in a page, a worker, or Node.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::Function;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Largest time that a platform tells: what is above is none.
const LATEST: f64 = (1_u64 << 53) as f64;
/// ms for which a clock may seem to stand still, so coarse as some browsers make it.
const COARSE: f64 = 250.0;

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock { told: 0.0, ahead: 0.0, still: 0.0 }) };
}

/// The platform's clock. It may go back or stand still, where the page has put another in its place: it goes on from
/// where it was, and while it stands the timers tell the time (R14: a hint forbids nothing). All in ms.
#[derive(Clone, Copy)]
struct Clock {
    /// what it told last
    told: f64,
    /// what it lacks
    ahead: f64,
    /// of the timers that have come since it moved
    still: f64,
}

impl Clock {
    fn read(&mut self) -> u64 {
        let told = performance_now();
        let told = if told.abs() < LATEST { told } else { 0.0 };
        self.ahead += (self.told - told).max(0.0);
        self.told = told;
        (told + self.ahead) as u64
    }

    /// A timer of so many ms has come, which was set when the clock told `then`.
    fn hear(&mut self, then: f64, ms: f64) {
        self.still = match performance_now() > then {
            true => 0.0,
            false => self.still + ms,
        };
        if self.still > COARSE {
            self.ahead += std::mem::take(&mut self.still);
        }
    }

    /// With the one that there is.
    fn with<T>(does: impl FnOnce(&mut Clock) -> T) -> T {
        let mut clock = CLOCK.get();
        let done = does(&mut clock);
        CLOCK.set(clock);
        done
    }
}

/// ms since some moment in the past; never goes back, counts sleep or not as the platform likes.
pub fn monotonic() -> u64 {
    Clock::with(Clock::read)
}

/// ms since the epoch, by this machine's clock.
pub fn wall() -> u64 {
    js_sys::Date::now() as u64
}

/// A call to come; dropped before, it does not come.
pub struct Timer {
    id: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `callback` once, `ms` from now (at most 2^31−1: what a browser can count).
    pub fn new(ms: u64, callback: impl FnOnce() + 'static) -> Timer {
        let ms = i32::try_from(ms).unwrap_or(i32::MAX);
        let then = performance_now();
        let callback = Closure::once(move || {
            Clock::with(|clock| clock.hear(then, f64::from(ms)));
            callback();
        });
        let id = set_timeout(callback.as_ref().unchecked_ref(), ms);
        Timer {
            id,
            _callback: callback,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

/// Resolves `ms` from now.
pub fn sleep(ms: u64) -> Sleep {
    let state = Rc::new(RefCell::new(Slept {
        over: false,
        waker: None,
    }));
    let fired = state.clone();
    let timer = Timer::new(ms, move || {
        // Not woken under the borrow: that may poll at once.
        let waker = {
            let mut state = fired.borrow_mut();
            state.over = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    Sleep {
        state,
        _timer: timer,
    }
}

/// What [`sleep`] gives.
pub struct Sleep {
    state: Rc<RefCell<Slept>>,
    _timer: Timer,
}

struct Slept {
    over: bool,
    waker: Option<Waker>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.over {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A timer this many ms late says that the page slept or was throttled: what has arrived may still be
/// waiting behind it, so silence proves nothing yet.
pub(super) const LATE: u64 = 5_000;

/// Bytes a ms below which what arrives is too little to be waited for.
const TRICKLE: u64 = 1;
/// Limits of silence that something may take which is no more than a trickle.
const TRICKLES: u64 = 20;

/// A time limit that counts silence, and not length: it begins anew with everything that is heard.
/// What comes at less than 1 KB/s has an end too: it would be waited for without one.
pub struct Silence {
    /// ms of silence that are taken, once something was heard
    limit: u64,
    until: Cell<u64>,
    /// when all of it must have come, at the bytes so far
    end: Cell<u64>,
}

impl Silence {
    /// Allows `limit` ms of silence; the first time also `first` more.
    pub fn new(limit: u64, first: u64) -> Silence {
        let until = monotonic().saturating_add(limit).saturating_add(first);
        Silence {
            limit,
            until: Cell::new(until),
            end: Cell::new(until.saturating_add(limit.saturating_mul(TRICKLES))),
        }
    }

    /// So many bytes have arrived.
    pub fn heard(&self, bytes: u64) {
        let end = self.end.get().saturating_add(bytes / TRICKLE);
        self.end.set(end);
        self.until.set(monotonic().saturating_add(self.limit));
    }

    /// The future's output, or `None` when nothing was heard for too long; then it is dropped.
    pub async fn bound<F: Future>(&self, future: F) -> Option<F::Output> {
        before(self.passed(), pin!(future)).await
    }

    /// Resolves when nothing was heard for too long.
    fn passed(&self) -> Passed<'_> {
        let due = self.due();
        Passed {
            silence: self,
            sleep: sleep(due.saturating_sub(monotonic())),
            due,
            excused: false,
        }
    }

    fn due(&self) -> u64 {
        self.until.get().min(self.end.get())
    }

    /// The page may have slept: what came meanwhile is about to be heard.
    fn excuse(&self, now: u64) {
        self.until.set(now.saturating_add(LATE));
        self.end.set(self.end.get().max(self.until.get()));
    }
}

struct Passed<'a> {
    silence: &'a Silence,
    sleep: Sleep,
    /// when that sleep is over
    due: u64,
    excused: bool,
}

impl Future for Passed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        while Pin::new(&mut self.sleep).poll(context).is_ready() {
            let now = monotonic();
            if now > self.due.saturating_add(LATE) && !self.excused {
                self.excused = true;
                self.silence.excuse(now);
            }
            self.due = self.silence.due();
            if now >= self.due {
                return Poll::Ready(());
            }
            self.sleep = sleep(self.due - now);
        }
        Poll::Pending
    }
}

/// The future's output, or `None` when it takes longer than `ms`; then it is dropped.
pub async fn within<F: Future>(ms: u64, future: F) -> Option<F::Output> {
    before(sleep(ms), pin!(future)).await
}

/// The future's output, or `None` when `end` comes first.
fn before<F: Future>(
    mut end: impl Future<Output = ()> + Unpin,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut end).poll(context).map(|()| None)
    })
}
