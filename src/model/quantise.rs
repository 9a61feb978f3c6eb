//! Bringing weights to 8 or 4 bits when they are loaded, in the blocks that the kernels read anyway.
//!
//! The blocks are those of ggml (see `gguf/dequant.rs`); how scales are found is described at each function. Matrices of the blocks
//! take the form that was asked for, tables (embedding and head) always have 8 bits, because a wrong row there is a wrong token,
//! and routers of experts stay as they are.

use std::fmt;
use std::str::FromStr;

use half::f16;

use crate::model::gguf::BlockType;
use crate::model::vector_units::with_vector_units;

/// How many bits a weight gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quant {
    /// 8: 32 values share a scale.
    Q8,
    /// 4: 256 values in 8 groups with scales and minima of 6 bits; where rows are no multiple of 256, 32 values share a scale.
    Q4,
}

impl FromStr for Quant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "q8" => Ok(Self::Q8),
            "q4" => Ok(Self::Q4),
            _ => Err("give q8 or q4".to_owned()),
        }
    }
}

impl fmt::Display for Quant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q8 => "q8",
            Self::Q4 => "q4",
        })
    }
}

impl Quant {
    /// The storage for the tensor `name` with rows of `width` values; `None` leaves it as it is.
    pub fn block(self, name: &str, width: usize) -> Option<BlockType> {
        let is_table = name.starts_with("model.embed_tokens.") || name.starts_with("lm_head.");
        match self {
            _ if !width.is_multiple_of(32) || name.ends_with(".mlp.gate.weight") => None,
            Self::Q4 if is_table => Some(BlockType::Q8_0),
            Self::Q4 if width.is_multiple_of(256) => Some(BlockType::Q4K),
            Self::Q4 => Some(BlockType::Q4_0),
            Self::Q8 => Some(BlockType::Q8_0),
        }
    }
}

/// Largest value that a block can hold: its scale is a half.
const LARGEST: f32 = 65_504.0;

/// Whether values can be brought into blocks: all are numbers, and none is so large that its scale would not be one.
pub fn is_possible(values: &[f32]) -> bool {
    values.iter().all(|value| value.abs() <= LARGEST)
}

with_vector_units! {
    /// Brings a row of whole blocks to `block`; `out` has [`BlockType::bytes`] of it. Storage that no row is brought to leaves it
    /// untouched.
    pub fn quantise(block: BlockType, values: &[f32], out: &mut [u8]) {
        match block {
            BlockType::Q8_0 => values.as_chunks().0.iter().zip(out.as_chunks_mut().0).for_each(|(values, out)| q8_0(values, out)),
            BlockType::Q4_0 => values.as_chunks().0.iter().zip(out.as_chunks_mut().0).for_each(|(values, out)| q4_0(values, out)),
            BlockType::Q4K => values.as_chunks().0.iter().zip(out.as_chunks_mut().0).for_each(|(values, out)| q4_k(values, out)),
            _ => {}
        }
    }
}

/// The nearest half, as it will be read.
#[inline(always)]
fn half(value: f32) -> (f32, [u8; 2]) {
    let half = f16::from_f32(value);
    (half.to_f32(), half.to_le_bytes())
}

/// One over a scale; 0 for a block of zeros.
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The scale is the largest value by 127.
#[inline(always)]
fn q8_0(values: &[f32; 32], out: &mut [u8; 34]) {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let (scale, bytes) = half(largest / 127.0);
    let inverse = inverse(scale);
    out[..2].copy_from_slice(&bytes);
    for (out, value) in out[2..].iter_mut().zip(values) {
        *out = (value * inverse).round_ties_even().clamp(-128.0, 127.0) as i8 as u8;
    }
}

/// The value of largest size becomes -8 at first; of some scales around that, each with the quants it gives, the one is taken whose
/// least-squares fit leaves the smallest error.
#[inline(always)]
fn q4_0(values: &[f32; 32], out: &mut [u8; 18]) {
    let extreme = values.iter().fold(0.0f32, |extreme, &value| if value.abs() > extreme.abs() { value } else { extreme });
    let quant = |value: f32, inverse: f32| (value * inverse).round_ties_even().clamp(-8.0, 7.0);
    let (mut best, mut scale) = (0.0, extreme / -8.0);
    if extreme != 0.0 {
        for step in -6i8..=6 {
            let inverse = (-8.0 + 0.15 * f32::from(step)) / extreme;
            let (mut products, mut squares) = (0.0f32, 0.0f32);
            for &value in values {
                let quant = quant(value, inverse);
                products += value * quant;
                squares += quant * quant;
            }
            // The error of the fit is the sum of squares of the values less this.
            let explained = products * products / squares.max(f32::MIN_POSITIVE);
            if explained > best {
                (best, scale) = (explained, products / squares);
            }
        }
    }
    let (scale, bytes) = half(scale);
    let inverse = inverse(scale);
    out[..2].copy_from_slice(&bytes);
    for (index, out) in out[2..].iter_mut().enumerate() {
        let nibble = |value: f32| (quant(value, inverse) + 8.0) as u8;
        *out = nibble(values[index]) | nibble(values[index + 16]) << 4;
    }
}

