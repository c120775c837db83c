#![no_main]
//! Whatever decodes as a question or as an answer is its one encoding.

use frame::{Answer, Question};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(question) = Question::decode(bytes) {
        assert_eq!(question.encode().as_deref(), Ok(bytes));
    }
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode().as_deref(), Ok(bytes));
    }
});
