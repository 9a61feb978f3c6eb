//! A diff for people: changed words stand out, and where the terminal is wide enough old and new stand side by side.
//!
//! For programs there is [`crate::patch::unified`]. What is shown here is complete: long lines are broken, never cut.

use std::time::Duration;
use std::time::Instant;

use similar::ChangeTag;
use similar::DiffOp;
use similar::TextDiff;

use super::colour::Depth;
use super::text::columns;
use super::text::glyphs;
use super::text::visible;

/// Columns from which old and new stand side by side.
const SIDE_BY_SIDE: usize = 140;
/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// Time for the comparison; over it, what is left is shown as changed as a whole.
const TIME: Duration = Duration::from_secs(2);

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffView {
    /// Columns.
    pub width: usize,
    /// Colours; without any nothing but text is printed.
    pub depth: Depth,
    /// Whether characters outside of ASCII may be used for the line between the sides.
    pub unicode: bool,
    /// Columns of a tab.
    pub tab: usize,
}

/// What a piece of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Plain,
    Title,
    Place,
    Quiet,
    Old,
    OldWord,
    New,
    NewWord,
}

/// A line of one of the texts, in pieces; the flag says whether the piece is a changed word.
struct Line<'t> {
    tag: ChangeTag,
    number: usize,
    pieces: Vec<(bool, &'t str)>,
    /// It is the last one and has no end.
    open: bool,
}

type Row = Vec<(Role, String)>;

/// The rows that show how `old` becomes `new`, without line ends; none if they are equal. Nothing in them but colours acts on the
/// terminal.
pub fn rows(title: &str, old: &str, new: &str, view: &DiffView) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let deadline = Instant::now() + TIME;
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    let diff = TextDiff::configure().deadline(deadline).diff_slices(&old_lines, &new_lines);
    // A carriage return is shown where it makes a difference.
    let crlf = |text: &str| text.matches('\n').count() == text.matches("\r\n").count();
    let end = if crlf(old) && crlf(new) { "\r\n" } else { "\n" };
    let digits = old_lines.len().max(new_lines.len()).to_string().len();
    let mut rows: Vec<Row> = vec![vec![(Role::Title, visible(title).into_owned())]];
    for group in diff.grouped_ops(CONTEXT) {
        rows.push(vec![(Role::Place, place(&group))]);
        for op in &group {
            let changes: Vec<_> = diff.iter_inline_changes_deadline(op, Some(deadline)).collect();
            let lines: Vec<Line<'_>> = changes
                .iter()
                .map(|change| {
                    let index = change.new_index().or(change.old_index()).unwrap_or(0);
                    let mut pieces = change.values().to_vec();
                    let open = !strip_end(&mut pieces, end);
                    Line { tag: change.tag(), number: index + 1, pieces, open }
                })
                .collect();
            if view.width >= SIDE_BY_SIDE {
                sides(&mut rows, &lines, digits, view);
            } else {
                lines.iter().for_each(|line| one_below_the_other(&mut rows, line, digits, view));
            }
        }
    }
    rows.iter().map(|row| paint(row, view.depth)).collect()
}

/// Takes the line end off the last piece; whether there was one.
fn strip_end(pieces: &mut Vec<(bool, &str)>, end: &str) -> bool {
    while pieces.last().is_some_and(|(_, text)| text.is_empty()) {
        pieces.pop();
    }
    let Some((_, last)) = pieces.last_mut() else { return false };
    let Some(text) = last.strip_suffix('\n') else { return false };
    *last = text;
    if end == "\r\n" {
        // The two halves of the end may be in two pieces.
        while pieces.last().is_some_and(|(_, text)| text.is_empty()) {
            pieces.pop();
        }
        if let Some((_, last)) = pieces.last_mut() {
            *last = last.strip_suffix('\r').unwrap_or(last);
        }
    }
    true
}

/// Which lines a group of changes is about.
fn place(group: &[DiffOp]) -> String {
    let range = |start: usize, end: usize| match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        count => format!("{},{count}", start + 1),
    };
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return String::new() };
    let old = range(first.old_range().start, last.old_range().end.max(first.old_range().start));
    let new = range(first.new_range().start, last.new_range().end.max(first.new_range().start));
    format!("@@ -{old} +{new} @@")
}

