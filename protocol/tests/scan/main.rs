//! Scan specifications: what upstream computed, rules of the single types, and what holds for all.
mod golden;
mod malformed;
mod properties;
mod rules;
