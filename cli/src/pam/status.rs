//! `jit pam status`: every door, and whether the gate stands before it.

use super::files;
use super::name::Door;
use super::undo::{self, Pending};
use crate::output::Output;
use crate::{CliError, table};
use access::Time;
use comfy_table::Cell;
use pamfile::{Control, Folder, Gate, MARK, Part, gate};
use serde::Serialize;

/// Service files by which nobody comes in: they change accounts and passwords, are for root alone, draw the screen
/// before a login, or unlock a session that is there. Debian's and those of screens that it packages.
const NO_DOORS: [&str; 25] = [
    "chage",
    "chfn",
    "chgpasswd",
    "chpasswd",
    "chsh",
    "cinnamon-screensaver",
    "gdm-launch-environment",
    "groupadd",
    "groupdel",
    "groupmod",
    "i3lock",
    "kde",
    "lightdm-greeter",
    "mate-screensaver",
    "newusers",
    "passwd",
    "runuser",
    "runuser-l",
    "sddm-greeter",
    "swaylock",
    "useradd",
    "userdel",
    "usermod",
    "vlock",
    "xscreensaver",
];

/// One door.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// As PAM has it.
    pub service: String,
    /// `gated` `monitor` `enabling` `open` `wrong`
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Time>,
    /// Accounts that the module lets in by itself.
    pub spare_users: Vec<String>,
    /// Groups whose members it does.
    pub spare_groups: Vec<String>,
    /// Whether people come in without the gate where the module is missing or damaged.
    open_if_missing: bool,
    /// Whether `jit pam disable` would take the lines out.
    ours: bool,
    /// What is to be known of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Every door that there is.
pub fn doors(folder: &Folder) -> Vec<Shown> {
    // What calls the module is shown, whatever it is.
    let is_door = |name: &str, text: &str| !NO_DOORS.contains(&name) || text.contains(pamfile::MODULE);
    let files = folder.0.iter().filter(|(name, text)| !name.starts_with("common-") && is_door(name, text));
    files
        .map(|(name, _)| name.as_str())
        .map(|name| {
            let pending = name.parse::<Door>().ok().and_then(|door| undo::pending(&door));
            door(folder, name, pending.as_ref())
        })
        .collect()
}

pub fn status(out: &mut Output) -> Result<(), CliError> {
    let shown = doors(&files::folder()?);
    let colour = out.colour();
    out.say(&shown, || {
        let mut table = table::table(&["DOOR", "STATE", "SPARE KEYS", "NOTE"]);
        for door in &shown {
            let state = match door.undo {
                Some(undo) => format!("enabling (undo at {})", undo::at(undo)),
                None => door.state.to_owned(),
            };
            let code = match door.state {
                "gated" => "active",
                "enabling" | "monitor" => "pending",
                "wrong" => "denied",
                _ => "",
            };
            let groups = door.spare_groups.iter().map(|group| format!("group {group}"));
            let keys: Vec<String> = door.spare_users.iter().cloned().chain(groups).collect();
            let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(", ") };
            table.add_row(vec![
                Cell::new(&door.service),
                table::state(code, &state, colour),
                Cell::new(keys),
                Cell::new(door.notes.join("; ")),
            ]);
        }
        table.to_string()
    })
}

/// One door, as its file and what that includes say.
fn door(folder: &Folder, service: &str, pending: Option<&Pending>) -> Shown {
    let mut shown = Shown {
        service: service.to_owned(),
        state: "open",
        undo: pending.map(|pending| pending.undo),
        spare_users: Vec::new(),
        spare_groups: Vec::new(),
        open_if_missing: false,
        ours: false,
        notes: Vec::new(),
    };
    match gate(folder, service, Part::Account) {
        Err(why) => {
            shown.state = "wrong";
            shown.notes.push(why.to_string());
        }
        Ok(None) if folder.text(service).is_some_and(|text| pamfile::disabled(text, true).taken > 0) => {
            shown.state = "wrong";
            shown.notes.push("it calls pam_jit.so, but not in its account part".to_owned());
        }
        Ok(None) => shown.notes.push(about(service).to_owned()),
        Ok(Some(gate)) => gated(folder, service, &gate, &mut shown),
    }
    if pending.is_some() && shown.state != "wrong" {
        shown.state = "enabling";
    }
    shown
}

/// What an open door is.
fn about(service: &str) -> &'static str {
    const SCREENS: [&str; 9] = ["gdm", "greetd", "lightdm", "lxdm", "ly", "sddm", "wdm", "xdm", "xrdp"];
    match service {
        "sshd" | "su" | "su-l" | "sudo" | "sudo-i" => "the gate is made for it",
        "login" | "remote" => "the console: the spare way in, when all else fails",
        "polkit-1" => "passwords that polkit asks for; see pkexec in pam_jit(8)",
        "cockpit" => "logins over the web",
        "cron" | "crond" | "atd" => "jobs, each time they run",
        "systemd-user" => "user managers, which each login starts",
        "other" => "services without a file of their own",
        screen if SCREENS.iter().any(|name| screen.starts_with(name)) => "logins at a screen",
        _ => "another package's: that knows who comes in by it",
    }
}

