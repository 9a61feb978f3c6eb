//! The innermost product: some rows of weights times some rows of inputs, all sums kept in registers.

/// Rows of weights in the largest tile. Three by four sums and their operands just fit into 16 vector registers.
pub(super) const OUTS: usize = 3;
/// Rows of inputs in the largest tile.
pub(super) const ROWS: usize = 4;

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
            is_x86_feature_detected!("avx512f").then_some(Self(()))
        }
    }

    macro_rules! tile {
        ($isa:ident, $function:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $fma:ident, $sum:ident) => {
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
                let mut rest = [[0.0f32; R]; O];
                for pair in pairs {
                    let len = pair.len();
                    let weights = pair.weights.map(|row| row.as_ptr());
                    let inputs = pair.inputs.map(|row| row.as_ptr());
                    let whole = len - len % $lanes;
                    let mut at = 0;
                    while at < whole {
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
                    for (weights, sums) in pair.weights.iter().zip(&mut rest) {
                        for (inputs, sum) in pair.inputs.iter().zip(sums) {
                            *sum += weights[whole..].iter().zip(&inputs[whole..]).map(|(a, b)| a * b).sum::<f32>();
                        }
                    }
                }
                for o in 0..O {
                    for r in 0..R {
                        rest[o][r] += $sum(lanes[o][r]);
                    }
                }
                rest
            }
        };
    }

    tile!(Avx2, products_avx2, "avx2,fma", 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_fmadd_ps, sum_avx2);
    tile!(Avx512, products_avx512, "avx512f", 16, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps);

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum_avx2(lanes: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}
