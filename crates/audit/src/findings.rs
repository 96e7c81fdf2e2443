//! What a person should know of a data set, one line each, the worst first.

use eval::count;

use crate::document::{Audit, Finding, KnownFinding, Part, SERIES_CROSS, Severity};
use crate::groups::GroupOrigin;
use crate::hints::Hint;
use crate::regroup::is_found_name;
use crate::repeats::Repeats;
use crate::shortcuts::{BOUND, ShortcutKind};

/// Classes that differ in size by more than this are mentioned.
const IMBALANCE: f64 = 3.0;
/// Fewer groups than this make every interval wide.
const FEW_GROUPS: usize = 20;

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
            let known = |of: fn(&Repeats) -> usize| at > 0 && of(kinds[at - 1].2) == of(found);
            if found.across_splits > 0 && !known(|r| r.across_splits) {
                let message =
                    format!("{}: {} in more than one split", what, count(found.across_splits, "set"));
                self.add(Severity::Leak, kind, message);
            }
            if found.across_classes > 0 && !known(|r| r.across_classes) {
                let how = if audit.has_findings() {
                    "with contradicting findings"
                } else {
                    "in more than one class"
                };
                let message = format!("{}: {} {how}", what, count(found.across_classes, "set"));
                self.add(Severity::Warning, "label-conflict", message);
            }
            if found.clusters > 0 && !known(|r| r.images) {
                let Repeats { clusters, images, largest, .. } = found;
                let message =
                    format!("{what}: {images} images in {} of up to {largest}", count(*clusters, "set"));
                self.add(Severity::Note, kind, message);
            }
        }
    }

    /// What lies in more than one split although no copy was found there.
    fn series(&mut self, audit: &Audit) {
        let (across_splits, series) = (audit.look_alikes.across_splits, audit.series);
        // Who names the patients knows better than look-alikes do; groups that an earlier search wrote are no such names.
        let named = audit.groups.as_ref().is_some_and(|groups| {
            groups.origin == GroupOrigin::Given && !groups.names.iter().all(|name| is_found_name(name))
        });
        if across_splits <= audit.copies.across_splits {
            return;
        }
        let known = audit.groups.as_ref().is_some_and(|groups| groups.across_splits > 0);
        if named && known {
            return;
        }
        if named {
            let message = format!(
                "look-alikes: {across_splits} of {series} series lie in more than one split, though the given groups do not; if \
                 slices of one volume or views of one patient are among them, their groups are too small"
            );
            self.add(Severity::Note, "series-across-groups", message);
        } else {
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
        let (all, crossing) = (groups.count, groups.across_splits);
        match groups.origin {
            GroupOrigin::Given if crossing > 0 => {
                let message = format!("{crossing} of {all} groups ({by}) lie in more than one split");
                self.add(Severity::Leak, "groups-across-splits", message);
            }
            GroupOrigin::Names => {
                let crossing = match crossing {
                    0 => String::new(),
                    _ => format!("; {crossing} of them lie in more than one split"),
                };
                let message = format!(
                    "file names suggest {all} groups, and the pictures agree{crossing}: if that is right, use --group-by {}",
                    data::quote(by)
                );
                self.add(Severity::Warning, "groups-suggested", message);
            }
            // What of them crosses the split was said above.
            GroupOrigin::Pictures => {
                let message =
                    format!("no groups are given, but the pictures look like {} series", audit.series);
                self.add(Severity::Warning, "groups-suggested", message);
            }
            GroupOrigin::Given => {}
        }
        if groups.origin == GroupOrigin::Given && all < FEW_GROUPS {
            let message = format!("only {all} groups stand behind every number: no interval can be narrow");
            self.add(Severity::Warning, "few-groups", message);
        }
        if groups.single_class == all && all > audit.classes.len() && all < FEW_GROUPS {
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
            } else if audit.groups.as_ref().is_none_or(|groups| groups.origin != GroupOrigin::Given) {
                let message = format!("{words} makes {groups} groups: {option}");
                self.add(Severity::Note, "groups-named", message);
            }
        }
    }

    fn shortcuts(&mut self, audit: &Audit) {
        for found in audit.shortcuts.iter().filter(|found| found.flagged) {
            let why = match found.kind {
                ShortcutKind::File => "a property of the file, never anatomy",
                ShortcutKind::Picture => "exposure or processing, perhaps anatomy",
                ShortcutKind::Name => "invisible to a network, but what it counts may not be",
                ShortcutKind::Column => "invisible to a network, but what it says may not be",
            };
            let (feature, auroc) = (&found.feature, found.auroc);
            let what = found.finding.as_ref().unwrap_or(&found.higher_in);
            let message = format!("{feature} tells \"{what}\" with AUROC {auroc:.3}: {why}");
            self.add(Severity::Warning, "shortcut", message);
        }
        let unproven: Vec<_> = audit.shortcuts.iter().filter(|found| found.too_few).collect();
        if let Some(first) = unproven.first() {
            let (count, feature, auroc) = (unproven.len(), &first.feature, first.auroc);
            let message = format!(
                "features with an AUROC of {BOUND} or more, of so few groups or sources that chance may be why: {count}, the \
                 highest {feature} with {auroc:.3}"
            );
            self.add(Severity::Note, "shortcut-unproven", message);
        }
    }

    fn sizes(&mut self, audit: &Audit) {
        if let [first, ..] = &audit.unreadable[..] {
            let (files, path, reason) = (audit.unreadable.len(), &first.path, &first.reason);
            let message =
                format!("{files} of {} files cannot be read, the first is {path}: {reason}", audit.images);
            self.add(Severity::Warning, "unreadable", message);
        }
        if audit.has_findings() {
            return self.known(audit);
        }
        let Some(whole) = audit.parts.first() else { return };
        let sizes = whole.per_class.iter().zip(&audit.classes);
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

    /// Findings that a part of the images cannot tell anything of.
    fn known(&mut self, audit: &Audit) {
        let names = |part: &Part, of: fn(&KnownFinding) -> usize| {
            let without = audit.classes.iter().zip(&part.findings).filter(|(_, known)| of(known) == 0);
            without.map(|(name, _)| name).collect::<Vec<&String>>()
        };
        let parts = if audit.parts.len() > 1 { &audit.parts[1..] } else { &audit.parts[..] };
        for part in parts {
            let place = if part.split == "all" { "the set" } else { &format!("the {} split", part.split) };
            let lacking = [
                ("with", names(part, |of| of.positives)),
                ("known to be without", names(part, |of| of.negatives)),
            ];
            for (what, names) in lacking.into_iter().filter(|(_, names)| !names.is_empty()) {
                let message = format!("{place} has no image {what} {}", model::list_names(&names));
                self.add(Severity::Warning, "class-missing", message);
            }
        }
        let message = "trivial baselines are scored for one class an image, not for findings".to_owned();
        self.add(Severity::Note, "no-baselines", message);
    }
}
