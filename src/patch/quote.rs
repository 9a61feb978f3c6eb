//! Path names in diffs, quoted as git quotes them.

use std::path::Path;

/// Quotes `name` in C style if it holds anything but printable characters; returns `None` if it needs no quotes.
///
/// Printable characters of other scripts stay as they are, which is what git prints with `core.quotePath` off and what `git
/// apply` and `patch` read. Controls, and everything invisible or directional, become octal escapes.
pub fn quoted(name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len() + 2);
    // `patch` drops a blank at the end of a bare name.
    let mut odd = name.ends_with(b" ");
    out.push(b'"');
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            let escape = match character {
                '\x07' => b'a',
                '\x08' => b'b',
                '\t' => b't',
                '\n' => b'n',
                '\x0b' => b'v',
                '\x0c' => b'f',
                '\r' => b'r',
                '"' | '\\' => character as u8,
                ' '..='~' => {
                    out.extend_from_slice(bytes);
                    continue;
                }
                _ if character.is_alphanumeric() => {
                    out.extend_from_slice(bytes);
                    continue;
                }
                _ => {
                    octal(&mut out, bytes);
                    odd = true;
                    continue;
                }
            };
            odd = true;
            out.extend_from_slice(&[b'\\', escape]);
        }
        odd |= !chunk.invalid().is_empty();
        octal(&mut out, chunk.invalid());
    }
    out.push(b'"');
    odd.then_some(out)
}

fn octal(out: &mut Vec<u8>, bytes: &[u8]) {
    bytes.iter().for_each(|byte| out.extend_from_slice(format!("\\{byte:03o}").as_bytes()));
}

/// The bytes of a path, with `/` between its parts.
pub fn path_bytes(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        path.as_os_str().as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy().replace('\\', "/").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_git_quotes() {
        for name in ["plain.rs", "with space.rs", "-x", "naïve.rs", "日本.rs", "a'b"] {
            assert_eq!(quoted(name.as_bytes()), None, "{name}");
        }
        for (name, expected) in [
            (&b"new\nline"[..], r#""new\nline""#),
            (b"tab\t\"q\"\\", r#""tab\t\"q\"\\""#),
            (b"esc\x1b[31m", r#""esc\033[31m""#),
            (b"latin\xe9", r#""latin\351""#),
            (b"blank ", r#""blank ""#),
            ("rtl\u{202e}x".as_bytes(), r#""rtl\342\200\256x""#),
            (b"\x7f", r#""\177""#),
        ] {
            assert_eq!(quoted(name).map(|q| String::from_utf8(q).unwrap()).as_deref(), Some(expected));
        }
    }
}
