//! `vertebra train`: from options to a [`Config`], and from the run's events to words.

mod folds;

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::percent;
use crate::interrupt;
use crate::lost;
use crate::progress::Progress;
use crate::shell::{self, place, program};
use crate::terminal::{json, note, say_lines};
use model::Model;
use std::path::{Path, PathBuf};
use train::{Basis, Config, Decay, LearningRate, Looks, Outcome, Report, RunFolder};
use workflow::{count_closing, unreadable};

/// Train a classifier, and evaluate it on the test split
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra train                                        on simulated radiographs, made on the spot
  vertebra train DATA --out runs/mine                   on a folder {train,val,test}/CLASS/... or CLASS/...
  vertebra train manifest.csv --lr 0.001 --epochs 50    on a table with columns path,label[,split][,group]
  vertebra train --config runs/mine --out runs/again    repeat a run, from its settings
  vertebra train --resume --out runs/mine               go on with a run that was stopped
  vertebra train NEW-PLACE --resume --out runs/mine     the same, after its data were moved
  vertebra train DATA --tensorboard --out runs/mine     also for `tensorboard --logdir runs`
  vertebra train DATA --group-by patient --folds 5      cross-validate, a run for each fold
  vertebra train DATA --skip-unreadable                 leave out damaged images, up to 1 %
  vertebra train Data_Entry_2017.csv --labels all --class-weights balanced      several findings an image
  vertebra train train.csv --labels 'Edema,Pleural Effusion' --uncertain positive
  vertebra train DATA --image-size 320x256 --fit pad    a portrait input: height x width
  vertebra train CT --window 40,400                     soft tissue: centre and width in Hounsfield units
  vertebra train DATA --init builtin --image-size 128   from the weights that come with the program, of width 0.5
  vertebra train DATA --init runs/other --freeze        train only the classifier of another model
  vertebra train DATA --recipe described --init imagenet.safetensors --seed 1
  vertebra train DATA --init imagenet.safetensors --freeze --unfreeze-after 2 --lr 1e-4 --head-lr 1e-3
  vertebra train DATA --lr auto --schedule one-cycle --patience 0       find the rate, use it in one cycle

