//! Early stopping (Prechelt 1998, "Early Stopping - But When?"): train until the validation loss has not improved for
//! `patience` epochs, then use the weights of the best epoch.
//!
//! Invariant: a loss that is not finite never becomes the best, and an equal one is no improvement.

use serde::{Deserialize, Serialize};

/// What early stopping remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stopper {
    /// The lowest validation loss so far; where AUROC decides, what its highest lacks of 1.
    pub best_loss: Option<f64>,
    /// Its epoch, counted from 1; 0 before the first.
    pub best_epoch: u64,
    /// Epochs since then.
    pub waited: u64,
}

impl Stopper {
    /// Takes an epoch's validation loss; whether it is the best so far.
    pub fn observe(&mut self, epoch: u64, loss: f64) -> bool {
        let improved = loss.is_finite() && self.best_loss.is_none_or(|best| loss < best);
        if improved {
            *self = Self { best_loss: Some(loss), best_epoch: epoch, waited: 0 };
        } else {
            self.waited += 1;
        }
        improved
    }

    /// Whether to stop; a patience of 0 never does.
    pub fn exhausted(&self, patience: u64) -> bool {
        patience > 0 && self.waited >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(losses: &[f64], patience: u64) -> (Vec<bool>, Stopper, Option<usize>) {
        let mut stopper = Stopper::default();
        let mut stopped = None;
        let mut improved = vec![];
        for (epoch, &loss) in losses.iter().enumerate() {
            improved.push(stopper.observe(epoch as u64 + 1, loss));
            if stopper.exhausted(patience) {
                stopped.get_or_insert(epoch + 1);
            }
        }
        (improved, stopper, stopped)
    }

    #[test]
    fn stops_when_patience_runs_out() {
        let (improved, stopper, stopped) = run(&[0.9, 0.5, 0.6, 0.7, 0.4], 2);
        assert_eq!(improved, [true, true, false, false, true]);
        assert_eq!(stopped, Some(4));
        assert_eq!((stopper.best_loss, stopper.best_epoch, stopper.waited), (Some(0.4), 5, 0));
    }

    #[test]
    fn an_equal_loss_is_no_improvement() {
        assert_eq!(
            run(&[0.5, 0.5, 0.5], 2),
            (vec![true, false, false], Stopper { best_loss: Some(0.5), best_epoch: 1, waited: 2 }, Some(3))
        );
    }

    #[test]
    fn without_patience_it_never_stops() {
        assert_eq!(run(&[0.1, 1.0, 2.0, 3.0], 0).2, None);
    }

    #[test]
    fn what_is_not_finite_is_never_best() {
        let (improved, stopper, _) = run(&[f64::NAN, f64::INFINITY, 3.0], 5);
        assert_eq!(improved, [false, false, true]);
        assert_eq!(stopper.best_epoch, 3);
    }
}
