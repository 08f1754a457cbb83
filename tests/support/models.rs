//! The models of the personas.

pub const ALFRED: &str = "qwen2:7b-instruct-q4_K_M";
pub const BRICK: &str = "phi3:3.8b-mini-instruct-4k-q4_K_M";
pub const ROBIN: &str = "llama3:8b-instruct-q4_K_M";
pub const BABS: &str = "gemma:7b-instruct-q4_K_M";
