//! Arguments and steps that several commands share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::ValueEnum;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::select::SyntaxSelect;
use crate::diffusion::length::Length;
use crate::diffusion::samplers::choice::Choice;
use crate::document::ContentHash;
use crate::document::Document;
use crate::document::Expand;
use crate::document::RangeSpec;
use crate::document::ResolvedRange;
use crate::document::Span;
use crate::document::Spans;
use crate::document::range::Position;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::model::device::DeviceChoice;
use crate::model::error::ModelError;
use crate::model::locate::ModelFiles;
use crate::model::locate::locate;
use crate::model::overrides::SpecOverrides;
use crate::model::quantise::Quant;
use crate::screen::colour::ColorChoice;
use crate::text::sanitise_line;

/// Which model runs where.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// Model: a name, a folder with config.json, or a .gguf file
    #[arg(long, value_name = "NAME|PATH", env = "DCODE_MODEL")]
    pub model: Option<String>,
    /// Device: auto, cpu, gpu, gpu:N, or gpu:software
    #[arg(long, value_name = "DEVICE", default_value = "auto", env = "DCODE_DEVICE")]
    pub device: DeviceChoice,
    /// Bring weights of f32, f16 or bf16 to 8 or 4 bits when they are loaded, on the CPU: q8 or q4
    #[arg(long, value_name = "q8|q4", env = "DCODE_QUANT")]
    pub quant: Option<Quant>,
    /// What a model's files do not say of it: attention, shift, mask, expand, delete, eos, context (see docs/models.md)
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub spec: Option<SpecOverrides>,
    /// Canvas adapter in place of the one that lies beside the model, such as a result of `dcode train`
    #[arg(long, value_name = "FILE", env = "DCODE_ADAPTER")]
    pub adapter: Option<PathBuf>,
}

impl ModelArgs {
    /// Finds the model's files, and notes what is said about it.
    ///
    /// # Errors
    /// As [`locate`].
    pub fn files(&self) -> Result<ModelFiles, ModelError> {
        let files = locate(self.model.as_deref())?.with(self.spec.clone().unwrap_or_default(), self.quant);
        Ok(match &self.adapter {
            Some(adapter) => ModelFiles { adapter: Some(adapter.clone()), ..files },
            None => files,
        })
    }
}

/// How candidates are made.
#[derive(Args, Clone, Debug)]
pub struct SamplingArgs {
    /// Candidates to make and rank; the first is greedy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub candidates: u8,
    /// Seed of the candidates that are drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Denoiser calls for one candidate; what is still masked then is filled in one pass
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub steps: u32,
    /// Seconds for the whole edit; what is still masked then is filled in one pass
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<Duration>,
    /// Probability from which a slot is committed out of turn
    #[arg(long, value_name = "P", default_value_t = crate::diffusion::threshold::DEFAULT_THRESHOLD, value_parser = probability)]
    pub threshold: f32,
    /// How the slots are filled
    #[arg(long, value_enum, default_value_t = MethodArg::Auto)]
    pub method: MethodArg,
    /// Commit only what keeps brackets, strings, comments and indentation completable; a draft is not constrained
    #[arg(long)]
    pub constrain: bool,
    /// Slots of each span: a number, `search` for the length that the model is surest of, or `auto`
    #[arg(long, value_name = "N|auto|search", default_value = "auto", value_parser = length)]
    pub length: Length,
    /// Denoise the canvas by a published rule, with its parameters: NAME or NAME:KEY=VALUE,… (see docs/samplers.md)
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    pub sampler: Option<Choice>,
}

/// [`Method`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// With an instruction by draft, without one by denoising
    Auto,
    /// Denoise the canvas
    Canvas,
    /// Check the original lines as a draft
    Draft,
    /// Decode from left to right, one token a pass
    Causal,
    /// The same, checking what followed the newest tokens elsewhere in the context
    Lookup,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Auto => Self::Auto,
            MethodArg::Canvas => Self::Canvas,
            MethodArg::Draft => Self::Draft,
            MethodArg::Causal => Self::Causal,
            MethodArg::Lookup => Self::Lookup,
        }
    }
}

impl SamplingArgs {
    /// The settings of an edit.
    pub fn options(&self) -> EditOptions {
        EditOptions {
            method: self.method.into(),
            candidates: usize::from(self.candidates),
            seed: self.seed,
            threshold: self.threshold,
            sampler: self.sampler,
            length: self.length,
            constrain: self.constrain,
            steps: self.steps as usize,
            time_limit: self.time_limit,
            ..EditOptions::default()
        }
    }
}

fn length(text: &str) -> Result<Length, String> {
    match text {
        "auto" => Ok(Length::Auto),
        "search" => Ok(Length::Search),
        _ => match text.parse() {
            Ok(count @ 1..=4096) => Ok(Length::Fixed(count)),
            _ => Err("give a number of slots from 1 to 4096, auto or search".to_owned()),
        },
    }
}

