//! The sections of the report, one function each. Each returns HTML, or nothing where there is nothing to show.

use crate::curves::{Curve, precision_recall, roc};
use crate::html::{base64, count, escape, interval, number, table, times};
use crate::plot::{Axes, Ink, Layer, figure};
use crate::{Contents, Training};
use model::clip_name;

/// What the data are worth, before any figure.
pub(crate) fn verdict(contents: &Contents) -> String {
    let audit = contents.audit.as_ref();
    let lines: Vec<String> = audit
        .and_then(|audit| audit["verdict"].as_array())
        .map(|lines| lines.iter().filter_map(|line| line.as_str()).map(escape).collect())
        .unwrap_or_default();
    let leaks = audit.is_some_and(|audit| audit["leaks"] == true);
    let body: String = match (audit, lines.is_empty()) {
        (None, _) => {
            "<p>The data were not audited. <code>vertebra audit DATA</code> looks for copies across splits, \
                      shared patients and shortcuts. Until then, a high number below may mean nothing.</p>"
                .into()
        }
        (Some(_), true) => "<p>The audit found nothing to warn of.</p>".into(),
        (Some(_), false) => {
            format!("<ul>{}</ul>", lines.iter().map(|line| format!("<li>{line}</li>")).collect::<String>())
        }
    };
    let class = if leaks || audit.is_none() { "verdict bad" } else { "verdict" };
    let title = if leaks { "The data: the split leaks" } else { "The data" };
    format!("<div class=\"{class}\"><h2 id=\"verdict\">{title}</h2>{body}</div>\n")
}

/// The headline figures.
pub(crate) fn result(contents: &Contents) -> String {
    let s = contents.summary;
    let row =
        |name: &str, value, ci, note: &str| vec![name.into(), number(value), interval(ci), note.to_owned()];
    let of_auroc =
        if s.auroc.is_none() { "needs two classes" } else { s.auroc_ci_method.unwrap_or_default() };
    // Of a proportion: how its interval was made, or why there is none.
    let exact = |value: Option<f64>, ci: Option<eval::Interval>| match (value, ci, s.groups) {
        (None, ..) => "no image to count",
        (_, None, _) => "",
        (.., Some(_)) => "exact, by group",
        (.., None) => "exact, by image",
    };
    let proportion = |name: &str, value, ci| row(name, value, ci, exact(value, ci));
    // With more than two classes these two are means over the classes, which are no proportions.
    let rate =
        |name: &str, value, ci: Option<eval::Interval>| match (s.positive_class.is_none(), ci, s.groups) {
            (false, ..) => proportion(name, value, ci),
            (true, None, _) => row(name, value, ci, "mean over classes; see each class"),
            (true, Some(_), Some(_)) => row(name, value, ci, "mean over classes, bootstrap by group"),
            (true, Some(_), None) => row(name, value, ci, "mean over classes, bootstrap by image"),
        };
    let mut rows = vec![
        row("AUROC", s.auroc, s.auroc_ci, of_auroc),
        rate("Sensitivity", s.sensitivity, s.sensitivity_ci),
        rate("Specificity", s.specificity, s.specificity_ci),
        proportion("Accuracy", s.accuracy, s.accuracy_ci),
    ];
    if s.positive_class.is_some() {
        for (name, value, ci) in [("PPV", s.ppv, s.ppv_ci), ("NPV", s.npv, s.npv_ci)] {
            let note =
                if value.is_some() { "at the prevalence of these images" } else { "no image was called so" };
            rows.push(row(name, value, ci, note));
        }
    }
    if let Some(at) = &s.at_prevalence {
        let note = format!("at a prevalence of {}", at.prevalence);
        rows.push(row("PPV", at.ppv, at.ppv_ci, &note));
        rows.push(row("NPV", at.npv, at.npv_ci, &note));
    }
    let of_auprc = match (s.auprc, s.auprc_ci, s.groups) {
        (None, ..) => "needs two classes",
        (_, None, _) => "",
        (.., Some(_)) => "bootstrap by group",
        (.., None) => "bootstrap by image",
    };
    rows.push(row("AUPRC", s.auprc, s.auprc_ci, of_auprc));
    rows.push(row("Brier score", Some(s.brier), s.brier_ci, "0 is perfect"));
    rows.push(row("Log-loss", Some(s.log_loss), s.log_loss_ci, "0 is perfect"));
    rows.push(row("ECE", Some(s.ece), s.ece_ci, &s.ece_binning));
    let groups = s.groups.map_or("groups unknown: images are taken as independent".to_owned(), |groups| {
        let of = contents.groups_in_data.map_or(String::new(), |all| format!(" of {all} in the data set"));
        format!("{}{of}", count(groups, "independent group"))
    });
    let decision = match (&s.positive_class, s.threshold) {
        (Some(class), Some(threshold)) => {
            format!(
                "{} is called from a probability of {threshold:.4} on ({})",
                escape(class),
                escape(&s.threshold_rule)
            )
        }
        _ => "the largest probability decides; values are one class against the rest, macro means".into(),
    };
    let opened = match contents.openings {
        Some(1) => "<p>These images have been opened once by this run.</p>".to_owned(),
        Some(n) => format!(
            "<p>These images have been opened <strong>{}</strong> by this run: the more often, the more the figures \
             flatter.</p>",
            times(n)
        ),
        None => String::new(),
    };
    let bound = s.all_right_lower_bound.map_or(String::new(), |bound| {
        let all = if s.images == 1 {
            "The one image is right".to_owned()
        } else {
            format!("All {} are right", s.images)
        };
        let on = if s.groups.is_some() { "groups" } else { "images, as if they were independent" };
        format!("<p>{all}. The exact one-sided 95 % lower bound of the accuracy is {bound:.3}, by {on}.</p>")
    });
    let part = match s.split.as_str() {
        split @ ("train" | "val" | "test") => format!("{split} split"),
        other => other.to_owned(),
    };
    format!(
        "<h2 id=\"result\">Result</h2><p>{}: {}, {groups}; {decision}.</p>{}{bound}{opened}",
        escape(&part),
        count(s.images, "image"),
        table("Figures with 95 % intervals", &["Figure", "Value", "95 % interval", "Note"], &rows)
    )
}

