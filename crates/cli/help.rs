//! Help that fits 80 columns. Descriptions of options are wrapped by clap; what follows them (examples, explanations)
//! is text of our own, which is fitted here, so that whoever writes it need not count.
//!
//! Invariant: no line is longer than [`COLUMNS`], unless a single word is.

use clap::{Arg, Command};

/// What every terminal has.
pub const COLUMNS: usize = 80;
/// Where an example goes on that is longer than a line.
const INDENT: &str = "      ";

/// `command` and its subcommands, with help that fits.
pub fn fitted(command: Command) -> Command {
    let text = command.get_after_help().map(|text| fit(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    let command = command.mut_args(with_values);
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, fitted))
}

/// What an option may be in a line of its help, as clap does it where values have no descriptions of their own: those
/// of the library are for its readers.
fn with_values(arg: Arg) -> Arg {
    let values = arg.get_possible_values();
    if values.iter().all(|value| value.get_help().is_none()) {
        return arg;
    }
    let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let help = arg.get_help().cloned().unwrap_or_default();
    arg.help(format!("{help} [possible values: {}]", names.join(", "))).hide_possible_values(true)
}

/// Paragraphs are filled anew; an indented line is an example: a command, and after two spaces or more what it does.
fn fit(text: &str) -> String {
    let mut lines: Vec<String> = vec![];
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        let is_prose = !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
        if is_prose {
            paragraph += if paragraph.is_empty() { "" } else { " " };
            paragraph += line;
            continue;
        }
        lines.extend(wrap(&std::mem::take(&mut paragraph), COLUMNS, ""));
        match line.chars().count() > COLUMNS {
            true => lines.extend(example(line)),
            false => lines.push(line.to_owned()),
        }
    }
    lines.join("\n").trim_end().to_owned()
}

/// A line that is too long: what it does comes nearer, or below it.
fn example(line: &str) -> Vec<String> {
    let (command, words) = line.trim_start().split_once("  ").unwrap_or((line.trim_start(), ""));
    let words = words.trim();
    let one = format!("  {command}  {words}");
    if one.chars().count() <= COLUMNS {
        return vec![one.trim_end().to_owned()];
    }
    // A shell reads on behind a backslash.
    let mut lines: Vec<String> = wrap(command, COLUMNS - INDENT.len() - 2, "");
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.iter_mut().enumerate() {
        let indent = if at == 0 { "  " } else { INDENT };
        let on = if at < last { " \\" } else { "" };
        *line = format!("{indent}{line}{on}");
    }
    lines.extend(wrap(words, COLUMNS, INDENT));
    lines
}

/// The words of `text` in lines of so many columns, each after `indent`.
fn wrap(text: &str, columns: usize, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        let fits = |line: &String| line.chars().count() + 1 + word.chars().count() <= columns;
        match lines.last_mut().filter(|line| fits(line)) {
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn text_is_fitted() {
        let long = "word ".repeat(30);
        let text = format!("Examples:\n  a b    short\n  {long}   what it does\n\n{long}\n{long}\n\nend");
        let fitted = fit(&text);
        assert!(fitted.lines().all(|line| line.chars().count() <= COLUMNS), "{fitted}");
        assert!(fitted.starts_with("Examples:\n  a b    short\n  word "), "{fitted}");
        assert!(
            fitted.contains(" \\\n      word") && fitted.contains("\n      what it does\n\nword"),
            "{fitted}"
        );
        assert_eq!(fitted.split_whitespace().filter(|word| *word == "word").count(), 90);
        assert_eq!(
            fit("  x                                                   a comment that is moved nearer here"),
            "  x  a comment that is moved nearer here"
        );
    }

    #[test]
    fn every_help_fits() {
        fn look(command: &mut Command, path: &str) {
            for text in [command.render_help().to_string(), command.render_long_help().to_string()] {
                let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > COLUMNS).collect();
                assert!(long.is_empty(), "{path}: {long:#?}");
            }
            let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
            for name in names {
                look(command.find_subcommand_mut(&name).unwrap(), &format!("{path} {name}"));
            }
        }
        let mut command = fitted(crate::Cli::command());
        command.build();
        look(&mut command, "vertebra");
    }
}
