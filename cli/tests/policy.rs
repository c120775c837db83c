//! The policy commands that need no daemon, as programs.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PEOPLE: &str =
    "[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n[carol]\ngroups = [\"leads\"]\n";

const POLICY: &str = r#"[[rule]]
id = "no-night"
effect = "deny"
who = { groups = ["leads"] }
where = { labels = { env = "prod" } }

[[rule]]
id = "dev"
who = { groups = ["dev"] }
where = { hosts = ["web-*"] }
ask = { reason_min = 10, ticket = "(OPS|DEV)-[0-9]+" }
auto = { max = "30m" }
time = { default = "1h", max = "4h" }
approve = [
  { from = ["group:leads"] },
  { from = ["user:carol"], when = { longer_than = "2h" } },
]
escalate = [{ after = "15m", to = ["user:bob"] }]
tell = ["group:leads"]
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    /// A policy with its people, and no local accounts.
    fn new(policy: &str, people: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("passwd", "");
        folder.write("group", "");
        folder.write("policy.toml", policy);
        folder.write("people.toml", people);
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs `jit` in the folder.
    fn jit(&self, arguments: &[&str]) -> Output {
        jit(self.0.path(), arguments)
    }

    /// Who runs `jit` there is logged in to a hub.
    fn logs_in(&self) {
        let kept = self.0.path().join("jit");
        std::fs::create_dir(&kept).unwrap();
        let file = kept.join("hub.toml");
        std::fs::write(&file, "url = \"https://hub.example:8443\"\ntoken = \"jit_x\"\n").unwrap();
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn check(&self, more: &[&str]) -> Output {
        self.jit(&[&["policy", "check", "policy.toml", "--accounts", "."], more].concat())
    }

    fn explain(&self, more: &[&str]) -> Output {
        let common = ["policy", "explain", "--file", "policy.toml", "--accounts", "."];
        self.jit(&[&common, more].concat())
    }
}

fn jit(folder: &Path, arguments: &[&str]) -> Output {
    let mut jit = Command::new(env!("CARGO_BIN_EXE_jit"));
    jit.current_dir(folder).env("XDG_CONFIG_HOME", folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_check_that_finds_nothing_refusing_is_exit_code_0_and_lists_what_it_found() {
    let folder = Folder::new(POLICY, PEOPLE);
    let output = folder.check(&[]);
    assert_eq!((code(&output), error(&output)), (0, String::new()));
    assert_eq!(
        said(&output),
        "policy.toml:7: note: rule \"dev\": one click in a chat gives root: write teams = \"notify\", or let two \
         people agree and write teams = \"first-of-two\"\n\
         policy.toml:7: note: rule \"dev\": gives root without anybody (for 30m at most): leave sudo and su to \
         another rule if that is too much\n\
         policy.toml: 2 rules, 3 people: 0 refused, 0 warnings, 2 notes.\n"
    );
    let checked = json(&folder.check(&["--json"]));
    assert_eq!((&checked["good"], &checked["file"]), (&true.into(), &"policy.toml".into()));
    assert_eq!(checked["findings"][1]["kind"], "auto_gives_root");
    assert_eq!(
        (&checked["findings"][1]["weight"], &checked["findings"][1]["line"]),
        (&"note".into(), &7.into())
    );
}

#[test]
fn a_check_for_a_hub_leaves_the_accounts_of_this_machine_out() {
    let folder = Folder::new(POLICY, PEOPLE);
    folder.write("passwd", "mallory:x:1:1::/:/bin/sh\n");
    let people = |more: &[&str]| {
        let output = folder.jit(&[&["policy", "check", "policy.toml"], more].concat());
        let words = said(&output);
        words.split(", ").find_map(|part| part.split_once(" people")?.0.parse::<usize>().ok()).unwrap()
    };
    assert_eq!((people(&["--accounts", "."]), people(&["--no-accounts"])), (4, 3));
    folder.logs_in();
    assert_eq!((people(&["--accounts", "."]), people(&[])), (4, 3));
}

#[test]
fn the_rules_of_a_hub_are_named_and_never_those_of_this_machine_unsaid() {
    let folder = Folder::new(POLICY, PEOPLE);
    folder.logs_in();
    for command in ["apply", "diff"] {
        let output = folder.jit(&["policy", command]);
        assert_eq!(code(&output), 2);
        assert_eq!(
            error(&output),
            "error: commands go to the hub at https://hub.example:8443, so name the FILE that is meant for it: \
             /etc/jitd/policy.toml is for this machine, with --socket /run/jitd/control.sock\n"
        );
    }
}

#[test]
fn a_check_that_finds_what_refuses_is_exit_code_1_and_local_accounts_are_people_where_nobody_is_listed() {
    let folder =
        Folder::new("[[rule]]\nid = \"two\"\napprove = [{ from = [\"group:ops\"], need = 2 }]\n", "");
    std::fs::remove_file(folder.0.path().join("people.toml")).unwrap();
    folder.write("passwd", "alice:x:1:1::/:/bin/sh\nbob:x:2:2::/:/bin/sh\ncarol:x:3:3::/:/bin/sh\n");
    folder.write("group", "ops:x:9:alice,bob,carol\n");
    let output = folder.check(&[]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains(
        "policy.toml:1: refused: rule \"two\": it needs 2 people, and alice, bob or carol could be one person"
    ));
    assert_eq!(
        error(&output),
        "error: policy.toml cannot come into force: mend what is marked as refused (1)\n"
    );
    assert_eq!(json(&folder.check(&["--json"]))["good"], false);
    let listed = folder.write("who.toml", "[alice]\n[bob]\n[carol]\n");
    let output = folder.check(&["--people", listed.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[test]
fn what_cannot_be_read_is_exit_code_2_with_every_mistake_of_both_files_on_a_line() {
    let folder = Folder::new(
        "[[rule]]\nid = \"a\"\nwhom = 1\napprove = [{ from = [\"bob\"] }]\n",
        "[alice]\nmial = \"x\"\n",
    );
    let output = folder.check(&[]);
    assert_eq!((code(&output), said(&output)), (2, String::new()));
    let lines: Vec<String> = error(&output).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("error: policy.toml:3: rule \"a\": whom: is not a key here"), "{lines:?}");
    assert!(lines[1].trim_start().starts_with("policy.toml:4: rule \"a\": approve.from: "), "{lines:?}");
    assert!(lines[2].trim_start().starts_with("people.toml:2: alice: mial: is not a key here"), "{lines:?}");
    let output = folder.check(&["--json"]);
    let checked = json(&output);
    assert_eq!((code(&output), &checked["good"]), (2, &false.into()));
    assert_eq!(
        (&checked["mistakes"][0]["line"], &checked["mistakes"][0]["key"]),
        (&3.into(), &"whom".into())
    );
    let output = folder.jit(&["policy", "check", "gone.toml"]);
    assert_eq!(code(&output), 2);
    assert!(error(&output).starts_with("error: reading gone.toml: No such file"), "{}", error(&output));
}

#[test]
fn an_explanation_reads_from_top_to_bottom() {
    let folder = Folder::new(POLICY, PEOPLE);
    let ask = ["--user", "alice", "--host", "web-1", "--service", "ssh,sudo", "--at", "2026-11-25T10:00:00Z"];
    let output = folder.explain(&ask);
    assert_eq!(code(&output), 0, "{}", error(&output));
    assert_eq!(
        said(&output),
        "alice asks for ssh,sudo as root on web-1 for 1h, at 2026-11-25T10:00:00Z
   │ covered by rule \"dev\" (line 7)
   │ must say a reason of 10 characters, a ticket like (OPS|DEV)-[0-9]+
   │
   ├─ by itself: no
   │    ✗ 1h is longer than the 30m that it gives by itself
   │
   ├─ step 1: 1 of group leads
   │    could now: bob or carol
   │
   ├─ not needed: 1 of carol, only for what is longer than 2h
   │
   ├─ after 15m: bob can fill any step too
   │    could then: bob
   │
   ╰─ approved once 1 person agreed, for 1h; waits 1d for them
     in chats: a click in a chat counts like any other
     told too: bob, carol

The other rules:
   no-night  line 1    only for group leads
"
    );
    let short = said(&folder.explain(&[&ask[..], &["--for", "30m"]].concat()));
    assert!(
        short.contains("by itself: yes\n") && short.contains("╰─ approved at once by the rule, for 30m\n"),
        "{short}"
    );
    let long = json(&folder.explain(&[&ask[..], &["--for", "3h", "--json"]].concat()));
    assert_eq!((&long["outcome"]["how"], &long["outcome"]["needs"]), (&"by_people".into(), &2.into()));
}

#[test]
fn an_explanation_of_a_refusal_says_why_of_every_rule() {
    let folder = Folder::new(POLICY, PEOPLE);
    let at = ["--at", "2026-11-25T10:00:00Z"];
    let denied = ["--user", "bob", "--host", "web-1", "--label", "env=prod"];
    assert_eq!(
        said(&folder.explain(&[&denied[..], &at].concat())),
        "bob asks for ssh on web-1, at 2026-11-25T10:00:00Z
   │
   ╰─ refused at once: rule \"no-night\" forbids it, whoever would approve

The other rules:
   dev  line 7    only for group dev
"
    );
    let elsewhere = said(&folder.explain(&["--user", "alice", "--host", "db-1"]));
    assert!(elsewhere.contains("rule \"dev\" comes nearest, but not for host db-1"), "{elsewhere}");
    assert!(elsewhere.contains("   dev       line 7    not for host db-1\n"), "{elsewhere}");
    let nobody = folder.explain(&["--user", "ghost", "--host", "web-1"]);
    assert_eq!(code(&nobody), 1);
    assert_eq!(error(&nobody), "error: nobody has the login name ghost: name somebody of people.toml\n");
    let unsaid = folder.explain(&["--user", "alice"]);
    assert_eq!(code(&unsaid), 2);
    for alone in [&["--people", "x"][..], &["--label", "a=b"], &["--accounts", "/"]] {
        let output = folder.jit(&[&["policy", "explain", "--user", "alice"], alone].concat());
        assert_eq!(code(&output), 2, "{alone:?} means nothing to the daemon");
    }
    let asked = folder.jit(&["--socket", "/no/such/socket", "policy", "explain", "--user", "alice"]);
    assert_eq!(code(&asked), 3, "without a file the daemon is asked");
}

#[test]
fn the_cases_of_the_examples_are_met() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples");
    let mut files = 0;
    for file in std::fs::read_dir(&examples).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".cases.toml") {
            files += 1;
            let output = jit(&examples, &["policy", "test", &name]);
            assert_eq!(code(&output), 0, "{name}:\n{}{}", said(&output), error(&output));
        }
    }
    assert_eq!(files, 5);
}

#[test]
fn a_case_that_is_not_met_is_exit_code_1_and_a_table_of_expected_and_got() {
    let folder = Folder::new(POLICY, PEOPLE);
    let cases = "policy = \"policy.toml\"\n[hosts.web-9]\nenv = \"prod\"\n\
        [[case]]\nname = \"good\"\nuser = \"alice\"\nhosts = [\"web-1\"]\nexpect = { rule = \"dev\" }\n\
        [[case]]\nname = \"bad\"\nuser = \"alice\"\nhosts = [\"web-1\"]\nfor = \"3h\"\n\
        expect = { rule = \"ops\", auto = true, refused = true, approvers = [\"bob\"], steps = 1, break_glass = true }\n\
        [[case]]\nname = \"prod\"\nuser = \"bob\"\nhosts = [\"web-9\"]\nexpect = { rule = \"none\", refused = true }\n\
        [[case]]\nname = \"typo\"\nuser = \"alcie\"\nhosts = [\"web-1\"]\nexpect = { refused = true }\n";
    folder.write("cases.toml", cases);
    let output = folder.jit(&["policy", "test", "cases.toml"]);
    assert_eq!(
        (code(&output), error(&output)),
        (1, "error: 3 of 4 cases are not met by policy.toml\n".to_owned())
    );
    let table: Vec<String> =
        said(&output).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        table,
        [
            "CASE LINE WHAT EXPECTED GOT",
            "bad 9 rule ops dev",
            "bad 9 refused yes no",
            "bad 9 auto yes no (3h is longer than the 30m that it gives by itself)",
            "bad 9 approvers bob bob, carol",
            "bad 9 steps 1 2",
            "bad 9 break_glass yes no",
            "prod 15 rule none no-night (rule \"no-night\" forbids it, whoever would approve)",
            "typo 20 user somebody nobody has the login name alcie",
            "1 of 4 cases are met.",
        ]
    );
    let tested = json(&folder.jit(&["--json", "policy", "test", "cases.toml"]));
    assert_eq!((&tested["cases"], &tested["failed"]), (&4.into(), &3.into()));
    assert_eq!(tested["missed"][0]["expected"], "ops");
}

#[test]
fn a_file_of_cases_with_mistakes_is_exit_code_2_and_names_them() {
    let folder = Folder::new(POLICY, PEOPLE);
    folder.write(
        "cases.toml",
        "[[case]]\nname = \"a\"\nuser = \"alice\"\nhosts = [\"Web\"]\nexpects = {}\n[[case]]\n",
    );
    let output = folder.jit(&["policy", "test", "cases.toml", "--file", "policy.toml"]);
    let told = error(&output);
    assert_eq!(code(&output), 2);
    for part in [
        "cases.toml:4: case \"a\": hosts: ",
        "cases.toml:1: case \"a\": expect: expects nothing",
        "cases.toml:5: case \"a\": expects: is not a key here",
        "cases.toml:6: case 2: name: is missing",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    folder.write(
        "cases.toml",
        "[[case]]\nname = \"a\"\nuser = \"alice\"\nhosts = [\"web\"]\nexpect = { steps = 1 }\n",
    );
    let output = folder.jit(&["policy", "test", "cases.toml"]);
    assert_eq!(code(&output), 2);
    assert!(
        error(&output).contains("names no policy: write policy = \"FILE\" at its top, or add --file FILE")
    );
}

#[test]
fn two_files_are_compared_without_a_daemon_and_what_is_in_force_with_it() {
    let folder = Folder::new(POLICY, PEOPLE);
    folder.write("new.toml", &POLICY.replace("max = \"4h\"", "max = \"8h\""));
    let output = folder.jit(&["policy", "diff", "policy.toml", "new.toml"]);
    assert_eq!(code(&output), 0, "{}", error(&output));
    let text = said(&output);
    assert!(text.contains(
        "-time = { default = \"1h\", max = \"4h\" }\n+time = { default = \"1h\", max = \"8h\" }\n"
    ));
    assert!(
        text.starts_with("--- policy.toml\n+++ policy.toml\n@@ ") && !text.contains("people.toml"),
        "{text}"
    );
    let same = folder.jit(&["policy", "diff", "policy.toml", "policy.toml"]);
    assert_eq!(said(&same), "The two say the same.\n");
    for arguments in [&["new.toml"][..], &["policy.toml", "new.toml", "--replay", "90d"]] {
        let all = [&["--socket", "/no/such/socket", "policy", "diff"], arguments].concat();
        assert_eq!(code(&folder.jit(&all)), 3, "{arguments:?}");
    }
}
