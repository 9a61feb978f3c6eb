//! Which licence a file is under: a tag in the file, the manifest of its package, or the licence text beside or above it.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::spdx;

/// Largest manifest or licence text that is read.
const CAP: u64 = 1 << 20;
/// Lines at the head of a file in which a licence tag is looked for.
const HEAD: usize = 30;
const TAG: &str = "SPDX-License-Identifier:";

/// A licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// Its SPDX expression, as found or as recognised.
    pub expression: String,
    /// Whether it lets everybody use the code in whatever they make, with notices kept at most.
    pub is_permissive: bool,
}

impl Licence {
    fn new(expression: &str) -> Self {
        Self { expression: expression.to_owned(), is_permissive: spdx::is_permissive(expression) }
    }
}

/// The licences of the folders of some trees; safe to ask from several threads.
#[derive(Debug, Default)]
pub struct Licences {
    folders: Mutex<HashMap<PathBuf, Option<Licence>>>,
}

impl Licences {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The licence of a file with this text in `folder`; looked for up to the folder `top`. `None` when nothing says it, or what says
    /// it is not recognised.
    pub fn of(&self, text: &str, folder: &Path, top: &Path) -> Option<Licence> {
        tag_of(text).map(Licence::new).or_else(|| self.of_folder(folder, top))
    }

    fn of_folder(&self, folder: &Path, top: &Path) -> Option<Licence> {
        let known = |folder: &Path| self.folders.lock().unwrap_or_else(PoisonError::into_inner).get(folder).cloned();
        if let Some(known) = known(folder) {
            return known;
        }
        let found = match said_in(folder) {
            Said::This(licence) => Some(licence),
            Said::Unrecognised => None,
            Said::Nothing if folder == top => None,
            Said::Nothing => folder.parent().filter(|above| above.starts_with(top)).and_then(|above| self.of_folder(above, top)),
        };
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_path_buf(), found.clone());
        found
    }
}

/// What the files of one folder say about its licence.
enum Said {
    This(Licence),
    /// There is a licence text that nobody here knows.
    Unrecognised,
    Nothing,
}

fn said_in(folder: &Path) -> Said {
    let read = |name: &str| read(&folder.join(name));
    let stated = read("Cargo.toml").and_then(|text| of_cargo(&text));
    let stated = stated.or_else(|| read("package.json").and_then(|text| of_package_json(&text)));
    if let Some(expression) = stated.or_else(|| read("pyproject.toml").and_then(|text| of_pyproject(&text))) {
        return Said::This(Licence::new(&expression));
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Said::Nothing };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_licence_file(path)).collect();
    files.sort();
    // Several texts may be a choice or a sum; where no manifest says which, all of them must be kept to.
    let mut all = BTreeSet::new();
    for file in &files {
        let found = self::read(file).map(|text| recognise(&text)).unwrap_or_default();
        if found.is_empty() {
            return Said::Unrecognised;
        }
        all.extend(found);
    }
    if all.is_empty() { Said::Nothing } else { Said::This(Licence::new(&all.into_iter().collect::<Vec<_>>().join(" AND "))) }
}

fn read(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size > CAP { None } else { std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) }
}

/// The expression of a tag in the head of a file.
fn tag_of(text: &str) -> Option<&str> {
    let line = text.lines().take(HEAD).find(|line| line.contains(TAG))?;
    let expression = line.split(TAG).nth(1)?.trim();
    let end = ["*/", "-->", "\"", "'"].iter().filter_map(|end| expression.find(end)).min().unwrap_or(expression.len());
    Some(expression[..end].trim()).filter(|expression| !expression.is_empty())
}

/// `license` of a package, or what a workspace gives its packages.
fn of_cargo(text: &str) -> Option<String> {
    let manifest: toml::Table = text.parse().ok()?;
    let package = manifest.get("package").and_then(|package| package.get("license")).and_then(toml::Value::as_str);
    let workspace = || manifest.get("workspace")?.get("package")?.get("license")?.as_str();
    package.or_else(workspace).map(str::to_owned)
}

fn of_package_json(text: &str) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_str(text).ok()?;
    let licence = manifest.get("license")?;
    licence.as_str().or_else(|| licence.get("type")?.as_str()).map(str::to_owned)
}

