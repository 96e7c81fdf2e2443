//! The sections of the report that are words, tables and pictures, one function each. Each returns HTML.

use crate::Contents;
use crate::html::{base64, escape, interval, number, number_and_interval, table, times};
use eval::count;

/// The most classes whose matrix is shown.
const MATRIX: usize = 20;
/// The most classes that are shown one by one.
const CLASSES: usize = 50;

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
    let by = if s.groups.is_some() { "group" } else { "image" };
    let proportion = |name: &str, value: Option<f64>, ci: Option<eval::Interval>| match (value, ci) {
        (None, _) => row(name, value, ci, "no image to count"),
        (_, None) => row(name, value, ci, ""),
        _ => row(name, value, ci, &format!("exact, by {by}")),
    };
    // With more than two classes these two are means over the classes, which are no proportions.
    let rate = |name: &str, value, ci: Option<eval::Interval>| match (s.positive_class.is_none(), ci) {
        (false, _) => proportion(name, value, ci),
        (true, None) => row(name, value, ci, "mean over classes; see each class"),
        (true, Some(_)) => row(name, value, ci, &format!("mean over classes, bootstrap by {by}")),
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
    let of_auprc = match (s.auprc, s.auprc_ci) {
        (None, _) => "needs two classes".to_owned(),
        (_, None) => String::new(),
        _ => format!("bootstrap by {by}"),
    };
    rows.push(row("AUPRC", s.auprc, s.auprc_ci, &of_auprc));
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
        let all = match s.images {
            1 => "The one image is right".to_owned(),
            n => format!("All {n} are right"),
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
    let mut listed: Vec<usize> = (0..s.per_class.len()).collect();
    let mut caption = "Each class against the rest".to_owned();
    if listed.len() > CLASSES {
        listed.retain(|&at| s.per_class[at].support > 0);
        eval::sort_by_number(&mut listed, &|at| s.per_class[at].recall.unwrap_or(1.0));
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
        .map(|&at| &s.per_class[at])
        .map(|c| {
            vec![
                c.class.clone(),
                c.support.to_string(),
                number_and_interval(c.precision, c.precision_ci),
                number_and_interval(c.recall, c.recall_ci),
                number_and_interval(c.f1, c.f1_ci),
                number_and_interval(c.auroc, c.auroc_ci),
            ]
        })
        .collect();
    format!(
        "<h2 id=\"confusion\">Confusion matrix</h2>{matrix}{}",
        table(&caption, &["Class", "Images", "Precision", "Recall", "F1", "AUROC"], &per_class)
    )
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
    let row = |g: &eval::Subgroup| {
        vec![
            format!("{} = {}", g.column, g.value),
            g.images.to_string(),
            g.groups.map_or("–".into(), |groups| groups.to_string()),
            number_and_interval(g.sensitivity, g.sensitivity_ci),
            number_and_interval(g.specificity, g.specificity_ci),
            number_and_interval(g.auroc, g.auroc_ci),
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
        let words = match (contents.metadata.has_findings(), contents.metadata.classes.last()) {
            (true, Some(finding)) if error.truth == *finding => "missed".to_owned(),
            (true, _) => "false alarm".to_owned(),
            (false, _) => format!("is {truth}, called {called}"),
        };
        let alt = format!("{name} with a heatmap: {words}");
        let image = match error.png.is_empty() {
            true => "<p>(cannot be drawn)</p>".to_owned(),
            false => format!("<img alt=\"{alt}\" src=\"data:image/png;base64,{}\">", base64(&error.png)),
        };
        format!(
            "<figure class=\"error\">{image}<figcaption><span>{words} (p = {:.3})</span>\
             <span class=\"name\">{name}</span></figcaption></figure>",
            error.probability
        )
    };
    let figures: String = contents.errors.iter().map(figure).collect();
    let which = contents.what(
        "The images that were called wrongly with the highest probability. Red speaks for the class that was called, blue \
         against it",
        "The images in which the finding was missed with the lowest probability, then those in which it was called wrongly \
         with the highest; p is the probability of the finding. Red speaks for it, blue against it",
    );
    format!(
        "{heading}<p>{which} ({}). A map shows what the network used, not whether it was right to.</p>\
         <div class=\"thumbnails\">{figures}</div>",
        escape(contents.map_method)
    )
}
