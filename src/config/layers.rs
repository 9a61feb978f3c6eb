//! The layers, one over the other: what holds, and where it comes from.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use super::file::ConfigError;
use super::file::ConfigFile;
use super::file::KeyBinding;
use super::keys::KEYS;
use super::keys::Key;
use super::keys::Kind;
use super::keys::Value;
use super::places;
use super::trust::TrustStore;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// dcode itself.
    BuiltIn,
    /// The user's file.
    User {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// The repository's file.
    Repository {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Environment(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => f.write_str("built-in"),
            Origin::User { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Repository { path, line } => write!(f, "repository, {}:{line}", path.display()),
            Origin::Environment(variable) => f.write_str(variable),
        }
    }
}

/// A key with what holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value; `None` when nobody sets it and there is nothing built in.
    pub value: Option<Value>,
    /// Where the value comes from.
    pub origin: Origin,
}

/// What holds, before the flags.
#[derive(Clone, Debug)]
pub struct Layers {
    /// All keys, in the order of their table.
    pub settings: Vec<Setting>,
    /// The keys of the keyboard that the user binds, in the order of their file.
    pub keys: Vec<KeyBinding>,
    /// What the user should know: unknown keys, and what was ignored.
    pub notes: Vec<String>,
}

impl Layers {
    /// Loads the layers for a work tree at `root`, or for no work tree.
    ///
    /// # Errors
    /// A file or variable holds what it may not.
    pub fn load(
        root: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<String>,
        trust: Option<&TrustStore>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self { settings: KEYS.iter().map(built_in).collect(), keys: Vec::new(), notes: Vec::new() };
        if let Some((path, asked_for)) = places::user_file(variable) {
            match ConfigFile::read(&path)? {
                Some(file) => layers.user(file),
                None if asked_for => return Err(crate::document::DocumentError::NotFound { path }.into()),
                None => {}
            }
        }
        if let Some(root) = root {
            layers.repository(&places::repository_file(root), trust)?;
        }
        for key in &KEYS {
            let Some(name) = key.variable else { continue };
            let Some(text) = variable(name).filter(|text| !text.is_empty()) else { continue };
            let value = key.read(&text).ok_or(ConfigError::Variable { variable: name, key })?;
            layers.set(key, value, Origin::Environment(name));
        }
        Ok(layers)
    }

    /// What holds for a key.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key.name == name)
    }

    /// The commands that a candidate must pass.
    pub fn verify_commands(&self) -> &[Vec<String>] {
        match self.get("verify.commands").and_then(|setting| setting.value.as_ref()) {
            Some(Value::Commands(commands)) => commands,
            _ => &[],
        }
    }

    fn user(&mut self, file: ConfigFile) {
        for item in file.items {
            self.set(item.key, item.value, Origin::User { path: file.path.clone(), line: item.line });
        }
        self.keys = file.keys;
        self.notes.extend(file.notes);
    }

    fn repository(&mut self, path: &Path, trust: Option<&TrustStore>) -> Result<(), ConfigError> {
        if path.is_symlink() {
            self.notes.push(format!("{}: a symbolic link, so it is ignored; put the file itself there", path.display()));
            return Ok(());
        }
        let Some(file) = ConfigFile::read(path)? else { return Ok(()) };
        let trusted = trust.is_some_and(|store| store.is_trusted(path, &file.bytes));
        let guarded: Vec<&str> = file.guarded().map(|item| item.key.name).collect();
        if !trusted && !guarded.is_empty() {
            let (keys, path) = (guarded.join(", "), path.display());
            self.notes.push(format!("{path}: {keys} ignored; look at the file, then `dcode trust` lets it take effect"));
        }
        // Whose hands are on the keyboard says what its keys do, trusted or not.
        if let Some(first) = file.keys.first() {
            let (path, line) = (path.display(), first.line);
            self.notes.push(format!("{path}:{line}: keys ignored; only your own config.toml binds keys"));
        }
        for item in file.items.into_iter().filter(|item| trusted || item.key.inert) {
            self.set(item.key, item.value, Origin::Repository { path: file.path.clone(), line: item.line });
        }
        self.notes.extend(file.notes);
        Ok(())
    }

    fn set(&mut self, key: &Key, value: Value, origin: Origin) {
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key.name == key.name) {
            (setting.value, setting.origin) = (Some(value), origin);
        }
    }
}

