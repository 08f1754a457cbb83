//! What both benchmarks need: load and its figures, the table they are shown in, the rivals.

pub mod connection;
pub mod load;
pub mod rivals;
pub mod table;

use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::Result;
use aura::config::Config;

/// The cache, and the guest of this checkout in it.
pub fn cache_and_guest() -> Result<(PathBuf, PathBuf)> {
    let config = Config::load(&[])?;
    let guest = config.guest_path();
    Ok((config.cache, guest))
}

/// The machine and how busy it is at this moment.
pub fn machine() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{cores} cores, {}, Linux {}, load {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}
