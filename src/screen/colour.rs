//! Colour depth of a terminal, and the five levels of confidence.

/// How many colours a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, underline and reverse only.
    None,
    /// The 16 colours of the user's own palette.
    Ansi16,
    /// The 256-colour palette.
    Ansi256,
    /// 24 bits.
    True,
}

/// The user's choice by `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// By the environment.
    #[default]
    Auto,
    /// Colours even when the output is not a terminal.
    Always,
    /// Never.
    Never,
}

impl Depth {
    /// The depth for an output: the choice, then `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR=0`, then what the terminal says of itself.
    /// `variable` reads the environment.
    pub fn detect(choice: ColorChoice, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let able = match (set("COLORTERM").as_deref(), term.as_str()) {
            (Some("truecolor" | "24bit"), _) => Self::True,
            (_, term) if term.contains("direct") => Self::True,
            (_, term) if term.contains("256") => Self::Ansi256,
            _ => Self::Ansi16,
        };
        match choice {
            ColorChoice::Never => return Self::None,
            ColorChoice::Always => return able,
            ColorChoice::Auto => {}
        }
        if set("NO_COLOR").is_some() {
            return Self::None;
        }
        if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            return able;
        }
        let off = set("CLICOLOR").is_some_and(|value| value == "0");
        if off || !is_terminal || term == "dumb" || (term.is_empty() && cfg!(unix)) { Self::None } else { able }
    }
}

/// Level of a confidence: 1 (a guess) to 5 (certain). Models are overconfident, so the levels are narrow near one.
pub fn level(confidence: f32) -> u8 {
    match confidence {
        c if c >= 0.97 => 5,
        c if c >= 0.9 => 4,
        c if c >= 0.7 => 3,
        c if c >= 0.4 => 2,
        // Also what is not a number.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(choice: ColorChoice, is_terminal: bool, environment: &[(&str, &str)]) -> Depth {
        Depth::detect(choice, is_terminal, |name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn order_of_what_decides() {
        let auto = ColorChoice::Auto;
        assert_eq!(detect(auto, true, &[("TERM", "xterm-256color")]), Depth::Ansi256);
        assert_eq!(detect(auto, true, &[("TERM", "xterm"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(detect(auto, true, &[("TERM", "xterm")]), Depth::Ansi16);
        assert_eq!(detect(auto, true, &[("TERM", "dumb")]), Depth::None);
        assert_eq!(detect(auto, false, &[("TERM", "xterm")]), Depth::None);
        assert_eq!(detect(auto, true, &[("TERM", "xterm"), ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), Depth::None);
        assert_eq!(detect(auto, true, &[("TERM", "xterm"), ("NO_COLOR", "")]), Depth::Ansi16);
        assert_eq!(detect(auto, false, &[("TERM", "xterm"), ("CLICOLOR_FORCE", "1")]), Depth::Ansi16);
        assert_eq!(detect(auto, true, &[("TERM", "xterm"), ("CLICOLOR", "0")]), Depth::None);
        assert_eq!(detect(ColorChoice::Always, false, &[("TERM", "xterm"), ("NO_COLOR", "1")]), Depth::Ansi16);
        assert_eq!(detect(ColorChoice::Never, true, &[("TERM", "xterm"), ("CLICOLOR_FORCE", "1")]), Depth::None);
    }

    #[test]
    fn levels_rise_with_confidence_and_take_any_number() {
        let mut last = 1;
        for step in 0..=1000 {
            let now = level(step as f32 / 1000.0);
            assert!(now >= last);
            last = now;
        }
        assert_eq!(last, 5);
        assert_eq!([level(f32::NAN), level(-1.0), level(f32::INFINITY)], [1, 1, 5]);
    }
}
