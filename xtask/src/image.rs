//! The container images: two static programs, Python compiled for one of them, and lists of what is in them.

mod bill;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{Workspace, capture, is_program, run, say};
use crate::{guest, prerequisites, remap};

const VERSION: &str = env!("CARGO_PKG_VERSION");

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
    let contexts = contexts(workspace);
    say("building the static programs of the container images (the first time 5 to 10 minutes)");
    let (aura, sandbox) = (program(workspace, "aura")?, program(workspace, "aura-sandbox")?);

    let context = empty(&contexts.join("sandbox"))?;
    let image = context.join("image");
    run(Command::new(&aura).env("AURA_CACHE", &workspace.cache).args(["sandbox", "pack"]).arg(&image))?;
    let manifest: Value = serde_json::from_slice(&fs::read(image.join("python.json"))?)?;
    let digest = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
    for file in ["python.cwasm", "python.json"] {
        settle(&image.join(file), 0o644)?;
    }
    settle(&image, 0o755)?;
    put(&sandbox, &context.join("aura-sandbox"))?;
    folder(&context.join("run"))?;
    let labels = [("GUEST", digest("guest")), ("CONFIGURATION", digest("configuration"))];
    let sandbox = docker_build(workspace, engine, "aura-sandbox", "sandbox-image", &context, &labels)?;
    bill::write(workspace, "aura-sandbox", true, &contexts.join("aura-sandbox.cdx.json"))?;

    let context = empty(&contexts.join("aura"))?;
    put(&aura, &context.join("aura"))?;
    folder(&context.join("run"))?;
    folder(&context.join("data"))?;
    let aura = docker_build(workspace, engine, "aura", "compose/host", &context, &[])?;
    bill::write(workspace, "aura", false, &contexts.join("aura.cdx.json"))?;
    say(&format!("what is in them is listed in {}/*.cdx.json (CycloneDX)", contexts.display()));
    Ok([sandbox, aura])
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

fn docker_build(
    workspace: &Workspace,
    engine: &Engine,
    name: &str,
    recipe: &str,
    context: &Path,
    more: &[(&str, String)],
) -> Result<String> {
    settle(context, 0o755)?;
    let tag = format!("{name}:{VERSION}");
    say(&format!("container image {tag}"));
    let mut build = engine.command();
    build.args(["build", "--quiet", "--tag", &tag, "--file"]);
    build.arg(workspace.root.join(recipe).join("Dockerfile"));
    let own = [("VERSION", VERSION.to_owned()), ("REVISION", revision(workspace))];
    for (argument, value) in own.iter().chain(more) {
        build.arg("--build-arg").arg(format!("{argument}={value}"));
    }
    capture(build.arg(context))?;
    Ok(tag)
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

fn put(program: &Path, at: &Path) -> Result<()> {
    fs::copy(program, at)?;
    settle(at, 0o755)
}

/// A folder that is closed to others.
fn folder(path: &Path) -> Result<()> {
    fs::create_dir(path)?;
    settle(path, 0o770)
}

/// Makes what is not in the content the same every time.
fn settle(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    File::open(path)?.set_modified(SystemTime::UNIX_EPOCH)?;
    Ok(())
}
