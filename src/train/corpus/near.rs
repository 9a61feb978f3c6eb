//! Texts that are nearly the same: MinHash over shingles of words, with locality-sensitive hashing.
//!
//! Two texts are near duplicates when the Jaccard similarity of their sets of shingles is at least [`SIMILAR`]. A shingle is [`SHINGLE`]
//! words in a row; a word is a run of letters, digits and `_`, or one other character that is not blank. A signature has
//! [`BANDS`] × [`ROWS`] minima (Broder, 1997); texts with one band in common are candidates, which happens with probability
//! 1 − (1 − s⁶)²⁰ for similarity s: 0.9976 at 0.8, 0.9999 at 0.85, 0.27 at 0.5. Each candidate is then compared exactly, so that nothing
//! is left out by mistake.

use std::collections::BTreeSet;
use std::collections::HashMap;

/// Words of a shingle.
pub const SHINGLE: usize = 5;
/// Bands of a signature.
pub const BANDS: usize = 20;
/// Minima of a band.
pub const ROWS: usize = 6;
/// Jaccard similarity from which texts are near duplicates.
pub const SIMILAR: f64 = 0.8;

/// Minima of a signature.
const MINIMA: usize = BANDS * ROWS;

/// The words of a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (word, behind) = rest.split_at(end);
        rest = behind;
        Some(word)
    })
}

/// Hashes of the shingles of a text: sorted, each once. A text of fewer words has one shingle of all of them.
pub fn shingles(text: &str) -> Vec<u64> {
    let hashes: Vec<u64> = words(text).map(|word| hash(word.as_bytes())).collect();
    let join = |words: &[u64]| words.iter().fold(0, |sum: u64, &word| mix(sum.rotate_left(5) ^ word));
    let mut found: Vec<u64> = if hashes.is_empty() {
        Vec::new()
    } else if hashes.len() < SHINGLE {
        vec![join(&hashes)]
    } else {
        hashes.windows(SHINGLE).map(join).collect()
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// The Jaccard similarity of two sorted sets: what they have in common, as a share of what either has. Of two empty sets it is 1.
pub fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0_usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        common += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    let all = a.len() + b.len() - common;
    if all == 0 { 1.0 } else { common as f64 / all as f64 }
}

/// FNV-1a, then mixed: the same on every machine.
fn hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// The finaliser of splitmix64.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The minima of a set of shingles under [`BANDS`] × [`ROWS`] hash functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(Box<[u32]>);

impl Signature {
    /// The signature of a set of shingles.
    pub fn of(shingles: &[u64]) -> Self {
        // Multiply and shift (Dietzfelbinger and others, 1997), with odd multipliers from splitmix64.
        let factors: Vec<u64> = (1..=MINIMA as u64).map(|number| mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1).collect();
        let mut minima = vec![u32::MAX; MINIMA].into_boxed_slice();
        for &shingle in shingles {
            for (least, factor) in minima.iter_mut().zip(&factors) {
                *least = (*least).min((shingle.wrapping_mul(*factor) >> 32) as u32);
            }
        }
        Self(minima)
    }

    /// One number for each band.
    fn bands(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.chunks(ROWS).map(|rows| rows.iter().fold(0, |sum: u64, &row| mix(sum.rotate_left(7) ^ u64::from(row))))
    }

    /// The share of equal minima, an estimate of the Jaccard similarity.
    pub fn similarity(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).filter(|(a, b)| a == b).count() as f64 / MINIMA as f64
    }
}

/// Signatures by their bands.
#[derive(Debug)]
pub struct Index {
    bands: Vec<HashMap<u64, Vec<u32>>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { bands: vec![HashMap::new(); BANDS] }
    }
}

impl Index {
    /// The numbers of the texts that have a band in common with a signature, in order.
    pub fn candidates(&self, signature: &Signature) -> BTreeSet<u32> {
        let same = self.bands.iter().zip(signature.bands()).filter_map(|(bands, band)| bands.get(&band));
        same.flatten().copied().collect()
    }

