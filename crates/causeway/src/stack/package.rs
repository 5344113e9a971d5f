//! The package: everything that is deployed, in one folder that can be carried elsewhere.
//!
//! `template.yaml`, `ssm-documents/`, `functions/NAME/bootstrap`, `sbom.cdx.json` with the crates that these are made of, and
//! `manifest.json` with the SHA-256 of each, written last. The documents are copies of the files that the rehearsals run, and so is the template, but for where each
//! function's program is: `sam build` finds them all by the Makefile, a package has a folder for each. What was changed
//! behind the manifest is not deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sbom::{self, SBOM};
use crate::Error;

pub const TEMPLATE: &str = "template.yaml";
const DOCUMENTS: &str = "ssm-documents";
const FUNCTIONS: &str = "functions";
const MANIFEST: &str = "manifest.json";

/// Where from and where to.
#[derive(Args)]
pub struct Options {
    /// Where the functions were built: the folder with Cargo.lock, of which cargo is asked what they are made of
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// Folder with a folder for each function and the program `bootstrap` in it, as `cargo lambda build` leaves them
    #[arg(long, value_name = "DIR", default_value = "target/lambda")]
    functions: PathBuf,
    /// Folder with the Automation documents
    #[arg(long, value_name = "DIR", default_value = DOCUMENTS)]
    documents: PathBuf,
    /// The SAM template
    #[arg(long, value_name = "FILE", default_value = TEMPLATE)]
    template: PathBuf,
    /// Where to; what is there is replaced
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    output: PathBuf,
}

/// What is in a package.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Of Causeway.
    pub version: String,
    /// What the functions were built for, as Lambda names it.
    pub architecture: String,
    /// SHA-256 of each file, in hexadecimal, by its path in the package.
    pub files: BTreeMap<String, String>,
}

/// Makes the package.
pub fn run(options: &Options) -> Result<ExitCode, Error> {
    let text = String::from_utf8(read(&options.template)?)?;
    let output = &options.output;
    if output.join(MANIFEST).exists() {
        // An old manifest must not vouch for half a new package.
        std::fs::remove_file(output.join(MANIFEST))?;
        for folder in [DOCUMENTS, FUNCTIONS] {
            std::fs::remove_dir_all(output.join(folder))?;
        }
    } else if output.is_dir() && std::fs::read_dir(output)?.next().is_some() {
        return Err(format!(
            "{} is not empty and holds no package: remove it, or name another --output",
            output.display()
        )
        .into());
    }
    let (packaged, functions) = packaged(&text);
    let mut files = BTreeMap::from([(TEMPLATE.to_owned(), packaged.into_bytes())]);
    // What the template names, and nothing else.
    for name in &functions {
        let program = read(&options.functions.join(name).join("bootstrap"))?;
        files.insert(format!("{FUNCTIONS}/{name}/bootstrap"), program);
    }
    for path in named(&text, "Location: ") {
        let name = path.trim_start_matches("ssm-documents/");
        let document = read(&options.documents.join(name))?;
        files.insert(path, document);
    }
    let built: BTreeSet<&str> = files
        .iter()
        .filter(|(path, _)| path.starts_with(FUNCTIONS))
        .map(|(path, bytes)| architecture(bytes).ok_or_else(|| format!("{path} is not a program for Lambda")))
        .collect::<Result<_, _>>()?;
    let [architecture] = Vec::from_iter(built)[..] else {
        return Err("the functions were built for different architectures: build them all again".into());
    };
    let programs = functions
        .iter()
        .filter_map(|name| Some((name.clone(), hash(files.get(&format!("{FUNCTIONS}/{name}/bootstrap"))?))));
    let bom = sbom::of(&options.workspace, &programs.collect(), architecture)?;
    let architecture = architecture.to_owned();
    files.insert(SBOM.to_owned(), bom);
    let mut manifest =
        Manifest { version: env!("CARGO_PKG_VERSION").to_owned(), architecture, files: BTreeMap::new() };
    for (path, bytes) in &files {
        let to = output.join(path);
        std::fs::create_dir_all(to.parent().unwrap_or(output))?;
        std::fs::write(&to, bytes).map_err(|error| format!("can't write {}: {error}", to.display()))?;
        executable(&to, path)?;
        manifest.files.insert(path.clone(), hash(bytes));
    }
    std::fs::write(output.join(MANIFEST), serde_json::to_string_pretty(&manifest)?)?;
    crate::prompt::say(&format!("{} in {}", manifest.summary(), output.display()));
    Ok(ExitCode::SUCCESS)
}

impl Manifest {
    /// The manifest of a package whose files are what it says.
    pub fn verified(package: &Path) -> Result<Self, Error> {
        let path = package.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!("there is no package in {}: {error}. Run make package", package.display())
        })?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        for (file, expected) in &manifest.files {
            if hash(&read(&package.join(file))?) != *expected {
                return Err(
                    format!("{file} was changed since the package was made: run make package again").into()
                );
            }
        }
        Ok(manifest)
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let count = |folder: &str| self.files.keys().filter(|path| path.starts_with(folder)).count();
        format!(
            "Causeway {} for {}: {} functions, {} runbooks",
            self.version,
            self.architecture,
            count(FUNCTIONS),
            count(DOCUMENTS)
        )
    }
}

/// The template with each function's own folder as its `CodeUri`, and the functions, named as without the prefix.
fn packaged(template: &str) -> (String, Vec<String>) {
    let mut functions = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut code = None;
    for line in template.lines() {
        if line.trim_start().starts_with("CodeUri: ") {
            code = Some(lines.len());
        }
        let name = line
            .trim()
            .strip_prefix("FunctionName: !Sub '${Prefix}-")
            .and_then(|name| name.strip_suffix('\''));
        if let Some(name) = name
            && let Some(at) = code.take()
        {
            let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
            lines[at] = format!("{indent}CodeUri: {FUNCTIONS}/{name}");
            functions.push(name.to_owned());
        }
        lines.push(line.to_owned());
    }
    (lines.join("\n") + "\n", functions)
}

/// The values that follow `key` in the template's lines.
fn named(template: &str, key: &str) -> Vec<String> {
    template.lines().filter_map(|line| line.trim().strip_prefix(key)).map(str::to_owned).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| format!("can't read {}: {error}", path.display()).into())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an ELF program was built for (`e_machine`, System V ABI), in Lambda's words.
fn architecture(program: &[u8]) -> Option<&'static str> {
    match (program.get(..4)?, program.get(18..20)?) {
        (b"\x7fELF", [0xb7, 0]) => Some("arm64"),
        (b"\x7fELF", [0x3e, 0]) => Some("x86_64"),
        _ => None,
    }
}

fn executable(file: &Path, path: &str) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    // Lambda runs the program as another user.
    let mode = if path.ends_with("bootstrap") { 0o755 } else { 0o644 };
    Ok(std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode))?)
}
