//! Names of files from a template, as `epicsSnprintf` makes them: `%s%s_%3.3d.h5`.

/// The name that `template` makes of a path, a name and a number: the first `%s` is the path, the
/// next the name, a `%d` the number. What is none of these stays as it is.
pub(crate) fn full_name(template: &str, path: &str, name: &str, number: i64) -> String {
    let mut texts = [path, name].into_iter();
    let mut full = String::new();
    let mut rest = template;
    while let Some((text, format)) = rest.split_once('%') {
        full += text;
        let length = format.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(format.len());
        let (width, end) = format.split_at(length);
        rest = end.get(1..).unwrap_or("");
        match end.chars().next() {
            Some('s') => full += texts.next().unwrap_or(""),
            Some('d') => {
                let digits = width.rsplit('.').next().and_then(|digits| digits.parse().ok());
                let digits = digits.unwrap_or(0_usize).min(20);
                let number = format!("{number:0digits$}");
                full.push_str(&number);
            }
            Some('%') => full.push('%'),
            Some(_) | None => {
                full.push('%');
                rest = format;
            }
        }
    }
    full + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_a_path_a_name_and_a_number() {
        let check = |template, expected| {
            assert_eq!(full_name(template, "/data/", "a", 7), expected, "{template}");
        };
        check("%s%s", "/data/a");
        check("%s%s_%3.3d.h5", "/data/a_007.h5");
        check("%s%s_%d.h5", "/data/a_7.h5");
        check("%s%s%s", "/data/a");
        check("100%% %s%", "100% /data/%");
        check("é%xé", "é%xé");
        check("", "");
    }
}
