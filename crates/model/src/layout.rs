//! Between the stored layout (PyTorch's OIHW) and the engine's (HWIO). This is the only place that knows both.
//!
//! One permutation serves every layer, because the engine's layouts are HWIO with dimensions of 1 left out:
//! full `[kh * kw * in, out]`, depthwise `[kh * kw, c]` (stored `[c, 1, kh, kw]`), pointwise `[in, out]`, classifier
//! `[features, classes]` (stored `[classes, features]`). Vectors are the same in both. A round trip moves values and
//! changes none.

/// Engine layout of a tensor stored with `shape`: `[o, i, h, w]`, `[o, i]` or a vector.
pub fn to_engine(shape: &[usize], stored: &[f32]) -> Vec<f32> {
    match *shape {
        [o, i, h, w] => oihw_to_hwio([o, i, h, w], stored),
        [o, i] => oihw_to_hwio([o, i, 1, 1], stored),
        _ => stored.to_vec(),
    }
}

/// Stored layout, of `shape`, of a tensor in the engine's.
pub fn to_stored(shape: &[usize], engine: &[f32]) -> Vec<f32> {
    match *shape {
        [o, i, h, w] => hwio_to_oihw([h, w, i, o], engine),
        [o, i] => hwio_to_oihw([1, 1, i, o], engine),
        _ => engine.to_vec(),
    }
}

/// `[o, i, h, w]` to `[h, w, i, o]`.
pub fn oihw_to_hwio([o, i, h, w]: [usize; 4], source: &[f32]) -> Vec<f32> {
    // The spatial positions and the outputs swap ends; inputs stay in the middle.
    reverse([o, i, h * w], source)
}

/// `[h, w, i, o]` to `[o, i, h, w]`.
pub fn hwio_to_oihw([h, w, i, o]: [usize; 4], source: &[f32]) -> Vec<f32> {
    reverse([h * w, i, o], source)
}

/// `[a, b, c]` to `[c, b, a]`.
fn reverse([a, b, c]: [usize; 3], source: &[f32]) -> Vec<f32> {
    assert_eq!(source.len(), a * b * c, "values of [{a}, {b}, {c}]");
    let mut result = Vec::with_capacity(source.len());
    for z in 0..c {
        for y in 0..b {
            result.extend((0..a).map(|x| source[(x * b + y) * c + z]));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(len: usize) -> Vec<f32> {
        (0..len).map(|n| n as f32).collect()
    }

    #[test]
    fn every_element_goes_where_its_indices_say() {
        let [o, i, h, w] = [4, 3, 2, 5];
        let stored = counting(o * i * h * w);
        let engine = to_engine(&[o, i, h, w], &stored);
        for (oo, ii) in (0..o).flat_map(|oo| (0..i).map(move |ii| (oo, ii))) {
            for (hh, ww) in (0..h).flat_map(|hh| (0..w).map(move |ww| (hh, ww))) {
                let want = stored[((oo * i + ii) * h + hh) * w + ww];
                assert_eq!(engine[((hh * w + ww) * i + ii) * o + oo], want);
            }
        }
    }

    #[test]
    fn small_layers_by_hand() {
        // Depthwise: 2 channels of 1x3 become 3 taps of 2 channels.
        assert_eq!(to_engine(&[2, 1, 1, 3], &counting(6)), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // Classifier: 2 classes of 3 features become 3 rows of 2.
        assert_eq!(to_engine(&[2, 3], &counting(6)), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(to_engine(&[3], &counting(3)), counting(3));
    }

    #[test]
    fn round_trips_are_exact() {
        for shape in [&[8, 3, 3, 3][..], &[24, 1, 3, 3], &[16, 24, 1, 1], &[1001, 7], &[5], &[1, 1, 1, 1]] {
            let stored: Vec<f32> =
                counting(shape.iter().product()).iter().map(|x| (x * 0.37).sin() * 1e-30).collect();
            assert_eq!(to_stored(shape, &to_engine(shape, &stored)), stored, "{shape:?}");
        }
    }
}
