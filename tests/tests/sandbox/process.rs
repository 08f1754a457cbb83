//! The process itself, as the kernel sees it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};

use aura_tests::{Instance, SandboxProcess};

const SECRETS: [(&str, &str); 3] = [
    ("AURA_API_TOKEN", "token-that-stays-outside"),
    ("OPENAI_API_KEY", "key-that-stays-outside"),
    ("ARANGO_PASS", "password-that-stays-outside"),
];

#[test]
fn every_thread_is_confined_and_no_file_is_open_that_is_not_needed() {
    let instance = Instance::new(&[]);
    let process = SandboxProcess::start(&instance, "sandbox.sock");
    let confined = ", confined by limits, no privileges, Landlock, seccomp.\n";
    assert!(process.greeting.ends_with(confined), "{}", process.greeting);
    let folder = format!("/proc/{}", process.id());
    let threads: Vec<_> = fs::read_dir(format!("{folder}/task")).expect("threads").collect();
    assert!(threads.len() > 2, "{}", threads.len());
    for thread in threads {
        let status = thread.expect("a thread").path().join("status");
        let status = fs::read_to_string(status).expect("its status");
        for line in
            ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"]
        {
            assert!(status.lines().any(|each| each == line), "{line} is not in\n{status}");
        }
    }
    let limits = fs::read_to_string(format!("{folder}/limits")).expect("its limits");
    let core: Vec<_> = limits.lines().filter(|line| line.starts_with("Max core file size")).collect();
    assert!(core[0].split_whitespace().filter(|word| *word == "0").count() == 2, "{core:?}");
    // What does not dump core is root's.
    let Ok(files) = fs::read_dir(format!("{folder}/fd")) else { return };
    let mut open: Vec<_> = files
        .map(|file| fs::read_link(file.expect("a file").path()).expect("its name").display().to_string())
        .map(|name| name.split(':').next().expect("a name").to_owned())
        .collect();
    open.sort();
    open.dedup();
    let known = |name: &String| {
        ["/dev/null", "pipe", "socket"].contains(&name.as_str())
            || name.contains("/image/")
            || name.ends_with("/pagemap")
            || name.ends_with("/sandbox.log")
    };
    assert!(open.iter().all(known), "{open:?}");
}

#[test]
fn it_holds_no_secret_in_its_environment_nor_anywhere_in_its_memory() {
    let instance = Instance::new(&SECRETS);
    fs::write(instance.folder().join(".env"), "AURA_API_TOKEN=token-that-stays-outside\n").expect("a file");
    let process = SandboxProcess::start(&instance, "sandbox.sock");
    let folder = format!("/proc/{}", process.id());
    let command = fs::read_to_string(format!("{folder}/cmdline")).expect("its command line");
    assert!(SECRETS.iter().all(|(_, secret)| !command.contains(secret)), "{command}");
    let Ok(environment) = fs::read(format!("{folder}/environ")) else {
        println!("skipped: only the superuser can look into the process");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&environment), "");
    let mut memory = File::open(format!("{folder}/mem")).expect("its memory");
    let maps = fs::read_to_string(format!("{folder}/maps")).expect("its map");
    let mut seen = 0;
    for line in maps.lines().filter(|line| line.contains(" rw-p ") && !line.contains(".cwasm")) {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        let mut piece = Vec::new();
        memory.seek(SeekFrom::Start(number(start))).expect("a place");
        let length = (number(end) - number(start)).min(64 << 20);
        if (&mut memory).take(length).read_to_end(&mut piece).is_err() {
            continue;
        }
        seen += piece.len();
        for (name, secret) in SECRETS {
            let found = piece.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the value of {name} is in its memory");
        }
    }
    assert!(seen > 1 << 20, "{seen} bytes were looked at");
}
