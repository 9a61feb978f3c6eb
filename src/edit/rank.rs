//! The exact base as judge: how likely are a candidate's text, and the text behind it, as plain code?

use crate::diffusion::denoiser::Causal;
use crate::document::Document;
use crate::document::Spans;
use crate::model::error::ModelError;
use crate::model::tokenizer::Tokenizer;

/// Tokens of text before the spans that are read.
const BEFORE: usize = 200;
/// Tokens of text behind the spans that are scored.
const AFTER: usize = 64;
/// Bytes that surely hold as many tokens as are read.
const BYTES_PER_TOKEN: usize = 16;

/// log P(span | before) + log P(after | before, span), in nats, for the new texts of all spans and the text between them.
///
/// # Errors
/// The model failed.
pub fn score(
    model: &mut dyn Causal,
    tokenizer: &Tokenizer,
    document: &Document,
    spans: &Spans,
    texts: &[String],
) -> Result<f64, ModelError> {
    let text = document.text();
    let all = spans.as_slice();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return Ok(0.0) };
    let mut region = String::new();
    let mut place = first.start;
    for (span, new) in all.iter().zip(texts) {
        region.push_str(&text[place..span.start]);
        region.push_str(new);
        place = span.end;
    }
    let start = text.ceil_char_boundary(first.start.saturating_sub(BEFORE * BYTES_PER_TOKEN));
    let end = text.floor_char_boundary((last.end + AFTER * BYTES_PER_TOKEN).min(text.len()));
    let before = tokenizer.encode(&text[start..first.start]);
    let mut ids = before[before.len().saturating_sub(BEFORE)..].to_vec();
    if ids.is_empty() {
        ids = tokenizer.encode("\n");
    }
    let from = ids.len();
    ids.extend(tokenizer.encode(&region));
    ids.extend(tokenizer.encode(&text[last.end..end]).into_iter().take(AFTER));
    let predictions = model.continue_from(&ids, from, 1)?;
    Ok(predictions.iter().filter_map(|prediction| prediction.current).map(f64::from).sum())
}
