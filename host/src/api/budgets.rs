//! What objects may use within an hour.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::input::{At, Sent};
use super::problem::Problem;
use crate::object::{Account, Budget, ObjectId, Timestamp};

/// An object's budget, and what it has used of it. Also read by `aura object budget`.
#[derive(Serialize, Deserialize)]
pub struct BudgetReport {
    pub object: ObjectId,
    /// Its own; null: it has none.
    pub fuel_per_hour: Option<u64>,
    /// What holds for it: its own, or else the server's `AURA_FUEL_PER_HOUR`; null: nothing limits it.
    pub in_force: Option<u64>,
    pub used: u64,
    /// When the hour began in which it used that, and when it ends.
    pub since: Timestamp,
    pub until: Timestamp,
}

fn report(object: ObjectId, account: Account, in_force: Option<u64>) -> BudgetReport {
    let Account { budget, used, since } = account;
    let fuel_per_hour = budget.fuel_per_hour;
    BudgetReport { object, fuel_per_hour, in_force, used, since, until: account.until() }
}

/// An object's budget.
#[utoipa::path(
    get, path = "/objects/{key}/budget", operation_id = "show_budget", tag = "objects", params(("key" = String, Path)),
    responses((status = 200, description = "The budget, and what was used of it",
        body = ref("#/components/schemas/Budget")))
)]
pub async fn show(State(api): Shared, At(object): At<ObjectId>) -> Result<Answer<BudgetReport>, Problem> {
    let (account, in_force) = api.orchestrator.budget(&object).await?;
    Ok(Answer(report(object, account, in_force)))
}

/// A budget to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetBody {
    /// Absent or null: the object has no budget of its own.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_u64)]
    fuel_per_hour: Option<u64>,
}

/// Sets the fuel that the runs of an object may use within an hour.
///
/// A run gets no more than what is left of it. When nothing is left, messages to the object fail with
/// `FuelExhausted` until the hour ends.
#[utoipa::path(
    put, path = "/objects/{key}/budget", operation_id = "set_budget", tag = "objects", request_body = BudgetBody,
    params(("key" = String, Path)),
    responses((status = 200, description = "The budget as it is now", body = ref("#/components/schemas/Budget")))
)]
pub async fn set(
    State(api): Shared,
    At(object): At<ObjectId>,
    Sent(BudgetBody { fuel_per_hour }): Sent<BudgetBody>,
) -> Result<Answer<BudgetReport>, Problem> {
    let budget = Budget { fuel_per_hour };
    budget.check().map_err(|error| Problem::invalid(format!("The budget is not valid: {error}.")))?;
    api.orchestrator.store().set_budget(&object, budget).await?;
    let (account, in_force) = api.orchestrator.budget(&object).await?;
    Ok(Answer(report(object, account, in_force)))
}
