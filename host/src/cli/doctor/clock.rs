//! Whether the clock can be right.

use super::diagnosis::{Diagnosis, State};
use super::machine::Machine;
use crate::object::Timestamp;

const NAME: &str = "clock";

/// Clocks that differ by more milliseconds than this are worth a word.
const APART: i64 = 5_000;
/// 2026 began then.
const EARLIEST: Timestamp = Timestamp(1_767_225_600_000);

/// `times`: what the clock of Ollama said, and this one at that moment.
pub fn look(machine: &Machine, times: Option<(Timestamp, Timestamp)>) -> Diagnosis {
    judge(machine, Timestamp::now(), times, is_synchronised())
}

fn judge(
    machine: &Machine,
    now: Timestamp,
    times: Option<(Timestamp, Timestamp)>,
    is_synchronised: Option<bool>,
) -> Diagnosis {
    let cure = match machine.wsl() {
        Some(_) => "Run `sudo hwclock -s`, or `wsl --shutdown` in PowerShell.",
        None => "Run `sudo timedatectl set-ntp true`, or let another time service set it.",
    };
    if now < EARLIEST {
        return Diagnosis::bad(State::Fail, NAME, "it says a year before 2026").cured_by(cure);
    }
    let apart = times.map(|(theirs, ours)| theirs.0 - ours.0);
    if let Some(apart) = apart.filter(|apart| apart.abs() > APART) {
        let direction = if apart > 0 { "behind" } else { "ahead of" };
        let found = format!("it is {} s {direction} that of Ollama", apart.abs() / 1_000);
        return Diagnosis::bad(State::Warn, NAME, found).cured_by(cure);
    }
    if is_synchronised == Some(false) {
        let found = "the kernel takes it for not synchronised: nothing has set it, or that was long ago";
        return Diagnosis::bad(State::Warn, NAME, found).cured_by(cure);
    }
    Diagnosis::ok(
        NAME,
        match (is_synchronised, apart) {
            (Some(_), Some(_)) => "synchronised, and that of Ollama says the same",
            (Some(_), None) => "synchronised",
            (None, Some(_)) => "that of Ollama says the same",
            (None, None) => "nothing speaks against it",
        },
    )
}

/// Whether something keeps it right, as the kernel sees it.
#[cfg(target_os = "linux")]
fn is_synchronised() -> Option<bool> {
    // SAFETY: all of it is numbers, for which zero is a value; with `modes` zero the call only fills them in.
    let (state, clock) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut clock), clock)
    };
    (state >= 0).then_some(clock.status & libc::STA_UNSYNC == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_synchronised() -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    #[test]
    fn a_clock_that_slept_is_set_again() {
        let folder = tempfile::tempdir().unwrap();
        let linux = Machine::at(folder.path());
        let later = |millis: i64| Some((Timestamp(NOW.0 + millis), NOW));
        let told =
            |machine: &Machine, now, times, synchronised| judge(machine, now, times, synchronised).told();
        let set = " -> Run `sudo timedatectl set-ntp true`, or let another time service set it.";
        assert_eq!(
            told(&linux, Timestamp(1_000), None, Some(true)),
            format!("fail: it says a year before 2026{set}")
        );
        assert_eq!(
            told(&linux, NOW, later(-6_000), Some(true)),
            format!("warn: it is 6 s ahead of that of Ollama{set}")
        );
        assert_eq!(
            told(&linux, NOW, later(0), Some(false)),
            format!(
                "warn: the kernel takes it for not synchronised: nothing has set it, or that was long ago{set}"
            )
        );
        let wsl = ("/proc/version", "Linux version 6.6.87.2-microsoft-standard-WSL2");
        let wsl = Machine::laid_out(folder.path(), &[wsl]);
        assert_eq!(
            told(&wsl, NOW, later(3_600_000), Some(true)),
            "warn: it is 3600 s behind that of Ollama -> Run `sudo hwclock -s`, or `wsl --shutdown` in PowerShell."
        );
        for (times, synchronised, said) in [
            (later(5_000), Some(true), "ok: synchronised, and that of Ollama says the same"),
            (None, Some(true), "ok: synchronised"),
            (later(-5_000), None, "ok: that of Ollama says the same"),
            (None, None, "ok: nothing speaks against it"),
        ] {
            assert_eq!(told(&wsl, NOW, times, synchronised), said);
        }
    }
}
