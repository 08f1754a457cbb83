//! Connections: how many, how long, and how they end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::clients::{Client, Seat};
use super::guard::Sender;
use super::paths::shorten;
use super::{Api, metrics, router};
use crate::object::Fault;

const MAX_CONNECTIONS: usize = 1024;
const MAX_HEADER_BYTES: usize = 64 << 10;

/// How long running messages may take to finish when the server stops. Those that do not are on disk and are
/// taken up again at the next start.
const RUNNING_GRACE: Duration = Duration::from_secs(8);
const CONNECTION_GRACE: Duration = Duration::from_secs(2);
const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// How a server ended.
pub enum Stopped {
    /// All that ran was finished; so many messages wait on disk for the next start.
    Clean { queued: usize },
    /// The same, but the store does not say how many.
    Uncounted(Fault),
    /// Messages were still running; they are on disk and start again at the next start.
    Cut,
}

/// Serves until `stop` returns, then ends in order.
pub async fn serve(listener: TcpListener, api: Arc<Api>, stop: impl Future<Output = ()>) -> Stopped {
    let upkeep = tokio::spawn(metrics::upkeep(Arc::clone(&api)));
    let connections = GracefulShutdown::new();
    accept_until(stop, &listener, &api, &connections).await;
    drop(listener);

    let finish = async {
        let stopped = match timeout(RUNNING_GRACE, api.orchestrator.shutdown()).await {
            Ok(Ok(queued)) => Stopped::Clean { queued },
            Ok(Err(fault)) => Stopped::Uncounted(fault),
            Err(_) => {
                // The others need not wait until the lease runs out.
                if !matches!(timeout(LEAVE_GRACE, api.orchestrator.leave()).await, Ok(Ok(()))) {
                    tracing::warn!("the lease on the image could not be given back");
                }
                Stopped::Cut
            }
        };
        api.closing.send_replace(true);
        stopped
    };
    let close = timeout(RUNNING_GRACE + CONNECTION_GRACE, connections.shutdown());
    let (stopped, closed) = tokio::join!(finish, close);
    if closed.is_err() {
        tracing::warn!("some clients did not close their connections in time");
    }
    upkeep.abort();
    stopped
}

async fn accept_until(
    stop: impl Future<Output = ()>,
    listener: &TcpListener,
    api: &Arc<Api>,
    connections: &GracefulShutdown,
) {
    let router = router(api);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // The semaphore is never closed, so there is always a permit to come.
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = next => accepted,
        };
        match accepted {
            Some((permit, Ok((stream, address)))) => {
                let client = Client::at(address.ip());
                let seat = client.map(|client| api.clients.seat(client));
                if let Some(None) = seat {
                    metrics::count_refused_connection();
                    continue;
                }
                let connection =
                    Connection { client, patience: api.patience, _held: (permit, seat.flatten()) };
                tokio::spawn(connection.serve(stream, router.clone(), connections.watcher()));
            }
            Some((_, Err(error))) => wait_out(&error).await,
            None => return,
        }
    }
}

/// A client that gave up is nothing; running out of file handles passes, but not at once.
async fn wait_out(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!("a connection could not be taken: {error}");
        sleep(Duration::from_millis(100)).await;
    }
}

struct Connection {
    client: Option<Client>,
    patience: Duration,
    _held: (OwnedSemaphorePermit, Option<Seat>),
}

impl Connection {
    async fn serve(self, stream: TcpStream, router: Router, watcher: Watcher) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("no TCP_NODELAY: {error}");
        }
        // An answer that the client does not take is given up.
        let unread = u32::try_from(self.patience.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = sockopt::set_tcp_user_timeout(&stream, unread) {
            tracing::debug!("no TCP_USER_TIMEOUT: {error}");
        }
        let (router, sender) = (TowerToHyperService::new(router), Sender(self.client));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(sender);
            shorten(request.uri_mut());
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience)
            .max_header_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!("a connection broke off: {error}");
        }
    }
}
