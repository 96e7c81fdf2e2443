//! What `evaluate --truth` says of heatmaps against known boxes.

use crate::figures::{number, with_interval};
use std::io;
use workflow::Localised;

/// For people.
pub fn print(localised: &Localised) -> io::Result<()> {
    let Localised { found, boxes, .. } = localised;
    if !localised.findings.is_empty() {
        return print_findings(localised);
    }
    say!("  heatmaps of the {found} rightly classified of {boxes} images with a box")?;
    let pointing = with_interval(localised.pointing_game, localised.pointing_game_ci);
    say!("  peak in box   {pointing}  (pointing game)")?;
    say!("  energy in box {}", number(localised.energy_inside))?;
    say!("  by chance     {}  (the box's share of the image)\n", number(localised.box_area))
}

fn print_findings(localised: &Localised) -> io::Result<()> {
    let name = |of: &Localised| of.class.clone().unwrap_or_else(|| "all".to_owned());
    let width = localised.findings.iter().map(|of| name(of).chars().count()).max().unwrap_or(0).max(7);
    let line = |cells: [&str; 6]| {
        let [name, boxes, called, peak, energy, chance] = cells;
        say!("  {name:<width$}  {boxes:>8}  {called:>6}  {peak:<20}  {energy:>13}  {chance:>9}")
    };
    say!("  heatmaps against boxes, where a finding is there and was called")?;
    line(["finding", "with box", "called", "peak in box", "energy in box", "by chance"])?;
    for of in localised.findings.iter().chain([localised]) {
        let peak = with_interval(of.pointing_game, of.pointing_game_ci);
        let (boxes, found) = (of.boxes.to_string(), of.found.to_string());
        line([&name(of), &boxes, &found, &peak, &number(of.energy_inside), &number(of.box_area)])?;
    }
    say!()
}
