//! Tables for people.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

/// What a terminal is sent for the colours of [`state`], and for the end of one (ECMA-48, SGR).
pub const COLOURS: [&str; 5] = ["\x1b[38;5;8m", "\x1b[38;5;9m", "\x1b[38;5;10m", "\x1b[38;5;11m", "\x1b[39m"];

/// A table with these headings.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings.iter().map(Cell::new));
    table
}

/// Words about a state, in its colour where colours are of use.
pub fn state(code: &str, words: &str, colour: bool) -> Cell {
    let cell = Cell::new(words);
    if !colour {
        return cell;
    }
    match code {
        "pending" | "scheduled" | "unclaimed" => cell.fg(Color::Yellow),
        "approved" | "active" | "open" => cell.fg(Color::Green),
        "denied" | "revoked" | "ending" => cell.fg(Color::Red),
        _ => cell.fg(Color::DarkGrey),
    }
}
