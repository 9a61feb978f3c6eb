//! Masking: each token by itself, or by spans, with weights; and wrong tokens among the visible ones.

use std::ops::Range;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde::Serialize;

use super::noise::Noise;
use super::noise::draw_time;
use super::slots::Slot;
use super::weighting::Weighting;
use super::weighting::cart;
use crate::model::spec::TokenId;

/// How tokens are masked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Masking {
    /// Noise schedule.
    pub noise: Noise,
    /// What masked tokens count.
    pub weighting: Weighting,
    /// Whether each span has a time of its own; else one holds for all.
    pub time_per_span: bool,
    /// Share of the visible tokens that are replaced by wrong ones (CDLM takes 0.1), and what those count.
    pub wrong: f64,
    /// What a wrong token counts.
    pub wrong_weight: f32,
}

impl Default for Masking {
    fn default() -> Self {
        Self { noise: Noise::Linear, weighting: Weighting::Noise, time_per_span: false, wrong: 0.0, wrong_weight: 0.1 }
    }
}

/// Masks slots inside the `spans` (ascending, apart); what lies outside stays visible. At least one is masked where there is any.
///
/// Each token of a span is masked with the ratio of its time (LLaDA, MDLM). `wrong` gives replacements; without any, none is made.
pub fn mask(slots: &mut [Slot], spans: &[Range<usize>], masking: &Masking, wrong: &[TokenId], random: &mut StdRng) {
    let common = draw_time(random);
    let (mut hidden, mut inside) = (Vec::new(), Vec::new());
    for span in spans {
        let time = if masking.time_per_span { draw_time(random) } else { common };
        for place in span.start..span.end.min(slots.len()) {
            inside.push((place, time));
            if random.random::<f64>() < masking.noise.ratio(time) {
                hidden.push((place, time));
            }
        }
    }
    if hidden.is_empty() && !inside.is_empty() && !slots.iter().any(Slot::is_masked) {
        hidden.push(inside[random.random_range(0..inside.len())]);
    }
    hide(slots, &hidden, masking.noise, masking.weighting);
    if masking.wrong > 0.0 && !wrong.is_empty() {
        for slot in slots.iter_mut().filter(|slot| !slot.is_masked()) {
            if random.random::<f64>() < masking.wrong {
                slot.seen = Some(wrong[random.random_range(0..wrong.len())]);
                slot.weight = if slot.is_wrong() { masking.wrong_weight } else { slot.weight };
            }
        }
    }
}

/// Masks the slots at these places, each with the time at which it was drawn, and weighs all that are masked.
pub fn hide(slots: &mut [Slot], hidden: &[(usize, f64)], noise: Noise, weighting: Weighting) {
    for &(place, time) in hidden {
        slots[place].seen = None;
        slots[place].weight = noise.weight(time) as f32;
    }
    match weighting {
        Weighting::Noise => {}
        Weighting::Uniform => slots.iter_mut().filter(|slot| slot.is_masked()).for_each(|slot| slot.weight = 1.0),
        Weighting::Cart(p) => {
            let masked: Vec<bool> = slots.iter().map(Slot::is_masked).collect();
            let weights = cart(&masked, f64::from(p));
            slots
                .iter_mut()
                .zip(weights)
                .filter(|(slot, _)| slot.is_masked())
                .for_each(|(slot, weight)| slot.weight = weight as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::train::corrupt::slots::clean;

    proptest! {
        #[test]
        fn only_spans_are_masked_and_the_targets_are_the_text(seed: u64, n in 1_usize..80, cut in 0_usize..80, wrong in 0.0_f64..0.5, per_span: bool) {
            let tokens: Vec<TokenId> = (100..100 + n as u32).collect();
            let cut = cut % n;
            let spans = [0..cut / 2, cut..n];
            let masking = Masking { wrong, time_per_span: per_span, ..Masking::default() };
            let run = |seed| {
                let mut slots = clean(&tokens);
                mask(&mut slots, &spans, &masking, &[1, 2, 3], &mut StdRng::seed_from_u64(seed));
                slots
            };
            let slots = run(seed);
            prop_assert_eq!(&slots, &run(seed));
            prop_assert!(slots.iter().any(Slot::is_masked));
            for (place, slot) in slots.iter().enumerate() {
                prop_assert_eq!((slot.target, slot.covers), (tokens[place], 1));
                let inside = spans.iter().any(|span| span.contains(&place));
                prop_assert!(inside || !slot.is_masked());
                prop_assert_eq!(slot.weight > 0.0, slot.is_masked() || slot.is_wrong());
                prop_assert!(!slot.is_masked() || slot.weight > 0.999, "1/t is at least 1");
            }
        }
    }

    /// Over many draws half of the tokens are masked with either a linear schedule; 2/π with the cosine one. The mean of 1/t over masked
    /// tokens brings every token to weight 1.
    #[test]
    fn shares_over_many_draws() {
        let tokens = vec![5; 200];
        for (noise, share) in [(Noise::Linear, 0.5), (Noise::Cosine, std::f64::consts::FRAC_2_PI)] {
            let mut random = StdRng::seed_from_u64(3);
            let (mut masked, mut weight) = (0, 0.0);
            const RUNS: usize = 3000;
            for _ in 0..RUNS {
                let mut slots = clean(&tokens);
                let masking = Masking { noise, ..Masking::default() };
                mask(&mut slots, &[0..200], &masking, &[], &mut random);
                masked += slots.iter().filter(|slot| slot.is_masked()).count();
                weight += slots.iter().map(|slot| f64::from(slot.weight)).sum::<f64>();
            }
            let all = (RUNS * tokens.len()) as f64;
            assert!((masked as f64 / all - share).abs() < 0.02, "{noise:?}: {}", masked as f64 / all);
            if noise == Noise::Linear {
                assert!((weight / all - 1.0).abs() < 0.05, "{}", weight / all);
            }
        }
    }

    #[test]
    fn other_weights() {
        let mut random = StdRng::seed_from_u64(1);
        let tokens: Vec<TokenId> = (0..50).collect();
        for weighting in [Weighting::Uniform, Weighting::Cart(0.3)] {
            let mut mixed = 0;
            for _ in 0..20 {
                let mut slots = clean(&tokens);
                mask(&mut slots, &[0..50], &Masking { weighting, ..Masking::default() }, &[], &mut random);
                let masked: Vec<bool> = slots.iter().map(Slot::is_masked).collect();
                let expected: Vec<f64> = match weighting {
                    Weighting::Cart(p) => cart(&masked, f64::from(p)),
                    _ => masked.iter().map(|&masked| f64::from(u8::from(masked))).collect(),
                };
                mixed += usize::from(masked.contains(&true) && masked.contains(&false));
                assert!(slots.iter().zip(expected).all(|(slot, weight)| (f64::from(slot.weight) - weight).abs() < 1e-6));
            }
            assert!(mixed > 15, "{mixed}");
        }
    }

    #[test]
    fn nothing_to_mask() {
        let mut slots = clean(&[1, 2]);
        mask(&mut slots, &[], &Masking::default(), &[], &mut StdRng::seed_from_u64(1));
        mask(&mut slots, &[1..1], &Masking::default(), &[], &mut StdRng::seed_from_u64(1));
        assert_eq!(slots, clean(&[1, 2]));
        mask(&mut [], &[0..3], &Masking::default(), &[], &mut StdRng::seed_from_u64(1));
    }
}
