//! Rows of what was asked here and the hub is to hear of, in the order in which it was asked.

use crate::rows;
use access::{Login, RequestId, Time};
use api::{HostAnswer, HostAsk, HostWish};
use store::{Bind, FromRow as _, Sql, StoreError};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As the hub hears it: these very bytes.
    pub ask: HostAsk,
    /// First instant it is no longer sent.
    pub until: Time,
    /// What the hub answered.
    pub answer: Option<HostAnswer>,
}

const WHAT: &str = "what was asked here";

const ROW: &str = "SELECT body, until_ms, answer FROM ask";

fn read((body, until, answer): (String, i64, Option<String>)) -> Result<Kept, StoreError> {
    Ok(Kept {
        ask: rows::read(WHAT, &body)?,
        until: Time::from_timestamp_millis(until).unwrap_or_default(),
        answer: answer.map(|answer| rows::read(WHAT, &answer)).transpose()?,
    })
}

fn one(connection: &dyn Sql, sql: &str, values: &[&dyn Bind]) -> Result<Option<Kept>, StoreError> {
    connection.row(&format!("{ROW} {sql}"), values)?.map(read).transpose()
}

/// Keeps what was asked, after its record.
pub fn put(connection: &dyn Sql, ask: &HostAsk, key: Option<&str>, until: Time) -> Result<(), StoreError> {
    let body = rows::json(WHAT, ask)?;
    connection.execute(
        "INSERT INTO ask (id, login, key, body, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[&ask.id.bits(), &ask.login.as_str(), &key, &body, &until.timestamp_millis()],
    )?;
    Ok(())
}

/// What this login asked by a call of this key.
pub fn by_key(connection: &dyn Sql, login: &Login, key: &str) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE login = ?1 AND key = ?2", &[&login.as_str(), &key])
}

/// What was asked under this id.
pub fn find(connection: &dyn Sql, id: RequestId) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE id = ?1", &[&id.bits()])
}

/// What waits longest for the hub. `passed` hears of what cannot be read: nothing waits for that.
pub fn next(
    connection: &dyn Sql,
    passed: &mut dyn FnMut(RequestId, &StoreError),
) -> Result<Option<Kept>, StoreError> {
    let mut next = None;
    let sql = "SELECT id, body, until_ms, answer FROM ask WHERE answer IS NULL ORDER BY n";
    connection.query(sql, &[], &mut |row| {
        let kept = <(u64, String, i64, Option<String>)>::from_row(row);
        let kept = kept.map(|(id, body, until, answer)| (id, read((body, until, answer))));
        match kept {
            Ok((_, Ok(kept))) => next = Some(Ok(kept)),
            Ok((id, Err(why))) => passed(RequestId::from_random(id), &why),
            Err(why) => next = Some(Err(why)),
        }
        next.is_none()
    })?;
    next.transpose()
}

/// All of this login's that waits for the hub and can be read, oldest first.
pub fn waiting(connection: &dyn Sql, login: &Login) -> Result<Vec<Kept>, StoreError> {
    let sql = format!("{ROW} WHERE answer IS NULL AND login = ?1 ORDER BY n");
    Ok(connection.rows(&sql, &[&login.as_str()])?.into_iter().filter_map(|row| read(row).ok()).collect())
}

/// All of this login's that is kept and can be read, answered or not.
pub fn of(connection: &dyn Sql, login: &Login) -> Result<Vec<Kept>, StoreError> {
    let rows = connection.rows(&format!("{ROW} WHERE login = ?1"), &[&login.as_str()])?;
    Ok(rows.into_iter().filter_map(|row| read(row).ok()).collect())
}

/// How many wait for the hub.
pub fn count(connection: &dyn Sql) -> Result<u64, StoreError> {
    connection.one("SELECT count(*) FROM ask WHERE answer IS NULL", &[])
}

