//! The screen: drawn from an inbox onto any terminal, of any size.

use super::dialog::{Dialog, What};
use super::inbox::{Inbox, Mode, Section};
use crate::output::clean;
use crate::words;
use api::{NewVerdict, RequestView};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};
use workflow::{Afterwards, RequestState};

/// Columns below which a row says only who wants what.
const NARROW: u16 = 60;

/// Lines below which there is no room for details.
const LOW: u16 = 12;

/// Lines that an error may take from the list.
const STATUS: usize = 3;

/// Keys, for the bottom line and the help.
const KEYS: [(&str, &str); 9] = [
    ("a", "approve, or find a break glass right"),
    ("d", "deny, or find a break glass wrong"),
    ("up, k", "the one above"),
    ("down, j", "the one below"),
    ("PgUp, PgDn", "scroll the details"),
    ("/", "find; Esc shows all again"),
    ("r", "look again at once"),
    ("?", "this help"),
    ("q", "quit"),
];

/// Draws the screen. How far the details can be scrolled.
pub fn draw(frame: &mut Frame<'_>, inbox: &Inbox) -> u16 {
    let whole = frame.area();
    let status = status(inbox, whole.width);
    let rows = rows(inbox, whole.width);
    let told = u16::try_from(status.len()).unwrap_or(1).max(1);
    let room = whole.height.saturating_sub(told + 2);
    // The list takes what it needs, up to two fifths, and the details what is left.
    let listed = u16::try_from(rows.lines.len()).unwrap_or(u16::MAX).min(room * 2 / 5);
    let details = if whole.height < LOW { 0 } else { room - listed };
    let [head, list, about, said, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(details),
        Constraint::Length(told),
        Constraint::Length(1),
    ])
    .areas(whole);
    frame.render_widget(header(inbox, head.width), head);
    frame.render_widget(Paragraph::new(rows.lines).scroll((offset(rows.selected, list.height), 0)), list);
    let furthest = draw_details(frame, inbox, about);
    frame.render_widget(Paragraph::new(status), said);
    frame.render_widget(bottom(inbox, keys.width), keys);
    match &inbox.mode {
        Mode::Help => draw_help(frame, whole),
        Mode::Dialog(dialog) => draw_dialog(frame, dialog, whole),
        Mode::Filter => {
            let column = Span::raw(inbox.filter.as_str()).width() + 1;
            frame.set_cursor_position(Position::new(end_of(keys, column), keys.y));
        }
        Mode::List => {}
    }
    furthest
}

fn header(inbox: &Inbox, width: u16) -> Line<'static> {
    let count = |section| inbox.shown().iter().filter(|(of, _)| *of == section).count();
    let left =
        format!(" {}: {} to review, {} of yours", inbox.you, count(Section::Yours), count(Section::Own));
    let clock = inbox.now.format("%H:%M:%S UTC ").to_string();
    let clock = if width < NARROW { String::new() } else { clock };
    let room = usize::from(width).saturating_sub(clock.len());
    Line::from(format!("{}{clock}", fit(&left, room))).style(Style::new().add_modifier(Modifier::REVERSED))
}

/// The list, and which of its lines is chosen.
struct Rows {
    lines: Vec<Line<'static>>,
    selected: usize,
}

fn rows(inbox: &Inbox, width: u16) -> Rows {
    let shown = inbox.shown();
    let (mut lines, mut selected, mut section) = (Vec::new(), 0, None);
    let chosen = inbox.selected().map(|request| request.ask.id);
    for (of, request) in shown {
        if section != Some(of) {
            section = Some(of);
            let title = match of {
                Section::Yours => "For you to review",
                Section::Others => "For others to review",
                Section::Own => "Your own",
            };
            lines.push(Line::from(title).bold());
        }
        let is_chosen = Some(request.ask.id) == chosen;
        let mut line = row(request, is_chosen, inbox, width);
        if is_chosen {
            selected = lines.len();
            line = line.style(Style::new().add_modifier(Modifier::REVERSED));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        let words = match (inbox.has_begun(), inbox.filter.as_str()) {
            (false, _) => format!("Asking {} \u{2026}", inbox.door),
            (true, "") => "No request waits. A new one shows up here by itself.".to_owned(),
            (true, wanted) => {
                format!("No request that waits has \"{}\" in it. Esc shows all.", clean(wanted))
            }
        };
        lines.push(Line::from(fit(&words, width.into())).dim());
    }
    Rows { lines, selected }
}

fn row(request: &RequestView, chosen: bool, inbox: &Inbox, width: u16) -> Line<'static> {
    let (left, late) = match (&request.state, &request.afterwards) {
        (RequestState::Pending { until }, _) => (words::countdown(*until - inbox.now), false),
        (_, Some(Afterwards { overdue: true, .. })) => ("overdue".to_owned(), true),
        (_, Some(Afterwards { due, .. })) => (words::countdown(*due - inbox.now), false),
        _ => (String::new(), false),
    };
    let mark = if request.afterwards.is_some() { "! " } else { "  " };
    let hand = if chosen { ">" } else { " " };
    let who = fit(request.ask.person.as_str(), 10);
    let agreed = if width < NARROW { String::new() } else { words::counted(request).unwrap_or_default() };
    let agreed = if width < NARROW { agreed } else { format!("{agreed:>7}") };
    let used = 3 + 10 + 1 + agreed.len() + 9;
    let what = fit(&words::asks(request), usize::from(width).saturating_sub(used));
    let time = Span::raw(format!("{left:>9}"));
    Line::from(vec![
        Span::raw(hand),
        Span::raw(mark).bold().fg(Color::Red),
        Span::raw(format!("{who} {what}{agreed}")),
        if late { time.fg(Color::Red) } else { time },
    ])
}

