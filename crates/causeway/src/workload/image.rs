//! The shop's image: built from `workload/Dockerfile` over the static program, and pushed to a Region's repository.
//!
//! By `docker`, which has to be signed in to nothing: the password is ECR's, for twelve hours. The tag is the content's hash, so that
//! the same program is pushed once and a stack that has it does not change.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::settings::{Architecture, Settings};
use crate::Error;
use crate::prompt::say;

/// Where `make image` puts the program and what goes with it.
const CONTEXT: &str = "target/workload/image";

/// Pushes the image to the repository, unless it is there, and returns how a task names it.
///
/// # Errors
/// What `docker` or `aws` said.
pub async fn pushed(settings: &Settings, region: &str, repository: &str) -> Result<String, Error> {
    let context = PathBuf::from(CONTEXT);
    let program = context.join("shop");
    let bytes = std::fs::read(&program).map_err(|error| {
        format!(
            "can't read {}: {error}. `make image` builds it; or name images that are there in the settings (`images`)",
            program.display()
        )
    })?;
    let tag: String = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let image = format!("{repository}:{tag}");
    let there = [
        "ecr",
        "describe-images",
        "--region",
        region,
        "--repository-name",
        name(repository),
        "--image-ids",
        &format!("imageTag={tag}"),
        "--query",
        "imageDetails[].imageTags[]",
        "--output",
        "text",
    ];
    // Refused where it is not there.
    if ran("aws", &there, None, None).await.is_ok_and(|tags| tags.split_whitespace().any(|one| one == tag)) {
        return Ok(image);
    }
    say(&format!("{region}: the image {tag} is built and pushed"));
    let registry = repository.split('/').next().unwrap_or(repository);
    let password = ran("aws", &["ecr", "get-login-password", "--region", region], None, None).await?;
    ran("docker", &["login", "--username", "AWS", "--password-stdin", registry], None, Some(&password))
        .await?;
    let platform = match settings.architecture {
        Architecture::Arm64 => "linux/arm64",
        Architecture::X86 => "linux/amd64",
    };
    ran("docker", &["build", "--platform", platform, "--tag", &image, "."], Some(&context), None).await?;
    ran("docker", &["push", &image], None, None).await?;
    Ok(image)
}

/// A repository's name, without its registry.
fn name(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_, name)| name)
}

/// Runs a program to its end; what it printed.
async fn ran(
    program: &str,
    arguments: &[&str],
    folder: Option<&Path>,
    input: Option<&str>,
) -> Result<String, Error> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let doing = format!("{program} {}", arguments.first().unwrap_or(&""));
    let mut child = command.spawn().map_err(|error| {
        format!("{program} can't be started: {error}. Install it, or name images that are there in the settings (`images`)")
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.unwrap_or_default().as_bytes()).await?;
    }
    let done = child.wait_with_output().await?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{doing} failed: {}", said.trim().lines().last().unwrap_or("it says nothing")).into())
}
