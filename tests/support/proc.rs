//! What Linux tells of processes.

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

/// Whether some process holds its end of the connection from this port of the loopback address.
pub fn serves(client: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the connections");
    let remote = format!("0100007F:{client:04X}");
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // One that nobody has accepted or somebody has closed has no inode.
        matches!(fields[..], [_, _, to, _, _, _, _, _, _, inode, ..] if to == remote && inode != "0")
    })
}

fn read(id: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("it runs")
}
