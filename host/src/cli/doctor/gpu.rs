//! Whether there is a GPU for the mind.

use std::process::Stdio;
use std::time::Duration;

use indicatif::HumanBytes;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::diagnosis::{Diagnosis, State};
use super::machine::{Machine, Wsl};
use crate::mind::ollama::models::Loaded;
use crate::object::one_line;

const NAME: &str = "gpu";
const USED: &str = "gpu-used";

/// What `nvidia-smi` may take, and say.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST: u64 = 4 << 10;

/// Characters of a name.
const NAME_LENGTH: usize = 80;

/// Where it is found.
const TOOLS: [&str; 3] = ["/usr/lib/wsl/lib/nvidia-smi", "/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi"];
const ASKED: [&str; 2] = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"];

/// One GPU as its driver names it.
#[derive(Debug, PartialEq)]
struct Gpu {
    name: String,
    driver: String,
    memory: u64,
}

/// Whether there is a GPU, and the bytes of memory that all of them have, as far as they tell.
pub async fn look(machine: &Machine) -> (Diagnosis, Option<u64>) {
    let gpus = ask(machine).await;
    let memory = gpus.iter().map(|gpu| gpu.memory).sum();
    (seen(machine, &gpus), Some(memory).filter(|memory| *memory > 0))
}

