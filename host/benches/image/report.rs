//! The results, written down.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::series::Series;
use crate::support::table::Table;
use crate::{CLIENTS, Plan, picture};

pub struct Report<'a> {
    pub machine: String,
    pub disk: String,
    pub plan: &'a Plan,
    pub throughput: Table,
    pub sizes: Series,
    pub chains: Series,
}

impl Report<'_> {
    pub fn write(&self) -> Result<()> {
        fs::create_dir_all(&self.plan.folder)?;
        let text = self.plan.folder.join("image.md");
        fs::write(&text, self.text()?)?;
        let drawing = self.plan.folder.join("image.svg");
        fs::write(&drawing, picture::draw(&self.sizes, &self.chains)?)?;
        println!("Written: {} and {}", text.display(), drawing.display());
        Ok(())
    }

    fn text(&self) -> Result<String> {
        let date = String::from_utf8(Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?.stdout)?;
        let Self { machine, disk, plan, throughput, sizes, chains } = self;
        Ok(format!(
            "\
# What a message costs as the image grows

Made by `cargo xtask bench image` on {date}.

- The machine: {machine}.
- The image is {disk}.
- A message is sent over HTTP to `aura serve`, which answers when its effect is on disk. The method counts one up and
  is inherited. Every message ended completed, and the counters add up to the number of messages.
- Best of {rounds} rounds of {time:?}, taken in turns.

![Milliseconds a message, against the number of objects and against the length of the chain](image.svg)

## 100 counters, {CLIENTS} clients

The rival is a sandbox service behind FastAPI that starts a process for each call and keeps nothing.

{throughput}

## As the image grows

Messages go to 100 objects, spread over the whole image at random. All objects inherit from one prototype.

{sizes}
Fuel of a message in all of these images: {}.

## As the chain of prototypes grows

The method and an attribute that it reads are at the far end of the chain.

{chains}
Fuel of a message at all of these lengths: {}.
",
            fuel(sizes),
            fuel(chains),
            date = date.trim(),
            rounds = plan.rounds,
            time = plan.time,
        ))
    }
}

/// It was seen to depend on nothing but the number that is counted up.
fn fuel(series: &Series) -> String {
    let (least, most) = (series.fuel.values().min(), series.fuel.values().max());
    match (least, most) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => {
            format!("{least} to {most}, always the same for the same number")
        }
        _ => "unknown".to_owned(),
    }
}
