//! Resolution: an object and its prototypes in the order in which they are searched.

use std::collections::HashSet;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::{accounts, attributes, methods, objects};
use crate::object::{Method, MethodName, ObjectId, Rev};
use crate::store::{MAX_LINEAGE, MAX_LINEAGE_BYTES, Resolution, Result, StoreError};

/// `lineage`: the object with key `?1` and its prototypes, each once, at most one more than allowed.
/// Rows leave a recursion
/// without `ORDER BY` in the order they entered it, so the search is breadth-first and ties go by position.
const LINEAGE: &str = "WITH RECURSIVE lineage (object) AS (
    SELECT number FROM UvmObjects WHERE key = ?1
    UNION
    SELECT link.prototype FROM lineage CROSS JOIN PrototypeLinks AS link ON link.object = lineage.object
    LIMIT 1 + ?2
)";

pub(super) fn resolve(image: &Connection, receiver: &ObjectId, name: &MethodName) -> Result<Resolution> {
    let mut statement = image.prepare_cached(&format!(
        "{LINEAGE} SELECT {}, {}, {} FROM lineage
         CROSS JOIN UvmObjects AS object ON object.number = lineage.object
         LEFT JOIN MethodVersions AS method
             ON method.object = lineage.object AND method.name = ?3 AND method.current = 1
         LEFT JOIN Accounts AS account ON account.object = lineage.object",
        objects::COLUMNS,
        methods::COLUMNS,
        accounts::COLUMNS
    ))?;
    let mut rows = statement.query(params![receiver, MAX_LINEAGE, name])?;
    let (mut object, mut method, mut account) = (None, None, None);
    let (mut lineage, mut prototypes): (Vec<(ObjectId, Rev)>, _) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(3)?.as_str().map_or(0, str::len);
        if bytes > MAX_LINEAGE_BYTES {
            return Err(StoreError::LineageTooLarge(receiver.clone()));
        }
        if method.is_none() && row.get_ref(4)? != ValueRef::Null {
            method = Some(methods::from_row(row.get(1)?, row, 4)?);
        }
        if object.is_none() {
            object = Some(objects::from_row(image, row)?);
            if row.get_ref(12)? != ValueRef::Null {
                account = Some(accounts::from_row(row, 10)?);
            }
        } else {
            lineage.push((row.get(1)?, row.get(2)?));
            prototypes.push(row.get(3)?);
        }
    }
    let receiver = object.ok_or_else(|| StoreError::ObjectNotFound(receiver.clone()))?;
    require_short(&receiver.id, lineage.len())?;
    Ok(Resolution { receiver, lineage, inherited: attributes::inherited(prototypes)?, method, account })
}

fn require_short(id: &ObjectId, prototypes: usize) -> Result<()> {
    if prototypes < MAX_LINEAGE as usize { Ok(()) } else { Err(StoreError::LineageTooLong(id.clone())) }
}

/// The methods the object understands, in order of resolution, without those a nearer one hides.
pub(super) fn methods(image: &Connection, id: &ObjectId) -> Result<Vec<Method>> {
    objects::number(image, id)?;
    let mut statement = image.prepare_cached(&format!(
        "{LINEAGE} SELECT key FROM lineage CROSS JOIN UvmObjects ON number = lineage.object"
    ))?;
    let lineage: Vec<ObjectId> =
        statement.query_map(params![id, MAX_LINEAGE], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    require_short(id, lineage.len() - 1)?;
    let (mut seen, mut all) = (HashSet::new(), Vec::new());
    for object in &lineage {
        let visible =
            methods::own(image, object)?.into_iter().filter(|method| seen.insert(method.name.clone()));
        all.extend(visible);
    }
    Ok(all)
}
