//! The programs that read compose files, and a copy of the folder for them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// What no output may have in it.
pub const SECRET: &str = "tGF9vVn2hush7yKq";
pub const SECRETS: [&str; 3] = ["aura_api_token", "arango_jwt_secret", "arango_root_password"];

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
    pub fn command_line(self) -> String {
        self.words.join(" ")
    }

    pub fn is_there(self) -> bool {
        let version = self.command().arg("version").output();
        version.is_ok_and(|output| output.status.success())
    }

    pub fn run(
        self,
        folder: &Folder,
        overrides: &[&str],
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Output {
        let mut command = self.command();
        command.current_dir(folder.0.path().join("compose")).args(["-f", "compose.yaml"]);
        for name in overrides {
            command.args(["-f", &format!("compose.{name}.yaml")]);
        }
        command.args(arguments).envs(settings.iter().copied());
        command.output().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Without the settings of whoever runs the tests.
    fn command(self) -> Command {
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]).env_clear();
        let kept = ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"];
        command.envs(std::env::vars().filter(|(name, _)| kept.contains(&name.as_str())));
        command
    }
}

/// The files of the project that compose files name, somewhere else.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["compose", "sandbox-image"] {
            fs::create_dir(folder.path().join(part)).expect("a folder in it");
            for entry in fs::read_dir(project.join(part)).expect("a folder of the project") {
                let entry = entry.expect("an entry");
                if entry.path().extension().is_some_and(|kind| kind == "yaml" || kind == "json") {
                    fs::copy(entry.path(), folder.path().join(part).join(entry.file_name())).expect("a copy");
                }
            }
        }
        Self(folder)
    }

    pub fn with_secrets(self) -> Self {
        let secrets = self.0.path().join("compose/secrets");
        fs::create_dir(&secrets).expect("a folder");
        for name in SECRETS {
            fs::write(secrets.join(name), SECRET).expect("a secret");
        }
        self
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
