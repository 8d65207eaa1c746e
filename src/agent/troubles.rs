//! The troubles of an agent: what it cannot do at the moment, though its configuration asks for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The troubles of an agent: the configuration key that cannot be met, and why.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<BTreeMap<&'static str, String>>);

impl Troubles {
    /// Notes what fails at a key, or that nothing does any more. Returns a failure that is another than the one before.
    pub(crate) fn note(&self, key: &'static str, failure: Option<String>) -> Option<String> {
        let mut noted = self.noted();
        match failure {
            Some(why) if noted.get(key) == Some(&why) => None,
            Some(why) => {
                noted.insert(key, why.clone());
                Some(why)
            }
            None => {
                noted.remove(key);
                None
            }
        }
    }

    /// Returns all of them.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        self.noted().iter().map(|(key, why)| ((*key).to_owned(), why.clone())).collect()
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Troubles;

    #[test]
    fn a_trouble_is_told_once_and_kept_until_it_is_over() {
        let (troubles, why) = (Troubles::default(), || Some("it is full".to_owned()));
        assert_eq!(troubles.note("metrics", why()), why());
        assert_eq!(troubles.note("metrics", why()), None, "it is known");
        assert_eq!(troubles.all(), [("metrics".to_owned(), "it is full".to_owned())]);
        assert_eq!(troubles.note("metrics", None), None);
        assert!(troubles.all().is_empty());
        assert_eq!(troubles.note("metrics", why()), why(), "it is back");
    }
}
