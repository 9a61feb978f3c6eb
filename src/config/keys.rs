//! The keys that can be set: one table, with what each may hold and who may set it.

use std::fmt;

use crate::verify::words;

/// What a key may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A number above or at the first, up to the second.
    Number(f64, f64),
    /// Yes or no.
    Switch,
    /// Commands: an array of arrays of words.
    Commands,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => f.write_str("a text"),
            Kind::Word(words) => write!(f, "one of {}", words.join(", ")),
            Kind::Integer(least, most) => write!(f, "a whole number from {least} to {most}"),
            Kind::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Kind::Switch => f.write_str("true or false"),
            Kind::Commands => f.write_str("an array of commands, each an array of words such as [\"cargo\", \"check\"]"),
        }
    }
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Text`] and [`Kind::Word`].
    Text(String),
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Switch`].
    Switch(bool),
    /// Of [`Kind::Commands`].
    Commands(Vec<Vec<String>>),
}

/// As in a configuration file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Number(number) => write!(f, "{}", toml::Value::Float(*number)),
            Value::Switch(on) => write!(f, "{on}"),
            Value::Commands(commands) => {
                let words = |words: &Vec<String>| toml::Value::Array(words.iter().cloned().map(toml::Value::String).collect());
                write!(f, "{}", toml::Value::Array(commands.iter().map(words).collect()))
            }
        }
    }
}

impl Value {
    /// As on the command line.
    pub fn flag(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Switch(on) => on.to_string(),
            Value::Commands(commands) => commands.iter().map(|argv| words::join(argv)).collect::<Vec<_>>().join(" "),
        }
    }
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Its name, with a dot after that of its table.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether a repository that is not trusted may set it: it runs nothing, opens nothing and lets nothing in.
    pub inert: bool,
    /// The environment variable that sets it.
    pub variable: Option<&'static str>,
    /// The flag that sets it, without its dashes.
    pub flag: &'static str,
    /// What holds when nobody sets it; empty when that is nothing.
    pub built_in: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, inert: bool, variable: &'static str, flag: &'static str) -> Self {
        Self { name, kind, inert, variable: Some(variable), flag, built_in: "", about: "" }
    }

    const fn about(self, built_in: &'static str, about: &'static str) -> Self {
        Self { built_in, about, ..self }
    }

    const fn file_only(self) -> Self {
        Self { variable: None, ..self }
    }

    /// The key called `name`.
    pub fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The key whose name is nearest to `name`, if one is near.
    pub fn nearest(name: &str) -> Option<&'static Key> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        // A key may also stand without its table, or in a wrong one.
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let far = |key: &Key| {
            distance(&name, key.name).min(distance(&last(&name), &last(key.name)) + usize::from(key.name.contains('.')))
        };
        let best = KEYS.iter().min_by_key(|key| far(key))?;
        (far(best) <= 1 + name.len() / 4).then_some(best)
    }

    /// Whether `value` is one that this key may hold.
    pub fn takes(&self, value: &Value) -> bool {
        match (self.kind, value) {
            (Kind::Text, Value::Text(text)) => !text.is_empty(),
            (Kind::Word(words), Value::Text(word)) => words.contains(&word.as_str()),
            (Kind::Integer(least, most), Value::Integer(number)) => (least..=most).contains(number),
            (Kind::Number(least, most), Value::Number(number)) => (least..=most).contains(number),
            (Kind::Switch, Value::Switch(_)) => true,
            (Kind::Commands, Value::Commands(commands)) => {
                commands.iter().all(|argv| argv.first().is_some_and(|program| !program.is_empty()))
            }
            _ => false,
        }
    }

    /// Reads what an environment variable holds.
    pub fn read(&self, text: &str) -> Option<Value> {
        let value = match self.kind {
            Kind::Text | Kind::Word(_) => Value::Text(text.to_owned()),
            Kind::Integer(..) => Value::Integer(text.parse().ok()?),
            Kind::Number(..) => Value::Number(text.parse().ok()?),
            Kind::Switch => Value::Switch(text.parse().ok()?),
            Kind::Commands => return None,
        };
        self.takes(&value).then_some(value)
    }
}

