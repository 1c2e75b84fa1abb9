//! Timers of the JS event loop: in a page, a worker, or Node.

use std::cell::RefCell;
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

/// ms since some moment in the past; never goes back, counts sleep or not as the platform likes.
pub fn monotonic() -> u64 {
    performance_now() as u64
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
        let callback = Closure::once(callback);
        let ms = i32::try_from(ms).unwrap_or(i32::MAX);
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

/// The future's output, or `None` when it takes longer than `ms`; then it is dropped.
pub async fn within<F: Future>(ms: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = sleep(ms);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut sleep).poll(context).map(|()| None)
    })
    .await
}
