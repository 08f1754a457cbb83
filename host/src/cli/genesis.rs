//! `aura genesis`.

use serde::Serialize;

use super::failure::Failure;
use super::folder::DataFolder;
use super::term::{print, print_json};
use super::{Output, parts};
use crate::config::Config;
use crate::object::ObjectId;

#[derive(Serialize)]
struct Created {
    created: Vec<ObjectId>,
}

pub async fn genesis(config: &Config, output: Output) -> Result<(), Failure> {
    let folder = DataFolder::open(&config.data)?;
    let created = parts::store(config, &folder).await?.genesis().await?;
    if output.json {
        return print_json(&Created { created });
    }
    if created.is_empty() {
        return print(&format!("The image {} is complete.", parts::place(config, &folder)));
    }
    for id in created {
        print(&format!("Created {id}."))?;
    }
    Ok(())
}
