//! The one TLS set-up: who is trusted when the bridge connects to a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the CA file {} cannot be read as PEM", path.display())]
    CaFile { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the CA file {} holds no certificate", path.display())]
    NoCertificate { path: PathBuf },
    #[error("the CA file {} holds a certificate that cannot be used", path.display())]
    BadCertificate { path: PathBuf, source: rustls::Error },
    #[error("TLS cannot be set up")]
    SetUp(#[source] rustls::Error),
}

/// TLS 1.2 and 1.3 by ring. Trusted are the machine's certificate authorities, Mozilla's (so that a container
/// without any works, too) and those in `ca_file` (PEM). No ALPN: each protocol sets its own.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::SetUp)?
        .with_root_certificates(roots(ca_file)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "A part of the machine's certificate store cannot be read.");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let unreadable = |source| TlsError::CaFile { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|source| TlsError::BadCertificate { path: path.to_owned(), source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_authority_is_added_to_the_known_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        std::fs::write(&path, ca.cert.pem()).unwrap();
        let without = roots(None).unwrap().len();
        assert!(without > 50);
        assert_eq!(roots(Some(&path)).unwrap().len(), without + 1);
        client_config(Some(&path)).unwrap();
    }

    #[test]
    fn a_ca_file_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(matches!(client_config(Some(&path)), Err(TlsError::CaFile { .. })));
        std::fs::write(&path, "not a certificate").unwrap();
        assert!(matches!(client_config(Some(&path)), Err(TlsError::NoCertificate { .. })));
    }
}
