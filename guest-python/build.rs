//! Keeps of Python's library, as RustPython freezes it, the modules that `library.txt` names: what is not in the guest
//! cannot be reached. In the order of their names, so that every build has the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use rustpython_compiler_core::frozen::FrozenLib;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=library.txt");
    let mut library = BTreeMap::new();
    for line in include_str!("library.txt").lines().filter(|line| !line.starts_with('#')) {
        let package = line.strip_suffix('*');
        let found = rustpython_pylib::FROZEN_STDLIB
            .decode()
            .filter(|(name, _)| package.map_or(*name == line, |package| name.starts_with(package)));
        let before = library.len();
        library.extend(found);
        assert!(library.len() > before, "library.txt names {line}, which RustPython does not have, or twice");
    }
    let library = FrozenLib::encode(library.iter().map(|(name, module)| (*name, *module)));
    let folder = env::var_os("OUT_DIR").expect("cargo says where");
    fs::write(Path::new(&folder).join("library"), library.bytes).expect("the folder is cargo's own");
}
