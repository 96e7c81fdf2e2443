//! `vertebra audit`: what is wrong with a data set, before anything is believed of it.

mod html;
mod next;
mod table;

use crate::counter::Counter;
use crate::dataset::{announce, say_alone};
use crate::failure::Failure;
use crate::grouping;
use crate::labels::{self, LabelArgs};
use crate::outputs::{FileKind, Force, OutputFile, check_distinct};
use crate::shell::{place, program, quote};
use crate::terminal::{json, note};
use audit::{Audit, AuditStage, Quick, Unit};
use data::{Dataset, GroupBy, Labelling};
use model::Window;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use workflow::is_of;

/// Check a data set: unreadable files, copies, leaks between splits, shortcuts, trivial baselines
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra audit DATA                                a folder {train,val,test}/CLASS/... or CLASS/..., or a CSV manifest
  vertebra audit DATA --group-by 'person*_|IM-*-'    with the patient in the file name
  vertebra audit DATA --html audit.html              with copies side by side
  vertebra audit DATA --strict --json > audit.json   status 1 if the split leaks
  vertebra audit DATA --write-groups grouped.csv     a manifest that keeps copies together
  vertebra audit DATA --write-groups grouped.csv --by source     copies alone, not look-alikes
  vertebra audit CT --window 40,400                  values seen as `train --window` sees them
  vertebra audit table.csv --labels all              for each finding: how many images have it, do not have it, or are not known

Every image is read once. A file that cannot be read is listed, and the status is 1 in the end. Ctrl-C ends the search for copies and tells what was found so far (status 1). Copies are found from the pixels, turned or processed; groups that file names suggest are
offered with what speaks for them and are never taken for granted. Research use only, not a medical device.")]
pub struct Args {
    /// Folder or CSV manifest
    data: PathBuf,
    /// What belongs together: a column, a pattern of the file name such as 'person*_', or
    /// PatientID or StudyInstanceUID of DICOM files
    #[arg(long, value_name = "COLUMN|PATTERN")]
    group_by: Option<GroupBy>,
    #[command(flatten)]
    labels: LabelArgs,
    /// The positive class (two classes) [default: the one whose name is no negation]
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Window of gray images of more than 8 bits, as `train` has it: what is seen from black to white, in Hounsfield
    /// units of a CT or stored values of a PNG
    #[arg(long, value_name = "CENTER,WIDTH", allow_hyphen_values = true)]
    window: Option<Window>,
    /// Also write a page for a browser, complete in one file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write a manifest with what was found as groups: see --by
    #[arg(long, value_name = "FILE")]
    write_groups: Option<PathBuf>,
    /// What --write-groups makes groups of: series of look-alikes (copies, slices of one volume,
    /// views of one patient), which are coarser, or sources (copies of one picture)
    #[arg(long, value_enum, requires = "write_groups", default_value_t = Unit::Series)]
    by: Unit,
    #[command(flatten)]
    force: Force,
    /// End with status 1 if the given split leaks, or, where no groups are given or only those that an audit wrote, if series
    /// of look-alikes cross it, or something that a name such as "patient" identifies is in two splits
    #[arg(long)]
    strict: bool,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    check_distinct(&[("--html", args.html.as_ref()), ("--write-groups", args.write_groups.as_ref())])?;
    let labelling = args.labels.labelling();
    let mut dataset = Dataset::open_with_missing(&args.data, &labelling)?;
    announce(&dataset);
    if let Some(by) = &args.group_by {
        grouping::group_by(&mut dataset, by, true)?;
    }
    say_alone(&dataset);
    let is_read = |path: &Path| is_of(&dataset, path);
    let Args { html, write_groups, force: Force { force }, .. } = &args;
    let page = OutputFile::check_if_given("--html", html, &FileKind::AuditPage, is_read, *force)?;
    let names = dataset.columns.iter().map(String::as_str);
    let kind = FileKind::manifest(&dataset, ["group"].into_iter().chain(names));
    let manifest = OutputFile::check_if_given("--write-groups", write_groups, &kind, is_read, *force)?;

