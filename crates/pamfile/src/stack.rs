//! What libpam calls for one part of a service, in order, with what is included in its place.

use crate::line::is_ours;
use crate::{Control, Folder, NotUnderstood, Part, Refusal, Says, Then, limits, parse};
use std::collections::BTreeSet;

/// One module that is called, or a substack: whatever happens in that, what comes after it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The service file that the line is in.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What its answer means.
    pub control: Control,
    /// The module or substack as it is written.
    pub module: String,
    /// Everything behind.
    pub arguments: String,
}

impl Step {
    /// Whether it calls our module.
    pub fn is_ours(&self) -> bool {
        self.control != Control::Substack && is_ours(&self.module)
    }

    /// Whether what comes next is never called: `[default=1]`.
    fn always_jumps(&self) -> bool {
        let Control::Actions(written, then) = &self.control else { return false };
        let is_of_all = written.iter().any(|action| action.starts_with("default="));
        is_of_all && then.iter().all(|then| matches!(then, Then::Jump(_)))
    }
}

/// Modules that say PAM_SESSION_ERR where something is not as they need it, by their manual pages and sources. Others say it
/// only to an application that names nobody.
const SAY_SESSION_ERR: [&str; 10] = [
    "pam_debug.so",
    DENY,
    "pam_keyinit.so",
    "pam_loginuid.so",
    "pam_namespace.so",
    "pam_selinux.so",
    "pam_systemd.so",
    "pam_timestamp.so",
    "pam_tty_audit.so",
    "pam_xauth.so",
];

/// Says it always, and is there to be jumped over.
const DENY: &str = "pam_deny.so";

/// How the gate stands in one part of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The line that calls the module.
    pub step: Step,
    /// What could end the part, or go on behind the gate, before it is asked.
    pub skipped_by: Option<Step>,
    /// What may fail before it in sudo's session part with an answer over which sudo goes on: that is the answer of the part
    /// then, whatever the gate says.
    pub unheard_by: Option<Step>,
    /// Whether nothing of this part is called before it.
    pub is_first: bool,
    /// Whether nothing of this part is called after it.
    pub is_last: bool,
}

/// What is called for `part` of `service`, in order. None where there is no such file.
pub fn stack(folder: &Folder, service: &str, part: Part) -> Result<Option<Vec<Step>>, Refusal> {
    let mut steps = Vec::new();
    let Some(text) = folder.text(service) else { return Ok(None) };
    take(folder, service, text, part, limits::DEPTH, &mut steps)?;
    Ok(Some(steps))
}

fn take(
    folder: &Folder,
    file: &str,
    text: &str,
    part: Part,
    depth: u32,
    steps: &mut Vec<Step>,
) -> Result<(), Refusal> {
    let lines = parse(text).map_err(|NotUnderstood { line, why }| Refusal::NotUnderstood {
        file: file.to_owned(),
        line,
        why,
    })?;
    for line in lines {
        let included = match line.says {
            Says::Whole(included) => included,
            Says::Entry { part: of, .. } if of != part => continue,
            Says::Entry { control: Control::Include, module, .. } => module,
            Says::Entry { control, module, arguments, .. } => {
                let file = file.to_owned();
                steps.push(Step { file, line: line.number, control, module, arguments });
                continue;
            }
        };
        let wrong = |why: &str| Refusal::NotUnderstood {
            file: file.to_owned(),
            line: line.number,
            why: format!("it includes {included}, {why}"),
        };
        let text = folder.text(&included).ok_or_else(|| wrong("which is not there"))?;
        let depth = depth.checked_sub(1).ok_or_else(|| wrong("and files include one another without end"))?;
        take(folder, &included, text, part, depth, steps)?;
    }
    Ok(())
}

/// How the gate stands in `part` of `service`: none where it does not.
pub fn gate(folder: &Folder, service: &str, part: Part) -> Result<Option<Gate>, Refusal> {
    let steps = stack(folder, service, part)?.unwrap_or_default();
    let Some(at) = steps.iter().position(Step::is_ours) else { return Ok(None) };
    let (before, rest) = steps.split_at(at);
    let Some((step, after)) = rest.split_first() else { return Ok(None) };
    let skips = |(place, step): &(usize, &Step)| match &step.control {
        Control::Sufficient => true,
        Control::Required | Control::Optional | Control::Include | Control::Substack => false,
        Control::Actions(_, then) => then.iter().any(|then| match then {
            Then::GoOn => false,
            Then::Done => true,
            Then::Jump(over) => place.saturating_add(*over) >= at,
        }),
    };
    Ok(Some(Gate {
        step: step.clone(),
        skipped_by: before.iter().enumerate().find(skips).map(|(_, step)| step.clone()),
        unheard_by: if part == Part::Session && matches!(service, "sudo" | "sudo-i") {
            unheard(folder, before, &mut BTreeSet::new())
        } else {
            None
        },
        is_first: before.is_empty(),
        is_last: after.iter().all(Step::is_ours),
    }))
}

