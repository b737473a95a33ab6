//! Certificates for this machine alone, under an authority of their own whose key is forgotten at once.

use crate::exit::Failure;
use jiff::ToSpan;
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};

/// How long they are good for.
const VALID_DAYS: i32 = 90;

/// What a browser must trust, and what it is shown; all as PEM.
pub(crate) struct Certificates {
    pub(crate) authority: String,
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// New ones.
///
/// # Errors
/// [`Failure`] if there are no random numbers.
pub(crate) fn certificates() -> Result<Certificates, Failure> {
    let failed =
        |error: rcgen::Error| Failure::unavailable(format!("can't make a certificate: {error}"));
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.distinguished_name.push(DnType::CommonName, "Florin demonstration");
    // Whoever trusts it trusts it for this machine alone.
    authority.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(String::from("localhost"))],
        excluded_subtrees: Vec::new(),
    });
    let names = vec![String::from("localhost")];
    let mut leaf = CertificateParams::new(names).map_err(failed)?;
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    for parameters in [&mut authority, &mut leaf] {
        // Clocks of other time zones may still have yesterday.
        bound(parameters, -1, VALID_DAYS);
    }
    let authority_key = KeyPair::generate().map_err(failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    let own = authority.self_signed(&authority_key).map_err(failed)?;
    let issuer = Issuer::new(authority, authority_key);
    let chain = leaf.signed_by(&key, &issuer).map_err(failed)?.pem();
    Ok(Certificates { authority: own.pem(), chain, key: key.serialize_pem() })
}

/// Says from which day to which a certificate is good, counted from today.
fn bound(parameters: &mut CertificateParams, first_days: i32, last_days: i32) {
    let today = jiff::ZonedDateTime::now().date();
    let at = |days: i32| {
        let day: Date = today.checked_add(days.days()).unwrap_or(today);
        let [month, day_of_month] = [day.month(), day.day()].map(i8::unsigned_abs);
        rcgen::date_time_ymd(day.year().into(), month, day_of_month)
    };
    (parameters.not_before, parameters.not_after) = (at(first_days), at(last_days));
}
