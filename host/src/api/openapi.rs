//! The API's own description (`OpenAPI` 3.1), made from the handlers and from the schemas of what they answer.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    Api, Shared, audit, budgets, events, health, invocations, json_text, messages, methods, metrics, objects,
    problem, regenerate, versions,
};
use crate::object::Json;
use crate::store::MAX_PAGE;

/// What is answered: the domain's types as JSON schemas, which the domain itself does not know of.
const ANSWERS: &str = include_str!("answers.json");

#[derive(OpenApi)]
#[openapi(
    info(title = "AURA", description = "Objects that write the methods they lack."),
    modifiers(&Bearer),
    security(("bearer" = []), ()),
    tags(
        (name = "messages", description = "Sending messages and reading what became of them"),
        (name = "events", description = "The monologue, live"),
        (name = "objects", description = "The objects of the Living Image"),
        (name = "methods", description = "What objects understand"),
        (name = "invocations", description = "The records of runs"),
        (name = "operation", description = "Health and metrics"),
    )
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("AURA_API_TOKEN, if the server has one"))
            .build();
        openapi.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(token));
    }
}

/// A method's own limits; what is absent comes from the server's configuration.
#[derive(ToSchema)]
#[schema(as = Quota)]
#[expect(dead_code, reason = "describes QuotaOverride")]
pub struct QuotaSchema {
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    fuel: Option<u64>,
    #[schema(minimum = 1, maximum = 600_000)]
    wall_ms: Option<u64>,
    #[schema(minimum = 1, maximum = 1_073_741_824)]
    memory_bytes: Option<u64>,
    #[schema(minimum = 1, maximum = 16_777_216)]
    output_bytes: Option<u64>,
}

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(messages::send))
        .routes(routes!(messages::list))
        .routes(routes!(messages::show))
        .routes(routes!(events::of_message))
        .routes(routes!(events::all))
        .routes(routes!(objects::list, objects::create))
        .routes(routes!(objects::show, objects::patch))
        .routes(routes!(objects::set_prototypes))
        .routes(routes!(budgets::show, budgets::set))
        .routes(routes!(methods::list))
        .routes(routes!(methods::show, methods::install))
        .routes(routes!(methods::versions))
        .routes(routes!(versions::show))
        .routes(routes!(versions::compare))
        .routes(routes!(methods::rollback))
        .routes(routes!(regenerate::regenerate))
        .routes(routes!(methods::quota))
        .routes(routes!(methods::suggest_quota))
        .routes(routes!(invocations::list))
        .routes(routes!(invocations::show))
        .routes(routes!(invocations::replay))
        .routes(routes!(invocations::fixture))
        .routes(routes!(audit::audit))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::show))
}

