//! Naming schemes as published and home-made sets have them, with the grouping that is right. The rule's settings were
//! chosen on every other one; the rest was looked at afterwards. Both halves must hold.

use crate::testing::dataset;
use audit::Place;
use data::{Dataset, group_from_name};
use engine::Rng;
use eval::group_ids;

/// Names, each with its right group; none: it stands alone.
type Names = Vec<(String, Option<String>)>;

struct Scheme {
    what: &'static str,
    names: Names,
}

/// Collects the names of a scheme.
fn scheme(what: &'static str, fill: impl FnOnce(&mut Rng, &mut dyn FnMut(String, &str))) -> Scheme {
    let mut names = vec![];
    let mut rng = Rng::new(what.len() as u64);
    fill(&mut rng, &mut |name: String, group: &str| {
        names.push((name, Some(group.to_owned()).filter(|group| !group.is_empty())));
    });
    Scheme { what, names }
}

fn below(rng: &mut Rng, n: usize) -> usize {
    (rng.uniform() * n as f64) as usize
}

fn hex(rng: &mut Rng, digits: usize) -> String {
    (0..digits).map(|_| char::from_digit(below(rng, 16) as u32, 16).unwrap()).collect()
}

const CLASSES: [&str; 2] = ["sick", "well"];
const SPLITS: [&str; 2] = ["train", "test"];

/// The groups that `pattern` makes, numbered from 0; a name that it does not fit stands alone.
fn groups_of(set: &Dataset, pattern: &str) -> Vec<usize> {
    let key = |name: &'_ str| group_from_name(name, pattern).ok_or(name.to_owned());
    group_ids(&set.samples.iter().map(|sample| key(&sample.name)).collect::<Vec<_>>())
}