fn gated(folder: &Folder, service: &str, gate: &Gate, shown: &mut Shown) {
    let words: Vec<&str> = gate.step.arguments.split('#').next().unwrap_or("").split_whitespace().collect();
    shown.state = if words.contains(&"mode=monitor") { "monitor" } else { "gated" };
    for word in &words {
        match word.split_once('=') {
            Some(("spare_user", names)) => shown.spare_users.extend(names.split(',').map(str::to_owned)),
            Some(("spare_group", names)) => shown.spare_groups.extend(names.split(',').map(str::to_owned)),
            _ => {}
        }
    }
    if words.contains(&"on_unavailable=allow") {
        shown.notes.push("everybody comes in while jitd does not answer".to_owned());
    }
    let actions = match &gate.step.control {
        Control::Actions(actions, _) => actions.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    shown.open_if_missing = actions.contains(&"module_unknown=ignore");
    if shown.open_if_missing {
        shown.notes.push("open where the module is missing or damaged (--if-missing=open)".to_owned());
    }
    let refuses = actions.contains(&"success=ok")
        && actions.contains(&"default=die")
        && actions
            .iter()
            .all(|action| ["success=ok", "default=die", "module_unknown=ignore"].contains(action));
    if !refuses || !gate.is_first {
        shown.state = "wrong";
        let why = if refuses {
            "what comes before the account line may let in"
        } else {
            "a refusal may count for nothing"
        };
        shown.notes.push(format!("{why}: see `jit status`"));
    }
    let by = &gate.step.file;
    if by == service {
        let text = folder.text(service).unwrap_or_default();
        shown.ours = text.lines().nth(gate.step.line - 1).is_some_and(|line| line.trim_end().ends_with(MARK));
        if !shown.ours {
            shown.notes.push("written by hand".to_owned());
        }
    } else {
        shown.notes.push(format!("along with {by}"));
    }
    match pamfile::gate(folder, service, Part::Session) {
        Ok(Some(session)) if session.skipped_by.is_none() => {}
        _ => shown
            .notes
            .push("its sessions are not registered, so they do not end: see `jit status`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::at;
    use pamfile::{Wanted, enabled};

    #[test]
    fn each_door_is_told_as_its_files_have_it() {
        let text = |name: &str| match name {
            "su-l" => "account include su\nsession include su\n",
            "odd" => "account sufficient pam_x.so\naccount [success=ok default=die] pam_jit.so\n",
            "broken" => "whatever\n",
            "only-session" => "session required pam_jit.so\n",
            _ => "account required pam_unix.so\nsession required pam_unix.so\n",
        };
        let names = ["sshd", "su", "su-l", "sudo", "login", "odd", "broken", "only-session"];
        let mut folder =
            Folder(names.iter().map(|name| ((*name).to_owned(), text(name).to_owned())).collect());
        for (service, arguments, open) in [
            ("sshd", "spare_user=rescue,two spare_group=spare", false),
            ("su", "spare_user=rescue", false),
            ("sudo", "mode=monitor", true),
        ] {
            let wanted = Wanted { arguments: arguments.to_owned(), open_if_missing: open, prompts: false };
            folder = folder.with(service, &enabled(&folder, service, &wanted).unwrap());
        }
        let pending = Pending { enabled: at(0), undo: at(600) };
        let of = |name: &str| door(&folder, name, None);
        let sshd = of("sshd");
        assert_eq!((sshd.state, sshd.ours, sshd.notes.as_slice()), ("gated", true, &[][..]));
        assert_eq!(
            (sshd.spare_users.join(","), sshd.spare_groups.join(",")),
            ("rescue,two".into(), "spare".into())
        );
        assert_eq!(door(&folder, "sshd", Some(&pending)).state, "enabling");
        assert_eq!(
            (of("su-l").state, of("su-l").ours, of("su-l").notes),
            ("gated", false, vec!["along with su".to_owned()])
        );
        assert_eq!((of("sudo").state, of("sudo").open_if_missing), ("monitor", true));
        assert_eq!(
            (of("login").state, of("login").notes),
            ("open", vec!["the console: the spare way in, when all else fails".to_owned()])
        );
        for wrong in ["odd", "broken", "only-session"] {
            assert_eq!(of(wrong).state, "wrong", "{wrong}");
        }
        let mut more = folder.clone();
        for (name, text) in [
            ("common-account", "account required pam_unix.so\n"),
            ("passwd", "password required pam_unix.so\n"),
            ("chsh", "account required pam_jit.so\n"),
            ("gdm-password", "account required pam_unix.so\n"),
            ("vsftpd", "account required pam_unix.so\n"),
        ] {
            more = more.with(name, text);
        }
        let all: Vec<String> = doors(&more).into_iter().map(|door| door.service).collect();
        assert_eq!(
            all,
            [
                "broken",
                "chsh",
                "gdm-password",
                "login",
                "odd",
                "only-session",
                "sshd",
                "su",
                "su-l",
                "sudo",
                "vsftpd"
            ],
            "every way in, and what calls the module where it gates nothing"
        );
        assert!(of("odd").notes.iter().any(|note| note == "written by hand"), "{:?}", of("odd"));
    }
}