The run folder gets config.toml, best.safetensors, last.safetensors, epochs.csv, steps.csv, predictions.csv,
audit.json, report.html, model-card.md and test-openings.json; with --skip-unreadable, unreadable.csv too; with --lr auto,
lr-range.csv: the loss at rates from 1e-6 to 10; half of the rate of the lowest smoothed loss is taken. With --freeze, the
features of images as they are (--frozen-views 1) are computed once, and the classifier trains on them in seconds.
Ctrl-C saves and says how to go on, and so does SIGTERM (status 143). Research use only, not a medical device.")]
pub struct Args {
    /// Settings to begin with: a config.toml that a run has written, or a file with some of its keys. Options win over it;
    /// a flag that it has is undone by =false
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Settings under a name, over which options win: described is --image-size 224 --lr 0.002 --epochs 4, Adam and all else
    /// of the update rule as by default, from the ImageNet weights in --init, which repeats the published result
    #[arg(long, value_name = "NAME", hide_possible_values = true, conflicts_with = "resume")]
    recipe: Option<train::Recipe>,
    /// Go on with the run in --out, exactly where it stopped
    #[arg(long, requires = "out", conflicts_with = "config")]
    resume: bool,
    /// Cross-validate by group: a number of folds, or leave-one-group-out
    #[arg(long, value_name = "K|leave-one-group-out")]
    folds: Option<data::Folds>,
    #[command(flatten)]
    settings: train::Options,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, threads: Option<usize>) -> Result<(), Failure> {
    let mut config = args.config(threads)?;
    crate::start_threads(config.threads)?;
    let goes_on = args.resume && train::is_cross_validation(&config.out);
    if !goes_on {
        train::check_folder(&config, args.resume)?;
    }
    args.check_place(&config, goes_on)?;
    let is_made_here = is_none(&config.data);
    if is_made_here {
        phantom_data(&mut config)?;
    }
    let stop = interrupt::stop_flag(STOPPING);
    if !args.resume && args.folds.is_none() {
        interrupt::say_instead("stopping; nothing is trained yet");
    }
    if goes_on || args.folds.is_some() {
        return folds::run(&config, args.folds, args.resume, &stop, args.json);
    }
    let mut progress = Progress::new(config.epochs);
    let (mut glance, mut init, mut passed_over, mut left_out) = (None, None, None, None);
    let outcome = train::fit(&config, args.resume, &stop, &mut |event| {
        progress.show(event);
        if !is_made_here {
            say_of_init(&config, event);
        }
        if let train::Event::Started { dataset, .. } = event {
            interrupt::say_instead(STOPPING);
            glance = Some(crate::audit::glance(dataset, &config));
            passed_over = Some(dataset.passed_over.clone());
            left_out = Some(unreadable(dataset));
        }
        if let train::Event::Initialised(head) = event {
            init = Some((*head).clone());
        }
        if let train::Event::Evaluating = event {
            interrupt::say_instead(ENDING);
        }
    });
    drop(progress);
    // The lock of the run folder is held until all is written.
    let (report, _lock) = match outcome {
        Err(error) => {
            let is_begun = glance.is_some() && train::RunFolder(&config.out).last().exists();
            let can_go_on = is_begun && !matches!(error, train::Error::Diverged { .. });
            let failure = Failure::of_positive(error);
            if !can_go_on {
                return Err(failure);
            }
            failure.report();
            note!("what was saved last is kept; if nothing in the data changes, this goes on:");
            note!("  {}", line_to_go_on(&config));
            return Err(Failure::Reported);
        }
        Ok(Outcome::Finished(report, lock)) => (report, lock),
        Ok(Outcome::Interrupted { step }) => {
            note!("stopped after step {step}; everything is saved. To go on:");
            note!("  {}", line_to_go_on(&config));
            return Err(Failure::Stopped);
        }
    };
    let looks = count_closing(&config.out, &report, &shell::typed(), &mut |text| note(text));
    let busy = Counter::busy("writing the report");
    let written = workflow::report_of_run(&config.out, None).map_err(Failure::from);
    drop(busy);
    let is_reported = or_warn(written, "the run is finished, but its report").is_some();
    if !args.json {
        return close(&config, &report, glance.as_ref(), looks, is_reported);
    }
    let threshold = report.threshold.as_ref();
    json(&serde_json::json!({
        "run": config.out.display().to_string(),
        "best_epoch": report.best_epoch,
        // What a range test found, if there was one.
        "lr": Config::of_run(&config.out)?.lr,
        "result": report.summary,
        "audit": glance,
        "test_openings": looks.map(|looks| looks.times),
        "passed_over": passed_over,
        "unreadable": left_out,
        "init": init,
        "threshold_evidence": threshold.and_then(|threshold| threshold.evidence.as_ref()),
        "warnings": report.warnings,
    }))?;
    if is_reported { Ok(()) } else { Err(Failure::Reported) }
}

/// The width of the weights that come with the program.
const BUILTIN_WIDTH: f32 = 0.5;
/// What first weights are worth was measured on at most so many images.
const FEW_IMAGES: usize = 3000;

/// Says what first weights are worth, where a run on few images begins without. The figures are those of
/// docs/pretrained.md.
fn say_of_init(config: &Config, event: &train::Event) {
    let train::Event::Started { images, from: 0, .. } = event else { return };
    if config.init.is_none() && *images < FEW_IMAGES {
        // A network of width 1.0 from random weights was as good as one of half the width from those.
        let narrow = match config.width <= BUILTIN_WIDTH {
            true => "; on 336, it was 0.90 to 0.93 instead of 0.87 to 0.89 by --init builtin, at width 0.5",
            false => "",
        };
        note!(
            "{images} images, without --init: on 2,682 chest radiographs, AUROC was 0.97 to 0.98 instead of 0.95 to 0.96 \
             from ImageNet weights{narrow} (three seeds each); see docs/pretrained.md"
        );
    }
}

/// What was written; if it could not be, that is said, for the training itself is done.
fn or_warn<T>(written: Result<T, Failure>, what: &str) -> Option<T> {
    let warn = |failure: Failure| {
        note!("warning: {what} could not be written:");
        failure.report()
    };
    written.map_err(warn).ok()
}

const STOPPING: &str =
    "stopping after this step, to save; once more ends at once (the last checkpoint stays)";

const ENDING: &str =
    "all is trained, and the run ends with its evaluation; once more ends at once (the checkpoint stays)";

