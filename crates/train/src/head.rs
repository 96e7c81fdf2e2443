//! The classifier of a run that begins with the weights of another model (`--init`).
//!
//! A row of a classifier means the class that it was trained for, not its number: so rows are matched by the names of
//! classes, wherever they stand, and a class that the other model does not know begins with a fresh row. How many
//! classes there are says nothing.
//!
//! Softmax sees differences between logits only, so the rows of a trained classifier are known up to a vector that is
//! added to all of them. Kept rows among themselves need no care: restricted to them, softmax gives the probabilities
//! that the old model gives, given that the answer is one of them. Beside fresh rows, whose logits begin at 0, that
//! vector matters; it is chosen so that the rows of all the old classes sum to 0. A fresh class then begins where an
//! average old class stands, neither sure nor impossible.
//!
//! A fresh row is 0, not random as in a network that begins from nothing: the features below are trained and differ
//! already, so nothing has to be broken apart by chance, and a random row would first have to be unlearned. On few
//! images, or with `--freeze`, it may even rank them the wrong way round for many steps.

use model::{Array, Model, Weights, list_names};
use nn::Learner;
use serde::Serialize;
use std::fmt::{Display, Formatter};

/// What became of the classifier of `--init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Classes whose rows were kept.
    pub kept: Vec<String>,
    /// Classes that began with fresh rows.
    pub fresh: Vec<String>,
    /// Classes of the other model that are none of this run.
    pub left: Vec<String>,
    /// Whether kept rows changed their order.
    pub moved: bool,
}

/// The weights of `init` with a classifier for `classes`, which is that of `network` in shape.
pub(crate) fn adopt(init: Model, classes: &[String], network: &Learner) -> (Weights, Head) {
    let Model { metadata, mut weights } = init;
    let old = &metadata.classes;
    // An import without names counts its classes: "class 0" is then nothing that a data set could agree with.
    let numbered = || old.iter().enumerate().all(|(i, class)| *class == format!("class {i}"));
    let nameless = metadata.provenance.config.get("imported").is_some() && numbered();
    let find = |class: &String| old.iter().position(|known| known == class).filter(|_| !nameless);
    let rows: Vec<Option<usize>> = classes.iter().map(find).collect();
    let any_fresh = rows.contains(&None);

    let fresh = network.weights();
    let classifier = &network.spec().classifier;
    for name in ["weight", "bias"].map(|part| format!("{classifier}.{part}")) {
        let mut new = fresh[name.as_str()].clone();
        new.data_mut().fill(0.0);
        if let Some(trained) = weights.get(&name) {
            lay_rows(&mut new, trained, &rows, old.len(), any_fresh);
        }
        weights.insert(name, new);
    }
    let named = |kept: bool| {
        let chosen = classes.iter().zip(&rows).filter(move |(_, row)| row.is_some() == kept);
        chosen.map(|(class, _)| class.clone()).collect()
    };
    let kept: Vec<usize> = rows.iter().flatten().copied().collect();
    let head = Head {
        kept: named(true),
        fresh: named(false),
        left: (0..old.len()).filter(|row| !kept.contains(row)).map(|row| old[row].clone()).collect(),
        moved: !kept.is_sorted(),
    };
    (weights, head)
}

/// Puts rows of `trained`, a tensor of `count` rows, into `new`; less the mean of all of them if they stand beside
/// fresh ones.
fn lay_rows(new: &mut Array, trained: &Array, rows: &[Option<usize>], count: usize, centred: bool) {
    let length = trained.data().len() / count.max(1);
    if length == 0 || new.data().len() != length * rows.len() {
        // Of another network: the check of the weights says so.
        return;
    }
    let mut mean = vec![0.0; length];
    if centred {
        for row in trained.data().chunks_exact(length) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value) / count as f64);
        }
    }
    for (target, row) in new.data_mut().chunks_exact_mut(length).zip(rows) {
        if let Some(row) = row {
            let source = &trained.data()[row * length..][..length];
            for ((target, value), mean) in target.iter_mut().zip(source).zip(&mean) {
                *target = (f64::from(*value) - mean) as f32;
            }
        }
    }
}

