//! The innermost product: some rows of weights times some rows of inputs, all sums kept in registers.

/// Rows of inputs in the largest tile.
pub(super) const ROWS: usize = 4;
/// Rows of weights in the largest tile: three by four sums and their operands just fit into 16 vector registers.
pub(super) const OUTS: usize = 3;
/// The same for the 32 vector registers of AVX-512.
pub(super) const OUTS_WIDE: usize = 6;

/// How to compute tiles on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tile {
    /// 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    /// 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    /// Whatever the compiler makes of arrays.
    Portable,
}

impl Tile {
    /// The fastest that this machine can do.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(isa) = x86::Avx512::detect() {
                return Self::Avx512(isa);
            }
            if let Some(isa) = x86::Avx2::detect() {
                return Self::Avx2(isa);
            }
        }
        Self::Portable
    }

    /// Rows of weights in the largest tile of this machine.
    pub(super) fn outs(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => OUTS_WIDE,
            _ => OUTS,
        }
    }

    /// The sums of products of each row of weights with each row of inputs, over both pairs.
    ///
    /// # Panics
    /// When the rows of a pair differ in length.
    #[inline]
    pub(super) fn products<const O: usize, const R: usize>(self, pairs: [Pair<'_, O, R>; 2]) -> [[f32; R]; O] {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => isa.products(pairs),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => isa.products(pairs),
            Self::Portable => portable(pairs),
        }
    }
}

/// Rows of weights and rows of inputs, all of one length.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a, const O: usize, const R: usize> {
    /// Rows of weights.
    pub(super) weights: [&'a [f32]; O],
    /// Rows of inputs.
    pub(super) inputs: [&'a [f32]; R],
}

impl<const O: usize, const R: usize> Pair<'_, O, R> {
    fn len(&self) -> usize {
        let len = self.weights.first().map_or(0, |row| row.len());
        assert!(self.weights.iter().chain(&self.inputs).all(|row| row.len() == len));
        len
    }
}

/// Lanes of the portable tile; the compiler splits them over the registers there are.
const LANES: usize = 8;

fn portable<const O: usize, const R: usize>(pairs: [Pair<'_, O, R>; 2]) -> [[f32; R]; O] {
    let mut sums = [[0.0; R]; O];
    for pair in pairs {
        let len = pair.len();
        for (weights, sums) in pair.weights.iter().zip(&mut sums) {
            for (inputs, sum) in pair.inputs.iter().zip(sums) {
                let mut lanes = [0.0f32; LANES];
                let (whole, rest) = weights[..len].as_chunks::<LANES>();
                let (inputs, inputs_rest) = inputs[..len].as_chunks::<LANES>();
                for (a, b) in whole.iter().zip(inputs) {
                    for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
                        *lane += a * b;
                    }
                }
                *sum += lanes.iter().sum::<f32>() + rest.iter().zip(inputs_rest).map(|(a, b)| a * b).sum::<f32>();
            }
        }
    }
    sums
}

