//! `dcode model list`.

use std::path::PathBuf;

use serde_json::json;

use super::folder_of;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::json;
use crate::cli::print;
use crate::hub::cache::Cache;
use crate::model::locate::DEFAULT_MODEL;
use crate::model::locate::data_dir;
use crate::model::locate::in_folder;
use crate::model::locate::locate;
use crate::model::registry;
use crate::text::sanitise_line;

/// A row of the list.
#[derive(Debug)]
struct Row {
    name: String,
    repo: Option<String>,
    parameters: Option<f64>,
    licence: Option<String>,
    about: String,
    state: &'static str,
    path: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(as_json: bool) -> Result<Exit, Failure> {
    let rows = rows();
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    for row in rows {
        if as_json {
            let path = row.path.as_ref().map(|path| path.display().to_string());
            print(&json::line(&json!({
                "name": row.name, "repo": row.repo, "parameters": row.parameters, "licence": row.licence, "state": row.state,
                "path": path, "about": row.about,
            })))?;
            continue;
        }
        let parameters = row.parameters.map(|billions| format!("{billions} B")).unwrap_or_default();
        let licence = row.licence.as_deref().unwrap_or("-");
        let line = format!("{:<width$}  {:<12}  {parameters:>6}  {licence:<13}  {}", row.name, row.state, row.about);
        print(&sanitise_line(&line))?;
    }
    Ok(Exit::Ok)
}

/// The embedded model, the registered ones, and what else is on this machine.
fn rows() -> Vec<Row> {
    let at = |name: &str| locate(Some(name)).ok().map(|files| folder_of(&files));
    let path = at(DEFAULT_MODEL);
    let mut rows = vec![Row {
        name: DEFAULT_MODEL.to_owned(),
        repo: None,
        parameters: Some(0.5),
        licence: Some("Apache-2.0".to_owned()),
        about: "the embedded model".to_owned(),
        state: if path.is_some() { "installed" } else { "-" },
        path,
    }];
    let cache = Cache::find();
    for entry in registry::entries() {
        let path = at(&entry.name);
        let begun = cache.as_ref().is_some_and(|cache| cache.folder(&entry.repo).exists());
        let state = match (&path, begun, &entry.unsupported) {
            (_, _, Some(_)) => "cannot run",
            (Some(_), ..) => "installed",
            (None, true, _) => "not complete",
            (None, false, _) => "-",
        };
        rows.push(Row {
            name: entry.name.clone(),
            repo: Some(entry.repo.to_string()),
            parameters: Some(entry.parameters),
            licence: entry.licence.clone(),
            about: entry.about.clone(),
            state,
            path,
        });
    }
    let local = data_dir().map(|dir| dir.join("models")).and_then(|dir| std::fs::read_dir(dir).ok());
    let mut names: Vec<String> =
        local.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names.into_iter().filter(|name| rows.iter().all(|row| row.name != *name)).collect::<Vec<_>>() {
        if let Ok(files) = locate(Some(&name)) {
            rows.push(Row { path: Some(folder_of(&files)), ..other(name, None, "a folder of your own") });
        }
    }
    for repo in cache.iter().flat_map(Cache::repos).filter(|repo| registry::of_repo(repo).is_none()) {
        // Other tools keep models there that dcode has no use for.
        let snapshot = cache.as_ref().and_then(|cache| cache.snapshot(&repo));
        if let Some(snapshot) = snapshot.filter(|snapshot| in_folder(snapshot, None).is_ok()) {
            rows.push(Row { path: Some(snapshot), ..other(repo.to_string(), Some(repo.to_string()), "downloaded") });
        }
    }
    rows
}

fn other(name: String, repo: Option<String>, about: &str) -> Row {
    Row { name, repo, parameters: None, licence: None, about: about.to_owned(), state: "installed", path: None }
}

/// The registered name that begins as `name` does or holds it, when there is one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase().replace('_', "-");
    let mut names = registry::entries().iter().map(|entry| entry.name.as_str());
    names.clone().find(|known| known.starts_with(&name)).or_else(|| names.find(|known| name.len() >= 3 && known.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near() {
        assert_eq!(nearest("open_dcoder"), Some("open-dcoder-0.5b"));
        assert_eq!(nearest("diffcoder"), Some("stable-diffcoder-8b-base"));
        assert_eq!((nearest("zz"), nearest("gpt-4")), (None, None));
    }
}
