//! The export as a sequence of elements, each whole with its children. No entity but XML's own five is known, nothing is
//! looked up outside the file, and an element that does not end is refused before it fills the memory.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use jiff::civil::Date;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::import::{ImportError, local};

/// Bytes of one tag or text: the longest in an export is the document type, some 20 KB.
const TAG_BYTES_MAX: u64 = 1 << 20;
/// Children of one element: a heart rate variability has some hundred beats, a workout some thousand events.
const CHILDREN_MAX: usize = 20_000;
/// Depth of elements: an export has five levels.
const DEPTH_MAX: usize = 16;

/// An element below the root, or a child of one, without its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    pub tag: String,
    pub attributes: Vec<(String, String)>,
    /// All below it, flat, in the order of the file.
    pub children: Vec<Self>,
    pub line: u64,
}

impl Element {
    /// Empty where there is none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Value of the child `MetadataEntry` with this key.
    pub fn metadata(&self, key: &str) -> &str {
        let entries = self.children.iter().filter(|child| child.tag == "MetadataEntry");
        let mut named = entries.filter(|entry| entry.attribute("key") == key);
        named.next().map_or("", |entry| entry.attribute("value"))
    }
}

/// Counts what was read since the last tag.
struct Metered<'a> {
    inner: &'a mut dyn BufRead,
    since_tag: Rc<Cell<u64>>,
    lines: Rc<Cell<u64>>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.since_tag.set(self.since_tag.get() + count as u64);
        let lines = buffer[..count].iter().filter(|byte| **byte == b'\n').count();
        self.lines.set(self.lines.get() + lines as u64);
        if self.since_tag.get() > TAG_BYTES_MAX {
            return Err(io::Error::other("a tag or text of more than 1 MiB: not a Health export"));
        }
        Ok(count)
    }
}

pub struct Elements<'a> {
    reader: Reader<BufReader<Metered<'a>>>,
    buffer: Vec<u8>,
    since_tag: Rc<Cell<u64>>,
    lines: Rc<Cell<u64>>,
    file: &'a str,
    depth: usize,
    open: Option<Element>,
}

/// Bytes read ahead: small, so that a line number is near the tag that it is told for.
const AHEAD_BYTES: usize = 16 << 10;

impl<'a> Elements<'a> {
    pub fn new(reader: &'a mut dyn BufRead, file: &'a str) -> Self {
        let (since_tag, lines) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(1)));
        let metered = Metered { inner: reader, since_tag: Rc::clone(&since_tag), lines: Rc::clone(&lines) };
        let reader = Reader::from_reader(BufReader::with_capacity(AHEAD_BYTES, metered));
        Self { reader, buffer: Vec::new(), since_tag, lines, file, depth: 0, open: None }
    }

    /// The next element below the root.
    ///
    /// # Errors
    /// [`ImportError::NotThisFormat`] where the file is no well-formed export, or ends before its root does.
    pub fn next(&mut self) -> Result<Option<Element>, ImportError> {
        loop {
            self.buffer.clear();
            self.since_tag.set(0);
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(wrong(self.file, self.lines.get(), error.to_string())),
            };
            let line = self.lines.get();
            let (started, ended) = match event {
                Event::Start(tag) => (Some(element(&tag, line)), false),
                Event::Empty(tag) => (Some(element(&tag, line)), true),
                Event::End(_) => (None, true),
                Event::Eof if self.depth == 0 => return Ok(None),
                Event::Eof => {
                    return Err(wrong(self.file, line, "the file ends before the export does: it was cut off"));
                }
                _ => continue,
            };
            if let Some(found) = started {
                let found = found.map_err(|problem| wrong(self.file, line, problem))?;
                self.start(found)?;
            }
            if ended && let Some(whole) = self.end() {
                return Ok(Some(whole));
            }
        }
    }

    fn start(&mut self, found: Element) -> Result<(), ImportError> {
        if self.depth == 0 && found.tag != "HealthData" {
            let problem = format!("the root is <{}>, not <HealthData>", found.tag.chars().take(40).collect::<String>());
            return Err(wrong(self.file, found.line, problem));
        }
        self.depth += 1;
        let line = found.line;
        match &mut self.open {
            None if self.depth > 1 => self.open = Some(found),
            None => {}
            Some(open) => open.children.push(found),
        }
        let children = self.open.as_ref().map_or(0, |open| open.children.len());
        if self.depth > DEPTH_MAX || children > CHILDREN_MAX {
            return Err(wrong(self.file, line, "nested deeper or with more children than any Health export"));
        }
        Ok(())
    }

    fn end(&mut self) -> Option<Element> {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 1 { self.open.take() } else { None }
    }
}

