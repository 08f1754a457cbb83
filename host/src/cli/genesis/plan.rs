//! Which models and facets there should be.

use std::path::Path;

use crate::mind::facet::Facet;
use crate::mind::model::is_same;
use crate::mind::persona::{Needed, Persona, Personas};

pub struct Plan<'a> {
    pub models: Vec<Needed<'a>>,
    pub facets: Vec<Wanted<'a>>,
}

pub struct Wanted<'a> {
    pub facet: &'a Facet,
    pub persona: &'a Persona,
    /// Why it is not made, if it is not.
    pub needless: Option<String>,
}

impl<'a> Plan<'a> {
    /// With `one`, that model alone is needed; if it is a facet, so is what it is made of.
    pub fn of(personas: &'a Personas, one: Option<&'a str>) -> Self {
        let is_one = |facet: &Facet| one.is_some_and(|one| is_same(&facet.name, one));
        let facets = personas.facets().iter().map(|facet| {
            let persona = personas.of(facet);
            let needless = (one.is_some() && !is_one(facet))
                .then(|| format!("AURA_MIND_MODEL is in place of {}'s model", persona.name));
            Wanted { facet, persona, needless }
        });
        Self { facets: facets.collect(), models: personas.needed(one) }
    }
}

impl Wanted<'_> {
    pub fn system(&self) -> &str {
        self.facet.system.as_deref().unwrap_or(&self.persona.system)
    }

    /// Where its adapter should be.
    pub fn adapter(&self) -> Option<&Path> {
        self.facet.adapter.as_deref().map(Path::new)
    }
}
