//! Samples, as children print them, and the figures that they make, as the report keeps them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The quantity that a row is measured against.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// A store with few keys, one thread.
    Alone,
    /// So many keys on the token.
    Keys,
    Threads,
    Processes,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Nanoseconds,
    Bytes,
    /// Calls in a second.
    Calls,
}

/// A row of one module at one point of an axis.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    pub row: String,
    pub module: String,
    pub axis: Axis,
    pub at: u64,
    pub unit: Unit,
}

/// One measurement, or the sentence that says why there is none.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sample {
    #[serde(flatten)]
    pub point: Point,
    pub value: Result<f64, String>,
}

impl Sample {
    /// Prints the sample as a line of JSON, for the process that started this one.
    pub fn print(row: &str, module: &str, unit: Unit, value: Result<f64, String>) {
        let (row, module) = (row.to_owned(), module.to_owned());
        let point = Point { row, module, axis: Axis::Alone, at: 0, unit };
        let line = serde_json::to_string(&Self { point, value }).expect("a sample is JSON");
        println!("{line}");
    }

    pub fn print_time(row: &str, module: &str, time: Duration) {
        Self::print(row, module, Unit::Nanoseconds, Ok(time.as_nanos() as f64));
    }
}

/// The samples of one point in short.
#[derive(Serialize)]
pub struct Figure {
    #[serde(flatten)]
    pub point: Point,
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub samples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Returns a figure for each point, in the order in which the points were first measured. Of a point with an error it
/// has the first one.
pub fn figures(samples: &[Sample]) -> Vec<Figure> {
    let (mut order, mut of): (Vec<&Point>, BTreeMap<&Point, Vec<&Sample>>) = Default::default();
    for sample in samples {
        of.entry(&sample.point).or_insert_with(|| {
            order.push(&sample.point);
            Vec::new()
        });
        of.get_mut(&sample.point).expect("an entry").push(sample);
    }
    order.into_iter().map(|point| figure(point, &of[point])).collect()
}

fn figure(point: &Point, samples: &[&Sample]) -> Figure {
    let mut values: Vec<f64> =
        samples.iter().filter_map(|sample| sample.value.as_ref().ok().copied()).collect();
    values.sort_by(f64::total_cmp);
    Figure {
        point: point.clone(),
        median: values.get(values.len() / 2).copied().unwrap_or_default(),
        least: values.first().copied().unwrap_or_default(),
        most: values.last().copied().unwrap_or_default(),
        samples: values.len(),
        error: samples.iter().find_map(|sample| sample.value.as_ref().err().cloned()),
    }
}
