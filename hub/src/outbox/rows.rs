//! The rows of the outbox.

use super::channel::Kind;
use super::limits;
use access::{RequestId, Time};
use desk::DeskError;
use store::Sql;

/// A row, by what it is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The channel's name.
    pub channel: String,
    /// To whom.
    pub recipient: String,
    /// The request; none of what a limit held back.
    pub about: Option<RequestId>,
    /// The record that a letter is about; 0 of a copy.
    pub event: u64,
}

/// A row that is to be sent.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub key: Key,
    /// What happened.
    pub kind: String,
    /// The record that it must be as new as.
    pub wanted: u64,
    /// What a copy is found by.
    pub reference: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is given up.
    pub until: i64,
    /// When it was to be tried, as it stands there.
    pub due: i64,
    /// When it was written down, or changed last.
    pub at: i64,
}

/// A row that is new.
#[derive(Clone, Debug)]
pub struct New {
    /// Which.
    pub key: Key,
    /// What happened.
    pub kind: Kind,
    /// The record.
    pub seq: u64,
    /// When it is given up.
    pub until: Time,
    /// Nothing more will happen to what it is about.
    pub closed: bool,
    /// A refused login brought it about.
    pub knock: bool,
    /// Whether [`limits::PER_PERSON`] is for it.
    pub is_limited: bool,
}

/// The place of the last record that was looked at. None: no hub of this database has an outbox yet.
pub fn cursor(sql: &dyn Sql) -> Result<Option<u64>, DeskError> {
    let kept = store::meta(sql, "outbox")?;
    let read = |kept: String| {
        kept.parse()
            .map_err(|_| DeskError::Store(format!("the outbox has come to record {kept:?}, which is none")))
    };
    kept.map(read).transpose()
}

/// All up to this record was looked at.
pub fn set_cursor(sql: &dyn Sql, seq: u64) -> Result<(), DeskError> {
    Ok(store::set_meta(sql, "outbox", &seq.to_string())?)
}

fn bits(about: Option<RequestId>) -> u64 {
    about.map_or(0, RequestId::bits)
}

/// Puts a letter there, or a copy where there is none yet. Whether it is new.
pub fn put(sql: &dyn Sql, new: &New, now: Time) -> Result<bool, DeskError> {
    let New { key, kind, .. } = new;
    // Whoever was asked once is not asked again because others are too.
    let asks = |kind: &Kind| matches!(kind.code(), "requested" | "escalated" | "rechecked");
    if key.event > 0 && asks(kind) {
        let before: i64 = sql.one(
            "SELECT count(*) FROM outbox WHERE channel = ?1 AND recipient = ?2 AND about = ?3 \
             AND kind IN ('requested', 'escalated', 'rechecked')",
            &[&key.channel, &key.recipient, &bits(key.about)],
        )?;
        if before > 0 {
            return Ok(false);
        }
    }
    if new.is_limited && !has_room(sql, new, now)? {
        return more(sql, new, now);
    }
    insert(sql, new, now, now)
}

/// Whether its recipient has not heard too much lately.
fn has_room(sql: &dyn Sql, new: &New, now: Time) -> Result<bool, DeskError> {
    let since = (now - limits::WINDOW).timestamp_millis();
    let (all, knocks): (u64, u64) = sql.one(
        "SELECT count(*), count(CASE WHEN knock = 1 THEN 1 END) FROM outbox INDEXED BY outbox_lately \
         WHERE channel = ?1 AND recipient = ?2 AND made_ms > ?3",
        &[&new.key.channel, &new.key.recipient, &since],
    )?;
    Ok(all < limits::PER_PERSON && !(new.knock && knocks >= limits::PER_PERSON_KNOCKS))
}

/// One word for all that is held back, at the end of each window.
fn more(sql: &dyn Sql, new: &New, now: Time) -> Result<bool, DeskError> {
    let window = limits::WINDOW.num_milliseconds();
    let next = now.timestamp_millis() / window + 1;
    let event = u64::try_from(next).unwrap_or_default();
    let key = Key { about: None, event, ..new.key.clone() };
    let due = Time::from_timestamp_millis(next * window).unwrap_or(now);
    let word = New { key, kind: Kind::More, until: due + limits::NEWS_GOOD, closed: true, ..new.clone() };
    insert(sql, &word, now, due)
}