/// A number of seconds above 0.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if value > 0.0 && value <= 1e6 {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err("give a number of seconds above 0".to_owned())
    }
}

fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("give a probability from 0 to 1".to_owned()) }
}

/// Which parts of the file may change.
#[derive(Args, Clone, Debug)]
pub struct RangeArgs {
    /// Lines to rewrite: 10:40, 10-40, 10,+5, 10:5-40:12 or Type::function; repeat for several spans
    #[arg(long = "range", short = 'r', value_name = "RANGE")]
    pub ranges: Vec<RangeSpec>,
    /// Rewrite the piece of syntax around this place; the column counts characters
    #[arg(long, value_name = "LINE:COLUMN", requires = "expand")]
    pub at: Option<Position>,
    /// Which piece --at takes: expr, stmt, block, fn or impl
    #[arg(long, value_name = "SYNTAX", requires = "at")]
    pub expand: Option<Expand>,
}

impl RangeArgs {
    /// The ranges as they were typed.
    pub fn specs(&self) -> Vec<RangeSpec> {
        let at = self.at.zip(self.expand).map(|(position, expand)| RangeSpec::At { position, expand });
        self.ranges.iter().cloned().chain(at).collect()
    }

    /// Finds the ranges in the document, in order.
    ///
    /// # Errors
    /// A range does not fit the document, or two overlap.
    pub fn resolve(&self, document: &Document) -> Result<(Spans, Vec<ResolvedRange>), Failure> {
        resolve(document, &self.specs(), Vec::new())
    }
}

/// Finds ranges in the document and puts them in order, together with spans that are known already.
///
/// # Errors
/// A range does not fit the document, or two overlap.
pub fn resolve(document: &Document, specs: &[RangeSpec], spans: Vec<Span>) -> Result<(Spans, Vec<ResolvedRange>), Failure> {
    let select = SyntaxSelect;
    let found = specs.iter().map(|range| range.resolve_with(document, Some(&select)));
    let mut resolved = found.collect::<Result<Vec<ResolvedRange>, _>>()?;
    resolved.extend(spans.into_iter().map(|span| ResolvedRange::of(document, span)));
    resolved.sort_by_key(|range| (range.span.start, range.span.end));
    let spans: Vec<Span> = resolved.iter().map(|range| range.span).collect();
    Ok((Spans::new(document, spans)?, resolved))
}

/// What the file must hold, so that a script fails when lines moved.
#[derive(Args, Clone, Debug, Default)]
pub struct ExpectArgs {
    /// Go on only if this is the SHA-256 of the file, in hexadecimal
    #[arg(long, value_name = "HASH")]
    pub expect_hash: Option<ContentHash>,
    /// Go on only if the text to rewrite is this (its last line end aside); one for each span, in the file's order
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub expect: Vec<String>,
}

impl ExpectArgs {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.expect_hash.is_none() && self.expect.is_empty()
    }

    /// Compares the document and the text of its spans with what is expected.
    ///
    /// # Errors
    /// Something else is there, or there is not one text for each span.
    pub fn check(&self, document: &Document, spans: &[ResolvedRange]) -> Result<(), Failure> {
        let path = document.path().display();
        if let Some(expected) = self.expect_hash.filter(|hash| *hash != document.hash()) {
            let (expected, found) = (expected.short(), document.hash().short());
            let message = format!("{path}: has the hash {found}…, expected {expected}…; it changed, so look at its lines again");
            return Err(Failure::new(Exit::Refused, message));
        }
        if !self.expect.is_empty() && self.expect.len() != spans.len() {
            let message =
                format!("--expect is given {} times for {} spans; give it once for each", self.expect.len(), spans.len());
            return Err(Failure::usage(message));
        }
        let plain = |text: &str| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned();
        for (expected, range) in self.expect.iter().zip(spans) {
            let found = document.span_text(range.span).unwrap_or_default();
            if plain(found) != plain(expected) {
                let first = sanitise_line(found.lines().next().unwrap_or_default()).chars().take(60).collect::<String>();
                let message = format!("{path}: {range} does not hold the expected text but {first:?}; look at its lines again");
                return Err(Failure::new(Exit::Refused, message));
            }
        }
        Ok(())
    }
}

/// [`ColorChoice`] on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<ColorArg> for ColorChoice {
    fn from(color: ColorArg) -> Self {
        match color {
            ColorArg::Auto => Self::Auto,
            ColorArg::Always => Self::Always,
            ColorArg::Never => Self::Never,
        }
    }
}

/// A request from what was typed.
pub fn request(document: Arc<Document>, spans: Spans, instruction: Option<&str>, sampling: &SamplingArgs) -> EditRequest {
    let instruction = instruction.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    EditRequest::new(document, spans, instruction, sampling.options())
}
