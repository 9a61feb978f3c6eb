//! Block-quantised storage and its expansion to f32.
//!
//! The layouts are those of ggml (`ggml-common.h`); a block holds 32 or 256 values with one or more scales. The arithmetic wraps
//! where it could not overflow anyway: checks would keep the compiler from making vector code of the loops.

use rayon::prelude::*;

use crate::model::vector_units::with_vector_units;

/// How the values of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockType {
    /// 32-bit floats.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// 32 values of 4 bits, one scale.
    Q4_0,
    /// 32 values of 5 bits, one scale.
    Q5_0,
    /// 32 values of 8 bits, one scale.
    Q8_0,
    /// 256 values of 4 bits in 8 groups with 6-bit scales and minima.
    Q4K,
    /// 256 values of 5 bits in 8 groups with 6-bit scales and minima.
    Q5K,
    /// 256 values of 6 bits in 16 groups with 8-bit scales.
    Q6K,
}

impl BlockType {
    /// The storage with ggml's type number `id`.
    ///
    /// # Errors
    /// A number of a storage that is not supported.
    pub fn from_id(id: u32) -> Result<Self, String> {
        Ok(match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            6 => Self::Q5_0,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            other => {
                return Err(format!(
                    "tensor storage {other} is not supported (F32, F16, BF16, Q4_0, Q5_0, Q8_0, Q4_K, Q5_K and Q6_K are)"
                ));
            }
        })
    }

    /// Values and bytes of one block.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q5_0 => (32, 22),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// Bytes of a tensor of `shape`; `None` when its rows are not whole blocks or the size overflows.
    pub fn bytes(self, shape: &[usize]) -> Option<usize> {
        let (values, bytes) = self.block();
        let row = shape.last().copied()?;
        let all = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent))?;
        (row % values == 0).then_some(all / values).and_then(|blocks| blocks.checked_mul(bytes))
    }
}

/// Values that one task expands: large enough to outweigh the hand-over, small enough to balance two or more threads.
const TASK: usize = 1 << 16;

/// Expands `data` into `out`, on all threads. The caller has checked the sizes with [`BlockType::bytes`].
///
/// # Panics
/// Never for data of the right size; surplus data or room is left untouched.
pub fn expand(block: BlockType, data: &[u8], out: &mut [f32]) {
    let (values, bytes) = block.block();
    out.par_chunks_mut(TASK).zip(data.par_chunks(TASK / values * bytes)).for_each(|(out, data)| expand_here(block, data, out));
}

/// Expands blocks one after the other. A macro and no function that takes one: the call of a function value is compiled for every
/// machine, and the expansion inlined into that.
macro_rules! each {
    ($data:ident, $out:ident, $block:ident) => {
        for (data, out) in $data.as_chunks().0.iter().zip($out.as_chunks_mut().0) {
            $block(data, out);
        }
    };
}

with_vector_units! {
    /// As [`expand`], on this thread.
    pub fn expand_here(block: BlockType, data: &[u8], out: &mut [f32]) {
        match block {
            BlockType::F32 => each!(data, out, single),
            BlockType::F16 => each!(data, out, half),
            BlockType::Bf16 => each!(data, out, brain),
            BlockType::Q4_0 => each!(data, out, q4_0),
            BlockType::Q5_0 => each!(data, out, q5_0),
            BlockType::Q8_0 => each!(data, out, q8_0),
            BlockType::Q4K => each!(data, out, q4_k),
            BlockType::Q5K => each!(data, out, q5_k),
            BlockType::Q6K => each!(data, out, q6_k),
        }
    }
}

#[inline(always)]
fn single(b: &[u8; 4], out: &mut [f32; 1]) {
    *out = [f32::from_le_bytes(*b)];
}

#[inline(always)]
fn half(b: &[u8; 2], out: &mut [f32; 1]) {
    *out = [half_to_f32(u16::from_le_bytes(*b))];
}

#[inline(always)]
fn brain(b: &[u8; 2], out: &mut [f32; 1]) {
    *out = [f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16)];
}

/// The value of an IEEE half. In place of the half crate's conversion, which looks at each call what the processor can do.
#[inline(always)]
fn half_to_f32(bits: u16) -> f32 {
    const TWO_TO_112: f32 = f32::from_bits((112 + 127) << 23);
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // The exponent has another offset; the product is exact, also for subnormal halves.
    let finite = (f32::from_bits(magnitude) * TWO_TO_112).to_bits();
    let value = if bits & 0x7c00 == 0x7c00 { magnitude | 0x7f80_0000 } else { finite };
    f32::from_bits(value | u32::from(bits & 0x8000) << 16)
}

