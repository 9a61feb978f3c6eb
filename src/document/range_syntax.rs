//! Reading a range as it was typed.

use std::str::FromStr;

use super::range::Position;
use super::range::RangeError;
use super::range::RangeSpec;

impl FromStr for Position {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Position, RangeError> {
        match text.split_once(':').map(|(line, column)| (number(line), number(column))) {
            Some((Some(line), Some(column))) => Ok(Position { line, column }),
            _ => Err(RangeError::Position(text.into())),
        }
    }
}

impl FromStr for RangeSpec {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<RangeSpec, RangeError> {
        parse(text).ok_or_else(|| {
            let mut tail = text.rsplitn(3, ':');
            let (last, middle, head) = (tail.next(), tail.next(), tail.next());
            let numbers = [last, middle].into_iter().flatten().all(|part| number(part).is_some());
            match head {
                Some(head) if numbers && number(head).is_none() && !head.is_empty() => RangeError::FilePosition(text.into()),
                _ => RangeError::Syntax(text.into()),
            }
        })
    }
}

fn parse(text: &str) -> Option<RangeSpec> {
    if let Some((first, count)) = text.split_once(",+") {
        return Some(RangeSpec::Count { first: number(first)?, count: number(count)? });
    }
    if let Some((first, last)) = text.split_once('-') {
        if let (Some(first), Some(last)) = (position(first), position(last)) {
            return Some(RangeSpec::Columns { first, last });
        }
        return Some(RangeSpec::Lines { first: line(first)?, last: line(last)? });
    }
    if let Some((first, last)) = text.split_once(',') {
        return Some(RangeSpec::Lines { first: number(first)?, last: number(last)? });
    }
    if let Some(only) = line(text) {
        return Some(RangeSpec::Lines { first: only, last: only });
    }
    if let Some((first, last)) = text.split_once(':')
        && let (Some(first), Some(last)) = (number(first), number(last))
    {
        return Some(RangeSpec::Lines { first, last });
    }
    is_symbol(text).then(|| RangeSpec::Symbol(text.to_owned()))
}

/// `10:5`, or `L10C5` as in a link to a forge.
fn position(text: &str) -> Option<Position> {
    let (line, column) = match text.strip_prefix('L') {
        Some(rest) => rest.split_once('C')?,
        None => text.split_once(':')?,
    };
    Some(Position { line: number(line)?, column: number(column)? })
}

/// `10` or `L10`.
fn line(text: &str) -> Option<usize> {
    number(text.strip_prefix('L').unwrap_or(text))
}

/// Digits alone; `usize::from_str` would take a sign too.
fn number(text: &str) -> Option<usize> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// Names joined by `::` or `.`; a name starts with a letter or an underscore.
fn is_symbol(text: &str) -> bool {
    text.split("::").flat_map(|part| part.split('.')).all(|name| {
        let mut characters = name.chars();
        characters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && characters.all(|c| c.is_alphanumeric() || "_'$#<>".contains(c))
    })
}
