//! Whether a run of `dcode bench` is worse than an earlier one.

use serde_json::Map;
use serde_json::Value;

/// What a ratio may lose before it counts as worse.
pub const TOLERANCE: f64 = 0.15;

/// Which way a figure is good. Only ratios within one run are compared: seconds of two runs tell about the machine.
const RATIOS: [(&str, Better); 9] = [
    ("edit_100000_lines_to_100_lines", Better::Lower),
    ("step_1024_to_step_64", Better::Lower),
    ("forward_256_fraction_of_matmul", Better::Higher),
    ("infill_tokens_per_forward", Better::Higher),
    ("infill_pass_rate", Better::Higher),
    ("infill_pass_rate_one_token", Better::Higher),
    ("rewrite_20_speedup_vs_ar", Better::Higher),
    ("rewrite_20_speedup_vs_lookup", Better::Higher),
    ("peak_memory_mib", Better::Lower),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
}

/// A ratio that is in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its key.
    pub key: &'static str,
    /// What it was.
    pub before: f64,
    /// What it is.
    pub now: f64,
    /// How much worse it is, as a fraction; negative when it is better.
    pub loss: f64,
}

impl Change {
    /// Whether it lost more than noise explains.
    pub fn is_worse(&self) -> bool {
        self.loss > TOLERANCE
    }
}

/// All ratios that both runs have.
pub fn changes(before: &Map<String, Value>, now: &Map<String, Value>) -> Vec<Change> {
    let change = |&(key, better): &(&'static str, Better)| {
        let (before, now) = (before.get(key)?.as_f64()?, now.get(key)?.as_f64()?);
        let loss = match better {
            Better::Higher if before > 0.0 => 1.0 - now / before,
            Better::Lower if before > 0.0 => now / before - 1.0,
            _ => 0.0,
        };
        Some(Change { key, before, now, loss })
    };
    RATIOS.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ratio_may_lose_a_little() {
        let run = |speed: f64, step: f64| {
            let Value::Object(map) =
                json!({ "rewrite_20_speedup_vs_ar": speed, "step_1024_to_step_64": step, "load_seconds": 9 })
            else {
                unreachable!()
            };
            map
        };
        let worse = |before: (f64, f64), now: (f64, f64)| -> Vec<&'static str> {
            let changes = changes(&run(before.0, before.1), &run(now.0, now.1));
            assert_eq!(changes.len(), 2, "seconds are not compared");
            changes.iter().filter(|change| change.is_worse()).map(|change| change.key).collect()
        };
        assert!(worse((5.0, 1.0), (4.3, 1.14)).is_empty());
        assert!(worse((5.0, 1.0), (50.0, 0.1)).is_empty());
        assert_eq!(worse((5.0, 1.0), (4.2, 1.0)), ["rewrite_20_speedup_vs_ar"]);
        assert_eq!(worse((5.0, 1.0), (5.0, 1.16)), ["step_1024_to_step_64"]);
        assert!(changes(&Map::new(), &run(1.0, 1.0)).is_empty());
    }
}
