//! One run by several ranks, here threads of one process: what one process learns where norms are frozen, the same
//! bits in every run, and one stop for all.

use crate::determinism::result;
use crate::support::{copy, train, workspace};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use train::{Config, Error, Event, Outcome, Ranks};

/// A message from one rank to another.
type Message = (Vec<f32>, Vec<u8>);

/// One of some threads: all send to the first, which adds in the order of ranks and answers.
struct Thread {
    rank: usize,
    count: usize,
    /// Of the first, to and from each of the others; of those, to and from the first.
    to: Vec<Sender<Message>>,
    from: Vec<Receiver<Message>>,
}

impl Thread {
    /// What `join` makes of what all gave, in order.
    fn exchange(&mut self, given: Message, join: fn(Message, Message) -> Message) -> Result<Message, String> {
        let gone = "a rank is gone".to_owned();
        if self.rank > 0 {
            self.to[0].send(given).map_err(|_| gone.clone())?;
            return self.from[0].recv().map_err(|_| gone);
        }
        let mut all = given;
        for from in &self.from {
            all = join(all, from.recv().map_err(|_| gone.clone())?);
        }
        self.to.iter().try_for_each(|to| to.send(all.clone()).map_err(|_| gone.clone()))?;
        Ok(all)
    }
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), String> {
        let add = |(a, _): Message, (b, _): Message| (a.iter().zip(&b).map(|(a, b)| a + b).collect(), vec![]);
        let (sum, _) = self.exchange((values.to_vec(), vec![]), add)?;
        values.copy_from_slice(&sum);
        Ok(())
    }

    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String> {
        self.exchange((vec![], content), |first, _| first).map(|(_, content)| content)
    }
}

/// Ranks that know each other.
fn threads(count: usize) -> Vec<Thread> {
    let mut first = Thread { rank: 0, count, to: vec![], from: vec![] };
    let others = (1..count).map(|rank| {
        let ((to_first, from_other), (to_other, from_first)) = (channel(), channel());
        first.to.push(to_other);
        first.from.push(from_other);
        Thread { rank, count, to: vec![to_first], from: vec![from_first] }
    });
    let others: Vec<Thread> = others.collect();
    std::iter::once(first).chain(others).collect()
}

/// Trains with several ranks; `stop_at` is the step after which the last of them is told to stop.
fn train_by(config: &Config, resume: bool, stop_at: Option<u64>) -> Result<Outcome, Error> {
    let (outcome, followed) = train_on(threads(config.ranks), config, resume, stop_at);
    if outcome.is_ok() {
        let is_whole = matches!(outcome, Ok(Outcome::Finished(..)));
        followed.into_iter().for_each(|followed| assert_eq!(followed.unwrap(), is_whole));
    }
    outcome
}

/// The same, with what became of those that followed.
fn train_on<R: Ranks>(
    mut ranks: Vec<R>,
    config: &Config,
    resume: bool,
    stop_at: Option<u64>,
) -> (Result<Outcome, Error>, Vec<Result<bool, Error>>) {
    let (stop, never) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut first = ranks.remove(0);
    std::thread::scope(|scope| {
        let (stop, never, last) = (&stop, &never, ranks.len());
        let following: Vec<_> = ranks
            .into_iter()
            .map(|mut rank| {
                let stop = if rank.rank() == last { stop } else { never };
                scope.spawn(move || train::follow(stop, None, &mut rank))
            })
            .collect();
        let outcome = train::fit_with(
            config,
            resume,
            never,
            &mut |event| {
                if matches!(event, Event::Step { step, .. } if Some(*step) == stop_at) {
                    stop.store(true, Ordering::Relaxed);
                }
            },
            &mut first,
        );
        (outcome, following.into_iter().map(|rank| rank.join().expect("no panic")).collect())
    })
}

fn settings(folder: &Path, out: &str) -> Config {
    Config {
        data: folder.join("data"),
        out: folder.join(out),
        width: 0.25,
        image_size: 32.into(),
        batch_size: 8,
        epochs: 3,
        dropout: Some(0.2),
        ..Config::default()
    }
}

/// The column `at` of a table of the run.
fn column(config: &Config, table: &str, at: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(config.out.join(table)).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

fn assert_near(a: &[f64], b: &[f64]) {
    assert!(a.len() == b.len() && a.len() > 1, "{a:?}\n{b:?}");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 2e-5 * b.abs(), "{a} {b}");
    }
}

