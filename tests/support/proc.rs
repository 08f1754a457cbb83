//! What Linux tells of a process.

/// The processor time that it has used, in hundredths of a second.
pub fn ticks(id: u32) -> u64 {
    let stat = read(id, "stat");
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    let times = fields.split(' ').skip(11).take(2);
    times.map(|time| time.parse::<u64>().expect("a number")).sum()
}

/// The most memory that it has had at once, in KiB.
pub fn peak(id: u32) -> u64 {
    let status = read(id, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}

fn read(id: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("it runs")
}
