//! The HTTP API.
//!
//! Handlers read what a client sent ([`input`]), ask the orchestrator or its store, and answer; every error goes
//! out as a [`problem`]. Nothing here decides anything about objects.

mod audit;
mod budgets;
mod clients;
mod conditions;
mod events;
mod guard;
mod health;
mod input;
mod invocations;
mod messages;
mod methods;
mod metrics;
mod objects;
mod observe;
mod openapi;
mod paths;
mod problem;
mod regenerate;
mod server;
mod versions;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::sync::{Semaphore, watch};

pub use audit::AuditReport;
pub use budgets::BudgetReport;
pub use guard::Token;
pub use server::{Stopped, serve};

use crate::object::{Json, Kind};
use crate::orchestrator::Orchestrator;
use clients::Clients;
use problem::Problem;

/// What all handlers share.
pub struct Api {
    orchestrator: Arc<Orchestrator>,
    /// True from the moment at which open answers have to end.
    closing: watch::Sender<bool>,
    metrics: metrics::Metrics,
    readiness: health::Readiness,
    streams: Arc<Semaphore>,
    openapi: Json,
    token: Option<Token>,
    clients: Arc<Clients>,
    patience: Duration,
}

/// Who may ask, how often, and how slowly.
pub struct Wall {
    /// Without a token everybody who reaches the server may use it.
    pub token: Option<Token>,
    /// Requests a second of a client that is not on this machine.
    pub rate: Option<NonZeroU32>,
    /// How long a client may take to send a head or a body, to take an answer, or to ask again.
    pub patience: Duration,
}

type Shared = State<Arc<Api>>;

impl Api {
    pub fn new(orchestrator: Arc<Orchestrator>, wall: Wall) -> Arc<Self> {
        Arc::new(Self {
            orchestrator,
            closing: watch::Sender::new(false),
            metrics: metrics::Metrics::install(),
            readiness: health::Readiness::default(),
            streams: Arc::new(Semaphore::new(events::MAX_STREAMS)),
            openapi: openapi::document(&openapi::routes().into_openapi()),
            token: wall.token,
            clients: Clients::new(wall.rate),
            patience: wall.patience,
        })
    }

    /// Returns when open answers have to end.
    async fn closed(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

fn router(api: &Arc<Api>) -> Router {
    let (routes, _) = openapi::routes().split_for_parts();
    let guarded = routes
        .route("/openapi.json", get(openapi::serve))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(api), guard::check));
    observe::observed(guarded).with_state(Arc::clone(api))
}

async fn unknown_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        Kind::Malformed,
        format!("There is nothing at {path}. What there is: GET /openapi.json."),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Kind::Malformed,
        format!("{method} is not possible at {path}."),
    )
}

/// JSON that is text already.
fn json_text(json: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.get().to_owned()).into_response()
}
