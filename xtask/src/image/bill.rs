//! What a program was made of, as a bill of materials: [CycloneDX](https://cyclonedx.org/docs/1.5/json/) 1.5.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::wasm_target;
use crate::workspace::{Workspace, capture};

/// Lists the packages in the program, and those in Python if it contains that.
pub fn write(workspace: &Workspace, program: &str, has_python: bool, file: &Path) -> Result<()> {
    let native = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut parts = packages(workspace.cargo(), &workspace.root, program, &native)?;
    if has_python {
        let guest = workspace.root.join("guest-python");
        parts.extend(packages(workspace.guest_cargo(), &guest, "aura-guest-python", wasm_target::TARGET)?);
    }
    let digest = Sha256::digest(serde_json::to_vec(&parts)?);
    let hex = format!("{digest:x}");
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        // The same for the same parts: a UUID of version 8, which leaves its bits to whoever makes it.
        "serialNumber": format!(
            "urn:uuid:{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32]
        ),
        "version": 1,
        "metadata": { "component": {
            "type": "application", "name": program, "version": env!("CARGO_PKG_VERSION"),
        } },
        "components": parts.into_values().collect::<Vec<_>>(),
    });
    fs::write(file, serde_json::to_vec_pretty(&bill)?)?;
    Ok(())
}

/// The packages that are linked into a program, by name and version.
fn packages(mut cargo: Command, root: &Path, package: &str, target: &str) -> Result<BTreeMap<String, Value>> {
    let checksums = checksums(root)?;
    cargo.args(["tree", "--locked", "--package", package, "--target", target]);
    cargo.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}\t{l}"]);
    let tree = capture(&mut cargo)?;
    let lines: BTreeSet<_> = tree.lines().filter(|line| !line.is_empty()).collect();
    let mut parts = BTreeMap::new();
    for line in lines {
        let (named, license) = line.split_once('\t').context("cargo tree prints a tab")?;
        let mut words = named.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = version.trim_start_matches('v');
        let mut part = json!({ "type": "library", "name": name, "version": version });
        if let Some(license) = license.strip_suffix(" (*)").or(Some(license)).filter(|text| !text.is_empty())
        {
            part["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
        }
        if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
            let purl = format!("pkg:cargo/{name}@{version}");
            part["bom-ref"] = json!(purl);
            part["purl"] = json!(purl);
            part["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        parts.insert(format!("{name} {version}"), part);
    }
    Ok(parts)
}

/// The SHA-256 of each package that came from a registry.
fn checksums(root: &Path) -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = fs::read_to_string(root.join("Cargo.lock"))?.parse()?;
    let packages =
        lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock lists packages")?;
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let entry =
        |package| Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?));
    Ok(packages.iter().filter_map(entry).collect())
}
