//! docs/benchmarks.md: a section for each benchmark, each made by its own run.

use anyhow::{Context as _, Result};
use std::fmt::Write as _;

const TITLE: &str = "# Benchmarks\n";

/// Puts a section in place of the one of the same title, or at the end.
pub fn put_section(title: &str, text: &str) -> Result<()> {
    let path = testbed::repository().join("docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    std::fs::write(&path, with_section(&page, title, text)?)
        .with_context(|| format!("writing {}", path.display()))
}

fn with_section(page: &str, title: &str, text: &str) -> Result<String> {
    let body = page.strip_prefix(TITLE).context("docs/benchmarks.md does not start with its title")?;
    let mut sections: Vec<(&str, &str)> =
        body.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    match sections.iter_mut().find(|(other, _)| *other == title) {
        Some((_, old)) => *old = text,
        None => sections.push((title, text)),
    }
    let mut page = TITLE.to_owned();
    for (title, text) in sections {
        write!(page, "\n## {title}\n\n{}\n", text.trim())?;
    }
    Ok(page)
}

/// The machine in words.
pub fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let before_others = if is_real_time() { ", at real-time priority (`chrt -f 10`) before it" } else { "" };
    format!(
        "a virtual machine with {cpus} CPUs ({}), load {load} of other work when it began{before_others}",
        model.trim_start_matches(['\t', ':', ' '])
    )
}

/// Whether this process and those it starts go before all usual ones: field 41, policy, of proc_pid_stat(5).
fn is_real_time() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    matches!(after_name.split(' ').nth(38), Some("1" | "2"))
}

/// What a target came to, in a word.
pub fn met(is: bool) -> &'static str {
    if is { "met" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_old_self_and_leaves_the_others() {
        let page = "# Benchmarks\n\n## One\n\nold\n\n## Two\n\nstays\n";
        let page = with_section(page, "One", "new\n").unwrap();
        assert_eq!(page, "# Benchmarks\n\n## One\n\nnew\n\n## Two\n\nstays\n");
        let page = with_section(&page, "Three", "more").unwrap();
        assert_eq!(page, "# Benchmarks\n\n## One\n\nnew\n\n## Two\n\nstays\n\n## Three\n\nmore\n");
    }
}
