//! What goes wrong in a training that still ends: a loss that explodes, a class that is never called.

use crate::{EpochLine, Predictions};
use model::{Metadata, list_names};
use predict::predicted_class;

/// A mean cross-entropy of so many times that of guessing is no uncertainty any more: the weights have run away. A
/// network that is wrong and very sure stays below, in the first epochs too.
const EXPLODED: f64 = 20.0;

/// Whether losses of a network with `classes` classes say that it has exploded.
pub(crate) fn has_exploded(train_loss: f64, val_loss: f64, classes: usize) -> bool {
    train_loss.max(val_loss) > EXPLODED * guessing(classes)
}

/// The cross-entropy of equal probabilities.
fn guessing(classes: usize) -> f64 {
    (classes as f64).ln()
}

/// Of a loss that exploded: the epoch, the learning rate, what is kept and what to try. `table` is `epochs.csv`;
/// nothing, if the weights of `best_epoch` are from after it and better than guessing, for then the network has
/// recovered.
pub(crate) fn exploded(
    table: &str,
    classes: usize,
    best_epoch: u64,
    cure: &dyn Fn(u64) -> Cure,
) -> Option<String> {
    let rows = EpochLine::all_of(table);
    let first = rows.iter().find(|row| has_exploded(row.train_loss, row.val_loss, classes))?;
    let recovered = |row: &EpochLine| {
        row.epoch == best_epoch && row.epoch > first.epoch && row.val_loss < guessing(classes)
    };
    if rows.iter().any(recovered) {
        return None;
    }
    Some(
        words(first.epoch, first.train_loss.max(first.val_loss), classes, first.lr, &cure(first.epoch))
            + &format!("; the weights that are kept are of epoch {best_epoch}"),
    )
}

/// What may keep a loss from exploding: the option of the rate that trains, and whether a warm-up can be had.
pub(crate) struct Cure {
    pub option: &'static str,
    pub warmup: bool,
}

impl Cure {
    /// In words, where no rate can be named.
    pub fn words(&self) -> String {
        let warmup = if self.warmup { ", --warmup 1" } else { "" };
        format!("a lower {}{warmup}", self.option)
    }
}

/// What is said where the best epoch should be best by an AUROC that does not exist.
pub(crate) fn no_auroc(has_findings: bool) -> String {
    let why = match has_findings {
        true => "in the validation split no finding is there in some images and not in others",
        false => "the validation split has images of one class only",
    };
    format!("{why}, so there is no AUROC (--best-by auroc): the best epoch is that of the lowest loss")
}

/// Whether an epoch of `table`, which is `epochs.csv`, has an AUROC.
pub(crate) fn has_auroc(table: &str) -> bool {
    EpochLine::all_of(table).iter().any(|row| row.val_auroc.is_some())
}

/// The same of an epoch, in a line, with its rate and the option that sets it.
pub(crate) fn words(epoch: u64, loss: f64, classes: usize, lr: f64, cure: &Cure) -> String {
    let loss = if loss < 1e4 { format!("{loss:.1}") } else { format!("{loss:.1e}") };
    // One digit, as people type it.
    let lower: f64 = format!("{:.0e}", lr / 10.0).parse().unwrap_or(lr);
    let (option, warmup) = (cure.option, if cure.warmup { ", or --warmup 1" } else { "" });
    format!(
        "the loss exploded in epoch {epoch}: {loss}, where guessing gives {:.2}, at a learning rate of {lr}; try {option} \
         {lower}{warmup}",
        guessing(classes)
    )
}

/// Of classes that the model calls none of the validation images, though some are of them.
pub(crate) fn never_called(
    metadata: &Metadata,
    predictions: &Predictions,
    labels: &[usize],
) -> Option<String> {
    let classes = &metadata.classes;
    let mut called = vec![false; classes.len()];
    let rows = predictions.probabilities.chunks_exact(classes.len());
    rows.for_each(|row| called[predicted_class(metadata, row)] = true);
    let never: Vec<&String> = (0..classes.len())
        .filter(|class| !called[*class] && labels.contains(class))
        .map(|class| &classes[class])
        .collect();
    (!never.is_empty()).then(|| {
        format!(
            "no image of the validation split is called {}, though it has some; try more --epochs, another --lr or \
             --class-weights balanced",
            list_names(&never)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(losses: &[(f64, f64)]) -> String {
        let mut table = "epoch,train_loss,val_loss,val_accuracy,val_auroc,lr,seconds,best\n".to_owned();
        for (i, (train, val)) in losses.iter().enumerate() {
            table += &format!("{},{train:e},{val:e},0.5,,0.5,1.00,0\n", i + 1);
        }
        table
    }

    #[test]
    fn a_loss_that_explodes_is_told_with_its_epoch_and_rate() {
        let words = exploded(&table(&[(0.7, 0.7), (3.0, 1.2e11), (2.0, 1e9)]), 2, 1, &|_| Cure {
            option: "--lr",
            warmup: true,
        })
        .unwrap();
        for part in ["in epoch 2", "1.2e11", "gives 0.69", "rate of 0.5", "--lr 0.05,", "kept are of epoch 1"]
        {
            assert!(words.contains(part), "{part}: {words}");
        }
        // In training only.
        assert!(
            exploded(&table(&[(0.7, 0.7), (100.0, 0.7)]), 2, 1, &|_| Cure { option: "--lr", warmup: true })
                .is_some()
        );
        // Wrong and very sure, but no explosion: twenty classes may lose more than two.
        assert_eq!(
            exploded(&table(&[(0.7, 13.0), (0.7, 0.8)]), 2, 2, &|_| Cure { option: "--lr", warmup: true }),
            None
        );
        let of_two = table(&[(0.7, 20.0)]);
        assert!(
            exploded(&of_two, 2, 1, &|_| Cure { option: "--lr", warmup: true }).is_some()
                && exploded(&of_two, 20, 1, &|_| Cure { option: "--lr", warmup: true }).is_none()
        );
    }

    #[test]
    fn a_network_that_has_recovered_is_not_complained_of() {
        let losses = [(40.0, 50.0), (1.0, 0.9), (0.5, 0.4)];
        assert_eq!(exploded(&table(&losses), 2, 3, &|_| Cure { option: "--lr", warmup: true }), None);
        // No better than guessing, or not the weights that are kept.
        assert!(exploded(&table(&losses[..2]), 2, 2, &|_| Cure { option: "--lr", warmup: true }).is_some());
        assert!(exploded(&table(&losses), 2, 1, &|_| Cure { option: "--lr", warmup: true }).is_some());
    }

    #[test]
    fn a_class_that_is_never_called_is_told() {
        let named = model::Architecture::named("mobilenet-v1").unwrap();
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        let architecture = model::Architecture { classes: 3, ..named };
        let metadata = Metadata::new(architecture, classes, model::Preprocessing::new(1, [224; 2]));
        let rows = [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]].concat();
        let predictions = Predictions {
            indices: vec![0, 1],
            log_probabilities: rows.iter().map(|p: &f64| p.ln()).collect(),
            probabilities: rows,
        };
        let words = never_called(&metadata, &predictions, &[0, 1]).unwrap();
        assert!(words.contains("is called b, though"), "{words}");
        // No image is of it.
        assert_eq!(never_called(&metadata, &predictions, &[0, 2]), None);
    }
}
