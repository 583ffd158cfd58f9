//! [`Attributes`]: what a header tells of one thing.
use super::HeaderError;

/// Where in a header something is wrong, and what.
pub(super) type Fault = (usize, HeaderError);

/// Names and values, in either form of headers.
pub(super) struct Attributes {
    /// Where in the header it stands.
    pub(super) at: usize,
    /// Of what they are told.
    element: String,
    pairs: Vec<(String, String)>,
}

impl Attributes {
    pub(super) fn new(
        at: usize,
        element: &str,
        pairs: Vec<(String, String)>,
    ) -> Result<Self, Fault> {
        let named = |name: &str| pairs.iter().find(|(known, _)| known == name);
        let twice = pairs
            .iter()
            .enumerate()
            .find(|(i, (name, _))| pairs[..*i].iter().any(|(before, _)| before == name));
        // A field is known by its name.
        let element = named("name").map_or(element, |(_, name)| name).to_owned();
        if let Some((_, (attribute, _))) = twice {
            let attribute = attribute.clone();
            return Err((at, HeaderError::Twice { element, attribute }));
        }
        Ok(Self { at, element, pairs })
    }

    pub(super) fn get(&self, attribute: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(name, _)| name == attribute);
        pair.map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, attribute: &'static str) -> Result<&str, Fault> {
        self.get(attribute).ok_or_else(|| {
            (self.at, HeaderError::Missing { element: self.element.clone(), attribute })
        })
    }

    /// The value, if it is told.
    pub(super) fn parsed<T>(
        &self,
        attribute: &'static str,
        rule: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.get(attribute) else { return Ok(None) };
        parse(value).map(Some).ok_or_else(|| self.refused(attribute, rule))
    }

    /// The error of a value that breaks the rule.
    pub(super) fn refused(&self, attribute: &'static str, rule: &'static str) -> Fault {
        let value = self.get(attribute).unwrap_or_default().to_owned();
        (self.at, HeaderError::Value { element: self.element.clone(), attribute, value, rule })
    }

    pub(super) fn missing(&self, attribute: &'static str) -> Fault {
        (self.at, HeaderError::Missing { element: self.element.clone(), attribute })
    }
}
