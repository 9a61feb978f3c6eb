//! The states of a canvas that a sampler meets, as the embedded adapter learned them.
//!
//! Half of the time a frontier: a denoised beginning and masks behind it, which is where a sampler goes that commits the leftmost slot;
//! else masks anywhere. Masked slots near visible text count more, because they are committed first. Surplus slots learn `end`. In every
//! fifth canvas the visible slots are learned too, and some of them are wrong.

use std::ops::Range;

use rand::Rng;
use rand::rngs::StdRng;

use super::slots::Slot;
use super::slots::clean;
use crate::model::spec::TokenId;

/// Sizes that samplers give a span at first.
const SIZES: [usize; 5] = [8, 16, 24, 32, 48];
/// Most surplus slots, and those behind the first `end` that are learned a little.
const MOST_SURPLUS: usize = 24;
const LEARNED_SURPLUS: usize = 6;
const LATER_END_WEIGHT: f32 = 0.05;
/// Weight of a masked slot: a part that all have, one that falls with the distance to visible text on the left, and one on the right.
const BASE_WEIGHT: f64 = 0.1;
const LEFT_WEIGHT: f64 = 0.6;
const RIGHT_WEIGHT: f64 = 0.3;
const DECAY: f64 = 0.75;
/// Share of canvases with a loss on visible slots, share of wrong ones among them, and what right and wrong ones count.
const VISIBLE_SHARE: f64 = 0.2;
const WRONG_SHARE: f64 = 0.12;
const RIGHT_VISIBLE_WEIGHT: f32 = 0.1;
const WRONG_VISIBLE_WEIGHT: f32 = 0.3;

/// What a canvas is corrupted with.
#[derive(Clone, Copy, Debug)]
pub struct Canvas<'c> {
    /// Tokens that could stand in the span by mistake: those of the span and of the text before.
    pub likely: &'c [TokenId],
    /// The token that closes a span.
    pub end: TokenId,
    /// Whether there are surplus slots.
    pub surplus: bool,
    /// Ranges of slots that stay visible, as text between two spans does.
    pub fixed: &'c [Range<usize>],
}

/// The slots of `span`, corrupted as in training, with a share `ratio` masked where no frontier is made.
pub fn corrupt(span: &[TokenId], ratio: f64, canvas: &Canvas<'_>, random: &mut StdRng) -> Vec<Slot> {
    let mut slots = with_surplus(span, canvas, random);
    let count = slots.len();
    let mut masked: Vec<bool> = (0..count).map(|_| random.random::<f64>() < ratio).collect();
    if count > 0 && random.random::<f64>() < 0.5 {
        let frontier = if random.random::<f64>() < 0.7 { random.random_range(0..count) } else { 0 };
        let behind = if random.random::<f64>() < 0.5 { 1.0 } else { 0.9 };
        for (place, masked) in masked.iter_mut().enumerate() {
            *masked = random.random::<f64>() < if place < frontier { 0.05 } else { behind };
        }
    }
    settle(&mut slots, &mut masked, canvas, random);
    weigh(&mut slots, span.len());
    if random.random::<f64>() < VISIBLE_SHARE {
        for slot in slots.iter_mut().filter(|slot| !slot.is_masked()) {
            slot.weight = RIGHT_VISIBLE_WEIGHT;
            if !canvas.likely.is_empty() && random.random::<f64>() < WRONG_SHARE {
                slot.seen = Some(canvas.likely[random.random_range(0..canvas.likely.len())]);
                slot.weight = WRONG_VISIBLE_WEIGHT;
            }
        }
    }
    slots
}

/// The slots of `span` with a share `ratio` masked and weight 1 for each masked one: what a held-out loss is measured on.
pub fn measured(span: &[TokenId], ratio: f64, canvas: &Canvas<'_>, random: &mut StdRng) -> Vec<Slot> {
    let mut slots = with_surplus(span, canvas, random);
    let mut masked: Vec<bool> = (0..slots.len()).map(|_| random.random::<f64>() < ratio).collect();
    settle(&mut slots, &mut masked, canvas, random);
    slots.iter_mut().filter(|slot| slot.is_masked()).for_each(|slot| slot.weight = 1.0);
    slots
}

fn with_surplus(span: &[TokenId], canvas: &Canvas<'_>, random: &mut StdRng) -> Vec<Slot> {
    let mut slots = clean(span);
    if canvas.surplus {
        let at_first = random.random::<f64>() < 0.5;
        let wanted = if at_first { SIZES[random.random_range(0..SIZES.len())] } else { span.len() + random.random_range(1..10) };
        let extra = wanted.saturating_sub(span.len()).clamp(1, MOST_SURPLUS);
        slots.extend(std::iter::repeat_n(Slot::surplus(canvas.end), extra));
    }
    slots
}

/// Masks what is marked, all surplus, nothing that is fixed, and at least one slot.
fn settle(slots: &mut [Slot], masked: &mut [bool], canvas: &Canvas<'_>, random: &mut StdRng) {
    let is_fixed = |place: usize| canvas.fixed.iter().any(|range| range.contains(&place));
    for (place, (slot, masked)) in slots.iter().zip(masked.iter_mut()).enumerate() {
        *masked = (*masked || slot.is_masked()) && !is_fixed(place);
    }
    let free: Vec<usize> = (0..slots.len()).filter(|&place| !is_fixed(place)).collect();
    if !masked.contains(&true) && !free.is_empty() {
        masked[free[random.random_range(0..free.len())]] = true;
    }
    slots.iter_mut().zip(masked).filter(|(_, masked)| **masked).for_each(|(slot, _)| slot.seen = None);
}

/// Weights of masked slots by their distance to visible text. The first slot behind the text counts like the text, the next few a little,
/// the others nothing: once a span is closed, what stands behind does not matter.
fn weigh(slots: &mut [Slot], text: usize) {
    let distances = |places: &mut dyn Iterator<Item = usize>, out: &mut [i32]| {
        let mut run = 0;
        for place in places {
            run = if slots[place].is_masked() { run + 1 } else { 0 };
            out[place] = run;
        }
    };
    let (mut left, mut right) = (vec![0; slots.len()], vec![0; slots.len()]);
    distances(&mut (0..slots.len()), &mut left);
    distances(&mut (0..slots.len()).rev(), &mut right);
    for (place, slot) in slots.iter_mut().enumerate() {
        slot.weight = match place.checked_sub(text + 1) {
            Some(behind) if behind < LEARNED_SURPLUS => LATER_END_WEIGHT,
            Some(_) => 0.0,
            None if slot.is_masked() => {
                let near = |weight: f64, distance: i32| weight * DECAY.powi(distance - 1);
                (BASE_WEIGHT + near(LEFT_WEIGHT, left[place]) + near(RIGHT_WEIGHT, right[place])) as f32
            }
            None => 0.0,
        };
    }
}

#[cfg(test)]
#[path = "canvas_tests.rs"]
mod tests;
