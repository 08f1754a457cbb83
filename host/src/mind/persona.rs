//! The personas: who the mind can be, with which model and in which temper, and the facets made of them. Read from
//! `genesis/personas.toml`, or the file that `AURA_PERSONAS` names.

use std::collections::HashSet;

use serde::Deserialize;
use thiserror::Error;

use super::facet::Facet;
use super::model::is_same;

const GENESIS: &str = include_str!("../../../genesis/personas.toml");

/// Bytes of the file.
pub const MAX_BYTES: u64 = 1 << 20;
/// Personas, and facets.
const MAX: usize = 64;

#[derive(Debug, Error)]
pub enum PersonaError {
    #[error("the personas cannot be read: {0}")]
    Syntax(#[from] toml::de::Error),
    #[error("there are two personas named {0}")]
    Twice(String),
    #[error("the steward {0} is not among the personas")]
    NoSteward(String),
    #[error("persona {persona}: {what}")]
    Invalid { persona: String, what: &'static str },
    #[error("facet {facet:?}: {what}")]
    Facet { facet: String, what: &'static str },
    #[error("there are more than {0}")]
    TooMany(String),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    pub name: String,
    /// What it is for, in a word or two.
    pub role: String,
    /// Its model, as Ollama names it.
    pub model: String,
    pub temperature: f32,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// Tokens of the answer alone.
    pub answer_tokens: u32,
    /// How it is told who it is.
    pub system: String,
}

/// All personas; the steward is one of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personas {
    steward: String,
    #[serde(rename = "persona")]
    all: Vec<Persona>,
    #[serde(rename = "facet", default)]
    facets: Vec<Facet>,
}

/// A model that has to be there, once for all the personas that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed<'a> {
    pub model: &'a str,
    /// What has to be pulled for it: the model itself, or that of which a facet is made.
    pub pulled: &'a str,
    pub personas: Vec<&'a str>,
    /// The steward, if it is one of them.
    pub steward: Option<&'a str>,
}

impl<'a> Needed<'a> {
    /// The persona that is named where one is.
    #[must_use]
    pub fn persona(&self) -> &'a str {
        self.steward.or(self.personas.first().copied()).unwrap_or_default()
    }
}

impl Personas {
    /// Those the program was built with.
    pub fn genesis() -> Result<Self, PersonaError> {
        Self::parse(GENESIS)
    }

    pub fn parse(text: &str) -> Result<Self, PersonaError> {
        if text.len() as u64 > MAX_BYTES {
            return Err(PersonaError::TooMany(format!("{MAX_BYTES} bytes")));
        }
        let personas: Self = toml::from_str(text)?;
        if personas.all.len() > MAX || personas.facets.len() > MAX {
            return Err(PersonaError::TooMany(format!("{MAX} personas or facets")));
        }
        let mut seen = HashSet::new();
        for persona in &personas.all {
            persona.check()?;
            if !seen.insert(persona.name.as_str()) {
                return Err(PersonaError::Twice(persona.name.clone()));
            }
        }
        if !seen.contains(personas.steward.as_str()) {
            return Err(PersonaError::NoSteward(personas.steward));
        }
        for (index, facet) in personas.facets.iter().enumerate() {
            personas
                .check(facet, &personas.facets[..index])
                .map_err(|what| PersonaError::Facet { facet: facet.name.clone(), what })?;
        }
        Ok(personas)
    }

    #[must_use]
    pub fn all(&self) -> &[Persona] {
        &self.all
    }

    #[must_use]
    pub fn facets(&self) -> &[Facet] {
        &self.facets
    }

    /// The persona that a facet belongs to.
    #[must_use]
    pub fn of(&self, facet: &Facet) -> &Persona {
        let persona = self.all.iter().find(|persona| persona.name == facet.persona);
        persona.expect("parse checked that the persona of each facet is there")
    }

    fn check(&self, facet: &Facet, before: &[Facet]) -> Result<(), &'static str> {
        facet.check()?;
        if !self.all.iter().any(|persona| persona.name == facet.persona) {
            return Err("its persona is not among the personas");
        }
        if before.iter().any(|other| is_same(&other.name, &facet.name)) {
            return Err("there are two of that name");
        }
        // It would take the place of what it is made of.
        if self.all.iter().any(|persona| is_same(&persona.model, &facet.name)) {
            return Err("a persona's model has that name");
        }
        Ok(())
    }

    /// The models that the personas have, or `one` in place of all.
    #[must_use]
    pub fn needed<'a>(&'a self, one: Option<&'a str>) -> Vec<Needed<'a>> {
        let mut all: Vec<Needed<'a>> = Vec::new();
        for persona in &self.all {
            let (model, name) = (one.unwrap_or(&persona.model), persona.name.as_str());
            let steward = Some(name).filter(|name| *name == self.steward);
            if let Some(needed) = all.iter_mut().find(|needed| is_same(needed.model, model)) {
                needed.personas.push(name);
                needed.steward = needed.steward.or(steward);
                continue;
            }
            let facet = self.facets.iter().find(|facet| is_same(&facet.name, model));
            let pulled = facet.map_or(model, |facet| &self.of(facet).model);
            all.push(Needed { model, pulled, personas: vec![name], steward });
        }
        all
    }

    /// The steward of code: the persona that is asked for methods.
    #[must_use]
    pub fn steward(&self) -> &Persona {
        let steward = self.all.iter().find(|persona| persona.name == self.steward);
        steward.expect("parse checked that the steward is among the personas")
    }
}

impl Persona {
    fn check(&self) -> Result<(), PersonaError> {
        let upper = |byte: u8| byte.is_ascii_uppercase();
        let rules = [
            (!self.name.is_empty() && self.name.bytes().all(upper), "its name must be letters A to Z"),
            (!self.role.trim().is_empty(), "it needs a role"),
            (!self.system.trim().is_empty(), "it needs a system prompt"),
            (
                !self.model.is_empty() && !self.model.contains(char::is_whitespace),
                "it needs a model's name without spaces",
            ),
            ((0.0..=2.0).contains(&self.temperature), "its temperature must be between 0 and 2"),
            ((2048..=1 << 20).contains(&self.context_tokens), "its context must be 2048 to 1048576 tokens"),
            (
                self.answer_tokens >= 128 && self.answer_tokens <= self.context_tokens / 2,
                "its answer must be at least 128 tokens and at most half of its context",
            ),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, what)) => Err(PersonaError::Invalid { persona: self.name.clone(), what }),
            None => Ok(()),
        }
    }
}
