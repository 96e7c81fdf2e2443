//! Heatmaps against known boxes, as the phantom has them: the pointing game and the energy inside.
//!
//! Only images that were rightly called positive count: where the network missed, there is nothing to point at.

use crate::Heatmap;
use data::Table;
use model::Placement;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// A box in pixels of the image file; the upper limits lie outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Box2d {
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

/// How well a heatmap finds a box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Localisation {
    /// Whether the map's peak lies in the box (Zhang et al. 2018, "Top-Down Neural Attention by Excitation Backprop").
    pub hit: bool,
    /// The share of the map's positive values that lies in the box (Wang et al. 2020, "Score-CAM", section 4.3).
    pub energy: f64,
    /// The share of the image that the box takes: what either would be for a map that knows nothing.
    pub area: f64,
}

impl Localisation {
    /// Scores `map` of an image that the network saw as `placement` says.
    pub fn new(map: &Heatmap, truth: Box2d, placement: &Placement) -> Self {
        let [height, width] = map.size;
        let inside = |y: usize, x: usize| {
            let [y, x] = placement.to_image(y, x);
            (truth.x0..truth.x1).contains(&x) && (truth.y0..truth.y1).contains(&y)
        };
        let (mut energy, mut total, mut area) = (0.0, 0.0, 0);
        for y in 0..height {
            for x in 0..width {
                let value = f64::from(map.values[y * width + x].max(0.0));
                total += value;
                if inside(y, x) {
                    energy += value;
                    area += 1;
                }
            }
        }
        let [y, x] = map.peak();
        let share = |part: f64| if total > 0.0 { part / total } else { 0.0 };
        Self { hit: inside(y, x), energy: share(energy), area: f64::from(area) / (height * width) as f64 }
    }
}

/// The boxes in a CSV table with the columns `path,x0,y0,x1,y1` (others are passed over), by path with `/` between folders.
///
/// # Errors
/// In words, with the line.
pub fn read_truth(path: &Path) -> Result<HashMap<String, Box2d>, String> {
    let table = Table::read(path, &["path", "x0", "y0", "x1", "y1"]).map_err(|error| error.to_string())?;
    let column = |name: &str| {
        let found =
            || format!("{}: expected a column {name}, found {}", path.display(), table.header.join(", "));
        table.header.iter().position(|column| column.eq_ignore_ascii_case(name)).ok_or_else(found)
    };
    let (name, edges) = (column("path")?, [column("x0")?, column("y0")?, column("x1")?, column("y1")?]);
    let mut boxes = HashMap::new();
    for record in &table.rows {
        let at_line = |reason: String| format!("{}: line {}: {reason}", path.display(), record.line);
        let number = |column: usize| {
            let text = record.text(column).map_err(at_line)?;
            let bad = || at_line(format!("expected a number, found {text}"));
            text.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(bad)
        };
        let [x0, y0, x1, y1] = edges.map(number);
        let name = record.text(name).map_err(at_line)?.replace('\\', "/");
        boxes.insert(name, Box2d { x0: x0?, y0: y0?, x1: x1?, y1: y1? });
    }
    Ok(boxes)
}
