//! Examples for the canvas adapter: infills of source files and edits, each context with several corruptions of its span.
//!
//! The mixture is that with which the embedded adapter was made: half of the time a frontier (a denoised prefix, masks behind it), as
//! the sampler meets it; masked slots near visible text weigh more; surplus slots learn `end`; some visible tokens are wrong and
//! learn to be put right.

use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;

use crate::edit::prompt;
use crate::edit::prompt::Window;
use crate::model::spec::PromptTemplate;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::files::SourceFile;

/// Lines of an infill's window around its span.
const LINES_BEFORE: usize = 24;
const LINES_AFTER: usize = 14;
/// Lines of a span, at most.
const SPAN_LINES: usize = 10;
/// Tokens of a span, at most.
const SPAN_TOKENS: usize = 80;
/// Longer lines are data, not code.
const LINE_CHARACTERS: usize = 300;
/// Surplus slots, at most.
const SURPLUS: usize = 24;
/// Attempts to find a span that fits.
const ATTEMPTS: usize = 200;

/// An edit of a few lines, from a history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pair {
    /// What is asked for.
    pub instr: String,
    /// Text before the lines.
    pub pre: String,
    /// The lines.
    pub old: String,
    /// What they became.
    pub new: String,
    /// Text after them.
    pub suf: String,
}

/// Reads edits, one JSON object a line.
///
/// # Errors
/// The file cannot be read, or a line is no edit; the message names the line.
pub fn read_pairs(path: &Path) -> Result<Vec<Pair>, TrainError> {
    let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
    let lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
    let pair = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| TrainError::Data(format!("{}:{}: {error}", path.display(), number + 1)))
    };
    lines.map(pair).collect()
}

/// A context, the span that it surrounds, and tokens that are likely wrong ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    context: Vec<TokenId>,
    span: Vec<TokenId>,
    common: Vec<TokenId>,
}

/// Where tasks come from.
#[derive(Debug)]
pub struct Canvases<'a> {
    /// Encodes them.
    pub tokenizer: &'a Tokenizer,
    /// How requests are laid out.
    pub template: PromptTemplate,
    /// The id of a masked slot.
    pub mask: TokenId,
    /// The id that closes a span.
    pub end: TokenId,
    /// Files for infills.
    pub files: &'a [SourceFile],
    /// Edits.
    pub pairs: &'a [Pair],
    /// Share of tasks that are edits, when there are both.
    pub pair_share: f64,
}

