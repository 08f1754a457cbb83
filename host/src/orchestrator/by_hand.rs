//! What people change: methods, audited like any other and installed at once, attributes, prototypes.

use std::sync::Arc;

use super::Orchestrator;
use super::fault::crashed;
use super::lanes::Turn;
use crate::object::{
    Account, Author, Budget, Fault, Json, Kind, Method, MethodName, Object, ObjectId, Provenance,
    QuotaOverride, Rev, Source, Timestamp,
};
use crate::sandbox::{Audit, Verdict};
use crate::store::{Install, StoreError};

impl Orchestrator {
    /// Audits and installs by hand. What recorded runs say of it stands in the version's provenance.
    pub async fn install(
        &self,
        object: ObjectId,
        name: MethodName,
        source: Source,
        quota: Option<QuotaOverride>,
    ) -> Result<Method, Fault> {
        if let Some(quota) = &quota {
            quota.check().map_err(|text| Fault::new(Kind::Malformed, text))?;
        }
        self.install_audited(Install { object, name, source, quota, provenance: Provenance::hand() }).await
    }

    /// Installs an earlier version again, as a new version. It is audited again: the rules may have changed.
    pub async fn rollback(&self, object: ObjectId, name: MethodName, version: u32) -> Result<Method, Fault> {
        let Some(earlier) = self.store().version(&object, &name, version).await? else {
            return Err(StoreError::VersionNotFound { object, name, version }.into());
        };
        let provenance =
            Provenance { author: Author::Rollback, restored_version: Some(version), ..Provenance::hand() };
        let (source, quota) = (earlier.source, Some(earlier.quota));
        self.install_audited(Install { object, name, source, quota, provenance }).await
    }

    pub async fn set_quota(
        &self,
        object: &ObjectId,
        name: &MethodName,
        quota: QuotaOverride,
    ) -> Result<Method, StoreError> {
        let _turn = self.turn_on(object).await;
        self.store().set_quota(object, name, quota).await
    }

    /// What the object may use within an hour, if anything says so, and what it has used.
    pub async fn budget(&self, object: &ObjectId) -> Result<(Account, Option<u64>), StoreError> {
        let account = match self.store().account(object).await? {
            Some(account) => account,
            None => Account::fresh(Budget::default(), Timestamp::now()),
        };
        let account = account.at(Timestamp::now());
        Ok((account, account.budget.fuel_per_hour.or(self.parts.fuel_per_hour)))
    }

    pub async fn patch_attributes(
        &self,
        id: &ObjectId,
        patch: &Json,
        if_match: Option<&Rev>,
    ) -> Result<Object, StoreError> {
        let _turn = self.turn_on(id).await;
        self.store().patch_attributes(id, patch, if_match).await
    }

    pub async fn set_prototypes(
        &self,
        id: &ObjectId,
        prototypes: &[ObjectId],
        if_match: Option<&Rev>,
    ) -> Result<Object, StoreError> {
        let _turn = self.turn_on(id).await;
        self.store().set_prototypes(id, prototypes, if_match).await
    }

    /// Where cycles take turns on an object, so do people: else they could keep a cycle from ever getting
    /// through.
    pub(super) async fn turn_on(&self, id: &ObjectId) -> Option<Turn<ObjectId>> {
        if !self.contended.is_taken(id) {
            return None;
        }
        let mut turn = self.contended.enter(id);
        turn.come().await;
        Some(turn)
    }

    pub async fn audit(&self, source: Source) -> Result<Audit, Fault> {
        let sandbox = Arc::clone(&self.parts.sandbox);
        let audit = self.parts.workers.run(move || sandbox.audit(&source)).await;
        audit.unwrap_or_else(|| Err(crashed("the audit")))
    }

    async fn install_audited(&self, mut install: Install) -> Result<Method, Fault> {
        match self.audit(install.source.clone()).await?.verdict {
            Verdict::Accepted => {
                match self.regression(&install.object, &install.name, &install.source).await {
                    // Without recorded runs there is nothing to say.
                    Ok(found) if found.compared + found.skipped == 0 => {}
                    Ok(found) => install.provenance.regression = Some(found),
                    // To be told is not worth more than to install.
                    Err(fault) => tracing::warn!("recorded runs could not be compared: {fault}"),
                }
                let _turn = self.turn_on(&install.object).await;
                Ok(self.store().install(install).await?)
            }
            Verdict::Rejected(findings) => Err(Fault::audit_rejected(findings)),
        }
    }
}