/// All keys.
pub static KEYS: [Key; 16] = [
    Key::new("model", Kind::Text, false, "DCODE_MODEL", "model").about("qwen2.5-coder-0.5b-canvas", "name or path of the model"),
    Key::new("device", Kind::Text, true, "DCODE_DEVICE", "device").about("auto", "auto, cpu, gpu, gpu:N or gpu:software"),
    Key::new("quant", Kind::Word(&["q8", "q4"]), true, "DCODE_QUANT", "quant").about("", "bits of weights on the CPU"),
    Key::new("adapter", Kind::Text, false, "DCODE_ADAPTER", "adapter").about("", "canvas adapter in place of the model's own"),
    Key::new("theme", Kind::Text, true, "DCODE_THEME", "theme").about("auto", "colours of the full-screen view"),
    Key::new("color", Kind::Word(&["auto", "always", "never"]), true, "DCODE_COLOR", "color").about("auto", "colours for people"),
    Key::new("candidates", Kind::Integer(1, 16), true, "DCODE_CANDIDATES", "candidates")
        .about("1", "candidates to make and rank"),
    Key::new("seed", Kind::Integer(0, i64::MAX), true, "DCODE_SEED", "seed").about("1", "seed of the candidates that are drawn"),
    Key::new("steps", Kind::Integer(1, 100_000), true, "DCODE_STEPS", "steps").about("512", "denoiser calls for one candidate"),
    Key::new("time-limit", Kind::Number(0.001, 1e6), true, "DCODE_TIME_LIMIT", "time-limit").about("", "seconds for an edit"),
    Key::new("threshold", Kind::Number(0.0, 1.0), true, "DCODE_THRESHOLD", "threshold")
        .about("0.9", "probability from which a slot is committed out of turn"),
    Key::new("method", Kind::Word(&["auto", "canvas", "draft", "causal"]), true, "DCODE_METHOD", "method")
        .about("auto", "how the slots are filled"),
    Key::new("allow-bidi", Kind::Switch, false, "DCODE_ALLOW_BIDI", "allow-bidi").about("false", "take new hidden characters"),
    Key::new("verify.commands", Kind::Commands, false, "", "verify")
        .file_only()
        .about("[]", "commands that a candidate must pass"),
    Key::new("verify.time-limit", Kind::Number(0.001, 86_400.0), true, "DCODE_VERIFY_TIME_LIMIT", "verify-time-limit")
        .about("120", "seconds for one run of one command"),
    Key::new("verify.rounds", Kind::Integer(0, 16), true, "DCODE_VERIFY_ROUNDS", "verify-rounds")
        .about("2", "rounds of remasking what the commands complain about"),
];

/// The number of letters to insert, remove or replace between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key() {
        for (wrong, right) in [
            ("modle", Some("model")),
            ("candidate", Some("candidates")),
            ("time_limit", Some("time-limit")),
            ("verify.comands", Some("verify.commands")),
            ("rounds", Some("verify.rounds")),
            ("colour", Some("color")),
            ("Threshold", Some("threshold")),
            ("editor", None),
            ("x", None),
        ] {
            assert_eq!(Key::nearest(wrong).map(|key| key.name), right, "{wrong}");
        }
        assert_eq!([distance("", "abc"), distance("kitten", "sitting"), distance("ab", "ba")], [3, 3, 2]);
    }

    #[test]
    fn every_built_in_value_is_one_that_its_key_takes() {
        for key in KEYS.iter().filter(|key| !key.built_in.is_empty() && key.kind != Kind::Commands) {
            assert!(key.read(key.built_in).is_some(), "{}", key.name);
        }
        assert!(Key::named("steps").unwrap().read("0").is_none() && Key::named("threshold").unwrap().read("NaN").is_none());
    }

    /// What runs a program, names a path, or lets hidden characters in.
    #[test]
    fn a_repository_sets_inert_keys_alone() {
        let guarded: Vec<&str> = KEYS.iter().filter(|key| !key.inert).map(|key| key.name).collect();
        assert_eq!(guarded, ["model", "adapter", "allow-bidi", "verify.commands"]);
    }

    #[test]
    fn values_as_in_a_file() {
        let commands = Value::Commands(vec![vec!["a".into(), "b \"c\"".into()]]);
        let read: toml::Table =
            format!("x = {commands}\ny = {}\nz = {}", Value::Text("\u{1b}".into()), Value::Number(2.0)).parse().unwrap();
        assert_eq!(read["x"][0][1].as_str(), Some("b \"c\""));
        assert_eq!((read["y"].as_str(), read["z"].as_float()), (Some("\u{1b}"), Some(2.0)));
    }
}
