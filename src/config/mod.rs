//! Settings: built-in, then the user's file, then the repository's, then the environment, then flags; and which repository's
//! file is trusted.
//!
//! A repository may set inert keys only, until the user has trusted the very content of its file: whoever clones a repository has
//! not thereby agreed to run its commands.

pub mod file;
pub mod keys;
pub mod layers;
pub mod places;
pub mod trust;

pub use file::ConfigError;
pub use file::KeyBinding;
pub use keys::Key;
pub use keys::Value;
pub use layers::Layers;
pub use layers::Origin;
pub use layers::Setting;
pub use trust::TrustStore;
