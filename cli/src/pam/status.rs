//! `jit pam status`: every door, and whether the gate stands before it.

use super::files::{self, Files};
use super::name::Door;
use super::spare::{Account, Accounts};
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
    /// `gated` `monitor` `enabling` `open` `wrong` `unread`
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Time>,
    /// Accounts that the module lets in by itself.
    pub spare_users: Vec<String>,
    /// Groups whose members it does.
    pub spare_groups: Vec<String>,
    /// Whether people come in without the gate where the module is missing or does not load.
    open_if_missing: bool,
    /// Whether `jit pam disable` would take the lines out.
    ours: bool,
    /// What else its lines were asked for with.
    #[serde(skip)]
    more: Vec<&'static str>,
    /// The service whose lines gate it along.
    #[serde(skip)]
    by: Option<String>,
    /// What is to be known of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Shown {
    fn open(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            state: "open",
            undo: None,
            spare_users: Vec::new(),
            spare_groups: Vec::new(),
            open_if_missing: false,
            ours: false,
            more: Vec::new(),
            by: None,
            notes: Vec::new(),
        }
    }

    /// Whether its lines let this account in without a grant: everybody, or as a spare key that they name.
    pub fn lets_in(&self, account: &Account, accounts: &Accounts) -> bool {
        let of_group = |group| accounts.members(group).is_some_and(|members| members.contains(account));
        matches!(self.state, "open" | "monitor")
            || self.spare_users.contains(&account.name)
            || self.spare_groups.iter().any(|group| of_group(group))
    }

    /// What puts right a door that is `wrong`, without opening it where that can be.
    pub fn mend(&self) -> String {
        let service = self.by.as_ref().unwrap_or(&self.service);
        if !self.ours {
            return format!(
                "write its lines as pam_jit(8) has them; jit pam disable {service} --force takes them out, and then it is open"
            );
        }
        self.enable(service)
    }

    /// What gates `service` as this one is.
    pub fn enable(&self, service: &str) -> String {
        let mut words = vec![format!("jit pam enable {service}")];
        words.extend(self.spare_users.iter().map(|name| format!("--spare-user {name}")));
        words.extend(self.spare_groups.iter().map(|name| format!("--spare-group {name}")));
        if self.spare_users.is_empty() && self.spare_groups.is_empty() {
            words.push("--spare-user NAME".to_owned());
        }
        words.extend(self.more.iter().map(|&word| word.to_owned()));
        words.extend(self.open_if_missing.then(|| "--if-missing=open".to_owned()));
        words.join(" ")
    }
}

/// Whether it is a door that the gate is made for.
pub fn is_made_for(service: &str) -> bool {
    matches!(service, "sshd" | "su" | "su-l" | "sudo" | "sudo-i")
}

/// Doors into one program, by two files.
const TWINS: [(&str, &str); 4] = [("sudo", "sudo-i"), ("sudo-i", "sudo"), ("su", "su-l"), ("su-l", "su")];

/// Each door that is gated while another one into the same program is open, with that one.
pub fn half_gated(doors: &[Shown]) -> Vec<(&Shown, &Shown)> {
    let door = |name: &str| doors.iter().find(|door| door.service == name);
    let half = |(gated, open): (&str, &str)| {
        let gated = door(gated).filter(|door| matches!(door.state, "gated" | "monitor" | "enabling"))?;
        Some((gated, door(open).filter(|door| door.state == "open")?))
    };
    TWINS.into_iter().filter_map(half).collect()
}

/// Every door that there is.
pub fn doors(Files { folder, unread }: &Files) -> Vec<Shown> {
    // What calls the module is shown, whatever it is.
    let is_door = |name: &str, text: &str| !NO_DOORS.contains(&name) || text.contains(pamfile::MODULE);
    let files = folder.0.iter().filter(|(name, text)| !name.starts_with("common-") && is_door(name, text));
    let read = files.map(|(name, _)| name.as_str()).map(|name| {
        let pending = name.parse::<Door>().ok().and_then(|door| undo::pending(&door));
        door(folder, name, pending.as_ref())
    });
    let unread = unread.iter().filter(|(name, _)| is_door(name, "")).map(|(name, why)| Shown {
        state: "unread",
        notes: vec![why.clone()],
        ..Shown::open(name)
    });
    let mut doors: Vec<Shown> = read.chain(unread).collect();
    doors.sort_by(|one, other| one.service.cmp(&other.service));
    let half: Vec<(String, String)> = half_gated(&doors)
        .into_iter()
        .map(|(gated, open)| (open.service.clone(), format!("{} is gated, and this is not", gated.service)))
        .collect();
    for (open, note) in half {
        doors.iter_mut().filter(|door| door.service == open).for_each(|door| door.notes.push(note.clone()));
    }
    doors
}

