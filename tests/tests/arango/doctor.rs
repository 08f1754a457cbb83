//! `aura doctor` on an image in a cluster: each ill with its cure, and that it is gone then.

use aura_tests::Instance;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::emulator::{Emulator, Faults, PASSWORD, apart, runtime};
use crate::http::{self, Answer, Request};
use crate::image::Emulated;
use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("doctor::a_wrong_password_is_told_from_a_database_that_is_away", a_wrong_password),
        trial("doctor::an_image_that_is_missing_is_made_by_fix", an_image_that_is_missing),
        trial("doctor::what_is_no_one_shard_cluster_is_told", no_one_shard),
        trial("doctor::each_other_version_of_the_image_has_its_cure", another_version),
    ]
}

/// The command line, with an image in the cluster and no mind.
fn instance(image: &Emulated) -> Instance {
    let config = image.config();
    Instance::new(&[
        ("AURA_API_PORT", "0"),
        ("OLLAMA_HOST", "http://127.0.0.1:1"),
        ("AURA_STORE", "arango"),
        ("ARANGO_HOST", &config.url),
        ("ARANGO_PASS", PASSWORD),
        ("DB_NAME", &config.database),
    ])
}

/// The exit status, and what is told of the image: `state: found -> cure [fix]`.
fn look(instance: &Instance, more: &[&str]) -> (Option<i32>, Vec<String>) {
    let done = instance.run(&[&["doctor", "--json"], more].concat());
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["name"] == "image");
    let told = checks.map(|check| {
        let cure = check["cure"].as_str().map(|cure| format!(" -> {cure}")).unwrap_or_default();
        let fix = if check["fixable"] == true { " [fix]" } else { "" };
        format!("{}: {}{cure}{fix}", check["state"].as_str().unwrap(), check["found"].as_str().unwrap())
    });
    (done.code, told.collect())
}

fn fresh() -> Emulated {
    Emulated::on(&Emulator::start(Faults::default()))
}

async fn a_wrong_password() {
    let image = fresh();
    let mut instance = instance(&image);
    instance.set("ARANGO_PASS", "guessed");
    let refused = "ArangoDB refuses the user or the password; check ARANGO_USER and ARANGO_PASS (Wrong credentials (HTTP 401, \
                   error 401))";
    let url = &image.config().url;
    let told = format!("fail: what answers at {url} cannot be used -> the store cannot be used: {refused}");
    assert_eq!(look(&instance, &[]), (Some(1), vec![told]));
    instance.set("ARANGO_PASS", PASSWORD);
    let found = format!("'{}' is not there yet; `aura serve` creates it", image.config().database);
    assert_eq!(look(&instance, &[]), (Some(3), vec![format!("ok: database: {found} [fix]")]));

    instance.set("ARANGO_HOST", "http://127.0.0.1:1");
    let (code, told) = look(&instance, &[]);
    let begin = "unreachable: it cannot be looked at -> the store cannot be used: ArangoDB at http://127.0.0.1:1 cannot be \
                 reached (";
    assert!(code == Some(3) && told.len() == 1 && told[0].starts_with(begin), "{told:?}");
}

async fn an_image_that_is_missing() {
    let image = fresh();
    let instance = instance(&image);
    let (_, told) = look(&instance, &["--fix"]);
    assert_eq!(
        told,
        [
            "ok: server: ArangoDB 3.12.4 (enterprise)",
            "ok: role: a coordinator of a cluster",
            "ok: sharding: single",
            "ok: queries: run on the one server that has the data",
            "ok: schema: version 2",
            "ok: indexes: 13 collections and 14 indexes",
            "ok: content: 2 objects, 0 versions of methods, 0 messages",
            "ok: servers: 0 at work, 0 messages unfinished",
            "ok: clock: within 5 s of this machine's",
        ]
    );
}

async fn another_version() {
    let image = fresh();
    let instance = instance(&image);
    look(&instance, &["--fix"]);
    let of_schema = |(_, told): (Option<i32>, Vec<String>)| {
        told.into_iter().find(|told| told.contains(": schema")).unwrap_or_default()
    };
    let ill = "fail: schema is not as it should be -> ";
    image.write("Meta", json!({ "_key": "schema", "version": 1 })).await;
    let older = format!("{ill}version 1; start aura again, which brings it to version 2");
    assert_eq!(of_schema(look(&instance, &[])), older);
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
    assert_eq!(of_schema(look(&instance, &[])), "ok: schema: version 2");
    image.write("Meta", json!({ "_key": "schema", "version": 3 })).await;
    let newer = format!("{ill}the image has schema version 3 and this aura knows 2; use a newer aura");
    assert_eq!(of_schema(look(&instance, &[])), newer);
}

/// Stands before a coordinator and has its answers read otherwise: `from` becomes `to`.
fn altered(url: &str, from: &'static str, to: &'static str) -> String {
    let listener = apart(TcpListener::bind("127.0.0.1:0")).unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let url = url.to_owned();
    runtime().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let url = url.clone();
            tokio::spawn(async move {
                let mut rest = Vec::new();
                while let Ok(Some(request)) = http::receive(&mut stream, &mut rest).await {
                    let (status, body) = forward(&url, &request).await;
                    let answer = Answer::json(status, body.replace(from, to));
                    if !matches!(http::answer(&mut stream, &answer).await, Ok(true)) {
                        return;
                    }
                }
            });
        }
    });
    at
}

async fn forward(url: &str, request: &Request) -> (u16, String) {
    let method = request.method.parse().unwrap();
    let mut asked = reqwest::Client::new().request(method, format!("{url}{}", request.path));
    for name in ["authorization", "x-arango-trx-id"] {
        asked = request.header(name).into_iter().fold(asked, |asked, value| asked.header(name, value));
    }
    let answer = asked.body(request.body.clone()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn no_one_shard() {
    let image = fresh();
    let sound = instance(&image);
    look(&sound, &["--fix"]);
    for (from, to, what, cure) in [
        (
            r#""sharding":"single""#,
            r#""sharding":"flexible""#,
            "sharding",
            "the database is not OneShard, which cannot be changed; set DB_NAME to a new one",
        ),
        (
            r#""role":"COORDINATOR""#,
            r#""role":"SINGLE""#,
            "role",
            "its role is SINGLE; set ARANGO_HOST to a coordinator",
        ),
        (r#""3.12.4""#, r#""3.11.9""#, "server", "ArangoDB 3.11.9 was never tried; use 3.12"),
        (
            "cluster-one-shard",
            "scatter-in-cluster",
            "queries",
            "queries are not pushed to one server; check the cluster's licence for OneShard",
        ),
    ] {
        let mut ill = sound.clone();
        ill.set("ARANGO_HOST", &altered(&image.config().url, from, to));
        let (code, all) = look(&ill, &[]);
        let all: Vec<_> = all.into_iter().filter(|told| told.starts_with("fail: ")).collect();
        assert_eq!((code, all), (Some(1), vec![format!("fail: {what} is not as it should be -> {cure}")]));
    }
    assert_eq!(look(&sound, &[]).1.iter().filter(|told| !told.starts_with("ok: ")).count(), 0);
}
