//! Figures, and the lines they are told in.

use std::time::Duration;

/// Prints how many there were, their p50, their p99 and the longest.
pub fn tell(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |part: usize| took.get((took.len() * part / 100).min(took.len() - 1)).unwrap().as_micros();
    println!("{what}\t{}\t{}\t{}\t{}", took.len(), at(50), at(99), at(100));
}

/// Prints a number.
pub fn one(what: &str, number: u128) {
    println!("{what}\t{number}");
}
