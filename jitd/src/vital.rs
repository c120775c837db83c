//! Threads that the gate cannot do without: when one falls, the process ends and is started anew.
//!
//! A writer that is gone refuses everybody for ever, a gate thread that is gone is one answer fewer at a
//! time, and neither comes back by itself. What serves the control socket may panic and only loses its call:
//! there anybody may try.

use crate::log::{Level, Log};

/// Whether the process goes on without a thread of this name.
fn is_vital(name: &str) -> bool {
    matches!(name, "writer" | "tick" | "watch" | "warden" | "log") || name.starts_with("gate-")
}

/// From now on a panic in one of these threads ends the process.
pub fn abort_on_panic(log: Log) {
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
            format!("thread {name} has a fault, so jitd ends and is started anew: see journalctl -u jitd"),
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

    const THREAD: &str = "JITD_TEST_THREAD_THAT_PANICS";

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
            abort_on_panic(Log::to(std::path::Path::new("/nonexistent")).unwrap());
            let fallen = std::thread::Builder::new().name(thread).spawn(|| panic!("a fault")).unwrap().join();
            assert!(fallen.is_err());
            return;
        }
        // At once, for each waits until its log gives up.
        std::thread::scope(|scope| {
            for thread in ["writer", "gate-0", "gate-31", "tick", "watch", "warden"] {
                scope.spawn(move || {
                    let aborted = Some(nix::sys::signal::Signal::SIGABRT as i32);
                    assert_eq!(ends_of(thread).signal(), aborted, "{thread}");
                });
            }
            assert!(ends_of("tokio-rt-worker").success());
        });
    }
}
