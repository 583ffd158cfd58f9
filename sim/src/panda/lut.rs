//! Functions of lookup tables: an expression of the inputs A to E, or a number.
use super::{fault::Fault, number};

/// What an input is in each of the 32 cases: A is the highest bit of the number of a case.
const INPUTS: [(u8, u32); 5] = [
    (b'A', 0xffff_0000),
    (b'B', 0xff00_ff00),
    (b'C', 0xf0f0_f0f0),
    (b'D', 0xcccc_cccc),
    (b'E', 0xaaaa_aaaa),
];
/// Parentheses in each other, and signs of negation in a row.
const MAX_DEPTH: usize = 100;

/// The table of a function as it is written.
pub(super) fn table(text: &str) -> Result<u32, Fault> {
    if text.starts_with("0x") || text.len() > 1 && text.starts_with(|c: char| c.is_ascii_digit()) {
        let value = number::unsigned(text)?;
        return u32::try_from(value).map_err(|_| Fault::OUT_OF_RANGE);
    }
    let mut parser = Parser { rest: text.as_bytes(), depth: 0 };
    let value = parser.choice()?;
    if parser.peek().is_none() { Ok(value) } else { Err(Fault::UNEXPECTED_CHARACTER) }
}

struct Parser<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let [b' ', behind @ ..] = self.rest {
            self.rest = behind;
        }
        self.rest.first().copied()
    }

    fn takes(&mut self, token: &[u8]) -> bool {
        self.peek();
        match self.rest.strip_prefix(token) {
            Some(behind) => {
                self.rest = behind;
                true
            }
            None => false,
        }
    }

    /// The operators from the weakest to the strongest: `?:`, `=`, `=>`, `|`, `^`, `&`, `~`.
    fn choice(&mut self) -> Result<u32, Fault> {
        let condition = self.equality()?;
        if !self.takes(b"?") {
            return Ok(condition);
        }
        let then = self.nested(Self::choice)?;
        if !self.takes(b":") {
            return Err(Fault::new("Invalid token"));
        }
        let other = self.nested(Self::choice)?;
        Ok(condition & then | !condition & other)
    }

    fn equality(&mut self) -> Result<u32, Fault> {
        let mut value = self.implication()?;
        while self.peek() == Some(b'=') {
            self.rest = &self.rest[1..];
            value = !(value ^ self.implication()?);
        }
        Ok(value)
    }

    fn implication(&mut self) -> Result<u32, Fault> {
        let value = self.any()?;
        if self.takes(b"=>") { Ok(!value | self.nested(Self::implication)?) } else { Ok(value) }
    }

    fn any(&mut self) -> Result<u32, Fault> {
        let mut value = self.odd()?;
        while self.takes(b"|") {
            value |= self.odd()?;
        }
        Ok(value)
    }

    fn odd(&mut self) -> Result<u32, Fault> {
        let mut value = self.all()?;
        while self.takes(b"^") {
            value ^= self.all()?;
        }
        Ok(value)
    }

    fn all(&mut self) -> Result<u32, Fault> {
        let mut value = self.operand()?;
        while self.takes(b"&") {
            value &= self.operand()?;
        }
        Ok(value)
    }

    fn operand(&mut self) -> Result<u32, Fault> {
        let Some(token) = self.peek() else { return Err(Fault::new("Missing value")) };
        self.rest = &self.rest[1..];
        match token {
            b'~' => Ok(!self.nested(Self::operand)?),
            b'0' => Ok(0),
            b'1' => Ok(u32::MAX),
            b'(' => {
                let value = self.nested(Self::choice)?;
                if self.takes(b")") {
                    Ok(value)
                } else {
                    Err(Fault::new("Missing closing parenthesis"))
                }
            }
            _ => {
                let input = INPUTS.iter().find(|(name, _)| *name == token);
                input.map(|(_, cases)| *cases).ok_or(Fault::new("Invalid token"))
            }
        }
    }

    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<u32, Fault>,
    ) -> Result<u32, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new("Expression too complex"));
        }
        let value = parse(self);
        self.depth -= 1;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_tables_of_their_cases() {
        let check = |text: &str, expected: Result<u32, &str>| {
            let found = table(text);
            assert_eq!(
                found.as_ref().map_err(Fault::text),
                expected.as_ref().map_err(|e| *e),
                "{text}"
            );
        };
        check("0x123", Ok(0x123));
        check("A", Ok(0xffff_0000));
        check("A&B", Ok(0xff00_0000));
        check("A & ~B", Ok(0x00ff_0000));
        check("D^E", Ok(0x6666_6666));
        check("A&B|C=>D^E", Ok(!(0xff00_0000 | 0xf0f0_f0f0) | 0x6666_6666));
        check("A=B", Ok(!0x00ff_ff00));
        check("A?B:C", Ok(0xff00_f0f0));
        check("1", Ok(u32::MAX));
        check("(A|B", Err("Missing closing parenthesis"));
        check("A&F", Err("Invalid token"));
        check("A&", Err("Missing value"));
        check("", Err("Missing value"));
        check("A)", Err("Unexpected character after input"));
        check(&"(".repeat(1_000), Err("Expression too complex"));
        check("0x100000000", Err("Number out of range"));
    }
}
