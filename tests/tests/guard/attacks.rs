//! The corpus of attacks. One that works returns, prints or stores a proof; `then` is a later run that returns one if it
//! sees what the attack left behind.

use aura::sandbox::Outcome;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::isolates::{Given, Isolates, each, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    attack: Vec<Attack>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    name: String,
    body: String,
    then: Option<String>,
    #[serde(default)]
    args: Vec<Value>,
    kwargs: Option<Map<String, Value>>,
    attributes: Option<Map<String, Value>>,
}

pub struct Class {
    pub name: String,
    pub all: usize,
    pub refused: usize,
    /// Accepted, and in the end nothing was to be seen of it, by how the run ended.
    pub powerless: Vec<String>,
    pub holes: Vec<String>,
}

/// What each attack is installed as.
const METHOD: &str = "attack";

enum End {
    Refused,
    Powerless(String),
    Hole(String),
}

pub fn measure(isolates: &Isolates) -> Vec<Class> {
    let files = read::<File>(&super::corpus().join("attacks"));
    let all: Vec<(&String, &Attack)> = files
        .iter()
        .flat_map(|(class, file)| file.attack.iter().map(move |attack| (class, attack)))
        .collect();
    let ends = each(&all, |(_, attack)| attempt(isolates, attack));
    let mut ends = all.iter().zip(ends).peekable();
    let mut classes = Vec::new();
    while let Some(((name, _), _)) = ends.peek() {
        let name = (*name).clone();
        let mut class =
            Class { name: name.clone(), all: 0, refused: 0, powerless: Vec::new(), holes: Vec::new() };
        while let Some(((_, attack), end)) = ends.next_if(|((of, _), _)| **of == name) {
            class.all += 1;
            match end {
                End::Refused => class.refused += 1,
                End::Powerless(ending) => class.powerless.push(ending),
                End::Hole(proof) => class.holes.push(format!("attack {name}/{}: {proof}", attack.name)),
            }
        }
        classes.push(class);
    }
    classes
}

fn attempt(isolates: &Isolates, attack: &Attack) -> End {
    if isolates.refusal(&attack.body).is_some() {
        return End::Refused;
    }
    let (attributes, kwargs) = (attack.attributes.as_ref(), attack.kwargs.as_ref());
    let given = Given { attributes, kwargs, args: &attack.args, seed: 7 };
    let run = isolates.run(METHOD, &attack.body, &given);
    let ending = match &run.outcome {
        Outcome::Returned { result, attributes: None } if result.get() == "null" && run.output.is_empty() => {
            "nothing".to_owned()
        }
        Outcome::Returned { result, attributes } => {
            let attributes = attributes.as_ref().map(aura::object::Json::get);
            let shown: String =
                format!("{} {attributes:?} {:?}", result.get(), run.output).chars().take(300).collect();
            return End::Hole(shown);
        }
        Outcome::Failed(fault) => format!("{:?}", fault.kind),
        Outcome::Aborted => return End::Hole("the cycle was aborted".to_owned()),
    };
    if ["Internal", "SandboxUnavailable"].contains(&ending.as_str()) {
        return End::Hole(format!("{:?}", run.outcome));
    }
    if let Some(body) = &attack.then {
        let later = isolates.run(METHOD, body, &Given { seed: 8, ..given });
        let sees_nothing =
            matches!(&later.outcome, Outcome::Returned { result, .. } if result.get() == "null");
        if !sees_nothing {
            return End::Hole(format!("a later run sees {:?}", later.outcome));
        }
    }
    if isolates.is_untouched() {
        End::Powerless(ending)
    } else {
        End::Hole("the next isolate differs".to_owned())
    }
}
