//! The modelling and coding of JPEG-LS (T.87 annex A): contexts from the gradients around a sample, a prediction that each
//! context corrects, and Golomb codes; flat places as runs.

use crate::bits::{Bits, Stuffing};

/// Contexts of the regular mode, after the sign is folded away.
const CONTEXTS: usize = 365;
/// How many bits the remainder of a run has, by the run index (section A.2.1).
const RUN_BITS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// How a scan orders the samples of its components.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Interleave {
    None,
    Line,
    Sample,
}

/// The coding parameters.
pub(super) struct Coding {
    /// The largest value of a sample (MAXVAL).
    pub top: i32,
    /// The allowed error (NEAR).
    pub near: i32,
    /// Of the gradients (T1, T2, T3).
    pub thresholds: [i32; 3],
    /// Count at which a context's sums are halved (RESET).
    pub reset: i32,
}

/// What is known of a context: A, B, C and N of the standard.
#[derive(Clone, Copy)]
struct Context {
    sum: i32,
    bias: i32,
    correction: i32,
    count: i32,
}

/// The same for the two ways in which a run is interrupted: A, N and Nn.
#[derive(Clone, Copy)]
struct RunContext {
    sum: i32,
    count: i32,
    negative: i32,
}

/// Reads a scan.
pub(super) struct Decoder<'a> {
    coding: Coding,
    bits: Bits<'a>,
    rows: usize,
    columns: usize,
    components: usize,
    interleave: Interleave,
    /// Number of different errors, the bits of one, and the longest code (RANGE, qbpp, LIMIT).
    range: i32,
    error_bits: u32,
    limit: u32,
    contexts: Vec<Context>,
    runs: [RunContext; 2],
}

/// A line of a component with one sample beside either end.
#[derive(Clone)]
struct ComponentLines {
    above: Vec<i32>,
    line: Vec<i32>,
    /// Index into [`RUN_BITS`].
    run: usize,
}

impl<'a> Decoder<'a> {
    pub fn new(
        coding: Coding,
        code: &'a [u8],
        (rows, columns): (usize, usize),
        components: usize,
        interleave: Interleave,
    ) -> Self {
        let range = (coding.top + 2 * coding.near) / (2 * coding.near + 1) + 1;
        let bits_of = |values: i32| 32 - (values - 1).leading_zeros();
        let depth = bits_of(coding.top + 1).max(2);
        let sum = ((range + 32) / 64).max(2);
        Self {
            coding,
            bits: Bits::new(code, Stuffing::Bit),
            rows,
            columns,
            components,
            interleave,
            range,
            error_bits: bits_of(range),
            limit: 2 * (depth + depth.max(8)),
            contexts: vec![Context { sum, bias: 0, correction: 0, count: 1 }; CONTEXTS],
            runs: [RunContext { sum, count: 1, negative: 0 }; 2],
        }
    }

    /// Writes the scan's first component to every `step`th of `values`, the others after it; the bytes that the scan takes.
    pub fn decode(&mut self, values: &mut [i32], step: usize) -> Result<usize, String> {
        let side = vec![0; self.columns + 2];
        let mut lines = vec![ComponentLines { above: side.clone(), line: side, run: 0 }; self.components];
        for row in 0..self.rows {
            for lines in &mut lines {
                std::mem::swap(&mut lines.above, &mut lines.line);
                lines.above[self.columns + 1] = lines.above[self.columns];
                lines.line[0] = lines.above[1];
            }
            if self.interleave == Interleave::Sample {
                self.pixels(&mut lines)?;
            } else {
                lines.iter_mut().try_for_each(|lines| self.line(lines))?;
            }
            let out = &mut values[row * self.columns * step..];
            for (component, lines) in lines.iter().enumerate() {
                let places = out[component..].iter_mut().step_by(step);
                places.zip(&lines.line[1..=self.columns]).for_each(|(to, &value)| *to = value);
            }
        }
        Ok(self.bits.end())
    }

