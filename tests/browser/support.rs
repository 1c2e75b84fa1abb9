//! What the browser tests have in common: expressions of JavaScript, and the reference server's address.

use wasm_bindgen::JsValue;

/// Evaluates an expression of JavaScript.
pub fn js(expression: &str) -> JsValue {
    js_sys::eval(expression).unwrap_or_else(|thrown| panic!("{expression}: {thrown:?}"))
}

/// The address of the reference server, which is compiled in.
pub fn server() -> &'static str {
    match option_env!("PULLCORD_TEST_SERVER") {
        Some(url) => url,
        None => panic!(
            "set PULLCORD_TEST_SERVER to the URL of `pullcord-server --demo --allow-trouble`"
        ),
    }
}
