//! The matrix unit of newer x86 server processors (AMX): products of 16 by 16 tiles.
//!
//! It multiplies bfloat16 and sums in f32. So a value is cut into two of them, `x = high + low` with an error below `2^-17 |x|`, and
//! a product becomes `high·high + low·high + high·low`, which loses less than `2^-16` of it (Henry, Tang and Heinecke, "Leveraging
//! the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations", arXiv 1904.06376). Three passes through the
//! unit are still several times faster than one through the vector registers.

/// One row of a tile: 32 bfloat16, two in each word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u32; 16]);

/// One row of a tile of sums.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [f32; 16]);

/// Rows of a tile, and columns of a tile of sums.
pub(super) const SIDE: usize = 16;
/// Values in a row of a tile.
pub(super) const DEEP: usize = 32;
/// Rows on each side of the block that is computed together: two tiles.
pub(super) const BLOCK: usize = 2 * SIDE;
/// Lines of one step of a block on either side: the high halves of two tiles, then the low halves.
pub(super) const STEP: usize = 4 * SIDE;
/// Lines of the sums of a block.
pub(super) const SUMS: usize = 4 * SIDE;

/// How to multiply blocks.
#[derive(Clone, Copy, Debug)]
pub(super) enum MatrixUnit {
    /// The machine's own unit.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx(amx::Amx),
    /// The same arithmetic in plain code, for tests.
    #[cfg(test)]
    Emulated,
}