fn of_pyproject(text: &str) -> Option<String> {
    let manifest: toml::Table = text.parse().ok()?;
    let licence = manifest.get("project")?.get("license")?;
    let licence = licence.as_str().or_else(|| licence.get("text")?.as_str())?;
    // Older files have the whole text here.
    (licence.lines().count() == 1).then(|| licence.to_owned())
}

/// Whether a file has a name that licence texts have.
fn is_licence_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let begins = ["license", "licence", "copying", "unlicense"].iter().any(|word| name.starts_with(word));
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    begins
        && path.is_file()
        && !matches!(extension, Some("rs" | "py" | "js" | "ts" | "go" | "c" | "h" | "java" | "json" | "toml" | "html"))
}

/// Phrases that licence texts have, in words with one blank between them, lower case: where they must stand, and what they say. Of
/// phrases that say the same, each is enough.
const PHRASES: [(Place, &str, &str); 22] = [
    (Place::Head, "gnu affero general public license", "AGPL-3.0-only"),
    (Place::Head, "gnu lesser general public license", "LGPL-3.0-only"),
    (Place::Head, "gnu library general public license", "LGPL-2.0-only"),
    (Place::Head, "gnu general public license", "GPL-3.0-only"),
    (Place::Head, "mozilla public license", "MPL-2.0"),
    (Place::Head, "eclipse public license", "EPL-2.0"),
    (Place::Head, "european union public licence", "EUPL-1.2"),
    (Place::Head, "common development and distribution license", "CDDL-1.0"),
    (Place::Head, "business source license", "BUSL-1.1"),
    (Place::Head, "server side public license", "SSPL-1.0"),
    (Place::Anywhere, "commons clause", "LicenseRef-Commons-Clause"),
    (Place::Head, "creative commons attribution", "CC-BY-4.0"),
    (Place::Head, "apache license version 2 0", "Apache-2.0"),
    (Place::Anywhere, "licensed under the apache license version 2 0", "Apache-2.0"),
    (Place::Anywhere, "boost software license version 1 0", "BSL-1.0"),
    (Place::Anywhere, "altered source versions must be plainly marked as such", "Zlib"),
    (Place::Anywhere, "this is free and unencumbered software released into the public domain", "Unlicense"),
    (Place::Head, "cc0 1 0 universal", "CC0-1.0"),
    (Place::Head, "unicode license v3", "Unicode-3.0"),
    (Place::Anywhere, "unicode inc license agreement data files and software", "Unicode-DFS-2016"),
    (Place::Head, "python software foundation license", "PSF-2.0"),
    (Place::Head, "blue oak model license", "BlueOak-1.0.0"),
];

/// Where a phrase must stand. The text of one licence may name others further down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Anywhere,
}

/// Bytes of the words that are the head of a text.
const HEAD_BYTES: usize = 600;

/// The licences that a text is the text of; empty when it is none that is known.
///
/// The texts are told apart by sentences that they alone have, not compared as a whole: names, years and layout differ everywhere.
pub fn recognise(text: &str) -> BTreeSet<&'static str> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let words = words.join(" ");
    let head = &words[..words.floor_char_boundary(HEAD_BYTES)];
    let mut found: BTreeSet<&'static str> = PHRASES
        .iter()
        .filter(|(place, phrase, _)| if *place == Place::Head { head.contains(phrase) } else { words.contains(phrase) })
        .map(|(_, _, licence)| *licence)
        .collect();
    let has = |phrase: &str| words.contains(phrase);
    if has("permission is hereby granted free of charge to any person obtaining a copy of this software") {
        // Boost's begins almost alike and is known by its name.
        let keeps_notice = has("the above copyright notice and this permission notice shall be included");
        found.insert(if keeps_notice { "MIT" } else { "MIT-0" });
    }
    if has("redistribution and use in source and binary forms with or without modification are permitted") {
        found.insert(match () {
            () if has("all advertising materials mentioning features") => "BSD-4-Clause",
            () if has("neither the name") || has("may not be used to endorse or promote products") => "BSD-3-Clause",
            () => "BSD-2-Clause",
        });
    }
    let isc = [
        "permission to use copy modify and or distribute this software",
        "permission to use copy modify and distribute this software",
    ];
    if isc.iter().any(|phrase| has(phrase)) {
        let keeps_notice = has("provided that the above copyright notice") || has("provided that the copyright notice");
        found.insert(if keeps_notice { "ISC" } else { "0BSD" });
    }
    found
}

#[cfg(test)]
#[path = "licence_tests.rs"]
mod tests;