    /// A line of one component.
    fn line(&mut self, lines: &mut ComponentLines) -> Result<(), String> {
        let mut x = 1;
        while x <= self.columns {
            if let Some(context) = self.context(lines, x) {
                lines.line[x] = self.sample(lines, x, context)?;
                x += 1;
                continue;
            }
            let left = lines.line[x - 1];
            let length = self.run(&mut lines.run, self.columns + 1 - x)?;
            lines.line[x..x + length].fill(left);
            x += length;
            if x <= self.columns {
                let above = lines.above[x];
                let like_left = (left - above).abs() <= self.coding.near;
                lines.line[x] = self.interruption(left, above, like_left, lines.run)?;
                lines.run = lines.run.saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// A line of all components, pixel by pixel; a run is one of pixels (section B.2.3 of the multi-component annex).
    fn pixels(&mut self, all: &mut [ComponentLines]) -> Result<(), String> {
        let mut x = 1;
        while x <= self.columns {
            let flat = all.iter().all(|lines| self.context(lines, x).is_none());
            if !flat {
                for lines in &mut *all {
                    // A flat component beside others that are not: the context of no gradient.
                    let context = self.context(lines, x).unwrap_or((0, 1));
                    lines.line[x] = self.sample(lines, x, context)?;
                }
                x += 1;
                continue;
            }
            let mut run = all[0].run;
            let length = self.run(&mut run, self.columns + 1 - x)?;
            for lines in &mut *all {
                let left = lines.line[x - 1];
                lines.line[x..x + length].fill(left);
            }
            x += length;
            if x <= self.columns {
                for lines in &mut *all {
                    let (left, above) = (lines.line[x - 1], lines.above[x]);
                    lines.line[x] = self.interruption(left, above, false, run)?;
                }
                run = run.saturating_sub(1);
                x += 1;
            }
            all[0].run = run;
        }
        Ok(())
    }

    /// The context at `x` and its sign, from the three gradients (section A.3); none where all are flat.
    #[inline]
    fn context(&self, lines: &ComponentLines, x: usize) -> Option<(usize, i32)> {
        let (left, above) = (lines.line[x - 1], &lines.above);
        let gradients = [above[x + 1] - above[x], above[x] - above[x - 1], above[x - 1] - left];
        let number = gradients.iter().fold(0, |number, &gradient| 9 * number + self.quantize(gradient));
        match number {
            0 => None,
            1.. => Some((number as usize, 1)),
            _ => Some((-number as usize, -1)),
        }
    }

    #[inline]
    fn quantize(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let [t1, t2, t3] = self.coding.thresholds;
        let level = i32::from(size > self.coding.near)
            + i32::from(size >= t1)
            + i32::from(size >= t2)
            + i32::from(size >= t3);
        if gradient < 0 { -level } else { level }
    }

    /// A sample of the regular mode (sections A.4 to A.6).
    #[inline]
    fn sample(
        &mut self,
        lines: &ComponentLines,
        x: usize,
        (number, sign): (usize, i32),
    ) -> Result<i32, String> {
        let (left, above, corner) = (lines.line[x - 1], lines.above[x], lines.above[x - 1]);
        let edge = if corner >= left.max(above) {
            left.min(above)
        } else if corner <= left.min(above) {
            left.max(above)
        } else {
            left + above - corner
        };
        let Context { sum, bias, correction, count } = self.contexts[number];
        let guess = (edge + sign * correction).clamp(0, self.coding.top);
        let k = golomb_parameter(sum, count)?;
        let code = self.golomb(k, self.limit)?;
        let near = self.coding.near;
        // Odd codes are negative errors, unless the context leans that way.
        let mut error = if code & 1 == 0 { code >> 1 } else { -((code + 1) >> 1) };
        if near == 0 && k == 0 && 2 * bias <= -count {
            error = -error - 1;
        }
        self.contexts[number].update(error, 2 * near + 1, self.coding.reset)?;
        Ok(self.reconstruct(guess, sign * error))
    }

    /// `guess` plus an error in steps, modulo the range of values (section A.4.5).
    #[inline]
    fn reconstruct(&self, guess: i32, error: i32) -> i32 {
        let Coding { top, near, .. } = self.coding;
        let step = 2 * near + 1;
        let value = guess + error * step;
        let value = if value < -near {
            value + self.range * step
        } else if value > top + near {
            value - self.range * step
        } else {
            value
        };
        value.clamp(0, top)
    }

    /// The length of a run, at most `rest` (section A.7.1).
    fn run(&mut self, index: &mut usize, rest: usize) -> Result<usize, String> {
        let mut length = 0;
        while self.bits.take(1)? == 1 {
            let step = 1 << RUN_BITS[*index];
            if rest - length >= step {
                *index = (*index + 1).min(31);
            }
            length += step.min(rest - length);
            if length == rest {
                return Ok(rest);
            }
        }
        length += self.bits.take(RUN_BITS[*index])? as usize;
        if length >= rest {
            return Err("damaged: a JPEG-LS run beyond its line".into());
        }
        Ok(length)
    }

    /// The sample that ends a run (section A.7.2); `like_left`: its neighbours agree (RItype).
    fn interruption(&mut self, left: i32, above: i32, like_left: bool, run: usize) -> Result<i32, String> {
        let kind = i32::from(like_left);
        let RunContext { sum, count, negative } = self.runs[kind as usize];
        let k = golomb_parameter(sum + kind * (count >> 1), count)?;
        let code = self.golomb(k, self.limit - RUN_BITS[run] - 1)?;
        let odd = (code + kind) & 1;
        let size = (code + kind + odd) >> 1;
        let leans = k != 0 || 2 * negative >= count;
        let error = if leans == (odd == 1) { -size } else { size };
        self.runs[kind as usize].update(error, (code + 1 - kind) >> 1, self.coding.reset)?;
        let (guess, sign) = match (like_left, left > above) {
            (true, _) => (left, 1),
            (false, true) => (above, -1),
            (false, false) => (above, 1),
        };
        Ok(self.reconstruct(guess, sign * error))
    }

    /// A Golomb code with `k` low bits, at most `limit` bits long (section A.5.3).
    #[inline]
    fn golomb(&mut self, k: u32, limit: u32) -> Result<i32, String> {
        let most = limit - self.error_bits - 1;
        let zeros = self.bits.zeros(most)?.ok_or("damaged: a JPEG-LS code that is too long")?;
        let code = if zeros < most {
            (zeros << k) | self.bits.take(k)?
        } else {
            self.bits.take(self.error_bits)? + 1
        };
        if code > 1 << 18 {
            return Err(damaged());
        }
        Ok(code as i32)
    }
}

/// The least k for which `count << k` reaches `sum`.
#[inline]
fn golomb_parameter(sum: i32, count: i32) -> Result<u32, String> {
    (0..=16).find(|k| i64::from(count) << k >= sum.into()).ok_or_else(damaged)
}

impl Context {
    /// Takes an error into account (section A.6).
    #[inline]
    fn update(&mut self, error: i32, step: i32, reset: i32) -> Result<(), String> {
        self.bias += error * step;
        self.sum += error.abs();
        if self.sum > 1 << 29 || self.bias.abs() > 1 << 29 {
            return Err(damaged());
        }
        if self.count == reset {
            self.sum >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
        Ok(())
    }
}

impl RunContext {
    fn update(&mut self, error: i32, sum: i32, reset: i32) -> Result<(), String> {
        self.negative += i32::from(error < 0);
        self.sum += sum;
        if self.sum > 1 << 29 {
            return Err(damaged());
        }
        if self.count == reset {
            self.sum >>= 1;
            self.count >>= 1;
            self.negative >>= 1;
        }
        self.count += 1;
        Ok(())
    }
}

fn damaged() -> String {
    "damaged: JPEG-LS errors beyond all bounds".into()
}
