//! The mind: the language model that AURA asks for code it does not have.
//!
//! In this order: what the user set, an Ollama that runs or can be started, and a small pinned model served by
//! llama.cpp.

pub mod llama;
mod ollama;

use std::process::ExitCode;

use anyhow::Result;

use crate::prerequisites;
use crate::service::Service;
use crate::workspace::{Workspace, is_program, say, setting};

/// A mind that answers, with the settings that lead `aura` to it; it stops when this value goes, if it was started
/// here.
pub struct Mind {
    pub settings: Vec<(&'static str, String)>,
    _service: Option<Service>,
}

/// Finds a mind or starts one.
pub fn ensure(workspace: &Workspace) -> Result<Mind> {
    for (variable, usual) in
        [("AURA_MIND", "ollama"), ("OPENAI_BASE_URL", "openai"), ("OLLAMA_HOST", "ollama")]
    {
        // An address to listen at is the setting of a server of Ollama's, and leads nowhere.
        let leads = |value: String| !value.contains("0.0.0.0");
        // Its value may hold a password.
        if setting(variable).is_some_and(leads) {
            say(&format!("mind: as you set it ({variable})"));
            let kind = setting("AURA_MIND").unwrap_or_else(|| usual.into());
            return Ok(Mind { settings: vec![("AURA_MIND", kind)], _service: None });
        }
    }
    let service = if ollama::is_up() {
        None
    } else if is_program("ollama") {
        Some(ollama::start(workspace)?)
    } else {
        return small(workspace);
    };
    say(&format!("mind: Ollama at {}", ollama::HOST));
    let settings = vec![("AURA_MIND", "ollama".into()), ("OLLAMA_HOST", ollama::HOST.into())];
    Ok(Mind { settings, _service: service })
}

fn small(workspace: &Workspace) -> Result<Mind> {
    say(
        "mind: no Ollama here, so the small pinned model (a bigger one: install Ollama, then run this again)",
    );
    prerequisites::check_python()?;
    let served = llama::serve(workspace)?;
    let settings = vec![
        ("AURA_MIND", "openai".into()),
        ("OPENAI_BASE_URL", served.url),
        ("AURA_MIND_MODEL", llama::MODEL.into()),
    ];
    Ok(Mind { settings, _service: Some(served.service) })
}

/// Serves the small pinned model until Ctrl-C.
pub fn serve_in_foreground(workspace: &Workspace) -> Result<ExitCode> {
    prerequisites::check_python()?;
    let mut served = llama::serve(workspace)?;
    println!("{}", served.url);
    say(&format!(
        "to use it: AURA_MIND=openai OPENAI_BASE_URL={} AURA_MIND_MODEL={}; Ctrl-C stops it",
        served.url,
        llama::MODEL
    ));
    served.service.wait()?;
    Ok(ExitCode::SUCCESS)
}
