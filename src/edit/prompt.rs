//! What the model reads before the slots: the text around the spans, cut to a window, and the instruction.
//!
//! The layouts are those the embedded model was trained with: fill-in-the-middle markers for an infill, the chat form of the
//! base for an edit. User text is encoded as plain text, so that it can never hold a special token.

use crate::model::spec::PromptTemplate;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;

const SYSTEM: &str = "You are a code editor. Answer with the rewritten lines only.";

/// Tokens of text around the spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Before the first span.
    pub before: usize,
    /// After the last one.
    pub after: usize,
    /// Of the instruction.
    pub instruction: usize,
}

impl Window {
    /// The window of an infill.
    pub const INFILL: Self = Self { before: 400, after: 200, instruction: 0 };
    /// The window of an edit.
    pub const EDIT: Self = Self { before: 300, after: 120, instruction: 256 };
}

/// Ids before the slots; the last one is the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The ids.
    pub context: Vec<TokenId>,
    /// Whether the instruction was longer than the window and lost its end.
    pub instruction_cut: bool,
}

/// Bytes of text that surely hold a window of tokens: nearly all tokens of code are shorter. Only this much of a file is
/// tokenised, so that an edit takes as long in a large file as in a small one.
const BYTES_PER_TOKEN: usize = 32;

/// The last `limit` tokens of `text`.
fn tail(tokenizer: &Tokenizer, text: &str, limit: usize) -> Vec<TokenId> {
    let mut start = text.len().saturating_sub(limit * BYTES_PER_TOKEN);
    if start > 0 {
        // From a line start on, the tokens are those of the whole text.
        start = text[text.ceil_char_boundary(start)..]
            .find('\n')
            .map_or(text.ceil_char_boundary(start), |line| text.ceil_char_boundary(start) + line + 1);
    }
    let ids = tokenizer.encode(&text[start..]);
    ids[ids.len().saturating_sub(limit)..].to_vec()
}

/// The first `limit` tokens of `text`.
pub(super) fn head(tokenizer: &Tokenizer, text: &str, limit: usize) -> Vec<TokenId> {
    let end = text.floor_char_boundary(limit * BYTES_PER_TOKEN);
    let mut ids = tokenizer.encode(&text[..end]);
    ids.truncate(limit);
    ids
}

/// Text that a fence can follow: empty, or ending in a newline.
pub fn closed(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// The prompt of an infill between `before` and `after`.
pub fn infill(tokenizer: &Tokenizer, template: PromptTemplate, before: &str, after: &str, window: Window) -> Prompt {
    let special = |token: &str| tokenizer.special(token);
    let mut context = Vec::new();
    match template {
        PromptTemplate::QwenCoder => {
            context.extend(special("<|fim_prefix|>"));
            context.extend(tail(tokenizer, before, window.before));
            context.extend(special("<|fim_suffix|>"));
            context.extend(head(tokenizer, after, window.after));
            context.extend(special("<|fim_middle|>"));
        }
        PromptTemplate::Plain => {
            context.extend(start_of_text(tokenizer).into_iter().chain(tail(tokenizer, before, window.before)))
        }
    }
    Prompt { context: or_newline(tokenizer, context), instruction_cut: false }
}

/// The prompt of an edit: the answer that follows is a fenced block with the rewritten lines.
pub fn edit(
    tokenizer: &Tokenizer,
    template: PromptTemplate,
    instruction: &str,
    original: &str,
    around: (&str, &str),
    window: Window,
) -> Prompt {
    let words = tokenizer.encode(instruction.trim());
    let instruction_cut = words.len() > window.instruction;
    let instruction = tokenizer.decode(&words[..words.len().min(window.instruction)]);
    let before = closed(&tokenizer.decode(&tail(tokenizer, around.0, window.before)));
    let after = closed(&tokenizer.decode(&head(tokenizer, around.1, window.after)));
    let user = format!(
        "{instruction}\n\nCode before:\n```\n{before}```\nCode after:\n```\n{after}```\nRewrite these lines:\n```\n{}```",
        closed(original)
    );
    let context = match template {
        PromptTemplate::QwenCoder => {
            let start = tokenizer.special("<|im_start|>");
            let end = tokenizer.special("<|im_end|>");
            let mut ids = Vec::new();
            ids.extend(start);
            ids.extend(tokenizer.encode(&format!("system\n{SYSTEM}")));
            ids.extend(end);
            ids.extend(tokenizer.encode("\n"));
            ids.extend(start);
            ids.extend(tokenizer.encode(&format!("user\n{user}")));
            ids.extend(end);
            ids.extend(tokenizer.encode("\n"));
            ids.extend(start);
            ids.extend(tokenizer.encode("assistant\n```\n"));
            ids
        }
        PromptTemplate::Plain => {
            let text = tokenizer.encode(&format!("{user}\n\nThe rewritten lines:\n```\n"));
            start_of_text(tokenizer).into_iter().chain(text).collect()
        }
    };
    Prompt { context: or_newline(tokenizer, context), instruction_cut }
}

fn start_of_text(tokenizer: &Tokenizer) -> Option<TokenId> {
    ["<|begin_of_text|>", "<s>"].iter().find_map(|token| tokenizer.special(token))
}

/// A canvas needs an anchor even when there is nothing before it.
fn or_newline(tokenizer: &Tokenizer, ids: Vec<TokenId>) -> Vec<TokenId> {
    if ids.is_empty() { tokenizer.encode("\n") } else { ids }
}
