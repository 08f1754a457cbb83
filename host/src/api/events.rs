//! The monologue as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{self, KeepAlive};
use futures::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::input::At;
use super::messages::{message_id, unknown};
use super::problem::Problem;
use super::{Api, Shared};
use crate::object::{Event, Fault, Kind, MessageId};
use crate::orchestrator::last_event;

/// Streams that are open at once: each holds a connection, and others must get through.
pub const MAX_STREAMS: usize = 256;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The pause between looks for the end of a message that another server works on.
const LOOK: Duration = Duration::from_secs(1);

/// The monologue of all messages, from now on.
#[utoipa::path(
    get, path = "/events", operation_id = "events", tag = "events",
    responses((status = 200, description = "One event a step, `event:` is the step's name; does not end",
        body = ref("#/components/schemas/ServerSentEvent"), content_type = "text/event-stream"))
)]
pub async fn all(
    State(api): Shared,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let permit = permit(&api)?;
    let live = api.orchestrator.monologue().subscribe();
    Ok(Feed {
        api,
        only: None,
        ready: VecDeque::new(),
        live,
        ended: false,
        look: Instant::now(),
        _permit: permit,
    }
    .into_answer())
}

fn permit(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        let text = format!("{MAX_STREAMS} clients listen to events already: try again later");
        Fault::new(Kind::Busy, text).into()
    })
}

/// The monologue of one message: what this server has said since it started, then what follows. Ends after its last step;
/// of a message that ended before, that step is all there is.
#[utoipa::path(
    get, path = "/messages/{id}/events", operation_id = "message_events", tag = "events", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "One event a step, `event:` is the step's name",
        body = ref("#/components/schemas/ServerSentEvent"), content_type = "text/event-stream"))
)]
pub async fn of_message(
    State(api): Shared,
    At(id): At<String>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let (id, permit) = (message_id(&id)?, permit(&api)?);
    // In this order nothing is missed: what is said after the record was read is in the live part.
    let (history, live) = api.orchestrator.monologue().of(id);
    let message = api.orchestrator.store().message(id).await?.ok_or_else(|| unknown(&id.to_string()))?;
    let mut ready = VecDeque::from(history);
    // What was said in this process is told whole; its end may still be coming.
    if ready.is_empty() {
        ready.extend(last_event(&message));
    }
    let look = Instant::now() + LOOK;
    Ok(Feed { api, only: Some(id), ready, live, ended: false, look, _permit: permit }.into_answer())
}

/// One client's view of the monologue.
struct Feed {
    api: Arc<Api>,
    only: Option<MessageId>,
    /// What is to be sent before anything new is waited for.
    ready: VecDeque<Event>,
    live: Receiver<Event>,
    ended: bool,
    /// When to look for the end in the store.
    look: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    fn into_answer(self) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
        let events = stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok(framed(&event)), feed))
        });
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                self.ended = self.only.is_some() && event.step.is_final();
                return Some(event);
            }
            let heard = tokio::select! {
                () = self.api.closed() => return None,
                heard = self.live.recv() => heard,
                // Another server may have ended it.
                () = sleep_until(self.look), if self.only.is_some() => {
                    self.look = Instant::now() + LOOK;
                    Err(RecvError::Lagged(0))
                }
            };
            match heard {
                Ok(event) if self.only.is_none_or(|id| id == event.message_id) => self.ready.push_back(event),
                Ok(_) => {}
                // This client was too slow. What was lost is lost, but the end must not be.
                Err(RecvError::Lagged(_)) => self.ready.extend(self.missed_end().await),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The end of the message that this is about, unless it is still to be told here.
    async fn missed_end(&self) -> Option<Event> {
        if self.only.is_some_and(|id| self.api.orchestrator.works_on(id)) {
            return None;
        }
        let message = self.api.orchestrator.store().message(self.only?).await.ok()??;
        last_event(&message)
    }
}

fn framed(event: &Event) -> sse::Event {
    let framed = sse::Event::default().event(event.step.as_str());
    framed
        .json_data(event)
        .unwrap_or_else(|error| sse::Event::default().comment(format!("not JSON: {error}")))
}
