//! Rust's standard library for `wasm32-wasip2`: from rustup, or, where rustup's servers are out of reach, built from
//! the sources in Debian's archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::Apt;
use crate::remap;
use crate::workspace::{Workspace, capture, run, say};

pub const TARGET: &str = "wasm32-wasip2";
/// The suite with the C library that the target's standard library of this time expects, and most Rust sources.
const SUITE: &str = "trixie-backports";
/// Where sources of other Rust versions may be.
const MORE_SUITES: [&str; 3] = ["forky", "sid", "experimental"];

/// Adds the target to the toolchain in use, if it does not work yet.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    let _lock = workspace.lock(TARGET)?;
    let is_there = works(workspace)?;
    if is_there && is_portable(workspace)? {
        return Ok(());
    }
    say(&format!("adding the WebAssembly target: rustup target add {TARGET}"));
    let rustup = capture(Command::new("rustup").args(["target", "add", TARGET]));
    if let Err(refusal) = rustup {
        say("rustup cannot; building the target's standard library from Debian's sources");
        match from_debian(workspace) {
            Err(error) if is_there => {
                say(&format!("the target stays as it is, with folders of this machine in it: {error:#}"));
            }
            built => built.with_context(|| {
                format!("`rustup target add {TARGET}` is needed, and failed:\n{refusal:#}\n")
            })?,
        }
    }
    if !works(workspace)? {
        bail!("the target {TARGET} was added, and still no program can be built for it");
    }
    Ok(())
}

/// Whether a small program can be built as the guest is, with link-time optimisation over the standard library.
pub fn works(workspace: &Workspace) -> Result<bool> {
    let folder = workspace.cache.join("build/probe");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("probe.rs"), "fn main() { println!(\"ready\") }\n")?;
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder).args(["--target", TARGET, "-Clto=thin", "-Cpanic=abort", "probe.rs"]);
    Ok(capture(&mut rustc).is_ok())
}

/// Whether that program names the library's sources as they are named everywhere, and not by a folder of this machine.
fn is_portable(workspace: &Workspace) -> Result<bool> {
    let program = fs::read(workspace.cache.join("build/probe/probe.wasm"))?;
    let name = format!("{}/library/std/", remap::compiler_sources()?);
    Ok(program.windows(name.len()).any(|text| text == name.as_bytes()))
}

fn from_debian(workspace: &Workspace) -> Result<()> {
    let version = rustc_version()?;
    let folder = workspace.cache.join("build/std");
    let _ = fs::remove_dir_all(&folder);
    let unpacked = folder.join("unpacked");
    fetch_sources(&version, &Apt::new(folder.join("apt"))?, &unpacked)?;
    let libraries =
        build_std(workspace, &folder, &unpacked.join(format!("usr/src/rustc-{version}/library")))?;
    install(&libraries, &unpacked.join("usr/lib").join(TARGET))?;
    // Compiled for the library that was there before.
    let _ = fs::remove_dir_all(workspace.guest_target());
    Ok(fs::remove_dir_all(folder)?)
}

/// Unpacks the sources of exactly this compiler's standard library, and the C library beneath it.
fn fetch_sources(version: &str, apt: &Apt, into: &Path) -> Result<()> {
    apt.offer(SUITE)?;
    let libc = apt.versions("wasi-libc")?;
    apt.unpack("wasi-libc", libc.first().with_context(|| format!("{SUITE} has no wasi-libc"))?, into)?;
    for suite in [SUITE].iter().chain(&MORE_SUITES) {
        apt.offer(suite)?;
        let on_offer = apt.versions("rust-src")?;
        if let Some(found) = on_offer.iter().find(|candidate| upstream(candidate) == version) {
            say(&format!("downloading rust-src {found} from {suite}"));
            return apt.unpack("rust-src", found, into);
        }
    }
    bail!("Debian has no rust-src {version}; use a stable Rust (rustup default stable)")
}

/// The part of a Debian version that its origin gave: `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
fn upstream(version: &str) -> &str {
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

/// Builds the standard library in its own workspace, where cargo does not tell one place from another, and returns its
/// `.rlib` files.
fn build_std(workspace: &Workspace, folder: &Path, library: &Path) -> Result<Vec<PathBuf>> {
    let target = folder.join("target");
    let cargo = || {
        let mut cargo = workspace.cargo();
        // Unstable options need the bootstrap switch.
        cargo.env("CARGO_TARGET_DIR", &target).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS");
        cargo
    };
    let name = format!("{}/library", remap::compiler_sources()?);
    // In its own workspace the compiler is told of the library's files from where they lie.
    let mut folders = vec![
        (PathBuf::new(), name.clone()),
        (folder.to_owned(), "/build".to_owned()),
        (library.to_owned(), name),
    ];
    folders.extend(remap::packages(cargo(), library)?);
    let mut flags = remap::flags(&folders);
    // The guest's link-time optimisation needs the bitcode. What is not for everybody's use is marked so.
    flags.extend(["-Cembed-bitcode=yes", "-Zforce-unstable-if-unmarked"].map(str::to_owned));
    let mut cargo = cargo();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    cargo.current_dir(library).args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.args(["-p", "std", "-p", "proc_macro", "--features", "std/panic-unwind,std/backtrace"]);
    run(&mut cargo)?;
    let mut libraries = Vec::new();
    for file in fs::read_dir(target.join(TARGET).join("release/deps"))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".rlib") {
            libraries.push(path);
        }
    }
    Ok(libraries)
}

/// Lays the libraries where the compiler looks for a target: all of them, or none.
fn install(libraries: &[PathBuf], c_libraries: &Path) -> Result<()> {
    let sysroot = capture(Command::new("rustc").args(["--print", "sysroot"]))?;
    let targets = Path::new(sysroot.trim()).join("lib/rustlib");
    let (partial, complete) = (targets.join(format!("{TARGET}.partial")), targets.join(TARGET));
    let _ = fs::remove_dir_all(&partial);
    let self_contained = partial.join("lib/self-contained");
    fs::create_dir_all(&self_contained).with_context(|| {
        format!("cannot write to {}; use a Rust installed with rustup", targets.display())
    })?;
    for library in libraries {
        fs::copy(library, partial.join("lib").join(library.file_name().unwrap_or_default()))?;
    }
    for file in fs::read_dir(c_libraries)? {
        let file = file?;
        fs::copy(file.path(), self_contained.join(file.file_name()))?;
    }
    let _ = fs::remove_dir_all(&complete);
    Ok(fs::rename(partial, complete)?)
}

fn rustc_version() -> Result<String> {
    let answer = capture(Command::new("rustc").arg("--version"))?;
    Ok(answer.split_whitespace().nth(1).context("rustc tells no version")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::upstream;

    #[test]
    fn debian_adds_to_the_upstream_version() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
        assert_eq!(upstream("1.96.1-1"), "1.96.1");
    }
}
