//! The tables of keys in `docs/tui.md` are those of the keymap.

use std::fmt::Write;
use std::path::Path;

use dcode::tui::keymap::Context;
use dcode::tui::keymap::Keymap;

/// The tables, as they stand in the guide.
fn tables() -> String {
    let keymap = Keymap::default();
    let mut out = String::new();
    for context in Context::ALL {
        let _ = writeln!(
            out,
            "\n### {}\n\n| keys | what they do | name in `[keys.{}]` |\n| --- | --- | --- |",
            context.name(),
            context.name()
        );
        for (action, keys) in keymap.actions(context) {
            let keys: Vec<String> = keys.split(' ').map(|key| format!("`{}`", key.replace('|', "\\|"))).collect();
            let _ = writeln!(out, "| {} | {} | `{}` |", keys.join(" "), action.help(), action.name());
        }
    }
    out
}

#[test]
fn the_guide_lists_the_keys_of_the_keymap() {
    const BEGIN: &str = "<!-- keys: written by the test tui_guide -->\n";
    const END: &str = "\n<!-- end of keys -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tui.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(BEGIN).expect("the place of the tables");
    let (found, after) = rest.split_once(END).expect("the end of the tables");
    let expected = tables();
    if std::env::var_os("DCODE_UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "run with DCODE_UPDATE=1 to write the tables");
}

/// Every picture that the guide shows is there.
#[test]
fn the_pictures_of_the_guide_exist() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let guide = std::fs::read_to_string(docs.join("tui.md")).unwrap();
    let pictures: Vec<&str> =
        guide.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|path| path.ends_with(".svg")).collect();
    assert!(pictures.len() >= 4, "{pictures:?}");
    for picture in pictures {
        assert!(docs.join(picture).is_file(), "{picture}");
    }
}
