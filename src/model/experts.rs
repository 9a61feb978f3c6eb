//! The mixture of experts of LLaDA 2: a router sends each element to a few of many small feed-forward parts.
//!
//! Scores are sigmoids. Groups of experts are compared by the sum of their two best scores, experts within the groups that stay
//! by their own; both with the router's bias added. The weights of the chosen experts are their scores without it, divided by
//! their sum and scaled. Shared experts see every element.

use burn::tensor::Device;
use burn::tensor::Int;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

use crate::model::config::ExpertsConfig;
use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::kernels::linear;
use crate::model::matrix::Matrix;
use crate::model::transformer::Dense;
use crate::model::weights::Piece;
use crate::model::weights::Weights;

/// The router and the experts of one block.
#[derive(Clone, Debug)]
pub(super) struct Experts {
    config: ExpertsConfig,
    /// `[experts, hidden]`
    router: Matrix,
    bias: Vec<f32>,
    experts: Vec<Dense>,
    shared: Option<Dense>,
}

/// Added to the sum of weights, as the reference does.
const TINY: f32 = 1e-20;

impl Experts {
    /// Reads the experts under `prefix`.
    pub(super) fn read(
        c: &TransformerConfig,
        config: &ExpertsConfig,
        weights: &Weights,
        prefix: &str,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let router = Piece { name: format!("{prefix}.gate.weight"), rows: config.count, order: None };
        let expert = |index: usize| Dense::read(c, weights, &format!("{prefix}.experts.{index}"), config.intermediate, device);
        let shared = config.shared * config.intermediate;
        Ok(Self {
            config: *config,
            router: weights.matrix(&[router], c.hidden, device)?,
            bias: weights.read_vec(&format!("{prefix}.gate.expert_bias"), &[config.count])?,
            experts: (0..config.count).map(expert).collect::<Result<_, _>>()?,
            shared: (shared > 0)
                .then(|| Dense::read(c, weights, &format!("{prefix}.shared_experts"), shared, device))
                .transpose()?,
        })
    }

    /// Rows `[rows, hidden]` to the same shape.
    pub(super) fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let device = rows.device();
        let logits = linear(rows.clone(), &self.router, None, None).into_data().convert::<f32>();
        // A device that is lost shows at the next read that can fail; until then the rows are of no account.
        let logits: Vec<f32> = logits.try_into_vec().unwrap_or_default();
        let mut elements: Vec<Vec<(i32, f32)>> = vec![Vec::new(); self.config.count];
        for (row, logits) in (0..).zip(logits.chunks_exact(self.config.count)) {
            for (expert, weight) in route(logits, &self.bias, &self.config) {
                elements[expert].push((row, weight));
            }
        }
        let mut out = match &self.shared {
            Some(shared) => shared.forward(rows.clone(), None),
            None => rows.zeros_like(),
        };
        for (expert, elements) in self.experts.iter().zip(&elements) {
            if elements.is_empty() {
                continue;
            }
            let (indices, weights): (Vec<i32>, Vec<f32>) = elements.iter().copied().unzip();
            let count = indices.len();
            let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &device);
            let weights = Tensor::<2>::from_data(TensorData::new(weights, [count, 1]), &device);
            let found = expert.forward(rows.clone().select(0, indices.clone()), None) * weights;
            out = out.select_assign(0, indices, found, burn::tensor::IndexingUpdateOp::Add);
        }
        out
    }
}

/// The experts of one element, with their weights.
fn route(logits: &[f32], bias: &[f32], config: &ExpertsConfig) -> Vec<(usize, f32)> {
    let scores: Vec<f32> = logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
    let biased: Vec<f32> = scores.iter().zip(bias).map(|(score, bias)| score + bias).collect();
    let size = config.count / config.groups;
    let group_score = |group: usize| {
        let best = best(&biased, (group * size..(group + 1) * size).collect(), 2);
        best.iter().map(|&expert| biased[expert]).sum::<f32>()
    };
    let group_scores: Vec<f32> = (0..config.groups).map(group_score).collect();
    let kept = best(&group_scores, (0..config.groups).collect(), config.groups_kept);
    let open = (0..config.count).filter(|expert| kept.contains(&(expert / size))).collect();
    let chosen = best(&biased, open, config.per_element);
    let sum: f32 = chosen.iter().map(|&expert| scores[expert]).sum();
    chosen.into_iter().map(|expert| (expert, scores[expert] / (sum + TINY) * config.scale)).collect()
}

/// The `count` indices among `open` with the largest values, best first, ties by index.
fn best(values: &[f32], mut open: Vec<usize>, count: usize) -> Vec<usize> {
    open.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    open.truncate(count);
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_goes_to_the_best_experts_of_the_best_groups() {
        let config = ExpertsConfig {
            dense_blocks: 0,
            count: 6,
            per_element: 2,
            shared: 0,
            groups: 3,
            groups_kept: 1,
            scale: 2.0,
            intermediate: 1,
        };
        // The best expert is alone in its group; the bias moves the choice and not the weights.
        let logits = [2.0, -4.0, 1.0, 1.0, 0.0, 0.0];
        let routed = route(&logits, &[0.0; 6], &config);
        assert_eq!(routed.iter().map(|(expert, _)| *expert).collect::<Vec<_>>(), [2, 3]);
        assert!(routed.iter().all(|(_, weight)| (weight - 1.0).abs() < 1e-6));
        let routed = route(&logits, &[0.0, 0.0, 0.0, 0.0, 2.0, 1.0], &config);
        assert_eq!(routed.iter().map(|(expert, _)| *expert).collect::<Vec<_>>(), [4, 5]);
        assert!((routed[0].1 + routed[1].1 - 2.0).abs() < 1e-6);
    }
}
