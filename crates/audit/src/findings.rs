//! What a person should know of a data set, one line each, the worst first.

use serde::Serialize;

use crate::groups::Origin;
use crate::hints::Hint;
use crate::regroup::is_found_name;
use crate::repeats::Repeats;
use crate::report::Audit;
use crate::shortcuts::Kind;

/// Classes that differ in size by more than this are mentioned.
const IMBALANCE: f64 = 3.0;
/// Fewer groups than this make every interval wide.
const FEW_GROUPS: usize = 20;

/// The kind of the finding that series of look-alikes lie in more than one split.
const SERIES_CROSS: &str = "series-across-splits";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The given split leaks: a score on it cannot be believed.
    Leak,
    /// A score may not mean what it seems to.
    Warning,
    /// Good to know.
    Note,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is: a short name that does not change.
    pub kind: &'static str,
    /// The line.
    pub message: String,
}

impl Finding {
    /// Whether a strict audit fails on it: a leak, or look-alikes on both sides of the split.
    pub fn fails_strict(&self) -> bool {
        self.is_leak() || self.kind == SERIES_CROSS
    }

    /// Whether it is a leak of the given split.
    pub fn is_leak(&self) -> bool {
        self.severity == Severity::Leak
    }
}

/// Everything worth a line.
pub fn findings(audit: &Audit) -> Vec<Finding> {
    let mut list = List(vec![]);
    list.repeats(audit);
    list.series(audit);
    list.groups(audit);
    list.hints(audit);
    list.shortcuts(audit);
    list.sizes(audit);
    list.0.sort_by_key(|finding| finding.severity);
    list.0
}

struct List(Vec<Finding>);

impl List {
    fn add(&mut self, severity: Severity, kind: &'static str, message: String) {
        self.0.push(Finding { severity, kind, message });
    }

    fn repeats(&mut self, audit: &Audit) {
        let Audit { identical_files, identical_pixels, copies, .. } = audit;
        let kinds = [
            ("identical-files", "identical files", identical_files),
            ("identical-pixels", "identical pixels in different files", identical_pixels),
            ("copies", "copies (turned, scaled, sharpened, ...)", copies),
        ];
        for (at, (kind, what, found)) in kinds.into_iter().enumerate() {
            // What an earlier line has said already.
            let known = |count: fn(&Repeats) -> usize| at > 0 && count(kinds[at - 1].2) == count(found);
            if found.across_splits > 0 && !known(|r| r.across_splits) {
                let message = format!("{}: {} in more than one split", what, sets(found.across_splits));
                self.add(Severity::Leak, kind, message);
            }
            if found.across_classes > 0 && !known(|r| r.across_classes) {
                let message = format!("{}: {} in more than one class", what, sets(found.across_classes));
                self.add(Severity::Warning, "label-conflict", message);
            }
            if found.clusters > 0 && !known(|r| r.images) {
                let Repeats { clusters, images, largest, .. } = found;
                let message = format!("{what}: {images} images in {} of up to {largest}", sets(*clusters));
                self.add(Severity::Note, kind, message);
            }
        }
    }

    /// What lies in more than one split although no copy was found there.
    fn series(&mut self, audit: &Audit) {
        let (across_splits, series) = (audit.look_alikes.across_splits, audit.series);
        // Who names the patients knows better than look-alikes do; groups that an earlier search wrote are no such names.
        let named = audit.groups.as_ref().is_some_and(|groups| {
            groups.origin == Origin::Given && !groups.names.iter().all(|name| is_found_name(name))
        });
        if across_splits > audit.copies.across_splits && !named {
            let message = format!(
                "look-alikes (copies, slices of one volume, views of one patient): {across_splits} of {series} series \
                 lie in more than one split; `vertebra audit --write-groups` keeps each together"
            );
            self.add(Severity::Warning, SERIES_CROSS, message);
        }
    }

