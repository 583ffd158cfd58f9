//! Scan specifications: what upstream computed, rules of the single types, and what holds for all.
mod compound_errors;
mod compound_golden;
mod compound_regions;
mod compounds;
mod golden;
mod legacy_golden;
mod malformed;
mod masks;
mod properties;
mod rules;
mod schema;
