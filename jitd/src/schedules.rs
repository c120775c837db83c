//! On-call schedules as their files have them, read by a thread of its own: a file can be on a file system that hangs, and
//! nobody at the gate waits for that.

use crate::limits;
use desk::Stamps;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use workflow::{OnCall, Policy};

/// Who is on call, by the name of the schedule.
pub type OnCalls = Arc<BTreeMap<String, OnCall>>;

/// What was read last.
#[derive(Default)]
pub struct Schedules {
    state: Mutex<State>,
    turns: Condvar,
    /// For a policy that names none.
    none: OnCalls,
}

#[derive(Default)]
struct State {
    /// The last look that ended.
    looked: Option<Looked>,
    /// Looks that began, and the last of them that ended.
    began: u64,
    ended: u64,
    /// Somebody waits for the next look.
    wanted: bool,
    /// A thread looks.
    watched: bool,
    /// In place of the schedules of this policy, while they are not to be had.
    unread: Option<(Arc<Policy>, OnCalls)>,
}

#[derive(Clone)]
struct Looked {
    policy: Arc<Policy>,
    stamps: Stamps,
    on_call: OnCalls,
    at: Instant,
}

impl Schedules {
    /// Those of `policy` as they were read last. Waits for nobody.
    pub fn known(&self, policy: &Arc<Policy>) -> OnCalls {
        if policy.schedules.is_empty() {
            return Arc::clone(&self.none);
        }
        let mut state = self.lock();
        if let Some(looked) = &state.looked
            && Arc::ptr_eq(&looked.policy, policy)
            && looked.at.elapsed() < limits::SCHEDULES_GOOD
        {
            return Arc::clone(&looked.on_call);
        }
        match &state.unread {
            Some((of, unread)) if Arc::ptr_eq(of, policy) => Arc::clone(unread),
            _ => {
                let unread = |name: &String| {
                    let why = "its file was not read yet, or reading it does not end: see whether its file system hangs";
                    (name.clone(), OnCall::Unknown(why.to_owned()))
                };
                let unread: OnCalls = Arc::new(policy.schedules.keys().map(unread).collect());
                state.unread = Some((Arc::clone(policy), Arc::clone(&unread)));
                unread
            }
        }
    }

    /// Has the thread look anew, and waits for that, but not for long.
    pub fn renew(&self, policy: impl Fn() -> Arc<Policy>) {
        if policy().schedules.is_empty() {
            return;
        }
        let mut state = self.lock();
        if !state.watched {
            drop(state);
            return self.look(&policy());
        }
        // One that has begun may have looked already.
        let next = state.began + 1;
        state.wanted = true;
        self.turns.notify_all();
        let waits = |state: &mut State| state.ended < next;
        drop(self.turns.wait_timeout_while(state, limits::SCHEDULES_WAIT, waits));
    }

    /// Starts the thread that looks after the files of what `policy` gives.
    pub fn watch(self: &Arc<Self>, policy: impl Fn() -> Arc<Policy> + Send + 'static) -> std::io::Result<()> {
        let schedules = Arc::clone(self);
        let looks = move || {
            loop {
                schedules.waits(limits::SCHEDULES_EVERY);
                // What no release should stumble over must not end the looking; what was read is no longer believed then.
                let _ = catch_unwind(AssertUnwindSafe(|| schedules.look(&policy())));
            }
        };
        std::thread::Builder::new().name("schedules".into()).spawn(looks)?;
        self.lock().watched = true;
        Ok(())
    }

    fn waits(&self, every: Duration) {
        let idle = |state: &mut State| !state.wanted;
        drop(self.turns.wait_timeout_while(self.lock(), every, idle));
    }

    /// One look at the files of `policy`. What is in them is read where they changed.
    fn look(&self, policy: &Arc<Policy>) {
        let mut state = self.lock();
        state.wanted = false;
        state.began += 1;
        let (turn, before) = (state.began, state.looked.clone());
        drop(state);
        let stamps = Stamps::of(policy, kernel::wall());
        let same = before.filter(|before| Arc::ptr_eq(&before.policy, policy) && before.stamps == stamps);
        let on_call = match same {
            Some(before) => before.on_call,
            None => Arc::new(desk::schedules(policy, kernel::wall())),
        };
        let looked = Looked { policy: Arc::clone(policy), stamps, on_call, at: Instant::now() };
        let mut state = self.lock();
        (state.looked, state.ended) = (Some(looked), turn);
        drop(state);
        self.turns.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::Path;

    /// A policy with a schedule in this file.
    fn policy(file: &Path) -> Arc<Policy> {
        let text = format!(
            "[schedule.primary]\nfile = \"{}\"\n[[rule]]\nid = \"r\"\napprove = [{{ from = [\"user:root\"] }}]\n",
            file.display()
        );
        Arc::new(Policy::parse(&text, Path::new("policy.toml")).unwrap())
    }

    fn reason(schedules: &Schedules, policy: &Arc<Policy>) -> String {
        match schedules.known(policy).get("primary") {
            Some(OnCall::Unknown(why)) => why.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_hangs_holds_nobody_up_and_is_believed_once_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        // Who opens this waits until somebody writes.
        let hangs = folder.path().join("fifo.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &hangs, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let policy = policy(&hangs);
        let schedules = Arc::new(Schedules::default());
        let of = Arc::clone(&policy);
        schedules.watch(move || Arc::clone(&of)).unwrap();
        let begun = Instant::now();
        schedules.renew(|| Arc::clone(&policy));
        assert!(begun.elapsed() >= limits::SCHEDULES_WAIT, "it waits as long as it may, and no longer");
        assert!(reason(&schedules, &policy).contains("was not read yet"));
        assert!(
            Arc::ptr_eq(&schedules.known(&policy), &schedules.known(&policy)),
            "and makes no other world"
        );
        let mut writes = std::fs::OpenOptions::new().write(true).open(&hangs).unwrap();
        writes.write_all(b"nonsense").unwrap();
        drop(writes);
        while reason(&schedules, &policy).contains("was not read yet") {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_changed_is_there_once_it_was_waited_for_and_what_did_not_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("oncall.toml");
        let policy = policy(&file);
        let schedules = Arc::new(Schedules::default());
        let of = Arc::clone(&policy);
        schedules.watch(move || Arc::clone(&of)).unwrap();
        let renew = || schedules.renew(|| Arc::clone(&policy));
        renew();
        assert!(reason(&schedules, &policy).contains("No such file"));
        std::fs::write(&file, "[[shift]]\n").unwrap();
        renew();
        let read = schedules.known(&policy);
        assert!(!reason(&schedules, &policy).contains("No such file"));
        renew();
        assert!(Arc::ptr_eq(&schedules.known(&policy), &read));
    }
}
