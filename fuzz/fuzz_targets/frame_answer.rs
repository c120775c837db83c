#![no_main]
//! Whatever decodes as an answer is its one encoding.

use frame::Answer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode().as_deref(), Ok(bytes));
    }
});
