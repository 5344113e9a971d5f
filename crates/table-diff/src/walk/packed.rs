//! Many keys, closely packed: as vectors of vectors they would take several times as much.

use crate::cells::Key;

/// Keys in the order in which they came.
#[derive(Debug, Default, Clone)]
pub(crate) struct PackedKeys {
    /// The keys, one after the other; each column's bytes come after their length.
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
}

impl PackedKeys {
    /// Adds a key, as a server sent it.
    pub(crate) fn push(&mut self, key: &[Option<Vec<u8>>]) {
        for part in key {
            let part = part.as_deref().unwrap_or_default();
            self.bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.bytes.extend_from_slice(part);
        }
        self.ends.push(self.bytes.len());
    }

    /// Takes the last key off the list; its bytes stay.
    pub(crate) fn forget_last(&mut self) {
        self.ends.pop();
    }

    /// A key as it is packed.
    pub(crate) fn packed(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[start..self.ends[number]]
    }

    pub(crate) fn key(&self, number: usize) -> Key {
        let mut rest = self.packed(number);
        let mut key = Key::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX).min(after.len());
            let (part, next) = after.split_at(length);
            key.push(part.to_vec());
            rest = next;
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_key_is_the_key() {
        let mut packed = PackedKeys::default();
        let keys: [Key; 3] =
            [vec![b"a".to_vec(), vec![]], vec![vec![0; 300], b"b".to_vec()], vec![vec![], vec![]]];
        for key in &keys {
            packed.push(&key.iter().cloned().map(Some).collect::<Vec<_>>());
        }
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(packed.key(number), *key);
        }
    }
}
