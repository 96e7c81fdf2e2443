//! `vertebra split`: a data set divided by group, written as a manifest.

use crate::counter::Counter;
use crate::dataset::{announce, groups_of, say_alone};
use crate::failure::Failure;
use crate::grouping;
use crate::labels::{self, LabelArgs};
use crate::outputs::{FileKind, Force, OutputFile};
use crate::shell::{place, program};
use data::{Dataset, FRACTIONS, Folds, GroupBy, Split, write_manifest};
use std::path::{Path, PathBuf};
use workflow::is_of;

/// Divide a data set by group, and write a manifest
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra split DATA --by patient --out split.csv             80, 10 and 10 % of the patients
  vertebra split DATA --by 'person*_|IM-*-' --out split.csv    with the patient in the file name
  vertebra split DATA --by volume --folds 5 --out folds.csv    five folds in a column `fold`
  vertebra split DATA --by volume --leave-one-out --out folds.csv
  vertebra split Data_Entry_2017.csv --labels all --by 'Patient ID' --out split.csv

No group is divided, and the classes are about as alike in all parts as groups allow. The manifest has the columns
path,label,split,group and those that DATA had; with folds it has a column `fold` in place of split, so that
`train folds.csv --group-by fold --folds leave-one-group-out` trains and tests on exactly these folds.
With --labels it has a column for each finding in place of label.")]
pub struct Args {
    /// Folder or CSV manifest; the splits that it has are not used
    data: PathBuf,
    /// What belongs together: a column, a pattern of the file name such as 'person*_', or PatientID or StudyInstanceUID of
    /// DICOM files [default: the column group]
    #[arg(long, value_name = "COLUMN|PATTERN", default_value = "group", hide_default_value = true)]
    by: GroupBy,
    /// Shares of train, val and test [default: 0.8,0.1,0.1]
    #[arg(long, value_name = "TRAIN,VAL,TEST", value_parser = fractions)]
    fractions: Option<Fractions>,
    /// Number of folds
    #[arg(long, value_name = "K", conflicts_with_all = ["fractions", "leave_one_out"], value_parser = clap::value_parser!(u16).range(2..))]
    folds: Option<u16>,
    /// A fold for each group
    #[arg(long, conflicts_with = "fractions")]
    leave_one_out: bool,
    #[command(flatten)]
    labels: LabelArgs,
    /// The split follows from it and from the groups
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Manifest to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
}

type Fractions = [f64; 3];

fn fractions(text: &str) -> Result<Fractions, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let found = numbers.and_then(|numbers| Fractions::try_from(numbers).ok());
    found
        .filter(|numbers| numbers.iter().all(|&share| share.is_finite() && share > 0.0))
        .ok_or_else(|| format!("expected three numbers above 0, found \"{text}\""))
}

pub fn run(args: Args) -> Result<(), Failure> {
    let labelling = args.labels.labelling();
    let mut dataset = Dataset::open_labelled(&args.data, false, &labelling)?.with_two_classes()?;
    announce(&dataset);
    let folds = match (args.folds, args.leave_one_out) {
        (Some(k), _) => Some(Folds::K(k.into())),
        (None, true) => Some(Folds::LeaveOneGroupOut),
        (None, false) => None,
    };
    let column = if folds.is_some() { "fold" } else { "split" };
    let columns = std::iter::once(column)
        .chain(dataset.columns.iter().map(String::as_str).filter(|name| *name != column));
    let kind = FileKind::manifest(&dataset, columns);
    let is_read = |path: &Path| is_of(&dataset, path);
    let output = OutputFile::check("--out", &args.out, &kind, is_read, args.force.force)?;
    let counter = Counter::busy("reading what belongs together");
    let grouped = grouping::group_by(&mut dataset, &args.by, false);
    drop(counter);
    if let Err(error) = grouped {
        return Err(failed!("{error}\n{}", grouping::advice(&dataset, "--by", &again(&args))));
    }
    say_alone(&dataset);
    match folds {
        Some(folds) => write_folds(&args, dataset, folds, output),
        None => write_splits(&args, dataset, &args.fractions.unwrap_or(FRACTIONS), output),
    }
}

