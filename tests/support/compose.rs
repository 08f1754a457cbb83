//! The programs that read compose files, and a copy of the files for them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{copy, root};

/// What no output may have in it.
pub const SECRET: &str = "tGF9vVn2hush7yKq";
pub const SECRETS: [&str; 4] =
    ["aura_api_token", "arango_jwt_secret", "arango_root_password", "openai_api_key"];

#[derive(Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    words: &'static [&'static str],
}

pub const TOOLS: [Tool; 2] = [
    Tool { name: "compose_2", words: &["docker", "compose"] },
    Tool { name: "compose_1", words: &["docker-compose"] },
];

impl Tool {
    /// The first that this machine has.
    pub fn first() -> Option<Self> {
        TOOLS.into_iter().find(|tool| tool.is_there())
    }

    pub fn command_line(self) -> String {
        self.words.join(" ")
    }

    pub fn is_there(self) -> bool {
        let version = self.bare().arg("version").output();
        version.is_ok_and(|output| output.status.success())
    }

    /// A command about the files of a folder.
    pub fn command(self, folder: &Folder, overrides: &[&str]) -> Command {
        let mut command = self.bare();
        command.current_dir(folder.path().join("compose")).args(["-f", "compose.yaml"]);
        for name in overrides {
            command.args(["-f", &format!("compose.{name}.yaml")]);
        }
        command
    }

    fn bare(self) -> Command {
        let mut command = bare(self.words[0]);
        command.args(&self.words[1..]);
        command
    }
}

/// A program without the settings of whoever runs the tests, but for those that lead to Docker.
pub fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    let leads = |name: &str| ["PATH", "HOME"].contains(&name) || name.starts_with("DOCKER_");
    command.env_clear().envs(std::env::vars().filter(|(name, _)| leads(name)));
    command
}

/// The files of the project that compose files name, somewhere else.
pub struct Folder(TempDir);

impl Folder {
    pub fn copied() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for part in ["compose", "sandbox-image"] {
            folder.add(part);
        }
        folder
    }

    /// Copies one more folder of the project into it.
    pub fn add(&self, part: &str) {
        copy(&root().join(part), &self.path().join(part));
    }

    /// As .env.example says: a closed folder of open files.
    #[must_use]
    pub fn with_secrets(self) -> Self {
        let secrets = self.path().join("compose/secrets");
        fs::create_dir(&secrets).expect("a folder");
        for name in SECRETS {
            fs::write(secrets.join(name), SECRET).expect("a secret");
        }
        fs::set_permissions(&secrets, Permissions::from_mode(0o700)).expect("it is ours");
        self
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
