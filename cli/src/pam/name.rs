//! The name of a PAM service, which is that of its file.

use access::Service;
use std::fmt;
use std::str::FromStr;

/// A service whose file can be edited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door(String);

/// Services that the gate is made for.
const OURS: [&str; 5] = ["sshd", "sudo", "sudo-i", "su", "su-l"];

impl Door {
    /// As PAM has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether somebody who is in becomes somebody else there, so that who asks is the subject.
    pub fn switches(&self) -> bool {
        matches!(self.as_str(), "sudo" | "sudo-i" | "su" | "su-l")
    }

    /// `su` or `su -l`
    pub fn is_su(&self) -> bool {
        matches!(self.as_str(), "su" | "su-l")
    }

    /// Why the gate does not belong there, unless somebody insists.
    pub fn is_unwise(&self) -> Option<&'static str> {
        match self.as_str() {
            own if OURS.contains(&own) => None,
            "login" => Some("the console is the way back in when all else fails"),
            "cron" | "crond" | "atd" => Some("jobs would need a grant each time they run"),
            "systemd-user" => Some("each login starts a user manager by it, and nobody could ask there"),
            "polkit-1" => {
                Some("it asks for a password only, and gates nothing of what polkit allows without")
            }
            _ => Some("the gate is made for sshd, sudo and su, and nobody can ask for access anywhere else"),
        }
    }

    /// Another way into the same program, by a file of its own where the system has one: `sudo -i`.
    pub fn along(&self) -> Option<Self> {
        (self.as_str() == "sudo").then(|| Self("sudo-i".to_owned()))
    }

    /// What grants for it are for.
    pub fn class(&self) -> Option<Service> {
        Service::of_pam(&self.0).ok()
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > 64 || text.starts_with(['.', '-']) || !text.bytes().all(plain) {
            return Err("a service is named as its file in /etc/pam.d, like sshd or sudo".to_owned());
        }
        if text.starts_with("common-") || text == "other" {
            return Err(format!(
                "many services share /etc/pam.d/{text}, cron and display managers too: name the service itself"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_services_share_and_names_that_are_paths_are_no_doors() {
        for bad in
            ["", "../sshd", "/etc/pam.d/sshd", ".sshd", "-x", "common-account", "other", "a b", "a%b", "a$"]
        {
            assert!(bad.parse::<Door>().is_err(), "{bad:?}");
        }
        for service in OURS {
            assert_eq!(service.parse::<Door>().unwrap().is_unwise(), None);
        }
        for service in ["login", "cron", "systemd-user", "polkit-1", "gdm-password"] {
            assert!(service.parse::<Door>().unwrap().is_unwise().is_some(), "{service}");
        }
    }
}