fn seen(machine: &Machine, gpus: &[Gpu]) -> Diagnosis {
    if !gpus.is_empty() {
        let one = |gpu: &Gpu| format!("{} with {}", gpu.name, HumanBytes(gpu.memory));
        let all: Vec<_> = gpus.iter().map(one).collect();
        return Diagnosis::ok(NAME, format!("{}, driver {}", all.join(", "), gpus[0].driver));
    }
    let is_wsl = machine.wsl() == Some(Wsl::Two);
    if is_wsl && machine.has("/dev/dxg") {
        if machine.names("/usr/lib/wsl/lib").iter().any(|name| name.starts_with("libcuda.so")) {
            return Diagnosis::ok(NAME, "an NVIDIA GPU through Windows (/dev/dxg)");
        }
        return Diagnosis::bad(
            State::Warn,
            NAME,
            "Windows hands a GPU over, but no CUDA: there is no /usr/lib/wsl/lib/libcuda.so",
        )
        .cured_by(
            "Install NVIDIA's driver for Windows, none inside of WSL; then `wsl --shutdown` in PowerShell.",
        );
    }
    if machine.has("/dev/nvidia0") {
        let driver = machine.text("/proc/driver/nvidia/version").and_then(|text| version(&text));
        let driver = driver.map(|version| format!(", driver {version}")).unwrap_or_default();
        return Diagnosis::ok(NAME, format!("an NVIDIA GPU (/dev/nvidia0){driver}"));
    }
    if machine.has("/dev/kfd") {
        return Diagnosis::ok(NAME, "an AMD GPU (/dev/kfd)");
    }
    let driver = if is_wsl { "NVIDIA's driver for Windows, none inside of WSL" } else { "NVIDIA's driver" };
    Diagnosis::bad(State::Warn, NAME, "none is seen: models run on the processor, a few words a second")
        .cured_by(format!("If there is one, install {driver}. Else set AURA_MIND_MODEL to a smaller model."))
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 …`
fn version(text: &str) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

async fn ask(machine: &Machine) -> Vec<Gpu> {
    let Some(tool) = TOOLS.iter().find(|tool| machine.has(tool)) else { return Vec::new() };
    let mut command = Command::new(machine.path(tool));
    command.args(ASKED).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let said = async {
        let mut child = command.spawn().ok()?;
        let mut text = Vec::new();
        child.stdout.take()?.take(MOST).read_to_end(&mut text).await.ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        child.wait().await.ok()?.success().then_some(text)
    };
    let said = timeout(PATIENCE, said).await.ok().flatten().unwrap_or_default();
    said.lines().filter_map(read).collect()
}

/// `NVIDIA GeForce RTX 4070, 551.61, 12282`: in MiB.
fn read(line: &str) -> Option<Gpu> {
    let mut parts = line.rsplitn(3, ',').map(str::trim);
    let memory = parts.next()?.parse::<u64>().ok()?.checked_mul(1 << 20)?;
    Some(Gpu {
        memory,
        driver: one_line(parts.next()?, NAME_LENGTH),
        name: one_line(parts.next()?, NAME_LENGTH),
    })
}

/// How much of what is loaded is on the GPU.
pub fn used(loaded: &[Loaded]) -> Vec<Diagnosis> {
    if loaded.is_empty() {
        let how = "no model is loaded now: `aura mind ask greet` loads one, then look again";
        return vec![Diagnosis::skipped(USED, how)];
    }
    loaded.iter().map(one).collect()
}

fn one(Loaded { name, size, size_vram }: &Loaded) -> Diagnosis {
    let all = HumanBytes(*size);
    if *size > 0 && size_vram >= size {
        return Diagnosis::ok(USED, format!("{name}: all of its {all} is on the GPU"));
    }
    let found = match size_vram {
        0 => format!("{name}: none of its {all} is on the GPU"),
        part => format!("{name}: {} of its {all} is on the GPU, the rest is slow", HumanBytes(*part)),
    };
    let cure = match size_vram {
        0 => "Cure what `gpu` tells, and start Ollama again: it looks for GPUs when it starts.".to_owned(),
        _ => format!(
            "Free the GPU's memory or set AURA_MIND_MODEL to a smaller model, then `ollama stop {name}`: it is loaded anew."
        ),
    };
    Diagnosis::bad(State::Warn, USED, found).cured_by(cure)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WSL: (&str, &str) = ("/proc/version", "Linux version 6.6.87.2-microsoft-standard-WSL2\n");

    async fn looked(files: &[(&str, &str)]) -> (String, Option<u64>) {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::laid_out(folder.path(), files);
        for tool in TOOLS.iter().filter(|tool| machine.has(tool)) {
            fs::set_permissions(machine.path(tool), Permissions::from_mode(0o755)).unwrap();
        }
        let (diagnosis, memory) = look(&machine).await;
        (diagnosis.told(), memory)
    }

    #[tokio::test]
    async fn a_gpu_is_seen_natively_and_through_windows() {
        let told = "warn: none is seen: models run on the processor, a few words a second -> If there is one, install \
                    NVIDIA's driver. Else set AURA_MIND_MODEL to a smaller model.";
        assert_eq!(looked(&[]).await, (told.to_owned(), None));
        let version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12\n";
        let native = [("/dev/nvidia0", ""), ("/proc/driver/nvidia/version", version)];
        assert_eq!(looked(&native).await.0, "ok: an NVIDIA GPU (/dev/nvidia0), driver 550.54.14");

        let told = "warn: Windows hands a GPU over, but no CUDA: there is no /usr/lib/wsl/lib/libcuda.so -> Install NVIDIA's \
                    driver for Windows, none inside of WSL; then `wsl --shutdown` in PowerShell.";
        assert_eq!(looked(&[WSL, ("/dev/dxg", "")]).await.0, told);
        let cured = [WSL, ("/dev/dxg", ""), ("/usr/lib/wsl/lib/libcuda.so.1.1", "")];
        assert_eq!(looked(&cured).await.0, "ok: an NVIDIA GPU through Windows (/dev/dxg)");
    }

    #[tokio::test]
    async fn its_driver_says_more_where_it_can() {
        let script = "#!/bin/sh\necho 'NVIDIA GeForce RTX 4070, 551.61, 12282'\n";
        let (told, memory) = looked(&[WSL, ("/dev/dxg", ""), ("/usr/lib/wsl/lib/nvidia-smi", script)]).await;
        assert_eq!(told, "ok: NVIDIA GeForce RTX 4070 with 11.99 GiB, driver 551.61");
        assert_eq!(memory, Some(12_282 << 20));
        for broken in ["#!/bin/sh\necho 'No devices were found'; exit 6\n", "#!/bin/sh\nyes\n", "no program"]
        {
            let files = [("/dev/nvidia0", ""), ("/usr/bin/nvidia-smi", broken)];
            assert_eq!(looked(&files).await.0, "ok: an NVIDIA GPU (/dev/nvidia0)");
        }
    }

    #[test]
    fn a_model_is_on_the_gpu_in_full_in_part_or_not() {
        let told = |size_vram| {
            let loaded = Loaded { name: "qwen2:7b".to_owned(), size: 4 << 30, size_vram };
            used(&[loaded])[0].told()
        };
        assert_eq!(
            told(0),
            "warn: qwen2:7b: none of its 4.00 GiB is on the GPU -> Cure what `gpu` tells, and start Ollama again: it looks \
             for GPUs when it starts."
        );
        assert_eq!(
            told(1 << 30),
            "warn: qwen2:7b: 1.00 GiB of its 4.00 GiB is on the GPU, the rest is slow -> Free the GPU's memory or set \
             AURA_MIND_MODEL to a smaller model, then `ollama stop qwen2:7b`: it is loaded anew."
        );
        assert_eq!(told(4 << 30), "ok: qwen2:7b: all of its 4.00 GiB is on the GPU");
        assert_eq!(
            used(&[])[0].told(),
            "skipped: no model is loaded now: `aura mind ask greet` loads one, then look again"
        );
    }
}
