//! `jit grants`, `revoke`, `release`.

use crate::output::Output;
use crate::{CliError, limits, table, words};
use access::{GrantId, HostName, Login, Text};
use api::{AskGrants, Client, Door, EndGrant, Heard};
use comfy_table::Cell;
use kernel::wall;
use std::time::Instant;

fn checked(id: &str) -> Result<&str, CliError> {
    GrantId::range(id).map(|_| id).map_err(|why| CliError::Usage(why.to_string()))
}

pub fn list(
    client: &Client,
    user: Option<Login>,
    host: Option<HostName>,
    all: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    let grants = client.all_grants(AskGrants { user, host, all, after: None })?;
    let colour = out.colour();
    out.say(&grants, || {
        if grants.is_empty() {
            return format!("No grants. To ask for one: {}", words::how_to_ask(client.door()));
        }
        let mut table = table::table(&["GRANT", "STATE", "WHO", "WHAT", "ENDS", "APPROVED BY", "SESSIONS"]);
        for view in &grants {
            let grant = &view.grant;
            table.add_row(vec![
                Cell::new(grant.id),
                table::state(view.state.code(), view.state.code(), colour),
                Cell::new(&grant.person),
                Cell::new(words::gives(view)),
                Cell::new(words::ends(view, wall())),
                Cell::new(words::approved_by(view)),
                Cell::new(view.sessions),
            ]);
        }
        table.to_string()
    })
}

pub fn revoke(client: &Client, id: &str, reason: Text, out: &mut Output) -> Result<(), CliError> {
    let grant = client.revoke(checked(id)?, &EndGrant { reason: Some(reason) })?;
    let heard = heard_soon(client, grant.grant.id);
    out.say(&grant, || {
        format!(
            "Revoked grant {} of {}. No new login or sudo passes by it, and sessions by it end now.{}",
            grant.grant.id,
            grant.grant.person,
            heard.map(|heard| format!("\n{}", words::heard(&heard, wall()))).unwrap_or_default()
        )
    })
}

/// Which hosts of a hub have heard of it; none where there is no hub. What cannot be told now is no reason to say nothing else.
pub fn heard_now(client: &Client, id: GrantId) -> Option<Heard> {
    if matches!(client.door(), Door::Hub(_)) { client.heard(&id.to_string()).ok() } else { None }
}

/// The same, once all have or after a moment.
fn heard_soon(client: &Client, id: GrantId) -> Option<Heard> {
    let begun = Instant::now();
    loop {
        let heard = heard_now(client, id)?;
        let waits = heard.not_yet.keys().any(|host| !heard.removed.contains(host));
        if !waits || begun.elapsed() >= limits::CONFIRMED_WITHIN {
            return Some(heard);
        }
        std::thread::sleep(limits::CONFIRMED_AGAIN);
    }
}

pub fn release(client: &Client, id: &str, out: &mut Output) -> Result<(), CliError> {
    let grant = client.release(checked(id)?, &EndGrant::default())?;
    out.say(&grant, || format!("Released grant {}. Thank you.", grant.grant.id))
}
