//! Reads the worked examples of FORMAT.md, for tests.

/// The bytes of a worked example, as the document gives them behind this title: an offset, up to sixteen
/// bytes, and behind a bar the same as text. The offset of the first line is returned too.
pub(crate) fn example_bytes(title: &str) -> (usize, Vec<u8>) {
    let document = include_str!("../../FORMAT.md");
    let (_, rest) = document.split_once(title).unwrap_or_else(|| panic!("no {title:?}"));
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    let (mut start, mut bytes) = (None, Vec::new());
    for line in lines.take_while(|line| line.starts_with("    ")) {
        let mut words = line.split('|').next().unwrap().split_whitespace();
        let offset: usize = words.next().unwrap().parse().unwrap();
        let start = *start.get_or_insert(offset);
        assert_eq!(offset, start + bytes.len(), "the offset in: {line}");
        bytes.extend(words.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    (start.unwrap(), bytes)
}

/// Bytes as the document gives them.
pub(crate) fn as_example(start: usize, bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (at, line) in (start..).step_by(16).zip(bytes.chunks(16)) {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown =
            |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { *byte as char } else { '.' };
        let letters: String = line.iter().map(shown).collect();
        writeln!(text, "    {at:<5} {:<48} | {letters}", hex.join(" ")).unwrap();
    }
    text
}
