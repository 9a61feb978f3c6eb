//! Steps of a block in one pass over memory each, forward and backward, for training on the CPU.
//!
//! Flex runs each element-wise operation by itself, on one thread, and automatic differentiation makes several of each. Between the
//! matrix products of a small model that is most of the time. Here are the three that cost most, as single nodes of the graph. On
//! every other device the same arithmetic runs as plain operations; tests compare values and gradients of the two.

use burn::backend::Autodiff;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::Backward;
use burn::backend::autodiff::ops::Ops;
use burn::backend::autodiff::ops::OpsKind;
use burn::backend::autodiff::ops::unary;
use burn::backend::flex::FlexTensor;
use burn::tensor::DType;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use burn::tensor::activation;
use rayon::prelude::*;

use crate::model::kernels::vector;

/// Values of a task: enough for a thread to be worth its hand-over.
const TASK: usize = 1 << 14;

/// A tensor of the CPU: its values in order, and its node where it is on a graph.
macro_rules! on_cpu {
    ($tensor:expr) => {{
        let found = $tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok();
        found.filter(|found| found.primitive().dtype() == DType::F32)
    }};
}

fn ordered(tensor: &FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() { tensor.clone() } else { tensor.to_contiguous() }
}

fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or_default()
}

fn tensor_of(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

/// Calls `each` with the number of a row and its output of `width` values, on all threads when there is enough to do.
fn rows(out: &mut [f32], width: usize, each: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    let count = (TASK / width).max(1);
    out.par_chunks_mut(count * width).enumerate().for_each(|(task, out)| {
        out.chunks_exact_mut(width).enumerate().for_each(|(row, out)| each(task * count + row, out));
    });
}

/// Shares along the last dimension.
pub(super) fn softmax(scores: Tensor<4>) -> Tensor<4> {
    if !scores.is_autodiff() {
        return softmax(scores.autodiff()).inner();
    }
    let shape = scores.dims();
    let Some(input) = on_cpu!(scores) else { return activation::softmax(scores, 3) };
    let width = shape[3];
    let (primitive, node) = input.into_parts();
    let primitive = ordered(&primitive);
    let from = values(&primitive);
    let mut out = vec![0.0; from.len()];
    rows(&mut out, width, |row, out| vector::softmax(&from[row * width..][..width], out));
    let out = tensor_of(out, &shape);
    let result = match Softmax.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(out.clone(), out),
        OpsKind::UnTracked(prepared) => prepared.finish(out),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(result)
}

#[derive(Debug)]
struct Softmax;

impl Backward<Flex, 1> for Softmax {
    /// The shares.
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let shares = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let gradient = ordered(&gradient);
            let (shares_in, from) = (values(&shares), values(&gradient));
            let shape = shares.layout().shape().to_vec();
            let width = shape.last().copied().unwrap_or(1);
            let mut out = vec![0.0; from.len()];
            rows(&mut out, width, |row, out| {
                let row = row * width..(row + 1) * width;
                vector::softmax_gradient(&shares_in[row.clone()], &from[row], out);
            });
            tensor_of(out, &shape)
        });
    }
}

