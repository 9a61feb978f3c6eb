//! Temperature, top-p and top-k: what is done to a row of logits before a token is picked.
//!
//! The order is that of Dream's reference: temperature, then top-p, then top-k. The filters act at temperature 0 too, where they
//! change margins and entropies.

/// Changes of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Filter {
    /// Logits are divided by it; 0 leaves them as they are, and the best token is taken.
    pub temperature: f32,
    /// The most probable tokens up to this sum, with the one that passes it, stay.
    pub top_p: Option<f32>,
    /// As many of the most probable tokens stay.
    pub top_k: Option<usize>,
}

impl Filter {
    /// Whether rows stay as they are.
    pub fn is_neutral(&self) -> bool {
        self.temperature <= 0.0 && self.top_p.is_none_or(|p| p >= 1.0) && self.top_k.is_none()
    }

    /// Changes a row of logits; what is filtered out becomes minus infinity.
    pub fn apply(&self, row: &mut [f32]) {
        if self.temperature > 0.0 {
            row.iter_mut().for_each(|logit| *logit /= self.temperature);
        }
        if let Some(top_p) = self.top_p.filter(|p| *p < 1.0) {
            keep_top_p(row, top_p);
        }
        if let Some(top_k) = self.top_k.filter(|k| *k < row.len()) {
            let mut sorted = row.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = sorted[top_k.max(1) - 1];
            row.iter_mut().filter(|logit| **logit < least).for_each(|logit| *logit = f32::NEG_INFINITY);
        }
    }
}

fn keep_top_p(row: &mut [f32], top_p: f32) {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let largest = order.first().map_or(0.0, |&best| row[best]);
    let sum: f32 = row.iter().map(|logit| (logit - largest).exp()).sum();
    let mut reached = 0.0;
    for id in order {
        let kept = reached <= top_p;
        reached += (row[id] - largest).exp() / sum;
        if !kept {
            row[id] = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(filter: Filter, probabilities: &[f32]) -> Vec<usize> {
        let mut row: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
        filter.apply(&mut row);
        (0..row.len()).filter(|&id| row[id].is_finite()).collect()
    }

    #[test]
    fn the_token_that_passes_the_sum_stays() {
        let probabilities = [0.1, 0.5, 0.15, 0.25];
        let top_p = |p| Filter { top_p: Some(p), ..Filter::default() };
        assert_eq!(kept(top_p(0.4), &probabilities), [1]);
        assert_eq!(kept(top_p(0.6), &probabilities), [1, 3]);
        assert_eq!(kept(top_p(0.8), &probabilities), [1, 2, 3]);
        assert_eq!(kept(Filter { top_k: Some(2), ..Filter::default() }, &probabilities), [1, 3]);
        assert_eq!(kept(Filter { top_p: Some(0.0), top_k: Some(0), temperature: 0.0 }, &probabilities), [1], "one always stays");
        assert!(Filter::default().is_neutral() && !top_p(0.4).is_neutral());
    }

    #[test]
    fn a_temperature_flattens_before_the_sum_is_taken() {
        let probabilities = [0.7, 0.2, 0.1];
        let filter = |temperature| Filter { temperature, top_p: Some(0.65), top_k: None };
        assert_eq!(kept(filter(1.0), &probabilities), [0]);
        assert_eq!(kept(filter(8.0), &probabilities), [0, 1]);
    }
}
