//! `predict` on many images: order, bad files among them, lines that come before stdin ends, and memory.

use crate::support::{Ended, command, trained, vertebra};
use model::{Architecture, Metadata, Model, Preprocessing};
use nn::Learner;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// 300 images in folders, every 41st none.
fn many(folder: &Path) -> Vec<(String, bool)> {
    let image = std::fs::read(trained().join("data/test/disc/0.png")).unwrap();
    let path = |i: usize| (format!("many/{}/{i:03}.png", i / 100), i % 41 != 40);
    let paths: Vec<_> = (0..300).map(path).collect();
    for (i, (path, good)) in paths.iter().enumerate() {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = [&image[..], &image[..image.len() / 2], b"text", b""][if *good { 0 } else { 1 + i % 3 }];
        std::fs::write(path, bytes).unwrap();
    }
    paths
}

#[test]
fn three_hundred_images_in_order_with_bad_ones_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let paths = many(folder.path());
    let run = trained().join("run");
    let run = run.to_str().unwrap();
    let bad = paths.iter().filter(|(_, good)| !good).count();
    let failure = format!("{bad} of {} inputs failed", paths.len());

    for inputs in [&["many"][..], &["many/0", "many/?/1*.png", "many/2/*"]] {
        let arguments = [&["predict", run, "--format", "jsonl"], inputs].concat();
        let ended = vertebra(folder.path(), &arguments).fails(1, &[&failure]);
        let lines: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).expect("only JSON")).collect();
        assert_eq!(lines.len(), paths.len());
        for (line, (path, good)) in lines.iter().zip(&paths) {
            assert_eq!(line["path"], path.as_str());
            assert_eq!(line.get("error").is_none(), *good, "{line}");
            if *good {
                let label = line["label"].as_str().unwrap();
                assert_eq!(line["probability"], line["probabilities"][label]);
                assert_eq!(line["probabilities"], lines[0]["probabilities"], "the same image");
            }
        }
        assert!(ended.stderr.contains("Research use only"), "{}", ended.stderr);
    }
    let ended = vertebra(folder.path(), &["predict", run, "many", "--format", "csv"]).fails(1, &[&failure]);
    assert!(!ended.stdout.contains("Research"), "csv is only csv");
    assert_eq!(ended.stdout.lines().count(), 1 + paths.len());
    let ended = vertebra(folder.path(), &["predict", run, "many"]).fails(1, &[&failure]);
    assert_eq!(ended.stdout.lines().count(), paths.len());
    assert!(ended.stderr.contains("Research use only"), "{}", ended.stderr);
}

/// Jobs that do not know of each other share the inputs of a folder, and those of a filter.
#[test]
fn shards_together_say_what_one_run_says() {
    let folder = tempfile::tempdir().unwrap();
    let paths = many(folder.path());
    let run = trained().join("run");
    let run = run.to_str().unwrap();
    let lines = |arguments: &[&str], stdin: Option<String>| {
        let mut program =
            command(folder.path(), &[&["predict", run, "--format", "jsonl"], arguments].concat());
        let mut child =
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.unwrap_or_default().as_bytes()).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = lines(&["many"], None);
    let names = || Some(paths.iter().map(|(path, _)| format!("{path}\n")).collect::<String>());
    let shards = ["1/3", "2/3", "3/3"].map(|shard| {
        let by_folder = lines(&["many", "--shard", shard], None);
        assert_eq!(lines(&["-", "--shard", shard], names()), by_folder, "{shard}");
        by_folder
    });
    let together: Vec<&String> = (0..all.len()).map(|i| &shards[i % 3][i / 3]).collect();
    assert_eq!(together, all.iter().collect::<Vec<_>>());
    assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), all.len());
    vertebra(folder.path(), &["predict", run, "many", "--shard", "4/3"])
        .fails(2, &["I/N with I from 1 to N"]);
}

