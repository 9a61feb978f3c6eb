//! The oldest compiler that the package around a file supports.

use std::path::Path;

use super::recipe::parse_version;

/// `rust-version` of the nearest `Cargo.toml` above `file`, looking no higher than `root`; that of the workspace where the package
/// says so. `None` where nothing is said.
pub fn rust_version(file: &Path, root: &Path) -> Option<(u32, u32)> {
    let mut inherits = false;
    for folder in file.ancestors().skip(1) {
        if let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml"))
            && let Ok(manifest) = text.parse::<toml::Table>()
        {
            let field = |table: &toml::Value| table.get("rust-version").cloned();
            let package = manifest.get("package").and_then(field);
            let workspace = manifest.get("workspace").and_then(|workspace| workspace.get("package")).and_then(field);
            match (inherits, package, workspace) {
                (false, Some(toml::Value::String(version)), _) | (true, _, Some(toml::Value::String(version))) => {
                    return parse_version(&version);
                }
                (false, Some(toml::Value::Table(_)), Some(toml::Value::String(version))) => return parse_version(&version),
                (false, Some(toml::Value::Table(_)), _) => inherits = true,
                (false, _, _) if manifest.contains_key("package") => return None,
                _ => {}
            }
        }
        if folder == root {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_package_decides_and_may_inherit() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace.package]\nrust-version = \"1.70\"\n");
        write("a/Cargo.toml", "[package]\nname = \"a\"\nrust-version = \"1.40.1\"\n");
        write("b/Cargo.toml", "[package]\nname = \"b\"\nrust-version.workspace = true\n");
        write("c/Cargo.toml", "[package]\nname = \"c\"\n");
        let version = |name: &str| rust_version(&root.path().join(name), root.path());
        assert_eq!(version("a/src/lib.rs"), Some((1, 40)));
        assert_eq!(version("b/src/deep/lib.rs"), Some((1, 70)));
        assert_eq!(version("c/src/lib.rs"), None);
        assert_eq!(version("x.rs"), None);
    }
}