/// The line that goes on with a run that was stopped, up to where it was to go.
fn line_to_go_on(config: &Config) -> String {
    let limit = config.max_steps.map_or(String::new(), |steps| format!(" --max-steps {steps}"));
    format!("{} train --resume --out {}{limit}", program(), place(&config.out))
}

impl Args {
    /// Refuses to go on with a run whose data are not there, or to repeat it, unless it is told where they are now; and to
    /// divide a single run into folds.
    fn check_place(&self, config: &Config, is_cross_validation: bool) -> Result<(), Failure> {
        let (out, is_told) = (place(&config.out), self.settings.has("data"));
        if let Some(file) = self
            .config
            .as_deref()
            .map(train::settings_file)
            .filter(|_| !is_told && !is_none(&config.data) && !config.data.exists())
        {
            let command = format!("train NEW-PLACE --config {} --out {out}", place(&file));
            return Err(lost::lost(&file, &config.data, &command));
        }
        if !self.resume {
            return Ok(());
        }
        if let Some(folds) = self.folds.filter(|_| !is_cross_validation) {
            return Err(failed!(
                "{}: this run has folds none, found {folds}: resume without the option, or start a new run with \
                 another --out",
                config.out.display()
            ));
        }
        match is_told {
            true => Ok(()),
            false => lost::refuse(&config.out, &format!("train NEW-PLACE --resume --out {out}")),
        }
    }

    /// Of the settings for the simulated set that nobody typed, nor a file `said`, makes what goes with the others.
    fn fit_phantom(&self, config: &mut Config, said: &[String]) {
        let is_said = |name: &str| self.settings.has(name) || said.iter().any(|said| said == name);
        if !is_said("warmup") {
            config.warmup = match config.schedule {
                Decay::OneCycle => 0.0,
                _ => config.warmup.min(config.epochs as f64),
            };
        }
        config.augment |= !is_said("augment") && (config.flip || config.frozen_views > 1);
    }

    /// The settings: those of the run to resume, of a file, or the defaults, and the options laid over them.
    fn config(&self, threads: Option<usize>) -> Result<Config, Failure> {
        let mut typed = Config::default();
        self.settings.lay_over(&mut typed);
        // Those that come with the program lie beside it.
        let program = std::env::current_exe().unwrap_or_default();
        let found = |init: Option<PathBuf>| init.map(|init| train::first_weights(init, &program)).transpose();
        typed.init = found(typed.init)?;
        let mut file = self.config.as_deref().map(train::settings_file);
        let data = match &file {
            Some(file) if is_none(&typed.data) => Config::read(file, Some(&Config::default()))?.data,
            _ => typed.data.clone(),
        };
        let init = typed.init.as_ref().filter(|_| !self.resume).map(Model::read).transpose()?;
        let find = |init| train::first_weights(init, &program);
        let of_file = file
            .as_deref()
            .filter(|_| init.is_none())
            .map(|file| train::init_of(file, find))
            .transpose()?
            .flatten();
        let basis = Basis {
            resumed: self.resume.then_some(typed.out.as_path()),
            file: file.as_deref(),
            init: init.as_ref().map(|init| &init.metadata),
            init_of_file: of_file.as_ref(),
            recipe: self.recipe,
        };
        let defaults = if is_none(&data) { for_phantom() } else { Config::default() };
        let mut config = basis.config(&defaults)?;
        self.settings.lay_over(&mut config);
        config.init = found(typed.init.or(config.init))?;
        if is_none(&config.data) {
            let said = file.as_deref().map(train::keys).transpose()?.unwrap_or_default();
            self.fit_phantom(&mut config, &said);
        }
        self.recipe.map_or(Ok(()), |recipe| recipe.check(&config)).map_err(Failure::usage)?;
        basis.notes(&config).iter().for_each(note);
        if let Some(folder) = file.as_deref().and_then(Path::parent).filter(|_| self.folds.is_none())
            && train::is_cross_validation(folder)
        {
            let (of, folds) = (folder.display(), RunFolder(folder).folds());
            note!(
                "{of} is a cross-validation in {folds} folds, and this is one run (--folds {folds} repeats it)"
            );
        }
        if self.resume {
            file = Some(RunFolder(&typed.out).config());
        }
        config.threads = threads.unwrap_or(config.threads);
        let checked = if self.resume { config.check_run() } else { config.check() };
        checked.map_err(|error| match file {
            Some(file) => Failure::of_settings(self.settings.blame(error, &file)),
            None => Failure::usage(error),
        })?;
        if is_none(&config.out) {
            config.out = train::new_run(&config.data);
        }
        Ok(config)
    }
}

