//! The storm as a picture: how much of the fleet is back, a line for each policy.

use plotters::prelude::{
    BLACK, ChartBuilder, IntoDrawingArea as _, IntoFont as _, LineSeries, PathElement, RGBColor,
    SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::style::Color as _;
use redial_testkit::storm::{Aftermath, Storm};

/// Draws it as SVG.
pub(crate) fn draw(storm: &Storm, went: &[(String, Aftermath)]) -> Result<String, String> {
    let mut svg = String::new();
    paint(&mut svg, storm, went).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn paint(
    svg: &mut String,
    storm: &Storm,
    went: &[(String, Aftermath)],
) -> Result<(), Box<dyn std::error::Error>> {
    let outage = f64::from(storm.outage_s);
    let last = went.iter().filter_map(|(_, it)| it.returns.last()).max();
    let end = last.map_or(outage, |millis| f64::from(*millis) / 1000.0).max(outage + 1.0) * 1.02;
    let digits = if end < SHORT { 1 } else { 0 };
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!(
        "{} clients lose their server for {} s; it takes {} a second",
        storm.clients, storm.outage_s, storm.capacity
    );
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20).into_font())
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..end, 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc("seconds since the loss")
        .y_desc("back, in %")
        .x_label_formatter(&|seconds| format!("{seconds:.digits$}"))
        .y_label_formatter(&|percent| format!("{percent:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    chart.draw_series([PathElement::new([(outage, 0.0), (outage, 100.0)], BLACK.mix(0.5))])?;
    for ((name, it), color) in went.iter().zip(COLORS.iter().cycle()) {
        let points = curve(it, storm.clients, end);
        let label = match it.gave_up {
            0 => name.clone(),
            lost => format!("{name} ({lost} gave up)"),
        };
        let style = color.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Returns the share that is back over time, as steps, with no more points than can be seen.
fn curve(it: &Aftermath, clients: u32, end: f64) -> Vec<(f64, f64)> {
    let percent = |count: usize| count as f64 * 100.0 / f64::from(clients);
    let mut points = vec![(0.0, 0.0)];
    let slice = end / f64::from(POINTS);
    for point in 0..=POINTS {
        let at = slice * f64::from(point);
        let back = it.returns.partition_point(|millis| f64::from(*millis) / 1000.0 <= at);
        points.push((at, percent(back)));
        // What follows is the same for ever, and would only hide other lines.
        if back == it.returns.len() {
            break;
        }
    }
    points
}

const SIZE: (u32, u32) = (1000, 560);
const POINTS: u32 = 800;
/// What lasts fewer seconds has labels that differ in tenths.
const SHORT: f64 = 12.0;
/// Colours that people who see colours differently can tell apart, after Okabe and Ito, and more.
const COLORS: [RGBColor; 12] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(120, 120, 120),
    RGBColor(110, 60, 160),
    RGBColor(140, 90, 40),
    RGBColor(70, 160, 40),
    RGBColor(200, 30, 60),
];
