//! What looks like a secret: names of files that hold them as a rule, private keys, access tokens of well-known services, and long
//! random strings that are given a name such as `password`.

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

/// Beginnings of the access tokens of well-known services, and how many letters, digits, `-`, `_` and `.` follow at least.
const TOKENS: [(&str, usize); 21] = [
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
    ("rk_live_", 16),
    ("sk-", 20),
    ("hf_", 20),
    ("npm_", 20),
    ("pypi-AgEI", 50),
    ("SG.", 60),
    ("eyJ", 40),
];

/// Words in the names of what holds a secret.
const NAMES: [&str; 9] =
    ["password", "passwd", "secret", "api_key", "apikey", "access_key", "auth_token", "access_token", "private_key"];

/// Bits of a character from which a string of at least [`RANDOM_LENGTH`] characters counts as random: base 64 of random bytes has 4.5
/// and more at 32 characters, hexadecimal digits at most 4.
const RANDOM_BITS: f64 = 4.0;
const RANDOM_HEX_BITS: f64 = 3.0;
const RANDOM_LENGTH: usize = 20;

/// Whether a text holds a private key, an access token, or a random string that is named as a secret.
pub fn holds_secret(text: &str) -> bool {
    holds_private_key(text)
        || TOKENS.iter().any(|&(start, length)| holds_token(text, start, length))
        || text.lines().any(names_secret)
}

/// Whether a line that a person typed has a secret in it: as [`holds_secret`], or a password in an address or behind its name, in
/// whatever form people write that. In doubt it has none: instructions are full of words such as "token".
pub fn is_typed_secret(line: &str) -> bool {
    let armour = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----");
    armour || holds_secret(line) || line.split_whitespace().any(is_address_with_password) || gives_password(line)
}

/// Whether `start` stands at the beginning of a word, with enough of a token behind it. A name made of words has no digits in it.
fn holds_token(text: &str, start: &str, length: usize) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.match_indices(start).any(|(at, _)| {
        let bytes = text.as_bytes();
        let begins = at == 0 || !is_part(&bytes[at - 1]);
        let token = || bytes[at + start.len()..].iter().take_while(|byte| is_part(byte));
        begins && token().count() >= length && token().any(u8::is_ascii_digit)
    })
}

/// Whether a line gives a random string to a name that says it is a secret.
fn names_secret(line: &str) -> bool {
    // Such strings are quoted in code; a long line without a quote is not worth lowering.
    let Some(quote) = line.find(['"', '\'']) else { return false };
    let before = line[..quote].to_ascii_lowercase();
    if !before.trim_end().ends_with(['=', ':', '(']) || !NAMES.iter().any(|name| before.contains(name)) {
        return false;
    }
    let mark = line.as_bytes()[quote] as char;
    let value = line[quote + 1..].split(mark).next().unwrap_or_default();
    let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    value.len() >= RANDOM_LENGTH
        && value.chars().all(is_code)
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && entropy(value.as_bytes()) >= if is_hex { RANDOM_HEX_BITS } else { RANDOM_BITS }
}

/// Words that people write before a password.
const TYPED_NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "api_key", "apikey", "api-key"];
/// Characters from which a typed value may be a password.
const PASSWORD_LENGTH: usize = 8;

/// `scheme://user:password@host`.
fn is_address_with_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// `password = "…"`, with a value in which letters and digits are mixed.
fn gives_password(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    TYPED_NAMES.iter().any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let rest = lower[at + name.len()..].trim_start_matches(['"', '\'', ' ']);
            let Some(value) = rest.strip_prefix([':', '=']) else { return false };
            let value = value.trim_start_matches([' ', '"', '\'', '=']);
            let value: Vec<char> =
                value.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | ',' | ';')).collect();
            let has = |is: fn(&char) -> bool| value.iter().any(is);
            value.len() >= PASSWORD_LENGTH && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
        })
    })
}

/// Shannon's entropy of the bytes, in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let share = |count: usize| count as f64 / bytes.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| -share(count) * share(count).log2()).sum()
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
    fn tokens_and_random_strings() {
        let token = format!("{}{}", "gh", "p_0123456789abcdefghijABCDEFGHIJ012345");
        for text in [
            format!("let token = \"{token}\";"),
            format!("key={}{}\n", "AK", "IAIOSFODNN7EXAMPLE"),
            "DB_PASSWORD = 'q8Zr0vXk3LmT1yBn7WdG5sHj'\n".to_owned(),
            "  api_key: \"9f86d081884c7d659a2feaa0c55ad015\",\n".to_owned(),
        ] {
            assert!(holds_secret(&text), "{text}");
        }
        for text in [
            "let password = \"correct-horse-battery-staple\";",
            "password = os.environ['DATABASE_PASSWORD_1_OF_THE_SERVER']",
            "fn secret(name: &str) {} // \"9f86d081884c7d659a2feaa0c55ad015\"",
            "let hash = \"9f86d081884c7d659a2feaa0c55ad015\";",
            "ghp_short",
            "aghp_0123456789abcdefghijABCDEFGHIJ012345",
        ] {
            assert!(!holds_secret(text), "{text}");
        }
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-12 && entropy(b"aaaa").abs() < 1e-12);
    }

    #[test]
    fn what_people_type() {
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
            assert!(is_typed_secret(line), "{line}");
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
            assert!(!is_typed_secret(line), "{line}");
        }
    }
}
