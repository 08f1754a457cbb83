//! What Docker's engine makes of the compose files: containers that are created and never started, of an image with
//! nothing in it under the names of all others.

use std::io::Write as _;
use std::process::{Command, Stdio};

use aura_tests::Done;
use aura_tests::compose::{Folder, SECRET, SECRETS, Tool};
use serde_json::Value;

const OVERRIDES: [&str; 3] = ["arango", "ollama", "openai"];
const IMAGES: [&str; 4] = ["aura", "aura-sandbox", "arangodb", "ollama/ollama"];

pub fn is_there() -> bool {
    let info = Command::new("docker").args(["info", "--format", "{{.ServerVersion}}"]).output();
    info.is_ok_and(|output| output.status.success())
}

pub fn makes(tool: Tool) {
    let project = Project::new(tool);
    let folder = Folder::copied();
    for service in ["aura", "arango1"] {
        let refused =
            project.run(&folder, &["up", "--no-start", "--no-deps", service]).expect_err("no secrets");
        let missing = SECRETS.iter().any(|name| {
            let path = folder.path().join("compose/secrets").join(name);
            refused.contains(&format!("bind source path does not exist: {}", path.display()))
        });
        assert!(missing, "{service}: {refused}");
    }

    project.run(&folder.with_secrets(), &["up", "--no-start"]).expect("containers");
    let containers = project.containers();
    assert_eq!(containers.len(), 6);
    for container in &containers {
        is_hardened(container);
    }
}

fn is_hardened(container: &Value) {
    let (name, host) =
        (&container["Config"]["Labels"]["com.docker.compose.service"], &container["HostConfig"]);
    assert!(!container.to_string().contains(SECRET), "{name}");
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{name}");
    assert_eq!(host["Privileged"], false, "{name}");
    assert!(host["PidsLimit"].as_u64().is_some_and(|limit| limit > 0), "{name}");
    let options: Vec<_> =
        host["SecurityOpt"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(options.iter().any(|option| option.starts_with("no-new-privileges")), "{name}: {options:?}");
    for (port, bindings) in host["PortBindings"].as_object().into_iter().flatten() {
        for binding in bindings.as_array().into_iter().flatten() {
            assert_eq!((name.as_str(), port.as_str()), (Some("aura"), "8000/tcp"));
            assert_eq!(binding["HostIp"], "127.0.0.1");
        }
    }
    let mounts = container["Mounts"].as_array().into_iter().flatten();
    for mount in mounts.filter(|mount| mount["Type"] == "bind") {
        let into = mount["Destination"].as_str().unwrap_or_default();
        assert!(into.starts_with("/run/secrets/") && mount["RW"] == false, "{name}: {mount}");
    }
    if name != "ollama" {
        assert_eq!(host["ReadonlyRootfs"], true, "{name}");
        assert!(host["Memory"].as_u64().is_some_and(|limit| limit > 0), "{name}");
        let user = container["Config"]["User"].as_str();
        assert!(user.is_some_and(|user| user.starts_with("65532:")), "{name}");
    }
    if name == "sandbox" {
        assert_eq!(host["NetworkMode"], "none");
        assert_eq!(host["MemorySwap"], host["Memory"]);
        assert!(
            options.iter().any(|option| option.starts_with("seccomp") && option.contains("SCMP_ACT_ERRNO"))
        );
    }
}

/// Its containers, volumes, networks and images go when it goes.
struct Project {
    tool: Tool,
    name: String,
}

impl Project {
    fn new(tool: Tool) -> Self {
        let project = Self { tool, name: format!("aura-test-{}-{}", tool.name, std::process::id()) };
        let mut command = Command::new("docker");
        command.args(["import", "--change", r#"CMD ["/nothing"]"#, "-", &project.image(IMAGES[0])]);
        let mut import = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("docker");
        // Two empty blocks: an archive of nothing.
        import.stdin.take().expect("a pipe").write_all(&[0; 1024]).expect("an archive");
        assert!(import.wait().expect("docker").success());
        for name in &IMAGES[1..] {
            docker(&["tag", &project.image(IMAGES[0]), &project.image(name)]);
        }
        project
    }

    fn image(&self, name: &str) -> String {
        format!("{name}:0-{}", self.name)
    }

    fn run(&self, folder: &Folder, arguments: &[&str]) -> Result<(), String> {
        let tag = self.image("");
        let versions = ["AURA_VERSION", "ARANGO_VERSION", "OLLAMA_VERSION"].map(|name| (name, &tag[1..]));
        let mut command = self.tool.command(folder, &OVERRIDES);
        command.args(arguments).envs(versions).env("COMPOSE_PROJECT_NAME", &self.name);
        let done = Done::from(command.output().expect("Compose starts"));
        if done.code == Some(0) { Ok(()) } else { Err(done.stderr) }
    }

    fn containers(&self) -> Vec<Value> {
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
        let ids: Vec<_> = ids.split_whitespace().collect();
        serde_json::from_str(&docker(&[&["inspect"], ids.as_slice()].concat())).expect("JSON")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Err(said) = self.run(&Folder::copied().with_secrets(), &["down", "--volumes"]) {
            eprintln!("{} is left: {said}", self.name);
        }
        let images = IMAGES.map(|name| self.image(name));
        let _ = Command::new("docker").arg("rmi").args(images).stdout(Stdio::null()).status();
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