fn insert(sql: &dyn Sql, new: &New, now: Time, due: Time) -> Result<bool, DeskError> {
    let New { key, kind, seq, until, closed, knock, .. } = new;
    let done = sql.execute(
        "INSERT INTO outbox (channel, recipient, about, event, kind, wanted, closed, knock, due_ms, until_ms, made_ms, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11) ON CONFLICT (channel, recipient, about, event) DO NOTHING",
        &[
            &key.channel,
            &key.recipient,
            &bits(key.about),
            &key.event,
            &kind.code(),
            seq,
            closed,
            knock,
            &due.timestamp_millis(),
            &until.timestamp_millis(),
            &now.timestamp_millis(),
        ],
    )?;
    Ok(done > 0)
}

/// What happens to the grant of `original` from now on is news of `extension` too.
pub fn extends(sql: &dyn Sql, original: RequestId, extension: RequestId) -> Result<(), DeskError> {
    sql.put(
        "INSERT INTO outbox_extension (original, extension) VALUES (?1, ?2) ON CONFLICT (original, extension) DO NOTHING",
        &[&original.bits(), &extension.bits()],
    )?;
    Ok(())
}

/// Every copy of this request, and of those that made its grant longer, is to be as new as this record.
pub fn update_copies(
    sql: &dyn Sql,
    about: RequestId,
    (kind, seq): (Kind, u64),
    closed: bool,
    now: Time,
) -> Result<(), DeskError> {
    sql.put(
        "UPDATE outbox SET kind = ?2, wanted = ?3, closed = ?4, over = 0, tries = 0, until_ms = ?6, at_ms = ?5, \
         due_ms = CASE WHEN holder IS NOT NULL AND due_ms > ?5 THEN due_ms ELSE ?5 END \
         WHERE (about = ?1 OR about IN (SELECT extension FROM outbox_extension WHERE original = ?1)) \
         AND event = 0 AND wanted < ?3",
        &[
            &about.bits(),
            &kind.code(),
            &seq,
            &closed,
            &now.timestamp_millis(),
            &(now + limits::ALARM_GOOD).timestamp_millis(),
        ],
    )?;
    Ok(())
}

/// Rows of this channel that are due: for each recipient the first by the order of what happened, where none of theirs is
/// being sent and none waits to be tried again. One that fails again and again lets the others by while it waits. What one
/// recipient has waiting is not read to its end, however much it is.
pub fn due(sql: &dyn Sql, channel: &str, now: Time, limit: usize) -> Result<Vec<Row>, DeskError> {
    type Columns = (String, u64, u64, String, u64, Option<String>, u32, i64, i64, i64);
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let rows: Vec<Columns> = sql.rows(
        "WITH RECURSIVE who (recipient) AS (\
           SELECT min(recipient) FROM outbox WHERE channel = ?1 AND over = 0 \
           UNION ALL SELECT (SELECT min(recipient) FROM outbox \
             WHERE channel = ?1 AND over = 0 AND recipient > who.recipient) FROM who WHERE who.recipient IS NOT NULL) \
         SELECT first.recipient, about, event, kind, wanted, reference, tries, until_ms, due_ms, at_ms \
         FROM who JOIN outbox AS first ON first.channel = ?1 AND first.recipient = who.recipient \
           AND (first.about, first.event) = (SELECT about, event FROM outbox AS mine WHERE mine.channel = ?1 \
             AND mine.recipient = who.recipient AND mine.over = 0 AND mine.due_ms <= ?2 \
             ORDER BY mine.event, mine.due_ms, mine.about LIMIT 1) \
         WHERE NOT EXISTS (SELECT 1 FROM outbox AS held WHERE held.channel = ?1 \
           AND held.recipient = who.recipient AND held.holder IS NOT NULL AND held.due_ms > ?2) \
         ORDER BY due_ms, event LIMIT ?3",
        &[&channel, &now.timestamp_millis(), &limit],
    )?;
    let read = |(recipient, about, event, kind, wanted, reference, tries, until, due, at): Columns| Row {
        key: Key {
            channel: channel.to_owned(),
            recipient,
            about: (about > 0).then(|| RequestId::from_random(about)),
            event,
        },
        kind,
        wanted,
        reference,
        tries,
        until,
        due,
        at,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// How many rows of this channel are due, of which [`limits::COUNTED`] are counted, and when the next one is.
pub fn waiting(sql: &dyn Sql, channel: &str, now: Time) -> Result<(u64, Option<Time>), DeskError> {
    let (due, next): (u64, Option<i64>) = sql.one(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE channel = ?1 AND over = 0 AND due_ms <= ?2 LIMIT ?3) AS due), \
         (SELECT min(due_ms) FROM outbox WHERE channel = ?1 AND over = 0 AND due_ms > ?2)",
        &[&channel, &now.timestamp_millis(), &limits::COUNTED],
    )?;
    Ok((due, next.and_then(Time::from_timestamp_millis)))
}