impl Display for Head {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let [kept, fresh, left] = [&self.kept, &self.fresh, &self.left].map(|names| list_names(names));
        if self.kept.is_empty() {
            write!(f, "a fresh classifier for {fresh}: none of them is a class of the model ({left})")
        } else if !self.fresh.is_empty() {
            write!(f, "its classifier is kept for {kept}; fresh rows for {fresh}, which it does not know")
        } else if !self.left.is_empty() {
            write!(f, "its classifier is kept for {kept}; rows of other classes are left out: {left}")
        } else if self.moved {
            write!(f, "its classifier is kept, with rows in the order of these classes: {kept}")
        } else {
            write!(f, "its classifier is kept, for the same classes: {kept}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Architecture, Metadata, Preprocessing};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    fn architecture(classes: usize) -> Architecture {
        let named = Architecture::named("mobilenet-v1").unwrap();
        Architecture { width: 0.25, image_size: [32; 2], channels: 1, classes, ..named }
    }

    /// A model whose classifier's row `i` is `i + 1` times the numbers `1, 2, 3, ...` in its weights, `10 i` in its
    /// bias.
    fn model(classes: &[&str]) -> Model {
        let architecture = architecture(classes.len());
        let network = Learner::new(architecture.network().unwrap(), 1);
        let mut weights = network.weights();
        let classifier = network.spec().classifier.clone();
        let weight = weights.get_mut(&format!("{classifier}.weight")).unwrap();
        let length = weight.data().len() / classes.len();
        for (at, value) in weight.data_mut().iter_mut().enumerate() {
            *value = ((at / length + 1) * (at % length + 1)) as f32;
        }
        let bias = weights.get_mut(&format!("{classifier}.bias")).unwrap();
        bias.data_mut().iter_mut().enumerate().for_each(|(at, value)| *value = 10.0 * at as f32);
        let metadata = Metadata::new(architecture, names(classes), Preprocessing::new(1, [32; 2]));
        Model::new(metadata, weights).unwrap()
    }

    /// What a fresh row is.
    const FRESH: (f32, f32) = (0.0, 0.0);

    /// The first weight and the bias of each row, and what is said.
    fn adopted(init: Model, classes: &[&str]) -> (Vec<(f32, f32)>, Head) {
        let network = Learner::new(architecture(classes.len()).network().unwrap(), 7);
        let classifier = network.spec().classifier.clone();
        let rows = |weights: &Weights| {
            let [weight, bias] = ["weight", "bias"].map(|part| &weights[&*format!("{classifier}.{part}")]);
            let length = weight.data().len() / classes.len();
            weight.data().chunks_exact(length).map(|row| row[0]).zip(bias.data().iter().copied()).collect()
        };
        let (weights, head) = adopt(init, &names(classes), &network);
        weights.check(network.spec()).unwrap();
        (rows(&weights), head)
    }

    #[test]
    fn rows_follow_their_names() {
        let (rows, head) = adopted(model(&["a", "b", "c"]), &["a", "b", "c"]);
        assert_eq!(rows, [(1.0, 0.0), (2.0, 10.0), (3.0, 20.0)]);
        assert_eq!(head.to_string(), "its classifier is kept, for the same classes: a, b, c");
        let (rows, head) = adopted(model(&["a", "b", "c"]), &["c", "a", "b"]);
        assert_eq!(rows, [(3.0, 20.0), (1.0, 0.0), (2.0, 10.0)]);
        assert!(head.moved && head.fresh.is_empty(), "{head:?}");
        let (rows, head) = adopted(model(&["a", "b", "c"]), &["b", "c"]);
        assert_eq!(rows, [(2.0, 10.0), (3.0, 20.0)]);
        assert_eq!((head.left.clone(), head.moved), (names(&["a"]), false));
    }

    #[test]
    fn other_names_get_a_fresh_classifier_whatever_their_number() {
        for classes in [&["ape", "zebra"][..], &["A", "B"], &["ape", "yak", "zebra"]] {
            let (rows, head) = adopted(model(&["a", "b"]), classes);
            assert_eq!(rows, vec![FRESH; classes.len()]);
            assert_eq!((head.kept.len(), head.fresh.len()), (0, classes.len()));
            assert!(head.to_string().starts_with("a fresh classifier for"), "{head}");
        }
    }

    /// Beside fresh rows, old ones stand around the mean of all old rows: (1, 2, 3) - 2 and (0, 10, 20) - 10.
    #[test]
    fn known_rows_beside_fresh_ones_are_centred() {
        let (rows, head) = adopted(model(&["a", "b", "c"]), &["a", "new", "c"]);
        assert_eq!((rows[0], rows[2]), ((-1.0, -10.0), (1.0, 10.0)));
        assert_eq!(rows[1], FRESH);
        assert_eq!((head.kept, head.fresh, head.left), (names(&["a", "c"]), names(&["new"]), names(&["b"])));
    }

    #[test]
    fn numbers_that_an_import_gave_are_no_names() {
        let mut init = model(&["class 0", "class 1"]);
        let (rows, _) = adopted(init.clone(), &["class 0", "class 1"]);
        assert_eq!(rows[1], (2.0, 10.0));
        init.metadata.provenance.config = serde_json::json!({ "imported": "torchvision" });
        let (rows, _) = adopted(init, &["class 0", "class 1"]);
        assert_eq!(rows, [FRESH; 2]);
    }
}
