//! The names that token and key have in the audit log's lines of a transaction.

use super::Transaction;
use crate::agent::audit::Fact;
use crate::agent::keyspace;
use crate::agent::rows::{self, RecordRow, TokenRow};
use crate::error::Result;
use crate::id::Id;
use crate::key::pin::TokenEntry;

impl Transaction<'_> {
    /// Returns the facts for the audit log, under the names that token and key have.
    pub(crate) fn facts(&self) -> Result<Vec<Fact>> {
        self.facts.iter().map(|fact| self.named(fact)).collect()
    }

    fn named(&self, fact: &Fact) -> Result<Fact> {
        let id = |text: &str| Id::parse(text.as_bytes());
        let Some(token) = id(&fact.token) else { return Ok(fact.clone()) };
        let key = fact.key.as_deref().and_then(id);
        let alias = key.map(|key| self.alias(token, key)).transpose()?.flatten();
        // A key without an alias is called by its ID, which the line has already.
        let alias = alias.filter(|alias| fact.key.as_ref() != Some(alias));
        Ok(Fact { label: self.label(token)?, alias, ..fact.clone() })
    }

    fn alias(&self, token: Id, id: Id) -> Result<Option<String>> {
        let Some(row) = self.as_it_will_be(&keyspace::record(token, id))? else { return Ok(None) };
        // One that cannot be read has no name, and no change is refused for that.
        Ok(rows::decode::<RecordRow>(&row, "a record").ok().and_then(|row| row.alias))
    }

    fn label(&self, token: Id) -> Result<Option<String>> {
        let Some(row) = self.as_it_will_be(&keyspace::token(token))? else { return Ok(None) };
        let row: TokenRow = rows::decode(&row, "a token")?;
        // No change is refused for a name.
        Ok(TokenEntry::decode(&row.entry).ok().map(|entry| entry.label))
    }

    /// Returns a row as it will be, or as it was where it goes. Nothing is decided by it.
    fn as_it_will_be(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.writes.get(key) {
            Some(Some(written)) => Ok(Some(written.clone())),
            _ => self.store.records.get(key),
        }
    }
}
