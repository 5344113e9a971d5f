//! The authorities whose word proves that a database server is the one that was meant.
//!
//! Those of RDS are part of the binary (`certificates/README.md`). The file that [`VARIABLE`] names replaces them: the
//! sandbox's own, or a newer bundle of AWS's.

use std::ffi::OsString;
use std::sync::Arc;

use crate::error::{Kind, StepError};

/// Environment variable with the path of a PEM file.
pub const VARIABLE: &str = "CAUSEWAY_DATABASE_CA";

/// What helps when a server has not proved to be the one that was meant.
pub const REMEDY: &str = "the endpoint must be the cluster's own, and its certificate one that an RDS authority has \
    signed; where AWS has newer authorities than this build, renew them as crates/runbook/certificates/README.md says, \
    and deploy; then run the step again";

/// AWS's, for RDS in every commercial Region that the bundle knows.
pub const RDS: &[u8] = include_bytes!("../certificates/rds-global-bundle.pem");

/// Their certificates, PEM.
///
/// # Errors
/// When the file that the environment names can't be read, or holds no certificate.
pub fn load() -> Result<Arc<[u8]>, StepError> {
    named(std::env::var_os(VARIABLE))
}

fn named(file: Option<OsString>) -> Result<Arc<[u8]>, StepError> {
    let Some(file) = file else { return Ok(RDS.into()) };
    let what = format!("the file {} that {VARIABLE} names", file.display());
    let remedy = format!("name a PEM file with certificates, or unset {VARIABLE} for those of RDS");
    match std::fs::read(&file) {
        Ok(pem) if pem.windows(BEGIN.len()).any(|bytes| bytes == BEGIN) => Ok(pem.into()),
        Ok(_) => Err(StepError::new(Kind::Failed, format!("{what} holds no certificate"), remedy)),
        Err(error) => {
            Err(StepError::new(Kind::Failed, format!("{what} can't be read"), remedy).with_source(error))
        }
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use x509_parser::pem::Pem;

    use super::*;

    /// When the bundle was last renewed, and a year later: 2026-11-26, 2027-11-26. Not the clock's: a test says the same on
    /// every day.
    const RENEWED: i64 = 1_795_651_200;
    const A_YEAR_LATER: i64 = RENEWED + 365 * 86_400;

    #[test]
    fn the_bundle_holds_authorities_of_rds_only_of_three_kinds_a_region_and_none_expires_soon() {
        let mut regions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pem in Pem::iter_from_buffer(RDS) {
            let pem = pem.unwrap();
            let certificate = pem.parse_x509().unwrap();
            let subject = certificate.subject();
            let name = subject.iter_common_name().next().unwrap().as_str().unwrap().to_owned();
            assert_eq!(
                subject.iter_organization().next().unwrap().as_str().unwrap(),
                "Amazon Web Services, Inc.",
                "{name}"
            );
            assert_eq!(subject, certificate.issuer(), "{name} is no root");
            assert!(certificate.is_ca(), "{name} is no authority");
            let validity = certificate.validity();
            assert!(validity.not_before.timestamp() < RENEWED, "{name} is not valid yet");
            assert!(validity.not_after.timestamp() > A_YEAR_LATER, "{name} expires: drop or renew it");
            let (region, kind) =
                name.strip_prefix("Amazon RDS ").and_then(|rest| rest.split_once(" Root CA ")).unwrap();
            regions.entry(region.to_owned()).or_default().push(kind.to_owned());
        }
        assert!(regions.len() >= 27, "{} Regions", regions.len());
        for (region, kinds) in regions {
            assert_eq!(kinds, ["ECC384 G1", "RSA2048 G1", "RSA4096 G1"], "{region}");
        }
    }

    #[test]
    fn a_file_replaces_the_bundle_and_one_without_certificates_is_an_error() {
        assert_eq!(*named(None).unwrap(), *RDS);
        let file = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            file
        };
        let good = file("-----BEGIN CERTIFICATE-----\n");
        assert_eq!(*named(Some(good.path().into())).unwrap(), *b"-----BEGIN CERTIFICATE-----\n");
        let empty = file("");
        let error = named(Some(empty.path().into())).unwrap_err().to_string();
        assert!(error.contains("holds no certificate") && error.contains(VARIABLE), "{error}");
        let error = named(Some("/nowhere/ca.pem".into())).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ca.pem") && error.contains("can't be read"), "{error}");
    }
}
