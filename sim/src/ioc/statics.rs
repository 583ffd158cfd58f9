//! What real records have beside the signals that are simulated: who made it, how it is set up.
use super::{Directory, SoftRecord};
use bluefly_actors::signal::{Metadata, NativeType, Value};

/// Records that stand beside a signal of this ending, from recordings of real IOCs.
const BESIDE: [(&str, &str, &str); 3] = [
    (".VAL", ".", include_str!("records/motor.tsv")),
    (":Acquire", ":", include_str!("records/camera.tsv")),
    (":Capture", ":", include_str!("records/writer.tsv")),
];
/// In a unit: that of the motor.
const UNIT: &str = "{unit}";

/// One line of a table.
struct Line<'a> {
    name: &'a str,
    native: NativeType,
    count: usize,
    record: &'a str,
    unit: &'a str,
    precision: Option<i16>,
    choices: Vec<String>,
    value: &'a str,
}

/// Adds to each motor, camera and file writer what else its record has in a real IOC. All of it can be
/// read and none written: there is nothing behind it.
pub fn add_static_records(directory: &Directory) {
    for (name, metadata) in directory.list() {
        for (ending, separator, table) in BESIDE {
            let Some(device) = name.strip_suffix(ending) else { continue };
            for line in table.lines().filter(|line| !line.starts_with('#')) {
                let Some(line) = Line::parse(line) else {
                    tracing::error!(line, "a table of records is damaged");
                    continue;
                };
                let own = format!("{device}{separator}{}", line.name);
                if !directory.has(&own) {
                    directory.add_soft(&own, line.record, line.soft_record(&metadata.units));
                }
            }
        }
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut cells = line.split('\t');
        let (name, native, count) = (cells.next()?, cells.next()?, cells.next()?);
        let (record, unit, precision) = (cells.next()?, cells.next()?, cells.next()?);
        let (choices, value) = (cells.next()?, cells.next()?);
        let native = match native {
            "STRING" => NativeType::String,
            "SHORT" => NativeType::Short,
            "FLOAT" => NativeType::Float,
            "ENUM" => NativeType::Enum,
            "CHAR" => NativeType::Char,
            "LONG" => NativeType::Long,
            "DOUBLE" => NativeType::Double,
            _ => return None,
        };
        let choices = choices.split('|').filter(|choice| !choice.is_empty());
        Some(Self {
            name,
            native,
            count: count.parse().ok()?,
            record,
            unit,
            precision: precision.parse().ok(),
            choices: choices.map(str::to_owned).collect(),
            value,
        })
    }

    fn soft_record(&self, unit: &str) -> SoftRecord {
        let metadata = Metadata {
            max_count: self.count,
            units: self.unit.replace(UNIT, unit),
            precision: self.precision,
            choices: self.choices.clone(),
            ..Metadata::scalar(self.native)
        };
        let value = match self.native {
            NativeType::Short | NativeType::Long | NativeType::Float | NativeType::Double => {
                Value::Float(self.value.parse().unwrap_or(f64::NAN))
            }
            NativeType::Char if self.count == 1 => {
                Value::Float(self.value.parse().unwrap_or(f64::NAN))
            }
            NativeType::String | NativeType::Enum | NativeType::Char => {
                Value::Text(self.value.to_owned())
            }
        };
        SoftRecord::new(value, metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_is_whole() {
        for (_, _, table) in BESIDE {
            let mut names = vec![];
            for text in table.lines().filter(|line| !line.starts_with('#')) {
                let line = Line::parse(text).unwrap_or_else(|| panic!("{text}"));
                match line.soft_record("mm").describe().native {
                    NativeType::Enum => {
                        assert!(line.choices.iter().any(|choice| choice == line.value), "{text}");
                    }
                    NativeType::Short
                    | NativeType::Long
                    | NativeType::Float
                    | NativeType::Double => {
                        assert!(line.value.parse::<f64>().is_ok(), "{text}");
                    }
                    NativeType::String | NativeType::Char => {}
                }
                names.push(line.name);
            }
            let mut sorted = names.clone();
            sorted.dedup();
            assert_eq!(names, sorted);
        }
        assert!(Line::parse("PortName\tSTRING\t1").is_none());
        assert!(Line::parse("x\tINT64\t1\tai\t\t\t\t0").is_none());
    }
}
