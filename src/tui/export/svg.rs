//! An SVG picture that moves: every row that changes is there once for each of its looks, and is seen while it has it.

use std::fmt::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::tui::theme::xterm;

const CELL: f32 = 8.4;
const ROW: f32 = 18.0;
const MARGIN: f32 = 14.0;
const FONT: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace";

/// The frames as a picture, on a dark or a light background.
pub(super) fn picture(frames: &[(Duration, Buffer)], light: bool) -> String {
    let Some((_, first)) = frames.first() else { return String::new() };
    let paper = Paper::new(light);
    let (width, height) = (f32::from(first.area.width) * CELL + 2.0 * MARGIN, f32::from(first.area.height) * ROW + 2.0 * MARGIN);
    let total: f64 = frames.iter().map(|(lasts, _)| lasts.as_secs_f64()).sum();
    let starts: Vec<f64> =
        frames.iter().scan(0.0, |at, (lasts, _)| Some(std::mem::replace(at, *at + lasts.as_secs_f64() / total))).collect();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.1} {height:.1}\" \
         font-family=\"{FONT}\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        paper.ground
    );
    for y in 0..first.area.height {
        let looks: Vec<String> = frames.iter().map(|(_, buffer)| row(buffer, y, &paper)).collect();
        let mut from = 0;
        while from < looks.len() {
            let to = looks[from..].iter().position(|look| *look != looks[from]).map_or(looks.len(), |more| from + more);
            let end = if to == looks.len() { 1.0 } else { starts[to] };
            if !looks[from].is_empty() {
                let _ = writeln!(out, "{}", seen(&looks[from], (starts[from], end), total));
            }
            from = to;
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A look of a row in its part of the time, which goes from 0 to 1. The last one is seen where nothing moves.
fn seen(look: &str, (from, to): (f64, f64), total: f64) -> String {
    let (values, times) = match (from <= 0.0, to >= 1.0) {
        (true, true) => return look.to_owned(),
        (true, false) => ("visible;hidden".to_owned(), format!("0;{to:.4}")),
        (false, true) => ("hidden;visible".to_owned(), format!("0;{from:.4}")),
        (false, false) => ("hidden;visible;hidden".to_owned(), format!("0;{from:.4};{to:.4}")),
    };
    let at_rest = if to >= 1.0 { "visible" } else { "hidden" };
    format!(
        "<g visibility=\"{at_rest}\">{look}<animate attributeName=\"visibility\" values=\"{values}\" keyTimes=\"{times}\" \
         calcMode=\"discrete\" dur=\"{total:.2}s\" repeatCount=\"indefinite\"/></g>"
    )
}

/// One row, in pieces of one style.
fn row(buffer: &Buffer, y: u16, paper: &Paper) -> String {
    let mut out = String::new();
    let mut x = 0;
    while x < buffer.area.width {
        let style = buffer[(x, y)].style();
        let (start, mut text) = (x, String::new());
        while x < buffer.area.width && buffer[(x, y)].style() == style {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += (columns(symbol) as u16).max(1);
        }
        piece(&mut out, &text, (start, x), y, style, paper);
    }
    out
}

fn piece(out: &mut String, text: &str, (start, end): (u16, u16), y: u16, style: Style, paper: &Paper) {
    let modifier = style.add_modifier;
    let (mut fg, mut bg) = (style.fg.and_then(|c| paper.colour(c)), style.bg.and_then(|c| paper.colour(c)));
    if modifier.contains(Modifier::REVERSED) {
        let ink = fg.unwrap_or_else(|| paper.ink.to_owned());
        fg = Some(bg.unwrap_or_else(|| paper.ground.to_owned()));
        bg = Some(ink);
    }
    let (left, top) = (MARGIN + f32::from(start) * CELL, MARGIN + f32::from(y) * ROW);
    let width = f32::from(end - start) * CELL;
    if let Some(bg) = bg {
        let _ = write!(out, "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{ROW}\" fill=\"{bg}\"/>");
    }
    if text.trim().is_empty() {
        return;
    }
    let mut extra = String::new();
    for (each, attribute) in [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::DIM, " opacity=\"0.6\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        (Modifier::CROSSED_OUT, " text-decoration=\"line-through\""),
    ] {
        if modifier.contains(each) {
            extra.push_str(attribute);
            // One attribute of a name only.
            if each == Modifier::UNDERLINED {
                break;
            }
        }
    }
    let fg = fg.unwrap_or_else(|| paper.ink.to_owned());
    let _ = write!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"{fg}\" textLength=\"{width:.1}\" xml:space=\"preserve\"{extra}>{}</text>",
        top + 13.5,
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Colours of what the theme leaves to the terminal.
struct Paper {
    ground: &'static str,
    ink: &'static str,
    basic: [&'static str; 16],
}

impl Paper {
    fn new(light: bool) -> Self {
        let dark_basic = [
            "#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d5d8de", "#6b7280", "#ff8f98",
            "#b5e890", "#ffd98f", "#8fc8ff", "#e5a3ff", "#7fdce6", "#ffffff",
        ];
        if light {
            Self { ground: "#fafafa", ink: "#2b2f36", basic: dark_basic }
        } else {
            Self { ground: "#16181d", ink: "#d5d8de", basic: dark_basic }
        }
    }

    fn colour(&self, colour: Color) -> Option<String> {
        let index = match colour {
            Color::Reset => return None,
            Color::Rgb(r, g, b) => return Some(format!("#{r:02x}{g:02x}{b:02x}")),
            Color::Indexed(index) if index >= 16 => {
                let (r, g, b) = xterm(index);
                return Some(format!("#{r:02x}{g:02x}{b:02x}"));
            }
            Color::Indexed(index) => usize::from(index),
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::Gray => 7,
            Color::DarkGray => 8,
            Color::LightRed => 9,
            Color::LightGreen => 10,
            Color::LightYellow => 11,
            Color::LightBlue => 12,
            Color::LightMagenta => 13,
            Color::LightCyan => 14,
            Color::White => 15,
        };
        self.basic.get(index).map(|colour| (*colour).to_owned())
    }
}
