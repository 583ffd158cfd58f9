//! Of the whole FPGA, and of its blocks against what the hardware was seen to do.
mod vectors;
