//! The evaluation of images with several findings: each by itself, over the images of which it is known, by the metrics
//! of two classes; and their averages.
//!
//! Invariant: what is not known counts nowhere. A finding that no image has, or every image, has no curve: it has a
//! reason in `not_defined`, never 0.5, and is in no average.

use crate::calibration::{expected_calibration_error, reliability};
use crate::confusion::{Confusion, OneVsRest, mean};
use crate::evaluate::{ECE_BINS, RELIABILITY_BINS};
use crate::groups::or_singletons;
use crate::input::{InputError, Scored};
use crate::known::{Known, as_two_classes};
use crate::pr::average_precision;
use crate::ranking::Ranking;
use crate::roc::area_under_roc;
use crate::scoring::{brier, log_loss};
use crate::spread::{DrawnAreas, ranked_draws};
use crate::subgroup::{Subgroup, subgroups};
use crate::summary::{Average, ClassSummary, LEVEL, Summary};
use crate::threshold::Threshold;

/// What an evaluation of findings is made from: `n` images.
#[derive(Clone, Debug)]
pub struct Findings<'a> {
    /// The name of the split.
    pub split: &'a str,
    /// The findings.
    pub names: &'a [String],
    /// Whether each is there, `[n, findings]`; none if that is not known.
    pub truth: &'a [Option<bool>],
    /// The probability of each, `[n, findings]`.
    pub probabilities: &'a [f64],
    /// The group of each image, `[n]`.
    pub groups: Option<&'a [usize]>,
    /// From which probability on each is called.
    pub thresholds: &'a [Threshold],
    /// A prevalence to give predictive values for.
    pub prevalence: Option<f64>,
    /// Bootstrap draws.
    pub draws: usize,
    /// The seed of the bootstrap.
    pub seed: u64,
}

/// One finding as a problem of two classes, over the images of which it is known.
struct Problem {
    known: Known,
    labels: Vec<usize>,
    /// Of being there.
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    groups: Option<Vec<usize>>,
    classes: [String; 2],
}

impl Findings<'_> {
    fn problem(&self, finding: usize) -> Problem {
        let (name, count) = (&self.names[finding], self.names.len());
        let known = Known::of(self.truth, finding, count);
        let scores = known.scores(self.probabilities, finding, count);
        Problem {
            labels: known.labels(),
            probabilities: as_two_classes(&scores),
            scores,
            groups: self.groups.map(|groups| known.pick(groups)),
            classes: [format!("no {name}"), name.clone()],
            known,
        }
    }

    fn scored<'b>(&'b self, finding: usize, problem: &'b Problem) -> Scored<'b> {
        Scored {
            split: self.split,
            labels: &problem.labels,
            probabilities: &problem.probabilities,
            classes: &problem.classes,
            groups: problem.groups.as_deref(),
            positive: 1,
            threshold: self.thresholds[finding].clone(),
            prevalence: self.prevalence,
            draws: self.draws,
            seed: self.seed,
        }
    }

    /// The evaluation of one finding.
    fn finding(&self, at: usize, problem: &Problem) -> Result<Summary, InputError> {
        let (images, positives) = (problem.labels.len(), problem.known.positives());
        let negatives = images - positives;
        let scored = self.scored(at, problem);
        let mut summary = match images {
            0 => Summary {
                split: self.split.to_owned(),
                level: LEVEL,
                threshold: Some(self.thresholds[at].value),
                threshold_rule: self.thresholds[at].rule.clone(),
                ..Summary::default()
            },
            _ => Summary::new(&scored)?,
        };
        let reason = match (images, positives, negatives) {
            (0, ..) => Some("it is known of no image"),
            (_, 0, _) => Some("no image has it"),
            (.., 0) => Some("every image has it"),
            _ => None,
        };
        if let Some(reason) = reason {
            for name in ["auroc", "auprc", if positives == 0 { "sensitivity" } else { "specificity" }] {
                summary.not_defined.insert(name, reason.to_owned());
            }
        }
        let unknown = self.truth.len() / self.names.len() - images;
        let counts = (Some(positives), Some(negatives), Some(unknown));
        (summary.positives, summary.negatives, summary.unknown) = counts;
        summary.finding = Some(self.names[at].clone());
        Ok(summary)
    }

    /// The main figures of every finding for each of `values`, the value of `column` of every image.
    ///
    /// # Errors
    /// As of [`Summary::new`].
    pub fn subgroups(&self, column: &str, values: &[String]) -> Result<Vec<Subgroup>, InputError> {
        let mut found = vec![];
        for (at, name) in self.names.iter().enumerate() {
            let problem = self.problem(at);
            let values = problem.known.pick(values);
            found.extend(subgroups(&self.scored(at, &problem), &format!("{name}, {column}"), &values)?);
        }
        Ok(found)
    }
}

/// All pairs of an image and a finding that is known of it.
struct Pairs {
    /// The number of each among all pairs, known or not.
    numbers: Vec<usize>,
    scores: Vec<f64>,
    /// 1 where the finding is there.
    labels: Vec<usize>,
    positive: Vec<bool>,
    /// 1 where it is called.
    called: Vec<usize>,
}

impl Findings<'_> {
    fn pairs(&self, problems: &[Problem]) -> Pairs {
        let count = self.names.len();
        let number = |(at, of): (usize, &Problem)| -> Vec<usize> {
            of.known.images.iter().map(|image| image * count + at).collect()
        };
        let numbers: Vec<usize> = problems.iter().enumerate().flat_map(number).collect();
        let scores: Vec<f64> = problems.iter().flat_map(|of| &of.scores).copied().collect();
        let labels: Vec<usize> = problems.iter().flat_map(|of| &of.labels).copied().collect();
        let positive = labels.iter().map(|&label| label == 1).collect();
        let from = |number: &usize| self.thresholds[number % count].value;
        let called = numbers.iter().zip(&scores).map(|(number, p)| usize::from(*p >= from(number))).collect();
        Pairs { numbers, scores, labels, positive, called }
    }
}