impl MatrixUnit {
    /// The unit of this machine, if it has one that this program may use.
    pub(super) fn detect() -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        return amx::Amx::detect().map(Self::Amx);
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        None
    }

    /// Cuts a row of values into high and low halves: those of each step go to the lines `place` and `BLOCK + place` of the step
    /// in `tiles`. What is missing at the end of the last step is zero.
    ///
    /// # Panics
    /// When `tiles` has fewer steps, or a step has no such line.
    #[inline]
    pub(super) fn cut(self, values: &[f32], tiles: &mut [Line], place: usize) {
        assert!(place < BLOCK && values.len().div_ceil(DEEP) * STEP <= tiles.len());
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx(unit) => unit.cut(values, tiles, place),
            #[cfg(test)]
            Self::Emulated => tests::cut(values, tiles, place),
        }
    }

    /// Adds the products of 32 rows of weights and 32 rows of inputs to `sums`, over as many steps of 32 values as both have.
    ///
    /// A step of weights holds a row of a tile in a line. A step of inputs holds two values of each of 16 rows in a line. The tiles
    /// of sums lie in the order weights 0 inputs 0, weights 0 inputs 1, weights 1 inputs 0, weights 1 inputs 1; a line of sums
    /// belongs to a row of weights.
    ///
    /// # Panics
    /// When the two differ in length.
    #[inline]
    pub(super) fn multiply(self, weights: &[Line], inputs: &[Line], sums: &mut [Sums; SUMS]) {
        assert!(weights.len() == inputs.len() && weights.len().is_multiple_of(STEP));
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx(unit) => unit.multiply(weights, inputs, sums),
            #[cfg(test)]
            Self::Emulated => tests::multiply(weights, inputs, sums),
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::sync::OnceLock;

    use super::BLOCK;
    use super::DEEP;
    use super::Line;
    use super::STEP;
    use super::SUMS;
    use super::Sums;

    /// Proof that the machine has the unit, and that the system lets this process use it.
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Amx(());

    /// The shape of the eight tiles: 16 rows of 64 bytes each.
    #[repr(C, align(64))]
    struct Shapes([u8; 64]);

    static SHAPES: Shapes = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        Shapes(bytes)
    };

    impl Amx {
        pub(super) fn detect() -> Option<Self> {
            static FOUND: OnceLock<bool> = OnceLock::new();
            let there =
                || is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") && has_tiles() && permitted();
            FOUND.get_or_init(there).then_some(Self(()))
        }

        #[inline]
        pub(super) fn cut(self, values: &[f32], tiles: &mut [Line], place: usize) {
            // SAFETY: the value proves that the machine has the features.
            #[allow(unsafe_code)]
            unsafe {
                cut(values, tiles, place);
            }
        }

        #[inline]
        pub(super) fn multiply(self, weights: &[Line], inputs: &[Line], sums: &mut [Sums; SUMS]) {
            let steps = weights.len().min(inputs.len()) / STEP;
            if steps == 0 {
                return;
            }
            // SAFETY: the value proves that the unit may be used. Each step reads STEP lines of both sides, which are there, and only
            // `sums` is written. The tiles are set up first and given back last, so nothing of them is kept between two calls.
            #[allow(unsafe_code)]
            unsafe {
                asm!(
                    "ldtilecfg [{shapes}]",
                    "tileloadd tmm0, [{sums} + {line}]",
                    "tileloadd tmm1, [{sums} + {line} + 1024]",
                    "tileloadd tmm2, [{sums} + {line} + 2048]",
                    "tileloadd tmm3, [{sums} + {line} + 3072]",
                    "2:",
                    // High weights, high inputs.
                    "tileloadd tmm4, [{weights} + {line}]",
                    "tileloadd tmm6, [{inputs} + {line}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm7, [{inputs} + {line} + 1024]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{weights} + {line} + 1024]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    // Low weights, high inputs.
                    "tileloadd tmm4, [{weights} + {line} + 2048]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{weights} + {line} + 3072]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    // High weights, low inputs.
                    "tileloadd tmm4, [{weights} + {line}]",
                    "tileloadd tmm6, [{inputs} + {line} + 2048]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm7, [{inputs} + {line} + 3072]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{weights} + {line} + 1024]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {weights}, 4096",
                    "add {inputs}, 4096",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {line}], tmm0",
                    "tilestored [{sums} + {line} + 1024], tmm1",
                    "tilestored [{sums} + {line} + 2048], tmm2",
                    "tilestored [{sums} + {line} + 3072], tmm3",
                    "tilerelease",
                    shapes = in(reg) &raw const SHAPES,
                    sums = in(reg) sums.as_mut_ptr(),
                    line = in(reg) size_of::<Line>(),
                    weights = inout(reg) weights.as_ptr() => _,
                    inputs = inout(reg) inputs.as_ptr() => _,
                    steps = inout(reg) steps => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    }

    /// Whether the processor has tiles and their products of bfloat16.
    fn has_tiles() -> bool {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILE) == BF16 | TILE
    }

    /// Asks the system for the unit: its registers are large, so a process has to say that it wants them. Fails on systems that do
    /// not know it.
    fn permitted() -> bool {
        const REQUEST_PERMISSION: libc::c_ulong = 0x1023;
        const TILE_DATA: libc::c_ulong = 18;
        // SAFETY: the call changes nothing but what the process may use.
        #[allow(unsafe_code)]
        let result = unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) };
        result == 0
    }

    /// A function of its own for a whole row: vectors must not go through memory between two instructions.
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn cut(values: &[f32], tiles: &mut [Line], place: usize) {
        let back = |half: __m256i| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
        for (values, step) in values.chunks(DEEP).zip(tiles.chunks_exact_mut(STEP)) {
            let mask = u32::MAX >> (DEEP - values.len());
            // SAFETY: only as many values are read as there are, a line can be written at both places, and vectors of one size hold
            // any bits.
            #[allow(unsafe_code)]
            unsafe {
                let first = _mm512_maskz_loadu_ps(mask as u16, values.as_ptr());
                let second = _mm512_maskz_loadu_ps((mask >> 16) as u16, values.as_ptr().wrapping_add(16));
                let high: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(second, first));
                let first = _mm512_sub_ps(first, back(_mm512_castsi512_si256(high)));
                let second = _mm512_sub_ps(second, back(_mm512_extracti64x4_epi64::<1>(high)));
                let low: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(second, first));
                _mm512_store_si512(step[place].0.as_mut_ptr().cast(), high);
                _mm512_store_si512(step[BLOCK + place].0.as_mut_ptr().cast(), low);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nearest bfloat16; ties go to the even one.
    fn nearest(value: f32) -> u16 {
        let bits = value.to_bits();
        ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
    }

    fn value(half: u16) -> f32 {
        f32::from_bits(u32::from(half) << 16)
    }

    fn halves(line: &Line) -> [u16; DEEP] {
        std::array::from_fn(|k| (line.0[k / 2] >> (16 * (k % 2))) as u16)
    }

    pub(super) fn cut(values: &[f32], tiles: &mut [Line], place: usize) {
        for (values, step) in values.chunks(DEEP).zip(tiles.chunks_exact_mut(STEP)) {
            let line = |part: &dyn Fn(f32) -> u16| {
                let part = |at: usize| values.get(at).map_or(0, |&value| u32::from(part(value)));
                Line(std::array::from_fn(|word| part(2 * word) | part(2 * word + 1) << 16))
            };
            step[place] = line(&nearest);
            step[BLOCK + place] = line(&|x| nearest(x - value(nearest(x))));
        }
    }

    pub(super) fn multiply(weights: &[Line], inputs: &[Line], sums: &mut [Sums; SUMS]) {
        for (weights, inputs) in weights.chunks_exact(STEP).zip(inputs.chunks_exact(STEP)) {
            for (first, second) in [(0, 0), (1, 0), (0, 1)] {
                for (tile, sums) in sums.chunks_exact_mut(SIDE).enumerate() {
                    let weights = &weights[first * 2 * SIDE + tile / 2 * SIDE..][..SIDE];
                    let inputs = &inputs[second * 2 * SIDE + tile % 2 * SIDE..][..SIDE];
                    for (weights, sums) in weights.iter().zip(sums) {
                        let weights = halves(weights);
                        for (row, sum) in sums.0.iter_mut().enumerate() {
                            for (k, &weight) in weights.iter().enumerate() {
                                let input = (inputs[k / 2].0[row] >> (16 * (k % 2))) as u16;
                                *sum += value(weight) * value(input);
                            }
                        }
                    }
                }
            }
        }
    }

    fn values(seed: usize, count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn halves_hold_a_value_but_for_its_last_bits() {
        let given: [f32; DEEP] = std::array::from_fn(|k| (k as f32 - 9.3) * 1.7f32.powi(k as i32 - 16));
        let mut tiles = [Line::default(); STEP];
        cut(&given, &mut tiles, 3);
        for ((value_of, high), low) in given.iter().zip(halves(&tiles[3])).zip(halves(&tiles[BLOCK + 3])) {
            assert!((value_of - value(high) - value(low)).abs() <= value_of.abs() * 2f32.powi(-17));
        }
    }

    #[test]
    fn the_unit_computes_what_plain_code_does() {
        // On a machine without one this compares plain code with itself.
        let unit = MatrixUnit::detect().unwrap_or(MatrixUnit::Emulated);
        for steps in [1, 2, 9] {
            let side = |seed| {
                let mut lines = vec![Line::default(); steps * STEP];
                let mut same = lines.clone();
                for row in 0..BLOCK {
                    // The last step is not whole.
                    let given = values(seed + row, steps * DEEP - row % 20);
                    unit.cut(&given, &mut lines, row);
                    cut(&given, &mut same, row);
                }
                assert_eq!(lines, same);
                lines
            };
            let (weights, inputs) = (side(1), side(1000));
            let mut found = [Sums([0.5; SIDE]); SUMS];
            let mut expected = found;
            unit.multiply(&weights, &inputs, &mut found);
            multiply(&weights, &inputs, &mut expected);
            for (found, expected) in found.iter().flat_map(|sums| sums.0).zip(expected.iter().flat_map(|sums| sums.0)) {
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }
        }
    }
}