/// The finished document: every operation can also answer with a problem.
pub fn document(api: &utoipa::openapi::OpenApi) -> Json {
    let mut document = json!(api);
    let answers: Value = serde_json::from_str(ANSWERS).unwrap_or_default();
    if let (Some(schemas), Value::Object(answers)) =
        (document.pointer_mut("/components/schemas").and_then(Value::as_object_mut), answers)
    {
        schemas.extend(answers);
    }
    narrow(&mut document);
    let id = json!({ "$ref": "#/components/headers/RequestId" });
    if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
        let described = "Under this id the request is in the log: the client's own `X-Request-Id`, if that is 1 to 64 \
                         of the characters A-Z a-z 0-9 - _ . :, else a new one";
        let header = json!({ "description": described, "schema": { "type": "string" } });
        components.insert("headers".to_owned(), json!({ "RequestId": header }));
    }
    let problem = json!({
        "description": "What went wrong",
        "content": { problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut);
    for operation in operations.flat_map(|operations| operations.values_mut()) {
        if let Some(responses) = operation.pointer_mut("/responses").and_then(Value::as_object_mut) {
            responses.insert("default".to_owned(), problem.clone());
            for response in responses.values_mut() {
                response["headers"]["X-Request-Id"] = id.clone();
            }
        }
    }
    // A document made by a JSON library is JSON, and no deeper than the schemas above.
    Json::of(&document).unwrap_or_else(|_| Json::empty_object())
}

/// What the domain's types allow, of which the handlers only tell that it is text or a number.
fn bounds(name: &str) -> Option<Value> {
    let key = "[A-Za-z0-9_:.@()+,=;$!*'%-]{1,254}";
    Some(match name {
        "key" | "target" | "source" | "target_object_id" => {
            json!({ "pattern": format!("^(UvmObjects/)?{key}$") })
        }
        "prototypes" => json!({ "items": { "type": "string", "pattern": format!("^(UvmObjects/)?{key}$") } }),
        "name" | "method" | "method_name" => json!({ "pattern": "^(?!__)[A-Za-z_][A-Za-z0-9_]{0,127}$" }),
        "limit" => json!({ "minimum": 1, "maximum": MAX_PAGE }),
        "seed" | "fuel" => json!({ "format": "uint64" }),
        "status" => json!({ "enum": ["accepted", "running", "completed", "failed"] }),
        "Idempotency-Key" => json!({ "pattern": "^[!-~]{1,255}$" }),
        "If-Match" => json!({ "pattern": "^([^\",]+|\"[^\",]+\")$" }),
        "accept" => json!({ "pattern": "^[0-9a-f]{64}$" }),
        _ => return None,
    })
}

/// Adds the [`bounds`] to all that is sent.
fn narrow(document: &mut Value) {
    let add = |name: &str, schema: &mut Value| {
        if let (Some(Value::Object(bounds)), Some(schema)) = (bounds(name), schema.as_object_mut()) {
            schema.extend(bounds);
        }
    };
    let schemas =
        document.pointer_mut("/components/schemas").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, body) in schemas.filter(|(name, _)| name.ends_with("Body")) {
        for (name, schema) in body.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
        {
            // The source of a method is none of an invocation.
            if name != "source" {
                add(name, schema);
            }
        }
    }
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut).into_iter().flatten();
    for operation in
        paths.filter_map(|(_, path)| path.as_object_mut()).flatten().map(|(_, operation)| operation)
    {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(name) = parameter["name"].as_str().map(str::to_owned) {
                add(&name, &mut parameter["schema"]);
            }
        }
    }
}

