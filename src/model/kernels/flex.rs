//! Borrowing the values of tensors on the CPU, and making tensors of results.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::DType;
use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

/// The f32 values of a tensor on Flex, row-major and without gaps.
pub(super) struct Values(FlexTensor);

impl Values {
    /// The values of `tensor`; copied only when they do not lie in order. `None` on another device or with another type.
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let primitive = Self::strided(tensor)?;
        Some(Self(if primitive.as_slice::<f32>().is_some() { primitive } else { primitive.to_contiguous() }))
    }

    /// The primitive of `tensor`, in whatever order its values lie. `None` on another device or with another type.
    pub(super) fn strided<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
        let primitive = tensor.clone().try_into_primitive::<Flex>().ok()?;
        (primitive.dtype() == DType::F32).then_some(primitive)
    }

    /// The values.
    pub(super) fn get(&self) -> &[f32] {
        self.0.as_slice::<f32>().unwrap_or_default()
    }
}

/// A tensor on Flex.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
