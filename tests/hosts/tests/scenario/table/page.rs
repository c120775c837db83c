//! The table as a page for people, `docs/faults.md`.

use super::row::{Cell, Row, Verdict, rows};

const HEAD: &str = "# What each fault means

Made from `tests/hosts/faults.toml`, which the tests play cell by cell on a booted host with real ssh and sudo.

* *user* holds grants for ssh and sudo. *root* logs in over ssh with a grant, and its own sudo needs none. The *spare key*
  is the account that `spare_user=` names.
* Each cell has the verdict, the reason in the log (`reason=`), and the longest time that the gate makes somebody wait.
* sudo is run by somebody who is already logged in.
* After each fault the same people get in again, and nothing that was acknowledged is lost.
* Without the module, or with a damaged one, gated services refuse everybody. The console's `login` is the way back:
  `jit pam enable` does not gate it unless forced.

";

/// The whole page.
fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "| fault | user: ssh | user: sudo | root: ssh | root: sudo | spare key: ssh | spare key: sudo |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|\n");
    for row in rows {
        page.push_str(&format!("| {} |", row.what));
        for cell in cells(row) {
            page.push_str(&format!(" {} |", short(cell)));
        }
        page.push('\n');
    }
    page.push_str("\n## What is shown\n\nThe gate shows nothing to people whom it lets in.\n\n");
    for row in rows {
        let mut lines: Vec<String> = cells(row)
            .iter()
            .filter(|cell| !cell.line.is_empty())
            .map(|cell| format!("`{}`", cell.line))
            .collect();
        lines.dedup();
        if !lines.is_empty() {
            page.push_str(&format!("* {}: {}\n", row.what, lines.join(", ")));
        }
    }
    page
}

fn cells(row: &Row) -> Vec<&Cell> {
    row.people().into_iter().flat_map(|(_, ways)| [&ways.ssh, &ways.sudo]).collect()
}

fn short(cell: &Cell) -> String {
    let mut short = match cell.verdict {
        Verdict::In => "in".to_owned(),
        Verdict::Refused => "**refused**".to_owned(),
    };
    if !cell.code.is_empty() {
        short.push_str(&format!(" `{}`", cell.code));
    }
    if !cell.wait().is_zero() {
        short.push_str(&format!(" {} s", cell.wait().as_secs_f32()));
    }
    short
}

#[test]
fn the_page_says_what_the_table_says() {
    let page = page(&rows());
    let kept = testbed::repository().join("docs/faults.md");
    let made = testbed::repository().join("target/faults.md");
    std::fs::write(&made, &page).unwrap();
    let same = std::fs::read_to_string(&kept).is_ok_and(|kept| kept == page);
    assert!(same, "the table is newer: cp {} {}", made.display(), kept.display());
}