/// Holds a row that is due, so that nobody else sends it meanwhile. Whether it still was.
pub fn hold(sql: &dyn Sql, row: &Row, holder: &str, now: Time) -> Result<bool, DeskError> {
    let done = sql.execute(
        "UPDATE outbox SET holder = ?6, due_ms = ?7, tries = tries + 1 \
         WHERE channel = ?1 AND recipient = ?2 AND about = ?3 AND event = ?4 AND due_ms = ?5 AND over = 0",
        &[
            &row.key.channel,
            &row.key.recipient,
            &bits(row.key.about),
            &row.key.event,
            &row.due,
            &holder,
            &(now + limits::HELD).timestamp_millis(),
        ],
    )?;
    Ok(done > 0)
}

/// As it stands in place of a holder: nobody, and nothing else goes to this recipient before it is tried again.
const WAITS: &str = "";

/// Nobody sends anything: this is the one hub of its database, and has just started.
pub fn free_all(sql: &dyn Sql, now: Time) -> Result<(), DeskError> {
    sql.put(
        "UPDATE outbox SET holder = NULL, due_ms = ?1 WHERE holder IS NOT NULL AND holder <> ?2",
        &[&now.timestamp_millis(), &WAITS],
    )?;
    Ok(())
}

/// What is written down of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Taken, or there was nothing to say. With what a copy is found by.
    Done(Option<String>),
    /// Not for their eyes: nothing of it is there. Should it be theirs again, a copy is a new one.
    Withdrawn,
    /// To be tried again then. With what was wrong.
    Again(Time, String),
    /// Given up, and why.
    Over(String),
}

/// Writes down what came of a row that `holder` held. Where somebody else holds it by now it is theirs.
pub fn settle(sql: &dyn Sql, row: &Row, holder: &str, came: &Came, now: Time) -> Result<(), DeskError> {
    let Key { channel, recipient, about, event } = &row.key;
    let (about, now) = (bits(*about), now.timestamp_millis());
    match came {
        // What came up meanwhile goes out at once.
        Came::Done(reference) => sql.execute(
            "UPDATE outbox SET holder = NULL, shown = ?6, reference = coalesce(?7, reference), error = NULL, tries = 0, \
             at_ms = ?8, due_ms = ?8, over = CASE WHEN wanted > ?6 THEN 0 ELSE 1 END \
             WHERE channel = ?1 AND recipient = ?2 AND about = ?3 AND event = ?4 AND holder = ?5",
            &[channel, recipient, &about, event, &holder, &row.wanted, reference, &now],
        )?,
        Came::Withdrawn => sql.execute(
            "UPDATE outbox SET holder = NULL, shown = ?6, reference = NULL, error = NULL, tries = 0, at_ms = ?7, due_ms = ?7, \
             over = CASE WHEN wanted > ?6 THEN 0 ELSE 1 END, closed = CASE WHEN wanted > ?6 THEN closed ELSE 1 END \
             WHERE channel = ?1 AND recipient = ?2 AND about = ?3 AND event = ?4 AND holder = ?5",
            &[channel, recipient, &about, event, &holder, &row.wanted, &now],
        )?,
        Came::Over(why) => sql.execute(
            "UPDATE outbox SET holder = NULL, over = CASE WHEN wanted > ?8 THEN 0 ELSE 2 END, error = ?6, at_ms = ?7, \
             due_ms = ?7 \
             WHERE channel = ?1 AND recipient = ?2 AND about = ?3 AND event = ?4 AND holder = ?5",
            &[channel, recipient, &about, event, &holder, &in_short(why), &now, &row.wanted],
        )?,
        Came::Again(next, why) => {
            let waits = (row.tries < limits::IN_ORDER).then_some(WAITS);
            sql.execute(
                "UPDATE outbox SET holder = ?6, error = ?7, due_ms = ?8 \
                 WHERE channel = ?1 AND recipient = ?2 AND about = ?3 AND event = ?4 AND holder = ?5",
                &[channel, recipient, &about, event, &holder, &waits, &in_short(why), &next.timestamp_millis()],
            )?
        }
    };
    Ok(())
}

