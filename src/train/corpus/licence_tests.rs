use std::path::Path;

use super::*;

const MIT: &str = "MIT License\n\nCopyright (c) 2024 A\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\nof this software and associated documentation files (the \"Software\"), to deal\nin the Software … subject to the following conditions:\n\nThe above copyright notice and this permission notice shall be included in all\ncopies or substantial portions of the Software.\n";
const GPL: &str =
    "                    GNU GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007\n\n Copyright (C) 2007 …";

#[test]
fn texts_are_recognised() {
    let one = |text: &str| recognise(text).into_iter().collect::<Vec<_>>();
    assert_eq!(one(MIT), ["MIT"]);
    assert_eq!(one(GPL), ["GPL-3.0-only"]);
    assert_eq!(one(include_str!("../../../LICENSE")), ["Apache-2.0"]);
    let bsd = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided that …";
    assert_eq!(one(bsd), ["BSD-2-Clause"]);
    assert_eq!(one(&format!("{bsd}\n* Neither the name of A nor …")), ["BSD-3-Clause"]);
    assert_eq!(one(&format!("{bsd}\n3. All advertising materials mentioning features …")), ["BSD-4-Clause"]);
    let isc =
        "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted";
    assert_eq!(one(&format!("{isc}, provided that the above copyright notice …")), ["ISC"]);
    assert_eq!(one(&format!("{isc}.")), ["0BSD"]);
    assert_eq!(one(&format!("\"Commons Clause\" License Condition v1.0\n{MIT}")), ["LicenseRef-Commons-Clause", "MIT"]);
    assert_eq!(one("All rights reserved."), Vec::<&str>::new());
    // The last lines of the GPL speak of the LGPL and the MIT of other works: only the head counts.
    assert_eq!(one(&format!("{GPL}{}GNU Lesser General Public License", "word ".repeat(200))), ["GPL-3.0-only"]);
}

/// The licence texts in the sources of the crates that this build uses, compared with what their manifests say.
#[test]
fn manifests_and_texts_agree_on_real_packages() {
    let Some(sources) = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")))
    else {
        return;
    };
    let Ok(registries) = std::fs::read_dir(sources.join("registry/src")) else { return };
    let packages = registries.flatten().filter_map(|entry| std::fs::read_dir(entry.path()).ok()).flatten().flatten();
    let (mut texts, mut agree) = (0, 0);
    for package in packages {
        let Some(stated) = super::read(&package.path().join("Cargo.toml")).and_then(|text| of_cargo(&text)) else { continue };
        let Ok(files) = std::fs::read_dir(package.path()) else { continue };
        for file in files.flatten().filter(|file| is_licence_file(&file.path())) {
            let Some(text) = super::read(&file.path()) else { continue };
            let found = recognise(&text);
            texts += 1;
            agree +=
                usize::from(!found.is_empty() && found.iter().all(|licence| stated.contains(licence.trim_end_matches("-only"))));
        }
    }
    assert!(texts == 0 || agree * 100 >= texts * 90, "{agree} of {texts}");
}

#[test]
fn a_tag_counts_before_the_manifest_and_the_manifest_before_a_text() {
    let temp = tempfile::tempdir().unwrap();
    let top = temp.path();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(top.join(name).parent().unwrap()).unwrap();
        std::fs::write(top.join(name), text).unwrap();
    };
    write("LICENSE", MIT);
    write("a/src/lib.rs", "");
    write("b/Cargo.toml", "[package]\nname = 'b'\nlicense = 'GPL-3.0-only'\n");
    write("b/LICENSE", MIT);
    write("c/LICENSE-MIT", MIT);
    write("c/COPYING", GPL);
    write("d/LICENCE.txt", "Ask me.");
    write("e/Cargo.toml", "[package]\nname = 'e'\nlicense.workspace = true\n");
    write("f/package.json", "{\"license\": \"ISC\"}");
    write("g/pyproject.toml", "[project]\nlicense = {text = \"BSD-3-Clause\"}\n");
    let licences = Licences::new();
    let of =
        |folder: &str, text: &str| licences.of(text, &top.join(folder), top).map(|found| (found.expression, found.is_permissive));
    let named = |name: &str, permissive: bool| Some((name.to_owned(), permissive));
    assert_eq!(of("a/src", ""), named("MIT", true));
    assert_eq!(of("b", ""), named("GPL-3.0-only", false));
    assert_eq!(of("b", "// SPDX-License-Identifier: MIT OR Apache-2.0\n"), named("MIT OR Apache-2.0", true));
    assert_eq!(of("a", "/* SPDX-License-Identifier: GPL-2.0 */"), named("GPL-2.0", false));
    assert_eq!(of("c", ""), named("GPL-3.0-only AND MIT", false));
    assert_eq!(of("d", ""), None, "a text that nobody knows is not that of the folder above");
    assert_eq!(of("e", ""), named("MIT", true));
    assert_eq!(of("f", ""), named("ISC", true));
    assert_eq!(of("g", ""), named("BSD-3-Clause", true));
    assert_eq!(Licences::new().of("", &top.join("a/src"), &top.join("a")), None, "not above the top");
    assert!(of("a", "").is_some() && Path::new(top).is_dir());
}
