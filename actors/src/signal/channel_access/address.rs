//! Names of PVs, from addresses and aliases.
use std::collections::BTreeMap;

/// What addresses of Channel Access begin with.
pub const SCHEME: &str = "ca://";

/// The PV behind an address, which may name an alias in place of a PV, or of the record of a field.
/// Nothing if it is no address of Channel Access, or one without a name.
pub(super) fn pv_name(address: &str, aliases: &BTreeMap<String, String>) -> Option<String> {
    let asked = address.strip_prefix(SCHEME)?;
    if asked.is_empty() || asked.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    // `$` asks for a string as a char array.
    let (name, long) = asked.strip_suffix('$').map_or((asked, ""), |name| (name, "$"));
    if let Some(pv) = aliases.get(name) {
        return Some(format!("{pv}{long}"));
    }
    let (record, field) = name.split_at(name.find('.').unwrap_or(name.len()));
    let record = aliases.get(record).map_or(record, String::as_str);
    Some(format!("{record}{field}{long}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Option<&str>) {
        let aliases = [("sx", "BL:STAGE:X"), ("shutter", "BL:SH:CTRL.VAL")];
        let aliases = aliases.map(|(alias, pv)| (alias.to_owned(), pv.to_owned()));
        assert_eq!(pv_name(address, &aliases.into()).as_deref(), expected, "{address}");
    }

    #[test]
    fn addresses_name_pvs() {
        check("ca://BL:M1.RBV", Some("BL:M1.RBV"));
        check("ca://BL:M1.DESC$", Some("BL:M1.DESC$"));
        check("ca://BL:M1", Some("BL:M1"));
        check("ca://", None);
        check("ca://a b", None);
        check("ca://a\0b", None);
        check("sim://x.VAL", None);
    }

    #[test]
    fn aliases_stand_for_pvs_and_for_records() {
        check("ca://sx", Some("BL:STAGE:X"));
        check("ca://sx.RBV", Some("BL:STAGE:X.RBV"));
        check("ca://sx.DESC$", Some("BL:STAGE:X.DESC$"));
        check("ca://sx$", Some("BL:STAGE:X$"));
        check("ca://shutter", Some("BL:SH:CTRL.VAL"));
        check("ca://sxx.RBV", Some("sxx.RBV"));
    }
}