    fn groups(&mut self, audit: &Audit) {
        let Some(groups) = &audit.groups else {
            let message = "no groups are known (patient, study, volume): images are taken as independent, which flatters \
                           every interval; name them with --group-by";
            return self.add(Severity::Warning, "groups-unknown", message.into());
        };
        let by = groups.by.as_deref().unwrap_or_default();
        let (count, crossing) = (groups.count, groups.across_splits);
        match groups.origin {
            Origin::Given if crossing > 0 => {
                let message = format!("{crossing} of {count} groups ({by}) lie in more than one split");
                self.add(Severity::Leak, "groups-across-splits", message);
            }
            Origin::Names => {
                let crossing = if crossing > 0 {
                    format!("; {crossing} of them lie in more than one split")
                } else {
                    String::new()
                };
                let message = format!(
                    "file names suggest {count} groups, and the pictures agree{crossing}: if that is right, use --group-by {}",
                    data::quote(by)
                );
                self.add(Severity::Warning, "groups-suggested", message);
            }
            // What of them crosses the split was said above.
            Origin::Pictures => {
                let message = format!("no groups are given, but the pictures look like {count} series");
                self.add(Severity::Warning, "groups-suggested", message);
            }
            Origin::Given => {}
        }
        if groups.origin == Origin::Given && count < FEW_GROUPS {
            let message = format!("only {count} groups stand behind every number: no interval can be narrow");
            self.add(Severity::Warning, "few-groups", message);
        }
        if groups.single_class == count && count > audit.classes.len() && count < FEW_GROUPS {
            let message = "every group has images of one class only: what tells groups apart tells the class"
                .to_owned();
            self.add(Severity::Warning, "groups-are-classes", message);
        }
    }

    fn hints(&mut self, audit: &Audit) {
        for hint in &audit.hints {
            let Hint { groups, across_splits, alone, .. } = hint;
            let (mut words, option) = (hint.words(), hint.option());
            if *alone > 0 {
                words = format!("{words} ({alone} other images stand alone)");
            }
            if *across_splits > 0 {
                let message = format!(
                    "{words}: {across_splits} of {groups} groups lie in more than one split; if it is what belongs \
                     together, use {option}"
                );
                self.add(Severity::Warning, "groups-named", message);
            } else if audit.groups.as_ref().is_none_or(|groups| groups.origin != Origin::Given) {
                let message = format!("{words} makes {groups} groups: {option}");
                self.add(Severity::Note, "groups-named", message);
            }
        }
    }

    fn shortcuts(&mut self, audit: &Audit) {
        for found in audit.shortcuts.iter().filter(|found| found.flagged) {
            let why = match found.kind {
                Kind::File => "a property of the file, never anatomy",
                Kind::Picture => "exposure or processing, perhaps anatomy",
                Kind::Name => "invisible to a network, but what it counts may not be",
                Kind::Column => "invisible to a network, but what it says may not be",
            };
            let (feature, class, auroc) = (&found.feature, &found.higher_in, found.auroc);
            let message = format!("{feature} tells \"{class}\" with AUROC {auroc:.3}: {why}");
            self.add(Severity::Warning, "shortcut", message);
        }
    }

    fn sizes(&mut self, audit: &Audit) {
        if let [first, ..] = &audit.unreadable[..] {
            let (count, path, reason) = (audit.unreadable.len(), &first.path, &first.reason);
            let message =
                format!("{count} of {} files cannot be read, the first is {path}: {reason}", audit.images);
            self.add(Severity::Warning, "unreadable", message);
        }
        let Some(all) = audit.parts.first() else { return };
        let sizes = all.per_class.iter().zip(&audit.classes);
        let (smallest, largest) = (sizes.clone().min(), sizes.max());
        if let (Some((small, rare)), Some((large, common))) = (smallest, largest)
            && *large as f64 > IMBALANCE * *small as f64
        {
            let message =
                format!("classes differ in size: {large} images of \"{common}\", {small} of \"{rare}\"");
            self.add(Severity::Note, "imbalance", message);
        }
        for part in &audit.parts[1..] {
            if let Some(empty) = part.per_class.iter().position(|&n| n == 0) {
                let message =
                    format!("the {} split has no image of \"{}\"", part.split, audit.classes[empty]);
                self.add(Severity::Warning, "class-missing", message);
            }
        }
    }
}

/// So many sets.
pub fn sets(count: usize) -> String {
    if count == 1 { "1 set".into() } else { format!("{count} sets") }
}
