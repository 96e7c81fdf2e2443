//! What every report keeps: all sections, nothing loaded, hostile names are text, drawings are well-formed.

use eval::{Input, Summary, Threshold};
use model::{Architecture, Metadata, Preprocessing};
use report::{Contents, Epoch, Training, WorstError, html, model_card};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

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
    let input = Input {
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
    let epoch = |epoch: usize| Epoch {
        epoch: epoch as f64,
        train_loss: 1.0 / epoch as f64,
        val_loss: 0.5,
        val_auroc: Some(0.9),
    };
    let training =
        Training { epochs: (1..=5).map(epoch).collect(), splits: vec![("train".into(), vec![30; k], 20)] };
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
        assert!(page.contains("opened <strong>3 times</strong>") && page.contains("the split leaks"));
        assert_eq!(page.matches("<svg ").count(), 7);
        assert_eq!(page.matches("<svg role=\"img\" aria-label=\"").count(), 7, "every drawing is described");
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
            subgroups: &[],
            ..contents.clone()
        };
        let page = html(&contents);
        assert!(page.contains("were not audited") && page.contains("No image was called wrongly"));
        assert!(!page.contains("id=\"learning\""));
    });
}
