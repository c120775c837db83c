//! What `jit doctor`, run as root by the service jit-watch, found around the daemon: kept until its next report, told
//! when it changes, and missed when it stays away.

use crate::budget::Budget;
use crate::limits;
use crate::site::Site;
use access::Time;
use api::{DoctorReport, Drill, Finding, Mark, MarkRecord, Record, Watched};
use chrono::SecondsFormat;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The last report.
pub struct Examined(Mutex<Held>);

struct Held {
    /// When the last one came, or since when one is waited for.
    since: Instant,
    at: Option<Time>,
    report: DoctorReport,
    /// Findings that are on record as such. One for which there was no room is put there later.
    told: BTreeSet<Finding>,
    /// Whether it was told that none comes.
    late: bool,
    /// Findings that were put on record, or taken from it.
    news: Budget,
}

/// Something to be put on record.
type News = (Mark, String);

impl Default for Examined {
    fn default() -> Self {
        let now = Instant::now();
        let report = DoctorReport::default();
        let told = BTreeSet::new();
        Self(Mutex::new(Held { since: now, at: None, report, told, late: false, news: Budget::new(now) }))
    }
}

impl Examined {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes a report in the place of the one before, and says what is new in it.
    fn take(&mut self, mut report: DoctorReport, at: Time, now: Instant) -> Vec<News> {
        report.findings.truncate(api::limits::FINDINGS);
        let mut news = Vec::new();
        if self.late {
            news.push((Mark::WatchBack, "what is found around jitd is reported again".to_owned()));
        }
        if let Some(drill) = report.drill.as_ref().filter(|drill| self.report.drill.as_ref() != Some(drill)) {
            news.push((Mark::SpareKeyDrill, of_drill(drill)));
        }
        let here: BTreeSet<Finding> = report.findings.iter().cloned().collect();
        let gone = |f: &Finding| (Mark::FindingGone, format!("{}: {}: right again", f.what, f.wrong));
        let found =
            |f: &Finding| (Mark::Finding, format!("{}: {}; what puts it right: {}", f.what, f.wrong, f.fix));
        for finding in here.symmetric_difference(&self.told.clone()) {
            if !self.news.spend(limits::FINDING_NEWS, limits::FINDING_NEWS_PER, now) {
                break;
            }
            if self.told.remove(finding) {
                news.push(gone(finding));
            } else {
                news.push(found(finding));
                self.told.insert(finding.clone());
            }
        }
        (self.since, self.at, self.report, self.late) = (now, Some(at), report, false);
        news
    }

    fn is_late(&self, within: Duration, now: Instant) -> bool {
        now.duration_since(self.since) > within
    }

    /// Whether it is to be told now that no report comes.
    fn missed(&mut self, within: Duration, now: Instant) -> bool {
        !self.late && self.is_late(within, now) && {
            self.late = true;
            true
        }
    }
}

fn of_drill(drill: &Drill) -> String {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let at = drill.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("at {at}; let in: {}; not let in: {}", list(&drill.passed), list(&drill.failed))
}

impl Site {
    fn within(&self) -> Duration {
        self.config.load().watch.late.delta().to_std().unwrap_or_default()
    }

    /// Takes a report, and tells what is new in it.
    pub fn examined(&self, report: DoctorReport) {
        let news = self.examined.held().take(report, self.clock.now().trusted, Instant::now());
        self.on_record(news);
    }

    /// Tells, once, that no report came for too long.
    pub fn watch_is_in_time(&self) {
        let within = self.within();
        if self.examined.held().missed(within, Instant::now()) {
            let words = format!("{}, so nobody knows what is wrong around jitd", self.not_reported());
            self.on_record(vec![(Mark::WatchLate, words)]);
        }
    }

    fn not_reported(&self) -> String {
        format!("jit doctor has reported nothing for {}", self.config.load().watch.late)
    }

    /// The last report, for `jit status`.
    pub fn watched(&self) -> Watched {
        let within = self.within();
        let held = self.examined.held();
        Watched {
            at: held.at,
            late: held.is_late(within, Instant::now()),
            findings: held.report.findings.clone(),
            drill: held.report.drill.clone(),
        }
    }

    /// What an administrator is to do where none comes.
    pub fn watch_is_late(&self) -> Option<String> {
        let late = self.examined.held().is_late(self.within(), Instant::now());
        let todo =
            "see `systemctl status jit-watch.service jit-watch.timer`, and look with `sudo jit doctor`";
        late.then(|| format!("{}: {todo}", self.not_reported()))
    }

