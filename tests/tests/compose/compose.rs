//! What a tool understands the compose files to say.

use aura_tests::Done;
use aura_tests::compose::{Folder, SECRET, Tool};
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What the sandbox's image is made from.
const SANDBOX: &str = include_str!("../../../sandbox-image/Dockerfile");

pub fn is_accepted(tool: Tool, overrides: &[&str]) {
    let folder = Folder::copied().with_secrets();
    let output = tool.command(&folder, overrides).arg("config").output().expect("Compose starts");
    let done = Done::from(output);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "no warnings");
    let text = done.stdout;
    assert!(!text.contains(SECRET), "{text}");

    let all: Value = serde_saphyr::from_str(&text).expect("YAML");
    let services = all["services"].as_object().expect("services");
    let mut names = vec!["aura", "sandbox"];
    if overrides.contains(&"arango") {
        names.extend(["arango1", "arango2", "arango3"]);
    }
    if overrides.contains(&"ollama") {
        names.push("ollama");
    }
    names.sort_unstable();
    assert_eq!(services.keys().collect::<Vec<_>>(), names);
    for (name, service) in services {
        is_hardened(name, service, &all);
    }
    sandbox_is_apart(&services["sandbox"], &folder);
    server_waits_for_all(services);
    if overrides.contains(&"arango") {
        database_is_private(&all);
    }
    let mind = match overrides.last() {
        Some(&"ollama") => "http://ollama:11434",
        Some(&"ollama-on-host") => "http://host.docker.internal:11434",
        _ => "",
    };
    let environment = &services["aura"]["environment"];
    assert_eq!(environment["OLLAMA_HOST"], mind);
    let asks_for_a_key = overrides.contains(&"openai");
    assert_eq!(environment["AURA_MIND"], if asks_for_a_key { "openai" } else { "ollama" });
    let key = environment.get("OPENAI_API_KEY_FILE").and_then(Value::as_str);
    assert_eq!(key, asks_for_a_key.then_some("/run/secrets/openai_api_key"));
    let is_key = |secret: &&Value| **secret == "openai_api_key" || secret["source"] == "openai_api_key";
    assert_eq!(list(&services["aura"]["secrets"]).iter().filter(is_key).count(), usize::from(asks_for_a_key));
}

