//! What `gate.c` measured, as tables, and against the targets.

use crate::bench::page::met;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

/// How the caller makes its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// One process makes all of them.
    Process,
    /// Each by a fresh child.
    Fork,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Fork => "fork",
        })
    }
}

/// p50 and p99 in microseconds.
#[derive(Clone, Copy)]
pub struct Figure {
    pub p50: f64,
    pub p99: f64,
}

/// By form, callers at a time, and way.
#[derive(Default)]
pub struct Figures(BTreeMap<(Form, u32, String), Figure>);

/// What p50 is at most of another's, by form.
const TARGETS: [(Form, &str, &str, f64); 6] = [
    (Form::Process, "stub", "the C module", 2.0),
    (Form::Process, "nslcd", "nslcd", 0.6),
    (Form::Process, "sss", "SSSD", 0.15),
    (Form::Fork, "stub", "the C module", 2.0),
    (Form::Fork, "nslcd", "nslcd", 1.0),
    (Form::Fork, "sss", "SSSD", 0.25),
];

/// p99 is at most so many times p50.
const TAIL: f64 = 4.0;

/// p50 among a million grants is at most so many times that among a thousand.
const SIZE: f64 = 1.1;

impl Figures {
    /// Takes the lines of one run in.
    pub fn add(&mut self, form: Form, callers: u32, lines: &str) -> Result<()> {
        for line in lines.lines() {
            let mut fields = line.split(' ');
            let way = fields.next().unwrap_or_default().to_owned();
            let mut next = || fields.next().and_then(|field| field.parse().ok()).context("no number");
            self.0.insert((form, callers, way), Figure { p50: next()?, p99: next()? });
        }
        Ok(())
    }

    /// One of them.
    pub fn of(&self, form: Form, callers: u32, way: &str) -> Result<Figure> {
        let found = self.0.get(&(form, callers, way.to_owned()));
        found.copied().with_context(|| format!("no figure of {way}, {form}, {callers} at a time"))
    }

    /// A table for each form.
    pub fn tables(&self, ways: &[(&str, &str)]) -> Result<String> {
        let mut page = String::new();
        for (form, name) in [(Form::Process, "in one process"), (Form::Fork, "per fork")] {
            write!(
                page,
                "| {name} | p50 | p99 | x C module | 8 at a time p50 | p99 | x C module |\n\
                 |---|---:|---:|---:|---:|---:|---:|\n"
            )?;
            for (way, what) in ways {
                write!(page, "| {what}")?;
                for callers in [1, 8] {
                    let Figure { p50, p99 } = self.of(form, callers, way)?;
                    let stub = self.of(form, callers, "stub")?.p50;
                    write!(page, " | {p50:.0} | {p99:.0} | {:.1}", p50 / stub)?;
                }
                page.push_str(" |\n");
            }
            page.push('\n');
        }
        Ok(page)
    }

    /// What came of each target.
    pub fn targets(&self) -> Result<String> {
        let mut page =
            "| target | at most | by one caller | by eight at a time |\n|---|---:|---:|---:|\n".to_owned();
        for (form, way, name, most) in TARGETS {
            let form_name = if form == Form::Process { "in one process" } else { "per fork" };
            write!(page, "| p50 over that of {name}, {form_name} | {most}")?;
            for callers in [1, 8] {
                let ratio = self.of(form, callers, "ours")?.p50 / self.of(form, callers, way)?.p50;
                write!(page, " | {ratio:.2}, {}", met(ratio <= most))?;
            }
            page.push_str(" |\n");
        }
        for (form, name) in [(Form::Process, "in one process"), (Form::Fork, "per fork")] {
            write!(page, "| p99 over p50, {name} | {TAIL:.0}")?;
            for callers in [1, 8] {
                let Figure { p50, p99 } = self.of(form, callers, "ours")?;
                write!(page, " | {:.1}, {}", p99 / p50, met(p99 <= TAIL * p50))?;
            }
            page.push_str(" |\n");
        }
        for (form, name) in [(Form::Process, "in one process"), (Form::Fork, "per fork")] {
            write!(page, "| p50 among 1,000,000 grants over that among 1,000, {name} | {SIZE}")?;
            for callers in [1, 8] {
                let ratio = self.of(form, callers, "many")?.p50 / self.of(form, callers, "few")?.p50;
                write!(page, " | {ratio:.2}, {}", met(ratio <= SIZE))?;
            }
            page.push_str(" |\n");
        }
        let (disk, stub) = (self.of(Form::Process, 1, "fsync")?.p50, self.of(Form::Process, 1, "stub")?.p50);
        write!(
            page,
            "\nEvery allow waits for one fdatasync, which alone costs {:.1} times the C module here.\n",
            disk / stub
        )?;
        Ok(page)
    }
}
