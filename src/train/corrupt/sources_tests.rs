use std::collections::BTreeMap;

use rand::SeedableRng;

use super::*;
use crate::train::corpus::shard::ShardKind;
use crate::train::corpus::split::Set;
use crate::train::corrupt::testing::END;
use crate::train::corrupt::testing::MASK;
use crate::train::corrupt::testing::corpus;

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
fn streams_agree(source: &mut dyn Source, count: usize) -> Vec<Example> {
    let mut random = StdRng::seed_from_u64(1);
    let first: Vec<Example> = (0..count).filter_map(|_| source.next(&mut random)).collect();
    let mut again = StdRng::seed_from_u64(1);
    let second: Vec<Example> = (0..count).filter_map(|_| source.next(&mut again)).collect();
    assert_eq!(first, second);
    first
}

#[test]
fn infills_are_pieces_of_files_in_their_layout() {
    let bench = bench();
    let mut source = Infills { frame: bench.frame.clone(), records: bench.files.clone() };
    let texts = bench.texts();
    let (mut whole_lines, mut masked) = (0, 0);
    let examples = streams_agree(&mut source, 300);
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
fn edits_have_the_engines_layout() {
    let bench = bench();
    let mut source = Edits { frame: bench.frame.clone(), records: bench.edits.clone() };
    let examples = streams_agree(&mut source, 200);
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
    let mut source = Edits { frame: Frame { measured: Some(0.5), ..bench.frame.clone() }, ..source };
    assert!(streams_agree(&mut source, 50).iter().all(|example| bench.read(example).0.contains("give part")));
}

#[test]
fn refactorings_make_good_code_again() {
    let bench = bench();
    let mut source = Refactorings::new(bench.frame.clone(), bench.files.clone()).unwrap();
    let texts = bench.texts();
    let mut instructions: BTreeMap<String, usize> = BTreeMap::new();
    for example in streams_agree(&mut source, 60) {
        let (context, good) = bench.read(&example);
        let instruction = context.split_once("<|im_start|>user\n").unwrap().1.split_once("\n\nCode before").unwrap().0.to_owned();
        let old = context.split_once("Rewrite these lines:\n```\n").unwrap().1.split_once("```<|im_end|>").unwrap().0;
        assert!(texts.iter().any(|text| text.contains(&good)) && old != good, "{good}");
        *instructions.entry(instruction).or_default() += 1;
    }
    assert!(instructions.values().sum::<usize>() == 60 && instructions.len() >= 6, "{instructions:?}");
}

#[test]
fn a_mixture_keeps_its_shares() {
    struct Fixed(Option<TokenId>);
    impl Source for Fixed {
        fn next(&mut self, _: &mut StdRng) -> Option<Example> {
            self.0.map(|id| Example { tokens: vec![id], targets: vec![None], weights: vec![0.0], context: 0 })
        }
    }
    let mut mixed =
        Mixed::new(vec![(3.0, Box::new(Fixed(Some(1)))), (1.0, Box::new(Fixed(Some(2)))), (0.0, Box::new(Fixed(Some(3))))]);
    let mut counts = [0_usize; 4];
    let mut random = StdRng::seed_from_u64(1);
    (0..4000).for_each(|_| counts[mixed.next(&mut random).unwrap().tokens[0] as usize] += 1);
    assert!(counts[1].abs_diff(3000) < 120 && counts[2].abs_diff(1000) < 120 && counts[3] == 0, "{counts:?}");
    let mut passed = Mixed::new(vec![(5.0, Box::new(Fixed(None))), (1.0, Box::new(Fixed(Some(2))))]);
    assert!((0..50).all(|_| passed.next(&mut random).is_some()));
    assert_eq!(Mixed::new(Vec::new()).next(&mut random), None);
    assert_eq!(Mixed::new(vec![(1.0, Box::new(Fixed(None)))]).next(&mut random), None);
}

#[test]
fn places_where_pieces_may_be_cut() {
    assert_eq!(cuts("a.b (c)\n"), [1, 2, 3, 5, 6, 7]);
    assert_eq!(cuts(""), [] as [usize; 0]);
    assert_eq!(cuts("éa é"), [3]);
}
