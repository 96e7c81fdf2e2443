//! What every report keeps: all sections, nothing loaded, hostile names are text, drawings are well-formed.

use eval::{Scored, Summary, Threshold};
use model::{Architecture, Metadata, Preprocessing};
use report::{Contents, EpochRow, SplitRow, Training, WorstError, html, model_card, refreshed_card};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

/// The split of training.
fn split(per_class: Vec<usize>, groups: Option<usize>) -> SplitRow {
    SplitRow { name: "train".into(), images: per_class.iter().sum(), per_class, groups }
}

/// A model of `classes` and an evaluation of 60 images.
fn with_contents(classes: &[&str], check: impl Fn(&Contents)) {
    let names: Vec<String> = classes.iter().map(|&class| class.into()).collect();
    let n = 60;
    let k = names.len();
    let labels: Vec<usize> = (0..n).map(|i| i % k).collect();
    let probabilities: Vec<f64> = (0..n)
        .flat_map(|i| {
            let weight = move |class: usize| {
                1.0 + ((i * 7 + class * 13) % 11) as f64 + if i % k == class { 5.0 } else { 0.0 }
            };
            let total: f64 = (0..k).map(weight).sum();
            (0..k).map(move |class| weight(class) / total).collect::<Vec<_>>()
        })
        .collect();
    let groups: Vec<usize> = (0..n).map(|i| i / 2).collect();
    let input = Scored {
        split: "test",
        labels: &labels,
        probabilities: &probabilities,
        classes: &names,
        groups: Some(&groups),
        positive: 0,
        threshold: Threshold::fixed(0.5),
        prevalence: Some(0.1),
        draws: 50,
        seed: 0,
    };
    let summary = Summary::new(&input).unwrap();
    let sites: Vec<String> = (0..n).map(|i| format!("site <{}>", i % 2)).collect();
    let subgroups = eval::subgroups(&input, "site", &sites).unwrap();
    let architecture = Architecture { classes: k, ..Architecture::named("mobilenet-v1").unwrap() };
    let prep = Preprocessing::new(1, architecture.image_size);
    let mut metadata = Metadata::new(architecture, names.clone(), prep);
    metadata.provenance.config = serde_json::json!({ "lr": 0.002, "group_by": HOSTILE });
    let epoch = |epoch: usize| EpochRow {
        epoch: epoch as f64,
        train_loss: 1.0 / epoch as f64,
        val_loss: 0.5,
        val_auroc: Some(0.9),
    };
    let training = Training {
        epochs: (1..=5).map(epoch).collect(),
        splits: vec![split(vec![30; k], Some(20))],
        range_test: vec![(1e-6, 0.7, 0.7), (1e-3, 0.3, 0.5), (1.0, 9.0, 2.0)],
    };
    let error = WorstError {
        name: format!("{HOSTILE}.png"),
        truth: names[0].clone(),
        called: names[1].clone(),
        probability: 0.9,
        png: vec![1, 2, 3],
    };
    check(&Contents {
        title: HOSTILE.into(),
        metadata: &metadata,
        summary: &summary,
        labels: &labels,
        probabilities: &probabilities,
        groups: Some(&groups),
        groups_in_data: Some(40),
        findings: vec![],
        subgroups: &subgroups,
        audit: Some(serde_json::json!({ "leaks": true, "verdict": [format!("copies: {HOSTILE}")] })),
        training: Some(training),
        openings: Some(3),
        errors: vec![error],
        map_method: "fall of the logit when hidden",
    });
}

const SECTIONS: [&str; 12] = [
    "verdict",
    "result",
    "trained",
    "learning",
    "curves",
    "confusion",
    "calibration",
    "decision",
    "subgroups",
    "errors",
    "limits",
    "card",
];

#[test]
fn all_sections_are_there_and_reachable() {
    with_contents(&["fracture", "normal"], |contents| {
        let page = html(contents);
        let mut last = 0;
        for id in SECTIONS {
            let at = page.find(&format!("<h2 id=\"{id}\">")).unwrap_or_else(|| panic!("{id}"));
            assert!(at > last, "{id} is out of order");
            last = at;
            assert!(page.contains(&format!("href=\"#{id}\"")), "{id} is not in the contents");
        }
        assert!(page.matches("Research use only, not a medical device").count() >= 2);
        assert!(
            page.contains("Range test of the learning rate") && page.contains("the rate of the run, 0.002.")
        );
        assert!(page.contains("opened <strong>3 times</strong>") && page.contains("the split leaks"));
        assert_eq!(page.matches("<svg ").count(), 8);
        assert_eq!(page.matches("<svg role=\"img\" aria-label=\"").count(), 8, "every drawing is described");
    });
    with_contents(&["a", "b", "c"], |contents| {
        let page = html(contents);
        for id in SECTIONS.iter().filter(|&&id| id != "decision") {
            assert!(page.contains(&format!("<h2 id=\"{id}\">")), "{id}");
        }
    });
}

