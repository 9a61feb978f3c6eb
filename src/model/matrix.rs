//! Weight matrices `[out, in]`: a tensor on the device, or rows that stay as their file stores them.
//!
//! On the CPU a matrix of few input rows is bound by memory: reading a weight takes longer than using it. So the blocks of a
//! GGUF file are never expanded as a whole. A kernel expands some rows into the first-level cache, exactly, and uses them there.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use rayon::prelude::*;

use crate::model::dense::Dense;
use crate::model::dense::rows_of;
use crate::model::gguf::BlockType;
use crate::model::gguf::dequant;
use crate::model::mapped::Mapped;
use crate::model::spec::TokenId;

/// The weights of a linear map or an embedding.
// A model has some hundred of them, most of one kind.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Matrix {
    /// On the device.
    Dense(Dense),
    /// As in the file, for the kernels of the CPU.
    Stored(Stored),
}

impl Matrix {
    /// Rows and columns, `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Dense(dense) => dense.dims(),
            Self::Stored(stored) => [stored.rows, stored.width],
        }
    }

    /// Whether it lies on the device in half precision.
    pub fn is_half(&self) -> bool {
        matches!(self, Self::Dense(dense) if dense.is_half())
    }

    /// The rows with the numbers `ids`, `[ids, in]`. Numbers beyond the end give row 0.
    pub fn select(&self, ids: &[TokenId], device: &Device) -> Tensor<2> {
        let [rows, width] = self.dims();
        let ids = rows_of(ids, rows);
        match self {
            Self::Dense(dense) => dense.select(&ids, device),
            Self::Stored(stored) => {
                let mut out = vec![0.0; ids.len() * width];
                out.par_chunks_exact_mut(width.max(1)).zip(&ids).for_each(|(out, &id)| stored.expand(id, 0..width, out));
                Tensor::from_data(TensorData::new(out, [ids.len(), width]), device)
            }
        }
    }

    /// All values as one tensor, in f32.
    pub fn to_dense(&self, device: &Device) -> Tensor<2> {
        match self {
            Self::Dense(dense) => dense.to_tensor(),
            Self::Stored(stored) => {
                let mut out = vec![0.0; stored.rows * stored.width];
                out.par_chunks_exact_mut(stored.width.max(1))
                    .enumerate()
                    .for_each(|(row, out)| stored.expand(row, 0..stored.width, out));
                Tensor::from_data(TensorData::new(out, [stored.rows, stored.width]), device)
            }
        }
    }
}

/// Rows of one or several stored tensors, one below the other.
#[derive(Clone, Debug)]
pub struct Stored {
    parts: Vec<StoredPart>,
    rows: usize,
    width: usize,
    /// Columns from which an expansion can start, in all parts.
    unit: usize,
}

/// The rows of one tensor.
#[derive(Clone, Debug)]
struct StoredPart {
    first: usize,
    rows: usize,
    block: BlockType,
    bytes: Mapped,
    order: Option<RowOrder>,
}

/// For each place in a head, where the file has it.
pub type HeadOrder = Arc<[usize]>;

/// Rows of a tensor that are not where the kernels expect them.
#[derive(Clone, Debug)]
pub struct RowOrder {
    /// The order within each head.
    pub head: HeadOrder,
    /// Rows that are ordered so; the others are in their places.
    pub rows: usize,
}

impl RowOrder {
    /// Where the file has the row.
    fn source(&self, row: usize) -> usize {
        let size = self.head.len().max(1);
        if row < self.rows { row / size * size + self.head.get(row % size).copied().unwrap_or(0) } else { row }
    }

    /// Puts rows of `width` values in order.
    pub fn apply(&self, values: &mut [f32], width: usize) {
        let stored = values.to_vec();
        for (row, out) in values.chunks_exact_mut(width.max(1)).enumerate() {
            let source = self.source(row) * width;
            if let Some(values) = stored.get(source..source + width) {
                out.copy_from_slice(values);
            }
        }
    }
}

impl Stored {
    /// Nothing yet, with rows of `width` values.
    pub fn new(width: usize) -> Self {
        Self { parts: Vec::new(), rows: 0, width, unit: 1 }
    }

    /// Adds the rows of a tensor below the others. The caller has checked with [`BlockType::bytes`] that `bytes` holds `rows` rows.
    pub fn push(&mut self, block: BlockType, bytes: Mapped, rows: usize, order: Option<RowOrder>) {
        self.parts.push(StoredPart { first: self.rows, rows, block, bytes, order });
        self.rows += rows;
        self.unit = self.unit.max(block.block().0);
    }

