//! Scenarios of the cognitive cycle, with a store, a sandbox and a mind that do exactly what each one needs.

mod image;
mod interpreter;
mod learning;
mod scene;
mod script;
mod sends;
mod sharing;
mod traffic;