/// The means over the findings that have a figure.
fn macro_average(per_class: &[ClassSummary], findings: &[Summary], areas: &DrawnAreas) -> Average {
    let of_class = |value: fn(&ClassSummary) -> Option<f64>| mean(per_class.iter().map(value));
    let of_finding = |value: fn(&Summary) -> Option<f64>| mean(findings.iter().map(value));
    Average {
        precision: of_class(|class| class.precision),
        recall: of_class(|class| class.recall),
        f1: of_class(|class| class.f1),
        auroc: of_finding(|of| of.auroc),
        auroc_ci: areas.auroc,
        auprc: of_finding(|of| of.auprc),
        auprc_ci: areas.auprc,
        ..Average::default()
    }
}

impl Summary {
    /// Whether a finding of this probability is called; of the evaluation of one.
    pub fn calls(&self, probability: f64) -> bool {
        probability >= self.threshold.unwrap_or(0.5)
    }

    /// Evaluates findings: `findings` has each; the figures above them are macro means over the findings that have
    /// one, or of all known (image, finding) pairs where they are called micro.
    ///
    /// # Errors
    /// As of [`Summary::new`].
    pub fn of_findings(input: &Findings) -> Result<Self, InputError> {
        let (count, n) = (input.names.len(), input.truth.len() / input.names.len().max(1));
        if n == 0 {
            return Err(InputError::Empty);
        }
        let problems: Vec<Problem> = (0..count).map(|at| input.problem(at)).collect();
        let findings: Vec<Summary> =
            problems.iter().enumerate().map(|(at, of)| input.finding(at, of)).collect::<Result<_, _>>()?;

        let Pairs { numbers, scores, labels, positive, called } = input.pairs(&problems);
        let pooled = Ranking::new(&scores, &positive).renumbered(|pair| numbers[pair]);
        let ranking =
            |of: &Problem| Ranking::new(&of.scores, &of.known.is).renumbered(|at| of.known.images[at]);
        let rankings: Vec<Ranking> = problems.iter().map(ranking).collect();
        let units = or_singletons(input.groups, n);
        let draws = ranked_draws(input.draws, count, n);
        // Without a curve of its own, a finding has no part in the means.
        let drawn: Vec<&Ranking> =
            rankings.iter().zip(&findings).filter(|(_, of)| of.auroc.is_some()).map(|(it, _)| it).collect();
        let areas = DrawnAreas::new(&drawn, &Ranking::new(&[], &[]), &units, draws, input.seed, LEVEL);
        // Pairs are numbered by all findings.
        let all =
            DrawnAreas::new(&vec![&Ranking::new(&[], &[]); count], &pooled, &units, draws, input.seed, LEVEL);

        let class = |of: &Summary| ClassSummary {
            class: of.finding.clone().unwrap_or_default(),
            ..of.per_class.get(1).cloned().unwrap_or_default()
        };
        let per_class: Vec<ClassSummary> = findings.iter().map(class).collect();
        let of_finding = |value: fn(&Summary) -> Option<f64>| mean(findings.iter().map(value));
        let macro_average = macro_average(&per_class, &findings, &areas);
        let counts: OneVsRest = Confusion::new(&labels, &called, 2).one_vs_rest(1);
        let micro_average = Average {
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            auroc: area_under_roc(pooled.cuts()),
            auroc_ci: all.pooled_auroc,
            auprc: average_precision(pooled.cuts()),
            auprc_ci: all.pooled_auprc,
            ..Average::default()
        };
        let both = as_two_classes(&scores);
        let by =
            if input.groups.is_some() { "bootstrap by group, percentile" } else { "bootstrap, percentile" };
        // Of nothing known, a mean would be no number.
        let of_pairs = |value: &dyn Fn() -> f64| if labels.is_empty() { 0.0 } else { value() };
        let mut summary = Self {
            split: input.split.to_owned(),
            images: n,
            groups: input.groups.map(|groups| crate::groups::table_len(&crate::groups::group_ids(groups))),
            threshold_rule: "a threshold for each finding".to_owned(),
            level: LEVEL,
            averaging: "findings, macro",
            auroc: macro_average.auroc,
            auroc_ci: macro_average.auroc_ci,
            auroc_ci_method: macro_average.auroc_ci.map(|_| by),
            auprc: macro_average.auprc,
            auprc_ci: macro_average.auprc_ci,
            bootstrap_draws: input.draws,
            sensitivity: of_finding(|of| of.sensitivity),
            specificity: of_finding(|of| of.specificity),
            brier: of_pairs(&|| brier(&both, 2, &labels)),
            log_loss: of_pairs(&|| log_loss(&both, 2, &labels)),
            ece: expected_calibration_error(&reliability(&scores, &positive, ECE_BINS)),
            ece_binning: format!("{ECE_BINS} bins of equal width over the probability of a finding"),
            reliability: reliability(&scores, &positive, RELIABILITY_BINS),
            per_class,
            macro_average,
            micro_average,
            findings,
            ..Self::default()
        };
        let several = "an image has several findings, each right or wrong; see findings";
        summary.not_defined.insert("accuracy", several.to_owned());
        if summary.auroc.is_none() {
            summary
                .not_defined
                .insert("auroc", "no finding is there in some images and not in others".to_owned());
        }
        Ok(summary)
    }
}
