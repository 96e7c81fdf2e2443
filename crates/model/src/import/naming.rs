//! What other programs call a MobileNet's layers.
//!
//! Names are made from our description of the network, never taken apart: a dialect is one function from a layer's place
//! to its name, which serves import and export alike. A file speaks the dialect that names most of its layers.

use super::options::Naming;
use crate::Architecture;
use crate::network::{ConvKind, Network};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Where a layer stands. Blocks count from 0, after the stem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// The first convolution.
    Stem,
    /// The 1x1 convolution that begins a bottleneck.
    Expand(usize),
    /// The depthwise convolution of a block.
    Depthwise(usize),
    /// The 1x1 convolution that ends a block.
    Project(usize),
    /// The last convolution of MobileNetV2.
    Head,
    /// The dense layer.
    Classifier,
}

/// A layer with tensors of its own: a convolution, the norm after it, or the classifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Module {
    /// Its name in our files.
    pub ours: String,
    pub place: Place,
    pub is_norm: bool,
}

/// The modules of a network, in order of execution.
pub(crate) fn modules(network: &Network) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut add = |name: &str, place, is_norm| modules.push(Module { ours: name.to_owned(), place, is_norm });
    for (number, block) in network.blocks.iter().enumerate() {
        for (at, conv) in block.convs.iter().enumerate() {
            let place = match (conv.kind, at) {
                (ConvKind::Full, _) => Place::Stem,
                (ConvKind::Depthwise, _) => Place::Depthwise(number - 1),
                (ConvKind::Pointwise, 0) if block.convs.len() == 1 => Place::Head,
                (ConvKind::Pointwise, 0) => Place::Expand(number - 1),
                (ConvKind::Pointwise, _) => Place::Project(number - 1),
            };
            add(&conv.name, place, false);
            if let Some(norm) = &conv.norm {
                add(&norm.name, place, true);
            }
        }
    }
    add(&network.classifier, Place::Classifier, false);
    modules
}

/// One program's names for one architecture.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    pub name: &'static str,
    pub arch: &'static str,
    /// Whose padding, epsilon and preprocessing go with it; our own names go with both.
    pub naming: Option<Naming>,
    /// Its scaling of pixels, where that is another than the naming's.
    pub scaling: Option<&'static str>,
    module: fn(&Module) -> String,
}

const V1: &str = "mobilenet-v1";
const V2: &str = "mobilenet-v2";

const KERAS: [Dialect; 2] = [
    dialect("Keras", V1, Some(Naming::Keras), keras_v1),
    dialect("Keras", V2, Some(Naming::Keras), keras_v2),
];

const DIALECTS: [Dialect; 11] = [
    dialect("Vertebra", V1, None, ours),
    dialect("torchvision", V2, Some(Naming::Torchvision), ours),
    dialect("TensorFlow-slim", V1, Some(Naming::Tf), slim_v1),
    KERAS[0],
    KERAS[1],
    dialect("Keras' classes", V1, Some(Naming::Keras), classes_v1),
    dialect("Keras' classes", V2, Some(Naming::Keras), classes_v2),
    Dialect { scaling: Some("tf"), ..dialect("timm", V1, Some(Naming::Torchvision), timm_v1) },
    dialect("timm", V2, Some(Naming::Torchvision), timm_v2),
    dialect("transformers", V1, Some(Naming::Tf), hub_v1),
    dialect("transformers", V2, Some(Naming::Tf), hub_v2),
];

const fn dialect(
    name: &'static str,
    arch: &'static str,
    naming: Option<Naming>,
    module: fn(&Module) -> String,
) -> Dialect {
    Dialect { name, arch, naming, scaling: None, module }
}

/// Keras' names for the layers of `arch`.
pub(crate) fn keras(arch: &str) -> Dialect {
    KERAS[usize::from(arch != V1)]
}

fn ours(module: &Module) -> String {
    module.ours.clone()
}

