//! The named tensors of a trainable model: those that training changes, and those that it leaves alone.
//!
//! Names and shapes are those of Hugging Face checkpoints, so that a checkpoint, an export and a base are read alike.

use burn::tensor::Device;
use burn::tensor::Gradients;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use rand::Rng;
use rand::rngs::StdRng;

use crate::model::error::ModelError;

/// What a parameter is, which decides how it is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A linear map, `[out, in]`.
    Matrix,
    /// Vectors looked up by id, `[vocab, hidden]`: an embedding or an output head.
    Table,
    /// A bias or the scale of a norm.
    Vector,
}

/// One named tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name in Hugging Face's form.
    pub name: String,
    /// Shape in files: `[out, in]`, or `[n]` for a vector.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: Kind,
    /// Whether training changes it.
    pub trained: bool,
    /// On the device with automatic differentiation; vectors are `[1, n]`.
    value: Tensor<2>,
}

impl Parameter {
    /// The value, as a node of the graph.
    pub fn value(&self) -> Tensor<2> {
        self.value.clone()
    }

    /// The value without a graph.
    pub fn plain(&self) -> Tensor<2> {
        self.value.clone().inner()
    }

    /// Puts a new value in place of the old one.
    ///
    /// # Panics
    /// When the shape is another one.
    pub fn set(&mut self, value: Tensor<2>) {
        assert_eq!(value.dims(), self.value.dims(), "{}", self.name);
        self.value = leaf(value, self.trained);
    }

    /// The values in the order of files.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_vec(&self) -> Result<Vec<f32>, ModelError> {
        read(self.plain())
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn leaf(value: Tensor<2>, trained: bool) -> Tensor<2> {
    let value = value.inner().autodiff();
    if trained { value.require_grad() } else { value }
}

/// All parameters of a model, in a fixed order.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
    /// Whether values are given without a graph, as for measuring and sampling.
    plain: bool,
}

impl Parameters {
    /// Adds a parameter and gives its place.
    ///
    /// # Panics
    /// When the value has not as many values as the shape says.
    pub fn push(&mut self, name: impl Into<String>, kind: Kind, trained: bool, shape: &[usize], value: Tensor<2>) -> usize {
        let name = name.into();
        assert_eq!(value.dims().iter().product::<usize>(), shape.iter().product::<usize>(), "{name}");
        self.list.push(Parameter { name, shape: shape.to_vec(), kind, trained, value: leaf(value, trained) });
        self.list.len() - 1
    }

    /// The value of the parameter at a place.
    pub fn value(&self, place: usize) -> Tensor<2> {
        if self.plain { self.list[place].plain() } else { self.list[place].value() }
    }

    /// Whether values are given without a graph; returns what held before.
    pub fn set_plain(&mut self, plain: bool) -> bool {
        std::mem::replace(&mut self.plain, plain)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.list.iter()
    }

    /// In order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        self.list.iter_mut()
    }

    /// The one with this name.
    pub fn named(&self, name: &str) -> Option<&Parameter> {
        self.list.iter().find(|parameter| parameter.name == name)
    }

    /// Leaves alone all for which `trained` says no.
    pub fn freeze(&mut self, trained: impl Fn(&Parameter) -> bool) {
        for parameter in &mut self.list {
            parameter.trained = trained(parameter);
            parameter.value = leaf(parameter.value.clone(), parameter.trained);
        }
    }

    /// Takes the gradient of each parameter; `None` for those that are left alone or had no part in the loss.
    pub fn take_gradients(&self, gradients: &mut Gradients) -> Vec<Option<Tensor<2>>> {
        self.list.iter().map(|parameter| parameter.value.grad_remove(gradients)).collect()
    }

    /// Number of values that training changes, and of all.
    pub fn counts(&self) -> (usize, usize) {
        let count = |trained: bool| self.list.iter().filter(|p| p.trained || !trained).map(Parameter::len).sum();
        (count(true), count(false))
    }
}

/// Random values: normal with this standard deviation.
pub fn normal(count: usize, deviation: f32, random: &mut StdRng) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // Box and Muller: two uniform draws give two normal ones.
        let (u, v): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
        let radius = (-2.0 * u.ln()).sqrt() * f64::from(deviation);
        let angle = std::f64::consts::TAU * v;
        values.push((radius * angle.cos()) as f32);
        values.push((radius * angle.sin()) as f32);
    }
    values.truncate(count);
    values
}

/// Values as a tensor of `rows` rows.
pub fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Reads a tensor back.
///
/// # Errors
/// The device failed.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    let data = tensor.inner().try_into_data().map_err(|error| ModelError::Device(error.to_string()))?;
    data.convert::<f32>().try_into_vec().map_err(|error| ModelError::Device(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn random_values_are_normal_and_repeat() {
        let draw = |seed| normal(20_001, 0.5, &mut StdRng::seed_from_u64(seed));
        let values = draw(1);
        assert_eq!(values, draw(1));
        assert_ne!(values, draw(2));
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
        let within = values.iter().filter(|v| v.abs() < 0.5).count() as f64 / values.len() as f64;
        assert!(mean.abs() < 0.015 && (variance - 0.25).abs() < 0.01 && (within - 0.6827).abs() < 0.015);
    }

    #[test]
    fn a_frozen_parameter_gets_no_gradient() {
        let device = Device::flex();
        let mut parameters = Parameters::default();
        for (name, trained) in [("a", true), ("b", false)] {
            parameters.push(name, Kind::Matrix, trained, &[1, 2], tensor(vec![2.0, 3.0], [1, 2], &device));
        }
        let loss = (parameters.value(0) * parameters.value(1)).sum();
        let gradients = parameters.take_gradients(&mut loss.backward());
        assert_eq!(read(gradients[0].clone().unwrap()).unwrap(), [2.0, 3.0]);
        assert!(gradients[1].is_none());
        assert_eq!(parameters.counts(), (2, 4));
    }
}