/// Scale and minimum of 32 values, such that `scale * quant - minimum` with quants of 0 to 15 is near them; the minimum is not
/// negative. Some spacings are tried, each followed by a least-squares fit of both.
#[inline(always)]
fn fit(values: &[f32; 32]) -> (f32, f32) {
    let low = values.iter().fold(0.0f32, |low, &value| low.min(value));
    let high = values.iter().fold(f32::MIN, |high, &value| high.max(value));
    let range = high - low;
    if range <= 0.0 {
        return (0.0, -low);
    }
    let (mut least, mut best) = (f32::INFINITY, (range / 15.0, -low));
    for step in -3i8..=6 {
        let spacing = (15.0 + 0.2 * f32::from(step)) / range;
        let (mut quants, mut squares, mut sum, mut products) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
        let quant = |value: f32| ((value - low) * spacing).round_ties_even().clamp(0.0, 15.0);
        for &value in values {
            let quant = quant(value);
            quants += quant;
            squares += quant * quant;
            sum += value;
            products += value * quant;
        }
        let determinant = 32.0 * squares - quants * quants;
        if determinant <= 0.0 {
            continue;
        }
        let mut scale = (32.0 * products - sum * quants) / determinant;
        let mut offset = (squares * sum - quants * products) / determinant;
        if offset > 0.0 {
            (scale, offset) = (products / squares, 0.0);
        }
        let mut error = 0.0f32;
        for &value in values {
            let difference = scale * quant(value) + offset - value;
            error += difference * difference;
        }
        if error < least && scale > 0.0 {
            (least, best) = (error, (scale, -offset));
        }
    }
    best
}

/// Scales and minima of the 8 groups are fitted, then brought to 6 bits of the largest of each, and the values to what those give.
#[inline(always)]
fn q4_k(values: &[f32; 256], out: &mut [u8; 144]) {
    let (groups, _) = values.as_chunks::<32>();
    let mut fits = [(0.0f32, 0.0f32); 8];
    for (fitted, group) in fits.iter_mut().zip(groups) {
        *fitted = fit(group);
    }
    let largest = |of: fn(&(f32, f32)) -> f32| fits.iter().map(of).fold(0.0f32, f32::max);
    let (scale, scale_bytes) = half(largest(|fitted| fitted.0) / 63.0);
    let (minimum, minimum_bytes) = half(largest(|fitted| fitted.1) / 63.0);
    out[..2].copy_from_slice(&scale_bytes);
    out[2..4].copy_from_slice(&minimum_bytes);
    let (head, quants) = out.split_at_mut(16);
    let packed = &mut head[4..];
    packed.fill(0);
    quants.fill(0);
    let (to_scale, to_minimum) = (inverse(scale), inverse(minimum));
    for (index, (group, fitted)) in groups.iter().zip(fits).enumerate() {
        let six_bits = |value: f32| value.round_ties_even().clamp(0.0, 63.0);
        let (s, m) = (six_bits(fitted.0 * to_scale), six_bits(fitted.1 * to_minimum));
        pack(packed, index, s as u8, m as u8);
        let (step, below) = (inverse(scale * s), minimum * m);
        // Two groups share a run of 32 bytes: low and high nibbles.
        let run = &mut quants[index / 2 * 32..index / 2 * 32 + 32];
        for (out, value) in run.iter_mut().zip(group) {
            let nibble = ((value + below) * step).round_ties_even().clamp(0.0, 15.0) as u8;
            *out |= nibble << (index % 2 * 4);
        }
    }
}

