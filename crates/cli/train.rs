//! `vertebra train`: from options to a [`Config`], and from the run's events to words.

mod folds;

use crate::failure::{Failure, note};
use crate::interrupt;
use crate::labelled;
use crate::progress::{Counter, Progress};
use crate::shell::{self, program, quote};
use clap::ValueEnum;
use model::Fit;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use train::{ClassWeights, Config, Looks, Opening, Outcome, Report, ScheduleKind};

/// Train a classifier, and evaluate it on the test split
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra train                                        on simulated radiographs, made on the spot
  vertebra train DATA --out runs/mine                   on a folder {train,val,test}/CLASS/... or CLASS/...
  vertebra train manifest.csv --lr 0.001 --epochs 50    on a table with columns path,label[,split][,group]
  vertebra train --resume --out runs/mine               go on with a run that was stopped
  vertebra train NEW-PLACE --resume --out runs/mine     the same, after its data were moved
  vertebra train DATA --tensorboard --out runs/mine     also for `tensorboard --logdir runs`
  vertebra train DATA --group-by patient --folds 5      cross-validate, a run for each fold
  vertebra train DATA --skip-unreadable                 leave out damaged images, up to 1 %
  vertebra train DATA --init runs/other --freeze        train only the classifier of another model
  vertebra train DATA --init imagenet.safetensors --freeze --unfreeze-after 2 --lr 1e-4 --head-lr 1e-3

