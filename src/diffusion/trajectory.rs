//! The recorded steps of one candidate: enough to replay and scrub it without a model.

use serde::Deserialize;
use serde::Serialize;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;

/// A canvas before its first step, and every change since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The canvas at the start.
    pub start: Canvas,
    /// The changes, each with its step.
    pub ops: Vec<(u32, Op)>,
}

impl Trajectory {
    /// The trajectory of a canvas that began as `start`.
    pub fn new(start: Canvas, canvas: &Canvas) -> Self {
        Self { start, ops: canvas.ops().to_vec() }
    }

    /// The last step.
    pub fn steps(&self) -> u32 {
        self.ops.last().map_or(0, |(step, _)| *step)
    }

    /// The canvas after `step` steps; `None` when an operation does not fit the canvas, as in a damaged file.
    pub fn at(&self, step: u32) -> Option<Canvas> {
        let mut canvas = self.start.clone();
        for &(at, op) in self.ops.iter().take_while(|(at, _)| *at <= step) {
            while canvas.step() < at {
                canvas.begin_step();
            }
            canvas.apply(op).then_some(())?;
        }
        Some(canvas)
    }
}
