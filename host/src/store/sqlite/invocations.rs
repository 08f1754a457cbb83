//! The records of runs, and the contents they refer to.

use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

use super::columns::Document;
use super::page;
use crate::object::{Contents, Digest, Invocation, InvocationId, Json};
use crate::store::{InvocationFilter, Page, Result};

pub(super) fn record(image: &Connection, invocation: &Invocation) -> Result<()> {
    image
        .prepare_cached("INSERT INTO Invocations (id, source, method, record) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            invocation.invocation_id,
            invocation.source_object_id,
            invocation.method_name,
            Document(invocation)
        ])?;
    Ok(())
}

pub(super) fn read(image: &Connection, id: InvocationId) -> Result<Option<Invocation>> {
    let found = image
        .prepare_cached("SELECT record FROM Invocations WHERE id = ?1")?
        .query_row([id], |row| row.get::<_, Document<_>>(0))
        .optional()?;
    Ok(found.map(|record| record.0))
}

/// Newest first.
pub(super) fn list(image: &Connection, filter: &InvocationFilter) -> Result<Page<Invocation>> {
    let limit = page::rows(filter.limit);
    let (conditions, mut parameters) = conditions(filter);
    parameters.push(Box::new(limit));
    let sql = format!(
        "SELECT record FROM Invocations WHERE {conditions} ORDER BY id DESC LIMIT ?{}",
        parameters.len()
    );
    let mut statement = image.prepare_cached(&sql)?;
    let rows = statement.query(rusqlite::params_from_iter(parameters))?;
    page::take(rows, filter.limit, |row| {
        let bytes = row.get_ref(0)?.as_str().map_or(0, str::len);
        Ok((row.get::<_, Document<_>>(0)?.0, bytes))
    })
}

pub(super) fn count(image: &Connection, filter: &InvocationFilter) -> Result<u64> {
    let (conditions, parameters) = conditions(filter);
    let sql = format!("SELECT count(*) FROM Invocations WHERE {conditions}");
    Ok(image.prepare_cached(&sql)?.query_row(rusqlite::params_from_iter(parameters), |row| row.get(0))?)
}

/// What the filter asks for as SQL, with the values it binds.
fn conditions(filter: &InvocationFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut conditions, mut values) = (vec!["TRUE".to_owned()], Vec::<Box<dyn ToSql>>::new());
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        conditions.push(format!("{condition} ?{}", values.len()));
    };
    if let Some((source, method)) = &filter.method {
        and("source =", Box::new(source.clone()));
        and("method =", Box::new(method.clone()));
    }
    if let Some(since) = filter.since {
        and("id >=", Box::new(InvocationId::first_of(since)));
    }
    if let Some(after) = filter.after {
        and("id <", Box::new(after));
    }
    (conditions.join(" AND "), values)
}

/// Keeps contents that are not kept yet.
pub(super) fn keep(image: &Connection, contents: &Contents) -> Result<()> {
    let mut statement = image.prepare_cached(
        "INSERT INTO Contents (digest, content) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING",
    )?;
    contents.iter().try_for_each(|(digest, content)| {
        statement.execute(params![digest, content])?;
        Ok(())
    })
}

pub(super) fn content(image: &Connection, digest: &Digest) -> Result<Option<Json>> {
    Ok(image
        .prepare_cached("SELECT content FROM Contents WHERE digest = ?1")?
        .query_row([digest], |row| row.get(0))
        .optional()?)
}
