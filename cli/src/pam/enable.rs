//! `jit pam enable`: every reason against it first, then the undo, then the lines.

use super::drive::Tried;
use super::files;
use super::name::Door;
use super::spare::{self, Account, Accounts};
use super::sshd::Sshd;
use super::status::{self, Shown};
use super::undo::{self, Pending};
use crate::arguments::{EnablePam, IfMissing};
use crate::output::Output;
use crate::{CliError, limits};
use access::{Login, Time};
use api::{Client, Status};
use kernel::wall;
use pamfile::{Folder, Refusal, Wanted, enabled};
use serde::Serialize;
use similar::TextDiff;
use std::collections::BTreeSet;

/// One file, as it is and as it is to be.
#[derive(Serialize)]
struct Change {
    #[serde(serialize_with = "name")]
    service: Door,
    #[serde(skip)]
    before: String,
    #[serde(skip)]
    after: String,
    diff: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Time>,
}

fn name<S: serde::Serializer>(door: &Door, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(door)
}

pub fn enable(client: &Client, asked: &EnablePam, out: &mut Output) -> Result<(), CliError> {
    let mut turn = files::turn()?;
    let folder = files::folder()?;
    let doors = doors(&asked.services, |along| goes_along(along, &folder), out)?;
    may_be(&doors, asked)?;
    let mut changes = changes(&folder, &doors, &wanted(asked), out)?;
    if changes.is_empty() {
        return out.say(&changes, || "Everything is as it was asked for already.".to_owned());
    }
    could_come_in(client, &folder, &changes, asked)?;
    shown(&changes, asked, out)?;
    if !asked.yes {
        // Whoever is asked may be away: nobody waits for them, and what they saw must hold once they are back.
        drop(turn);
        agreed(out)?;
        turn = files::turn()?;
        may_be(&doors, asked)?;
        unchanged(&folder, &files::folder()?)?;
        could_come_in(client, &folder, &changes, asked)?;
    }
    let done = changes.iter_mut().try_for_each(|change| change.make(client));
    drop(turn);
    changes.retain(|change| change.undo.is_some());
    if done.is_ok() || !changes.is_empty() {
        out.say(&changes, || written(&changes))?;
    }
    done
}

/// The services that are named, and those that go along: who gates sudo means `sudo -i` too.
fn doors(
    named: &[Door],
    goes_along: impl Fn(&Door) -> bool,
    out: &mut Output,
) -> Result<BTreeSet<Door>, CliError> {
    let mut doors: BTreeSet<Door> = named.iter().cloned().collect();
    for door in named {
        let Some(along) = door.along().filter(&goes_along) else { continue };
        if doors.insert(along.clone()) {
            out.note(&format!("{along} goes along with {door}, which would be open by it"))?;
        }
    }
    Ok(doors)
}

/// Whether a service has a file of its own, whose lines are the command's to write and to change now.
fn goes_along(along: &Door, folder: &Folder) -> bool {
    let path = files::path(along);
    let is_own = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let by_hand = |text| !pamfile::disabled(text, false).by_hand.is_empty();
    is_own && undo::pending(along).is_none() && !folder.text(along.as_str()).is_some_and(by_hand)
}

/// Somebody decides, and every spare key works.
fn could_come_in(
    client: &Client,
    folder: &Folder,
    changes: &[Change],
    asked: &EnablePam,
) -> Result<(), CliError> {
    somebody_decides(&client.status()?)?;
    spare_keys_work(folder, changes, asked)
}

/// What was shown is what there is: any file may be included by one that is to be written.
fn unchanged(before: &Folder, now: &Folder) -> Result<(), CliError> {
    let names = before.0.keys().chain(now.0.keys());
    match names.into_iter().find(|name| before.0.get(*name) != now.0.get(*name)) {
        None => Ok(()),
        Some(name) => Err(CliError::NotDone(format!(
            "the PAM file {name} was changed while you were asked, so nothing was written: run this again"
        ))),
    }
}

impl Change {
    /// Arms its undo, and writes it.
    fn make(&mut self, client: &Client) -> Result<(), CliError> {
        let pending = Pending { enabled: client.status()?.now, undo: wall() + limits::UNDO };
        undo::arm(&self.service, &self.before, &self.after, &pending)?;
        files::replace(&self.service, &self.before, &self.after).inspect_err(|_| {
            // Nothing was written: there is nothing to undo.
            let _ = undo::cancel(&self.service);
        })?;
        self.undo = Some(pending.undo);
        Ok(())
    }
}

