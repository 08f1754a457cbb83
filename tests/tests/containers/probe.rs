//! Tries from within a container what its walls have to keep it from, and prints what came of each attempt. Compiled by
//! the test by itself, linked with all it needs, and run in the place of the sandbox: under the container's walls
//! alone, without those that the sandbox's own process puts around itself.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn access(path: *const std::ffi::c_char, mode: i32) -> i32;
}

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "walls" => walls(),
        "memory" => memory(),
        "processes" => processes(),
        other => panic!("no mode {other}"),
    }
}

fn walls() {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    for name in
        ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"]
    {
        let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap_or_default();
        println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let remote = SocketAddr::from((Ipv4Addr::new(1, 1, 1, 1), 53));
    tried("connect by TCP", TcpStream::connect_timeout(&remote, Duration::from_secs(2)));
    tried("listen by TCP", TcpListener::bind("127.0.0.1:0"));
    tried("open a UDP socket", UdpSocket::bind("127.0.0.1:0"));
    for (name, family, kind) in
        [("raw", 2, 3), ("netlink", 16, 3), ("packet", 17, 3), ("vsock", 40, 1), ("alg", 38, 5)]
    {
        tried(&format!("open a {name} socket"), call(41, [family, kind, 0, 0, 0]));
    }
    let devices =
        fs::read_dir("/sys/class/net").map(|found| found.flatten().map(|one| one.file_name()).collect());
    println!("network devices: {:?}", devices.unwrap_or_else(|_| Vec::new()));

    for (name, number, arguments) in [
        ("become root", 105, [0, 0, 0, 0, 0]),
        ("mount", 165, [0; 5]),
        ("unmount", 166, [0; 5]),
        ("change the root", 161, [c"/".as_ptr() as i64, 0, 0, 0, 0]),
        ("leave its namespaces", 272, [0x1000_0000, 0, 0, 0, 0]),
        ("enter a namespace", 308, [0; 5]),
        ("make a child in a new user namespace", 56, [0x1000_0011, 0, 0, 0, 0]),
        ("trace itself", 101, [0; 5]),
        ("read the memory of another", 310, [1, 0, 0, 0, 0]),
        ("load a BPF program", 321, [0; 5]),
        ("use io_uring", 425, [1, 0, 0, 0, 0]),
        ("use a key ring", 250, [0; 5]),
        ("watch performance", 298, [0; 5]),
        ("load a kernel module", 175, [0; 5]),
        ("set the clock", 227, [0; 5]),
        ("set the host's name", 170, [c"x".as_ptr() as i64, 1, 0, 0, 0]),
        ("make a device", 133, [c"/run/aura/device".as_ptr() as i64, 0o020_666, 0x0101, 0, 0]),
        ("map memory of a file handle", 304, [0; 5]),
        ("lock memory", 151, [1, 0, 0, 0, 0]),
        ("signal all processes", 62, [-1, 0, 0, 0, 0]),
        ("make a memory file", 319, [c"x".as_ptr() as i64, 0, 0, 0, 0]),
        ("read the kernel's log", 103, [3, 0, 0, 0, 0]),
    ] {
        tried(name, call(number, arguments));
    }

    let (mut folders, mut files) = (Vec::new(), Vec::new());
    crawl(Path::new("/"), &mut folders, &mut files);
    println!("folders that can be written to: {folders:?}");
    println!("files that can be written to: {files:?}");
    tried("write a file", File::create("/written"));
    tried("change the program", OpenOptions::new().write(true).open("/aura-sandbox"));
    tried("change the image", OpenOptions::new().write(true).open("/image/python.cwasm"));
    tried("write to shared memory", File::create("/dev/shm/written"));
    let script = fs::write("/run/aura/script", "#!/probe/probe\n")
        .and_then(|()| fs::set_permissions("/run/aura/script", fs::Permissions::from_mode(0o755)));
    tried("run a program that it wrote", script.and_then(|()| Command::new("/run/aura/script").output()));
    let _ = fs::remove_file("/run/aura/script");
    let fill = (0..4096).try_for_each(|at| fs::write(format!("/run/aura/{at}"), [0; 4096]));
    tried("fill the folder of sockets beyond 256 KiB", fill);
    let _ = (0..4096).try_for_each(|at| fs::remove_file(format!("/run/aura/{at}")));
    tried("listen on a socket file", UnixListener::bind("/run/aura/probe.sock"));
    let _ = fs::remove_file("/run/aura/probe.sock");
}

fn tried<T>(what: &str, result: Result<T>) {
    match result {
        Ok(_) => println!("{what}: done"),
        Err(error) => println!("{what}: {error}"),
    }
}

fn call(number: i64, with: [i64; 5]) -> Result<()> {
    // SAFETY: none of the calls above writes to this process's memory.
    let result = unsafe { syscall(number, with[0], with[1], with[2], with[3], with[4]) };
    if result == -1 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// What can be written to, beside the kernel's own files and devices.
fn crawl(folder: &Path, folders: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) {
    if ["/proc", "/sys"].iter().any(|kernel| folder == Path::new(kernel)) {
        return;
    }
    // Asking is not enough: whoever may write finds out by writing.
    let draft = folder.join("draft");
    if File::create(&draft).is_ok() {
        let _ = fs::remove_file(&draft);
        folders.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() {
            crawl(&path, folders, files);
        } else if kind.is_file() {
            let name = CString::new(path.to_string_lossy().as_bytes()).expect("a path has no zero byte");
            // SAFETY: the path ends with a zero byte.
            if unsafe { access(name.as_ptr(), 2) } == 0 {
                files.push(path);
            }
        } else if kind.is_block_device() {
            println!("a block device: {} {:?}", path.display(), entry.metadata().map(|data| data.rdev()));
        }
    }
}

/// Takes more and more memory.
fn memory() {
    let mut taken = Vec::new();
    for megabytes in 1.. {
        taken.push(vec![1_u8; 1 << 20]);
        println!("{megabytes}");
    }
}

/// Starts processes that wait until no more can be started.
fn processes() {
    let mut count = 0;
    loop {
        // SAFETY: the child does nothing but wait.
        match unsafe { syscall(56, 17_i64, 0_i64, 0_i64, 0_i64, 0_i64) } {
            0 => loop {
                std::thread::sleep(Duration::from_secs(60));
            },
            -1 => break println!("{count} processes: {}", Error::last_os_error()),
            _ => count += 1,
        }
    }
}