impl Canvases<'_> {
    /// Some corruptions of one task; `None` when no task could be made.
    pub fn group(&self, copies: usize, random: &mut StdRng) -> Option<Vec<Example>> {
        let edits = match (self.files.is_empty(), self.pairs.is_empty()) {
            (true, true) => return None,
            (false, false) => random.random_bool(self.pair_share),
            (_, no_pairs) => !no_pairs,
        };
        let task = if edits { self.edit(random) } else { self.infill(random) }?;
        Some((0..copies).map(|_| self.corrupted(&task, random)).collect())
    }

    fn edit(&self, random: &mut StdRng) -> Option<Task> {
        let pair = &self.pairs[random.random_range(0..self.pairs.len())];
        let cut = |text: &str, most: usize| {
            let mut ids = self.tokenizer.encode(text);
            ids.truncate(most);
            ids
        };
        let old = cut(&pair.old, SPAN_TOKENS + 30);
        let span = cut(&pair.new, SPAN_TOKENS + 10);
        let window = Window { before: 90, after: 40, instruction: 64 };
        let original = self.tokenizer.decode(&old);
        let around = (pair.pre.as_str(), pair.suf.as_str());
        let context = prompt::edit(self.tokenizer, self.template, &pair.instr, &original, around, window).context;
        let common = [old.as_slice(), span.as_slice()].concat();
        Some(Task { context, span, common }).filter(|task| !task.common.is_empty())
    }

    fn infill(&self, random: &mut StdRng) -> Option<Task> {
        (0..ATTEMPTS).find_map(|_| self.try_infill(random))
    }

    fn try_infill(&self, random: &mut StdRng) -> Option<Task> {
        let text = &self.files[random.random_range(0..self.files.len())].text;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        if lines.len() < 8 {
            return None;
        }
        let first = random.random_range(1..lines.len() - 2);
        // One line in nearly half of the cases, rarely many.
        let mut count = 1;
        while count < SPAN_LINES && random.random_bool(0.55) {
            count += 1;
        }
        let last = (first + count).min(lines.len());
        let mut before = lines[first.saturating_sub(LINES_BEFORE)..first].concat();
        let mut span = lines[first..last].concat();
        let mut after = lines[last..(last + LINES_AFTER).min(lines.len())].concat();
        if random.random_bool(0.4) {
            // It starts, and perhaps ends, inside a line.
            let cuts = word_borders(&span);
            if cuts.len() < 3 {
                return None;
            }
            let (one, other) = (random.random_range(0..cuts.len()), random.random_range(0..cuts.len()));
            if one == other {
                return None;
            }
            let end = if random.random_bool(0.6) { cuts[one.max(other)] } else { span.len() };
            let start = cuts[one.min(other)];
            before.push_str(&span[..start]);
            after.insert_str(0, &span[end..]);
            span = span[start..end].to_owned();
        }
        let longest = before.split('\n').chain(span.split('\n')).map(str::len).max().unwrap_or(0);
        if span.trim().is_empty() || longest > LINE_CHARACTERS {
            return None;
        }
        let ids = self.tokenizer.encode(&span);
        if ids.len() > SPAN_TOKENS {
            return None;
        }
        let window = Window { before: random.random_range(20..200), after: random.random_range(0..90), instruction: 0 };
        let context = prompt::infill(self.tokenizer, self.template, &before, &after, window).context;
        let nearby = self.tokenizer.encode(&before);
        let common = [ids.as_slice(), &nearby[nearby.len().saturating_sub(SPAN_TOKENS)..]].concat();
        Some(Task { context, span: ids, common })
    }

    fn corrupted(&self, task: &Task, random: &mut StdRng) -> Example {
        let surplus = if random.random_bool(0.8) {
            let wanted = if random.random_bool(0.5) {
                [8, 16, 24, 32, 48][random.random_range(0..5)]
            } else {
                task.span.len() + random.random_range(1..10)
            };
            wanted.saturating_sub(task.span.len()).clamp(1, SURPLUS)
        } else {
            0
        };
        let spoil = |random: &mut StdRng| task.common[random.random_range(0..task.common.len())];
        let slots = Slots::new(&task.span, surplus, self.end, random);
        let (tokens, weights) = slots.corrupt(self.mask, spoil, random);
        let context = task.context.len();
        Example {
            tokens: task.context.iter().copied().chain(tokens).collect(),
            targets: std::iter::repeat_n(None, context).chain(slots.target.iter().copied().map(Some)).collect(),
            context,
            weights: std::iter::repeat_n(0.0, context).chain(weights).collect(),
        }
    }
}

/// Byte offsets at which a word begins or ends inside of a text.
fn word_borders(text: &str) -> Vec<usize> {
    let kind = |c: char| match c {
        c if c.is_whitespace() => 0,
        c if c.is_alphanumeric() || c == '_' => 1,
        _ => 2,
    };
    let pairs = text.char_indices().zip(text.chars().skip(1));
    let borders = pairs.filter(|((_, a), b)| match (kind(*a), kind(*b)) {
        (0, _) => false,
        (1, b) => b != 1,
        (_, b) => b != 2,
    });
    borders.map(|((place, a), _)| place + a.len_utf8()).collect()
}

/// The slots of a span: what belongs there, and which are masked.
struct Slots {
    target: Vec<TokenId>,
    /// Slots of the span; those behind are surplus.
    len: usize,
    masked: Vec<bool>,
}

impl Slots {
    fn new(span: &[TokenId], surplus: usize, end: TokenId, random: &mut StdRng) -> Self {
        let target: Vec<TokenId> = span.iter().copied().chain(std::iter::repeat_n(end, surplus)).collect();
        let (len, all) = (span.len(), target.len());
        let ratio = random.random_range(0.03..1.0);
        let mut masked: Vec<bool> = if random.random_bool(0.5) && all > 0 {
            // A frontier: denoised up to a place, masked behind it, with a few exceptions.
            let frontier = if random.random_bool(0.7) { random.random_range(0..all) } else { 0 };
            let ahead = if random.random_bool(0.5) { 1.0 } else { 0.9 };
            (0..all).map(|slot| random.random_bool(if slot < frontier { 0.05 } else { ahead })).collect()
        } else {
            (0..all).map(|_| random.random_bool(ratio)).collect()
        };
        masked[len..].fill(true);
        if all > 0 && !masked.contains(&true) {
            masked[random.random_range(0..all)] = true;
        }
        Self { target, len, masked }
    }

