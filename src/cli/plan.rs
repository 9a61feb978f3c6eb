//! Plans as files: made from an edit, and written beside nothing else than an earlier plan.

use std::io::Write;
use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::files::FileJob;
use crate::cli::work::Choice;
use crate::cli::work::confidence;
use crate::cli::work::syntax_word;
use crate::patch::plan::PLAN_VERSION;
use crate::patch::plan::Plan;
use crate::patch::plan::PlanCandidate;
use crate::patch::plan::PlanFile;

/// Writes `plan` to the file `path`, in place of an earlier plan but of nothing else; `-` is standard output.
///
/// # Errors
/// There is another file, or the system refused.
pub fn save(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let text = plan.to_json().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    if path.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    }
    may_save(path)?;
    let failed = |error: std::io::Error| Failure::new(Exit::Refused, format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether a plan may be written to `path`: asked before the model is loaded, so that no work is lost.
///
/// # Errors
/// Something else than a plan is there.
pub fn may_save(path: &Path) -> Result<(), Failure> {
    if path.as_os_str() == "-" || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let is_plan = path.is_file() && std::fs::read(path).is_ok_and(|bytes| Plan::from_json(&bytes).is_ok());
    if is_plan {
        return Ok(());
    }
    let message = format!("{}: is there already and is no plan; choose another name for --plan", path.display());
    Err(Failure::new(Exit::Refused, message))
}

/// The plan of an edit, with the proposals that may be applied.
///
/// # Errors
/// A file may not be written.
pub fn of_edit(jobs: &[FileJob], instruction: Option<&str>, choices: &[Choice<'_>]) -> Result<Plan, Failure> {
    let file = |job: &FileJob| {
        let target = job.place.target()?;
        let path = if target.root().is_some() { target.relative() } else { target.path() };
        Ok(PlanFile::new(path.to_path_buf(), &job.document, &job.spans))
    };
    let candidate = |choice: &Choice<'_>| PlanCandidate {
        texts: choice.proposal.texts(),
        hunks: choice.hunks.clone(),
        confidence: Some(confidence(choice.proposal)),
        syntax: Some(syntax_word(choice.proposal).to_owned()),
        verify: choice.proposal.verify_word().map(str::to_owned),
    };
    let files = jobs.iter().map(file).collect::<Result<_, Failure>>()?;
    let candidates = choices.iter().map(candidate).collect();
    Ok(Plan { version: PLAN_VERSION, instruction: instruction.map(str::to_owned), files, candidates })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plan_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan { version: PLAN_VERSION, instruction: None, files: Vec::new(), candidates: Vec::new() };
        let path = dir.path().join("plan.json");
        save(&plan, &path).unwrap();
        save(&Plan { instruction: Some("again".into()), ..plan.clone() }, &path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("again"));
        for (name, text) in [("source.rs", "fn main() {}\n"), ("other.json", "{}\n")] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            assert_eq!(save(&plan, &path).unwrap_err().exit, Exit::Refused);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(save(&plan, dir.path()).unwrap_err().exit, Exit::Refused);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "no temporary file is left");
    }
}
