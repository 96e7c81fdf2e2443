//! Class activation maps (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization").
//!
//! The last feature map `f: [h, w, c]` is averaged over its cells and multiplied by the classifier's weights. Both are
//! linear, so they may be exchanged: `CAM_k(y, x) = sum_c weight[k, c] * f(y, x, c)` is what each cell contributes.
//!
//! Invariant: the mean of `CAM_k` plus `bias[k]` is the logit of class k.

use crate::dense::{Axis, Heatmap, heatmap};
use infer::Plan;
use kernels::Level;
use model::Model;

/// A model that shows where it looks.
pub struct Cam {
    plan: Plan,
    /// `[classes, features]`
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Height and width.
    axes: [Axis; 2],
    channels: usize,
    findings: bool,
}

/// What each cell of the last feature map contributes to each class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassMaps {
    /// Height and width in cells.
    pub cells: [usize; 2],
    /// `[classes, h, w]`: the mean over a class's cells plus its bias is its logit.
    pub maps: Vec<f32>,
    /// `[classes]`
    pub bias: Vec<f32>,
    /// `[classes]`, as the network computed them.
    pub logits: Vec<f32>,
    /// Whether each class is a finding, with a probability by itself.
    pub findings: bool,
}

impl Cam {
    /// For `model`, one image at a time.
    ///
    /// # Errors
    /// When the model's parts do not agree.
    pub fn new(model: &Model) -> Result<Self, infer::Error> {
        let network = model.network()?;
        let plan = Plan::with_features(&network, &model.weights, Level::current())?;
        let tensor =
            |part: &str| model.weights[format!("{}.{part}", network.classifier).as_str()].data().to_vec();
        let axes = [0, 1].map(|axis| Axis::of(&network, axis));
        let (weight, bias) = (tensor("weight"), tensor("bias"));
        let findings = model.metadata.has_findings();
        Ok(Self { plan, weight, bias, axes, channels: network.channels, findings })
    }

    /// The exact maps of a preprocessed `image: [h, w, channels]`.
    ///
    /// # Panics
    /// When the length is not that of one image.
    pub fn class_maps(&mut self, image: &[f32]) -> ClassMaps {
        let mut logits = vec![0.0; self.bias.len()];
        self.plan.run(image, &mut logits);
        let features = self.plan.features().expect("the plan was made with features");
        let count = self.weight.len() / self.bias.len();
        let cell = |row: &[f32], cell: &[f32]| -> f32 {
            let products = row.iter().zip(cell).map(|(&w, &f)| f64::from(w) * f64::from(f));
            products.sum::<f64>() as f32
        };
        let of_class = |row| features.chunks_exact(count).map(move |f| cell(row, f));
        let maps = self.weight.chunks_exact(count).flat_map(of_class).collect();
        let (cells, bias) = (self.axes.map(|axis| axis.cells), self.bias.clone());
        ClassMaps { cells, maps, bias, logits, findings: self.findings }
    }

    /// The evidence for `class` at every pixel of a preprocessed `image`.
    ///
    /// # Panics
    /// As [`Cam::class_maps`], or when there is no such class.
    pub fn heatmap(&mut self, image: &[f32], class: usize) -> Heatmap {
        let (axes, channels) = (self.axes, self.channels);
        heatmap(axes, channels, image, |image| self.class_maps(image).evidence(class))
    }
}

impl ClassMaps {
    /// What the cells contribute to `class` over the mean of the other classes; to a finding, whatever the others are. With
    /// two classes it is the difference of the two maps.
    pub fn evidence(&self, class: usize) -> Vec<f32> {
        let cells = self.cells[0] * self.cells[1];
        let of_cell = |i: usize| self.maps.iter().skip(i).step_by(cells).copied().collect::<Vec<f32>>();
        (0..cells).map(|i| margin(&of_cell(i), class, self.findings)).collect()
    }
}

/// The value of `class` over the mean of the others: adding the same to all logits changes no probability of a softmax, so
/// only this difference means anything. Of `findings` each has a sigmoid of its own, so the value itself does.
pub(crate) fn margin(values: &[f32], class: usize, findings: bool) -> f32 {
    if findings {
        return values[class];
    }
    let (own, all) = (values[class], values.iter().sum::<f32>());
    own - (all - own) / (values.len() - 1) as f32
}
