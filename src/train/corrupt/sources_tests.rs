use std::collections::BTreeMap;

use rand::SeedableRng;

use super::*;
use crate::model::spec::PromptTemplate;
use crate::model::spec::TokenId;
use crate::train::corpus::shard::ShardKind;
use crate::train::corpus::split::Set;
use crate::train::corrupt::testing::END;
use crate::train::corrupt::testing::MASK;
use crate::train::corrupt::testing::corpus;
use crate::train::example::Example;

struct Bench {
    frame: Frame,
    files: Records,
    edits: Records,
    _folder: tempfile::TempDir,
}

fn bench() -> Bench {
    let (folder, files, tokenizer) = corpus();
    let edits = Records::open(folder.path(), ShardKind::Edits, Set::Train, &tokenizer).unwrap();
    assert!(files.len() == 12 && edits.len() == 11, "{} {}", files.len(), edits.len());
    let frame = Frame { tokenizer, template: PromptTemplate::QwenCoder, mask: MASK, end: END, measured: None };
    Bench { frame, files, edits, _folder: folder }
}

impl Bench {
    /// The prompt of an example, with special tokens by name, and the text that its canvas shall become. Slots without a target hold what
    /// stays.
    fn read(&self, example: &Example) -> (String, String) {
        assert!(example.is_sound());
        let named = |id: TokenId| match id {
            256..=262 => crate::train::corrupt::testing::SPECIAL[id as usize - 256].to_owned().into_bytes(),
            id => self.frame.tokenizer.bytes(id).to_vec(),
        };
        let context: Vec<u8> = example.tokens[..example.context].iter().flat_map(|&id| named(id)).collect();
        let canvas = example.tokens[example.context..].iter().zip(&example.targets[example.context..]);
        let said = canvas.map(|(seen, target)| target.unwrap_or(*seen)).take_while(|&id| id != END && id != MASK);
        let said: Vec<u8> = said.flat_map(|id| self.frame.tokenizer.bytes(id).to_vec()).collect();
        (String::from_utf8_lossy(&context).into_owned(), String::from_utf8_lossy(&said).into_owned())
    }

    fn texts(&self) -> Vec<String> {
        self.files.iter().map(|record| self.frame.tokenizer.decode(&record.tokens(0..usize::MAX))).collect()
    }
}

/// Two streams of the same numbers are the same, whatever one of them gave before.
fn streams_agree(frame: &Frame, tasks: &mut dyn Tasks, count: usize) -> Vec<Example> {
    let mut stream = || -> Vec<Example> {
        let mut random = StdRng::seed_from_u64(1);
        (0..count).filter_map(|_| frame.group(tasks, 1, &mut random)).flatten().collect()
    };
    let first = stream();
    assert_eq!(first, stream());
    first
}

#[test]
fn infills_are_pieces_of_files_in_their_layout() {
    let bench = bench();
    let mut source = Infills { frame: bench.frame.clone(), records: bench.files.clone() };
    let texts = bench.texts();
    let (mut whole_lines, mut masked) = (0, 0);
    let examples = streams_agree(&bench.frame, &mut source, 300);
    assert_eq!(examples.len(), 300);
    for example in &examples {
        let (context, span) = bench.read(example);
        let inside = context.strip_prefix("<|fim_prefix|>").and_then(|rest| rest.strip_suffix("<|fim_middle|>")).unwrap();
        let (before, after) = inside.split_once("<|fim_suffix|>").unwrap();
        let joined = [before, &span, after].concat();
        assert!(texts.iter().any(|text| text.contains(&joined)), "{joined}");
        whole_lines += usize::from(span.ends_with('\n') && (before.is_empty() || before.ends_with('\n')));
        masked += example.tokens.iter().filter(|&&id| id == MASK).count();
    }
    assert!(masked > 300 && whole_lines > 50 && whole_lines < 250, "{masked} {whole_lines}");
}

#[test]
fn corruptions_of_a_task_share_its_context() {
    let bench = bench();
    let mut source = Infills { frame: bench.frame.clone(), records: bench.files.clone() };
    let mut random = StdRng::seed_from_u64(3);
    let mut different = 0;
    for _ in 0..40 {
        let group = bench.frame.group(&mut source, 3, &mut random).unwrap();
        assert_eq!(group.len(), 3);
        let read: Vec<(String, String)> = group.iter().map(|example| bench.read(example)).collect();
        assert!(read.iter().all(|one| one == &read[0]), "{read:?}");
        different += usize::from(group[0] != group[1]);
    }
    assert!(different > 30, "{different}");
}

#[test]
fn edits_have_the_engines_layout() {
    let bench = bench();
    let mut source = Edits { frame: bench.frame.clone(), records: bench.edits.clone() };
    let examples = streams_agree(&bench.frame, &mut source, 200);
    assert_eq!(examples.len(), 200);
    let mut defects = 0;
    for example in &examples {
        let (context, new) = bench.read(example);
        let start =
            "<|im_start|>system\nYou are a code editor. Answer with the rewritten lines only.<|im_end|>\n<|im_start|>user\n";
        let rest = context.strip_prefix(start).unwrap();
        assert!(rest.ends_with("```<|im_end|>\n<|im_start|>assistant\n```\n"), "{rest}");
        let (instruction, rest) = rest.split_once("\n\nCode before:\n```\n").unwrap();
        let old = rest.split_once("Rewrite these lines:\n```\n").unwrap().1.split_once("```<|im_end|>").unwrap().0;
        let numbered = (1..12).find(|number| instruction == format!("give part {number} another number"));
        match numbered {
            Some(number) => assert!(
                old.contains(&format!("Part {number}.")) && new.contains(&format!("The part {}.", number + 1000)),
                "{old} {new}"
            ),
            None => {
                defects += 1;
                assert!(
                    INSTRUCTIONS.contains(&instruction) && new.contains("The part 10") && old != new,
                    "{instruction} {old} {new}"
                );
            }
        }
    }
    // A share of 0.4 is asked for; not every one of these lines can be broken.
    assert!((20..100).contains(&defects), "{defects} of 200");
    // What is measured is the edits alone.
    let frame = Frame { measured: Some(0.5), ..bench.frame.clone() };
    let mut source = Edits { frame: frame.clone(), ..source };
    assert!(streams_agree(&frame, &mut source, 50).iter().all(|example| bench.read(example).0.contains("give part")));
}

#[test]
fn refactorings_make_good_code_again() {
    let bench = bench();
    let mut source = Refactorings::new(bench.frame.clone(), bench.files.clone()).unwrap();
    let texts = bench.texts();
    let mut instructions: BTreeMap<String, usize> = BTreeMap::new();
    for example in streams_agree(&bench.frame, &mut source, 60) {
        let (context, good) = bench.read(&example);
        let instruction = context.split_once("<|im_start|>user\n").unwrap().1.split_once("\n\nCode before").unwrap().0.to_owned();
        let old = context.split_once("Rewrite these lines:\n```\n").unwrap().1.split_once("```<|im_end|>").unwrap().0;
        assert!(texts.iter().any(|text| text.contains(&good)) && old != good, "{good}");
        *instructions.entry(instruction).or_default() += 1;
    }
    assert!(instructions.values().sum::<usize>() == 60 && instructions.len() >= 6, "{instructions:?}");
}

#[test]
fn places_where_pieces_may_be_cut() {
    assert_eq!(cuts("a.b (c)\n"), [1, 2, 3, 5, 6, 7]);
    assert_eq!(cuts(""), [] as [usize; 0]);
    assert_eq!(cuts("éa é"), [3]);
}