/// 25 images: the last batch of an epoch has one, so all ranks but the first have nothing.
#[test]
fn with_frozen_norms_ranks_learn_what_one_process_learns() {
    let folder = workspace();
    train(folder.path(), "data", "first", &["--max-steps", "2"]).ok();
    for (name, views) in [("features", 1), ("images", 0)] {
        let frozen = Config {
            init: Some(folder.path().join("first")),
            freeze: true,
            frozen_views: views,
            class_weights: train::ClassWeights::Balanced,
            ..settings(folder.path(), &format!("{name}-alone"))
        };
        let stop = AtomicBool::new(false);
        train::fit(&frozen, false, &stop, &mut |_| {}).unwrap();
        for ranks in [2, 3] {
            let config = |time: &str| Config {
                ranks,
                out: folder.path().join(format!("{name}-{ranks}-{time}")),
                ..frozen.clone()
            };
            let (once, again) = (config("once"), config("again"));
            for config in [&once, &again] {
                train_by(config, false, None).unwrap();
            }
            assert_eq!(column(&once, "steps.csv", 2).len(), 12);
            for (table, at) in [("steps.csv", 2), ("epochs.csv", 1), ("epochs.csv", 2)] {
                assert_near(&column(&once, table, at), &column(&frozen, table, at));
            }
            assert!(result(&once.out) == result(&again.out), "{name}, {ranks} ranks");
        }
    }
}

#[test]
fn ranks_stop_together_and_go_on_to_the_same_bits() {
    let folder = workspace();
    let whole = Config { ranks: 2, ..settings(folder.path(), "whole") };
    train_by(&whole, false, None).unwrap();
    let stopped = Config { out: folder.path().join("stopped"), ..whole.clone() };
    let outcome = train_by(&stopped, false, Some(5)).unwrap();
    let Outcome::Interrupted { step } = outcome else { panic!("{outcome:?}") };
    // The step that was under way is done by all, and perhaps the one behind it.
    assert!((6..=7).contains(&step), "{step}");
    let alone = Config { out: stopped.out.clone(), ..Config::of_run(&stopped.out).unwrap() };
    let said = train::fit(&alone, true, &AtomicBool::new(false), &mut |_| {}).unwrap_err().to_string();
    assert!(
        said.contains("ranks: expected the 2 processes of these settings") && said.ends_with("found 1"),
        "{said}"
    );
    train_by(&alone, true, None).unwrap();
    assert!(result(&whole.out) == result(&stopped.out));
}

#[test]
fn ranks_find_a_rate_together() {
    let folder = workspace();
    let auto = Config { ranks: 2, lr: train::LearningRate::Auto, ..settings(folder.path(), "auto") };
    train_by(&auto, false, None).unwrap();
    let found = Config::of_run(&auto.out).unwrap();
    assert!(found.lr.fixed().is_some());
    let fixed = Config { out: folder.path().join("fixed"), ..found };
    train_by(&fixed, false, None).unwrap();
    assert_eq!(column(&auto, "steps.csv", 2), column(&fixed, "steps.csv", 2));
}

#[test]
fn a_rank_that_is_lost_is_an_error_and_so_is_another_number_of_them() {
    let folder = workspace();
    let config = Config { ranks: 2, ..settings(folder.path(), "lost") };
    let mut ranks = threads(2);
    drop(ranks.pop());
    let stop = AtomicBool::new(false);
    let mut first = ranks.remove(0);
    let said = train::fit_with(&config, false, &stop, &mut |_| {}, &mut first).unwrap_err().to_string();
    assert_eq!(said, "the ranks of this run: a rank is gone");
    let said = train::fit(&config, false, &stop, &mut |_| {}).unwrap_err().to_string();
    assert!(said.starts_with("ranks: expected the 2 processes of these settings"), "{said}");
}

/// What each rank says, rank 0 first.
fn errors(ranks: Vec<impl Ranks>, config: &Config) -> Vec<String> {
    let (outcome, followed) = train_on(ranks, config, false, None);
    let first = outcome.unwrap_err().to_string();
    std::iter::once(first)
        .chain(followed.into_iter().map(|followed| followed.unwrap_err().to_string()))
        .collect()
}

