//! AURA: objects that write the methods they lack.
//!
//! Dependencies point one way: `api` and `cli` use `orchestrator`, which uses `mind`, `replay`, `sandbox` (made by the policy of `audit`) and `store`
//! through their traits, and all of them use `object`, the domain. `cli` wires the implementations.
//!
//! Without the feature `full` there is what runs isolates from an image that is compiled already, and no more.

#[cfg(feature = "full")]
pub mod api;
pub mod audit;
#[cfg(feature = "full")]
pub mod cli;
#[cfg(feature = "full")]
pub mod config;
#[cfg(feature = "full")]
pub mod mind;
pub mod object;
#[cfg(feature = "full")]
pub mod orchestrator;
#[cfg(feature = "full")]
mod outbound;
#[cfg(feature = "full")]
pub mod replay;
pub mod sandbox;
#[cfg(feature = "full")]
pub mod store;
