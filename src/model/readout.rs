//! From rows of logits to predictions: banned ids out, the rest normalised, the best ones picked.

use rayon::prelude::*;

use crate::diffusion::denoiser::Prediction;
use crate::diffusion::filter::Filter;
use crate::model::error::ModelError;
use crate::model::kernels::vector;
use crate::model::spec::TokenId;

/// What to read from one row of logits.
#[derive(Clone, Copy, Debug)]
pub struct Readout {
    /// Number of alternatives.
    pub top_k: usize,
    /// The token whose log-probability is wanted too.
    pub current: Option<TokenId>,
    /// Changes of the row before it is read.
    pub filter: Filter,
}

/// Refuses rows that are not numbers. A weight that is none spreads to whole rows, so one value of each tells.
///
/// # Errors
/// A row holds no number.
pub fn check(logits: &[f32], vocab: usize) -> Result<(), ModelError> {
    if logits.iter().step_by(vocab.max(1)).all(|value| !value.is_nan()) {
        return Ok(());
    }
    Err(ModelError::Mismatch(
        "the model's predictions are not numbers: its weights are damaged, install the model again".to_owned(),
    ))
}

/// Reads each row of `logits` (`[rows, vocab]`, row-major) as its readout says; `banned` ids get no probability.
///
/// # Panics
/// When `logits` does not hold a row of `vocab` values for each readout.
pub fn read_rows(logits: &mut [f32], vocab: usize, readouts: &[Readout], banned: &[TokenId]) -> Vec<Prediction> {
    assert_eq!(logits.len(), readouts.len() * vocab);
    logits.par_chunks_exact_mut(vocab.max(1)).zip(readouts).map(|(row, readout)| read_row(row, *readout, banned)).collect()
}

fn read_row(row: &mut [f32], readout: Readout, banned: &[TokenId]) -> Prediction {
    for &id in banned {
        if let Some(logit) = row.get_mut(id as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
    if !readout.filter.is_neutral() {
        readout.filter.apply(row);
    }
    let largest = vector::largest(row);
    let (sum, weighted) = vector::weights_and_entropy(row, largest);
    let log_sum = sum.ln();
    let log_prob = |logit: f32| (f64::from(logit - largest) - log_sum) as f32;
    let top = top_ids(row, readout.top_k).into_iter().map(|id| (id, log_prob(row[id as usize]))).collect();
    let current = readout.current.and_then(|id| row.get(id as usize)).map(|&logit| log_prob(logit));
    Prediction { top, entropy: (log_sum - weighted / sum) as f32, current }
}

/// Values that are looked at together.
const RUN: usize = 256;

/// Ids of the `k` largest values, best first, ties by id.
fn top_ids(row: &[f32], k: usize) -> Vec<TokenId> {
    let mut best: Vec<TokenId> = Vec::with_capacity(k.min(row.len()) + 1);
    let mut least = f32::NEG_INFINITY;
    for (index, run) in row.chunks(RUN).enumerate() {
        // Once the first few are found, most runs hold nothing better, and one look is enough for all of a run.
        if best.len() == k && vector::largest(run) <= least {
            continue;
        }
        for (place_in_run, &value) in run.iter().enumerate() {
            if (best.len() == k && value <= least) || value.is_nan() || value == f32::NEG_INFINITY {
                continue;
            }
            let id = index * RUN + place_in_run;
            let place = best.partition_point(|&other| row[other as usize] >= value);
            best.insert(place, id as TokenId);
            best.truncate(k);
            least = best.last().map_or(f32::NEG_INFINITY, |&last| row[last as usize]);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_normalised_without_the_banned_ids() {
        let mut logits = vec![1.0, 3.0, 2.0, 9.0, 2.0];
        let read = read_rows(&mut logits, 5, &[Readout { top_k: 3, current: Some(0), filter: Filter::default() }], &[3]);
        let weights = [1.0f64, 3.0, 2.0, 2.0].map(f64::exp);
        let sum: f64 = weights.iter().sum();
        assert_eq!(read[0].top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 4], "ties go to the smaller id");
        assert!((f64::from(read[0].best().1) - weights[1] / sum).abs() < 1e-6);
        assert!((f64::from(read[0].current.unwrap()) - (weights[0] / sum).ln()).abs() < 1e-6);
        let entropy: f64 = weights.iter().map(|w| -(w / sum) * (w / sum).ln()).sum();
        assert!((f64::from(read[0].entropy) - entropy).abs() < 1e-6);
    }

    #[test]
    fn more_alternatives_than_ids_gives_all_of_them() {
        let mut logits = vec![0.0, f32::NEG_INFINITY, 5.0];
        let read = read_rows(&mut logits, 3, &[Readout { top_k: 10, current: None, filter: Filter::default() }], &[]);
        assert_eq!(read[0].top.len(), 2);
        assert_eq!(read[0].best().0, 2);
    }
}