fn in_short(why: &str) -> String {
    why.get(..why.floor_char_boundary(limits::ERROR)).unwrap_or_default().to_owned()
}

/// Forgets what was over so long ago that nobody asks.
pub fn forget(sql: &dyn Sql, now: Time) -> Result<(), DeskError> {
    let (kept, copies) = (now - limits::KEPT, now - limits::COPIES_KEPT);
    let (kept, copies) = (kept.timestamp_millis(), copies.timestamp_millis());
    let over = "DELETE FROM outbox WHERE over > 0 AND at_ms < ?1 AND (closed = 1 OR event > 0 OR at_ms < ?2)";
    sql.put(over, &[&kept, &copies])?;
    // Of a channel that is configured no more.
    sql.put("DELETE FROM outbox WHERE over = 0 AND until_ms < ?1", &[&kept])?;
    let gone = "DELETE FROM outbox_extension WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE about = extension AND event = 0)";
    sql.put(gone, &[])?;
    Ok(())
}

/// What was given up, and what failed and will be tried again; the newest first.
#[derive(Debug)]
pub struct Failed {
    /// Which.
    pub key: Key,
    /// What happened.
    pub kind: String,
    /// When it is tried next; none of what was given up.
    pub next: Option<Time>,
    /// How often it was tried.
    pub tries: u32,
    /// Why it failed last.
    pub why: String,
}