    /// What stands in the slots, and the weights of their losses.
    fn corrupt(&self, mask: TokenId, spoil: impl Fn(&mut StdRng) -> TokenId, random: &mut StdRng) -> (Vec<TokenId>, Vec<f32>) {
        let all = self.target.len();
        // How many masked slots lie between a slot and the visible text on one side, the slot included.
        let run = |order: &mut dyn Iterator<Item = usize>| {
            let (mut runs, mut length) = (vec![0i32; all], 0);
            for slot in order {
                length = if self.masked[slot] { length + 1 } else { 0 };
                runs[slot] = length;
            }
            runs
        };
        let (left, right) = (run(&mut (0..all)), run(&mut (0..all).rev()));
        let near = |runs: &[i32], slot: usize| 0.75f32.powi(runs[slot] - 1);
        let weight = |slot: usize| match slot.checked_sub(self.len + 1) {
            // Behind the first `end` little is left to learn.
            Some(behind) if behind < 6 => 0.05,
            Some(_) => 0.0,
            None if self.masked[slot] => 0.1 + 0.6 * near(&left, slot) + 0.3 * near(&right, slot),
            None => 0.0,
        };
        let mut weights: Vec<f32> = (0..all).map(weight).collect();
        let mut tokens: Vec<TokenId> = (0..all).map(|slot| if self.masked[slot] { mask } else { self.target[slot] }).collect();
        if random.random_bool(0.2) {
            for slot in (0..all).filter(|&slot| !self.masked[slot]) {
                weights[slot] = 0.1;
                if random.random_bool(0.12) {
                    tokens[slot] = spoil(random);
                    weights[slot] = 0.3;
                }
            }
        }
        (tokens, weights)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::train::vocabulary;

    const MASK: TokenId = 399;
    const END: TokenId = 398;

    fn tokenizer(text: &str) -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        vocabulary::make(std::iter::once(text), 400, &path).unwrap();
        Tokenizer::from_file(&path).unwrap()
    }

    #[test]
    fn canvases_surround_a_span_of_the_text_and_share_their_context() {
        let text = include_str!("model.rs").to_owned();
        let tokenizer = tokenizer(&text);
        let files = [SourceFile { path: "model.rs".into(), text: text.clone() }];
        let pair = Pair {
            instr: "Rename it.".to_owned(),
            pre: "let a = 1;\n".to_owned(),
            old: "let b = a;\n".to_owned(),
            new: "let c = a;\n".to_owned(),
            suf: "use(b);\n".to_owned(),
        };
        let pairs = [pair];
        let canvases = Canvases {
            tokenizer: &tokenizer,
            template: PromptTemplate::Plain,
            mask: MASK,
            end: END,
            files: &files,
            pairs: &pairs,
            pair_share: 0.3,
        };
        let mut random = StdRng::seed_from_u64(5);
        let (mut edits, mut surplus, mut wrong, mut inside) = (0, 0, 0, 0);
        for _ in 0..200 {
            let group = canvases.group(3, &mut random).unwrap();
            assert_eq!(group.len(), 3);
            for example in &group {
                assert!(example.is_sound() && example.context > 0);
                assert_eq!(example.tokens[..example.context], group[0].tokens[..group[0].context]);
                let target: Vec<TokenId> = example.targets.iter().flatten().copied().collect();
                assert_eq!(target.len(), example.len() - example.context, "every slot has a target");
                let span: Vec<TokenId> = target.iter().copied().take_while(|&id| id != END).collect();
                assert!(target[span.len()..].iter().all(|&id| id == END));
                surplus += usize::from(target.len() > span.len());
                let context = tokenizer.decode(&example.tokens[..example.context]);
                let span = tokenizer.decode(&span);
                if context.contains("Rename it.") {
                    assert_eq!(span, "let c = a;\n");
                    edits += 1;
                } else {
                    assert!(text.contains(&span), "{span}");
                    inside += usize::from(!span.ends_with('\n'));
                }
                let slots = example.tokens[example.context..].iter().zip(&target);
                wrong += slots.filter(|(seen, target)| **seen != MASK && seen != target).count();
            }
        }
        assert!((100..260).contains(&edits) && (400..560).contains(&surplus), "{edits} {surplus}");
        assert!(wrong > 20 && inside > 50, "{wrong} {inside}");
    }

    #[test]
    fn pairs_are_read_and_bad_lines_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let good = r#"{"instr": "i", "pre": "", "old": "a", "new": "b", "suf": "", "more": 1}"#;
        std::fs::write(&path, format!("{good}\n\n{good}\n")).unwrap();
        assert_eq!(read_pairs(&path).unwrap().len(), 2);
        std::fs::write(&path, format!("{good}\n{{\"instr\": 1}}\n")).unwrap();
        assert!(read_pairs(&path).unwrap_err().to_string().contains("pairs.jsonl:2:"));
        assert!(read_pairs(&folder.path().join("none")).is_err());
    }

    #[test]
    fn words_begin_and_end_where_their_kind_changes() {
        assert_eq!(word_borders("let é = f(x);"), [3, 6, 8, 10, 11, 12]);
    }
}
