//! Text that comes from elsewhere: made safe to print, and checked for what a reader cannot see and for secrets.

pub mod hazard;
pub mod sanitise;
pub mod secret;

pub use hazard::Hazard;
pub use hazard::new_hazards;
pub use sanitise::sanitise;
pub use sanitise::sanitise_bytes;
pub use sanitise::sanitise_line;
