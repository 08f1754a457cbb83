//! The manifests for Kubernetes.

use aura_tests::root;
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn the_pod_keeps_to_the_restricted_standard() {
    let labels = &one("Namespace")["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(one("ServiceAccount")["automountServiceAccountToken"], false);
    let pod = pod();
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], "aura");
    for opening in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers"] {
        assert_eq!(pod.get(opening), None, "{opening}");
    }
    let expected = json!({
        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
    });
    assert_eq!(pod["securityContext"], expected);
    for volume in pod["volumes"].as_array().expect("volumes") {
        assert!(volume.get("emptyDir").or(volume.get("secret")).is_some(), "{volume}");
    }
    let containers = pod["containers"].as_array().expect("containers");
    assert_eq!(containers.len(), 2);
    for container in containers {
        let (name, context) = (&container["name"], &container["securityContext"]);
        assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(context["privileged"], false, "{name}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
        for own in ["runAsUser", "runAsNonRoot", "procMount"] {
            assert_eq!(context.get(own), None, "{name}: {own}");
        }
        for bound in ["cpu", "memory", "ephemeral-storage"] {
            assert!(container["resources"]["limits"][bound].is_string(), "{name}: {bound}");
        }
    }
}

pub fn the_sandbox_has_nothing_but_its_socket() {
    let (aura, sandbox) = (container("aura"), container("sandbox"));
    assert_eq!(sandbox["image"], format!("aura-sandbox:{VERSION}"));
    let profile = json!({ "type": "Localhost", "localhostProfile": "aura/sandbox.json" });
    assert_eq!(sandbox["securityContext"]["seccompProfile"], profile);
    for opening in ["env", "envFrom", "ports", "command", "lifecycle"] {
        assert_eq!(sandbox.get(opening), None, "{opening}");
    }
    assert_eq!(sandbox["volumeMounts"], json!([{ "name": "sockets", "mountPath": "/run/aura" }]));
    let socket = "unix:/run/aura/sandbox.sock";
    assert_eq!(sandbox["args"], json!(["--listen", socket, "--group", "--require-confinement"]));
    let asked = json!(["/aura-sandbox", "--listen", socket, "--check"]);
    for probe in ["startupProbe", "livenessProbe"] {
        assert_eq!(sandbox[probe]["exec"]["command"], asked, "{probe}");
    }
    assert_eq!(setting(&aura, "EXECUTION_SANDBOX_URL"), socket);
    let sockets =
        pod()["volumes"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "sockets").cloned());
    assert_eq!(
        sockets,
        Some(json!({ "name": "sockets", "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } }))
    );
}

pub fn the_server_is_asked_whether_it_is_ready() {
    let aura = container("aura");
    assert_eq!(aura["image"], format!("aura:{VERSION}"));
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(aura[probe]["httpGet"], json!({ "path": path, "port": "api" }), "{probe}");
    }
    // A file of a secret that the manifests do not hold.
    assert_eq!(setting(&aura, "AURA_API_TOKEN_FILE"), "/run/secrets/aura/api_token");
    let mounts = aura["volumeMounts"].as_array().expect("mounts");
    assert!(mounts.contains(&json!({ "name": "token", "mountPath": "/run/secrets/aura", "readOnly": true })));
    assert!(mounts.contains(&json!({ "name": "data", "mountPath": "/data" })));
    assert!(!documents().iter().any(|document| document["kind"] == "Secret"));
    assert_eq!(one("StatefulSet")["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "data");
}

pub fn nothing_else_comes_in_or_goes_out() {
    let service = one("Service");
    assert_eq!(service["spec"]["type"], "ClusterIP");
    assert_eq!(service["spec"]["selector"], one("StatefulSet")["spec"]["template"]["metadata"]["labels"]);
    let policy = &one("NetworkPolicy")["spec"];
    assert_eq!(policy["podSelector"], json!({}), "every pod");
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let of = |name: &str, value: &str| json!({ "namespaceSelector": { "matchLabels": { name: value } } });
    let expected = json!([{
        "from": [of("aura.client", "true")], "ports": [{ "protocol": "TCP", "port": 8000 }],
    }]);
    assert_eq!(policy["ingress"], expected);
    let mut names = of("kubernetes.io/metadata.name", "kube-system");
    names["podSelector"] = json!({ "matchLabels": { "k8s-app": "kube-dns" } });
    let expected = json!([
        { "to": [names], "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }] },
        { "to": [of("kubernetes.io/metadata.name", "ollama")], "ports": [{ "protocol": "TCP", "port": 11434 }] },
    ]);
    assert_eq!(policy["egress"], expected);
    assert_eq!(setting(&container("aura"), "OLLAMA_HOST"), "http://ollama.ollama.svc.cluster.local:11434");
}

fn documents() -> Vec<Value> {
    let file = root().join("compose/kubernetes.yaml");
    serde_saphyr::from_multiple(&std::fs::read_to_string(file).expect("the manifests")).expect("YAML")
}

/// The only document of a kind; all but the namespace are in it.
fn one(kind: &str) -> Value {
    let found: Vec<_> = documents().into_iter().filter(|document| document["kind"] == kind).collect();
    let [one] = found.as_slice() else { panic!("{} of {kind}", found.len()) };
    let namespace = (kind != "Namespace").then_some("aura");
    assert_eq!(one["metadata"]["namespace"].as_str(), namespace, "{kind}");
    one.clone()
}

fn pod() -> Value {
    one("StatefulSet")["spec"]["template"]["spec"].clone()
}

fn container(name: &str) -> Value {
    let pod = pod();
    let mut containers = pod["containers"].as_array().into_iter().flatten();
    containers.find(|container| container["name"] == name).expect("a container of that name").clone()
}

fn setting(container: &Value, name: &str) -> Value {
    let mut settings = container["env"].as_array().into_iter().flatten();
    settings.find(|setting| setting["name"] == name).map_or(Value::Null, |setting| setting["value"].clone())
}
