//! Tuning: the canvas adapter goes on on one's own repository, by a recipe of which only a few values differ.

use std::path::Path;
use std::path::PathBuf;

use toml::Table;
use toml::Value;

use crate::model::locate::ModelFiles;
use crate::train::error::TrainError;
use crate::train::recipe::Recipe;

/// The recipe, and its name in messages.
const RECIPE: &str = include_str!("../../assets/train/tune.toml");
const NAME: &str = "assets/train/tune.toml";

/// What differs from one tuning to the other.
#[derive(Clone, Debug)]
pub struct Tuning<'t> {
    /// Name of the result.
    pub name: String,
    /// The base, with its adapter where it has one; without one a new adapter is begun.
    pub files: &'t ModelFiles,
    /// A folder of a git work tree.
    pub folder: PathBuf,
    /// Updates.
    pub steps: u32,
    /// The largest rate, where it is not the recipe's.
    pub rate: Option<f64>,
}

impl Tuning<'_> {
    /// The recipe of this tuning. Its text, and so its hash, is the same for the same values.
    ///
    /// # Errors
    /// A value cannot be.
    pub fn recipe(&self) -> Result<Recipe, TrainError> {
        let wrong = |reason: String| TrainError::Recipe { path: NAME.into(), key: "tune".to_owned(), reason };
        let mut recipe: Table = RECIPE.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        let path = |path: &Path| Value::String(path.to_string_lossy().into_owned());
        recipe.insert("name".to_owned(), Value::String(self.name.clone()));
        let mut set = |table: &str, key: &str, value: Value| {
            if let Some(Value::Table(table)) = recipe.get_mut(table) {
                table.insert(key.to_owned(), value);
            }
        };
        set("data", "own", path(&self.folder));
        if let Some(rate) = self.rate {
            set("optimiser", "rate", Value::Float(rate));
        }
        let mut base = Table::from_iter([
            ("trained".to_owned(), Value::String("adapter".to_owned())),
            ("go_on".to_owned(), Value::Boolean(self.files.adapter.is_some())),
        ]);
        // A folder of safetensors is named by itself, split GGUF files by the first of them.
        let named = self.files.config.as_deref().and_then(Path::parent).or(self.files.base.first().map(PathBuf::as_path));
        base.extend(named.map(|named| ("path".to_owned(), path(named))));
        base.extend(self.files.adapter.as_deref().map(|adapter| ("adapter".to_owned(), path(adapter))));
        set("model", "base", Value::Table(base));
        if let Some(Value::Table(stage)) =
            recipe.get_mut("stage").and_then(Value::as_array_mut).and_then(|stages| stages.first_mut())
        {
            stage.insert("steps".to_owned(), Value::Integer(i64::from(self.steps)));
        }
        Recipe::parse(&recipe.to_string(), Path::new(NAME))
    }
}

/// A name for the result of tuning on a folder.
pub fn name_of(folder: &Path) -> String {
    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    match plain.trim_start_matches('.') {
        "" => "repository".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::recipe::Trained;

    fn recipe(files: &ModelFiles, rate: Option<f64>) -> Recipe {
        let folder = PathBuf::from("/somewhere/over there");
        Tuning { name: name_of(&folder), files, folder, steps: 7, rate }.recipe().unwrap()
    }

    #[test]
    fn values_are_filled_in() {
        let bare = ModelFiles { base: vec!["/m/a.gguf".into(), "/m/b.gguf".into()], ..ModelFiles::new("m") };
        let with = ModelFiles { adapter: Some("/m/adapter.safetensors".into()), ..bare.clone() };
        let (new, on) = (recipe(&bare, None), recipe(&with, Some(3e-5)));
        assert_eq!((new.name.as_str(), new.steps()), ("over-there", 7));
        assert_eq!(new.data.own.as_deref(), Some(Path::new("/somewhere/over there")));
        let (one, other) = (new.model.base.as_ref().unwrap(), on.model.base.as_ref().unwrap());
        assert!(!one.go_on && other.go_on && one.trained == Trained::Adapter);
        assert_eq!(one.path.as_deref(), Some(Path::new("/m/a.gguf")));
        assert_eq!((one.adapter.as_deref(), other.adapter.as_deref()), (None, Some(Path::new("/m/adapter.safetensors"))));
        assert!(new.optimiser.rate > on.optimiser.rate && on.optimiser.rate == 3e-5);
        let folder = ModelFiles { base: vec!["/f/w.safetensors".into()], config: Some("/f/config.json".into()), ..bare };
        assert_eq!(recipe(&folder, None).model.base.unwrap().path.as_deref(), Some(Path::new("/f")));
        assert_ne!(new.hash, on.hash);
        assert_eq!(on.hash, recipe(&with, Some(3e-5)).hash);
    }

    #[test]
    fn names_are_plain() {
        for (folder, name) in [("/a/b c", "b-c"), ("/", "repository"), ("/x/.hidden", "hidden"), ("/x/né_1.0", "n-_1.0")] {
            assert_eq!(name_of(Path::new(folder)), name);
        }
    }
}
