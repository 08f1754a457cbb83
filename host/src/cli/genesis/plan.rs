//! Which models and facets there should be.

use std::path::Path;

use crate::mind::facet::Facet;
use crate::mind::model::is_same;
use crate::mind::persona::{Persona, Personas};

pub struct Plan<'a> {
    pub models: Vec<Model<'a>>,
    pub facets: Vec<Wanted<'a>>,
}

/// A model, each once, with the personas that have it.
pub struct Model<'a> {
    pub name: &'a str,
    pub personas: Vec<&'a str>,
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
        let within = personas.facets().iter().find(|facet| is_one(facet));
        let mut models: Vec<Model<'a>> = Vec::new();
        for persona in personas.all() {
            let name = match (one, within) {
                (_, Some(facet)) => personas.of(facet).model.as_str(),
                (Some(one), None) => one,
                (None, None) => persona.model.as_str(),
            };
            match models.iter_mut().find(|model| is_same(model.name, name)) {
                Some(model) => model.personas.push(&persona.name),
                None => models.push(Model { name, personas: vec![&persona.name] }),
            }
        }
        let facets = personas.facets().iter().map(|facet| {
            let persona = personas.of(facet);
            let needless = (one.is_some() && !is_one(facet))
                .then(|| format!("AURA_MIND_MODEL is in place of {}'s model", persona.name));
            Wanted { facet, persona, needless }
        });
        Self { facets: facets.collect(), models }
    }
}

impl Model<'_> {
    pub fn personas(&self) -> String {
        self.personas.join(", ")
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