/// Puts the 6-bit scale and minimum of group `group` of 8 into 12 bytes.
#[inline(always)]
fn pack(packed: &mut [u8], group: usize, scale: u8, minimum: u8) {
    if group < 4 {
        packed[group] |= scale;
        packed[group + 4] |= minimum;
    } else {
        packed[group + 4] = scale & 15 | (minimum & 15) << 4;
        packed[group - 4] |= scale >> 4 << 6;
        packed[group] |= minimum >> 4 << 6;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::gguf::dequant;
    use crate::model::matrix::tests::random;

    fn there_and_back(block: BlockType, values: &[f32]) -> Vec<f32> {
        let mut bytes = vec![0xaa; block.bytes(&[values.len()]).unwrap()];
        quantise(block, values, &mut bytes);
        let mut found = vec![f32::NAN; values.len()];
        dequant::expand(block, &bytes, &mut found);
        found
    }

    fn error(found: &[f32], expected: &[f32]) -> f64 {
        found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum()
    }

    /// The smallest error that a scale can give: the best of very many.
    fn best_q4_0(values: &[f32]) -> f64 {
        let extreme = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scales = (1..1000).flat_map(|step| [1.0, -1.0].map(|sign| sign * extreme * step as f32 / 1000.0 / 4.0));
        let with = |scale: f32| {
            let found: Vec<f32> = values.iter().map(|value| (value / scale).round().clamp(-8.0, 7.0) * scale).collect();
            error(&found, values)
        };
        scales.map(with).fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn errors_are_those_that_the_bits_allow(values in proptest::collection::vec(-3.0f32..3.0, 256), narrow in 0.0001f32..1.0) {
            let values: Vec<f32> = values.iter().map(|value| value * narrow).collect();
            let (as_8, as_4, as_k) =
                (there_and_back(BlockType::Q8_0, &values), there_and_back(BlockType::Q4_0, &values), there_and_back(BlockType::Q4K, &values));
            for (values, found) in values.chunks(32).zip(as_8.chunks(32)) {
                let largest = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                // Half a step, and what rounding the scale to a half costs.
                prop_assert!(values.iter().zip(found).all(|(a, b)| (a - b).abs() <= largest / 127.0 * 0.57 + 1e-7));
            }
            for (values, found) in values.chunks(32).zip(as_4.chunks(32)) {
                prop_assert!(error(found, values) <= 2.0 * best_q4_0(values) + 1e-9, "{} {}", error(found, values), best_q4_0(values));
            }
            // A range of at most twice the largest value in 15 steps, for uniform values half a step at worst.
            let step = values.iter().fold(0.0f32, |most, value| most.max(value.abs())) * 2.0 / 15.0;
            let rms = (error(&as_k, &values) / 256.0).sqrt();
            prop_assert!(rms <= f64::from(step) * 0.33, "{rms} of {step}");
            // Minima make it better than one scale for values that are not centred.
            let shifted: Vec<f32> = values.iter().map(|value| value + 4.0 * narrow).collect();
            let (k, plain) = (there_and_back(BlockType::Q4K, &shifted), there_and_back(BlockType::Q4_0, &shifted));
            prop_assert!(error(&k, &shifted) <= error(&plain, &shifted));
        }
    }

    #[test]
    fn what_blocks_hold_comes_back() {
        for (block, allowed) in [(BlockType::Q8_0, 6e-3), (BlockType::Q4_0, 1e-3), (BlockType::Q4K, 0.04)] {
            let bytes = random(block, block.bytes(&[2048]).unwrap(), 5);
            let mut values = vec![0.0; 2048];
            dequant::expand(block, bytes.bytes(), &mut values);
            let found = there_and_back(block, &values);
            let relative = (error(&found, &values) / error(&vec![0.0; 2048], &values)).sqrt();
            assert!(relative < allowed, "{block:?}: {relative}");
        }
    }

    #[test]
    fn blocks_of_one_value_and_of_zeros() {
        for block in [BlockType::Q8_0, BlockType::Q4_0, BlockType::Q4K] {
            assert_eq!(there_and_back(block, &[0.0; 256]), [0.0; 256], "{block:?}");
            for value in [1.0f32, -1.0, 1e-3, 60_000.0] {
                let found = there_and_back(block, &[value; 256]);
                assert!(found.iter().all(|found| (found - value).abs() <= 0.01 * value.abs()), "{block:?} {value}: {}", found[0]);
            }
        }
        assert!(
            is_possible(&[1.0, -LARGEST]) && !is_possible(&[f32::NAN]) && !is_possible(&[f32::INFINITY]) && !is_possible(&[1e6])
        );
    }

    #[test]
    fn each_tensor_has_its_form() {
        let layer = "model.layers.0.mlp.down_proj.weight";
        assert_eq!(Quant::Q4.block(layer, 512), Some(BlockType::Q4K));
        assert_eq!(Quant::Q4.block(layer, 896), Some(BlockType::Q4_0));
        assert_eq!(Quant::Q8.block(layer, 896), Some(BlockType::Q8_0));
        assert_eq!(Quant::Q8.block(layer, 40), None);
        for table in ["model.embed_tokens.weight", "lm_head.weight"] {
            assert_eq!(Quant::Q4.block(table, 512), Some(BlockType::Q8_0));
        }
        assert_eq!(Quant::Q8.block("model.layers.1.mlp.gate.weight", 512), None);
        assert_eq!(("q8".parse(), "q4".parse()), (Ok(Quant::Q8), Ok(Quant::Q4)));
        assert!("q5".parse::<Quant>().is_err());
    }
}