/// So many lines are out of sight above, so that the chosen one is in sight.
fn offset(selected: usize, height: u16) -> u16 {
    let below = (selected + 1).saturating_sub(height.into());
    u16::try_from(below).unwrap_or(u16::MAX)
}

fn draw_details(frame: &mut Frame<'_>, inbox: &Inbox, area: Rect) -> u16 {
    let Some(request) = inbox.selected().filter(|_| area.height > 1) else {
        return 0;
    };
    let inside = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let mut lines = Vec::new();
    for (name, fact) in words::facts(request, inbox.now) {
        let room = usize::from(inside.width).saturating_sub(12);
        for (n, part) in wrapped(&fact, room).into_iter().enumerate() {
            let name = if n == 0 { name } else { "" };
            lines.push(Line::from(vec![Span::raw(format!("{name:>10}  ")).dim(), Span::raw(part)]));
        }
    }
    let furthest = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(inside.height);
    let more = furthest.saturating_sub(inbox.scrolled);
    let more = if more > 0 { format!(" {more} more: PgDn ") } else { String::new() };
    let title = format!(" {} is {} ", request.ask.id, words::standing(request));
    let block = Block::new()
        .borders(Borders::TOP)
        .title(Line::from(title).bold())
        .title(Line::from(more).right_aligned().dim());
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines).scroll((inbox.scrolled.min(furthest), 0)), inside);
    furthest
}

/// What happened last, or why there is nothing new.
fn status(inbox: &Inbox, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(why) = &inbox.away {
        let words = format!("What you see may be old: {why}. Trying again.");
        lines.extend(wrapped(&words, width.into()).into_iter().map(|line| Line::from(line).fg(Color::Red)));
        lines.truncate(STATUS);
        return lines;
    }
    let sent = inbox.sent.as_ref().map(|dialog| {
        let id = dialog.request.ask.id;
        (true, format!("{id}: sending your review \u{2026}"))
    });
    for (good, words) in inbox.told.iter().chain(&sent) {
        let style = Style::new().fg(if *good { Color::Green } else { Color::Red });
        lines.extend(wrapped(words, width.into()).into_iter().map(|line| Line::from(line).style(style)));
    }
    // The newest at the end says the most.
    let many = lines.len().saturating_sub(STATUS);
    lines.drain(..many);
    lines
}

fn bottom(inbox: &Inbox, width: u16) -> Line<'static> {
    let words = match (&inbox.mode, inbox.filter.as_str()) {
        (Mode::Filter, wanted) => return Line::from(tail(&format!("/{}", clean(wanted)), width.into())),
        _ if width < NARROW => "a d / r ? q: press ? for help".to_owned(),
        (_, "") => "a approve  d deny  / find  r refresh  ? help  q quit".to_owned(),
        (_, wanted) => format!("a approve  d deny  ? help  q quit  only with \"{}\"", clean(wanted)),
    };
    Line::from(fit(&words, width.into())).dim()
}

fn draw_help(frame: &mut Frame<'_>, whole: Rect) {
    let lines = KEYS.iter().map(|(key, does)| Line::from(format!("{key:>10}  {does}"))).collect();
    boxed(frame, " Keys ", lines, whole);
}