The run folder gets config.toml, best.safetensors, last.safetensors, epochs.csv, steps.csv, predictions.csv,
report.html, model-card.md and test-openings.json; with --skip-unreadable, unreadable.csv too.
Ctrl-C saves and says how to go on, and so does SIGTERM (status 143). Research use only, not a medical device.")]
pub struct Args {
    /// Folder or CSV manifest; without it, simulated radiographs are made and used
    data: Option<PathBuf>,
    /// Run folder [default: runs/NAME, a new one]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in --out, exactly where it stopped
    #[arg(long, requires = "out")]
    resume: bool,
    /// What must not be divided between splits: a column, a pattern of the file name such as 'person*_', or
    /// PatientID or StudyInstanceUID of DICOM files
    #[arg(long, value_name = "COLUMN|PATTERN")]
    group_by: Option<String>,
    /// Cross-validate by group: a number of folds, or leave-one-group-out
    #[arg(long, value_name = "K|leave-one-group-out")]
    folds: Option<data::Folds>,
    /// mobilenet-v1 or mobilenet-v2 [default: mobilenet-v1]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Width multiplier [default: 1.0]
    #[arg(long)]
    width: Option<f32>,
    /// Side of the square input in pixels [default: 224]
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,
    /// 1 (gray) or 3 (colour) [default: 1]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// How images of another shape are fitted [default: stretch]
    #[arg(long)]
    fit: Option<FitArg>,
    /// Images a step [default: 32]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Update rule [default: adam]
    #[arg(long)]
    optimizer: Option<OptimizerArg>,
    /// Adam's decay of the first moment [default: 0.9]
    #[arg(long)]
    beta1: Option<f64>,
    /// Adam's decay of the second moment [default: 0.999]
    #[arg(long)]
    beta2: Option<f64>,
    /// Adam's epsilon [default: 1e-7]
    #[arg(long)]
    epsilon: Option<f64>,
    /// Momentum of sgd [default: 0]
    #[arg(long)]
    momentum: Option<f64>,
    /// Weight decay: L2 for adam and sgd, decoupled for adamw [default: 0]
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Learning rate [default: 0.002]
    #[arg(long)]
    lr: Option<f64>,
    /// What the learning rate does after the warm-up [default: constant]
    #[arg(long)]
    schedule: Option<ScheduleArg>,
    /// Epochs over which the learning rate rises [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    warmup: Option<f64>,
    /// Epochs at most [default: 30]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Epochs without a better validation loss before stopping; 0 never stops early [default: 5]
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
    /// Steps at most; 0 writes the initial weights
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Everything random follows from it [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Model file or run folder whose weights are the first ones
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Train only the classifier (with --init)
    #[arg(long)]
    freeze: bool,
    /// With --freeze: train everything after this many epochs
    #[arg(long, value_name = "EPOCHS")]
    unfreeze_after: Option<u64>,
    /// Learning rate of the classifier [default: that of --lr]
    #[arg(long, value_name = "LR")]
    head_lr: Option<f64>,
    /// Decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves [default: 0.99]
    #[arg(long, value_name = "DECAY")]
    average: Option<f64>,
    /// Show training images as they are
    #[arg(long)]
    no_augment: bool,
    /// Augmentation also exchanges left and right
    #[arg(long, conflicts_with = "no_augment")]
    flip: bool,
    /// The same order in every epoch
    #[arg(long)]
    no_shuffle: bool,
    /// Probability of dropping a pooled feature [default: the architecture's]
    #[arg(long, value_name = "P")]
    dropout: Option<f32>,
    /// Label smoothing [default: 0]
    #[arg(long, value_name = "P")]
    label_smoothing: Option<f32>,
    /// What a class counts in the loss [default: none]
    #[arg(long)]
    class_weights: Option<ClassWeightsArg>,
    /// How the decision threshold is chosen on the validation split (two classes) [default: youden]
    #[arg(long, value_name = "youden|sensitivity:S")]
    threshold_rule: Option<eval::ThresholdRule>,
    /// Leave out images that cannot be read: counted, and listed in the run folder
    #[arg(long)]
    skip_unreadable: bool,
    /// With --skip-unreadable: the share that may be left out [default: 0.01]
    #[arg(long, value_name = "SHARE", requires = "skip_unreadable")]
    max_unreadable: Option<f64>,
    /// The positive class (two classes) [default: the one whose name is no negation]
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Also write the curves for TensorBoard (events.out.tfevents.* in the run folder)
    #[arg(long)]
    tensorboard: bool,
    /// Memory for decoded images, in MiB [default: 1024]
    #[arg(long, value_name = "MIB")]
    cache: Option<usize>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FitArg {
    Stretch,
    Pad,
}

#[derive(Clone, Copy, ValueEnum)]
enum OptimizerArg {
    Adam,
    Adamw,
    Sgd,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScheduleArg {
    Constant,
    Cosine,
}

#[derive(Clone, Copy, ValueEnum)]
enum ClassWeightsArg {
    None,
    Balanced,
}

pub fn run(args: Args, threads: Option<usize>) -> Result<(), Failure> {
    let mut config = args.base(threads)?;
    args.apply(&mut config);
    config.check().map_err(Failure::usage)?;
    let goes_on = args.resume && train::is_cross_validation(&config.out);
    if !goes_on {
        train::check_folder(&config, args.resume)?;
    }
    if args.resume {
        args.check_place(&config, goes_on)?;
    }
    if args.data.is_none() && !args.resume {
        phantom_data(&mut config)?;
    }
    let stop = interrupt::stop_flag(STOPPING);
    if goes_on || args.folds.is_some() {
        return folds::run(&config, args.folds, args.resume, &stop, args.json);
    }
    let mut progress = Progress::new(config.epochs);
    let (mut glance, mut init, mut passed_over, mut unreadable) = (None, None, None, None);
    let outcome = train::fit(&config, args.resume, &stop, &mut |event| {
        progress.show(event);
        if let train::Event::Started { dataset, .. } = event {
            glance = Some(crate::audit::glance(dataset, &config.out));
            passed_over = Some(dataset.passed_over.clone());
            unreadable = Some(labelled::unreadable(dataset));
        }
        if let train::Event::Initialised(head) = event {
            init = Some((*head).clone());
        }
    });
    drop(progress);
    let outcome = outcome.map_err(Failure::of_positive)?;
    // The lock of the run folder is held until all is written.
    let (openings, is_reported) = match &outcome {
        Outcome::Finished(report, _) => {
            let openings = count_opening(&config, report);
            let busy = Counter::busy("writing the report");
            let written = crate::report::of_run(&config.out, None);
            drop(busy);
            let is_reported = written.is_ok();
            if let Err(failure) = written {
                note("warning: the run is finished, but its report could not be written:");
                failure.report();
            }
            (openings, is_reported)
        }
        Outcome::Interrupted { .. } => (None, false),
    };
    match outcome {
        Outcome::Finished(report, _lock) if args.json => {
            let result = serde_json::json!({
                "run": config.out.display().to_string(), "best_epoch": report.best_epoch, "result": report.summary, "audit": glance,
                "test_openings": openings.map(|looks| looks.times), "passed_over": passed_over,
                "unreadable": unreadable,
                "init": init,
                "threshold_evidence": report.threshold.as_ref().and_then(|threshold| threshold.evidence.as_ref()),
            });
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &result)?;
            Ok(writeln!(out)?)
        }
        Outcome::Finished(report, _lock) => close(&config, &report, glance.as_ref(), openings, is_reported),
        Outcome::Interrupted { step } => {
            note(format_args!("stopped after step {step}; everything is saved. To go on:"));
            note(format_args!("  {}", line_to_go_on(&config)));
            Err(Failure::Stopped)
        }
    }
}

const STOPPING: &str =
    "stopping after this step, to save; once more ends at once (the last checkpoint stays)";

/// The line that goes on with a run that was stopped, up to where it was to go.
fn line_to_go_on(config: &Config) -> String {
    let limit = config.max_steps.map_or(String::new(), |steps| format!(" --max-steps {steps}"));
    format!("{} train --resume --out {}{limit}", program(), quote(&config.out))
}

impl Args {
    /// Refuses to go on with a run whose data are not there, unless it is told where they are now; and to divide a single
    /// run into folds.
    fn check_place(&self, config: &Config, is_cross_validation: bool) -> Result<(), Failure> {
        if let Some(folds) = self.folds.filter(|_| !is_cross_validation) {
            return Err(Failure::Failed(format!(
                "{}: this run has folds none, found {folds}: resume without the option, or start a new run with \
                 another --out",
                config.out.display()
            )));
        }
        match train::lost_data(&config.out)?.filter(|_| self.data.is_none()) {
            Some(place) => {
                let out = quote(&config.out);
                Err(lost(&config.out, &place, &format!("train NEW-PLACE --resume --out {out}")))
            }
            None => Ok(()),
        }
    }

    /// The settings that options are laid over: those of the run to resume, or the defaults.
    fn base(&self, threads: Option<usize>) -> Result<Config, Failure> {
        let mut config = match (&self.out, self.resume) {
            (Some(out), true) => train::settings(out)?,
            _ if self.data.is_none() => Config { out: self.new_run("phantom"), ..for_phantom() },
            _ => Config { out: self.new_run("run"), ..Config::default() },
        };
        if let Some(init) = self.init.as_ref().filter(|_| !self.resume) {
            let model::Metadata { architecture: found, preprocessing, .. } =
                model::Model::read(init)?.metadata;
            if found.channels > self.channels.unwrap_or(config.channels) && !preprocessing.is_uniform() {
                note(
                    "--init: its colours are scaled differently, so for gray images its first convolution is exact but \
                     for the outermost pixels; --channels 3 keeps it as it is",
                );
            }
            (config.arch, config.width) = (found.name, found.width);
        }
        config.threads = threads.unwrap_or(config.threads);
        Ok(config)
    }

    /// Where the run goes: as asked, or the first free `runs/NAME`, `runs/NAME-2`, ...
    fn new_run(&self, name: &str) -> PathBuf {
        if let Some(out) = &self.out {
            return out.clone();
        }
        let stem = self.data.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str());
        let name = stem.unwrap_or(name);
        let numbered =
            |n: usize| Path::new("runs").join(if n == 1 { name.into() } else { format!("{name}-{n}") });
        let mut candidates = (1..).map(numbered);
        candidates.find(|path| !path.exists()).expect("some number is free")
    }

    /// Lays the given options over `config`.
    fn apply(&self, config: &mut Config) {
        fn set<T: Clone>(field: &mut T, option: &Option<T>) {
            if let Some(value) = option {
                field.clone_from(value);
            }
        }
        set(&mut config.data, &self.data);
        set(&mut config.arch, &self.arch);
        set(&mut config.width, &self.width);
        set(&mut config.image_size, &self.image_size);
        set(&mut config.channels, &self.channels);
        set(&mut config.batch_size, &self.batch_size);
        set(&mut config.beta1, &self.beta1);
        set(&mut config.beta2, &self.beta2);
        set(&mut config.epsilon, &self.epsilon);
        set(&mut config.momentum, &self.momentum);
        set(&mut config.weight_decay, &self.weight_decay);
        set(&mut config.lr, &self.lr);
        set(&mut config.warmup, &self.warmup);
        set(&mut config.epochs, &self.epochs);
        set(&mut config.patience, &self.patience);
        set(&mut config.seed, &self.seed);
        set(&mut config.average, &self.average);
        set(&mut config.label_smoothing, &self.label_smoothing);
        set(&mut config.threshold_rule, &self.threshold_rule);
        set(&mut config.cache_mib, &self.cache);
        set(&mut config.max_unreadable, &self.max_unreadable);
        config.fit = self.fit.map_or(config.fit, |fit| match fit {
            FitArg::Stretch => Fit::Stretch,
            FitArg::Pad => Fit::Pad,
        });
        config.optimizer = self.optimizer.map_or(config.optimizer, |optimizer| match optimizer {
            OptimizerArg::Adam => train::OptimizerKind::Adam,
            OptimizerArg::Adamw => train::OptimizerKind::AdamW,
            OptimizerArg::Sgd => train::OptimizerKind::Sgd,
        });
        config.schedule = self.schedule.map_or(config.schedule, |schedule| match schedule {
            ScheduleArg::Constant => ScheduleKind::Constant,
            ScheduleArg::Cosine => ScheduleKind::Cosine,
        });
        config.class_weights = self.class_weights.map_or(config.class_weights, |weights| match weights {
            ClassWeightsArg::None => ClassWeights::None,
            ClassWeightsArg::Balanced => ClassWeights::Balanced,
        });
        // A run that is resumed without a limit goes on to its last epoch.
        config.max_steps = self.max_steps;
        config.group_by = self.group_by.clone().or(config.group_by.take());
        config.init = self.init.clone().or(config.init.take());
        config.positive = self.positive.clone().or(config.positive.take());
        config.dropout = self.dropout.or(config.dropout);
        config.freeze |= self.freeze;
        config.tensorboard |= self.tensorboard;
        config.skip_unreadable |= self.skip_unreadable;
        config.unfreeze_after = self.unfreeze_after.or(config.unfreeze_after);
        config.head_lr = self.head_lr.or(config.head_lr);
        config.augment &= !self.no_augment;
        config.flip |= self.flip;
        config.shuffle &= !self.no_shuffle;
    }
}

/// That the data of the run in `out` are not at `place` any more, and the `command` that says where they are.
pub fn lost(out: &Path, place: &Path, command: &str) -> Failure {
    Failure::Failed(format!(
        "{}: the data of this run were in {}, which is not there. If they have moved, put the new place into this line:\n  \
         {} {command}",
        out.join("config.toml").display(),
        place.display(),
        program()
    ))
}

/// Defaults that fit the simulated radiographs: two cores are done in under three minutes. The simulator varies pose and
/// exposure itself, so nothing is added to that; and a loss that stays on a plateau for the first epochs must not end
/// the run.
fn for_phantom() -> Config {
    Config {
        image_size: 128,
        width: 0.25,
        batch_size: 16,
        lr: 0.004,
        schedule: ScheduleKind::Cosine,
        warmup: 1.0,
        epochs: 20,
        patience: 0,
        augment: false,
        ..Config::default()
    }
}

/// Points `config` at the simulated radiographs, which are made once.
fn phantom_data(config: &mut Config) -> Result<(), Failure> {
    let set = phantom::Config { seed: config.seed, ..phantom::Config::default() };
    let phantom::Config { patients, views, image_size, seed } = set;
    config.data = PathBuf::from(format!("runs/phantom-data-{patients}x{views}-{image_size}px-seed{seed}"));
    note("no DATA was given: training on simulated radiographs (`vertebra phantom` makes others)");
    if phantom::is_complete(&set, &config.data) {
        note(format_args!("using those in {}", config.data.display()));
    } else {
        crate::phantom::make(&set, &config.data)?;
    }
    config.data.push("manifest.csv");
    let Config { image_size, width, batch_size, lr, warmup, epochs, patience, seed, .. } = config;
    let schedule = match config.schedule {
        ScheduleKind::Constant => "constant",
        ScheduleKind::Cosine => "cosine",
    };
    let augment = if config.augment { "" } else { " --no-augment" };
    note(format_args!(
        "settings: --image-size {image_size} --width {width} --batch-size {batch_size} --lr {lr} --schedule {schedule} \
         --warmup {warmup} --epochs {epochs} --patience {patience} --seed {seed}{augment}"
    ));
    Ok(())
}

/// Counts the closing table as a look at the test split, if it is one.
fn count_opening(config: &Config, report: &Report) -> Option<Looks> {
    if report.split != data::Split::Test {
        return None;
    }
    let opening = Opening { command: shell::typed(), ..report.opening.clone() };
    let counted = train::record_opening(&config.out, opening);
    counted
        .inspect_err(|error| {
            note(format_args!("warning: this look at the test split is not counted: {error}"))
        })
        .ok()
}

/// The closing table, where everything is, and the line to type next.
fn close(
    config: &Config,
    report: &Report,
    glance: Option<&audit::Quick>,
    openings: Option<Looks>,
    is_reported: bool,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out)?;
    if report.split == data::Split::Val {
        let chosen = [(report.best_epoch > 0, "the weights"), (report.at_half.is_some(), "the threshold")];
        let chosen: Vec<&str> = chosen.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        let chose = match chosen.is_empty() {
            true => "fitted the temperature".to_owned(),
            false => format!("chose {}", chosen.join(" and ")),
        };
        writeln!(
            out,
            "There is no test split: this is the validation split, which {chose}, so it flatters."
        )?;
    }
    match report.best_epoch {
        0 => writeln!(out, "No epoch was finished: these are the last weights.")?,
        epoch => writeln!(out, "Weights of epoch {epoch}, the lowest validation loss.")?,
    }
    write!(out, "{}", report.summary)?;
    if let Some(promise) = report.threshold.as_ref().and_then(train::promise) {
        writeln!(out, "\n  {promise}")?;
    }
    if let Some(at_half) = &report.at_half {
        let percent =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.1} %", 100.0 * value));
        let right = at_half.confusion.right();
        writeln!(
            out,
            "\n  By the largest probability (p = 0.5) instead: accuracy {} ({right} of {}), sensitivity {}, \
             specificity {}",
            percent(at_half.accuracy),
            at_half.images,
            percent(at_half.sensitivity),
            percent(at_half.specificity)
        )?;
    }
    for line in glance.into_iter().flat_map(|glance| &glance.verdict) {
        writeln!(out, "\n  {line}")?;
    }
    if let Some(looks) = openings.filter(|looks| looks.times > 1) {
        writeln!(out, "\n  {}", looks.sentence("this run"))?;
    }
    writeln!(out, "\nrun folder: {}", config.out.display())?;
    if is_reported {
        writeln!(out, "report: {}", config.out.join("report.html").display())?;
    }
    let (run, example) = (quote(&config.out), quote(&report.example));
    writeln!(out, "next: {} predict {run} {example}", program())?;
    writeln!(out, "Research use only, not a medical device.")?;
    Ok(())
}