/// Loss and AUROC by epoch.
pub(crate) fn learning(contents: &Contents, training: &Training) -> String {
    let epochs = &training.epochs;
    let Some(last) = epochs.last() else { return String::new() };
    let line = |value: fn(&crate::Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
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
        Layer::Line(Ink::First, train),
        Layer::Dashed(Ink::Second, val),
        Layer::Points(Ink::Second, vec![(best.epoch, best.val_loss)]),
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
        false => figure("AUROC in validation", &axes, &[Layer::Line(Ink::Second, auroc)], &[], words),
    };
    format!("<h2 id=\"learning\">Learning curves</h2><div class=\"figures\">{loss}{auroc}</div>")
}

/// ROC and precision-recall curves, with bands for two classes.
pub(crate) fn curves(contents: &Contents) -> String {
    let classes = &contents.metadata.classes;
    let (shown, among) = match contents.positive() {
        Some(class) => (vec![class], String::new()),
        None => lowest(contents),
    };
    type Make = fn(&[f64], &[bool], Option<&[usize]>) -> Curve;
    let draw = |make: Make| {
        let (mut bands, mut lines, mut legend) = (vec![], vec![], vec![]);
        for (at, &class) in shown.iter().enumerate() {
            let (scores, positive) = contents.of_class(class);
            let curve = make(&scores, &positive, contents.groups);
            let ink = Ink::of_class(at);
            if shown.len() == 1 && !curve.band.is_empty() {
                bands.push(Layer::Band(ink, curve.band));
            }
            lines.push(Layer::Line(ink, curve.line));
            legend.push((ink, clip_name(&classes[class], LETTERS)));
        }
        bands.extend(lines);
        (bands, legend)
    };
    let has_band = |layers: &[Layer]| layers.iter().any(|layer| matches!(layer, Layer::Band(..)));
    let band = |layers: &[Layer]| match (has_band(layers), contents.groups) {
        (false, _) => "",
        (true, Some(_)) => " The band is a pointwise 95 % interval, bootstrap by group.",
        (true, None) => " The band is a pointwise 95 % interval, bootstrap by image.",
    };
    let s = contents.summary;
    let (mut layers, legend) = draw(roc);
    let of_roc = band(&layers);
    let mut point = "";
    layers.insert(0, Layer::Dashed(Ink::Soft, vec![(0.0, 0.0), (1.0, 1.0)]));
    if let (Some(sensitivity), Some(specificity), Some(_)) =
        (s.sensitivity, s.specificity, contents.positive())
    {
        layers.push(Layer::Points(Ink::Second, vec![(1.0 - specificity, sensitivity)]));
        point = " The point is the threshold in use.";
    }
    let words = match s.auroc {
        Some(_) => format!("{}.{point}{of_roc}{among}", figure_in_words("AUROC", s.auroc, s.auroc_ci)),
        None => "There is no curve: it needs images of two classes.".to_owned(),
    };
    let roc = figure("ROC", &Axes::unit("1 - specificity", "sensitivity"), &layers, &legend, &words);
    let (layers, legend) = draw(precision_recall);
    let words = match s.auprc {
        Some(_) => format!(
            "{}. A useless model lies at the prevalence.{}{among}",
            figure_in_words("Average precision", s.auprc, s.auprc_ci),
            band(&layers)
        ),
        None => "There is no curve: it needs images of two classes.".to_owned(),
    };
    let pr = figure("Precision and recall", &Axes::unit("recall", "precision"), &layers, &legend, &words);
    format!("<h2 id=\"curves\">ROC and precision-recall</h2><div class=\"figures\">{roc}{pr}</div>")
}

