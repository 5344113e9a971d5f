//! The software bill of materials of a package, as CycloneDX 1.5 in JSON: the functions, and every crate that is linked into one of
//! them, with version, licence, package URL, and the checksum of its source.
//!
//! Cargo says which crates these are (`cargo tree`), for the architecture that the functions were built for, and `Cargo.lock` has the
//! checksums. What only runs while they are built (macros, build scripts) is not deployed, and not listed. The same functions give
//! the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::Error;

/// Its name in the package.
pub const SBOM: &str = "sbom.cdx.json";

/// A crate, as Cargo names it: name and version.
type Crate = (String, String);

/// What the functions are made of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tree {
    /// The licence of each crate, as it says itself.
    licences: BTreeMap<Crate, String>,
    /// What each crate depends on.
    depends: BTreeMap<Crate, BTreeSet<Crate>>,
}

/// Writes it for these functions, with the SHA-256 of each. `workspace` is the folder with `Cargo.lock`.
///
/// # Errors
/// When Cargo can't be asked, or the lock file can't be read.
pub fn of(
    workspace: &Path,
    functions: &BTreeMap<String, String>,
    architecture: &str,
) -> Result<Vec<u8>, Error> {
    let target = if architecture == "arm64" { "aarch64" } else { "x86_64" };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(workspace).args([
        "tree",
        "--frozen",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "depth",
    ]);
    cargo.args(["--format", "{p}\t{l}", "--target", &format!("{target}-unknown-linux-gnu")]);
    cargo.args(functions.keys().flat_map(|name| ["--package", name]));
    let failed = |why: &dyn std::fmt::Display| {
        format!(
            "what the functions are made of can't be asked of cargo, for {SBOM}: {why}; package where they were built"
        )
    };
    let asked = cargo.output().map_err(|error| failed(&error))?;
    if !asked.status.success() {
        return Err(failed(&String::from_utf8_lossy(&asked.stderr).trim()).into());
    }
    let tree = tree(&String::from_utf8(asked.stdout)?);
    let lock = workspace.join("Cargo.lock");
    let lock =
        std::fs::read_to_string(&lock).map_err(|error| format!("can't read {}: {error}", lock.display()))?;
    let bom = bom(&tree, &checksums(&lock), functions);
    Ok(serde_json::to_vec_pretty(&bom)?)
}

/// Reads lines of depth, crate and licence, each below what depends on it.
fn tree(text: &str) -> Tree {
    let mut tree = Tree::default();
    let mut above: Vec<Crate> = Vec::new();
    for line in text.lines() {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let (depth, rest) = line.split_at(digits);
        let (package, licence) = rest.split_once('\t').unwrap_or((rest, ""));
        let mut words = package.split(' ');
        let (Ok(depth), Some(name), Some(version)) =
            (depth.parse::<usize>(), words.next(), words.next().and_then(|word| word.strip_prefix('v')))
        else {
            continue;
        };
        let found = (name.to_owned(), version.to_owned());
        above.truncate(depth);
        if let Some(parent) = above.last() {
            tree.depends.entry(parent.clone()).or_default().insert(found.clone());
        }
        above.push(found.clone());
        tree.depends.entry(found.clone()).or_default();
        // What was shown with everything below it before is marked.
        tree.licences.insert(found, licence.trim_end_matches(" (*)").to_owned());
    }
    tree
}

/// The checksums of a lock file: SHA-256 of what the registry has of a crate. Those of the workspace have none.
fn checksums(lock: &str) -> BTreeMap<Crate, String> {
    let packages = lock.split("[[package]]\n").skip(1);
    let one = |package: &str| {
        let member = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.and_then(|text| text.strip_suffix('"')).map(str::to_owned)
        };
        Some(((member("name")?, member("version")?), member("checksum")?))
    };
    packages.filter_map(one).collect()
}

fn bom(tree: &Tree, checksums: &BTreeMap<Crate, String>, functions: &BTreeMap<String, String>) -> Value {
    let reference = |(name, version): &Crate| format!("{name}@{version}");
    let component = |of: &Crate| {
        let (name, version) = of;
        let function = functions.get(name);
        let kind = if function.is_some() { "application" } else { "library" };
        let mut component = json!({"type": kind, "bom-ref": reference(of), "name": name, "version": version});
        if let Some(licence) = tree.licences.get(of).filter(|licence| !licence.is_empty()) {
            // As SPDX writes it; crates of long ago have a slash.
            let words: Vec<&str> = licence.split('/').map(str::trim).collect();
            component["licenses"] = json!([{"expression": words.join(" OR ")}]);
        }
        if let Some(sum) = function.or(checksums.get(of)) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        if checksums.contains_key(of) {
            component["purl"] = json!(format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")));
        }
        component
    };
    let components: Vec<Value> = tree.licences.keys().map(component).collect();
    let depends = tree.depends.iter().map(
        |(of, on)| json!({"ref": reference(of), "dependsOn": on.iter().map(reference).collect::<Vec<_>>()}),
    );
    let mut bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": "causeway", "name": "causeway", "version": env!("CARGO_PKG_VERSION"),
        }},
        "components": components,
        "dependencies": depends.collect::<Vec<_>>(),
    });
    let content = Uuid::new_v5(&Uuid::NAMESPACE_OID, bom.to_string().as_bytes());
    bom["serialNumber"] = json!(content.urn().to_string());
    bom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_has_what_is_known_of_it_once() {
        let tree = tree(
            "0report v0.1.0 (/somewhere/crates/report)\tMIT-0\n1ring v0.17.14\tApache-2.0 AND ISC\n2old v1.0.0+7\tMIT/Apache-2.0\n\
             1serde v1.0.0\tMIT OR Apache-2.0\n\n0replay v0.1.0 (/somewhere/crates/replay)\tMIT-0\n1ring v0.17.14\tApache-2.0 AND ISC (*)\n",
        );
        let lock = "version = 4\n\n[[package]]\nname = \"old\"\nversion = \"1.0.0+7\"\nsource = \"registry\"\nchecksum = \"00ff\"\n\n\
                    [[package]]\nname = \"report\"\nversion = \"0.1.0\"\n";
        let functions = BTreeMap::from([("report".to_owned(), "aa".to_owned())]);
        let bom = bom(&tree, &checksums(lock), &functions);
        let components = bom["components"].as_array().unwrap();
        let names: Vec<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["old", "replay", "report", "ring", "serde"]);
        let old = json!({"type": "library", "bom-ref": "old@1.0.0+7", "name": "old", "version": "1.0.0+7", "purl": "pkg:cargo/old@1.0.0%2B7",
            "licenses": [{"expression": "MIT OR Apache-2.0"}], "hashes": [{"alg": "SHA-256", "content": "00ff"}]});
        assert_eq!(components[0], old);
        let report = json!({"type": "application", "bom-ref": "report@0.1.0", "name": "report", "version": "0.1.0",
            "licenses": [{"expression": "MIT-0"}], "hashes": [{"alg": "SHA-256", "content": "aa"}]});
        assert_eq!(components[2], report);
        assert_eq!(bom["dependencies"][1], json!({"ref": "replay@0.1.0", "dependsOn": ["ring@0.17.14"]}));
        assert_eq!(bom["dependencies"][3], json!({"ref": "ring@0.17.14", "dependsOn": ["old@1.0.0+7"]}));
        assert!(!bom.to_string().contains("somewhere"), "no folder of the machine is in it");
    }
}
