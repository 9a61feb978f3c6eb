//! The CLI reference, `docs/cli.md`, made from the commands themselves.

use std::fmt::Write;

use clap::Command;
use clap::CommandFactory;

use crate::cli::Cli;

/// The reference as Markdown: the long help of each command.
pub fn markdown() -> String {
    let mut text = String::from("# CLI reference\n\nMade from the program itself; a test keeps it true.\n");
    let mut root = Cli::command().term_width(100);
    root.build();
    let commands: Vec<Command> = root.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    section(&mut text, "dcode", root);
    for command in commands {
        let name = format!("dcode {}", command.get_name());
        let inner: Vec<Command> = command.get_subcommands().filter(|inner| inner.get_name() != "help").cloned().collect();
        section(&mut text, &name, command.term_width(100));
        for command in inner {
            let name = format!("{name} {}", command.get_name());
            section(&mut text, &name, command.term_width(100));
        }
    }
    text.push_str(EXITS);
    text
}

const EXITS: &str = "
## Exit codes

| code | meaning |
| --- | --- |
| 0 | done, or nothing to do |
| 1 | `--check` found changes, or all were rejected |
| 2 | wrong usage or configuration |
| 3 | no candidate parses, or passes the commands; nothing was written |
| 4 | refused: the file changed, an unsafe path, not text, hidden characters, a secret, a plan that no longer fits |
| 5 | the model is missing or damaged |
| 6 | steps, time or slots were used up without an acceptable result |
| 70 | a fault of dcode |
| 130 | interrupted |
";

fn section(text: &mut String, name: &str, mut command: Command) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    // Writing to a string cannot fail.
    let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end());
}