/// tensorflow/models, `research/slim/nets/mobilenet_v1.py`.
fn slim_v1(module: &Module) -> String {
    let conv = match module.place {
        Place::Stem => "Conv2d_0".into(),
        Place::Depthwise(block) => format!("Conv2d_{}_depthwise", block + 1),
        Place::Classifier => "Logits.Conv2d_1c_1x1".into(),
        Place::Expand(block) | Place::Project(block) => format!("Conv2d_{}_pointwise", block + 1),
        Place::Head => "Conv2d_14".into(),
    };
    if module.is_norm { conv + ".BatchNorm" } else { conv }
}

/// keras-team/keras, `keras/src/applications/mobilenet.py`.
fn keras_v1(module: &Module) -> String {
    let conv = match module.place {
        Place::Stem => "conv1".into(),
        Place::Depthwise(block) => format!("conv_dw_{}", block + 1),
        Place::Classifier => "conv_preds".into(),
        Place::Expand(block) | Place::Project(block) => format!("conv_pw_{}", block + 1),
        Place::Head => "conv_pw_14".into(),
    };
    if module.is_norm { conv + "_bn" } else { conv }
}

/// keras-team/keras, `keras/src/applications/mobilenet_v2.py`.
fn keras_v2(module: &Module) -> String {
    let block = |number: usize, step: &str| match number {
        0 => format!("expanded_conv_{step}"),
        _ => format!("block_{number}_{step}"),
    };
    let conv = match module.place {
        Place::Stem if module.is_norm => return "bn_Conv1".into(),
        Place::Head if module.is_norm => return "Conv_1_bn".into(),
        Place::Stem => "Conv1".into(),
        Place::Expand(number) => block(number, "expand"),
        Place::Depthwise(number) => block(number, "depthwise"),
        Place::Project(number) => block(number, "project"),
        Place::Head => "Conv_1".into(),
        Place::Classifier => "predictions".into(),
    };
    if module.is_norm { conv + "_BN" } else { conv }
}

/// Keras 3's `.weights.h5` files: layers are counted by class.
fn classes_v1(module: &Module) -> String {
    match module.place {
        Place::Stem if module.is_norm => counted("batch_normalization", 0),
        Place::Depthwise(block) if module.is_norm => counted("batch_normalization", 2 * block + 1),
        Place::Expand(block) | Place::Project(block) if module.is_norm => {
            counted("batch_normalization", 2 * block + 2)
        }
        Place::Stem => counted("conv2d", 0),
        Place::Depthwise(block) => counted("depthwise_conv2d", block),
        Place::Expand(block) | Place::Project(block) => counted("conv2d", block + 1),
        Place::Head | Place::Classifier => counted("conv2d", 14),
    }
}

/// The same for V2, whose first block has one convolution and one norm less.
fn classes_v2(module: &Module) -> String {
    match module.place {
        Place::Stem if module.is_norm => counted("batch_normalization", 0),
        Place::Expand(block) if module.is_norm => counted("batch_normalization", 3 * block),
        Place::Depthwise(block) if module.is_norm => counted("batch_normalization", 3 * block + 1),
        Place::Project(block) if module.is_norm => counted("batch_normalization", 3 * block + 2),
        Place::Head if module.is_norm => counted("batch_normalization", 51),
        Place::Stem => counted("conv2d", 0),
        Place::Expand(block) => counted("conv2d", 2 * block),
        Place::Depthwise(block) => counted("depthwise_conv2d", block),
        Place::Project(block) => counted("conv2d", 2 * block + 1),
        Place::Head => counted("conv2d", 34),
        Place::Classifier => counted("dense", 0),
    }
}

/// Keras' name of the `number`-th layer of a class.
fn counted(class: &str, number: usize) -> String {
    if number == 0 { class.to_owned() } else { format!("{class}_{number}") }
}

