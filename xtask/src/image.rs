//! The container images: two static programs, Python compiled for one of them, and lists of what is in them.

mod bill;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{Workspace, capture, is_program, run, say};
use crate::{guest, prerequisites, remap};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whom the programs in the containers run as: nobody that the machine knows.
const USER: &str = "65532";

/// What a container engine is asked by.
pub struct Engine(&'static str);

impl Engine {
    /// The engine of this machine, if one works.
    pub fn find() -> Result<Self> {
        let Some(program) = ["docker", "podman"].into_iter().find(|name| is_program(name)) else {
            bail!(
                "no container engine: install Docker (on Debian and Ubuntu: sudo apt-get install docker.io)"
            );
        };
        capture(Command::new(program).arg("info")).with_context(|| {
            format!("{program} does not answer: start it (`sudo systemctl start {program}`), or let this user use it")
        })?;
        Ok(Self(program))
    }

    /// Whether it is Docker with Compose, which the tests speak to.
    pub fn check_compose(&self) -> Result<()> {
        if self.0 != "docker" {
            bail!("they need Docker, and here is {}", self.0);
        }
        let plugin = Command::new(self.0).args(["compose", "version"]).output();
        if plugin.is_ok_and(|answer| answer.status.success()) || is_program("docker-compose") {
            return Ok(());
        }
        bail!("there is no Compose: install it (on Debian and Ubuntu: sudo apt-get install docker-compose)")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.0);
        // Where the builder knows of it, all times in the image are this one.
        command.env("SOURCE_DATE_EPOCH", "0");
        command
    }
}

/// Makes both images, and says what they are.
pub fn build(workspace: &Workspace) -> Result<ExitCode> {
    let engine = Engine::find()?;
    for image in make(workspace, &engine)? {
        println!("{image}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes both images; their names.
pub fn make(workspace: &Workspace, engine: &Engine) -> Result<[String; 2]> {
    prerequisites::check(workspace)?;
    guest::ensure(workspace)?;
    let _lock = workspace.lock("container")?;
    say("building the static programs of the container images (the first time 5 to 10 minutes)");
    let (aura, sandbox) = (program(workspace, "aura")?, program(workspace, "aura-sandbox")?);
    let sandbox = Image {
        name: "aura-sandbox",
        recipe: "sandbox-image",
        program: &sandbox,
        packer: Some(&aura),
        folders: &["run/aura"],
    };
    let aura = Image {
        name: "aura",
        recipe: "compose/host",
        program: &aura,
        packer: None,
        folders: &["data", "run/aura"],
    };
    let tags = [sandbox.make(workspace, engine)?, aura.make(workspace, engine)?];
    say(&format!("what is in them is listed in {}/*.cdx.json (CycloneDX)", contexts(workspace).display()));
    Ok(tags)
}

/// Where the images are made from.
pub fn contexts(workspace: &Workspace) -> PathBuf {
    workspace.cache.join("container")
}

/// A program linked with all it needs. Each is built alone: what the one needs of a library would be built into the
/// other as well.
fn program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = workspace.cache.join("build/image");
    // The checkout's own files are named relative to it, and its folder here would build all anew for each checkout.
    let mut names = vec![(folder.clone(), "/build".to_owned())];
    names.extend(remap::packages(workspace.cargo(), &workspace.root)?);
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(remap::flags(&names));
    let mut cargo = workspace.cargo();
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    cargo.env("CARGO_TARGET_DIR", &folder);
    cargo.args([
        "build",
        "--locked",
        "--profile",
        "image",
        "--target",
        &target,
        "--package",
        name,
        "--bin",
        name,
    ]);
    run(&mut cargo)?;
    Ok(folder.join(target).join("image").join(name))
}

/// What an image is made of.
struct Image<'a> {
    name: &'static str,
    /// The folder of its Dockerfile.
    recipe: &'static str,
    program: &'a Path,
    /// What compiles Python for it, if that is in it.
    packer: Option<&'a Path>,
    /// What its program writes to.
    folders: &'static [&'static str],
}

