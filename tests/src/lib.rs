//! Tests that span the workspace; see the folders beside this one. Here is what several of them use.

pub mod emulator;
pub mod parts;
pub mod strangers;
pub mod templates;
pub mod witnesses;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The functions, by the name of their crate, in the order of the template.
pub const STEPS: [&str; 8] = [
    "preflight",
    "routing-control",
    "global-failover",
    "snapshot-restore",
    "reconcile",
    "replay",
    "report",
    "region-switch",
];

/// The one of them that no runbook calls, but ARC Region switch.
pub const CALLED_BY_REGION_SWITCH: &str = "region-switch";

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Chromium, where there is one.
#[must_use]
pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|at| at.is_file())
}

/// The tests' Python.
///
/// # Errors
/// When there is none.
pub fn python() -> Result<PathBuf, String> {
    let python = root().join("target/python/bin/python");
    if python.is_file() {
        return Ok(python);
    }
    Err(format!("there is no {}: run tests/setup.sh python", python.display()))
}

/// Looks at the pages in `folder` with a real browser, by `browser/look.py`; `None` where there is no Chromium.
/// The pictures of a page named `a-whole-failover` are put into `pictures`.
///
/// # Errors
/// What is wrong with a page.
pub fn look_at_pages(folder: &Path, pictures: &Path) -> Result<Option<String>, String> {
    let Some(browser) = chromium() else { return Ok(None) };
    let script = root().join("tests/browser/look.py");
    let looked = Command::new(python()?).arg(script).arg(browser).arg(folder).arg(pictures).output();
    let looked = looked.map_err(|error| format!("look.py can't be started: {error}"))?;
    let said = String::from_utf8_lossy(&looked.stdout).into_owned();
    if looked.status.success() {
        Ok(Some(said))
    } else {
        Err(format!("{said}{}", String::from_utf8_lossy(&looked.stderr)))
    }
}
