//! The sections of the report that are plots, one function each. Each returns HTML, or nothing where there is nothing to show.

use crate::curves::{BandedCurve, precision_recall, roc};
use crate::html::number_and_interval;
use crate::plot::{Axes, Ink, Mark, figure};
use crate::{Contents, Training};
use model::clip_name;

/// The most classes that have a curve of their own.
const CURVES: usize = 10;
/// The most characters of a class name beside a picture.
const LETTERS: usize = 40;

/// Loss and AUROC by epoch.
pub(crate) fn learning(contents: &Contents, training: &Training) -> String {
    let epochs = &training.epochs;
    let Some(last) = epochs.last() else { return String::new() };
    let line = |value: fn(&crate::EpochRow) -> Option<f64>| -> Vec<(f64, f64)> {
        epochs.iter().filter_map(|epoch| Some((epoch.epoch, value(epoch)?))).collect()
    };
    let (train, val) = (line(|e| Some(e.train_loss)), line(|e| Some(e.val_loss)));
    // What the run says it kept, or else the lowest loss.
    let kept = contents.metadata.provenance.metrics["best_epoch"].as_f64();
    let lowest = epochs.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss)).expect("there is an epoch");
    let best = epochs.iter().find(|epoch| Some(epoch.epoch) == kept).unwrap_or(lowest);
    let highest =
        train.iter().chain(&val).map(|point| point.1).filter(|y| y.is_finite()).fold(1e-6, f64::max);
    let x = 1.0..last.epoch.max(2.0);
    let axes = Axes { x: x.clone(), y: 0.0..highest * 1.05, x_name: "epoch", y_name: "loss" };
    let layers = [
        Mark::Line(Ink::First, train),
        Mark::Dashed(Ink::Second, val),
        Mark::Points(Ink::Second, vec![(best.epoch, best.val_loss)]),
    ];
    let legend = [(Ink::First, "training".to_owned()), (Ink::Second, "validation (dashed)".to_owned())];
    let words =
        format!("The kept weights are of epoch {}, validation loss {:.4}.", best.epoch, best.val_loss);
    let loss = figure("Loss", &axes, &layers, &legend, &words);
    let auroc = line(|e| e.val_auroc);
    let lowest = auroc.iter().fold(1.0, |low: f64, point| low.min(point.1));
    let axes = Axes { x, y: (lowest - 0.05).max(0.0)..1.0, x_name: "epoch", y_name: "AUROC" };
    let words = "AUROC of the validation split after each epoch.";
    let auroc = match auroc.is_empty() {
        true => String::new(),
        false => figure("AUROC in validation", &axes, &[Mark::Line(Ink::Second, auroc)], &[], words),
    };
    let range = range_test(contents, &training.range_test);
    format!("<h2 id=\"learning\">Learning curves</h2><div class=\"figures\">{loss}{auroc}{range}</div>")
}