impl Image<'_> {
    /// Makes it, and the list of what is in it; its name.
    fn make(&self, workspace: &Workspace, engine: &Engine) -> Result<String> {
        let contexts = contexts(workspace);
        let context = empty(&contexts.join(self.name))?;
        let files = empty(&context.join("files"))?;
        fs::copy(self.program, files.join(self.name))?;
        let mut names = vec![self.name];
        let mut arguments = vec![("VERSION", VERSION.to_owned()), ("REVISION", revision(workspace))];
        if let Some(packer) = self.packer {
            names.push("image");
            let python = files.join("image");
            let mut pack = Command::new(packer);
            run(pack.env("AURA_CACHE", &workspace.cache).args(["sandbox", "pack"]).arg(&python))?;
            arguments.extend(labels(&serde_json::from_slice(&fs::read(python.join("python.json"))?)?)?);
        }
        gather(&context, &[&names[..], &["--no-recursion", "run"]].concat(), self.folders)?;

        let tag = format!("{}:{VERSION}", self.name);
        say(&format!("container image {tag}"));
        let mut build = engine.command();
        build.args(["build", "--quiet", "--tag", &tag, "--file"]);
        build.arg(workspace.root.join(self.recipe).join("Dockerfile"));
        for (argument, value) in arguments {
            build.arg("--build-arg").arg(format!("{argument}={value}"));
        }
        capture(build.arg(context))?;
        let list = contexts.join(format!("{}.cdx.json", self.name));
        bill::write(workspace, self.name, self.packer.is_some(), &list)?;
        Ok(tag)
    }
}

/// The labels that say which Python is in an image, from what stands beside it there.
fn labels(manifest: &Value) -> Result<[(&'static str, String); 2]> {
    let label = |argument, key: &str| -> Result<_> {
        let digest = manifest[key].as_str().with_context(|| format!("python.json names no {key}"))?;
        Ok((argument, digest.to_owned()))
    };
    Ok([label("GUEST", "guest")?, label("CONFIGURATION", "configuration")?])
}

/// The commit, if this is a checkout of git with nothing changed.
fn revision(workspace: &Workspace) -> String {
    let git = |args: &[&str]| capture(Command::new("git").current_dir(&workspace.root).args(args)).ok();
    match (git(&["status", "--porcelain"]), git(&["rev-parse", "HEAD"])) {
        (Some(changes), Some(commit)) if changes.is_empty() => commit.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn empty(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// Puts all files of an image into one archive, which is the same bytes whenever they are: `files`, which nobody may
/// change, and `folders` of the user whom the programs run as, closed to others.
fn gather(context: &Path, files: &[&str], folders: &[&str]) -> Result<()> {
    let (root, archive) = (context.join("files"), context.join("files.tar"));
    for folder in folders {
        fs::create_dir_all(root.join(folder))?;
    }
    let tar = |action: &str, owner: &str, mode: &str, names: &[&str]| {
        let mut tar = Command::new("tar");
        tar.arg("--directory").arg(&root).arg("--file").arg(&archive).arg(action);
        tar.args(["--sort=name", "--mtime=@0", "--numeric-owner", "--format=gnu"]);
        run(tar
            .args([format!("--owner={owner}"), format!("--group={owner}"), format!("--mode={mode}")])
            .args(names))
    };
    tar("--create", "0", "u=rwX,go=rX", files)?;
    tar("--append", USER, "ug=rwx,o=", folders)?;
    fs::remove_dir_all(root)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::labels;

    #[test]
    fn a_python_without_a_digest_is_refused() {
        let refused = labels(&json!({ "guest": "ab" })).expect_err("no configuration");
        assert_eq!(refused.to_string(), "python.json names no configuration");
        let whole = labels(&json!({ "guest": "ab", "configuration": "cd" })).expect("labels");
        assert_eq!(whole, [("GUEST", "ab".to_owned()), ("CONFIGURATION", "cd".to_owned())]);
    }
}
