//! Every built-in theme, and faults in theme files.

use ratatui::style::Color;

use super::*;

#[test]
fn every_theme_is_whole_and_tells_the_levels_apart() {
    for name in Theme::names() {
        let theme = Theme::named(name).unwrap();
        let mut levels: Vec<String> = (1..=5).map(|level| format!("{:?}", theme.fresh(level))).collect();
        levels.sort();
        levels.dedup();
        assert_eq!(levels.len(), 5, "{name}");
        for role in theme.roles.keys() {
            assert!(ROLES.contains(&role.as_str()), "{name}: {role} is not used");
        }
        assert_ne!(theme.role("hunk.add"), theme.role("hunk.remove"), "{name}");
    }
}

#[test]
fn themes_keep_to_their_colours() {
    let none = |colour: Option<Color>| colour.is_none_or(|colour| colour == Color::Reset);
    for (role, style) in Theme::named("mono").unwrap().styles() {
        assert!(none(style.fg) && none(style.bg), "mono {role}");
    }
    for (role, style) in Theme::named("ansi").unwrap().styles() {
        let palette = |colour: Option<Color>| !matches!(colour, Some(Color::Rgb(..) | Color::Indexed(_)));
        assert!(palette(style.fg) && palette(style.bg), "ansi {role}");
    }
}

#[test]
fn colours_are_reduced_to_what_the_terminal_has() {
    for name in Theme::names() {
        let theme = Theme::named(name).unwrap();
        for (_, style) in theme.clone().reduced(Depth::Ansi256).styles() {
            assert!(![style.fg, style.bg].iter().any(|colour| matches!(colour, Some(Color::Rgb(..)))), "{name}");
        }
        for (_, style) in theme.clone().reduced(Depth::Ansi16).styles() {
            let rich = |colour: &Option<Color>| matches!(colour, Some(Color::Rgb(..) | Color::Indexed(_)));
            assert!(![style.fg, style.bg].iter().any(rich), "{name}");
        }
        assert_eq!(theme.clone().reduced(Depth::True), theme);
        let none = theme.reduced(Depth::None);
        assert_eq!((none.name.as_str(), &none.roles), (name, &Theme::named("mono").unwrap().roles));
    }
}

#[test]
fn the_terminal_decides_on_the_theme() {
    for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
        for light in [false, true] {
            let theme = Theme::named(Theme::automatic(depth, light)).unwrap();
            assert!(!matches!((theme.ground(), light), (Ground::Dark, true) | (Ground::Light, false)), "{depth:?} {light}");
        }
    }
}

#[test]
fn text_is_legible_on_the_background_that_a_theme_is_made_for() {
    let luminance = |(r, g, b): (u8, u8, u8)| {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
    };
    let rgb = |colour: Option<Color>, default| match colour {
        Some(Color::Rgb(r, g, b)) => (r, g, b),
        _ => default,
    };
    for name in Theme::names() {
        let theme = Theme::named(name).unwrap();
        let (ground, ink) = match theme.ground() {
            Ground::Dark => ((24, 26, 31), (220, 220, 220)),
            Ground::Light => ((250, 250, 250), (30, 30, 30)),
            Ground::Any => continue,
        };
        let text = theme.role("text");
        for (role, style) in theme.styles() {
            let style = text.patch(*style);
            let (fg, bg) = (luminance(rgb(style.fg, ink)), luminance(rgb(style.bg, ground)));
            let contrast = (fg.max(bg) + 0.05) / (fg.min(bg) + 0.05);
            let least = if name.starts_with("high") { 5.0 } else { 3.0 };
            assert!(contrast >= least, "{name}: {role} has a contrast of {contrast:.2}");
        }
    }
}

#[test]
fn captures_fall_back() {
    let theme = Theme::named("dark").unwrap();
    assert_eq!(theme.capture("keyword.odd.name"), theme.capture("keyword"));
    assert_ne!(theme.capture("keyword"), theme.capture("string"));
    assert_eq!(theme.capture("nothing.known"), theme.role("text"));
}

#[test]
fn faults_are_told_in_one_line() {
    let error = |source: &str| Theme::parse("x", source).unwrap_err().to_string();
    assert!(error("[roles]\ntext = 3\n").contains("line 2"), "{}", error("[roles]\ntext = 3\n"));
    assert!(error("[roles]\ntext = \"#12345g\"\n").contains("not a colour"));
    assert!(error("[roles]\ntext = \"red\"\n").contains("`dim` is missing"));
    assert!(Theme::named("nope").unwrap_err().to_string().contains("high-contrast"));
    for source in ["", "[roles", "roles = 1", "[roles]\ntext = {fg = \"red\", blink = true}"] {
        assert!(!error(source).contains('\n'), "{source:?}");
    }
}
