//! `aura serve`.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use clap::Args;
use tokio::net::{TcpListener, lookup_host};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;
use super::folder::DataFolder;
use super::ready::Ready;
use super::term::{count, print, tell};
use super::{parts, ready, watch};
use crate::api::{self, Api, Stopped, Token, Wall};
use crate::config::{Config, LogFormat, authority};
use crate::mind::Mind;
use crate::orchestrator::{Orchestrator, Parts};
use crate::outbound::is_loopback;
use crate::store::ServerName;

/// Far longer than a small method takes, and nothing that a sender who waits would notice.
const AT_ONCE: Duration = Duration::from_millis(5);

/// A sandbox that starts beside the server may compile Python first.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Args)]
pub struct Options {
    /// The address to listen on [AURA_API_HOST, 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The port to listen on; 0 takes a free one [AURA_API_PORT, 8000]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Ask the server that runs already whether it is ready, and end: 0 if it is
    #[arg(long)]
    check: bool,
}

pub async fn serve(config: Config, options: Options) -> Result<(), Failure> {
    if options.check {
        return check(&config).await;
    }
    if !config.api_is_loopback() && config.api_token.is_none() {
        return Err(open_to_all(&config));
    }
    let addresses = resolve(&config).await?;
    let folder = DataFolder::open(&config.data)?;
    let mut serving = folder.serve()?;
    let listener = listen(&config, &addresses).await?;
    let url = url(&config, &listener);
    serving.at(&url)?;

    for other in serving.others() {
        say(
            &format!("The folder is served by {other} too; this server shares the image with it."),
            config.log_format,
        );
    }
    let orchestrator = orchestrator(&config, &folder, serving.server()).await?;
    let wall = Wall {
        token: config.api_token.as_ref().map(|token| Token::new(token.reveal())),
        rate: config.rate,
        patience: config.client_timeout,
    };
    let api = Api::new(Arc::clone(&orchestrator), wall);
    let (monologue, format) = (orchestrator.monologue().subscribe(), config.log_format);
    let watching = move || watch::watch(monologue, format);
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(watching)
        .map_err(|error| Failure::Failed(format!("Cannot start a thread: {error}")))?;
    let unfinished = orchestrator.recover().await?;
    if unfinished > 0 {
        let messages = count(unfinished as u64, "message", "messages");
        say(&format!("Taken up again from an earlier run: {messages}."), config.log_format);
    }

    tokio::spawn(look_for_the_mind(Arc::clone(orchestrator.mind()), format));
    let interrupted = interrupted()?;
    let stop = async {
        interrupted.await;
        say("Stopping: what runs has some seconds to finish. Ctrl-C again ends at once.", format);
    };
    // Who does not read this may still send messages.
    let _ = print(&format!("AURA listens on {url}"));
    let stopped = api::serve(listener, api, stop).await;
    // Nor does a terminal that takes nothing more keep the server from ending.
    let (told, done) = mpsc::channel();
    thread::spawn(move || {
        report(&stopped, format);
        told.send(())
    });
    let _ = done.recv_timeout(Duration::from_secs(1));
    Ok(())
}

/// For the health checks of containers, which have no other program for it.
async fn check(config: &Config) -> Result<(), Failure> {
    let url = &config.url;
    match ready::ask(url).await {
        Ok(Ready { ready: true, .. }) => print(&format!("{url} is ready.")),
        Ok(_) => Err(Failure::Failed(format!("{url} is not ready: `aura doctor` says why."))),
        Err(error) => {
            let why = error.without_url();
            Err(Failure::Unreachable(format!("{url} does not say whether it is ready ({why}).")))
        }
    }
}

fn open_to_all(config: &Config) -> Failure {
    Failure::Usage(format!(
        "AURA_API_HOST={} can be reached from other machines: set AURA_API_TOKEN, or listen on 127.0.0.1.",
        config.api_host
    ))
}

/// The addresses to listen on: the first that can be had is taken. What `localhost` means is up to the machine.
async fn resolve(config: &Config) -> Result<Vec<SocketAddr>, Failure> {
    let address = authority(&config.api_host, config.api_port);
    let found = lookup_host(&address).await;
    let found: Vec<_> = found
        .map_err(|error| {
            Failure::Failed(format!("Cannot listen on {address}: {error}. Choose another host with --host."))
        })?
        .collect();
    if config.api_token.is_none() && !found.iter().all(|at| is_loopback(at.ip())) {
        return Err(open_to_all(config));
    }
    Ok(found)
}

async fn listen(config: &Config, addresses: &[SocketAddr]) -> Result<TcpListener, Failure> {
    let address = authority(&config.api_host, config.api_port);
    TcpListener::bind(addresses).await.map_err(|error| {
        Failure::Failed(format!("Cannot listen on {address}: {error}. Choose another port with --port."))
    })
}

/// With the port that was really taken.
fn url(config: &Config, listener: &TcpListener) -> String {
    let port = listener.local_addr().map_or(config.api_port, |address| address.port());
    format!("http://{}", authority(&config.api_host, port))
}

async fn orchestrator(
    config: &Config,
    folder: &DataFolder,
    server: &ServerName,
) -> Result<Arc<Orchestrator>, Failure> {
    let mind = parts::mind(config)?;
    // What is wrong with it is told before there is an image.
    parts::policy(config)?;
    let store = parts::store(config, folder).await?;
    for created in store.genesis().await? {
        say(&format!("Created {created}."), config.log_format);
    }
    let sandbox = parts::sandbox_within(PATIENCE, config).await?;
    let workers = parts::workers()?;
    let lease = store.join(server, config.lease).await?;
    Ok(Orchestrator::new(Parts {
        store,
        sandbox,
        mind,
        workers,
        quota: config.quota,
        fuel_per_hour: config.fuel_per_hour,
        attempts: config.mind_attempts,
        queue: config.queue,
        lease,
        lease_time: config.lease,
        at_once: AT_ONCE,
    }))
}

/// Returns when the user or the system asks the server to stop. Asking twice ends the process at once: all that
/// was accepted is on disk.
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::Failed(format!("Cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        either(&mut interrupt, &mut terminate).await;
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            std::process::exit(130);
        });
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn report(stopped: &Stopped, format: LogFormat) {
    let text = match stopped {
        Stopped::Clean { queued: 0 } => "AURA stopped; no message is waiting.".to_owned(),
        Stopped::Clean { queued } => {
            let messages = count(*queued as u64, "message", "messages");
            format!("AURA stopped; queued on disk for the next start: {messages}.")
        }
        Stopped::Uncounted(fault) => {
            format!("AURA stopped; what waits is on disk, but cannot be counted: {}", fault.message)
        }
        Stopped::Cut => "AURA stopped; messages that were running start again at the next start.".to_owned(),
    };
    say(&text, format);
}

/// Says at the start, and not only when something is to be learnt, that nobody is there to write it.
async fn look_for_the_mind(mind: Arc<dyn Mind>, format: LogFormat) {
    if let Err(error) = mind.check().await {
        say(&format!("No mind answers, so nothing can be learnt yet: {error}."), format);
    }
}

/// A line for whoever watches the server, a person or a program.
fn say(text: &str, format: LogFormat) {
    match format {
        LogFormat::Human => tell(text),
        LogFormat::Json => tracing::info!("{text}"),
    }
}
