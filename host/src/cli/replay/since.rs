//! A moment as people say it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Moment};

use crate::object::Timestamp;

/// `2h` ago, or a date or a time of UTC.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    let moment = ago(text)
        .or_else(|| text.parse().ok())
        .or_else(|| of_utc(text.parse::<DateTime>().ok()?))
        .or_else(|| of_utc(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight())));
    match moment {
        Some(moment) => Ok(Timestamp(moment.as_millisecond())),
        None => Err("use 90m, 2h, 7d or a date such as 2026-11-23 or 2026-11-23T08:00Z".to_owned()),
    }
}

fn of_utc(time: DateTime) -> Option<Moment> {
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn ago(text: &str) -> Option<Moment> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let age = match days {
        Some(days) => SignedDuration::from_hours(i64::from(days) * 24),
        None => text.parse().ok()?,
    };
    if age.is_negative() { None } else { Moment::now().checked_sub(age).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_understood() {
        assert_eq!(parse("1970-01-02"), Ok(Timestamp(86_400_000)));
        assert_eq!(parse("1970-01-02T01:00"), Ok(Timestamp(90_000_000)));
        assert_eq!(parse("1970-01-02T01:00:00Z"), Ok(Timestamp(90_000_000)));
        assert_eq!(parse("1970-01-02T01:00:00+01:00"), Ok(Timestamp(86_400_000)));
        let now = Timestamp::now().0;
        for (text, age) in [("90m", 5_400_000), ("2h", 7_200_000), ("7d", 604_800_000)] {
            let moment = parse(text).unwrap().0;
            assert!((now - age..now - age + 60_000).contains(&moment), "{text}: {moment}");
        }
        for text in ["", "yesterday", "-2h", "5", "2026-13-01", "99999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
