//! A certificate authority of the sandbox's own, in place of those of RDS, so that the functions' way of verifying a
//! server is rehearsed too. Its key is nowhere but in memory.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::ServerError;
use super::files::failed;

/// Files of the servers' TLS, below the folder of all: the authority's certificate, the servers' own and its key.
pub const AUTHORITY: &str = "authority.pem";
pub(super) const CERTIFICATE: &str = "certificate.pem";
pub(super) const KEY: &str = "key.pem";

/// What the servers prove themselves with: a certificate for 127.0.0.1 alone, and its key.
pub struct Identity {
    authority: String,
    certificate: String,
    key: String,
}

impl Identity {
    /// A new one, signed by an authority of its own.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new() -> Result<Self, ServerError> {
        let authority = Authority::new().map_err(|error| failed("no certificate authority", error))?;
        let (certificate, key) =
            authority.sign("127.0.0.1").map_err(|error| failed("no certificate", error))?;
        Ok(Self { authority: authority.pem(), certificate, key })
    }

    /// Writes its files into a folder.
    ///
    /// # Errors
    /// When one can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), ServerError> {
        for (file, text) in [(AUTHORITY, &self.authority), (CERTIFICATE, &self.certificate), (KEY, &self.key)]
        {
            let path = folder.join(file);
            std::fs::write(&path, text)
                .map_err(|error| failed(format!("can't write {}", path.display()), error))?;
        }
        Ok(())
    }
}

/// An authority that nobody else trusts.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, with a key of its own.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new() -> Result<Self, Error> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "Causeway sandbox");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key of a server at `host`, a name or an address.
    ///
    /// # Errors
    /// When that is neither.
    pub fn sign(&self, host: &str) -> Result<(String, String), Error> {
        let mut parameters = CertificateParams::new([host.to_owned()])?;
        parameters.distinguished_name.push(DnType::CommonName, host);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.0)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}
