//! The results as a picture: two panels with the same lines.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints as _, IntoLogRange as _};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::CLIENTS;
use crate::series::{Point, Series, thousands};

const SIZE: (u32, u32) = (1_100, 460);
const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line: its name, its colour, and its milliseconds.
type Line = (String, RGBColor, fn(&Point) -> f64);

fn lines() -> [Line; 3] {
    [
        ("1 client, p99".to_owned(), RGBColor(213, 94, 0), |point| point.one.p99),
        ("1 client, p50".to_owned(), RGBColor(0, 114, 178), |point| point.one.p50),
        (format!("{CLIENTS} clients, time / messages"), RGBColor(0, 135, 95), |point| {
            1e3 / point.many.per_second
        }),
    ]
}

/// An SVG document.
pub fn draw(sizes: &Series, chains: &Series) -> Result<String> {
    let mut svg = String::new();
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.margin(10, 10, 10, 25).split_horizontally(SIZE.0 / 2);
        let (least, most) = ends(sizes);
        let ticks = sizes.points.iter().map(|point| f64::from(point.size)).collect::<Vec<_>>();
        // Both panels have the same height, with room for the legend above the lines.
        let points = || sizes.points.iter().chain(&chains.points);
        let highest = lines().iter().flat_map(|line| points().map(line.2)).fold(0.0, f64::max) * 1.4;
        let axis = (least / 1.3..most * 1.3).log_scale().with_key_points(ticks);
        panel(&left, "Growing image", "objects in the image, logarithmic", axis, highest, sizes)?;
        let axis = 0.0..ends(chains).1 * 1.03;
        panel(&right, "Growing chain", "prototypes in the chain", axis, highest, chains)?;
        area.present()?;
        Ok(())
    }();
    drawn.map_err(|error| anyhow!("the picture cannot be drawn: {error}"))?;
    Ok(svg)
}

fn panel<X>(
    area: &Area<'_>,
    title: &str,
    across: &str,
    axis: X,
    highest: f64,
    series: &Series,
) -> Result<(), Box<dyn std::error::Error>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 20).into_font().color(&TEXT))
        .margin(8)
        .x_label_area_size(48)
        .y_label_area_size(62)
        .build_cartesian_2d(axis, 0.0..highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(TEXT)
        .label_style((FONT, 14).into_font().color(&TEXT))
        .axis_desc_style((FONT, 15).into_font().color(&TEXT))
        .x_desc(across)
        .y_desc("milliseconds a message")
        .x_label_formatter(&|value| whole(*value))
        .draw()?;
    for (name, colour, value) in lines() {
        let points = || series.points.iter().map(move |point| (f64::from(point.size), value(point)));
        chart
            .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        chart.draw_series(points().map(|at| Circle::new(at, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(8)
        .background_style(WHITE)
        .label_font((FONT, 14).into_font().color(&TEXT))
        .draw()?;
    Ok(())
}

/// The smallest and the largest of a series.
fn ends(series: &Series) -> (f64, f64) {
    let sizes = || series.points.iter().map(|point| f64::from(point.size));
    (sizes().fold(f64::INFINITY, f64::min), sizes().fold(1.0, f64::max))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of objects")]
fn whole(value: f64) -> String {
    thousands(value.round() as u32)
}
