//! Edit corruption: visible tokens that are wrong, missing or too many, on a canvas of fixed length (the second part of Seed Diffusion's
//! two-stage curriculum).
//!
//! k = ⌊n·α⌋ edits are made, with α from 0 to 0.1 in the published recipe, each a deletion, an insertion or a substitution. How deletions and insertions keep
//! to a canvas of fixed length is not published; here they move the tokens of at most [`REACH`] places: behind a deletion these move to the
//! left and a masked slot closes the gap; behind an insertion they move to the right, and the last of them falls off. So what is far from
//! an edit stays in its place, as it does in a file. All slots have a loss, also visible ones that are right: nothing is carried over.

use rand::Rng;
use rand::rngs::StdRng;

use super::slots::Slot;
use crate::model::spec::TokenId;

/// Most places that a deletion or insertion moves.
pub const REACH: usize = 16;

/// An edit that was made, at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The token there is gone.
    Deleted(usize),
    /// A token that does not belong there.
    Inserted(usize),
    /// Another token than belongs there.
    Substituted(usize),
}

/// Corrupts clean slots by ⌊n·alpha⌋ edits and gives every slot the weight 1. `wrong` are the tokens to put in; without any, tokens are
/// only deleted.
pub fn edit(slots: &mut [Slot], alpha: f64, wrong: &[TokenId], random: &mut StdRng) -> Vec<Made> {
    let count = (slots.len() as f64 * alpha.clamp(0.0, 1.0)) as usize;
    let mut seen: Vec<Option<TokenId>> = slots.iter().map(|slot| slot.seen).collect();
    let mut made = Vec::with_capacity(count);
    for _ in 0..count {
        let at = random.random_range(0..seen.len());
        let end = (at + random.random_range(1..=REACH)).min(seen.len());
        let kind = if wrong.is_empty() { 0 } else { random.random_range(0..3) };
        let token = (!wrong.is_empty()).then(|| wrong[random.random_range(0..wrong.len())]);
        made.push(match kind {
            0 => {
                seen[at..end].rotate_left(1);
                seen[end - 1] = None;
                Made::Deleted(at)
            }
            1 => {
                seen[at..end].rotate_right(1);
                seen[at] = token;
                Made::Inserted(at)
            }
            _ => {
                seen[at] = token;
                Made::Substituted(at)
            }
        });
    }
    for (slot, seen) in slots.iter_mut().zip(seen) {
        slot.seen = seen;
        slot.weight = 1.0;
    }
    made
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::train::corrupt::slots::clean;

    proptest! {
        #[test]
        fn targets_stay_and_edits_are_counted(seed: u64, n in 0_usize..300, alpha in 0.0_f64..=0.1) {
            let text: Vec<TokenId> = (0..n as u32).collect();
            let run = |seed| {
                let mut slots = clean(&text);
                let made = edit(&mut slots, alpha, &[7000, 7001, 7002], &mut StdRng::seed_from_u64(seed));
                (slots, made)
            };
            let (slots, made) = run(seed);
            prop_assert_eq!(&(slots.clone(), made.clone()), &run(seed));
            prop_assert_eq!(slots.iter().map(|slot| slot.target).collect::<Vec<_>>(), text);
            prop_assert!(slots.iter().all(|slot| slot.weight == 1.0 && slot.covers == 1));
            prop_assert_eq!(made.len(), (n as f64 * alpha) as usize);
            let touched = slots.iter().filter(|slot| slot.is_masked() || slot.is_wrong()).count();
            prop_assert!(touched <= made.len() * REACH);
            let masked = slots.iter().filter(|slot| slot.is_masked()).count();
            prop_assert!(masked <= made.iter().filter(|made| matches!(made, Made::Deleted(_))).count());
        }
    }

    #[test]
    fn one_edit_of_each_kind() {
        let text: Vec<TokenId> = (0..10).collect();
        let mut random = StdRng::seed_from_u64(2);
        let mut kinds = [0_usize; 3];
        for _ in 0..3000 {
            let mut slots = clean(&text);
            let made = edit(&mut slots, 0.1, &[99], &mut random);
            let seen: Vec<Option<TokenId>> = slots.iter().map(|slot| slot.seen).collect();
            let [made] = made.as_slice() else { panic!("{made:?}") };
            let kept: Vec<TokenId> = seen.iter().flatten().copied().filter(|token| *token != 99).collect();
            let has_mask = seen.contains(&None);
            match made {
                Made::Deleted(at) => {
                    kinds[0] += 1;
                    let without: Vec<TokenId> = text.iter().copied().filter(|token| token != &(*at as u32)).collect();
                    assert!(has_mask && kept == without, "{seen:?}");
                }
                Made::Inserted(at) => {
                    kinds[1] += 1;
                    assert!(!has_mask && seen[*at] == Some(99) && kept.len() == 9, "{seen:?}");
                }
                Made::Substituted(at) => {
                    kinds[2] += 1;
                    assert!(!has_mask && seen[*at] == Some(99) && slots.iter().filter(|slot| slot.is_wrong()).count() == 1);
                }
            }
        }
        assert!(kinds.iter().all(|&count| count.abs_diff(1000) < 150), "{kinds:?}");
        let mut slots = clean(&text);
        let made = edit(&mut slots, 0.1, &[], &mut random);
        assert!(matches!(made.as_slice(), [Made::Deleted(_)]));
    }
}
