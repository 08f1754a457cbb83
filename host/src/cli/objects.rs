//! `aura object`.

use clap::Subcommand;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Output;
use super::client::{Client, parameter, segment};
use super::failure::Failure;
use super::send::object as json_object;
use super::term::{print, print_json, thousands};
use crate::api::BudgetReport;
use crate::config::Config;
use crate::object::{Budget, Json, MethodName, Object, ObjectId, Timestamp};

#[derive(Subcommand)]
pub enum Command {
    /// List all objects
    List(Output),
    /// Show an object
    Show {
        object: ObjectId,
        #[command(flatten)]
        output: Output,
    },
    /// Create an object
    Create {
        object: ObjectId,
        /// Its attributes as a JSON object
        #[arg(value_name = "JSON_ATTRIBUTES", value_parser = json_object, default_value = "{}")]
        attributes: Json,
        /// An object it inherits from; several are searched in the order given
        #[arg(long = "prototype", value_name = "OBJECT")]
        prototypes: Vec<ObjectId>,
        #[command(flatten)]
        output: Output,
    },
    /// Set attributes of an object; those not named stay
    Set {
        object: ObjectId,
        /// The attributes as a JSON object, such as '{"colour": "red"}'
        #[arg(value_name = "JSON_ATTRIBUTES", value_parser = json_object)]
        attributes: Json,
        #[command(flatten)]
        output: Output,
    },
    /// Replace the prototypes of an object
    Link {
        object: ObjectId,
        /// The objects it inherits from, searched in this order; none: it inherits nothing
        prototypes: Vec<ObjectId>,
        #[command(flatten)]
        output: Output,
    },
    /// Show how much fuel an object may use within an hour, or set it
    Budget {
        object: ObjectId,
        /// Fuel per hour; `none`: the server's AURA_FUEL_PER_HOUR holds
        #[arg(value_parser = fuel_per_hour)]
        fuel_per_hour: Option<Budget>,
        #[command(flatten)]
        output: Output,
    },
}

fn fuel_per_hour(text: &str) -> Result<Budget, String> {
    let fuel_per_hour = match text {
        "none" => None,
        text => Some(text.parse().map_err(|_| "use a whole number, or none".to_owned())?),
    };
    let budget = Budget { fuel_per_hour };
    budget.check().map(|()| budget)
}

#[derive(Deserialize, Serialize)]
struct Page {
    objects: Vec<Object>,
    #[serde(default, skip_serializing)]
    next: Option<ObjectId>,
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let client = Client::new(config)?;
    match command {
        Command::List(output) => list(&client, output).await,
        Command::Show { object, output } => show(&client.get(&path(&object)).await?, output),
        Command::Create { object, attributes, prototypes, output } => {
            let ids = json!(prototypes);
            let body = format!("{{\"key\":\"{object}\",\"attributes\":{attributes},\"prototypes\":{ids}}}");
            show(&client.send(Method::POST, "/objects", body).await?, output)
        }
        Command::Set { object, attributes, output } => {
            let body = format!("{{\"attributes\":{attributes}}}");
            show(&client.send(Method::PATCH, &path(&object), body).await?, output)
        }
        Command::Link { object, prototypes, output } => {
            let (path, body) = (format!("{}/prototypes", path(&object)), json!({ "prototypes": prototypes }));
            show(&client.send(Method::PUT, &path, body.to_string()).await?, output)
        }
        Command::Budget { object, fuel_per_hour, output } => {
            let path = format!("{}/budget", path(&object));
            let report = match fuel_per_hour {
                Some(budget) => client.send(Method::PUT, &path, json!(budget).to_string()).await?,
                None => client.get(&path).await?,
            };
            show_budget(&report, output)
        }
    }
}

fn show_budget(report: &BudgetReport, output: Output) -> Result<(), Failure> {
    if output.json {
        return print_json(report);
    }
    let BudgetReport { object, fuel_per_hour, in_force, used, until, .. } = report;
    let used = thousands(*used);
    let Some(limit) = in_force else { return print(&format!("{object} has no budget.")) };
    let origin = if fuel_per_hour.is_some() { "its own" } else { "the server's" };
    let minutes = until.0.saturating_sub(Timestamp::now().0).max(0) / 60_000 + 1;
    print(&format!(
        "{object} has {} fuel an hour ({origin}); {used} of this hour's are used, and it ends in {minutes} min.",
        thousands(*limit)
    ))
}

/// Where the API has an object.
pub fn path(object: &ObjectId) -> String {
    format!("/objects/{}", segment(object.as_str()))
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let mut all = Page { objects: Vec::new(), next: None };
    loop {
        let after =
            all.next.as_ref().map_or_else(String::new, |next| format!("&after={}", parameter(next.key())));
        let page: Page = client.get(&format!("/objects?limit=1000{after}")).await?;
        all.objects.extend(page.objects);
        all.next = page.next;
        if all.next.is_none() {
            break;
        }
    }
    if output.json {
        return print_json(&all);
    }
    all.objects.iter().try_for_each(|object| print(object.id.as_str()))
}

fn show(object: &Object, output: Output) -> Result<(), Failure> {
    if output.json {
        return print_json(object);
    }
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    print(&format!("{}, revision {}", object.id, object.rev))?;
    print(&format!("prototypes: {}", names(object.prototypes.iter().map(ObjectId::as_str).collect())))?;
    print(&format!("methods: {}", names(object.methods.iter().map(MethodName::as_str).collect())))?;
    print(&format!("attributes: {}", object.attributes))
}
