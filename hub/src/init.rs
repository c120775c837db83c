//! `jit-hub init`: everything a hub needs to be served, made once.

use crate::backup::sync_folder;
use crate::certificate::{Authority, put};
use crate::config::{Config, Role};
use crate::error::{HubError, os};
use crate::feed::Signing;
use crate::outbox::Bell;
use crate::{clock, keys, limits, machine, routes, rows, say, serve};
use access::Person;
use api::{HostToken, MadeLink, MadeToken, Scope};
use loglines::Log;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use store::StoreError;

/// Makes what is missing, in this order: a broken off try goes on where it stood.
pub fn init(path: &Path, state: Option<&Path>, names: Vec<String>, admin: Person) -> Result<(), HubError> {
    let names = if names.is_empty() { vec![machine()] } else { names };
    if !path.exists() {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(os(format!("making {}", folder.display())))?;
        let default = Config::default().state;
        put(path, 0o644, &Config::text(&names, state.unwrap_or(&default)))?;
    }
    let mut config = Config::load(path)?;
    if let Some(state) = state {
        config = config.in_folder(state);
    }
    private(&config.state)?;
    let authority = Authority::of(&config.state);
    authority.make()?;
    if config.role == Role::Feed {
        return feed(&config, &authority);
    }
    private(&config.signer.state)?;
    let others = keys::make(&config, crate::hub_id(&config)?, authority.shown(&config)?)?;
    let made = match first_admin(&config, admin) {
        // Whoever has it open was set up.
        Err(HubError::Store(StoreError::Locked { .. })) => None,
        made => made?,
    };
    let url = serve::url(&config);
    let (whose, copy, ca) = if config.tls.is_some() {
        ("an authority that their system trusts".to_owned(), String::new(), "")
    } else {
        let path = authority.certificate().display();
        (path.to_string(), format!(", with a copy of {path}"), " --ca ca.crt")
    };
    let Some(made) = made else {
        let state = config.state.display();
        say(&if others {
            format!(
                "The hub in {state} is set up already, and shows another certificate from its next start on, which hosts believe if it is \
                 by {whose}:\n  systemctl restart jit-hub\nPeople log in anew where they work{copy}:\n  jit login --hub {url}{ca}"
            )
        } else {
            format!("The hub in {state} is set up already: nothing was changed.")
        });
        return Ok(());
    };
    say(&format!(
        "The hub is set up: {} says how, and {} holds its state.",
        path.display(),
        config.state.display()
    ));
    tell(&made.token);
    say(&format!(
        "A link that signs a browser of theirs in once, within a day:\n  {}\n\
         A token by which one host joins, within a day; there, as root:\n  jitd enrol {}",
        made.link.url, made.host.token
    ));
    say(&format!(
        "\nNext, here:\n  systemctl enable --now jit-hub-signer jit-hub\n\
         and where you work{copy}:\n  jit login --hub {url}{ca} --token-stdin\n  \
         jit policy check && jit policy apply\n  \
         jit token make \"laptop of bob\" --person bob --scope read,request,review\n  \
         jit web                            # a link that signs your browser in\n  \
         jit host token --label env=prod    # for further hosts"
    ));
    Ok(())
}

/// A feed has a key for views, and shows a certificate of its own to what stands before it. It has no signer, and nothing
/// of its is in the database.
fn feed(config: &Config, authority: &Authority) -> Result<(), HubError> {
    let key = keys::of_a_feed(config)?;
    say(&format!(
        "This is a feed: {} holds its key, and no other. Next, as root on the machine of the desk:\n  \
         jit-hub keys admit {key}\n  systemctl reload jit-hub\n\
         and here, once the owner of the database has run /usr/share/doc/jit-hub/feed.sql there:\n  \
         systemctl enable --now jit-hub\n\
         What stands before it and sends it the calls of hosts that listen believes {}.",
        config.state.display(),
        authority.certificate().display()
    ));
    // Where nobody reads, the next time says it again.
    let _ = writeln!(std::io::stdout(), "{key}");
    Ok(())
}

/// Makes somebody administrator of a hub that is stopped.
pub fn admin(config: &Config, person: Person) -> Result<(), HubError> {
    serve::is_set_up(config)?;
    let log = log(config)?;
    let (ledger, ..) = serve::open(config, &log, (Signing::new().0, Bell::new().0), false)?;
    let made = ledger.make_admin(routes::admin_token(person, clock::wall())?)?;
    log.flush();
    tell(&made);
    Ok(())
}

/// What a new hub is entered with.
struct First {
    /// The administrator's token.
    token: MadeToken,
    /// A link by which their browser signs in.
    link: MadeLink,
    /// What lets the first host in.
    host: HostToken,
}

/// For the first administrator; none where there is an administrator.
fn first_admin(config: &Config, person: Person) -> Result<Option<First>, HubError> {
    let log = log(config)?;
    let (ledger, _, read, _) = serve::open(config, &log, (Signing::new().0, Bell::new().0), true)?;
    if read.read(rows::roles)?.values().any(|roles| roles.contains(&api::Role::Admin)) {
        return Ok(None);
    }
    let (now, url) = (clock::wall(), serve::url(config));
    let token = ledger.make_admin(routes::admin_token(person.clone(), now)?)?;
    let (times, shown) = ((now, now + limits::FIRST), token.token.id);
    let link = ledger.make_link(&url, person.clone(), Scope::ALL.into(), (&person, shown), times)?;
    let root = keys::ServerKeys::of(config).authority()?.roots.fingerprint();
    let hub = (&*url, &crate::hub_id(config)?, root);
    let host = ledger.make_join_token(hub, BTreeMap::new(), 1, person, times)?;
    log.flush();
    Ok(Some(First { token, link, host }))
}

fn log(config: &Config) -> Result<Log, HubError> {
    Log::to(&config.syslog.socket, "jit-hub").map_err(os("starting the log's thread"))
}

/// A folder that is its owner's alone.
fn private(folder: &Path) -> Result<(), HubError> {
    let failed = || os(format!("making {}", folder.display()));
    let new = folder.ancestors().take_while(|folder| !folder.exists()).count();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed())?;
    let mode = std::fs::metadata(folder).map_err(failed())?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed())?;
    }
    folder.ancestors().take(new).try_for_each(sync_folder)
}

/// The secret alone goes to standard output, so that it can be handed on without being seen.
fn tell(made: &MadeToken) {
    let token = &made.token;
    say(&format!(
        "A token for {}, who is administrator. It is shown this once, and good until {}:",
        token.person,
        token.expires.format("%F")
    ));
    // Where nobody reads, `jit-hub admin` makes another.
    let _ = writeln!(std::io::stdout(), "{}", made.secret);
}
