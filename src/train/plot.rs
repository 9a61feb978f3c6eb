//! Curves of a run as SVG, from its metrics: cross-entropy and held-out text, accuracy, and the norm of the gradient, by step.

use std::fmt::Write;

use crate::train::metrics::Line;

const WIDTH: f64 = 720.0;
const PANEL: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const GAP: f64 = 44.0;
const TOP: f64 = 40.0;
/// Colours of the stages, readable on white and told apart by people who see few colours.
const COLOURS: &[(&str, &str)] = &[("mask", "#0072b2"), ("edit", "#d55e00"), ("order", "#009e73"), ("policy", "#cc79a7")];
/// Points of a curve, at most: a picture has no more pixels.
const POINTS: usize = 600;

/// A panel: its title, and what of a line it shows.
type Panel = (&'static str, fn(&Line) -> Option<f64>, Option<fn(&Line) -> Option<f64>>);

/// The picture of a run's lines.
pub fn svg(name: &str, lines: &[Line]) -> String {
    let panels: [Panel; 4] = [
        ("cross-entropy, nats (points: held out)", |line| line.cross_entropy, Some(|line| line.held_out.map(|held| held.loss))),
        ("accuracy (points: held out)", |line| Some(line.accuracy), Some(|line| line.held_out.map(|held| held.accuracy))),
        ("norm of the gradient", |line| line.norm, None),
        ("denoiser calls for a span", |line| line.calls, None),
    ];
    let shown: Vec<&Panel> = panels.iter().filter(|(_, of, _)| lines.iter().any(|line| of(line).is_some())).collect();
    let height = TOP + shown.len() as f64 * (PANEL + GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(&mut out, LEFT, 24.0, "start", "#222", &escaped(name));
    let mut x = LEFT + 240.0;
    for (stage, colour) in COLOURS.iter().filter(|(stage, _)| lines.iter().any(|line| line.stage == *stage)) {
        text(&mut out, x, 24.0, "start", colour, stage);
        x += 64.0;
    }
    for (index, panel) in shown.into_iter().enumerate() {
        draw(&mut out, TOP + index as f64 * (PANEL + GAP), panel, lines);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, top: f64, (title, of, points): &Panel, lines: &[Line]) {
    let last = lines.iter().map(|line| line.step).max().unwrap_or(1).max(2) as f64;
    let values = lines.iter().filter_map(of).chain(lines.iter().filter_map(|line| points.and_then(|points| points(line))));
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(v), most.max(v)));
    let (least, most) = if most > least { (least, most) } else { (least - 0.5, least + 0.5) };
    let x = |step: usize| LEFT + (step as f64 - 1.0) / (last - 1.0) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| top + 20.0 + (most - value) / (most - least) * (PANEL - 20.0);
    text(out, LEFT, top + 10.0, "start", "#222", title);
    for part in 0..=4 {
        let value = least + (most - least) * f64::from(part) / 4.0;
        let at = y(value);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - RIGHT);
        text(out, LEFT - 6.0, at + 4.0, "end", "#666", &number(value));
    }
    for part in 0..=4 {
        let step = 1.0 + (last - 1.0) * f64::from(part) / 4.0;
        text(out, x(step as usize), top + PANEL + 16.0, "middle", "#666", &format!("{step:.0}"));
    }
    for run in lines.chunk_by(|a, b| a.stage == b.stage) {
        let stage = run.first().map_or("", |line| line.stage.as_str());
        let colour = COLOURS.iter().find(|(name, _)| *name == stage).map_or("#444", |(_, colour)| colour);
        let mut path = String::new();
        // Means of a few steps each, so that the picture stays small.
        for few in run.chunks(run.len().div_ceil(POINTS).max(1)) {
            let values: Vec<f64> = few.iter().filter_map(of).collect();
            if let (false, Some(middle)) = (values.is_empty(), few.get(few.len() / 2)) {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let _ = write!(path, "{}{:.1} {:.1}", if path.is_empty() { "M" } else { "L" }, x(middle.step), y(mean));
            }
        }
        if !path.is_empty() {
            let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>");
        }
        for line in run {
            if let Some(value) = points.and_then(|points| points(line)) {
                let (x, y) = (x(line.step), y(value));
                let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\" stroke=\"white\"/>");
            }
        }
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, colour: &str, text: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>");
}

fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::metrics::HeldOut;

    fn line(stage: &str, step: usize, value: Option<f64>) -> Line {
        Line {
            stage: stage.to_owned(),
            step,
            loss: value,
            tokens_per_second: 1.0,
            cross_entropy: value,
            accuracy: 0.5,
            norm: None,
            rate: 0.1,
            held_out: None,
            calls: None,
        }
    }

    #[test]
    fn a_run_has_a_curve_for_each_stage_and_panel() {
        let mut lines: Vec<Line> = (1..=1500).map(|step| line("mask", step, Some(5.0 - step as f64 * 1e-3))).collect();
        lines.extend((1501..=1600).map(|step| line("edit", step, Some(3.0))));
        lines[1499].held_out = Some(HeldOut { loss: 3.4, accuracy: 0.4 });
        lines[7].cross_entropy = None;
        let picture = svg("a <name>", &lines);
        assert!(picture.contains("a &lt;name&gt;") && !picture.contains("NaN") && !picture.contains("inf"));
        // Two panels: the norm and the calls were never there.
        assert_eq!(picture.matches("fill=\"none\"").count(), 4);
        assert_eq!(picture.matches("<circle").count(), 2);
        assert!(picture.len() < 60_000, "{}", picture.len());
    }

    #[test]
    fn one_step_is_a_picture_too() {
        let picture = svg("x", &[line("mask", 1, Some(2.0))]);
        assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"));
        assert!(!svg("x", &[]).contains("NaN"));
    }
}
