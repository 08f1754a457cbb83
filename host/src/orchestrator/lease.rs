//! This server's lease on the image: renewed while it works, made anew when it was lost; and the messages that
//! are without a server, or that this one left lying.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use super::Orchestrator;
use crate::object::Fault;
use crate::store::{Lease, StoreError};

/// A lease is renewed so often while it lasts.
const RENEWALS: u32 = 3;

impl Orchestrator {
    pub(super) fn lease(&self) -> Lease {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes up what was accepted and not finished, by an earlier process or by a server that is gone; how many
    /// messages those are. From now on the lease is kept, and messages of servers that end are taken over.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, Fault> {
        self.parts.store.take_over(&self.lease()).await?;
        let recovered = self.take_up().await?;
        tokio::spawn(keep(Arc::downgrade(self)));
        Ok(recovered)
    }

    /// There is a message that this server has to finish and that no task works on.
    pub(super) fn leave_lying(&self) {
        self.left_lying.store(true, Ordering::Relaxed);
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
                let lease = store.join(&lease.server, time).await?;
                *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
                self.leave_lying();
            }
            Err(error) => return Err(error.into()),
        }
        let taken = store.take_over(&self.lease()).await?;
        if taken > 0 {
            tracing::info!("took over {taken} messages of a server that is gone");
        }
        if self.left_lying.swap(false, Ordering::Relaxed) || taken > 0 {
            self.take_up().await?;
        }
        Ok(())
    }
}

async fn keep(orchestrator: Weak<Orchestrator>) {
    while let Some(orchestrator) =
        orchestrator.upgrade().filter(|orchestrator| !orchestrator.census.is_closed())
    {
        let pause = orchestrator.parts.lease_time / RENEWALS;
        if let Err(fault) = orchestrator.keep_once().await {
            orchestrator.leave_lying();
            tracing::warn!("the lease on the image could not be renewed: {fault}");
        }
        drop(orchestrator);
        tokio::time::sleep(pause).await;
    }
}
