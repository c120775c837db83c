#![no_main]
//! No policy or people file makes the reader panic, and each error is one line that names file, line, what is
//! wrong and what would be right.

use std::path::Path;
use workflow::{People, Policy, PolicyErrors};

fn well_formed(errors: &PolicyErrors) {
    assert!(!errors.0.is_empty());
    for error in &errors.0 {
        let said = error.to_string();
        assert!(said.starts_with("file.toml:") && !said.contains(char::is_control), "{said:?}");
        assert!(error.line > 0 && !error.what.is_empty() && !error.fix.is_empty(), "{said:?}");
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let path = Path::new("file.toml");
    if let Err(errors) = Policy::parse(text, path) {
        well_formed(&errors);
    }
    if let Err(errors) = People::parse(text, path) {
        well_formed(&errors);
    }
});
