//! The model card: what CLAIM (Checklist for Artificial Intelligence in Medical Imaging, 2024 update) and TRIPOD+AI
//! (Collins et al. 2024) ask of a study, filled with what the run knows.
//!
//! The program knows settings, counts and figures. It does not know patients, scanners, ethics or intentions. Those are
//! marked blanks: an invented sentence would be worse than none.

use crate::Contents;
use crate::html::{interval, number};
use std::fmt::Write;

/// A line of the card.
pub(crate) enum Line {
    /// What the run knows.
    Known(String),
    /// What a person has to write.
    Blank(&'static str),
}

/// A heading with its lines.
pub(crate) struct Part {
    pub heading: &'static str,
    /// The headings of the two guidelines that ask for it.
    pub asked_by: &'static str,
    pub lines: Vec<Line>,
}

use Line::{Blank, Known};

/// The card as Markdown.
pub fn model_card(contents: &Contents) -> String {
    let mut out = format!(
        "# Model card: {}\n\n**Research use only, not a medical device.**\n\n",
        markdown(&contents.title)
    );
    out += "Under the headings that CLAIM (Checklist for Artificial Intelligence in Medical Imaging, 2024 update) and \
            TRIPOD+AI (2024) ask for. Lines marked **[to be filled in]** are what the program cannot know.\n";
    for part in parts(contents) {
        let _ = write!(out, "\n## {}\n\n*{}*\n\n", part.heading, part.asked_by);
        for line in part.lines {
            let _ = match line {
                Known(text) => writeln!(out, "- {}", markdown(&text)),
                Blank(what) => writeln!(out, "- **[to be filled in]** {what}"),
            };
        }
    }
    out
}

/// `text` as text in Markdown: neither markup nor HTML.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out
}

/// All parts, in the order of a paper.
pub(crate) fn parts(contents: &Contents) -> Vec<Part> {
    let part = |heading, asked_by, lines| Part { heading, asked_by, lines };
    vec![
        part(
            "Purpose",
            "CLAIM: title, abstract, introduction; TRIPOD+AI: title, background, objectives",
            purpose(contents),
        ),
        part(
            "Data",
            "CLAIM: methods, data; TRIPOD+AI: data, participants, data preparation, missing data",
            data(contents),
        ),
        part(
            "Reference standard",
            "CLAIM: reference standard; TRIPOD+AI: outcome",
            vec![
                Known(format!("The label of an image is one of: {}.", contents.metadata.classes.join(", "))),
                Blank("Who set the labels, from what, and how well readers agreed."),
            ],
        ),
        part(
            "Partitions and sample size",
            "CLAIM: data partitions, testing data; TRIPOD+AI: sample size, training versus evaluation",
            partitions(contents),
        ),
        part(
            "Model",
            "CLAIM: model; TRIPOD+AI: predictors, model output, model specification",
            model(contents),
        ),
        part(
            "Training",
            "CLAIM: training; TRIPOD+AI: analytical methods, class imbalance",
            training(contents),
        ),
        part(
            "Evaluation",
            "CLAIM: evaluation; TRIPOD+AI: analytical methods, model performance measures",
            evaluation(contents),
        ),
        part(
            "Results",
            "CLAIM: results, model performance; TRIPOD+AI: participants, model performance",
            results(contents),
        ),
        part(
            "Failure analysis",
            "CLAIM: failure analysis, explainability; TRIPOD+AI: model performance",
            failures(contents),
        ),
        part("Fairness", "CLAIM: demographics and subgroups; TRIPOD+AI: fairness", fairness(contents)),
        part(
            "Limitations and use",
            "CLAIM: discussion; TRIPOD+AI: interpretation, limitations, usability",
            vec![
                Known("Research use only, not a medical device.".into()),
                Blank("Known limitations of the data, and what the result does not show."),
                Blank("Intended user, required input quality, and what to do with an unusable image."),
            ],
        ),
        part(
            "Ethics, funding and openness",
            "CLAIM: other information; TRIPOD+AI: ethical approval, open science, patient and public involvement",
            vec![
                Known(format!(
                    "Made with {} {}.",
                    contents.metadata.provenance.program, contents.metadata.provenance.version
                )),
                Blank("Ethical approval or waiver, and consent."),
                Blank("Registration and protocol."),
                Blank("Funding and conflicts of interest."),
                Blank("Where data, model and code can be had."),
                Blank("How patients and the public were involved."),
            ],
        ),
    ]
}

fn purpose(contents: &Contents) -> Vec<Line> {
    vec![
        Known(format!("Classifies images as: {}.", contents.metadata.classes.join(", "))),
        Blank("The clinical question, the intended use and the intended users."),
        Blank("The study design (retrospective or prospective) and its hypothesis."),
    ]
}

fn data(contents: &Contents) -> Vec<Line> {
    let p = &contents.metadata.preprocessing;
    let verdict = contents.audit.as_ref().and_then(|audit| audit["verdict"].as_array());
    let mut lines = vec![
        Blank("Where the images come from: sites, dates, scanners, protocols."),
        Blank("Inclusion and exclusion; age, sex and other characteristics of the patients."),
        Blank("De-identification, and how missing data were handled."),
        Known(format!(
            "Preprocessing: {} channel(s), {} x {} pixels, {}.",
            p.channels,
            p.height,
            p.width,
            match p.fit {
                model::Fit::Stretch => "stretched to this size",
                model::Fit::Pad => "fitted into this size, the rest black",
            }
        )),
        Known(format!(
            "Data fingerprint (SHA-256 of names, labels, splits, sizes): {}.",
            contents.metadata.provenance.data_fingerprint
        )),
    ];
    let found = verdict.into_iter().flatten().filter_map(|line| line.as_str());
    lines.extend(found.map(|line| Known(format!("Audit: {line}"))));
    lines
}