fn wrong(file: &str, line: u64, problem: impl Into<String>) -> ImportError {
    ImportError::NotThisFormat { file: file.to_owned(), line, problem: problem.into() }
}

fn element(tag: &BytesStart<'_>, line: u64) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element { tag: tag.name().as_ref().to_owned(), attributes, children: Vec::new(), line })
}

/// When the export was made.
#[derive(Debug, PartialEq, Eq)]
pub enum Exported {
    On(Date),
    /// It does not say; the last day of a sample in it.
    Unsaid(Option<Date>),
}

/// Reads up to the export's date, which stands before the samples; to the end if there is none.
///
/// # Errors
/// As [`Elements::next`].
pub fn exported_on(reader: &mut dyn BufRead, file: &str) -> Result<Exported, ImportError> {
    let mut elements = Elements::new(reader, file);
    let mut last: Option<Date> = None;
    while let Some(element) = elements.next()? {
        let day = |name: &str| local::date(element.attribute(name).split(' ').next().unwrap_or_default());
        if element.tag == "ExportDate"
            && let Some(day) = day("value")
        {
            return Ok(Exported::On(day));
        }
        last = last.max(day("endDate"));
    }
    Ok(Exported::Unsaid(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Element>, ImportError> {
        let mut bytes = text.as_bytes();
        let mut elements = Elements::new(&mut bytes, "export.xml");
        let mut found = Vec::new();
        while let Some(element) = elements.next()? {
            found.push(element);
        }
        Ok(found)
    }

    #[test]
    fn an_element_comes_whole_with_its_children_and_escapes_resolved() {
        let found = all(
            "<?xml version=\"1.0\"?><!DOCTYPE HealthData [<!ELEMENT HealthData (Record*)>]>\n<HealthData locale=\"en\">\n<Record device=\"&lt;&lt;HKDevice&gt;\" v=\"a&amp;b\"><MetadataEntry key=\"k\" value=\"1\"/></Record><Me/></HealthData>",
        )
        .unwrap();
        assert_eq!((found[0].attribute("device"), found[0].attribute("v")), ("<<HKDevice>", "a&b"));
        assert_eq!((found[0].metadata("k"), found[1].tag.as_str(), found.len()), ("1", "Me", 2));
    }

    #[test]
    fn an_entity_of_the_files_own_is_refused_not_expanded() {
        let text = "<!DOCTYPE HealthData [<!ENTITY lol \"ha\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]><HealthData><Record v=\"&x;\"/></HealthData>";
        assert!(all(text).unwrap_err().to_string().contains("export.xml:1"), "named by its line");
    }

    #[test]
    fn a_file_that_was_cut_off_is_an_error_after_its_whole_elements() {
        let error = all("<HealthData><Record v=\"1\"/><Record v=\"2\">").unwrap_err().to_string();
        assert!(error.contains("cut off"), "{error}");
    }

    #[test]
    fn a_tag_that_does_not_end_and_an_endless_nest_are_refused() {
        let endless = format!("<HealthData><Record v=\"{}\"/></HealthData>", "x".repeat(3 << 20));
        assert!(all(&endless).unwrap_err().to_string().contains("more than 1 MiB"));
        let nest = format!("<HealthData>{}", "<a>".repeat(DEPTH_MAX + 1));
        assert!(all(&nest).unwrap_err().to_string().contains("nested deeper"));
    }

    #[test]
    fn the_exports_date_is_found_before_the_samples_or_else_their_last_day() {
        let on = |text: &str| exported_on(&mut text.as_bytes(), "export.xml").unwrap();
        let dated = "<HealthData><ExportDate value=\"2026-07-08 09:00:00 +0200\"/><Record endDate=\"broken";
        assert_eq!(on(dated), Exported::On(jiff::civil::date(2026, 7, 8)));
        let undated = "<HealthData><Record endDate=\"2026-07-07 09:00:00 +0200\"/><Record endDate=\"2026-07-01 09:00:00 +0200\"/></HealthData>";
        assert_eq!(on(undated), Exported::Unsaid(Some(jiff::civil::date(2026, 7, 7))));
    }
}
