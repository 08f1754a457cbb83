//! The whole system, from outside: the program as it was built, real Python, and a scripted mind.

mod api;
mod bad_input;
mod cli;
mod determinism;
mod durability;
mod events;
mod scenario;
mod scenarios;
mod traffic;
