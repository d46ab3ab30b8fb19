//! TLS from certificate files.

use crate::client_certificate::AnyCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file.
    #[error("{path}: the certificate chain cannot be read: {reason}; it is a PEM file, the server's certificate first")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key file.
    #[error("{path}: the private key cannot be read: {reason}; it is a PEM file (PKCS#8, SEC1 or PKCS#1)")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The two do not fit, or rustls refuses them.
    #[error("the certificate and the private key cannot be used: {0}")]
    Unusable(String),
}

/// Whether clients are asked for a certificate in the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// They are, and may have none: each merchant's own settings say who has to show which.
    #[default]
    Ask,
    /// They are not.
    Off,
}

/// A server's TLS configuration: TLS 1.2 and 1.3, HTTP/1.1.
///
/// # Errors
/// When a file cannot be read, or the two do not fit.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    clients: ClientCertificates,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let bad_certificate = |reason: String| TlsError::Certificate { path: certificate.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| bad_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_certificate("it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::Key { path: key.to_owned(), reason: error.to_string() })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = AnyCertificate(provider.signature_verification_algorithms);
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable(error.to_string()))?;
    let builder = match clients {
        ClientCertificates::Ask => builder.with_client_cert_verifier(Arc::new(verifier)),
        ClientCertificates::Off => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| TlsError::Unusable(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
