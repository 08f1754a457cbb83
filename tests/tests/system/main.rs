//! The whole system, from outside: the program as it was built, real Python, and a scripted mind.

mod api;
mod audit;
mod bad_input;
mod bombs;
mod budgets;
mod cli;
mod copy;
mod cures;
mod damage;
mod determinism;
mod doctor;
mod durability;
mod events;
mod genesis;
mod image;
mod limits;
mod replay;
mod scenario;
mod scenarios;
mod traffic;
mod transfer;
mod trouble;
mod wall;
