use proptest::prelude::*;
use rand::Rng;
use rand::SeedableRng;

use super::*;

const END: TokenId = 9999;

fn canvas(surplus: bool) -> Canvas<'static> {
    Canvas { likely: &[7000, 7001], end: END, surplus, fixed: &[] }
}

proptest! {
    #[test]
    fn the_targets_give_the_text_back(seed: u64, n in 0_usize..60, ratio in 0.0_f64..1.0, surplus: bool, fixed in 0_usize..60) {
        let text: Vec<TokenId> = (0..n as u32).collect();
        let fixed = [fixed % (n + 1) / 2..fixed % (n + 1)];
        let canvas = Canvas { fixed: &fixed, ..canvas(surplus) };
        for make in [corrupt, measured] {
            let slots = make(&text, ratio, &canvas, &mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(&slots, &make(&text, ratio, &canvas, &mut StdRng::seed_from_u64(seed)));
            let said: Vec<TokenId> = slots.iter().map(|slot| slot.target).take_while(|token| *token != END).collect();
            prop_assert_eq!(&said, &text);
            prop_assert!(slots[n..].iter().all(|slot| slot.is_masked() && slot.target == END && slot.covers == 0));
            prop_assert_eq!(slots.len() > n, surplus);
            prop_assert!(slots.len() - n <= MOST_SURPLUS);
            prop_assert!(slots[fixed[0].clone()].iter().all(|slot| !slot.is_masked()));
            let is_free = slots.len() > fixed[0].len();
            prop_assert_eq!(slots.iter().any(Slot::is_masked), is_free);
        }
    }
}

/// The weights against a plain reading of the definition.
#[test]
fn weights_by_distance() {
    let mut random = StdRng::seed_from_u64(4);
    for n in 1..40_usize {
        let text: Vec<TokenId> = (0..n as u32).collect();
        let mut slots = with_surplus(&text, &canvas(n.is_multiple_of(2)), &mut random);
        let mut masked: Vec<bool> = (0..slots.len()).map(|_| random.random::<f64>() < 0.5).collect();
        settle(&mut slots, &mut masked, &canvas(false), &mut random);
        weigh(&mut slots, n);
        for (place, slot) in slots.iter().enumerate() {
            let left = (0..=place).rev().take_while(|&other| slots[other].is_masked()).count() as i32;
            let right = (place..slots.len()).take_while(|&other| slots[other].is_masked()).count() as i32;
            let expected = match () {
                () if place > n && place <= n + 6 => 0.05,
                () if place > n || !slot.is_masked() => 0.0,
                () => 0.1 + 0.6 * 0.75_f64.powi(left - 1) + 0.3 * 0.75_f64.powi(right - 1),
            };
            assert!((f64::from(slot.weight) - expected).abs() < 1e-6, "{place} of {n}");
        }
    }
}

/// Shares over many canvases, each against what `corrupt.py`'s rules come to. 20 tokens, ratio drawn from 0.03 to 1, no surplus:
/// * a frontier in half of them: masks before it at 5 %, behind it at 95 % (the mean of 90 and 100 %); the frontier is at the beginning in 30 %, and
///   else anywhere from 0 to 19;
/// * else the ratio, 51.5 % on the mean.
#[test]
fn distribution_is_that_of_the_reference() {
    let text: Vec<TokenId> = (0..20).collect();
    let mut random = StdRng::seed_from_u64(8);
    const RUNS: usize = 20_000;
    let mut masked = [0_usize; 20];
    let (mut with_visible, mut visible, mut wrong) = (0, 0, 0);
    for _ in 0..RUNS {
        let ratio = random.random_range(0.03..1.0);
        let slots = corrupt(&text, ratio, &canvas(false), &mut random);
        slots.iter().zip(&mut masked).filter(|(slot, _)| slot.is_masked()).for_each(|(_, count)| *count += 1);
        let learned: Vec<&Slot> = slots.iter().filter(|slot| !slot.is_masked() && slot.weight > 0.0).collect();
        with_visible += usize::from(!learned.is_empty());
        visible += learned.len();
        wrong += learned.iter().filter(|slot| slot.is_wrong()).count();
    }
    for (place, count) in masked.iter().enumerate() {
        let at_or_behind = 0.3 + 0.7 * (place + 1) as f64 / 20.0;
        let expected = 0.5 * 0.515 + 0.5 * (at_or_behind * 0.95 + (1.0 - at_or_behind) * 0.05);
        let found = *count as f64 / RUNS as f64;
        assert!((found - expected).abs() < 0.015, "place {place}: {found} {expected}");
    }
    assert!((wrong as f64 / visible as f64 - 0.12).abs() < 0.01, "{wrong} of {visible}");
    // A fifth, less those that have no visible slot at all.
    let share = with_visible as f64 / RUNS as f64;
    assert!((0.15..0.2).contains(&share), "{share}");
}

#[test]
fn sizes_are_those_that_samplers_give() {
    let text: Vec<TokenId> = (0..20).collect();
    let mut random = StdRng::seed_from_u64(6);
    let mut extras = std::collections::BTreeMap::new();
    const RUNS: usize = 20_000;
    for _ in 0..RUNS {
        *extras.entry(corrupt(&text, 0.5, &canvas(true), &mut random).len() - 20).or_insert(0_usize) += 1;
    }
    // Half: sizes 8 and 16 are too small and give 1, 24 gives 4, 32 gives 12, 48 gives the most, 24. Half: 1 to 9, evenly.
    let expected = |extra: usize| match extra {
        1 => 0.5 * 0.4 + 0.5 / 9.0,
        4 => 0.5 * 0.2 + 0.5 / 9.0,
        2..=9 => 0.5 / 9.0,
        12 | 24 => 0.5 * 0.2,
        _ => 0.0,
    };
    assert_eq!(extras.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24]);
    for (extra, count) in extras {
        let found = count as f64 / RUNS as f64;
        assert!((found - expected(extra)).abs() < 0.015, "{extra}: {found} {}", expected(extra));
    }
}
