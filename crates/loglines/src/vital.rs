//! Threads that a daemon cannot do without: when one falls, the process ends and is started anew.
//!
//! A writer that is gone refuses everybody for ever, and does not come back by itself. What serves one call may
//! panic and only loses that call: there anybody may try.

use crate::{Level, Log};

/// From now on a panic in a thread whose name `is_vital` ends the process of `daemon`.
pub fn abort_on_panic(log: Log, daemon: &'static str, is_vital: fn(&str) -> bool) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        if !is_vital(name) {
            return;
        }
        log.put(
            Level::Err,
            format!(
                "thread {name} has a fault, so {daemon} ends and is started anew: see journalctl -u {daemon}"
            ),
        );
        if name != "log" {
            log.flush();
        }
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus};

    const THREAD: &str = "LOGLINES_TEST_THREAD_THAT_PANICS";

    /// What becomes of a process whose thread of this name panics: this very test, run again by itself.
    fn ends_of(thread: &str) -> ExitStatus {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "vital::tests::a_fault_of_a_thread_that_nobody_can_do_without_ends_the_process",
            ])
            .env(THREAD, thread)
            .output()
            .unwrap()
            .status
    }

    #[test]
    fn a_fault_of_a_thread_that_nobody_can_do_without_ends_the_process() {
        if let Ok(thread) = std::env::var(THREAD) {
            let log = Log::to(std::path::Path::new("/nonexistent"), "jitd").unwrap();
            abort_on_panic(log, "jitd", |name| name == "writer");
            let fallen = std::thread::Builder::new().name(thread).spawn(|| panic!("a fault")).unwrap().join();
            assert!(fallen.is_err());
            return;
        }
        assert_eq!(ends_of("writer").signal(), Some(nix::sys::signal::Signal::SIGABRT as i32));
        assert!(ends_of("tokio-rt-worker").success());
    }
}
