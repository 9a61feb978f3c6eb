//! Weights that lie on the device as tensors: in parts that every device can bind, in half precision where it can calculate in it.

use burn::tensor::DType;
use burn::tensor::Device;
use burn::tensor::FloatDType;
use burn::tensor::Int;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use half::f16;
use rayon::prelude::*;

use crate::model::spec::TokenId;

/// Bytes of a part at most: what the weakest drivers let a kernel read from one buffer (WebGPU's default limit).
const PART: usize = 1 << 27;

/// A matrix `[out, in]` as tensors one below the other, all of one width and all but the last of one height.
#[derive(Clone, Debug)]
pub struct Dense {
    parts: Vec<Tensor<2>>,
}

impl Dense {
    /// Moves `values` (`[rows, width]`, row-major) to a device. With `exact` they stay in f32; otherwise they become f16 where the device
    /// calculates in it, which halves what a pass has to read.
    pub fn new(values: &[f32], width: usize, exact: bool, device: &Device) -> Self {
        let half = !exact && device.supports_dtype(FloatDType::F16);
        Self::in_parts(values, width, half, PART, device)
    }

    fn in_parts(values: &[f32], width: usize, half: bool, part: usize, device: &Device) -> Self {
        let height = part / if half { 2 } else { 4 } / width.max(1);
        let parts = values.chunks(width * height.max(1)).map(|values| {
            let shape = [values.len() / width.max(1), width];
            if half {
                let values: Vec<f16> = values.par_iter().map(|&value| f16::from_f32(value)).collect();
                Tensor::from_data(TensorData::new(values, shape), (device, DType::F16))
            } else {
                Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
            }
        });
        Self { parts: parts.collect() }
    }

    /// The tensor when there is just one.
    pub fn whole(&self) -> Option<&Tensor<2>> {
        if let [whole] = self.parts.as_slice() { Some(whole) } else { None }
    }

    /// Rows and columns, `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        let width = self.parts.first().map_or(0, |part| part.dims()[1]);
        [self.parts.iter().map(|part| part.dims()[0]).sum(), width]
    }

    /// Whether it is in half precision.
    pub fn is_half(&self) -> bool {
        self.parts.first().is_some_and(|part| part.dtype() == DType::F16)
    }

    /// `rows · weightᵀ` for rows `[rows, in]` in f32: `[rows, out]` in f32.
    pub fn product(&self, rows: Tensor<2>) -> Tensor<2> {
        let rows = if self.is_half() { rows.cast(FloatDType::F16) } else { rows };
        let mut products = self.parts.iter().map(|part| rows.clone().matmul(part.clone().transpose()));
        let product = match (products.len(), products.next()) {
            (1, Some(product)) => product,
            (_, first) => Tensor::cat(first.into_iter().chain(products).collect(), 1),
        };
        if self.is_half() { product.cast(FloatDType::F32) } else { product }
    }

    /// The rows with the numbers `ids`, which are below the number of rows, in f32: `[ids, in]`.
    pub fn select(&self, ids: &[usize], device: &Device) -> Tensor<2> {
        let height = self.parts.first().map_or(1, |part| part.dims()[0]).max(1);
        // One selection for each run of ids that lie in the same part: a prompt's ids are mostly the frequent ones, which come first.
        let picked: Vec<Tensor<2>> = ids
            .chunk_by(|a, b| a / height == b / height)
            .filter_map(|run| {
                let part = run.first()? / height;
                let ids: Vec<i32> = run.iter().map(|&id| i32::try_from(id % height).unwrap_or(0)).collect();
                let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [run.len()]), device);
                Some(self.parts.get(part)?.clone().select(0, ids))
            })
            .collect();
        let picked = if picked.is_empty() { Tensor::zeros([0, self.dims()[1]], device) } else { Tensor::cat(picked, 0) };
        if self.is_half() { picked.cast(FloatDType::F32) } else { picked }
    }

    /// All values in f32.
    pub fn to_tensor(&self) -> Tensor<2> {
        let whole = Tensor::cat(self.parts.clone(), 0);
        if self.is_half() { whole.cast(FloatDType::F32) } else { whole }
    }
}

impl From<Tensor<2>> for Dense {
    fn from(tensor: Tensor<2>) -> Self {
        Self { parts: vec![tensor] }
    }
}

/// Numbers of rows for ids; those beyond the end are row 0.
pub(super) fn rows_of(ids: &[TokenId], rows: usize) -> Vec<usize> {
    ids.iter().map(|&id| id as usize).map(|id| if id < rows { id } else { 0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn parts_are_one_matrix() {
        let device = Device::flex();
        let weights: Vec<f32> = (0..7 * 4).map(|index| index as f32 * 0.25 - 3.0).collect();
        let rows =
            Tensor::from_data(TensorData::new((0..8).map(|index| index as f32 - 3.5).collect::<Vec<_>>(), [2, 4]), &device);
        let whole = Dense::in_parts(&weights, 4, false, PART, &device);
        assert!(whole.whole().is_some());
        let ids = [6, 0, 1, 5, 2, 2];
        for (half, part) in [(false, 3 * 16), (false, 1), (true, 2 * 8), (true, PART)] {
            let parts = Dense::in_parts(&weights, 4, half, part, &device);
            assert_eq!((parts.dims(), parts.is_half()), ([7, 4], half));
            // All these numbers, and the sums of their products, are numbers of f16 too.
            assert_eq!(values(parts.product(rows.clone())), values(whole.product(rows.clone())), "half {half}, {part} bytes");
            assert_eq!(values(parts.select(&ids, &device)), values(whole.select(&ids, &device)));
            assert_eq!(values(parts.to_tensor()), weights);
        }
        assert_eq!(whole.select(&[], &device).dims(), [0, 4]);
    }
}
