//! Updates: AdamW for all, or Muon for the matrices of the blocks and AdamW for the rest; the gradient's norm over all parameters is
//! bounded first.
//!
//! The arithmetic is Burn's; what is here is which parameter it is applied to, the bound, and a state that can be saved.

use burn::optim::AdamW;
use burn::optim::AdamWConfig;
use burn::optim::AdamWState;
use burn::optim::AdaptiveMomentumState;
use burn::optim::AdjustLrFn;
use burn::optim::Muon;
use burn::optim::MuonConfig;
use burn::optim::MuonState;
use burn::optim::Optimizer;
use burn::optim::RecordState;
use burn::optim::StateSink;
use burn::optim::StateSource;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

use crate::model::error::ModelError;
use crate::train::parameters::Kind;
use crate::train::parameters::Parameter;
use crate::train::parameters::Parameters;
use crate::train::parameters::read;

/// Which rule updates matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// AdamW, as everything else.
    #[default]
    Adamw,
    /// Muon, its updates scaled to the size of AdamW's, so that one rate serves both.
    Muon,
}

/// Constants of the updates; all are written down, because defaults differ between libraries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimiserConfig {
    /// The rule of matrices.
    pub rule: Rule,
    /// Decay of the mean and of the mean square.
    pub betas: [f32; 2],
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Share of a weight that is taken away at a rate of 1; vectors are left alone.
    pub weight_decay: f32,
    /// Momentum of Muon.
    pub momentum: f64,
    /// The largest norm of the gradient over all parameters.
    pub clip: f64,
}

/// Rules, and what they remember of each parameter.
#[derive(Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    rules: Rules,
    states: Vec<Option<State>>,
}

struct Rules {
    adamw: AdamW,
    without_decay: AdamW,
    muon: Muon,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rules")
    }
}

// One for each parameter, nearly all of one kind.
#[allow(clippy::large_enum_variant)]
enum State {
    AdamW(AdamWState<2>),
    Muon(MuonState<2>),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AdamW(_) => "AdamW",
            Self::Muon(_) => "Muon",
        })
    }
}

/// A tensor of a saved state: its name, its shape and its values.
pub type Saved = (String, Vec<usize>, Vec<f32>);

impl Optimiser {
    /// Remembers nothing yet.
    pub fn new(config: OptimiserConfig) -> Self {
        let adamw = |decay: f32| {
            let [beta_1, beta_2] = config.betas;
            let adamw = AdamWConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
            adamw.with_epsilon(config.epsilon).with_weight_decay(decay).build()
        };
        let muon = MuonConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay)))
            .with_momentum(MomentumConfig { momentum: config.momentum, dampening: 0.0, nesterov: true })
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .build();
        let rules = Rules { adamw: adamw(config.weight_decay), without_decay: adamw(0.0), muon };
        Self { config, rules, states: Vec::new() }
    }

    /// Updates parameters by their gradients. Returns the norm of the gradient before it was bounded; when it is no finite number
    /// nothing is changed.
    ///
    /// # Errors
    /// The device failed.
    pub fn step(&mut self, parameters: &mut Parameters, gradients: Vec<Option<Tensor<2>>>, rate: f64) -> Result<f64, ModelError> {
        let norm = norm(&gradients)?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        // As PyTorch's clip_grad_norm_.
        let scale = (self.config.clip / (norm + 1e-6)).min(1.0);
        self.states.resize_with(gradients.len(), || None);
        for ((parameter, gradient), state) in parameters.iter_mut().zip(gradients).zip(&mut self.states) {
            let Some(gradient) = gradient else { continue };
            let gradient = if scale < 1.0 { gradient * scale } else { gradient };
            let value = parameter.plain();
            let (value, new) = match (parameter.kind, self.config.rule, state.take()) {
                (Kind::Matrix, Rule::Muon, old) => {
                    let old = match old {
                        Some(State::Muon(old)) => Some(old),
                        _ => None,
                    };
                    let (value, new) = self.rules.muon.step(rate, value, gradient, old);
                    (value, new.map(State::Muon))
                }
                (kind, _, old) => {
                    let old = match old {
                        Some(State::AdamW(old)) => Some(old),
                        _ => None,
                    };
                    let rule = if kind == Kind::Vector { &self.rules.without_decay } else { &self.rules.adamw };
                    let (value, new) = rule.step(rate, value, gradient, old);
                    (value, new.map(State::AdamW))
                }
            };
            parameter.set(value);
            *state = new;
        }
        Ok(norm)
    }

    /// What is remembered, under names that begin with the parameter's.
    ///
    /// # Errors
    /// The device failed.
    pub fn save(&self, parameters: &Parameters) -> Result<Vec<Saved>, ModelError> {
        let mut saved = Vec::new();
        for (parameter, state) in parameters.iter().zip(&self.states) {
            let shape: Vec<usize> = parameter.plain().dims().to_vec();
            let mut push = |part: &str, values| saved.push((format!("{}.{part}", parameter.name), shape.clone(), values));
            match state {
                Some(State::AdamW(state)) => {
                    push("mean", read(state.momentum.moment_1.clone())?);
                    push("mean_square", read(state.momentum.moment_2.clone())?);
                    saved.push((format!("{}.time", parameter.name), vec![1], vec![state.momentum.time as f32]));
                }
                Some(State::Muon(state)) => {
                    let mut sink = StateSink::default();
                    state.state_flatten("", &mut sink);
                    for (name, data) in sink.tensors {
                        let values = data.convert::<f32>().try_into_vec();
                        push(&name, values.map_err(|error| ModelError::Device(format!("{error:?}")))?);
                    }
                }
                None => {}
            }
        }
        Ok(saved)
    }

    /// Remembers what was saved; `find` gives the values of a name. Parameters without any begin anew.
    pub fn restore(&mut self, parameters: &Parameters, find: impl Fn(&str) -> Option<Vec<f32>>) {
        self.states = parameters.iter().map(|parameter| self.restored(parameter, &find)).collect();
    }

    fn restored(&self, parameter: &Parameter, find: &impl Fn(&str) -> Option<Vec<f32>>) -> Option<State> {
        let value = parameter.plain();
        let (shape, device) = (value.dims(), value.device());
        let data = |part: &str| {
            let values = find(&format!("{}.{part}", parameter.name))?;
            (values.len() == parameter.len()).then(|| TensorData::new(values, shape))
        };
        if parameter.kind == Kind::Matrix && self.config.rule == Rule::Muon {
            let mut source = StateSource::new(std::collections::BTreeMap::new());
            source.insert_tensor(VELOCITY.to_owned(), data(VELOCITY)?);
            return MuonState::state_unflatten("", &mut source, &device).map(State::Muon);
        }
        let time = find(&format!("{}.time", parameter.name))?.first().copied()? as usize;
        let tensor = |part: &str| data(part).map(|data| Tensor::<2>::from_data(data, &device));
        let momentum = AdaptiveMomentumState::new(time, tensor("mean")?, tensor("mean_square")?);
        Some(State::AdamW(AdamWState::new(momentum)))
    }
}

