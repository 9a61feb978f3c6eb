//! `dcode filter`.

use std::io::Read;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::common::ExpectArgs;
use crate::cli::common::ModelArgs;
use crate::cli::common::RangeArgs;
use crate::cli::common::SamplingArgs;
use crate::cli::common::request;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::hidden::HiddenArgs;
use crate::cli::show::new_bytes;
use crate::cli::work::acceptable;
use crate::cli::work::finish;
use crate::document::Document;
use crate::edit::engine::Engine;
use crate::edit::proposal::Part;
use crate::edit::proposal::combine;

/// Rewrite a span of the text on standard input and print the whole text
///
/// Made for editors and `jj fix`: the same input gives the same output. On success nothing is printed on standard error. On
/// failure the input is printed unchanged, one line says why, and the exit code is not 0.
#[derive(Args, Debug)]
pub struct FilterArgs {
    /// Name of the file the text comes from; its ending tells the language
    #[arg(long, value_name = "FILE")]
    pub stdin_filename: PathBuf,
    /// What may change
    #[command(flatten)]
    pub ranges: RangeArgs,
    /// What the text must hold
    #[command(flatten)]
    pub expect: ExpectArgs,
    /// What to do with the span; without it the span is filled from what stands around it
    #[arg(short, long, value_name = "TEXT")]
    pub instruction: Option<String>,
    /// How candidates are made
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Which characters may come into the text
    #[command(flatten)]
    pub hidden: HiddenArgs,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`]; the input was printed all the same.
pub fn run(args: &FilterArgs) -> Result<Exit, Failure> {
    let mut input = Vec::new();
    std::io::stdin().lock().read_to_end(&mut input)?;
    let result = filtered(args, &input);
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(result.as_ref().unwrap_or(&input))?;
    stdout.flush()?;
    result.map(|_| Exit::Ok)
}

fn filtered(args: &FilterArgs, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let document = Arc::new(Document::from_bytes(args.stdin_filename.clone(), input.to_vec())?);
    let (spans, resolved) = args.ranges.clone().or_whole(&document).resolve(&document)?;
    args.expect.check(&document, &resolved)?;
    let engine = Engine::start(args.model.files()?, args.model.device)?;
    engine.submit(request(Arc::clone(&document), spans.clone(), args.instruction.as_deref(), &args.sampling));
    let candidates = finish(&engine, &mut |_| Ok(()))?;
    let proposals = combine(vec![candidates]);
    let parts = [Part { document: Arc::clone(&document), spans, relative: args.stdin_filename.clone() }];
    let choices = acceptable(&parts, &proposals, args.hidden)?;
    let hunks = choices.first().and_then(|best| best.hunks.first());
    hunks.map_or_else(|| Ok(input.to_vec()), |hunks| new_bytes(&document, hunks))
}

impl RangeArgs {
    /// The whole document, when no range was given.
    fn or_whole(mut self, document: &Document) -> Self {
        let lines = document.lines().count();
        if self.specs().is_empty() && lines > 0 {
            self.ranges.push(crate::document::RangeSpec::Lines { first: 1, last: lines });
        }
        self
    }
}
