#![no_main]
//! Whatever decodes as a question is its one encoding.

use frame::Question;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(question) = Question::decode(bytes) {
        assert_eq!(question.encode().as_deref(), Ok(bytes));
    }
});
