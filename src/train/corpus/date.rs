//! Dates as people write them, to seconds since 1970 in UTC.

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The first second of the day `YYYY-MM-DD`, in UTC; the error says what is expected.
pub fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not a date; write it as 2025-12-31");
    let mut parts = text.split('-');
    let mut number = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()));
        part.and_then(|part| part.parse::<i64>().ok()).ok_or_else(wrong)
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_index = usize::try_from(month - 1).map_err(|_| wrong())?;
    let longest = days.get(month_index).ok_or_else(wrong)?;
    if parts.next().is_some() || !(1..=*longest).contains(&day) {
        return Err(wrong());
    }
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400;
    let since_year_one = before * 365 + leaps + days[..month_index].iter().sum::<i64>() + day - 1;
    // 1970-01-01 is day 719,162 counted from 0001-01-01.
    Ok((since_year_one - 719_162) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        // From `date -u -d DATE +%s`.
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("1969-12-31", -86_400),
            ("2000-02-29", 951_782_400),
            ("2025-12-31", 1_767_139_200),
            ("2100-03-01", 4_107_542_400),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2025",
            "2025-1-1",
            "2025-13-01",
            "2025-00-01",
            "2025-02-29",
            "2025-01-00",
            "2025-01-01-",
            "+025-01-01",
            "2025/01/01",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