pub fn status(out: &mut Output) -> Result<(), CliError> {
    let shown = doors(&files::all()?);
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
                "wrong" | "unread" => "denied",
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
pub fn door(folder: &Folder, service: &str, pending: Option<&Pending>) -> Shown {
    let mut shown = Shown { undo: pending.map(|pending| pending.undo), ..Shown::open(service) };
    let text = folder.text(service).unwrap_or_default();
    match gate(folder, service, Part::Account) {
        Err(why) => {
            // What libpam would not read and does not call the module lets in nobody that is our affair.
            shown.state = if text.contains(pamfile::MODULE) { "wrong" } else { "open" };
            shown.notes.push(why.to_string());
        }
        Ok(None) if pamfile::disabled(text, true).taken > 0 => {
            shown.state = "wrong";
            shown.ours = pamfile::disabled(text, false).by_hand.is_empty();
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
        made if is_made_for(made) => "the gate is made for it",
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
    let monitors = words.contains(&"mode=monitor");
    shown.state = if monitors { "monitor" } else { "gated" };
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
        shown.notes.push("open where the module is missing or does not load (--if-missing=open)".to_owned());
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
    let text = folder.text(by).unwrap_or_default();
    let is_ours = text.lines().nth(gate.step.line - 1).is_some_and(|line| line.trim_end().ends_with(MARK));
    let prompts = pamfile::gate(folder, by, Part::Auth).is_ok_and(|auth| auth.is_some());
    shown.more = [(monitors, "--monitor"), (prompts, "--prompt")]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect();
    if by == service {
        shown.ours = is_ours;
        if !is_ours {
            shown.notes.push("written by hand".to_owned());
        }
    } else {
        shown.by = Some(by.clone());
        shown.notes.push(format!("along with {by}"));
    }
    let session = pamfile::gate(folder, service, Part::Session).ok().flatten();
    if session.as_ref().is_some_and(|session| session.unheard_by.is_some()) {
        shown.state = "wrong";
        shown.notes.push("whom sudo becomes may not be checked: see `jit status`".to_owned());
    }
    if session.is_none_or(|session| session.skipped_by.is_some()) {
        shown.notes.push("its sessions are not registered, so they do not end: see `jit status`".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::at;
    use pamfile::{Wanted, enabled};

    #[test]
    fn a_door_that_is_open_beside_its_gated_twin_is_told_with_what_gates_it_alike() {
        let text = "account required pam_unix.so\nsession required pam_unix.so\n";
        let wanted = Wanted { arguments: "spare_user=rescue".to_owned(), ..Wanted::default() };
        let half = |gated: &[&str]| {
            let names = ["sudo", "sudo-i", "su", "su-l", "sshd"];
            let mut folder = Folder(names.iter().map(|&name| (name.to_owned(), text.to_owned())).collect());
            for service in gated {
                folder = folder.with(service, &enabled(&folder, service, &wanted).unwrap());
            }
            let doors = doors(&Files { folder, ..Files::default() });
            let told = half_gated(&doors);
            told.iter()
                .map(|(gated, open)| {
                    let note = format!("{} is gated, and this is not", gated.service);
                    assert!(open.notes.contains(&note), "{open:?}");
                    gated.enable(&open.service)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(half(&["sudo", "sshd"]), ["jit pam enable sudo-i --spare-user rescue"]);
        assert_eq!(half(&["sudo-i"]), ["jit pam enable sudo --spare-user rescue"]);
        assert_eq!(half(&["su"]), ["jit pam enable su-l --spare-user rescue"]);
        assert_eq!(half(&["su", "su-l", "sudo", "sudo-i"]), [""; 0]);
        assert_eq!(half(&["sshd"]), [""; 0]);
    }

    #[test]
    fn each_door_is_told_as_its_files_have_it() {
        let text = |name: &str| match name {
            "su-l" => "account include su\nsession include su\n",
            "odd" => "account sufficient pam_x.so\naccount [success=ok default=die] pam_jit.so\n",
            "broken" => "whatever\naccount required pam_jit.so\n",
            "elsewhere" => "account include nobody-knows\n",
            "only-session" => "session required pam_jit.so # by jit pam enable\n",
            _ => "account required pam_unix.so\nsession required pam_unix.so\n",
        };
        let names = ["sshd", "su", "su-l", "sudo", "login", "odd", "broken", "elsewhere", "only-session"];
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
        for (wrong, mend) in [
            ("odd", "write its lines as pam_jit(8) has them"),
            ("broken", "write its lines as pam_jit(8) has them"),
            ("only-session", "jit pam enable only-session --spare-user NAME"),
        ] {
            let shown = of(wrong);
            assert!(shown.state == "wrong" && shown.mend().starts_with(mend), "{shown:?}: {}", shown.mend());
        }
        assert_eq!(
            (of("elsewhere").state, of("elsewhere").notes.len()),
            ("open", 1),
            "it is nobody's affair here"
        );
        let edited = |service: &str| {
            let text = folder.text(service).unwrap().replace("default=die", "default=ignore");
            door(&folder.with(service, &text), service, None)
        };
        for (service, mend) in [
            ("sshd", "jit pam enable sshd --spare-user rescue --spare-user two --spare-group spare"),
            ("sudo", "jit pam enable sudo --spare-user NAME --monitor --if-missing=open"),
        ] {
            assert_eq!((edited(service).state, edited(service).mend()), ("wrong", mend.to_owned()));
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
        let unread = ["su-x", "passwd"].map(|name| (name.to_owned(), "it is too long".to_owned())).into();
        let all = doors(&Files { folder: more, unread });
        let unread: Vec<&str> =
            all.iter().filter(|door| door.state == "unread").map(|door| door.service.as_str()).collect();
        assert_eq!(unread, ["su-x"]);
        let all: Vec<String> = all.into_iter().map(|door| door.service).collect();
        assert_eq!(
            all,
            [
                "broken",
                "chsh",
                "elsewhere",
                "gdm-password",
                "login",
                "odd",
                "only-session",
                "sshd",
                "su",
                "su-l",
                "su-x",
                "sudo",
                "vsftpd"
            ],
            "every way in, and what calls the module where it gates nothing"
        );
        assert!(of("odd").notes.iter().any(|note| note == "written by hand"), "{:?}", of("odd"));
    }
}
