//! One recorded run by its id: asked of the running server, or without one read from the image.

use std::io::{self, Write as _};

use reqwest::{Method, StatusCode};

use super::{Replayer, hint_at_other_guests, print_report};
use crate::cli::Output;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::parts;
use crate::cli::term::print_json;
use crate::config::Config;
use crate::object::InvocationId;
use crate::replay::{self, Case, Reason, Report, Scope, Verdict};

pub async fn replay(config: &Config, id: InvocationId, scope: Scope, output: Output) -> Result<(), Failure> {
    let asked = match scope {
        Scope::Exact => {
            let path = format!("/invocations/{id}/replay");
            Client::new(config)?.either(Method::POST, &path, StatusCode::CONFLICT).await
        }
        // What the server runs is what the server recorded.
        Scope::Behaviour => Err(Failure::Unreachable(String::new())),
    };
    let report: Report = match asked {
        Err(Failure::Unreachable(text)) => match from_image(config, id, text).await? {
            Ok(case) => (&Replayer::new(config, scope).await?.replay(case).await?).into(),
            Err(reason) => (&Verdict::NotReplayable(reason)).into(),
        },
        asked => asked?,
    };
    if output.json {
        print_json(&report)?;
    } else {
        print_report(&report, &id.to_string())?;
    }
    if !output.json && report.reason.as_deref() == Some("other_guest") {
        hint_at_other_guests()?;
    }
    if report.is_identical() { Ok(()) } else { Err(Failure::Told(1)) }
}

pub async fn export(config: &Config, id: InvocationId) -> Result<(), Failure> {
    let fixture = match Client::new(config)?.text(&format!("/invocations/{id}/fixture")).await {
        Err(Failure::Unreachable(text)) => {
            let case = from_image(config, id, text).await?;
            let case =
                case.map_err(|reason| Failure::Failed(format!("The run cannot be exported: {reason}.")))?;
            let mut fixture = Vec::new();
            replay::write_fixture(&case, &mut fixture)
                .map_err(|error| Failure::Failed(format!("The fixture cannot be written: {error}")))?;
            fixture
        }
        fixture => fixture?.into_bytes(),
    };
    io::stdout().write_all(&fixture).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Told(0),
        _ => Failure::Failed(format!("Cannot write to stdout: {error}")),
    })
}

/// The run as the image has it; `unreachable` is told if there is no image either.
async fn from_image(
    config: &Config,
    id: InvocationId,
    unreachable: String,
) -> Result<Result<Case, Reason>, Failure> {
    let store = match parts::image(config).await {
        Err(failure) if !unreachable.is_empty() => {
            return Err(Failure::Unreachable(format!("{unreachable} {failure}")));
        }
        store => store?,
    };
    match store.invocation(id).await? {
        Some(record) => Ok(replay::load(&*store, record).await?),
        None => Err(Failure::Failed(format!("ObjectNotFound: There is no invocation '{id}'."))),
    }
}