    fn on_record(&self, news: Vec<News>) {
        for (mark, detail) in news {
            let record = MarkRecord { at: self.clock.now().trusted, mark, detail };
            self.record_later(Record::Mark(Box::new(record)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(wrong: &str) -> Finding {
        Finding { what: "module".into(), wrong: wrong.into(), fix: "install it".into() }
    }

    fn report(wrong: &[&str]) -> DoctorReport {
        DoctorReport { findings: wrong.iter().map(|wrong| finding(wrong)).collect(), drill: None }
    }

    fn held(now: Instant) -> Held {
        let (report, told) = (DoctorReport::default(), BTreeSet::new());
        Held { since: now, at: None, report, told, late: false, news: Budget::new(now) }
    }

    #[test]
    fn a_finding_is_told_when_it_appears_and_when_it_goes_and_not_in_between() {
        let now = Instant::now();
        let mut held = held(now);
        let mut marks = |wrong: &[&str]| -> Vec<Mark> {
            held.take(report(wrong), Time::UNIX_EPOCH, now).into_iter().map(|(mark, _)| mark).collect()
        };
        assert_eq!(marks(&["gone"]), [Mark::Finding]);
        assert_eq!(marks(&["gone", "gone"]), []);
        assert_eq!(marks(&["gone", "written to"]), [Mark::Finding]);
        assert_eq!(marks(&["written to"]), [Mark::FindingGone]);
        assert_eq!(marks(&[]), [Mark::FindingGone]);
        assert_eq!(marks(&["gone"]), [Mark::Finding], "back again is news");
    }

    #[test]
    fn what_comes_and_goes_all_day_fills_no_log() {
        let now = Instant::now();
        let mut held = held(now);
        let mut told = |now| {
            held.take(report(&["gone"]), Time::UNIX_EPOCH, now).len()
                + held.take(report(&[]), Time::UNIX_EPOCH, now).len()
        };
        assert_eq!((0..1000).map(|_| told(now)).sum::<usize>(), limits::FINDING_NEWS as usize);
        assert_eq!(told(now + limits::FINDING_NEWS_PER), 2);
    }

    #[test]
    fn what_there_was_no_room_to_tell_is_told_later() {
        let now = Instant::now();
        let mut held = held(now);
        let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let told = held.take(report(&many), Time::UNIX_EPOCH, now).len();
        assert_eq!(
            (held.report.findings.len(), told),
            (api::limits::FINDINGS, limits::FINDING_NEWS as usize)
        );
        assert_eq!(held.take(report(&many), Time::UNIX_EPOCH, now).len(), 0);
        let rest = held.take(report(&many), Time::UNIX_EPOCH, now + limits::FINDING_NEWS_PER).len();
        assert_eq!(told + rest, api::limits::FINDINGS);
    }

    #[test]
    fn a_report_that_stays_away_is_missed_once_and_its_return_is_told() {
        let (now, within) = (Instant::now(), Duration::from_secs(60));
        let mut held = held(now);
        assert!(!held.missed(within, now + within));
        let late = now + within + Duration::from_secs(1);
        assert!(held.missed(within, late) && !held.missed(within, late) && held.is_late(within, late));
        let news = held.take(report(&[]), Time::UNIX_EPOCH, late);
        assert_eq!(news.first().map(|(mark, _)| *mark), Some(Mark::WatchBack));
        assert!(!held.is_late(within, late) && held.take(report(&[]), Time::UNIX_EPOCH, late).is_empty());
    }

    #[test]
    fn a_drill_is_on_record_once() {
        let now = Instant::now();
        let mut held = held(now);
        let drill = Drill { at: Time::UNIX_EPOCH, passed: vec!["rescue at sshd".into()], failed: Vec::new() };
        let report = DoctorReport { findings: Vec::new(), drill: Some(drill) };
        let news = held.take(report.clone(), Time::UNIX_EPOCH, now);
        assert_eq!(
            news,
            [(
                Mark::SpareKeyDrill,
                "at 1970-01-01T00:00:00Z; let in: rescue at sshd; not let in: none".to_owned()
            )]
        );
        assert_eq!(held.take(report, Time::UNIX_EPOCH, now), []);
    }
}
