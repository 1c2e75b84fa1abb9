//! Timers of the JS event loop: in a page, a worker, or Node.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_util::future::{Either, select};
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
pub async fn sleep(ms: u64) {
    let fired = Rc::new(Cell::new(false));
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let _timer = Timer::new(ms, {
        let (fired, waker) = (fired.clone(), waker.clone());
        move || {
            fired.set(true);
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    });
    poll_fn(|context| {
        if fired.get() {
            return Poll::Ready(());
        }
        waker.replace(Some(context.waker().clone()));
        Poll::Pending
    })
    .await
}

/// The future's output, or `None` when it takes longer than `ms`; then it is dropped.
pub async fn within<F: Future>(ms: u64, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(sleep(ms))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