/// Whether a place was not told.
fn is_none(place: &Path) -> bool {
    place.as_os_str().is_empty()
}

/// Defaults that fit the simulated radiographs: two cores are done in under three minutes. The simulator varies pose and
/// exposure itself, so nothing is added to that; and a loss that stays on a plateau for the first epochs must not end
/// the run.
fn for_phantom() -> Config {
    Config {
        image_size: 128.into(),
        width: 0.25,
        batch_size: 16,
        lr: LearningRate::Fixed(0.004),
        schedule: Decay::Cosine,
        warmup: 1.0,
        epochs: 20,
        patience: 0,
        augment: false,
        ..Config::default()
    }
}

/// Points `config` at the simulated radiographs, which are made once.
fn phantom_data(config: &mut Config) -> Result<(), Failure> {
    let set = phantom::PhantomConfig { seed: config.seed, ..phantom::PhantomConfig::default() };
    let phantom::PhantomConfig { patients, views, image_size, seed } = set;
    config.data = PathBuf::from(format!("runs/phantom-data-{patients}x{views}-{image_size}px-seed{seed}"));
    note!("no DATA was given: training on simulated radiographs (`vertebra phantom` makes others)");
    if phantom::is_complete(&set, &config.data) {
        note!("using those in {}", config.data.display());
    } else {
        crate::phantom::make(&set, &config.data)?;
    }
    config.data.push("manifest.csv");
    note!("settings: {}", config.options().join(" "));
    Ok(())
}

/// The closing table, where everything is, and the line to type next.
fn close(
    config: &Config,
    report: &Report,
    glance: Option<&audit::Quick>,
    looks: Option<Looks>,
    is_reported: bool,
) -> Result<(), Failure> {
    say!()?;
    if report.split == data::Split::Val {
        let chosen = [(report.best_epoch > 0, "the weights"), (report.at_half.is_some(), "the threshold")];
        let chosen: Vec<&str> = chosen.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        let chose = match chosen.is_empty() {
            true => "fitted the temperature".to_owned(),
            false => format!("chose {}", chosen.join(" and ")),
        };
        say!("There is no test split: this is the validation split, which {chose}, so it flatters.")?;
    }
    match report.best_epoch {
        0 => say!("No epoch was finished: these are the last weights.")?,
        epoch => {
            let best = match report.best_by {
                train::BestBy::Loss => "lowest validation loss",
                train::BestBy::Auroc => "highest validation AUROC",
            };
            say!("Weights of epoch {epoch}, the {best}.")?;
        }
    }
    report.warnings.iter().try_for_each(|warning| say!("warning: {warning}"))?;
    say_lines(&report.summary)?;
    if let Some(promise) = report.threshold.as_ref().and_then(train::promise) {
        say!("\n  {promise}")?;
    }
    if let Some(at_half) = &report.at_half {
        let share = |value: Option<f64>| value.map_or("-".to_owned(), percent);
        let [accuracy, sensitivity, specificity] =
            [at_half.accuracy, at_half.sensitivity, at_half.specificity].map(share);
        say!(
            "\n  By the largest probability (p = 0.5) instead: accuracy {accuracy} ({} of {}), sensitivity \
             {sensitivity}, specificity {specificity}",
            at_half.confusion.right(),
            at_half.images
        )?;
    }
    for line in glance.into_iter().flat_map(|glance| &glance.verdict) {
        say!("\n  {line}")?;
    }
    if let Some(looks) = looks.filter(|looks| looks.times > 1) {
        say!("\n  {}", looks.sentence("this run"))?;
    }
    say!("\nrun folder: {}", config.out.display())?;
    if is_reported {
        say!("report: {}", RunFolder(&config.out).report().display())?;
    }
    let (run, example) = (place(&config.out), place(&report.example));
    say!("next: {} predict {run} {example}", program())?;
    say!("Research use only, not a medical device.")?;
    // The run is whole, but a script that waits for its report is told that there is none.
    if is_reported { Ok(()) } else { Err(Failure::Reported) }
}