/// huggingface/pytorch-image-models, `mobilenetv1_100`: blocks in stages.
fn timm_v1(module: &Module) -> String {
    timm(module, &[1, 2, 2, 6, 2], ["", "conv_dw", "conv_pw"], ["", "bn1", "bn2"])
}

/// huggingface/pytorch-image-models, `mobilenetv2_100`. The first block does not expand, and is named as V1's.
fn timm_v2(module: &Module) -> String {
    match module.place {
        Place::Depthwise(0) | Place::Project(0) => timm_v1(module),
        _ => timm(module, &[1, 2, 3, 4, 3, 3, 1], ["conv_pw", "conv_dw", "conv_pwl"], ["bn1", "bn2", "bn3"]),
    }
}

fn timm(module: &Module, stages: &[usize], convs: [&str; 3], norms: [&str; 3]) -> String {
    let inside = |block: usize, step: usize| {
        let (mut stage, mut at) = (0, block);
        while stage + 1 < stages.len() && at >= stages[stage] {
            at -= stages[stage];
            stage += 1;
        }
        let step = if module.is_norm { norms[step] } else { convs[step] };
        format!("blocks.{stage}.{at}.{step}")
    };
    match module.place {
        Place::Stem => if module.is_norm { "bn1" } else { "conv_stem" }.into(),
        Place::Expand(block) => inside(block, 0),
        Place::Depthwise(block) => inside(block, 1),
        Place::Project(block) => inside(block, 2),
        Place::Head => if module.is_norm { "bn2" } else { "conv_head" }.into(),
        Place::Classifier => "classifier".into(),
    }
}

/// huggingface/transformers, `MobileNetV1ForImageClassification`: weights of TensorFlow's under PyTorch's names.
fn hub_v1(module: &Module) -> String {
    let layer = match module.place {
        Place::Stem => "conv_stem".into(),
        Place::Depthwise(block) => format!("layer.{}", 2 * block),
        Place::Expand(block) | Place::Project(block) => format!("layer.{}", 2 * block + 1),
        Place::Head => "layer.26".into(),
        Place::Classifier => return "classifier".into(),
    };
    layer + if module.is_norm { ".normalization" } else { ".convolution" }
}

/// The same, `MobileNetV2ForImageClassification`: the first block is a part of the stem.
fn hub_v2(module: &Module) -> String {
    let layer = |block: usize, step: &str| match block.checked_sub(1) {
        None => format!("conv_stem.{step}"),
        Some(layer) => format!("layer.{layer}.{step}"),
    };
    let layer = match module.place {
        Place::Stem => "conv_stem.first_conv".into(),
        Place::Expand(block) => layer(block, "expand_1x1"),
        Place::Depthwise(block) => layer(block, "conv_3x3"),
        Place::Project(block) => layer(block, "reduce_1x1"),
        Place::Head => "conv_1x1".into(),
        Place::Classifier => return "classifier".into(),
    };
    layer + if module.is_norm { ".normalization" } else { ".convolution" }
}

/// What a dialect knows of a file.
pub(super) struct Translation {
    /// Our name for each path that it knows.
    pub names: BTreeMap<String, String>,
    /// Paths of the same network once more, under another prefix: its moving average, say; and that prefix.
    pub copies: BTreeMap<String, String>,
    /// Under which the network stands; empty, or with a dot at its end.
    pub prefix: String,
    /// What it knows, less what it misses.
    score: i64,
}

