//! The inputs that fuzzing has found and that were kept (`tests/fuzz/corpus`), through what they are for.

#![cfg(not(target_arch = "wasm32"))]
#![allow(unreachable_pub)]

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn every_input_that_was_kept_is_taken_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let inputs: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("the corpus of {name}: {error}"))
            .map(|entry| entry.expect("an input can be listed").path())
            .collect();
        assert!(!inputs.is_empty(), "{name} has a corpus");
        for path in inputs {
            // Shown where it fails.
            println!("{}", path.display());
            target(&fs::read(&path).expect("an input can be read"));
        }
    }
}
