//! Hash tables by a quick function, which attackers could choose colliding keys for: for keys that this process makes,
//! and for tables that hold few.

use foldhash::fast::FixedState;
use std::collections::HashMap;

/// A hash table that is quick to look into.
pub(crate) type FastMap<K, V> = HashMap<K, V, FixedState>;
