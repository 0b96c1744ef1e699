//! Ranges of the sequence numbers that devices count their readings with.

use std::fmt;

/// Ranges in order that neither overlap nor touch; both ends are in a range. As text: `18 31-40`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceRanges(Vec<(u64, u64)>);

impl SequenceRanges {
    /// `None` unless they are in order and apart.
    pub fn new(ranges: Vec<(u64, u64)>) -> Option<Self> {
        let in_order = ranges.iter().all(|(first, last)| first <= last);
        let apart = |pair: &[(u64, u64)]| pair[0].1.checked_add(1).is_some_and(|next| next < pair[1].0);
        (in_order && ranges.windows(2).all(apart)).then_some(Self(ranges))
    }

    /// What `Display` wrote, or `None` when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Self::new(text.split_whitespace().map(range).collect::<Option<_>>()?)
    }

    /// First and last number of each.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }
}

impl fmt::Display for SequenceRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            if first == last {
                write!(f, "{space}{first}")?;
            } else {
                write!(f, "{space}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for text in ["", "7", "0-3 5 9-18446744073709551615"] {
            assert_eq!(SequenceRanges::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(SequenceRanges::parse("1-2 9").unwrap().iter().collect::<Vec<_>>(), [(1, 2), (9, 9)]);
    }

    #[test]
    fn a_text_that_is_no_ranges_in_order_and_apart_is_not_read() {
        for text in ["x", "1-", "-", "5-3", "1-3 4", "1-3 2-5", "1-18446744073709551615 5", "18446744073709551616"] {
            assert_eq!(SequenceRanges::parse(text), None, "{text}");
        }
    }
}