#[test]
fn nothing_is_loaded_and_nothing_is_run() {
    with_contents(&[HOSTILE, "normal"], |contents| {
        let page = html(contents);
        for word in [
            "http://",
            "https://",
            "<script",
            "<link",
            "@import",
            "url(",
            "javascript:",
            " onload",
            "<iframe",
        ] {
            assert!(!page.to_lowercase().contains(word), "{word}");
        }
        let sources = page.split(" src=\"").skip(1);
        assert!(sources.into_iter().all(|source| source.starts_with("data:image/png;base64,")));
        let hrefs = page.split(" href=\"").skip(1);
        assert!(hrefs.into_iter().all(|href| href.starts_with('#')));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
        let card = model_card(contents);
        assert!(!card.contains("<script") && card.contains("[to be filled in]"), "{card}");
    });
}

/// Every element that is opened is closed, in order.
#[test]
fn elements_are_nested() {
    const VOID: [&str; 3] = ["meta", "img", "br"];
    for classes in [&[HOSTILE, "normal"][..], &["a", "b", "c", "d", "e"]] {
        with_contents(classes, |contents| {
            let page = html(contents);
            let body = page.split_once("<style>").unwrap();
            let page = format!("{}{}", body.0, body.1.split_once("</style>").unwrap().1);
            let mut open: Vec<&str> = vec![];
            for tag in page.split('<').skip(1) {
                let tag = tag.split_once('>').expect("a tag ends").0;
                let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
                if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
                    continue;
                }
                match tag.strip_prefix('/') {
                    Some(name) => assert_eq!(open.pop(), Some(name)),
                    None => open.push(name),
                }
            }
            assert!(open.is_empty(), "{open:?}");
        });
    }
}

#[test]
fn a_model_file_alone_has_a_report() {
    with_contents(&["fracture", "normal"], |contents| {
        let contents = Contents {
            audit: None,
            training: None,
            openings: None,
            errors: vec![],
            findings: vec![],
            subgroups: &[],
            ..contents.clone()
        };
        let page = html(&contents);
        assert!(page.contains("were not audited") && page.contains("No image was called wrongly"));
        assert!(!page.contains("id=\"learning\""));
    });
}

/// The card of `contents` after a person changed the card `before`.
fn kept(contents: &Contents, before: &str) -> String {
    let card = refreshed_card(contents, Some(before));
    assert_eq!(refreshed_card(contents, Some(&card)), card, "the second time, nothing changes");
    card
}

#[test]
fn a_card_that_nobody_touched_is_made_anew() {
    with_contents(&["fracture", "normal"], |contents| {
        let card = model_card(contents);
        assert_eq!(refreshed_card(contents, None), card);
        assert_eq!(refreshed_card(contents, Some(" \n")), card);
        assert_eq!(kept(contents, &card), card);
        let other = Contents { title: "other".into(), openings: Some(4), errors: vec![], ..contents.clone() };
        assert_eq!(kept(&other, &card), model_card(&other), "as if it had not been there before");
        assert_eq!(kept(contents, &model_card(&other)).lines().count(), card.lines().count());
    });
}

#[test]
fn what_a_person_wrote_stays_and_the_new_value_is_noted() {
    with_contents(&["fracture", "normal"], |contents| {
        let line = |card: &str, start: &str| {
            card.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}")).to_owned()
        };
        let card = model_card(contents);
        let (opened, auroc) = (line(&card, "- These images were"), line(&card, "- AUROC 0"));
        let ethics = line(&card, "- **[to be filled in]** Ethical");
        let funding = line(&card, "- **[to be filled in]** Funding");
        let edited = card
            .replace(&opened, "- We looked at them twice.")
            .replace(&auroc, "- AUROC as in table 2\n  - beneath it, a remark")
            .replace(&ethics, "- Waived.\n\n  A second paragraph.")
            .replace(&format!("{funding}\n"), "");
        let more = Contents { openings: Some(9), ..contents.clone() };
        let found = kept(&more, &edited);
        let at = |text: &str| found.find(text).unwrap_or_else(|| panic!("{text}: {found}"));
        let note = "  - *The report has:* ";
        assert!(
            found.contains(&format!("twice.\n{note}These images were opened 9 times by this run.\n")),
            "{found}"
        );
        assert!(found.contains(&format!("table 2\n{note}{}\n", &auroc[2..])), "{found}");
        assert!(at("beneath it, a remark") > at("table 2") && at("A second paragraph") > at("Waived."));
        assert!(!found.contains("Ethical approval") && !found.contains("Funding"), "{found}");
        assert_eq!(found.matches("*The report has:*").count(), 2, "{found}");
        // A person who takes the value over has no note any more.
        let taken =
            found.replace("- We looked at them twice.", "- These images were opened 9 times by this run.");
        assert_eq!(kept(&more, &taken).matches("*The report has:*").count(), 1);
    });
}

