//! How many slots each step commits, where a rule goes by a number of steps.

/// A way to spread masks over steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// As equal as possible, the larger numbers first (LLaDA, SDAR).
    Even,
    /// A share of what is left that follows a linear noise schedule, rounded half to even; steps without a slot are left out.
    Linear,
    /// The same for a cosine schedule, which begins slowly.
    Cosine,
    /// Dream's: the share is rounded down, from time 1 to `eps`, and the last step commits all that is left. A step may commit
    /// nothing.
    Dream {
        /// The last time.
        eps: f32,
    },
}

/// Dream's last time.
pub const DREAM_EPS: f32 = 1e-3;

impl Schedule {
    /// The number of slots for each of at most `steps` steps; their sum is `masks`.
    pub fn counts(self, masks: usize, steps: usize) -> Vec<usize> {
        let steps = steps.max(1);
        match self {
            Self::Even => (0..steps).map(|step| masks / steps + usize::from(step < masks % steps)).collect(),
            Self::Linear => rounded(masks, steps, |time| 1.0 - time),
            Self::Cosine => rounded(masks, steps, |time| 1.0 - (std::f32::consts::FRAC_PI_2 * (1.0 - time)).cos()),
            Self::Dream { eps } => {
                let mut left = masks;
                let count = |step: usize| {
                    let count = if step + 1 == steps { left } else { (left as f32 * dream_share(step, steps, eps)) as usize };
                    left -= count;
                    count
                };
                (0..steps).map(count).collect()
            }
        }
    }
}

/// The share of the masks that a step of Dream's schedule uncovers.
pub fn dream_share(step: usize, steps: usize, eps: f32) -> f32 {
    if step + 1 >= steps {
        return 1.0;
    }
    let (t, s) = (linspace(step, steps, eps), linspace(step + 1, steps, eps));
    1.0 - s / t
}

/// Time `index` of `steps + 1` times from 1 to `eps`: the second half is counted from the end, as torch does.
fn linspace(index: usize, steps: usize, eps: f32) -> f32 {
    let width = (eps - 1.0) / steps as f32;
    if index < steps.div_ceil(2) { 1.0 + width * index as f32 } else { eps - width * (steps - index) as f32 }
}

/// Counts from the share of text that is visible at a time, `alpha`. The share of masks that stay is taken from it in f32, as the
/// reference does: its rounding decides where a product is half.
fn rounded(masks: usize, steps: usize, alpha: impl Fn(f32) -> f32) -> Vec<usize> {
    let mut left = masks;
    let masked = |index: usize| 1.0 - alpha((steps - index) as f32 / steps as f32);
    let counts = (0..steps).map(|step| {
        let share = if step + 1 == steps { 1.0 } else { 1.0 - f64::from(masked(step + 1) / masked(step)) };
        let count = ((left as f64 * share).round_ties_even() as usize).min(left);
        left -= count;
        count
    });
    counts.filter(|count| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schedules_have_their_shapes() {
        assert_eq!(Schedule::Even.counts(13, 5), [3, 3, 3, 2, 2]);
        assert_eq!(Schedule::Linear.counts(12, 8), [2, 1, 2, 1, 2, 1, 2, 1]);
        assert_eq!(Schedule::Linear.counts(16, 3), [5, 5, 6]);
        assert_eq!(Schedule::Cosine.counts(12, 6), [1, 2, 3, 3, 3]);
        assert_eq!(Schedule::Dream { eps: DREAM_EPS }.counts(7, 7), [0, 1, 1, 1, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn every_mask_is_committed_once(masks in 0usize..300, steps in 0usize..80) {
            for schedule in [Schedule::Even, Schedule::Linear, Schedule::Cosine, Schedule::Dream { eps: DREAM_EPS }] {
                let counts = schedule.counts(masks, steps);
                prop_assert_eq!(counts.iter().sum::<usize>(), masks);
                prop_assert!(counts.len() <= steps.max(1));
            }
        }
    }
}
