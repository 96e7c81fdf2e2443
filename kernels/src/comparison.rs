//! The crate `matrixmultiply` behind checked lengths: what benches compare the kernels with. Behind the feature
//! `comparison`, because no deployment needs it.

/// A matrix of any strides, in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Floats from one row to the next.
    pub row_stride: usize,
    /// Floats from one column to the next.
    pub column_stride: usize,
}

impl Layout {
    /// A row-major matrix without gaps.
    pub fn row_major(rows: usize, columns: usize) -> Self {
        Self { rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same floats, rows and columns exchanged.
    pub fn transposed(self) -> Self {
        let Self { rows, columns, row_stride, column_stride } = self;
        Self { rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }

    /// Panics unless a slice of `len` floats holds the matrix.
    pub fn check(&self, len: usize) {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        let used = last(self.rows, self.row_stride) + last(self.columns, self.column_stride) + 1;
        assert!(self.rows * self.columns == 0 || used <= len, "{self:?} does not fit {len} floats");
    }
}

/// `c = a * b` by `matrixmultiply` on one thread.
///
/// # Panics
/// When sizes do not agree, a slice is too short, or elements of `c` could share a place.
pub fn matrixmultiply(a: (&[f32], Layout), b: (&[f32], Layout), c: (&mut [f32], Layout)) {
    let (m, k, n) = (a.1.rows, a.1.columns, b.1.columns);
    assert_eq!((b.1.rows, c.1.rows, c.1.columns), (k, m, n), "the sizes of a product do not agree");
    let apart = c.1.column_stride >= 1 && c.1.row_stride >= n * c.1.column_stride;
    assert!(apart, "elements of the product share a place: {:?}", c.1);
    a.1.check(a.0.len());
    b.1.check(b.0.len());
    c.1.check(c.0.len());
    let strides = |layout: Layout| (layout.row_stride as isize, layout.column_stride as isize);
    let ((ars, acs), (brs, bcs), (crs, ccs)) = (strides(a.1), strides(b.1), strides(c.1));
    // SAFETY: every element of the three matrices is inside its slice, and those of c are different ones.
    unsafe {
        ::matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.0.as_ptr(),
            ars,
            acs,
            b.0.as_ptr(),
            brs,
            bcs,
            0.0,
            c.0.as_mut_ptr(),
            crs,
            ccs,
        );
    }
}
