//! Files that are whole or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;

/// Writes a file at once, and the folders above it: whoever reads it finds all of it, or what was there before. A failure
/// names it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    written().map_err(|error| {
        // A part of it would only take the room that is missing.
        let _ = fs::remove_file(&temporary);
        format!("can't write {}: {error}", path.display()).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_can_not_be_written_is_named_and_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/report.sql");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");

        // Nothing can be put into the place of the temporary file.
        fs::create_dir(folder.path().join("below/report.sql.tmp")).unwrap();
        let error = write(&path, b"three").unwrap_err().to_string();
        assert!(error.starts_with(&format!("can't write {}: ", path.display())), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