/// `predict MODEL -`, asked for one image after another.
struct Conversation {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Conversation {
    fn new(folder: &Path, model: &str) -> Self {
        let arguments = ["predict", model, "-", "--format", "jsonl", "--threads", "2"];
        let mut command = command(folder, &arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, lines: BufReader::new(stdout).lines() }
    }

    /// Names `path` so many times, and waits for as many lines while stdin stays open.
    fn ask(&mut self, path: &str, times: usize) {
        self.stdin.write_all(format!("{path}\n").repeat(times).as_bytes()).unwrap();
        for _ in 0..times {
            let line: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
            assert!(line["probability"].is_number(), "{line}");
        }
    }

    /// The most bytes that the process has had.
    #[cfg(target_os = "linux")]
    fn peak(&self) -> usize {
        self.status("VmHWM:")
    }

    /// A field of Linux' account of the process, in bytes.
    #[cfg(target_os = "linux")]
    fn status(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() << 10
    }

    fn end(self) {
        let Self { mut child, stdin, lines } = self;
        drop(stdin);
        assert_eq!(lines.count(), 0);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn an_image_does_not_wait_for_the_next_one_to_be_named() {
    let mut conversation = Conversation::new(trained(), "run");
    for _ in 0..3 {
        conversation.ask("data/test/disc/0.png", 1);
    }
    conversation.end();
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_number_of_images() {
    let mut conversation = Conversation::new(trained(), "run");
    conversation.ask("data/test/disc/0.png", 200);
    let before = conversation.peak();
    conversation.ask("data/test/disc/0.png", 3000);
    let grown = conversation.peak() - before;
    assert!(grown < 2 << 20, "{grown} bytes more after 3000 images");
    conversation.end();
}

/// What `inspect` promises is what the whole process takes, but for a few MiB of stacks and images: the weights of the
/// file are never held beside the packed ones. Pages of the program itself, of which test builds have more, do not count.
#[cfg(target_os = "linux")]
#[test]
fn the_plan_is_the_memory_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let architecture = Architecture::named("mobilenet-v1").unwrap();
    let weights = Learner::new(architecture.network().unwrap(), 1).weights();
    let prep = Preprocessing::new(1, architecture.image_size);
    let metadata = Metadata::new(architecture, vec!["normal".into(), "fracture".into()], prep);
    Model::new(metadata, weights).unwrap().write(folder.path().join("m.safetensors")).unwrap();

    let inspected = vertebra(folder.path(), &["inspect", "m.safetensors", "--threads", "2", "--json"]).ok();
    let plan = &inspected.json()["plan"];
    let bytes = |name: &str| plan[name].as_u64().unwrap() as usize;
    let parts = ["arena_bytes", "weight_bytes", "scratch_bytes"].map(bytes);
    let total = bytes("total_bytes");
    assert_eq!(total, parts.iter().sum::<usize>());
    assert_eq!((plan["batch_size"].as_u64(), plan["threads"].as_u64()), (Some(32), Some(2)));

    let image = trained().join("data/test/disc/0.png");
    let mut conversation = Conversation::new(folder.path(), "m.safetensors");
    for images in [1, 96] {
        conversation.ask(image.to_str().unwrap(), images);
        let peak = conversation.peak() - conversation.status("RssFile:");
        // One image needs the activations of one thread only.
        let least = if images == 1 { total - parts[0] / 2 } else { total };
        let expected = least..total + (8 << 20);
        assert!(
            expected.contains(&peak),
            "{images} images: {peak} bytes, and the plan says {total}: {parts:?}"
        );
    }
    conversation.end();
}

#[test]
fn a_folder_that_cannot_be_used_is_a_line_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("void")).unwrap();
    let run = trained().join("run");
    let arguments = ["predict", run.to_str().unwrap(), "void", "*.png", "missing.jpg", "--format", "jsonl"];
    let ended: Ended = vertebra(folder.path(), &arguments).fails(1, &["3 of 3 inputs failed"]);
    assert_eq!(ended.stdout.matches("expected images; found none").count(), 2, "{}", ended.stdout);
}
