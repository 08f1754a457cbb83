//! What the tests across the whole system share.

pub mod scripted_mind;
mod wire;

pub use scripted_mind::{Reply, Request, ScriptedMind};
