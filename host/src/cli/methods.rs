//! `aura method`.

mod quota;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method as Http;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::read_source;
use super::client::Client;
use super::failure::Failure;
use super::objects::path;
use super::provenance::{explain, summarise};
use super::term::{print, print_json};
use super::{Output, compare, regenerate};
use crate::config::Config;
use crate::object::{Method, MethodName, ObjectId, QuotaOverride};

#[derive(Subcommand)]
pub enum Command {
    /// List the methods of an object
    List {
        object: ObjectId,
        #[command(flatten)]
        inherited: Inherited,
        #[command(flatten)]
        output: Output,
    },
    /// Show a method
    Show {
        #[command(flatten)]
        method: Name,
        /// An earlier version of it
        #[arg(long, value_name = "N", conflicts_with = "inherited")]
        version: Option<u32>,
        #[command(flatten)]
        inherited: Inherited,
        #[command(flatten)]
        output: Output,
    },
    /// Install a method by hand
    Install {
        #[command(flatten)]
        method: Name,
        /// A file with the method body; `-` reads from stdin
        file: PathBuf,
        #[command(flatten)]
        quota: Quota,
        #[command(flatten)]
        output: Output,
    },
    /// List the versions of a method
    Versions {
        #[command(flatten)]
        method: Name,
        #[command(flatten)]
        output: Output,
    },
    /// Show what differs between two versions of a method
    Diff(compare::Options),
    /// Have the mind write a better body of a method
    ///
    /// It is audited and compared with the recorded runs of the method, and installed if all of them come out as they did.
    Regenerate(regenerate::Options),
    /// Return to an earlier version of a method
    Rollback {
        #[command(flatten)]
        method: Name,
        version: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Set what a method may use, or show it; limits that are not given come from the server's configuration
    Quota(quota::Options),
}

#[derive(Args)]
pub struct Name {
    pub object: ObjectId,
    pub name: MethodName,
}

impl Name {
    /// Where the API has the method.
    pub fn path(&self) -> String {
        format!("{}/methods/{}", path(&self.object), self.name)
    }
}

#[derive(Args)]
pub struct Inherited {
    /// Also what the object inherits
    #[arg(long)]
    inherited: bool,
}

#[derive(Args)]
pub struct Quota {
    /// WebAssembly fuel of one run
    #[arg(long)]
    fuel: Option<u64>,
    /// Wall-clock milliseconds of one run
    #[arg(long)]
    wall_ms: Option<u64>,
    /// Memory of one run
    #[arg(long)]
    memory_bytes: Option<u64>,
    /// Printed output of one run
    #[arg(long)]
    output_bytes: Option<u64>,
}

impl Quota {
    /// `None`: nothing is set.
    fn set(&self) -> Option<QuotaOverride> {
        let quota = QuotaOverride {
            fuel: self.fuel,
            wall_ms: self.wall_ms,
            memory_bytes: self.memory_bytes,
            output_bytes: self.output_bytes,
        };
        (quota != QuotaOverride::default()).then_some(quota)
    }
}

#[derive(Deserialize, Serialize)]
struct Methods {
    methods: Vec<Method>,
}

#[derive(Deserialize, Serialize)]
struct Versions {
    versions: Vec<Method>,
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let client = Client::new(config)?;
    match command {
        Command::List { object, inherited, output } => {
            let path = format!("{}/methods?inherited={}", path(&object), inherited.inherited);
            let all: Methods = client.get(&path).await?;
            if output.json { print_json(&all) } else { all.methods.iter().try_for_each(summarise) }
        }
        Command::Show { method, version, inherited, output } => {
            let path = match version {
                Some(version) => format!("{}/versions/{version}", method.path()),
                None => format!("{}?inherited={}", method.path(), inherited.inherited),
            };
            let method: Method = client.get(&path).await?;
            if output.json {
                return print_json(&method);
            }
            detail(&method)?;
            print(method.source.as_str())
        }
        Command::Install { method, file, quota, output } => {
            let mut body = json!({"source": read_source(&file)?});
            if let Some(quota) = quota.set() {
                body["quota"] = json!(quota);
            }
            installed(&client.send(Http::PUT, &method.path(), body.to_string()).await?, output)
        }
        Command::Versions { method, output } => {
            let all: Versions = client.get(&format!("{}/versions", method.path())).await?;
            if output.json { print_json(&all) } else { all.versions.iter().try_for_each(detail) }
        }
        Command::Diff(options) => compare::run(config, &client, options).await,
        Command::Regenerate(options) => regenerate::run(config, &client, options).await,
        Command::Rollback { method, version, output } => {
            let body = json!({"version": version}).to_string();
            installed(&client.send(Http::POST, &format!("{}/rollback", method.path()), body).await?, output)
        }
        Command::Quota(options) => quota::run(&client, options).await,
    }
}

fn answer(method: &Method, output: Output) -> Result<(), Failure> {
    if output.json { print_json(method) } else { summarise(method) }
}

/// The new version, and what recorded runs say of it.
fn installed(method: &Method, output: Output) -> Result<(), Failure> {
    answer(method, output)?;
    match &method.provenance.regression {
        Some(regression) if !output.json => super::provenance::tell(regression),
        _ => Ok(()),
    }
}

fn detail(method: &Method) -> Result<(), Failure> {
    summarise(method)?;
    explain(&method.provenance)
}
