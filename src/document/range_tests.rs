use super::*;

fn resolve(text: &str, range: &str) -> Result<String, String> {
    let document = Document::from_bytes("t".into(), text.as_bytes().to_vec()).unwrap();
    let spec: RangeSpec = range.parse().map_err(|e: RangeError| e.to_string())?;
    spec.resolve(&document).map(|r| r.to_string()).map_err(|e| e.to_string())
}

#[test]
fn every_form() {
    let text = "aé\nb\r\n\nd\nlast";
    for (range, resolved) in [
        ("1:2", "1:2 (bytes 0..7)"),
        ("1-2", "1:2 (bytes 0..7)"),
        ("1,2", "1:2 (bytes 0..7)"),
        ("1,+2", "1:2 (bytes 0..7)"),
        ("L1-L2", "1:2 (bytes 0..7)"),
        ("L1-2", "1:2 (bytes 0..7)"),
        ("3", "3:3 (bytes 7..8)"),
        ("5:5", "5:5 (bytes 10..14)"),
        ("1:2-2:1", "1:2-2:1 (bytes 1..5)"),
        ("L1C2-L2C1", "1:2-2:1 (bytes 1..5)"),
        ("1:1-1:3", "1:1 (bytes 0..4)"),
        ("2:1-2:2", "2:2 (bytes 4..7)"),
        ("5:2-5:4", "5:2-5:4 (bytes 11..14)"),
    ] {
        assert_eq!(resolve(text, range), Ok(resolved.to_owned()), "{range}");
    }
    assert_eq!(resolve("\u{feff}a\nb\n", "1:1"), Ok("1:1 (bytes 3..5)".into()));
}

#[test]
fn resolved_line_ranges_parse_back() {
    let document = Document::from_bytes("t".into(), b"a\nb\nc\n".to_vec()).unwrap();
    for spec in ["1:3", "2:2-3:1"] {
        let resolved = spec.parse::<RangeSpec>().unwrap().resolve(&document).unwrap();
        let printed = resolved.to_string();
        let again = printed.split(' ').next().unwrap().parse::<RangeSpec>().unwrap();
        assert_eq!(again.resolve(&document).unwrap(), resolved);
    }
}

#[test]
fn refusals_are_one_line_and_say_what_to_do() {
    let text = "a\nb\nc";
    for (range, part) in [
        ("0:2", "start at 1"),
        ("1,+0", "start at 1"),
        ("1:0-2:1", "start at 1"),
        ("3:1", "swap its ends"),
        ("2:1-1:1", "swap its ends"),
        ("1:4", "the file has 3 lines"),
        ("4", "the file has 3 lines"),
        ("1,+99999999999999999999", "is not a range"),
        ("18446744073709551615,+18446744073709551615", "the file has 3 lines"),
        ("1:1-1:3", "line 1 ends at column 2"),
        ("1:1-3:2", "line 3 ends at column 1"),
        ("", "is not a range"),
        ("1:", "is not a range"),
        (":4", "is not a range"),
        ("-1:4", "is not a range"),
        ("+1:4", "is not a range"),
        ("1:2:3", "is not a range"),
        ("f.rs:10:40", "names a position"),
        ("src/a.rs:10:40", "names a position"),
        ("Type::name", "needs a language"),
    ] {
        let error = resolve(text, range).unwrap_err();
        assert!(error.contains(part), "{range}: {error}");
        assert!(!error.contains('\n'));
    }
    assert!(resolve("", "1:1").unwrap_err().contains("empty"));
    assert!(resolve("one\n", "2").unwrap_err().contains("1 line;"));
}

#[test]
fn symbols_go_to_the_syntax_layer() {
    struct Fixed;
    impl Select for Fixed {
        fn symbol(&self, _: &Document, path: &str) -> Result<Span, String> {
            if path == "T::f" { Ok(Span::new(2, 4)) } else { Err("no such name".into()) }
        }
        fn expand(&self, _: &Document, offset: usize, _: Expand) -> Result<Span, String> {
            Ok(Span::new(offset, offset + 1))
        }
    }
    let document = Document::from_bytes("t".into(), b"a\nb\nc\n".to_vec()).unwrap();
    let with = |spec: RangeSpec| spec.resolve_with(&document, Some(&Fixed)).map(|r| r.span).map_err(|e| e.to_string());
    assert_eq!(with("T::f".parse().unwrap()), Ok(Span::new(2, 4)));
    assert_eq!(with("g".parse().unwrap()), Err("g: no such name".into()));
    let position = "3:1".parse().unwrap();
    assert_eq!(with(RangeSpec::At { position, expand: Expand::Fn }), Ok(Span::new(4, 5)));
}
