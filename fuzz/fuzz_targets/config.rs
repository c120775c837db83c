#![no_main]
//! No configuration file makes the daemon panic, and each error is one line that names the file.

use jitd_config::Config;
use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse(text, Path::new("jitd.toml")) {
        let said = error.to_string();
        assert!(said.starts_with("jitd.toml:") && !said.contains('\n'), "{said:?}");
    }
});