fn built_in(key: &'static Key) -> Setting {
    let value = if key.kind == Kind::Commands { Some(Value::Commands(Vec::new())) } else { key.read(key.built_in) };
    Setting { key, value, origin: Origin::BuiltIn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_covers_the_one_before() {
        let temp = tempfile::tempdir().unwrap();
        let (home, root) = (temp.path().join("home"), temp.path().join("root"));
        std::fs::create_dir_all(&home).unwrap();
        std::fs::create_dir_all(&root).unwrap();
        let store = TrustStore::new(home.join("trust"));
        let variables = |environment: bool| {
            let home = home.display().to_string();
            move |name: &str| match name {
                "DCODE_HOME" => Some(home.clone()),
                "DCODE_STEPS" if environment => Some("4".to_owned()),
                "DCODE_SEED" => Some(String::new()),
                _ => None,
            }
        };
        let load = |environment| Layers::load(Some(&root), &variables(environment), Some(&store)).unwrap();
        let show = |layers: &Layers, name: &str| {
            let setting = layers.get(name).unwrap();
            let value = setting.value.as_ref().map(Value::to_string).unwrap_or_default();
            format!("{value} {}", setting.origin.to_string().rsplit('/').next().unwrap())
        };
        assert_eq!(show(&load(false), "steps"), "512 built-in");
        assert_eq!(show(&load(false), "time-limit"), " built-in");
        std::fs::write(home.join("config.toml"), "steps = 1\nseed = 5\nmodel = \"mine\"\n").unwrap();
        assert_eq!(show(&load(false), "steps"), "1 config.toml:1");
        let config = root.join(".dcode.toml");
        std::fs::write(&config, "verify.commands = [[\"true\"]]\nmodel = \"theirs\"\nsteps = 2\nodd = 1\n").unwrap();
        let layers = load(false);
        assert_eq!(show(&layers, "steps"), "2 .dcode.toml:3");
        assert_eq!(show(&layers, "model"), "\"mine\" config.toml:3", "not before it is trusted");
        assert!(layers.verify_commands().is_empty());
        assert_eq!(layers.notes.len(), 2, "{:?}", layers.notes);
        assert!(layers.notes[0].contains("model") && layers.notes[0].contains("verify.commands ignored; look at the file"));
        assert_eq!(show(&load(true), "steps"), "4 DCODE_STEPS");
        assert_eq!(show(&load(true), "seed"), "5 config.toml:2");

        std::fs::write(home.join("config.toml"), "[keys.review]\ny = \"accept\"\n").unwrap();
        std::fs::write(&config, "[keys.review]\ny = \"apply\"\n").unwrap();
        store.trust(&config, &std::fs::read(&config).unwrap()).unwrap();
        let layers = load(false);
        let bound: Vec<(&str, &str)> = layers.keys.iter().map(|each| (each.key.as_str(), each.action.as_str())).collect();
        assert_eq!(bound, [("y", "accept")], "a repository binds no keys, not even a trusted one");
        assert!(layers.notes.len() == 1 && layers.notes[0].contains(".dcode.toml:2: keys ignored"), "{:?}", layers.notes);

        std::fs::write(home.join("config.toml"), "steps = 1\nseed = 5\nmodel = \"mine\"\n").unwrap();
        std::fs::write(&config, "verify.commands = [[\"true\"]]\nmodel = \"theirs\"\nsteps = 2\nodd = 1\n").unwrap();
        store.trust(&config, &std::fs::read(&config).unwrap()).unwrap();
        let layers = load(false);
        assert_eq!(show(&layers, "model"), "\"theirs\" .dcode.toml:2");
        assert_eq!(layers.verify_commands(), [["true".to_owned()]]);
        assert_eq!(layers.notes.len(), 1);
        std::fs::write(&config, "verify.commands = [[\"rm\"]]\n").unwrap();
        assert!(load(false).verify_commands().is_empty(), "another content is not trusted");
    }

    #[test]
    fn what_must_be_there_and_what_may_not() {
        let temp = tempfile::tempdir().unwrap();
        let load = |name: &'static str, value: &str| {
            let value = value.to_owned();
            let variable = move |asked: &str| (asked == name).then(|| value.clone());
            Layers::load(Some(temp.path()), &variable, None).map(|layers| layers.notes).map_err(|error| error.to_string())
        };
        assert!(load("DCODE_CONFIG", "/no/such/file").unwrap_err().contains("no such file"));
        assert_eq!(load("DCODE_STEPS", "x").unwrap_err(), "DCODE_STEPS: must be a whole number from 1 to 100000");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/passwd", temp.path().join(".dcode.toml")).unwrap();
            let notes = load("DCODE_HOME", temp.path().to_str().unwrap()).unwrap();
            assert!(notes.len() == 1 && notes[0].contains("symbolic link"), "{notes:?}");
        }
    }
}
