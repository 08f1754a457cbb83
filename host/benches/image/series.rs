//! Images, or objects in one, that differ in one thing, and what a message to each of them costs.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::CLIENTS;
use crate::images::key;
use crate::served::{Served, complete};
use crate::support::load::{Caller, Load, Measured, drive};
use crate::support::table::align;

pub struct Series {
    /// What grows.
    pub name: &'static str,
    pub points: Vec<Point>,
    /// The fuel of a message by what the counter then says: the same everywhere.
    pub fuel: BTreeMap<u64, u64>,
}

pub struct Point {
    pub size: u32,
    /// Bytes of the image's file an object, where they are asked for.
    pub bytes: Option<f64>,
    pub one: Cost,
    pub many: Cost,
    served: Rc<Served>,
    targets: Vec<u32>,
    counted: AtomicU64,
}

/// The best of all rounds: what else the machine does can only make a figure worse.
#[derive(Clone, Copy)]
pub struct Cost {
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
}

impl Cost {
    const UNKNOWN: Self = Self { per_second: 0.0, p50: f64::INFINITY, p99: f64::INFINITY };

    fn note(&mut self, measured: &Measured) {
        self.per_second = self.per_second.max(measured.per_second());
        self.p50 = self.p50.min(measured.percentile(50));
        self.p99 = self.p99.min(measured.percentile(99));
    }
}

#[derive(Deserialize)]
struct Record {
    result: u64,
    fuel_used: u64,
}

type Fuel = Mutex<BTreeMap<u64, u64>>;

impl Series {
    pub fn take_turns(&mut self, time: Duration) -> Result<()> {
        let fuel = Mutex::new(std::mem::take(&mut self.fuel));
        for point in &mut self.points {
            let one = point.measure(1, time, &fuel)?;
            point.one.note(&one);
            let many = point.measure(CLIENTS, time, &fuel)?;
            point.many.note(&many);
        }
        self.fuel = fuel.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(())
    }

    /// Compares what the counters say with what was counted.
    pub fn verify(&self) -> Result<u64> {
        let mut all = 0;
        for point in &self.points {
            let sum = point.served.counters(point.targets.iter().map(|target| key(*target)))?;
            let counted = point.counted.load(Ordering::Relaxed);
            ensure!(sum == counted, "the counters say {sum}, but {counted} messages were answered");
            all += sum;
        }
        Ok(all)
    }
}

impl Point {
    pub fn new(size: u32, bytes: Option<f64>, served: Rc<Served>, targets: Vec<u32>) -> Self {
        let (one, many) = (Cost::UNKNOWN, Cost::UNKNOWN);
        Self { size, bytes, one, many, served, targets, counted: AtomicU64::new(0) }
    }

    fn measure(&self, clients: usize, time: Duration, fuel: &Fuel) -> Result<Measured> {
        let load = Load { callers: clients, pause: Duration::ZERO, time };
        let (served, targets, counted) = (&*self.served, &self.targets, &self.counted);
        drive(load, |client| {
            let mut connection = served.connect()?;
            let mut turn = targets.iter().skip(client).step_by(clients).cycle();
            let caller: Caller<'_> = Box::new(move || {
                let Some(target) = turn.next() else { return Ok(()) };
                let answer = complete(&mut connection, &key(*target), "count")?;
                counted.fetch_add(1, Ordering::Relaxed);
                let Record { result, fuel_used } = serde_json::from_str(&answer)?;
                let mut known = fuel.lock().unwrap_or_else(PoisonError::into_inner);
                let before = *known.entry(result).or_insert(fuel_used);
                ensure!(before == fuel_used, "counting to {result} used fuel {before}, then {fuel_used}");
                Ok(())
            });
            Ok(caller)
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sized = self.points.iter().any(|point| point.bytes.is_some());
        let many = format!("{CLIENTS} clients:");
        let mut head = vec![
            self.name.to_owned(),
            "1 client: p50, ms".to_owned(),
            "p99, ms".to_owned(),
            "messages/s".to_owned(),
            format!("{many} p50, ms"),
            "p99, ms".to_owned(),
            "messages/s".to_owned(),
        ];
        head.extend(sized.then(|| "file, bytes an object".to_owned()));
        let mut lines = vec![head];
        for point in &self.points {
            let mut line = vec![thousands(point.size)];
            for cost in [point.one, point.many] {
                line.extend([
                    milliseconds(cost.p50),
                    milliseconds(cost.p99),
                    format!("{:.0}", cost.per_second),
                ]);
            }
            line.extend(point.bytes.map(|bytes| format!("{bytes:.0}")));
            lines.push(line);
        }
        align(f, &lines)
    }
}

fn milliseconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

pub fn thousands(number: u32) -> String {
    let text = number.to_string();
    let groups: Vec<_> = text.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
