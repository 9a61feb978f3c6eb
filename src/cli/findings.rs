//! Printing a report.

use clap::Args;

use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::say;
use crate::cli::show::Output;
use crate::hook::finding::Maker;
use crate::hook::report::Report;
use crate::hook::report::line;
use crate::hook::sarif;
use crate::screen::colour::ColorChoice;

/// How a report is printed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormatArgs {
    /// Print one JSON value (see assets/schema/hook-report.v1.json)
    #[arg(long, group = "format")]
    pub json: bool,
    /// Print a SARIF 2.1.0 log
    #[arg(long, group = "format")]
    pub sarif: bool,
    /// Print one line for each finding, and no diff
    #[arg(long, group = "format")]
    pub short: bool,
}

/// Prints the report; `advice` says how to apply what is shown.
///
/// # Errors
/// The output is closed.
pub fn show(report: &Report, format: FormatArgs, color: ColorChoice, advice: Option<&str>) -> Result<(), Failure> {
    if format.json || format.sarif {
        let value = if format.json { report.to_json() } else { sarif::log(report) };
        return print(&serde_json::to_string(&value).map_err(std::io::Error::other)?);
    }
    for file in report.files.iter().filter(|file| !file.findings.is_empty()) {
        for (index, finding) in file.findings.iter().enumerate() {
            print(&line(file, finding))?;
            if !format.short && !file.taken.contains(&index) {
                Output::detect(color).diff(&file.document, &finding.hunks, &file.path)?;
            }
        }
        if !format.short && !file.hunks.is_empty() {
            Output::detect(color).diff(&file.document, &file.hunks, &file.path)?;
        }
    }
    for notice in &report.notices {
        match &notice.path {
            Some(path) => say(&format!("{}: {}", path.display(), notice.text)),
            None => say(&format!("note: {}", notice.text)),
        }
    }
    let found = report.findings().count();
    if found > 0 {
        let (template, model) = (report.made_by(Maker::Template), report.made_by(Maker::Model));
        let word = if found == 1 { "finding" } else { "findings" };
        say(&format!("{found} {word}: {template} by template, {model} by the model ({} from the cache)", report.cached));
        if let Some(advice) = advice {
            say(advice);
        }
    }
    Ok(())
}