/// What speaks against these services whatever their files say.
fn may_be(doors: &BTreeSet<Door>, asked: &EnablePam) -> Result<(), CliError> {
    let no = |why: String| Err(CliError::NotDone(why));
    for door in doors {
        if let Some(why) = door.is_unwise().filter(|_| !asked.force) {
            return no(format!("{door} is better left alone: {why}. --force writes the lines all the same"));
        }
        if asked.prompt && door.as_str() != "sshd" {
            return no(format!("--prompt is for sshd alone: {door} asks on its own terminal without"));
        }
        if undo::pending(door).is_some() {
            return no(format!(
                "{door} is being enabled already: `jit pam confirm {door}` from a new login, or `jit pam disable {door}`"
            ));
        }
        if !files::path(door).exists() {
            return no(format!(
                "there is no {}: where a package keeps it in {}, copy it from there first",
                files::path(door).display(),
                Folder::PLACES.last().unwrap_or(&"")
            ));
        }
        files::plain(&files::path(door))?;
    }
    Ok(())
}

fn wanted(asked: &EnablePam) -> Wanted {
    let users: Vec<&str> = asked.spare_user.iter().map(access::Login::as_str).collect();
    let mut arguments = Vec::new();
    for (key, names) in [("spare_user", users.join(",")), ("spare_group", asked.spare_group.join(","))] {
        if !names.is_empty() {
            arguments.push(format!("{key}={names}"));
        }
    }
    if asked.monitor {
        arguments.push("mode=monitor".to_owned());
    }
    Wanted {
        arguments: arguments.join(" "),
        open_if_missing: asked.if_missing == IfMissing::Open,
        prompts: asked.prompt,
    }
}

/// What is to be written, without what is there already. Services that come along with another one are told.
fn changes(
    folder: &Folder,
    doors: &BTreeSet<Door>,
    wanted: &Wanted,
    out: &mut Output,
) -> Result<Vec<Change>, CliError> {
    let mut changes = Vec::new();
    let mut then = folder.clone();
    for service in doors {
        // sshd alone asks through the application.
        let wanted = Wanted { prompts: wanted.prompts && service.as_str() == "sshd", ..wanted.clone() };
        let after = match enabled(&then, service.as_str(), &wanted) {
            // su-l is what su is.
            Err(along @ Refusal::GatedAlready { .. }) => {
                out.note(&along.to_string())?;
                continue;
            }
            after => after?,
        };
        let before = then.text(service.as_str()).unwrap_or_default().to_owned();
        then = then.with(service.as_str(), &after);
        if before != after {
            let path = files::path(service).display().to_string();
            let diff = TextDiff::from_lines(&before, &after);
            let diff = diff.unified_diff().context_radius(1).header(&path, &path).to_string();
            changes.push(Change { service: service.clone(), before, after, diff, undo: None });
        }
    }
    Ok(changes)
}

fn somebody_decides(status: &Status) -> Result<(), CliError> {
    if status.somebody_decides {
        return Ok(());
    }
    let why = if status.source == "local" {
        "nobody can approve a request here, so nobody could come in: put somebody into a group that the policy \
         names, as with `usermod -aG jit-approvers NAME`, and see `jit status`"
    } else {
        "nothing was heard from the hub lately, or nobody could approve a request by its policy, so no grant would come: see \
         `jit status` here, and `jit policy show` where you work"
    };
    Err(CliError::NotDone(why.to_owned()))
}

/// Every spare key could come in, and gets through each account part as it would be; so does root's own sudo.
fn spare_keys_work(folder: &Folder, changes: &[Change], asked: &EnablePam) -> Result<(), CliError> {
    let no = |why: String| CliError::NotDone(why);
    let ssh = changes.iter().any(|change| change.service.as_str() == "sshd");
    if let Some((wrong, fix)) = super::sshd_goes_around().map_err(no)?.filter(|_| ssh) {
        return Err(no(format!("{wrong}: {fix}")));
    }
    let accounts = Accounts::read()?;
    let keys = spare::named(&asked.spare_user, &asked.spare_group, &accounts, Sshd::for_user)?;
    let after = changes
        .iter()
        .fold(folder.clone(), |folder, change| folder.with(change.service.as_str(), &change.after));
    let tried = Tried::write(&after, &files::own_folder()?)?;
    for change in changes {
        let door = &change.service;
        let root = door.switches().then_some(("root", 0));
        for (user, uid) in keys.iter().map(|Account { name, uid, .. }| (name.as_str(), *uid)).chain(root) {
            tried.lets_in(door, user, uid).map_err(|why| {
                let who = if uid == 0 { "root's own call" } else { "spare key" };
                no(format!(
                    "with these lines {door} would refuse {who} {user}, so nothing was written. Tried through libpam, it says: {why}"
                ))
            })?;
        }
    }
    let ways = ["sshd", "sudo"].into_iter().filter(|name| after.text(name).is_some());
    let ways: Vec<Shown> = ways.map(|name| status::door(&after, name, None)).collect();
    let users = asked.spare_user.iter().filter_map(|user| accounts.account(user.as_str()));
    let members = asked.spare_group.iter().filter_map(|group| accounts.members(group)).flatten();
    let mut why = String::new();
    for key in users.chain(members) {
        match passes(&ways, &key, &accounts, &tried) {
            Ok(()) => return Ok(()),
            Err(not) => why = not,
        }
    }
    Err(no(format!("none of these spare keys passes both sshd and sudo, so nothing was written: {why}")))
}