#[test]
fn a_card_may_be_rearranged() {
    with_contents(&["fracture", "normal"], |contents| {
        let card = model_card(contents);
        let (body, marks) = card.split_at(card.find("\n<!--").unwrap());
        let mut parts: Vec<String> = body.split("\n## ").map(str::to_owned).collect();
        let title = parts.remove(0);
        parts.reverse();
        // One is deleted, one is a person's own, and every line ends as on Windows.
        parts.retain(|part| !part.starts_with("Fairness"));
        parts.insert(2, "Our own heading\n\n- ours\n".into());
        let parts: String = parts.iter().map(|part| format!("\n## {part}")).collect();
        let theirs = format!("{title}{parts}{marks}").replace('\n', "\r\n");
        let more = Contents { openings: Some(9), ..contents.clone() };
        let found = kept(&more, &theirs);
        assert!(found.matches("\r\n").count() == found.matches('\n').count(), "line endings stay");
        let found = found.replace("\r\n", "\n");
        let order: Vec<&str> = found.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(order[..3], ["Ethics, funding and openness", "Limitations and use", "Our own heading"]);
        assert!(!order.contains(&"Fairness") && order.contains(&"Purpose"));
        assert!(found.contains("opened 9 times") && !found.contains("opened 3 times"), "{found}");
        assert!(!found.contains("*The report has:*"), "{found}");
    });
}

#[test]
fn a_card_without_marks_loses_nothing() {
    with_contents(&["fracture", "normal"], |contents| {
        let card = model_card(contents);
        let body = &card[..card.find("\n<!--").unwrap()];
        let written = body
            .replace("opened 3 times", "opened 2 times")
            .replace("- **[to be filled in]** Ethical approval or waiver, and consent.", "- Waived.");
        let found = kept(contents, &written);
        assert!(
            found.contains(
                "opened 2 times by this run.\n  - *The report has:* These images were opened 3 times"
            )
        );
        assert!(found.contains("- Waived.") && !found.contains("Ethical"), "{found}");
        // A text of a person's own, and one with a comment that was cut off.
        let own = "Notes of our group.\n\nNothing else.";
        let found = kept(contents, own);
        assert!(found.starts_with(own) && found.contains("## Purpose") && found.contains("opened 3 times"));
        let cut = card.trim_end().trim_end_matches("-->").to_owned() + "A last word.\n";
        let found = kept(contents, &cut);
        assert!(found.contains("A last word."), "{found}");
        for line in body.lines() {
            assert!(found.contains(line), "{line}");
        }
    });
}

/// Without groups, with more than two classes, with one class only: nothing is said that is not so.
#[test]
fn sentences_hold_at_the_edges() {
    with_contents(&["fracture", "normal"], |contents| {
        let input = |labels: &[usize]| {
            let input = Scored {
                split: "test",
                labels,
                probabilities: &[0.9, 0.1, 0.2, 0.8],
                classes: &contents.metadata.classes,
                groups: None,
                positive: 0,
                threshold: Threshold::fixed(0.5),
                prevalence: None,
                draws: 0,
                seed: 0,
            };
            Summary::new(&input).unwrap()
        };
        let summary = input(&[0, 1]);
        let training = Training { epochs: vec![], splits: vec![split(vec![1, 1], None)], range_test: vec![] };
        let bare = Contents {
            summary: &summary,
            labels: &[0, 1],
            probabilities: &[0.9, 0.1, 0.2, 0.8],
            groups: None,
            groups_in_data: None,
            findings: vec![],
            subgroups: &[],
            openings: Some(1),
            errors: vec![],
            training: Some(training),
            ..contents.clone()
        };
        let (page, card) = (html(&bare), model_card(&bare));
        for text in [&page, &card] {
            for wrong in [
                "by group",
                "independent group",
                "1 times",
                "channel(s)",
                "time(s)",
                " 1 images",
                "epochs were",
            ] {
                assert!(!text.contains(wrong), "{wrong}: {text}");
            }
            assert!(text.contains("No groups (patients, studies, volumes) are known"));
        }
        assert!(card.contains("0 of 2 images were called wrongly") && card.contains("No epoch was finished"));
        assert!(
            page.contains("The point is the threshold in use")
                && page.contains("dashed line is the threshold")
        );
    });
    with_contents(&["a", "b", "c"], |contents| {
        let page = html(contents);
        for wrong in ["The point is the threshold", "dashed line is the threshold", "The band is"] {
            assert!(!page.contains(wrong), "{wrong}");
        }
        assert!(page.contains("mean over classes") && page.contains("AUROC in validation"));
        assert!(page.contains("30 independent groups of 40") && page.contains("bootstrap by group"));
    });
}