/// The first of these steps over whose failure sudo goes on, also where it lies in a substack, whose answer counts. Each
/// file is looked into once.
fn unheard(folder: &Folder, steps: &[Step], looked: &mut BTreeSet<String>) -> Option<Step> {
    steps.iter().enumerate().find_map(|(at, step)| {
        if step.control == Control::Substack {
            let is_new = looked.insert(step.module.clone());
            let inner = is_new.then(|| stack(folder, &step.module, Part::Session).ok()?)?;
            return unheard(folder, &inner?, looked);
        }
        let name = step.module.rsplit('/').next().unwrap_or_default();
        let before = at.checked_sub(1).and_then(|before| steps.get(before));
        let is_passed_over = name == DENY && before.is_some_and(Step::always_jumps);
        let fails = SAY_SESSION_ERR.contains(&name) && step.control.fails_with("session_err");
        (fails && !is_passed_over).then(|| step.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> Folder {
        Folder(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn skipped(files: &[(&str, &str)]) -> Option<(String, usize)> {
        let gate = gate(&folder(files), "x", Part::Session).unwrap().unwrap();
        gate.skipped_by.map(|step| (step.file, step.line))
    }

    const OURS: &str = "session [success=ok default=bad] pam_jit.so\n";

    #[test]
    fn what_can_skip_the_gate_is_found_wherever_it_is_included() {
        for (before, common, found) in [
            ("session sufficient pam_x.so\n", "", Some(("x", 1))),
            ("session [success=done default=ok] pam_x.so\n", "", Some(("x", 1))),
            ("@include common\n", "session sufficient pam_x.so\n", Some(("common", 1))),
            ("session include common\n", "\nsession sufficient pam_x.so\n", Some(("common", 2))),
            // A substack keeps to itself what ends it.
            ("session substack common\n", "session sufficient pam_x.so\n", None),
            // Debian's own: a jump over the next line, which is there.
            ("@include common\n", "session [default=1] pam_permit.so\nsession requisite pam_deny.so\n", None),
            ("@include common\n", "session [default=1] pam_permit.so\n", Some(("common", 1))),
            (
                "session [default=2] pam_permit.so\nsession required pam_a.so\nsession substack common\n",
                "session sufficient pam_x.so\n",
                None,
            ),
            (
                "session [default=3] pam_permit.so\nsession required pam_a.so\nsession substack common\n",
                "",
                Some(("x", 1)),
            ),
            ("auth sufficient pam_rootok.so\naccount sufficient pam_x.so\n", "", None),
        ] {
            let text = format!("{before}{OURS}");
            let found = found.map(|(file, line)| (file.to_owned(), line));
            assert_eq!(skipped(&[("x", &text), ("common", common)]), found, "{before}{common}");
        }
    }

    #[test]
    fn what_fails_before_the_gate_as_sudo_does_not_hear_is_found() {
        for (before, found) in [
            ("session required pam_loginuid.so\n", true),
            ("session requisite /lib/security/pam_loginuid.so\n", true),
            ("session [success=ok] pam_namespace.so\n", true),
            ("session [session_err=die default=ignore] pam_selinux.so close\n", true),
            ("session optional pam_loginuid.so\n", false),
            ("session [success=ok session_err=ignore default=bad] pam_loginuid.so\n", false),
            ("session [success=ok ignore=ignore default=ok] pam_keyinit.so\n", false),
            ("session required pam_unix.so\nsession required pam_limits.so\n", false),
            ("account required pam_loginuid.so\n", false),
            ("session required pam_systemd.so\n", true),
            ("session requisite pam_deny.so\n", true),
            ("session [default=1] pam_permit.so\nsession requisite pam_deny.so\n", false),
            ("session substack inner\n", false),
        ] {
            let text = format!("{before}{OURS}session required pam_loginuid.so\n");
            let gate = gate(&folder(&[("sudo", &text)]), "sudo", Part::Session).unwrap().unwrap();
            assert_eq!(gate.unheard_by.map(|step| step.line), found.then_some(1), "{before}");
        }
        let jumps = "session [success=1 default=ignore] pam_succeed_if.so\nsession requisite pam_deny.so\n";
        let inner = "session substack inner\nsession substack other\nsession substack nowhere\n";
        let other = "session optional pam_keyinit.so\nsession required pam_keyinit.so\n";
        let some = "session [success=1] pam_a.so\nsession requisite pam_deny.so\n";
        for (before, found) in
            [(jumps, ("sudo", 2)), (some, ("sudo", 2)), ("session substack inner\n", ("other", 2))]
        {
            let files = [
                ("sudo", &*format!("{before}session optional pam_a.so\n{OURS}")),
                ("inner", inner),
                ("other", other),
            ];
            let gate = gate(&folder(&files), "sudo", Part::Session).unwrap().unwrap();
            let step = gate.unheard_by.unwrap();
            assert_eq!((step.file.as_str(), step.line), found, "{before}");
        }
        // Others go on over nothing, and its auth part opens no session.
        let lines =
            "auth required pam_timestamp.so\nauth required pam_jit.so\nsession required pam_keyinit.so\n";
        let files = folder(&[("sudo", lines), ("sshd", &format!("{lines}{OURS}"))]);
        for (service, part) in [("sudo", Part::Auth), ("sshd", Part::Session)] {
            assert_eq!(gate(&files, service, part).unwrap().unwrap().unheard_by, None, "{service}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_followed_is_named_with_its_line() {
        let of = |files: &[(&str, &str)]| stack(&folder(files), "x", Part::Auth).unwrap_err().to_string();
        assert_eq!(
            of(&[("x", "\n@include nowhere\n")]),
            "/etc/pam.d/x, line 2 is not understood: it includes nowhere, which is not there"
        );
        assert!(of(&[("x", "@include x\n")]).contains("without end"));
        assert!(of(&[("x", "auth include y\n"), ("y", "what\n")]).starts_with("/etc/pam.d/y, line 1 is not"));
        assert_eq!(stack(&folder(&[]), "x", Part::Auth), Ok(None));
    }
}
