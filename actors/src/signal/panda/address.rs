//! Addresses of signals of a PandA.
use bluefly_protocol::panda::describe::FieldName;

/// What stands before `://`.
pub const SCHEME: &str = "panda";

/// The PandA and the field of `panda://NAME/BLOCK.FIELD[.ATTRIBUTE]`; nothing if it is none.
pub(super) fn parts(address: &str) -> Option<(&str, FieldName)> {
    let path = address.strip_prefix(SCHEME)?.strip_prefix("://")?;
    let (panda, field) = path.rsplit_once('/')?;
    Some((panda, field.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_panda_and_a_field() {
        let check = |address: &str, expected: Option<(&str, &str)>| {
            let found = parts(address).map(|(panda, field)| (panda, field.to_string()));
            assert_eq!(found, expected.map(|(panda, field)| (panda, field.to_owned())));
        };
        check("panda://p/SEQ1.ACTIVE", Some(("p", "SEQ1.ACTIVE")));
        check(
            "panda://10.0.0.1:8888/INENC1.VAL.SCALED",
            Some(("10.0.0.1:8888", "INENC1.VAL.SCALED")),
        );
        for none in
            ["panda://p", "panda://p/", "panda://p/SEQ1", "ca://p/SEQ1.ACTIVE", "panda://SEQ1.A"]
        {
            check(none, None);
        }
    }
}