    let positive = workflow::positive_of_data(&dataset, args.positive.as_deref())?;
    let found = with_progress(&dataset, args.group_by.as_ref(), positive, args.window)?;
    // A file that cannot be written must not cost what was found.
    let mut is_written = true;
    if let Some(page) = page {
        let text = html::page(&found);
        is_written &=
            page.try_write(|path| model::write_atomic(path, |file| file.write_all(text.as_bytes())));
    }
    if found.stopped && manifest.is_some() {
        note!(
            "--write-groups: nothing written, for the search was stopped and copies may be missing from the groups"
        );
    } else if let Some(manifest) = manifest {
        let grouped = audit::regroup(&dataset, [&found.source_of, &found.series_of], args.by);
        let is_there = manifest.try_write(|path| data::write_manifest(path, &grouped));
        is_written &= is_there;
        let groups = grouped.samples.iter().filter_map(|sample| sample.group.as_ref());
        let groups = groups.collect::<std::collections::BTreeSet<_>>().len();
        let of = match args.by {
            Unit::Series => "look-alikes; --by source makes smaller ones, of copies alone",
            Unit::Source => "copies; --by series keeps look-alikes together too",
        };
        let joined = if dataset.samples.iter().any(|sample| sample.group.is_some()) {
            "the set, joined by "
        } else {
            ""
        };
        if is_there {
            note!("{groups} groups of {joined}{of}");
        }
    }
    match args.json {
        true => json(&found)?,
        false => table::print(&found)?,
    }
    let named = found.named_across();
    let fails = args.strict && found.fails_strict();
    if args.strict && found.leaks {
        note!("the split leaks (--strict)");
    } else if let Some(hint) = named.filter(|_| args.strict) {
        let (words, across, groups) = (hint.words(), hint.across_splits, hint.groups);
        note!(
            "{words}: {across} of {groups} groups lie in more than one split (--strict; --group-by says what belongs together, '*' nothing)"
        );
    } else if fails {
        note!("series of look-alikes lie in more than one split (--strict)");
    }
    let (unreadable, images) = (found.unreadable.len(), found.images);
    if unreadable > 0 {
        note!("{unreadable} of {images} files cannot be read");
    }
    if found.stopped {
        return Err(Failure::Stopped);
    }
    let written = args.write_groups.as_deref().filter(|_| is_written).map(|path| (path, args.by));
    let group_by = args.group_by.as_ref();
    next::next(&found, &next::Asked { data: &args.data, group_by, labelling: &labelling, written })
        .iter()
        .for_each(note);
    if unreadable > 0 || fails || !is_written { Err(Failure::Reported) } else { Ok(()) }
}

/// The quick audit of what a run trains on, which stays in the run folder as `audit.json`.
pub fn glance(dataset: &Dataset, config: &train::Config) -> Quick {
    let counter = Counter::busy("looking for files that are there twice");
    let (found, written) = workflow::glance(dataset, config);
    drop(counter);
    warn(dataset, &config.labelling(), &found);
    if let Err(error) = written {
        note!("warning: {error}");
    }
    found
}

/// Says what a glance found, what may belong together with the option that says so, and what was not looked for.
fn warn(dataset: &Dataset, labelling: &Labelling, found: &Quick) {
    if found.needs_warning() {
        found.verdict.iter().for_each(|line| note!("warning: {line}"));
    }
    let data = place(&dataset.source) + &labels::typed(labelling);
    if found.groups.is_none() && !found.may_cross_splits() {
        note!(
            "  if a column or the names say what belongs together: --group-by COLUMN|PATTERN; if every image stands \
             alone: --group-by '*'",
        );
    }
    if let Some(given) = found.groups.as_ref().filter(|groups| groups.across_splits > 0) {
        let by = quote(given.by.as_deref().unwrap_or("group"));
        note!("  to keep groups whole: {} split {data} --by {by} --out split.csv", program());
    }
    if found.identical_files.across_splits > 0 {
        let (program, labels) = (program(), labels::typed_of_written(labelling, &dataset.classes));
        note!(
            "  to keep copies together: {program} audit {data} --write-groups grouped.csv && {program} split \
             grouped.csv{labels} --out split.csv"
        );
    }
    note!("not checked: {}; {} audit {data}", found.not_checked, program());
}

fn with_progress(
    dataset: &Dataset,
    group_by: Option<&GroupBy>,
    positive: eval::Positive,
    window: Option<Window>,
) -> Result<Audit, data::Error> {
    let counter = Counter::new(dataset.samples.len());
    let stop = crate::interrupt::stop_flag("stopping, to say what was found so far; once more ends at once");
    audit::audit(dataset, group_by, positive, window, &|stage, done| {
        let what = match stage {
            AuditStage::Read => "images read",
            AuditStage::Compare => "images compared",
            AuditStage::Score => "images given to trivial baselines",
        };
        counter.show(done, what);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}