    /// Whether some of the rows are single floats, of which nothing was rounded.
    pub fn has_singles(&self) -> bool {
        self.parts.iter().any(|part| part.block == BlockType::F32)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Expansions start and end at multiples of this many columns, or at the end of a row.
    pub fn unit(&self) -> usize {
        self.unit
    }

    /// Expands some columns of a row into `out`, which is as long as `columns`. Rows that are not there leave it untouched.
    pub fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) {
        let Some(part) = self.parts.iter().rev().find(|part| part.first <= row) else { return };
        let (values, bytes) = part.block.block();
        let row = part.order.as_ref().map_or(row - part.first, |order| order.source(row - part.first));
        let start = (row * self.width + columns.start) / values * bytes;
        if let Some(data) = part.bytes.bytes().get(start..start + columns.len() / values * bytes).filter(|_| row < part.rows) {
            dequant::expand_here(part.block, data, out);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    /// Blocks with random quants and scales between 0 and 1, as the only content of a mapped file.
    pub(crate) fn random(block: BlockType, bytes: usize, seed: u32) -> Mapped {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let mut data: Vec<u8> = (0..bytes).map(|_| next()).collect();
        let scales = match block {
            BlockType::F32 => 2..4,
            BlockType::F16 | BlockType::Bf16 | BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => 0..2,
            BlockType::Q4K | BlockType::Q5K => 0..4,
            BlockType::Q6K => 208..210,
        };
        for block in data.chunks_exact_mut(block.block().1) {
            block[scales.clone()].chunks_exact_mut(2).for_each(|scale| scale[1] = 0x38 | scale[1] & 3);
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&data).unwrap();
        Mapped::open(file.path()).unwrap()
    }

    #[test]
    fn every_part_of_a_row_expands_as_the_whole_tensor_does() {
        let all = [
            BlockType::F32,
            BlockType::F16,
            BlockType::Bf16,
            BlockType::Q4_0,
            BlockType::Q5_0,
            BlockType::Q8_0,
            BlockType::Q4K,
            BlockType::Q5K,
            BlockType::Q6K,
        ];
        let width = 768;
        for (upper, lower) in all.into_iter().zip(all.into_iter().rev()) {
            let mut stored = Stored::new(width);
            let mut expected = Vec::new();
            let order = RowOrder { head: [0, 2, 1, 3].into(), rows: 4 };
            for (block, rows, order) in [(upper, 3, None), (lower, 8, Some(order))] {
                let bytes = random(block, block.bytes(&[rows, width]).unwrap(), rows as u32);
                let mut values = vec![f32::NAN; rows * width];
                dequant::expand(block, bytes.bytes(), &mut values);
                order.iter().for_each(|order| order.apply(&mut values, width));
                expected.append(&mut values);
                stored.push(block, bytes, rows, order);
            }
            let unit = stored.unit();
            for (row, expected) in expected.chunks_exact(width).enumerate() {
                assert!(expected.iter().all(|value| value.is_finite()), "{upper:?} {lower:?}");
                for columns in [0..width, unit..width, 0..2 * unit, unit..2 * unit] {
                    let mut found = vec![f32::NAN; columns.len()];
                    stored.expand(row, columns.clone(), &mut found);
                    assert_eq!(found, expected[columns], "{upper:?} {lower:?} row {row}");
                }
            }
            let mut untouched = [7.0];
            stored.expand(11, 0..1, &mut untouched);
            assert_eq!(untouched, [7.0]);
            let matrix = Matrix::Stored(stored);
            let picked: Vec<f32> = matrix.select(&[10, 0, 99], &Device::flex()).into_data().try_into_vec().unwrap();
            assert_eq!(picked, [&expected[10 * width..], &expected[..width], &expected[..width]].concat());
        }
    }

    #[test]
    fn rows_come_back_in_their_order() {
        let mut rows: Vec<f32> = [0, 2, 1, 3, 4, 6, 5, 7, 9, 8].map(|row: u8| f32::from(row)).to_vec();
        RowOrder { head: [0, 2, 1, 3].into(), rows: 8 }.apply(&mut rows, 1);
        assert_eq!(rows, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 8.0]);
    }
}
