//! [`Identity`]: which versions a PandA has.
use super::DescribeError;
use std::str::FromStr;

/// What `*IDN?` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub software: String,
    pub fpga: String,
    pub rootfs: String,
    /// Major and minor version of the protocol: that of the software.
    pub version: (u32, u32),
}

impl Identity {
    /// Whether tables may be appended to while they run.
    pub fn can_stream_tables(&self) -> bool {
        self.version >= (4, 0)
    }
}

impl FromStr for Identity {
    type Err = DescribeError;
    fn from_str(text: &str) -> Result<Self, DescribeError> {
        let rule = "PandA SW: VERSION FPGA: VERSION rootfs: VERSION, with a SW of MAJOR.MINOR";
        let error = || DescribeError::new("identity of a PandA", text, rule);
        let rest = text.strip_prefix("PandA SW: ").ok_or_else(error)?;
        let (software, rest) = rest.split_once(" FPGA: ").ok_or_else(error)?;
        let (fpga, rootfs) = rest.split_once(" rootfs: ").ok_or_else(error)?;
        let version = version(software).ok_or_else(error)?;
        let [software, fpga, rootfs] = [software, fpga, rootfs].map(str::to_owned);
        Ok(Self { software, fpga, rootfs, version })
    }
}

/// The first two numbers, whatever follows them.
fn version(software: &str) -> Option<(u32, u32)> {
    let (major, rest) = software.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}
