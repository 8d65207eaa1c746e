//! Times as people write them on the command line and read them in a table.

use crate::Failure;
use clap::builder::RangedI64ValueParser;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use keystead::internal::clock::{Clock, Seconds, SystemClock, exact_timestamp, seconds_of_span};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The expiry of material, as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpiryArgument {
    /// No expiry.
    Never,
    /// An expiry at that moment.
    At(Timestamp),
    /// An expiry so many seconds after the import.
    After(Seconds),
}

impl ExpiryArgument {
    /// The help of `--expires`.
    pub(crate) const HELP: &str = "When the material expires and is erased: a day (2027-01-31, from 00:00 \
        UTC of that day), a moment (2027-01-31T17:30:00Z), a time after the import (90d, 36h), or \
        never";

    /// The moment for an import at `now`, in seconds since 1970 UTC; 0 for never.
    pub(crate) fn for_import(self, now: Seconds) -> Result<Seconds, Failure> {
        match self {
            Self::Never => Ok(0),
            Self::After(seconds) => Ok(now.saturating_add(seconds)),
            Self::At(moment) => u64::try_from(moment.as_second())
                .map_err(|_| Failure::new("a time before 1970").hint("an expiry lies ahead")),
        }
    }
}

impl FromStr for ExpiryArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let moment = match (text.parse::<Timestamp>(), text.parse::<Date>()) {
            (Ok(moment), _) => moment,
            (_, Ok(day)) if !text.contains(['T', 't', ' ']) => {
                day.to_zoned_datetime(TimeZone::UTC).map_err(|_| too_far(text))?.timestamp()
            }
            _ if year(text).is_some_and(|year| year >= 9999) => return Err(too_far(text)),
            _ => return after(text),
        };
        match moment > Timestamp::now() {
            true => Ok(Self::At(moment)),
            false => Err(format!("{moment} is not in the future")),
        }
    }
}

/// Reads a moment that lies behind: a day, a moment, or a time ago.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    let wrong =
        "neither a day (2027-01-31), a moment (2027-01-31T17:30:00Z) nor a time ago (7d, 36h)";
    let now = Timestamp::now();
    let ago = |seconds| {
        let second = now.as_second().saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX));
        // Before everything, where no calendar reaches so far back.
        Timestamp::from_second(second).unwrap_or(Timestamp::MIN)
    };
    let moment = moment(text).or_else(|| seconds_of_span(text).map(ago)).ok_or(wrong)?;
    if moment > now { Err(format!("{moment} lies ahead")) } else { Ok(moment) }
}

/// A moment, or the first one of a day.
fn moment(text: &str) -> Option<Timestamp> {
    let day = || {
        let day = text.parse::<Date>().ok().filter(|_| !text.contains(['T', 't', ' ']))?;
        Some(day.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day)
}

fn after(text: &str) -> Result<ExpiryArgument, String> {
    let wrong = "neither a day (2027-01-31), a moment (2027-01-31T17:30:00Z), a time (90d, 36h) nor `never`";
    let seconds = seconds_of_span(text).ok_or_else(|| wrong.to_owned())?;
    match exact_timestamp(SystemClock.now().saturating_add(seconds)) {
        Ok(_) => Ok(ExpiryArgument::After(seconds)),
        Err(_) => Err(too_far(text)),
    }
}

fn year(text: &str) -> Option<u32> {
    text.split('-').next()?.parse().ok()
}

fn too_far(text: &str) -> String {
    format!("{text} is too far: the last day that can be kept is 9999-12-30")
}

/// Reads a number of days in that range. Of another, a negative one too, it says the range.
pub(crate) fn days(range: RangeInclusive<u64>) -> RangedI64ValueParser<u64> {
    let bound = |bound: &u64| i64::try_from(*bound).unwrap_or(i64::MAX);
    RangedI64ValueParser::new().range(bound(range.start())..=bound(range.end()))
}

/// A time as [`ExpiryArgument`] reads it, in the largest unit that leaves no rest.
pub(crate) fn span(seconds: Seconds) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units.into_iter().find(|(unit, _)| seconds != 0 && seconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

/// The time until a moment in the largest unit that fits, rounded down; but what is said right after it was set has not
/// lost a unit yet.
pub(crate) fn left(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        return "none".to_owned();
    }
    let left = at.duration_since(now);
    let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
    let seconds = seconds + (seconds / 60).min(60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_said_in_the_unit_that_matters() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
        assert_eq!(left(at(90 * 86_400 + 5), now), "90d");
        assert_eq!(left(at(3 * 3_600 + 5), now), "3h");
        assert_eq!(left(at(125), now), "2m");
        assert_eq!(left(at(9), now), "9s");
        for (asked, said) in
            [(90 * 86_400, "90d"), (86_400, "1d"), (3_600, "1h"), (120, "2m"), (8, "8s")]
        {
            let later = now + jiff::SignedDuration::from_millis(900);
            assert_eq!(left(at(asked), later), said);
        }
        assert_eq!(left(at(90 * 86_400 - 61), now), "89d");
        assert_eq!(left(at(0), now), "none");
    }

    #[test]
    fn a_time_is_said_as_it_is_written() {
        for (seconds, said) in
            [(90 * 86_400, "90d"), (36 * 3_600, "36h"), (90 * 60, "90m"), (61, "61s"), (0, "0s")]
        {
            assert_eq!(span(seconds), said);
        }
    }

    #[test]
    fn an_expiry_is_a_day_a_moment_a_time_or_never() {
        let at = |second| {
            Timestamp::from_second(second).map(ExpiryArgument::At).map_err(|e| e.to_string())
        };
        assert_eq!("2100-01-31".parse(), at(4_105_036_800));
        assert_eq!("2100-01-31T01:00:00+01:00".parse(), at(4_105_036_800));
        assert_eq!("90d".parse(), Ok(ExpiryArgument::After(90 * 86_400)));
        assert_eq!("never".parse(), Ok(ExpiryArgument::Never));
    }

    #[test]
    fn a_moment_that_lies_behind_is_a_day_a_moment_or_a_time_ago() {
        let at = |second| Timestamp::from_second(second).map_err(|error| error.to_string());
        assert_eq!(since("2001-09-09"), at(1_000_000_000 - 6_400));
        assert_eq!(since("2001-09-09T03:46:40+02:00"), at(1_000_000_000));
        let ago = since("7d").map(|at| Timestamp::now().duration_since(at).as_secs());
        assert!(ago.is_ok_and(|ago| (604_800..604_900).contains(&ago)));
        assert_eq!(since("7000000d"), Ok(Timestamp::MIN));
        for text in ["", "soon", "7", "-7d", "2001-02-30", "2001-09-09T01:46", "2100-01-01"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_calendar_holds_is_too_far() {
        for text in ["9999-12-31", "9999-12-31T00:00:00Z", "12027-01-31", "3000000d"] {
            let said = text.parse::<ExpiryArgument>().err().unwrap_or_default();
            assert!(said.contains("too far"), "{text}: {said}");
        }
        assert!("9999-12-30".parse::<ExpiryArgument>().is_ok());
    }

    #[test]
    fn what_is_no_expiry_is_refused() {
        for text in ["", "soon", "90", "-90d", "2100-02-30", "2100-01-31T17:30", "1999-01-01", "0s"]
        {
            assert!(text.parse::<ExpiryArgument>().is_err(), "{text}");
        }
    }
}
