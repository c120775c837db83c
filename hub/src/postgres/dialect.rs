//! The SQL of the rooms that keep rows, as PostgreSQL takes it. Those write what SQLite takes too.

/// A statement: parameters are `$1`, and nobody is told which index to use.
pub fn statement(sql: &str) -> String {
    let sql =
        words(sql, &mut |word, before| if before == Some('?') { Some(format!("${word}")) } else { None });
    let mut parts = sql.split(" INDEXED BY ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(part.len());
        out.push_str(part.get(name..).unwrap_or_default());
    }
    out
}

/// Statements that make tables. Numbers are as wide as SQLite's, and text is ordered by its bytes, as there.
pub fn tables(ddl: &str) -> String {
    let ddl = words(ddl, &mut |word, _| {
        let word = match word {
            "INTEGER" => "BIGINT",
            "BLOB" => "BYTEA",
            "TEXT" => "TEXT COLLATE \"C\"",
            _ => return None,
        };
        Some(word.to_owned())
    });
    ddl.replace(") STRICT, WITHOUT ROWID;", ");").replace(") STRICT;", ");")
}

/// The text with words replaced that are in no literal and no comment. `replace` is given a word and what stands
/// before it; a `?` there goes with the word that it begins.
fn words(text: &str, replace: &mut dyn FnMut(&str, Option<char>) -> Option<String>) -> String {
    let (mut out, mut rest, mut before) = (String::with_capacity(text.len()), text, None);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' => rest.get(1..).and_then(|rest| rest.find('\'')).map_or(rest.len(), |at| at + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if first.is_alphanumeric() || first == '_' => {
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (part, after) = rest.split_at(end);
        let is_word = first.is_alphanumeric() || first == '_';
        match if is_word { replace(part, before) } else { None } {
            Some(replaced) => {
                if before == Some('?') {
                    out.pop();
                }
                out.push_str(&replaced);
            }
            None => out.push_str(part),
        }
        (rest, before) = (after, part.chars().next_back());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_and_hints_and_literals_are_what_they_are() {
        let sql = "SELECT '?1 TEXT', a FROM t INDEXED BY t_a WHERE a = ?1 AND b IN (?2, ?10) -- of ?3";
        let expected = "SELECT '?1 TEXT', a FROM t WHERE a = $1 AND b IN ($2, $10) -- of ?3";
        assert_eq!(statement(sql), expected);
    }

    #[test]
    fn tables_are_as_wide_as_sqlites_and_ordered_by_bytes() {
        let ddl = "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB, c TEXT NOT NULL) STRICT, WITHOUT ROWID;\n-- a BLOB\n";
        let expected =
            "CREATE TABLE t (a BIGINT PRIMARY KEY, b BYTEA, c TEXT COLLATE \"C\" NOT NULL);\n-- a BLOB\n";
        assert_eq!(tables(ddl), expected);
    }
}
