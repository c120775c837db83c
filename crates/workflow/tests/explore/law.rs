//! The policies of the exploration, each twice: as an administrator writes it, and as a table that is read
//! here without any code of the crate.

/// One policy.
pub struct Law {
    pub toml: &'static str,
    /// The id of its rule.
    pub id: &'static str,
    /// Every host and service it gives, in pairs.
    pub covers: &'static [(&'static str, &'static str)],
    /// Who may agree, how many of them must, and above how many seconds the step counts.
    pub steps: &'static [(&'static [&'static str], usize, i64)],
    /// Who may agree too, after so many seconds.
    pub later: &'static [(i64, &'static [&'static str])],
    /// Seconds it gives.
    pub longest: i64,
    pub extend: Option<Extend>,
    pub glass: Option<Glass>,
    /// Seconds that need nobody, and how often.
    pub auto: Option<(i64, usize)>,
}

pub struct Extend {
    pub count: u32,
    pub longest: i64,
    pub total: i64,
    /// Whether the steps of the rule must be met once more.
    pub same: bool,
}

pub struct Glass {
    pub who: &'static [&'static str],
    pub review_by: &'static [&'static str],
    pub longest: i64,
    pub within: i64,
}

/// How long a request waits, by each of them.
pub const PENDING: i64 = 600;

pub const LOGINS: [&str; 4] = ["alice", "alice-adm", "bob", "carol"];

/// Everything there is.
const ALL: &[(&str, &str)] = &[("a", "ssh"), ("a", "sudo"), ("b", "ssh"), ("b", "sudo")];

/// Two of the group, or alone and looked at afterwards.
pub const TWO: Law = Law {
    toml: r#"
        [[rule]]
        id = "two"
        time = { default = "1h", max = "1h", pending = "10m", extend = { count = 1, max = "30m", total = "75m" } }
        approve = [{ from = ["group:ops"], need = 2 }]
        break_glass = { who = ["user:alice", "user:alice-adm"], max = "30m", review_by = ["group:ops"], within = "20m" }
    "#,
    id: "two",
    covers: ALL,
    steps: &[(&LOGINS, 2, 0)],
    later: &[],
    longest: 3600,
    extend: Some(Extend { count: 1, longest: 1800, total: 4500, same: true }),
    glass: Some(Glass { who: &["alice", "alice-adm"], review_by: &LOGINS, longest: 1800, within: 1200 }),
    auto: None,
};

/// Two steps that share people, for less time; one of them comes in late.
pub const STEPS: Law = Law {
    toml: r#"
        [[rule]]
        id = "steps"
        time = { default = "30m", max = "30m", pending = "10m" }
        approve = [{ from = ["user:carol", "user:alice"] }, { from = ["user:carol", "user:alice-adm"] }]
        escalate = [{ after = "8m", to = ["user:bob"] }]
    "#,
    id: "steps",
    covers: ALL,
    steps: &[(&["carol", "alice"], 1, 0), (&["carol", "alice-adm"], 1, 0)],
    later: &[(480, &["bob"])],
    longest: 1800,
    extend: None,
    glass: None,
    auto: None,
};

/// One, and two for what is long; nobody for what is short.
pub const ONE: Law = Law {
    toml: r#"
        [[rule]]
        id = "one"
        time = { default = "1h", max = "1h", pending = "10m", extend = { count = 2, max = "20m", total = "70m", approve = "nobody" } }
        approve = [{ from = ["user:bob"] }, { from = ["group:ops"], when = { longer_than = "40m" } }]
        escalate = [{ after = "5m", to = ["user:carol"] }]
        auto = { max = "15m", quota = "1 per 1d" }
    "#,
    id: "one",
    covers: ALL,
    steps: &[(&["bob"], 1, 0), (&LOGINS, 1, 2400)],
    later: &[(300, &["carol"])],
    longest: 3600,
    extend: Some(Extend { count: 2, longest: 1200, total: 4200, same: false }),
    glass: None,
    auto: Some((900, 1)),
};

/// Anybody of the group, on one of the two hosts.
pub const PART: Law = Law {
    toml: r#"
        [[rule]]
        id = "part"
        where = { hosts = ["a"] }
        time = { default = "1h", max = "1h", pending = "10m" }
        approve = [{ from = ["group:ops"] }]
    "#,
    id: "part",
    covers: &[("a", "ssh"), ("a", "sudo")],
    steps: &[(&LOGINS, 1, 0)],
    later: &[],
    longest: 3600,
    extend: None,
    glass: None,
    auto: None,
};

/// Four people, as far as anybody knows.
pub const APART: &str = r#"
    [alice]
    groups = ["ops"]
    [alice-adm]
    groups = ["ops"]
    [bob]
    groups = ["ops"]
    [carol]
    groups = ["ops"]
"#;

/// The same once it is known that two of them are one.
pub const MERGED: &str = r#"
    [alice]
    names = ["alice", "alice-adm"]
    groups = ["ops"]
    [bob]
    groups = ["ops"]
    [carol]
    groups = ["ops"]
"#;

/// The human who sits behind a login.
pub fn human(login: &str, merged: bool) -> &str {
    if merged && login == "alice-adm" { "alice" } else { login }
}
