//! Why the wire can't be set up.

/// Why a [`Wire`] or its server can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The folder for S3 objects can't be used.
    #[error("the folder {0} for S3 objects can't be used: {1}; create it, or name another")]
    S3Root(std::path::PathBuf, String),
    /// No listener could be opened.
    #[error("no port could be opened on 127.0.0.1")]
    Listen(#[source] std::io::Error),
}
