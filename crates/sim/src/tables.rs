//! Hash tables that hash fast and in every run alike. Nobody attacks a simulation by its keys, and nothing in it may
//! depend on the order of a table.

use foldhash::fast::FixedState;

/// A map.
pub type HashMap<K, V> = std::collections::HashMap<K, V, FixedState>;
/// A set.
pub type HashSet<T> = std::collections::HashSet<T, FixedState>;
