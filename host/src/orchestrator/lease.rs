//! This server's lease on the image: renewed while it works, made anew when it was lost; and the messages that
//! are without a server, or that this one left lying.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures::future::join_all;

use super::Orchestrator;
use crate::object::{Fault, MessageStatus};
use crate::store::{Lease, LeaseId, MessageFilter, ServerName, StoreError};

/// A lease is renewed so often while it lasts.
const RENEWALS: u32 = 3;

/// The pause after the lease could not be renewed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// The shortest pause before a lease is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

impl Orchestrator {
    pub(super) fn lease(&self) -> Lease {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether that is still this server's lease, as far as it knows.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) == *lease
    }

    /// Takes up what was accepted and not finished, by an earlier process or by a server that is gone; how many
    /// messages those are. From now on the lease is kept, and messages of servers that end are taken over.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, Fault> {
        // Whatever this machine's clock says, new messages come behind those that are there.
        let newest = MessageFilter { limit: 1, ..MessageFilter::default() };
        if let Some(newest) = self.parts.store.messages(&newest).await?.items.first() {
            newest.message_id.count_on_from();
        }
        self.parts.store.take_over(&self.lease()).await?;
        let recovered = self.take_up().await?;
        tokio::spawn(keep(Arc::downgrade(self)));
        Ok(recovered)
    }

    /// A message was refused under the lease: a new one is wanted now.
    pub(super) fn lease_is_lost(&self) {
        self.wanted.notify_one();
    }

    /// Ends the lease. What still runs under it is refused from now on, and can be taken over at once.
    pub async fn leave(&self) -> Result<(), Fault> {
        let (store, lease) = (&self.parts.store, self.lease());
        self.left.send_replace(true);
        // Nothing died while these ran.
        let noted = self.records.noted();
        let mut own = store.unfinished(&lease.server).await.unwrap_or_default();
        own.retain(|message| message.status == MessageStatus::Running && noted.contains(&message.message_id));
        for message in &mut own {
            message.status = MessageStatus::Accepted;
            message.restarts = message.restarts.saturating_sub(1);
        }
        for outcome in join_all(own.iter().map(|message| store.note(message, &lease))).await {
            if let Err(error) = outcome {
                tracing::debug!("a message stays noted as running: {error}");
            }
        }
        Ok(store.leave(&lease).await?)
    }

    async fn keep_once(self: &Arc<Self>) -> Result<(), Fault> {
        let (store, time) = (&self.parts.store, self.parts.lease_time);
        let lease = self.lease();
        match store.renew(&lease, time).await {
            Ok(()) => {}
            Err(StoreError::Fenced) => {
                tracing::warn!(
                    "another server took over the messages of this one, which was silent too long"
                );
                metrics::counter!("aura_leases_lost_total").increment(1);
                // Under a name of its own: perhaps another process has this one's, as from a copied folder.
                let server = ServerName::parse(&LeaseId::fresh().to_string()).unwrap_or(lease.server);
                let lease = store.join(&server, time).await?;
                *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
                self.records.leave_lying();
            }
            Err(error) => return Err(error.into()),
        }
        if self.census.is_closed() {
            return Ok(());
        }
        let taken = store.take_over(&self.lease()).await?;
        if taken > 0 {
            tracing::info!("took over {taken} messages of a server that is gone");
        }
        if self.records.take_left_lying() || taken > 0 {
            self.take_up().await?;
        }
        Ok(())
    }
}

async fn keep(orchestrator: Weak<Orchestrator>) {
    while let Some(orchestrator) = orchestrator.upgrade() {
        let mut left = orchestrator.left.subscribe();
        let kept = tokio::select! {
            _ = left.wait_for(|left| *left) => return,
            kept = orchestrator.keep_once() => kept,
        };
        let mut pause = orchestrator.parts.lease_time / RENEWALS;
        if let Err(fault) = kept {
            orchestrator.records.leave_lying();
            tracing::warn!("the lease on the image could not be renewed: {fault}");
            pause = pause.min(AFTER_A_FAILURE);
        }
        let wanted = Arc::clone(&orchestrator.wanted);
        drop(orchestrator);
        // Nobody needs a lease more often than this.
        tokio::time::sleep(pause.min(AGAIN)).await;
        let _ = tokio::time::timeout(pause.saturating_sub(AGAIN), wanted.notified()).await;
    }
}