impl Dialect {
    /// The dialect's name of each module, in order of execution.
    pub(crate) fn names<'a>(&self, modules: &'a [Module]) -> impl Iterator<Item = (String, &'a Module)> {
        let name = self.module;
        modules.iter().map(move |module| (name(module), module))
    }

    /// The modules of the dialect's architecture.
    fn modules(&self) -> Vec<Module> {
        let architecture = Architecture::named(self.arch).and_then(|named| named.network());
        modules(&architecture.expect("published choices make a network"))
    }

    /// What the dialect knows of `paths`, under whatever prefix the stem has; of several, the one with the most layers, then
    /// the shortest.
    fn translate(&self, paths: &BTreeSet<&str>) -> Option<Translation> {
        let modules = self.modules();
        let named: Vec<(String, &Module)> = self.names(&modules).collect();
        let (stem, _) = named.first()?;
        let prefixes = paths.iter().filter_map(|path| {
            let prefix = path.strip_suffix(stem.as_str())?;
            (prefix.is_empty() || prefix.ends_with('.')).then_some(prefix)
        });
        let under = |prefix: &str| -> BTreeMap<String, String> {
            let all = named.iter().map(|(name, module)| (format!("{prefix}{name}"), module.ours.clone()));
            names_of(all.filter(|(name, _)| paths.contains(&**name)))
        };
        let mut found: Vec<(&str, BTreeMap<String, String>)> =
            prefixes.map(|prefix| (prefix, under(prefix))).collect();
        found.sort_by_key(|(prefix, names)| (Reverse(names.len()), prefix.len()));
        let mut found = found.into_iter();
        let (prefix, names) = found.next()?;
        let copies =
            found.flat_map(|(prefix, copy)| copy.into_keys().map(move |path| (path, prefix.to_owned())));
        let copies = names_of(copies.filter(|(path, _)| !names.contains_key(path)));
        let score = 2 * names.len() as i64 - modules.len() as i64;
        Some(Translation { copies, prefix: prefix.to_owned(), score, names })
    }
}

/// A map of names, which come one by one: `collect` sorts them first, by some kilobytes of code for every iterator.
pub(super) fn names_of(pairs: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    names.extend(pairs);
    names
}

/// The dialect that knows the most of `paths` and misses the fewest; none if it knows fewer than a third of them. Layers that
/// are counted by class are taken as if their count began at 0, where that makes more of them known.
pub(super) fn dialect_of(paths: &BTreeSet<&str>) -> Option<(&'static Dialect, Translation)> {
    let counted = recounted(paths);
    let recounted: BTreeSet<&str> = counted.keys().map(String::as_str).collect();
    let known = DIALECTS.iter().flat_map(|dialect| {
        let as_they_are = dialect.translate(paths);
        let again = dialect.translate(&recounted).map(|mut found| {
            let back = |map: BTreeMap<String, String>| {
                names_of(map.into_iter().map(|(path, to)| (counted[&path].clone(), to)))
            };
            (found.names, found.copies) = (back(found.names), back(found.copies));
            found
        });
        // The first of equals is the better one.
        [again, as_they_are].into_iter().flatten().map(move |found| (dialect, found))
    });
    let best = known.max_by_key(|(_, found)| found.score)?;
    (3 * best.1.names.len() + best.1.copies.len() > paths.len()).then_some(best)
}

