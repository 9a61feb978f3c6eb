use super::*;

fn view(width: usize, depth: Depth) -> DiffView {
    DiffView { width, depth, unicode: true, tab: 4 }
}

fn plain(old: &str, new: &str, width: usize) -> Vec<String> {
    rows("f.rs", old, new, &view(width, Depth::None))
}

/// The rows without their colours.
fn bare(row: &str) -> String {
    let mut out = String::new();
    for (index, part) in row.split('\u{1b}').enumerate() {
        out.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    out
}

const OLD: &str = "a\nb\nlet total = sum(values);\nc\nd\ne\nf\n";
const NEW: &str = "a\nb\nlet count = sum(values);\nc\nd\ne\nf\n";

#[test]
fn one_below_the_other() {
    let expected = [
        "f.rs",
        "@@ -1,6 +1,6 @@",
        "1   a",
        "2   b",
        "3 - let total = sum(values);",
        "3 + let count = sum(values);",
        "4   c",
        "5   d",
        "6   e",
    ];
    assert_eq!(plain(OLD, NEW, 80), expected);
    assert_eq!(plain(OLD, OLD, 80), Vec::<String>::new());
}

#[test]
fn side_by_side_where_there_is_room() {
    let rows = plain(OLD, NEW, 140);
    let middle = |row: &str| row.chars().position(|c| c == '│');
    assert!(rows[2..].iter().all(|row| middle(row) == Some(69)), "{rows:#?}");
    assert!(rows[4].starts_with("3 - let total") && rows[4].ends_with("│ 3 + let count = sum(values);"), "{rows:#?}");
    let rows = plain("a\nb\n", "a\nx\ny\nb\n", 140);
    assert_eq!(rows.len(), 6);
    assert!(rows[3].starts_with("  ") && rows[3].ends_with("│ 2 + x"), "{rows:#?}");
}

#[test]
fn changed_words_stand_out() {
    let rows = rows("f.rs", OLD, NEW, &view(80, Depth::Ansi16));
    assert!(rows[4].contains("\u{1b}[31;7mtotal\u{1b}[0m"), "{:?}", rows[4]);
    assert!(rows[5].contains("\u{1b}[32;7mcount\u{1b}[0m"), "{:?}", rows[5]);
    assert!(!rows[2].contains("\u{1b}[3"), "{:?}", rows[2]);
    assert_eq!(rows.iter().map(|row| bare(row).trim_end().to_owned()).collect::<Vec<_>>(), plain(OLD, NEW, 80));
}

#[test]
fn nothing_is_cut_and_nothing_acts() {
    let long = format!("{}\u{1b}[2J日本\u{202e}\tend\n", "x".repeat(500));
    for width in [0, 20, 80, 140, 300] {
        for depth in [Depth::None, Depth::True] {
            let rows = rows("f\u{1b}]0;t\u{7}.rs", "short\n", &long, &view(width, depth));
            let text: String = rows.iter().map(|row| bare(row)).collect();
            assert!(!text.contains(|c: char| c.is_control() || crate::text::hazard::is_hidden(c)), "{text:?}");
            assert_eq!(text.matches('x').count(), 500);
            assert!(text.contains('␛') && text.contains('日'));
            let widest = rows.iter().map(|row| columns(&bare(row))).max().unwrap();
            assert!(widest <= width.max(24), "{widest} in {width}");
        }
    }
}

#[test]
fn line_ends_show_where_they_differ() {
    assert_eq!(plain("a\r\nb\r\n", "a\r\nc\r\n", 80)[2..], ["1   a", "2 - b", "2 + c"]);
    let rows = plain("a\nb\n", "a\r\nb\n", 80);
    assert_eq!(rows[2..], ["1 - a", "1 + a␍", "2   b"]);
    assert_eq!(plain("a\nb", "a\nb\n", 80)[2..], ["1   a", "2 - b", "  \\ no line end", "2 + b"]);
    assert_eq!(plain("", "x\n", 80)[1..], ["@@ -0,0 +1 @@", "1 + x"]);
    assert_eq!(plain("x\n", "", 80)[1..], ["@@ -1 +0,0 @@", "1 - x"]);
}
