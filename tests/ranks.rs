//! One run by several ranks, here threads of one process: what one process learns where norms are frozen, the same
//! bits in every run, and one stop for all.

use crate::determinism::result;
use crate::support::{train, workspace};
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

    fn sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, String> {
        let add = |(a, _): Message, (b, _): Message| (a.iter().zip(&b).map(|(a, b)| a + b).collect(), vec![]);
        self.exchange((values, vec![]), add).map(|(sum, _)| sum)
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
    let (stop, never) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut ranks = threads(config.ranks);
    let mut first = ranks.remove(0);
    std::thread::scope(|scope| {
        let (stop, never) = (&stop, &never);
        let following: Vec<_> = ranks
            .into_iter()
            .map(|mut rank| {
                let last = rank.rank == config.ranks - 1;
                scope.spawn(move || train::follow(if last { stop } else { never }, &mut rank))
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
        drop(first);
        let followed: Vec<_> = following.into_iter().map(|rank| rank.join().expect("no panic")).collect();
        if outcome.is_ok() {
            let is_whole = matches!(outcome, Ok(Outcome::Finished(..)));
            followed.into_iter().for_each(|followed| assert_eq!(followed.unwrap(), is_whole));
        }
        outcome
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
        said.contains("--ranks: expected the 2 processes of these settings") && said.ends_with("found 1"),
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
fn a_rank_that_is_lost_or_has_other_data_is_an_error() {
    let folder = workspace();
    let config = Config { ranks: 2, ..settings(folder.path(), "lost") };
    let mut ranks = threads(2);
    drop(ranks.pop());
    let stop = AtomicBool::new(false);
    let mut first = ranks.remove(0);
    let said = train::fit_with(&config, false, &stop, &mut |_| {}, &mut first).unwrap_err().to_string();
    assert_eq!(said, "the ranks of this run: a rank is gone");
    let said = train::fit(&config, false, &stop, &mut |_| {}).unwrap_err().to_string();
    assert!(said.contains("--ranks: expected the 2 processes"), "{said}");
    let many = Config { ranks: 9, out: folder.path().join("many"), ..config };
    let said = train_by(&many, false, None).unwrap_err().to_string();
    assert!(
        said.contains("--ranks: expected 1 or more, and an image of each batch for each, found 9"),
        "{said}"
    );
}
