//! A plot with both axes logarithmic, as SVG.

use std::fmt::Write;

/// The values of one module.
pub struct Line {
    pub name: String,
    /// Both coordinates above zero.
    pub points: Vec<(f64, f64)>,
}

/// A plot of some lines.
pub struct Plot {
    pub title: String,
    pub lines: Vec<Line>,
}

/// The size of the picture and the margins around the field, in pixels.
const SIZE: (f64, f64) = (640.0, 360.0);
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 30.0;

/// Colours that are told apart by the colour-blind too.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// One axis: the logarithms of its ends, and where they lie.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Reaches from one power of ten to another around all values.
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for value in values.filter(|value| *value > 0.0) {
            low = low.min(value.log10().floor());
            high = high.max(value.log10().ceil());
        }
        Self { low, high: high.max(low + 1.0), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - self.low) / (self.high - self.low);
        self.from + share * (self.to - self.from)
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10_f64.powi(power))
    }
}

impl Plot {
    /// Returns the picture.
    pub fn svg(&self) -> String {
        let (width, height) = SIZE;
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let along = Scale::around(all().map(|point| point.0), LEFT, width - RIGHT);
        let up = Scale::around(all().map(|point| point.1), height - BOTTOM, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{}</text>\n",
            escaped(&self.title)
        );
        svg += &grid(&along, &up);
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            svg += &drawn(line, colour, &along, &up);
        }
        svg + "</svg>\n"
    }
}

fn grid(along: &Scale, up: &Scale) -> String {
    let mut svg = String::new();
    let mut rule = |x1: f64, y1: f64, x2: f64, y2: f64| {
        let _infallible = writeln!(
            svg,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
        );
    };
    along.powers().for_each(|power| rule(along.at(power), up.from, along.at(power), up.to));
    up.powers().for_each(|power| rule(along.from, up.at(power), along.to, up.at(power)));
    let mut label = |x: f64, y: f64, anchor: &str, value: f64| {
        let _infallible = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#444\">{value}</text>"
        );
    };
    along.powers().for_each(|power| label(along.at(power), up.from + 18.0, "middle", power));
    up.powers().for_each(|power| label(along.from - 8.0, up.at(power) + 4.0, "end", power));
    svg
}

/// A line with a dot at each point, and its name at its end.
fn drawn(line: &Line, colour: &str, along: &Scale, up: &Scale) -> String {
    let places: Vec<(f64, f64)> = line
        .points
        .iter()
        .filter(|it| it.1 > 0.0)
        .map(|it| (along.at(it.0), up.at(it.1)))
        .collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut svg = format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
        path.join(" ")
    );
    for (x, y) in &places {
        let _infallible =
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    if let Some((x, y)) = places.last() {
        let (x, y, name) = (x + 8.0, y + 4.0, escaped(&line.name));
        let _infallible =
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>");
    }
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