/// `AUROC 0.912 [0.850, 0.950]`.
fn figure_in_words(name: &str, value: Option<f64>, ci: Option<eval::Interval>) -> String {
    format!("{name} {} {}", number(value), interval(ci)).trim_end().to_owned()
}

/// The most classes that have a curve of their own.
const CURVES: usize = 10;
/// The most classes whose matrix is shown.
const MATRIX: usize = 20;
/// The most classes that are shown one by one.
const CLASSES: usize = 50;
/// The most characters of a class name beside a picture.
const LETTERS: usize = 40;

/// The classes that have curves: of many those with the lowest AUROC, and the words that say so.
fn lowest(contents: &Contents) -> (Vec<usize>, String) {
    let per_class = &contents.summary.per_class;
    let mut shown: Vec<usize> = (0..per_class.len()).collect();
    if shown.len() <= CURVES {
        return (shown, String::new());
    }
    shown.retain(|&class| per_class[class].auroc.is_some());
    let area = |class: usize| per_class[class].auroc.unwrap_or(1.0);
    shown.sort_by(|&a, &b| area(a).total_cmp(&area(b)));
    shown.truncate(CURVES);
    let among =
        format!(" Shown are the {} of {} classes with the lowest AUROC.", shown.len(), per_class.len());
    (shown, among)
}

/// In the place of a large matrix, the pairs that are confused most often.
fn confusions(contents: &Contents) -> String {
    let s = contents.summary;
    let row = |pair: &eval::summary::Confused| {
        vec![pair.truth.clone(), pair.called.clone(), pair.images.to_string()]
    };
    let rows: Vec<Vec<String>> = s.largest_confusions.iter().map(row).collect();
    let told: usize = s.largest_confusions.iter().map(|pair| pair.images).sum();
    let more = s.images - s.confusion.right() - told;
    let caption =
        format!("The largest confusions of {} classes; {more} more images are confused", s.per_class.len());
    table(&caption, &["Truth", "Called", "Images"], &rows)
}

