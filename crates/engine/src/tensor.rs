//! The tensor: a shape and shared, recycled f32 memory, row-major.

use crate::Shape;
use kernels::Buffer;
use std::fmt;
use std::sync::Arc;

/// `f32` elements in row-major order. Cloning shares the memory; writing to shared memory copies it first.
#[derive(Clone)]
pub struct Tensor {
    shape: Shape,
    data: Arc<Buffer>,
}

impl Tensor {
    /// A tensor whose content is unspecified, for a kernel that writes all of it.
    pub fn recycled(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self { shape, data: Arc::new(Buffer::recycled(shape.elements())) }
    }

    /// All zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        Self::full(shape, 0.0)
    }

    /// All `value`.
    pub fn full(shape: impl Into<Shape>, value: f32) -> Self {
        let mut tensor = Self::recycled(shape);
        tensor.data_mut().fill(value);
        tensor
    }

    /// A copy of `data`, row-major.
    ///
    /// # Panics
    /// When the number of elements does not fit the shape.
    pub fn from_slice(shape: impl Into<Shape>, data: &[f32]) -> Self {
        let shape = shape.into();
        assert_eq!(shape.elements(), data.len(), "{shape:?} does not hold {} elements", data.len());
        let mut tensor = Self::recycled(shape);
        tensor.data_mut().copy_from_slice(data);
        tensor
    }

    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The elements, for writing. Copies them first if another tensor shares them.
    pub fn data_mut(&mut self) -> &mut [f32] {
        if Arc::get_mut(&mut self.data).is_none() {
            self.data = Arc::new(Buffer::from_slice(self.data()));
        }
        Arc::get_mut(&mut self.data).expect("just made unique")
    }

    /// The only element of a scalar or one-element tensor.
    ///
    /// # Panics
    /// When there is not exactly one element.
    pub fn item(&self) -> f32 {
        assert_eq!(self.len(), 1, "{:?} is not a single value", self.shape);
        self.data()[0]
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{:?}", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_to_shared_memory_copies_it() {
        let a = Tensor::from_slice([2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let mut b = a.clone();
        b.data_mut()[0] = 9.0;
        assert_eq!(a.data(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(b.data(), [9.0, 2.0, 3.0, 4.0]);
        assert_eq!((b.shape().rows(), b.shape().channels()), (2, 2));
    }
}
