//! Mutations of seeds, the same in every run.

use fastrand::Rng;

/// Bytes that mean something to one format or another.
const TELLING: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc3\xa9",
    b"0",
    b"-1",
    b"1e400",
    b"1e39",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"null",
    b"true",
    b"\\ud800",
    b"\\u0000",
    b"'''",
    b"```",
    b"def ",
    b"#",
    b"\xe2\x80\xa6",
    b"=",
    b"[[[[[[[[",
    b"\"\"",
];
/// More is cut off.
const MOST: usize = 64 << 10;

pub struct Mutator(Rng);

impl Mutator {
    pub fn new(number: u64) -> Self {
        Self(Rng::with_seed(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// One of the seeds with some changes.
    pub fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.0.choice(seeds).cloned().unwrap_or_default();
        for _ in 0..self.0.u32(1..6) {
            self.change(&mut bytes, seeds);
            bytes.truncate(MOST);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let (start, end) = self.range(bytes.len());
        match self.0.u32(0..8) {
            0 => bytes.truncate(start),
            1 => drop(bytes.drain(start..end)),
            2 => {
                let again = bytes[start..end].to_vec();
                bytes.splice(end..end, again);
            }
            3 => {
                let telling = self.0.choice(TELLING).copied().unwrap_or_default();
                bytes.splice(start..start, telling.iter().copied());
            }
            4 => {
                let telling = self.0.choice(TELLING).copied().unwrap_or_default();
                bytes.splice(start..end, telling.iter().copied());
            }
            5 => {
                let other = self.0.choice(seeds).cloned().unwrap_or_default();
                let (from, to) = self.range(other.len());
                bytes.splice(start..end, other[from..to].iter().copied());
            }
            6 => bytes[start..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << self.0.u32(0..8)),
            _ => bytes[start..end].iter_mut().take(1).for_each(|byte| *byte = self.0.u8(..)),
        }
    }

    /// Mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.0.usize(0..=length);
        let most = if self.0.u32(0..4) == 0 { length } else { length.min(start + 16) };
        (start, self.0.usize(start..=most.max(start)))
    }
}