#[inline(always)]
fn half_at(bytes: &[u8], at: usize) -> f32 {
    half_to_f32(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// scale f16, then 16 bytes: low nibbles are the first half, high nibbles the second, offset by 8.
#[inline(always)]
fn q4_0(b: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(b, 0);
    let (low, high) = out.split_at_mut(16);
    for ((&q, low), high) in b[2..18].iter().zip(low).zip(high) {
        *low = scale * f32::from((q & 15).wrapping_sub(8) as i8);
        *high = scale * f32::from((q >> 4).wrapping_sub(8) as i8);
    }
}

/// scale f16, 32 fifth bits, then nibbles as in Q4_0, offset by 16.
#[inline(always)]
fn q5_0(b: &[u8; 22], out: &mut [f32; 32]) {
    let scale = half_at(b, 0);
    let fifth = u32::from_le_bytes([b[2], b[3], b[4], b[5]]);
    let (fifth_low, fifth_high) = (fifth & 0xffff, fifth >> 16);
    let (low, high) = out.split_at_mut(16);
    for (j, ((&q, low), high)) in (0u32..).zip(b[6..22].iter().zip(low).zip(high)) {
        let value = |nibble: u8, fifth: u32| {
            let bits = u32::from(nibble) | (fifth.wrapping_shr(j) & 1) << 4;
            bits.wrapping_sub(16) as i32 as f32
        };
        *low = scale * value(q & 15, fifth_low);
        *high = scale * value(q >> 4, fifth_high);
    }
}

/// scale f16, then 32 signed bytes.
#[inline(always)]
fn q8_0(b: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half_at(b, 0);
    for (&q, out) in b[2..34].iter().zip(out) {
        *out = scale * f32::from(q as i8);
    }
}

/// The 6-bit scale and minimum of group `group` of 8, packed into 12 bytes.
#[inline(always)]
fn scale_and_min(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, min) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let scale = packed[group + 4] & 15 | packed[group - 4] >> 6 << 4;
        let min = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
        (scale, min)
    };
    (f32::from(scale), f32::from(min))
}

/// scale f16, minimum f16, packed scales, then 4 runs of 32 bytes: low nibbles one group, high nibbles the next.
#[inline(always)]
fn q4_k(b: &[u8; 144], out: &mut [f32; 256]) {
    let (scale, min) = (half_at(b, 0), half_at(b, 2));
    let (packed, quants) = (&b[4..16], &b[16..144]);
    for (pair, (quants, out)) in quants.chunks_exact(32).zip(out.chunks_exact_mut(64)).enumerate() {
        let (s, m) = scale_and_min(packed, 2 * pair);
        let (low_scale, low_min) = (scale * s, min * m);
        let (s, m) = scale_and_min(packed, 2 * pair + 1);
        let (high_scale, high_min) = (scale * s, min * m);
        let (low, high) = out.split_at_mut(32);
        for ((&q, low), high) in quants.iter().zip(low).zip(high) {
            *low = low_scale * f32::from(q & 15) - low_min;
            *high = high_scale * f32::from(q >> 4) - high_min;
        }
    }
}

/// As Q4_K with 32 bytes of fifth bits before the nibbles; bit 2k and 2k+1 belong to the k-th run.
#[inline(always)]
fn q5_k(b: &[u8; 176], out: &mut [f32; 256]) {
    let (scale, min) = (half_at(b, 0), half_at(b, 2));
    let (packed, fifth, quants) = (&b[4..16], &b[16..48], &b[48..176]);
    for (pair, (quants, out)) in quants.chunks_exact(32).zip(out.chunks_exact_mut(64)).enumerate() {
        let (s, m) = scale_and_min(packed, 2 * pair);
        let (low_scale, low_min) = (scale * s, min * m);
        let (s, m) = scale_and_min(packed, 2 * pair + 1);
        let (high_scale, high_min) = (scale * s, min * m);
        let (low, high) = out.split_at_mut(32);
        for (((&q, &bits), low), high) in quants.iter().zip(fifth).zip(low).zip(high) {
            *low = low_scale * f32::from(q & 15 | (bits >> (2 * pair) & 1) << 4) - low_min;
            *high = high_scale * f32::from(q >> 4 | (bits >> (2 * pair + 1) & 1) << 4) - high_min;
        }
    }
}

/// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, scale f16; two halves of 128 values.
#[inline(always)]
fn q6_k(b: &[u8; 210], out: &mut [f32; 256]) {
    let scale = half_at(b, 208);
    let halves = b[..128].chunks_exact(64).zip(b[128..192].chunks_exact(32)).zip(b[192..208].chunks_exact(8));
    for (((low, high), scales), out) in halves.zip(out.chunks_exact_mut(128)) {
        let group: [f32; 8] = std::array::from_fn(|i| scale * f32::from(scales[i] as i8));
        for l in 0..32 {
            let high = high[l];
            let value = |low: u8, pair: u8| f32::from((low | (pair & 3) << 4).wrapping_sub(32) as i8);
            out[l] = group[l / 16] * value(low[l] & 15, high);
            out[l + 32] = group[2 + l / 16] * value(low[l + 32] & 15, high >> 2);
            out[l + 64] = group[4 + l / 16] * value(low[l] >> 4, high >> 4);
            out[l + 96] = group[6 + l / 16] * value(low[l + 32] >> 4, high >> 6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks of each storage, expanded by the gguf Python package of the ggml project.
    const BLOCKS: &str = include_str!("../../../tests/data/gguf-blocks.json");

    #[test]
    fn every_half_is_converted_as_by_the_half_crate() {
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits).to_f32();
            let found = half_to_f32(bits);
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{bits:04x}");
        }
    }

    #[test]
    fn every_storage_expands_as_in_the_reference() {
        let cases: serde_json::Map<String, serde_json::Value> = serde_json::from_str(BLOCKS).unwrap();
        assert_eq!(cases.len(), 8);
        for (name, case) in cases {
            let block = BlockType::from_id(u32::try_from(case["id"].as_u64().unwrap()).unwrap()).unwrap();
            let bytes: Vec<u8> = serde_json::from_value(case["bytes"].clone()).unwrap();
            let expected: Vec<f32> = serde_json::from_value(case["values"].clone()).unwrap();
            assert_eq!(block.bytes(&[expected.len()]), Some(bytes.len()), "{name}");
            let mut found = vec![0.0; expected.len()];
            expand(block, &bytes, &mut found);
            for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-3), "{name}, {place}: {found} {expected}");
            }
        }
    }
}
