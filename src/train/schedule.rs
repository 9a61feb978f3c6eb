//! How the rate goes over a run.

/// The shape of the rate after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// As it is.
    Constant,
    /// Half a cosine down to a share of the rate.
    Cosine {
        /// The share at the end.
        floor: f64,
    },
    /// Warm-up, stable, decay: constant, then straight down in the last part of the run.
    Wsd {
        /// Share of the run in which it goes down.
        decay: f64,
        /// The share of the rate at the end.
        floor: f64,
    },
}

/// A rate for each step of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The largest rate.
    pub rate: f64,
    /// Steps in which it rises.
    pub warmup: usize,
    /// How it goes on.
    pub shape: Shape,
    /// Steps of the run.
    pub steps: usize,
}

impl Schedule {
    /// The rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        let rise = if step < self.warmup { (step + 1) as f64 / self.warmup as f64 } else { 1.0 };
        let behind = self.steps.saturating_sub(self.warmup).max(1) as f64;
        // The share of what comes after the warm-up that is done.
        let done = (step.saturating_sub(self.warmup) as f64 / behind).min(1.0);
        let share = match self.shape {
            Shape::Constant => 1.0,
            Shape::Cosine { floor } => floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Shape::Wsd { decay, floor } => {
                let left = (self.steps.saturating_sub(step)) as f64 / (self.steps as f64 * decay).max(1.0);
                floor + (1.0 - floor) * left.min(1.0)
            }
        };
        self.rate * rise * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_stay_and_fall() {
        let schedule = |shape| Schedule { rate: 2.0, warmup: 4, shape, steps: 24 };
        let at = |shape, step| schedule(shape).at(step);
        for shape in [Shape::Constant, Shape::Cosine { floor: 0.1 }, Shape::Wsd { decay: 0.25, floor: 0.1 }] {
            assert_eq!([0, 1, 3].map(|step| at(shape, step)), [0.5, 1.0, 2.0]);
        }
        assert_eq!(at(Shape::Constant, 23), 2.0);
        let cosine = Shape::Cosine { floor: 0.1 };
        assert!((at(cosine, 14) - 2.0 * 0.55).abs() < 1e-12 && (at(cosine, 24) - 0.2).abs() < 1e-12);
        let wsd = Shape::Wsd { decay: 0.25, floor: 0.1 };
        assert_eq!((at(wsd, 18), at(wsd, 21)), (2.0, 2.0 * (0.1 + 0.9 * 0.5)));
        assert!((at(wsd, 24) - 0.2).abs() < 1e-12);
        let all: Vec<f64> = (4..24).map(|step| at(wsd, step)).collect();
        assert!(all.windows(2).all(|pair| pair[1] <= pair[0]));
    }
}
