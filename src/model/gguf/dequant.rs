//! Block-quantised storage and its expansion to f32.
//!
//! The layouts are those of ggml (`ggml-common.h`); a block holds 32 or 256 values with one or more scales.

use half::bf16;
use half::f16;
use rayon::prelude::*;

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
    out.par_chunks_mut(TASK).zip(data.par_chunks(TASK / values * bytes)).for_each(|(out, data)| expand_task(block, data, out));
}

fn expand_task(block: BlockType, data: &[u8], out: &mut [f32]) {
    let (values, bytes) = block.block();
    let blocks = || data.chunks_exact(bytes);
    match block {
        BlockType::F32 => blocks().zip(out).for_each(|(b, out)| *out = f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        BlockType::F16 => blocks().zip(out).for_each(|(b, out)| *out = half_at(b, 0)),
        BlockType::Bf16 => blocks().zip(out).for_each(|(b, out)| *out = bf16::from_le_bytes([b[0], b[1]]).to_f32()),
        BlockType::Q4_0 => blocks().zip(out.chunks_exact_mut(values)).for_each(|(b, out)| q4_0(b, out)),
        BlockType::Q5_0 => blocks().zip(out.chunks_exact_mut(values)).for_each(|(b, out)| q5_0(b, out)),
        BlockType::Q8_0 => blocks().zip(out.chunks_exact_mut(values)).for_each(|(b, out)| q8_0(b, out)),
        BlockType::Q4K => blocks().zip(out.chunks_exact_mut(values)).for_each(|(b, out)| q4_k(b, out)),
        BlockType::Q5K => blocks().zip(out.chunks_exact_mut(values)).for_each(|(b, out)| q5_k(b, out)),
        BlockType::Q6K => blocks().zip(out.chunks_exact_mut(values)).for_each(|(b, out)| q6_k(b, out)),
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// scale f16, then 16 bytes: low nibbles are the first half, high nibbles the second, offset by 8.
fn q4_0(b: &[u8], out: &mut [f32]) {
    let scale = half_at(b, 0);
    let (low, high) = out.split_at_mut(16);
    for ((&q, low), high) in b[2..18].iter().zip(low).zip(high) {
        *low = scale * (i32::from(q & 15) - 8) as f32;
        *high = scale * (i32::from(q >> 4) - 8) as f32;
    }
}

/// scale f16, 32 fifth bits, then nibbles as in Q4_0, offset by 16.
fn q5_0(b: &[u8], out: &mut [f32]) {
    let scale = half_at(b, 0);
    let fifth = u32::from_le_bytes([b[2], b[3], b[4], b[5]]);
    let (low, high) = out.split_at_mut(16);
    for (j, ((&q, low), high)) in b[6..22].iter().zip(low).zip(high).enumerate() {
        let bit_low = (fifth >> j & 1) << 4;
        let bit_high = (fifth >> (j + 16) & 1) << 4;
        *low = scale * ((u32::from(q & 15) | bit_low) as i32 - 16) as f32;
        *high = scale * ((u32::from(q >> 4) | bit_high) as i32 - 16) as f32;
    }
}

/// scale f16, then 32 signed bytes.
fn q8_0(b: &[u8], out: &mut [f32]) {
    let scale = half_at(b, 0);
    for (&q, out) in b[2..34].iter().zip(out) {
        *out = scale * f32::from(q as i8);
    }
}

/// The 6-bit scale and minimum of group `group` of 8, packed into 12 bytes.
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
fn q4_k(b: &[u8], out: &mut [f32]) {
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
fn q5_k(b: &[u8], out: &mut [f32]) {
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
fn q6_k(b: &[u8], out: &mut [f32]) {
    let scale = half_at(b, 208);
    let halves = b[..128].chunks_exact(64).zip(b[128..192].chunks_exact(32)).zip(b[192..208].chunks_exact(8));
    for (((low, high), scales), out) in halves.zip(out.chunks_exact_mut(128)) {
        let group: [f32; 8] = std::array::from_fn(|i| scale * f32::from(scales[i] as i8));
        for l in 0..32 {
            let value = |nibble: u8, shift: u8| (i32::from(nibble | (high[l] >> shift & 3) << 4) - 32) as f32;
            out[l] = group[l / 16] * value(low[l] & 15, 0);
            out[l + 32] = group[2 + l / 16] * value(low[l + 32] & 15, 2);
            out[l + 64] = group[4 + l / 16] * value(low[l] >> 4, 4);
            out[l + 96] = group[6 + l / 16] * value(low[l + 32] >> 4, 6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks of each storage, expanded by the gguf Python package of the ggml project.
    const BLOCKS: &str = include_str!("../../../tests/data/gguf-blocks.json");

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
