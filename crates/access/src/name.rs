//! Names of people, logins, hosts and services: checked once, at the rim, and typed from there on.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A name that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} {wrong}")]
pub struct NameError {
    what: &'static str,
    given: String,
    wrong: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name, if it is one.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(wrong) => Err(NameError {
                        what: $what,
                        given: text.chars().take(64).collect(),
                        wrong,
                    }),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// A login name on a host, as in `/etc/passwd` or a directory (`alice`, `DOMAIN\alice`, `alice@corp`).
    Login, "login name", login
}
name! {
    /// A person, however many logins they have. On one machine the name of their account.
    Person, "person", login
}
name! {
    /// A host as grants name it.
    HostName, "host name", host
}
name! {
    /// A service class: `ssh`, `sudo`, `su`, or the PAM service name of any other door.
    Service, "service", service
}

fn login(text: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.@+$\\-".contains(c);
    match text {
        "" => Err("is empty"),
        "." | ".." => Err("is a folder"),
        _ if text.len() > limits::LOGIN => Err("is longer than 256 bytes"),
        _ if text.starts_with(['-', '+']) => Err("starts with a sign, which passwd(5) keeps for itself"),
        _ if !text.chars().all(fits) => Err("has a character other than a-z A-Z 0-9 _ . @ + $ \\ -"),
        _ => Ok(()),
    }
}

fn host(text: &str) -> Result<(), &'static str> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_')
    };
    match text {
        "" => Err("is empty"),
        _ if text.len() > limits::HOST => Err("is longer than 253 bytes"),
        _ if !text.split('.').all(label) => {
            Err("is not a host name: lower-case letters, digits, '-' and '_' in parts joined by dots")
        }
        _ => Ok(()),
    }
}

fn service(text: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match text {
        "" => Err("is empty"),
        "." | ".." => Err("is a folder"),
        _ if text.len() > limits::SERVICE => Err("is longer than 64 bytes"),
        _ if text.starts_with('-') => Err("starts with a sign"),
        _ if !text.chars().all(fits) => Err("has a character other than a-z A-Z 0-9 _ . -"),
        _ => Ok(()),
    }
}

impl Service {
    /// The class that a PAM service name belongs to.
    ///
    /// ```
    /// # use access::Service;
    /// assert_eq!(Service::of_pam("sshd").unwrap().as_str(), "ssh");
    /// assert_eq!(Service::of_pam("sudo-i").unwrap().as_str(), "sudo");
    /// assert_eq!(Service::of_pam("cockpit").unwrap().as_str(), "cockpit");
    /// ```
    pub fn of_pam(pam: &str) -> Result<Self, NameError> {
        Self::parse(match pam {
            "sshd" => "ssh",
            "sudo-i" => "sudo",
            "su-l" => "su",
            other => other,
        })
    }

    /// Whether a person who is already in becomes somebody else here, so that run-as counts.
    pub fn switches(&self) -> bool {
        matches!(self.as_str(), "sudo" | "su")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_shell_a_log_or_a_path_could_misread_are_refused() {
        for bad in
            ["", "-rf", "+@nis", ".", "..", "a b", "a/b", "a:b", "a=b", "a\n", "ä", "a\u{202e}b", "a\"b"]
        {
            assert!(Login::parse(bad).is_err(), "{bad:?}");
            assert!(Person::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["alice", "DOMAIN\\alice", "alice@corp.example", "svc_1", "a.b-c", "host$"] {
            assert!(Login::parse(good).is_ok(), "{good:?}");
        }
        assert!(Login::parse(&"a".repeat(256)).is_ok());
        assert!(Login::parse(&"a".repeat(257)).is_err());
    }

    #[test]
    fn host_names_are_lower_case_labels() {
        for bad in ["", "Web", "web..x", "-web", "web-", "web ", "web/1", &"a".repeat(64), "web."] {
            assert!(HostName::parse(bad).is_err(), "{bad:?}");
        }
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(HostName::parse(&longest).is_ok());
        assert!(HostName::parse(&format!("{longest}b")).is_err());
        for good in ["web-1", "db.prod.example", "10-0-0-1", "a_b"] {
            assert!(HostName::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn services_are_pam_file_names_by_class() {
        for bad in ["", ".", "..", "-x", "a/b", "a b", &"a".repeat(65)] {
            assert!(Service::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Service::parse(&"a".repeat(64)).is_ok());
        let class = |pam: &str| Service::of_pam(pam).unwrap().to_string();
        assert_eq!(class("sshd"), "ssh");
        assert_eq!(class("sudo"), "sudo");
        assert_eq!(class("sudo-i"), "sudo");
        assert_eq!(class("su"), "su");
        assert_eq!(class("su-l"), "su");
        assert_eq!(class("login"), "login");
        let switches = |s: &str| Service::parse(s).unwrap().switches();
        assert!(switches("sudo") && switches("su") && !switches("ssh") && !switches("login"));
    }

    #[test]
    fn an_error_names_the_input_and_its_fault() {
        assert_eq!(HostName::parse("").unwrap_err().to_string(), "host name \"\" is empty");
        let said = Login::parse("a b").unwrap_err().to_string();
        assert_eq!(said, r#"login name "a b" has a character other than a-z A-Z 0-9 _ . @ + $ \ -"#);
    }

    #[test]
    fn names_are_checked_when_read_from_json_too() {
        assert!(serde_json::from_str::<Login>("\"alice\"").is_ok());
        assert!(serde_json::from_str::<Login>("\"a b\"").is_err());
    }
}
