//! `jit-hub init`: everything a hub needs to be served, made once.

use crate::backup::sync_folder;
use crate::certificate::{self, Authority, put};
use crate::config::{Config, Role};
use crate::error::{HubError, os};
use crate::feed::Signing;
use crate::outbox::Bell;
use crate::{clock, keys, limits, machine, routes, rows, say, serve};
use access::Person;
use api::{MadeToken, Scope};
use loglines::Log;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use store::StoreError;

/// Makes what is missing, in this order: a broken off try goes on where it stood.
pub fn init(path: &Path, state: Option<&Path>, names: Vec<String>, admin: &Person) -> Result<(), HubError> {
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
    if let Err(why) = certificate::is_for(&config, &serve::url(&config)) {
        say(&why.to_string());
    }
    let (url, path_of_ca) = (serve::url(&config), authority.certificate().display());
    let (whose, copy, ca) = if config.tls.is_some() {
        ("authorities that their system trusts".to_owned(), String::new(), "")
    } else {
        (format!("the authority in {path_of_ca}"), format!(", with a copy of {path_of_ca}"), " --ca ca.crt")
    };
    if others {
        say(&format!(
            "Hosts believe certificates by {whose} from now on, once they hear of it; those of an older release do not ask:\n  \
             systemctl restart jit-hub\nPeople log in anew where they work{copy}:\n  jit login --hub {url}{ca}\n\
             Make a backup of {}: what was saved before does not say so.",
            config.state.display()
        ));
    }
    let is_new = match enter(&config, path, admin) {
        // Whoever has it open was set up.
        Err(HubError::Store(StoreError::Locked { .. })) => false,
        entered => entered?,
    };
    if !is_new {
        let changed = if others { "" } else { ": nothing was changed" };
        say(&format!("The hub in {} is set up already{changed}.", config.state.display()));
        return Ok(());
    }
    say(&format!(
        "\nNext, here:\n  systemctl enable --now jit-hub-signer jit-hub\n\
         and where you work{copy}:\n  jit login --hub {url}{ca} --token-stdin\n  \
         # with a policy.toml and people.toml of yours; for examples, see /usr/share/doc/jit-hub/examples here\n  \
         jit policy check policy.toml && jit policy apply policy.toml\n  \
         jit token make \"laptop of bob\" --person bob --scope read,request,review\n  \
         jit web                            # a link that signs your browser in\n  \
         jit host token --label env=prod    # for further hosts"
    ));
    if config.tls.is_none() {
        say(&format!(
            "\nBrowsers warn of the hub's certificate until they trust {path_of_ca}: import it there as an authority, or name a \
             certificate that they trust already in [tls] of {}.",
            path.display()
        ));
    }
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

/// Makes the first administrator and what a new hub is entered with, and says each as soon as it is there. Whether there was
/// no administrator.
fn enter(config: &Config, path: &Path, admin: &Person) -> Result<bool, HubError> {
    let log = log(config)?;
    let (ledger, _, read, _) = serve::open(config, &log, (Signing::new().0, Bell::new().0), true)?;
    if read.read(rows::roles)?.values().any(|roles| roles.contains(&api::Role::Admin)) {
        return Ok(false);
    }
    let (now, url) = (clock::wall(), serve::url(config));
    let times = (now, now + limits::FIRST);
    let token = ledger.make_admin(routes::admin_token(admin.clone(), now)?)?;
    say(&format!(
        "The hub is set up: {} says how, and {} holds its state.",
        path.display(),
        config.state.display()
    ));
    tell(&token);
    // By the token each can be made again.
    let root = keys::ServerKeys::of(config).authority()?.roots.fingerprint();
    let hub = (&*url, &crate::hub_id(config)?, root);
    match ledger.make_join_token(hub, BTreeMap::new(), 1, admin.clone(), times) {
        Ok(host) => say(&format!(
            "A token by which one host joins, within a day; there, as root:\n  jitd enrol {}",
            host.token
        )),
        Err(why) => say(&format!("No token for a host was made ({why}): later by `jit host token`")),
    }
    match ledger.make_link(&url, admin.clone(), Scope::ALL.into(), (admin, token.token.id), times) {
        Ok(link) => {
            say(&format!("A link that signs a browser of {admin} in once, within a day:\n  {}", link.url));
        }
        Err(why) => say(&format!("No link for a browser was made ({why}): later by `jit web`")),
    }
    log.flush();
    Ok(true)
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

/// This secret alone goes to standard output, so that it can be handed on without being seen.
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