    /// Puts text `number` into it.
    pub fn insert(&mut self, signature: &Signature, number: u32) {
        for (bands, band) in self.bands.iter_mut().zip(signature.bands()) {
            bands.entry(band).or_default().push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::Rng;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    /// The definition, over strings.
    fn brute_force(a: &str, b: &str) -> f64 {
        let set = |text: &str| -> HashSet<Vec<String>> {
            let all: Vec<String> = words(text).map(str::to_owned).collect();
            if all.len() < SHINGLE {
                return if all.is_empty() { HashSet::new() } else { HashSet::from([all]) };
            }
            all.windows(SHINGLE).map(<[String]>::to_vec).collect()
        };
        let (a, b) = (set(a), set(b));
        let all = a.union(&b).count();
        if all == 0 { 1.0 } else { a.intersection(&b).count() as f64 / all as f64 }
    }

    /// A text of 400 words, and copies of it with more and more words replaced.
    fn family(random: &mut StdRng) -> Vec<String> {
        let words: Vec<String> = (0..400).map(|_| format!("w{}", random.random_range(0..300))).collect();
        (0..30)
            .map(|changes| {
                let mut words = words.clone();
                for _ in 0..changes {
                    let at = random.random_range(0..words.len());
                    words[at] = format!("other{}", random.random_range(0..1000));
                }
                words.join(" ")
            })
            .collect()
    }

    #[test]
    fn words_of_code() {
        let found: Vec<&str> = words("let x_1 = a->b(\"é\");\n\t// x").collect();
        assert_eq!(found, ["let", "x_1", "=", "a", "-", ">", "b", "(", "\"", "é", "\"", ")", ";", "/", "/", "x"]);
        assert_eq!(words(" \n ").count(), 0);
    }

    #[test]
    fn hashed_sets_have_the_similarity_of_the_definition() {
        let mut random = StdRng::seed_from_u64(7);
        let texts: Vec<String> = family(&mut random).into_iter().chain(["".into(), "a b".into(), "a b c".into()]).collect();
        for a in &texts {
            for b in texts.iter().step_by(4) {
                assert!((jaccard(&shingles(a), &shingles(b)) - brute_force(a, b)).abs() < 1e-12);
            }
        }
    }

    /// Against all pairs by the definition: of those that are similar enough nearly all are candidates, and the estimate of the
    /// similarity lies within five standard deviations.
    #[test]
    fn candidates_against_brute_force() {
        let mut random = StdRng::seed_from_u64(11);
        let texts: Vec<String> = (0..12).flat_map(|_| family(&mut random)).collect();
        let sets: Vec<Vec<u64>> = texts.iter().map(|text| shingles(text)).collect();
        let signatures: Vec<Signature> = sets.iter().map(|set| Signature::of(set)).collect();
        let mut index = Index::default();
        let (mut similar, mut found, mut other, mut wrong) = (0, 0, 0, 0);
        for (number, signature) in signatures.iter().enumerate() {
            let candidates = index.candidates(signature);
            for earlier in 0..number {
                let exact = jaccard(&sets[earlier], &sets[number]);
                let estimate = signature.similarity(&signatures[earlier]);
                assert!((exact - estimate).abs() < 5.0 * (0.25_f64 / MINIMA as f64).sqrt(), "{exact} {estimate}");
                let is_candidate = candidates.contains(&(earlier as u32));
                if exact >= SIMILAR {
                    similar += 1;
                    found += usize::from(is_candidate);
                } else if exact < 0.3 {
                    other += 1;
                    wrong += usize::from(is_candidate);
                }
            }
            index.insert(signature, number as u32);
        }
        assert!(similar > 200 && other > 10_000, "{similar} {other}");
        assert!(found * 1000 >= similar * 980, "{found} of {similar}");
        // 1 − (1 − 0.3⁶)²⁰ is 0.014.
        assert!(wrong * 1000 <= other * 15, "{wrong} of {other}");
    }
}