fn partitions(contents: &Contents) -> Vec<Line> {
    let classes = &contents.metadata.classes;
    let splits = contents.training.as_ref().map_or(&[][..], |training| &training.splits[..]);
    let mut lines: Vec<Line> = splits
        .iter()
        .map(|(name, counts, groups)| {
            let counts: Vec<String> =
                classes.iter().zip(counts).map(|(class, n)| format!("{n} {class}")).collect();
            Known(format!("{name}: {} in {groups} independent groups.", counts.join(", ")))
        })
        .collect();
    let by = contents.metadata.provenance.config["group_by"].as_str();
    lines.extend(by.map(|by| Known(format!("Groups, which no split divides, are given by: {by}."))));
    lines.push(Blank("How the sample size was arrived at."));
    lines.push(Blank("Whether the test images come from another site or time (external validation)."));
    lines
}

fn model(contents: &Contents) -> Vec<Line> {
    let a = &contents.metadata.architecture;
    let mut lines = vec![Known(format!(
        "{}, width multiplier {}, input {} x {} x {}, dropout {}.",
        a.name, a.width, a.image_size[0], a.image_size[1], a.channels, a.dropout
    ))];
    lines.push(Known("Output: a probability for each class, which sum to 1.".into()));
    if let Some(threshold) = &contents.metadata.threshold {
        lines.push(Known(format!(
            "{} is called from a probability of {} on: {}.",
            threshold.positive, threshold.value, threshold.rule
        )));
    }
    if let Some(calibration) = contents.metadata.calibration {
        lines
            .push(Known(format!("Temperature {}, fitted on the validation split.", calibration.temperature)));
    }
    lines
}

fn training(contents: &Contents) -> Vec<Line> {
    let settings = contents.metadata.provenance.config.as_object().into_iter().flatten();
    let shown = settings.filter(|(_, value)| !value.is_null());
    let text: Vec<String> =
        shown.map(|(name, value)| format!("{name} {}", value.to_string().trim_matches('"'))).collect();
    let epochs = contents.training.as_ref().map_or(0, |training| training.epochs.len());
    match text.is_empty() {
        true => vec![Blank(
            "Initial weights, optimizer, augmentation, stopping rule: these weights were imported.",
        )],
        false => vec![
            Known(format!("Settings: {}.", text.join(", "))),
            Known(format!(
                "{epochs} epochs were trained; the weights of the lowest validation loss were kept."
            )),
        ],
    }
}

fn evaluation(contents: &Contents) -> Vec<Line> {
    let s = contents.summary;
    let mut lines = vec![
        Known(format!("Evaluated on: {}, {} images.", s.split, s.images)),
        Known("Proportions have exact intervals (Clopper and Pearson), on independent groups where groups are known.".into()),
    ];
    lines.extend(s.auroc_ci_method.map(|method| Known(format!("AUROC: {method}."))));
    lines.extend(
        contents
            .openings
            .map(|times| Known(format!("These images were opened {times} time(s) by this run."))),
    );
    lines.push(Blank("Comparison with readers or with another model."));
    lines
}

fn results(contents: &Contents) -> Vec<Line> {
    let s = contents.summary;
    let figures = [
        ("AUROC", s.auroc, s.auroc_ci),
        ("Sensitivity", s.sensitivity, s.sensitivity_ci),
        ("Specificity", s.specificity, s.specificity_ci),
        ("PPV", s.ppv, s.ppv_ci),
        ("NPV", s.npv, s.npv_ci),
        ("Accuracy", s.accuracy, s.accuracy_ci),
        ("Brier score", Some(s.brier), None),
        ("Expected calibration error", Some(s.ece), None),
    ];
    let known = figures.into_iter().filter(|figure| figure.1.is_some());
    known
        .map(|(name, value, ci)| {
            Known(format!("{name} {} {}", number(value), interval(ci)).trim_end().to_owned())
        })
        .collect()
}

fn failures(contents: &Contents) -> Vec<Line> {
    let wrong = contents.summary.images - contents.summary.confusion.right();
    let mut lines =
        vec![Known(format!("{wrong} of {} images were called wrongly.", contents.summary.images))];
    let worst = contents.errors.iter().take(3);
    lines.extend(worst.map(|e| {
        Known(format!("{} is {} and was called {} with p = {:.3}.", e.name, e.truth, e.called, e.probability))
    }));
    lines.push(Blank("What a reader sees in these errors."));
    lines
}

fn fairness(contents: &Contents) -> Vec<Line> {
    if contents.subgroups.is_empty() {
        return vec![Blank("Results by sex, age, site and scanner (evaluate --subgroup COLUMN).")];
    }
    let line = |g: &eval::Subgroup| {
        Known(format!(
            "{} = {}: {} images, sensitivity {}, specificity {}, AUROC {}.",
            g.column,
            g.value,
            g.images,
            number(g.sensitivity),
            number(g.specificity),
            number(g.auroc)
        ))
    };
    contents.subgroups.iter().map(line).collect()
}
