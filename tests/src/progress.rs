//! Progress of long steps: a spinner on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// One step that takes a while.
pub struct Progress {
    bar: ProgressBar,
    what: String,
    since: Instant,
}

impl Progress {
    /// Says that `what` has begun.
    pub fn begin(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            eprintln!("{what} ...");
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, what: what.to_owned(), since: Instant::now() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let hidden = self.bar.is_hidden();
        self.bar.finish_and_clear();
        let seconds = self.since.elapsed().as_secs();
        if !hidden || seconds >= 5 {
            eprintln!("{}: {seconds} s", self.what);
        }
    }
}
