//! Folders for what lives as long as this process: for its user alone, and removed when dropped.
//!
//! A process that is killed can't remove them. So each holds a file that its process keeps locked; the system gives the lock
//! back whatever becomes of the process, and [`remove_abandoned`] removes the folders that nobody holds any more.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

/// What the names of all of them begin with.
const PREFIX: &str = "causeway-";
/// The locked file.
const OWNED: &str = "owned";

/// A folder of this process's own. A drop removes it with everything below.
#[derive(Debug)]
pub struct Folder {
    // In this order: it is removed while it is still locked.
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// A new one in the folder for temporary files, named `causeway-`, then `what`.
    ///
    /// # Errors
    /// When it can't be created, with its path.
    pub fn create(what: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{what}"))
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        // Under another name until it is locked, so that nobody believes it abandoned meanwhile.
        let (new, owned) = (folder.path().join("new"), folder.path().join(OWNED));
        let locked = File::create(&new).and_then(|file| {
            file.try_lock()?;
            std::fs::rename(&new, &owned)?;
            Ok(file)
        });
        let lock =
            locked.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", owned.display())))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of processes that are gone; a line for each says so, or why it could not be removed.
pub fn remove_abandoned() -> Vec<String> {
    remove_abandoned_in(&std::env::temp_dir())
}

fn remove_abandoned_in(parent: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let abandoned = entries.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path())
    });
    let line = |path: &Path| match std::fs::remove_dir_all(path) {
        Ok(()) => format!("removed {}, which a run that was killed had left", path.display()),
        Err(error) => format!(
            "can't remove {}, which a run that was killed has left: {error}; remove it by hand",
            path.display()
        ),
    };
    abandoned.map(|entry| line(&entry.path())).collect()
}

/// Whether this is a folder of this user whose process is gone. What is not known for certain is not abandoned.
fn is_abandoned(folder: &Path) -> bool {
    let mine = |path: &Path| {
        let owner = std::fs::metadata("/proc/self").map(|me| me.uid()).ok()?;
        std::fs::symlink_metadata(path).ok().filter(|it| it.uid() == owner)
    };
    let owned = folder.join(OWNED);
    mine(folder).is_some_and(|it| it.is_dir())
        && mine(&owned).is_some_and(|it| it.is_file())
        && File::open(&owned).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, owned: bool| {
            let folder = parent.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            if owned {
                std::fs::write(folder.join(OWNED), "").unwrap();
            }
            folder
        };
        let (gone, held) = (make("causeway-gone", true), make("causeway-held", true));
        let (not_locked_yet, foreign) = (make("causeway-new", false), make("other", true));
        let lock = File::open(held.join(OWNED)).unwrap();
        lock.try_lock().unwrap();
        std::os::unix::fs::symlink(&foreign, parent.path().join("causeway-link")).unwrap();

        let said = remove_abandoned_in(parent.path());
        let expected = format!("removed {}, which a run that was killed had left", gone.display());
        assert_eq!(said, [expected]);
        assert!(!gone.exists());
        assert!(held.exists() && not_locked_yet.exists() && foreign.exists());
    }

    #[test]
    fn a_folder_is_for_its_user_alone_and_goes_with_its_holder() {
        let folder = Folder::create("test-").unwrap();
        let path = folder.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(!is_abandoned(&path));
        drop(folder);
        assert!(!path.exists());
    }
}
