//! Figures, and the lines they are told in.

use std::time::{Duration, Instant};

pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

/// Prints how many there were, their p50 and their p99.
pub fn tell(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |part: usize| took.get((took.len() * part / 100).min(took.len() - 1)).unwrap().as_micros();
    println!("{what}\t{}\t{}\t{}", took.len(), at(50), at(99));
}

/// Processor time of this program so far (proc_pid_stat(5), utime and stime in hundredths of a second), which
/// other work on the machine does not stretch.
pub fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
