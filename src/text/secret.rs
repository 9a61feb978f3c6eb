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

/// Beginnings of the access tokens of well-known services, and the least number of letters, digits, `-` and `_` behind them.
const TOKENS: [(&str, usize); 15] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 35),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("github_pat_", 50),
    ("glpat-", 20),
    ("npm_", 36),
    ("pypi-AgEI", 50),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("SG.", 60),
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

/// Whether `start` stands at the beginning of a word, with enough of a token behind it.
fn holds_token(text: &str, start: &str, length: usize) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.match_indices(start).any(|(at, _)| {
        let bytes = text.as_bytes();
        let begins = at == 0 || !is_part(&bytes[at - 1]);
        let token = bytes[at + start.len()..].iter().take_while(|byte| is_part(byte));
        begins && token.count() >= length
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
}
