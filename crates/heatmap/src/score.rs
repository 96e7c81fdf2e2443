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

impl Box2d {
    /// That it can be a box of a picture `[height, width]`: a pixel large at least, and not beside the picture.
    ///
    /// # Errors
    /// What was expected and found, in words.
    pub fn check(&self, [height, width]: [usize; 2]) -> Result<(), String> {
        let Self { x0, y0, x1, y1 } = *self;
        let is_large = x1 - x0 >= 1.0 && y1 - y0 >= 1.0;
        let is_inside = x1 > 0.0 && y1 > 0.0 && x0 < width as f64 && y0 < height as f64;
        if is_large && is_inside {
            return Ok(());
        }
        Err(format!(
            "expected a box in pixels of the upright picture ({width} wide, {height} high), found {x0} to {x1} across and \
             {y0} to {y1} down"
        ))
    }
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
    /// Scores `map` of an image that the network saw as `placement` says; of several boxes, what lies in any counts.
    pub fn new(map: &Heatmap, truth: &[Box2d], placement: &Placement) -> Self {
        let [height, width] = map.size;
        let inside = |y: usize, x: usize| {
            let [y, x] = placement.to_image(y, x);
            truth.iter().any(|of| (of.x0..of.x1).contains(&x) && (of.y0..of.y1).contains(&y))
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

/// A box of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthBox {
    /// What it is around, if the table says so.
    pub finding: Option<String>,
    /// Where.
    pub place: Box2d,
}

/// Columns that name the image: ours, VinDr-CXR's and ChestX-ray14's.
const PATHS: [&str; 3] = ["path", "image_id", "image index"];
/// Columns that name what a box is around.
const FINDINGS: [&str; 3] = ["finding", "class_name", "finding label"];
/// Columns of the four edges: ours and VinDr-CXR's.
const EDGES: [[&str; 4]; 2] = [["x0", "y0", "x1", "y1"], ["x_min", "y_min", "x_max", "y_max"]];
/// Column of two edges, and of width and height, as ChestX-ray14 has them.
const CORNER_AND_SIZE: [&str; 4] = ["bbox [x", "y", "w", "h]"];

/// The boxes in a CSV table with the columns `path,x0,y0,x1,y1` and perhaps `finding`, or in those of VinDr-CXR
/// (`image_id,class_name,x_min,y_min,x_max,y_max`) and ChestX-ray14 (`BBox_List_2017.csv`) as they were published; by
/// path with `/` between folders. Other columns are passed over, and rows without numbers, which say that there is
/// nothing.
///
/// # Errors
/// In words, with the line.
pub fn read_truth(path: &Path) -> Result<HashMap<String, Vec<TruthBox>>, String> {
    let table = Table::read(path, &["path", "x0", "y0", "x1", "y1"]).map_err(|error| error.to_string())?;
    let find = |name: &str| table.header.iter().position(|column| column.eq_ignore_ascii_case(name));
    let column = |name: &str| {
        let found =
            || format!("{}: expected a column {name}, found {}", path.display(), table.header.join(", "));
        find(name).ok_or_else(found)
    };
    let first = |names: &[&str]| names.iter().find_map(|name| find(name));
    let name = first(&PATHS).map_or_else(|| column(PATHS[0]), Ok)?;
    let finding = first(&FINDINGS);
    let all = |names: &[&str; 4]| names.iter().all(|name| find(name).is_some());
    let has_size = all(&CORNER_AND_SIZE);
    let edges =
        if has_size { &CORNER_AND_SIZE } else { EDGES.iter().find(|of| all(of)).unwrap_or(&EDGES[0]) };
    let [a, b, c, d] = edges.map(column);
    let edges = [a?, b?, c?, d?];
    let mut boxes: HashMap<String, Vec<TruthBox>> = HashMap::new();
    for record in &table.rows {
        let at_line = |reason: String| format!("{}: line {}: {reason}", path.display(), record.line);
        // Tools write such a row with blank cells, or with `nan`.
        let is_missing = |&column: &usize| {
            record.text(column).is_ok_and(|text| text.trim().is_empty() || data::is_missing(text.trim()))
        };
        if edges.iter().all(is_missing) {
            continue;
        }
        let number = |column: usize| {
            let text = record.text(column).map_err(at_line)?;
            let bad = || at_line(format!("expected a number, found {text}"));
            text.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(bad)
        };
        let [x0, y0, x1, y1] = edges.map(number);
        let (x0, y0, x1, y1) = (x0?, y0?, x1?, y1?);
        let name = record.text(name).map_err(at_line)?.replace('\\', "/");
        let finding = finding.map(|at| record.text(at).map(str::to_owned)).transpose().map_err(at_line)?;
        let (x1, y1) = if has_size { (x0 + x1, y0 + y1) } else { (x1, y1) };
        if x1 <= x0 || y1 <= y0 {
            return Err(at_line(format!(
                "expected right and lower edges beyond the left and upper ones, found {x0} to {x1} across and {y0} to \
                 {y1} down"
            )));
        }
        boxes.entry(name).or_default().push(TruthBox { finding, place: Box2d { x0, y0, x1, y1 } });
    }
    Ok(boxes)
}