/// The paths as Keras would have counted their layers in a fresh session, each with the path as it is: `conv2d_7`,
/// `conv2d_8`, `conv2d_10` become `conv2d`, `conv2d_1`, `conv2d_2`.
fn recounted(paths: &BTreeSet<&str>) -> BTreeMap<String, String> {
    const CLASSES: [&str; 4] = ["conv2d", "depthwise_conv2d", "batch_normalization", "dense"];
    let mut layers: BTreeMap<(&str, &str), Vec<(usize, &str)>> = BTreeMap::new();
    let mut result = BTreeMap::new();
    for &path in paths {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let split = name.rsplit_once('_').and_then(|(class, number)| Some((class, number.parse().ok()?)));
        let (class, number) = split.filter(|(class, _)| CLASSES.contains(class)).unwrap_or((name, 0));
        if CLASSES.contains(&class) {
            layers.entry((parent, class)).or_default().push((number, path));
        } else {
            result.insert(path.to_owned(), path.to_owned());
        }
    }
    for ((parent, class), mut layers) in layers {
        layers.sort_unstable();
        for (number, (_, path)) in layers.into_iter().enumerate() {
            let name = counted(class, number);
            let name = if parent.is_empty() { name } else { format!("{parent}.{name}") };
            result.insert(name, path.to_owned());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_name_blocks_as_published() {
        let all = |dialect: &Dialect| -> Vec<String> {
            dialect.names(&dialect.modules()).map(|(name, _)| name).collect()
        };
        for (at, expected) in [
            (2, "Conv2d_13_pointwise.BatchNorm"),
            (3, "conv_dw_13_bn"),
            (4, "expanded_conv_project_BN"),
            (4, "block_16_depthwise"),
            (5, "batch_normalization_26"),
            (6, "batch_normalization_50"),
            (6, "conv2d_33"),
            (7, "blocks.3.5.conv_pw"),
            (7, "blocks.4.1.bn2"),
            (8, "blocks.0.0.conv_dw"),
            (8, "blocks.5.2.conv_pwl"),
            (8, "blocks.6.0.bn3"),
        ] {
            let names = all(&DIALECTS[at]);
            assert!(names.iter().any(|name| name == expected), "{expected} is not among {names:?}");
            let distinct: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{}", DIALECTS[at].name);
        }
    }

    #[test]
    fn every_dialect_is_recognised() {
        for dialect in &DIALECTS {
            let modules = dialect.modules();
            let names: Vec<String> = dialect.names(&modules).map(|(name, _)| name).collect();
            let paths: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let (found, ours) = dialect_of(&paths).unwrap();
            assert_eq!((found.name, found.arch), (dialect.name, dialect.arch));
            assert_eq!(ours.names.len(), paths.len());
            assert_eq!(ours.copies.len(), 0);

            // Under whatever prefix, with another classifier, and with a moving average of the same.
            let mut wrapped: Vec<String> =
                names[..names.len() - 1].iter().map(|name| format!("_orig_mod.net.{name}")).collect();
            wrapped.push("head.fc".into());
            wrapped.extend(names.iter().map(|name| format!("average.module._orig_mod.net.{name}")));
            let paths: BTreeSet<&str> = wrapped.iter().map(String::as_str).collect();
            let (found, ours) = dialect_of(&paths).unwrap();
            assert_eq!((found.name, found.arch), (dialect.name, dialect.arch));
            assert!(ours.prefix.ends_with("net.") && ours.names.len() + 1 >= names.len(), "{}", found.name);
            assert_eq!(ours.names.len() + ours.copies.len() + 1, paths.len());
        }
    }

    /// A session that had other models before, and one in which a layer was thrown away.
    #[test]
    fn counts_need_not_begin_at_zero() {
        for at in [5, 6] {
            let dialect = &DIALECTS[at];
            let later = |name: &str| {
                let at = name
                    .rsplit_once('_')
                    .and_then(|(class, number)| Some((class, number.parse::<usize>().ok()?)));
                let (class, number) = at.unwrap_or((name, 0));
                let gap = usize::from(number > 3);
                format!("{class}_{}", number + 27 + gap)
            };
            let names: Vec<String> =
                dialect.names(&dialect.modules()).map(|(name, _)| later(&name)).collect();
            let paths: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let (found, ours) = dialect_of(&paths).unwrap();
            assert_eq!((found.name, found.arch), (dialect.name, dialect.arch));
            assert_eq!(ours.names.len(), paths.len());
        }
    }

    /// All layers of V1 but its convolution for a classifier are among V2's, and so is the dense layer in its place.
    #[test]
    fn numbered_v1_with_a_dense_head_is_v1() {
        let dialect = &DIALECTS[5];
        let mut names: Vec<String> = dialect.names(&dialect.modules()).map(|(name, _)| name).collect();
        *names.last_mut().unwrap() = "dense".into();
        let paths: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(dialect_of(&paths).unwrap().0.arch, "mobilenet-v1");
    }
}
