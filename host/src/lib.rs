//! AURA: objects that write the methods they lack.
//!
//! Dependencies point one way: `api` and `cli` use `orchestrator`, which uses `mind`, `replay`, `sandbox` (made by the policy of `audit`) and `store`
//! through their traits, and all of them use `object`, the domain. `cli` wires the implementations.

pub mod api;
pub mod audit;
pub mod cli;
pub mod config;
pub mod mind;
pub mod object;
pub mod orchestrator;
pub mod replay;
pub mod sandbox;
pub mod store;