/// Two images for each rank, where norms train: one alone has no variance in a last feature map of 1x1.
#[test]
fn all_ranks_hear_why_the_first_cannot_begin() {
    let folder = workspace();
    let config = |ranks, batch_size| Config { ranks, batch_size, ..settings(folder.path(), "none") };
    for (config, expected) in [
        (
            config(5, 8),
            "ranks: expected 1 to 4 processes for batches of 8 (two images of each batch for each",
        ),
        (config(2, 3), "ranks: expected 1 to 1 processes for batches of 3"),
        (config(2, 1), "--batch-size: expected 2 images or more, for norms that train"),
        (Config { data: folder.path().join("absent"), ..config(3, 8) }, "absent"),
    ] {
        let said = errors(threads(config.ranks), &config);
        assert!(said[0].contains(expected), "{said:?}");
        let told = format!("the ranks of this run: rank 0 has failed: {}", said[0]);
        assert_eq!(said[1..], vec![told; config.ranks - 1]);
        assert!(!config.out.exists());
    }
    let first = folder.path().join("first");
    train(folder.path(), "data", "first", &["--max-steps", "2"]).ok();
    let frozen = Config { init: Some(first), freeze: true, max_steps: Some(2), ..config(5, 8) };
    train_by(&frozen, false, None).unwrap();
}

/// A rank whose Welcome names another place for the data.
struct Elsewhere(Thread, &'static str);

impl Ranks for Elsewhere {
    fn rank(&self) -> usize {
        self.0.rank
    }

    fn count(&self) -> usize {
        self.0.count
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), String> {
        self.0.sum(values)
    }

    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String> {
        let heard = self.0.share(content)?;
        match std::str::from_utf8(&heard) {
            Ok(text) if self.0.rank == 1 => Ok(text.replacen("/data\"", self.1, 1).into()),
            _ => Ok(heard),
        }
    }
}

/// That one rank failed with what is `expected`, and that the others say so in its words.
fn assert_told(said: &[String], expected: &str) {
    let own = |said: &&String| !said.starts_with("the ranks of this run: ");
    let failed = said.iter().position(|said| own(&said)).unwrap_or_else(|| panic!("{said:?}"));
    assert!(said[failed].contains(expected), "{said:?}");
    let told = format!("the ranks of this run: rank {failed} has failed: {}", said[failed]);
    let others: Vec<_> = said.iter().enumerate().filter(|(rank, _)| *rank != failed).collect();
    assert!(others.iter().all(|(_, said)| **said == told), "{said:?}");
}

#[test]
fn all_ranks_hear_of_one_that_has_other_data() {
    let folder = workspace();
    let data = folder.path().join("data");
    copy(&data, &folder.path().join("other"));
    std::fs::copy(data.join("train/empty/1.png"), folder.path().join("other/train/empty/3.png")).unwrap();
    for (place, expected) in
        [("/other\"", "expected the data of rank 0, found others"), ("/absent\"", "absent")]
    {
        let config = Config { ranks: 3, ..settings(folder.path(), &place[1..4]) };
        let said = errors(threads(3).into_iter().map(|rank| Elsewhere(rank, place)).collect(), &config);
        assert_told(&said, expected);
        assert!(!said[1].contains("the ranks"), "{said:?}");
    }
}

#[test]
fn all_ranks_hear_of_an_image_that_one_cannot_read() {
    let folder = workspace();
    for (split, image) in [("train", "train/disc/0.png"), ("val", "val/disc/0.png")] {
        let path = folder.path().join("data").join(image);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let config = Config { ranks: 3, ..settings(folder.path(), split) };
        assert_told(&errors(threads(3), &config), "0.png");
        std::fs::write(&path, whole).unwrap();
    }
}

/// As one process says it, on every rank.
#[test]
fn all_ranks_say_that_training_diverged() {
    let folder = workspace();
    let lr = train::LearningRate::Fixed(1e30);
    let config = Config { ranks: 2, lr, ..settings(folder.path(), "diverged") };
    for said in errors(threads(2), &config) {
        assert!(said.contains("training diverged: the loss is NaN at step"), "{said}");
    }
}

/// A rank that panics in the middle of training.
#[test]
fn all_ranks_hear_of_one_that_panics() {
    let folder = workspace();
    let config = Config { ranks: 2, ..settings(folder.path(), "panic") };
    let (mut ranks, stop) = (threads(2), AtomicBool::new(false));
    let mut second = ranks.pop().unwrap();
    let said = std::thread::scope(|scope| {
        let following = scope.spawn(|| train::follow(&stop, None, &mut second));
        let fit = || {
            let mut observe =
                |event: &Event| assert!(!matches!(event, Event::Step { step: 3, .. }), "as it should");
            train::fit_with(&config, false, &AtomicBool::new(false), &mut observe, &mut ranks[0])
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(fit)).is_err());
        following.join().unwrap().unwrap_err().to_string()
    });
    assert_eq!(said, "the ranks of this run: rank 0 has failed: a fault of this program's");
}
