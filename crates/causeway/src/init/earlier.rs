//! The files that are there already: `deploy.json`, the plan that it names, and what was found when they were written.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Error;

/// The settings' file.
pub const SETTINGS: &str = "deploy.json";
/// The plan's, where no settings name another.
const PLAN: &str = "plan.json";
/// Ends the name of the file with what was found, after that of the plan.
const FOUND: &str = ".found.json";

/// What is there.
#[derive(Debug)]
pub struct Earlier {
    /// Where the settings are, or will be.
    pub settings_path: PathBuf,
    /// Where the plan is, or will be.
    pub plan_path: PathBuf,
    /// Where it is kept what was found.
    pub found_path: PathBuf,
    /// The plan's file beside the settings.
    pub plan_file: String,
    /// The settings.
    pub settings: Option<Value>,
    /// The plan.
    pub plan: Option<Value>,
    /// What was derived when they were written.
    pub found: Option<Value>,
}

impl Earlier {
    /// Reads what is in a folder.
    ///
    /// # Errors
    /// Names a file that can't be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        // The folder where we are has no name in what is said.
        let folder = folder.strip_prefix(".").unwrap_or(folder);
        let settings_path = folder.join(SETTINGS);
        let settings = object(&settings_path)?;
        let named =
            settings.as_ref().and_then(|settings| settings["plan"].as_str()).unwrap_or(PLAN).to_owned();
        let plan_path = folder.join(&named);
        let stem = named.strip_suffix(".json").unwrap_or(&named);
        let found_path = folder.join(format!("{stem}{FOUND}"));
        let (plan, found) = (object(&plan_path)?, object(&found_path)?);
        Ok(Self { settings_path, plan_path, found_path, plan_file: named, settings, plan, found })
    }

    /// What the plan says at these members' names.
    pub fn planned(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self.plan.as_ref()?, |value, name| value.get(name))
    }

    /// The same as a text.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.planned(path)?.as_str()
    }

    /// A setting, as a text that is not empty.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.as_ref()?.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// What the stack's names begin with.
    pub fn prefix(&self) -> &str {
        self.setting("prefix").unwrap_or("causeway")
    }

    /// The plan's two Regions.
    pub fn regions(&self) -> Option<[String; 2]> {
        serde_json::from_value(self.planned(&["regions"])?.clone()).ok()
    }

    /// The accounts of the plan's clusters.
    pub fn account(&self) -> Option<&str> {
        let databases = self.planned(&["databases"])?.as_object()?;
        let members = databases.values().filter_map(|database| database["members"].as_object());
        let arn =
            members.flat_map(|members| members.values()).find_map(|member| member["clusterArn"].as_str())?;
        arn.split(':').nth(4)
    }

    /// The plan's databases in a global cluster, by name.
    pub fn databases_in(&self, global: &str) -> Vec<&String> {
        let databases = self.planned(&["databases"]).and_then(Value::as_object);
        let all = databases.into_iter().flatten();
        all.filter(|(_, database)| database["globalCluster"] == global).map(|(name, _)| name).collect()
    }

    /// How the plan signs in to a database in a Region: the secret, or `iam:` and the user.
    pub fn signs_in(&self, database: &str, region: &str) -> Option<String> {
        let member = self.planned(&["databases", database, "members", region])?;
        let secret = member["secret"].as_str().map(str::to_owned);
        secret.or_else(|| Some(format!("{IAM}{}", member["iamUser"].as_str()?)))
    }
}

/// What an answer begins with that names a database user instead of a secret.
pub const IAM: &str = "iam:";

/// A JSON object in a file; none where there is no file.
fn object(path: &Path) -> Result<Option<Value>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("can't read {}: {error}", path.display()).into()),
    };
    let mend = "mend it, or move it away; nothing was changed";
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(Some(Value::Object(members))),
        Ok(_) => Err(format!("{} is no JSON object: {mend}", path.display()).into()),
        Err(error) => Err(format!("{} can't be read as JSON: {error}: {mend}", path.display()).into()),
    }
}
