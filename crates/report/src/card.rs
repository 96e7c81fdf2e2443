//! The model card: what CLAIM (Checklist for Artificial Intelligence in Medical Imaging, 2024 update) and TRIPOD+AI
//! (Collins et al. 2024) ask of a study, filled with what the run knows.
//!
//! The program knows settings, counts and figures. It does not know patients, scanners, ethics or intentions. Those are
//! marked blanks: an invented sentence would be worse than none.

use crate::html::{interval, number, times};
use crate::keep::{self, Entry, Section};
use crate::{Contents, SplitRow};
use eval::count;
use model::list_names;

/// A line of the card.
pub(crate) enum Line {
    /// What the run knows: a name for what is told, and the words.
    Known(String, String),
    /// What a person has to write.
    Blank(&'static str),
}

/// A heading with its lines.
pub(crate) struct Topic {
    pub heading: &'static str,
    /// The headings of the two guidelines that ask for it.
    pub asked_by: &'static str,
    pub lines: Vec<Line>,
}

use Line::Blank;

/// What the run knows.
#[expect(non_snake_case, reason = "beside Blank, in lists of lines")]
fn Known(name: impl Into<String>, words: impl Into<String>) -> Line {
    Line::Known(name.into(), words.into())
}

/// The card as Markdown.
pub fn model_card(contents: &Contents) -> String {
    keep::fresh(&sections(contents))
}

/// The card as Markdown, in the place of the card `before`: what people wrote in that stays, where they wrote it.
pub fn refreshed_card(contents: &Contents, before: Option<&str>) -> String {
    match before.filter(|text| !text.trim().is_empty()) {
        Some(text) => keep::refreshed(&sections(contents), text),
        None => model_card(contents),
    }
}

fn sections(contents: &Contents) -> Vec<Section> {
    let about = "Under the headings that CLAIM (Checklist for Artificial Intelligence in Medical Imaging, 2024 update) and \
                 TRIPOD+AI (2024) ask for. Lines marked **[to be filled in]** are what the program cannot know. What is \
                 written here stays when the report is made again.";
    let fixed = |key: &str, line: String| Entry { key: key.into(), line, has_value: false };
    let mut sections = vec![Section {
        heading: String::new(),
        entries: vec![
            fixed("title", format!("# Model card: {}", markdown(&contents.title))),
            fixed("notice", "**Research use only, not a medical device.**".into()),
            fixed("about", about.into()),
        ],
    }];
    for part in parts(contents) {
        let mut entries = vec![fixed(&format!("{} asked by", part.heading), format!("*{}*", part.asked_by))];
        entries.extend(part.lines.iter().map(|line| match line {
            Line::Known(name, words) => Entry {
                key: format!("{} {name}", part.heading),
                line: format!("- {}", markdown(words)),
                has_value: true,
            },
            Blank(what) => {
                fixed(&format!("{} {what}", part.heading), format!("- **[to be filled in]** {what}"))
            }
        }));
        sections.push(Section { heading: part.heading.into(), entries });
    }
    sections
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
pub(crate) fn parts(contents: &Contents) -> Vec<Topic> {
    let part = |heading, asked_by, lines| Topic { heading, asked_by, lines };
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
                Known(
                    "labels",
                    format!(
                        "{}: {}.",
                        contents.what("The label of an image is one of", "An image has some, none or all of"),
                        list_names(&contents.metadata.classes)
                    ),
                ),
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
                Known("notice", "Research use only, not a medical device."),
                Blank("Known limitations of the data, and what the result does not show."),
                Blank("Intended user, required input quality, and what to do with an unusable image."),
            ],
        ),
        part(
            "Ethics, funding and openness",
            "CLAIM: other information; TRIPOD+AI: ethical approval, open science, patient and public involvement",
            vec![
                Known(
                    "program",
                    format!(
                        "Made with {} {}.",
                        contents.metadata.provenance.program, contents.metadata.provenance.version
                    ),
                ),
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
        Known(
            "classes",
            format!(
                "{}: {}.",
                contents.what("Classifies images as", "Tells in images"),
                list_names(&contents.metadata.classes)
            ),
        ),
        Blank("The clinical question, the intended use and the intended users."),
        Blank("The study design (retrospective or prospective) and its hypothesis."),
    ]
}

fn data(contents: &Contents) -> Vec<Line> {
    let p = &contents.metadata.preprocessing;
    let verdict = contents.audit.as_ref().and_then(|audit| audit["verdict"].as_array());
    let fit = match p.fit {
        model::ResizeMode::Stretch => "stretched to this size",
        model::ResizeMode::Pad => "fitted into this size, the rest black",
    };
    let channels = count(p.channels, "channel");
    let window = p.window.map_or(String::new(), |window| {
        let [black, white] = window.ends();
        format!(" Gray values of more than 8 bits are seen from {black} (black) to {white} (white).")
    });
    let mut lines = vec![
        Blank("Where the images come from: sites, dates, scanners, protocols."),
        Blank("Inclusion and exclusion; age, sex and other characteristics of the patients."),
        Blank("De-identification, and how missing data were handled."),
        Known(
            "preprocessing",
            format!("Preprocessing: {channels}, {} x {} pixels, {fit}.{window}", p.height, p.width),
        ),
    ];
    let fingerprint = &contents.metadata.provenance.data_fingerprint;
    if !fingerprint.is_empty() {
        // Earlier versions looked at names and sizes.
        let of = if fingerprint.starts_with("v2-") { "contents" } else { "names, sizes" };
        let words = format!("Data fingerprint (SHA-256 of {of}, labels and splits): {fingerprint}.");
        lines.push(Known("fingerprint", words));
    }
    let found = verdict.into_iter().flatten().filter_map(|line| line.as_str());
    lines.extend(found.enumerate().map(|(i, line)| Known(format!("audit {i}"), format!("Audit: {line}"))));
    lines
}

fn partitions(contents: &Contents) -> Vec<Line> {
    let classes = &contents.metadata.classes;
    let splits = contents.training.as_ref().map_or(&[][..], |training| &training.splits[..]);
    let of_split = |SplitRow { name, images, per_class, groups }: &SplitRow| {
        let counts: Vec<String> =
            classes.iter().zip(per_class).map(|(class, n)| format!("{n} {class}")).collect();
        let groups = groups.map_or(String::new(), |groups| format!(", in {}", count(groups, "group")));
        let all = match contents.metadata.has_findings() {
            true => format!("{}, of which ", count(*images, "image")),
            false => String::new(),
        };
        Known(name, format!("{name}: {all}{}{groups}.", list_names(&counts)))
    };
    let mut lines: Vec<Line> = splits.iter().map(of_split).collect();
    let by = contents.metadata.provenance.config["group_by"].as_str();
    match by {
        _ if !splits.is_empty() && splits.iter().all(|split| split.groups.is_none()) => lines.push(Known(
            "groups",
            "No groups (patients, studies, volumes) are known: images of one patient may lie in more than one of these \
             parts.",
        )),
        Some(by) => lines.push(Known("groups", format!("Groups are given by: {by}."))),
        None => {}
    }
    lines.push(Blank("How the sample size was arrived at."));
    lines.push(Blank("Whether the test images come from another site or time (external validation)."));
    lines
}

fn model(contents: &Contents) -> Vec<Line> {
    let a = &contents.metadata.architecture;
    let network = format!(
        "{}, width multiplier {}, input {} x {} x {}, dropout {}.",
        a.name, a.width, a.image_size[0], a.image_size[1], a.channels, a.dropout
    );
    let mut lines = vec![
        Known("network", network),
        Known(
            "output",
            contents.what(
                "Output: a probability for each class, which sum to 1.",
                "Output: a probability for each finding, whatever the others are.",
            ),
        ),
    ];
    let of_findings = contents.metadata.findings.iter().filter_map(|finding| finding.threshold.as_ref());
    for threshold in contents.metadata.threshold.iter().chain(of_findings) {
        let on = threshold.evidence.as_ref().map_or(String::new(), |found| {
            format!(" On {} images of it and {} others there.", found.positives, found.negatives)
        });
        let words = format!(
            "{} is called from a probability of {} on: {}.{on}",
            threshold.positive, threshold.value, threshold.rule
        );
        let name = match contents.metadata.has_findings() {
            true => format!("threshold {}", threshold.positive),
            false => "threshold".to_owned(),
        };
        lines.push(Known(name, words));
    }
    if let Some(calibration) = contents.metadata.calibration {
        let words =
            format!("Temperature {}, {}.", calibration.temperature, contents.metadata.temperature_origin());
        lines.push(Known("temperature", words));
    }
    lines
}

fn training(contents: &Contents) -> Vec<Line> {
    let settings = contents.metadata.provenance.config.as_object().into_iter().flatten();
    let shown = settings.filter(|(_, value)| !value.is_null());
    let text: Vec<String> =
        shown.map(|(name, value)| format!("{name} {}", value.to_string().trim_matches('"'))).collect();
    if text.is_empty() {
        return vec![Blank(
            "Initial weights, optimizer, augmentation, stopping rule: these weights were imported.",
        )];
    }
    let mut lines = vec![Known("settings", format!("Settings: {}.", text.join(", ")))];
    let warnings = contents.metadata.provenance.metrics["warnings"].as_array();
    let warned: Vec<&str> = warnings.into_iter().flatten().filter_map(|warning| warning.as_str()).collect();
    if !warned.is_empty() {
        lines.push(Known("warnings", format!("Warnings of the training: {}.", warned.join("; "))));
    }
    if let Some(training) = &contents.training {
        let has_auroc = training.epochs.iter().any(|epoch| epoch.val_auroc.is_some());
        let best = match contents.metadata.provenance.config["best_by"] == "auroc" && has_auroc {
            true => "highest validation AUROC",
            false => "lowest validation loss",
        };
        lines.push(Known(
            "epochs",
            match training.epochs.len() {
                0 => "No epoch was finished; the last weights were kept.".to_owned(),
                1 => "1 epoch was trained; its weights were kept.".to_owned(),
                n => format!("{n} epochs were trained; the weights of the {best} were kept."),
            },
        ));
    }
    lines
}

fn evaluation(contents: &Contents) -> Vec<Line> {
    let s = contents.summary;
    let on = match s.groups {
        Some(_) => "on groups, which are taken as independent",
        None => "on images as if they were independent: no groups are known",
    };
    let mut lines = vec![
        Known("images", format!("Evaluated on: {}, {}.", s.split, count(s.images, "image"))),
        Known("intervals", format!("Proportions have exact intervals (Clopper and Pearson), {on}.")),
    ];
    lines.extend(s.auroc_ci_method.map(|method| Known("AUROC", format!("AUROC: {method}."))));
    let opened = |n: usize| Known("openings", format!("These images were opened {} by this run.", times(n)));
    lines.extend(contents.openings.map(opened));
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
    let in_words = |value, ci| format!("{} {}", number(value), interval(ci)).trim_end().to_owned();
    let whole = known.map(|(name, value, ci)| Known(name, format!("{name} {}", in_words(value, ci))));
    let of_finding = |of: &eval::Summary| {
        let name = of.finding.clone().unwrap_or_default();
        let auroc = in_words(of.auroc, of.auroc_ci);
        let words = of.not_defined.get("auroc").map_or(auroc, |reason| format!("not defined ({reason})"));
        Known(format!("AUROC {name}"), format!("AUROC of {name} {words}"))
    };
    whole.chain(s.findings.iter().map(of_finding)).collect()
}

fn failures(contents: &Contents) -> Vec<Line> {
    if contents.metadata.has_findings() {
        return vec![Blank(
            "Which images are called wrongly (predictions.csv), and what a reader sees in them.",
        )];
    }
    let (images, wrong) =
        (contents.summary.images, contents.summary.images - contents.summary.confusion.right());
    let were = if wrong == 1 { "was" } else { "were" };
    let words = format!("{wrong} of {} {were} called wrongly.", count(images, "image"));
    let mut lines = vec![Known("wrong", words)];
    let worst = contents.errors.iter().take(3).enumerate();
    lines.extend(worst.map(|(i, e)| {
        let words =
            format!("{} is {} and was called {} with p = {:.3}.", e.name, e.truth, e.called, e.probability);
        Known(format!("error {i}"), words)
    }));
    lines.push(Blank("What a reader sees in these errors."));
    lines
}

fn fairness(contents: &Contents) -> Vec<Line> {
    if contents.subgroups.is_empty() {
        return vec![Blank("Results by sex, age, site and scanner (evaluate --subgroup COLUMN).")];
    }
    let line = |g: &eval::Subgroup| {
        let words = format!(
            "{} = {}: {}, sensitivity {}, specificity {}, AUROC {}.",
            g.column,
            g.value,
            count(g.images, "image"),
            number(g.sensitivity),
            number(g.specificity),
            number(g.auroc)
        );
        Known(format!("{} = {}", g.column, g.value), words)
    };
    contents.subgroups.iter().map(line).collect()
}