/// Asks for a row of weights that comes next, so that it is on its way while the current ones are used.
#[inline]
pub(super) fn prefetch(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(16) {
        // SAFETY: a prefetch of a valid reference; it changes nothing that a program can see.
        #[allow(unsafe_code)]
        unsafe {
            use std::arch::x86_64::_MM_HINT_T0;
            std::arch::x86_64::_mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Pair;

    /// Proof that the machine has AVX2 and FMA.
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Avx2(());

    /// Proof that the machine has AVX-512.
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Avx512(());

    impl Avx2 {
        pub(super) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
        }
    }

    impl Avx512 {
        pub(super) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx512f") && Avx2::detect().is_some()).then_some(Self(()))
        }
    }

    macro_rules! tile {
        ($isa:ident, $function:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $part:ident, $fma:ident, $sum:ident, $sums:ident) => {
            impl $isa {
                #[inline]
                pub(super) fn products<const O: usize, const R: usize>(self, pairs: [Pair<'_, O, R>; 2]) -> [[f32; R]; O] {
                    // SAFETY: the value proves that the machine has the features.
                    #[allow(unsafe_code)]
                    unsafe {
                        $function(pairs)
                    }
                }
            }

            #[target_feature(enable = $features)]
            fn $function<const O: usize, const R: usize>(pairs: [Pair<'_, O, R>; 2]) -> [[f32; R]; O] {
                let mut lanes = [[$zero(); R]; O];
                for pair in pairs {
                    let len = pair.len();
                    let weights = pair.weights.map(|row| row.as_ptr());
                    let inputs = pair.inputs.map(|row| row.as_ptr());
                    let mut at = 0;
                    while at + $lanes <= len {
                        // SAFETY: all rows have `len` values, which `Pair::len` asserts, and `at + lanes <= len`.
                        #[allow(unsafe_code)]
                        let weights = weights.map(|row| unsafe { $load(row.add(at)) });
                        for r in 0..R {
                            // SAFETY: as above.
                            #[allow(unsafe_code)]
                            let input = unsafe { $load(inputs[r].add(at)) };
                            for o in 0..O {
                                lanes[o][r] = $fma(weights[o], input, lanes[o][r]);
                            }
                        }
                        at += $lanes;
                    }
                    if at < len {
                        // SAFETY: all rows have `len` values, and only `len - at` of them are read from `at` on.
                        #[allow(unsafe_code)]
                        let weights = weights.map(|row| unsafe { $part(row.add(at), len - at) });
                        for r in 0..R {
                            // SAFETY: as above.
                            #[allow(unsafe_code)]
                            let input = unsafe { $part(inputs[r].add(at), len - at) };
                            for o in 0..O {
                                lanes[o][r] = $fma(weights[o], input, lanes[o][r]);
                            }
                        }
                    }
                }
                let mut sums = [[0.0f32; R]; O];
                for o in 0..O {
                    if let Some(&four) = lanes[o].first_chunk::<4>() {
                        sums[o].copy_from_slice(&$sums(four));
                    } else {
                        for r in 0..R {
                            sums[o][r] = $sum(lanes[o][r]);
                        }
                    }
                }
                sums
            }
        };
    }

    tile!(
        Avx2,
        products_avx2,
        "avx2,fma",
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        part_avx2,
        _mm256_fmadd_ps,
        sum_avx2,
        sums_avx2
    );
    tile!(
        Avx512,
        products_avx512,
        "avx512f,avx2,fma",
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        part_avx512,
        _mm512_fmadd_ps,
        _mm512_reduce_add_ps,
        sums_avx512
    );

    /// The first `len` values, at most 7, and zeros.
    ///
    /// # Safety
    /// `len` values can be read from `values` on.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    #[allow(unsafe_code)]
    unsafe fn part_avx2(values: *const f32, len: usize) -> __m256 {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(len as i32), lanes);
        // SAFETY: the mask keeps the load to `len` values.
        unsafe { _mm256_maskload_ps(values, mask) }
    }

    /// As [`part_avx2`], at most 15.
    ///
    /// # Safety
    /// As [`part_avx2`].
    #[inline]
    #[target_feature(enable = "avx512f,avx2,fma")]
    #[allow(unsafe_code)]
    unsafe fn part_avx512(values: *const f32, len: usize) -> __m512 {
        // SAFETY: the mask keeps the load to `len` values.
        unsafe { _mm512_maskz_loadu_ps((1u16 << len) - 1, values) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum_avx2(lanes: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    /// The sums over the lanes of four vectors, together: a third of the work of four single sums.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sums_avx2(lanes: [__m256; 4]) -> [f32; 4] {
        let pairs = _mm256_hadd_ps(_mm256_hadd_ps(lanes[0], lanes[1]), _mm256_hadd_ps(lanes[2], lanes[3]));
        let sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
        let mut out = [0.0; 4];
        // SAFETY: there is room for four values.
        #[allow(unsafe_code)]
        unsafe {
            _mm_storeu_ps(out.as_mut_ptr(), sums);
        }
        out
    }

    /// As [`sums_avx2`].
    #[inline]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn sums_avx512(lanes: [__m512; 4]) -> [f32; 4] {
        let halves = lanes.map(|lanes| {
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
            _mm256_add_ps(_mm512_castps512_ps256(lanes), high)
        });
        sums_avx2(halves)
    }
}
