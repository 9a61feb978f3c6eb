//! Between the file's line endings and the model's: the model always works with `\n`.

use std::borrow::Cow;
use std::time::Duration;
use std::time::Instant;

use similar::Algorithm;
use similar::DiffOp;

use super::Document;
use super::Eol;
use super::Span;

/// Time to align a candidate with the original lines; over it, more lines count as new.
const ALIGN_TIME: Duration = Duration::from_secs(1);

impl Document {
    /// The text of a span with every line ending as `\n`; `None` when the span does not lie in this document.
    pub fn span_text_lf(&self, span: Span) -> Option<Cow<'_, str>> {
        let text = self.span_text(span)?;
        Some(if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() })
    }

    /// Turns the candidate `text` for `span` into what the file gets: the last line keeps or gets its line ending as the
    /// original span has it, and line endings are adapted as [`Document::adapt_eol`] does.
    ///
    /// An empty candidate stays empty: it deletes the span.
    pub fn fit<'t>(&self, span: Span, text: &'t str) -> Cow<'t, str> {
        let original = self.span_text(span).unwrap_or_default();
        let ends = |text: &str| text.ends_with('\n');
        if text.is_empty() || original.is_empty() || ends(original) == ends(text) {
            return self.adapt_eol(span, text);
        }
        if ends(original) {
            return self.adapt_eol(span, &format!("{text}\n")).into_owned().into();
        }
        let cut = text.strip_suffix("\r\n").or(text.strip_suffix('\n')).unwrap_or(text);
        self.adapt_eol(span, cut)
    }

    /// Gives each line of the candidate `text` (which ends lines with `\n`) its line ending in the file.
    ///
    /// A line that the original span has too keeps the ending it has there, however mixed the file is; a new line takes that of
    /// most neighbours. So the original text comes back byte for byte.
    pub fn adapt_eol<'t>(&self, span: Span, text: &'t str) -> Cow<'t, str> {
        let original = self.span_text(span).unwrap_or_default();
        let eol = self.lines().eol_around(span.range());
        if eol == Eol::Lf && !original.contains('\r') && !text.contains('\r') {
            return text.into();
        }
        let old: Vec<&str> = original.split_inclusive('\n').collect();
        let old_lf: Vec<Cow<str>> = old.iter().map(|line| with_lf(line)).collect();
        let new: Vec<Cow<str>> = text.split_inclusive('\n').map(Cow::from).collect();
        let deadline = Some(Instant::now() + ALIGN_TIME);
        let mut fitted = String::with_capacity(text.len() + new.len());
        for op in similar::capture_diff_slices_deadline(Algorithm::Myers, &old_lf, &new, deadline) {
            if let DiffOp::Equal { old_index, len, .. } = op {
                old[old_index..old_index + len].iter().for_each(|line| fitted.push_str(line));
                continue;
            }
            for line in &new[op.new_range()] {
                match line.strip_suffix('\n') {
                    Some(content) => {
                        fitted.push_str(content.strip_suffix('\r').unwrap_or(content));
                        fitted.push_str(eol.as_str());
                    }
                    None => fitted.push_str(line),
                }
            }
        }
        fitted.into()
    }
}

fn with_lf(line: &str) -> Cow<'_, str> {
    match line.strip_suffix("\r\n") {
        Some(content) => format!("{content}\n").into(),
        None => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &str) -> Document {
        Document::from_bytes("t".into(), text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn new_lines_take_the_majority_and_old_lines_keep_theirs() {
        let document = doc("a\r\nb\nc\r\nd\r\ne\r\n");
        let fitted = document.fit(document.whole(), "a\nb\nnew\nc\nD\r\ne\n");
        assert_eq!(fitted, "a\r\nb\nnew\r\nc\r\nD\r\ne\r\n");
        let document = doc("a\nb\nc\n");
        assert_eq!(document.fit(document.whole(), "x\r\ny\n"), "x\ny\n");
    }

    #[test]
    fn the_original_comes_back() {
        for text in ["", "\r\n", "a\r\r\nb\n\r\n", "a\rb\r\nc", "\n\r\n\n", "x\r"] {
            let document = doc(text);
            let span = document.whole();
            assert_eq!(document.fit(span, &document.span_text_lf(span).unwrap()), text, "{text:?}");
        }
    }

    #[test]
    fn the_last_line_keeps_its_state() {
        let document = doc("a\r\nb\r\nc");
        let first = document.line_span(1, 1).unwrap();
        let last = document.line_span(3, 3).unwrap();
        assert_eq!(document.fit(first, "x"), "x\r\n");
        assert_eq!(document.fit(first, "x\ny"), "x\r\ny\r\n");
        assert_eq!(document.fit(first, ""), "");
        assert_eq!(document.fit(last, "z\n"), "z");
        assert_eq!(document.fit(last, "y\nz\n"), "y\r\nz");
        // Inside a line nothing is added.
        assert_eq!(document.fit(Span::new(0, 1), "q"), "q");
    }
}
