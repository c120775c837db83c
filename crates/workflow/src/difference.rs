//! Two versions of a policy and its people, line by line.

/// The texts of one version: `policy.toml`, and `people.toml` if there is one.
pub type Texts<'a> = (&'a str, Option<&'a str>);

/// What changes from one version to the other; nothing where both are the same.
pub fn difference(before: Texts<'_>, after: Texts<'_>) -> String {
    [("policy.toml", before.0, after.0), ("people.toml", before.1.unwrap_or(""), after.1.unwrap_or(""))]
        .iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| {
            similar::TextDiff::from_lines(*old, *new)
                .unified_diff()
                .context_radius(2)
                .header(name, name)
                .to_string()
        })
        .collect()
}
