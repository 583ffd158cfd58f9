//! A server that dies in mid-scan, and comes back.
