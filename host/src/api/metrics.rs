//! The process's counters and histograms: what they mean, and how they are shown to Prometheus.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{Api, Shared};

const REQUESTS: &str = "aura_http_requests_total";
const REFUSED: &str = "aura_http_connections_refused_total";
const MESSAGES: &str = "aura_messages_total";
const CYCLE: &str = "aura_cycle_duration_seconds";
const FUEL: &str = "aura_fuel_used_total";
const GENERATIONS: &str = "aura_generations_total";
const COMMITS_LOST: &str = "aura_commits_lost_total";
const LEASES_LOST: &str = "aura_leases_lost_total";
const TRANSACTIONS: &str = "aura_store_transactions_total";
const WRITES: &str = "aura_store_writes_total";
const TRANSACTION: &str = "aura_store_transaction_seconds";
const QUEUE_RUNNING: &str = "aura_queue_running";
const QUEUE_WAITING: &str = "aura_queue_waiting";
const QUEUE_CAPACITY: &str = "aura_queue_capacity";

/// From a warm call to a mind that had to think several times.
const CYCLE_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0];

/// How often samples are put into their buckets when nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's recorder.
pub struct Metrics(PrometheusHandle);

impl Metrics {
    pub fn install() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        Self(HANDLE.get_or_init(start).clone())
    }
}

fn start() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(CYCLE.to_owned()), &CYCLE_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(TRANSACTION.to_owned()), &CYCLE_BUCKETS)
        })
        .unwrap_or_default()
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another metrics recorder is installed; /metrics stays empty");
    }
    describe_counter!(REQUESTS, "HTTP requests by method, route and status.");
    describe_counter!(REFUSED, "Connections beyond those that one client may hold.");
    describe_counter!(MESSAGES, "Finished messages by status and kind of error.");
    describe_histogram!(CYCLE, "Seconds from the first work on a message to its final state.");
    describe_counter!(FUEL, "WebAssembly fuel used by finished messages.");
    describe_counter!(GENERATIONS, "Answers of the mind by what became of them.");
    describe_counter!(
        COMMITS_LOST,
        "Commits that were refused, by cause: conflict with another cycle, an earlier message whose turn it was, a \
         lost lease, a store that was away."
    );
    describe_counter!(LEASES_LOST, "Times that another server took over the messages of this one.");
    describe_counter!(
        TRANSACTIONS,
        "Transactions of the store, each on disk before anything of it was answered."
    );
    describe_counter!(WRITES, "Writes that shared those transactions.");
    describe_histogram!(TRANSACTION, "Seconds that a transaction took, disk included.");
    describe_gauge!(QUEUE_RUNNING, "Messages being worked on.");
    describe_gauge!(QUEUE_WAITING, "Messages waiting.");
    describe_gauge!(QUEUE_CAPACITY, "Messages that may run or wait before new ones are refused.");
    handle
}

pub fn count_request(method: &Method, route: String, status: StatusCode) {
    // A client can invent methods, and each label value is kept for ever.
    let method = match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.to_string(),
        _ => "other".to_owned(),
    };
    counter!(REQUESTS, "method" => method, "route" => route, "status" => status.as_str().to_owned())
        .increment(1);
}

pub fn count_refused_connection() {
    counter!(REFUSED).increment(1);
}

/// Puts samples into their buckets while nobody asks for them, until the server stops.
pub async fn upkeep(api: Arc<Api>) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = api.closed() => return,
            _ = ticks.tick() => {
                api.metrics.0.run_upkeep();
                api.clients.forget();
            }
        }
    }
}

/// Counters in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "operation",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"))
)]
pub async fn show(State(api): Shared) -> impl IntoResponse {
    let load = api.orchestrator.load();
    // Far below 2^52, so exact.
    #[expect(clippy::cast_precision_loss)]
    for (name, value) in
        [(QUEUE_RUNNING, load.running), (QUEUE_WAITING, load.queued), (QUEUE_CAPACITY, load.capacity)]
    {
        gauge!(name).set(value as f64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.0.render())
}
