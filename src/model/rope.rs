//! Rotary positions: the two halves of a head are rotated against each other (the convention of Hugging Face checkpoints).

use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

/// Cosines and sines for some positions, ready to be applied.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// `[batch, seq, 1, head_dim / 2]`
    cos: Tensor<4>,
    /// `[batch, seq, 1, head_dim / 2]`
    sin: Tensor<4>,
}

/// Tables of the angles of all positions met so far.
#[derive(Debug)]
pub struct Rope {
    inverse_frequencies: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// Empty tables for heads of `head_dim` values and frequencies of base `theta`.
    pub fn new(head_dim: usize, theta: f64) -> Self {
        Self::partial(head_dim, head_dim, theta)
    }

    /// Empty tables for heads of `head_dim` values, of which the first `rotary_dim` are rotated, and frequencies of base `theta`.
    ///
    /// The kernels rotate the two halves of a whole head against each other. Where only a part of it is rotated, weights are read
    /// in the order of [`Rope::order`], and the rest turns by an angle of zero.
    pub fn partial(head_dim: usize, rotary_dim: usize, theta: f64) -> Self {
        // In f32 as the references do: angles of far positions differ visibly otherwise.
        let frequency = |i: usize| 1.0 / (theta as f32).powf(2.0 * i as f32 / rotary_dim as f32);
        let inverse_frequencies = (0..head_dim / 2).map(|i| if i < rotary_dim / 2 { frequency(i) } else { 0.0 }).collect();
        Self { inverse_frequencies, cos: Vec::new(), sin: Vec::new() }
    }

    /// For each value of a head, which one of the checkpoint's head stands there. Scores of queries and keys do not change when
    /// both are ordered alike.
    pub fn order(head_dim: usize, rotary_dim: usize) -> Vec<usize> {
        let (half, rotated) = (head_dim / 2, rotary_dim / 2);
        let first = (0..half).map(|i| if i < rotated { i } else { rotary_dim + i - rotated });
        let second = (0..half).map(|i| if i < rotated { rotated + i } else { rotary_dim + (half - rotated) + i - rotated });
        first.chain(second).collect()
    }

    /// The rotation of `batch` rows of positions, all of the same length, given one after the other.
    pub fn rotation(&mut self, positions: &[usize], batch: usize, device: &Device) -> Rotation {
        let half = self.inverse_frequencies.len();
        let needed = positions.iter().max().map_or(0, |last| last + 1);
        for position in self.cos.len() / half..needed {
            for &frequency in &self.inverse_frequencies {
                let angle = position as f32 * frequency;
                self.cos.push(angle.cos());
                self.sin.push(angle.sin());
            }
        }
        let shape = [batch, positions.len() / batch.max(1), 1, half];
        let gather = |table: &[f32]| {
            let values: Vec<f32> =
                positions.iter().flat_map(|&position| &table[position * half..(position + 1) * half]).copied().collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Rotation { cos: gather(&self.cos), sin: gather(&self.sin) }
    }
}

impl Rotation {
    /// Cosines and sines, `[batch, seq, 1, head_dim / 2]` each.
    pub fn tables(&self) -> (&Tensor<4>, &Tensor<4>) {
        (&self.cos, &self.sin)
    }

    /// Rotates heads.
    ///
    /// # Shapes
    /// - input and output `[batch, seq, heads, head_dim]`
    pub fn apply(&self, heads: Tensor<4>) -> Tensor<4> {
        let half = heads.dims()[3] / 2;
        let (first, second) = (heads.clone().narrow(3, 0, half), heads.narrow(3, half, half));
        let rotated = first.clone() * self.cos.clone() - second.clone() * self.sin.clone();
        Tensor::cat(vec![rotated, second * self.cos.clone() + first * self.sin.clone()], 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_head_is_a_permutation_that_pairs_the_rotated_values() {
        assert_eq!(Rope::order(8, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(Rope::order(8, 4), [0, 1, 4, 5, 2, 3, 6, 7]);
        for (head_dim, rotary_dim) in [(16, 8), (12, 2), (2, 2), (128, 64)] {
            let mut order = Rope::order(head_dim, rotary_dim);
            for i in 0..rotary_dim / 2 {
                assert_eq!((order[i], order[i + head_dim / 2]), (i, i + rotary_dim / 2));
            }
            order.sort_unstable();
            assert!(order.into_iter().eq(0..head_dim));
        }
    }
}
