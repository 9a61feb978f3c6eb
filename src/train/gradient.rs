//! One step's loss and gradients: several passes whose gradients are those of one.
//!
//! Every loss is a sum of cross-entropies times factors that carry no gradient. So the gradient of the logits is known in closed
//! form, factor · (softmax - one-hot), and only what lies below the logits is left to automatic differentiation. Rows are taken some
//! at a time: the logits of a large vocabulary never exist all at once.

use burn::tensor::IndexingUpdateOp;
use burn::tensor::Int;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use burn::tensor::activation::softmax;

use crate::model::error::ModelError;
use crate::model::spec::TokenId;
use crate::train::batch::Batch;
use crate::train::batch::Rows;
use crate::train::loss::Loss;
use crate::train::loss::Target;
use crate::train::model::Elements;
use crate::train::model::Past;
use crate::train::model::TrainModel;
use crate::train::model::indices;
use crate::train::parameters::read;

/// Logits that exist at once.
const LOGITS: usize = 1 << 24;

/// What a step learned.
#[derive(Debug)]
pub struct Learned {
    /// The loss.
    pub loss: f64,
    /// Gradients of the parameters, in their order.
    pub gradients: Vec<Option<Tensor<2>>>,
    /// How well the targets that count were predicted.
    pub measured: Measured,
}

/// How well targets were predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Targets that count.
    pub targets: usize,
    /// Sum of their cross-entropies, in nats.
    pub sum: f64,
    /// Those whose token is the most probable one.
    pub right: usize,
}

impl Measured {
    /// Mean cross-entropy.
    pub fn mean(&self) -> f64 {
        self.sum / self.targets.max(1) as f64
    }

    /// Share of the targets whose token is the most probable one.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.targets.max(1) as f64
    }

    fn add(&mut self, predicted: &Predicted) {
        self.targets += predicted.cross_entropies.len();
        self.sum += predicted.cross_entropies.iter().map(|ce| f64::from(*ce)).sum::<f64>();
        self.right += predicted.right;
    }
}

/// Rows of predictions.
struct Predicted {
    /// `[rows, vocab]`, on the graph.
    logits: Tensor<2>,
    /// `[rows, vocab]`, outside of the graph.
    probabilities: Tensor<2>,
    /// Targets, `[rows, 1]`.
    tokens: Tensor<2, Int>,
    cross_entropies: Vec<f32>,
    right: usize,
}

/// Loss and gradients of batches that together are one step.
///
/// # Errors
/// The device failed.
pub fn learn(model: &mut TrainModel, batches: &[Batch], loss: Loss) -> Result<Learned, ModelError> {
    let all = joined(batches);
    let sequences = batches.iter().map(|batch| batch.rows.batch).sum();
    let factors = loss.factors(&all, sequences);
    let (mut first, mut value, mut measured) = (0, 0.0, Measured::default());
    let mut gradients: Vec<Option<Tensor<2>>> = Vec::new();
    for batch in batches {
        let count = batch.targets.len();
        // What has no weight is not worth its logits.
        let counted: Vec<usize> = (0..count).filter(|&index| factors.counts(first + index)).collect();
        if counted.is_empty() {
            first += count;
            continue;
        }
        let hidden = hidden(model, batch);
        let mut surrogate: Option<Tensor<1>> = None;
        for chunk in counted.chunks(rows_at_once(model)) {
            let predicted = predict(model, &hidden, batch, chunk)?;
            measured.add(&predicted);
            let entropies = chunk.iter().zip(&predicted.cross_entropies);
            let factors: Vec<f64> = entropies.map(|(&index, &ce)| factors.at(first + index, ce)).collect();
            value += factors.iter().zip(&predicted.cross_entropies).map(|(factor, &ce)| factor * f64::from(ce)).sum::<f64>();
            let term = predicted.pull(&factors);
            surrogate = Some(match surrogate {
                Some(sum) => sum + term,
                None => term,
            });
        }
        first += count;
        let Some(surrogate) = surrogate else { continue };
        let found = model.parameters().take_gradients(&mut surrogate.backward());
        gradients = if gradients.is_empty() { found } else { gradients.into_iter().zip(found).map(added).collect() };
    }
    gradients.resize_with(model.parameters().iter().count(), || None);
    Ok(Learned { loss: value, gradients, measured })
}

