//! The `dcode` program.

fn main() {}
