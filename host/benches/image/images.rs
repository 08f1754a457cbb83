//! The images, filled through the store before a server takes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use aura::object::{Json, MethodName, ObjectId, Provenance, Source};
use aura::store::sqlite::SqliteStore;
use aura::store::{Install, NewObject, Store};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Runtime;

use crate::series::{Point, Series, thousands};
use crate::served::{COUNT, Data, Served};

/// Objects that get messages.
const TARGETS: u32 = 100;
/// Objects that are created at the same time, so that many share a transaction.
const TOGETHER: usize = 1_024;
const SEED: u64 = 0x4155_5241;

/// What the objects of a chain count by is an attribute at its far end, beside the method.
const COUNT_BY_STEP: &str = "\
self.attributes['n'] += self.step
self._p_changed = True
return self.attributes['n']";

/// The key of an object; all are of one length.
pub fn key(number: u32) -> String {
    format!("o{number:08}")
}

/// An image of each size, its objects inheriting from one prototype.
pub fn of_sizes(cache: &Path, guest: &Path, sizes: &[u32]) -> Result<Series> {
    let mut points = Vec::new();
    for &size in sizes {
        eprint!("filling an image with {} objects", thousands(size));
        let begun = Instant::now();
        let data = Data::create(cache, &format!("objects-{size}"))?;
        fill(&image(&data), async |store| {
            store.create_object(object("prototype", "{}", &[])?).await?;
            store.install(count("prototype", COUNT)?).await?;
            create(store, 0..size, "prototype").await
        })?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let bytes = fs::metadata(image(&data))?.len() as f64 / f64::from(size);
        eprintln!(": {:.0?}", begun.elapsed());
        let served = Rc::new(Served::start(cache, guest, data)?);
        points.push(Point::new(size, Some(bytes), served, spread(size)));
    }
    Ok(Series { name: "objects", points, fuel: [].into() })
}

/// One image with a chain of each length, and the same number of objects at the near end of each.
pub fn of_chains(cache: &Path, guest: &Path, lengths: &[u32]) -> Result<Series> {
    let data = Data::create(cache, "chains")?;
    let targets = |place: u32| place * TARGETS..(place + 1) * TARGETS;
    fill(&image(&data), async |store| {
        for (place, &length) in (0..).zip(lengths) {
            let link = |place: u32| format!("chain-{length}-{place}");
            let far = link(length);
            store.create_object(object(&far, r#"{"step":1}"#, &[])?).await?;
            store.install(count(&far, COUNT_BY_STEP)?).await?;
            for place in (1..length).rev() {
                store.create_object(object(&link(place), "{}", &[&link(place + 1)])?).await?;
            }
            create(store, targets(place), &link(1)).await?;
        }
        Ok(())
    })?;
    let served = Rc::new(Served::start(cache, guest, data)?);
    let points = (0..).zip(lengths);
    let points =
        points.map(|(place, &length)| Point::new(length, None, Rc::clone(&served), targets(place).collect()));
    Ok(Series { name: "prototypes in the chain", points: points.collect(), fuel: [].into() })
}

/// Where the server looks for its image.
fn image(data: &Data) -> PathBuf {
    data.0.join("image.sqlite")
}

/// Opens an image, lets `work` fill it and closes it, so that everything is in one file.
fn fill(path: &Path, work: impl AsyncFnOnce(&SqliteStore) -> Result<()>) -> Result<()> {
    Runtime::new()?.block_on(async {
        let store = SqliteStore::open(path)?;
        work(&store).await
    })
}

async fn create(store: &SqliteStore, numbers: std::ops::Range<u32>, prototype: &str) -> Result<()> {
    let one = async |number| {
        store.create_object(object(&key(number), r#"{"n":0}"#, &[prototype])?).await?;
        anyhow::Ok(())
    };
    stream::iter(numbers).map(one).buffer_unordered(TOGETHER).try_collect().await
}

fn object(key: &str, attributes: &str, prototypes: &[&str]) -> Result<NewObject> {
    let prototypes = prototypes.iter().map(|key| ObjectId::parse(key)).collect::<Result<_, _>>()?;
    Ok(NewObject { id: ObjectId::parse(key)?, attributes: Json::parse(attributes.to_owned())?, prototypes })
}

fn count(object: &str, source: &str) -> Result<Install> {
    Ok(Install {
        object: ObjectId::parse(object)?,
        name: MethodName::parse("count")?,
        source: Source::parse(source)?,
        quota: None,
        provenance: Provenance::hand(),
    })
}

/// Different numbers below `size`, at random and the same every time.
fn spread(size: u32) -> Vec<u32> {
    let mut state = SEED;
    let mut numbers = Vec::new();
    while numbers.len() < TARGETS.min(size) as usize {
        // A linear congruential step; the high bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = u32::try_from(((state >> 32) * u64::from(size)) >> 32).unwrap_or(0);
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}
