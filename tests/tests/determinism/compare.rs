//! Runs all programs in several processes that differ in whatever a run must not see, and compares.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use super::program::{Program, Seen};
use super::worker::{Order, VARIABLE, Work};
use super::{guest_and_cache, programs};

/// Generated programs, unless `AURA_PROGRAMS` says how many.
const GENERATED: u64 = 1_200;
/// Differences shown in full.
const SHOWN: usize = 3;

struct Process {
    order: Order,
    threads: usize,
    burners: usize,
    environment: &'static [(&'static str, &'static str)],
}

const PROCESSES: [Process; 4] = [
    Process { order: Order::Forward, threads: 1, burners: 0, environment: &[] },
    Process {
        order: Order::Backward,
        threads: 2,
        burners: 0,
        environment: &[
            ("TZ", "Asia/Kathmandu"),
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("PYTHONHASHSEED", "12345"),
        ],
    },
    Process {
        order: Order::Shuffled(1),
        threads: 8,
        burners: 2,
        environment: &[("TZ", "America/St_Johns"), ("PYTHONHASHSEED", "random"), ("MALLOC_PERTURB_", "165")],
    },
    Process {
        order: Order::Shuffled(2),
        threads: 2,
        burners: 1,
        environment: &[("TZ", "UTC"), ("LC_ALL", "C"), ("PYTHONPATH", "/tmp"), ("MALLOC_ARENA_MAX", "1")],
    },
];

/// What the first process saw of a program; of its outcome a hash.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    ending: String,
    fuel: u64,
    peak: u64,
    outcome: u64,
}

impl Kept {
    fn of(seen: &Seen) -> Self {
        let mut hash = DefaultHasher::new();
        (&seen.outcome, &seen.printed).hash(&mut hash);
        Self { ending: seen.ending.clone(), fuel: seen.fuel, peak: seen.peak, outcome: hash.finish() }
    }
}

pub fn one_outcome_each() {
    let generated = std::env::var("AURA_PROGRAMS")
        .ok()
        .map_or(GENERATED, |text| text.parse().expect("AURA_PROGRAMS is the number of programs to generate"));
    let programs = programs(generated);
    let folder = tempfile::tempdir().expect("a folder for what was seen");
    let files: Vec<_> = (0..PROCESSES.len()).map(|number| folder.path().join(number.to_string())).collect();
    let mut first: Vec<Option<Kept>> = vec![None; programs.len()];
    let mut differ = Vec::new();
    for (process, file) in PROCESSES.iter().zip(&files) {
        run(process, generated, file);
        let mut count = 0;
        for (number, seen) in read(file) {
            count += 1;
            let kept = Kept::of(&seen);
            match &first[number] {
                None => first[number] = Some(kept),
                Some(before) if *before == kept => {}
                Some(_) => differ.push((number, file)),
            }
        }
        assert_eq!(count, programs.len(), "a process did not run every program");
    }
    let shown = differ.iter().take(SHOWN).map(|(number, file)| {
        let (one, other) = (find(&files[0], *number), find(file, *number));
        difference(&programs[*number], &one, &other)
    });
    let shown: String = shown.collect();
    assert!(differ.is_empty(), "{} runs differ from the first of their program\n{shown}", differ.len());
    report(&first.into_iter().flatten().collect::<Vec<_>>(), generated);
}

fn run(process: &Process, generated: u64, file: &Path) {
    let (guest, cache) = guest_and_cache();
    let work = Work {
        guest,
        cache,
        generated,
        order: process.order,
        threads: process.threads,
        burners: process.burners,
        file: file.to_owned(),
    };
    let mut worker = Command::new(std::env::current_exe().expect("the path of this test"));
    worker.env_clear().envs(process.environment.iter().copied());
    worker.env(VARIABLE, serde_json::to_string(&work).expect("it is JSON"));
    let status = worker.status().expect("a worker starts");
    assert!(status.success(), "a worker ended with {status}");
}

fn read(file: &Path) -> impl Iterator<Item = (usize, Seen)> {
    let lines = BufReader::new(File::open(file).expect("the worker wrote it")).lines();
    lines.map(|line| serde_json::from_str(&line.expect("it is text")).expect("it is JSON"))
}

fn find(file: &Path, wanted: usize) -> Seen {
    read(file).find(|(number, _)| *number == wanted).expect("it was there before").1
}

fn difference(Program { name, call }: &Program, one: &Seen, other: &Seen) -> String {
    format!(
        "\n=== {name}: {call:#?}\n{}\n--- once: {one:#?}\n--- and once: {other:#?}\n",
        call.source.as_str()
    )
}

/// Says what was run, and sees to it that the generator does not make one program over and over.
fn report(kept: &[Kept], generated: u64) {
    let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
    for each in kept {
        *endings.entry(&each.ending).or_default() += 1;
    }
    let (runs, processes) = (kept.len() * PROCESSES.len(), PROCESSES.len());
    println!("{} programs, {runs} runs in {processes} processes, endings: {endings:?}", kept.len());
    let generated = &kept[kept.len() - usize::try_from(generated).expect("it fits")..];
    let outcomes: HashSet<_> = generated.iter().map(|each| each.outcome).collect();
    let fuels: HashSet<_> = generated.iter().map(|each| each.fuel).collect();
    let returned = generated.iter().filter(|each| each.ending == "Returned").count();
    println!(
        "of {} generated programs: {returned} return, {} distinct outcomes, {} distinct fuel figures",
        generated.len(),
        outcomes.len(),
        fuels.len()
    );
    assert!(returned * 10 > generated.len() * 6, "too few generated programs return");
    assert!(outcomes.len() * 10 > generated.len() * 8, "too many generated programs do the same");
}
