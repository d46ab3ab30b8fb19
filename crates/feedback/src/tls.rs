//! TLS towards receivers. Reading the system's certificate authorities takes tens of milliseconds, so it is done
//! when the first connection needs them, and off the runtime's threads.

use std::io;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// TLS settings, made when they are first needed.
#[derive(Clone)]
pub(crate) struct Tls(Arc<OnceCell<Arc<rustls::ClientConfig>>>);

impl Tls {
    /// With the system's certificate authorities.
    pub(crate) fn of_the_system() -> Tls {
        Tls(Arc::default())
    }

    /// As they are.
    pub(crate) fn given(config: Arc<rustls::ClientConfig>) -> Tls {
        Tls(Arc::new(OnceCell::new_with(Some(config))))
    }

    /// The settings.
    pub(crate) async fn config(&self) -> io::Result<Arc<rustls::ClientConfig>> {
        let made = self.0.get_or_try_init(|| async {
            let made = tokio::task::spawn_blocking(system_config).await.map_err(io::Error::other)?;
            made.map(Arc::new).map_err(io::Error::other)
        });
        made.await.cloned()
    }
}

fn system_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a trusted certificate cannot be read");
    }
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        tracing::warn!(
            "the system trusts no certificate authority, so no feedback can be delivered over https: install its \
             ca-certificates, or name a file in SSL_CERT_FILE"
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
