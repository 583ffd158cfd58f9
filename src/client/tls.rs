//! Whom to believe to be the server of an `https` URL.
use super::error::ClientError;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where Debian keeps the certificates that the machine believes.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Believes whoever has a certificate of an authority in `ca_file`, or in the bundle of the system.
pub(super) fn config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, ClientError> {
    let bundle = || std::env::var_os("SSL_CERT_FILE").unwrap_or_else(|| SYSTEM_BUNDLE.into());
    let file = ca_file.map_or_else(|| PathBuf::from(bundle()), Path::to_path_buf);
    let wrong = |why: String| ClientError::Setting {
        argument: "--ca-file",
        rule: format!("{}: {why}", file.display()),
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&file);
    for certificate in certificates.map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("has no certificate (PEM)".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