/// Where Burn's Muon keeps what it remembers.
const VELOCITY: &str = "momentum.velocity";

/// The norm of all gradients together, in one transfer from the device.
fn norm(gradients: &[Option<Tensor<2>>]) -> Result<f64, ModelError> {
    let squares: Vec<Tensor<1>> = gradients.iter().flatten().map(|gradient| gradient.clone().square().sum()).collect();
    if squares.is_empty() {
        return Ok(0.0);
    }
    Ok(read(Tensor::cat(squares, 0))?.into_iter().map(f64::from).sum::<f64>().sqrt())
}

/// A running average of the parameters, which often generalises better than the last ones.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    values: Vec<Option<Tensor<2>>>,
}

impl Average {
    /// Begins at the parameters as they are.
    pub fn new(decay: f64, parameters: &Parameters) -> Self {
        let values = parameters.iter().map(|parameter| parameter.trained.then(|| parameter.plain())).collect();
        Self { decay, values }
    }

    /// Takes the parameters after a step in.
    pub fn update(&mut self, parameters: &Parameters) {
        for (value, parameter) in self.values.iter_mut().zip(parameters.iter()) {
            *value = value.take().map(|value| value * self.decay + parameter.plain() * (1.0 - self.decay));
        }
    }

    /// The average of each trained parameter, in their order.
    pub fn values(&self) -> &[Option<Tensor<2>>] {
        &self.values
    }