/// Divides rows `[rows, width]` by their root mean square and multiplies them by `weight`, `[1, width]`.
pub(super) fn rms_norm(input: Tensor<2>, weight: Tensor<2>, eps: f64) -> Tensor<2> {
    if !input.is_autodiff() {
        return rms_norm(input.autodiff(), weight.autodiff(), eps).inner();
    }
    let [count, width] = input.dims();
    let (Some(rows_in), Some(scale)) = (on_cpu!(input), on_cpu!(weight)) else {
        let mean_square = input.clone().square().mean_dim(1);
        return input * (mean_square + eps).sqrt().recip() * weight;
    };
    let (rows_in, rows_node) = rows_in.into_parts();
    let (scale, scale_node) = scale.into_parts();
    let (rows_in, scale) = (ordered(&rows_in), ordered(&scale));
    let mut out = vec![0.0; count * width];
    let (from, weights) = (values(&rows_in), values(&scale));
    rows(&mut out, width, |row, out| vector::normalise(&from[row * width..][..width], weights, eps as f32, out));
    let out = tensor_of(out, &[count, width]);
    let result = match RmsNorm.prepare::<NoCheckpointing>([rows_node, scale_node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((rows_in, scale, eps as f32), out),
        OpsKind::UnTracked(prepared) => prepared.finish(out),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(result)
}

#[derive(Debug)]
struct RmsNorm;

impl Backward<Flex, 2> for RmsNorm {
    /// Rows, weight, and what is added to the mean square.
    type State = (FlexTensor, FlexTensor, f32);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (rows_in, scale, eps) = ops.state;
        let [rows_parent, scale_parent] = ops.parents;
        let gradient = ordered(&gradients.consume::<Flex>(&ops.node));
        let (from, weights, pulled) = (values(&rows_in), values(&scale), values(&gradient));
        let width = weights.len().max(1);
        let count = from.len() / width;
        let mut out = vec![0.0; from.len()];
        // The sums of each task are added in order, so that the result does not depend on the threads.
        let size = (TASK / width).max(1);
        let sums: Vec<Vec<f32>> = out
            .par_chunks_mut(size * width)
            .enumerate()
            .map(|(task, out)| {
                let mut sums = vec![0.0; width];
                for (row, out) in out.chunks_exact_mut(width).enumerate() {
                    let row = (task * size + row) * width..(task * size + row + 1) * width;
                    vector::normalise_gradient(&from[row.clone()], weights, &pulled[row], eps, out, &mut sums);
                }
                sums
            })
            .collect();
        if let Some(parent) = rows_parent {
            gradients.register::<Flex>(parent.id, tensor_of(out, &[count, width]));
        }
        if let Some(parent) = scale_parent {
            let mut total = vec![0.0f32; width];
            for sums in sums {
                total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            }
            gradients.register::<Flex>(parent.id, tensor_of(total, &[1, width]));
        }
    }
}

/// `silu(gate) * up`, all of one shape.
pub(super) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if !gate.is_autodiff() {
        return swiglu(gate.autodiff(), up.autodiff()).inner();
    }
    let [count, width] = gate.dims();
    let (Some(gate_in), Some(up_in)) = (on_cpu!(gate), on_cpu!(up)) else { return activation::silu(gate) * up };
    let (gate_in, gate_node) = gate_in.into_parts();
    let (up_in, up_node) = up_in.into_parts();
    let (gate_in, up_in) = (ordered(&gate_in), ordered(&up_in));
    let (gates, ups) = (values(&gate_in), values(&up_in));
    let mut out = vec![0.0; count * width];
    rows(&mut out, width, |row, out| {
        let row = row * width..(row + 1) * width;
        vector::gated(&gates[row.clone()], &ups[row], out);
    });
    let out = tensor_of(out, &[count, width]);
    let result = match SwiGlu.prepare::<NoCheckpointing>([gate_node, up_node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((gate_in, up_in), out),
        OpsKind::UnTracked(prepared) => prepared.finish(out),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(result)
}

#[derive(Debug)]
struct SwiGlu;

impl Backward<Flex, 2> for SwiGlu {
    /// Gate and up.
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (gate_in, up_in) = ops.state;
        let [gate_parent, up_parent] = ops.parents;
        let gradient = ordered(&gradients.consume::<Flex>(&ops.node));
        let (gates, ups, pulled) = (values(&gate_in), values(&up_in), values(&gradient));
        let shape = gate_in.layout().shape().to_vec();
        let (mut to_gate, mut to_up) = (vec![0.0; gates.len()], vec![0.0; gates.len()]);
        to_gate.par_chunks_mut(TASK).zip(to_up.par_chunks_mut(TASK)).enumerate().for_each(|(task, (to_gate, to_up))| {
            let part = task * TASK..task * TASK + to_gate.len();
            vector::gated_gradient(&gates[part.clone()], &ups[part.clone()], &pulled[part], to_gate, to_up);
        });
        for (parent, values) in [(gate_parent, to_gate), (up_parent, to_up)] {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, tensor_of(values, &shape));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::train::parameters::read;

    fn leaf<const D: usize>(values: &[f32], shape: [usize; D], from: usize) -> Tensor<D> {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = values.iter().cycle().skip(from).step_by(3).take(count).copied().collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
    }

    /// A number with a gradient that differs from value to value.
    fn pull<const D: usize>(out: Tensor<D>) -> Tensor<1> {
        let shape = out.dims();
        let count: usize = shape.iter().product();
        let weights: Vec<f32> = (0..count).map(|i| ((i * 7919 % 97) as f32 - 48.0) / 48.0).collect();
        (out * Tensor::from_data(TensorData::new(weights, shape), &Device::flex().autodiff())).sum()
    }

    fn near(found: Tensor<2>, expected: Tensor<2>) -> Result<(), TestCaseError> {
        let (found, expected) = (read(found).unwrap(), read(expected).unwrap());
        // Gradients that are 0 are sums of terms of some units that cancel, which leaves a rounding of them.
        let largest = expected.iter().fold(0.1f32, |most, value| most.max(value.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert!((found - expected).abs() <= 2e-5 * largest, "{found} {expected} of {largest}");
        }
        Ok(())
    }

    fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
        tensor.flatten::<1>(0, -1).unsqueeze()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn values_and_gradients_are_those_of_plain_operations(
            seed in proptest::collection::vec(-4.0f32..4.0, 211..212),
            (count, width) in (1usize..40, 1usize..70),
            large in proptest::bool::ANY,
        ) {
            // More than one task, now and then.
            let (count, width) = if large { (count * 9, width * 8) } else { (count, width) };
            let (x, w) = (leaf(&seed, [count, width], 0), leaf(&seed, [1, width], 5));
            let out = rms_norm(x.clone(), w.clone(), 1e-6);
            let plain = x.clone() * (x.clone().square().mean_dim(1) + 1e-6).sqrt().recip() * w.clone();
            near(out.clone(), plain.clone())?;
            let (found, expected) = (pull(out).backward(), pull(plain).backward());
            near(x.grad(&found).unwrap(), x.grad(&expected).unwrap())?;
            near(w.grad(&found).unwrap(), w.grad(&expected).unwrap())?;

            let (gate, up) = (leaf(&seed, [count, width], 1), leaf(&seed, [count, width], 2));
            let out = swiglu(gate.clone(), up.clone());
            let plain = activation::silu(gate.clone()) * up.clone();
            near(out.clone(), plain.clone())?;
            let (found, expected) = (pull(out).backward(), pull(plain).backward());
            near(gate.grad(&found).unwrap(), gate.grad(&expected).unwrap())?;
            near(up.grad(&found).unwrap(), up.grad(&expected).unwrap())?;

            // From a view whose values do not lie in order, and with hidden places.
            let scores = leaf(&seed, [2, width, count, 1], 3);
            let hidden = Tensor::<4>::from_data(
                TensorData::new((0..width).map(|i| if i % 3 == 1 { -3.0e4 } else { 0.0 }).collect::<Vec<f32>>(), [1, 1, 1, width]),
                &Device::flex().autodiff(),
            );
            let view = || scores.clone().swap_dims(1, 3) * 2.0 + hidden.clone();
            let (out, plain) = (softmax(view()), activation::softmax(view(), 3));
            near(flat(out.clone()), flat(plain.clone()))?;
            let (found, expected) = (pull(out).backward(), pull(plain).backward());
            near(flat(scores.grad(&found).unwrap()), flat(scores.grad(&expected).unwrap()))?;
        }
    }

    #[test]
    fn what_is_not_on_a_graph_has_the_same_values() {
        let device = Device::flex();
        let x = Tensor::<2>::from_data([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], &device);
        let w = Tensor::<2>::from_data([[1.0, 0.5, 2.0]], &device);
        let found = rms_norm(x.clone(), w.clone(), 1e-6);
        assert!(!found.is_autodiff());
        let expected = x.clone() / (x.square().mean_dim(1) + 1e-6).sqrt() * w;
        near(found, expected).unwrap();
    }
}
