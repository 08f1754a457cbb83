//! The whole system, from outside: the program as it was built, real Python, and a scripted mind.

mod scenario;
mod scenarios;
