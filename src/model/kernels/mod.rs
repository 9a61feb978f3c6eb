//! What the transformer computes: on the CPU by kernels of its own, on every other device by the same arithmetic in plain Burn
//! operations.
//!
//! Flex multiplies f32. For few rows it spends more time on laying out the weights than on using them; weights that are stored in
//! blocks would have to be expanded as a whole first; and every element-wise operation is a pass of its own over memory, on one
//! thread. The kernels read the tensors of Flex where
//! they lie, in one pass each. A function here takes the kernel when the tensors are f32 on Flex, and the composition otherwise;
//! the two agree to rounding, which the tests check on random shapes.

mod attention;
mod blocks;
mod device_attention;
mod flex;
mod linear;
mod matrix_unit;
mod rows;
mod strips;
mod tile;
pub(crate) mod vector;

use burn::tensor::Device;
use burn::tensor::Tensor;

pub use attention::PastBlock;
pub use attention::attend;
pub use device_attention::attend_on_device;
pub use device_attention::hidden_keys;
pub use linear::linear;
pub use rows::HeadLayout;
pub use rows::rms_norm;
pub use rows::split_heads;
pub use rows::swiglu;

/// Whether the kernels take tensors of this device.
pub fn run_on(device: &Device) -> bool {
    flex::Values::of(&Tensor::<1>::zeros([1], device)).is_some()
}

/// A low-rank term of a linear map: the rows after the first factor, and the second factor.
#[derive(Clone, Debug)]
pub struct LowRankTerm {
    /// `[rows, rank]`
    pub inner: Tensor<2>,
    /// `[out, rank]`
    pub factor: Tensor<2>,
}
