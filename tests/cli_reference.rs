//! The CLI reference in `docs/` is what the program says. `DCODE_UPDATE=1` writes it anew.

#[test]
fn the_reference_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
    let now = dcode::cli::reference::markdown();
    if std::env::var_os("DCODE_UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stored, now, "run DCODE_UPDATE=1 cargo test --no-default-features cli_reference");
}
