//! Where a version of a method came from, for people.

use super::failure::Failure;
use super::term::{count, duration, print, thousands};
use crate::object::{FailedAttempt, Fault, Method, Provenance, Regression, Timestamp};

/// Characters of a digest that tell models apart.
const SHORT: usize = 12;

/// One line: which version of what, from whom, when, with which limits of its own.
pub fn summarise(method: &Method) -> Result<(), Failure> {
    let Method { object, name, version, quota, provenance, installed_at, .. } = method;
    let limits = quota.limits().into_iter();
    let limits: String =
        limits.filter_map(|(name, value)| value.map(|value| format!(", {name} {value}"))).collect();
    print(&format!("{object} {name} version {version}, {provenance}, {}{limits}", date(*installed_at)))
}

/// The lines below that one: how the mind was asked, what failed before, and what proved the version.
pub fn explain(provenance: &Provenance) -> Result<(), Failure> {
    let mut lines = Vec::new();
    if let Some(mandate) = &provenance.mandate {
        lines.push(("mandate", mandate.clone()));
    }
    if let Some(model) = &provenance.model {
        lines.push(("model", asked(model, provenance)));
    }
    lines.extend(provenance.failed_attempts.iter().map(|attempt| ("failed", failed(attempt))));
    if let Some(run) = &provenance.validation {
        lines.push(("proved", format!("by run {}, {} fuel", run.invocation_id, thousands(run.fuel_used))));
    }
    if let Some(regression) = &provenance.regression {
        lines.push(("compared", compared(regression)));
    }
    lines.iter().try_for_each(|(label, text)| print(&format!("  {label:<9} {}", one_line(text))))
}

fn asked(model: &str, provenance: &Provenance) -> String {
    let digest = provenance.model_digest.as_ref().map(|digest| {
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        format!(" {}", digest.get(..SHORT).unwrap_or(digest))
    });
    let temperature = provenance.temperature.map(|temperature| format!(", temperature {temperature}"));
    let took = provenance.answered_in_ms.map(|millis| {
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        format!(", answered in {}", duration(millis))
    });
    [Some(model.to_owned()), digest, temperature, took].into_iter().flatten().collect()
}

fn failed(FailedAttempt { attempt, fault, .. }: &FailedAttempt) -> String {
    format!("attempt {attempt}: {}", first_line(fault))
}

/// A fault's first line, and how many follow.
fn first_line(fault: &Fault) -> String {
    let text = fault.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    match lines.count() {
        0 => first,
        more => format!("{first} (and {more} more)"),
    }
}

/// What the comparison with recorded runs came to.
pub fn compared(regression: &Regression) -> String {
    let Regression { compared, skipped, different, .. } = regression;
    let text = match (compared, different) {
        (0, _) => "there is no recorded run to compare with".to_owned(),
        (1, 0) => "1 recorded run gives the same result".to_owned(),
        (_, 0) => {
            format!("{} give the same results", count((*compared).into(), "recorded run", "recorded runs"))
        }
        _ => format!(
            "{} of {} came out differently",
            thousands((*different).into()),
            count((*compared).into(), "recorded run", "recorded runs")
        ),
    };
    match skipped {
        0 => text,
        _ => format!("{text}; {} could not be repeated", thousands((*skipped).into())),
    }
}

/// The same as a sentence, then each run that comes out differently with what differs.
pub fn tell(regression: &Regression) -> Result<(), Failure> {
    let text = compared(regression);
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    print(&format!("{}{rest}.", first.to_uppercase()))?;
    for divergence in &regression.divergences {
        let (args, kwargs) = (&divergence.args, &divergence.kwargs);
        print(&format!("  run {} with {args} {kwargs}", divergence.invocation_id))?;
        for difference in &divergence.differences {
            print(&format!("    {difference}"))?;
        }
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The moment in UTC, to the minute.
fn date(Timestamp(millis): Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%MZ").to_string(),
        Err(_) => "at no time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let day = |seconds: i64| date(Timestamp(seconds * 1_000));
        assert_eq!(day(0), "1970-01-01 00:00Z");
        assert_eq!(day(951_827_696), "2000-02-29 12:34Z");
        assert_eq!(day(1_709_251_199), "2024-02-29 23:59Z");
        assert_eq!(day(4_107_542_400), "2100-03-01 00:00Z");
        assert_eq!(day(-1), "1969-12-31 23:59Z");
    }

    #[test]
    fn comparisons_are_told_in_words() {
        let of = |compared, skipped, different| {
            super::compared(&Regression { compared, skipped, different, divergences: Vec::new() })
        };
        assert_eq!(of(0, 0, 0), "there is no recorded run to compare with");
        assert_eq!(of(1, 0, 0), "1 recorded run gives the same result");
        assert_eq!(of(1_042, 2, 0), "1,042 recorded runs give the same results; 2 could not be repeated");
        assert_eq!(of(42, 0, 1), "1 of 42 recorded runs came out differently");
    }
}
