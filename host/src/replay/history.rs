//! Cases from the image.

use super::case::referred;
use super::{Case, Reason};
use crate::object::{Contents, Invocation, Source};
use crate::store::{Result, Store, StoreError};

/// Puts together what a record refers to. The inner error says why it can never be replayed.
pub async fn load(store: &dyn Store, record: Invocation) -> Result<std::result::Result<Case, Reason>> {
    let Some(source) = source(store, &record).await? else {
        let (version, name, holder) = (record.method_version, &record.method_name, &record.source_object_id);
        let what = format!("version {version} of '{name}' of {holder} is not the one that ran");
        return Ok(Err(Reason::Incomplete(what)));
    };
    let mut contents = Contents::new();
    for digest in referred(&record) {
        if !contents.contains_key(digest)
            && let Some(json) = store.content(digest).await?
        {
            contents.insert(digest.clone(), json);
            // The embedded store reads at once, and there may be many.
            tokio::task::yield_now().await;
        }
    }
    let case = Case { invocation: record, source, contents };
    Ok(case.require_complete().map(|()| case))
}

/// The body that ran.
async fn source(store: &dyn Store, record: &Invocation) -> Result<Option<Source>> {
    if let Some(source) = &record.source {
        return Ok(Some(source.clone()));
    }
    let version = store.version(&record.source_object_id, &record.method_name, record.method_version).await;
    match version {
        Ok(method) => {
            Ok(method.map(|method| method.source).filter(|source| source.digest() == record.source_digest))
        }
        Err(StoreError::ObjectNotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