/// See [`Failed`].
pub fn failed(sql: &dyn Sql) -> Result<Vec<Failed>, DeskError> {
    type Columns = (String, String, u64, u64, String, u64, u32, Option<String>, i64, i64);
    let rows: Vec<Columns> = sql.rows(
        "SELECT channel, recipient, about, event, kind, over, tries, error, due_ms, at_ms FROM outbox \
         WHERE error IS NOT NULL AND (over = 2 OR over = 0) ORDER BY at_ms DESC, event DESC LIMIT ?1",
        &[&limits::LISTED],
    )?;
    let read = |(channel, recipient, about, event, kind, over, tries, why, due, _): Columns| Failed {
        key: Key { channel, recipient, about: (about > 0).then(|| RequestId::from_random(about)), event },
        kind,
        next: if over == 0 { Time::from_timestamp_millis(due) } else { None },
        tries,
        why: why.unwrap_or_default(),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// How many were given up since then.
pub fn given_up(sql: &dyn Sql, since: Time) -> Result<u64, DeskError> {
    let count = "SELECT count(*) FROM outbox WHERE over > 0 AND over = 2 AND at_ms >= ?1";
    Ok(sql.one(count, &[&since.timestamp_millis()])?)
}

/// How many wait and how many were given up within what is kept, by channel.
pub fn counts(sql: &dyn Sql) -> Result<Vec<(String, u64, u64)>, DeskError> {
    Ok(sql.rows(
        "SELECT channel, count(CASE WHEN over = 0 THEN 1 END), count(CASE WHEN over = 2 THEN 1 END) FROM outbox \
         GROUP BY channel ORDER BY channel",
        &[],
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use workflow::Change;

    fn rows() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(super::super::TABLES).unwrap();
        connection.execute_batch(super::super::TABLES).unwrap();
        connection
    }

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn letter(recipient: &str, about: u64, event: u64) -> New {
        let about = Some(RequestId::from_random(about));
        let key = Key { channel: "mail".to_owned(), recipient: recipient.to_owned(), about, event };
        let kind = Kind::Change(Change::Requested);
        New {
            key,
            kind,
            seq: event.max(1),
            until: at(100_000),
            closed: false,
            knock: false,
            is_limited: true,
        }
    }

    fn due_for(sql: &dyn Sql, seconds: i64) -> Vec<(String, u64)> {
        let rows = due(sql, "mail", at(seconds), 100).unwrap();
        rows.into_iter().map(|row| (row.key.recipient, row.key.event)).collect()
    }

    #[test]
    fn each_recipient_gets_one_at_a_time_in_order_and_nobody_waits_for_another() {
        let (connection, holder) = (rows(), "me");
        let sql: &dyn Sql = &connection;
        for new in [letter("a", 1, 5), letter("a", 2, 6), letter("b", 1, 5)] {
            assert!(put(sql, &new, at(0)).unwrap());
        }
        assert!(!put(sql, &letter("a", 1, 9), at(0)).unwrap(), "who was asked is not asked again");
        assert_eq!(due_for(sql, 0), [("a".to_owned(), 5), ("b".to_owned(), 5)]);
        let first = due(sql, "mail", at(0), 1).unwrap().remove(0);
        assert!(hold(sql, &first, holder, at(0)).unwrap());
        assert!(!hold(sql, &first, "another", at(0)).unwrap());
        assert_eq!(due_for(sql, 1), [("b".to_owned(), 5)], "one of theirs is being sent");
        settle(sql, &first, holder, &Came::Again(at(30), "busy".to_owned()), at(1)).unwrap();
        assert_eq!(due_for(sql, 2), [("b".to_owned(), 5)], "one of theirs waits to be tried again");
        assert_eq!(failed(sql).unwrap().len(), 1);
        assert_eq!(due_for(sql, 30), [("b".to_owned(), 5), ("a".to_owned(), 5)]);
        let again = due(sql, "mail", at(30), 9).unwrap().remove(1);
        assert_eq!(again.tries, 1);
        hold(sql, &again, holder, at(30)).unwrap();
        // Whoever held it is gone: it is there again once nobody waits for them any more.
        assert_eq!(due_for(sql, 31), [("b".to_owned(), 5)]);
        assert!(due_for(sql, 31 + limits::HELD.num_seconds()).contains(&("a".to_owned(), 5)));
        settle(sql, &again, "another", &Came::Done(None), at(32)).unwrap();
        assert_eq!(waiting(sql, "mail", at(99)).unwrap(), (3, None), "what somebody else holds is theirs");
        settle(sql, &again, holder, &Came::Done(None), at(32)).unwrap();
        assert_eq!(due_for(sql, 99), [("b".to_owned(), 5), ("a".to_owned(), 6)]);
    }

    #[test]
    fn one_that_fails_again_and_again_lets_the_others_by() {
        let connection = rows();
        let sql: &dyn Sql = &connection;
        put(sql, &letter("a", 1, 5), at(0)).unwrap();
        put(sql, &letter("a", 2, 6), at(0)).unwrap();
        let mut went = Vec::new();
        for try_ in 0..=i64::from(limits::IN_ORDER) {
            let row = due(sql, "mail", at(try_ * 1000), 9).unwrap().remove(0);
            hold(sql, &row, "me", at(try_ * 1000)).unwrap();
            let next = at(try_ * 1000 + 900);
            settle(sql, &row, "me", &Came::Again(next, "no".to_owned()), at(try_ * 1000)).unwrap();
            went.push(row.key.event);
        }
        assert_eq!(went, [5; 7]);
        assert_eq!(due_for(sql, i64::from(limits::IN_ORDER) * 1000 + 1), [("a".to_owned(), 6)]);
    }

    #[test]
    fn news_of_a_copy_collapse_into_one_change_and_what_comes_meanwhile_is_not_missed() {
        let connection = rows();
        let (sql, about): (&dyn Sql, _) = (&connection, RequestId::from_random(1));
        put(sql, &letter("a", 1, 0), at(0)).unwrap();
        let posted = due(sql, "mail", at(0), 9).unwrap().remove(0);
        hold(sql, &posted, "me", at(0)).unwrap();
        let happened =
            |seq| update_copies(sql, about, (Kind::Change(Change::Approved), seq), false, at(1)).unwrap();
        happened(7);
        happened(8);
        assert!(due_for(sql, 2).is_empty(), "it is being sent");
        settle(sql, &posted, "me", &Came::Done(Some("x".to_owned())), at(2)).unwrap();
        let update = due(sql, "mail", at(2), 9).unwrap().remove(0);
        assert_eq!(
            (update.wanted, update.reference.as_deref(), update.kind.as_str()),
            (8, Some("x"), "approved")
        );
        hold(sql, &update, "me", at(2)).unwrap();
        settle(sql, &update, "me", &Came::Done(None), at(3)).unwrap();
        assert!(due_for(sql, 99).is_empty());
        happened(8);
        assert!(due_for(sql, 99).is_empty(), "the same again is nothing new");
        update_copies(sql, about, (Kind::Change(Change::Expired), 9), true, at(4)).unwrap();
        let last = due(sql, "mail", at(4), 9).unwrap().remove(0);
        assert_eq!(last.reference.as_deref(), Some("x"));
        // What is given up holds up nothing that came meanwhile.
        hold(sql, &last, "me", at(4)).unwrap();
        happened(10);
        settle(sql, &last, "me", &Came::Over("no".to_owned()), at(5)).unwrap();
        assert_eq!(due(sql, "mail", at(5), 9).unwrap()[0].wanted, 10);
    }

    #[test]
    fn refused_logins_flood_nobody_and_alarms_always_come() {
        let connection = rows();
        let sql: &dyn Sql = &connection;
        for about in 1..=30 {
            put(sql, &New { knock: true, ..letter("a", about, about + 10) }, at(0)).unwrap();
        }
        let kinds = || -> Vec<(String, u64)> {
            sql.rows(
                "SELECT kind, count(*) FROM outbox WHERE recipient = 'a' GROUP BY kind ORDER BY kind",
                &[],
            )
            .unwrap()
        };
        assert_eq!(kinds(), [("more".to_owned(), 1), ("requested".to_owned(), limits::PER_PERSON_KNOCKS)]);
        for about in 100..200 {
            put(sql, &letter("a", about, about), at(1)).unwrap();
        }
        assert_eq!(kinds(), [("more".to_owned(), 1), ("requested".to_owned(), limits::PER_PERSON - 1)]);
        assert!(put(sql, &New { is_limited: false, ..letter("a", 300, 300) }, at(2)).unwrap());
        assert!(put(sql, &letter("b", 300, 300), at(2)).unwrap(), "others hear as before");
        let window = limits::WINDOW.num_seconds();
        assert!(put(sql, &letter("a", 301, 301), at(window + 2)).unwrap(), "and so do they, later");
        // The word that there is more comes at the end of the hour.
        assert!(due_for(sql, 2).iter().all(|(_, event)| *event < 400));
    }

    #[test]
    fn what_is_over_is_forgotten_and_what_waits_is_not() {
        let connection = rows();
        let sql: &dyn Sql = &connection;
        put(sql, &letter("a", 1, 5), at(0)).unwrap();
        put(sql, &letter("b", 1, 5), at(0)).unwrap();
        put(sql, &letter("b", 2, 0), at(0)).unwrap();
        for row in due(sql, "mail", at(0), 9).unwrap() {
            hold(sql, &row, "me", at(0)).unwrap();
            let came = if row.key.recipient == "a" { Came::Over("no".to_owned()) } else { Came::Done(None) };
            settle(sql, &row, "me", &came, at(0)).unwrap();
        }
        assert_eq!(given_up(sql, at(0)).unwrap(), 1);
        let later = at(limits::KEPT.num_seconds() + 1);
        forget(sql, later).unwrap();
        // The copy that was shown is still to be changed when something happens, and the letter was never sent.
        assert_eq!(counts(sql).unwrap(), [("mail".to_owned(), 1, 0)]);
        free_all(sql, later).unwrap();
        assert_eq!(due(sql, "mail", later, 9).unwrap().len(), 1);
    }
}
