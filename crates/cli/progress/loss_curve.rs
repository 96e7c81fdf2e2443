//! The loss as a picture of characters: training as a line of braille dots, validation as marks.
//!
//! Invariant: memory and time do not grow with the run. Losses are kept as means over a number of steps that doubles
//! whenever there are too many of them.

/// Means that are kept at most; more than there are dots in a row of most terminals.
const MOST: usize = 512;
/// The height of the picture, in characters; each has 2 x 4 dots.
const ROWS: usize = 8;

/// Losses of consecutive steps, and those of validations between them.
pub struct LossCurve {
    /// The sum and the number of the losses of `stride` steps each; the last ones may be fewer.
    train: Vec<(f64, usize)>,
    stride: usize,
    steps: usize,
    /// After how many steps, and the loss.
    val: Vec<(usize, f64)>,
}

impl Default for LossCurve {
    fn default() -> Self {
        Self { train: vec![], stride: 1, steps: 0, val: vec![] }
    }
}

impl LossCurve {
    /// Adds the training loss of the next step.
    pub fn step(&mut self, loss: f64) {
        self.steps += 1;
        match self.train.last_mut() {
            Some((sum, count)) if *count < self.stride => (*sum, *count) = (*sum + loss, *count + 1),
            _ => self.train.push((loss, 1)),
        }
        if self.train.len() > MOST {
            let pair = |pair: &[(f64, usize)]| pair.iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            self.train = self.train.chunks(2).map(pair).collect();
            self.stride *= 2;
        }
    }

    /// Adds a validation loss.
    pub fn validation(&mut self, loss: f64) {
        self.val.push((self.steps, loss));
    }

    /// The picture, `columns` wide, a line a row, with the highest and the lowest loss in front; empty before the first
    /// step.
    pub fn lines(&self, columns: usize) -> Vec<String> {
        let dots: Vec<f64> = (0..2 * columns).filter_map(|dot| self.at(dot, 2 * columns)).collect();
        let all = || dots.iter().copied().chain(self.val.iter().map(|&(_, loss)| loss));
        let (Some(low), Some(high)) = (all().reduce(f64::min), all().reduce(f64::max)) else { return vec![] };
        // Of a loss, in dots from the top.
        let height = |loss: f64| {
            let share = (high - loss) / (high - low).max(f64::MIN_POSITIVE);
            (share * (4 * ROWS - 1) as f64).round() as usize
        };
        let mut picture = vec![vec!['\u{2800}'; columns]; ROWS];
        let mut before = height(dots[0]);
        for (x, &loss) in dots.iter().enumerate() {
            // The dots between two heights join them.
            let y = height(loss);
            for y in y.min(before)..=y.max(before) {
                let cell = &mut picture[y / 4][x / 2];
                *cell = with_dot(*cell, x % 2, y % 4);
            }
            before = y;
        }
        for &(step, loss) in &self.val {
            let column = step * columns / self.steps.max(1);
            picture[height(loss) / 4][column.min(columns - 1)] = 'o';
        }
        let line = |(row, cells): (usize, &Vec<char>)| {
            let label = match row {
                0 => label(high),
                _ if row == ROWS - 1 => label(low),
                _ => String::new(),
            };
            format!("{label:>8} {}", cells.iter().collect::<String>())
        };
        picture.iter().enumerate().map(line).collect()
    }

    /// The training loss at a dot of a row of so many, between the two means next to it.
    fn at(&self, dot: usize, dots: usize) -> Option<f64> {
        let mean = |at: usize| self.train.get(at).map(|&(sum, count)| sum / count as f64);
        let last = self.train.len().checked_sub(1)?;
        let at = dot as f64 / (dots - 1) as f64 * last as f64;
        let (left, share) = (at as usize, at.fract());
        let right = (left + 1).min(last);
        Some(mean(left)? * (1.0 - share) + mean(right)? * share)
    }
}

/// `cell` with one more of its dots. Unicode numbers the upper six by column, then the lowest two.
fn with_dot(cell: char, x: usize, y: usize) -> char {
    let bit = if y == 3 { 6 + x } else { 3 * x + y };
    char::from_u32(cell as u32 | 1 << bit).unwrap_or(cell)
}

fn label(loss: f64) -> String {
    if loss < 1000.0 { format!("{loss:.3}") } else { format!("{loss:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 60;

    #[test]
    fn a_falling_loss_is_a_falling_line() {
        let mut curve = LossCurve::default();
        assert!(curve.lines(COLUMNS).is_empty());
        for step in 0..120 {
            curve.step(1.0 - f64::from(step) / 119.0);
        }
        curve.validation(1.0);
        // 31 dots down in 119 to the right: half a dot down after two, and before the last two.
        let lines = curve.lines(COLUMNS);
        assert_eq!(lines.len(), ROWS);
        assert!(lines[0].starts_with("   1.000 ⠉⠓"), "{}", lines[0]);
        assert!(lines[0].ends_with('o'));
        assert!(lines[ROWS - 1].starts_with("   0.000 ⠀"));
        assert!(lines[ROWS - 1].ends_with('⣄'), "{}", lines[ROWS - 1]);
        for columns in [1, COLUMNS, 300] {
            assert!(curve.lines(columns).iter().all(|line| line.chars().count() == columns + 9));
        }
    }

    #[test]
    fn a_long_run_needs_no_more_memory_and_keeps_its_means() {
        let mut curve = LossCurve::default();
        for step in 0..100_000 {
            curve.step(f64::from(step % 2));
        }
        assert!(curve.train.len() <= MOST);
        let whole = &curve.train[..curve.train.len() - 1];
        assert!(whole.iter().all(|&(sum, count)| count == curve.stride && sum * 2.0 == count as f64));
        assert_eq!(curve.train.iter().map(|mean| mean.1).sum::<usize>(), 100_000);
    }

    #[test]
    fn one_step_and_one_loss_are_drawn() {
        let mut curve = LossCurve::default();
        curve.step(0.5);
        assert_eq!(curve.lines(COLUMNS)[0].chars().nth(9), Some('⠉'));
    }
}
