//! A comparison finding by finding, for people.

use crate::figures::{number, p_value};
use eval::{McNemar, MeanAurocDifference};
use std::io;
use workflow::Compared;

/// A line each, and their mean.
pub fn print(all: &[Compared], mean: Option<&MeanAurocDifference>, by_group: &str) -> io::Result<()> {
    let width = all.iter().map(|of| of.finding.chars().count()).max().unwrap_or(0).max(7);
    let line = |cells: [&str; 8]| {
        let [name, with, known, a, b, apart, p, calls] = cells;
        let text =
            format!("  {name:<width$}  {with:>6}  {known:>6}  {a:>7}  {b:>7}  {apart:<23}  {p:>7}  {calls}");
        say!("{}", text.trim_end())
    };
    line(["finding", "with", "known", "AUROC A", "AUROC B", "A - B", "p", "only A right, only B; p"])?;
    let apart = |difference: f64, interval: Option<eval::Interval>| {
        let interval = interval.map_or(String::new(), |i| format!(" [{:+.3}, {:+.3}]", i.low, i.high));
        format!("{difference:+.3}{interval}")
    };
    for of in all {
        let McNemar { only_first, only_second, p_value: p } = of.mcnemar;
        let calls = format!("{only_first}, {only_second}; {}", p_value(of.mcnemar_p_value_holm.unwrap_or(p)));
        let [a, b] = [0, 1].map(|model| number(of.auroc.map(|found| found.auroc[model])));
        let difference = of.auroc.map_or("not defined".to_owned(), |of| apart(of.difference, of.interval));
        let p = of.p_value_holm.map_or("-".to_owned(), p_value);
        let (with, known) = (of.positives.to_string(), of.images.to_string());
        line([&of.finding, &with, &known, &a, &b, &difference, &p, &calls])?;
    }
    if let Some(MeanAurocDifference { auroc: [a, b], difference, interval, findings, .. }) = mean {
        let (a, b, name) = (number(Some(*a)), number(Some(*b)), format!("mean of {findings}"));
        line([&name, "", "", &a, &b, &apart(*difference, *interval), "", ""])?;
    }
    say!(
        "  (AUROC: DeLong, paired{by_group}; the mean by bootstrap; calls, each by its model's threshold: McNemar, \
         exact{by_group}; each p as it is among all findings (Holm))"
    )
}