/// Asserts the grouping of `schemes`, and names all that fail.
#[track_caller]
fn holds(schemes: impl Iterator<Item = Scheme>) {
    let mut wrong = vec![];
    for Scheme { what, names } in schemes {
        let class = |name: &'_ str| {
            let known = ["sick", "well", "BACTERIA", "VIRUS", "NORMAL", "PNEUMONIA"];
            known.iter().find(|class| name.split('/').any(|folder| folder == **class)).copied()
        };
        // Names without a class's folder are those of a manifest.
        let rows: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, (name, _))| (name.as_str(), class(name).unwrap_or(CLASSES[i * 7 / 3 % 2]), None, None))
            .collect();
        let set = dataset(&rows);
        let right: Vec<_> = names.iter().map(|(name, group)| group.as_ref().ok_or(name)).collect();
        let right = group_ids(&right);
        let offered = audit::quick_hints(&set).into_iter().find(|hint| hint.place == Place::Names);
        let pattern = offered.map(|hint| hint.by);
        let says_nothing = names.iter().all(|(_, group)| group.is_none());
        let is_right = match &pattern {
            None => says_nothing,
            Some(pattern) => !says_nothing && groups_of(&set, pattern) == right,
        };
        if !is_right {
            let want = right.iter().max().unwrap() + 1;
            let found = pattern.as_ref().map(|pattern| groups_of(&set, pattern).iter().max().unwrap() + 1);
            wrong.push(format!("{what}: {pattern:?} makes {found:?} groups of {want}, e.g. {}", names[0].0));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schemes_that_settings_were_chosen_on() {
    holds(schemes().into_iter().step_by(2));
}

#[test]
fn the_schemes_that_were_held_out() {
    holds(schemes().into_iter().skip(1).step_by(2));
}

fn schemes() -> Vec<Scheme> {
    vec![
        scheme("NIH: patient and follow-up", |rng, add| {
            for patient in (1..400).step_by(3) {
                for follow in 0..=below(rng, 6) {
                    add(format!("images/{patient:08}_{follow:03}.png"), &format!("{patient}"));
                }
            }
        }),
        scheme("Kermany: three families in one set", |rng, add| {
            let mut image = 0;
            for person in 1..120 {
                for _ in 0..=below(rng, 4) {
                    image += 1;
                    let kind = ["bacteria", "virus"][below(rng, 2)];
                    add(format!("train/PNEUMONIA/person{person}_{kind}_{image}.jpeg"), &format!("p{person}"));
                }
            }
            for number in 100..300 {
                let copies = if number % 12 == 0 { 3 } else { 1 };
                for copy in 1..=copies {
                    let more = if copies > 1 { format!("-{copy:04}") } else { String::new() };
                    add(format!("train/NORMAL/IM-{number:04}-0001{more}.jpeg"), &format!("i{number}"));
                    add(
                        format!("train/NORMAL/NORMAL2-IM-{number:04}-0001{more}.jpeg"),
                        &format!("n{number}"),
                    );
                }
            }
        }),
        scheme("MURA: folders of patients, studies and images", |rng, add| {
            for patient in 0..80 {
                for study in 1..=1 + below(rng, 2) {
                    for image in 1..=1 + below(rng, 3) {
                        let class = CLASSES[below(rng, 2)];
                        add(
                            format!("{class}/XR_WRIST/patient{patient:05}/study{study}/image{image}.png"),
                            &format!("{patient}"),
                        );
                    }
                }
            }
        }),
        scheme("CheXpert: views in folders", |rng, add| {
            for patient in 0..70 {
                for view in 1..=1 + below(rng, 3) {
                    let (split, class) = (SPLITS[patient % 2], CLASSES[below(rng, 2)]);
                    add(
                        format!(
                            "{split}/{class}/patient{patient:05}/study{}/view{view}_frontal.jpg",
                            patient % 3 + view
                        ),
                        &format!("{patient}"),
                    );
                }
            }
        }),
        scheme("MIMIC: patient and study in the name", |rng, add| {
            for patient in 0..90 {
                for _ in 0..=below(rng, 4) {
                    add(
                        format!(
                            "files/p{}_s{}.png",
                            10_000_032 + 977 * patient,
                            50_000_000 + below(rng, 9_000_000)
                        ),
                        &format!("{patient}"),
                    );
                }
            }
        }),
        scheme("augmented slices of CT volumes", |rng, add| {
            for volume in [10, 11, 12, 13] {
                for slice in 1..40 {
                    let class = CLASSES[usize::from(slice > 20)];
                    add(format!("{class}/CSFDV1B{volume} ({slice}).png"), &format!("{volume}"));
                    for turn in 1..=1 + below(rng, 3) {
                        add(
                            format!("{class}/CSFDV1B{volume} ({slice})-rotated{turn}.png"),
                            &format!("{volume}"),
                        );
                    }
                }
            }
        }),
        scheme("serial numbers in each class folder", |_, add| {
            for i in 1..=100 {
                CLASSES.iter().for_each(|class| add(format!("{class}/{i}.png"), ""));
            }
        }),
        scheme("zero-padded serial numbers of all files", |_, add| {
            for i in 1..=200 {
                add(format!("{}/IMG_{i:05}.jpg", CLASSES[i % 2]), "");
            }
        }),
        scheme("UUIDs", |rng, add| {
            for i in 0..150 {
                add(
                    format!(
                        "{}/{}-{}-4{}-{}-{}.png",
                        CLASSES[i % 2],
                        hex(rng, 8),
                        hex(rng, 4),
                        hex(rng, 3),
                        hex(rng, 4),
                        hex(rng, 12)
                    ),
                    "",
                );
            }
        }),
        scheme("DICOM UIDs, an instance each", |rng, add| {
            for i in 0..120 {
                add(
                    format!(
                        "{}/1.2.826.0.1.3680043.8.498.{}{:09}.dcm",
                        CLASSES[i % 2],
                        1 + below(rng, 9),
                        below(rng, 999_999_999)
                    ),
                    "",
                );
            }
        }),
        scheme("DICOM UIDs of study, series, instance", |rng, add| {
            for study in 0..60 {
                let uid = 10_000 + study * 37 + below(rng, 30);
                for instance in 1..=1 + below(rng, 4) {
                    add(format!("images/1.2.840.113619.2.{uid}.1.{instance}.dcm"), &format!("{uid}"));
                }
            }
        }),
        scheme("patients numbered anew in each class", |rng, add| {
            for class in ["BACTERIA", "VIRUS"] {
                for person in 1..70 {
                    for image in 1..=1 + below(rng, 3) {
                        add(format!("{class}/person{person}_{image}.png"), &format!("{class}{person}"));
                    }
                }
            }
        }),
        scheme("the same with the class in the name", |rng, add| {
            for class in ["BACTERIA", "VIRUS"] {
                for person in 1..50 {
                    for image in 1..=2 + below(rng, 3) {
                        let word = class.to_lowercase();
                        add(
                            format!("train/{class}/{person:03}_{word}_{image}.png"),
                            &format!("{class}{person}"),
                        );
                    }
                }
            }
        }),
        scheme("patients with images in both classes", |rng, add| {
            for person in 1..60 {
                for image in 1..=2 + below(rng, 4) {
                    add(
                        format!("{}/person{person}_{image}.png", CLASSES[below(rng, 2)]),
                        &format!("{person}"),
                    );
                }
            }
        }),
        scheme("merged: patients, serial numbers and odd files", |rng, add| {
            for person in 1..80 {
                for image in 1..=1 + below(rng, 4) {
                    add(
                        format!("{}/patient{person:03}_{image}.png", CLASSES[person % 2]),
                        &format!("{person}"),
                    );
                }
            }
            (1..=40).for_each(|i| add(format!("well/{i}.png"), ""));
            add("sick/cover page.png".into(), "");
            add("sick/patient.png".into(), "");
        }),
        scheme("merged: NIH beside words with separators", |rng, add| {
            for patient in 1..100 {
                for follow in 0..=1 + below(rng, 4) {
                    add(
                        format!("{}/{patient:08}_{follow:03}.png", CLASSES[below(rng, 2)]),
                        &format!("{patient}"),
                    );
                }
            }
            (1..=60).for_each(|i| add(format!("well/covid_{i}.png"), ""));
        }),
        scheme("left and right of one person", |_, add| {
            for person in 1..100 {
                for side in ["left", "right"] {
                    add(
                        format!(
                            "{}/{person}_{side}.jpeg",
                            CLASSES[usize::from(side == "left") ^ (person % 2)]
                        ),
                        &format!("{person}"),
                    );
                }
            }
        }),
        scheme("mammograms: side and view", |_, add| {
            for person in 1..60 {
                for view in ["LEFT_CC", "LEFT_MLO", "RIGHT_CC"].iter().take(1 + person % 3) {
                    add(
                        format!("{}/Mass-Training_P_{person:05}_{view}.png", CLASSES[person % 2]),
                        &format!("{person}"),
                    );
                }
            }
        }),
        scheme("BIDS: subject and session", |_, add| {
            for subject in 1..40 {
                for session in 1..=1 + subject % 3 {
                    add(
                        format!("sick/../well/sub-{subject:02}_ses-{session:02}_T1w.png")
                            .replace("sick/../", ""),
                        &format!("{subject}"),
                    );
                }
            }
            (1..30).for_each(|i| add(format!("sick/sub-{:02}_ses-01_T1w.png", 100 + i), ""));
        }),
        scheme("sequences of one case", |_, add| {
            for case in 1..50 {
                for sequence in ["flair", "t1", "t1ce", "t2"] {
                    add(
                        format!("{}/BraTS20_Training_{case:03}_{sequence}.png", CLASSES[case % 2]),
                        &format!("{case}"),
                    );
                }
            }
        }),
        scheme("originals with their augmentations by hash", |rng, add| {
            for original in 1..80 {
                for _ in 0..3 {
                    add(
                        format!("{}/{original:05}_jpg.rf.{}.jpg", CLASSES[original % 2], hex(rng, 16)),
                        &format!("{original}"),
                    );
                }
            }
        }),
        scheme("originals with numbered augmentations", |_, add| {
            for original in 1..60 {
                for turn in 0..5 {
                    add(
                        format!("train/{}/img{original}_aug{turn}.png", CLASSES[original % 2]),
                        &format!("{original}"),
                    );
                }
            }
        }),
        scheme("hashes of patients in the name", |rng, add| {
            for i in 0..70 {
                let patient = hex(rng, 10);
                for image in 0..2 + i % 3 {
                    add(format!("{}/{patient}_{image}.png", CLASSES[i % 2]), &patient);
                }
            }
        }),
        scheme("folders named by hashes", |rng, add| {
            for i in 0..60 {
                let study = hex(rng, 32);
                for _ in 0..1 + i % 4 {
                    add(format!("{}/{study}/{}.png", CLASSES[i % 2], hex(rng, 32)), &study);
                }
            }
        }),
        scheme("the time of day as a name", |rng, add| {
            for i in 0..180 {
                let day = 1 + i / 12;
                add(
                    format!(
                        "{}/202301{day:02}_{:02}{:02}{:02}.jpg",
                        CLASSES[below(rng, 2)],
                        i % 24,
                        below(rng, 60),
                        i % 60
                    ),
                    "",
                );
            }
        }),
        scheme("days with separators", |rng, add| {
            for i in 0..150 {
                add(
                    format!(
                        "{}/scan 2022-{:02}-{:02} at {:02}.{i:02}.png",
                        CLASSES[below(rng, 2)],
                        1 + i % 12,
                        1 + i % 28,
                        i % 24
                    ),
                    "",
                );
            }
        }),
        scheme("kinds of files before a serial number", |_, add| {
            for i in 1..=60 {
                add(format!("NORMAL/normal_{i}.png"), "");
                add(format!("PNEUMONIA/bacteria_{i}.png"), "");
                add(format!("PNEUMONIA/virus_{i}.png"), "");
            }
        }),
        scheme("COVID-19 radiography: class and number in parentheses", |_, add| {
            for i in 1..=90 {
                add(format!("sick/COVID ({i}).png"), "");
                add(format!("well/Viral Pneumonia ({i}).png"), "");
            }
        }),
        scheme("serial number and label", |_, add| {
            for i in 1..=140 {
                add(format!("images/CHNCXR_{i:04}_{}.png", usize::from(i > 70)), "");
            }
        }),
        scheme("label and serial number", |_, add| {
            for i in 1..=140 {
                add(format!("{}/{}_{i:04}.png", CLASSES[i % 2], i % 2), "");
            }
        }),
        scheme("age and serial number", |rng, add| {
            for i in 1..=140 {
                add(format!("{}/age{}_{i:04}.png", CLASSES[i % 2], 20 + below(rng, 60)), "");
            }
        }),
        scheme("fold, patient and visit", |_, add| {
            for patient in 1..70 {
                for visit in 1..=1 + patient % 3 {
                    add(
                        format!("{}/fold{}_patient{patient}_v{visit}.png", CLASSES[patient % 2], patient % 5),
                        &format!("{patient}"),
                    );
                }
            }
        }),
        scheme("train and test numbered anew", |_, add| {
            for split in SPLITS {
                for person in 1..50 {
                    for image in 1..=1 + person % 3 {
                        add(
                            format!("{split}/{}/p{person}-{image}.png", CLASSES[person % 2]),
                            &format!("{split}{person}"),
                        );
                    }
                }
            }
        }),
        scheme("serial numbers in splits and classes", |_, add| {
            for split in SPLITS {
                for class in CLASSES {
                    (0..60).for_each(|i| add(format!("{split}/{class}/{class}_{i:03}.png"), ""));
                }
            }
        }),
        scheme("names of people", |_, add| {
            for (at, name) in
                ["fox", "hen", "owl", "bee", "cat", "dog", "elk", "ant", "yak", "cod"].iter().enumerate()
            {
                for side in ["ap", "lateral"].iter().take(1 + (at + 1) % 2 + at % 2) {
                    add(format!("{}/{name}_{side}.png", CLASSES[at % 2]), name);
                }
            }
        }),
        scheme("merged: two schemes with words, and hashes alone", |rng, add| {
            for i in 1..60 {
                for image in 0..2 {
                    add(format!("sick/subject{i:03}-{image}.png"), &format!("s{i}"));
                    add(format!("well/Case {i} view {image}.png"), &format!("c{i}"));
                }
            }
            (0..30).for_each(|_| add(format!("well/{}.png", hex(rng, 12)), ""));
        }),
        scheme("a few patients in many serial numbers", |_, add| {
            for i in 1..=200 {
                add(format!("{}/{i:04}.png", CLASSES[i % 2]), "");
            }
            for person in 1..20 {
                for image in 1..=2 {
                    add(format!("well/patient_{person}_{image}.png"), &format!("{person}"));
                }
            }
        }),
        scheme("site, then patient, in folders", |_, add| {
            for site in ["paris", "rome"] {
                for patient in 1..40 {
                    for image in 1..=1 + patient % 3 {
                        add(
                            format!("{}/{site}/{site}_{patient:03}_{image}.png", CLASSES[patient % 2]),
                            &format!("{site}{patient}"),
                        );
                    }
                }
            }
        }),
        scheme("a constant number that one file has otherwise", |_, add| {
            for patient in 300..380 {
                for image in 1..=1 + patient % 2 {
                    add(format!("well/SET2-IM-{patient:04}-{image:04}.jpeg"), &format!("{patient}"));
                }
            }
            (1..60).for_each(|i| add(format!("sick/SET2-IM-{:04}-0001.jpeg", 500 + i), ""));
            add("sick/SET3.jpeg".into(), "");
        }),
        scheme("copies that a file manager made", |_, add| {
            for i in 1..=150 {
                add(format!("{}/scan{i}.png", CLASSES[i % 2]), "");
            }
            add("sick/scan7 - Copy.png".into(), "");
            add("well/scan8 (1).png".into(), "");
        }),
        scheme("persons and images numbered anew in each class", |rng, add| {
            for class in ["BACTERIA", "VIRUS"] {
                let mut image = 0;
                for person in 1..90 {
                    for _ in 0..=below(rng, 4) {
                        image += 1;
                        let word = class.to_lowercase();
                        add(
                            format!("{class}/person{person}_{word}_{image}.jpeg"),
                            &format!("{class}{person}"),
                        );
                    }
                }
            }
        }),
        scheme("persons numbered once, with one numbering of images", |rng, add| {
            let mut image = 0;
            for person in 1..90 {
                for _ in 0..=1 + below(rng, 4) {
                    image += 1;
                    let class = ["BACTERIA", "VIRUS"][below(rng, 2)];
                    let word = class.to_lowercase();
                    add(format!("{class}/person{person}_{word}_{image}.jpeg"), &format!("{person}"));
                }
            }
        }),
        scheme("frames of videos", |_, add| {
            for video in 1..9 {
                for frame in 0..20 {
                    add(
                        format!("{}/vid{video}_frame{frame:04}.png", CLASSES[video % 2]),
                        &format!("{video}"),
                    );
                }
            }
        }),
        scheme("hospital and serial number", |rng, add| {
            for i in 1..=160 {
                add(format!("{}/hosp{}_{i:05}.png", CLASSES[below(rng, 2)], 1 + below(rng, 5)), "");
            }
        }),
        scheme("cases as folders of slices", |_, add| {
            for case in 1..30 {
                for slice in 0..4 + case % 3 {
                    add(format!("{}/Case{case:03}/{slice:04}.png", CLASSES[case % 2]), &format!("{case}"));
                }
            }
        }),
        scheme("numbers as folders, anew in each class", |_, add| {
            for class in CLASSES {
                for case in 1..30 {
                    for slice in 1..=2 + case % 3 {
                        add(format!("{class}/{case:03}/{slice}.png"), &format!("{class}{case}"));
                    }
                }
            }
        }),
        scheme("numbers as folders, once", |_, add| {
            for case in 1..60 {
                for slice in 1..=2 + case % 3 {
                    add(format!("{}/{case:03}/{slice}.png", CLASSES[case % 3 / 2]), &format!("{case}"));
                }
            }
        }),
        scheme("views before the number", |_, add| {
            for i in 1..=70 {
                ["AP", "LAT"]
                    .iter()
                    .for_each(|view| add(format!("{}/{view}_{i:04}.png", CLASSES[i % 2]), ""));
            }
        }),
        scheme("file and patient, both hashes", |rng, add| {
            for i in 0..120 {
                let (file, patient) = (20_000_000 + i * 3571, hex(rng, 16));
                add(format!("{}/{file}_{patient}_MG_R_CC_ANON.png", CLASSES[i % 2]), "");
            }
        }),
        scheme("patient, study and image, short", |_, add| {
            for patient in 1..50 {
                for image in 1..=1 + patient % 4 {
                    let class = CLASSES[(patient + image) % 2];
                    add(
                        format!("{class}/pat{patient}-st{}-im{image}.png", patient % 2),
                        &format!("{patient}"),
                    );
                }
            }
        }),
        scheme("merged: four sources", |rng, add| {
            for i in 1..60 {
                for follow in 0..=1 + i % 3 {
                    add(format!("{}/{:08}_{follow:03}.png", CLASSES[i % 2], 3 * i), &format!("nih{i}"));
                    add(
                        format!(
                            "{}/p{}_s{}.jpg",
                            CLASSES[follow % 2],
                            10_000_000 + i,
                            50_000_000 + below(rng, 99_999)
                        ),
                        &format!("mimic{i}"),
                    );
                }
                add(format!("sick/CHNCXR_{i:04}_1.png"), "");
                add(format!("well/{}.png", hex(rng, 32)), "");
            }
        }),
        scheme("merged: folders of patients beside loose files", |rng, add| {
            for patient in 1..50 {
                for view in 1..=1 + patient % 3 {
                    add(
                        format!("{}/patient{patient:05}/view{view}.jpg", CLASSES[below(rng, 2)]),
                        &format!("{patient}"),
                    );
                }
            }
            (1..=50).for_each(|i| add(format!("well/tb{i:04}.png"), ""));
        }),
        scheme("two numbers drawn at random", |rng, add| {
            for i in 0..150 {
                add(format!("{}/{}_{}.png", CLASSES[i % 2], 1000 + i * 17, below(rng, 100_000)), "");
            }
        }),
        scheme("what an export gave: subset, number and class", |_, add| {
            for i in 0..160 {
                add(format!("{}/train_{i}_class{}.png", CLASSES[i % 2], i % 2), "");
            }
        }),
        scheme("numbers in parentheses behind a name", |_, add| {
            for person in 1..50 {
                for image in 1..=1 + person % 3 {
                    add(
                        format!("{}/person{person} ({image}).png", CLASSES[person % 2]),
                        &format!("{person}"),
                    );
                }
            }
        }),
        scheme("serial numbers in folders of a hundred", |_, add| {
            for i in 0..300 {
                add(format!("{}/{:03}/{i:06}.png", CLASSES[i % 2], i / 100), "");
            }
        }),
        scheme("years as folders", |_, add| {
            for i in 0..200 {
                add(format!("{}/{}/scan_{i:04}.png", CLASSES[i % 2], 2010 + i / 20), "");
            }
        }),
        scheme("letters before the number of a patient", |_, add| {
            for (letter, last) in [("A", 40), ("B", 30), ("K", 20)] {
                for patient in 1..last {
                    for image in 1..=1 + patient % 3 {
                        let class = CLASSES[patient % 2];
                        add(
                            format!("{class}/{letter}{patient:04}_{image}.png"),
                            &format!("{letter}{patient}"),
                        );
                    }
                }
            }
        }),
    ]
}
