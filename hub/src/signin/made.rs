//! What a sign-in made in its person's own name: commands that it let in, tokens, and what those made; and what a token did by
//! links: sign-ins. Where it is revoked, for it was not theirs, that ends with it.

use crate::rows;
use access::{Time, TokenId};
use api::Token;
use desk::DeskError;
use std::collections::BTreeMap;
use store::Sql;

/// Keeps that this sign-in, or the token that made a link, made this token.
pub fn keep(connection: &dyn Sql, token: &Token, sign_in: TokenId) -> Result<(), DeskError> {
    connection.put(
        "INSERT INTO sign_in_made (token, sign_in, expires_ms) VALUES (?1, ?2, ?3)",
        &[&token.id.bits(), &sign_in.bits(), &token.expires.timestamp_millis()],
    )?;
    Ok(())
}

/// The sign-in that this token goes back to, or of a link what made it, if there is one.
pub fn sign_in_of(connection: &dyn Sql, token: TokenId) -> Result<Option<TokenId>, DeskError> {
    let sql = "SELECT sign_in FROM sign_in_made WHERE token = ?1";
    let found: Option<u64> = connection.row(sql, &[&token.bits()])?;
    Ok(found.map(TokenId::from_random))
}

/// What of it is good.
pub fn good_of(connection: &dyn Sql, sign_in: TokenId, now: Time) -> Result<Vec<Token>, DeskError> {
    let sql = "SELECT token FROM sign_in_made WHERE sign_in = ?1 ORDER BY token";
    let ids: Vec<u64> = connection.rows(sql, &[&sign_in.bits()])?;
    let mut good = Vec::new();
    for id in ids {
        let found = rows::token(connection, TokenId::from_random(id))?;
        good.extend(found.map(|found| found.token).filter(|token| token.is_good(now)));
    }
    Ok(good)
}

/// How many of these tokens each sign-in made.
pub fn counts<'a>(
    connection: &dyn Sql,
    tokens: impl IntoIterator<Item = &'a Token>,
) -> Result<BTreeMap<TokenId, u32>, DeskError> {
    let mut counts = BTreeMap::new();
    for token in tokens {
        if let Some(sign_in) = sign_in_of(connection, token.id)? {
            *counts.entry(sign_in).or_default() += 1;
        }
    }
    Ok(counts)
}