/// The hub answered, for good. The answer stays for a while for whoever asks the same again, and those of before `old`
/// go.
pub fn answered(
    connection: &dyn Sql,
    id: RequestId,
    answer: &HostAnswer,
    at: Time,
    old: Time,
) -> Result<(), StoreError> {
    let answer = rows::json(WHAT, answer)?;
    connection.execute(
        "UPDATE ask SET answer = ?2, answered_ms = ?3 WHERE id = ?1",
        &[&id.bits(), &answer, &at.timestamp_millis()],
    )?;
    connection.execute("DELETE FROM ask WHERE answered_ms < ?1", &[&old.timestamp_millis()])?;
    Ok(())
}

/// A hub that lost commits hears again of glass that it took in.
pub fn say_glass_again(connection: &dyn Sql) -> Result<(), StoreError> {
    for row in connection.rows(&format!("{ROW} WHERE answer IS NOT NULL"), &[])? {
        // What cannot be read was sent by another release.
        let Ok(Kept { ask, answer: Some(answer), .. }) = read(row) else { continue };
        if matches!(ask.wish, HostWish::Glass { .. }) && !matches!(answer, HostAnswer::Refused(_)) {
            let sql = "UPDATE ask SET answer = NULL, answered_ms = NULL WHERE id = ?1";
            connection.execute(sql, &[&ask.id.bits()])?;
        }
    }
    Ok(())
}

/// What the hub will not hear of any more. Whether it was there and waited.
pub fn forget(connection: &dyn Sql, id: RequestId) -> Result<bool, StoreError> {
    Ok(connection.execute("DELETE FROM ask WHERE id = ?1 AND answer IS NULL", &[&id.bits()])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Text;
    use api::{HostKnock, HostWish};

    fn ask(n: u64) -> HostAsk {
        let service = access::Service::parse("ssh").unwrap();
        let knock = HostKnock { service, run_as: None, reason: Text::parse("x").unwrap() };
        HostAsk {
            id: RequestId::from_random(n),
            login: Login::parse("alice").unwrap(),
            source: None,
            asked_at: Time::UNIX_EPOCH,
            wish: HostWish::Login(knock),
        }
    }

    #[test]
    fn one_that_cannot_be_read_is_passed_over_and_the_others_go() {
        let (_folder, file) = crate::source::sample::file();
        let connection = file.connection();
        for n in 1..=3 {
            put(connection, &ask(n), None, Time::MAX_UTC).unwrap();
        }
        connection.execute("UPDATE ask SET body = '{\"of\": \"tomorrow\"}' WHERE id = 1", []).unwrap();
        let mut told = Vec::new();
        let kept = next(connection, &mut |id, why| told.push((id, why.to_string()))).unwrap().unwrap();
        assert_eq!(kept.ask.id, RequestId::from_random(2));
        let [(id, why)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*id, RequestId::from_random(1));
        assert!(why.contains("cannot be read") && why.contains("install that again"), "{why}");
        assert_eq!(waiting(connection, &kept.ask.login).unwrap().len(), 2);
    }

    #[test]
    fn glass_that_the_hub_took_in_is_said_again_and_nothing_else_is() {
        let (_folder, file) = crate::source::sample::file();
        let connection = file.connection();
        let glass = HostWish::Glass {
            grant: Box::new(crate::sessions::sample::grant(9)),
            reason: Text::parse("x").unwrap(),
            ticket: None,
        };
        let why = api::ProblemCode::Refused.because("it was used already");
        for (n, wish, answer) in [
            (1, ask(1).wish, HostAnswer::Silent),
            (2, glass.clone(), HostAnswer::Refused(why)),
            (3, glass, HostAnswer::Silent),
        ] {
            put(connection, &HostAsk { wish, ..ask(n) }, None, Time::MAX_UTC).unwrap();
            answered(connection, RequestId::from_random(n), &answer, Time::UNIX_EPOCH, Time::UNIX_EPOCH)
                .unwrap();
        }
        assert_eq!(count(connection).unwrap(), 0);
        say_glass_again(connection).unwrap();
        let next = next(connection, &mut |id, why| panic!("{id}: {why}")).unwrap().unwrap();
        assert_eq!((count(connection).unwrap(), next.ask.id), (1, RequestId::from_random(3)));
    }
}
