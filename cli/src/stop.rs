//! Signals that ask this process to stop.

use crate::CliError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Calls `heard` at the first of them, and dies of the second: whatever kept us from stopping.
pub fn on_stop(heard: impl FnOnce() + Send + 'static) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(CliError::Terminal)?;
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            heard();
        }
        for signal in signals {
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}