/// Whether a spare key comes in, and does something once in, by doors as they would be or stay as they are.
fn passes(ways: &[Shown], key: &Account, accounts: &Accounts, tried: &Tried) -> Result<(), String> {
    let Account { name, uid, .. } = key;
    let login = Login::parse(name).map_err(|why| why.to_string())?;
    spare::named(&[login], &[], accounts, Sshd::for_user).map_err(|why| why.to_string())?;
    if let Some(Shown { service, state, .. }) = ways.iter().find(|door| !door.lets_in(key, accounts)) {
        return Err(format!("{service} is {state} and does not name {name}: see `jit pam status`"));
    }
    ways.iter().try_for_each(|Shown { service, .. }| {
        let said = tried.lets_in(&service.parse()?, name, *uid);
        said.map_err(|why| format!("{service} says to {name}: {why}"))
    })
}

/// What `--if-missing=open` gives and takes.
const IF_MISSING_OPEN: &str = "
With --if-missing=open the account line says module_unknown=ignore: where pam_jit.so is missing or no library that
loads, by a broken upgrade say, everybody comes in without a grant, and nothing at the door logs it; jit-watch notices, and jitd logs that.
Without it nobody comes in there, spare keys neither, until the console's login or a rescue system mends it.";

/// Shows what is to be written.
fn shown(changes: &[Change], asked: &EnablePam, out: &mut Output) -> Result<(), CliError> {
    for change in changes {
        out.note(change.diff.trim_end())?;
    }
    if asked.if_missing == IfMissing::Open {
        out.note(IF_MISSING_OPEN)?;
    }
    Ok(())
}

/// Asks whether to write it.
fn agreed(out: &Output) -> Result<(), CliError> {
    if !out.can_ask() {
        return Err(CliError::Usage(
            "nothing was written: use --yes where there is no terminal to ask on".to_owned(),
        ));
    }
    let minutes = limits::UNDO.as_secs() / 60;
    let question =
        format!("Write this? It is undone after {minutes} minutes unless you confirm it from a new login.");
    if Output::agrees(&question) {
        return Ok(());
    }
    Err(CliError::NotDone("nothing was written".to_owned()))
}

fn written(changes: &[Change]) -> String {
    let names: Vec<&str> = changes.iter().map(|change| change.service.as_str()).collect();
    let names = names.join(" ");
    let undo = changes.iter().filter_map(|change| change.undo).min().map(undo::at).unwrap_or_default();
    let how = changes.iter().map(|change| match change.service.as_str() {
        "sshd" => "come in over ssh with a grant or as an approver",
        own if own.starts_with("sudo") => "use sudo with a grant",
        _ => "come in with a grant",
    });
    let how: BTreeSet<&str> = how.collect();
    let how = how.into_iter().collect::<Vec<_>>().join(", and ");
    format!(
        "\nWritten. Leave this shell open. From another terminal {how}, and from there run\n\
         \n    sudo jit pam confirm {names}\n\
         \nWithout that it is undone at {undo}, whatever happens to this shell or to jitd. \
         `jit pam disable {names}` undoes it now."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_takes_sudo_i_along_where_that_has_a_file_of_its_own() {
        let named = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<Door>>();
        let of = |names: &[&str], there: bool| {
            let doors = doors(&named(names), |_| there, &mut Output::new(true)).unwrap();
            doors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&["sshd", "sudo"], true), ["sshd", "sudo", "sudo-i"]);
        assert_eq!(of(&["sshd", "sudo"], false), ["sshd", "sudo"]);
        assert_eq!(of(&["sudo", "sudo-i"], true), ["sudo", "sudo-i"]);
        assert_eq!(of(&["sudo-i", "su"], true), ["su", "sudo-i"], "what is named alone is meant alone");
    }

    #[test]
    fn any_pam_file_that_changed_while_somebody_was_asked_is_named() {
        let before = Folder::default().with("sshd", "a").with("common-account", "b");
        assert!(unchanged(&before, &before.clone()).is_ok());
        for (now, name) in [
            (before.with("common-account", "c"), "common-account"),
            (before.with("new", ""), "new"),
            (Folder::default().with("sshd", "a"), "common-account"),
        ] {
            let why = unchanged(&before, &now).unwrap_err().to_string();
            assert!(why.starts_with(&format!("the PAM file {name} was changed")), "{why}");
        }
    }
}