fn write_splits(
    args: &Args,
    mut dataset: Dataset,
    fractions: &Fractions,
    output: OutputFile,
) -> Result<(), Failure> {
    dataset.draw_splits(fractions, args.seed)?;
    for split in Split::ALL {
        describe(&dataset, &split.to_string(), &dataset.part(split));
        let counts = dataset.class_counts(split);
        let none = dataset.classes.iter().zip(counts).filter(|(_, images)| *images == 0);
        let none: Vec<&String> = none.map(|(class, _)| class).collect();
        if !none.is_empty() {
            note!(
                "warning: {split} has no image of {}; another --seed or --fractions may do",
                model::list_names(&none)
            );
        }
    }
    look_alikes(&dataset, |i| dataset.samples[i].split.map(|split| split as usize));
    output.write(|path| write_manifest(path, &dataset))?;
    let out = place(&args.out) + &labels::typed_of_written(&args.labels.labelling(), &dataset.classes);
    let program = program();
    note!("next: {program} audit {out} --strict");
    note!("then: {program} train {out}");
    Ok(())
}

fn write_folds(args: &Args, mut dataset: Dataset, folds: Folds, output: OutputFile) -> Result<(), Failure> {
    let (fold_of, count) = dataset.draw_folds(folds, args.seed)?;
    for fold in 0..count {
        let members: Vec<usize> = (0..fold_of.len()).filter(|&i| fold_of[i] == fold).collect();
        describe(&dataset, &format!("fold {}", fold + 1), &members);
    }
    look_alikes(&dataset, |i| Some(fold_of[i]));
    output.write(|path| write_manifest(path, &dataset))?;
    let out = place(&args.out) + &labels::typed_of_written(&args.labels.labelling(), &dataset.classes);
    let program = program();
    note!("next: {program} train {out} --group-by fold --folds leave-one-group-out");
    Ok(())
}

/// The command line that this one would be with another `--by`, which is to be added.
fn again(args: &Args) -> String {
    let mut line = format!("{} split {} --out {}", program(), place(&args.data), place(&args.out));
    line += &labels::typed(&args.labels.labelling());
    if let Some([train, val, test]) = args.fractions {
        line += &format!(" --fractions {train},{val},{test}");
    }
    if let Some(folds) = args.folds {
        line += &format!(" --folds {folds}");
    }
    if args.leave_one_out {
        line += " --leave-one-out";
    }
    if args.seed != 0 {
        line += &format!(" --seed {}", args.seed);
    }
    if args.force.force {
        line += " --force";
    }
    line
}

/// Says what is known of copies that the groups do not keep together: what an audit found, or that none was made.
/// `part` is that of an image.
fn look_alikes(dataset: &Dataset, part: impl Fn(usize) -> Option<usize>) {
    let found = audit::divided(dataset, part);
    for (column, divided, all) in found.iter().filter(|found| found.1 > 0) {
        note!(
            "warning: {divided} of {all} sets of look-alikes that an audit found ({column}) are divided: --by {column} \
             keeps them together"
        );
    }
    if found.is_empty() {
        note!("copies that the groups do not name were not looked for: `vertebra audit` does");
    }
}

/// A line of words on what a part holds.
fn describe(dataset: &Dataset, name: &str, members: &[usize]) {
    let mut counts = vec![0; dataset.classes.len()];
    for sample in members.iter().map(|&i| &dataset.samples[i]) {
        match sample.findings.is_empty() {
            true => counts[sample.label] += 1,
            false => {
                let is = sample.findings.iter().map(|is| usize::from(*is == Some(true)));
                counts.iter_mut().zip(is).for_each(|(count, is)| *count += is);
            }
        }
    }
    let classes: Vec<String> =
        dataset.classes.iter().zip(counts).map(|(class, n)| format!("{n} {class}")).collect();
    let (images, groups) = (members.len(), groups_of(dataset, members));
    note!("{name}: {images} images ({}) of {groups}", model::list_names(&classes));
}
