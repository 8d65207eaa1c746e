//! The length of a run under fire, which the environment gives.

/// A short run or a long one, and the share of a long one that is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    is_long: bool,
    /// This share, from zero, of so many.
    share: usize,
    shares: usize,
}

/// The variables that give it.
const LENGTH: &str = "KEYSTEAD_FIRE";
const SHARE: &str = "KEYSTEAD_SHARE";

impl Length {
    /// Reads `KEYSTEAD_FIRE=long`, and `KEYSTEAD_SHARE=3/16` for the third of sixteen shares of a long run.
    pub(crate) fn asked() -> Self {
        let given = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::of(given(LENGTH).as_deref(), given(SHARE).as_deref())
            .unwrap_or_else(|why| panic!("{why}"))
    }

    /// Reads what the variables give, or says what is wrong with it.
    pub(crate) fn of(length: Option<&str>, share: Option<&str>) -> Result<Self, String> {
        let is_long = match length {
            None => false,
            Some("long") => true,
            Some(other) => {
                return Err(format!("{LENGTH}={other}: a run is `long`, or short without it"));
            }
        };
        let Some(share) = share.filter(|_| is_long) else {
            return Ok(Self { is_long, share: 0, shares: 1 });
        };
        let parts = share.split_once('/').and_then(|(share, of)| {
            Some((share.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
        });
        let good = parts.filter(|(share, shares)| (1..=*shares).contains(share));
        let (share, shares) =
            good.ok_or_else(|| format!("{SHARE}={share} is not a share such as 3/16"))?;
        Ok(Self { is_long, share: share - 1, shares })
    }

    /// Returns the one thing in a short run, and the other in a long one.
    pub(crate) fn either<T>(self, short: T, long: T) -> T {
        if self.is_long { long } else { short }
    }

    /// Returns whether the thing with this number is part of the share.
    pub(crate) fn has(self, number: usize) -> bool {
        number % self.shares == self.share
    }

    /// Returns the number of things, of so many, that are part of the share.
    pub(crate) fn count_of(self, all: usize) -> usize {
        (all + self.shares - 1 - self.share) / self.shares
    }
}

/// Writes the variables before the command that plays the same again.
impl std::fmt::Display for Length {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_long {
            write!(to, "{LENGTH}=long ")?;
        }
        if self.shares > 1 {
            write!(to, "{SHARE}={}/{} ", self.share + 1, self.shares)?;
        }
        Ok(())
    }
}
