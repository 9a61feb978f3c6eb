//! Element-wise arithmetic over slices: exponentials, sums and maxima, compiled for the vector units that the machine has.

use crate::model::vector_units::with_vector_units;

const LANES: usize = 16;

/// e to the power of `x` with a relative error below 2e-7; `x` outside of the range of f32 is moved to its ends.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has few bits, so that its product with an integer is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.3, 88.3);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * LN2_HIGH - whole * LN2_LOW;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum * rest + coefficient;
    }
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (sum * rest * rest + rest + 1.0) * power
}

/// Sum over lanes, so that the additions do not wait for each other.
#[inline(always)]
fn sum_of(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&value| of(value)).sum::<f32>()
}

with_vector_units! {
    /// The largest value; negative infinity when there is none.
    pub(crate) fn largest(values: &[f32]) -> f32 {
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let (whole, rest) = values.as_chunks::<LANES>();
        for chunk in whole {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane = larger(*lane, value);
            }
        }
        lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger)
    }
}

with_vector_units! {
    /// Turns values into the exponentials of their distances from `top`, and gives the sum of these.
    pub(super) fn exponentials(values: &mut [f32], top: f32) -> f32 {
        values.iter_mut().for_each(|value| *value = exp(*value - top));
        sum_of(values, |value| value)
    }
}

with_vector_units! {
    /// The sums of `exp(v - top)` and of `exp(v - top) * (v - top)`. Values far below count for nothing.
    pub(crate) fn weights_and_entropy(values: &[f32], top: f32) -> (f64, f64) {
        // Runs in f32, added up in f64: the sums have 150,000 terms.
        const RUN: usize = 256;
        let (mut sum, mut weighted) = (0.0f64, 0.0f64);
        let (mut weights, mut products) = ([0.0f32; RUN], [0.0f32; RUN]);
        for run in values.chunks(RUN) {
            let (weights, products) = (&mut weights[..run.len()], &mut products[..run.len()]);
            for ((&value, weight), product) in run.iter().zip(weights.iter_mut()).zip(products.iter_mut()) {
                let below = (value - top).max(-87.3);
                *weight = exp(below);
                *product = *weight * below;
            }
            sum += f64::from(sum_of(weights, |value| value));
            weighted += f64::from(sum_of(products, |value| value));
        }
        (sum, weighted)
    }
}

with_vector_units! {
    /// Divides `values` by their root mean square and multiplies them by `weight`, into `out`.
    pub(crate) fn normalise(values: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let mean_square = sum_of(values, |value| value * value) / values.len() as f32;
        let factor = 1.0 / (mean_square + eps).sqrt();
        for ((out, value), weight) in out.iter_mut().zip(values).zip(weight) {
            *out = value * factor * weight;
        }
    }
}

with_vector_units! {
    /// `silu(gate) * up`, into `out`.
    pub(crate) fn gated(gate: &[f32], up: &[f32], out: &mut [f32]) {
        for ((out, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
            *out = gate * up / (1.0 + exp(-gate));
        }
    }
}

with_vector_units! {
    /// The share of each value's exponential, into `out`.
    pub(crate) fn softmax(values: &[f32], out: &mut [f32]) {
        let mut top = f32::NEG_INFINITY;
        for &value in values {
            top = if value > top { value } else { top };
        }
        for (out, &value) in out.iter_mut().zip(values) {
            *out = exp(value - top);
        }
        let factor = 1.0 / sum_of(out, |value| value);
        out.iter_mut().for_each(|out| *out *= factor);
    }
}

with_vector_units! {
    /// What a gradient of shares is for the values they were made from, into `out`.
    pub(crate) fn softmax_gradient(shares: &[f32], gradient: &[f32], out: &mut [f32]) {
        for ((out, &share), &gradient) in out.iter_mut().zip(shares).zip(gradient) {
            *out = share * gradient;
        }
        let sum = sum_of(out, |value| value);
        for (out, &share) in out.iter_mut().zip(shares) {
            *out -= share * sum;
        }
    }
}

with_vector_units! {
    /// What a gradient of normalised values is for the values, into `out`, and for the weights, added to `sums`.
    pub(crate) fn normalise_gradient(
        values: &[f32],
        weight: &[f32],
        gradient: &[f32],
        eps: f32,
        out: &mut [f32],
        sums: &mut [f32]
    ) {
        let factor = 1.0 / (sum_of(values, |value| value * value) / values.len() as f32 + eps).sqrt();
        for ((out, &value), (&weight, &gradient)) in out.iter_mut().zip(values).zip(weight.iter().zip(gradient)) {
            *out = gradient * weight * value * factor;
        }
        let mean = sum_of(out, |value| value) / values.len() as f32;
        for (((out, sum), &value), (&weight, &gradient)) in
            out.iter_mut().zip(sums.iter_mut()).zip(values).zip(weight.iter().zip(gradient))
        {
            let normed = value * factor;
            *out = factor * (gradient * weight - normed * mean);
            *sum += gradient * normed;
        }
    }
}

with_vector_units! {
    /// What a gradient of `silu(gate) * up` is for both.
    pub(crate) fn gated_gradient(gate: &[f32], up: &[f32], gradient: &[f32], to_gate: &mut [f32], to_up: &mut [f32]) {
        for (((to_gate, to_up), &gate), (&up, &gradient)) in
            to_gate.iter_mut().zip(to_up.iter_mut()).zip(gate).zip(up.iter().zip(gradient))
        {
            let open = 1.0 / (1.0 + exp(-gate));
            *to_up = gradient * gate * open;
            *to_gate = gradient * up * open * (1.0 + gate * (1.0 - open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_exact_to_two_units() {
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) - expected).abs() <= 2e-7 * expected, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1.0e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn sums_and_maxima_of_odd_lengths() {
        for len in [0usize, 1, 15, 16, 17, 300] {
            let values: Vec<f32> = (0..len).map(|i| (i * 7 % 31) as f32 / 10.0).collect();
            let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&values), top);
            let expected: f64 = values.iter().map(|&v| f64::from(v - top).exp()).sum();
            let entropy: f64 = values.iter().map(|&v| f64::from(v - top).exp() * f64::from(v - top)).sum();
            let (sum, weighted) = weights_and_entropy(&values, top);
            assert!((sum - expected).abs() <= 1e-6 * expected.max(1.0) && (weighted - entropy).abs() <= 1e-5 * expected.max(1.0));
            assert!((f64::from(exponentials(&mut values.clone(), top)) - expected).abs() <= 1e-6 * expected.max(1.0));
        }
    }
}
