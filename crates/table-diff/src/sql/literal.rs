//! Names and texts as SQL. They come from databases, and are data: they enter a statement by these functions only.

use crate::engine::Engine;

pub use crate::cells::hex;

/// A quoted name.
pub fn name(engine: Engine, name: &str) -> String {
    match engine {
        Engine::MySql => format!("`{}`", name.replace('`', "``")),
        Engine::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A text literal.
pub fn text(engine: Engine, value: &[u8]) -> String {
    match engine {
        // Hexadecimal: no setting of the server changes how it is read.
        Engine::MySql => format!("_utf8mb4 x'{}'", hex(value)),
        Engine::Postgres => format!("'{}'", String::from_utf8_lossy(value).replace('\'', "''")),
    }
}

/// A literal of bytes.
pub(crate) fn bytes(value: &[u8]) -> String {
    format!("x'{}'", hex(value))
}

/// A numeric literal; `None` when the text is no number.
pub(crate) fn number(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.to_owned())
}
