use proptest::prelude::*;

use super::*;
use crate::train::corpus::split::Set;
use crate::train::corpus::writer::Fingerprint;
use crate::train::corpus::writer::NewRecord;
use crate::train::corpus::writer::Writer;
use crate::train::corpus::writer::encode;

const PRINT: Fingerprint = Fingerprint { hash: [7; 32], vocabulary: 1000 };

fn file(name: &str, tokens: Vec<TokenId>) -> NewRecord {
    let spans = vec![KindSpan { range: 0..2, kind: SpanKind::Statement }, KindSpan { range: 1..2, kind: SpanKind::Expression }];
    NewRecord { name: name.to_owned(), language: Language::Python, date: 0, tokens, spans }
}

fn edit(parts: [usize; 5]) -> NewRecord {
    let mut at = 0;
    let spans = SpanKind::EDIT.iter().zip(parts).map(|(kind, len)| {
        at += len;
        KindSpan { range: at - len..at, kind: *kind }
    });
    let spans: Vec<KindSpan> = spans.collect();
    NewRecord { name: "r@1:a".to_owned(), language: Language::Rust, date: -5, tokens: (0..at as u32).collect(), spans }
}

fn shard(kind: ShardKind, records: &[NewRecord]) -> Vec<u8> {
    encode(kind, &PRINT, records)
}

/// Puts the right checksum on bytes that were changed.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes[CHECKED..CHECKED + 32].copy_from_slice(&sum);
    bytes
}

#[test]
fn what_is_written_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(temp.path(), ShardKind::Files, Set::Train, PRINT, 5);
    let records = [file("t/a.py", vec![1, 2, 3]), file("t/é.py", vec![4, 5]), file("t/c.py", vec![999])];
    records.iter().for_each(|record| writer.push(record.clone()).unwrap());
    let written = writer.finish().unwrap();
    assert_eq!(
        written.iter().map(|shard| (shard.records, shard.tokens, shard.spans)).collect::<Vec<_>>(),
        [(2, 5, 4), (1, 1, 2)]
    );
    assert_eq!(written[1].file, Path::new("train-files-00001.shard"));
    let mut found = Vec::new();
    for shard in &written {
        let path = temp.path().join(&shard.file);
        let opened = Shard::open(&path).unwrap();
        assert_eq!((opened.kind(), opened.vocabulary(), opened.fingerprint()), (ShardKind::Files, 1000, [7; 32]));
        assert_eq!(opened.map.bytes().len(), shard.bytes);
        found.extend(opened.records().map(|record| NewRecord {
            name: record.name().to_owned(),
            language: record.language(),
            date: record.date(),
            tokens: record.tokens(0..usize::MAX),
            spans: (0..record.span_count()).filter_map(|number| record.span(number)).collect(),
        }));
        let last = opened.record(opened.len() - 1).unwrap();
        assert_eq!(last.tokens(5..9), [] as [TokenId; 0]);
        assert!(opened.record(opened.len()).is_none() && last.span(2).is_none());
    }
    assert_eq!(found, records);
    assert!(std::fs::read_dir(temp.path()).unwrap().count() == 2, "no temporary files are left");
}

#[test]
fn parts_of_an_edit() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("e.shard");
    std::fs::write(&path, shard(ShardKind::Edits, &[edit([2, 3, 0, 1, 4])])).unwrap();
    let opened = Shard::open(&path).unwrap();
    let record = opened.record(0).unwrap();
    let parts = SpanKind::EDIT.map(|kind| record.part(kind));
    assert_eq!(parts, [vec![0, 1], vec![2, 3, 4], vec![], vec![5], vec![6, 7, 8, 9]]);
    assert_eq!((record.date(), record.part(SpanKind::Function)), (-5, vec![]));
}

