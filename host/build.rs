//! Tells the program which guest belongs to it: the key of this checkout's guest sources.

use std::path::Path;

#[path = "../xtask/src/guest_key.rs"]
mod guest_key;

fn main() -> std::io::Result<()> {
    // Where cargo runs this, and not where it was compiled: checkouts may share what is built.
    let root = Path::new("..");
    for input in guest_key::INPUTS {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rustc-env=AURA_GUEST_KEY={}", guest_key::guest_key(root)?);
    Ok(())
}