/// How well the targets of weight above 0 are predicted, without learning from them.
///
/// # Errors
/// The device failed.
pub fn measure(model: &mut TrainModel, batch: &Batch) -> Result<Measured, ModelError> {
    let counted: Vec<usize> = (0..batch.targets.len()).filter(|&index| batch.targets[index].weight > 0.0).collect();
    let mut measured = Measured::default();
    if counted.is_empty() {
        return Ok(measured);
    }
    model.without_graph(|model| {
        let hidden = hidden(model, batch);
        for chunk in counted.chunks(rows_at_once(model)) {
            measured.add(&predict(model, &hidden, batch, chunk)?);
        }
        Ok(measured)
    })
}

/// Logits at which the targets of a batch are read, `[targets, vocab]`, on the graph.
pub fn target_logits(model: &mut TrainModel, batch: &Batch) -> Tensor<2> {
    let hidden = hidden(model, batch);
    let rows: Vec<TokenId> = batch.reads.iter().map(|&row| row as TokenId).collect();
    let device = model.device().clone();
    model.logits(hidden.select(0, indices(&rows, &device)), true)
}

/// The targets of all batches, as those of one.
fn joined(batches: &[Batch]) -> Vec<Target> {
    let (mut all, mut sequences) = (Vec::new(), 0);
    for batch in batches {
        all.extend(batch.targets.iter().map(|target| Target { sequence: target.sequence + sequences, ..*target }));
        sequences += batch.rows.batch;
    }
    all
}

fn added((sum, more): (Option<Tensor<2>>, Option<Tensor<2>>)) -> Option<Tensor<2>> {
    match (sum, more) {
        (Some(sum), Some(more)) => Some(sum + more),
        (one, other) => one.or(other),
    }
}

fn rows_at_once(model: &TrainModel) -> usize {
    (LOGITS / model.config().vocab).max(1)
}

/// Hidden states of a batch. Contexts run through the base alone, outside of the graph, once for all canvases that share them.
fn hidden(model: &mut TrainModel, batch: &Batch) -> Tensor<2> {
    fn elements<'a>(rows: &'a Rows, past: Option<&'a Past>, adapted: bool) -> Elements<'a> {
        let Rows { ids, positions, batch, visibility } = rows;
        Elements { ids, batch: *batch, positions, visibility, past, adapted }
    }
    let past: Option<Past> = batch.contexts.as_ref().map(|contexts| {
        let passed = model.forward(&elements(&contexts.rows, None, false));
        let of: Vec<TokenId> = contexts.of.iter().map(|&row| row as TokenId).collect();
        let of = indices(&of, &model.device().clone().inner());
        let spread = |tensor: Tensor<4>| tensor.inner().select(0, of.clone());
        passed.keys_values.into_iter().map(|(keys, values)| (spread(keys), spread(values))).collect()
    });
    model.forward(&elements(&batch.rows, past.as_ref(), true)).hidden
}

/// The predictions for some targets of a batch.
fn predict(model: &TrainModel, hidden: &Tensor<2>, batch: &Batch, chosen: &[usize]) -> Result<Predicted, ModelError> {
    let rows: Vec<TokenId> = chosen.iter().map(|&index| batch.reads[index] as TokenId).collect();
    let logits = model.logits(hidden.clone().select(0, indices(&rows, &hidden.device())), true);
    let plain = logits.clone().inner();
    let ids: Vec<TokenId> = chosen.iter().map(|&index| batch.targets[index].token).collect();
    let tokens = indices(&ids, &plain.device()).reshape([chosen.len(), 1]);
    let probabilities = softmax(plain, 1);
    let own = probabilities.clone().gather(1, tokens.clone());
    let both = Tensor::cat(vec![own, probabilities.clone().max_dim(1)], 1);
    let (mut cross_entropies, mut right) = (Vec::with_capacity(chosen.len()), 0);
    for pair in read(both)?.chunks_exact(2) {
        // A NaN stays one.
        cross_entropies.push(-(if pair[0] < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { pair[0] }).ln());
        right += usize::from(pair[0] >= pair[1]);
    }
    Ok(Predicted { logits, probabilities, tokens, cross_entropies, right })
}

impl Predicted {
    /// A number whose gradient is that of the loss; its value means nothing.
    fn pull(self, factors: &[f64]) -> Tensor<1> {
        let (rows, device) = (factors.len(), self.probabilities.device());
        let factors: Vec<f32> = factors.iter().map(|&factor| factor as f32).collect();
        let factors = Tensor::<2>::from_data(TensorData::new(factors, [rows, 1]), &device);
        let minus = Tensor::<2>::ones([rows, 1], &device).neg();
        let gradient = self.probabilities.scatter(1, self.tokens, minus, IndexingUpdateOp::Add) * factors;
        (self.logits * gradient.autodiff()).sum()
    }
}
