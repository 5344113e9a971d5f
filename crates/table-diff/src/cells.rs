//! What a server sends, as bytes, and how texts, numbers and keys are read from it.

use std::fmt::Write;

/// A row as the server's bytes, `None` for NULL.
pub(crate) type Cells = Vec<Option<Vec<u8>>>;

/// A key: the canonical bytes of its columns.
pub(crate) type Key = Vec<Vec<u8>>;

/// The first cells as texts; NULL is empty.
pub(crate) fn texts<const N: usize>(row: Cells) -> [String; N] {
    let mut cells = row.into_iter().map(|cell| cell.map(lossy).unwrap_or_default());
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

/// Bytes as text, those that are no UTF-8 replaced.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The number in a cell; 0 when there is none.
pub(crate) fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok()).unwrap_or_default()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits.
pub(crate) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A key in a cursor: the canonical bytes of its columns, in hexadecimal.
pub(crate) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Key, hex, unhex};

    pub(crate) fn serialize<S: Serializer>(key: &Option<Key>, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = key.as_ref().map(|key| key.iter().map(|part| hex(part)).collect::<Vec<_>>());
        texts.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Key>, D::Error> {
        let Some(texts) = Option::<Vec<String>>::deserialize(deserializer)? else { return Ok(None) };
        let parts = texts.iter().map(|text| unhex(text.as_bytes())).collect::<Option<Key>>();
        parts.map(Some).ok_or_else(|| serde::de::Error::custom("a key that is not hexadecimal"))
    }
}
