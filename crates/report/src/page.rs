//! The page: its order, its style, and what a reader finds at the top and at the end.

use crate::card::{self, Line};
use crate::html::{escape, table};
use crate::{Contents, SplitRow, Training, charts, findings, sections};
use eval::count;
use model::list_names;

/// Light and dark by the reader's setting; on paper always light. Nothing is loaded.
const STYLE: &str = include_str!("style.css");

/// The whole report as one HTML document.
pub fn html(contents: &Contents) -> String {
    let training = contents.training.as_ref();
    if !contents.findings.is_empty() {
        let mut body = vec![
            sections::verdict(contents),
            findings::table_of_all(contents),
            trained(contents, training),
            training.map_or_else(String::new, |training| charts::learning(contents, training)),
        ];
        let each = contents.findings.iter().enumerate();
        body.extend(each.map(|(at, finding)| findings::part(contents, at, finding)));
        body.extend([sections::subgroups(contents), limits(), card(contents)]);
        return document_of(contents, "report", &body);
    }
    let body = [
        sections::verdict(contents),
        sections::result(contents),
        trained(contents, training),
        training.map_or_else(String::new, |training| charts::learning(contents, training)),
        charts::curves(contents),
        sections::confusion(contents),
        charts::calibration(contents),
        charts::decision(contents),
        sections::subgroups(contents),
        sections::errors(contents),
        limits(),
        card(contents),
    ];
    document_of(contents, "report", &body)
}

/// The document of a report of this kind.
pub(crate) fn document_of(contents: &Contents, kind: &str, sections: &[String]) -> String {
    let (title, provenance) = (&contents.title, &contents.metadata.provenance);
    let made_by = format!("{} {}", provenance.program, provenance.version);
    document(&format!("{title}: Vertebra {kind}"), title, &made_by, sections)
}

/// A page with a title and a heading, which are text, and sections, which are HTML. A section begins with a heading
/// `<h2 id=...>`, by which the contents lead to it; one without a heading is left out.
pub fn document(title: &str, heading: &str, made_by: &str, sections: &[String]) -> String {
    let (title, heading, made_by) = (escape(title), escape(heading), escape(made_by));
    let body: String = sections.iter().map(|section| section_of(section)).collect();
    let contents = contents_list(&body);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#verdict\">Skip to the content</a>\n\
         <header><p class=\"notice\" role=\"note\">Research use only, not a medical device.</p><h1>{heading}</h1>{contents}</header>\n\
         <main>\n{body}</main>\n\
         <footer><p>Made by {made_by}. Research use only, not a medical device.</p></footer>\n</body>\n</html>\n"
    )
}

fn section_of(body: &str) -> String {
    let Some(id) = heading(body).map(|(id, _)| id) else { return String::new() };
    format!("<section aria-labelledby=\"{id}\">\n{body}</section>\n")
}

/// The id and the text of a section's heading.
fn heading(body: &str) -> Option<(&str, &str)> {
    let (id, rest) = body.split_once("<h2 id=\"")?.1.split_once("\">")?;
    Some((id, rest.split_once("</h2>")?.0))
}

fn contents_list(body: &str) -> String {
    let parts = body.split("<section ").filter_map(heading);
    let items: String = parts.map(|(id, text)| format!("<li><a href=\"#{id}\">{text}</a></li>")).collect();
    format!("<nav aria-label=\"Contents\"><ul>{items}</ul></nav>")
}

/// The most classes that have a column each.
const CLASSES: usize = 20;

/// What was trained on what.
fn trained(contents: &Contents, training: Option<&Training>) -> String {
    let metadata = contents.metadata;
    let (a, p) = (&metadata.architecture, &metadata.provenance);
    let [height, width] = a.image_size;
    let mut rows = vec![
        vec!["Network".to_owned(), format!("{}, width {}", a.name, a.width)],
        vec!["Input".into(), format!("{height} x {width} pixels, {}", count(a.channels, "channel"))],
        vec![contents.what("Classes", "Findings").into(), list_names(&metadata.classes)],
        vec!["Data fingerprint".into(), p.data_fingerprint.clone()],
    ];
    for (name, value) in p.config.as_object().into_iter().flatten() {
        if !value.is_null() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            rows.push(vec![name.replace('_', "-"), value]);
        }
    }
    let splits = training.map_or(&[][..], |training| &training.splits[..]);
    let mut header = vec!["Split"];
    // Of many classes their number of images, all together.
    let many = metadata.classes.len() > CLASSES;
    match many {
        true => header.extend([
            "Images",
            contents.what("Of the smallest class", "With the rarest"),
            contents.what("Of the largest class", "With the most frequent"),
        ]),
        false => {
            // Findings do not add up to all images.
            header.extend(metadata.has_findings().then_some("Images"));
            header.extend(metadata.classes.iter().map(String::as_str));
        }
    }
    let known = splits.iter().any(|split| split.groups.is_some());
    header.extend(known.then_some("Groups"));
    let row = |SplitRow { name, images, per_class, groups }: &SplitRow| {
        let ends = [per_class.iter().min(), per_class.iter().max()].map(|n| n.copied().unwrap_or_default());
        let of_each = if many { &ends[..] } else { per_class };
        let all = (many || metadata.has_findings()).then_some(images);
        let counts = all.into_iter().chain(of_each).map(usize::to_string);
        let groups = known.then(|| groups.map_or("–".to_owned(), |groups| groups.to_string()));
        std::iter::once(name.clone()).chain(counts).chain(groups).collect()
    };
    let rows_of_splits: Vec<Vec<String>> = splits.iter().map(row).collect();
    let caption = contents.what("Images of each class", "Images with each finding");
    let data = match splits.is_empty() {
        true => String::new(),
        false if known => table(&format!("{caption}, and groups"), &header, &rows_of_splits),
        false => {
            table(caption, &header, &rows_of_splits)
                + "<p>No groups (patients, studies, volumes) are known: images of one patient may lie in more than one \
                   split.</p>"
        }
    };
    format!(
        "<h2 id=\"trained\">What was trained on what</h2>{data}<details open><summary>Settings</summary>{}</details>",
        table("The model and its settings", &["Setting", "Value"], &rows)
    )
}

pub(crate) fn limits() -> String {
    "<h2 id=\"limits\">Limits</h2><ul>\
     <li>Research use only, not a medical device. No figure here is a claim about a patient.</li>\
     <li>Intervals tell the uncertainty of a sample like this one. Other scanners, hospitals and patients are not in them.</li>\
     <li>If images of one patient, study or volume lie in more than one split, every figure flatters.</li>\
     <li>Predictive values hold at the prevalence they are given for.</li>\
     <li>A heatmap shows what the network used. It is no evidence that a finding is there.</li>\
     </ul>"
        .into()
}

fn card(contents: &Contents) -> String {
    let line = |line: &Line| match line {
        Line::Known(_, text) => format!("<li>{}</li>", escape(text)),
        Line::Blank(what) => format!("<li class=\"blank\">To be filled in: {}</li>", escape(what)),
    };
    let part = |part: &card::Topic| {
        let lines: String = part.lines.iter().map(line).collect();
        format!(
            "<h3>{}</h3><p class=\"asked\">{}</p><ul>{lines}</ul>",
            escape(part.heading),
            escape(part.asked_by)
        )
    };
    let parts: String = card::parts(contents).iter().map(part).collect();
    format!(
        "<h2 id=\"card\">Model card</h2><p>Under the headings that CLAIM (Checklist for Artificial Intelligence in Medical \
         Imaging, 2024 update) and TRIPOD+AI (2024) ask for. What the program cannot know is a marked blank.</p>{parts}"
    )
}
