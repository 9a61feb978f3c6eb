//! The unified diff, as bytes that `git apply` and `patch -p1` take.

use std::ops::Range;
use std::path::Path;

use git2::ObjectType;
use git2::Oid;
use similar::DiffOp;

use super::hunk::line_ops;
use super::quote::path_bytes;
use super::quote::quoted;

/// How a unified diff is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnifiedOptions {
    /// Unchanged lines around a change.
    pub context: usize,
    /// The file's mode for git: `0o100644`, or `0o100755` if it can be executed.
    pub mode: u32,
}

impl Default for UnifiedOptions {
    fn default() -> UnifiedOptions {
        UnifiedOptions { context: 3, mode: 0o100644 }
    }
}

/// The diff that turns `old` into `new`, for the file `path` in its work tree; empty when they are equal.
///
/// The header names both blobs, so that `git apply --3way` finds the original. Lines end with LF only: a CR belongs to the line.
pub fn unified(old: &[u8], new: &[u8], path: &Path, options: UnifiedOptions) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    let mut out = header(old, new, path, options.mode);
    let old: Vec<&[u8]> = old.split_inclusive(|&b| b == b'\n').collect();
    let new: Vec<&[u8]> = new.split_inclusive(|&b| b == b'\n').collect();
    for group in similar::group_diff_ops(line_ops(&old, &new), options.context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let old_range = first.old_range().start..last.old_range().end;
        let new_range = first.new_range().start..last.new_range().end;
        out.extend_from_slice(format!("@@ -{} +{} @@\n", lines(&old_range), lines(&new_range)).as_bytes());
        for op in group {
            if let DiffOp::Equal { .. } = op {
                old[op.old_range()].iter().for_each(|text| line(&mut out, b' ', text));
            } else {
                old[op.old_range()].iter().for_each(|text| line(&mut out, b'-', text));
                new[op.new_range()].iter().for_each(|text| line(&mut out, b'+', text));
            }
        }
    }
    out
}

/// A line range as a hunk header has it. An empty range names the line before it.
fn lines(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    }
}

fn line(out: &mut Vec<u8>, sign: u8, text: &[u8]) {
    out.push(sign);
    out.extend_from_slice(text);
    if !text.ends_with(b"\n") {
        out.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
}

fn header(old: &[u8], new: &[u8], path: &Path, mode: u32) -> Vec<u8> {
    let side = |prefix: &str| {
        let mut name = prefix.as_bytes().to_vec();
        name.extend(path_bytes(path));
        quoted(&name).unwrap_or(name)
    };
    let (a, b) = (side("a/"), side("b/"));
    // Without the tab, `patch` would end a name at its first blank.
    let end = |name: &[u8]| if name.contains(&b' ') && !name.starts_with(b"\"") { &b"\t\n"[..] } else { b"\n" };
    let blob = |bytes| Oid::hash_object(ObjectType::Blob, bytes).map(|oid| oid.to_string());
    let mut out = [&b"diff --git "[..], &a, b" ", &b, b"\n"].concat();
    if let (Ok(old), Ok(new)) = (blob(old), blob(new)) {
        out.extend_from_slice(format!("index {old}..{new} {mode:06o}\n").as_bytes());
    }
    out.extend([&b"--- "[..], &a, end(&a), b"+++ ", &b, end(&b)].concat());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_like_git_diff() {
        let diff = unified(b"a\nb\r\nc", b"a\nB\r\nc\n", Path::new("dir/my file.rs"), UnifiedOptions::default());
        let text = String::from_utf8(diff).unwrap();
        let (head, rest) = text.split_once("\n--- ").unwrap();
        assert!(head.starts_with("diff --git a/dir/my file.rs b/dir/my file.rs\nindex "), "{head}");
        assert!(head.ends_with(" 100644"), "{head}");
        assert_eq!(
            rest,
            "a/dir/my file.rs\t\n+++ b/dir/my file.rs\t\n@@ -1,3 +1,3 @@\n a\n-b\r\n-c\n\\ No newline at end of file\n+B\r\n+c\n"
        );
    }

    #[test]
    fn empty_sides() {
        let text = |old: &[u8], new: &[u8]| {
            let diff = unified(old, new, Path::new("f"), UnifiedOptions::default());
            String::from_utf8(diff).unwrap().split_once("@@").map(|(_, rest)| format!("@@{rest}"))
        };
        assert_eq!(text(b"", b"x\n").as_deref(), Some("@@ -0,0 +1 @@\n+x\n"));
        assert_eq!(text(b"x\n", b"").as_deref(), Some("@@ -1 +0,0 @@\n-x\n"));
        assert_eq!(text(b"x\n", b"x\n"), None);
    }
}
