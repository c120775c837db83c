//! `jit token` and `jit role`: who comes in to a hub, and what they may.

use crate::arguments::{Role, Token};
use crate::output::Output;
use crate::{CliError, table, words};
use access::{Person, TokenId};
use api::{AskTokens, Client, NewLink, NewToken, Roles, TokenView};
use comfy_table::Cell;
use kernel::wall;

pub fn token(client: &Client, token: Token, out: &mut Output) -> Result<(), CliError> {
    match token {
        Token::List { person } => list(client, person, out),
        Token::Make { name, scope, length, person } => {
            let scopes = scope.into_iter().collect();
            let made = client.make_token(&NewToken { name, person, scopes, length })?;
            out.say(&made, || {
                let token = &made.token;
                format!(
                    "{}\nThat is token {} of {}, good until {}. It is shown this once.",
                    made.secret,
                    token.id,
                    token.person,
                    words::when(token.expires, wall())
                )
            })
        }
        Token::Revoke { token } => {
            TokenId::range(&token).map_err(|why| CliError::Usage(why.to_string()))?;
            let token = client.revoke_token(&token)?;
            out.say(&token, || format!("Token {} of {} is revoked.", token.id, token.person))
        }
    }
}

pub fn web(client: &Client, person: Option<Person>, out: &mut Output) -> Result<(), CliError> {
    let made = client.make_link(&NewLink { person })?;
    out.say(&made, || {
        let token = &made.token;
        let until = words::when(token.expires, wall());
        format!(
            "{}\nOpen it in a browser: it signs {} in, once and until {until}. It is shown this once.",
            made.url, token.person
        )
    })
}

fn list(client: &Client, person: Option<Person>, out: &mut Output) -> Result<(), CliError> {
    let tokens = client.tokens(&AskTokens { person })?;
    let colour = out.colour();
    out.say(&tokens, || {
        let mut table = table::table(&["TOKEN", "STATE", "WHO", "WHAT FOR", "SCOPES", "ENDS", "LAST USED"]);
        for TokenView { token, used } in &tokens {
            let state = match token.revoked {
                Some(_) => "revoked",
                None if token.is_good(wall()) => "active",
                None => "expired",
            };
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.code()).collect();
            table.add_row(vec![
                Cell::new(token.id),
                table::state(state, state, colour),
                Cell::new(&token.person),
                Cell::new(&token.name),
                Cell::new(scopes.join(", ")),
                Cell::new(words::when(token.expires, wall())),
                Cell::new(used.map_or_else(|| "never".to_owned(), |used| words::when(used, wall()))),
            ]);
        }
        table.to_string()
    })?;
    Output::note_cut(tokens.len(), "--person");
    Ok(())
}

pub fn role(client: &Client, role: Role, out: &mut Output) -> Result<(), CliError> {
    match role {
        Role::List => {
            let all = client.roles()?;
            out.say(&all, || {
                let mut table = table::table(&["WHO", "ROLES"]);
                for of in &all {
                    table.add_row(vec![Cell::new(&of.person), Cell::new(names(of))]);
                }
                table.to_string()
            })
        }
        Role::Set { person, roles } => {
            let set = client.set_roles(&Roles { person, roles: roles.into_iter().collect() })?;
            out.say(&set, || format!("{} is {} from now on.", set.person, names(&set)))
        }
    }
}

fn names(of: &Roles) -> String {
    let roles: Vec<&str> = of.roles.iter().map(|role| role.code()).collect();
    if roles.is_empty() { "nothing beside a person".to_owned() } else { roles.join(", ") }
}
