//! The certificate with which the process proves who it is.
use super::secret;
use crate::cli::CliError;
use bluefly_protocol::beamline::TlsSpec;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};
use std::{fs::File, sync::Arc};

const CERTIFICATE: &str = "api.tls_certificate";
const KEY: &str = "api.tls_key";

/// What the files of `tls` say; an error names key, file and reason.
pub(super) fn config(tls: &TlsSpec) -> Result<Arc<ServerConfig>, CliError> {
    let chain = chain(&tls.certificate)?;
    let key = key(&tls.key)?;
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let config = config.map_err(|error| {
        let reason = format!("is no key of {}: {error}", tls.certificate);
        CliError::input(KEY, format!("{}: {reason}", tls.key))
    })?;
    Ok(Arc::new(config))
}

fn chain(path: &str) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let refused = |reason: String| CliError::input(CERTIFICATE, format!("{path}: {reason}"));
    let bytes = File::open(path).and_then(secret::read_some);
    let bytes = bytes.map_err(|error| refused(error.to_string()))?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| refused(format!("is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(refused("has no certificate in PEM".into()));
    }
    Ok(chain)
}

fn key(path: &str) -> Result<PrivateKeyDer<'static>, CliError> {
    let bytes = secret::read(KEY, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound => "has no private key in PEM".to_owned(),
            other => format!("is not PEM: {other}"),
        };
        CliError::input(KEY, format!("{path}: {reason}"))
    })
}
