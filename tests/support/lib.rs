//! What the tests across the whole system share.

mod client;
pub mod scripted_mind;
mod sandbox;
mod server;
mod wire;

pub use client::{Answer, Client, Record};
pub use scripted_mind::{MODEL_DIGEST, Reply, Request, ScriptedMind};
pub use sandbox::SandboxProcess;
pub use server::{Done, Instance, Server, Stopped};
