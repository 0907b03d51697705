//! A twin of the structure that arrwDB's vector store takes the place of, as it was published: three maps with
//! the standard library's default hasher behind one lock, and vectors that are one if their numbers, rounded to
//! six decimals and hashed one by one, have the same hash.
//!
//! It is what our figures are compared with, so nothing in it is made better than it was: a vector is told by
//! its hash alone, looking one up makes a copy, and whoever removes one hashes it again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The old structure.
#[derive(Debug, Default)]
pub struct Twin {
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    vectors: HashMap<u64, Vec<f32>>,
    ids: HashMap<u64, u64>,
    references: HashMap<u64, usize>,
    next: u64,
}

impl Twin {
    /// Adds a vector, or counts one more reference to the one with the same hash; answers with its id.
    pub fn add(&self, vector: &[f32]) -> u64 {
        let hash = hash(vector);
        let mut maps = self.write();
        if let Some(id) = maps.ids.get(&hash).copied() {
            *maps.references.entry(id).or_default() += 1;
            return id;
        }
        let id = maps.next;
        maps.next += 1;
        maps.vectors.insert(id, vector.to_vec());
        maps.ids.insert(hash, id);
        maps.references.insert(id, 1);
        id
    }

    /// A copy of a vector.
    pub fn get(&self, id: u64) -> Option<Vec<f32>> {
        self.read().vectors.get(&id).cloned()
    }

    /// Copies of vectors.
    pub fn get_many(&self, ids: &[u64]) -> Vec<Option<Vec<f32>>> {
        let maps = self.read();
        ids.iter().map(|id| maps.vectors.get(id).cloned()).collect()
    }

    /// Takes a reference away, and the vector with the last one; says whether it was that.
    pub fn remove(&self, id: u64) -> bool {
        let mut maps = self.write();
        let Some(count) = maps.references.get_mut(&id) else { return false };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        maps.references.remove(&id);
        if let Some(vector) = maps.vectors.remove(&id) {
            maps.ids.remove(&hash(&vector));
        }
        true
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.read().vectors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(vector: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for number in vector {
        ((number * 1e6).round() as i64).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_is_one_to_six_decimals() {
        let twin = Twin::default();
        let id = twin.add(&[0.5, 0.25]);
        assert_eq!(twin.add(&[0.500_000_1, 0.25]), id);
        assert_ne!(twin.add(&[0.500_01, 0.25]), id);
        assert_eq!(twin.get(id), Some(vec![0.5, 0.25]));
        assert!(!twin.remove(id) && twin.remove(id) && !twin.remove(id));
        assert_eq!((twin.get(id), twin.len()), (None, 1));
        assert_ne!(twin.add(&[0.5, 0.25]), id);
    }
}