fn is_hardened(name: &str, service: &Value, all: &Value) {
    assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
    assert!(list(&service["security_opt"]).contains(&"no-new-privileges:true".into()), "{name}");
    for opening in ["privileged", "cap_add", "devices", "pid", "userns_mode", "group_add"] {
        assert_eq!(service[opening], Value::Null, "{name}: {opening}");
    }
    assert!(service.get("ipc").is_none_or(|ipc| ipc == "none"), "{name}");
    assert!(service["pids_limit"].as_u64().is_some_and(|limit| limit > 0), "{name}: a bound on processes");
    assert_eq!(service["restart"], "unless-stopped", "{name}");
    assert_ne!(service["logging"]["options"]["max-size"], Value::Null, "{name}: a bound on the log");
    let (_, tag) = service["image"].as_str().expect("an image").rsplit_once(':').expect("a tag");
    assert!(tag.starts_with(|first: char| first.is_ascii_digit()), "{name}: {tag} is not pinned");
    // Volumes of Docker, and no folder or socket of the machine.
    for volume in list(&service["volumes"]) {
        let source = volume.as_str().map_or(&volume["source"], |_| &volume);
        let source = source.as_str().and_then(|source| source.split(':').next()).expect("a source");
        assert!(all["volumes"].get(source).is_some(), "{name}: {volume}");
    }
    for port in list(&service["ports"]) {
        let local = port["host_ip"] == "127.0.0.1"
            || port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:"));
        assert!(local && name == "aura", "{name}: {port}");
    }
    // Whose image wants root, and memory for a model.
    if name != "ollama" {
        assert!(service["user"].as_str().is_some_and(|user| user.starts_with("65532:")), "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert!(service["mem_limit"].is_string(), "{name}");
    }
}

fn sandbox_is_apart(sandbox: &Value, folder: &Folder) {
    assert_eq!(sandbox["image"], format!("aura-sandbox:{VERSION}"));
    assert_eq!(sandbox["network_mode"], "none");
    assert_eq!(sandbox["mem_limit"], sandbox["memswap_limit"]);
    assert_eq!(sandbox["user"], "65532:65532");
    for opening in ["environment", "secrets", "ports", "networks", "extra_hosts", "env_file"] {
        assert!(list(&sandbox[opening]).is_empty() && !sandbox[opening].is_object(), "{opening}");
    }
    assert_eq!(list(&sandbox["volumes"]).len(), 1);
    for place in list(&sandbox["tmpfs"]) {
        assert!(place.as_str().is_some_and(|place| place.contains(":ro,")), "{place} can be written to");
    }
    let options = list(&sandbox["security_opt"]);
    let profile = options.iter().filter_map(Value::as_str).find_map(|option| option.strip_prefix("seccomp:"));
    assert!(folder.path().join("compose").join(profile.expect("a seccomp profile")).is_file());
    assert_eq!(sandbox["command"], Value::Null, "the image has it");
    let command = SANDBOX.lines().find(|line| line.starts_with("CMD "));
    assert!(command.is_some_and(|command| command.contains(r#""--require-confinement""#)), "{command:?}");
}

fn server_waits_for_all(services: &serde_json::Map<String, Value>) {
    let aura = &services["aura"];
    assert_eq!(aura["image"], format!("aura:{VERSION}"));
    for (name, service) in services.iter().filter(|(name, _)| *name != "aura") {
        assert_eq!(aura["depends_on"][name]["condition"], "service_healthy", "{name}");
        let image = if name == "sandbox" { SANDBOX } else { "" };
        assert!(service["healthcheck"]["test"][0] == "CMD" || image.contains("\nHEALTHCHECK"), "{name}");
    }
    assert_eq!(aura["environment"]["AURA_API_TOKEN_FILE"], "/run/secrets/aura_api_token");
    assert_eq!(aura["environment"].get("AURA_API_TOKEN"), None);
}

fn database_is_private(all: &Value) {
    assert_eq!(all["networks"]["database"]["internal"], true);
    let services = &all["services"];
    for name in ["arango1", "arango2", "arango3"] {
        let service = &services[name];
        assert_eq!(service["hostname"], name);
        assert_eq!(names(&service["networks"]), ["database"], "{name}");
        assert_eq!(service["environment"], Value::Null, "{name}");
        let starter = service["command"][0].as_str().expect("what starts it");
        for option in [
            "--starter.join=arango1,arango2,arango3",
            "--auth.jwt-secret=/run/secrets/arango_jwt_secret",
            "--args.coordinators.cluster.force-one-shard=true",
            "--args.dbservers.cluster.force-one-shard=true",
        ] {
            assert!(starter.contains(option), "{name}: {option}");
        }
        assert!(!starter.contains("database.password"), "{name}: command lines are read by others");
    }
    let aura = &services["aura"];
    assert_eq!(names(&aura["networks"]), ["database", "default"]);
    let set =
        ["AURA_STORE", "ARANGO_HOST", "ARANGO_PASS_FILE"].map(|name| aura["environment"][name].as_str());
    let expected = ["arango", "http://arango1:8529", "/run/secrets/arango_root_password"];
    assert_eq!(set, expected.map(Some));
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// One tool lists networks, the other has what is set for each.
fn names(networks: &Value) -> Vec<String> {
    let listed = list(networks).into_iter().filter_map(|name| name.as_str().map(str::to_owned));
    let mut names: Vec<_> =
        listed.chain(networks.as_object().into_iter().flatten().map(|(name, _)| name.clone())).collect();
    names.sort();
    names
}
