//! What the hub counts, in the text format of Prometheus (version 0.0.4).

use crate::outbox::rows::Came;
use access::Time;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use store::Room;

/// Counts since the hub started.
#[derive(Default)]
pub struct Metrics {
    calls: [AtomicU64; 5],
    accepted: AtomicU64,
    closed: AtomicU64,
    turned_away: AtomicU64,
    slow: [AtomicU64; 3],
    unknown: AtomicU64,
    tried: [AtomicU64; 3],
}

/// At what a client took so long that it was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// The TLS handshake.
    Handshake,
    /// The head of its first call.
    Head,
    /// A call, its body included.
    Call,
}

/// What is looked up for each reading.
pub struct Levels {
    /// Requests that wait.
    pub pending: u64,
    /// Grants that are good or will be.
    pub grants: u64,
    /// The place of the last record.
    pub seq: u64,
    /// Whether the file takes writes.
    pub works: bool,
    /// How full the database is, once that was looked at.
    pub room: Option<Room>,
    /// When the certificate that is shown is over.
    pub certificate: Option<Time>,
    /// Log lines that were dropped.
    pub lines_dropped: u64,
    /// By channel, what waits to be told and what was given up lately.
    pub outbox: Vec<(String, u64, u64)>,
}

impl Metrics {
    /// A call was answered with this HTTP status.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.calls.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection was accepted; it counts until the guard is dropped.
    pub fn connected(self: &std::sync::Arc<Self>) -> Connected {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Connected(std::sync::Arc::clone(self))
    }

    /// A connection found no place.
    pub fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// A client was cut off that took too long.
    pub fn slow(&self, at: Slow) {
        let [handshake, head, call] = &self.slow;
        let count = match at {
            Slow::Handshake => handshake,
            Slow::Head => head,
            Slow::Call => call,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A token was shown that opens nothing.
    pub fn unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// It was tried to tell somebody something.
    pub fn tried(&self, came: &Came) {
        let [sent, failed, given_up] = &self.tried;
        let count = match came {
            Came::Done(_) | Came::Withdrawn => sent,
            Came::Again(..) => failed,
            Came::Over(_) => given_up,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The text.
    pub fn text(&self, levels: &Levels) -> String {
        let mut text = String::new();
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut put = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
            let _ = writeln!(text, "# HELP jit_hub_{name} {help}\n# TYPE jit_hub_{name} {kind}");
            for (label, value) in values {
                let _ = writeln!(text, "jit_hub_{name}{label} {value}");
            }
        };
        let one = |value: u64| [(String::new(), value)];
        let calls =
            (1..).zip(&self.calls).map(|(class, count)| (format!("{{status=\"{class}xx\"}}"), load(count)));
        put("calls_total", "counter", "Calls answered, by class of HTTP status.", &calls.collect::<Vec<_>>());
        let open = load(&self.accepted).saturating_sub(load(&self.closed));
        put("connections", "gauge", "Connections that are open.", &one(open));
        put("connections_total", "counter", "Connections accepted.", &one(load(&self.accepted)));
        put(
            "turned_away_total",
            "counter",
            "Connections refused by the limit.",
            &one(load(&self.turned_away)),
        );
        let [handshake, head, call] = &self.slow;
        let slow = [("handshake", handshake), ("head", head), ("call", call)]
            .map(|(at, count)| (format!("{{at=\"{at}\"}}"), load(count)));
        put("too_slow_total", "counter", "Clients that were cut off, by what took them too long.", &slow);
        put(
            "unknown_tokens_total",
            "counter",
            "Calls with an unknown or revoked token.",
            &one(load(&self.unknown)),
        );
        put("requests_pending", "gauge", "Requests that wait.", &one(levels.pending));
        put("grants", "gauge", "Grants that are good or will be.", &one(levels.grants));
        put("journal_seq", "counter", "Place of the last record of the journal.", &one(levels.seq));
        put("journal_works", "gauge", "Whether the journal takes records.", &one(levels.works.into()));
        if let Some(ends) = levels.certificate {
            let seconds = u64::try_from(ends.timestamp()).unwrap_or(0);
            let help = "When the certificate that is shown is over, in seconds after the Unix epoch.";
            put("certificate_ends_seconds", "gauge", help, &one(seconds));
        }
        if let Some(room) = levels.room {
            put("database_bytes", "gauge", "Bytes that the database holds.", &one(room.used));
            put("database_max_bytes", "gauge", "Bytes that it may grow to.", &one(room.most));
        }
        put(
            "lines_dropped_total",
            "counter",
            "Log lines that syslog did not take.",
            &one(levels.lines_dropped),
        );
        let [sent, failed, given_up] = &self.tried;
        let came = [("sent", sent), ("failed", failed), ("given_up", given_up)]
            .map(|(came, count)| (format!("{{came=\"{came}\"}}"), load(count)));
        put("outbox_tries_total", "counter", "Notification attempts, by outcome.", &came);
        let by_channel = |which: fn(&(String, u64, u64)) -> u64| -> Vec<(String, u64)> {
            let label = |channel: &str| format!("{{channel=\"{channel}\"}}");
            levels.outbox.iter().map(|counts| (label(&counts.0), which(counts))).collect()
        };
        put("outbox_waiting", "gauge", "What waits to be told, by channel.", &by_channel(|counts| counts.1));
        put(
            "outbox_given_up",
            "gauge",
            "What was given up within 30 days, by channel.",
            &by_channel(|counts| counts.2),
        );
        text
    }
}

/// An open connection.
pub struct Connected(std::sync::Arc<Metrics>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_is_counted_reads_like_this() {
        let metrics = Arc::new(Metrics::default());
        let open = metrics.connected();
        drop(metrics.connected());
        [200, 201, 401, 0, 999].into_iter().for_each(|status| metrics.answered(status));
        metrics.slow(Slow::Head);
        let text = metrics.text(&Levels {
            pending: 2,
            grants: 3,
            seq: 4,
            works: true,
            certificate: Time::from_timestamp(1_800_000_000, 0),
            room: Some(Room { used: 5, most: 16, left: None }),
            lines_dropped: 0,
            outbox: vec![("mail".to_owned(), 5, 1)],
        });
        drop(open);
        for line in [
            "# TYPE jit_hub_calls_total counter",
            "jit_hub_calls_total{status=\"2xx\"} 2",
            "jit_hub_calls_total{status=\"4xx\"} 1",
            "jit_hub_connections 1",
            "jit_hub_too_slow_total{at=\"handshake\"} 0",
            "jit_hub_too_slow_total{at=\"head\"} 1",
            "jit_hub_requests_pending 2",
            "jit_hub_grants 3",
            "jit_hub_journal_seq 4",
            "jit_hub_journal_works 1",
            "jit_hub_certificate_ends_seconds 1800000000",
            "jit_hub_database_bytes 5",
            "jit_hub_database_max_bytes 16",
            "jit_hub_outbox_waiting{channel=\"mail\"} 5",
            "jit_hub_outbox_given_up{channel=\"mail\"} 1",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
    }
}
