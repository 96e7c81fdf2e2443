//! Plots as SVG that takes its colours from the page, so that it is light on light and dark on dark.
//!
//! The plotting crate writes fixed colours. Ours are markers that no plot would choose, and each is exchanged for the
//! page's variable of that name afterwards.

use crate::html::escape;
use plotters::prelude::*;
use plotters::style::RGBColor;
use std::ops::Range;

/// Pixels; the page scales it to its own width.
const SIZE: (u32, u32) = (440, 330);

/// A colour of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ink {
    Text,
    Grid,
    First,
    Second,
    Third,
    Fourth,
    Soft,
}

/// The variables of the page, by [`Ink`].
const VARIABLES: [&str; 7] = ["--text", "--grid", "--first", "--second", "--third", "--fourth", "--soft"];

impl Ink {
    /// For lines of several classes, in turn.
    pub(crate) fn of_class(class: usize) -> Self {
        [Ink::First, Ink::Second, Ink::Third, Ink::Fourth][class % 4]
    }

    /// The variable of the page.
    pub(crate) fn variable(self) -> &'static str {
        VARIABLES[self as usize]
    }

    fn marker(self) -> RGBColor {
        RGBColor(self as u8 + 1, 0, self as u8 + 1)
    }
}

/// What is drawn, from back to front.
pub(crate) enum Mark {
    /// A line through points.
    Line(Ink, Vec<(f64, f64)>),
    /// A dashed line.
    Dashed(Ink, Vec<(f64, f64)>),
    /// The area between two lines: points of the upper, then of the lower backwards.
    Band(Ink, Vec<(f64, f64)>),
    /// Bars: from, to, height.
    Bars(Ink, Vec<(f64, f64, f64)>),
    /// Points.
    Points(Ink, Vec<(f64, f64)>),
}

/// Axes with their names.
pub(crate) struct Axes {
    pub x: Range<f64>,
    pub y: Range<f64>,
    pub x_name: &'static str,
    pub y_name: &'static str,
}

impl Axes {
    /// Both from 0 to 1.
    pub(crate) fn unit(x_name: &'static str, y_name: &'static str) -> Self {
        Self { x: 0.0..1.0, y: 0.0..1.0, x_name, y_name }
    }
}

/// The figure: `title` names it, `legend` says what each colour is, `words` tell what is to be seen.
pub(crate) fn figure(
    title: &str,
    axes: &Axes,
    layers: &[Mark],
    legend: &[(Ink, String)],
    words: &str,
) -> String {
    let keys: String = legend
        .iter()
        .map(|(ink, name)| {
            format!(
                "<span class=\"key\"><span class=\"swatch\" style=\"background:var({})\"></span>{}</span> ",
                ink.variable(),
                escape(name)
            )
        })
        .collect();
    let (title, words) = (escape(title), escape(words));
    let label = format!("{title}. {words}");
    // A plot that cannot be drawn leaves its words.
    let svg = draw(axes, layers).map_or_else(|_| String::new(), |svg| themed(&svg, &label));
    format!("<figure><h3>{title}</h3>{svg}<figcaption>{keys}<span>{words}</span></figcaption></figure>\n")
}

fn draw(axes: &Axes, layers: &[Mark]) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(10)
            .margin_right(18)
            .x_label_area_size(46)
            .y_label_area_size(58)
            .build_cartesian_2d(axes.x.clone(), axes.y.clone())?;
        let (text, grid) = (Ink::Text.marker(), Ink::Grid.marker());
        let font = |size: u32| ("sans-serif", size).into_font().color(&text);
        chart
            .configure_mesh()
            .x_desc(axes.x_name)
            .y_desc(axes.y_name)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&short)
            .y_label_formatter(&short)
            .axis_desc_style(font(15))
            .label_style(font(14))
            .axis_style(text)
            .bold_line_style(grid)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for layer in layers {
            match layer {
                Mark::Line(ink, points) => {
                    chart.draw_series(LineSeries::new(points.clone(), ink.marker().stroke_width(2)))?;
                }
                Mark::Dashed(ink, points) => {
                    let style = ink.marker().stroke_width(2);
                    chart.draw_series(DashedLineSeries::new(points.clone(), 6, 5, style))?;
                }
                Mark::Band(ink, points) => {
                    let area = Polygon::new(points.clone(), ink.marker().mix(0.18));
                    chart.draw_series(std::iter::once(area))?;
                }
                Mark::Bars(ink, bars) => {
                    let bar = |&(from, to, height): &(f64, f64, f64)| {
                        Rectangle::new([(from, 0.0), (to, height)], ink.marker().mix(0.55).filled())
                    };
                    chart.draw_series(bars.iter().map(bar))?;
                }
                Mark::Points(ink, points) => {
                    let circle = |&point: &(f64, f64)| Circle::new(point, 4, ink.marker().filled());
                    chart.draw_series(points.iter().map(circle))?;
                }
            }
        }
        root.present()?;
    }
    Ok(svg)
}

/// A number on an axis, without zeros that say nothing.
fn short(value: &f64) -> String {
    let text = format!("{value:.3}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        short => short.to_owned(),
    }
}

/// The drawing with the page's colours, as an image with a description. `label` is escaped already.
fn themed(svg: &str, label: &str) -> String {
    let mut svg = svg.to_owned();
    for (marker, variable) in (1..).zip(VARIABLES) {
        svg = svg.replace(&format!("\"#{marker:02X}00{marker:02X}\""), &format!("\"var({variable})\""));
    }
    // Inside of HTML the name space is understood, and no address stands in the page.
    let svg = svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_axes_are_short() {
        let told = [0.0, -0.0, 1.0, 0.25, -0.5, 400.0, 0.0123].map(|value| short(&value));
        assert_eq!(told, ["0", "0", "1", "0.25", "-0.5", "400", "0.012"]);
    }

    #[test]
    fn colours_are_the_pages() {
        let layers = [
            Mark::Band(Ink::First, vec![(0.0, 0.2), (1.0, 1.0), (1.0, 0.8), (0.0, 0.0)]),
            Mark::Line(Ink::First, vec![(0.0, 0.0), (1.0, 1.0)]),
            Mark::Dashed(Ink::Second, vec![(0.0, 0.5), (1.0, 0.5)]),
            Mark::Bars(Ink::Third, vec![(0.1, 0.2, 0.7)]),
            Mark::Points(Ink::Fourth, vec![(0.5, 0.5)]),
        ];
        let text =
            figure("A <title>", &Axes::unit("x", "y"), &layers, &[(Ink::First, "<b>".into())], "Words.");
        assert!(text.contains("var(--first)") && text.contains("var(--grid)"), "{text}");
        assert!(!text.contains("\"#") && !text.contains("http"), "{text}");
        assert!(text.contains("A &lt;title&gt;") && text.contains("&lt;b&gt;"), "{text}");
    }
}
