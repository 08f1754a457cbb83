//! What the store's queries do, by their exact text. Any other text is an error.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aura::store::arango::aql;
use serde_json::{Value, json};

use super::documents::{Database, Refusal, Result, Write, refusal};

/// A query inside a transaction.
struct Query<'a> {
    database: &'a mut Database,
    transaction: u64,
    values: &'a Value,
}

/// What a query writes to where it has no transaction that says so.
pub fn writes(query: &str) -> Vec<String> {
    let name = match query {
        aql::JOURNAL => "Journal",
        aql::RENEW => "Servers",
        aql::FORGET => "Meta",
        aql::DESCRIBE => "Invocations",
        _ => return Vec::new(),
    };
    vec![name.to_owned()]
}

pub fn run(database: &mut Database, transaction: u64, text: &str, values: &Value) -> Result<Vec<Value>> {
    bound(text, values)?;
    let mut query = Query { database, transaction, values };
    query.run(text)
}

/// As the database does: every value that is named has to be given, and no other.
fn bound(text: &str, values: &Value) -> Result<()> {
    let word = |part: &str| -> String {
        part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let named: BTreeSet<_> = text.split('@').skip(1).map(word).collect();
    let given: BTreeSet<_> = values.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    if named == given {
        return Ok(());
    }
    Err(refusal(400, 1551, format!("bind parameters {named:?} were given as {given:?}")))
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Query<'_> {
    fn run(&mut self, text: &str) -> Result<Vec<Value>> {
        Ok(match text {
            aql::PING => self.all("UvmObjects")?.iter().take(1).map(|_| json!(1)).collect(),
            aql::NOW => vec![json!(now())],
            aql::META => self.keyed("Meta", "key")?.into_iter().map(|found| (*found).clone()).collect(),
            aql::FORGET => self.forget()?,
            aql::JOURNAL => {
                let entry = json!({ "_key": self.values["key"], "outcome": self.values["outcome"], "at": now() / 1000 });
                self.write("Journal", Write::Insert, &entry)?
            }
            aql::OUTCOME => self.fields("Journal", "key", "outcome")?,
            aql::OBJECT => self.objects_where(|o, values| o["_key"] == values["key"])?,
            aql::OBJECTS => self.page("UvmObjects", "order", false, Query::object)?,
            aql::REVS => self.revs()?,
            aql::UNLINK => self.remove_where("PrototypeLinks", |l, values| l["_from"] == values["from"])?,
            aql::RESOLVE => self.lineage(|query, o, total| {
                let own = o["_id"] == query.values["start"];
                let current = query.current(o)?;
                let named = current.iter().find(|m| m["name"] == query.values["name"]);
                let fits = Some(total) <= query.values["bytes"].as_u64();
                Ok(json!({
                    "total": total, "key": o["_key"], "rev": o["_rev"],
                    "attributes": fits.then(|| exact(o)), "prototypes": query.links(o)?,
                    "methods": if own { column(&current, "name") } else { json!([]) },
                    "method": named.map(|m| m["record"].clone()),
                    "account": if own { query.account(o)? } else { Value::Null },
                }))
            })?,
            aql::INHERITED_METHODS => self.lineage(|query, o, _| {
                let methods = column(&query.current(o)?, "record");
                Ok(json!({ "key": o["_key"], "prototypes": query.links(o)?, "methods": methods }))
            })?,
            aql::OWN_METHODS => {
                let objects = self.keyed("UvmObjects", "key")?;
                objects.iter().map(|o| Ok(column(&self.current(o)?, "record"))).collect::<Result<_>>()?
            }
            aql::VERSIONS => self.versions()?,
            aql::VERSION => {
                let mut found = self.all("MethodVersions")?;
                found.retain(|m| ["name", "version"].iter().all(|field| m[field] == self.values[field]));
                let objects = self.keyed("UvmObjects", "key")?;
                let of = |o: &Value| found.iter().find(|m| m["object"] == o["_key"]);
                objects.iter().map(|o| of(o).map_or(Value::Null, |m| m["record"].clone())).collect()
            }
            aql::CURRENT => {
                let found = self.all("MethodVersions")?;
                let is_wanted = |m: &&Arc<Value>| {
                    m["object"] == self.values["object"]
                        && m["name"] == self.values["name"]
                        && m["current"] == true
                };
                found
                    .iter()
                    .filter(is_wanted)
                    .map(|m| json!({ "key": m["_key"], "record": m["record"] }))
                    .collect()
            }
            aql::ARRIVAL => {
                let same = self.fields("Messages", "id", "record")?;
                vec![json!({ "lease": self.lease()?, "before": same.first() })]
            }
            aql::ARRIVAL_WITH_KEY => {
                let mut before = self.all("Messages")?;
                before.retain(|m| m["idempotency"] == self.values["idempotency"]);
                let mut before: Vec<_> = before.iter().map(|m| m["record"].clone()).collect();
                before.extend(self.fields("Messages", "id", "record")?);
                vec![json!({ "lease": self.lease()?, "before": before.first() })]
            }
            aql::STANDING => self.standing()?,
            aql::MESSAGE => self.fields("Messages", "id", "record")?,
            aql::UNFINISHED => {
                let mut found = self.all("Messages")?;
                found.retain(|m| m["open"] == true && m["server"] == self.values["server"]);
                found.sort_by_key(|m| m["id"].to_string());
                found.iter().map(|m| m["record"].clone()).collect()
            }
            text => return self.of_runs(text),
        })
    }

    fn of_runs(&mut self, text: &str) -> Result<Vec<Value>> {
        Ok(match text {
            aql::ACCOUNTS => {
                let mut found = self.all("UvmObjects")?;
                found.retain(|o| contains(&self.values["keys"], &o["_key"]));
                let holder = |o: &Value| Ok(json!({ "key": o["_key"], "record": self.account(o)? }));
                found.iter().map(|o| &**o).map(holder).collect::<Result<_>>()?
            }
            aql::INVOCATION => self.fields("Invocations", "id", "record")?,
            aql::KEPT => self.fields("Contents", "digest", "content")?,
            aql::DESCRIBE => {
                let found = self.export("Invocations", "id", |_, i| Ok(i.clone()))?;
                for invocation in &found {
                    let record: Value = serde_json::from_str(invocation["record"].as_str().unwrap()).unwrap();
                    let source = record["source_object_id"].as_str().unwrap().split_once('/').unwrap().1;
                    let change = json!({ "_key": invocation["_key"], "source": source, "method": record["method_name"] });
                    self.write("Invocations", Write::Update, &change)?;
                }
                found.iter().map(|i| i["id"].clone()).collect()
            }
            text => return self.of_all(text),
        })
    }

    fn of_all(&mut self, text: &str) -> Result<Vec<Value>> {
        Ok(match text {
            aql::ALL_OBJECTS => self.export("UvmObjects", "order", |_, o| {
                Ok(json!({ "after": o["order"], "key": o["_key"], "attributes": exact(o) }))
            })?,
            aql::LINKS => self.export("UvmObjects", "order", |query, o| {
                Ok(json!({ "after": o["order"], "key": o["_key"], "prototypes": query.links(o)? }))
            })?,
            aql::ALL_VERSIONS => self.export("MethodVersions", "order", |_, m| {
                Ok(json!({ "after": m["order"], "record": m["record"] }))
            })?,
            aql::ALL_MESSAGES => self.export("Messages", "id", |_, m| {
                Ok(json!({ "after": m["id"], "record": m["record"], "idempotency_key": m["idempotency_key"] }))
            })?,
            aql::ALL_INVOCATIONS => {
                self.export("Invocations", "id", |_, i| Ok(json!({ "after": i["id"], "record": i["record"] })))?
            }
            aql::ALL_CONTENTS => self.export("Contents", "_key", |_, c| {
                Ok(json!({ "after": c["_key"], "content": c["content"] }))
            })?,
            aql::ALL_ACCOUNTS => self.export("Accounts", "order", |_, a| {
                Ok(json!({ "after": a["order"], "key": a["_key"], "record": a["record"] }))
            })?,
            aql::COUNTS => vec![json!({
                "objects": self.all("UvmObjects")?.len(), "versions": self.all("MethodVersions")?.len(),
                "messages": self.all("Messages")?.len(), "invocations": self.all("Invocations")?.len(),
            })],
            aql::CONTENT => {
                let objects = self.all("UvmObjects")?;
                let others = objects.iter().filter(|o| o["_key"] != "nil" && o["_key"] != "system");
                let mut counted = others.count().min(1);
                for name in ["MethodVersions", "Messages", "Invocations", "Contents", "Accounts"] {
                    counted += self.all(name)?.len().min(1);
                }
                vec![json!(counted)]
            }
            text => return self.of_servers(text),
        })
    }

    fn of_servers(&mut self, text: &str) -> Result<Vec<Value>> {
        let values = self.values;
        let mine = |s: &Value, values: &Value| s["_key"] == values["server"] && s["lease"] == values["lease"];
        let lapsed = |s: &Value| s["until"].as_i64() < Some(now());
        Ok(match text {
            aql::LEASE => self.fields("Servers", "server", "lease")?,
            aql::JOIN => {
                let until = now() + values["time"].as_i64().unwrap();
                let server = json!({ "_key": values["server"], "lease": values["lease"], "until": until });
                self.write("Servers", Write::Replace, &server)?
            }
            aql::RENEW => {
                let mut found = self.all("Servers")?;
                found.retain(|s| mine(s, values));
                let until = now() + values["time"].as_i64().unwrap();
                for server in &found {
                    self.write("Servers", Write::Update, &json!({ "_key": server["_key"], "until": until }))?;
                }
                found.iter().map(|s| s["lease"].clone()).collect()
            }
            aql::LEAVE => self.remove_where("Servers", mine)?,
            aql::GONE => {
                let servers = self.all("Servers")?;
                let leased: BTreeSet<_> = servers.iter().map(|s| s["_key"].to_string()).collect();
                let mut gone: Vec<Value> =
                    servers.iter().filter(|s| lapsed(s)).map(|s| s["_key"].clone()).collect();
                for message in self.all("Messages")? {
                    let server = &message["server"];
                    let waits = message["open"] == true && !server.is_null();
                    if waits && !leased.contains(&server.to_string()) && !gone.contains(server) {
                        gone.push(server.clone());
                    }
                }
                vec![json!(gone)]
            }
            aql::END_LEASES => {
                self.remove_where("Servers", |s, values| contains(&values["gone"], &s["_key"]) && lapsed(s))?
            }
            aql::TAKE_OVER => {
                let servers = self.all("Servers")?;
                let leased = |server: &Value| servers.iter().any(|s| s["_key"] == *server);
                let mut found = self.all("Messages")?;
                found.retain(|m| {
                    let server = &m["server"];
                    m["open"] == true
                        && (server.is_null() || contains(&values["gone"], server) && !leased(server))
                });
                for message in &found {
                    let change = json!({ "_key": message["_key"], "server": values["server"] });
                    self.write("Messages", Write::Update, &change)?;
                }
                found.iter().map(|_| json!(1)).collect()
            }
            aql::SERVERS => {
                let live = self.all("Servers")?.iter().filter(|s| !lapsed(s)).count();
                let unfinished = self.all("Messages")?.iter().filter(|m| m["open"] == true).count();
                vec![json!({ "live": live, "unfinished": unfinished })]
            }
            text => return self.listing(text),
        })
    }

    fn listing(&mut self, text: &str) -> Result<Vec<Value>> {
        for filters in 0..8 {
            let given @ [target, status, after] = [1, 2, 4].map(|filter| filters & filter != 0);
            if text == aql::messages(target, status, after) {
                return self.page("Messages", "id", true, |_, m| Ok(m["record"].clone()));
            }
            if text == aql::invocations(given) {
                return self.page("Invocations", "id", true, |_, i| Ok(i["record"].clone()));
            }
            if text == aql::count_invocations(given) {
                let mut found = self.all("Invocations")?;
                found.retain(|i| is_listed(i, self.values, "id", true));
                return Ok(vec![json!(found.len())]);
            }
        }
        Err(refusal(400, 1501, format!("syntax error, or at least a query that nobody knows: {text}")))
    }

    fn all(&mut self, name: &str) -> Result<Vec<Arc<Value>>> {
        Ok(self.database.read(self.transaction, name)?.values().cloned().collect())
    }

    fn keyed(&mut self, name: &str, value: &str) -> Result<Vec<Arc<Value>>> {
        let key = self.values[value].as_str().unwrap_or_default();
        Ok(self.database.read(self.transaction, name)?.get(key).cloned().into_iter().collect())
    }

    fn fields(&mut self, name: &str, value: &str, field: &str) -> Result<Vec<Value>> {
        Ok(self.keyed(name, value)?.iter().map(|found| found[field].clone()).collect())
    }

    fn write(&mut self, name: &str, how: Write, document: &Value) -> Result<Vec<Value>> {
        self.database.write(self.transaction, name, how, document)?;
        Ok(Vec::new())
    }

    fn forget(&mut self) -> Result<Vec<Value>> {
        let key = self.values["key"].as_str().unwrap_or_default();
        self.database.remove(self.transaction, "Meta", key)?;
        Ok(Vec::new())
    }

    fn remove_where(&mut self, name: &str, goes: impl Fn(&Value, &Value) -> bool) -> Result<Vec<Value>> {
        for document in self.all(name)? {
            if goes(&document, self.values) {
                self.database.remove(self.transaction, name, document["_key"].as_str().unwrap())?;
            }
        }
        Ok(Vec::new())
    }

    fn lease(&mut self) -> Result<Option<Value>> {
        Ok(self.fields("Servers", "server", "lease")?.pop())
    }

    fn revs(&mut self) -> Result<Vec<Value>> {
        let documents = self.database.read(self.transaction, "UvmObjects")?;
        let keys: BTreeSet<_> =
            self.values["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let found = keys.into_iter().filter_map(|key| documents.get(key));
        Ok(found.map(|o| json!({ "key": o["_key"], "rev": o["_rev"] })).collect())
    }

    fn standing(&mut self) -> Result<Vec<Value>> {
        let messages = self.all("Messages")?;
        let mut earlier: Vec<_> = messages
            .iter()
            .filter(|m| m["target"] == self.values["target"] && m["open"] == true)
            .filter(|m| m["id"].as_str() < self.values["id"].as_str())
            .map(|m| m["id"].clone())
            .collect();
        earlier.sort_by_key(ToString::to_string);
        let open = self.fields("Messages", "id", "open")?.pop();
        Ok(vec![json!({
            "lease": self.lease()?, "open": open, "earlier": earlier.first(), "revs": self.revs()?,
        })])
    }

    /// Of an object, its methods that run.
    fn current(&mut self, object: &Value) -> Result<Vec<Arc<Value>>> {
        let mut found = self.all("MethodVersions")?;
        found.retain(|m| m["object"] == object["_key"] && m["current"] == true);
        // As it pleases the database.
        found.reverse();
        Ok(found)
    }

    fn versions(&mut self) -> Result<Vec<Value>> {
        let mut found = self.all("MethodVersions")?;
        found.retain(|m| m["object"] == self.values["key"] && m["name"] == self.values["name"]);
        found.sort_by_key(|m| std::cmp::Reverse(m["version"].as_u64()));
        Ok(self.keyed("UvmObjects", "key")?.iter().map(|_| column(&found, "record")).collect())
    }

    fn links(&mut self, object: &Value) -> Result<Value> {
        let mut found = self.all("PrototypeLinks")?;
        found.retain(|l| l["_from"] == object["_id"]);
        found.sort_by_key(|l| l["position"].as_u64());
        Ok(column(&found, "_to"))
    }

    fn object(&mut self, o: &Value) -> Result<Value> {
        Ok(json!({
            "key": o["_key"], "rev": o["_rev"], "attributes": exact(o),
            "prototypes": self.links(o)?, "methods": column(&self.current(o)?, "name"),
        }))
    }

    fn account(&mut self, object: &Value) -> Result<Value> {
        let accounts = self.database.read(self.transaction, "Accounts")?;
        let account = accounts.get(object["_key"].as_str().unwrap());
        Ok(account.map_or(Value::Null, |account| account["record"].clone()))
    }

    fn objects_where(&mut self, wanted: impl Fn(&Value, &Value) -> bool) -> Result<Vec<Value>> {
        let mut found = self.all("UvmObjects")?;
        found.retain(|o| wanted(o, self.values));
        found.iter().map(|o| self.object(o)).collect()
    }

    /// Everything reachable, in an order that is of no use to anybody.
    fn lineage(
        &mut self,
        mut row: impl FnMut(&mut Self, &Value, u64) -> Result<Value>,
    ) -> Result<Vec<Value>> {
        let objects = self.database.read(self.transaction, "UvmObjects")?;
        let edges = self.all("PrototypeLinks")?;
        let mut found: Vec<Value> = vec![self.values["start"].clone()];
        let mut next = 0;
        while let Some(from) = found.get(next).cloned() {
            for edge in edges.iter().rev().filter(|edge| edge["_from"] == from) {
                if !found.contains(&edge["_to"]) {
                    found.push(edge["_to"].clone());
                }
            }
            next += 1;
        }
        let limit = usize::try_from(self.values["limit"].as_u64().unwrap()).unwrap();
        let key = |id: &Value| id.as_str().unwrap().split_once('/').unwrap().1.to_owned();
        let found: Vec<_> =
            found.iter().filter_map(|id| objects.get(&key(id)).cloned()).take(limit).collect();
        let total = found.iter().filter_map(|object| object["bytes"].as_u64()).sum();
        found.iter().rev().map(|object| row(self, object, total)).collect()
    }

    fn page(
        &mut self,
        name: &str,
        order: &str,
        newest_first: bool,
        mut item: impl FnMut(&mut Self, &Value) -> Result<Value>,
    ) -> Result<Vec<Value>> {
        let values = self.values.clone();
        let mut found = self.all(name)?;
        found.retain(|document| is_listed(document, &values, order, newest_first));
        found.sort_by_key(|document| document[order].to_string());
        if newest_first {
            found.reverse();
        }
        found.truncate(usize::try_from(values["rows"].as_u64().unwrap()).unwrap());
        let seen = found.len();
        let kept = cut(&found, &values);
        let kept = kept.iter().take(usize::try_from(values["limit"].as_u64().unwrap_or(u64::MAX)).unwrap());
        kept.map(|document| Ok(json!({ "seen": seen, "item": item(self, document)? }))).collect()
    }

    fn export(
        &mut self,
        name: &str,
        order: &str,
        mut row: impl FnMut(&mut Self, &Value) -> Result<Value>,
    ) -> Result<Vec<Value>> {
        let values = self.values.clone();
        let mut found = self.all(name)?;
        found.retain(|document| document[order].as_str() > values["after"].as_str());
        found.sort_by_key(|document| document[order].to_string());
        found.truncate(usize::try_from(values["rows"].as_u64().unwrap()).unwrap());
        cut(&found, &values).iter().map(|document| row(self, document)).collect()
    }
}

/// Whether those filters of a listing that are given let the document through.
fn is_listed(document: &Value, values: &Value, order: &str, newest_first: bool) -> bool {
    let is_asked_for = |field| values[field].is_null() || document[field] == values[field];
    let status = values["status"].as_array();
    let this = document[order].as_str();
    let is_beyond = |after| if newest_first { this < Some(after) } else { this > Some(after) };
    ["target", "source", "method"].into_iter().all(is_asked_for)
        && status.is_none_or(|status| status.contains(&document["status"]))
        && values["since"].as_str().is_none_or(|since| this >= Some(since))
        && values["after"].as_str().is_none_or(is_beyond)
}

/// Those before which there are no more bytes than allowed.
fn cut(found: &[Arc<Value>], values: &Value) -> Vec<Arc<Value>> {
    let most = values["bytes"].as_u64().unwrap_or(u64::MAX);
    let mut before = 0;
    let fits = |document: &&Arc<Value>| {
        let fits = before <= most;
        before += document["bytes"].as_u64().unwrap_or(0);
        fits
    };
    found.iter().filter(fits).cloned().collect()
}

fn exact(object: &Value) -> Value {
    if object["exact"].is_null() { object["attributes"].to_string().into() } else { object["exact"].clone() }
}

fn column(rows: &[Arc<Value>], field: &str) -> Value {
    rows.iter().map(|row| row[field].clone()).collect()
}

fn contains(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|list| list.contains(value))
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.text, self.number)
    }
}
