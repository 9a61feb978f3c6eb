//! What looks like a secret: names of files, private keys, and tokens in a line of text.

use std::ffi::OsStr;

/// Whether a file of this name holds secrets as a rule.
pub fn is_secret_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    let example = ["example", "sample", "template", "dist", "test"].iter().any(|word| name.ends_with(&format!(".{word}")));
    let endings = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".tfstate", ".ppk"];
    let names = [
        ".env",
        ".netrc",
        "_netrc",
        ".npmrc",
        ".pypirc",
        ".pgpass",
        ".htpasswd",
        ".git-credentials",
        "credentials",
        "credentials.json",
        "credentials.toml",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "secrets.yml",
        "secrets.yaml",
        "secrets.json",
        "secrets.toml",
    ];
    !example
        && (names.contains(&name.as_str()) || name.starts_with(".env.") || endings.iter().any(|ending| name.ends_with(ending)))
}

/// Whether the text has a private key in its usual armour.
pub fn holds_private_key(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("-----BEGIN ") && line.trim_end().ends_with("PRIVATE KEY-----"))
}

/// Beginnings of the tokens that well-known services give out, and how many letters, digits, `-` and `_` follow at least.
const TOKENS: [(&str, usize); 18] = [
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghu_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xapp-", 10),
    ("sk_live_", 16),
    ("sk-", 20),
    ("hf_", 20),
    ("npm_", 20),
    ("eyJ", 40),
];
/// Words that name a secret before `=` or `:`.
const NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "api_key", "apikey", "api-key"];
/// Characters of a value that may be a secret.
const LONG_ENOUGH: usize = 8;

/// Whether a line that a person typed has a secret in it: a private key, a token, a password behind its name or in an address. In
/// doubt it has none: code is full of names that look like secrets and are not.
pub fn holds_secret(line: &str) -> bool {
    let armour = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----");
    armour || line.split_whitespace().any(is_address_with_password) || holds_token(line) || holds_assignment(line)
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn holds_token(line: &str) -> bool {
    let starts = |at: usize| line[..at].chars().next_back().is_none_or(|before| !is_token(before));
    let long = |rest: &str, least: usize| {
        let rest: Vec<char> = rest.chars().take_while(|c| is_token(*c) || *c == '.').collect();
        // A name of words has no digits in it.
        rest.len() >= least && rest.iter().any(char::is_ascii_digit)
    };
    TOKENS
        .iter()
        .any(|(head, least)| line.match_indices(head).any(|(at, _)| starts(at) && long(&line[at + head.len()..], *least)))
}

/// `scheme://user:password@host`.
fn is_address_with_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// `password = "…"`, with a value in which letters and digits are mixed.
fn holds_assignment(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    NAMES.iter().any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let rest = lower[at + name.len()..].trim_start_matches(['"', '\'', ' ']);
            let Some(value) = rest.strip_prefix([':', '=']) else { return false };
            let value = value.trim_start_matches([' ', '"', '\'', '=']);
            let value: Vec<char> =
                value.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | ',' | ';')).collect();
            let has = |is: fn(&char) -> bool| value.iter().any(is);
            value.len() >= LONG_ENOUGH && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents() {
        for name in [".env", ".env.local", ".ENV", "server.pem", "id_rsa", "a.key", "prod.tfstate", ".netrc", "credentials"] {
            assert!(is_secret_name(OsStr::new(name)), "{name}");
        }
        for name in [".env.example", "env.rs", "id_rsa.pub", "keys.rs", "credentials.rs", "environment", "pem.py", ".envrc"] {
            assert!(!is_secret_name(OsStr::new(name)), "{name}");
        }
        assert!(holds_private_key("x\n-----BEGIN OPENSSH PRIVATE KEY-----\r\nabc\n"));
        assert!(!holds_private_key("-----BEGIN PUBLIC KEY-----\nlet x = \"-----BEGIN PRIVATE KEY-----\";\n"));
    }

    #[test]
    fn secrets_in_a_line() {
        for line in [
            "use -----BEGIN RSA PRIVATE KEY----- MIIabc -----END",
            "send the header with ghp_0123456789abcdefghijABCDEFGHIJ012345",
            "key=AKIAIOSFODNN7EXAMPLE",
            "call it with sk-proj-abc0123456789abcdefghij",
            "connect to postgres://app:hunter2@db.local/x",
            "set password = \"hunter2hunter2\"",
            "API_KEY: 9f8e7d6c5b4a",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        ] {
            assert!(holds_secret(line), "{line}");
        }
        for line in [
            "rename the field password to passphrase",
            "read the token: it is an identifier",
            "return Result<Token, Error> and check the secret",
            "use sk-learn-like-names-without-any-numbers-in-them",
            "take the password: String by reference",
            "see https://example.com/a:b@c for details",
            "use task-runner-2026-with-a-long-name-1",
            "split at the colon in user:name@host",
            "",
        ] {
            assert!(!holds_secret(line), "{line}");
        }
    }
}