fn roles(tag: ChangeTag) -> (Role, Role, char) {
    match tag {
        ChangeTag::Equal => (Role::Plain, Role::Plain, ' '),
        ChangeTag::Delete => (Role::Old, Role::OldWord, '-'),
        ChangeTag::Insert => (Role::New, Role::NewWord, '+'),
    }
}

const OPEN: &str = "\\ no line end";

fn one_below_the_other(rows: &mut Vec<Row>, line: &Line<'_>, digits: usize, view: &DiffView) {
    let (role, _, sign) = roles(line.tag);
    let room = view.width.saturating_sub(digits + 3);
    for (index, mut cells) in wrap(line, room, view.tab).into_iter().enumerate() {
        let number = if index == 0 { line.number.to_string() } else { String::new() };
        let mut row = vec![(Role::Quiet, format!("{number:>digits$} ")), (role, format!("{sign} "))];
        row.append(&mut cells);
        rows.push(row);
    }
    if line.open {
        rows.push(vec![(Role::Quiet, format!("{:digits$} {OPEN}", ""))]);
    }
}

/// Old lines on the left, new ones on the right.
fn sides(rows: &mut Vec<Row>, lines: &[Line<'_>], digits: usize, view: &DiffView) {
    let half = view.width.saturating_sub(3) / 2;
    let room = half.saturating_sub(digits + 3);
    let bar = if view.unicode { " │ " } else { " | " };
    let side = |tag: ChangeTag| {
        let cells = lines.iter().filter(move |line| line.tag == tag || line.tag == ChangeTag::Equal).flat_map(|line| {
            let (role, _, sign) = roles(line.tag);
            let wrapped = wrap(line, room, view.tab).into_iter().enumerate().map(move |(index, mut cells)| {
                let number = if index == 0 { line.number.to_string() } else { String::new() };
                let mut row = vec![(Role::Quiet, format!("{number:>digits$} ")), (role, format!("{sign} "))];
                row.append(&mut cells);
                row
            });
            wrapped.chain(line.open.then(|| vec![(Role::Quiet, format!("{:digits$} {OPEN}", ""))]))
        });
        cells.collect::<Vec<Row>>()
    };
    let (mut left, mut right) = (side(ChangeTag::Delete).into_iter(), side(ChangeTag::Insert).into_iter());
    loop {
        let (old, new) = (left.next(), right.next());
        if old.is_none() && new.is_none() {
            return;
        }
        let mut row = old.unwrap_or_default();
        let used: usize = row.iter().map(|(_, text)| columns(text)).sum();
        row.push((Role::Plain, " ".repeat(half.saturating_sub(used))));
        row.push((Role::Quiet, bar.to_owned()));
        row.extend(new.unwrap_or_default());
        rows.push(row);
    }
}

/// The line made safe to print, broken into rows of at most `room` columns.
fn wrap(line: &Line<'_>, room: usize, tab: usize) -> Vec<Row> {
    let (plain, word, _) = roles(line.tag);
    // A row holds at least the widest thing that one character becomes: `\u{10ffff}`.
    let room = room.max(12);
    let mut rows: Vec<Row> = vec![Vec::new()];
    let mut used = 0;
    for (changed, text) in &line.pieces {
        let role = if *changed { word } else { plain };
        for glyph in glyphs(text, used, tab) {
            if used + glyph.width > room {
                rows.push(Vec::new());
                used = 0;
            }
            used += glyph.width;
            let Some(row) = rows.last_mut() else { continue };
            match row.last_mut() {
                Some((last, text)) if *last == role => text.push_str(&glyph.text),
                _ => row.push((role, glyph.text.into_owned())),
            }
        }
    }
    rows
}

fn paint(row: &Row, depth: Depth) -> String {
    let mut out = String::new();
    for (role, text) in row {
        // Reverse video stands out in every palette, and shows blanks too.
        let style = match role {
            _ if depth == Depth::None => "",
            Role::Plain => "",
            Role::Title => "1",
            Role::Place => "36",
            Role::Quiet => "2",
            Role::Old => "31",
            Role::OldWord => "31;7",
            Role::New => "32",
            Role::NewWord => "32;7",
        };
        match style {
            "" => out.push_str(text),
            style => out.push_str(&format!("\u{1b}[{style}m{text}\u{1b}[0m")),
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
