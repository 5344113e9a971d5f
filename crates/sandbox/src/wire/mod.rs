//! The AWS wire protocols over the world.
