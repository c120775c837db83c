//! Rows that go for their age or for want of room: some at once, so that a writer which has months to forget still answers others,
//! and its watchdog and server, within seconds.

use access::Time;
use desk::DeskError;
use store::Sql;

/// Rows of one table, which go by a time of theirs.
#[derive(Clone, Copy)]
pub struct Rows {
    table: &'static str,
    key: &'static str,
    time: &'static str,
    /// Which of them may go.
    which: &'static str,
}

impl Rows {
    const fn of(table: &'static str, key: &'static str, time: &'static str) -> Self {
        Self { table, key, time, which: "1 = 1" }
    }

    /// Takes away the oldest, at most so many, and where a time is named those alone that are of before it. How many.
    pub fn forget(&self, connection: &dyn Sql, before: Option<Time>, most: u32) -> Result<usize, DeskError> {
        let Self { table, key, time, which } = self;
        let before = before.map_or(i64::MAX, |before| before.timestamp_millis());
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN \
             (SELECT {key} FROM {table} WHERE {time} < ?1 AND {which} ORDER BY {time} LIMIT ?2)"
        );
        Ok(connection.execute(&sql, &[&before, &most])?)
    }
}

/// Takes away what hosts told, the oldest first and at most so many rows of a kind: what was heard before this, or where no time
/// is named the oldest records, and the sessions that were kept of records that are gone. Whether more may go.
pub fn forget_told(connection: &dyn Sql, before: Option<Time>, most: u32) -> Result<bool, DeskError> {
    let records = RECORDS.forget(connection, before, most)?;
    let left = if before.is_some() {
        before
    } else {
        let oldest: Option<i64> = connection.one("SELECT min(heard_ms) FROM host_record", &[])?;
        oldest.and_then(Time::from_timestamp_millis)
    };
    let sessions = PAST_SESSIONS.forget(connection, left, most)?;
    Ok(records.max(sessions) == most as usize)
}

/// Tokens, links and sign-ins, by when they were over. The journal still tells of them.
pub const TOKENS: Rows = Rows::of("token", "id", "expires_ms");
/// What a sign-in made, by when that was over.
pub const MADE: Rows = Rows::of("sign_in_made", "token", "expires_ms");
/// Permits that are listed no more, by when they were over.
pub const PERMITS: Rows = Rows { which: "listed = 0", ..Rows::of("permit", "id", "until_ms") };
/// First uses, by when they were heard of.
pub const FIRST_USES: Rows = Rows::of("first_use", "grant_id, host", "heard_ms");
/// Sessions that were on hosts, by when they were heard of: also those of which no end was told, for their host may be gone.
const PAST_SESSIONS: Rows = Rows::of("past_session", "host, id", "heard_ms");
/// Records of hosts, by when they were heard: what a host's clock said of them is its own word.
pub const RECORDS: Rows = Rows::of("host_record", "host, joined, log, seq", "heard_ms");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_over_by_then_is_forgotten_and_no_other() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("tables.sql")).unwrap();
        let row = |id: u64, expires: i64| {
            let insert =
                format!("INSERT INTO token VALUES ({id}, x'0{id}', 'alice', {expires}, 0, NULL, '', 1)");
            connection.execute_batch(&insert).unwrap();
        };
        row(1, 999);
        row(2, 1000);
        TOKENS.forget(&connection, Time::from_timestamp_millis(1000), 9).unwrap();
        let sql: &dyn Sql = &connection;
        assert_eq!(sql.rows::<u64>("SELECT id FROM token", &[]).unwrap(), [2]);
    }

    #[test]
    fn sessions_go_with_the_records_that_told_of_them_and_alone_where_there_are_none() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("tables.sql")).unwrap();
        connection.execute_batch(crate::signin::TABLES).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 9) \
                 INSERT INTO host_record SELECT 'a', x'', '', n, '', 0, 0, '', x'', x'', n FROM number; \
                 INSERT INTO past_session SELECT host, seq, NULL, '', '', '', 0, NULL, NULL, heard_ms FROM host_record",
            )
            .unwrap();
        let goes = |before: Option<i64>, most| {
            let more = forget_told(&connection, before.and_then(Time::from_timestamp_millis), most).unwrap();
            let left = |table| -> (u64, Option<i64>) {
                let sql: &dyn Sql = &connection;
                sql.one(&format!("SELECT count(*), min(heard_ms) FROM {table}"), &[]).unwrap()
            };
            (more, left("host_record"), left("past_session"))
        };
        assert_eq!(goes(Some(3), 9), (false, (7, Some(3)), (7, Some(3))), "what is too old");
        assert_eq!(goes(None, 2), (true, (5, Some(5)), (5, Some(5))), "for want of room");
        connection.execute_batch("DELETE FROM host_record WHERE heard_ms < 8").unwrap();
        assert_eq!(goes(None, 1), (true, (1, Some(9)), (4, Some(6))), "by and by");
        assert_eq!(goes(None, 3), (true, (0, None), (1, Some(9))));
        assert_eq!(goes(None, 3), (false, (0, None), (0, None)));
    }
}
