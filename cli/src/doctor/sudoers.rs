//! What sudoers says that takes sudo past the gate, as cvtsudoers(1) reads it: all that is included, as data.

use super::{Look, found};
use crate::program::ran;
use serde_json::Value;
use std::path::Path;

const WHAT: &str = "sudoers";

/// Services that sudo goes by unless told otherwise.
const OWN: [&str; 2] = ["sudo", "sudo-i"];

pub fn look() -> Vec<Look> {
    if !Path::new("/etc/sudoers").exists() {
        return vec![Look::right(WHAT)];
    }
    let unread = |why: String| {
        vec![Look::wrong(
            WHAT,
            format!("it cannot be read: {why}"),
            "visudo -c; and is cvtsudoers, of the package sudo, there?",
        )]
    };
    match ran("cvtsudoers", ["-f", "json", "-s", "aliases,privileges", "/etc/sudoers"]) {
        Err(why) => unread(why.to_string()),
        Ok(said) if !said.status.success() => unread(String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        Ok(said) => match serde_json::from_slice(&said.stdout) {
            Ok(sudoers) => found(WHAT, past_the_gate(&sudoers)),
            Err(why) => unread(why.to_string()),
        },
    }
}

/// Settings under which sudo asks the gate not, or not all.
fn past_the_gate(sudoers: &Value) -> Vec<(String, String)> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    for defaults in list(sudoers, "Defaults") {
        let of = match defaults.get("Binding") {
            Some(binding) => format!("Defaults of {binding}"),
            None => "Defaults".to_owned(),
        };
        for option in list(&defaults, "Options") {
            for (name, value) in option.as_object().into_iter().flatten() {
                let then = match (name.as_str(), value) {
                    ("pam_acct_mgmt", Value::Bool(false)) => {
                        "sudo does not ask the gate, and needs no grant".to_owned()
                    }
                    ("pam_session", Value::Bool(false)) => {
                        "whom sudo becomes is not checked, and its sessions do not end".to_owned()
                    }
                    ("runas_allow_unknown_id", Value::Bool(true)) => {
                        "sudo opens no session for a user id without an account, so a grant to become one account is \
                         one for all of these, and their groups"
                            .to_owned()
                    }
                    ("pam_service" | "pam_login_service" | "pam_askpass_service", Value::String(service))
                        if !OWN.contains(&service.as_str()) =>
                    {
                        format!("sudo goes by /etc/pam.d/{service}, not by its own file")
                    }
                    _ => continue,
                };
                wrong.push((
                    format!("{of}: {name} is {value}: {then}"),
                    "take it out with visudo, -f FILE for one of /etc/sudoers.d".to_owned(),
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_sudo_past_the_gate_is_told_with_whose_it_is() {
        let sudoers = serde_json::json!({ "Defaults": [
            { "Options": [{ "env_reset": true }, { "pam_acct_mgmt": true }, { "pam_service": "sudo" }] },
            { "Binding": [{ "username": "alice" }], "Options": [{ "pam_acct_mgmt": false }, { "pam_login_service": "other" }] },
            { "Options": [{ "pam_session": false }, { "runas_allow_unknown_id": false }] },
            { "Options": [{ "runas_allow_unknown_id": true }] },
        ]});
        let told: Vec<String> = past_the_gate(&sudoers).into_iter().map(|(wrong, _)| wrong).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[3].contains("opens no session for a user id without an account"), "{told:?}");
        assert!(told[0].starts_with(
            "Defaults of [{\"username\":\"alice\"}]: pam_acct_mgmt is false: sudo does not ask"
        ));
        assert!(
            told[1].contains("/etc/pam.d/other") && told[2].starts_with("Defaults: pam_session"),
            "{told:?}"
        );
        assert!(past_the_gate(&serde_json::json!({})).is_empty());
    }
}