fn draw_dialog(frame: &mut Frame<'_>, dialog: &Dialog, whole: Rect) {
    let request = &dialog.request;
    let (id, person) = (request.ask.id, &request.ask.person);
    let title = match (dialog.verdict, dialog.looks()) {
        (NewVerdict::Approve, false) => format!(" Approve {id} of {person} "),
        (NewVerdict::Deny, false) => format!(" Deny {id} of {person} "),
        (NewVerdict::Approve, true) => format!(" {person} broke glass ({id}): it was in order "),
        (NewVerdict::Deny, true) => format!(" {person} broke glass ({id}): it was not in order "),
    };
    let width = usize::from(box_width(whole)).saturating_sub(2);
    let mut lines: Vec<Line<'static>> =
        wrapped(&words::asks(request), width).into_iter().map(Line::from).collect();
    if dialog.looks() && dialog.verdict == NewVerdict::Deny {
        lines
            .extend(wrapped("Where the grant still runs, it is revoked.", width).into_iter().map(Line::from));
    }
    lines.push(Line::default());
    let mut cursor = (0, 0);
    for (n, field) in dialog.fields.iter().enumerate() {
        let (name, empty) = match (field.what, dialog.verdict) {
            (What::Length, _) => ("for", format!("{}, or shorter", words::longest(request))),
            (What::Comment, NewVerdict::Approve) => ("comment", "none".to_owned()),
            (What::Comment, NewVerdict::Deny) => ("comment", "why; the person reads it".to_owned()),
        };
        let room = width.saturating_sub(10);
        let text = tail(&clean(field.line.as_str()), room);
        if n == dialog.at {
            cursor = (lines.len(), 9 + Span::raw(&*text).width());
        }
        let value = if text.is_empty() { Span::raw(empty).dim().italic() } else { Span::raw(text) };
        let name = Span::raw(format!("{name:>7}  "));
        lines.push(Line::from(vec![if n == dialog.at { name.bold() } else { name }, value]));
    }
    let wrong = dialog.wrong.as_deref().unwrap_or_default();
    lines.extend(wrapped(&clean(wrong), width).into_iter().map(|line| Line::from(line).fg(Color::Red)));
    let keys = if dialog.fields.len() > 1 {
        "Enter sends  Tab next  Esc gives up"
    } else {
        "Enter sends  Esc gives up"
    };
    lines.push(Line::from(keys).dim());
    let inside = boxed(frame, &title, lines, whole);
    let row = inside.y.saturating_add(u16::try_from(cursor.0).unwrap_or(0));
    if row < inside.bottom() {
        frame.set_cursor_position(Position::new(end_of(inside, cursor.1), row));
    }
}

/// A column of an area, or its last one.
fn end_of(area: Rect, column: usize) -> u16 {
    let column = area.x.saturating_add(u16::try_from(column).unwrap_or(u16::MAX));
    column.min(area.right().saturating_sub(1))
}

fn box_width(whole: Rect) -> u16 {
    whole.width.saturating_sub(4).min(66)
}

/// Lines in a box in the middle of the screen; the area inside it.
fn boxed(frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'static>>, whole: Rect) -> Rect {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(whole.height);
    let width = box_width(whole);
    let area = Rect { x: (whole.width - width) / 2, y: (whole.height - height) / 2, width, height };
    let block =
        Block::bordered().title(fit(title, title.chars().count().min(width.saturating_sub(2).into())));
    let inside = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
    inside
}

/// Exactly so many columns: cut short with an ellipsis, or filled up with blanks.
fn fit(text: &str, columns: usize) -> String {
    let mut text = clean(text);
    if width(&text) > columns {
        while width(&text) >= columns && text.pop().is_some() {}
        if columns > 0 {
            text.push('\u{2026}');
        }
    }
    text.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&text))));
    text
}

/// The end of a text that is being written, as much of it as fits.
fn tail(text: &str, columns: usize) -> String {
    let mut rest = text;
    while width(rest) >= columns.max(1) {
        let mut chars = rest.chars();
        chars.next();
        rest = chars.as_str();
    }
    rest.to_owned()
}

fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Lines of at most so many columns, broken between words where that can be.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if !line.is_empty() && width(&line) + width(c.encode_utf8(&mut [0; 4])) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{access, agrees, at, broken_glass, person, text};
    use crate::watch::inbox::Input;
    use crate::watch::keys::Key;
    use access::RequestId;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn requests() -> Vec<RequestView> {
        let mut second = access();
        second.ask.id = RequestId::from_random(2);
        second.ask.asked_at = at(60);
        second.ask.person = person("dora");
        second.ask.asked_by = person("erik");
        second.ask.reason =
            text("the certificate of the shop runs out tonight, see the ticket for how to renew it");
        second.needs = 2;
        agrees(&mut second, "carol", Some("be quick"));
        let mut own = access();
        own.ask.id = RequestId::from_random(3);
        own.ask.person = person("bob");
        own.ask.asked_by = person("bob");
        own.yours_to_review = false;
        own.could_approve = vec![person("carol")];
        vec![access(), second, own, broken_glass()]
    }

    fn inbox(requests: Vec<RequestView>) -> Inbox {
        let mut inbox = Inbox::new(person("bob"), "jitd", at(173));
        inbox.on(Input::Listed(Ok(requests)));
        inbox
    }

    fn press(inbox: &mut Inbox, keys: &str) {
        for c in keys.chars() {
            let _ = inbox.on(Input::Key(if c == '\t' { Key::Tab } else { Key::Char(c) }));
        }
    }

    fn screen(inbox: &Inbox, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| {
                draw(frame, inbox);
            })
            .unwrap();
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(width.into());
        let rows: Vec<String> = rows
            .map(|row| {
                row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
            })
            .collect();
        rows.join("\n") + "\n"
    }

    fn same(name: &str, golden: &str, screen: &str) {
        assert_eq!(golden, screen, "{name} is drawn now as\n{screen}");
    }

    #[test]
    fn screens_of_80_columns_and_24_lines() {
        let mut list = inbox(requests());
        press(&mut list, "jj");
        same("list", include_str!("golden/list"), &screen(&list, 80, 24));
        press(&mut list, "a1h");
        same("approve", include_str!("golden/approve"), &screen(&list, 80, 24));
        let mut glass = inbox(requests());
        same("glass", include_str!("golden/glass"), &screen(&glass, 80, 24));
        press(&mut glass, "d");
        let _ = glass.on(Input::Key(Key::Enter));
        same("deny", include_str!("golden/deny"), &screen(&glass, 80, 24));
        let mut found = inbox(requests());
        press(&mut found, "/shop");
        same("find", include_str!("golden/find"), &screen(&found, 80, 24));
        let mut help = inbox(Vec::new());
        press(&mut help, "?");
        same("help", include_str!("golden/help"), &screen(&help, 80, 24));
        let mut away = inbox(requests());
        away.on(Input::Listed(Err("asking jitd on /run/jitd/control.sock: connection refused: is it running? See `systemctl status jitd`, or name another socket with --socket".to_owned())));
        same("away", include_str!("golden/away"), &screen(&away, 80, 24));
    }

    #[test]
    fn a_narrow_screen_says_who_wants_what_and_how_long_it_waits() {
        same("narrow", include_str!("golden/narrow"), &screen(&inbox(requests()), 36, 16));
    }

    #[test]
    fn no_screen_is_too_small_and_none_is_overrun() {
        for keys in ["", "a1h\tbe quick", "d", "/shop", "?"] {
            let mut inbox = inbox(requests());
            press(&mut inbox, keys);
            for width in [1, 2, 3, 5, 8, 13, 21, 34, 55, 200] {
                for height in [1, 2, 3, 5, 8, 13, 60] {
                    screen(&inbox, width, height);
                }
            }
        }
    }

    #[test]
    fn the_chosen_row_is_in_sight_however_long_the_list() {
        let many = |n: u64| {
            let mut request = access();
            request.ask.id = RequestId::from_random(n);
            request.ask.person = person(&format!("p{n}"));
            request
        };
        let mut inbox = inbox((0..100).map(many).collect());
        let _ = inbox.on(Input::Key(Key::Last));
        let last = inbox.selected().unwrap().ask.person.to_string();
        assert!(screen(&inbox, 80, 24).contains(&format!("  {last} ")));
    }

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        let mut request = access();
        request.rule = "a\x1b[2Jb\x07".to_owned();
        let mut inbox = inbox(vec![request]);
        inbox.on(Input::Reviewed(Err("c\x1b]0;d".to_owned())));
        let screen = screen(&inbox, 80, 24);
        assert!(screen.contains("a[2Jb") && screen.contains("c]0;d"), "{screen}");
        assert!(screen.chars().all(|c| c == '\n' || !c.is_control()), "{screen:?}");
    }

    #[test]
    fn text_is_cut_and_broken_by_columns_not_letters() {
        assert_eq!(fit("\u{78c1}\u{76d8}", 5), "\u{78c1}\u{76d8} ");
        assert_eq!(fit("\u{78c1}\u{76d8}\u{5df2}", 5), "\u{78c1}\u{76d8}\u{2026}");
        assert_eq!(tail("\u{78c1}\u{76d8}ab", 4), "ab");
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(wrapped("", 4), [""; 0]);
    }
}