/// The confusion matrix and the classes one by one.
pub(crate) fn confusion(contents: &Contents) -> String {
    let (s, classes) = (contents.summary, &contents.metadata.classes);
    let mut listed: Vec<&eval::summary::ClassSummary> = s.per_class.iter().collect();
    let mut caption = "Each class against the rest".to_owned();
    if listed.len() > CLASSES {
        listed.retain(|class| class.support > 0);
        listed.sort_by(|a, b| a.recall.unwrap_or(1.0).total_cmp(&b.recall.unwrap_or(1.0)));
        listed.truncate(CLASSES);
        caption = format!(
            "Each class against the rest: the {} that are found least often, and {} more",
            listed.len(),
            classes.len() - listed.len()
        );
    }
    let called: Vec<String> = classes.iter().map(|class| format!("called {class}")).collect();
    let mut header = vec!["Truth"];
    header.extend(called.iter().map(String::as_str));
    let row = |(class, counts): (&String, &Vec<usize>)| {
        std::iter::once(class.clone()).chain(counts.iter().map(usize::to_string)).collect()
    };
    let rows = || classes.iter().zip(&s.confusion.rows).map(row).collect::<Vec<Vec<String>>>();
    let matrix = match classes.len() {
        ..=MATRIX => table("Images by class and call", &header, &rows()),
        _ => confusions(contents),
    };
    let per_class: Vec<Vec<String>> = listed
        .iter()
        .map(|c| {
            let with = |value, ci| format!("{} {}", number(value), interval(ci)).trim_end().to_owned();
            vec![
                c.class.clone(),
                c.support.to_string(),
                with(c.precision, c.precision_ci),
                with(c.recall, c.recall_ci),
                with(c.f1, c.f1_ci),
                with(c.auroc, c.auroc_ci),
            ]
        })
        .collect();
    format!(
        "<h2 id=\"confusion\">Confusion matrix</h2>{matrix}{}",
        table(&caption, &["Class", "Images", "Precision", "Recall", "F1", "AUROC"], &per_class)
    )
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
        format!(" Logits are divided by {:.3}, fitted on the validation split.", c.temperature)
    });
    let words = format!(
        "Probability of {whose} against how often it was right. ECE {:.3} ({}).{fit}{temperature}",
        s.ece, s.ece_binning
    );
    let layers = [
        Layer::Dashed(Ink::Soft, vec![(0.0, 0.0), (1.0, 1.0)]),
        Layer::Line(Ink::First, points.clone()),
        Layer::Points(Ink::First, points),
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
        layers.push(Layer::Bars(Ink::of_class(i), bins.iter().enumerate().map(bar).collect()));
    }
    let mut words = "Images by probability of the true class.".to_owned();
    if let Some(class) = contents.positive() {
        words = format!("Images by probability of {} and true class.", classes[class]);
    }
    if let (Some(threshold), Some(_)) = (contents.summary.threshold, contents.positive()) {
        words += " The dashed line is the threshold.";
        layers.push(Layer::Dashed(Ink::Text, vec![(threshold, 0.0), (threshold, highest)]));
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
        Layer::Line(Ink::Soft, vec![(0.0, 0.0), (1.0, 0.0)]),
        Layer::Dashed(Ink::Second, inside(all)),
        Layer::Line(Ink::First, inside(model)),
    ];
    let legend = [
        (Ink::First, "acting on the model".to_owned()),
        (Ink::Second, "acting on everyone (dashed)".to_owned()),
        (Ink::Soft, "acting on no one".to_owned()),
    ];
    let axes = Axes { x: 0.0..1.0, y: lowest..highest * 1.1, x_name: "threshold", y_name: "net benefit" };
    let words = "Net benefit (Vickers and Elkin 2006), in true positives an image: the model helps where its line is the \
                 highest.";
    let figure = figure("Decision curve", &axes, &layers, &legend, words);
    format!("<h2 id=\"decision\">Decision curve</h2><div class=\"figures\">{figure}</div>")
}

/// The parts of the images.
pub(crate) fn subgroups(contents: &Contents) -> String {
    let heading = "<h2 id=\"subgroups\">Subgroups</h2>";
    if contents.subgroups.is_empty() {
        return format!(
            "{heading}<p>None were asked for. <code>evaluate --subgroup COLUMN --report FILE</code> divides by a column of \
             the manifest. An average can hide that a model is wrong for some.</p>"
        );
    }
    let with = |value, ci| format!("{} {}", number(value), interval(ci)).trim_end().to_owned();
    let row = |g: &eval::Subgroup| {
        vec![
            format!("{} = {}", g.column, g.value),
            g.images.to_string(),
            g.groups.map_or("–".into(), |groups| groups.to_string()),
            with(g.sensitivity, g.sensitivity_ci),
            with(g.specificity, g.specificity_ci),
            with(g.auroc, g.auroc_ci),
        ]
    };
    let rows: Vec<Vec<String>> = contents.subgroups.iter().map(row).collect();
    let header = ["Subgroup", "Images", "Groups", "Sensitivity", "Specificity", "AUROC"];
    format!("{heading}{}", table("The same figures in parts of the images", &header, &rows))
}

/// The worst errors, as pictures.
pub(crate) fn errors(contents: &Contents) -> String {
    let heading = "<h2 id=\"errors\">Worst errors</h2>";
    if contents.errors.is_empty() {
        return format!("{heading}<p>No image was called wrongly.</p>");
    }
    let figure = |error: &crate::WorstError| {
        let (name, truth, called) = (escape(&error.name), escape(&error.truth), escape(&error.called));
        let alt = format!("{name} with a heatmap: is {truth}, was called {called}");
        let image = match error.png.is_empty() {
            true => "<p>(cannot be drawn)</p>".to_owned(),
            false => format!("<img alt=\"{alt}\" src=\"data:image/png;base64,{}\">", base64(&error.png)),
        };
        format!(
            "<figure class=\"error\">{image}<figcaption><span>is {truth}, called {called} (p = {:.3})</span>\
             <span class=\"name\">{name}</span></figcaption></figure>",
            error.probability
        )
    };
    let figures: String = contents.errors.iter().map(figure).collect();
    format!(
        "{heading}<p>The images that were called wrongly with the highest probability. Red speaks for the class that was \
         called, blue against it ({}). A map shows what the network used, not whether it was right to.</p>\
         <div class=\"thumbnails\">{figures}</div>",
        escape(contents.map_method)
    )
}
