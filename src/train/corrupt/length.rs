//! Runs of slots that are longer or shorter than the text, so that a model learns its length.
//!
//! Surplus slots learn `end` (the embedded model) or `delete` (DreamOn). Where two masked slots become one, that one learns `expand`, and
//! what stood in the two is learned when they are two again, in another example.

use rand::Rng;
use rand::rngs::StdRng;

use super::slots::Slot;
use crate::model::spec::TokenId;

/// Puts `count` masked slots behind the run; they learn `target` and count `weight` each.
pub fn surplus(slots: &mut Vec<Slot>, count: usize, target: TokenId, weight: f32) {
    slots.extend(std::iter::repeat_n(Slot { weight, ..Slot::surplus(target) }, count));
}

/// Makes one slot of two masked ones that stand side by side and are of one token each, with this probability, from left to right.
///
/// DreamOn's reference merges with probability ½ half of the time, and else with one that shrinks with the share of masked slots, so that
/// a nearly clean run is rarely shortened; [`draw_merge`] draws it.
pub fn merge(slots: &mut Vec<Slot>, probability: f64, expand: TokenId, random: &mut StdRng) {
    let mut merged: Vec<Slot> = Vec::with_capacity(slots.len());
    let mut open = false;
    for slot in slots.drain(..) {
        let is_single = slot.is_masked() && slot.covers == 1;
        match merged.last_mut() {
            Some(last) if open && is_single && random.random::<f64>() < probability => {
                *last = Slot { seen: None, target: expand, weight: last.weight.max(slot.weight), covers: 2 };
                open = false;
            }
            _ => {
                open = is_single;
                merged.push(slot);
            }
        }
    }
    *slots = merged;
}

/// Most that [`merge`] is asked for.
const MERGE: f64 = 0.5;

/// A probability for [`merge`]: ½, or half of the time ½ times the share of masked slots.
pub fn draw_merge(slots: &[Slot], random: &mut StdRng) -> f64 {
    if random.random::<f64>() < 0.5 {
        return MERGE;
    }
    let masked = slots.iter().filter(|slot| slot.is_masked()).count();
    MERGE * masked as f64 / slots.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::train::corrupt::slots::clean;

    const EXPAND: TokenId = 900;
    const DELETE: TokenId = 901;

    /// What the run becomes when every target is done, given what two slots hold that one became.
    fn done(slots: &[Slot], text: &[TokenId]) -> Vec<TokenId> {
        let (mut at, mut out) = (0, Vec::new());
        for slot in slots {
            match slot.target {
                EXPAND => out.extend(&text[at..at + 2]),
                DELETE => {}
                token => out.push(token),
            }
            at += slot.covers;
        }
        out
    }

    proptest! {
        #[test]
        fn the_targets_give_the_text_back(seed: u64, masked in prop::collection::vec(any::<bool>(), 0..60), extra in 0_usize..20, probability in 0.0_f64..1.0) {
            let text: Vec<TokenId> = (0..masked.len() as u32).collect();
            let mut slots = clean(&text);
            for (slot, _) in slots.iter_mut().zip(&masked).filter(|(_, masked)| **masked) {
                slot.seen = None;
                slot.weight = 1.0;
            }
            let before = slots.clone();
            surplus(&mut slots, extra, DELETE, 1.0);
            merge(&mut slots, probability, EXPAND, &mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(done(&slots, &text), text.clone());
            prop_assert_eq!(slots.iter().map(|slot| slot.covers).sum::<usize>(), text.len());
            let expanding = slots.iter().filter(|slot| slot.target == EXPAND).count();
            prop_assert_eq!(slots.len(), before.len() + extra - expanding);
            prop_assert!(slots.iter().filter(|slot| slot.target >= EXPAND).all(Slot::is_masked));
            let visible = |slots: &[Slot]| slots.iter().filter_map(|slot| slot.seen).collect::<Vec<_>>();
            prop_assert_eq!(visible(&slots), visible(&before));
        }
    }

    #[test]
    fn pairs_merge_as_often_as_asked() {
        let masked = |count: u32| {
            clean(&(0..count).collect::<Vec<_>>()).into_iter().map(|slot| Slot { seen: None, ..slot }).collect::<Vec<_>>()
        };
        let mut random = StdRng::seed_from_u64(5);
        let mut run = masked(10);
        merge(&mut run, 1.0, EXPAND, &mut random);
        assert_eq!(run.len(), 5);
        let mut run = masked(10);
        merge(&mut run, 0.0, EXPAND, &mut random);
        assert_eq!(run.len(), 10);
        // Of pairs that stand alone, as many as the probability says.
        let (mut merged, runs) = (0, 4000);
        for _ in 0..runs {
            let mut run = masked(2);
            merge(&mut run, 0.3, EXPAND, &mut random);
            merged += usize::from(run.len() == 1);
        }
        assert!((merged as f64 / f64::from(runs) - 0.3).abs() < 0.04, "{merged}");
        for _ in 0..100 {
            assert!((0.0..=MERGE).contains(&draw_merge(&masked(4), &mut random)));
        }
    }
}
