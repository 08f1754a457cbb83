//! What a run may use.

use serde::{Deserialize, Serialize};

/// The limits of one run, all of them set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// WebAssembly fuel: deterministic, one unit an instruction.
    pub fuel: u64,
    /// Wall-clock milliseconds: the backstop for what fuel cannot see.
    pub wall_ms: u64,
    /// Linear memory in bytes.
    pub memory_bytes: u64,
    /// Bytes of printed output.
    pub output_bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { fuel: 2_000_000_000, wall_ms: 5_000, memory_bytes: 134_217_728, output_bytes: 65_536 }
    }
}

/// The limits a method sets for itself; what is absent comes from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaOverride {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// The most a method may be given.
pub const CEILING: Quota =
    Quota { fuel: 1_000_000_000_000, wall_ms: 600_000, memory_bytes: 1 << 30, output_bytes: 16 << 20 };

impl Quota {
    /// Whether a run can have been given so much.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.fuel <= CEILING.fuel
            && self.wall_ms <= CEILING.wall_ms
            && self.memory_bytes <= CEILING.memory_bytes
            && self.output_bytes <= CEILING.output_bytes
    }
}

impl QuotaOverride {
    /// The first limit that is zero or beyond [`CEILING`], said in words.
    pub fn check(&self) -> Result<(), String> {
        let ceilings = [CEILING.fuel, CEILING.wall_ms, CEILING.memory_bytes, CEILING.output_bytes];
        for ((name, value), ceiling) in self.limits().into_iter().zip(ceilings) {
            if value.is_some_and(|value| value == 0 || value > ceiling) {
                return Err(format!("{name} must be between 1 and {ceiling}"));
            }
        }
        Ok(())
    }

    /// All limits by name.
    #[must_use]
    pub fn limits(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("fuel", self.fuel),
            ("wall_ms", self.wall_ms),
            ("memory_bytes", self.memory_bytes),
            ("output_bytes", self.output_bytes),
        ]
    }

    #[must_use]
    pub fn over(&self, defaults: Quota) -> Quota {
        Quota {
            fuel: self.fuel.unwrap_or(defaults.fuel),
            wall_ms: self.wall_ms.unwrap_or(defaults.wall_ms),
            memory_bytes: self.memory_bytes.unwrap_or(defaults.memory_bytes),
            output_bytes: self.output_bytes.unwrap_or(defaults.output_bytes),
        }
    }
}
