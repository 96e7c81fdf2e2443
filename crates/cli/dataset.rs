//! What a command says of the data set that it works on: what was assumed and passed over, who stands alone, how it is
//! divided.

use crate::figures::count;
use crate::terminal::note;
use data::{Dataset, Split, SplitOrigin};
use std::collections::BTreeSet;

/// Says what was assumed when a data set was read, and what was passed over: a line each.
pub fn announce(dataset: &Dataset) {
    workflow::notes(dataset).iter().for_each(note);
}

/// Says how many images have no group, if others have one.
pub fn say_alone(dataset: &Dataset) {
    workflow::alone(dataset).iter().for_each(note);
}

/// How many groups `members` lie in, and how many of them have none: nobody knows whether those are independent.
pub fn groups_of(dataset: &Dataset, members: &[usize]) -> String {
    let groups: BTreeSet<&String> =
        members.iter().filter_map(|&i| dataset.samples[i].group.as_ref()).collect();
    let alone = members.iter().filter(|&&i| dataset.samples[i].group.is_none()).count();
    match alone {
        0 => count(groups.len(), "group"),
        _ => format!("{} and {} without a group", count(groups.len(), "group"), count(alone, "image")),
    }
}

/// Says what a run trains on, and how it was divided: by its `fold`, if it is one's.
pub fn describe(dataset: &Dataset, origin: SplitOrigin, fold: bool) {
    let known = dataset.has_groups();
    let part = |split: Split| {
        let images = count(dataset.part(split).len(), "image");
        let groups = groups_of(dataset, &dataset.part(split));
        if known { format!("{split} {images} ({groups})") } else { format!("{split} {images}") }
    };
    let parts = Split::ALL.map(part).join(", ");
    let how = match (origin, known) {
        _ if fold => "of the fold; val drawn by group from the others",
        (SplitOrigin::Given, true) => "given",
        (SplitOrigin::Given, false) => "given; no groups are known",
        (SplitOrigin::ValFromTrain, true) => "val set aside from train, by group",
        (SplitOrigin::ValFromTrain, false) => "val set aside from train by image: no groups are known",
        (SplitOrigin::Drawn, true) => "drawn by group",
        (SplitOrigin::Drawn, false) => "drawn by image: no groups are known",
    };
    let what = if dataset.has_findings() { "findings" } else { "classes" };
    note!("data: {}, {what} {}", dataset.source.display(), model::list_names(&dataset.classes));
    note!("splits ({how}): {parts}");
    say_alone(dataset);
    for (name, [without, with]) in dataset.classes.iter().zip(dataset.finding_counts(Split::Train)) {
        if dataset.has_findings() && (with == 0 || without == 0) {
            note!(
                "warning: {name}: {with} training images with it and {without} without, so its probability will mean nothing"
            );
        }
    }
    let divided = dataset.divided_groups();
    if let [(group, splits), ..] = &divided[..] {
        let splits: Vec<String> = splits.iter().map(Split::to_string).collect();
        note!(
            "warning: groups that lie in more than one split: {} ({group} in {}); the result will look better than it is",
            divided.len(),
            splits.join(" and ")
        );
    }
    announce(dataset);
}
