//! Whether the models fit into memory.

use indicatif::HumanBytes;

use super::diagnosis::{Diagnosis, State};
use super::machine::Machine;
use super::mind::NO_PERSONAS;
use super::ollama::Ollama;
use crate::mind::ollama::models::Loaded;
use crate::mind::persona::Needed;

const NAME: &str = "memory";

/// What a model needs beside its size, for its context: one part of so many.
const CONTEXT: u64 = 5;

/// `gpu`: the memory that all GPUs have, as far as they tell. `ollama`: if it is on this machine.
pub fn look(
    machine: &Machine,
    gpu: Option<u64>,
    ollama: Option<&Ollama>,
    needed: &[Needed<'_>],
) -> Diagnosis {
    let Some(free) = machine.memory() else {
        return Diagnosis::skipped(NAME, "/proc/meminfo does not tell what is free");
    };
    let there = format!("{} are free", HumanBytes(free));
    let Some(ollama) = ollama else {
        return Diagnosis::skipped(NAME, format!("{there}; no Ollama on this machine needs them"));
    };
    if needed.is_empty() {
        return Diagnosis::skipped(NAME, format!("{there}; {NO_PERSONAS}"));
    }
    let needs = needed.iter().filter_map(|needed| {
        let size = ollama.model(needed.model).map(|model| model.size).filter(|size| *size > 0)?;
        Some((needed, size.saturating_add(size / CONTEXT)))
    });
    judge(free, gpu, &ollama.loaded, &needs.collect::<Vec<_>>())
}

fn judge(free: u64, gpu: Option<u64>, loaded: &[Loaded], needs: &[(&Needed<'_>, u64)]) -> Diagnosis {
    // What is loaded is not free now, and would be.
    let taken: u64 = loaded.iter().map(|model| model.size.saturating_sub(model.size_vram)).sum();
    let main = free.saturating_add(taken);
    let room = main.saturating_add(gpu.unwrap_or_default());
    let gpus = gpu.map(|gpu| format!(", the GPU has {}", HumanBytes(gpu))).unwrap_or_default();
    let there = format!("{} are free{gpus}", HumanBytes(main));
    let steward = needs.iter().find(|(needed, _)| needed.steward.is_some());
    if let Some((needed, need)) = steward {
        let found = format!("{there}; {}'s {} needs {}", needed.persona(), needed.model, HumanBytes(*need));
        if *need > room {
            return Diagnosis::bad(State::Fail, NAME, found);
        }
        if gpu.is_some_and(|gpu| *need > gpu) {
            let found = format!("{found}: part of it runs on the processor, which is slow");
            return Diagnosis::bad(State::Warn, NAME, found)
                .cured_by("Set AURA_MIND_MODEL to a smaller model, if that is too slow.");
        }
    }
    let all = needs.iter().fold(0_u64, |sum, (_, need)| sum.saturating_add(*need));
    if all > room {
        let found = format!("{there}; all {} models together need {}", needs.len(), HumanBytes(all));
        let cure = "Nothing breaks: Ollama unloads one for another, which takes seconds. AURA_MIND_MODEL gives all personas one model.";
        return Diagnosis::bad(State::Warn, NAME, found).cured_by(cure);
    }
    Diagnosis::ok(NAME, format!("{there}; all models that are there need {}", HumanBytes(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn told(free: u64, gpu: Option<u64>, loaded: &[Loaded]) -> String {
        let needed =
            |persona, model, steward| Needed { model, pulled: model, personas: vec![persona], steward };
        let (alfred, robin) =
            (needed("ALFRED", "alfred:7b", Some("ALFRED")), needed("ROBIN", "robin:7b", None));
        judge(free, gpu, loaded, &[(&alfred, 5 * GIB), (&robin, 6 * GIB)]).told()
    }

    #[test]
    fn the_steward_has_to_fit_and_the_others_should() {
        assert_eq!(
            told(4 * GIB, None, &[]),
            "fail: 4.00 GiB are free; ALFRED's alfred:7b needs 5.00 GiB -> End other programs, give WSL more with `memory=` \
             in .wslconfig, or set AURA_MIND_MODEL to a smaller model."
        );
        assert_eq!(
            told(2 * GIB, Some(4 * GIB), &[]),
            "warn: 2.00 GiB are free, the GPU has 4.00 GiB; ALFRED's alfred:7b needs 5.00 GiB: part of it runs on the \
             processor, which is slow -> Set AURA_MIND_MODEL to a smaller model, if that is too slow."
        );
        assert_eq!(
            told(8 * GIB, None, &[]),
            "warn: 8.00 GiB are free; all 2 models together need 11.00 GiB -> Nothing breaks: Ollama unloads one for \
             another, which takes seconds. AURA_MIND_MODEL gives all personas one model."
        );
        let enough = "ok: 11.00 GiB are free; all models that are there need 11.00 GiB";
        assert_eq!(told(11 * GIB, None, &[]), enough);
        // What is loaded needs no second room.
        let loaded = Loaded { name: "alfred:7b".to_owned(), size: 5 * GIB, size_vram: GIB };
        assert_eq!(told(7 * GIB, None, &[loaded]), enough);
        assert_eq!(
            told(GIB, Some(12 * GIB), &[]),
            "ok: 1.00 GiB are free, the GPU has 12.00 GiB; all models that are there need 11.00 GiB"
        );
    }

    #[test]
    fn what_is_free_is_read_from_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let text = "MemTotal:       16307424 kB\nMemFree:  1 kB\nMemAvailable:    2097152 kB\n";
        let machine = Machine::laid_out(folder.path(), &[("/proc/meminfo", text)]);
        let told = look(&machine, None, None, &[]).told();
        assert_eq!(told, "skipped: 2.00 GiB are free; no Ollama on this machine needs them");
        let told = look(&Machine::at(&folder.path().join("none")), None, None, &[]).told();
        assert_eq!(told, "skipped: /proc/meminfo does not tell what is free");
    }
}
