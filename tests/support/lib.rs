//! What the tests across the whole system share.

mod client;
pub mod compose;
pub mod models;
mod places;
pub mod proc;
mod process;
mod sandbox;
pub mod scripted_mind;
pub mod scripted_ollama;
mod server;
mod serving;
mod trial;
mod until;
mod wire;

pub use client::{Answer, Client, Record};
pub use places::{copy, root, which};
pub use sandbox::SandboxProcess;
pub use scripted_mind::{MODEL_DIGEST, Reply, Request, ScriptedMind};
pub use scripted_ollama::{ScriptedOllama, Trouble};
pub use server::{Done, Instance, Running, Server, Stopped};
pub use trial::trial;
pub use until::until;