    /// Puts back what was saved.
    pub fn restore(&mut self, parameters: &Parameters, find: impl Fn(&str) -> Option<Vec<f32>>) {
        for (value, parameter) in self.values.iter_mut().zip(parameters.iter()) {
            let Some(old) = value.as_ref() else { continue };
            if let Some(values) = find(&parameter.name).filter(|values| values.len() == parameter.len()) {
                *value = Some(Tensor::from_data(TensorData::new(values, old.dims()), &old.device()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::train::parameters::tensor;

    fn config(rule: Rule) -> OptimiserConfig {
        OptimiserConfig { rule, betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.1, momentum: 0.95, clip: 1.0 }
    }

    fn parameters() -> Parameters {
        let device = Device::flex();
        let mut parameters = Parameters::default();
        parameters.push("m", Kind::Matrix, true, &[2, 3], tensor(vec![1.0, -2.0, 3.0, 0.5, 0.25, -1.0], [2, 3], &device));
        parameters.push("v", Kind::Vector, true, &[2], tensor(vec![1.0, 2.0], [1, 2], &device));
        parameters
    }

    fn gradients(step: usize) -> Vec<Option<Tensor<2>>> {
        let device = Device::flex();
        let m = (0..6).map(|i| ((i * 7 + step * 3) % 5) as f32 - 2.0).collect();
        let v = vec![step as f32 * 0.1, -3.0];
        vec![Some(tensor(m, [2, 3], &device)), Some(tensor(v, [1, 2], &device))]
    }

    fn values(parameters: &Parameters) -> Vec<f32> {
        parameters.iter().flat_map(|parameter| parameter.to_vec().unwrap()).collect()
    }

    /// AdamW by its definition (Loshchilov and Hutter), in f64, with the bound of the norm.
    #[test]
    fn adamw_follows_its_definition() {
        let (mut optimiser, mut found) = (Optimiser::new(config(Rule::Adamw)), parameters());
        let mut expected: Vec<f64> = values(&found).into_iter().map(f64::from).collect();
        let (mut mean, mut square) = ([0.0f64; 8], [0.0f64; 8]);
        for step in 1..=5 {
            let g: Vec<f64> = gradients(step).into_iter().flatten().flat_map(|g| read(g).unwrap()).map(f64::from).collect();
            let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            let rate = 0.01 * step as f64;
            for i in 0..8 {
                let g = g[i] / norm.max(1.0);
                mean[i] = 0.9 * mean[i] + 0.1 * g;
                square[i] = 0.95 * square[i] + 0.05 * g * g;
                let decay = if i < 6 { 0.1 } else { 0.0 };
                let bias = |beta: f64| 1.0 - beta.powi(step as i32);
                let update = mean[i] / bias(0.9) / ((square[i] / bias(0.95)).sqrt() + 1e-8);
                expected[i] -= rate * (decay * expected[i] + update);
            }
            let told = optimiser.step(&mut found, gradients(step), rate).unwrap();
            assert!((told - norm).abs() < 1e-5 * norm);
        }
        for (found, expected) in values(&found).into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn a_restored_state_goes_on_bit_for_bit() {
        for rule in [Rule::Adamw, Rule::Muon] {
            let (mut optimiser, mut one) = (Optimiser::new(config(rule)), parameters());
            for step in 1..=3 {
                optimiser.step(&mut one, gradients(step), 0.02).unwrap();
            }
            let saved = optimiser.save(&one).unwrap();
            let (mut restored, mut other) = (Optimiser::new(config(rule)), one.clone());
            restored.restore(&other, |name| saved.iter().find(|(saved, ..)| saved == name).map(|(.., values)| values.clone()));
            let mut fresh = (Optimiser::new(config(rule)), one.clone());
            for step in 4..=6 {
                optimiser.step(&mut one, gradients(step), 0.02).unwrap();
                restored.step(&mut other, gradients(step), 0.02).unwrap();
                fresh.0.step(&mut fresh.1, gradients(step), 0.02).unwrap();
            }
            assert_eq!(values(&one), values(&other), "{rule:?}");
            assert_ne!(values(&one), values(&fresh.1), "{rule:?}: the state matters");
        }
    }

    #[test]
    fn a_gradient_that_is_no_number_changes_nothing() {
        let (mut optimiser, mut found) = (Optimiser::new(config(Rule::Adamw)), parameters());
        let mut gradients = gradients(1);
        gradients[1] = Some(tensor(vec![f32::NAN, 0.0], [1, 2], &Device::flex()));
        assert!(!optimiser.step(&mut found, gradients, 0.1).unwrap().is_finite());
        assert_eq!(values(&found), values(&parameters()));
    }

    #[test]
    fn muon_moves_a_matrix_by_an_orthogonal_step() {
        let (mut optimiser, mut found) =
            (Optimiser::new(OptimiserConfig { weight_decay: 0.0, ..config(Rule::Muon) }), parameters());
        let before = values(&found);
        optimiser.step(&mut found, gradients(1), 0.1).unwrap();
        let moved: Vec<f64> = values(&found).iter().zip(&before).take(6).map(|(a, b)| f64::from(b - a)).collect();
        // The rows of the step are nearly orthogonal and of nearly one length: 0.1 * 0.2 * sqrt(3) for a 2 x 3 matrix.
        let dot = |a: usize, b: usize| (0..3).map(|k| moved[a * 3 + k] * moved[b * 3 + k]).sum::<f64>();
        let length = 0.1 * 0.2 * 3f64.sqrt();
        for row in 0..2 {
            assert!((0.6..1.3).contains(&(dot(row, row).sqrt() / length)), "{}", dot(row, row).sqrt() / length);
        }
        assert!(dot(0, 1).abs() < 0.35 * length * length);
    }

    #[test]
    fn an_average_follows_slowly() {
        let mut found = parameters();
        let mut average = Average::new(0.75, &found);
        found.iter_mut().for_each(|parameter| parameter.set(parameter.plain() * 0.0 + 5.0));
        average.update(&found);
        let first = read(average.values()[0].clone().unwrap()).unwrap();
        assert_eq!(first[0], 0.75 * 1.0 + 0.25 * 5.0);
    }
}