/// The range test that found the learning rate.
fn range_test(contents: &Contents, steps: &[(f64, f64, f64)]) -> String {
    let [(from, ..), .., (to, ..)] = steps else { return String::new() };
    // What has run away would hide the rest.
    let first = steps[0].2;
    let line = |value: fn(&(f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
        let points = steps.iter().map(|step| (step.0.log10(), value(step)));
        points.filter(|point| point.1 <= 2.0 * first).collect()
    };
    let (losses, smoothed) = (line(|step| step.1), line(|step| step.2));
    let highest = losses.iter().chain(&smoothed).map(|point| point.1).fold(1e-6, f64::max);
    let mut layers = vec![Mark::Points(Ink::Soft, losses), Mark::Line(Ink::First, smoothed)];
    let rate = contents.metadata.provenance.config["lr"].as_f64();
    let mut words =
        format!("Loss while the learning rate rose at each of {} steps (Smith 2017).", steps.len());
    if let Some(rate) = rate {
        layers.push(Mark::Dashed(Ink::Text, vec![(rate.log10(), 0.0), (rate.log10(), highest)]));
        words += &format!(" The dashed line is the rate of the run, {rate}.");
    }
    let x = from.log10()..to.log10();
    let axes = Axes { x, y: 0.0..highest * 1.05, x_name: "log10 of the learning rate", y_name: "loss" };
    let legend = [(Ink::First, "smoothed".to_owned()), (Ink::Soft, "of a batch".to_owned())];
    figure("Range test of the learning rate", &axes, &layers, &legend, &words)
}

/// ROC and precision-recall curves, with bands for two classes.
pub(crate) fn curves(contents: &Contents) -> String {
    let classes = &contents.metadata.classes;
    let (shown, among) = match contents.positive() {
        Some(class) => (vec![class], String::new()),
        None => lowest(contents),
    };
    type Make = fn(&[f64], &[bool], Option<&[usize]>) -> BandedCurve;
    let draw = |make: Make| {
        let (mut bands, mut lines, mut legend) = (vec![], vec![], vec![]);
        for (at, &class) in shown.iter().enumerate() {
            let (scores, positive) = contents.of_class(class);
            let curve = make(&scores, &positive, contents.groups);
            let ink = Ink::of_class(at);
            if shown.len() == 1 && !curve.band.is_empty() {
                bands.push(Mark::Band(ink, curve.band));
            }
            lines.push(Mark::Line(ink, curve.line));
            legend.push((ink, clip_name(&classes[class], LETTERS)));
        }
        bands.extend(lines);
        (bands, legend)
    };
    let by = if contents.groups.is_some() { "group" } else { "image" };
    let band = |layers: &[Mark]| match layers.iter().any(|layer| matches!(layer, Mark::Band(..))) {
        true => format!(" The band is a pointwise 95 % interval, bootstrap by {by}."),
        false => String::new(),
    };
    let s = contents.summary;
    let (mut layers, legend) = draw(roc);
    let of_roc = band(&layers);
    let mut point = "";
    layers.insert(0, Mark::Dashed(Ink::Soft, vec![(0.0, 0.0), (1.0, 1.0)]));
    if let (Some(sensitivity), Some(specificity), Some(_)) =
        (s.sensitivity, s.specificity, contents.positive())
    {
        layers.push(Mark::Points(Ink::Second, vec![(1.0 - specificity, sensitivity)]));
        point = " The point is the threshold in use.";
    }
    let words = match s.auroc {
        Some(_) => format!("AUROC {}.{point}{of_roc}{among}", number_and_interval(s.auroc, s.auroc_ci)),
        None => "There is no curve: it needs images of two classes.".to_owned(),
    };
    let roc = figure("ROC", &Axes::unit("1 - specificity", "sensitivity"), &layers, &legend, &words);
    let (layers, legend) = draw(precision_recall);
    let words = match s.auprc {
        Some(_) => format!(
            "Average precision {}. A useless model lies at the prevalence.{}{among}",
            number_and_interval(s.auprc, s.auprc_ci),
            band(&layers)
        ),
        None => "There is no curve: it needs images of two classes.".to_owned(),
    };
    let pr = figure("Precision and recall", &Axes::unit("recall", "precision"), &layers, &legend, &words);
    format!("<h2 id=\"curves\">ROC and precision-recall</h2><div class=\"figures\">{roc}{pr}</div>")
}

/// The classes that have curves: of many those with the lowest AUROC, and the words that say so.
fn lowest(contents: &Contents) -> (Vec<usize>, String) {
    let per_class = &contents.summary.per_class;
    let mut shown: Vec<usize> = (0..per_class.len()).collect();
    if shown.len() <= CURVES {
        return (shown, String::new());
    }
    shown.retain(|&class| per_class[class].auroc.is_some());
    eval::sort_by_number(&mut shown, &|class| per_class[class].auroc.unwrap_or(1.0));
    shown.truncate(CURVES);
    let among =
        format!(" Shown are the {} of {} classes with the lowest AUROC.", shown.len(), per_class.len());
    (shown, among)
}

/// Whether probabilities mean what they say: reliability diagram and histogram.
pub(crate) fn calibration(contents: &Contents) -> String {
    let s = contents.summary;
    let points: Vec<(f64, f64)> =
        s.reliability.iter().filter_map(|bin| Some((bin.predicted?, bin.observed?))).collect();
    let whose = s.positive_class.as_ref().map_or("the called class".to_owned(), |class| class.clone());
    let fit = s.calibration.map_or(String::new(), |c| {
        format!(
            " Slope {:.2} (1 is right, below is overconfident), intercept {:.2}.",
            c.slope, c.in_the_large
        )
    });
    let temperature = contents.metadata.calibration.map_or(String::new(), |c| {
        format!(" Logits are divided by {:.3}, {}.", c.temperature, contents.metadata.temperature_origin())
    });
    let words = format!(
        "Probability of {whose} against how often it was right. ECE {:.3} ({}).{fit}{temperature}",
        s.ece, s.ece_binning
    );
    let layers = [
        Mark::Dashed(Ink::Soft, vec![(0.0, 0.0), (1.0, 1.0)]),
        Mark::Line(Ink::First, points.clone()),
        Mark::Points(Ink::First, points),
    ];
    let diagram = figure("Reliability", &Axes::unit("predicted", "observed"), &layers, &[], &words);
    format!(
        "<h2 id=\"calibration\">Calibration and scores</h2><div class=\"figures\">{diagram}{}</div>",
        histogram(contents)
    )
}

/// Scores of the positive class by truth; of every class's own probability with more than two.
fn histogram(contents: &Contents) -> String {
    const BINS: usize = 20;
    let classes = &contents.metadata.classes;
    let count = |scores: &[f64]| {
        let mut bins = [0.0; BINS];
        scores.iter().for_each(|p| bins[((p * BINS as f64) as usize).min(BINS - 1)] += 1.0);
        bins
    };
    let series: Vec<(String, [f64; BINS])> = match contents.positive() {
        Some(class) => {
            let (scores, positive) = contents.of_class(class);
            let of = |wanted: bool| -> Vec<f64> {
                scores.iter().zip(&positive).filter(|&(_, &p)| p == wanted).map(|(&score, _)| score).collect()
            };
            vec![(classes[class].clone(), count(&of(true))), (classes[1 - class].clone(), count(&of(false)))]
        }
        None => {
            let rows = contents.probabilities.chunks_exact(classes.len());
            let own: Vec<f64> = rows.zip(contents.labels).map(|(row, &label)| row[label]).collect();
            vec![("probability of the true class".into(), count(&own))]
        }
    };
    let highest = series.iter().flat_map(|(_, bins)| bins).fold(1.0, |high: f64, &count| high.max(count));
    let width = 1.0 / BINS as f64 / series.len() as f64;
    let mut layers = vec![];
    for (i, (_, bins)) in series.iter().enumerate() {
        let bar = |(bin, &count): (usize, &f64)| {
            let from = bin as f64 / BINS as f64 + i as f64 * width;
            (from, from + width, count)
        };
        layers.push(Mark::Bars(Ink::of_class(i), bins.iter().enumerate().map(bar).collect()));
    }
    let mut words = "Images by probability of the true class.".to_owned();
    if let Some(class) = contents.positive() {
        words = format!("Images by probability of {} and true class.", classes[class]);
    }
    if let (Some(threshold), Some(_)) = (contents.summary.threshold, contents.positive()) {
        words += " The dashed line is the threshold.";
        layers.push(Mark::Dashed(Ink::Text, vec![(threshold, 0.0), (threshold, highest)]));
    }
    let legend: Vec<(Ink, String)> =
        series.iter().enumerate().map(|(i, (name, _))| (Ink::of_class(i), name.clone())).collect();
    let axes = Axes { x: 0.0..1.0, y: 0.0..highest * 1.05, x_name: "probability", y_name: "images" };
    figure("Scores", &axes, &layers, &legend, &words)
}

/// Net benefit over thresholds.
pub(crate) fn decision(contents: &Contents) -> String {
    let curve = &contents.summary.decision_curve;
    if curve.is_empty() {
        return String::new();
    }
    let line = |value: fn(&eval::decision::NetBenefit) -> f64| -> Vec<(f64, f64)> {
        curve.iter().map(|at| (at.threshold, value(at))).collect()
    };
    let (model, all) = (line(|at| at.model), line(|at| at.treat_all));
    let highest = model.iter().chain(&all).fold(0.01, |high: f64, point| high.max(point.1));
    let lowest = model.iter().fold(-0.25 * highest, |low: f64, point| low.min(point.1)).max(-highest);
    let inside = |line: Vec<(f64, f64)>| line.into_iter().filter(|point| point.1 >= lowest).collect();
    let layers = [
        Mark::Line(Ink::Soft, vec![(0.0, 0.0), (1.0, 0.0)]),
        Mark::Dashed(Ink::Second, inside(all)),
        Mark::Line(Ink::First, inside(model)),
    ];
    let legend = [
        (Ink::First, "acting on the model".to_owned()),
        (Ink::Second, "acting on everyone (dashed)".to_owned()),
        (Ink::Soft, "acting on no one".to_owned()),
    ];
    let axes = Axes { x: 0.0..1.0, y: lowest..highest * 1.1, x_name: "threshold", y_name: "net benefit" };
    let words = "Net benefit (Vickers and Elkin 2006), in true positives an image: the model helps where its line is the \
                 highest.";
    let figure = figure("Net benefit", &axes, &layers, &legend, words);
    format!("<h2 id=\"decision\">Decision curve</h2><div class=\"figures\">{figure}</div>")
}
