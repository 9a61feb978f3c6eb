//! Secrets in a line that a person typed, where passwords stand without quotes, and a key on one line.

use crate::text::secret::holds_secret;

/// Beginnings of tokens that code holds too often by chance to be refused there, and how many letters, digits, `-` and `_` follow at
/// least.
const TOKENS: [(&str, usize); 6] = [("ghu_", 20), ("ghr_", 20), ("xapp-", 10), ("sk-", 20), ("hf_", 20), ("eyJ", 40)];
/// Words that name a secret before `=` or `:`.
const NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "api_key", "apikey", "api-key"];
/// Characters of a value that may be a secret.
const LONG_ENOUGH: usize = 8;

/// Whether a line that a person typed has a secret in it: a private key, a token, a password behind its name or in an address. In
/// doubt it has none: code is full of names that look like secrets and are not.
pub fn is_in_line(line: &str) -> bool {
    let armour = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----");
    armour
        || holds_secret(line)
        || line.split_whitespace().any(is_address_with_password)
        || holds_token(line)
        || holds_assignment(line)
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
    fn secrets_in_a_line() {
        for line in [
            "use -----BEGIN RSA PRIVATE KEY----- MIIabc -----END",
            concat!("send the header with gh", "p_0123456789abcdefghijABCDEFGHIJ012345"),
            "key=AKIAIOSFODNN7EXAMPLE",
            "call it with sk-proj-abc0123456789abcdefghij",
            "connect to postgres://app:hunter2@db.local/x",
            "set password = \"hunter2hunter2\"",
            "API_KEY: 9f8e7d6c5b4a",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        ] {
            assert!(is_in_line(line), "{line}");
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
            assert!(!is_in_line(line), "{line}");
        }
    }
}