#[test]
fn damage_has_its_name() {
    let good = shard(ShardKind::Files, &[file("a", vec![1, 2, 3]), file("b", vec![4])]);
    assert!(check(&good).is_ok());
    let changed = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    assert_eq!(check(&good[..127]), Err(Damage::Magic));
    assert_eq!(check(&changed(0, b"x")), Err(Damage::Magic));
    assert_eq!(check(&changed(8, &[2])), Err(Damage::Version(2)));
    assert_eq!(check(&signed(changed(12, &[9]))), Err(Damage::Unknown { what: "kind of shard", number: 9 }));
    let found = good.len() as u64;
    assert_eq!(check(&good[..good.len() - 1]), Err(Damage::Length { expected: found, found: found - 1 }));
    // Numbers that would overflow, or ask for more memory than there is.
    for at in [16, 24, 32, 40] {
        assert!(matches!(check(&signed(changed(at, &u64::MAX.to_le_bytes()))), Err(Damage::Length { expected: u64::MAX, .. })));
        assert!(matches!(check(&signed(changed(at, &(1_u64 << 40).to_le_bytes()))), Err(Damage::Length { .. })));
    }
    assert_eq!(check(&changed(good.len() - 1, b"z")), Err(Damage::Checksum));
    let second = HEADER + RECORD;
    for at in [0, 8, 16] {
        assert_eq!(check(&signed(changed(second + at, &u64::MAX.to_le_bytes()))), Err(Damage::Record(1)));
    }
    for at in [24, 28, 32] {
        assert_eq!(check(&signed(changed(second + at, &[200]))), Err(Damage::Record(1)));
    }
    assert_eq!(check(&signed(changed(second + 36, &[10]))), Err(Damage::Unknown { what: "language", number: 10 }));
    assert_eq!(check(&signed(changed(good.len() - 1, &[0xff]))), Err(Damage::Record(1)), "a name that is not UTF-8");
    let spans = HEADER + 2 * RECORD;
    assert_eq!(check(&signed(changed(spans + 2 * SPAN + 8, &[5]))), Err(Damage::Span { record: 1, span: 0 }));
    assert_eq!(check(&signed(changed(spans + 3 * SPAN, &[9]))), Err(Damage::Span { record: 1, span: 1 }), "start behind end");
    assert_eq!(check(&signed(changed(spans + 4 * SPAN, &1000_u32.to_le_bytes()))), Err(Damage::Token(1000)));
    let edits = shard(ShardKind::Edits, &[file("a", vec![1, 2, 3])]);
    assert_eq!(check(&edits), Err(Damage::Record(0)), "an edit has five parts");
    let mut outside = edit([1; 5]);
    outside.spans[4].range.end = 6;
    assert_eq!(check(&shard(ShardKind::Edits, &[outside])), Err(Damage::Span { record: 0, span: 4 }));
}

#[test]
fn a_file_that_is_no_shard_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("x.shard");
    for content in [&b""[..], b"DCODESH1", &[0; 500]] {
        std::fs::write(&path, content).unwrap();
        let error = Shard::open(&path).unwrap_err().to_string();
        assert!(error.contains("x.shard") && error.contains("not a shard of a corpus"), "{error}");
    }
    assert!(matches!(Shard::open(&temp.path().join("none")), Err(CorpusError::Io { .. })));
}

proptest! {
    /// Whatever stands in the bytes, even with a right checksum: an error, or a shard all of whose records can be read.
    #[test]
    fn no_bytes_lead_outside(places in prop::collection::vec((0_usize..400, any::<u8>()), 1..6), cut in 0_usize..420, sign: bool) {
        let mut bytes = shard(ShardKind::Files, &[file("a", vec![1, 2, 3]), file("b", vec![4])]);
        for (at, byte) in places {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(1));
        if sign && bytes.len() >= HEADER {
            bytes = signed(bytes);
        }
        if let Ok(layout) = check(&bytes) {
            let temp = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(temp.path(), &bytes).unwrap();
            let opened = Shard::open(temp.path()).unwrap();
            prop_assert_eq!(&opened.layout, &layout);
            for record in opened.records() {
                prop_assert_eq!(record.tokens(0..usize::MAX).len(), record.len());
                prop_assert_eq!((0..record.span_count()).filter_map(|number| record.span(number)).count(), record.span_count());
                let _ = record.name().len();
            }
        }
    }
}