pub async fn serve(State(api): Shared) -> Response {
    json_text(&api.openapi)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::object::{
        Content, Difference, Digest, Divergence, Event, FailedAttempt, Fault, Finding, Invocation,
        InvocationId, InvocationOutcome, Kind, Message, MessageId, Method, MethodName, NewMessage, Object,
        ObjectId, Proposal, Provenance, Quota, QuotaOverride, Regression, Rev, SentMessage, Source, Step,
        Timestamp, Validation,
    };
    use crate::replay::{Report, Verdict};

    fn id() -> ObjectId {
        ObjectId::parse("system").unwrap()
    }

    fn name() -> MethodName {
        MethodName::parse("greet").unwrap()
    }

    fn regression() -> Regression {
        let [what, recorded, replayed] = ["result", "1", "2"].map(str::to_owned);
        let differences = vec![Difference { what, recorded, replayed }];
        let (args, kwargs) = ("[]".into(), "{}".into());
        let divergence = Divergence { invocation_id: InvocationId::fresh(), args, kwargs, differences };
        Regression { compared: 1, skipped: 0, different: 1, divergences: vec![divergence] }
    }

    /// More than any one version has.
    fn provenance() -> Provenance {
        let fault = Fault::new(Kind::GenerationFailed, "no");
        Provenance {
            persona: Some("ALFRED".into()),
            model: Some("small".into()),
            model_digest: Some("abc".into()),
            temperature: Some(0.25),
            mind_seed: Some(1),
            prompt_digest: Some(Digest::of(b"")),
            answered_in_ms: Some(1),
            mandate: Some("implement".into()),
            message_id: Some(MessageId::fresh()),
            failed_attempts: vec![FailedAttempt { attempt: 1, source: String::new(), fault }],
            validation: Some(Validation {
                invocation_id: InvocationId::fresh(),
                fuel_used: 1,
                peak_memory_bytes: 1,
            }),
            regression: Some(regression()),
            restored_version: Some(1),
            ..Provenance::hand()
        }
    }

    /// One of each answer, with every optional member there.
    fn answers() -> Vec<(&'static str, Value)> {
        let finding = Finding { rule: "import".into(), message: "no".into(), line: 1, column: 1 };
        let fault = Fault::audit_rejected(vec![finding.clone()]);
        let new = NewMessage {
            target: id(),
            method: name(),
            args: Json::empty_array(),
            kwargs: Json::empty_object(),
            seed: None,
            fuel: Some(1),
            idempotency_key: None,
        };
        let method = Method {
            object: id(),
            name: name(),
            version: 1,
            source: Source::parse("pass").unwrap(),
            quota: QuotaOverride::default(),
            provenance: provenance(),
            installed_at: Timestamp(0),
        };
        let proposal = Proposal {
            digest: method.source.digest(),
            source: method.source.clone(),
            regression: regression(),
        };
        let object = Object {
            id: id(),
            rev: Rev("1".into()),
            attributes: Json::empty_object(),
            methods: vec![name()],
            prototypes: vec![],
        };
        let digest = Digest::of(b"");
        let invocation = Invocation {
            invocation_id: InvocationId::fresh(),
            message_id: MessageId::fresh(),
            parent: None,
            receiver: id(),
            receiver_rev: Rev("1".into()),
            source_object_id: id(),
            method_name: name(),
            method_version: 1,
            source_digest: digest.clone(),
            source: Some(Source::parse("pass").unwrap()),
            attributes_before: Content::Kept(digest.clone()),
            inherited: Some(Content::Here(Json::empty_object())),
            args: Json::empty_array(),
            kwargs: Json::empty_object(),
            seed: 0,
            time: Timestamp(0),
            quota: Quota::default(),
            guest_digest: digest.clone(),
            config_digest: digest,
            sends: vec![SentMessage {
                target: id(),
                method: name(),
                args: Content::Here(Json::empty_array()),
                kwargs: Content::Here(Json::empty_object()),
                attributes: None,
                fuel: 0,
                answer: None,
            }],
            outcome: InvocationOutcome::Failed(fault.clone()),
            output: String::new(),
            fuel_used: 0,
            peak_memory_bytes: 0,
        };
        let message = Message { error: Some(Fault::new(Kind::Busy, "full")), ..Message::accepted(&new) };
        let event = Event {
            message_id: MessageId::fresh(),
            step: Step::Accepted,
            text: String::new(),
            data: Json::empty_object(),
            at: Timestamp(0),
        };
        vec![
            ("Finding", json!(finding)),
            ("Message", json!(message)),
            ("Method", json!(method)),
            ("Provenance", json!(method.provenance)),
            ("Validation", json!(method.provenance.validation)),
            ("Regression", json!(regression())),
            ("Divergence", json!(regression().divergences[0])),
            ("Difference", json!(regression().divergences[0].differences[0])),
            ("Proposal", json!(proposal)),
            ("Object", json!(object)),
            ("Invocation", json!(invocation)),
            ("SentMessage", json!(invocation.sends[0])),
            ("Verdict", json!(Report::from(&Verdict::Diverged(vec![])))),
            ("Event", json!(event)),
        ]
    }

    fn members(schema: &Value, of: &str) -> BTreeSet<String> {
        match &schema[of] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::Object(properties) => properties.keys().cloned().collect(),
            _ => BTreeSet::new(),
        }
    }

    #[test]
    fn answers_are_described_as_they_are() {
        let document: Value = serde_json::from_str(document(&routes().into_openapi()).get()).unwrap();
        for (name, answer) in answers() {
            let schema = &document["components"]["schemas"][name];
            let there: BTreeSet<_> = answer.as_object().unwrap().keys().cloned().collect();
            let described = members(schema, "properties");
            assert!(there.is_subset(&described), "{name}: {there:?} beside {described:?}");
            assert!(members(schema, "required").is_subset(&there), "{name} lacks what it requires");
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_operations_have_names_of_their_own() {
        let document: Value = serde_json::from_str(document(&routes().into_openapi()).get()).unwrap();
        let (mut references, mut operations) = (Vec::new(), Vec::new());
        walk(&document, &mut |key, value| match key {
            "$ref" => references.push(value.as_str().unwrap().to_owned()),
            "operationId" => operations.push(value.as_str().unwrap().to_owned()),
            _ => {}
        });
        for reference in references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        let names: BTreeSet<_> = operations.iter().collect();
        assert_eq!(names.len(), operations.len());
    }

    fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, member)| {
                visit(key, member);
                walk(member, visit);
            }),
            Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
            _ => {}
        }
    }
}
