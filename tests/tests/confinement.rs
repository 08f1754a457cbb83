//! What a confined process cannot do any more, tried from several of its threads.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, ExitCode};
use std::thread;

use aura::sandbox::confine::confine;
use aura_tests::trial;
use libtest_mimic::Arguments;

/// Set for the process that is confined.
const VARIABLE: &str = "AURA_CONFINED";

fn main() -> ExitCode {
    match std::env::var(VARIABLE).as_deref() {
        Ok("alone") => return confined(),
        Ok("together") => return together(),
        _ => {}
    }
    let trials = vec![
        trial("no_thread_gets_anything_back", || says("alone", &expected())),
        trial("a_process_with_threads_is_refused", || {
            says("together", "a process with 2 threads cannot be confined\n");
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn says(what: &str, text: &str) {
    let this = std::env::current_exe().expect("the path of this test");
    let output = Command::new(this).env(VARIABLE, what).output().expect("it starts");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, text, "{}: {failed}", output.status);
}

const THREADS: usize = 3;

type Attempt = fn() -> io::Result<()>;

/// All that is tried; each ends with `EPERM` but the last, which is what a sandbox has to do.
const TRIED: [(&str, Attempt); 16] = [
    ("read a file", || File::open("/etc/passwd").map(drop)),
    ("write a file", || File::create("/tmp/confined").map(drop)),
    ("read its own memory", || File::open("/proc/self/mem").map(drop)),
    ("remove a file", || std::fs::remove_file("/tmp/confined")),
    ("list a folder", || std::fs::read_dir("/").map(drop)),
    ("connect by TCP", || TcpStream::connect("127.0.0.1:1").map(drop)),
    ("connect to a socket file", || UnixStream::connect("/run/x.sock").map(drop)),
    ("listen", || UnixListener::bind("/tmp/confined.sock").map(drop)),
    ("make a pair of sockets", || UnixStream::pair().map(drop)),
    ("start a program", || Command::new("/bin/true").spawn().map(drop)),
    ("execve", || call(libc::SYS_execve, [0; 6])),
    ("fork", || call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0])),
    ("ptrace", || call(libc::SYS_ptrace, [i64::from(libc::PTRACE_TRACEME.cast_signed()), 0, 0, 0, 0, 0])),
    ("map code", || {
        let (access, kind) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        call(libc::SYS_mmap, [0, 4096, access.into(), kind.into(), -1, 0])
    }),
    ("signal another process", || call(libc::SYS_kill, [1, 0, 0, 0, 0, 0])),
    ("map memory", || {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        call(libc::SYS_mmap, [0, 4096, access.into(), kind.into(), -1, 0])
    }),
];

fn call(number: libc::c_long, with: [i64; 6]) -> io::Result<()> {
    // SAFETY: none of the calls above touches memory that anything uses.
    let result = unsafe { libc::syscall(number, with[0], with[1], with[2], with[3], with[4], with[5]) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn expected() -> String {
    let one = |(what, _): &(&str, _)| {
        if *what == "map memory" {
            format!("{what}: done\n")
        } else {
            format!("{what}: Operation not permitted (os error 1)\n")
        }
    };
    let all: String = TRIED.iter().map(one).collect();
    format!("confined by limits, no privileges, Landlock, seccomp\n{}", all.repeat(THREADS))
}

fn confined() -> ExitCode {
    let confinement = match confine(64) {
        Ok(confinement) => confinement,
        Err(why) => {
            println!("{why}");
            return ExitCode::FAILURE;
        }
    };
    println!("{confinement}");
    for _ in 0..THREADS {
        let thread = thread::spawn(|| {
            for (what, attempt) in TRIED {
                match attempt() {
                    Ok(()) => println!("{what}: done"),
                    Err(error) => println!("{what}: {error}"),
                }
            }
        });
        if thread.join().is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn together() -> ExitCode {
    let (_done, wait) = std::sync::mpsc::channel::<()>();
    let _other = thread::spawn(move || wait.recv());
    match confine(64) {
        Ok(confinement) => println!("{confinement}"),
        Err(why) => println!("{why}"),
    }
    ExitCode::SUCCESS
}
